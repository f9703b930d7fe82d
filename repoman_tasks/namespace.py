"""The tasks: as `repoman` offers them, and with the development chores, as `inv` does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from invoke.collection import Collection

from repoman_tasks.cli.parser import install
from repoman_tasks.commands import GROUPS, NAMES, load

__all__ = ["GROUPS", "commands", "commands_named", "with_development"]

_LEADS_ON = {"setup": ("new", "sync")}
"""The commands that one may go on with, where a person wants that."""


def commands(names: Iterable[str] = NAMES) -> Collection:
    """What a person types, or those commands alone."""
    install()
    return Collection(*load(names))


def commands_named(words: Sequence[str]) -> Collection:
    """The commands that `words` of a command line begin with and name; all where that is none."""
    wanted = {name for word in words for name in (word, *_LEADS_ON.get(word, ()))}
    named = [name for name in NAMES if name in wanted]
    return commands(named if words and words[0] in NAMES else NAMES)


def with_development() -> Collection:
    """What a person types, and `dev.` for those who work on repoman."""
    from repoman_tasks.dev import CHORES

    namespace = commands()
    namespace.add_collection(Collection("dev", *CHORES))
    return namespace
