"""One share and two hosts: the one that did not write there last stops, until it takes over."""

from __future__ import annotations

import os
import re
import shlex
import shutil

import pytest

from repoman_tasks.planning.mirror.known_mirrors import TOKEN
from tests.support.estate import Estate, hash_tree

TARGET = 5
OTHER = "otherhost 2026-11-20T03:17:00Z 0123456789abcdef\n"


@pytest.fixture
def mirrored(estate: Estate) -> Estate:
    estate.prepare("isurus", "lamna")
    estate.run("sync", code=0)
    return estate


@pytest.mark.over_ssh
def test_the_host_that_did_not_write_last_stops(mirrored: Estate) -> None:
    (mirrored.local_repos / "isurus/README.md").unlink()
    (mirrored.share / TOKEN).write_text(OTHER)
    before = hash_tree(mirrored.share)
    for argv in (["sync"], ["sync", "isurus", "--force", "--yes"], ["sync", "--dry-run"]):
        error = mirrored.run(*argv, code=TARGET).err
        assert f"otherhost wrote to {mirrored.share} last, at 2026-11-20T03:17:00Z" in error
        assert hash_tree(mirrored.share) == before
    assert "otherhost wrote" in mirrored.run("log", code=0).out
    mirrored.run("verify", "lamna", code=0)
    (cure,) = re.findall(r"run `repoman (setup --take-over)`", error)
    shown = mirrored.run(*shlex.split(cure), "--dry-run", code=0).out
    assert shown.startswith(f"would take {mirrored.share} over from otherhost")
    assert hash_tree(mirrored.share) == before
    mirrored.run(*shlex.split(cure), "--yes", code=0)
    assert mirrored.run(*shlex.split(cure), "--yes", code=0).out == "nothing to do\n"
    assert "1 deleted" in mirrored.run("sync", code=0).out
    assert (mirrored.share / TOKEN).read_text().startswith(f"{os.uname().nodename} ")


def test_the_old_host_stops_after_another_took_over(mirrored: Estate) -> None:
    """The state of the other host is that of before; the share is the same one."""
    name = os.uname().nodename
    state = mirrored.home / ".local/state"
    shutil.copytree(state, mirrored.base / "old", symlinks=True)
    (mirrored.share / TOKEN).write_text(OTHER)
    mirrored.run("setup", "--take-over", "--yes", code=0)
    mirrored.run("sync", code=0)
    token = (mirrored.share / TOKEN).read_text()
    (mirrored.share / TOKEN).write_text(token.replace(name, "newhost", 1))
    shutil.rmtree(state)
    (mirrored.base / "old").rename(state)
    assert "newhost wrote to" in mirrored.run("sync", code=TARGET).err


@pytest.mark.parametrize("token", ["garbage\n", "", f"{os.uname().nodename} 0123456789abcdef\n"])
def test_a_share_that_was_brought_back_is_compared_in_full(mirrored: Estate, token: str) -> None:
    (mirrored.mirror("isurus") / "README.md").unlink()
    (mirrored.share / TOKEN).write_text(token)
    assert "1 new" in mirrored.run("sync", code=0).out


def test_adopting_a_share_takes_it_over(mirrored: Estate) -> None:
    (mirrored.share / TOKEN).write_text(OTHER)
    shutil.rmtree(mirrored.home / ".config")
    shutil.rmtree(mirrored.home / ".local")
    paths = ["--local-repos", str(mirrored.local_repos), "--nfs-repos", str(mirrored.share)]
    done = mirrored.run("setup", "--adopt-share", *paths, "--yes", code=0)
    assert f"done: take {mirrored.share} over from otherhost" in done.out
    mirrored.run("sync", code=0)
