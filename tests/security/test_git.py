"""Attacks by git in a container on git on the host, which fetches from it and pushes to it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.containers.conftest import ContainerEstate
from tests.support.estate import run
from tests.support.git_client import GitClient, packets
from tests.support.processes import WAIT_SECONDS, find_processes, wait_until

CLEAR = b"\x1b[2J\x9b\xc2\x9b31m\x07"
OID = b"1" * 40
ADVERTISED = packets(
    *(b"version 2\n", b"agent=git/2.39.5\n", b"ls-refs=unborn\n", b"fetch=shallow\n"),
    *(b"object-format=sha1\n", None),
)
REFS = packets(
    *(OID + b" HEAD symref-target:refs/heads/main\n", OID + b" refs/heads/main\n"),
    *(OID + b" refs/heads/a\xc2\x9b31m\n", None),
)


@pytest.fixture
def repo(git_repo: Path) -> Path:
    return git_repo


@pytest.fixture
def git(estate: ContainerEstate) -> Iterator[GitClient]:
    client = GitClient(estate)
    yield client
    shutil.rmtree(client.folder)


def replace_git(estate: ContainerEstate, script: str) -> None:
    """Put a script in the place of git in the container."""
    put = 'printf "#!/bin/sh\\n%s\\n" "$1" >/usr/local/bin/git && chmod 755 /usr/local/bin/git'
    assert estate.exec_inside("isurus", "sh", "-c", put, "sh", script).code == 0


@pytest.mark.shared
def test_control_characters_in_what_git_prints(
    estate: ContainerEstate, git: GitClient, repo: Path
) -> None:
    """In progress, an error, and the name of a ref."""
    stream = repo / "stream"
    answer = packets(b"packfile\n", b"\2" + CLEAR + b"work\n", b"\3" + CLEAR + b"boom\n", None)
    stream.write_bytes(ADVERTISED + REFS + answer)
    (repo / "serve").write_text(f"cat {stream}; cat >/dev/null\n")
    bare = ["-c", "protocol.ext.allow=always", "clone", f"ext::sh {repo}/serve", "bare"]
    assert "\x1b[2J" in git.run(*bare, code=128).err, "the attack works where nothing holds it"
    replace_git(estate, f"cat {stream}")
    error = git.run("clone", git.url("isurus"), code=128).err
    assert "remote: ?[2J???31m?work" in error
    assert "?boom" in error
    assert error.isprintable() or not set(error) & set("\x1b\x9b\x07\udc9b"), error
    refs = git.run("ls-remote", git.url("isurus")).out
    assert "refs/heads/a??31m\n" in refs


@pytest.mark.shared
def test_control_characters_of_a_hook_at_a_push(
    estate: ContainerEstate, git: GitClient, repo: Path
) -> None:
    hook = repo / ".git/hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nprintf '\\033[2Jwork\\n'; printf '\\033[2J' >&2\n")
    hook.chmod(0o755)
    clone = git.clone("isurus")
    bare = ["push", str(repo), "HEAD:refs/heads/bare"]
    assert "\x1b[2Jwork" in git.run(*bare, cwd=clone).err, "the attack works without the helper"
    error = git.run("push", "origin", "HEAD:refs/heads/x", cwd=clone).err
    assert "remote: ?[2Jwork" in error
    assert "\x1b" not in error
    assert estate.git(repo, "rev-parse", "x") == estate.git(repo, "rev-parse", "main")


@pytest.mark.shared
@pytest.mark.parametrize("ending", ["exit 3", "cat {stream}; exit 3"])
def test_what_git_in_a_container_prints_beside_its_packets(
    estate: ContainerEstate, git: GitClient, repo: Path, ending: str
) -> None:
    (repo / "stream").write_bytes(ADVERTISED + REFS)
    flood = "i=0; while [ $i -lt 9999 ]; do printf '\\033[2Jbad line\\n' >&2; i=$((i+1)); done"
    replace_git(estate, f"{flood}; {ending.format(stream=repo / 'stream')}")
    done = git.run("ls-remote", git.url("isurus"), code=None)
    assert "bad line" in done.err
    assert "\x1b" not in done.err
    assert len(done.err) < 3 << 16, "what is beyond a limit is left out"


@pytest.mark.shared
def test_an_older_protocol(estate: ContainerEstate, git: GitClient, repo: Path) -> None:
    assert repo.exists()
    replace_git(estate, 'unset GIT_PROTOCOL; exec /usr/bin/git "$@"')
    error = git.run("clone", git.url("isurus"), code=128).err
    assert "git in isurus does not speak version 2 of git's protocol" in error
    replace_git(estate, 'exec /usr/bin/git "$@"')
    git.clone("isurus")


@pytest.mark.shared
def test_what_is_no_packet(estate: ContainerEstate, git: GitClient, repo: Path) -> None:
    for text, says in {
        "zzzz": "an invalid length",
        "0004": "an invalid length",
        "ffffx": "an invalid length",
        "000eversion 1\n": "does not speak version 2",
        "SSH-2.0-x\r\n": "an invalid length",
    }.items():
        (repo / "stream").write_text(text)
        replace_git(estate, f"cat {repo}/stream")
        error = git.run("ls-remote", git.url("isurus"), code=128).err
        assert f"repoman: git in isurus {'' if 'not' in says else 'sent '}{says}" in error, text


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Do what Ctrl-C does, to git and what it started."""
    os.killpg(process.pid, signal.SIGINT)


@pytest.mark.over_ssh
def test_a_stream_that_never_ends(
    estate: ContainerEstate, git: GitClient, repo: Path, marker: str
) -> None:
    """Whatever ends git ends the program in the container, too."""
    for kind in ("stalled", "endless"):
        for end in (interrupt, subprocess.Popen.kill):
            ends_with_git(estate, git, repo, marker, kind, end)


def ends_with_git(
    estate: ContainerEstate,
    git: GitClient,
    repo: Path,
    marker: str,
    kind: str,
    end: Callable[[subprocess.Popen[bytes]], None],
) -> None:
    begin = packets(b"packfile\n", b"\2still here\n")
    (repo / "stream").write_bytes(ADVERTISED + REFS + begin)
    loop = f'exec sh -c "while :; do printf \\"%s\\" \\"\\$0\\"; done" "000b\2more \n" {marker}'
    more = loop if kind == "endless" else f"exec sleep {marker}"
    replace_git(estate, f"cat {repo}/stream; trap '' INT TERM HUP; {more}")
    process = git.start("clone", git.url("isurus"), f"{kind}-{end.__name__}")
    try:
        wait_until(lambda: "still here" in (git.folder / "log").read_text(errors="replace"))
        wait_until(lambda: find_processes(marker))
        end(process)
        process.wait(WAIT_SECONDS)
        wait_until(lambda: not find_processes(marker))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


TRAP = '#!/bin/sh\n[ -e /inside ] && where=inside || where=outside\ntouch "{}/ran-$where"\n'
HOOKS = ("reference-transaction", "pre-receive", "update", "post-receive", "post-update")


@pytest.mark.shared
def test_what_git_in_the_repo_would_run_runs_inside_only(
    estate: ContainerEstate, git: GitClient, repo: Path
) -> None:
    assert estate.exec_inside("isurus", "touch", "/inside").code == 0
    trap = repo / "trap"
    trap.write_text(TRAP.format(repo))
    trap.chmod(0o755)
    with (repo / ".git/config").open("a") as config:
        config.write(f"[core]\n\tfsmonitor = {trap}\n\tsshCommand = {trap}\n\tpager = {trap}\n")
        config.write(f"[uploadpack]\n\tpackObjectsHook = {trap}\n[alias]\n\tfetch = !{trap}\n")
        config.write(f'[remote "origin"]\n\tuploadpack = {trap}\n\treceivepack = {trap}\n')
    (repo / ".git/hooks").mkdir(exist_ok=True)
    for name in HOOKS:
        (repo / ".git/hooks" / name).symlink_to(trap)
    outside, inside = repo / "ran-outside", repo / "ran-inside"
    clone = git.clone("isurus")
    git.run("fetch", cwd=clone)
    git.run("push", "origin", "HEAD:refs/heads/x", cwd=clone)
    assert inside.exists(), "hooks run inside"
    assert not outside.exists()
    git.run("-C", str(repo), "status")
    assert outside.exists(), "the attack works where nothing holds it"


@pytest.mark.shared
def test_objects_from_outside_of_the_container(
    estate: ContainerEstate, git: GitClient, repo: Path
) -> None:
    """By a repo that names another one on the host as its alternate."""
    secret = estate.repo("secret", commits=3)
    oid = estate.git(secret, "rev-parse", "HEAD").strip()
    (repo / ".git/objects/info/alternates").write_text(f"{secret}/.git/objects\n")
    (repo / ".git/refs/heads/stolen").write_text(f"{oid}\n")
    git.run("clone", "--no-local", str(repo), "bare")
    assert git.run("-C", "bare", "cat-file", "-t", oid).out == "commit\n", "the attack works"
    git.run("clone", git.url("isurus"), "clone", code=None)
    for clone in git.folder.glob("clone"):
        git.run("-C", str(clone), "cat-file", "-t", oid, code=128)


@pytest.mark.shared
def test_an_object_that_git_would_trip_over(
    estate: ContainerEstate, git: GitClient, repo: Path
) -> None:
    blob = estate.git(repo, "hash-object", "-w", "README.md").strip()
    listed = run(
        ["git", "-C", str(repo), "mktree"], estate.environ, given=f"100644 blob {blob}\t.git\n"
    )
    made = estate.git(repo, "commit-tree", "-m", "x", listed.out.strip()).strip()
    estate.git(repo, "branch", "bad", made)
    off = ("-c", "transfer.fsckObjects=false")
    git.run(*off, "clone", "--no-local", "--no-checkout", str(repo), "bare")
    assert git.run("-C", "bare", "cat-file", "-t", made).out == "commit\n", "the attack works"
    error = git.run("clone", git.url("isurus"), "clone", code=128).err
    assert "contains '.git'" in error
    assert not (git.folder / "clone").exists()


@pytest.mark.shared
def test_no_variable_of_the_host_reaches_git_inside(
    estate: ContainerEstate, git: GitClient, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_git(estate, f'env >{repo}/env; exec /usr/bin/git "$@"')
    secret = {"SECRET_TOKEN": "x", "GIT_TRACE_X": "1", "SSH_AUTH_SOCK": "/s", "LANG": "C"}
    for variable, value in secret.items():
        monkeypatch.setitem(estate.environ, variable, value)
    clone = git.clone("isurus")
    fetching = (repo / "env").read_text()
    assert "GIT_PROTOCOL=version=2\n" in fetching
    git.run("push", "origin", "HEAD:refs/heads/x", cwd=clone)
    for text in (fetching, (repo / "env").read_text()):
        names = {line.partition("=")[0] for line in text.splitlines()}
        both = {"HOME", "USER", "LOGNAME", "SHELL", "PATH", "PWD", "OLDPWD", "SHLVL", "_", "TERM"}
        assert names & set(git.environ) <= both | {"LANG"}, text
        assert "LANG=C\n" not in text
        assert {name for name in names if name.startswith("GIT_")} <= {"GIT_PROTOCOL"}, text
