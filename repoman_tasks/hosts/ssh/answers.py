"""Requests to the remote shells, and the meaning of their answers. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence

from repoman_tasks.errors import Failed, without_backticks
from repoman_tasks.hosts.base import Argv, Entry, Result, TimedOut
from repoman_tasks.hosts.processes import not_installed
from repoman_tasks.hosts.ssh.scripts import ABSENT
from repoman_tasks.hosts.tree_walks import check_complaints, not_a_folder, parse_entry
from repoman_tasks.late_dataclass import dataclass

__all__ = [
    "Answer",
    "Call",
    "code_of",
    "content_answer",
    "content_argv",
    "content_of",
    "entries_of",
    "folders_of",
    "look_of",
    "malformed",
    "reason_of",
    "result_of",
]


_KILLED = 137
_CODE = re.compile(r"[0-9]{1,3}")
_NO_FILE = "No such file or directory"


Call = tuple[str, ...]
"""The name of a shell function and its arguments."""


@dataclass(frozen=True)
class Answer:
    """An answer: the words of its last line, and the output before it."""

    end: str
    out: bytes
    err: bytes


def result_of(argv: Argv, answer: Answer) -> Result:
    """Return the result of a program. Raise Failed if it is not installed."""
    if answer.end == ABSENT:
        raise not_installed(argv[0])
    return Result(tuple(argv), code_of(answer.end), answer.out, answer.err)


def code_of(word: str) -> int:
    """Return the exit status in an answer. Raise Failed if it is none, as of a hostile host."""
    if not _CODE.fullmatch(word):
        raise malformed()
    return int(word)


def malformed() -> Failed:
    """Return the error for an answer that repoman's shell does not give."""
    return Failed(
        "its shell did not answer as it should",
        "look at the login shell and its start-up files there",
    )


def look_of(argv: Argv, word: str, answer: Answer) -> Result:
    """Return the result of a program that ran in parallel: the start of its standard output, and
    the end of its standard error, which has the exit status in its last line."""
    if word == ABSENT:
        raise not_installed(argv[0])
    try:
        said = {line[:1]: base64.b64decode(line[1:]) for line in answer.out.split()}
        err, _, code = said[b"e"].rstrip(b"\n").rpartition(b"\n")
        done = Result(tuple(argv), int(code), said[b"o"], err)
    except (KeyError, ValueError):
        raise Failed(f"the output of {argv[0]} did not arrive", "try again") from None
    if done.code == _KILLED:  # by its time limit
        raise TimedOut(f"{argv[0]} did not answer in time")
    return done


def reason_of(answer: Answer) -> str:
    """Return why a shell function failed, from the last line of standard error."""
    lines = answer.err.decode(errors="replace").strip().splitlines()
    last = without_backticks(lines[-1]) if lines else "its shell gave no reason"
    return last.rpartition(": ")[2].lower()


def content_argv(path: str) -> list[str]:
    """Return the argv that prints the file at `path`."""
    return ["cat", "--", path]


def content_answer(content: bytes | None) -> Answer:
    """Return the answer of `content_argv` for that content, None for no file."""
    if content is None:
        return Answer("1", b"", _NO_FILE.encode())
    return Answer("0", content, b"")


def content_of(path: str, found: Result) -> bytes | None:
    """Return the content of a file, None if there is none. Raise Failed if it can't be read."""
    if not found.code:
        return found.out
    reason = found.complaint.rpartition(": ")[2]
    if reason == _NO_FILE:
        return None
    raise Failed(f"{path} can't be read", reason.lower())


def folders_of(paths: Sequence[str], answer: Answer) -> list[str | None]:
    """Return each of `paths` resolved, None if it is not a folder."""
    there, *real = answer.out.decode(errors="surrogateescape").split("\0")
    return [
        folder if is_there == "1" else None
        for is_there, folder, _ in zip(there, real, paths, strict=False)
    ]


def entries_of(root: str, found: Result) -> Iterator[Entry]:
    """Return the entries of a walk. Raise Failed if `root` can't be read or is not a folder."""
    below = found.out.split(b"\0")[1:-1]
    check_complaints(root, found.err, none_below=bool(found.code) and not below)
    if not found.out.startswith(b"d "):
        raise not_a_folder(root)
    return map(_entry, below)


def _entry(record: bytes) -> Entry:
    try:
        return parse_entry(record)
    except ValueError:
        raise malformed() from None
