"""What was built, and a host without Python on which it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.conftest import FarPlace, Place
from tests.packages.building import SINGLE
from tests.support.estate import run

PACKAGES = Path(os.environ.get("REPOMAN_TEST_PACKAGES", "/nowhere"))
"""Taken before any test's own environment is laid."""
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


class BareHost(Place):
    """An estate on a bare host: what a person types, runs there."""

    root = Path("/nowhere")

    @property
    def argv(self) -> tuple[str, ...]:
        return (*self.inside_root, "repoman")

    @property
    def inside_root(self) -> tuple[str, ...]:
        """The words that make those behind them run on the bare host."""
        return ("sudo", "-nE", f"HOME={self.home}", str(ENTER), str(self.root))


class FarFromBare(BareHost, FarPlace):
    """An estate with containers on another host, and a bare one on which a person types."""

    @property
    def inside_root(self) -> tuple[str, ...]:
        return ("sudo", "-nE", f"HOME={self.laptop}", str(ENTER), str(self.root))


@pytest.fixture(params=KINDS)
def bare_host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BareHost]:
    """It, with nothing set up."""
    with BareHost(tmp_path) as place:
        place.root = PACKAGES / request.param
        yield place


@pytest.fixture(params=KINDS)
def far_from_bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FarFromBare]:
    """It, with nothing set up."""
    with FarFromBare(tmp_path) as place:
        place.root = PACKAGES / request.param
        yield place


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package, unpacked."""
    folder = tmp_path_factory.mktemp("deb")
    (deb,) = FIRST.glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", str(deb), str(folder)], check=True)
    return folder


@pytest.fixture
def single(tmp_path: Path) -> Path:
    """The single file, as a person has it."""
    path = tmp_path / "repoman"
    shutil.copy(FIRST / SINGLE, path)
    return path
