"""Attacks by a repo that a container wrote on the host, and on the mirror."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.conftest import ContainerEstate
from tests.support.cures import paste_cure
from tests.support.estate import run
from tests.support.git_attacks import ATTACKS
from tests.support.processes import WAIT_SECONDS


@pytest.fixture
def repo(estate: ContainerEstate) -> Iterator[Path]:
    """Yield the git repo of isurus, which has a container, and an editor's folder.

    Remove afterwards what a test put beside them.
    """
    path = estate.local_repos / "isurus"
    if not path.exists():
        make_repo(estate)
    before = set(path.iterdir())
    yield path
    for more in set(path.iterdir()) - before:
        if more.is_symlink() or more.is_file():
            more.unlink()
        else:
            shutil.rmtree(more, ignore_errors=True)


def make_repo(estate: ContainerEstate) -> None:
    made = estate.repo("isurus", commits=3)
    (made / ".vscode").mkdir()
    (made / ".vscode/tasks.json").write_text("{}")
    (made / ".envrc").write_text("true\n")
    (made / ".repoman.toml").write_text('[env]\nA = "1"\n')
    estate.run("new", "isurus", code=0)


def as_user(estate: ContainerEstate, *argv: str) -> int:
    return estate.run("exec", "isurus", "--", *argv).code


def unmount(estate: ContainerEstate, repo: Path, *paths: str) -> None:
    """Unmount the read-only mounts as root inside, which nobody can prevent."""
    for path in paths:
        assert estate.exec_inside("isurus", "busybox", "umount", f"{repo}/{path}").code == 0


PROTECTED = {
    "a hook": 'echo x >"$0/.git/hooks/pre-commit"',
    "the hooks' folder": 'mv "$0/.git/hooks" "$0/.git/old"',
    "git's configuration": 'echo "[core]fsmonitor=x" >>"$0/.git/config"',
    "it, replaced": 'cp "$0/.git/config" "$0/x" && mv "$0/x" "$0/.git/config"',
    "a task of the editor": 'echo x >"$0/.vscode/tasks.json"',
    "the environment of the shell": 'echo x >"$0/.envrc"',
    "what it may ask for": 'echo x >"$0/.repoman.toml"',
}


@pytest.mark.shared
def test_what_the_host_runs_is_read_only(estate: ContainerEstate, repo: Path) -> None:
    for what, script in PROTECTED.items():
        assert as_user(estate, "sh", "-c", script, str(repo)) != 0, what
        assert estate.exec_inside("isurus", "sh", "-c", script, str(repo)).code != 0, what
    assert estate.findings() == {}


NEW = {
    "hook": (".git/hooks/post-checkout", "#!/bin/sh\n", ".git/hooks/post-checkout"),
    "fsmonitor": (".git/config", "[core]\n\tfsmonitor = /x\n", ".git/config: core.fsmonitor"),
    "hooksPath": (".git/config", "[core]\n\thooksPath = h\n", ".git/config: core.hookspath"),
    "filter": (".git/config", '[filter "x"]\nclean = y\n', ".git/config: filter.x.clean"),
    "diff": (".git/config", "[diff]\nexternal = y\n", ".git/config: diff.external"),
    "include": (".git/config", "[include]\npath = y\n", ".git/config: include.path"),
    "alias": (".git/config", "[alias]\nst = !y\n", ".git/config: alias.st"),
    "attributes": (".git/info/attributes", "* filter=x\n", ".git/info/attributes"),
    "husky": (".husky/pre-commit", "y\n", ".husky/pre-commit"),
    "idea": (".idea/workspace.xml", "y\n", ".idea/workspace.xml"),
}


def test_a_new_hazard_is_reported(estate: ContainerEstate, repo: Path) -> None:
    """If root unmounts it, or nothing was mounted, `status` reports it until it was seen."""
    unmount(estate, repo, ".git/config", ".git/hooks")
    config = (repo / ".git/config").read_text()
    script = 'mkdir -p "${0%/*}"; printf %s "$1" >>"$0"'
    for what, (path, text, message) in NEW.items():
        assert estate.exec_inside("isurus", "sh", "-c", script, f"{repo}/{path}", text).code == 0
        done = estate.run("status", "isurus", code=3)
        assert message in done.out, what
        assert "run by programs on this host" in done.out, what
        assert "marked as seen" in estate.run("status", "isurus", "--seen").err, what
        (repo / ".git/config").write_text(config)
    assert "hazard" not in estate.findings().get("isurus", [])


@pytest.mark.parametrize("as_root", [False, True], ids=["user", "root"])
def test_a_folder_that_cannot_be_listed(estate: ContainerEstate, repo: Path, as_root: bool) -> None:
    """Programs of the host open what is in it by its name, so it is reported until it is listed."""
    script = 'mkdir "$0/.zed"; echo x >"$0/.zed/tasks.json"; chmod 711 "$0/.zed"'
    if as_root:
        assert estate.exec_inside("isurus", "sh", "-c", script, str(repo)).code == 0
    else:
        script = script.replace("711", "311")
        assert as_user(estate, "sh", "-c", script, str(repo)) == 0
    assert run(["cat", str(repo / ".zed/tasks.json")], estate.environ).out == "x\n", "control"
    estate.run("status", "isurus", code=3)
    estate.run("status", "isurus", "--seen")
    out = estate.run("status", "isurus", code=3).out
    assert ".zed: a folder that can't be listed" in out
    (command,) = re.findall("`(incus exec [^`]*chmod[^`]*)`", out)
    assert run(["sh", "-c", command], estate.environ).code == 0
    out = estate.run("status", "isurus", code=3).out
    assert ".zed/tasks.json" in out
    assert "can't be listed" not in out
    estate.accept("isurus")
    assert "hazard" not in estate.findings().get("isurus", [])


def run_inside(estate: ContainerEstate, *argv: str, as_root: bool) -> int:
    return estate.exec_inside("isurus", *argv).code if as_root else as_user(estate, *argv)


def write_inside(estate: ContainerEstate, path: Path, text: str, *, as_root: bool = False) -> None:
    """Write a file inside; the folder is made."""
    script = 'mkdir -p "${0%/*}"; printf %s "$1" >"$0"'
    assert run_inside(estate, "sh", "-c", script, str(path), text, as_root=as_root) == 0


NESTED = {
    "an agent's hooks": "sub/.claude/settings.json",
    "a server of an agent": "sub/.mcp.json",
    "an editor's task": "a/b/.vscode/tasks.json",
    "the environment of a shell": "sub/.envrc",
    "a package manager": ".npmrc",
    "a compiler": "sub/.cargo/config.toml",
    "a repo in the repo": "sub/.git/hooks/pre-commit",
}


@pytest.mark.shared
@pytest.mark.parametrize("as_root", [False, True], ids=["user", "root"])
def test_what_other_programs_run_is_reported_at_any_depth(
    estate: ContainerEstate, repo: Path, as_root: bool
) -> None:
    for path in NESTED.values():
        write_inside(estate, repo / "below" / path, f"x{as_root}", as_root=as_root)
    assert "hazard" in estate.findings()["isurus"]
    done = estate.run("status", "isurus", code=3)
    assert [path for path in NESTED.values() if f"- below/{path}\n" not in done.out] == []
    estate.accept("isurus")
    assert "hazard" not in estate.findings().get("isurus", [])
    assert estate.exec_inside("isurus", "rm", "-rf", f"{repo}/below").code == 0


@pytest.mark.shared
def test_instructions_of_agents_are_a_note(estate: ContainerEstate, repo: Path) -> None:
    write_inside(estate, repo / "AGENTS.md", "x")
    assert estate.findings() == {}
    done = estate.run("status", "isurus")
    assert "1 file in" in done.out
    assert "- AGENTS.md\n" in done.out
    assert estate.findings("isurus") == {"isurus": ["instructions"]}
    paste_cure(estate, "instructions", look=("status", "isurus"))
    assert estate.findings("isurus") == {}


@pytest.mark.shared
@pytest.mark.parametrize("as_root", [False, True], ids=["user", "root"])
def test_decoys_hide_nothing(estate: ContainerEstate, repo: Path, as_root: bool) -> None:
    """The kinds are counted, and under a name all are listed."""
    script = 'mkdir "$0"; i=0; while [ $i -lt 300 ]; do : >"$0/$i"; i=$((i+1)); done'
    assert run_inside(estate, "sh", "-c", script, f"{repo}/.idea", as_root=as_root) == 0
    write_inside(estate, repo / ".claude/settings.json", "{}", as_root=as_root)
    done = estate.run("status", code=3)
    assert "1 of agents: .claude/settings.json; 300 of editors: .idea (300 files)" in done.out
    done = estate.run("status", "isurus", code=3)
    assert done.out.count("    - .idea/") == 300
    items = estate.run("status", "--json").json["findings"]
    assert next(len(one["items"]) for one in items if one["kind"] == "hazard") == 301
    made = (f"{repo}/.idea", f"{repo}/.claude")
    assert estate.exec_inside("isurus", "rm", "-rf", *made).code == 0


def test_only_what_was_listed_is_marked_as_seen(estate: ContainerEstate, repo: Path) -> None:
    """A change between listing and marking stays new; an overview lists nothing in full."""
    write_inside(estate, repo / ".npmrc", "a")
    estate.run("status", code=3)
    estate.run("status", "isurus", "--json", code=3)
    done = estate.run("status", "isurus", "--seen", code=6)
    assert "'status isurus' has not listed what is new: run `repoman status isurus`" in done.err
    assert estate.run("status", "isurus", "--seen", "--yes").code == 6, "--yes is no answer"
    estate.run("status", "isurus", code=3)
    write_inside(estate, repo / ".npmrc", "b")
    write_inside(estate, repo / "mise.toml", "b")
    done = estate.run("status", "isurus", "--seen", code=3)
    assert "2 of tools: .npmrc, mise.toml" in done.out
    estate.run("status", "isurus", "--seen")
    assert "hazard" not in estate.findings().get("isurus", [])
    estate.run("status", "--seen")


def test_a_git_directory_that_is_moved_away(estate: ContainerEstate, repo: Path) -> None:
    """The mounts move with it; `status` reports its replacement, `update` protects it."""
    script = 'mv "$0/.git" "$0/.old"; mkdir -p "$0/.git/hooks"; echo x >"$0/.git/hooks/pre-push"'
    assert estate.exec_inside("isurus", "sh", "-c", script, str(repo)).code == 0
    assert ".git/hooks/pre-push" in estate.run("status", code=3).out


def test_what_is_protected_outlives_the_container(estate: ContainerEstate, repo: Path) -> None:
    """The files are the user's own, and only mounted on themselves."""
    files = [path for path in repo.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    for argv in (
        ["stop", "isurus"],
        ["start", "isurus"],
        ["restart", "isurus", "--force"],
        ["update", "isurus", "--restart"],
        ["update", "isurus", "--rebuild", "--restart"],
    ):
        estate.run(*argv, code=0)
    text = estate.registry.read_text()
    opted = text.replace('name = "isurus"\n', 'name = "isurus"\nprotect = false\n')
    estate.registry.write_text(opted)
    assert (
        "not changed without --restart: device: remove protected-1"
        in estate.run("update", "isurus").err
    )
    estate.run("update", "isurus", "--restart", code=0)
    estate.registry.write_text(estate.registry.read_text().replace("protect = false\n", ""))
    assert (
        "not changed without --restart: device: set protected-1 to"
        in estate.run("update", "isurus").err
    )
    assert {path: path.read_bytes() for path in files} == before
    estate.run("update", "isurus", "--restart", code=0)
    assert estate.findings() == {}
    estate.incus("delete", "--force", "isurus")
    estate.run("status", "--missing", "recreate")
    estate.run("remove", "isurus", "--yes", code=0)
    assert {path: path.read_bytes() for path in files} == before


def test_a_link_in_the_place_of_what_is_protected(estate: ContainerEstate, repo: Path) -> None:
    """It is not followed: the container does not start, and `update` omits that mount."""
    estate.new("lamna", "--no-container")
    (estate.local_repos / "lamna/secret").write_text("x")
    script = 'mv "$0/.vscode" "$0/.old"; ln -s "$1" "$0/.vscode"'
    for target in ("/etc", "@/lamna", "../lamna", "@/isurus/.."):
        to = target.replace("@", str(estate.local_repos))
        unmount(estate, repo, ".vscode")
        assert estate.exec_inside("isurus", "sh", "-c", script, str(repo), to).code == 0
        assert estate.run("restart", "isurus", "--force").code != 0, target
        estate.run("update", "isurus", code=0)
        estate.run("start", "isurus", code=0)
        assert estate.exec_inside("isurus", "cat", f"{repo}/.vscode/secret").code != 0, target
        (repo / ".vscode").unlink()
        (repo / ".old").rename(repo / ".vscode")
        estate.run("update", "isurus", "--restart", code=0)


def test_a_person_can_do_without_protection(estate: ContainerEstate, repo: Path) -> None:
    """A repo cannot."""
    for value in ("false", '"guard"'):
        (repo / ".repoman.toml").write_text(f"protect = {value}\n")
        assert "unknown key 'protect'" in estate.run("update", "isurus", code=2).err
    (repo / ".repoman.toml").write_text("")
    text = estate.registry.read_text()
    opted = text.replace('name = "isurus"\n', 'name = "isurus"\nprotect = false\n')
    estate.registry.write_text(opted)
    estate.run("update", "isurus", "--restart", code=0)
    assert as_user(estate, "sh", "-c", 'echo x >"$0/.git/hooks/y"', str(repo)) == 0
    assert "hazard" in estate.findings()["isurus"], "it is still reported"


@pytest.mark.shared
def test_a_mount_that_a_change_outside_took_away(estate: ContainerEstate, repo: Path) -> None:
    """The kernel drops a mount on a file that is replaced, as git and sed do; so it is told."""
    writes = {
        path: ("sh", "-c", 'echo "# x" >>"$0"', f"{repo}/{path}")
        for path in (".git/config", ".envrc")
    }
    for path, argv in writes.items():
        assert as_user(estate, *argv) != 0, path
        assert estate.exec_inside("isurus", *argv).code != 0, path
    estate.git(repo, "remote", "add", "origin", "https://example.org/x.git")
    assert run(["sed", "-i", "s/true/false/", str(repo / ".envrc")], estate.environ).code == 0
    for path, argv in writes.items():
        assert as_user(estate, *argv) == 0, f"{path} can be written from inside now"
        assert estate.exec_inside("isurus", *argv).code == 0, path
    assert "lost-mount" in estate.findings()["isurus"]
    assert "because a mount was lost: .git/config, .envrc" in estate.run("status", code=3).out
    paste_cure(estate, "lost-mount")
    assert "lost-mount" not in estate.findings()["isurus"]
    for path, argv in writes.items():
        assert as_user(estate, *argv) != 0, path
    paste_cure(estate, "hazard", 0, 1)


@pytest.mark.shared
def test_a_mount_that_root_inside_took_away(estate: ContainerEstate, repo: Path) -> None:
    """It is told, unless root inside lies: what looks from inside can be deceived."""
    unmount(estate, repo, ".vscode")
    assert estate.findings() == {"isurus": ["lost-mount"]}
    again = 'busybox mount -o bind "$0" "$0"'
    assert estate.exec_inside("isurus", "sh", "-c", again, f"{repo}/.vscode").code == 0
    assert estate.findings() == {"isurus": ["lost-mount"]}, "a mount, and one that can be written"
    hide = 'busybox mount -t tmpfs none "$0"'
    assert estate.exec_inside("isurus", "sh", "-c", hide, f"{repo}/.git/hooks").code == 0
    assert ".git/hooks" in estate.run("status", code=3).out
    paste_cure(estate, "lost-mount")
    assert estate.findings() == {}


@pytest.mark.shared
def test_a_protected_file_that_is_gone_has_no_mount_to_lose(
    estate: ContainerEstate, repo: Path
) -> None:
    content = (repo / ".envrc").read_text()
    (repo / ".envrc").unlink()
    assert estate.findings() == {}
    (repo / ".envrc").write_text(content)
    assert "lost-mount" in estate.findings()["isurus"]
    estate.run("restart", "isurus", "--force", code=0)


WRITES_CONFIG = {
    "remote add": "git remote add more ~/other.git",
    "push -u": "git push -q -u origin main",
    "checkout of a remote branch": "git checkout -q feature; git checkout -q main",
    "branch -m": "git branch -m feature renamed",
    "submodule update --init": (
        "git -c protocol.file.allow=always submodule --quiet add /var/tmp/far.git sub;"
        " git submodule update --init"
    ),
    "lfs install": "git config filter.lfs.clean 'git-lfs clean -- %f'",
}
"""Commands that write git's configuration; `lfs install` also writes hooks, if it is let."""


def test_git_inside_says_why_it_cannot_write_its_configuration(estate: ContainerEstate) -> None:
    """In a login shell, whatever git's exit code is; `exec` says it if git fails."""
    estate.repo("isurus", commits=1)
    estate.run("new", "isurus", "--image", "debian", code=0)
    hint = "repoman: .git/config is read-only in a container: run this outside of it"
    script = "git branch --track two main; git status -s; git config --global a.b c"
    done = estate.run("shell", "isurus", "--", "bash", "-lc", script, code=0)
    assert done.err.count(hint) == 1, "whatever git exits with"
    done = estate.run("shell", "isurus", "--", "sh", "-lc", "git config a.b c")
    assert (done.code, hint in done.err) == (4, True)
    done = estate.run("exec", "isurus", "--", "git", "config", "a.b", "c", code=4)
    assert "if git could not write its configuration: .git/config is read-only" in done.err
    done = estate.run("exec", "isurus", "--", "git", "log", "--nope")
    assert "read-only" not in done.err
    assert estate.run("shell", "isurus", "--", "bash", "-lc", "git log --oneline", code=0).out


def test_gits_configuration_can_be_left_to_the_guard(estate: ContainerEstate) -> None:
    """With it git does all inside; hooks stay read-only. Without it, each of these fails."""
    estate.repo("isurus", commits=1)
    assert "run `repoman git-guard install`" in estate.run("new", "isurus", "--protect=guard").err
    estate.git(estate.local_repos / "isurus", "remote", "add", "origin", "/var/tmp/far.git")
    estate.run("new", "isurus", "--image", "debian", code=0)
    prepare = """
        set -e
        git init -q --bare -b main /var/tmp/far.git
        git -C "$0" push -q /var/tmp/far.git main:main main:feature
    """
    repo = f"{estate.local_repos}/isurus"
    assert as_user(estate, "sh", "-c", prepare, repo) == 0
    assert as_user(estate, "git", "fetch", "--quiet") == 0
    for what, script in WRITES_CONFIG.items():
        done = estate.run("exec", "isurus", "--", "sh", "-c", script)
        assert "could not write config file" in done.err, (what, done)
    clean = "git reset -q --hard; git clean -qffdx; rm -rf .git/modules; git branch -D {}"
    as_user(estate, "sh", "-c", clean.format("feature; git branch -D renamed"))
    text = estate.registry.read_text()
    opted = text.replace('name = "isurus"\n', 'name = "isurus"\nprotect = "guard"\n')
    estate.registry.write_text(opted)
    estate.run("update", "isurus", "--restart", code=0)
    assert "guard" in estate.findings()["isurus"]
    paste_cure(estate, "guard")
    assert "guard" not in estate.findings().get("isurus", [])
    for what, script in WRITES_CONFIG.items():
        done = estate.run("exec", "isurus", "--", "sh", "-ec", script)
        assert (done.code, "could not" in done.err) == (0, False), (what, done)
    for path in (".git/hooks/x", ".git/modules/sub/hooks/x"):
        code = as_user(estate, "sh", "-c", 'echo x >"$0"', f"{repo}/{path}")
        assert (code != 0) == (path == ".git/hooks/x"), "a new submodule is not protected yet"
    estate.run("update", "isurus", "--restart", code=0)
    assert as_user(estate, "sh", "-c", 'echo x >"$0"', f"{repo}/.git/modules/sub/hooks/x") != 0


def test_git_still_works_inside(estate: ContainerEstate) -> None:
    made = estate.repo("isurus", commits=3)
    estate.run("new", "isurus", "--image", "debian", code=0)
    script = """
        set -e
        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
        git branch feature; git checkout -q feature; echo x >x; git add x; git commit -qm x
        git checkout -q main; echo y >y; git add y; git commit -qm y
        git checkout -q feature; git rebase -q main; git checkout -q main; git merge -q feature
        git worktree add -q ../tree feature 2>/dev/null || git worktree add -q tree feature
        git fetch -q . main; git stash list; git gc -q; git tag v1; git fsck --full
    """
    done = estate.run("exec", "isurus", "--", "sh", "-c", script)
    assert done.code == 0, done
    assert estate.git(made, "log", "--format=%s", "-2").split() == ["x", "y"]
    assert "hazard" not in estate.findings().get("isurus", [])


@pytest.mark.shared
def test_files_of_other_users_are_listed_with_a_cure_that_works(
    estate: ContainerEstate, repo: Path
) -> None:
    estate.exec_inside("isurus", "sh", "-c", 'mkdir "$0/d"; echo x >"$0/d/f"', str(repo))
    estate.run("sync", code=0)
    done = estate.run("status", code=0)
    assert f"2 files and folders in {repo} belong to other users of its container" in done.out
    paste_cure(estate, "owner")
    assert (repo / "d").stat().st_uid == os.getuid()
    assert "belong to other users" not in estate.run("status", code=0).out


# --- git on the host --------------------------------------------------------------------------


TRAPS = ("gitlink", "submodule", "config.worktree", "exec in a rebase", "filter", "fsmonitor")


def test_no_command_runs_a_program_of_a_git_directory(estate: ContainerEstate, repo: Path) -> None:
    """Each trap would be sprung by `git status` or the like, as the first one is at the end."""
    unmount(estate, repo, ".git/config", ".git/hooks")
    trap, payload = estate.base / "sprung", estate.base / "payload"
    payload.write_text(f"#!/bin/sh\ntouch {trap}\n")
    payload.chmod(0o755)
    for name in TRAPS:
        ATTACKS[name].plant(repo, payload)
    for hook in ("post-checkout", "pre-commit", "reference-transaction", "post-index-change"):
        (repo / ".git/hooks" / hook).write_text(payload.read_text())
        (repo / ".git/hooks" / hook).chmod(0o755)
    trap.unlink(missing_ok=True)
    for argv in (
        ["list"],
        ["status"],
        ["sync"],
        ["update", "isurus"],
        ["exec", "isurus", "--", "true"],
        ["restart", "isurus", "--force"],
        ["setup"],
        ["new", "more", "--create"],
        ["remove", "isurus", "--yes"],
    ):
        estate.run(*argv, cwd=repo)
        assert not trap.exists(), argv
    estate.git(repo, "status")
    assert trap.exists()


WRITTEN_INSIDE = ("gitlink", "commondir", "exec in a rebase")
"""An attack of each kind. All of them are in tests/integration/test_git_guard.py."""
MORE_WRITTEN_INSIDE = (
    *("gitfile", "config.worktree", "60 decoys in modules", "hooksPath", "256 KiB of comments"),
    *("byte order mark", "form feed", "gitlink of a merge", "include"),
)


def emptied(estate: ContainerEstate, repo: Path) -> None:
    """Empty the folder of the repo, which stays mounted, as root inside."""
    script = 'find "$0" -mindepth 1 -maxdepth 1 -exec rm -rf {} +'
    assert estate.exec_inside("isurus", "sh", "-c", script, str(repo)).code == 0


def write_tree(estate: ContainerEstate, repo: Path, archive: bytes, *, as_root: bool) -> None:
    """Replace what is in the repo, from inside; root gives what it writes to the user."""
    emptied(estate, repo)
    ids = [] if as_root else [f"--user={os.getuid()}", f"--group={os.getgid()}"]
    argv = ["incus", "exec", "isurus", "--project", estate.project, *ids, "--"]
    argv += ["busybox", "tar", "-C", str(repo), "-x", "-f", "-"]
    subprocess.run(argv, input=archive, env=estate.environ, check=True)


@pytest.mark.parametrize("as_root", [False, True], ids=["user", "root"])
@pytest.mark.parametrize(
    "names",
    [WRITTEN_INSIDE, pytest.param(MORE_WRITTEN_INSIDE, marks=pytest.mark.nightly)],
    ids=["some", "more"],
)
def test_a_git_directory_that_was_written_inside(
    estate: ContainerEstate, repo: Path, as_root: bool, names: tuple[str, ...]
) -> None:
    """Without the mounts that make it read-only, which root can take away."""
    registry = estate.registry.read_text()
    estate.registry.write_text(
        registry.replace('name = "isurus"\n', 'name = "isurus"\nprotect = false\n')
    )
    estate.run("update", "isurus", "--restart", code=0)
    estate.run("git-guard", "install", code=0)
    guard = estate.home / ".local/share/repoman/bin"
    guarded = {**estate.environ, "PATH": f"{guard}:{estate.environ['PATH']}"}
    fired, payload = estate.base / "fired", estate.base / "payload"
    payload.write_text(f"#!/bin/sh\ntouch {fired}\nexit 1\n")
    payload.chmod(0o755)
    pack = ["tar", "-C", str(repo), "-c", "."]
    clean = subprocess.run(pack, stdout=subprocess.PIPE, check=True).stdout
    for name in names:
        attack = ATTACKS[name]
        attack.plant(repo, payload)
        archive = subprocess.run(pack, stdout=subprocess.PIPE, check=True).stdout
        write_tree(estate, repo, archive, as_root=as_root)
        fired.unlink(missing_ok=True)
        found = estate.run("status", "--json", code=3).json["findings"]
        items = [item for finding in found for item in finding["items"]]
        assert any(attack.reported in item for item in items), (name, items)
        done = run(["git", *attack.argv], guarded, cwd=repo / attack.worktree)
        assert (done.code, fired.exists()) == (128, False), (name, done)
        run(["git", *attack.argv], estate.environ, cwd=repo / attack.worktree)
        assert fired.exists(), f"{name}: where nothing holds it, it works"
        write_tree(estate, repo, clean, as_root=as_root)
    assert run(["git", "status"], guarded, cwd=repo).code == 0


# --- the mirror -------------------------------------------------------------------------------


@pytest.mark.shared
def test_links_are_mirrored_as_links(estate: ContainerEstate, repo: Path) -> None:
    secret = estate.home / "secret"
    secret.write_text("x")
    script = 'ln -s "$1" "$0/a"; ln -s ../../secret "$0/b"; ln -s /etc "$0/c"'
    estate.exec_inside("isurus", "sh", "-c", script, str(repo), str(secret))
    estate.run("sync", code=0)
    for name in "abc":
        assert (estate.mirror("isurus") / name).is_symlink()


@pytest.fixture
def race(estate: ContainerEstate, repo: Path) -> Iterator[None]:
    """Swap a folder for a symlink to elsewhere and back in a loop, as root inside."""
    estate.exec_inside("isurus", "mkdir", f"{repo}/d", f"{repo}/e")
    estate.exec_inside("isurus", "sh", "-c", 'echo x >"$0/d/f"', str(repo))
    script = (
        'cd "$0"; while :; do mv d real; ln -s "$1" d; rm d; mv real d; '
        "mv e real; ln -s ../../../ e; rm e; mv real e; done"
    )
    argv = ["incus", "exec", "isurus", "--project", estate.project, "--", "sh", "-c", script]
    process = subprocess.Popen([*argv, str(repo), str(estate.home)], env=estate.environ)
    yield
    estate.incus("stop", "--force", "isurus")
    process.wait(WAIT_SECONDS)


@pytest.mark.usefixtures("race")
def test_a_race_of_renames_under_the_mirror(estate: ContainerEstate) -> None:
    (estate.home / "private").write_text("x")
    outside = estate.share / "outside"
    outside.mkdir()
    for _ in range(8):
        estate.run("sync")
        names = {path.name for path in estate.mirror("isurus").rglob("*")}
        assert "private" not in names
        assert ".config" not in names
    assert list(outside.iterdir()) == []
    assert {path.name for path in estate.share.iterdir()} <= {
        *("isurus", "outside", ".repoman-share", ".repoman-share.registry"),
        *(".repoman-generation", ".repoman-share.baselines"),
    }


@pytest.mark.usefixtures("race")
def test_a_race_of_renames_under_a_snapshot(estate: ContainerEstate) -> None:
    """The container is frozen meanwhile, and no copy of the home gets where `undo` finds it."""
    (estate.home / "private").write_text("x")
    for _ in range(5):
        estate.run("snapshot", "isurus", code=0)
    (copies,) = (estate.home / ".local/state/repoman/mirrors").glob("*/snapshots/isurus")
    taken = list(copies.glob("*/repo"))
    assert len(taken) == 5
    names = {path.name for copy in taken for path in copy.rglob("*")}
    assert not names & {"private", ".config"}
    write = 'find / -xdev -path "*/snapshots/*" 2>/dev/null | head -n 1'
    assert estate.exec_inside("isurus", "sh", "-c", write).out == ""


STARTS = """\
#!/bin/sh
if mkdir "$0.begun" 2>/dev/null; then incus start isurus --project {project}; fi
exec {program} "$@"
"""
NOTES = """\
#!/bin/sh
incus list --project {project} --format csv --columns ns >>"$0.noted"
exec {program} "$@"
"""


def programs_of(estate: ContainerEstate, **scripts: str) -> dict[str, str]:
    """Return a PATH on which programs of the host do more, each by its script."""
    folder = Path(tempfile.mkdtemp(dir=estate.base))
    for name, script in scripts.items():
        program = folder / name
        program.write_text(script.format(project=estate.project, program=shutil.which(name)))
        program.chmod(0o755)
    return {"PATH": f"{folder}:{estate.environ['PATH']}"}


def noted_by(path: dict[str, str], name: str) -> set[str]:
    return set(Path(path["PATH"].split(":")[0], f"{name}.noted").read_text().splitlines())


def test_a_container_that_reboots_under_a_snapshot_or_an_undo(isurus: ContainerEstate) -> None:
    """Incus has it as stopped while it reboots, so that nobody has frozen or stopped it."""
    repo = isurus.local_repos / "isurus"
    (repo / "x").write_text("before")
    isurus.run("stop", "isurus", code=0)
    isurus.run("snapshot", "isurus", code=0)
    starts = programs_of(isurus, cp=STARTS)
    refused = isurus.run("snapshot", "isurus", environ=starts, code=1)
    assert "has started while its repo was copied" in refused.err
    assert isurus.run("stop", "isurus", "--force", code=0).code == 0
    assert len(isurus.run("snapshot", "list", "isurus", "--json", code=0).json["snapshots"]) == 1
    (repo / "x").write_text("after, and longer")
    undoes = programs_of(isurus, sleep=STARTS, rsync=NOTES)
    isurus.run("undo", "isurus", "--repo", "--yes", environ=undoes, code=0)
    assert (repo / "x").read_text() == "before"
    assert noted_by(undoes, "rsync") == {"isurus,STOPPED"}
    assert isurus.state("isurus") == "stopped", "its reboot has ended"


def test_a_container_that_reboots_when_it_is_to_stop(isurus: ContainerEstate) -> None:
    init = "#!/bin/sh\ntrap 'busybox reboot -f' TERM PWR\nwhile :; do sleep 600 & wait $!; done\n"
    script = 'rm /sbin/init; printf %s "$0" >/sbin/init; chmod 755 /sbin/init'
    assert isurus.exec_inside("isurus", "sh", "-c", script, init).code == 0
    isurus.run("restart", "isurus", "--force", code=0)
    isurus.run("stop", "isurus", code=0)
    assert isurus.state("isurus") == "stopped"


def test_a_repo_that_leaves_itself_out_of_its_mirror(estate: ContainerEstate, repo: Path) -> None:
    """It removes nothing from the mirror or its history, and is reported."""
    for number in range(60):
        (repo / f"work-{number}").write_text("x")
    estate.run("sync", code=0)
    names = ("work-*", "objects", "refs", "HEAD", "?git", "/[.]git/**", "*.pack")
    unmount(estate, repo, ".repoman.toml")
    (repo / ".repoman.toml").write_text(f"exclude = {json.dumps(names)}\n")
    estate.run("update", "isurus", code=0)
    assert estate.run("sync", "isurus", code=6).err.count("--force") >= 1
    estate.git(repo, "commit", "--allow-empty", "-qm", "more")
    estate.run("sync", "isurus", "--force", code=0)
    mirror = estate.mirror("isurus")
    assert (mirror / "work-7").exists()
    assert estate.git(mirror, "rev-parse", "HEAD") == estate.git(repo, "rev-parse", "HEAD")
    estate.git(mirror, "fsck", "--full")
    assert ", ".join(names) in estate.run("status").out


@pytest.mark.shared
def test_a_link_on_the_share_is_not_written_through(estate: ContainerEstate, repo: Path) -> None:
    estate.run("sync", code=0)
    elsewhere = estate.share / "elsewhere"
    estate.mirror("isurus").rename(elsewhere)
    before = sorted(os.listdir(elsewhere))
    estate.mirror("isurus").symlink_to(elsewhere)
    (repo / "new").write_text("x")
    done = estate.run("sync", "isurus")
    assert done.code == 6
    assert sorted(os.listdir(elsewhere)) == before
    estate.mirror("isurus").unlink()
    elsewhere.rename(estate.mirror("isurus"))


def test_a_pipe_in_every_place_that_is_looked_at(estate: ContainerEstate, repo: Path) -> None:
    """Nothing waits for a writer, not even until its time limit."""
    estate.run("remove", "isurus", "--yes", code=0)
    for path in (".envrc", ".repoman.toml", ".git/config"):
        (repo / path).unlink()
        os.mkfifo(repo / path)
    for argv in (["new", "isurus"], ["status"], ["sync"], ["list"]):
        done = estate.run(*argv)
        assert "did not answer" not in done.out + done.err
