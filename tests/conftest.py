"""What keeps every test away from the home, the estate and the settings of whoever runs it."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.estate import Estate, guarded
from tests.support.processes import running
from tests.support.ssh_estate import FarEstate

SSH = os.environ.get("REPOMAN_TEST_SSH", "")
"""The transport by which every estate is on another host; empty for estates of this one."""
HERE = "here"

# The same examples each time where nobody looks, as Hypothesis itself has it in CI.
_IN_CI = os.environ.get("CI") == "true"
settings.register_profile(
    "repoman",
    deadline=None,
    print_blob=True,
    derandomize=_IN_CI,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("repoman")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A place for containers is here, over SSH, or both, as the test is marked for CI."""
    mark = metafunc.definition.get_closest_marker("over_ssh")
    if mark and "bare" in metafunc.fixturenames:
        ways = [SSH] if SSH else [HERE, *(mark.args or ("fabric",))]
        metafunc.parametrize("bare", ways, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        local = item.get_closest_marker("here_only")
        if SSH and local:
            item.add_marker(pytest.mark.skip(reason=f"not here: over SSH, {local.args[0]}"))


@pytest.fixture(autouse=True)
def _guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which nothing leads out of `tmp_path`."""
    environ = guarded(tmp_path / "nobody")
    for name in set(os.environ) - set(environ):
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    """A throwaway estate; nothing is set up in it yet. Over SSH where that is asked for."""
    with FarEstate(tmp_path, SSH) if SSH else Estate(tmp_path) as made:
        yield made


@pytest.fixture
def marker() -> Iterator[str]:
    """A word by which a program is found again; what still runs with it is killed at the end."""
    word = f"300.{uuid.uuid4().int % 10**12:012}"  # which is also a time for `sleep`
    yield word
    for pid in running(word):
        os.kill(pid, signal.SIGKILL)
