"""The packages that were built, and a host without Python to install them on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.conftest import ContainerEstate, RemoteContainerEstate
from tests.packages.building import SINGLE
from tests.support.estate import run

PACKAGES = Path(os.environ.get("REPOMAN_TEST_PACKAGES", "/nowhere"))
"""Read before a fixture isolates the environment."""
FIRST, SECOND = PACKAGES / "first", PACKAGES / "second"
ENTER = Path(__file__).with_name("enter")
KINDS = ("deb", "single")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/packages" in str(item.path) and not PACKAGES.is_dir():
            item.add_marker(pytest.mark.skip(reason="not here: `python -m tests.packages`"))


def sudo(*argv: str | Path) -> str:
    done = run(["sudo", "-n", *map(str, argv)], dict(os.environ))
    assert done.code == 0, (argv, done)
    return done.out


class BareHost(ContainerEstate):
    """An estate on a bare host, where commands are typed."""

    root = Path("/nowhere")

    @property
    def argv(self) -> tuple[str, ...]:
        return (*self.argv_prefix, "repoman")

    @property
    def argv_prefix(self) -> tuple[str, ...]:
        """The argv prefix that runs a command on the bare host."""
        return ("sudo", "-nE", f"HOME={self.home}", str(ENTER), str(self.root))


class RemoteFromBareHost(BareHost, RemoteContainerEstate):
    """An estate with containers on another host; commands are typed on a bare one."""

    @property
    def argv_prefix(self) -> tuple[str, ...]:
        return ("sudo", "-nE", f"HOME={self.laptop}", str(ENTER), str(self.root))


@pytest.fixture(params=KINDS)
def bare_host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BareHost]:
    """Yield a bare host with nothing set up."""
    with BareHost(tmp_path) as estate:
        estate.root = PACKAGES / request.param
        yield estate


@pytest.fixture(params=KINDS)
def remote_from_bare_host(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[RemoteFromBareHost]:
    """Yield an estate with nothing set up, on another host than the bare one."""
    with RemoteFromBareHost(tmp_path) as estate:
        estate.root = PACKAGES / request.param
        yield estate


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the Debian package."""
    folder = tmp_path_factory.mktemp("deb")
    (deb,) = FIRST.glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", str(deb), str(folder)], check=True)
    return folder


@pytest.fixture
def single(tmp_path: Path) -> Path:
    """Copy the single file, as a user downloads it."""
    path = tmp_path / "repoman"
    shutil.copy(FIRST / SINGLE, path)
    return path
