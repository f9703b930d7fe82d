"""docs/walkthrough.md, block by block, on a bare host: a daemon that was never initialised."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.conftest import Place
from tests.daemon.images import image
from tests.daemon.place import running_daemon
from tests.estate import CHECKOUT, Result, run

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def host(bare: Place) -> Iterator[Place]:
    """A host with Incus, the image that the page names, and the share at its place."""
    folder = Path(tempfile.mkdtemp(prefix="rmw-", dir="/tmp"))
    programs = bare.base / "bin"
    programs.mkdir()
    repoman = programs / "repoman"
    repoman.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m repoman_tasks "$@"\n')
    repoman.chmod(0o755)
    before = dict(bare.environ)
    bare.environ |= {
        "INCUS_DIR": str(folder),
        "INCUS_PROJECT": "repoman",
        "REPOMAN_STORAGE_POOL": "",
        "REPOMAN_BRIDGE": f"rmw{os.getpid() % 10000}",
        "PATH": f"{programs}:{bare.environ['PATH']}",
        "PYTHONPATH": str(CHECKOUT),
    }
    try:
        with running_daemon(folder, "sudo", "-n"):
            tarball = str(image("debian"))
            bare.incus("image", "import", tarball, "--alias", "debian", "--project", "default")
            yield bare
            bare.incus("project", "delete", "repoman", "--force", given="yes\n", check=False)
            network = bare.environ["REPOMAN_BRIDGE"]
            bare.incus("network", "delete", network, "--project", "default", check=False)
    finally:
        bare.environ = before
        subprocess.run(["sudo", "-n", "rm", "-rf", str(folder), f"{folder}.log"], check=False)


def typed(place: Place, line: str) -> Result:
    """Type a line of the page; the share is elsewhere here."""
    line = line.replace("/nfs/repos", str(place.share))
    return run(["bash", "-c", line], place.environ, cwd=place.home, timeout=120)


@pytest.mark.timeout(300)
def test_every_block_of_the_walkthrough(host: Place) -> None:
    blocks = BLOCK.findall((CHECKOUT / "docs/walkthrough.md").read_text())
    assert len(blocks) >= 8
    for block in blocks:
        commands = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
        assert commands
        for command in commands:
            line, _, expected = command.partition("\n")
            done = typed(host, line)
            assert done.code == 0, (line, done)
            assert not expected or done.out == expected, (line, done)
