"""File systems for tests: in a namespace of one command, or one that never answers."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.estate import Estate, Result, run

__all__ = ["NAMESPACE", "Dying", "can_mount", "dying", "hanging", "run_with_mounts"]

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
    with _mounted_fuse(path):
        yield


@contextlib.contextmanager
def _mounted_fuse(path: Path) -> Iterator[int]:
    """Mount at `path` what the server behind the file descriptor has."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    try:
        if libc.mount(b"fuse", os.fsencode(path), b"fuse", 0, options):
            raise OSError(ctypes.get_errno(), "mount")
        try:
            yield fd
        finally:
            libc.umount2(os.fsencode(path), 3)  # MNT_FORCE and MNT_DETACH
    finally:
        os.close(fd)  # by which all that wait for it go on


_NODE, _FILE = 1, 2
"""Numbers of the folder and of its only file in a `dying` file system."""
_NAME = b"file"


class Dying:
    """A file system with one large file, whose server answers until it meets one request."""

    LOOKUP, GETATTR, OPEN, READ, INIT, OPENDIR, READDIR = 1, 3, 14, 15, 26, 27, 28
    _SILENT = (2, 36, 42)  # forget, interrupt, batch_forget: no answer is expected

    def __init__(self, fd: int, last: int) -> None:
        self._fd, self._last = fd, last
        self.dead = threading.Event()
        """Set once a request is not answered."""

    def serve(self) -> None:
        """Answer requests until the file system is unmounted, or dies; see fuse(4)."""
        with contextlib.suppress(OSError):
            while not self.dead.is_set():
                data = os.read(self._fd, 1 << 18)
                _, opcode, unique, node = struct.unpack_from("<IIQQ", data)
                if opcode == self._last and (opcode != self.LOOKUP or data[40:] == _NAME + b"\0"):
                    self.dead.set()
                elif opcode not in self._SILENT:
                    answer = self._answer(opcode, node, data[40:])
                    error = answer if isinstance(answer, int) else 0
                    body = b"" if isinstance(answer, int) else answer
                    os.write(self._fd, struct.pack("<IiQ", 16 + len(body), error, unique) + body)

    def _answer(self, opcode: int, node: int, data: bytes) -> bytes | int:
        """Return the answer to a request, or a negative number of an error."""
        if opcode == self.INIT:
            return struct.pack("<IIIIHHIIHHI28x", 7, 31, 1 << 16, 0, 9, 9, 1 << 17, 1, 32, 0, 0)
        if opcode == self.GETATTR:
            return struct.pack("<QII", 0, 0, 0) + self._attributes(node)
        if opcode == self.LOOKUP:
            if data != _NAME + b"\0":
                return -errno.ENOENT
            return struct.pack("<QQQQII", _FILE, 0, 0, 0, 0, 0) + self._attributes(_FILE)
        if opcode in (self.OPEN, self.OPENDIR):
            return bytes(16)
        offset, size = struct.unpack_from("<8xQI", data) if len(data) >= 20 else (0, 0)
        if opcode == self.READ:
            return bytes(size)
        if opcode == self.READDIR:
            entry = struct.pack("<QQII", _FILE, 1, len(_NAME), 8) + _NAME
            return b"" if offset else entry.ljust(32, b"\0")
        return -errno.ENOSYS

    @staticmethod
    def _attributes(node: int) -> bytes:
        size, mode = (1 << 40, 0o100644) if node == _FILE else (0, 0o40755)
        return struct.pack("<6Q10I", node, size, 0, 1, 1, 1, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


@contextlib.contextmanager
def dying(path: Path, last: int) -> Iterator[Dying]:
    """Mount at `path` a file system whose server dies at the request `last`; it takes root.

    It has read that request, so that not even SIGKILL ends who waits for the answer.
    """
    with _mounted_fuse(path) as fd:
        server = Dying(fd, last)
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        yield server
    thread.join()
