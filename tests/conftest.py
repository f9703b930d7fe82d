"""What keeps every test away from the home, the estate and the settings of whoever runs it."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from repoman_tasks.model import TRANSPORTS
from tests.estate import Estate, guarded
from tests.far import FarEstate
from tests.processes import running

OVER_SSH = os.environ.get("REPOMAN_TEST_SSH") == "1"

# The same examples each time where nobody looks, as Hypothesis itself has it in CI.
_IN_CI = os.environ.get("CI") == "true"
settings.register_profile("repoman", deadline=None, print_blob=True, derandomize=_IN_CI)
settings.load_profile("repoman")


@pytest.fixture(autouse=True)
def _guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which nothing leads out of `tmp_path`."""
    environ = guarded(tmp_path / "nobody")
    for name in set(os.environ) - set(environ):
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Over SSH, each test of an estate is there for each transport."""
    if OVER_SSH and "estate" in metafunc.fixturenames:
        metafunc.parametrize("estate", TRANSPORTS, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of each such test one case is run with the transports that come second, for the time."""
    seen: set[tuple[str, str]] = set()
    kept: list[pytest.Item] = []
    spared: list[pytest.Item] = []
    for item in items:
        transport = item.callspec.params.get("estate", "") if hasattr(item, "callspec") else ""
        function = item.nodeid.partition("[")[0]
        spare = transport in TRANSPORTS[1:] and (function, transport) in seen
        seen.add((function, transport))
        (spared if spare else kept).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=spared)


@pytest.fixture
def estate(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Estate]:
    """A throwaway estate; nothing is set up in it yet. Over SSH where that is asked for."""
    with FarEstate(tmp_path, request.param) if OVER_SSH else Estate(tmp_path) as made:
        yield made


@pytest.fixture
def marker() -> Iterator[str]:
    """A word by which a program is found again; what still runs with it is killed at the end."""
    word = f"300.{uuid.uuid4().int % 10**12:012}"  # which is also a time for `sleep`
    yield word
    for pid in running(word):
        os.kill(pid, signal.SIGKILL)
