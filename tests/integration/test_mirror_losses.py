"""A repo that was destroyed by whoever works in it does not destroy its mirror."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.test_mirror import REFUSED, inner, rsync_that
from tests.integration.test_mirror_known import sync
from tests.support.estate import Estate


@pytest.fixture
def ready(estate: Estate) -> Estate:
    """Return an estate with a mirrored repo of twenty-two commits."""
    estate.prepare()
    estate.repo("isurus", commits=22)
    estate.register("isurus")
    estate.run("sync", code=0)
    return estate


def repo_of(estate: Estate) -> Path:
    return estate.local_repos / "isurus"


def commits(estate: Estate, path: Path) -> int:
    safe = ("-c", "safe.directory=*")
    return int(estate.git(path, *safe, "rev-list", "--count", "--all"))


def lose_manifest(estate: Estate) -> None:
    for path in estate.home.glob(".local/state/repoman/mirrors/*/manifests/*"):
        if path.is_file():
            path.unlink()


def scribble(path: Path) -> None:
    """Overwrite a file with as many random bytes."""
    size = path.stat().st_size
    path.chmod(0o644)
    path.write_bytes(random.Random(size).randbytes(max(size, 100)))


# --- destroyed ---------------------------------------------------------------------------


def overwrite_packs(_: Estate, repo: Path) -> None:
    for path in (repo / ".git/objects/pack").iterdir():
        scribble(path)


def overwrite_loose(_: Estate, repo: Path) -> None:
    scribble(next(path for path in (repo / ".git/objects").glob("??/*")))


def orphan(estate: Estate, repo: Path) -> None:
    estate.git(repo, "checkout", "--quiet", "--orphan", "new")
    estate.git(repo, "commit", "--quiet", "--message=all that is left")
    estate.git(repo, "branch", "--quiet", "-D", "main")
    prune(estate, repo)


def orphan_beside_junk(estate: Estate, repo: Path) -> None:
    """New commits do not make up for those that are lost."""
    orphan(estate, repo)
    for number in range(60):
        estate.git(repo, "commit", "--quiet", "--allow-empty", f"--message=junk {number}")


def prune(estate: Estate, repo: Path) -> None:
    estate.git(repo, "reflog", "expire", "--expire=now", "--all")
    estate.git(repo, "gc", "--quiet", "--prune=now")


def remove_pack(_: Estate, repo: Path) -> None:
    for path in (repo / ".git/objects/pack").iterdir():
        path.unlink()


def smaller_pack(estate: Estate, repo: Path) -> None:
    """A sound pack with one object, by the name of the old one."""
    old = next((repo / ".git/objects/pack").glob("*.pack"))
    other = estate.base / "other"
    other.mkdir()
    estate.git(other, "init", "--quiet", "--bare")
    (estate.base / "file").write_text("x")
    estate.git(other, "hash-object", "-w", str(estate.base / "file"))
    made = subprocess.run(
        f"git -C {other} cat-file --batch-all-objects --batch-check='%(objectname)' | "
        f"git -C {other} pack-objects -q {estate.base}/small",
        shell=True,
        check=True,
        capture_output=True,
        env=estate.environ,
        text=True,
    )
    for ending in ("pack", "idx"):
        new = estate.base / f"small-{made.stdout.strip()}.{ending}"
        new.replace(old.with_suffix(f".{ending}"))
    (repo / ".git/packed-refs").unlink(missing_ok=True)


def dangling_ref(_: Estate, repo: Path) -> None:
    (repo / ".git/refs/heads/main").write_text("1" * 40 + "\n")


def emptied_ref(_: Estate, repo: Path) -> None:
    (repo / ".git/refs/heads/main").write_text("")


def no_refs(_: Estate, repo: Path) -> None:
    (repo / ".git/refs/heads/main").unlink()


def no_git(_: Estate, repo: Path) -> None:
    shutil.rmtree(repo / ".git")


PACKED = {overwrite_packs, remove_pack, smaller_pack}
DESTROYED: dict[Callable[[Estate, Path], None], str] = {
    overwrite_packs: "are damaged",
    overwrite_loose: "are damaged",
    orphan: "lost 22 commits of 22",
    orphan_beside_junk: "lost 22 commits of 22",
    remove_pack: "are damaged",
    smaller_pack: "are damaged",
    dangling_ref: "lead to no object: refs/heads/main",
    emptied_ref: "lead to no object: refs/heads/main",
    no_refs: "has no refs",
    no_git: "is gone",
}


@pytest.mark.over_ssh
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("how", DESTROYED, ids=lambda how: how.__name__)
def test_history_that_was_destroyed_stays_in_the_mirror(
    ready: Estate, how: Callable[[Estate, Path], None], *, known: bool
) -> None:
    repo, mirror = repo_of(ready), ready.mirror("isurus")
    if how in PACKED:
        ready.git(repo, "gc", "--quiet")
        (repo / ".git/refs/heads/main").write_text(ready.git(repo, "rev-parse", "HEAD"))
        ready.run("sync", code=0)
    before = inner(mirror)
    how(ready, repo)
    if not known:
        lose_manifest(ready)
    done = ready.run("sync", "isurus", code=REFUSED)
    assert DESTROYED[how] in done.err
    restore, force = (
        done.err.index(f"`repoman {word}") for word in ("restore isurus", "sync isurus")
    )
    assert restore < force
    assert inner(mirror) == before
    ready.run("sync", "isurus", code=REFUSED)
    assert commits(ready, mirror) == 22
    ready.run("restore", "isurus", code=0)
    (restored,) = (ready.home / "restored").iterdir()
    assert commits(ready, restored) == 22
    ready.run("sync", "isurus", "--force", "--yes", code=0)
    assert inner(mirror) == inner(repo), "without the guard, the mirror is destroyed"


def test_history_that_is_lost_by_and_by(estate: Estate) -> None:
    estate.prepare()
    repo = estate.repo("isurus", commits=1)
    for number in range(59):
        estate.git(repo, "commit", "--quiet", "--allow-empty", f"--message={number}")
    estate.register("isurus")
    estate.run("sync", code=0)
    estate.git(repo, "checkout", "--quiet", "-b", "kept", "HEAD~25")
    estate.git(repo, "branch", "--quiet", "-D", "main")
    prune(estate, repo)
    estate.run("sync", code=0)
    estate.git(repo, "checkout", "--quiet", "-b", "less", "HEAD~15")
    estate.git(repo, "branch", "--quiet", "-D", "kept")
    prune(estate, repo)
    done = estate.run("sync", "isurus", code=REFUSED)
    assert "lost 40 commits of 60 that its mirror held in the last days" in done.err


@pytest.mark.local_only("what counts as recent is set in its own process")
def test_objects_that_are_destroyed_during_a_sync(ready: Estate) -> None:
    """Rounds follow, and each is checked, too."""
    repo, mirror = repo_of(ready), ready.mirror("isurus")
    path = next(path for path in (repo / ".git/objects").glob("??/*")).relative_to(repo)
    before = (mirror / path).read_bytes()
    assert sync(ready) == 0
    ready.git(repo, "commit", "--quiet", "--allow-empty", "--message=more")
    destroy = f"chmod u+w {repo / path}; head -c 100 /dev/urandom >{repo / path}"
    ready.environ |= rsync_that(ready, destroy)
    assert sync(ready, "isurus") == REFUSED
    assert "are damaged" in (ready.base / "streams/err").read_text()
    assert (mirror / path).read_bytes() == before


# --- not destroyed -------------------------------------------------------------------------


def gc(estate: Estate, repo: Path) -> None:
    estate.git(repo, "gc", "--quiet", "--aggressive", "--prune=now")


def repack_twice(estate: Estate, repo: Path) -> None:
    estate.git(repo, "repack", "-a", "-d", "-f", "--quiet", "--write-bitmap-index")
    estate.git(repo, "commit-graph", "write")
    estate.git(repo, "multi-pack-index", "write")


def rebase(estate: Estate, repo: Path) -> None:
    estate.git(repo, "checkout", "--quiet", "-b", "side", "HEAD~5")
    for number in range(5):
        estate.git(repo, "commit", "--quiet", "--allow-empty", f"--message=side {number}")
    estate.git(repo, "rebase", "--quiet", "main")
    estate.git(repo, "checkout", "--quiet", "main")
    estate.git(repo, "branch", "--quiet", "-D", "side")
    prune(estate, repo)


def recompress(_: Estate, repo: Path) -> None:
    """The same object, deflated otherwise."""
    path = next((repo / ".git/objects").glob("??/*"))
    data = zlib.decompress(path.read_bytes())
    path.unlink()
    path.write_bytes(zlib.compress(data, 0))


def drop_branch(estate: Estate, repo: Path) -> None:
    estate.git(repo, "branch", "done")
    estate.run("sync", code=0)
    estate.git(repo, "branch", "--quiet", "-D", "done")


def nested_clone_goes(estate: Estate, repo: Path) -> None:
    for number in range(60):
        (repo / f"f{number}").write_text("x")
    subprocess.run(
        ["git", "clone", "-q", "--no-hardlinks", repo, repo / "vendor/lib"],
        check=True,
        env=estate.environ,
    )
    estate.run("sync", code=0)
    shutil.rmtree(repo / "vendor/lib")


def detach(estate: Estate, repo: Path) -> None:
    estate.git(repo, "checkout", "--quiet", "--detach", "HEAD~3")


RIGHT = [gc, repack_twice, rebase, recompress, drop_branch, nested_clone_goes, detach]


@pytest.mark.over_ssh
@pytest.mark.parametrize("how", RIGHT, ids=lambda how: how.__name__)
def test_what_git_does_is_no_loss(ready: Estate, how: Callable[[Estate, Path], None]) -> None:
    repo = repo_of(ready)
    how(ready, repo)
    ready.run("sync", code=0)
    assert inner(ready.mirror("isurus")) == inner(repo)
    gc(ready, repo)
    ready.run("sync", code=0)
    assert commits(ready, ready.mirror("isurus")) >= 22


@pytest.mark.parametrize("kind", ["--depth=3", "--filter=blob:none"])
def test_a_shallow_or_partial_clone(ready: Estate, kind: str) -> None:
    """They lack objects, rightly; damage in what they have is found."""
    source = repo_of(ready)
    ready.git(source, "config", "uploadpack.allowFilter", "true")
    clone = ready.local_repos / "lamna"
    argv = ["git", "clone", "-q", "--no-checkout", kind, f"file://{source}", str(clone)]
    subprocess.run(argv, check=True, env=ready.environ, capture_output=True)
    ready.register("lamna")
    ready.run("sync", code=0)
    ready.git(clone, "repack", "-a", "-d", "-f", "--quiet")
    for number in range(3):
        ready.git(clone, "commit", "--quiet", "--allow-empty", f"--message={number}")
    ready.run("sync", code=0)
    for pack in (clone / ".git/objects/pack").glob("*.pack"):
        scribble(pack)
    ready.run("sync", "lamna", code=REFUSED)


def test_a_clone_does_not_become_shallow_to_lose_history(ready: Estate) -> None:
    repo = repo_of(ready)
    head = ready.git(repo, "rev-parse", "HEAD")
    (repo / ".git/shallow").write_text(head)
    prune(ready, repo)
    assert commits(ready, repo) == 1
    ready.run("sync", "isurus", code=REFUSED)
    assert commits(ready, ready.mirror("isurus")) == 22


def test_a_fifo_among_objects_does_not_block(ready: Estate) -> None:
    repo = repo_of(ready)
    path = next((repo / ".git/objects").glob("??/*"))
    path.unlink()
    os.mkfifo(path)
    done = ready.run("sync", "isurus", code=REFUSED)
    assert "would block git" in done.err


def test_the_configuration_of_a_repo_runs_nothing(ready: Estate) -> None:
    """Nor do its hooks, or an alias in the place of the repository of repoman's own."""
    repo, trap = repo_of(ready), ready.base / "trap"
    with (repo / ".git/config").open("a") as config:
        config.write(f"[core]\n\tfsmonitor = touch {trap}\n\tpager = touch {trap}\n")
        config.write(f"[alias]\n\tfsck = !touch {trap}\n\tcat-file = !touch {trap}\n")
        config.write(f"[include]\n\tpath = {ready.base}/more\n")
    (ready.base / "more").write_text(f"[core]\n\tsshCommand = touch {trap}\n")
    gc(ready, repo)
    trap.unlink(missing_ok=True)
    ready.run("sync", code=0)
    assert not trap.exists()
    subprocess.run(["git", "status"], cwd=repo, check=False, env=ready.environ, capture_output=True)
    assert trap.exists(), "it would have run"


# --- files ---------------------------------------------------------------------------------


@pytest.fixture
def files(estate: Estate) -> Estate:
    """Return an estate with a mirrored project of three hundred files, without git."""
    estate.prepare()
    repo = repo_of(estate)
    repo.mkdir()
    for number in range(300):
        lines = (f"line {line} of file {number}: {line * number}\n" for line in range(20))
        (repo / f"file-{number}.py").write_text("".join(lines))
    estate.register("isurus")
    estate.run("sync", code=0)
    return estate


def some(repo: Path, part: float, begin: int = 0) -> list[Path]:
    paths = sorted(repo.iterdir())[begin:]
    return paths[: int(len(paths) * part)]


def truncate_all(repo: Path) -> None:
    for path in repo.iterdir():
        path.write_text("")


def cut_all(repo: Path) -> None:
    for path in repo.iterdir():
        path.write_text(path.read_text()[:9])


def overwrite_all(repo: Path) -> None:
    for path in repo.iterdir():
        scribble(path)


def overwrite_keeping_times(repo: Path) -> None:
    for path in repo.iterdir():
        info = path.stat()
        scribble(path)
        os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def overwrite_by_words(repo: Path) -> None:
    for path in repo.iterdir():
        path.write_text("all your files are gone\n" * 30)


def delete_half(repo: Path) -> None:
    for path in some(repo, 0.49):
        path.unlink()


def delete_half_and_add_junk(repo: Path) -> None:
    paths = sorted(path for path in repo.iterdir() if path.name.startswith("file"))[:149]
    for path in paths:
        path.unlink()
    for number in range(149):
        (repo / f"junk-{number}-{len(paths)}-{len(list(repo.iterdir()))}").write_text("x" * 400)


def overwrite_half(repo: Path) -> None:
    paths = [path for path in sorted(repo.iterdir()) if path.read_bytes().startswith(b"line")]
    for path in paths[:140]:
        scribble(path)


ATTACKS: dict[Callable[[Path], None], tuple[int, str]] = {
    truncate_all: (0, "0 files that are not empty, in the last 14 days it held 300"),
    cut_all: (0, "now hold something else altogether"),
    overwrite_all: (0, "now hold something else altogether"),
    overwrite_keeping_times: (0, "now hold something else altogether"),
    overwrite_by_words: (0, "now hold something else altogether"),
    delete_half: (1, "in the last 14 days it held 300"),
    delete_half_and_add_junk: (1, "% of the files that it had"),
    overwrite_half: (1, "now hold something else altogether"),
}
"""Ways to destroy files, the number of syncs that pass, and the refusal of the next."""


@pytest.mark.over_ssh
@pytest.mark.parametrize("how", ATTACKS, ids=lambda how: how.__name__)
def test_files_that_are_destroyed_stay_in_the_mirror(
    files: Estate, how: Callable[[Path], None]
) -> None:
    repo, mirror = repo_of(files), files.mirror("isurus")
    passing, sentence = ATTACKS[how]
    for _ in range(passing):
        how(repo)
        files.run("sync", "isurus", code=0)
    before = inner(mirror)
    assert len(before) > 150
    how(repo)
    for _ in range(2):
        done = files.run("sync", "isurus", code=REFUSED)
        assert sentence in done.err
        assert inner(mirror) == before
    restore, force = (done.err.index(f"`repoman {word}") for word in ("restore", "sync"))
    assert restore < force
    files.run("restore", "isurus", code=0)
    (restored,) = (files.home / "restored").iterdir()
    assert inner(restored) == before
    files.run("sync", "isurus", "--force", "--yes", code=0)
    assert inner(mirror) == inner(repo), "without the guard, the mirror is destroyed"
    (repo / "more").write_text("a new baseline has begun")
    files.run("sync", "isurus", code=0)


@pytest.mark.over_ssh
@pytest.mark.parametrize("lost", ["baseline", "state", "registry"])
def test_a_lost_state_does_not_begin_a_new_baseline(files: Estate, lost: str) -> None:
    """Its copy on the share is found."""
    repo = repo_of(files)
    delete_half(repo)
    files.run("sync", "isurus", code=0)
    delete_half(repo)
    if lost == "baseline":
        (path,) = files.home.glob(".local/state/repoman/mirrors/*/manifests/*.baseline")
        path.unlink()
    else:
        shutil.rmtree(files.home / ".local/state/repoman")
    if lost == "registry":
        files.registry.unlink()
        paths = ("--local-repos", str(files.local_repos), "--nfs-repos", str(files.share))
        files.run("setup", "--adopt-share", "--yes", *paths, code=0)
    assert "in the last 14 days it held 300" in files.run("sync", "isurus", code=REFUSED).err


def test_a_new_project_of_an_old_name_has_no_baseline(files: Estate) -> None:
    files.run("remove", "isurus", "--yes", code=0)
    files.run("remove", "isurus", "--mirror", "--yes", code=0)
    shutil.rmtree(repo_of(files))
    repo_of(files).mkdir()
    (repo_of(files) / "file").write_text("x")
    files.run("new", "isurus", "--no-container", code=0)
    files.run("sync", "isurus", code=0)
    (repo_of(files) / "file").write_text("other")
    files.run("sync", "isurus", code=0)


def test_a_formatter_is_no_loss(files: Estate) -> None:
    repo = repo_of(files)
    for path in repo.iterdir():
        path.write_text(path.read_text().replace(" ", "  ").replace("\n", "\r\n"))
    files.run("sync", code=0)
    for path in repo.iterdir():
        path.write_text(path.read_text().upper().lower().replace("line", "LINE"))
    files.run("sync", code=0)
    assert inner(files.mirror("isurus")) == inner(repo)
