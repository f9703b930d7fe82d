"""Attack the estates of the tests of containers."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Generator

import pytest

from tests.containers.conftest import (
    estate,
    fresh_estate,
    git_repo,
    isurus,
    networked,
    shared_estate,
)

__all__ = ["estate", "fresh_estate", "git_repo", "isurus", "networked", "shared_estate"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/security" in str(item.path) and not os.environ.get("REPOMAN_TEST_INCUS_DIR"):
            item.add_marker(pytest.mark.skip(reason="not here: `python -m tests.worlds.daemon`"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test that changes this host, with the mark `alone`, while no other worker runs one."""
    folder = os.open(tempfile.gettempdir(), os.O_RDONLY)  # all workers have the same
    try:
        fcntl.flock(folder, fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH)
        return (yield)
    finally:
        os.close(folder)
