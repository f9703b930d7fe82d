"""Digests of trees: a hash of what `find` prints of all their entries. Pure.

Two walks of a tree have the same digest if no entry was added, removed, renamed or changed in
between: each change of a file or folder sets its ctime, which no program can set to a value of its
choice. The one exception is a change within the same tick of the clock as the walk. So an entry
that changed in the two seconds before a walk, or after it, because the clock was set back, adds the
time of the walk: the digest equals that of no later walk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

__all__ = [
    "DIGEST_SCRIPT",
    "RECENT_SECONDS",
    "WALK_SCRIPT",
    "TreeDigests",
    "script_digests",
    "tree_argv",
]

RECENT_SECONDS = 2
"""Age of a change from which on another one is sure to get another ctime: the coarsest clock of a
file system ticks every two seconds."""

_ENTRY = r"%d %y %m %U %G %i %s %T@ %C@ "
_FOLDER, _OTHER, _RECENT = rf"{_ENTRY}%P\0", rf"{_ENTRY}%n %P\0", r"recent %s %%y %%P\0"
_ROOT = b"0 "
"""The start of the entry of a root: its depth. No other entry starts with it."""


def tree_argv(roots: Sequence[str], since: str) -> list[str]:
    """Return the argv that prints all entries of the trees at `roots`, in order.

    `since` is the time in seconds after which a change counts as recent. The number of links of a
    folder is left out: some file systems count its folders by it.
    """
    argv = ["find", *roots, "-type", "d", "-name", ".zfs", "-prune", "-o"]
    argv += ["(", "-type", "d", "-printf", _FOLDER, "-o", "-printf", _OTHER, ")"]
    return [*argv, "-newerct", f"@{since}", "-printf", _RECENT % since]


class TreeDigests:
    """Hashes the output of `tree_argv` as it comes."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._hash = hashlib.sha256()
        self._kept = b"\0"
        """The end of what came: a root may begin in it. At first, as if another one was before."""
        self._begun = False

    def feed(self, data: bytes) -> None:
        """Add a part of the output."""
        data = self._kept + data
        start = 0
        while (end := data.find(b"\0" + _ROOT, start)) >= 0:
            self._hash.update(data[start : end + 1])
            self._finish()
            start = end + 1
        keep = max(start, len(data) - len(_ROOT))
        self._hash.update(data[start:keep])
        self._kept = data[keep:]

    def digests(self) -> list[str]:
        """Return the digest of each tree, after the last part of the output."""
        self._hash.update(self._kept)
        self._finish()
        return self._done

    def _finish(self) -> None:
        if self._begun:
            self._done.append(self._hash.hexdigest())
        self._begun = True
        self._hash = hashlib.sha256()


WALK_SCRIPT = rf"""
now=$(date +%s.%N)
since=$((${{now%.*}} - {RECENT_SECONDS})).${{now#*.}}
walk() {{
    find "$1" -type d -name .zfs -prune -o \
        '(' -type d -printf '{_FOLDER}' -o -printf '{_OTHER}' ')' \
        -newerct "@$since" -printf "{_RECENT % "$since"}" || echo failed >&2
}}
"""
"""Defines a POSIX shell's function that prints what `tree_argv` does, and complaints if the tree
can't be read entirely."""

DIGEST_SCRIPT = rf"""{WALK_SCRIPT}
for root do
    bad=$({{ walk "$root" 2>&4 | sha256sum >&3; }} 4>&1) 3>&1
    echo "${{bad:+bad}}"
done
"""
"""A POSIX script that prints two lines for each of its arguments, roots of trees: the digest, and
`bad` if the tree can't be read entirely."""


def script_digests(output: str, count: int) -> list[str]:
    """Return the digests that `DIGEST_SCRIPT` printed."""
    lines = output.split("\n")
    digests = [
        line.partition(" ")[0] if not bad else ""
        for line, bad in zip(lines[::2], lines[1::2], strict=False)
    ]
    return digests if len(digests) == count else [""] * count
