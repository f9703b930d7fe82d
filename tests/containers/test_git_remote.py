"""git's remote helper: the repo in a container, without reading what was written there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.conftest import BY_SSH, ContainerEstate
from tests.support.estate import CHECKOUT, run
from tests.support.git_client import GitClient

FSCK_CURE = "git config --global transfer.fsckObjects true"


@pytest.fixture
def isurus(estate: ContainerEstate, git_repo: Path) -> ContainerEstate:
    """Return an estate with the git repo isurus, whose container has git."""
    assert git_repo.exists()
    return estate


@pytest.fixture
def git(isurus: ContainerEstate) -> Iterator[GitClient]:
    client = GitClient(isurus)
    yield client
    shutil.rmtree(client.folder)


def inside(estate: ContainerEstate, script: str) -> str:
    """Run a script in the repo of isurus, in the container, and return its output."""
    return estate.run("exec", "isurus", "--", "sh", "-ec", script, code=0).out.strip()


def commit(estate: ContainerEstate, text: str) -> str:
    """Commit a file in the container and return the commit."""
    who = "-c user.name=Agent -c user.email=agent@example.org"
    return inside(
        estate,
        f"echo {text} >{text}; git add {text}; git {who} commit -qm {text}; git rev-parse HEAD",
    )


def own_commit(git: GitClient, clone: Path, text: str) -> str:
    (clone / text).write_text(text)
    git.run("add", text, cwd=clone)
    git.run("commit", "--quiet", f"--message={text}", cwd=clone)
    return git.run("rev-parse", "HEAD", cwd=clone).out.strip()


@pytest.mark.shared
@pytest.mark.over_ssh(*BY_SSH)
def test_clone_fetch_review_and_push(isurus: ContainerEstate, git: GitClient) -> None:
    clone = git.clone("isurus")
    assert (clone / "README.md").read_text() == "# isurus, version 1\n"
    made = commit(isurus, "work")
    done = git.run("fetch", cwd=clone)
    assert "main       -> origin/main" in done.err
    assert git.run("rev-parse", "origin/main", cwd=clone).out.strip() == made
    assert git.run("fetch", cwd=clone).err == "", "there is nothing new"
    git.run("merge", "--quiet", "origin/main", cwd=clone)
    mine = own_commit(git, clone, "mine")
    git.run("push", "origin", "HEAD:refs/heads/mine", cwd=clone)
    assert inside(isurus, "git rev-parse mine") == mine
    objects = isurus.local_repos / "isurus/.git/objects"
    written = [path for path in objects.rglob("*") if path.is_file()]
    assert {path.stat().st_uid for path in written} == {os.getuid()}
    git.run("push", "origin", "--delete", "mine", cwd=clone)
    assert inside(isurus, "git branch --list mine") == ""


@pytest.mark.shared
def test_a_part_of_a_repo(isurus: ContainerEstate, git: GitClient) -> None:
    inside(isurus, "git tag v1; git branch other")
    clone = git.clone("isurus", "--depth=1", "--no-single-branch")
    assert git.run("rev-list", "--count", "HEAD", cwd=clone).out == "1\n"
    git.run("fetch", "--unshallow", "--tags", cwd=clone)
    assert git.run("rev-list", "--count", "v1", cwd=clone).out == "2\n"
    with (isurus.local_repos / "isurus/.git/config").open("a") as config:
        config.write("[uploadpack]\n\tallowFilter = true\n")
    git.run("clone", "--filter=blob:none", git.url("isurus"), "partial")
    assert (git.folder / "partial/README.md").exists(), "files are fetched when they are needed"
    git.run("fsck", "--full", cwd=clone)


@pytest.mark.shared
def test_all_refs_and_objects_of_a_larger_repo_arrive(
    isurus: ContainerEstate, git: GitClient
) -> None:
    script = """
    for n in $(seq 1 400); do echo "create refs/heads/branch-$n HEAD"; done | git update-ref --stdin
    head -c 9000000 /dev/urandom >large; git add large
    git -c user.name=Agent -c user.email=a@example.org commit -qm large; sha256sum <large
    """
    digest = inside(isurus, script)
    clone = git.clone("isurus")
    listed = git.run("branch", "--remotes", "--list", "origin/branch-*", cwd=clone).out
    assert len(listed.splitlines()) == 400
    assert run(["sh", "-c", "sha256sum <large"], git.environ, cwd=clone).out.strip() == digest
    git.run("fsck", "--full", cwd=clone)


@pytest.mark.shared
@pytest.mark.over_ssh
def test_the_branch_that_is_checked_out_is_not_overwritten(
    isurus: ContainerEstate, git: GitClient
) -> None:
    """Whatever its configuration says. The cure works when it is pasted."""
    config = isurus.local_repos / "isurus/.git/config"
    clone = git.clone("isurus")
    mine = own_commit(git, clone, "mine")
    before = inside(isurus, "git rev-parse HEAD")
    plain = config.read_text()
    for mode in ("ignore", "warn", "updateInstead"):
        config.write_text(f"{plain}[receive]\n\tdenyCurrentBranch = {mode}\n")
        done = git.run("push", "origin", "main", cwd=clone, code=1)
        assert "branch is currently checked out" in done.err
        assert inside(isurus, "git rev-parse HEAD") == before, mode
    (hint,) = [line for line in done.err.splitlines() if line.startswith("the branch is checked")]
    push, merge = hint.split("`")[1::2]
    git.run(*shlex.split(push)[1:], cwd=clone)
    isurus.run(*shlex.split(merge)[1:], code=0)
    assert inside(isurus, "git rev-parse HEAD") == mine
    assert (isurus.local_repos / "isurus/mine").read_text() == "mine"


@pytest.mark.shared
@pytest.mark.over_ssh("fabric")
def test_a_stopped_container_is_started(isurus: ContainerEstate, git: GitClient) -> None:
    isurus.incus("stop", "--force", "isurus")
    (isurus.local_repos / "isurus").rename(isurus.local_repos / "away")
    error = git.run("ls-remote", git.url("isurus"), code=128).err
    assert "isurus can't be started, its repo" in error
    assert isurus.state("isurus") == "stopped"
    (isurus.local_repos / "away").rename(isurus.local_repos / "isurus")
    done = git.run("ls-remote", git.url("isurus"))
    assert "refs/heads/main" in done.out
    assert "starting isurus\n" in done.err


@pytest.mark.shared
@pytest.mark.over_ssh
def test_without_checks_nothing_is_fetched_and_the_cures_work(git: GitClient) -> None:
    git.config.write_text("")
    url = git.url("isurus")
    assert "refs/heads/main" in git.run("ls-remote", url).out, "this fetches nothing"
    error = git.run("clone", url, code=128).err
    assert "git does not check the objects that it fetches" in error
    once, clone_once = error.split("`")[1::2]
    git.run(*shlex.split(clone_once)[1:], "once")
    git.run("fetch", cwd=git.folder / "once")
    assert once == FSCK_CURE
    git.run(*shlex.split(once)[1:])
    git.clone("isurus")
    mine = git.folder / "isurus"
    for off in ("transfer.fsckObjects", "fetch.fsckObjects"):
        error = git.run("-c", f"{off}=false", "fetch", cwd=mine, code=128).err
        assert "git does not check the objects" in error
        assert "`git config fetch.fsckObjects true`" in error
    git.run("config", "transfer.fsckObjects", "false", cwd=mine)
    git.run("fetch", cwd=mine, code=128)
    git.run("config", "fetch.fsckObjects", "true", cwd=mine)
    git.run("fetch", cwd=mine)
    git.run("-c", "protocol.version=0", "fetch", cwd=mine)
    git.run("-c", "fetch.fsckObjects=false", "push", "origin", "HEAD:refs/heads/x", cwd=mine)


@pytest.mark.over_ssh
def test_what_is_no_repo_is_one_line(estate: ContainerEstate) -> None:
    estate.new("isurus")  # the small image has no git
    (estate.local_repos / "notes").mkdir()
    estate.run("new", "notes", "--no-container", code=0)
    git = GitClient(estate)
    for name, says in {
        "isurus": "there is no git in isurus: install it, for example `repoman exec isurus",
        "notes": "notes has no container, it is registered for backup only",
        "nobody": "no project is called 'nobody'",
        "-x": "no project is called '-x'",
        "a b\x1b[m": "no project is called 'a b\\x1b[m'",
    }.items():
        done = git.run("ls-remote", git.url(name), code=128)
        (line,) = [line for line in done.err.splitlines() if line.startswith("repoman:")]
        assert says in line
        assert "\x1b" not in done.err
    for url in ("repoman::", "repoman::/isurus", "repoman::../../x", "repoman::../x"):
        error = git.run("ls-remote", url, code=128).err
        assert "names no project: use repoman::NAME or repoman::HOST/NAME" in error
    assert "no host is called a..b" in git.run("ls-remote", "repoman::a..b/isurus", code=128).err
    assert "not a valid host name" in git.run("ls-remote", "repoman::-x/isurus", code=128).err


@pytest.mark.shared
def test_a_folder_without_git_and_a_user_that_is_missing(
    isurus: ContainerEstate, git: GitClient
) -> None:
    shutil.rmtree(isurus.local_repos / "isurus/.git")
    error = git.run("ls-remote", git.url("isurus"), code=128).err
    assert "git in isurus failed: fatal:" in error
    assert "not appear to be a git repository" in error
    isurus.exec_inside("isurus", "sh", "-c", "cp -p /etc/passwd /; sed -i /^dev:/d /etc/passwd")
    error = git.run("ls-remote", git.url("isurus"), code=128).err
    assert "isurus can't be entered: the container has no user dev" in error
    isurus.exec_inside("isurus", "mv", "/passwd", "/etc/passwd")


@pytest.mark.shared
def test_both_forms_of_the_url(git: GitClient) -> None:
    refs = git.run("ls-remote", git.url("isurus")).out
    assert refs
    assert git.run("ls-remote", "repoman://isurus").out == refs
    done = run(["git-remote-repoman"], git.environ)
    assert (done.code, done.out) == (2, "")
    assert "git-remote-repoman is run by git" in done.err
    done = run(["git-remote-repoman", "x", "isurus"], git.environ, given="option x 1\n\n")
    assert (done.code, done.out, done.err) == (0, "fallback\n", "")


@pytest.mark.shared
def test_a_push_and_a_start_are_in_the_log(
    isurus: ContainerEstate, git: GitClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    isurus.incus("stop", "--force", "isurus")
    log = git.folder / "changes"
    monkeypatch.setitem(isurus.environ, "REPOMAN_LOG", str(log))
    git.run("ls-remote", git.url("isurus"))
    lines = log.read_text()
    assert '"command": "git-remote-repoman", "project": "isurus"' in lines
    assert '"method": "PUT", "path": "/1.0/instances/isurus/state' in lines
    assert '"words": ["incus", "exec", "isurus"]' in lines


@pytest.mark.shared
@pytest.mark.local_only("the page is typed on the host itself")
def test_every_block_of_the_page(isurus: ContainerEstate, git: GitClient) -> None:
    """git@example.org is a folder here, and so is the other host."""
    repoman = git.programs / "repoman"
    repoman.write_text(f'#!/bin/sh\nREPOMAN_HOST= exec {shlex.join(isurus.argv)} "$@"\n')
    repoman.chmod(0o755)
    git.run("init", "--quiet", "--bare", "isurus.git")
    git.run("config", "--global", f"url.{git.folder}/.insteadOf", "git@example.org:")
    text = (CHECKOUT / "docs/git.md").read_text().partition("## The guard")[0]
    text = text.replace("repoman::nas/", "repoman::")
    first, *others = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    _typed(git, first, isurus.home)
    made = commit(isurus, "work")
    for block in others:
        _typed(git, block, isurus.home / "review/isurus")
    assert len(others) == 3
    assert git.run("-C", "isurus.git", "rev-parse", "main").out.strip() == made
    assert inside(isurus, "git rev-parse incoming") == made


def _typed(git: GitClient, block: str, folder: Path) -> None:
    script = re.sub(r"^\$ ", "", block, flags=re.MULTILINE)
    done = run(["bash", "-ec", script], git.environ, cwd=folder)
    assert done.code == 0, (script, done)
