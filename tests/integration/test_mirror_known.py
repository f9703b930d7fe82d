"""Mirrors that are as the last sync left them are not compared, and no other is taken for one."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from repoman_tasks.planning.mirror.known_mirrors import TOKEN
from tests.support.estate import Estate
from tests.support.killing import output_of, run_killed

pytestmark = pytest.mark.local_only("the changes that kill it are counted in its own process")


@pytest.fixture
def ready(estate: Estate) -> Estate:
    """Return an estate with two projects whose mirrors are complete and known."""
    estate.prepare("isurus", "lamna")
    sync(estate)
    assert compared(estate) == set()
    return estate


def sync(estate: Estate, *argv: str, killed_at: int = 0, recent: int = -1000) -> int:
    """Run `sync` and return its exit code; see `run_killed`.

    Changes of the last `recent` seconds count as recent: none, so that a test need not wait.
    """
    return run_killed(estate, "sync", *argv, killed_at=killed_at, recent=recent)


def compared(estate: Estate, *argv: str, recent: int = -1000) -> set[str]:
    """Run a sync; return the mirrors that were compared, in full or in part."""
    whole, part = passes(estate, *argv, recent=recent)
    return whole | part


def passes(estate: Estate, *argv: str, recent: int = -1000) -> tuple[set[str], set[str]]:
    """Run a sync; return the mirrors that were compared in full, and those only in part."""
    log = estate.base / "log"
    log.unlink(missing_ok=True)
    environ = estate.environ
    estate.environ = {**environ, "REPOMAN_LOG": str(log)}
    try:
        assert sync(estate, *argv, recent=recent) == 0, (estate.base / "streams/err").read_text()
    finally:
        estate.environ = environ
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    words = [line["words"] for line in lines if line.get("words", [""])[0] == "rsync"]
    listed = set((estate.base / "streams/looks").read_text().split())
    whole = set(listed)
    part: set[str] = set()
    for rsync in words:
        repos = {word.partition("/./")[2].split("/")[0] for word in rsync if "/./" in word}
        (part if "--from0" in rsync else whole).update(repos)
    return whole, part - listed


def state_of(estate: Estate) -> Path:
    (path,) = estate.home.glob(".local/state/repoman/mirrors/*/state.json")
    return path


def check(estate: Estate) -> None:
    """Fail unless rsync finds no difference between repos and mirrors."""
    for repo in estate.local_repos.iterdir():
        argv = ["rsync", "-aHni", "--delete", "--modify-window=-1", "--filter=- .zfs/"]
        argv += [f"{repo}/", f"{estate.mirror(repo.name)}/"]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        assert done.stdout == "", repo.name


def test_what_is_unchanged_is_not_compared(ready: Estate) -> None:
    (ready.mirror("isurus") / "README.md").write_text("by hand")
    token = (ready.share / TOKEN).read_text()
    assert sync(ready) == 0
    assert output_of(ready) == "2 projects mirrored: nothing to do\n"
    assert (ready.share / TOKEN).read_text() == token, "nothing was written to the share"
    assert compared(ready, "isurus") == set()
    assert compared(ready, "--full") == {"isurus", "lamna"}
    check(ready)


def test_only_what_changed_is_compared(ready: Estate) -> None:
    (ready.local_repos / "isurus/new").write_text("x")
    token = (ready.share / TOKEN).read_text()
    assert compared(ready) == {"isurus"}
    assert (ready.share / TOKEN).read_text() != token
    assert compared(ready) == set()
    check(ready)


@pytest.mark.parametrize("fate", ["lost", "rolled back", "brought back", "not text"])
def test_a_token_that_is_not_as_expected(ready: Estate, fate: str) -> None:
    """The share was rolled back or swapped: all are compared."""
    token = ready.share / TOKEN
    before = token.read_text()
    (ready.local_repos / "lamna/new").write_text("x")
    assert compared(ready) == {"lamna"}
    (ready.mirror("isurus") / "README.md").write_text("as before")
    if fate == "lost":
        token.unlink()
    else:
        own = f"{os.uname().nodename} 0123"
        tokens = {"rolled back": before, "brought back": own, "not text": "\x1b[\xff"}
        token.write_text(tokens[fate], encoding="latin-1")
    assert compared(ready) == {"isurus", "lamna"}
    assert compared(ready) == set()
    check(ready)


def test_an_unknown_token_is_noticed_for_what_is_not_synced(ready: Estate) -> None:
    """A sync of one project does not make the others known again."""
    (ready.share / TOKEN).write_text("0123\n")
    assert compared(ready, "isurus") == {"isurus"}
    assert compared(ready) == {"lamna"}
    assert compared(ready) == set()


def test_a_share_that_is_rolled_back_to_the_middle_of_a_sync(ready: Estate) -> None:
    """Its token is that before the last one, which no state expects."""
    (ready.local_repos / "isurus/new").write_text("x")
    opened = Path(ready.base, "opened")
    program = ready.base / "bin/rsync"
    program.parent.mkdir()
    real = shutil.which("rsync")
    program.write_text(f'#!/bin/sh\ncp {ready.share}/{TOKEN} {opened}\nexec {real} "$@"\n')
    program.chmod(0o755)
    ready.environ["PATH"] = f"{program.parent}:{ready.environ['PATH']}"
    assert sync(ready) == 0
    assert opened.read_text() != (ready.share / TOKEN).read_text()
    opened.replace(ready.base / "copied")
    shutil.copy(ready.base / "copied", ready.share / TOKEN)
    assert compared(ready) == {"isurus", "lamna"}


@pytest.mark.parametrize("fate", ["lost", "rolled back", "cut short"])
def test_a_state_that_is_not_of_the_last_sync(ready: Estate, fate: str) -> None:
    path = state_of(ready)
    before = path.read_text()
    (ready.local_repos / "isurus/new").write_text("x")
    assert compared(ready) == {"isurus"}
    (ready.local_repos / "isurus/new").unlink()
    if fate == "lost":
        path.unlink()
    else:
        path.write_text(before if fate == "rolled back" else before[:-30])
    assert compared(ready) == {"isurus", "lamna"}
    check(ready)


def test_a_registry_and_a_state_that_are_both_rolled_back(ready: Estate) -> None:
    """The files are as they were, too, as after a restore of the whole home."""
    registry, state = ready.registry.read_bytes(), state_of(ready).read_bytes()
    shutil.copytree(ready.local_repos / "isurus", ready.base / "before", symlinks=True)
    (ready.local_repos / "isurus/new").write_text("x")
    assert compared(ready) == {"isurus"}
    ready.registry.write_bytes(registry)
    state_of(ready).write_bytes(state)
    (ready.local_repos / "isurus/new").unlink()
    assert compared(ready) == {"isurus", "lamna"}
    check(ready)


@pytest.mark.parametrize("by", ["removed", "emptied", "replaced"])
def test_a_mirror_that_was_changed_by_hand(ready: Estate, by: str) -> None:
    mirror = ready.mirror("isurus")
    if by == "emptied":
        for path in mirror.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    else:
        mirror.rename(ready.share / "elsewhere")
        if by == "replaced":
            mirror.mkdir()
    assert compared(ready) == {"isurus"}
    check(ready)


def test_other_rules(ready: Estate) -> None:
    (ready.local_repos / "isurus/x.o").write_text("x")
    assert compared(ready) == {"isurus"}
    text = ready.registry.read_text()
    ready.registry.write_text(text.replace('repo = "lamna"', 'repo = "lamna"\nexclude = ["*.o"]'))
    assert compared(ready) == {"lamna"}
    assert compared(ready) == set()


@contextlib.contextmanager
def rsync_then(estate: Estate, script: str) -> Iterator[None]:
    """Have each rsync followed by a line of shell."""
    program = estate.base / "bin/rsync"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n{shutil.which("rsync")} "$@"\n{script}\n')
    program.chmod(0o755)
    path = estate.environ["PATH"]
    estate.environ["PATH"] = f"{program.parent}:{path}"
    yield
    estate.environ["PATH"] = path


def test_a_sync_that_fails_makes_nothing_known(ready: Estate) -> None:
    (ready.local_repos / "isurus/new").write_text("x")
    with rsync_then(ready, "exit 23"):
        assert sync(ready) == 4
    assert compared(ready) == {"isurus"}
    assert compared(ready) == set()


def test_what_no_delete_leaves_is_not_taken_for_complete(ready: Estate) -> None:
    (ready.local_repos / "isurus/README.md").unlink()
    assert compared(ready, "--no-delete") == {"isurus", "lamna"}
    assert (ready.mirror("isurus") / "README.md").exists()
    assert compared(ready) == {"isurus", "lamna"}
    check(ready)


def test_a_repo_that_is_written_during_the_sync_is_compared_again(ready: Estate) -> None:
    repo = ready.local_repos / "isurus"
    (repo / "new").write_text("x")
    with rsync_then(ready, f"code=$?\necho y >>{repo}/new\nexit $code"):
        assert sync(ready) == 0
    assert compared(ready) == {"isurus"}
    check(ready)


def test_what_changed_just_now_is_compared_again(ready: Estate) -> None:
    """Another change in the same tick of the clock would not show."""
    both = {"isurus", "lamna"}
    assert [compared(ready, recent=1000) for _ in range(2)] == [both, both]
    assert [compared(ready) for _ in range(2)] == [both, set()]


@pytest.mark.parametrize("every", [0, 7])
def test_the_part_that_is_compared_each_day(ready: Estate, every: int) -> None:
    text = ready.registry.read_text()
    ready.registry.write_text(text.replace("[defaults]", f"[defaults]\nfull_every = {every}"))
    path = state_of(ready)
    if every:
        long_ago = re.sub(r'("compared": "20)\d\d', r"\g<1>07", path.read_text())
        path.write_text(long_ago)
    (ready.mirror("isurus") / "README.md").write_text("by hand")
    assert compared(ready) == {"isurus", "lamna"}
    check(ready)
    assert compared(ready) == (set() if every else {"isurus", "lamna"})


def test_killed_at_each_step(ready: Estate) -> None:
    """The next sync completes what it began, and takes nothing for complete that is not."""
    repo = ready.local_repos / "isurus"
    for number in range(1, 40):
        (repo / "grows").write_text("x" * number)
        (repo / f"f{number % 2}").unlink(missing_ok=True)
        (repo / f"f{1 - number % 2}").write_text("x")
        code = sync(ready, killed_at=number)
        assert code in (0, -9)
        again = compared(ready)
        assert again <= {"isurus"}, "no other is compared"
        check(ready)
        if code == 0:
            break
    else:
        pytest.fail("it makes more steps than that")
    assert number > 5
    assert again == set()


ROUNDS = int(os.environ.get("REPOMAN_TEST_ROUNDS", "20"))
SEED = int(os.environ.get("REPOMAN_TEST_SEED", "1"))
"""Both are read before a fixture isolates the environment."""


@pytest.mark.parametrize("rounds", [ROUNDS, pytest.param(300, marks=pytest.mark.nightly)])
def test_random_rounds(ready: Estate, rounds: int) -> None:
    """Renames, changes of kind, hard links, odd names, kept times, killed syncs."""
    chance = random.Random(SEED + rounds)
    for _ in range(rounds):
        for name in chance.sample(["isurus", "lamna"], chance.randint(0, 2)):
            for _ in range(chance.randint(1, 6)):
                change(chance, ready.local_repos / name)
        if chance.random() < 0.2:
            sync(ready, "--force", killed_at=chance.randint(1, 12))
        # The rsync of one that was killed may still hold the lock.
        how = "--force" if chance.random() < 0.1 else "--jobs=2"
        assert sync(ready, "--wait", how) in (0, 6)
        if "stopped_at" in ready.registry.read_text() or sync(ready) != 0:
            assert sync(ready, "--force") == 0
        check(ready)


NAMES = ["a", "b", "new\nline", "-x", "[q]*", "é"]
KINDS = ["file", "folder", "link", "hard", "gone", "rename", "edit", "mode", "time"]


def change(chance: random.Random, repo: Path) -> None:
    """Change something in `repo`, out of a few names, at random."""
    folders = [path for path in repo.rglob("*") if path.is_dir() and not path.is_symlink()]
    folder = chance.choice([repo, *(path for path in folders if ".git" not in path.parts)])
    path, kind = folder / chance.choice(NAMES), chance.choice(KINDS)
    if kind in KINDS[:5]:
        replace(chance, repo, path, kind)
    elif kind == "rename":
        to = repo / chance.choice(NAMES)
        if os.path.lexists(path) and not os.path.lexists(to) and path not in to.parents:
            path.rename(to)
    elif os.path.lexists(path) and not path.is_symlink():
        alter(chance, path, kind)


def replace(chance: random.Random, repo: Path, path: Path, kind: str) -> None:
    """Put an entry of another kind in the place of `path`, or none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if kind == "file":
        path.write_text(str(chance.random()))
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(chance.choice(NAMES))
    elif kind == "hard":
        path.hardlink_to(repo / ".git/HEAD")


def alter(chance: random.Random, path: Path, kind: str) -> None:
    """Change an entry in its place."""
    if kind == "time":
        os.utime(path, ns=(10**18, 10**18 + chance.randint(1, 99)))
    elif kind == "mode":
        path.chmod(chance.choice([0o755, 0o700, 0o500 if path.is_file() else 0o750]))
    elif path.is_file() and path.stat().st_mode & 0o200:
        path.write_text(path.read_text() + "y")


def test_a_project_that_was_refused_is_neither_known_nor_compared_in_full(ready: Estate) -> None:
    """Its mirror is as before, since nothing was written there, whatever the others got."""
    repo = ready.local_repos / "isurus"
    away = ready.base / "away"
    repo.rename(away)
    repo.mkdir()
    (ready.local_repos / "lamna/new").write_text("x")
    assert sync(ready) == 4
    assert sync(ready) == 4, "not taken for unchanged"
    repo.rmdir()
    away.rename(repo)
    (repo / "new").write_text("x")
    assert passes(ready) == (set(), {"isurus"})
    check(ready)
    assert compared(ready) == set()
