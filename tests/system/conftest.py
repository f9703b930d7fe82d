"""An estate whose share is real NFS. These tests run only inside the machine."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.registry import parse
from tests.support.estate import Estate, Result
from tests.support.processes import WAIT_SECONDS
from tests.worlds.machine.share import Share

IN_MACHINE = os.environ.get("REPOMAN_TEST_MACHINE") == "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip all tests outside the machine, where there is no NFS."""
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
        """Create repos and register them without running `new`, which takes seconds here."""
        for name in names:
            self.repo(name, commits=commits)
        return self.register(*names)

    def add_big_project(self, name: str, files: int = 60, kib: int = 200) -> Path:
        """Register a project that takes a while to mirror."""
        folder = self.local_repos / name
        folder.mkdir(parents=True)
        for number in range(files):
            (folder / f"file{number:03}").write_bytes(os.urandom(kib << 10))
        self.register(name)
        return folder

    def last_sync(self, name: str) -> str | None:
        """Return the time of the last sync of a project in the registry."""
        registry = parse(self.registry.read_text(), str(self.registry), self.environ)
        return find_project(registry, name).last_sync or None

    def export_path(self, name: str) -> Path:
        """Return the path of the mirror on the file server, which never hangs."""
        return self.nfs.export / name


@pytest.fixture
def nfs() -> Iterator[Share]:
    """Yield a share that root may write to as root."""
    with Share(size="128m") as share:
        yield share


@pytest.fixture
def estate(tmp_path: Path, nfs: Share) -> Iterator[NfsEstate]:
    """Yield an estate with the share set up and nothing registered."""
    with NfsEstate(tmp_path, nfs) as made:
        yield made.prepare()


def finish(process: subprocess.Popen[bytes]) -> Result:
    """Return the result of a command that was started."""
    try:
        out, err = process.communicate(timeout=WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return Result(process.returncode, out.decode(), err.decode())


def rsyncs() -> list[int]:
    """Return the rsync processes, except zombies."""
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
