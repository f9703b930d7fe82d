"""The methods of a host over a real sshd, with each login shell, compared with the local host."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from repoman_tasks.errors import Failed, Interrupted, RepomanError
from repoman_tasks.hosts import processes
from repoman_tasks.hosts.base import Host, Locked, Stalled, TimedOut
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.hosts.ssh import fabric_transport, openssh_transport, remote_host, start_up
from repoman_tasks.hosts.ssh.remote_host import RemoteHost
from repoman_tasks.hosts.ssh.shells import Shell
from repoman_tasks.model import Address
from tests.support.clocks import make_paced_program
from tests.support.processes import WAIT_SECONDS, find_descendants, find_processes, wait_until
from tests.support.ssh_estate import USER_NAME, Sshd, make_key, make_line

SHELLS = ("bash", "dash", "zsh", "fish")


@pytest.fixture(scope="module", params=SHELLS)
def shell(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sshd]:
    """Yield an sshd that runs each command in this shell, as in a login shell."""
    program = shutil.which(request.param)
    assert program, f"{request.param} is not installed"
    forced = f'ForceCommand exec {program} -c "$SSH_ORIGINAL_COMMAND"'
    with Sshd(tmp_path_factory.mktemp("sshd"), forced) as sshd:
        yield sshd


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd(tmp_path_factory.mktemp("sshd")) as made:
        yield made


@pytest.fixture(autouse=True)
def _transport(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the transport of the test, which tolerates a host that is silent for half a minute.

    So what ends with a connection ends because that is gone.
    """
    monkeypatch.setenv("REPOMAN_TEST_TRANSPORT", transport)
    monkeypatch.setattr(fabric_transport, "_SILENCE_SECONDS", 3600.0)
    monkeypatch.setitem(openssh_transport._OPTIONS, "ServerAliveInterval", "0")


def reached(address: Address) -> RemoteHost:
    """Yield the host at `address`, by the transport of this test."""
    return RemoteHost(address.name, make_line(address, os.environ["REPOMAN_TEST_TRANSPORT"]))


def connected(sshd: Sshd) -> RemoteHost:
    """Yield the host behind `sshd`, whose key is in the known_hosts of this test."""
    ssh = Path(os.environ["HOME"]) / ".ssh"
    (ssh / "known_hosts").write_text(sshd.known_hosts_line())
    (ssh / "config").write_text(sshd.config_stanza("there"))
    return reached(Address("there"))


@pytest.fixture
def host(sshd: Sshd) -> Iterator[RemoteHost]:
    made = connected(sshd)
    yield made
    made.close()


# --- words -----------------------------------------------------------------------------

_HOSTILE = b"'\"\\$`!*?[]{}()<>|&;#~ \t\n\r=%^-@+,.:/a0\x01\x1b\x7f\x80\x81\x82\x88\xc3\xa9\xff"


def hostile(seed: int, count: int) -> list[str]:
    """Return arguments of random bytes, most of them special to some shell."""
    chance = random.Random(seed)
    found = [b"", b"-n", b"--", b"$(id)", b"`id`", b"a\nb", b"\\", b"\\\\'", b"\n", b"'\\''"]
    for _ in range(count - len(found)):
        size = chance.randrange(1, 20)
        any_byte = chance.random() < 0.3
        pool = range(1, 256) if any_byte else _HOSTILE
        found.append(bytes(chance.choices(pool, k=size)))
    return [os.fsdecode(word) for word in found]


def test_hostile_arguments_come_back_byte_for_byte(shell: Sshd) -> None:
    """2,500 with each of the four shells."""
    host = connected(shell)
    try:
        for seed in range(5):
            argv = hostile(seed, 500)
            back = host.read(["printf", r"%s\0", *argv]).out.split(b"\0")[:-1]
            assert back == [os.fsencode(word) for word in argv]
            streamed: list[bytes] = []
            plain = [word for word in argv if not {"\n", "\r"} & set(word) and word]
            host.stream(["printf", r"%s\n", *plain], streamed.append, streamed.append)
            assert streamed == [os.fsencode(word) for word in plain]
    finally:
        host.close()


def test_what_start_up_files_print_is_passed_over(tmp_path: Path) -> None:
    noisy = 'ForceCommand echo hello; echo hello >&2; exec sh -c "$SSH_ORIGINAL_COMMAND"'
    with Sshd(tmp_path, noisy) as sshd:
        host = connected(sshd)
        assert host.home == os.environ["HOME"] or host.home
        done = host.read(["sh", "-c", "echo out; echo err >&2; exit 3"])
        assert (done.code, done.out, done.err) == (3, b"out\n", b"err\n")
        host.close()


SILENT = {
    "hands over to another shell": ("exec sh", "its login shell did not start sh"),
    "hands over and ends": ("echo no", "its login shell did not start sh"),
    "a restricted shell": (
        'exec bash -r -c "$SSH_ORIGINAL_COMMAND"',
        "its login shell did not start sh: .*restricted",
    ),
    "reads a line": ('read -r x; exec sh -c "$SSH_ORIGINAL_COMMAND"', "reads standard input"),
    "reads all": ('cat >/dev/null; exec sh -c "$SSH_ORIGINAL_COMMAND"', "reads standard input"),
    "redirects output": (
        'exec >/dev/null; exec sh -c "$SSH_ORIGINAL_COMMAND"',
        "redirects standard output",
    ),
}


@pytest.mark.parametrize(("script", "error"), SILENT.values(), ids=list(SILENT))
def test_start_up_files_after_which_nothing_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, error: str
) -> None:
    """Found by a second session, long before the time limit."""
    monkeypatch.setattr(remote_host, "_OPEN_SECONDS", WAIT_SECONDS * 4)
    with Sshd(tmp_path, f"ForceCommand {script}") as sshd, pytest.raises(Failed, match=error):
        connected(sshd)


def test_a_slow_start_up_file_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_up, "_PATIENCE_SECONDS", 0.0)
    with Sshd(tmp_path, 'ForceCommand sleep 3; exec sh -c "$SSH_ORIGINAL_COMMAND"') as sshd:
        host = connected(sshd)
        assert host.read(["echo", "well"]).out == b"well\n"
        host.close()


def test_an_argument_with_a_nul_is_refused(host: RemoteHost) -> None:
    with pytest.raises(Failed, match="null byte"):
        host.read(["printf", "a\0b"])


# --- programs --------------------------------------------------------------------------


def test_output_of_any_bytes_and_exit_status(host: RemoteHost) -> None:
    data = bytes(range(256)) * 4000
    assert host.change(["cat"], stdin=data[:60000]).out == data[:60000]
    assert host.read(["sh", "-c", "kill -9 $$"]).code == 128 + 9
    assert host.read(["printf", "no end of line"]).out == b"no end of line"


def test_a_program_that_is_not_there(host: RemoteHost) -> None:
    for call in (host.read, host.change):
        with pytest.raises(Failed, match="nosuch is not installed"):
            call(["nosuch"])
    with pytest.raises(Failed, match="nosuch is not installed"):
        host.stream(["nosuch"], print, print)


def test_a_time_limit_ends_the_program_there(host: RemoteHost, marker: str) -> None:
    with pytest.raises(TimedOut):
        host.read(["sh", "-c", f"sleep {marker} & sleep {marker}"], timeout=0.5)
    wait_until(lambda: not find_processes(marker))
    assert host.read(["echo", "well"]).out == b"well\n"


def test_too_much_output_ends_the_program(host: RemoteHost) -> None:
    with pytest.raises(Failed, match="printed more than"):
        host.read(["yes"], max_bytes=1 << 20)


def stop_once_it_runs(host: RemoteHost, marker: str) -> None:
    """Stop the host as soon as a program with `marker` runs there."""

    def stop() -> None:
        wait_until(lambda: find_processes(marker))
        host.stopping.set()

    threading.Thread(target=stop).start()


def test_stopping_ends_what_is_streamed_with_its_children(host: RemoteHost, marker: str) -> None:
    stop_once_it_runs(host, marker)
    with pytest.raises(Interrupted):
        host.stream(["sh", "-c", f"sleep {marker} & sleep {marker}"], print, print)
    wait_until(lambda: not find_processes(marker))


def test_lines_come_while_the_program_runs(host: RemoteHost, tmp_path: Path) -> None:
    """It prints the second line only after the first has arrived."""
    lines: list[bytes] = []

    def take(line: bytes) -> None:
        lines.append(line)
        (tmp_path / "came").touch()

    script = 'echo a; until [ -e "$1" ]; do sleep 0.05; done; echo b'
    host.stream(["sh", "-c", script, "sh", f"{tmp_path}/came"], take, print)
    assert lines == [b"a", b"b"]


def test_a_program_that_moves_nothing_is_stalled(host: RemoteHost, marker: str) -> None:
    with pytest.raises(Stalled):
        host.stream(["sleep", marker], print, print, stall_seconds=0.5)
    wait_until(lambda: not find_processes(marker))


def test_a_program_that_only_reads_and_writes_is_not(
    host: RemoteHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids: list[str] = []
    follow = Shell.follow

    def record_pid(shell: Shell, *call: str, told: Callable[[str], None], **options: Any) -> str:
        def tell(pid: str) -> None:
            told(pid)
            pids.append(pid)

        return follow(shell, *call, told=tell, **options)

    monkeypatch.setattr(Shell, "follow", record_pid)
    clock, argv = make_paced_program(tmp_path, lambda: bool(pids))
    monkeypatch.setattr(processes, "time", clock)
    assert host.stream(argv, print, print, stall_seconds=0.001) == 0
    assert clock.now > 0.01


def test_a_broken_connection_ends_what_ran(sshd: Sshd, host: RemoteHost, marker: str) -> None:
    failed: list[BaseException] = []

    def stream() -> None:
        try:
            host.stream(["sh", "-c", f"sleep {marker} & sleep {marker}"], print, print)
        except RepomanError as error:
            failed.append(error)

    thread = threading.Thread(target=stream)
    thread.start()
    wait_until(lambda: find_processes(marker))
    sshd.kill_connections()
    wait_until(lambda: not find_processes(marker))
    thread.join()
    assert "the connection broke" in str(failed[0])


def test_a_host_that_falls_silent_is_given_up(
    tmp_path: Path, marker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kernel still accepts packets, so only an answer would show that it works."""
    monkeypatch.setattr(fabric_transport, "_PULSE_SECONDS", 1.0)
    monkeypatch.setattr(fabric_transport, "_SILENCE_SECONDS", 6.0)
    monkeypatch.setitem(openssh_transport._OPTIONS, "ServerAliveInterval", "2")
    with Sshd(tmp_path) as sshd:
        host = connected(sshd)
        assert host.read(["sleep", "8"]).code == 0, "the host is there, though it says nothing"
        with ThreadPoolExecutor(1) as threads:
            streamed = threads.submit(host.stream, ["sleep", marker], print, print)
            wait_until(lambda: find_processes(marker))
            sessions = sshd.find_sessions()
            for pid in sessions:
                os.kill(pid, signal.SIGSTOP)
            with pytest.raises(Failed, match="the connection broke"):
                streamed.result(WAIT_SECONDS)
        for call in (lambda: host.read(["true"]), lambda: host.read_file("/etc/hostname")):
            with pytest.raises(Failed, match="the connection broke"):
                call()
        host.close()
        for pid in sessions:
            os.kill(pid, signal.SIGCONT)
        wait_until(lambda: not find_processes(marker))


def test_a_host_that_allows_few_sessions(tmp_path: Path) -> None:
    with Sshd(tmp_path, "MaxSessions 2") as sshd:
        host = connected(sshd)
        with ThreadPoolExecutor(6) as threads:
            said = threads.map(
                lambda n: host.read(["sh", "-c", f"sleep 0.2; echo {n}"]).out, range(6)
            )
            assert list(said) == [f"{n}\n".encode() for n in range(6)]
        with host.hold_folder("/", timeout=WAIT_SECONDS), host.lock(f"{tmp_path}/x.lock"):
            assert host.read(["true"]).code == 0
        host.close()


@pytest.mark.parametrize("sessions", [3, 10])
def test_streams_leave_a_shell_for_questions(tmp_path: Path, sessions: int) -> None:
    """Each that stalls asks if its program moves: all of them at once, and have an answer."""
    with Sshd(tmp_path, f"MaxSessions {sessions}") as sshd:
        host = connected(sshd)

        def stall(_: int) -> None:
            with pytest.raises(Stalled):
                host.stream(["sleep", "600"], print, print, stall_seconds=1)

        with ThreadPoolExecutor(9) as threads:
            list(threads.map(stall, range(9)))
        host.close()


def test_a_stream_where_no_question_can_be_asked_goes_on(tmp_path: Path) -> None:
    with Sshd(tmp_path, "MaxSessions 1") as sshd:
        host = connected(sshd)
        assert host.stream(["sleep", "3"], print, print, stall_seconds=1) == 0
        host.close()


def test_a_host_that_allows_too_few_sessions(tmp_path: Path) -> None:
    with Sshd(tmp_path, "MaxSessions 1") as sshd:
        host = connected(sshd)
        assert host.read(["true"]).code == 0
        with (
            host.hold_folder("/", timeout=WAIT_SECONDS),
            pytest.raises(Failed, match="MaxSessions"),
        ):
            host.read(["true"])
        host.close()


def test_a_refusal_of_which_another_thread_took_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paramiko keeps one reason for all threads, and whoever looks first takes it."""
    with Sshd(tmp_path, "MaxSessions 1") as sshd:
        host = connected(sshd)
        with host.hold_folder("/", timeout=WAIT_SECONDS):
            monkeypatch.setattr("paramiko.Transport.get_exception", lambda _: None)
            with pytest.raises(Failed, match="MaxSessions"):
                host.read(["true"])
        host.close()


# --- what is submitted -------------------------------------------------------------------


@pytest.mark.parametrize("here", [True, False])
def test_each_of_several_questions_has_its_own_answer(
    host: RemoteHost, tmp_path: Path, here: bool
) -> None:
    """Whatever the order in which they are waited for, and what one raises is its own."""
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b/file").write_text("x")
    one: Host = LocalHost() if here else host
    with one.hold_folder(f"{tmp_path}/a b", timeout=WAIT_SECONDS) as holder:
        failing = one.submit_walk(f"{tmp_path}/none")
        walk, real = one.submit_walk(f"{tmp_path}/a b"), holder.submit_real()
        code, nosuch = one.submit(["sh", "-c", "echo well; exit 3"]), one.submit(["nosuch"])
        odd, long = one.submit(["echo", "a\0b"]), one.submit(["echo", "12345"], max_bytes=5)
        content, none = one.submit_file(f"{tmp_path}/a b/file"), one.submit_file("/nonexistent")
        folders = one.submit_folders([f"{tmp_path}/a b", "/nonexistent"])
        assert folders.result() == [f"{tmp_path}/a b", None]
        assert [entry.path for entry in walk.result()] == [b"file"]
        with pytest.raises(Failed, match="none can't be read"):
            list(failing.result())
        with pytest.raises(Failed, match="nosuch is not installed"):
            nosuch.result()
        with pytest.raises(Failed, match="echo could not be started"):
            odd.result()
        with pytest.raises(Failed, match="echo printed more than 5 bytes"):
            long.result()
        assert (code.result().code, code.result().out) == (3, b"well\n")
        assert (content.result(), none.result()) == (b"x", None)
        assert real.result() == f"{tmp_path}/a b"


def test_all_that_is_submitted_is_asked_with_the_first_that_is_waited_for(
    host: RemoteHost, tmp_path: Path
) -> None:
    later = ["test", "-e", f"{tmp_path}/later"]
    before, first = host.submit(later), host.submit(["echo", "first"])
    assert host.real_folders(["/"]) == ["/"]
    (tmp_path / "later").touch()
    assert (before.result().code, first.result().out) == (1, b"first\n")
    assert host.submit(later).result().code == 0


def test_a_question_that_nobody_waits_for_harms_no_other(host: RemoteHost, tmp_path: Path) -> None:
    """One whose future is gone is not asked at all."""
    folder = tmp_path / "folder"
    folder.mkdir()
    host.submit(["touch", f"{folder}/asked"])
    held = host.submit(["echo", "held"])
    assert host.read(["echo", "read"]).out == b"read\n"
    assert host.read(["ls", str(folder)]).out == b""
    host.change(["touch", f"{folder}/changed"])
    assert host.read(["ls", str(folder)]).out == b"changed\n"
    assert held.result().out == b"held\n"


def test_questions_of_several_threads_do_not_wait_for_each_other(
    host: RemoteHost, tmp_path: Path
) -> None:
    """Each thread has a pipeline of its own, and may wait for what another one has submitted."""
    until_there = ["sh", "-c", 'until [ -e "$1" ]; do sleep 0.05; done', "sh", f"{tmp_path}/there"]
    waiting, own = host.submit(until_there), host.submit(["echo", "own"])
    with ThreadPoolExecutor(2) as threads:
        result = threads.submit(waiting.result)
        assert threads.submit(host.change, ["touch", f"{tmp_path}/there"]).result().code == 0
        assert result.result().code == 0
    assert own.result().out == b"own\n"


def test_what_takes_too_long_keeps_no_other_answer(host: RemoteHost, marker: str) -> None:
    """Each has its own time, and what was to come after it is asked for once more."""
    before, stuck = host.submit(["echo", "before"]), host.submit(["sleep", marker], timeout=0.5)
    after = [host.submit(["echo", name]) for name in "ab"]
    assert after[0].result().out == b"a\n"
    assert (before.result().out, after[1].result().out) == (b"before\n", b"b\n")
    for _ in range(2):
        with pytest.raises(TimedOut, match="sleep did not answer within"):
            stuck.result()
    wait_until(lambda: not find_processes(marker))
    assert host.read(["echo", "well"]).out == b"well\n"


def test_what_says_too_much_is_ended(host: RemoteHost) -> None:
    endless, after = host.submit(["yes"], max_bytes=1000), host.submit(["echo", "after"])
    assert after.result().out == b"after\n"
    with pytest.raises(Failed, match="yes printed more than 1000 bytes"):
        endless.result()


def test_what_is_submitted_can_be_stopped(host: RemoteHost, marker: str) -> None:
    asked = host.submit(["sleep", marker], timeout=WAIT_SECONDS, stoppable=True)
    after = host.submit(["echo", "after"])
    stop_once_it_runs(host, marker)
    with pytest.raises(Interrupted):
        asked.result()
    del asked
    wait_until(lambda: not find_processes(marker))
    assert after.result().out == b"after\n"


def test_a_broken_connection_is_told_to_each_that_waits(sshd: Sshd) -> None:
    host = connected(sshd)
    asked = [host.submit(["echo", str(number)]) for number in range(3)]
    sshd.kill_connections()
    for future in asked:
        with pytest.raises(Failed, match="the connection broke"):
            future.result()
    host.close()


def test_a_folder_is_entered_from_the_call_on(host: RemoteHost, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    entering, none = (
        host.hold_folder(f"{tmp_path}/a", timeout=WAIT_SECONDS),
        host.hold_folder(f"{tmp_path}/none", timeout=WAIT_SECONDS),
    )
    with pytest.raises(Failed, match="can't be entered"), none:
        pass
    (tmp_path / "a").rename(tmp_path / "b")
    with entering as holder:
        assert holder.submit_real().result() == f"{tmp_path}/b"


@pytest.mark.parametrize("program", ["dash", "bash"])
def test_any_sh_tells_answers_apart(tmp_path: Path, program: str) -> None:
    """Also those of processes that write at the same time."""
    (tmp_path / "sh").symlink_to(shutil.which(program) or "")
    with Sshd(tmp_path) as sshd:
        sshd.set_session_environ({"PATH": f"{tmp_path}:{os.environ['PATH']}"})
        host = connected(sshd)
        calls = [["sh", "-c", f"echo {n}; echo {n} >&2; exit {n}"] for n in range(16)]
        for _ in range(6):
            asked = [host.submit_beside(argv, timeout=WAIT_SECONDS) for argv in calls]
            with host.locks([f"{tmp_path}/{n}.lock" for n in range(8)]) as held:
                assert len(held) == 8
            for n, done in enumerate(one.result() for one in asked):
                assert (done.code, done.text, done.complaint) == (n, f"{n}\n", f"{n}")
        host.close()


# --- what runs beside ---------------------------------------------------------------------


def test_what_runs_beside_says_the_same(host: RemoteHost) -> None:
    calls = {
        ("printf", "%s", "a b\nä\n\n"): (0, "a b\nä\n\n".encode(), b""),
        ("sh", "-c", "printf '\\0\\377'; echo first >&2; echo no >&2; exit 3"): (
            *(3, b"\0\xff"),
            b"first\nno",
        ),
        ("cat",): (0, b"", b""),
        ("sh", "-c", "kill $$"): (143, b"", None),
    }
    asked = {argv: host.submit_beside(argv, timeout=WAIT_SECONDS) for argv in calls}
    for argv, (code, out, err) in reversed(calls.items()):
        done = asked[argv].result()
        assert (done.code, done.out) == (code, out), argv
        assert err is None or done.err.strip() == err
    nosuch = host.submit_beside(["no-such-program"], timeout=WAIT_SECONDS)
    with pytest.raises(Failed, match="no-such-program is not installed"):
        nosuch.result()


def test_what_runs_beside_says_little(host: RemoteHost) -> None:
    """However much it writes; and the exit status is not lost by it."""
    argv = ["sh", "-c", "yes out | head -c 300000; yes err | head -c 300000 >&2; exit 4"]
    asked, endless = (
        host.submit_beside(argv, timeout=WAIT_SECONDS),
        host.submit_beside(["yes"], timeout=WAIT_SECONDS),
    )
    done = asked.result()
    assert (done.code, done.out) == (4, (b"out\n" * 250)[:1000])
    assert done.complaint == "err"
    assert endless.result().out == b"y\n" * 500


def test_what_runs_beside_runs_beside_the_others(host: RemoteHost, tmp_path: Path) -> None:
    """Each waits until all of them are there."""
    script = 'touch "$1/$2"; until [ "$(ls "$1" | wc -l)" = 16 ]; do sleep 0.05; done; echo "$2"'
    here = tmp_path / "here"
    here.mkdir()
    calls = [["sh", "-c", script, "sh", str(here), str(number)] for number in range(16)]
    asked = [host.submit_beside(argv, timeout=WAIT_SECONDS) for argv in calls]
    assert [one.result().text for one in asked] == [f"{n}\n" for n in range(16)]


def test_what_hangs_beside_is_ended(host: RemoteHost, marker: str) -> None:
    stuck = host.submit_beside(["sleep", marker], timeout=1)
    other = host.submit_beside(["sh", "-c", "sleep 2; echo other"], timeout=WAIT_SECONDS)
    with pytest.raises(TimedOut, match="sleep did not answer"):
        stuck.result()
    assert other.result().out == b"other\n"
    wait_until(lambda: not find_processes(marker))


# --- files -----------------------------------------------------------------------------


def test_under_a_lock_the_registry_is_read_again(sshd: Sshd) -> None:
    """It was fetched with the connection, and may have been written since."""
    registry = Path(os.environ["HOME"]) / ".config/repoman/repoman.toml"
    registry.parent.mkdir(parents=True)
    registry.write_text("# old")
    sshd.set_session_environ({"HOME": os.environ["HOME"]})
    try:
        host = connected(sshd)
    finally:
        sshd.set_session_environ({})
    registry.write_text("# new")
    with host.lock(f"{registry}.lock"):
        assert host.read_file(str(registry)) == b"# new"
    host.close()


@pytest.mark.parametrize("name", ["plain", "a b", "ä'\"$(id)\n", "-x"])
def test_files_are_written_and_read_as_here(host: RemoteHost, tmp_path: Path, name: str) -> None:
    path = tmp_path / "new folder" / name
    assert host.read_file(str(path)) is None
    data = bytes(range(256)) * 100
    host.write_file(str(path), data)
    assert path.read_bytes() == data == host.read_file(str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.chmod(0o640)
    host.write_file(str(path), b"")
    assert path.read_bytes() == b""
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(path.parent) == [name]


def test_a_file_that_is_a_symlink_stays_one(host: RemoteHost, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    host.write_file(f"{tmp_path}/link", b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"x"


def test_a_file_that_cannot_be_written_is_reported(host: RemoteHost, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failed, match="can't be written"):
        host.write_file(f"{tmp_path}/file/x", b"x")
    with pytest.raises(Failed, match="can't be read"):
        host.read_file(f"{tmp_path}/file/x")


def test_a_disk_that_is_full_leaves_the_old_file(host: RemoteHost, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("not here: only root mounts a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "small", str(disk)], check=True)
    try:
        (disk / "file").write_text("old")
        with pytest.raises(Failed, match="no space left"):
            host.write_file(f"{disk}/file", b"x" * 100_000)
        assert (disk / "file").read_text() == "old"
        assert os.listdir(disk) == ["file"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_walk_is_the_same_as_here(host: RemoteHost, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a" / ".zfs" / "x").mkdir(parents=True)
    (root / "a" / "b\n c").write_text("x")
    os.link(root / "a" / "b\n c", root / "ä")
    (root / "link").symlink_to("/etc")
    os.mkfifo(root / "fifo")
    os.utime(root / "ä", ns=(5, 123_456_789_987_654_321))
    prune = frozenset({b".zfs"})
    here = sorted(LocalHost().walk(str(root), prune=prune), key=lambda e: e.path)
    there = sorted(host.walk(str(root), prune=prune), key=lambda e: e.path)
    assert here == there
    assert len(here) == 5
    for none in ("none", "link", "link/", "ä"):
        with pytest.raises(Failed, match="can't be read"):
            list(host.walk(f"{root}/{none}"))


def test_real_folders_are_the_same_as_here(host: RemoteHost, tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "link").symlink_to("a b")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("")
    names = ["", "a b", "link", "link/../a b", "loop", "file", "file/x", "none", "a\0b"]
    paths = [f"{tmp_path}/{name}" for name in names]
    assert host.real_folders(paths) == LocalHost().real_folders(paths)


def test_a_pinned_folder_is_held(host: RemoteHost, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with host.hold_folder(f"{tmp_path}/a", timeout=WAIT_SECONDS) as holder:
        (tmp_path / "a").rename(tmp_path / "b")
        assert holder.submit_real().result() == f"{tmp_path}/b"
        assert host.read(["ls", "-d", f"{holder.path}/."]).code == 0
        path = holder.path
    wait_until(lambda: not os.path.exists(path))
    with pytest.raises(Failed, match="can't be entered"):
        host.hold_folder(f"{tmp_path}/none", timeout=WAIT_SECONDS).__enter__()


# --- locks, beside a repoman on that host ------------------------------------------------


def pairs(host: RemoteHost) -> list[tuple[Host, Host]]:
    return [(host, host), (host, LocalHost()), (LocalHost(), host)]


@pytest.mark.parametrize("number", range(3))
def test_a_lock_excludes(host: RemoteHost, tmp_path: Path, number: int) -> None:
    one, other = pairs(host)[number]
    path = f"{tmp_path}/locks/x y.lock"
    with one.lock(path), pytest.raises(Locked, match="held by process"), other.lock(path):
        pass
    with other.lock(path):
        assert Path(path).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", range(3))
def test_those_locks_are_held_that_are_free(host: RemoteHost, tmp_path: Path, number: int) -> None:
    one, other = pairs(host)[number]
    paths = [f"{tmp_path}/locks/{name}.lock" for name in ("a b", "c", "d", "e")]
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/e.lock").symlink_to("elsewhere")
    with one.lock(paths[1]), other.locks(paths) as held:
        assert sorted(held) == [paths[0], paths[2]]
        for path in (*held, paths[1]):
            with pytest.raises(Locked, match="held by process"), one.lock(path):
                pass
    with one.locks(paths) as held:
        assert sorted(held) == paths[:3]
    with other.locks([]) as held:
        assert held == {}


def test_a_lock_is_waited_for(host: RemoteHost, tmp_path: Path) -> None:
    path = f"{tmp_path}/x.lock"
    here = LocalHost()
    with host.lock(path), pytest.raises(Locked), here.lock(path, wait_seconds=0.3):
        pass
    with here.lock(path, wait_seconds=WAIT_SECONDS):
        pass


def test_many_locks_at_once(host: RemoteHost, tmp_path: Path) -> None:
    with contextlib.ExitStack() as held:
        for number in range(30):
            held.enter_context(host.lock(f"{tmp_path}/{number}.lock"))
        with pytest.raises(Locked), LocalHost().lock(f"{tmp_path}/29.lock"):
            pass
    with LocalHost().lock(f"{tmp_path}/29.lock"):
        pass


def test_the_locks_of_a_broken_connection_are_free(sshd: Sshd, tmp_path: Path) -> None:
    path = f"{tmp_path}/x.lock"
    host = connected(sshd)
    held = host.lock(path)
    held.__enter__()
    host.close()
    with LocalHost().lock(path, wait_seconds=WAIT_SECONDS):
        pass


@pytest.mark.parametrize("number", [1, 0])
def test_a_lock_is_kept_until_the_program_ended(
    sshd: Sshd, host: RemoteHost, tmp_path: Path, marker: str, number: int
) -> None:
    """Also if the shell that holds the lock is killed, and the program survives for a while."""
    path = f"{tmp_path}/x.lock"
    other = (host, LocalHost())[number]
    far = connected(sshd)

    def stream() -> None:
        with far.lock(path) as lock, pytest.raises(RepomanError):
            far.stream(["sleep", marker], print, print, keep=[lock])

    thread = threading.Thread(target=stream)
    thread.start()
    wait_until(lambda: find_processes(marker))
    wait_until(lambda: b"keeper" in Path(path).read_bytes())
    for pid in {*find_processes("infinity")} & {*find_descendants(sshd.find_sessions())}:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(Locked), other.lock(path, wait_seconds=0.3):
        pass
    far.stopping.set()
    thread.join()
    with other.lock(path, wait_seconds=WAIT_SECONDS):
        pass
    far.close()


# --- coming in ---------------------------------------------------------------------------


def error_of(config: str, known: str = "", name: str = "there", **address: object) -> str:
    ssh = Path(os.environ["HOME"]) / ".ssh"
    (ssh / "config").write_text(config)
    (ssh / "known_hosts").write_text(known)
    with pytest.raises(RepomanError) as caught:
        reached(Address(name, **address))  # type: ignore[arg-type]
    return str(caught.value)


def fingerprint(sshd: Sshd) -> str:
    argv = ["ssh-keygen", "-l", "-f", str(sshd.host_public_key)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()[1]


def test_an_unknown_key_is_refused(sshd: Sshd) -> None:
    said = error_of(sshd.config_stanza("there"))
    assert "is not known" in said
    assert fingerprint(sshd) in said
    assert "`ssh there`" in said


def test_a_changed_key_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    other = make_key(tmp_path / "other").read_text()
    said = error_of(sshd.config_stanza("there"), f"[127.0.0.1]:{sshd.port} {other}")
    assert "is not the one that is known" in said
    assert fingerprint(sshd) in said
    assert "ssh-keygen -R" in said


def test_a_revoked_key_is_refused(sshd: Sshd) -> None:
    said = error_of(sshd.config_stanza("there"), f"@revoked {sshd.known_hosts_line()}")
    assert "revoked" in said
    said = error_of(
        sshd.config_stanza("there"), f"{sshd.known_hosts_line()}@revoked {sshd.known_hosts_line()}"
    )
    assert "revoked" in said


def test_who_has_no_key_is_denied(sshd: Sshd, tmp_path: Path) -> None:
    make_key(tmp_path / "mine")
    config = sshd.config_stanza("there").replace(str(sshd.login_key), f"{tmp_path}/mine")
    assert f"{USER_NAME} was denied by 127.0.0.1" in error_of(config, sshd.known_hosts_line())


def test_a_closed_port_and_an_unknown_host() -> None:
    assert "refused the connection" in error_of("Host there\n HostName 127.0.0.1\n Port 1\n")
    assert "no host is called nosuch.invalid" in error_of("", name="nosuch.invalid")


def test_a_host_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fabric_transport, "_BANNER_SECONDS", 1)
    monkeypatch.setitem(openssh_transport._OPTIONS, "ConnectTimeout", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        error_of(f"Host there\n HostName 127.0.0.1\n Port {port}\n")


def test_the_registry_says_how_a_host_is_reached(sshd: Sshd) -> None:
    ssh = Path(os.environ["HOME"]) / ".ssh"
    (ssh / "known_hosts").write_text(sshd.known_hosts_line())
    address = Address("nas", "127.0.0.1", USER_NAME, sshd.port, str(sshd.login_key))
    host = reached(address)
    assert host.uid == os.geteuid()
    host.close()


def test_a_connection_passes_the_gateway_and_checks_its_key(sshd: Sshd, tmp_path: Path) -> None:
    with Sshd(tmp_path) as gate:
        config = gate.config_stanza("gate") + sshd.config_stanza("there", "ProxyJump gate")
        assert f"[127.0.0.1]:{gate.port} is not known" in error_of(config, sshd.known_hosts_line())
        assert f"[127.0.0.1]:{sshd.port} is not known" in error_of(config, gate.known_hosts_line())
        ssh = Path(os.environ["HOME"]) / ".ssh"
        (ssh / "known_hosts").write_text(sshd.known_hosts_line() + gate.known_hosts_line())
        host = reached(Address("there"))
        assert host.read(["echo", "well"]).out == b"well\n"
        host.close()
