"""Each test here is run with each transport."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from repoman_tasks.model import TRANSPORTS
from tests.support.ssh_estate import ssh_of


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/remote" in str(item.path):
            item.add_marker(pytest.mark.over_ssh)


@pytest.fixture(params=TRANSPORTS, autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _guard: None) -> str:
    """What carries the connections of the test; the home of the test is that of its `ssh`."""
    programs = ssh_of(Path(os.environ["HOME"]))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return str(request.param)
