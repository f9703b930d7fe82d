"""Walks over trees, kept in files to compare them with later ones. Pure.

Such a file has what `find` printed (`digests.tree_argv`), compressed by gzip: about 20 bytes for
each entry.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from itertools import zip_longest

from repoman_tasks.hosts.base import MOST_LISTED
from repoman_tasks.hosts.digests import WALK_SCRIPT

__all__ = ["COMPARE_SCRIPT", "KeptWalk", "difference", "kept_digest", "script_comparison"]

_GZIP = 31
"""zlib's number for the format of gzip."""
_PART = 1 << 14
_MOST_BYTES = 1 << 30
"""The most bytes of a walk to keep: those of about ten million entries."""
_LINES = 1 << 12
"""Number of lines after which a comparison looks if it should end."""


class KeptWalk:
    """Hashes and compresses the output of `tree_argv` for one tree, as it comes."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._packer = zlib.compressobj(1, wbits=_GZIP)
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def whole(self) -> bool:
        """Return True unless the output was so long that the rest was left out."""
        return self._size <= _MOST_BYTES

    def feed(self, data: bytes) -> None:
        """Add a part of the output."""
        self._size += len(data)
        if not self.whole:
            return
        self._hash.update(data)
        self._parts.append(self._packer.compress(data))

    def finish(self) -> tuple[str, bytes]:
        """Return the digest and the content of a file, after the last part of the output."""
        return self._hash.hexdigest(), b"".join([*self._parts, self._packer.flush()])


def kept_digest(packed: bytes) -> str:
    """Return the digest of the walk in a file."""
    kept = hashlib.sha256()
    for part in _unpacked(packed):
        kept.update(part)
    return kept.hexdigest()


def difference(
    old: bytes, new: bytes, check: Callable[[], object] = lambda: None
) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Return the lines that only one of the walks in two files has: those of `old`, of `new`.

    Walks list a tree in about the same order, so that few lines are in memory at a time. `check` is
    called from time to time, and may raise.
    """
    gone: set[bytes] = set()
    came: set[bytes] = set()
    for number, (before, after) in enumerate(zip_longest(_lines(old), _lines(new))):
        if number % _LINES == 0:
            check()
        if before != after:
            _cancel(before, gone, came)
            _cancel(after, came, gone)
    return tuple(sorted(gone)), tuple(sorted(came))


def _cancel(line: bytes | None, mine: set[bytes], others: set[bytes]) -> None:
    """Add `line` to those that only one walk has, unless the other one has had it."""
    if line in others:
        others.remove(line)
    elif line is not None:
        mine.add(line)


def _lines(packed: bytes) -> Iterator[bytes]:
    rest = b""
    for part in _unpacked(packed):
        *lines, rest = (rest + part).split(b"\0")
        yield from lines


def _unpacked(packed: bytes) -> Iterator[bytes]:
    """Yield the walk in a file, in parts; the last is missing if the file is damaged."""
    unpacker = zlib.decompressobj(wbits=_GZIP)
    try:
        for start in range(0, len(packed), _PART):
            yield unpacker.decompress(packed[start : start + _PART])
    except zlib.error:
        return


COMPARE_SCRIPT = rf"""{WALK_SCRIPT}
root=$1 known=$2 keep=$3 most={_MOST_BYTES}
work=$(mktemp -d) || exit
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM
bad=$({{ walk "$root" 2>&4 | head -c "$most" >"$work/new"; }} 4>&1)
[ "$(wc -c <"$work/new")" -lt "$most" ] || bad=long
sha256sum <"$work/new"
echo "${{bad:+bad}}"
if [ -n "$known" ] && [ -f "$known" ]; then gzip -dc <"$known" >"$work/old" 2>/dev/null; fi
if [ -n "$keep" ]; then
    umask 077
    mkdir -p -- "${{keep%/*}}" && gzip -1 <"$work/new" >"$keep.tmp" &&
        mv -fT -- "$keep.tmp" "$keep" || exit
fi
if [ -f "$work/old" ]; then
    known=$(sha256sum <"$work/old")
    sort -z -o "$work/old" -- "$work/old" && sort -z -o "$work/new" -- "$work/new" &&
        comm -z -3 -- "$work/old" "$work/new" | head -c {MOST_LISTED} >"$work/differ" || exit
    [ "$(wc -c <"$work/differ")" -lt {MOST_LISTED} ] || exit 0
    echo "$known"
    cat <"$work/differ"
fi
"""
"""A POSIX script that walks over a tree. It prints two lines as `DIGEST_SCRIPT` does. If the file
`$2` holds a walk, it prints a line with its digest and the lines that only one of both has, those
of the new walk after a tab; nothing if these are too many. The walk is kept in the file `$3`, if
given. One that is too long counts as not read entirely."""


def script_comparison(
    output: bytes,
) -> tuple[str, str, tuple[bytes, ...], tuple[bytes, ...]]:
    """Return the digests of the new and the known walk, and the lines that only the known and only
    the new one has, as `COMPARE_SCRIPT` printed them."""
    digest, bad, known, lines = [*output.split(b"\n", 3), b"", b"", b""][:4]
    found = lines.split(b"\0")[:-1]
    gone = tuple(line for line in found if not line.startswith(b"\t"))
    new = tuple(line[1:] for line in found if line.startswith(b"\t"))
    digests = [text.decode(errors="replace").partition(" ")[0] for text in (digest, known)]
    return "" if bad else digests[0], digests[1], gone, new
