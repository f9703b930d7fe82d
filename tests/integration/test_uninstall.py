"""`uninstall` takes away all that the other commands made, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from repoman_tasks.commands import NAMES
from repoman_tasks.planning.inventory import INVENTORY, LEFT_BY, MADE_BY
from repoman_tasks.planning.steps import Step
from tests.support.estate import Estate, hash_tree

CRONTAB = """#!/bin/sh
case $1 in
-l) cat "$HOME/crontab" 2>/dev/null || { echo "no crontab for you" >&2; exit 1; } ;;
-) cat >"$HOME/crontab" ;;
esac
"""
MINE = "0 1 * * * mine\n"


def test_each_command_and_each_step_is_in_the_inventory() -> None:
    assert set(MADE_BY) == set(NAMES), "say in MADE_BY what a new command makes"
    assert {part for parts in MADE_BY.values() for part in parts} == set(INVENTORY)
    assert set(LEFT_BY) == set(get_args(Step)), "say in LEFT_BY what a new step leaves"
    reasons = {why for why in LEFT_BY.values() if "never removed" in why or "nothing" in why}
    assert set(LEFT_BY.values()) - reasons <= set(INVENTORY)


@pytest.fixture
def used(estate: Estate) -> Estate:
    """Return an estate on which every command was used that works without Incus."""
    programs = estate.base / "bin"
    programs.mkdir()
    for name, text in (("crontab", CRONTAB), ("systemctl", "#!/bin/sh\nexit 1\n")):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    estate.environ["PATH"] = f"{programs}:{estate.environ['PATH']}"
    (estate.home / "crontab").write_text(MINE)
    estate.environ["REPOMAN_LOG"] = str(estate.home / "changes.log")
    estate.setup()
    estate.add("isurus", "notes")
    for shell in ("bash", "zsh", "fish"):
        estate.run("completion", "install", "--shell", shell, code=0)
    estate.run("git-guard", "install", "--yes", code=0)
    estate.run("ssh-config", "install", "--yes", code=0)
    estate.run("nightly", "install", code=0)
    estate.run("sync", "--verify", code=0)
    estate.run("status", "isurus")
    estate.run("rename", "notes", "plans", code=0)
    return estate


def remains(estate: Estate) -> set[str]:
    """Return the paths in the home, but for folders and the repos."""
    files = [path for path in estate.home.rglob("*") if not path.is_dir()]
    inside = [path for path in files if not path.is_relative_to(estate.local_repos)]
    return {str(path.relative_to(estate.home)) for path in inside}


@pytest.mark.local_only("installs what works on this host only")
def test_nothing_is_left_but_repos_and_mirrors(used: Estate) -> None:
    assert len(remains(used)) > 15
    before = {**hash_tree(used.local_repos), **hash_tree(used.share)}
    shown = used.run("uninstall", "--dry-run", code=0).out
    for part in ("crontab", "completions", "/bin/git", "/state/repoman", "repoman.toml", ".log"):
        assert part in shown
    made = remains(used)
    assert "--yes" in used.run("uninstall", code=2).err
    assert remains(used) == made
    used.run("uninstall", "--yes", code=0)
    assert remains(used) == {"crontab"}
    assert (used.home / "crontab").read_text() == MINE
    assert not (used.home / ".config/repoman").exists()
    assert {**hash_tree(used.local_repos), **hash_tree(used.share)} == before
    assert used.run("uninstall", "--yes", code=0).out == "nothing is left\n"
    assert remains(used) == {"crontab"}


@pytest.mark.local_only("installs what works on this host only")
def test_what_is_interrupted_is_completed(used: Estate, tmp_path: Path) -> None:
    """A program on PATH ends the command after each of its deletions of a file or folder."""
    fake = tmp_path / "programs/rm"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\n/usr/bin/rm "$@"; kill -9 $PPID\n')
    fake.chmod(0o755)
    path = f"{fake.parent}:{used.environ['PATH']}"
    environ = {"PATH": path, "REPOMAN_TEST_NO_FORK": "1"}
    left = used.run("uninstall", "-n", code=0).out.splitlines()
    while left:
        assert used.run("uninstall", "--yes", environ=environ).code != 0
        shown = used.run("uninstall", "-n", code=0).out.splitlines()
        assert len(shown) < len(left) or shown == ["nothing is left"]
        left = [] if shown == ["nothing is left"] else shown
    assert used.run("uninstall", "--yes", code=0).out == "nothing is left\n"
    assert remains(used) == {"crontab"}


@pytest.mark.local_only("installs what works on this host only")
def test_what_others_made_stays(used: Estate) -> None:
    config, data = used.home / ".config/repoman", used.home / ".local/share"
    (config / "mine.txt").write_text("mine")
    (data / "bash-completion/completions/repoman").write_text("# somebody else's\n")
    used.run("uninstall", "--yes", code=0)
    assert remains(used) == {
        "crontab",
        ".config/repoman/mine.txt",
        ".local/share/bash-completion/completions/repoman",
    }


def test_a_folder_that_holds_repos_stays(estate: Estate) -> None:
    repos = estate.home / ".local/state/repoman/repos"
    (repos / "isurus").mkdir(parents=True)
    estate.run("setup", "--local-repos", str(repos), "--nfs-repos", str(estate.share), code=0)
    done = estate.run("uninstall", "--yes", code=0)
    assert "stays, because" in done.err
    assert (repos / "isurus").is_dir()
    assert not estate.registry.exists()


@pytest.mark.over_ssh
def test_uninstall_on_any_host(estate: Estate) -> None:
    estate.setup()
    estate.add("isurus")
    estate.run("sync", code=0)
    estate.run("uninstall", "--yes", code=0)
    assert not estate.registry.exists()
    assert (estate.local_repos / "isurus/README.md").exists()
    assert (estate.mirror("isurus") / "README.md").exists()
    assert estate.run("uninstall", "--yes", code=0).out == "nothing is left\n"
