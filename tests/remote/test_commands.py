"""SSH in the commands; suites that also run over SSH test all else of them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pytest

from tests.support.estate import CHECKOUT, INV, Result, run
from tests.support.json_schemas import check_json
from tests.support.processes import WAIT_SECONDS, find_processes, wait_until
from tests.support.ssh_estate import RemoteEstate
from tests.support.terminals import Window, spawn

SLOW_RSYNC = '#!/bin/sh\n/usr/bin/rsync "$@"\ncase $* in *lamna*) sleep {marker};; esac\n'


@pytest.fixture
def far(tmp_path: Path, transport: str) -> Iterator[RemoteEstate]:
    """Return a remote estate with the projects isurus and lamna."""
    with RemoteEstate(tmp_path, transport) as made:
        made.prepare("isurus", "lamna")
        yield made


def slow(far: RemoteEstate, marker: str) -> None:
    """Make the rsync of lamna hang there, after it has done its work."""
    programs = far.home / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "rsync").write_text(SLOW_RSYNC.format(marker=marker))
    (programs / "rsync").chmod(0o755)
    far.environ["PATH"] = f"{programs}:/usr/bin:/bin"
    far.sshd.set_session_environ(far.environ)


def last_syncs(far: RemoteEstate) -> dict[str, str | None]:
    rows = far.run("list", "--json", code=0).json["projects"]
    return {row["name"]: row["last_sync"] for row in rows}


def started_sync(far: RemoteEstate, marker: str, *before: str) -> subprocess.Popen[bytes]:
    """Start a sync in which isurus finishes and lamna never does; `argv` comes first."""
    slow(far, marker)
    for name in ("isurus", "lamna"):  # a repo without changes needs no rsync
        (far.local_repos / name / "more").write_text("x")
    argv, pipe = [*far.argv, *before, "sync", "--jobs=2", "--json-lines"], subprocess.PIPE
    process = subprocess.Popen(argv, env=far.client_environ, stdout=pipe, stderr=pipe)
    assert process.stdout is not None
    for line in process.stdout:
        if b'"finished"' in line:
            assert json.loads(line)["project"] == "isurus"
            break
    wait_until(lambda: find_processes(marker))
    return process


def test_ctrl_c_here_ends_the_rsyncs_there(far: RemoteEstate, marker: str) -> None:
    process = started_sync(far, marker)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130
    wait_until(lambda: not find_processes(marker))
    far.environ["PATH"] = "/usr/bin:/bin"
    done = last_syncs(far)
    assert done["isurus"]
    assert not done["lamna"]


def test_a_kill_here_ends_the_rsyncs_there(far: RemoteEstate, marker: str) -> None:
    process = started_sync(far, marker)
    process.kill()
    process.communicate()
    wait_until(lambda: not find_processes(marker))
    far.environ["PATH"] = "/usr/bin:/bin"
    far.run("sync", code=0)  # its locks are free again
    assert all(last_syncs(far).values())


def test_a_broken_connection_is_reported_and_leaves_no_rsync(
    far: RemoteEstate, marker: str
) -> None:
    process = started_sync(far, marker)
    far.sshd.kill_connections()
    wait_until(lambda: not find_processes(marker))
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode not in (0, -9)
    assert b"the connection broke" in err
    assert b"Traceback" not in err
    far.environ["PATH"] = "/usr/bin:/bin"
    far.run("sync", code=0)


def test_the_registry_is_shared_with_a_repoman_there(far: RemoteEstate) -> None:
    """Twenty edits from both sides at once, and none is lost."""
    for number in range(10):
        for side in ("far", "near"):
            (far.local_repos / f"{side}{number}").mkdir()
    processes = []
    far.sshd.set_session_environ(far.environ)
    for number in range(10):
        for side, environ in (("far", far.client_environ), ("near", far.environ)):
            argv = [*far.argv, "new", f"{side}{number}", "--no-container"]
            processes.append(subprocess.Popen(argv, env=environ, stdout=subprocess.DEVNULL))
        if number % 3 == 2:
            assert [process.wait(WAIT_SECONDS) for process in processes] == [0] * len(processes)
            processes = []
    assert all(process.wait(WAIT_SECONDS) == 0 for process in processes)
    assert len(last_syncs(far)) == 22


def test_the_suggested_command_names_the_host(far: RemoteEstate) -> None:
    far.sshd.set_session_environ(far.environ)
    child = spawn([*far.argv, "remove"], far.client_environ, far.laptop)
    try:
        child.expect_exact("Which project? ")
        child.send("2\r")
        child.expect_exact("What should happen to its repo? [1] ")
        child.send("\r")
        child.expect_exact("The same by flags: repoman remove lamna --yes --host there")
        child.expect_exact("Go ahead? [y/N] ")
        child.send("y\r")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)
    assert list(last_syncs(far)) == ["isurus"]


def test_an_error_names_the_host(far: RemoteEstate) -> None:
    done = far.run("sync", "nosuch", code=2)
    assert done.err.startswith("repoman: there: no project is called 'nosuch'")
    assert "`repoman list --host there`" in done.err


def test_the_environment_names_the_host_and_a_flag_goes_before_it(far: RemoteEstate) -> None:
    here = {**far.client_environ, "REPOMAN_HOST": "nosuch.invalid"}
    far.sshd.set_session_environ(far.environ)
    assert run([*far.argv, "list"], here).code == 1
    done = run([*far.argv, "list", "--host", "there"], here)
    assert (done.code, "isurus" in done.out) == (0, True)
    here_alone = run([*far.argv, "list", "--host", ""], here)
    assert "No projects yet" in here_alone.err


def test_a_host_of_this_registry(far: RemoteEstate, transport: str) -> None:
    far.sshd.set_session_environ(far.environ)
    registry = far.laptop / ".config/repoman/repoman.toml"
    login = far.sshd.login_key
    registry.write_text(
        f'[hosts.nas]\naddress = "127.0.0.1"\nport = {far.sshd.port}\nidentity = "{login}"\n'
        f'transport = "{transport}"\n'
    )
    done = run([*far.argv, "list", "--json", "--host", "nas"], far.client_environ)
    assert [row["name"] for row in done.json["projects"]] == ["isurus", "lamna"]
    for off, why in (
        ("prot = 22", "did you mean 'port'"),
        ('transport = "telnet"', "must be one of fabric, openssh"),
    ):
        registry.write_text(f"[hosts.nas]\n{off}\n")
        done = run([*far.argv, "list", "--host", "nas"], far.client_environ)
        assert done.code == 2
        assert why in done.err


def test_two_hosts_in_one_line(far: RemoteEstate) -> None:
    """Each task and its pre-tasks run on the host they were sent to."""
    far.sshd.set_session_environ(far.environ)
    here = {**far.client_environ, "REPOMAN_HOST": ""}
    done = run([*far.argv, "list", "--json", "--host", "there", "list", "--json"], here)
    there, _, mine = done.out.partition("}\n{")
    assert "isurus" in there
    assert '"projects": []' in mine


def test_a_remote_sync_prints_json_lines_here(far: RemoteEstate) -> None:
    told = [json.loads(line) for line in far.run("sync", "--json-lines", code=0).out.splitlines()]
    done = [event["project"] for event in told if event["event"] == "finished"]
    assert sorted(done) == ["isurus", "lamna"]
    assert (told[-1]["event"], told[-1]["exit"]) == ("total", 0)


def test_what_is_changed_there_is_logged_here(far: RemoteEstate) -> None:
    log = far.laptop / "changes.jsonl"
    far.sshd.set_session_environ(far.environ)
    done = run([*far.argv, "sync"], {**far.client_environ, "REPOMAN_LOG": str(log)})
    assert done.code == 0
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["host"] for line in told if "host" in line} == {"there"}
    assert {line["event"] for line in told} == {"begin", "program", "file", "end"}
    assert str(far.registry) in [line.get("path") for line in told]


def test_a_run_connects_once_to_each_host(far: RemoteEstate, marker: str) -> None:
    """However many commands are in the line, and however it ends."""
    known = (far.laptop / ".ssh/config").read_text() + far.sshd.config_stanza("nas")
    (far.laptop / ".ssh/config").write_text(known)
    far.sshd.set_session_environ(far.environ)

    def connections(*argv: str, code: int, of: tuple[str, ...] = far.argv) -> int:
        before = far.sshd.count_logins()
        done = run([*of, *argv], far.client_environ, cwd=CHECKOUT)
        assert done.code == code, done
        wait_until(lambda: not far.sshd.find_sessions())
        return far.sshd.count_logins() - before

    there, nas = ("--host", "there"), ("--host", "nas")
    assert connections("list", *there, "sync", *there, "status", *there, code=0) == 1
    assert connections("list", *there, "list", *nas, "list", *there, code=0) == 2
    assert connections("list", "--host", "there,nas", "sync", *nas, code=0) == 2
    assert connections("list", *there, "sync", "nosuch", *there, "list", *there, code=2) == 1
    assert connections("list", *there, "sync", *there, code=0, of=(str(INV),)) == 1
    process = started_sync(far, marker, "list", *there)
    before = far.sshd.count_logins()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130
    wait_until(lambda: not far.sshd.find_sessions())
    assert far.sshd.count_logins() == before


# --- several hosts -------------------------------------------------------------------------


def both(far: RemoteEstate, *argv: str) -> Result:
    """Query the host there twice, by two names, and one that is down."""
    config = far.laptop / ".ssh/config"
    down = "Host down\n HostName 127.0.0.1\n Port 1\n"
    config.write_text(far.sshd.config_stanza("there") + far.sshd.config_stanza("nas") + down)
    far.sshd.set_session_environ(far.environ)
    done = run([*far.argv, *argv], far.client_environ)
    check_json(argv, done.out)
    return done


def test_several_hosts_are_shown_side_by_side(far: RemoteEstate) -> None:
    done = both(far, "list", "--host", "there,nas")
    assert done.code == 0, done
    rows = [line.split()[:2] for line in done.out.splitlines()]
    assert rows[0] == ["HOST", "NAME"]
    assert rows[1:] == [[h, n] for h in ("there", "nas") for n in ("isurus", "lamna")]


def test_a_host_that_is_down_is_a_line(far: RemoteEstate) -> None:
    done = both(far, "list", "--host", "down,nas")
    assert done.code == 4
    assert "nas   isurus" in done.out
    assert done.err.count("down: ") == 1
    assert "refused the connection" in done.err
    found = both(far, "list", "--host", "down,nas", "--json").json["hosts"]
    assert "refused" in found["down"]["error"]
    assert [row["name"] for row in found["nas"]["projects"]] == ["isurus", "lamna"]


def test_status_of_several_hosts(far: RemoteEstate) -> None:
    done = both(far, "status", "--host", "there,nas")
    assert done.code in (0, 3)
    assert {line.partition(": ")[0] for line in done.out.splitlines()} == {"there", "nas"}
    found = both(far, "status", "--host", "there,down", "--json").json["hosts"]
    assert {name for name, told in found.items() if "error" in told} == {"down"}


@pytest.mark.parametrize(
    "argv", [["sync"], ["status", "--missing", "forget"], ["status", "--seen"], ["remove", "x"]]
)
def test_what_changes_something_takes_one_host(far: RemoteEstate, argv: list[str]) -> None:
    before = far.hash_files()
    done = both(far, *argv, "--host", "there,nas")
    assert done.code in (2, 4)
    assert "host" in done.err
    assert far.hash_files() == before


def test_a_watch_of_several_hosts_keeps_its_connections(far: RemoteEstate) -> None:
    both(far, "list", "--host", "there")
    argv = [*far.argv, "status", "--watch", "--interval", "1", "--host", "there,nas"]
    logins = far.sshd.count_logins()
    with Window(argv, far.client_environ, far.laptop, columns=120) as window:
        window.wait_for_line("^there: . lamna: never mirrored")
        window.wait_for_line("^nas: . lamna: never mirrored")
        far.run("sync", "lamna", "--host", "nas", code=0)
        logins += 1
        lines = window.wait_for_line("^nas: 2 projects, 1 problem")
        assert "lamna" not in "\n".join(lines)
        assert far.sshd.count_logins() == logins + 2
        far.sshd.kill_connections()
        window.wait_for_output("broke")
        window.wait_for_line("^there: 2 projects, 1 problem")
        window.press("C-c")
        assert window.wait_for_exit()[0] == 0


# --- terminal ----------------------------------------------------------------------------


def test_a_question_is_asked_here(far: RemoteEstate) -> None:
    far.sshd.set_session_environ(far.environ)
    child = spawn([*far.argv, "remove", "isurus"], far.client_environ, far.laptop)
    child.expect(r"Go ahead\?")
    child.sendline("y")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert list(last_syncs(far)) == ["lamna"]
    assert (far.local_repos / "isurus").is_dir()


def test_bars_move_on_a_terminal(far: RemoteEstate) -> None:
    far.sshd.set_session_environ(far.environ)
    child = spawn([*far.argv, "sync"], far.client_environ, far.laptop)
    child.expect(pexpect.EOF)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", child.before or "")
    child.close()
    assert child.exitstatus == 0
    assert "2 projects mirrored" in shown


def test_an_encrypted_key_is_asked_for_on_a_terminal_only(far: RemoteEstate) -> None:
    argv = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", str(far.sshd.login_key)]
    far.sshd.set_session_environ(far.environ)
    subprocess.run(argv, check=True)
    done = run([*far.argv, "list"], far.client_environ)
    assert (done.code, "was denied" in done.err) == (1, True)
    child = spawn([*far.argv, "list"], far.client_environ, far.laptop)
    child.expect("passphrase (of|for) .*login.*: ")
    child.sendline("open sesame")
    child.expect("isurus")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
