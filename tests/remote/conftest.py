"""Run each test here with each transport."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from repoman_tasks.model import TRANSPORTS
from tests.support.ssh_estate import install_ssh


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/remote" in str(item.path):
            item.add_marker(pytest.mark.over_ssh)


@pytest.fixture(params=TRANSPORTS, autouse=True)
def transport(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _isolate: None
) -> str:
    """Return the transport of the test; its `ssh` uses the home of the test."""
    programs = install_ssh(Path(os.environ["HOME"]))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return str(request.param)
