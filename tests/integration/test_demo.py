"""`./bootstrap demo` without a container; tests/containers has it with one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.demo import interrupt_demo, run_demo
from tests.support.estate import isolate_environ, run

_NAMESPACE = ("unshare", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")), "--mount")
_NO_CONTAINER = "Skipped the container: "


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a user who may mount."""
    environ = isolate_environ(tmp_path)
    if run([*_NAMESPACE, "true"], environ).code:
        pytest.skip("not here: no permission to create a mount namespace")
    return environ


@pytest.mark.skipif(os.geteuid() == 0, reason="not here: run as root, the demo has a container")
def test_it_shows_the_mirror_and_says_why_no_container(environ: dict[str, str]) -> None:
    printed = run_demo([], environ)
    assert printed.count(f"{_NO_CONTAINER}a private Incus daemon needs root") == 1
    assert "$ repoman new notes --no-container --yes" in printed
    assert run_demo([], environ).count("$ ") == printed.count("$ "), "it can be run again"


@pytest.mark.skipif(os.geteuid() == 0, reason="not here: run as root, the demo has a container")
@pytest.mark.parametrize("at", ["$ repoman setup", "$ repoman sync --dry-run"])
def test_ctrl_c_leaves_nothing(environ: dict[str, str], at: str) -> None:
    interrupt_demo([], environ, at)
