"""The share fails, or the disk fills up, during a restore or a verify: nothing is lost or false."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.estate import Result, hash_tree
from tests.support.processes import wait_until
from tests.system.conftest import NfsEstate, finish, rsyncs
from tests.system.test_faults import same
from tests.worlds.machine import kernel

Begin = Callable[[NfsEstate], subprocess.Popen[bytes]]


@pytest.fixture
def mirrored(estate: NfsEstate) -> NfsEstate:
    """Return an estate with a big project that was mirrored."""
    estate.add_big_project("big")
    estate.run("sync", code=0)
    return estate


def begin_restore(estate: NfsEstate) -> subprocess.Popen[bytes]:
    """Lose the repo, start a restore, and wait until it has copied something.

    The network is so slow that it does not end by itself before a test has done what it does.
    """
    shutil.rmtree(estate.local_repos / "big")
    estate.nfs.delay(30)
    process = estate.start("restore", "big")
    copied = ".big.*.partial/file*"
    wait_until(lambda: process.poll() is not None or any(estate.local_repos.glob(copied)))
    return process


def end_without_a_server(estate: NfsEstate, begin: Begin) -> Result:
    """Return how what `begin` starts ends if the server dies meanwhile; start the server again."""
    estate.environ["REPOMAN_STALL_SECONDS"] = "4"
    process = begin(estate)
    estate.nfs.stop_server()
    estate.nfs.delay(0)
    done = finish(process)
    assert done.code == 4, done
    estate.nfs.start_server()
    wait_until(lambda: not rsyncs())
    return done


def end_without_a_mount(estate: NfsEstate, begin: Begin) -> Result:
    """Return how what `begin` starts ends if the share is unmounted meanwhile; mount it again."""
    process = begin(estate)
    estate.nfs.umount(lazy=True)
    estate.nfs.delay(0)
    done = finish(process)
    estate.nfs.mount()
    return done


def test_the_server_dies_during_a_restore(mirrored: NfsEstate) -> None:
    done = end_without_a_server(mirrored, begin_restore)
    assert "no progress for 4 s" in done.err
    assert not (mirrored.local_repos / "big").exists()
    mirrored.run("restore", "big", code=0)
    assert same(mirrored.local_repos / "big", mirrored.export_path("big"))


def test_the_share_is_unmounted_during_a_restore(mirrored: NfsEstate) -> None:
    """It goes on with the share that it began with, or fails; nothing is read from elsewhere."""
    done = end_without_a_mount(mirrored, begin_restore)
    repo = mirrored.local_repos / "big"
    assert done.code == 0 or not repo.exists()
    assert not repo.exists() or same(repo, mirrored.export_path("big"))
    if not repo.exists():
        mirrored.run("restore", "big", code=0)
    assert same(repo, mirrored.export_path("big"))


def test_the_disk_fills_up_during_a_restore(mirrored: NfsEstate, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    kernel.mount("tmpfs", small, "tmpfs", options="size=4m")
    try:
        done = mirrored.run("restore", "big", "--to", str(small / "copy"), code=4)
        assert "No space left on device" in done.err
        assert not (small / "copy").exists()
        kernel.mount("tmpfs", small, "tmpfs", flags=kernel.MS_REMOUNT, options="size=64m")
        mirrored.run("restore", "big", "--to", str(small / "copy"), code=0)
        assert same(small / "copy", mirrored.export_path("big"))
    finally:
        kernel.umount(small)


# --- verify ----------------------------------------------------------------------------------


def test_a_mirror_on_nfs_is_proven(mirrored: NfsEstate) -> None:
    before = hash_tree(mirrored.nfs.export)
    (verdict,) = mirrored.run("verify", "--json", code=0).json["projects"]
    assert (verdict["well"], verdict["proven"], verdict["files"]) == (True, 100, 60)
    assert hash_tree(mirrored.nfs.export) == before
    path = mirrored.export_path("big") / "file007"
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    (verdict,) = mirrored.run("verify", "--json", code=3).json["projects"]
    assert [entry["path"] for entry in verdict["damaged"]] == ["file007"]
    mirrored.run("sync", "big", "--checksum", code=0)
    mirrored.run("verify", "big", code=0)


def begin_verify(estate: NfsEstate) -> subprocess.Popen[bytes]:
    """Start a verify on a slow network, and wait until an rsync compares."""
    estate.nfs.umount()
    estate.nfs.mount()  # nothing of it is in memory
    estate.nfs.delay(30)
    before = estate.nfs.rpcs()["READ"]
    process = estate.start("verify", "big")
    wait_until(lambda: process.poll() is not None or estate.nfs.rpcs()["READ"] > before + 3)
    return process


def test_the_server_dies_during_a_verify(mirrored: NfsEstate) -> None:
    done = end_without_a_server(mirrored, begin_verify)
    assert "no progress for 4 s" in done.out
    (row,) = mirrored.run("list", "--json", code=0).json["projects"]
    assert (row["last_verified"], row["proven"], row["damaged"]) == (None, 0, [])
    mirrored.run("verify", "big", code=0)


def test_the_share_is_unmounted_during_a_verify(mirrored: NfsEstate) -> None:
    done = end_without_a_mount(mirrored, begin_verify)
    assert done.code in (0, 4, 5), done  # never damage
    (row,) = mirrored.run("list", "--json", code=0).json["projects"]
    assert row["damaged"] == []


def test_a_full_share_is_verified(mirrored: NfsEstate) -> None:
    mirrored.nfs.fill(leave=0)
    mirrored.run("verify", "big", code=0)
    mirrored.nfs.unfill()
