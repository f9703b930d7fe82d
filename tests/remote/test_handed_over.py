"""Hand a terminal, or plain streams, to a program on the other side, as `shell` and `exec` do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pytest

from tests.support.estate import CHECKOUT
from tests.support.processes import WAIT_SECONDS, find_processes, find_sleeps, wait_until
from tests.support.ssh_estate import RemoteEstate
from tests.support.terminals import Window, spawn

HAND_OVER = """
import os, sys
from repoman_tasks.cli.exits import exit_on_error
from repoman_tasks.model import Address
from repoman_tasks.hosts.ssh.remote_host import RemoteHost
from repoman_tasks.hosts.signals import take_signals
from tests.support.ssh_estate import make_line
from invoke.exceptions import Exit

try:
    with exit_on_error(debug=False), take_signals():
        host = RemoteHost("there", make_line(Address("there"), sys.argv[1]))
        try:
            sys.exit(CALL)
        finally:
            host.close()
except Exit as error:
    print(error.message, file=sys.stderr)
    sys.exit(error.code)
"""
"""Calls that `exec` and git's helper make, without a container in between."""
CALLS = {
    "hand_over": "host.hand_over(sys.argv[2:])",
    "relay": "host.relay(sys.argv[2:], lambda d: os.write(1, d), lambda d: os.write(2, d))",
}
each_verb = pytest.mark.parametrize("verb", CALLS)


def script_for(verb: str) -> str:
    """Return the script that calls this verb of a host."""
    return HAND_OVER.replace("CALL", CALLS[verb])


@pytest.fixture
def far(request: pytest.FixtureRequest, tmp_path: Path, transport: str) -> Iterator[RemoteEstate]:
    """Return a remote estate; its parameter is a list of lines for sshd_config."""
    with RemoteEstate(tmp_path, transport, *getattr(request, "param", ())) as made:
        made.sshd.set_session_environ(made.environ)
        yield made


def words_for(transport: str, *argv: str, verb: str = "hand_over") -> list[str]:
    return [sys.executable, "-c", script_for(verb), transport, *argv]


def environ_of(far: RemoteEstate) -> dict[str, str]:
    return {**far.client_environ, "PYTHONPATH": str(CHECKOUT)}


def started(
    far: RemoteEstate, transport: str, *argv: str, verb: str = "hand_over"
) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        words_for(transport, *argv, verb=verb),
        env=environ_of(far),
        cwd=far.laptop,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
    )


@each_verb
def test_streams_are_its_own(far: RemoteEstate, transport: str, verb: str) -> None:
    """Input to its end, outputs apart, and the exit status; also of a program that reads
    nothing."""
    process = started(far, transport, "sh", "-c", "cat; echo err >&2; exit 7", verb=verb)
    assert process.communicate(b"\0\xff\n" * 100_000, WAIT_SECONDS) == (
        b"\0\xff\n" * 100_000,
        b"err\n",
    )
    assert process.returncode == 7
    process = started(far, transport, "sh", "-c", "exec <&- >&-; exit 255", verb=verb)
    assert process.communicate(b"x" * 10_000_000, WAIT_SECONDS) == (b"", b"")
    assert process.returncode == 255
    process = started(far, transport, "sh", "-c", "kill -9 $$", verb=verb)
    assert process.communicate(timeout=WAIT_SECONDS) == (b"", b"")
    assert process.returncode == 128 + 9


def test_the_connection_ends_with_it(far: RemoteEstate, transport: str) -> None:
    process = started(far, transport, "sh", "-c", "exit 3")
    assert process.wait(WAIT_SECONDS) == 3
    wait_until(lambda: not far.sshd.find_sessions())


@each_verb
@pytest.mark.parametrize("end", ["interrupt", "ctrl-c", "terminate", "cut", "cut-without-it"])
def test_it_ends_with_its_children(
    far: RemoteEstate, transport: str, marker: str, end: str, verb: str
) -> None:
    """Also a program that ignores signals and neither reads nor writes; and such children of one
    that ends."""
    script = f"trap '' TERM HUP; sleep {marker} & sleep {marker}; sleep {marker}"
    if end == "cut-without-it":
        script = f"(trap '' TERM HUP; sleep {marker} & sleep {marker}) & exec sleep {marker}"
    process = started(far, transport, "sh", "-c", script, verb=verb)
    wait_until(lambda: len(find_sleeps(marker)) >= 2)
    there = set(find_processes(marker)) - {process.pid}
    if end.startswith("cut"):
        far.sshd.kill_connections()
    elif end == "ctrl-c":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT if end == "interrupt" else signal.SIGTERM)
    wait_until(lambda: not there & set(find_processes(marker)))
    _, err = process.communicate(timeout=WAIT_SECONDS)
    code = 1 if end.startswith("cut") else 130
    assert (process.returncode, err.count(b"\n")) == (code, 1), err


def test_a_relay_ends_if_nobody_reads(far: RemoteEstate, transport: str, marker: str) -> None:
    """Also while nothing comes."""
    process = started(far, transport, "sleep", marker, verb="relay")
    wait_until(lambda: find_sleeps(marker))
    there = set(find_processes(marker)) - {process.pid}
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(WAIT_SECONDS) == 130
    wait_until(lambda: not there & set(find_processes(marker)))


# --- a terminal ----------------------------------------------------------------------------

LOOKS = """
trap 'stty size' WINCH
stty size
while :; do read -r line && break; done
exit "$line"
"""


def test_a_terminal_of_the_same_kind_and_size(far: RemoteEstate, transport: str) -> None:
    argv = words_for(transport, "sh", "-c", LOOKS)
    with Window(argv, environ_of(far), far.laptop, columns=90, lines=30) as window:
        window.wait_for_line("^30 90$")
        window.resize(70, 20)
        window.wait_for_line("^20 70$")
        window.press("7", "Enter")
        assert window.wait_for_exit()[0] == 7


def test_a_full_screen_program(far: RemoteEstate, transport: str) -> None:
    """It is redrawn when the window changes, and restores the screen at its end."""
    far.base.joinpath("file").write_text("".join(f"line {n}\n" for n in range(100)))
    argv = words_for(transport, "sh", "-c", f"cd {far.base}; exec busybox vi file")
    with Window(argv, environ_of(far), far.laptop, columns=80, lines=24) as window:
        window.wait_for_line("^line 22$")
        window.resize(80, 40)
        window.wait_for_line("^line 38$")
        window.press("i", "hello ", "Escape")
        window.wait_for_line("^hello line 0$")
        window.press(":wq", "Enter")
        assert window.wait_for_exit()[0] == 0
    assert far.base.joinpath("file").read_text().startswith("hello line 0\n")


def test_a_terminal_ends_what_ran_there(far: RemoteEstate, transport: str, marker: str) -> None:
    child = spawn(words_for(transport, "sleep", marker), environ_of(far), far.laptop)
    wait_until(lambda: find_sleeps(marker))
    there = set(find_processes(marker)) - {child.pid}
    far.sshd.kill_connections()
    wait_until(lambda: not there & set(find_processes(marker)))
    child.expect("the connection broke")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1


@pytest.mark.parametrize("far", [["PermitTTY no"]], indirect=True)
def test_a_host_that_gives_no_terminal_is_reported(far: RemoteEstate, transport: str) -> None:
    child = spawn(words_for(transport, "echo", "it runs"), environ_of(far), far.laptop, columns=200)
    child.expect_exact("repoman: it gives no terminal: look at PermitTTY in its sshd_config")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1
    process = started(far, transport, "echo", "it runs")
    assert process.communicate(timeout=WAIT_SECONDS)[0] == b"it runs\n"
    assert process.returncode == 0
