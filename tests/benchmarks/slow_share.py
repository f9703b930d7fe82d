"""A share that answers each request after a delay, and counts the requests: a file system of FUSE.

`python -m tests.benchmarks.slow_share FOLDER MOUNT_POINT FILE` passes on to FOLDER what is done at
MOUNT_POINT, until it is unmounted. FILE holds the number of requests so far and the delay in
seconds, a long and a double of this machine. The kernel keeps attributes and names for a second, as
FUSE does by default.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import mmap
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mfusepy  # type: ignore[import-untyped]

__all__ = ["SlowShare", "slow_share"]

_ATTRIBUTES = (
    *("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks", "st_dev"),
    *("st_atime_ns", "st_mtime_ns", "st_ctime_ns"),
)


class _Passed(mfusepy.Operations):  # type: ignore[misc]
    """Operations on the folder `root`, each after a delay."""

    use_ns = True

    def __init__(self, root: str, shared: mmap.mmap) -> None:
        self._root = root
        self._shared = shared
        self._number = itertools.count(1)  # `next` is atomic
        for name in vars(_Passed):
            if not name.startswith(("_", "use_")):
                setattr(self, name, functools.partial(self._late, getattr(self, name)))

    def _late(self, operation: Callable[..., Any], *arguments: Any) -> Any:
        self._shared[:8] = struct.pack("q", next(self._number))
        time.sleep(struct.unpack("d", self._shared[8:])[0])
        return operation(*arguments)

    def _at(self, path: str) -> str:
        return self._root + path

    def getattr(self, path: str, _fh: int | None = None) -> dict[str, int]:
        info = os.lstat(self._at(path))
        return {name.removesuffix("_ns"): getattr(info, name) for name in _ATTRIBUTES}

    def readdir(self, path: str, _fh: int) -> Iterator[tuple[str, dict[str, int], int]]:
        with os.scandir(self._at(path)) as entries:
            for entry in entries:
                kind = entry.stat(follow_symlinks=False).st_mode
                yield entry.name, {"st_mode": kind, "st_ino": entry.inode()}, 0

    def readlink(self, path: str) -> str:
        return os.readlink(self._at(path))

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._at(path))
        return {name: getattr(found, name) for name in dir(found) if name.startswith("f_")}

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(self._at(path), mode)

    def rmdir(self, path: str) -> None:
        os.rmdir(self._at(path))

    def unlink(self, path: str) -> None:
        os.unlink(self._at(path))

    def symlink(self, target: str, source: str) -> None:
        os.symlink(source, self._at(target))

    def rename(self, old: str, new: str, _flags: int = 0) -> None:
        os.rename(self._at(old), self._at(new))

    def link(self, target: str, source: str) -> None:
        os.link(self._at(source), self._at(target), follow_symlinks=False)

    def chmod(self, path: str, mode: int) -> None:
        os.chmod(self._at(path), mode)

    def chown(self, path: str, uid: int, gid: int) -> None:
        os.lchown(self._at(path), uid, gid)

    def utimens(self, path: str, times: tuple[int, int]) -> None:
        os.utime(self._at(path), ns=times, follow_symlinks=False)

    def open(self, path: str, flags: int) -> int:
        return os.open(self._at(path), flags)

    def create(self, path: str, mode: int, _fi: object = None) -> int:
        return os.open(self._at(path), os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode)

    def read(self, _path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, _path: str, data: bytes, offset: int, fh: int) -> int:
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, _fh: int | None = None) -> None:
        os.truncate(self._at(path), length)

    def fsync(self, _path: str, _datasync: int, fh: int) -> None:
        os.fsync(fh)

    def release(self, _path: str, fh: int) -> None:
        os.close(fh)


@dataclass(frozen=True)
class SlowShare:
    """A mounted share."""

    mount_point: Path
    behind: Path
    """The folder itself: what is done there is neither delayed nor counted."""
    state_file: Path
    """Holds the number of requests and the delay."""

    def requests(self) -> int:
        """Return the number of requests so far."""
        return int(struct.unpack("q", self.state_file.read_bytes()[:8])[0])

    def delay(self, seconds: float) -> None:
        """Let the share answer that late from now on."""
        with self.state_file.open("r+b") as file:
            file.seek(8)
            file.write(struct.pack("d", seconds))

    def count(self, run: Callable[[], float]) -> tuple[float, int]:
        """Return what `run` returns, and the number of requests that it made."""
        before = self.requests()
        return run(), self.requests() - before


@contextlib.contextmanager
def slow_share(base: Path) -> Iterator[SlowShare]:
    """Mount a share below `base` that answers without a delay, and unmount it at the end."""
    share = SlowShare(*(base / name for name in ("mounted", "behind", "count")))
    share.mount_point.mkdir()
    share.behind.mkdir()
    share.state_file.write_bytes(bytes(16))
    paths = (share.behind, share.mount_point, share.state_file)
    argv = [sys.executable, "-m", __name__, *map(str, paths)]
    server = subprocess.Popen(argv)
    try:
        while not share.mount_point.is_mount():
            if server.poll() is not None:
                raise RuntimeError("the slow share can't be mounted: is fuse3 installed?")
            time.sleep(0.05)
        yield share
    finally:
        subprocess.run(["fusermount3", "-u", "-z", share.mount_point], check=False)
        server.wait()


def main() -> None:
    """Serve a share until it is unmounted."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.slow_share")
    parser.add_argument("folder")
    parser.add_argument("mount_point")
    parser.add_argument("file")
    given = parser.parse_args()
    with open(given.file, "r+b") as file:
        operations = _Passed(given.folder, mmap.mmap(file.fileno(), 16))
    mfusepy.FUSE(operations, given.mount_point, foreground=True, use_ino=True, max_threads=64)


if __name__ == "__main__":
    main()
