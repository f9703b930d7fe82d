"""File systems for tests: in a namespace of one command, or one that never answers."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.estate import Estate, Result, run

__all__ = ["NAMESPACE", "can_mount", "hanging", "run_with_mounts"]

NAMESPACE = ("unshare", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")), "--mount")
_MOUNT = """
while [ "$1" != -- ]; do
    mount --bind -- "$1" "$2" || exit 99
    shift 2
done
shift
exec "$@"
"""


def can_mount(environ: Mapping[str, str]) -> bool:
    """Return True if this user may mount in a namespace."""
    return run([*NAMESPACE, "true"], environ).code == 0


def run_with_mounts(estate: Estate, mounts: Mapping[Path, Path], *argv: str, code: int) -> Result:
    """Run `repoman` where each folder of `mounts` is mounted at the one that it maps to."""
    pairs = [str(path) for pair in mounts.items() for path in pair]
    namespace = [*NAMESPACE, "sh", "-c", _MOUNT, "sh", *pairs, "--"]
    done = run([*namespace, *estate.argv, *argv], estate.environ, cwd=estate.home)
    assert done.code == code, done
    return done


@contextlib.contextmanager
def hanging(path: Path) -> Iterator[None]:
    """Mount at `path` a file system whose server never answers; it takes root."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    try:
        if libc.mount(b"fuse", os.fsencode(path), b"fuse", 0, options):
            raise OSError(ctypes.get_errno(), "mount")
        try:
            yield
        finally:
            libc.umount2(os.fsencode(path), 2)  # MNT_DETACH
    finally:
        os.close(fd)  # by which all that wait for it go on
