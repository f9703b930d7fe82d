"""Mirror with the real rsync: complete, guarded, and robust against interference."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from repoman_tasks.planning.mirror.known_mirrors import TOKEN
from repoman_tasks.planning.mirror.share_check import BASELINES, MARKER, REGISTRY_COPIES
from tests.support.estate import Estate, hash_tree
from tests.support.processes import WAIT_SECONDS, find_processes, notice_open, wait_until

REFUSED, SOME_FAILED = 6, 4
LARGE = 1 << 40
"""Bytes of a file that is all hole: it takes no room, and reading it takes minutes."""


@pytest.fixture
def ready(estate: Estate) -> Estate:
    """Return an estate that is set up, with one project, isurus, not mirrored yet."""
    return estate.prepare("isurus")


def inner(root: Path) -> dict[str, str]:
    """Return the hashes of what is below `root`, by relative path, without the sizes of folders."""
    found = {os.path.relpath(path, root): what.split(" ") for path, what in hash_tree(root).items()}
    return {
        path: " ".join(what[:2] if what[0].startswith("40") else what)
        for path, what in found.items()
    }


def changes(text: str) -> list[str]:
    """Return the itemised lines in a sync's output."""
    kinds = ("new", "changed", "deleted", "attributes")
    return sorted(line for line in text.splitlines() if line.split(": ")[1].split()[0] in kinds)


def last_sync(estate: Estate, name: str = "isurus") -> str | None:
    listed = estate.run("list", "--json", code=0).json["projects"]
    found: str | None = next(p["last_sync"] for p in listed if p["name"] == name)
    return found


# --- faithful ----------------------------------------------------------------------------


@pytest.mark.as_root
@pytest.mark.over_ssh
def test_everything_is_carried(ready: Estate) -> None:
    repo = ready.local_repos / "isurus"
    (repo / "empty folder").mkdir()
    (repo / "-dash").write_text("dash")
    (repo / "new\nline 'quote\" $(id) `id` ; *?[x] \\back").write_text("odd")
    Path(os.fsdecode(os.fsencode(repo) + b"/\xff\xfe not utf-8")).write_text("bytes")
    (repo / "#012 \\#012").write_text("looks escaped")
    (repo / "dangling").symlink_to("/nowhere/at all")
    (repo / "outward").symlink_to("/etc")
    (repo / "hard").hardlink_to(repo / "-dash")
    (repo / "run").write_text("#!/bin/sh\n")
    (repo / "run").chmod(0o751)
    (repo / "closed").mkdir()
    (repo / "closed/in it").write_text("x")
    (repo / "closed").chmod(0o500)
    with (repo / "sparse").open("wb") as file:
        file.truncate(64 << 20)
        file.seek(32 << 20)
        file.write(b"island")
    os.utime(repo / "run", ns=(10**18 + 1, 10**18 + 987_654_321))
    ready.run("sync", code=0)
    assert inner(ready.mirror("isurus")) == inner(repo)
    mirrored = ready.mirror("isurus")
    assert (mirrored / "hard").stat().st_ino == (mirrored / "-dash").stat().st_ino
    assert (mirrored / "sparse").stat().st_blocks * 512 < 1 << 20
    assert (mirrored / "outward").is_symlink()
    assert "nothing to do" in ready.run("sync", code=0).out


def test_same_size_and_same_second_is_seen(ready: Estate) -> None:
    path = ready.local_repos / "isurus/README.md"
    os.utime(path, ns=(10**18, 10**18))
    ready.run("sync", code=0)
    path.write_text(path.read_text().swapcase())
    os.utime(path, ns=(10**18, 10**18 + 5))
    ready.run("sync", code=0)
    assert (ready.mirror("isurus") / "README.md").read_text() == path.read_text()


@pytest.mark.as_root
def test_what_can_t_be_mirrored_is_named(ready: Estate) -> None:
    repo = ready.local_repos / "isurus"
    os.mkfifo(repo / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(repo)  # a socket's path is short
        listening.bind("sock")
        os.chdir(here)
    done = ready.run("sync", code=0)
    assert "warning: FIFO pipe is not mirrored" in done.err
    assert "warning: socket sock is not mirrored" in done.err
    assert not os.path.lexists(ready.mirror("isurus") / "pipe")


@pytest.mark.as_root
def test_git_locks_and_snapshots_stay_behind(ready: Estate) -> None:
    repo = ready.local_repos / "isurus"
    (repo / ".git/index.lock").touch()
    (repo / ".git/objects/pack/tmp_pack_x1").touch()
    (repo / ".git/objects/00").mkdir(exist_ok=True)
    (repo / ".git/objects/00/tmp_obj_x1").touch()
    (repo / "poetry.lock").touch()
    (repo / ".zfs/snapshot/old").mkdir(parents=True)
    ready.run("sync", code=0)
    mirrored = inner(ready.mirror("isurus"))
    assert "poetry.lock" in mirrored
    assert not [
        path for path in mirrored if "tmp_" in path or "index.lock" in path or ".zfs" in path
    ]


def test_excludes(estate: Estate) -> None:
    """A leading / is the repo's root; the repo itself is never excluded, nor what is mirrored."""
    estate.setup().add("build", "st-ar")
    for name in ("build", "st-ar"):
        for path in ("build/x", "deep/build/x", "logs/x", "deep/logs/x", "a*b/x"):
            (estate.local_repos / name / path).parent.mkdir(parents=True, exist_ok=True)
            (estate.local_repos / name / path).write_text("x")
    estate.run("sync", code=0)
    text = estate.registry.read_text()
    estate.registry.write_text(
        text.replace('repo = "build"', 'repo = "build"\nexclude = ["build", "/logs", "/a\\\\*b"]')
    )
    (estate.local_repos / "build/build/x").write_text("changed")
    (estate.local_repos / "build/logs/x").unlink()
    (estate.local_repos / "build/deep/logs/x").unlink()
    (estate.local_repos / "build/a*b/x").unlink()
    estate.run("sync", code=0)
    mirror = estate.mirror("build")
    assert (mirror / "build/x").read_text() == "x"
    assert (mirror / "logs/x").exists()
    assert (mirror / "a*b/x").exists()
    assert not (mirror / "deep/logs/x").exists()
    assert (estate.mirror("st-ar") / "logs/x").exists()


def asked_to_leave_out(estate: Estate, name: str, *patterns: str) -> None:
    """Record the excludes that the repo's own file requests, as `update` does."""
    text = estate.registry.read_text()
    line = f"requested_exclude = {json.dumps(patterns)}"
    estate.registry.write_text(text.replace(f'repo = "{name}"', f'repo = "{name}"\n{line}'))


def test_what_a_repo_leaves_out_by_itself(estate: Estate) -> None:
    """It applies to that repo alone; what is mirrored stays, even if it is deleted in the repo."""
    estate.setup().add("build", "other")
    for name in ("build", "other"):
        for path in ("build/x", "deep/build/x", "logs/x", "deep/logs/x"):
            (estate.local_repos / name / path).parent.mkdir(parents=True, exist_ok=True)
            (estate.local_repos / name / path).write_text("x")
    estate.run("sync", code=0)
    asked_to_leave_out(estate, "build", "build", "/logs", "/other", "../other")
    for name in ("build", "other"):
        (estate.local_repos / name / "build/x").write_text("changed")
        (estate.local_repos / name / "build/y").write_text("new")
        shutil.rmtree(estate.local_repos / name / "logs")
        shutil.rmtree(estate.local_repos / name / "deep/build")
    estate.run("sync", code=0)
    mirror, other = estate.mirror("build"), estate.mirror("other")
    assert (mirror / "build/x").read_text() == "x"
    assert not (mirror / "build/y").exists()
    assert (mirror / "logs/x").exists()
    assert (mirror / "deep/build/x").exists()
    assert inner(other) == inner(estate.local_repos / "other")


@pytest.mark.parametrize("pattern", ["kept/", "/kept/", "kept", "k*t/", "kep[t]/", "kept/**"])
def test_what_the_mirror_holds_makes_way_for_nothing(ready: Estate, pattern: str) -> None:
    """A file does not replace an excluded folder either: that fails, and is reported."""
    repo, mirror = ready.local_repos / "isurus", ready.mirror("isurus")
    (repo / "kept/deep").mkdir(parents=True)
    (repo / "kept/deep/x").write_text("held")
    ready.run("sync", code=0)
    asked_to_leave_out(ready, "isurus", pattern)
    shutil.rmtree(repo / "kept")
    (repo / "kept").write_text("in its place")
    for _ in range(2):
        ready.run("sync", "isurus", "--force")
        assert (mirror / "kept/deep/x").read_text() == "held"


def test_those_of_one_repo_do_not_hold_for_others_in_one_rsync(estate: Estate) -> None:
    names = [f"r{number}" for number in range(12)]
    estate.setup().add(*names)
    estate.run("sync", code=0)
    asked_to_leave_out(estate, "r3", "file-*", "notes")
    for name in names:
        (estate.local_repos / name / "notes").write_text("x")
    estate.run("sync", code=0)
    mirrored = [name for name in names if (estate.mirror(name) / "notes").exists()]
    assert mirrored == [name for name in names if name != "r3"]


def test_no_repo_leaves_out_its_history(estate: Estate) -> None:
    """Whatever it lists, also by patterns that its own file may not have."""
    estate.setup().add("isurus", "lamna")
    nested = estate.repo("isurus/vendor/nested")
    names = ("objects", "refs", "HEAD", ".git", ".git/**", "/.git/objects", "[.]git", "?git")
    asked_to_leave_out(estate, "isurus", "**", "/**", "*", *names)
    asked_to_leave_out(estate, "lamna", *names, "*.pack", "/*g*/")
    (estate.local_repos / "lamna/vendor").mkdir()
    nested.rename(estate.local_repos / "lamna/vendor/nested")
    estate.run("sync", code=0)
    for name in ("isurus", "lamna", "lamna/vendor/nested"):
        git = estate.mirror(name) / ".git"
        assert inner(git) == inner(estate.local_repos / name / ".git")
    assert not (estate.mirror("isurus") / "README.md").exists()
    found = estate.run("status", "--json").json["findings"]
    told = next(one for one in found if one["kind"] == "exclude" and one["subject"] == "isurus")
    assert told["what"].endswith(": **, /**, *, " + ", ".join(names))
    assert not told["problem"]


def test_leaving_out_more_than_half_is_refused_like_losing_it(estate: Estate) -> None:
    estate.setup().add("isurus")
    repo = estate.local_repos / "isurus"
    for number in range(300):
        (repo / f"work-{number}").write_text("x")
    estate.run("sync", code=0)
    asked_to_leave_out(estate, "isurus", "work-*")
    done = estate.run("sync", "isurus", code=REFUSED)
    assert "--force" in done.err
    assert (estate.mirror("isurus") / "work-7").exists()


def test_no_delete(ready: Estate) -> None:
    ready.run("sync", code=0)
    (ready.local_repos / "isurus/README.md").unlink()
    ready.run("sync", "--no-delete", code=0)
    assert (ready.mirror("isurus") / "README.md").exists()
    ready.run("sync", code=0)
    assert not (ready.mirror("isurus") / "README.md").exists()


def test_nested_repo_folder(estate: Estate) -> None:
    estate.setup()
    estate.repo("group/isurus")
    estate.repo("group/other")
    estate.run("new", "isurus", "--repo", "group/isurus", "--no-container", code=0)
    estate.run("sync", code=0)
    assert inner(estate.mirror("group/isurus")) == inner(estate.local_repos / "group/isurus")
    assert not estate.mirror("group/other").exists()


# --- what is said is what is done --------------------------------------------------------


def test_the_output_of_dry_can_be_pasted_anywhere(ready: Estate, tmp_path: Path) -> None:
    (ready.local_repos / "isurus/$(touch x) 'y'").touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    printed = ready.run("--dry", "sync", code=0).out.splitlines()
    pasted = [line for line in printed if " rsync " in line]
    assert pasted
    assert "/proc/" not in "".join(pasted)
    before = inner(elsewhere)
    for line in pasted:
        subprocess.run(["bash", "-c", line], cwd=elsewhere, env=ready.environ, check=True)
    assert inner(elsewhere) == before
    assert inner(ready.mirror("isurus")) == inner(ready.local_repos / "isurus")


@pytest.mark.over_ssh
def test_a_dry_run_lists_just_what_the_real_run_does(ready: Estate) -> None:
    repo = ready.local_repos / "isurus"
    ready.run("sync", code=0)
    (repo / "README.md").write_text("other")
    (repo / "file-0.txt").unlink()
    (repo / "dir/deep").mkdir(parents=True)
    (repo / "dir/deep/new\n").write_text("x" * 1000)
    (repo / "link").symlink_to("README.md")
    (repo / "hard").hardlink_to(repo / "README.md")
    (repo / ".git/description").chmod(0o600)
    ready.git(repo, "add", "--all")
    ready.git(repo, "commit", "--quiet", "--message=more")
    before = ready.hash_files()
    dry = ready.run("sync", "--dry-run", code=0)
    assert ready.hash_files() == before
    real = ready.run("sync", "--itemize", code=0)
    assert changes(dry.out)
    assert changes(dry.out) == changes(real.out)
    sums = [
        line.rpartition(",")[0] for out in (dry.out, real.out) for line in out.splitlines()[-1:]
    ]
    assert sums[0] == sums[1]


@pytest.mark.over_ssh
def test_json(ready: Estate) -> None:
    ready.add("apus")
    done = ready.run("sync", "--json", code=0)
    assert [p["name"] for p in done.json["projects"]] == ["isurus", "apus"]
    assert done.json["total"]["new"] == sum(p["new"] for p in done.json["projects"]) > 0
    again = ready.run("sync", "--json", code=0).json
    assert again["total"] == {"new": 0, "changed": 0, "deleted": 0, "attributes": 0, "bytes": 0}


@pytest.mark.as_root
def test_a_mirror_that_was_changed_is_repaired(ready: Estate) -> None:
    """Also if nothing changed in the repos and one rsync checks several of them."""
    ready.add("apus", "vela")
    ready.run("sync", code=0)
    (ready.mirror("apus") / "README.md").write_text("tampered")
    (ready.mirror("vela") / "stranger").write_text("x")
    (ready.mirror("isurus") / ".git/HEAD").unlink()
    done = ready.run("sync", "--full", "--json", code=0).json
    assert {p["name"]: (p["new"], p["changed"], p["deleted"]) for p in done["projects"]} == {
        "isurus": (1, 0, 0),
        "apus": (0, 1, 0),
        "vela": (0, 0, 1),
    }
    for name in ("isurus", "apus", "vela"):
        assert inner(ready.mirror(name)) == inner(ready.local_repos / name)


@pytest.mark.as_root
@pytest.mark.over_ssh
def test_one_project_s_failure_stops_no_other(ready: Estate) -> None:
    ready.add("apus", "vela")
    ready.run("sync", code=0)
    for name in ("isurus", "apus", "vela"):
        (ready.local_repos / name / "more").write_text("x")
    stamps = {name: last_sync(ready, name) for name in ("isurus", "apus", "vela")}
    long_ago = dict.fromkeys(stamps, "2026-01-01T00:00:00Z")
    text = ready.registry.read_text()
    for name, stamp in stamps.items():
        text = text.replace(f'"{stamp}"', f'"{long_ago[name]}"')
    ready.registry.write_text(text)
    stamps = {name: last_sync(ready, name) for name in stamps}
    assert stamps == long_ago
    (ready.local_repos / "apus").rename(ready.local_repos / "elsewhere")
    done = ready.run("sync", code=SOME_FAILED)
    assert "apus: " in done.err
    assert "is missing" in done.err
    assert last_sync(ready, "apus") == stamps["apus"]
    assert last_sync(ready, "vela") != stamps["vela"]
    assert (ready.mirror("apus") / "README.md").exists()


@pytest.mark.as_root
def test_a_file_that_can_t_be_read(ready: Estate) -> None:
    if os.geteuid() == 0:
        pytest.skip("not here: root reads everything")
    repo = ready.local_repos / "isurus"
    ready.run("sync", code=0)
    stamp = last_sync(ready)
    (repo / "z").mkdir()
    (repo / "z/secret").write_text("x")
    (repo / "z/secret").chmod(0)
    (repo / "README.md").unlink()
    done = ready.run("sync", code=SOME_FAILED)
    assert "secret" in done.err
    assert "could not be copied" in done.err
    # rsync has passed its folder when it gets to the file: --delete-delay would have deleted it.
    assert (ready.mirror("isurus") / "README.md").exists()
    assert last_sync(ready) == stamp


# --- guards ------------------------------------------------------------------------------


@pytest.mark.over_ssh
def test_an_empty_source_is_refused(ready: Estate) -> None:
    ready.run("sync", code=0)
    before = inner(ready.mirror("isurus"))
    repo = ready.local_repos / "isurus"
    repo.rename(ready.base / "away")
    repo.mkdir()
    for argv in (("sync", "isurus"), ("sync", "isurus", "--no-delete"), ("sync", "isurus", "-n")):
        done = ready.run(*argv, code=REFUSED)
        assert "is empty, the last sync counted" in done.err
        restore, force = (done.err.index(word) for word in ("`repoman restore isurus", "--force"))
        assert restore < force
    ready.run("sync", code=SOME_FAILED)
    assert inner(ready.mirror("isurus")) == before
    done = ready.run("sync", "isurus", "--force", code=0)
    assert "the next version refuses --force without --yes" in done.err
    assert [path.name for path in ready.mirror("isurus").iterdir()] == []
    assert ready.run("sync", "isurus", "--force", "--yes", code=0).err == ""
    assert "the name of a project" in ready.run("sync", "--force", "--yes", code=0).err


def test_a_source_that_shrank_by_half_is_refused(ready: Estate) -> None:
    repo = ready.local_repos / "isurus"
    for number in range(300):
        (repo / f"f{number}").write_text("x")
    ready.run("sync", code=0)
    for number in range(200):
        (repo / f"f{number}").unlink()
    ready.run("sync", "isurus", code=REFUSED)
    assert (ready.mirror("isurus") / "f0").exists()
    for number in range(100):
        (repo / f"f{number}").write_text("x")
    ready.run("sync", "isurus", code=0)
    assert not (ready.mirror("isurus") / "f150").exists()


def test_gc_is_no_loss(ready: Estate) -> None:
    """Thousands of loose objects become one pack; no guard prevents that."""
    repo = ready.local_repos / "isurus"
    for number in range(60):
        for file in range(12):
            (repo / f"f{file}").write_text(f"{number} {file}")
        ready.git(repo, "add", "--all")
        ready.git(repo, "commit", "--quiet", f"--message={number}")
    ready.run("sync", code=0)
    ready.git(repo, "gc", "--quiet", "--prune=now")
    ready.run("sync", code=0)
    assert inner(ready.mirror("isurus")) == inner(repo)


@pytest.mark.over_ssh
@pytest.mark.parametrize("left", [7, 10])
def test_max_delete(ready: Estate, left: int) -> None:
    repo = ready.local_repos / "isurus"
    for number in range(20):
        (repo / f"f{number}").write_text("x")
    ready.run("sync", code=0)
    text = ready.registry.read_text()
    ready.registry.write_text(text.replace("backup = true", "backup = true\nmax_delete = 3"))
    for number in range(10):
        (repo / f"f{number}").unlink()
    how = []
    if left == 7:  # nobody knows before what rsync will delete
        how = ["--checksum"]
        for manifest in ready.home.glob(".local/state/repoman/mirrors/*/manifests/isurus"):
            manifest.unlink()
    done = ready.run("sync", "isurus", *how, code=REFUSED)
    assert "max_delete" in done.err
    assert sum((ready.mirror("isurus") / f"f{n}").exists() for n in range(10)) == left
    again = ready.run("sync", "isurus", code=REFUSED)  # or every night would take three more
    assert "stopped at max_delete" in again.err
    assert sum((ready.mirror("isurus") / f"f{n}").exists() for n in range(10)) == left
    assert "stopped at max_delete" in ready.run("status", "isurus", code=3).out
    ready.run("sync", "isurus", "--force", code=0)
    assert inner(ready.mirror("isurus")) == inner(repo)
    assert "stopped_at" not in ready.registry.read_text()


def test_a_lost_registry_does_not_disarm_the_guard(ready: Estate) -> None:
    ready.run("sync", code=0)
    before = inner(ready.mirror("isurus"))
    ready.registry.unlink()
    ready.run(
        *("setup", "--adopt-share", "--yes", "--local-repos", str(ready.local_repos)),
        *("--nfs-repos", str(ready.share)),
        code=0,
    )
    (ready.local_repos / "isurus").rename(ready.base / "away")
    (ready.local_repos / "isurus").mkdir()
    assert "is empty, its mirror holds" in ready.run("sync", "isurus", code=REFUSED).err
    assert inner(ready.mirror("isurus")) == before


@pytest.mark.over_ssh
@pytest.mark.parametrize("lost", ["deleted", "cut short", "of another sync"])
def test_a_lost_state_does_not_disarm_the_guard(ready: Estate, lost: str) -> None:
    """The files in the mirror are counted in its place."""
    ready.run("sync", code=0)
    before = inner(ready.mirror("isurus"))
    (state,) = ready.home.glob(".local/state/repoman/mirrors/*/state.json")
    text = state.read_text()
    if lost == "deleted":
        state.unlink()
    elif lost == "cut short":
        state.write_text(text[: len(text) // 2])
    else:
        registry = ready.registry.read_text()
        ready.registry.write_text(re.sub(r'(last_sync = "20)\d\d', r"\g<1>07", registry))
        state.write_text(re.sub(r'"files": \d+', '"files": 0', text))
    (ready.local_repos / "isurus").rename(ready.base / "away")
    (ready.local_repos / "isurus").mkdir()
    ready.run("sync", "isurus", code=REFUSED)
    assert inner(ready.mirror("isurus")) == before


@pytest.mark.as_root
def test_a_symlink_on_the_share_is_not_followed(ready: Estate) -> None:
    victim = ready.share / "victim"
    victim.mkdir()
    (victim / "precious").write_text("x")
    ready.mirror("isurus").symlink_to("victim")
    ready.add("apus")
    done = ready.run("sync", code=SOME_FAILED)
    assert "on the share is a symlink" in done.err
    assert [path.name for path in victim.iterdir()] == ["precious"]
    assert ready.mirror("apus").is_dir()


@pytest.mark.as_root
@pytest.mark.over_ssh
def test_a_source_that_became_a_symlink_is_refused(ready: Estate) -> None:
    ready.run("sync", code=0)
    before = inner(ready.mirror("isurus"))
    (ready.local_repos / "isurus").rename(ready.base / "away")
    (ready.local_repos / "isurus").symlink_to(ready.base / "away")
    ready.run("sync", "isurus", code=REFUSED)
    (ready.local_repos / "isurus").unlink()
    (ready.base / "away").rename(ready.local_repos / "elsewhere")
    (ready.local_repos / "isurus").symlink_to("elsewhere")
    ready.run("sync", "isurus", code=REFUSED)
    assert inner(ready.mirror("isurus")) == before


@pytest.mark.as_root
def test_renames_under_the_mirror_write_nothing_outside(ready: Estate) -> None:
    """A folder and a symlink to the outside swap names while rsync reads."""
    repo, outside = ready.local_repos / "isurus", ready.base / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (repo / "real").mkdir()
    for number in range(200):
        (repo / "real" / f"f{number}").write_text("x")
    (repo / "link").symlink_to(outside)
    script = (
        "import os\nwhile True:\n"
        " os.rename('real','x'); os.rename('link','real'); os.rename('x','link')\n"
        " os.rename('real','x'); os.rename('link','real'); os.rename('x','link')\n"
    )
    before = hash_tree(outside)
    racer = subprocess.Popen(["python3", "-c", script], cwd=repo, env={"PATH": os.environ["PATH"]})
    try:
        for _ in range(6):
            ready.run("sync")
    finally:
        racer.kill()
        racer.wait()
    assert hash_tree(outside) == before
    assert not list(ready.mirror("isurus").rglob("secret"))
    names = {path.name for path in ready.share.iterdir()}
    assert names <= {TOKEN, MARKER, BASELINES, REGISTRY_COPIES, "isurus"}


# --- one at a time -----------------------------------------------------------------------


def hold(estate: Estate, name: str) -> subprocess.Popen[bytes]:
    """Hold the lock of a project as another repoman would."""
    lock = estate.registry.parent / "locks" / f"{name}.lock"
    lock.parent.mkdir(exist_ok=True)
    holder = {"pid": 4711, "since": "2026-01-02T03:04:05Z", "command": "repoman sync"}
    lock.write_text(json.dumps(holder))
    argv = ["flock", str(lock), "sh", "-c", "echo held; exec sleep 600"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def wait_for(estate: Estate, name: str) -> subprocess.Popen[bytes]:
    """Start a sync that waits for the lock of a project, and return once it has tried it."""
    with notice_open(estate.registry.parent / "locks" / f"{name}.lock") as tried:
        process = estate.start("sync", name, "--wait")
        wait_until(tried)
    return process


@pytest.mark.over_ssh
def test_the_second_names_the_holder(ready: Estate) -> None:
    holder = hold(ready, "isurus")
    try:
        done = ready.run("sync", "isurus", code=SOME_FAILED)
        assert "process 4711 (repoman sync) since 2026-01-02T03:04:05Z" in done.err
        assert "--wait" in done.err
        ready.run("sync", "--dry-run", code=0)
        waiting = wait_for(ready, "isurus")
        assert not ready.mirror("isurus").exists()
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.wait()
    assert waiting.wait(WAIT_SECONDS) == 0
    assert ready.mirror("isurus").exists()


@pytest.mark.over_ssh
def test_waiting_can_be_interrupted(ready: Estate) -> None:
    holder = hold(ready, "isurus")
    try:
        waiting = wait_for(ready, "isurus")
        waiting.send_signal(signal.SIGTERM)
        assert waiting.wait(WAIT_SECONDS) == 130
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.wait()


@pytest.mark.over_ssh
def test_two_at_once_do_each_project_once(ready: Estate) -> None:
    for name in ("isurus", "apus", "vela"):
        if name != "isurus":
            ready.add(name)
        for number in range(400):
            (ready.local_repos / name / f"f{number}").write_text("x")
    processes = [ready.start("sync") for _ in range(3)]
    codes = [process.wait(WAIT_SECONDS) for process in processes]
    assert set(codes) <= {0, SOME_FAILED}, "each may have found another one's lock"
    for name in ("isurus", "apus", "vela"):
        assert inner(ready.mirror(name)) == inner(ready.local_repos / name)


# --- interrupted -------------------------------------------------------------------------


SIGNALS = (
    signal.SIGINT,
    pytest.param(signal.SIGTERM, marks=pytest.mark.over_ssh),
    signal.SIGHUP,
)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_records_what_had_finished(ready: Estate, number: signal.Signals) -> None:
    ready.add("apus")
    large = ready.local_repos / "isurus/large"
    with large.open("wb") as file:
        file.truncate(LARGE)
    pipe = subprocess.PIPE
    process = ready.start("sync", "--jobs=2", "--json-lines", stdout=pipe, stderr=pipe)
    assert process.stdout is not None
    for line in process.stdout:
        told = json.loads(line)
        if (told["event"], told.get("project")) == ("finished", "apus"):
            break
    wait_until(ready.mirror("isurus").exists)
    process.send_signal(number)
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130, err
    assert b"Traceback" not in err
    assert last_sync(ready) is None
    assert last_sync(ready, "apus") is not None
    large.unlink()
    ready.run("sync", code=0)
    assert inner(ready.mirror("isurus")) == inner(ready.local_repos / "isurus")


@pytest.mark.over_ssh
def test_a_stuck_rsync_is_ended_with_its_children(
    ready: Estate, tmp_path: Path, marker: str
) -> None:
    fake = tmp_path / "bin"
    fake.mkdir()
    stuck = f"sleep {marker}"
    (fake / "rsync").write_text(f"#!/bin/sh\ntrap '' TERM\n{stuck} &\nwait\n{stuck}\n")
    (fake / "rsync").chmod(0o755)
    path = {"PATH": f"{fake}:{os.environ['PATH']}", "REPOMAN_STALL_SECONDS": "1"}
    done = ready.run("sync", "isurus", environ=path, code=SOME_FAILED)
    assert "no progress for 1 s" in done.err
    assert last_sync(ready) is None
    wait_until(lambda: not find_processes(marker))  # over SSH the other side ends it by itself


# --- what goes on beside it ---------------------------------------------------------------


def rsync_that(ready: Estate, script: str) -> dict[str, str]:
    """Return an environment that runs `script`, in sh, before the first rsync that writes."""
    folder = ready.base / "shim"
    folder.mkdir()
    real = shutil.which("rsync")
    lines = (
        "#!/bin/sh",
        f'case "$*" in *--dry-run*) exec {real} "$@" ;; esac',
        f"if mkdir {folder}/once 2>/dev/null; then {script}; fi",
        f'exec {real} "$@"',
    )
    (folder / "rsync").write_text("\n".join(lines))
    (folder / "rsync").chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.as_root
def test_a_repo_that_becomes_a_symlink_meanwhile(ready: Estate) -> None:
    ready.run("sync", code=0)
    before = inner(ready.mirror("isurus"))
    repo = ready.local_repos / "isurus"
    environ = rsync_that(ready, f"mv {repo} {repo}.away; ln -s {repo}.away {repo}")
    ready.run("sync", "isurus", "--full", environ=environ, code=REFUSED)
    assert inner(ready.mirror("isurus")) == before
    assert not ready.mirror("isurus").is_symlink()


def test_a_repo_that_is_emptied_meanwhile(ready: Estate) -> None:
    repo = ready.local_repos / "isurus"
    for number in range(300):
        (repo / f"f{number}").write_text("x")
    ready.run("sync", code=0)
    environ = rsync_that(ready, f"rm -rf {repo}; mkdir {repo}")
    done = ready.run("sync", "isurus", "--checksum", environ=environ, code=REFUSED)
    assert "max_delete" in done.err
    left = sum((ready.mirror("isurus") / f"f{number}").exists() for number in range(300))
    assert left > 100


def test_git_objects_that_go_meanwhile_are_not_beyond_the_limit(ready: Estate) -> None:
    repo = ready.local_repos / "isurus"
    ready.run("sync", code=0)
    text = ready.registry.read_text()
    ready.registry.write_text(text.replace("backup = true", "backup = true\nmax_delete = 0"))
    (repo / "new").write_text("x")
    before = sorted((ready.mirror("isurus") / ".git/objects").rglob("*"))
    environ = rsync_that(ready, f"rm -rf {repo}/.git/objects/??")
    ready.run("sync", "isurus", environ=environ, code=REFUSED)
    assert sorted((ready.mirror("isurus") / ".git/objects").rglob("*")) == before


def test_a_git_directory_that_goes_meanwhile(ready: Estate) -> None:
    repo = ready.local_repos / "isurus"
    ready.run("sync", code=0)
    environ = rsync_that(ready, f"mv {repo}/.git {ready.base}/git-away")
    done = ready.run("sync", "isurus", "--full", environ=environ)
    assert done.code in (0, REFUSED)
    assert "list" not in done.err


# --- what the guards count ----------------------------------------------------------------


def test_excluded_files_do_not_stand_in_for_the_others(ready: Estate) -> None:
    repo = ready.local_repos / "isurus"
    (repo / "node_modules").mkdir()
    for number in range(400):
        (repo / f"node_modules/f{number}").write_text("x")
    text = ready.registry.read_text()
    ready.registry.write_text(
        text.replace("backup = true", 'backup = true\nexclude = ["node_modules"]')
    )
    ready.run("sync", code=0)
    assert not (ready.mirror("isurus") / "node_modules").exists()
    for path in list(repo.iterdir()):
        if path.name != "node_modules":
            path.rename(ready.base / path.name)
    done = ready.run("sync", "isurus", code=REFUSED)
    assert "is empty" in done.err
    for name in (".git", "README.md", "file-0.txt"):
        (ready.base / name).rename(repo / name)
    (repo / "node_modules").rename(ready.base / "node_modules")
    ready.run("sync", "isurus", code=0)


def test_git_objects_without_a_pack_in_their_place(ready: Estate) -> None:
    repo = ready.local_repos / "isurus"
    for number in range(250):
        (repo / f"f{number}").write_text(str(number))
    ready.git(repo, "add", "--all")
    ready.git(repo, "commit", "--quiet", "--message=many")
    ready.run("sync", code=0)
    subprocess.run(f"rm -rf {repo}/.git/objects/??", shell=True, check=True)
    assert "no new pack" in ready.run("sync", "isurus", code=REFUSED).err


@pytest.mark.as_root
def test_a_folder_that_repoman_did_not_make_keeps_everything(ready: Estate) -> None:
    foreign = ready.mirror("isurus")
    foreign.mkdir()
    for number in range(40):
        (foreign / f"mine{number}").write_text("x")
    ready.run("sync", "isurus", code=REFUSED)
    assert sum(path.name.startswith("mine") for path in foreign.iterdir()) == 40
    ready.run("sync", "isurus", "--force", code=0)
    assert inner(foreign) == inner(ready.local_repos / "isurus")
    (ready.local_repos / "isurus/README.md").unlink()
    ready.run("sync", "isurus", code=0)


def test_counts_of_another_repo_are_not_this_one_s(ready: Estate) -> None:
    ready.run("sync", code=0)
    other = ready.repo("other")
    for number in range(450):
        ready.mirror("other").mkdir(exist_ok=True)
        (ready.mirror("other") / f"mine{number}").write_text("x")
    ready.registry.write_text(
        ready.registry.read_text().replace('repo = "isurus"', 'repo = "other"')
    )
    ready.run("sync", "isurus", code=REFUSED)
    assert sum(path.name.startswith("mine") for path in ready.mirror("other").iterdir()) == 450
    assert other.is_dir()


@pytest.mark.as_root
@pytest.mark.over_ssh
def test_a_first_sync_that_broke_off_is_completed(ready: Estate) -> None:
    """The folder that it left is known to be repoman's."""
    environ = rsync_that(ready, "kill -9 $PPID; sleep 0.3")
    ready.run("sync", environ=environ)
    ready.mirror("isurus").mkdir(exist_ok=True)
    (ready.mirror("isurus") / ".README.md.Xy12ab").write_text("left by a killed rsync")
    ready.run("sync", "--wait", code=0)
    assert inner(ready.mirror("isurus")) == inner(ready.local_repos / "isurus")


def test_a_pattern_with_a_slash_does_not_meet_the_repo_s_own_name(estate: Estate) -> None:
    estate.setup().add("build")
    repo = estate.local_repos / "build"
    for path in ("top.txt", "build/in.txt", "deep/build/in.txt"):
        (repo / path).parent.mkdir(parents=True, exist_ok=True)
        (repo / path).write_text("x")
    text = estate.registry.read_text()
    estate.registry.write_text(
        text.replace("backup = true", 'backup = true\nexclude = ["build/*.txt"]')
    )
    estate.run("sync", code=0)
    mirror = estate.mirror("build")
    assert (mirror / "top.txt").exists()
    assert not (mirror / "build/in.txt").exists()
    assert not (mirror / "deep/build/in.txt").exists()


@pytest.mark.as_root
def test_hard_links_are_listed_and_stay_within_their_project(ready: Estate) -> None:
    ready.add("apus", "vela")
    for name in ("isurus", "apus", "vela"):
        (ready.local_repos / name / "one").write_text("same")
        (ready.local_repos / name / "two").write_text("same")
        os.utime(ready.local_repos / name / "one", (1, 1))
        os.utime(ready.local_repos / name / "two", (1, 1))
    ready.run("sync", code=0)
    (ready.local_repos / "isurus/two").unlink()
    (ready.local_repos / "isurus/two").hardlink_to(ready.local_repos / "isurus/one")
    (ready.local_repos / "apus/one").unlink()
    (ready.local_repos / "apus/one").hardlink_to(ready.local_repos / "vela/one")
    dry = ready.run("sync", "--dry-run", code=0)
    assert "isurus: changed    " in dry.out
    real = ready.run("sync", "--itemize", code=0)
    assert changes(dry.out) == changes(real.out)
    for _ in range(2):
        ready.run("sync", code=0)
    inodes = {name: (ready.mirror(name) / "one").stat().st_ino for name in ("apus", "vela")}
    assert inodes["apus"] != inodes["vela"]


@pytest.mark.as_root
@pytest.mark.over_ssh
def test_a_lock_that_can_t_be_taken_stops_no_other(ready: Estate) -> None:
    ready.add("apus", "vela")
    ready.run("sync", code=0)
    (ready.local_repos / "vela/new").write_text("x")
    lock = ready.registry.parent / "locks/isurus.lock"
    lock.unlink()
    lock.symlink_to("nowhere")
    done = ready.run("sync", "--full", code=SOME_FAILED)
    assert "isurus.lock can't be opened" in done.err
    assert (ready.mirror("vela") / "new").exists()


@pytest.mark.over_ssh
def test_unread_output_does_not_delay_a_signal(ready: Estate) -> None:
    for number in range(9000):
        (ready.local_repos / "isurus" / f"a file with a rather long name {number}").touch()
    reader, writer = os.pipe()
    process = ready.start("sync", "--itemize", stdout=writer)
    wait_until(lambda: not select.select([], [writer], [], 0)[1])  # no more goes in
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_SECONDS) == 130
    os.close(reader)
    os.close(writer)
