"""Bring repos and files back from the mirror and from snapshots, with the real rsync."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_mirror import REFUSED, SOME_FAILED, inner
from tests.support.estate import Estate, hash_tree
from tests.support.odd_files import ODD_NAME, make_odd_files
from tests.support.processes import WAIT_SECONDS, find_processes, wait_until

INTERRUPTED, BUSY, TARGET, USAGE = 130, 4, 5, 2


@pytest.fixture
def mirrored(estate: Estate) -> Estate:
    """Return an estate whose project isurus was mirrored, with files of odd names and kinds."""
    estate.prepare("isurus")
    make_odd_files(estate.local_repos / "isurus")
    estate.run("sync", code=0)
    return estate


def restored(estate: Estate) -> list[Path]:
    folder = estate.home / "restored"
    return sorted(folder.iterdir()) if folder.exists() else []


# --- where to ------------------------------------------------------------------------------


@pytest.mark.over_ssh
@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_a_lost_repo_comes_back_in_its_own_place(mirrored: Estate, left: str) -> None:
    repo = mirrored.local_repos / "isurus"
    before = inner(repo)
    shutil.rmtree(repo)
    if left == "an empty folder":
        repo.mkdir()
    cure = mirrored.run("sync", "isurus", code=REFUSED).err
    assert f"`repoman restore isurus{mirrored.host_flag}`" in cure
    done = mirrored.run("restore", "isurus", code=0)
    assert "compared with its source: no difference" in done.out
    assert inner(repo) == before
    assert (repo / "docs/plan.md").stat().st_ino == (repo / "docs/twin").stat().st_ino
    assert restored(mirrored) == []
    mirrored.run("sync", "isurus", code=0)
    assert inner(mirrored.mirror("isurus")) == before


@pytest.mark.over_ssh
def test_a_repo_that_is_there_is_left_alone(mirrored: Estate) -> None:
    repo, mirror = mirrored.local_repos / "isurus", mirrored.mirror("isurus")
    (repo / "docs/plan.md").write_text("a newer plan\n")
    before = hash_tree(repo)
    mirrored.run("restore", "isurus", code=0)
    mirrored.run("restore", "isurus", code=0)
    assert hash_tree(repo) == before
    assert [path.name for path in restored(mirrored)] == ["isurus-mirror", "isurus-mirror-2"]
    assert [inner(path) == inner(mirror) for path in restored(mirrored)] == [True, True]
    assert (mirrored.home / "restored").stat().st_mode & 0o077 == 0


@pytest.mark.over_ssh
def test_files_and_folders(mirrored: Estate) -> None:
    repo = mirrored.local_repos / "isurus"
    mirrored.run("restore", "isurus", "docs/plan.md", str(repo / "docs/old"), ODD_NAME, code=0)
    (folder,) = restored(mirrored)
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    assert names == ["docs", "docs/old", "docs/plan.md", ODD_NAME]
    assert (folder / "docs/old").stat().st_mtime_ns == 10**18


def test_a_path_may_be_called_like_a_command(mirrored: Estate) -> None:
    (mirrored.local_repos / "isurus/status").write_text("x")
    mirrored.run("sync", code=0)
    mirrored.run("restore", "isurus", "status", code=0)
    assert [path.name for path in restored(mirrored)[0].iterdir()] == ["status"]


def test_another_folder(mirrored: Estate) -> None:
    mirrored.run("restore", "isurus", "--to", "~/copies/one", code=0)
    assert inner(mirrored.home / "copies/one") == inner(mirrored.mirror("isurus"))
    again = mirrored.run("restore", "isurus", "--to", "~/copies/one", code=REFUSED)
    assert "exists already" in again.err


@pytest.mark.parametrize("to", ["{repos}/isurus/x", "{repos}", "{share}/x", "~"])
def test_not_where_it_would_be_in_the_way(mirrored: Estate, to: str) -> None:
    before = mirrored.hash_files()
    named = to.format(repos=mirrored.local_repos, share=mirrored.share)
    done = mirrored.run("restore", "isurus", "--to", named, code=REFUSED)
    assert "overlaps" in done.err
    assert mirrored.hash_files() == before


# --- in place ------------------------------------------------------------------------------


@pytest.mark.over_ssh
def test_in_place_moves_aside_what_it_replaces(mirrored: Estate) -> None:
    repo = mirrored.local_repos / "isurus"
    (repo / "docs/plan.md").unlink()
    (repo / "docs/plan.md").write_text("work of a whole day\n")
    (repo / "docs/tool").unlink()
    (repo / "extra").write_text("never mirrored\n")
    dry = mirrored.run("restore", "isurus", "--in-place", "--dry-run", code=0).out
    assert {line.split(" ", 1)[0] for line in dry.splitlines()[:-1]} == {
        *("attributes", "changed", "new", "deleted")
    }
    mirrored.run("restore", "isurus", "--in-place", code=USAGE)  # nobody can be asked
    mirrored.run("restore", "isurus", "--in-place", "--yes", code=0)
    assert inner(repo) == inner(mirrored.mirror("isurus"))
    (aside,) = restored(mirrored)
    assert (aside / "isurus/docs/plan.md").read_text() == "work of a whole day\n"
    assert (aside / "isurus/extra").read_text() == "never mirrored\n"
    assert "nothing to do" in mirrored.run("restore", "isurus", "--in-place", "--yes", code=0).out
    assert restored(mirrored) == [aside]


def test_in_place_leaves_excluded_files(mirrored: Estate) -> None:
    text = mirrored.registry.read_text()
    mirrored.registry.write_text(text.replace("[defaults]", '[defaults]\nexclude = ["build/"]'))
    build = mirrored.local_repos / "isurus/build"
    build.mkdir()
    (build / "out").write_text("x")
    (mirrored.local_repos / "isurus/docs/plan.md").write_text("changed, and longer\n")
    mirrored.run("restore", "isurus", "--in-place", "--yes", code=0)
    assert (build / "out").read_text() == "x"
    assert (mirrored.local_repos / "isurus/docs/plan.md").read_text() == "the plan\n"


def test_in_place_only_what_is_named(mirrored: Estate) -> None:
    repo = mirrored.local_repos / "isurus"
    (repo / "docs/plan.md").write_text("changed, and longer\n")
    (repo / "README.md").write_text("changed, too\n")
    mirrored.run("restore", "isurus", "docs/plan.md", "--in-place", "--yes", code=0)
    assert (repo / "docs/plan.md").read_text() == "the plan\n"
    assert (repo / "README.md").read_text() == "changed, too\n"


# --- from when ----------------------------------------------------------------------------


def take_snapshot(estate: Estate, name: str, folder: str = ".zfs/snapshot") -> Path:
    """Copy the share's mirrors to where a file server shows a snapshot."""
    path = estate.share / folder / name
    for mirror in estate.share.iterdir():
        if not mirror.name.startswith((".", "@", "#")):
            shutil.copytree(mirror, path / mirror.name, symlinks=True)
    return path


@pytest.mark.over_ssh
@pytest.mark.parametrize(
    ("name", "folder", "at"),
    [
        ("auto-2026-01-20_03-25", ".zfs/snapshot", "2026-01-20"),
        ("auto-2026-01-20_03-25", ".zfs/snapshot", "auto-2026-01-20_03-25"),
        ("autosnap_2026-01-20_03:25:00_daily", ".zfs/snapshot", "2026-01-20T12:00"),
        ("nightly.2026-01-20", ".snapshot", "yesterday"),
        ("@GMT-2026.01.20-03.25.00", ".", "1 day ago"),
        ("before the move", "#snapshot", "before the move"),
    ],
)
def test_a_snapshot(mirrored: Estate, name: str, folder: str, at: str) -> None:
    plan = mirrored.local_repos / "isurus/docs/plan.md"
    take_snapshot(mirrored, name, folder)
    plan.write_text("a newer plan\n")
    mirrored.run("sync", code=0)
    done = mirrored.run("restore", "isurus", "docs/plan.md", "--at", at, "--json", code=0).json
    assert (Path(done["target"]) / "docs/plan.md").read_text() == "the plan\n"
    assert done["source"] == name


def test_the_last_snapshot_before_a_time(mirrored: Estate) -> None:
    for day in (1, 2, 3):
        path = take_snapshot(mirrored, f"daily-2026-01-0{day}")
        (path / "isurus/day").write_text(str(day))
    argv = ("restore", "isurus", "day", "--json", "--at")
    found = [mirrored.run(*argv, f"2026-01-0{day}", code=0).json["source"] for day in (2, 9)]
    assert found == ["daily-2026-01-02", "daily-2026-01-03"]
    early = mirrored.run(*argv, "2025-12-31", code=USAGE).err
    assert "the oldest is daily-2026-01-01" in early
    assert "neither a time nor" in mirrored.run(*argv, "whenever", code=USAGE).err


def test_snapshots_elsewhere(mirrored: Estate) -> None:
    path = take_snapshot(mirrored, "7/snapshot", ".snapshots")
    text = mirrored.registry.read_text()
    pattern = f'snapshots = "{path.parent.parent}/{{name}}/snapshot"'
    mirrored.registry.write_text(text.replace("[defaults]", f"[defaults]\n{pattern}"))
    assert mirrored.run("restore", "isurus", "--at", "7", "--json", code=0).json["source"] == "7"


def test_an_empty_snapshot_is_unknown(mirrored: Estate) -> None:
    (mirrored.share / ".zfs/snapshot/daily-2026-01-01").mkdir(parents=True)
    done = mirrored.run("restore", "isurus", "--at", "yesterday", code=1)
    assert "so its content is unknown" in done.err


# --- all -----------------------------------------------------------------------------------


@pytest.mark.over_ssh
def test_all_that_is_missing_comes_back(mirrored: Estate) -> None:
    mirrored.repo("lamna", commits=1)
    mirrored.repo("sphyrna", commits=1)
    mirrored.register("lamna", "sphyrna")
    mirrored.run("sync", code=0)
    before = hash_tree(mirrored.local_repos)
    assert "nothing to do" in mirrored.run("restore", "--all", code=0).out
    shutil.rmtree(mirrored.local_repos / "isurus")
    shutil.rmtree(mirrored.local_repos / "lamna")
    (mirrored.local_repos / "lamna").mkdir()
    (mirrored.local_repos / "sphyrna/README.md").write_text("newer than the mirror\n")
    newer = hash_tree(mirrored.local_repos / "sphyrna")
    dry = mirrored.run("restore", "--all", "--dry-run", code=0).out
    assert dry.count("would be restored") == 2
    done = mirrored.run("restore", "--all", "--json", code=0).json
    assert sorted(one["repo"] for one in done["restored"]) == ["isurus", "lamna"]
    after = hash_tree(mirrored.local_repos)
    lost = [path for path in before if "/sphyrna" not in path and not path.endswith("/repos/.")]
    assert [after[path] for path in lost] == [before[path] for path in lost]
    assert hash_tree(mirrored.local_repos / "sphyrna") == newer
    assert restored(mirrored) == []


def test_one_that_has_no_mirror_stops_no_other(mirrored: Estate) -> None:
    mirrored.register("aaa", "zzz")
    shutil.rmtree(mirrored.local_repos / "isurus")
    done = mirrored.run("restore", "--all", "--json", code=SOME_FAILED)
    assert [one["repo"] for one in done.json["restored"]] == ["isurus"]
    assert sorted(done.json["failed"]) == ["aaa", "zzz"]
    assert "there is no aaa in the mirrors" in done.err


def test_options_that_contradict(mirrored: Estate) -> None:
    mirrored.run("restore", "isurus", "--from-mirror", code=0)
    mirrored.run("restore", "isurus", "--from-mirror", "--at", "yesterday", code=USAGE)
    mirrored.run("restore", "isurus", "--all", code=USAGE)
    mirrored.run("restore", "--all", "--to", "~/x", code=USAGE)
    mirrored.run("restore", "--all", "--in-place", code=USAGE)


# --- what goes wrong ------------------------------------------------------------------------


def test_what_is_not_there(mirrored: Estate) -> None:
    assert (
        "there is no nothing in isurus" in mirrored.run("restore", "isurus", "nothing", code=1).err
    )
    assert "is not in" in mirrored.run("restore", "isurus", "../x", code=USAGE).err
    assert "no project is called" in mirrored.run("restore", "nobody", code=USAGE).err
    shutil.rmtree(mirrored.mirror("isurus"))
    assert "there is no isurus in the mirrors" in mirrored.run("restore", "isurus", code=1).err
    assert restored(mirrored) == []


def test_no_link_is_followed(mirrored: Estate) -> None:
    secret = mirrored.home / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    mirror = mirrored.mirror("isurus")
    (mirror / "way").symlink_to(secret)
    (mirror / "file").symlink_to(secret / "key")
    done = mirrored.run("restore", "isurus", "way/key", code=REFUSED)
    assert "is a symlink" in done.err
    mirrored.run("restore", "isurus", "file", "way", code=0)
    assert all(path.is_symlink() for path in restored(mirrored)[0].iterdir())


@pytest.mark.parametrize("link", ["docs", "docs/old"])
def test_in_place_writes_through_no_link(mirrored: Estate, link: str) -> None:
    repo, elsewhere = mirrored.local_repos / "isurus", mirrored.home / "precious"
    (repo / "docs/old/deep").write_text("x")
    mirrored.run("sync", code=0)
    elsewhere.mkdir()
    shutil.rmtree(repo / link)
    (repo / link).symlink_to(elsewhere)
    argv = ("restore", "isurus", "docs/old/deep", "--in-place", "--yes")
    assert "is a symlink" in mirrored.run(*argv, code=REFUSED).err
    assert list(elsewhere.iterdir()) == []
    mirrored.run("restore", "isurus", "--in-place", "--yes", code=0)  # the link is replaced
    assert list(elsewhere.iterdir()) == []
    assert (repo / "docs/old/deep").read_text() == "x"


def test_a_set_uid_file_of_another_owner_is_not_one_of_mine(mirrored: Estate) -> None:
    tool = mirrored.local_repos / "isurus/docs/tool"
    tool.chmod(0o4755)
    marker = mirrored.share / ".repoman-share"
    os.chown(marker, 12345, 12345) if os.geteuid() == 0 else None  # owners are not kept
    mirrored.run("sync", code=0)
    assert (mirrored.mirror("isurus") / "docs/tool").stat().st_mode & 0o7777 == 0o755
    mirrored.run("restore", "isurus", "docs/tool", code=0)
    assert (restored(mirrored)[0] / "docs/tool").stat().st_mode & 0o7777 == 0o755
    assert "nothing to do" in mirrored.run("sync", code=0).out


@pytest.mark.as_root
def test_what_another_owner_denies_to_itself_is_readable_in_the_mirror(mirrored: Estate) -> None:
    if os.geteuid() != 0:
        pytest.skip("not here: only root can give files away")
    docs, mirror = mirrored.local_repos / "isurus/docs", mirrored.mirror("isurus") / "docs"
    for name, mode in (("old", 0o055), ("plan.md", 0o044), ("tool", 0o700)):
        os.chown(docs / name, 12345, 12345)
        (docs / name).chmod(mode)
    os.chown(mirrored.share / ".repoman-share", 12345, 12345)  # owners are not kept
    mirrored.run("sync", code=0)
    modes = [(mirror / name).stat().st_mode & 0o777 for name in ("old", "plan.md", "tool")]
    assert modes == [0o555, 0o444, 0o700]
    assert "nothing to do" in mirrored.run("sync", "--full", code=0).out
    mirrored.run("verify", code=0)
    assert "no difference" in mirrored.run("restore", "isurus", code=0).out


def test_a_share_that_is_full_is_read(mirrored: Estate) -> None:
    environ = {"REPOMAN_MIN_FREE_MIB": "999999999"}
    assert "min_free_mib" in mirrored.run("status", environ=environ).out
    mirrored.run("restore", "isurus", environ=environ, code=0)


def test_another_share_is_not(mirrored: Estate) -> None:
    (mirrored.share / ".repoman-share").unlink()
    assert "has no marker" in mirrored.run("restore", "isurus", code=TARGET).err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_restore_goes_on(mirrored: Estate, number: int) -> None:
    repo = mirrored.local_repos / "isurus"
    slow = mirrored.mirror("isurus") / "zzz/hole"
    slow.parent.mkdir()
    with slow.open("wb") as file:
        file.truncate(1 << 38)
    shutil.rmtree(repo)
    process = mirrored.start("restore", "isurus")
    copied = ".isurus.*.partial/docs/plan.md"
    wait_until(lambda: any(mirrored.local_repos.glob(copied)))
    partial = next(mirrored.local_repos.glob(copied)).parent.parent
    os.kill(process.pid, number)
    assert process.wait(WAIT_SECONDS) in (INTERRUPTED, 143, -number)
    assert not repo.exists()
    slow.unlink()
    if number == signal.SIGKILL and not mirrored.host_flag:  # nobody ends rsync, so it has the lock
        assert "restore of isurus is running" in mirrored.run("restore", "isurus", code=BUSY).err
        for pid in find_processes(str(partial)):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not find_processes(str(partial)))
    mirrored.run("restore", "isurus", code=0)
    assert (repo / "docs/plan.md").read_text() == "the plan\n"
    assert not partial.exists()


def test_a_copy_that_cannot_be_complete_gets_no_name(mirrored: Estate) -> None:
    if os.geteuid() == 0:
        pytest.skip("not here: root reads everything")
    shutil.rmtree(mirrored.local_repos / "isurus")
    (mirrored.mirror("isurus") / "docs/tool").chmod(0)
    done = mirrored.run("restore", "isurus", code=SOME_FAILED)
    assert "some files could not be copied" in done.err
    assert "docs/tool" in done.err
    assert not (mirrored.local_repos / "isurus").exists()


def test_a_failed_restore_leaves_nothing_in_another_copy(mirrored: Estate, tmp_path: Path) -> None:
    repo, mirror = mirrored.local_repos / "isurus", mirrored.mirror("isurus")
    snapshot = take_snapshot(mirrored, "2026-01-02")
    for path in ("docs/.envrc", "docs/more/.envrc"):
        (mirror / path).parent.mkdir(exist_ok=True)
        (mirror / path).write_text("bad")
    shutil.rmtree(repo)
    environ = failing_rsync(tmp_path)
    for paths in ([], ["docs"]):
        mirrored.run("restore", "isurus", *paths, code=SOME_FAILED, environ=environ)
    mirrored.run("restore", "isurus", "--at", "2026-01-02", code=0)
    assert inner(repo) == inner(snapshot / "isurus")
    mirrored.run("restore", "isurus", "docs/plan.md", code=0)
    assert [entry.name for entry in (mirrored.home / "restored").glob("isurus*/docs/*")] == [
        "plan.md"
    ]
    (mirror / "docs/.envrc").unlink()
    shutil.rmtree(mirror / "docs/more")
    shutil.rmtree(repo)
    mirrored.run("restore", "isurus", code=0)  # goes on, with what the mirror has by now
    assert inner(repo) == inner(mirror)


def failing_rsync(folder: Path) -> dict[str, str]:
    """Return the environment in which rsync copies all, and reports that it failed."""
    program, rsync = folder / "bin/rsync", shutil.which("rsync")
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n{rsync} "$@"\nexit 23\n')
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{os.environ['PATH']}"}


def test_no_git_runs_in_the_copy(mirrored: Estate) -> None:
    fired = mirrored.home / "fired"
    config = mirrored.mirror("isurus") / ".git/config"
    config.write_text(config.read_text() + f"[core]\n\tfsmonitor = touch {fired};\n")
    mirrored.run("restore", "isurus", code=0)
    assert not fired.exists()
    mirrored.git(restored(mirrored)[0], "status")  # what it would do
    assert fired.exists()


def test_the_guard_for_git_knows_the_copy(mirrored: Estate) -> None:
    mirrored.run("restore", "isurus", code=0)
    (copy,) = restored(mirrored)
    guarded = (mirrored.home / ".local/state/repoman/guard/folders").read_text().splitlines()
    assert str(copy) in guarded


def test_json(mirrored: Estate) -> None:
    dry = mirrored.run("restore", "isurus", "--dry-run", "--json", code=0).json
    assert restored(mirrored) == []
    done = mirrored.run("restore", "isurus", "--json", code=0).json
    changing = ("dry_run", "new", "attributes", "bytes")
    assert {k: v for k, v in dry.items() if k not in changing} == {
        k: v for k, v in done.items() if k not in changing
    }
    assert done["different"] == 0


# --- mirrors of no project -----------------------------------------------------------------


@pytest.fixture
def forgotten(mirrored: Estate) -> Estate:
    """Return an estate in which only the mirror of a project is left."""
    mirrored.run("remove", "isurus", "--yes", code=0)
    (mirrored.local_repos / "isurus").rename(mirrored.base / "away")
    return mirrored


@pytest.mark.over_ssh
def test_status_names_how_a_mirror_without_a_project_comes_back(forgotten: Estate) -> None:
    (forgotten.share / "lost+found").mkdir()
    (forgotten.share / "not a name").mkdir()
    (forgotten.share / "a file").touch()
    (forgotten.local_repos / "deep/inner").mkdir(parents=True)
    forgotten.run("new", "inner", "--repo", "deep/inner", "--no-container", code=0)
    forgotten.run("sync", code=0)
    findings = forgotten.run("status", "--json", code=0).json["findings"]
    found = {f["subject"]: f["cure"] for f in findings if f["kind"] == "mirror"}
    assert set(found) == {"isurus", "not a name"}
    assert "`repoman new isurus --restore`" in found["isurus"]
    done = forgotten.run("new", "isurus", "--restore", "--no-container", code=0)
    assert "restore" in done.out
    assert inner(forgotten.local_repos / "isurus") == inner(forgotten.base / "away")
    assert "nothing to do" in forgotten.run("sync", "isurus", code=0).out


def test_new_says_that_there_is_a_mirror(forgotten: Estate) -> None:
    done = forgotten.run("new", "isurus", "--create", "--no-container", "--dry-run", code=0)
    assert "run `repoman new isurus --restore` in place of this" in done.err
    done = forgotten.run("new", "isurus", "--create", "--no-container", code=0)
    assert "`repoman restore isurus` copies it" in done.err
    forgotten.run("restore", "isurus", code=0)
    (copy,) = restored(forgotten)
    assert inner(copy) == inner(forgotten.base / "away")
    assert "mirror" not in forgotten.run("new", "apus", "--create", "--no-container", code=0).err


def test_new_restores_beside_no_sync_of_the_project(forgotten: Estate) -> None:
    lock = forgotten.registry.parent / "locks/isurus.lock"
    with subprocess.Popen(["flock", lock, "sh", "-c", "echo held; cat"], **_PIPES) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        argv = ("new", "isurus", "--restore", "--no-container")
        assert "sync or restore of isurus is running" in forgotten.run(*argv, code=BUSY).err
        holder.communicate()
    assert not (forgotten.local_repos / "isurus").exists()
    forgotten.run(*argv, code=0)


_PIPES: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}


def test_new_restores_only_what_is_there(forgotten: Estate) -> None:
    done = forgotten.run("new", "apus", "--restore", "--no-container", code=1)
    assert "there is no apus in the mirrors" in done.err
    assert not (forgotten.local_repos / "apus").exists()
    both = ("--restore", "--create")
    assert "choose one" in forgotten.run("new", "isurus", "--no-container", *both, code=USAGE).err
    (forgotten.share / ".repoman-share").unlink()
    forgotten.run("new", "isurus", "--restore", "--no-container", code=TARGET)
    assert forgotten.run("new", "isurus", "--create", "--no-container", code=0).err.count("\n") == 1


@pytest.mark.over_ssh
def test_a_mirror_of_no_project_is_deleted_on_request(forgotten: Estate) -> None:
    mirror = forgotten.mirror("isurus")
    asked = forgotten.run("remove", "isurus", "--mirror", code=USAGE)
    assert "DELETE the mirror" in asked.err
    assert "KiB, last changed " in asked.err
    assert "pass --yes" in asked.err
    assert "would DELETE" in forgotten.run("remove", "isurus", "--mirror", "--dry-run", code=0).out
    assert mirror.is_dir()
    forgotten.run("remove", "--mirror", "isurus", "--yes", code=0)
    assert not mirror.exists()
    assert "--mirror" not in forgotten.run("status", code=0).out
    forgotten.run("remove", "isurus", "--mirror", "--yes", code=1)


@pytest.mark.parametrize("name", ["isurus", "isurus/docs", "deep", "link", "..", "/", ".", ".zfs"])
def test_no_other_folder_of_the_share_is_deleted(mirrored: Estate, name: str) -> None:
    (mirrored.local_repos / "deep/inner").mkdir(parents=True)
    mirrored.run("new", "inner", "--repo", "deep/inner", "--no-container", code=0)
    mirrored.run("sync", code=0)
    (mirrored.share / "link").symlink_to("isurus")
    before = hash_tree(mirrored.share)
    assert mirrored.run("remove", name, "--mirror", "--yes").code in (USAGE, REFUSED)
    assert hash_tree(mirrored.share) == before
