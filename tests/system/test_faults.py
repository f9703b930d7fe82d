"""The share fails during a sync: no file is lost, and none is written beside the share."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from tests.support.processes import wait_until
from tests.system.conftest import NfsEstate, finish, rsyncs


def begin(estate: NfsEstate, *argv: str) -> subprocess.Popen[bytes]:
    """Start a sync and wait until it has written something of `big`.

    The network is so slow that the whole sync takes half a minute. However slow the machine is,
    what a test does now happens in the middle of it; after `delay(0)` it ends soon.
    """
    estate.nfs.delay(30)
    process = estate.start("sync", *argv)
    folder = estate.export_path("big")
    wait_until(lambda: process.poll() is not None or _count(folder) > 3)
    return process


def _count(folder: Path) -> int:
    return len(os.listdir(folder)) if folder.exists() else 0


def same(left: Path, right: Path) -> bool:
    """Return True if two flat folders hold the same files with the same content."""
    names = sorted(path.name for path in left.iterdir())
    return names == sorted(path.name for path in right.iterdir()) and all(
        (left / name).read_bytes() == (right / name).read_bytes() for name in names
    )


def test_server_dies(estate: NfsEstate) -> None:
    """A hard mount never answers: the group of rsync is killed, and a later sync completes."""
    source = estate.add_big_project("big")
    estate.environ["REPOMAN_STALL_SECONDS"] = "4"
    process = begin(estate)
    estate.nfs.stop_server()
    estate.nfs.delay(0)
    done = finish(process)
    assert done.code == 4
    assert "no progress for 4 s" in done.err
    assert estate.last_sync("big") is None
    estate.nfs.start_server()
    wait_until(lambda: not rsyncs())
    del estate.environ["REPOMAN_STALL_SECONDS"]
    estate.run("sync", code=0)
    assert same(source, estate.export_path("big"))
    assert estate.last_sync("big") is not None


def test_share_goes_read_only(estate: NfsEstate) -> None:
    source = estate.add_big_project("big")
    process = begin(estate)
    estate.nfs.reexport("ro", "no_root_squash")
    estate.nfs.delay(0)
    done = finish(process)
    assert done.code == 5
    assert "the share is read-only" in done.err
    assert estate.last_sync("big") is None
    estate.nfs.reexport("rw", "no_root_squash")
    estate.run("sync", code=0)
    assert same(source, estate.export_path("big"))


def test_share_fills_up(estate: NfsEstate) -> None:
    source = estate.add_big_project("big", files=20)
    estate.run("sync", code=0)
    before = {path.name: path.read_bytes() for path in estate.export_path("big").iterdir()}
    estate.environ["REPOMAN_MIN_FREE_MIB"] = "0"
    (source / "huge").write_bytes(os.urandom(8 << 20))
    (source / "file000").unlink()
    estate.nfs.fill(leave=1 << 20)
    done = estate.run("sync", code=5)
    assert "the share is full" in done.err
    after = estate.export_path("big")
    assert all((after / name).read_bytes() == content for name, content in before.items())
    estate.nfs.unfill()
    estate.run("sync", code=0)
    assert same(source, after)


def test_unmounted_in_the_middle(estate: NfsEstate) -> None:
    """The running rsync still writes to the share it began with, never to the disk below."""
    estate.add_big_project("big")
    process = begin(estate)
    estate.nfs.umount(lazy=True)
    estate.nfs.delay(0)
    done = finish(process)
    assert done.code == 5
    assert "unmounted or remounted" in done.err
    assert estate.last_sync("big") is None
    assert estate.nfs.beneath() == []


def test_unmounted_and_trap_gone_in_the_middle(estate: NfsEstate) -> None:
    estate.add_big_project("big")
    with estate.nfs.automount():
        process = begin(estate)
        estate.nfs.kill_automount()
        estate.nfs.drop_trap()
        estate.nfs.delay(0)
        done = finish(process)
        assert done.code == 5
        assert estate.last_sync("big") is None
        assert estate.nfs.beneath() == []


def test_swapped_in_the_middle(estate: NfsEstate) -> None:
    estate.add_big_project("big")
    estate.add_big_project("second", files=5)
    process = begin(estate, "--jobs=1")
    other = estate.nfs.swap()
    estate.nfs.delay(0)
    done = finish(process)
    assert done.code == 5
    assert list(other.iterdir()) == []
    assert estate.nfs.beneath() == []
    assert estate.last_sync("second") is None


def test_remounted_in_the_middle(estate: NfsEstate) -> None:
    estate.add_big_project("big")
    process = begin(estate)
    estate.nfs.umount(lazy=True)
    estate.nfs.mount()
    estate.nfs.delay(0)
    done = finish(process)
    assert done.code == 5
    assert "unmounted or remounted" in done.err
    estate.run("sync", code=0)


def test_an_automount_does_not_expire_under_a_run(estate: NfsEstate) -> None:
    """The run takes longer than the timeout after which an unused mount expires."""
    estate.add_big_project("big", files=40, kib=20)
    with estate.nfs.automount(timeout=2):
        estate.nfs.delay(12)
        began = time.monotonic()
        done = estate.run("sync", "--jobs=1", code=0)
        assert time.monotonic() - began > 4, done
        estate.nfs.delay(0)
        assert len(list(estate.export_path("big").iterdir())) == 40
        wait_until(lambda: estate.nfs.layers() == ["autofs"])
    assert estate.nfs.beneath() == []


def test_interrupted(estate: NfsEstate) -> None:
    source = estate.add_big_project("big")
    estate.add("small")
    estate.run("sync", "small", code=0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process = begin(estate, "big")
        wait_until(lambda: len(rsyncs()) >= 3)
        process.send_signal(number)
        estate.nfs.delay(0)
        done = finish(process)
        assert done.code == 130, done
        wait_until(lambda: not rsyncs())
        assert estate.last_sync("big") is None
    estate.run("sync", code=0)
    assert same(source, estate.export_path("big"))


def test_killed(estate: NfsEstate) -> None:
    """kill -9: an rsync that survives holds the project's lock until it ends."""
    source = estate.add_big_project("big")
    estate.nfs.delay(3)
    for seconds in (0.2, 0.9, 1.7, 2.8):
        process = estate.start("sync", "big")
        time.sleep(seconds)
        process.kill()
        finish(process)
    estate.nfs.delay(0)
    estate.run("sync", "big", "--wait", code=0)
    assert same(source, estate.export_path("big"))
    assert not [path for path in estate.export_path("big").iterdir() if path.name.startswith(".")]
