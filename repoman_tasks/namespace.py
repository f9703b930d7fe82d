"""The tasks: as `repoman` offers them, and with the development chores, as `inv` does."""

from __future__ import annotations

from invoke.collection import Collection

from repoman_tasks.cli.parser import install
from repoman_tasks.cli.task import Task
from repoman_tasks.commands import COMMANDS

__all__ = ["commands", "with_development"]


def commands() -> Collection:
    """What a person types."""
    install()
    return Collection(*COMMANDS)


def with_development() -> Collection:
    """What a person types, and `dev.` for those who work on repoman."""
    from repoman_tasks.dev import CHORES

    namespace = commands()
    namespace.add_collection(Collection("dev", *CHORES))
    return namespace


def task_names() -> list[str]:
    """The names of all commands."""
    return [task.name for task in COMMANDS if isinstance(task, Task)]
