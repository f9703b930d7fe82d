"""A repo that changed: only what changed is sent, and what can't be known is compared in full."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from repoman_tasks.planning.mirror.known_mirrors import TOKEN
from tests.integration.test_mirror import SOME_FAILED
from tests.integration.test_mirror_known import check, passes, state_of, sync
from tests.support.estate import Estate

pytestmark = pytest.mark.local_only("the changes that kill it are counted in its own process")

IN_PART: tuple[set[str], set[str]] = (set(), {"isurus"})
AUTHOR = ("-c", "user.name=x", "-c", "user.email=x@y")
IN_FULL: tuple[set[str], set[str]] = ({"isurus"}, set())


@pytest.fixture
def ready(estate: Estate) -> Estate:
    """Return an estate with a mirrored project that has files and folders."""
    estate.prepare("isurus")
    repo = estate.local_repos / "isurus"
    for name in ("a/x", "a/y", "a/deep/z", "b/x", "top"):
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text(f"{name}\n")
    (repo / "link").symlink_to("a/x")
    assert passes(estate) == IN_FULL
    return estate


def repo_of(estate: Estate) -> Path:
    return estate.local_repos / "isurus"


def manifest_of(estate: Estate) -> Path:
    return state_of(estate).parent / "manifests/isurus"


def sent(estate: Estate) -> list[str]:
    """Return the rules that limited the last sync, without those for folders on the way."""
    rules = manifest_of(estate).with_suffix(".rules").read_text().split("\0")
    return [rule.removeprefix("+ /isurus/") for rule in rules if not rule.endswith(("/", "- *"))][
        :-1
    ]


def rewrite(path: Path) -> None:
    """Write other content of the same size, and put the old time on it."""
    info = path.stat()
    path.write_text(path.read_text().swapcase())
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


@contextlib.contextmanager
def around_rsync(estate: Estate, before: str = "", after: str = "") -> Iterator[None]:
    """Have lines of shell run before and after each rsync that is given a list."""
    program = estate.base / "bin/rsync"
    program.parent.mkdir()
    real = shutil.which("rsync")
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *--from0*) ;; *) exec {real} "$@" ;; esac\n'
        f'cd {repo_of(estate)}\n{before}\ncd - >/dev/null\n{real} "$@"\n'
        f"code=$?\ncd {repo_of(estate)}\n{after}\nexit $code\n"
    )
    program.chmod(0o755)
    path = estate.environ["PATH"]
    estate.environ["PATH"] = f"{program.parent}:{path}"
    yield
    estate.environ["PATH"] = path
    shutil.rmtree(program.parent)


# --- what is sent ----------------------------------------------------------------------


def test_only_what_changed_is_sent(ready: Estate) -> None:
    repo = repo_of(ready)
    (repo / "a/deep/z").write_text("longer than before")
    (repo / "b/x").unlink()
    (repo / "new").mkdir()
    (repo / "new/file").write_text("x")
    assert passes(ready) == IN_PART
    assert sent(ready) == ["a/deep/z", "b", "b/x", "new", "new/file", "b/x/***"]
    check(ready)
    assert passes(ready) == (set(), set())


def put_odd_names(repo: Path) -> None:
    for name in (b"new\nline", b"\xff\xfe", b"-x", b"#x", b";x", b" ", b"*", b"\\012", b"x:y"):
        Path(os.fsdecode(os.fsencode(repo) + b"/" + name)).write_text("x")


def replace_folder(repo: Path) -> None:
    shutil.rmtree(repo / "b")
    (repo / "a").rename(repo / "b")


def folder_to_file(repo: Path) -> None:
    shutil.rmtree(repo / "a")
    (repo / "a").write_text("x")


def folder_to_link(repo: Path) -> None:
    (repo / "a").rename(repo / "c")
    (repo / "a").symlink_to("c")


def to_folder(path: Path) -> None:
    path.unlink()
    (path / "in").mkdir(parents=True)


def commit(repo: Path) -> None:
    argv = ["git", "-C", str(repo), *AUTHOR, "commit", "-qm", "x", "--allow-empty"]
    subprocess.run(argv, check=True)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file": lambda repo: (repo / "a/x").write_text("other"),
    "the root's mode": lambda repo: repo.chmod(0o750),
    "a folder's time": lambda repo: os.utime(repo / "a", ns=(10**18, 10**18 + 1)),
    "a folder that went": lambda repo: shutil.rmtree(repo / "a"),
    "a folder renamed": lambda repo: (repo / "a").rename(repo / "c"),
    "a folder in the place of another": replace_folder,
    "a folder that became a file": folder_to_file,
    "a folder that became a link": folder_to_link,
    "a link that became a folder": lambda repo: to_folder(repo / "link"),
    "a file that became a folder": lambda repo: to_folder(repo / "top"),
    "a new hard link": lambda repo: (repo / "b/hard").hardlink_to(repo / "a/x"),
    "odd names": put_odd_names,
    "a commit": commit,
    "git gc": lambda repo: subprocess.run(["git", "-C", repo, "gc", "-q"], check=True),
    "size and time kept": lambda repo: rewrite(repo / "a/x"),
}


@pytest.mark.parametrize("what", list(CHANGES))
def test_a_change(ready: Estate, what: str) -> None:
    CHANGES[what](repo_of(ready))
    assert passes(ready) == IN_PART
    check(ready)
    same = (ready.mirror("isurus") / "a").is_dir()
    assert (
        not same
        or (ready.mirror("isurus") / "a/x").read_bytes() == (repo_of(ready) / "a/x").read_bytes()
    )
    assert passes(ready) == (set(), set())


def test_a_path_whose_rule_is_too_long(ready: Estate) -> None:
    """rsync discards a rule of 4,096 bytes or more, and exits with 0."""
    repo, mirror = repo_of(ready), ready.mirror("isurus")
    deep = Path(*["[" * 250] * 9)
    (repo / deep).mkdir(parents=True)
    (repo / deep / "file").write_text("one")
    assert passes(ready) == IN_FULL
    (repo / deep / "file").write_text("two, and longer")
    (repo / "top").write_text("two")
    assert passes(ready) == IN_FULL
    assert (mirror / deep / "file").read_text() == "two, and longer"
    check(ready)
    assert passes(ready) == (set(), set())


def test_a_rule_that_rsync_discards_is_an_error(ready: Estate) -> None:
    exclude(ready, "x" * 4100)
    (repo_of(ready) / "new").touch()
    done = ready.run("sync", code=SOME_FAILED)
    assert "discarding over-long filter" in done.err


def test_several_hard_links(ready: Estate) -> None:
    """All names of a file change with it, so that rsync sees them together."""
    repo, mirror = repo_of(ready), ready.mirror("isurus")
    (repo / "b/hard").hardlink_to(repo / "a/x")
    assert passes(ready) == IN_PART
    rewrite(repo / "a/x")
    assert passes(ready) == IN_PART
    assert (mirror / "b/hard").read_text() == (repo / "a/x").read_text()
    assert (mirror / "b/hard").samefile(mirror / "a/x")
    (repo / "a/x").unlink()
    assert passes(ready) == IN_PART
    check(ready)
    assert (mirror / "b/hard").stat().st_nlink == 1


# --- what size and time do not show ------------------------------------------------------


def test_another_file_of_the_same_size_and_time(ready: Estate) -> None:
    """It was moved over the old one."""
    repo = repo_of(ready)
    shutil.copy2(repo / "a/x", repo / "c")
    rewrite(repo / "c")
    (repo / "c").replace(repo / "a/x")
    assert passes(ready) == IN_PART
    assert (ready.mirror("isurus") / "a/x").read_text() == "A/X\n"


def test_an_inode_that_is_used_again(ready: Estate) -> None:
    path = repo_of(ready) / "a/x"
    info = path.stat()
    path.unlink()
    for number in range(100):
        (path.parent / str(number)).write_text("A/X\n")
        if (path.parent / str(number)).stat().st_ino == info.st_ino:
            break
    else:
        pytest.skip("not here: the file system gives each file another inode")
    (path.parent / str(number)).rename(path)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert passes(ready) == IN_PART
    assert (ready.mirror("isurus") / "a/x").read_text() == "A/X\n"
    check(ready)


@pytest.mark.parametrize("full_every", [0, 7])
def test_an_edit_that_keeps_size_and_time_before_a_full_comparison(
    ready: Estate, full_every: int
) -> None:
    text = ready.registry.read_text()
    wanted = f"[defaults]\nfull_every = {full_every}"
    ready.registry.write_text(text.replace("[defaults]", wanted))
    rewrite(repo_of(ready) / "a/x")
    assert passes(ready, *(["--full"] if full_every else [])) == ({"isurus"}, set())
    assert (ready.mirror("isurus") / "a/x").read_text() == "A/X\n"


def test_what_changed_just_before_the_last_sync_is_compared_by_content(ready: Estate) -> None:
    """A change in the same tick of the clock does not show, nor one after it was set back."""
    (repo_of(ready) / "top").write_text("other")
    assert passes(ready, recent=1000) == IN_PART
    rewrite(ready.mirror("isurus") / "a/x")  # as if it had got there with the same ctime
    assert passes(ready) == IN_PART
    assert (ready.mirror("isurus") / "a/x").read_text() == "a/x\n"
    assert passes(ready) == (set(), set())


# --- what changes meanwhile --------------------------------------------------------------


def test_a_file_that_is_written_during_the_sync(ready: Estate) -> None:
    repo = repo_of(ready)
    (repo / "a/x").write_text("some")
    with around_rsync(ready, before="echo more >a/x; touch -d @7 a/x"):
        assert passes(ready) == IN_PART
    (repo / "a/x").write_text("MORE\n")
    os.utime(repo / "a/x", (7, 7))
    assert passes(ready) == IN_PART
    assert (ready.mirror("isurus") / "a/x").read_text() == "MORE\n"
    check(ready)
    assert passes(ready) == (set(), set())


def test_what_comes_and_goes_during_the_sync(ready: Estate) -> None:
    repo = repo_of(ready)
    (repo / "b/x").unlink()
    with around_rsync(ready, before="mkdir b/c; echo x >b/c/d; echo x >b/e", after="rm -r b/c b/e"):
        assert passes(ready) == IN_PART
    assert list((ready.mirror("isurus") / "b").iterdir()) == []
    passes(ready)
    check(ready)
    assert passes(ready) == (set(), set())


def test_what_vanishes_before_it_is_sent(ready: Estate) -> None:
    repo = repo_of(ready)
    (repo / "a/new").write_text("x")
    (repo / "a/x").write_text("other")
    with around_rsync(ready, before="rm -rf a"):
        assert passes(ready) == IN_PART
    assert passes(ready) == IN_PART
    check(ready)


def test_a_commit_between_the_walk_and_rsync(ready: Estate) -> None:
    """A branch was to be sent, and now names a commit that was not."""
    repo = repo_of(ready)
    commit(repo)
    git = "git -c user.name=x -c user.email=x@y commit -q --allow-empty -m second"
    with around_rsync(ready, before=git):
        whole, part = passes(ready)
    assert part == {"isurus"}
    assert whole == {"isurus"}, "rounds follow"
    mirror = ready.mirror("isurus")
    safe = ["git", "-c", "safe.directory=*", "-C", str(mirror)]
    subprocess.run([*safe, "fsck", "--full"], check=True, capture_output=True)
    log = subprocess.run([*safe, "log", "-1", "--format=%s"], check=True, capture_output=True)
    assert log.stdout == b"second\n"
    passes(ready)
    check(ready)


def test_a_folder_that_is_a_link_while_it_is_sent(ready: Estate) -> None:
    """rsync does not follow it."""
    outside = ready.base / "outside"
    outside.mkdir()
    (outside / "x").write_text("secret")
    (repo_of(ready) / "a/x").write_text("right")
    swap = f"mv a c; ln -s {outside} a"
    with around_rsync(ready, before=swap, after="rm a; mv c a"):
        sync(ready)
    assert (ready.mirror("isurus") / "a/x").read_text() == "a/x\n"
    assert passes(ready) == IN_PART
    assert (ready.mirror("isurus") / "a/x").read_text() == "right"
    check(ready)


# --- when it is compared in full ----------------------------------------------------------


@pytest.mark.parametrize("fate", ["lost", "cut short", "not gzip", "of before"])
def test_a_manifest_that_is_not_of_the_last_sync(ready: Estate, fate: str) -> None:
    path = manifest_of(ready)
    before = path.read_bytes()
    (repo_of(ready) / "a/x").write_text("other")
    assert passes(ready) == IN_PART
    (repo_of(ready) / "a/x").write_text("something else")
    data = path.read_bytes()
    fates = {"cut short": data[:-30], "not gzip": b"x" * 99, "of before": before}
    path.unlink()
    if fate != "lost":
        path.write_bytes(fates[fate])
    assert passes(ready) == IN_FULL
    check(ready)
    (repo_of(ready) / "a/x").write_text("and again")
    assert passes(ready) == IN_PART


@pytest.mark.parametrize("status", [23, 25])
def test_a_sync_that_fails(ready: Estate, status: int) -> None:
    (repo_of(ready) / "a/x").write_text("other")
    with around_rsync(ready, after=f"exit {status}"):
        assert sync(ready, "isurus") == {23: 4, 25: 6}[status]
    if status == 25:
        assert sync(ready, "isurus") == 6
        assert sync(ready, "--force") == 0
    else:
        assert passes(ready) == IN_FULL
    check(ready)
    (repo_of(ready) / "a/x").write_text("once more")
    assert passes(ready) == IN_PART


def test_other_patterns_and_a_lost_mirror(ready: Estate) -> None:
    text = ready.registry.read_text()
    ready.registry.write_text(text.replace('repo = "isurus"', 'repo = "isurus"\nexclude = ["*.o"]'))
    (repo_of(ready) / "a/x").write_text("other")
    assert passes(ready) == IN_FULL
    (repo_of(ready) / "a/x").write_text("and another")
    shutil.rmtree(ready.mirror("isurus"))
    assert passes(ready) == IN_FULL
    check(ready)


def test_another_host_that_writes_before_the_first_transfer(ready: Estate) -> None:
    """When the sync began, the token was still as expected."""
    (repo_of(ready) / "a/x").write_text("other")
    program = ready.base / "bin/find"
    program.parent.mkdir()
    foreign = f"rm {program}; echo far >{ready.share}/{TOKEN}; exec find"
    program.write_text(f'#!/bin/sh\ncase "$*" in *newerct*) {foreign} "$@" ;; esac\n')
    program.write_text(f'{program.read_text()}exec {shutil.which("find")} "$@"\n')
    program.chmod(0o755)
    ready.environ["PATH"] = f"{program.parent}:{ready.environ['PATH']}"
    assert passes(ready) == IN_PART
    assert passes(ready) == IN_FULL
    assert passes(ready) == (set(), set())


# --- what is excluded, and what is deleted -------------------------------------------------


def exclude(estate: Estate, *patterns: str) -> None:
    text = estate.registry.read_text()
    listed = ", ".join(f'"{pattern}"' for pattern in patterns)
    estate.registry.write_text(
        text.replace('repo = "isurus"', f'repo = "isurus"\nexclude = [{listed}]')
    )


def test_excluded_and_protected_paths(ready: Estate) -> None:
    repo, mirror = repo_of(ready), ready.mirror("isurus")
    exclude(ready, "build/", "*.o", "/a/deep")
    for name in ("build/in/x", "a/build/x", "a/x.o", "z.o"):
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text("x")
    assert passes(ready) == IN_FULL
    before = {path.relative_to(mirror) for path in mirror.rglob("*")}
    (mirror / "b/kept.o").write_text("it was mirrored before")
    for name in ("build/in/y", "a/build/y", "build/x", "a/y.o", "a/deep/z", "a/deep/new"):
        (repo / name).write_text("other")
    (repo / ".git/index.lock").write_text("x")
    (repo / "a/build/x").unlink()
    shutil.rmtree(repo / "b")
    (repo / "a/x").write_text("other")
    assert passes(ready) == IN_PART
    after = {path.relative_to(mirror) for path in mirror.rglob("*")}
    assert after - before == {Path("b/kept.o")}
    assert before - after == {Path("b/x")}
    assert (mirror / "a/x").read_text() == "other"
    assert (mirror / "a/deep/z").read_text() == "a/deep/z\n", "as it was before"
    assert passes(ready) == (set(), set())


def test_too_many_deletions_are_refused_before_anything_is_written(ready: Estate) -> None:
    repo, mirror = repo_of(ready), ready.mirror("isurus")
    text = ready.registry.read_text()
    ready.registry.write_text(text.replace("backup = true", "backup = true\nmax_delete = 3"))
    shutil.rmtree(repo / "a")
    (repo / "top").write_text("other")
    token = (ready.share / TOKEN).read_bytes()
    assert sync(ready, "isurus") == 6
    assert "max_delete" in (ready.base / "streams/err").read_text()
    assert (mirror / "a/deep/z").exists()
    assert (mirror / "top").read_text() == "top\n"
    assert (ready.share / TOKEN).read_bytes() == token
    assert sync(ready, "isurus") == 6, "until --force"
    assert sync(ready, "--force") == 0
    check(ready)


def test_what_was_excluded_does_not_count_as_deleted(ready: Estate) -> None:
    repo = repo_of(ready)
    exclude(ready, "build/")
    text = ready.registry.read_text()
    ready.registry.write_text(text.replace("backup = true", "backup = true\nmax_delete = 3"))
    for number in range(9):
        (repo / f"a/build/{number}").mkdir(parents=True)
    assert passes(ready) == IN_FULL
    shutil.rmtree(repo / "a/build")
    (repo / "a/x").unlink()
    assert sync(ready) == 0
    assert not (ready.mirror("isurus") / "a/x").exists()


@pytest.mark.parametrize("how", ["in part", "in full", "unknown"])
def test_read_only_files_of_which_a_name_goes(ready: Estate, how: str) -> None:
    """To delete a name, rsync makes the file writable, unless it is root's."""
    repo = repo_of(ready)
    (repo / "a/x").chmod(0o444)
    for name in ("b/x", "first", "last"):
        (repo / name).unlink(missing_ok=True)
        (repo / name).hardlink_to(repo / "a/x")
    passes(ready)
    (repo / "b/x").unlink()
    (repo / "first").unlink()
    (repo / "first").mkdir()
    if how == "unknown":
        for manifest in ready.home.glob(".local/state/repoman/mirrors/*/manifests/*"):
            manifest.unlink()
    passes(ready, *(["--full"] if how == "in full" else []))
    for name in ("a/x", "last"):
        assert oct((ready.mirror(repo.name) / name).stat().st_mode & 0o777) == oct(0o444)
    check(ready)
