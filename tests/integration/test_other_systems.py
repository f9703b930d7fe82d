"""Systems whose programs are not GNU's, or say more than they should."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.tools.guest_preferences import Preferences
from tests.support.estate import Estate

UUTILS = Path("/usr/bin/coreutils")
REPLACED = ("cat", "dd", "env", "head", "id", "mkdir", "mv", "realpath", "rm", "stat", "touch")


@pytest.fixture
def ready(estate: Estate) -> Estate:
    return estate.prepare("isurus")


def check_syncs(estate: Estate) -> None:
    """Mirror a first time, nothing, and an edit that keeps size and second."""
    readme = estate.local_repos / "isurus/README.md"
    os.utime(readme, ns=(10**18, 10**18))
    estate.run("sync", code=0)
    assert "nothing to do" in estate.run("sync", code=0).out
    readme.write_text(readme.read_text().swapcase())
    os.utime(readme, ns=(10**18, 10**18 + 500))
    estate.run("sync", code=0)
    assert (estate.mirror("isurus") / "README.md").read_text() == readme.read_text()


def test_a_loader_that_complains_in_each_program(ready: Estate) -> None:
    ready.environ["LD_PRELOAD"] = "/nonexistent/library.so"
    check_syncs(ready)
    ready.run("status", code=0)


def test_an_env_that_cannot_change_its_folder_is_named(ready: Estate) -> None:
    """That of BusyBox, for example."""
    program = ready.base / "bin/env"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n[ \"$1\" != -C ] || { echo 'env: invalid option -- C' >&2; exit 125; }\n"
        'exec /usr/bin/env "$@"\n'
    )
    program.chmod(0o755)
    environ = {"PATH": f"{program.parent}:{ready.environ['PATH']}"}
    for command, code in ((["sync"], 5), (["status"], 3), (["verify"], 5)):
        done = ready.run(*command, environ=environ, code=code)
        assert "env has no option -C on this host" in done.out + done.err


@pytest.mark.over_ssh
def test_settings_of_rsync_that_are_for_other_uses_of_it(ready: Estate) -> None:
    (ready.home / ".popt").write_text("rsync alias --recursive --list-only\n")
    ready.environ |= {"RSYNC_ICONV": "utf8,latin1", "RSYNC_MAX_ALLOC": "1"}
    (ready.local_repos / "isurus/\u00e4").write_text("x")
    check_syncs(ready)
    assert (ready.mirror("isurus") / "\u00e4").read_text() == "x"


def test_coreutils_of_uutils(estate: Estate, tmp_path: Path) -> None:
    if not UUTILS.exists():
        pytest.skip("not here: rust-coreutils is not installed")
    programs = tmp_path / "uutils"
    programs.mkdir()
    for name in REPLACED:
        (programs / name).symlink_to(UUTILS)
    estate.environ["PATH"] = f"{programs}:{estate.environ['PATH']}"
    estate.prepare("isurus")
    check_syncs(estate)
    estate.run("status", code=0)


def test_in_a_hook_of_git(ready: Estate) -> None:
    """git names its repo there by variables, which would count for each git that repoman runs."""
    repo = ready.local_repos / "isurus"
    lines = ("sync", "verify", "snapshot isurus", "new lamna --create --no-container")
    commands = [f"{shlex.join(ready.argv)} {line}\n" for line in lines]
    hook = repo / ".git/hooks/pre-commit"
    hook.write_text("".join(["#!/bin/sh -e\n", 'test -n "$GIT_WORK_TREE"\n', *commands]))
    hook.chmod(0o755)
    places = ("--git-dir", str(repo / ".git"), "--work-tree", str(repo))
    ready.git(repo, *places, "commit", "--allow-empty", "-qm", "x")
    assert (ready.local_repos / "lamna/.git").is_dir()


def test_the_name_for_commits_is_where_git_finds_it(tmp_path: Path) -> None:
    """It is included, and the e-mail is in the other of the two files of a person."""
    (tmp_path / ".config/git").mkdir(parents=True)
    (tmp_path / ".config/git/config").write_text("[user]\n\temail = a@person.example\n")
    (tmp_path / ".gitconfig").write_text("[include]\n\tpath = .gitconfig.local\n")
    (tmp_path / ".gitconfig.local").write_text("[user]\n\tname = A Person\n")
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    found = Preferences(LocalHost(environ)).identity()
    assert found == '[user]\n\tname = "A Person"\n\temail = "a@person.example"\n'
