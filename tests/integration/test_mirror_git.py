"""Mirror a git repo while it is being written to, and check the copy."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.estate import Estate, run


class Storm:
    """Run commits, branches, rebases, gc and repacks in one repo, as fast as git can."""

    def __init__(self, estate: Estate, repo: Path, seed: int) -> None:
        self._estate = estate
        self._repo = repo
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._rage)
        self.commits = 0

    def __enter__(self) -> Storm:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _git(self, *argv: str) -> None:
        run(["git", "-C", str(self._repo), *argv], self._estate.environ)

    def _commit(self, name: str) -> None:
        (self._repo / name).write_text(str(self._random.random()))
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message=storm")
        self.commits += 1

    def _rage(self) -> None:
        more: list[Callable[[], None]] = [
            lambda: self._git("gc", "--quiet", "--prune=now"),
            lambda: self._git("repack", "-a", "-d", "--quiet"),
            lambda: self._git("pack-refs", "--all"),
            self._rebase,
        ]
        while not self._stop.is_set():
            self._commit(f"f{self._random.randrange(50)}")
            if self._random.random() < 0.4:
                self._random.choice(more)()

    def _rebase(self) -> None:
        branch = f"b{self.commits}"
        self._git("checkout", "--quiet", "-b", branch, "HEAD~1")
        self._commit("side")
        self._git("rebase", "--quiet", "main")
        self._git("checkout", "--quiet", "main")
        self._git("merge", "--quiet", branch)
        if self._random.random() < 0.5:
            self._git("branch", "--quiet", "-D", branch)


def check(estate: Estate, mirror: Path) -> None:
    """Check that the mirror passes fsck, and that HEAD and every ref lead to an object."""
    estate.git(mirror, "fsck", "--full")
    names = estate.git(mirror, "for-each-ref", "--format=%(objectname)").split()
    assert names
    for name in {*names, "HEAD"}:
        estate.git(mirror, "rev-parse", "--verify", f"{name}^{{object}}")


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.nightly) for n in (1, 2))])
def test_in_a_storm(estate: Estate, seed: int) -> None:
    estate.setup().add("isurus", commits=20)
    repo = estate.local_repos / "isurus"
    with Storm(estate, repo, seed) as storm:
        syncs = 0
        while syncs < 5 or storm.commits <= 5:
            estate.run("sync", code=0)
            check(estate, estate.mirror("isurus"))
            syncs += 1
    estate.run("sync", code=0)
    assert (
        subprocess.run(["diff", "-r", repo, estate.mirror("isurus")], check=False).returncode == 0
    )


@pytest.mark.parametrize("meanwhile", [True, False], ids=["meanwhile", "afterwards"])
def test_objects_that_come_during_a_sync_and_go_by_gc(estate: Estate, *, meanwhile: bool) -> None:
    """Objects that a sync copied may be deleted in the same sync and in the next."""
    estate.setup().add("isurus", commits=3)
    estate.run("sync", code=0)
    repo = estate.local_repos / "isurus"
    blobs = estate.base / "blobs"
    blobs.mkdir()
    for number in range(200):
        (blobs / f"{number}").write_text(f"blob {number}")
    git = f"git -C {repo}"
    passes = {1: f"ls {blobs}/* | {git} hash-object -w --stdin-paths >/dev/null"}
    gc = f"{git} gc --quiet --prune=now"
    if meanwhile:
        passes[3] = gc
    estate.run("sync", "--full", code=0, environ=rsync_after(estate, passes))
    if not meanwhile:
        objects = estate.mirror("isurus") / ".git/objects"
        assert len(list(objects.glob("??/*"))) > 200
        run(gc.split(), estate.environ)
    estate.run("sync", code=0)
    check(estate, estate.mirror("isurus"))
    same = subprocess.run(["diff", "-r", repo, estate.mirror("isurus")], check=False)
    assert same.returncode == 0


def rsync_after(estate: Estate, passes: dict[int, str]) -> dict[str, str]:
    """Return an environment that runs the scripts, in sh, before the rsyncs of these numbers."""
    folder = estate.base / "shim"
    folder.mkdir()
    for number, script in passes.items():
        (folder / f"before-{number}").write_text(script)
    lines = (
        "#!/bin/sh",
        f"echo >>{folder}/passes",
        f"before={folder}/before-$(wc -l <{folder}/passes)",
        'if [ -e "$before" ]; then sh "$before"; fi',
        f'exec {shutil.which("rsync")} "$@"',
    )
    (folder / "rsync").write_text("\n".join(lines))
    (folder / "rsync").chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_submodules_worktrees_and_bare_repos(estate: Estate) -> None:
    """Every kind of git directory is found, wherever it is."""
    estate.setup()
    inside = estate.repo("library")
    repo = estate.repo("isurus")
    estate.git(
        repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inside), "sub"
    )
    estate.git(repo, "commit", "--quiet", "--message=submodule")
    estate.git(repo, "worktree", "add", "--quiet", "tree")
    estate.git(repo, "clone", "--quiet", "--bare", str(inside), "bare-without-suffix")
    shutil.copytree(inside, repo / "nested")
    estate.run("new", "isurus", "--no-container", code=0)
    with Storm(estate, repo / "nested", 0):
        for _ in range(3):
            estate.run("sync", code=0)
            for place in (".", "nested", "bare-without-suffix", "sub"):
                check(estate, estate.mirror("isurus") / place)


def test_a_head_that_leads_to_a_fifo_does_not_stop_a_sync(estate: Estate) -> None:
    estate.setup()
    repo = estate.repo("isurus")
    estate.run("new", "isurus", "--no-container", code=0)
    bare = repo / "bare.git"
    for folder in ("objects", "refs"):
        (bare / folder).mkdir(parents=True)
    os.mkfifo(repo / "pipe")
    for name in ("HEAD", "packed-refs"):
        (bare / name).symlink_to(repo / "pipe")
    # git writes during each pass, so that the sync ends with a look at each HEAD in the mirror
    writes = dict.fromkeys(range(1, 60), f"date +%N >>{bare}/refs/x")
    done = estate.run("sync", code=0, environ=rsync_after(estate, writes))
    assert "written to during the whole sync" in done.err + done.out
