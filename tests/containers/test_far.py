"""The life of a project on another host, over SSH."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from repoman_tasks.model import TRANSPORTS
from tests.containers.conftest import RemoteContainerEstate
from tests.support.estate import run
from tests.support.processes import WAIT_SECONDS, find_sleeps, wait_until
from tests.support.round_trips import count_round_trips


@pytest.fixture(params=TRANSPORTS)
def isurus(
    request: pytest.FixtureRequest, shared_estate: RemoteContainerEstate
) -> RemoteContainerEstate:
    """Return a remote estate with the project isurus, whose container runs. Tests share it."""
    estate = shared_estate
    estate.use_transport(request.param)
    if not estate.registry.exists():
        estate.setup()
    if "isurus" not in estate.projects():
        estate.new("isurus")
    estate.sshd.set_session_environ(estate.environ)
    return estate


def test_the_life_of_a_project(isurus: RemoteContainerEstate) -> None:
    isurus.run("sync", code=0)
    row = isurus.run("list", "--json", code=0).json["projects"][0]
    assert (row["name"], row["state"]) == ("isurus", "running")
    done = isurus.run("exec", "isurus", "--", "printf", "%s|", "a b", "$(id)", "", "'\"\\", "ä\n")
    assert (done.code, done.out) == (0, "a b|$(id)||'\"\\|ä\n|")
    assert isurus.run("exec", "isurus", "--", "sh", "-c", "exit 7").code == 7
    assert isurus.run("exec", "isurus", "--", "cat", given="from here\n").out == "from here\n"
    where = isurus.run("exec", "isurus", "--", "sh", "-c", "pwd; id -un; echo $HOME; touch made")
    assert where.out.splitlines()[:2] == [str(isurus.local_repos / "isurus"), "dev"]
    assert (isurus.local_repos / "isurus/made").stat().st_uid == os.getuid()
    isurus.run("stop", "isurus", code=0)
    assert isurus.state("isurus") == "stopped"
    assert isurus.run("shell", "isurus", "--", "true").code == 0
    isurus.run("sync", code=0)
    isurus.run("remove", "isurus", "--yes", code=0)
    assert isurus.instances() == {}
    assert (isurus.local_repos / "isurus/made").exists()


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[RemoteContainerEstate]:
    """Yield a remote estate with isurus, an ordinary project, and lamna, which uses every setting:
    an approved mount, and rules and an address in the network."""
    with RemoteContainerEstate(tmp_path, "fabric") as estate:
        estate.setup()
        tools = estate.home / "tools"
        tools.mkdir()
        asks = f'[[mount]]\nsource = "{tools}"\npath = "/opt/tools"\n'
        for name in ("isurus", "lamna"):
            repo = estate.local_repos / name
            assert run(["git", "init", "-q", str(repo)], estate.environ).code == 0
        (repo / ".repoman.toml").write_text(asks)
        estate.new("isurus").new("lamna", "--trust")
        lamna = 'name = "lamna"\n'
        text = estate.registry.read_text()
        assert lamna in text
        estate.registry.write_text(text.replace(lamna, f'{lamna}allow = ["192.0.2.1"]\n'))
        estate.run("update", "lamna", "--restart", code=0)
        estate.run("sync", code=0)
        estate.sshd.set_session_environ(estate.environ)
        yield estate


def test_round_trips_if_nothing_changes(busy: RemoteContainerEstate) -> None:
    """Two of them start the first shell, which fetches the registry too; `status` and `setup` take
    one more because lamna has a mount."""
    assert count_round_trips(busy, "list") == 3
    assert count_round_trips(busy, "status") == 6
    assert count_round_trips(busy, "status", name="isurus") == 6
    for name in ("isurus", "lamna"):
        assert count_round_trips(busy, "start", name=[name]) == 3, name
        assert count_round_trips(busy, "update", name=[name]) == 6, name
        assert count_round_trips(busy, "trust", name=name) == 4, name
    assert count_round_trips(busy, "setup") == 5
    busy.run("stop", "isurus", code=0)
    assert count_round_trips(busy, "stop", name=["isurus"]) == 3


def test_without_a_name_it_says_what_to_type(isurus: RemoteContainerEstate) -> None:
    done = isurus.run("shell")
    assert done.code == 2
    assert "name" in done.err


def test_streams_go_through(isurus: RemoteContainerEstate) -> None:
    """The throughput is in docs/benchmarks.md."""
    size = 16 << 20
    argv = [*isurus.argv, "exec", "isurus", "--", "cat"]
    with open("/dev/zero", "rb") as zeros:
        head = subprocess.Popen(["head", "-c", str(size)], stdin=zeros, stdout=subprocess.PIPE)
        done = subprocess.run(
            argv, env=isurus.client_environ, stdin=head.stdout, capture_output=True
        )
        head.wait()
    assert done.returncode == 0, done.stderr
    assert done.stdout == bytes(size)


@pytest.mark.parametrize("end", ["ctrl-c", "cut"])
def test_a_program_of_exec_ends_with_the_connection(
    isurus: RemoteContainerEstate, marker: str, end: str
) -> None:
    """Also inside the container, and if it ignores signals."""
    script = f"trap '' TERM HUP; exec sleep {marker}"
    process = isurus.start("exec", "isurus", "--", "sh", "-c", script, stderr=subprocess.PIPE)
    wait_until(lambda: find_sleeps(marker))
    if end == "cut":
        isurus.sshd.kill_connections()
    else:
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == (1 if end == "cut" else 130), err
    wait_until(lambda: not find_sleeps(marker))
    assert isurus.run("exec", "isurus", "--", "echo", "well").out == "well\n"


# --- what is missing there ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "code"), [(["exec", "isurus", "--", "true"], 1), (["update", "isurus"], 1)]
)
def test_a_missing_incus_is_reported(
    isurus: RemoteContainerEstate, argv: list[str], code: int
) -> None:
    programs = isurus.base / "programs"
    programs.mkdir(exist_ok=True)
    for program in {*Path("/usr/bin").iterdir(), *Path("/bin").iterdir()}:
        if not program.name.startswith("incus"):
            with contextlib.suppress(FileExistsError):
                (programs / program.name).symlink_to(program)
    for environ, sentence in (
        ({"PATH": str(programs)}, "incus is not installed"),
        ({"INCUS_DIR": "/nonexistent"}, "the Incus daemon does not run"),
    ):
        done = isurus.run(*argv, environ=environ, code=code)
        assert done.err.startswith(f"repoman: there: {sentence}: ")
        assert isurus.run("list", environ=environ, code=0).err.endswith(
            f"not checked, {sentence}\n"
        )


def test_a_user_without_access_to_incus_is_reported(tmp_path: Path) -> None:
    """sshd runs the commands of a user who is in no group but their own."""
    ids = f"--reuid={os.getuid()} --regid={os.getgid()} --clear-groups"
    forced = f'ForceCommand exec sudo -nE setpriv {ids} sh -c "$SSH_ORIGINAL_COMMAND"'
    with RemoteContainerEstate(tmp_path, "fabric", forced) as estate:
        sentence = "this user may not talk to the Incus daemon"
        estate.prepare("isurus")
        (estate.local_repos / "lamna").mkdir()
        done = estate.run("new", "lamna", code=1)
        assert done.err.startswith(f"repoman: there: {sentence}: ")
        assert "incus-admin" in done.err
        assert f"containers: not checked, {sentence}\n" in estate.run("status").out
