"""An estate whose share is real NFS. These tests run inside the machine only."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from repoman_tasks.planning.mirror.sync_plan import find_project
from repoman_tasks.registry import parse
from tests.support.estate import Estate, Result
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
        self.environ["REPOMAN_PROBE_SECONDS"] = "3"
        self.environ["REPOMAN_STALL_SECONDS"] = "4"

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
        """Register a project that takes a while to mirror."""
        folder = self.local_repos / name
        folder.mkdir(parents=True)
        for number in range(files):
            (folder / f"file{number:03}").write_bytes(os.urandom(kib << 10))
        self.register(name)
        return folder

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


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until `condition` holds; an error where it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)


def finish(process: subprocess.Popen[bytes], timeout: float = 40) -> Result:
    """The result of a command that was started."""
    try:
        out, err = process.communicate(timeout=timeout)
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
