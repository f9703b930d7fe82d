"""What a completion has to know of a command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Command", "Flag", "choice", "first_line", "is_ours"]

_MARK = "# repoman's completion for "


@dataclass(frozen=True)
class Flag:
    """A flag: its names with their dashes, the long one first."""

    names: tuple[str, ...]
    help: str
    value: str = ""
    """The kind of its value, as the scripts know them; empty where it takes none.

    They know project, image, profile, host, folder, repo (a folder below local_repos), `any`,
    for which nothing is offered, and what `choice` makes.
    """
    repeats: bool = False


@dataclass(frozen=True)
class Command:
    """A subcommand."""

    name: str
    help: str
    flags: tuple[Flag, ...] = ()
    word: str = ""
    """The kind of its positional word; empty where it has none."""
    greedy: bool = False
    """Whether that word may be the name of a command."""
    chore: bool = False
    """Whether `inv` alone knows it."""


def choice(words: Sequence[str]) -> str:
    """The kind of a value that is one of `words`."""
    return " ".join(("choice", *words))


def first_line(name: str) -> str:
    """The line by which a script for the shell of that name is known."""
    return f"{_MARK}{name}, made by `inv dev.completion`; not to be edited.\n"


def is_ours(text: bytes) -> bool:
    """Whether a file is a script that was made here, by this version or another."""
    return any(line.startswith(_MARK.encode()) for line in text.split(b"\n", 3)[:3])
