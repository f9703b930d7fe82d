"""Runs tasks: each call in a session on its host, its pre-tasks on the same one."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import invoke.executor
from invoke.exceptions import Exit
from invoke.tasks import Call

from repoman_tasks.ask import Ask
from repoman_tasks.cli.ends import exits
from repoman_tasks.cli.many import ask_all, show_all
from repoman_tasks.cli.task import COMMON
from repoman_tasks.errors import RepomanError, UsageError
from repoman_tasks.host import Host
from repoman_tasks.hosts import connect
from repoman_tasks.report import Screen
from repoman_tasks.session import Session
from repoman_tasks.signals import take_signals
from repoman_tasks.streams import finish_output, open_streams

__all__ = ["Executor"]


class Executor(invoke.executor.Executor):
    """invoke's, for tasks that take a `Session`.

    `inv` finds it by `tasks.executor_class` in invoke.yaml. Pre-tasks run anew for each
    task, because the one before may have changed what they look at.
    """

    def execute(self, *tasks: Any) -> dict[Any, Any]:
        open_streams()
        with exits(debug=self._core_flag("debug")), take_signals():
            calls = self.normalize(tasks)
            words = _words_after_dashes()
            if words is not None and not any(map(_takes_words, calls)):
                raise UsageError("no command here takes words after --", "leave them out")
            for call in calls:
                code = self._run(call, words or ())
                if code:
                    raise Exit(code=int(code))
        return {}

    def _run(self, call: Call, words: tuple[str, ...]) -> int | None:
        arguments = dict(call.kwargs)
        common = {name: arguments.pop(name, None) for name in COMMON}
        ask = Ask(yes=common["yes"], no_input=common["no_input"])
        wanted = common["host"]
        names = (wanted if wanted is not None else os.environ.get("REPOMAN_HOST", "")).split(",")

        def on(name: str, screen: Screen, ask: Ask) -> int:
            with self._host(name, ask) as host:
                session = Session(host, ask, screen, alone=len(names) == 1)
                session.words = words if _takes_words(call) else ()
                with session.stack:
                    for pre_task in call.pre:
                        session.of(pre_task)
                    return int(call.task(session, **arguments) or 0)

        if len(names) == 1:
            return finish_output(on(names[0], Screen(names[0]), ask))
        if not getattr(call.task, "many_hosts", False):
            raise UsageError(f"{call.task.name} works on one host at a time", "name one")
        nobody = Ask(yes=False, no_input=True)  # several would ask at once
        told = ask_all(list(dict.fromkeys(names)), lambda name, screen: on(name, screen, nobody))
        return finish_output(show_all(Screen(), told))

    @contextlib.contextmanager
    def _host(self, name: str, ask: Ask) -> Iterator[Host]:
        """The host that a call is for. An error on another one says on which."""
        try:
            with contextlib.closing(connect(name, ask)) as host:
                host.dry = bool(self.config.run.dry)
                yield host
        except RepomanError as error:
            error.where = name
            raise

    def _core_flag(self, name: str) -> bool:
        return bool(self.core and name in self.core[0].args and self.core[0].args[name].value)


def _takes_words(call: Call) -> bool:
    return bool(getattr(call.task, "takes_words", False))


def _words_after_dashes() -> tuple[str, ...] | None:
    """The words after the first `--`, each as it was typed; invoke joins them to one text."""
    if "--" not in sys.argv:
        return None
    return tuple(sys.argv[sys.argv.index("--") + 1 :])
