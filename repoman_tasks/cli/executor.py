"""Runs tasks: each call in a session on its host, its pre-tasks on the same one."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import invoke.executor
from invoke.exceptions import Exit
from invoke.tasks import Call

from repoman_tasks.ask import Ask
from repoman_tasks.cli.ends import exits
from repoman_tasks.cli.many import ask_all, show_all
from repoman_tasks.cli.rounds import check_watch, watch
from repoman_tasks.cli.task import COMMON, WATCHING
from repoman_tasks.errors import RepomanError, UsageError
from repoman_tasks.host import Host
from repoman_tasks.hosts import connect
from repoman_tasks.journal import Journal
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
        common = {name: arguments.pop(name, None) for name in (*WATCHING, *COMMON)}
        ask = Ask(yes=common["yes"], no_input=common["no_input"])
        names = _hosts_meant(common["host"])
        if len(names) > 1 and not getattr(call.task, "many_hosts", False):
            raise UsageError(f"{call.task.name} works on one host at a time", "name one")
        fitting = getattr(call.task, "watched_with", ())
        seconds = check_watch(bool(common["watch"]), common["interval"], arguments, fitting)
        journal = Journal(call.task.name, {**arguments, **common, "host": None})
        with journal, _Connections(self._connected) as connections:

            def on(name: str, screen: Screen, ask: Ask) -> int:
                with connections.to(name, ask) as host:
                    host.witness = journal.witness(name)
                    session = Session(host, ask, screen, alone=len(names) == 1)
                    session.words = words if _takes_words(call) else ()
                    with session.stack:
                        for pre_task in call.pre:
                            session.of(pre_task)
                        return int(call.task(session, **arguments) or 0)

            if seconds:
                code = watch(names, on, ask, seconds)
            elif len(names) == 1:
                code = on(names[0], Screen(names[0]), ask)
            else:
                nobody = Ask(yes=False, no_input=True)  # several would ask at once
                told = ask_all(names, lambda name, screen: on(name, screen, nobody))
                code = show_all(Screen(), told)
            return journal.ended(finish_output(code))

    def _connected(self, name: str, ask: Ask) -> Host:
        host = connect(name, ask)
        host.dry = bool(self.config.run.dry)
        return host

    def _core_flag(self, name: str) -> bool:
        return bool(self.core and name in self.core[0].args and self.core[0].args[name].value)


class _Connections:
    """The hosts of a call, to each of which there is one connection. It is a context manager."""

    def __init__(self, connect: Callable[[str, Ask], Host]) -> None:
        self._connect = connect
        self._open: dict[str, Host] = {}

    def __enter__(self) -> _Connections:
        return self

    def __exit__(self, *error: object) -> None:
        for host in self._open.values():
            host.close()

    @contextlib.contextmanager
    def to(self, name: str, ask: Ask) -> Iterator[Host]:
        """The host of that name. An error on another one says on which, and ends the connection."""
        try:
            if name not in self._open:
                self._open[name] = self._connect(name, ask)
            yield self._open[name]
        except RepomanError as error:
            error.where = name
            if host := self._open.pop(name, None):
                host.close()
            raise


def _hosts_meant(wanted: str | None) -> list[str]:
    """The hosts that a person named, once each; the empty name is this one."""
    given = wanted if wanted is not None else os.environ.get("REPOMAN_HOST", "")
    return list(dict.fromkeys(given.split(",")))


def _takes_words(call: Call) -> bool:
    return bool(getattr(call.task, "takes_words", False))


def _words_after_dashes() -> tuple[str, ...] | None:
    """The words after the first `--`, each as it was typed; invoke joins them to one text."""
    if "--" not in sys.argv:
        return None
    return tuple(sys.argv[sys.argv.index("--") + 1 :])
