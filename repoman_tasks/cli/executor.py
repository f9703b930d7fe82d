"""Runs tasks: each call in a session on its host, its pre-tasks on the same one."""

from __future__ import annotations

import os
import sys
from typing import Any, cast

import invoke.executor
from invoke.exceptions import Exit
from invoke.tasks import Call

from repoman_tasks.cli.connections import Connections
from repoman_tasks.cli.exits import exit_on_error
from repoman_tasks.cli.several_hosts import run_on_all, show_outputs
from repoman_tasks.cli.task import COMMON, WATCHING, Task
from repoman_tasks.cli.watch import check_watch, watch
from repoman_tasks.cli.wizard import fill_arguments
from repoman_tasks.errors import UsageError
from repoman_tasks.hosts.base import Future
from repoman_tasks.hosts.signals import take_signals
from repoman_tasks.journal import Journal
from repoman_tasks.session import Session
from repoman_tasks.terminal.prompter import Prompter
from repoman_tasks.terminal.screen import Screen
from repoman_tasks.terminal.streams import finish_output, open_streams

__all__ = ["Executor"]


class Executor(invoke.executor.Executor):
    """invoke's, for tasks that take a `Session`.

    `inv` finds it by `tasks.executor_class` in invoke.yaml. Pre-tasks run anew for each
    task, because the one before may have changed what they look at.
    """

    def execute(self, *tasks: Any) -> dict[Any, Any]:
        open_streams()
        dry = bool(self.config.run.dry)
        debug = self._core_flag("debug")
        with exit_on_error(debug=debug), take_signals(), Connections(dry=dry) as hosts:
            calls = self.normalize(tasks)
            argv = _argv_after_dashes()
            if argv is not None and not any(_task(call).takes_argv for call in calls):
                raise UsageError("no command here takes words after --", "leave them out")
            for call in calls:
                code = self._run(call, argv or (), hosts)
                if code:
                    raise Exit(code=code)
        return {}

    def _run(self, call: Call, argv: tuple[str, ...], hosts: Connections) -> int:
        """Run a call on its host, or its hosts; the exit code."""
        task, arguments = _task(call), dict(call.kwargs)
        common = {name: arguments.pop(name, None) for name in (*WATCHING, *COMMON)}
        names = _hosts_meant(common["host"])
        if len(names) > 1 and not task.many_hosts:
            raise UsageError(f"{task.name} works on one host at a time", "name one")
        seconds = check_watch(
            bool(common["watch"]), common["interval"], arguments, task.watched_with
        )
        asking = Prompter(task.name, yes=common["yes"], no_input=common["no_input"])
        nobody = Prompter(task.name, yes=False, no_input=True)  # several would ask at once
        with Journal(task.name, arguments, {**common, "host": None}) as journal:

            def on(name: str, screen: Screen, prompter: Prompter = nobody) -> int:
                with hosts.open(name, prompter, holds=task.holds) as host:
                    host.observer = journal.observer(name)
                    session = Session(host, prompter, screen, alone=len(names) == 1)
                    session.argv = argv if task.takes_argv else ()
                    return self._in(session, task, arguments, name)

            if seconds:
                code = watch(names, on, asking, seconds)
            elif len(names) == 1:
                code = on(names[0], Screen(names[0]), asking)
            else:
                code = show_outputs(Screen(), run_on_all(names, on))
            return journal.ended(finish_output(code))

    def _in(
        self,
        session: Session,
        task: Task[object],
        given: dict[str, Any],
        host: str,
        *,
        chosen: bool = False,
    ) -> int:
        """Run a task in a session, and then what a person wants next; the exit code.

        `chosen` says that a person chose it by answers.
        """
        with session.stack:
            for pre_task in cast("list[Task[Future[object]]]", task.pre):
                session.submit(pre_task)
            positional = list(task.positional)
            fill_arguments(
                session, task.wizard, given, positional=positional, host=host, chosen=chosen
            )
            code = int(cast("int | None", task(session, **given)) or 0)
            session.show_equivalent()
        return code or self._next(session, host)

    def _next(self, session: Session, host: str) -> int:
        """Run what a person goes on with, each as a command of its own; the exit code."""
        for name, arguments in session.follow_ups() if session.follow_ups else ():
            task = self.collection[name]
            given = {**task.unset(), **arguments}
            with Journal(name, given) as journal:
                session.host.observer = journal.observer(host)
                then = Session(
                    session.host, Prompter(name, yes=False, no_input=False), session.screen
                )
                code = journal.ended(self._in(then, task, given, host, chosen=True))
            if code:
                return code
        return 0

    def _core_flag(self, name: str) -> bool:
        return bool(self.core and name in self.core[0].args and self.core[0].args[name].value)


def _task(call: Call) -> Task[object]:
    return cast("Task[object]", call.task)


def _hosts_meant(named: str | None) -> list[str]:
    """The hosts that a person named, once each; the empty name is this one."""
    given = named if named is not None else os.environ.get("REPOMAN_HOST", "")
    return list(dict.fromkeys(given.split(",")))


def _argv_after_dashes() -> tuple[str, ...] | None:
    """The words after the first `--`, each as it was typed; invoke joins them to one text."""
    if "--" not in sys.argv:
        return None
    return tuple(sys.argv[sys.argv.index("--") + 1 :])
