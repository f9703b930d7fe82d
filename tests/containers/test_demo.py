"""`./bootstrap demo` with a container, on a private daemon, which needs root."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.demo import interrupt_demo, run_demo
from tests.support.estate import isolate_environ

pytestmark = pytest.mark.local_only("the demo runs on this host only")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return isolate_environ(tmp_path)


@pytest.fixture
def as_root(environ: dict[str, str]) -> Sequence[str]:
    return ["sudo", "-n", "env", "-i", f"PATH={environ['PATH']}"]


def test_it_shows_a_container_and_the_fence(
    as_root: Sequence[str], environ: dict[str, str]
) -> None:
    printed = run_demo(as_root, environ)
    assert "uid=1000(dev)" in printed
    assert re.search(r"^-rw-.* dev +dev +.*~/repos/notes/made-inside$", printed, re.MULTILINE)
    inside, outside = re.findall(r"^-rwsr-xr-x +1 +(\w+) +(\w+) .*trap$", printed, re.MULTILINE)
    assert (inside, outside) == (("root", "root"), ("1000000", "1000000"))


def test_without_a_daemon_one_line_says_so(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "ip").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "ip").chmod(0o755)
    as_root = ["sudo", "-n", "env", "-i", f"PATH={tmp_path}:{environ['PATH']}"]
    printed = run_demo(as_root, environ)
    assert printed.count("Skipped the container: the Incus daemon did not start: ") == 1
    assert "$ repoman new notes --no-container" in printed


def test_ctrl_c_leaves_nothing(as_root: Sequence[str], environ: dict[str, str]) -> None:
    interrupt_demo(as_root, environ, "$ repoman exec")
