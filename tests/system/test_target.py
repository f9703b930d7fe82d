"""The backup share is the right one, or nothing is written anywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.estate import run
from tests.system.conftest import NfsEstate
from tests.worlds.machine import kernel
from tests.worlds.machine.share import Share

TARGET = 5


def test_a_mounted_share_is_mirrored_to(estate: NfsEstate) -> None:
    estate.add("isurus")
    done = estate.run("sync", code=0)
    assert "new" in done.out
    assert (estate.export_path("isurus") / "README.md").read_text() == "# isurus, version 0\n"
    again = estate.run("sync", code=0)
    assert "nothing to do" in again.out
    assert estate.nfs.beneath() == []


def test_unmounted(estate: NfsEstate) -> None:
    estate.add("isurus")
    estate.nfs.umount()
    done = estate.run("sync", code=TARGET)
    assert "not on nfs or nfs4" in done.err
    assert estate.nfs.beneath() == []
    estate.run("status", code=3)
    estate.nfs.mount()
    estate.run("sync", code=0)


def test_untriggered_trap(estate: NfsEstate) -> None:
    estate.add("isurus")
    with estate.nfs.automount():
        assert estate.nfs.layers() == ["autofs"]
        estate.run("sync", code=0)
        assert estate.nfs.layers() == ["autofs", "nfs4"]
        assert (estate.export_path("isurus") / "README.md").exists()
    assert estate.nfs.beneath() == []


def test_trap_gone(estate: NfsEstate) -> None:
    """automount ended: the path is a plain folder in which mkdir would succeed."""
    estate.add("isurus")
    with estate.nfs.automount():
        estate.nfs.kill_automount()
        estate.nfs.drop_trap()
        assert estate.nfs.layers() == []
        done = estate.run("sync", code=TARGET)
        assert "mount the share" in done.err
    assert estate.nfs.beneath() == []


def test_broken_trap(estate: NfsEstate) -> None:
    estate.add("isurus")
    with estate.nfs.automount():
        estate.nfs.kill_automount()
        assert estate.nfs.layers() == ["autofs"]
        done = estate.run("sync", code=TARGET)
        assert done.err.count("\n") == 1
        estate.run("sync", code=TARGET)  # the broken trap answers differently the second time
    assert estate.nfs.beneath() == []


def test_dead_server(estate: NfsEstate) -> None:
    estate.add("isurus")
    estate.nfs.stop_server()
    patient = estate.environ["REPOMAN_PROBE_SECONDS"]
    estate.environ["REPOMAN_PROBE_SECONDS"] = "3"
    for argv in (("sync",), ("sync", "--dry-run"), ("setup",)):
        done = estate.run(*argv, code=TARGET)
        assert "did not answer within 3 s" in done.err
    estate.run("status", code=3)
    estate.run("list", code=0)
    estate.nfs.start_server()
    estate.environ["REPOMAN_PROBE_SECONDS"] = patient
    estate.run("sync", code=0)


def test_mounted_read_only(estate: NfsEstate) -> None:
    estate.add("isurus")
    estate.nfs.remount("ro")
    done = estate.run("sync", code=TARGET)
    assert "read-only" in done.err
    estate.nfs.remount("rw")
    estate.run("sync", code=0)


def test_exported_read_only(estate: NfsEstate) -> None:
    estate.add("isurus")
    estate.nfs.reexport("ro", "no_root_squash")
    estate.nfs.drop_caches()  # the client remembers for a while what it may do
    done = estate.run("sync", code=TARGET)
    assert "can't be written" in done.err
    assert not estate.export_path("isurus").exists()


def test_too_little_space(estate: NfsEstate) -> None:
    estate.add("isurus")
    estate.environ["REPOMAN_MIN_FREE_MIB"] = "20"
    estate.nfs.fill(leave=10 << 20)
    done = estate.run("sync", code=TARGET)
    assert "min_free_mib is 20" in done.err
    assert not estate.export_path("isurus").exists()
    estate.nfs.unfill()
    estate.run("sync", code=0)


def test_another_share_at_the_same_place(estate: NfsEstate) -> None:
    estate.add("isurus")
    estate.run("sync", code=0)
    other = estate.nfs.swap()
    done = estate.run("sync", code=TARGET)
    assert ".repoman-share" in done.err
    assert list(other.iterdir()) == []
    assert "--new-share" in estate.run("setup", code=6).err
    assert list(other.iterdir()) == []
    estate.run("setup", "--new-share", code=0)
    estate.run("sync", code=0)
    assert (other / "isurus/README.md").exists()


def test_the_share_of_another_estate(estate: NfsEstate, tmp_path: Path) -> None:
    other_home = tmp_path / "other"
    (other_home / "repos").mkdir(parents=True)
    environ = {"HOME": str(other_home), "XDG_CONFIG_HOME": str(other_home / ".config")}
    paths = ("--local-repos", str(other_home / "repos"), "--nfs-repos", str(estate.share))
    done = estate.run("setup", *paths, environ=environ, code=6)
    assert "--adopt-share" in done.err
    assert not (other_home / ".config").exists()


@pytest.mark.parametrize("squash", ["root_squash", "all_squash"])
def test_squashed_root(tmp_path: Path, squash: str) -> None:
    """Owners cannot be set there, so rsync does not try, and a second run sends nothing."""
    with Share("rw", squash, size="64m") as nfs, NfsEstate(tmp_path, nfs) as estate:
        refused = estate.run(
            "setup",
            f"--local-repos={estate.local_repos}",
            f"--nfs-repos={estate.share}",
            code=TARGET,
        )
        assert "can't be written by uid 0" in refused.err
        nfs.export.chmod(0o777)
        nfs.drop_caches()  # the client remembers for a while what it may do
        estate.setup()
        estate.repo("isurus")
        estate.run("new", "isurus", "--no-container", code=0)
        estate.run("sync", code=0)
        assert (nfs.export / "isurus/README.md").stat().st_uid == 65534
        assert "nothing to do" in estate.run("sync", code=0).out


USER = ("setpriv", "--reuid=1234", "--regid=1234", "--groups=2345")


def give_to_user(estate: NfsEstate) -> None:
    """Change the owner of everything to the user that `USER` becomes."""
    for path in [estate.home, *estate.home.rglob("*"), estate.nfs.export]:
        os.chown(path, 1234, 1234, follow_symlinks=False)
    for parent in (estate.nfs.base, *list(estate.base.parents)[:2], estate.base):
        parent.chmod(0o755)


@pytest.mark.parametrize(("fstypes", "group"), [("nfs4", 1234), ("tmpfs", 2345)])
def test_an_unprivileged_user(estate: NfsEstate, fstypes: str, group: int) -> None:
    """cron runs it as the developer. A second group is kept if the share lets it be set.

    The server here does not know this user's groups, like one with manage-gids.
    """
    repo = estate.repo("isurus")
    give_to_user(estate)
    os.chown(repo / "README.md", 1234, 2345)
    share = estate.share if fstypes == "nfs4" else estate.base / "local"
    if fstypes == "tmpfs":
        share.mkdir()
        kernel.mount("tmpfs", share, "tmpfs", options="uid=1234,gid=1234")
    environ = {**estate.environ, "REPOMAN_NFS_FSTYPES": fstypes}

    def repoman(*argv: str) -> str:
        done = run([*USER, *estate.argv, *argv], environ)
        assert done.code == 0, done
        return done.out

    estate.registry.unlink()
    paths = (f"--local-repos={estate.local_repos}", f"--nfs-repos={share}")
    repoman("setup", *paths, "--new-share")
    repoman("new", "isurus", "--no-container")
    repoman("sync")
    mirrored = (share / "isurus/README.md").stat()
    assert (mirrored.st_uid, mirrored.st_gid) == (1234, group)
    assert "nothing to do" in repoman("sync")
