"""An estate whose share is real NFS. These tests run inside the machine only."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.registry import parse
from tests.support.estate import Estate, Result
from tests.support.processes import PATIENCE
from tests.worlds.machine.share import Share

IN_MACHINE = os.environ.get("REPOMAN_TEST_MACHINE") == "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Outside the machine there is no NFS."""
    if not IN_MACHINE:
        skip = pytest.mark.skip(
            reason="not here: python -m tests.worlds.machine -- python -m pytest …"
        )
        for item in items:
            item.add_marker(skip)


class NfsEstate(Estate):
    """An estate with its share on `nfs`. Nothing here touches a mount whose server may be dead."""

    def __init__(self, base: Path, nfs: Share) -> None:
        super().__init__(base)
        self.nfs = nfs
        self.share = nfs.mount_point
        del self.environ["REPOMAN_NFS_FSTYPES"]

    def start(
        self,
        *argv: str,
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | None = subprocess.PIPE,
        stderr: int | None = subprocess.PIPE,
    ) -> subprocess.Popen[bytes]:
        return super().start(*argv, stdin=stdin, stdout=stdout, stderr=stderr)

    def add(self, *names: str, commits: int = 1) -> Self:
        """Make repos and register them; a command takes seconds here."""
        for name in names:
            self.repo(name, commits=commits)
        return self.register(*names)

    def big(self, name: str, files: int = 60, kib: int = 200) -> Path:
        """Register a project that takes a while to mirror, but for its first files."""
        folder = self.local_repos / name
        folder.mkdir(parents=True)
        for number in range(files):
            size = kib << 10 if number > 4 else 1 << 10
            (folder / f"file{number:03}").write_bytes(os.urandom(size))
        self.register(name)
        return folder

    @contextmanager
    def crawling(self) -> Iterator[None]:
        """Have rsync send 100 KiB in a second, so that the sync of a `big` project takes minutes.

        However slow the machine is, what a test does meanwhile comes in its middle.
        """
        before, folder = dict(self.environ), self.base / "crawl"
        folder.mkdir(exist_ok=True)
        real = shutil.which("rsync")
        (folder / "rsync").write_text(f'#!/bin/sh\nexec {real} --bwlimit=100 "$@"\n')
        (folder / "rsync").chmod(0o755)
        self.environ["PATH"] = f"{folder}:{self.environ['PATH']}"
        yield
        self.environ = before

    def last_sync(self, name: str) -> str | None:
        """When the registry says that the project was mirrored."""
        registry = parse(self.registry.read_text(), str(self.registry), self.environ)
        return find_project(registry, name).last_sync or None

    def exported(self, name: str) -> Path:
        """The mirror as the file server has it; never hangs."""
        return self.nfs.export / name


@pytest.fixture
def nfs() -> Iterator[Share]:
    """A share that root may write to as root."""
    with Share(size="128m") as share:
        yield share


@pytest.fixture
def estate(tmp_path: Path, nfs: Share) -> Iterator[NfsEstate]:
    """An estate with the share set up and nothing registered."""
    with NfsEstate(tmp_path, nfs) as made:
        yield made.prepare()


def finish(process: subprocess.Popen[bytes]) -> Result:
    """The result of a command that was started."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return Result(process.returncode, out.decode(), err.decode())


def rsyncs() -> list[int]:
    """The rsync processes that there are, zombies aside."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                name, state = _name_and_state((folder / "stat").read_text())
            except OSError:
                continue
            if name == "rsync" and state != "Z":
                found.append(int(folder.name))
    return found


def _name_and_state(text: str) -> tuple[str, str]:
    name, _, rest = text.partition("(")[2].rpartition(")")
    return name, rest.split()[0]
