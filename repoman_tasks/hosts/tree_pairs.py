"""Listings of the same trees in two folders, to find where they differ. Pure.

Both are printed by `find`, in lines that are equal if rsync would take the entries for equal: it
compares kinds, modes, sizes, times, and where links lead to.
"""

from __future__ import annotations

from collections.abc import Sequence

from repoman_tasks.hosts.base import Differences

__all__ = ["PAIR_SCRIPT", "differences", "pair_argv", "script_differences"]


def pair_argv(names: Sequence[str], left_out: Sequence[str], owner: str) -> list[str]:
    """Return the argv that prints the trees at `names`, which are relative to the working folder.

    Folders with one of the names `left_out` are not. `owner` is find's format of what identifies an
    entry's owner. The names of a file with several are printed once more, with its inode.
    """
    unwanted = [word for name in left_out for word in ("-o", "-name", name)][1:]
    argv = ["find", *(f"./{name}" for name in names)]
    argv += ["-type", "d", "(", *unwanted, ")", "-prune", "-o", "("]
    argv += ["-type", "d", "-printf", rf"d {owner} %m 0 %T@ %p\0"]
    argv += ["-o", "-type", "l", "-printf", rf"l {owner} 0 %s %T@ %p -> %l\0"]
    argv += ["-o", "-type", "f", "-printf", rf"f {owner} %m %s %T@ %p\0"]
    argv += ["-links", "+1", "-printf", r"h - %D %i 0 %p\0"]
    return [*argv, "-o", "!", "-type", "f", "-printf", r"o - %y 0 0 %p\0", ")"]


def differences(one: bytes, other: bytes) -> Differences:
    """Return the lines that only one of two listings has."""
    ours, theirs = set(one.split(b"\0")), set(other.split(b"\0"))
    return frozenset(ours - theirs), frozenset(theirs - ours)


PAIR_SCRIPT = r"""
one=$1 other=$2 most=$3
shift 3
work=$(mktemp -d) || exit
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM
listed() {
    to=$1 folder=$2
    shift 2
    { cd -- "$folder" && "$@" || echo failed >&2; } 2>>"$work/bad" | sort -z >"$work/$to"
}
listed one "$one" "$@" &
listed other "$other" "$@"
wait
[ ! -s "$work/bad" ] || exit 1
comm -z -3 -- "$work/one" "$work/other" | head -c "$most"
"""
"""A POSIX script that runs `pair_argv` in two folders, its first arguments. It prints the lines
that only one of both has, those of the second after a tab, `$3` bytes at most."""


def script_differences(output: bytes) -> Differences:
    """Return the differences that `PAIR_SCRIPT` printed."""
    lines = output.split(b"\0")[:-1]
    theirs = frozenset(line[1:] for line in lines if line.startswith(b"\t"))
    return frozenset(line for line in lines if not line.startswith(b"\t")), theirs
