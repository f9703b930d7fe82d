"""The executor: runs each task in a session of its own on each of its hosts."""

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
from repoman_tasks.cli.task import COMMON_OPTIONS, WATCH_OPTIONS, Task
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
    """invoke's executor, for tasks that take a `Session`.

    `inv` finds it by `tasks.executor_class` in invoke.yaml. Pre-tasks run again for each task,
    because the task before may have changed what they read.
    """

    def execute(self, *tasks: Any) -> dict[Any, Any]:
        open_streams()
        dry = bool(self.config.run.dry)
        debug = self._core_flag("debug")
        with exit_on_error(debug=debug), take_signals(), Connections(dry=dry) as connections:
            calls = self.normalize(tasks)
            argv = _argv_after_dashes()
            if argv is not None and not any(_task(call).takes_argv for call in calls):
                raise UsageError("unexpected arguments after --", "leave them out")
            for call in calls:
                code = self._run_call(call, argv or (), connections)
                if code:
                    raise Exit(code=code)
        return {}

    def _run_call(self, call: Call, argv: tuple[str, ...], connections: Connections) -> int:
        """Run a call on each of its hosts and return the exit code."""
        task, arguments = _task(call), dict(call.kwargs)
        options = {name: arguments.pop(name, None) for name in (*WATCH_OPTIONS, *COMMON_OPTIONS)}
        names = _host_names(options["host"])
        if len(names) > 1 and not task.many_hosts:
            raise UsageError(f"{task.name} works on one host at a time", "name one")
        seconds = check_watch(
            bool(options["watch"]), options["interval"], arguments, task.watchable_with
        )
        prompter = Prompter(task.name, yes=options["yes"], no_input=options["no_input"])
        # Several hosts would prompt at the same time.
        silent = Prompter(task.name, yes=False, no_input=True)
        with Journal(task.name, arguments, {**options, "host": None}) as journal:

            def run_on(name: str, screen: Screen, prompter: Prompter = silent) -> int:
                holder = task.needs_holder
                with connections.open(name, prompter, needs_holder=holder) as host:
                    host.observer = journal.observer(name)
                    session = Session(host, prompter, screen, alone=len(names) == 1)
                    session.argv = argv if task.takes_argv else ()
                    session.watched = bool(seconds)
                    return self._run_task(session, task, arguments, name)

            if seconds:
                code = watch(names, run_on, prompter, seconds)
            elif len(names) == 1:
                screen = Screen(names[0])
                with screen.telling_waits():
                    code = run_on(names[0], screen, prompter)
            else:
                screen = Screen()
                code = show_outputs(screen, run_on_all(names, run_on, screen.show_wait))
            return journal.ended(finish_output(code))

    def _run_task(
        self,
        session: Session,
        task: Task[object],
        arguments: dict[str, Any],
        host: str,
        *,
        from_answers: bool = False,
    ) -> int:
        """Run a task, then the commands that follow it, and return the exit code.

        If `from_answers`, task and arguments come from answers to prompts.
        """
        with session.stack:
            for pre_task in cast("list[Task[Future[object]]]", task.pre):
                session.submit(pre_task)
            fill_arguments(
                session,
                task.wizard,
                arguments,
                positional=list(task.positional),
                host=host,
                from_answers=from_answers,
            )
            code = int(cast("int | None", task(session, **arguments)) or 0)
            session.show_equivalent()
        return code or self._run_follow_ups(session, host)

    def _run_follow_ups(self, session: Session, host: str) -> int:
        """Run the commands that follow until one fails, and return the exit code.

        Each is a command of its own in the log.
        """
        for name, answers in session.follow_ups() if session.follow_ups else ():
            task = self.collection[name]
            arguments = {**task.default_arguments(), **answers}
            prompter = Prompter(name, yes=False, no_input=False)
            with Journal(name, arguments) as journal:
                session.host.observer = journal.observer(host)
                following = Session(session.host, prompter, session.screen)
                code = self._run_task(following, task, arguments, host, from_answers=True)
                journal.ended(code)
            if code:
                return code
        return 0

    def _core_flag(self, name: str) -> bool:
        return bool(self.core and name in self.core[0].args and self.core[0].args[name].value)


def _task(call: Call) -> Task[object]:
    return cast("Task[object]", call.task)


def _host_names(option: str | None) -> list[str]:
    """Return the names in --host, or else in REPOMAN_HOST, without duplicates.

    The empty name is this host.
    """
    names = option if option is not None else os.environ.get("REPOMAN_HOST", "")
    return list(dict.fromkeys(names.split(",")))


def _argv_after_dashes() -> tuple[str, ...] | None:
    """Return the arguments after the first `--`, None without it; invoke joins them to a string."""
    if "--" not in sys.argv:
        return None
    return tuple(sys.argv[sys.argv.index("--") + 1 :])
