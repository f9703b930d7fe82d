"""Type docs/walkthrough.md and docs/migration.md, block by block, each on a host of its own."""

from __future__ import annotations

import re

import pytest

from tests.containers.conftest import ContainerEstate
from tests.support.estate import CHECKOUT, Result, run

pytestmark = pytest.mark.local_only("the page is typed on the host itself")
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def typed(estate: ContainerEstate, line: str) -> Result:
    """Type a line of the page, with the share of the test."""
    line = line.replace("/nfs/repos", str(estate.share))
    return run(["bash", "-c", line], estate.environ, cwd=estate.home)


def _text(page: str) -> str:
    return (CHECKOUT / "docs" / page).read_text()


def follow(estate: ContainerEstate, page: str) -> int:
    """Type the blocks of a page and compare the output; return the number of blocks."""
    blocks = BLOCK.findall(_text(page))
    for block in blocks:
        commands = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
        assert commands
        for command in commands:
            line, _, expected = command.partition("\n")
            done = typed(estate, line)
            assert done.code == 0, (line, done)
            assert not expected or _steady(done.out) == _steady(expected), (line, done)
    return len(blocks)


def _steady(text: str) -> str:
    """Return `text` without durations."""
    return re.sub(r"\d+\.\d s$", "0.1 s", text, flags=re.MULTILINE)


@pytest.mark.nightly
def test_every_block_of_the_walkthrough(host: ContainerEstate) -> None:
    assert follow(host, "walkthrough.md") >= 8


@pytest.fixture
def with_a_past(host: ContainerEstate) -> ContainerEstate:
    """Return a host with repos, and with what the scripts of docs/migration.md created there."""
    host.environ["REPOMAN_BRIDGE"] = "repoman0"  # which setup makes by itself
    host.incus("storage", "create", "default", "dir")
    root = ("root", "disk", "path=/", "pool=default", "--project", "default")
    host.incus("profile", "device", "add", "default", *root)
    for name in ("isurus", "notes"):
        host.repo(name)
        (host.local_repos / name / "node_modules").mkdir()
    left = host.local_repos / "notes/last-year.txt"
    left.write_text("long ago\n")
    scripts = re.findall(r"^```sh\n(.*?)^```$", _text("migration.md"), re.MULTILINE | re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        done = typed(host, f"set -e\n{script}")
        assert done.code == 0, (script, done)
    left.unlink()
    return host


@pytest.mark.nightly
def test_every_block_of_the_migration(with_a_past: ContainerEstate) -> None:
    assert follow(with_a_past, "migration.md") >= 8
