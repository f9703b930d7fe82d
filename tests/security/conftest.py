"""Attack the estates of the tests of containers."""

from __future__ import annotations

import os

import pytest

from tests.containers.conftest import (
    estate,
    fresh_estate,
    git_repo,
    isurus,
    networked,
    shared_estate,
)

__all__ = [
    "estate",
    "fresh_estate",
    "git_repo",
    "isurus",
    "networked",
    "shared_estate",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/security" in str(item.path) and not os.environ.get("REPOMAN_TEST_INCUS_DIR"):
            item.add_marker(pytest.mark.skip(reason="not here: `python -m tests.worlds.daemon`"))
