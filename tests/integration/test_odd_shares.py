"""Shares that are not a Linux file system of this user's, and repos whose parts lie elsewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from repoman_tasks.planning.mirror.share_check import MARKER
from tests.integration.test_mirror import SOME_FAILED, inner
from tests.support.cures import paste_cure
from tests.support.estate import Estate, run


@pytest.fixture
def ready(estate: Estate) -> Estate:
    """Return an estate that is set up, with one project, isurus, not mirrored yet."""
    return estate.prepare("isurus")


@pytest.mark.parametrize("name", ["@eaDir", "#recycle", "#snapshot", ".snapshot"])
def test_folders_that_the_server_makes_are_left_alone(ready: Estate, name: str) -> None:
    ready.run("sync", code=0)
    for folder in (ready.mirror("isurus"), ready.share):
        (folder / name).mkdir()
        (folder / name / "of the server").write_text("x")
        (folder / name).chmod(0o555)
    (ready.local_repos / "isurus/more").write_text("x")
    for flags in ((), ("--full",), ("--checksum",)):
        done = ready.run("sync", *flags, code=0)
        assert "deleted" not in done.out.replace("0 deleted", "")
    assert (ready.mirror("isurus") / name / "of the server").exists()
    assert "damage" not in ready.run("verify", code=0).out
    assert name not in ready.run("status").out
    ready.run("restore", "isurus", "--to", "~/copy", code=0)
    if name != ".snapshot":
        assert not (ready.home / "copy" / name).exists()
    for folder in (ready.mirror("isurus"), ready.share):
        (folder / name).chmod(0o755)


def test_a_folder_of_such_a_name_in_a_repo_is_told(ready: Estate) -> None:
    (ready.local_repos / "isurus/docs/@eaDir").mkdir(parents=True)
    (ready.local_repos / "isurus/.snapshot").mkdir()
    done = ready.run("sync", code=0)
    assert "warning: folder docs/@eaDir is not mirrored" in done.err
    assert (ready.mirror("isurus") / ".snapshot").exists()
    assert not (ready.mirror("isurus") / "docs/@eaDir").exists()


def test_borrowed_objects_are_told_until_they_are_in_the_repo(ready: Estate) -> None:
    lender, repo = ready.local_repos / "isurus", ready.local_repos / "lamna"
    ready.git(ready.base, "clone", "--quiet", "--shared", str(lender), str(repo))
    ready.register("lamna")
    file = ".git/objects/info/alternates"
    for flags in ((), (), ("--full",)):
        done = ready.run("sync", *flags, code=0)
        assert done.err.count(f"git objects that {file} names are outside, and not in") == 1
    paste_cure(ready, "left-out", 0, 1, 2, answers=())
    assert "outside" not in ready.run("sync", code=0).err + ready.run("status").out
    lender.rename(ready.base / "gone")
    assert ready.git(ready.mirror("lamna"), "fsck", "--full") == ""
    ready.git(ready.mirror("lamna"), "log")


def test_a_partial_clone_is_told_until_it_is_whole(ready: Estate) -> None:
    remote, repo = ready.local_repos / "isurus", ready.local_repos / "lamna"
    ready.git(remote, "config", "uploadpack.allowFilter", "true")
    url = f"file://{remote}"
    ready.git(ready.base, "clone", "-q", "--filter=blob:none", "--no-checkout", url, str(repo))
    ready.register("lamna")
    for _ in range(2):
        done = ready.run("sync", code=0)
        assert done.err.count("left out of .git/objects/pack are not in the mirror") == 1
    found = re.search(r"`(git [^`]*)`", done.err)
    assert found
    run(shlex.split(found[1]), ready.environ)
    for key in ("promisor", "partialCloneFilter"):
        ready.git(repo, "config", "--unset", f"remote.origin.{key}")
    for path in (repo / ".git/objects/pack").glob("*.promisor"):
        path.unlink()
    assert "left out" not in ready.run("sync", code=0).err
    remote.rename(ready.base / "gone")
    assert ready.git(ready.mirror("lamna"), "fsck", "--full") == ""
    assert "isurus" in ready.git(ready.mirror("lamna"), "show", "HEAD:README.md")


def test_content_that_git_lfs_did_not_fetch_is_told(ready: Estate) -> None:
    repo, name = ready.local_repos / "isurus", f"ab{'c' * 62}"
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{name}\nsize 12345\n"
    for path in ("more.txt", "a: b.bin"):
        (repo / path).write_text(pointer)
    assert "LFS" not in ready.run("sync", code=0).err, "it may be any text"
    (repo / ".gitattributes").write_text("*.bin filter=lfs\n")
    done = ready.run("sync", code=0)
    warning = "and 1 more file, which are pointers of Git LFS, is not in the mirror: run `git -C"
    assert done.err.count(warning) == 1
    (note,) = left_out(ready)
    assert note["subject"] == "isurus"
    assert f"lfs pull`; then `repoman sync isurus{ready.host_flag}`" in note["cure"]
    (repo / f".git/lfs/objects/ab/cc/{name}").parent.mkdir(parents=True)
    (repo / f".git/lfs/objects/ab/cc/{name}").write_text("content")
    assert "LFS" not in ready.run("sync", code=0).err
    assert left_out(ready) == []


def left_out(estate: Estate) -> list[dict[str, Any]]:
    found = estate.run("status", "--json", code=0).json["findings"]
    return [finding for finding in found if finding["kind"] == "left-out"]


def test_objects_borrowed_within_the_repo_need_no_word(ready: Estate) -> None:
    repo = ready.local_repos / "isurus"
    ready.git(repo, "clone", "--quiet", "--shared", str(repo), str(repo / "inner"))
    assert "outside" not in ready.run("sync", code=0).err


def test_a_linked_worktree_is_told(ready: Estate) -> None:
    lender, repo = ready.local_repos / "isurus", ready.local_repos / "lamna"
    ready.git(lender, "worktree", "add", "--quiet", str(repo))
    ready.register("lamna")
    done = ready.run("sync", "lamna", code=0)
    assert "the git directory that .git names is outside, and not in the mirror" in done.err


def test_an_empty_folder_that_was_on_the_share_may_be_a_dataset(ready: Estate) -> None:
    ready.mirror("isurus").mkdir()
    done = ready.run("sync", code=0)
    assert "the mirror begins in an empty folder that was on the share before" in done.err
    ready.add("lamna")
    assert "empty folder" not in ready.run("sync", "lamna", code=0).err


def refusing(estate: Estate, program: str, argument: str) -> dict[str, str]:
    """Return a PATH on which a program fails if it is given this argument."""
    folder = estate.base / f"refusing-{program}"
    folder.mkdir()
    (folder / program).write_text(
        f"#!/bin/sh\nfor word do case $word in {argument}) exit 1 ;; esac; done\n"
        f'PATH=${{PATH#*:}} exec {program} "$@"\n'
    )
    (folder / program).chmod(0o755)
    return {"PATH": f"{folder}:{estate.environ['PATH']}"}


@pytest.mark.parametrize(
    ("program", "argument", "lost"), [("chmod", "640", "modes"), ("touch", "@*", "times")]
)
def test_what_the_share_refuses_is_tried_by_setup(
    estate: Estate, program: str, argument: str, lost: str
) -> None:
    paths = ("--local-repos", str(estate.local_repos), "--nfs-repos", str(estate.share))
    estate.run("setup", *paths, environ=refusing(estate, program, argument), code=0)
    assert f'refuses = ["{lost}"]' in (estate.share / MARKER).read_text()
    estate.add("isurus")
    file = estate.local_repos / "isurus/README.md"
    estate.run("sync", code=0)
    file.chmod(0o755)
    for _ in range(2):
        done = estate.run("sync", "--full", "--json", code=0).json["projects"][0]
        assert (done["changed"], done["bytes"]) == (0, 0)
    file.write_text(file.read_text().swapcase())
    estate.run("sync", code=0)
    mirrored = estate.mirror("isurus") / "README.md"
    assert mirrored.read_text() == file.read_text()
    assert (mirrored.stat().st_mode & 0o100 == 0) is (lost == "modes")
    estate.run("setup", *paths, code=0)  # tries again
    assert "refuses" not in (estate.share / MARKER).read_text()
    estate.run("sync", "--full", code=0)
    assert inner(estate.mirror("isurus")) == inner(estate.local_repos / "isurus")


def test_a_share_without_hard_links(estate: Estate) -> None:
    paths = ("--local-repos", str(estate.local_repos), "--nfs-repos", str(estate.share))
    estate.run("setup", *paths, environ=refusing(estate, "ln", "-f"), code=0)
    assert 'refuses = ["links"]' in (estate.share / MARKER).read_text()
    estate.add("isurus")
    repo = estate.local_repos / "isurus"
    (repo / "linked").hardlink_to(repo / "README.md")
    estate.run("sync", code=0)
    assert "nothing to do" in estate.run("sync", "--full", code=0).out
    mirrored = estate.mirror("isurus") / "linked"
    assert (mirrored.stat().st_nlink, mirrored.read_text()) == (1, (repo / "linked").read_text())
    estate.run("verify", code=0)
    estate.run("setup", *paths, code=0)  # tries again
    estate.run("sync", "--full", code=0)
    assert mirrored.stat().st_nlink == 2


def test_many_refusals_are_one_sentence(ready: Estate) -> None:
    program = ready.base / "bin/rsync"
    program.parent.mkdir()
    complaint = (
        'rsync: [receiver] failed to set permissions on "/x/$n": Operation not permitted (1)'
    )
    program.write_text(
        "#!/bin/sh\ncase $* in *--version*) exec /usr/bin/rsync --version ;; esac\n"
        f"for n in $(seq 40); do echo '{complaint}' >&2; done\nexit 23\n"
    )
    program.chmod(0o755)
    environ = {"PATH": f"{program.parent}:{ready.environ['PATH']}"}
    done = ready.run("sync", environ=environ, code=SOME_FAILED)
    assert "the share refused to change modes or times of files in the mirror" in done.err
    assert len(done.err) < 600
    Path(program).write_text(program.read_text().replace("not permitted (1)", "not so (9)"))
    done = ready.run("sync", environ=environ, code=SOME_FAILED)
    assert "; and 17 more" in done.err
