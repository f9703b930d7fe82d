"""`./bootstrap demo` where no container can be had; tests/containers has it with one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.demo import interrupted, shown
from tests.support.estate import guarded, run

_NAMESPACE = ("unshare", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")), "--mount")
_NO_INCUS = "No container is shown: "


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who may mount."""
    environ = guarded(tmp_path)
    if run([*_NAMESPACE, "true"], environ).code:
        pytest.skip("not here: no namespace of mounts may be made")
    return environ


@pytest.mark.skipif(os.geteuid() == 0, reason="not here: root, who may have a container")
def test_it_shows_the_mirror_and_says_why_no_container(environ: dict[str, str]) -> None:
    printed = shown([], environ)
    assert printed.count(f"{_NO_INCUS}that needs root") == 1
    assert "$ repoman new notes --no-container --yes" in printed
    assert shown([], environ).count("$ ") == printed.count("$ "), "it can be run again"


@pytest.mark.skipif(os.geteuid() == 0, reason="not here: root, who may have a container")
@pytest.mark.parametrize("at", ["$ repoman setup", "$ repoman sync --dry-run"])
def test_ctrl_c_leaves_nothing(environ: dict[str, str], at: str) -> None:
    interrupted([], environ, at)
