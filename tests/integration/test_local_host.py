"""The methods of the local host, with real programs, files and locks."""

from __future__ import annotations

import os
import random
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from repoman_tasks.errors import Failed, Interrupted, Refused, RepomanError
from repoman_tasks.hosts import processes
from repoman_tasks.hosts.base import Entry, Locked, OutOfTime, Stalled, TimedOut
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.hosts.signals import take_signals
from tests.support.clocks import Clock, make_paced_program
from tests.support.mounts import hanging
from tests.support.processes import WAIT_SECONDS, find_processes, notice_open, wait_until


@pytest.fixture
def host() -> LocalHost:
    return LocalHost()


def start(program: str, *argv: str) -> subprocess.Popen[bytes]:
    """Start a Python process that runs `program`, and wait until it has printed something."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", program, *argv], stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in filter(None, (process.stdin, process.stdout)):
        pipe.close()


# --- words -----------------------------------------------------------------------------

HOSTILE = st.binary(max_size=12).map(lambda data: os.fsdecode(data.replace(b"\0", b""))) | (
    st.sampled_from(["$(reboot)", "`id`", ";", "|", "&", "*", "~", "-rf", "--help", "'", '"', "\\"])
)


@settings(max_examples=60)
@given(st.lists(HOSTILE, min_size=1, max_size=6))
@example(["\n", "", " ", "a\tb", "\x1b[2J", "${IFS}", "!!", "%s", "\\0", "\udcff"])
def test_arguments_arrive_byte_for_byte(argv: list[str]) -> None:
    host, expected = LocalHost(), b"".join(os.fsencode(word) + b"\0" for word in argv)
    assert host.read(["printf", "%s\\0", *argv]).out == expected
    assert host.change(["printf", "%s\\0", *argv]).out == expected


ECHO = "import os, sys; sys.stdout.buffer.write(b'\\0'.join(map(os.fsencode, sys.argv[1:])))"


@settings(max_examples=15)
@given(st.lists(HOSTILE, max_size=6))
def test_arguments_arrive_in_a_program_that_prints_them(argv: list[str]) -> None:
    out = LocalHost().read([sys.executable, "-c", ECHO, *argv]).out
    assert out == b"\0".join(map(os.fsencode, argv))


VERBS: dict[str, Callable[[LocalHost, list[str]], object]] = {
    "read": lambda host, argv: host.read(argv),
    "change": lambda host, argv: host.change(argv),
    "stream": lambda host, argv: host.stream(argv, print, print),
    "hand_over": lambda host, argv: host.hand_over(argv),
    "relay": lambda host, argv: host.relay(argv, print, print),
}


@pytest.mark.parametrize("verb", VERBS)
def test_an_argument_with_nul_is_a_readable_error(host: LocalHost, verb: str) -> None:
    with pytest.raises(RepomanError):
        VERBS[verb](host, ["printf", "a\0b"])


def test_result(host: LocalHost) -> None:
    script = "printf 'a\\377\\n'; echo one >&2; echo two >&2; exit 7"
    done = host.read(["sh", "-c", script])
    assert (done.code, done.out, done.err) == (7, b"a\xff\n", b"one\ntwo\n")
    assert done.text == "a\udcff\n"
    assert done.complaint == "two"
    assert host.read(["sh", "-c", "exit 7"]).complaint == "exit status 7"


def test_more_output_than_a_pipe_holds(host: LocalHost) -> None:
    script = "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2"
    done = host.read(["sh", "-c", script])
    assert (len(done.out), len(done.err)) == (3_000_000, 3_000_000)


def test_standard_input_is_what_is_given_or_nothing(host: LocalHost) -> None:
    assert host.change(["cat"], stdin=b"a\0\xff\n").out == b"a\0\xff\n"
    assert host.change(["true"], stdin=b"nobody reads this").code == 0
    assert host.read(["cat"], timeout=WAIT_SECONDS).out == b""
    lines: list[bytes] = []
    assert host.stream(["cat"], lines.append, lines.append) == 0
    assert lines == []


def test_programs_see_the_hosts_environment_and_speak_one_language() -> None:
    host = LocalHost({"PATH": os.environ["PATH"], "A": "b", "LC_ALL": "de_DE.UTF-8"})
    assert sorted(host.read(["env"]).text.split()) == sorted(
        ["A=b", "LC_ALL=C", f"PATH={os.environ['PATH']}"]
    )


# --- programs that are not there or don't work -----------------------------------------


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        pytest.param(None, 0, "is not installed", id="missing"),
        pytest.param("x", 0o644, "is not installed", id="not executable"),
        pytest.param("\0\0garbage", 0o755, "could not be started", id="no program"),
        pytest.param(
            "#!/no/such/interpreter\n", 0o755, "could not be started", id="no interpreter"
        ),
        pytest.param("", 0o755, "could not be started", id="empty"),
    ],
)
@pytest.mark.parametrize("verb", VERBS)
def test_program_that_does_not_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    content: str | None,
    mode: int,
    says: str,
) -> None:
    if content is not None:
        (tmp_path / "broken").write_text(content)
        (tmp_path / "broken").chmod(mode)
    host = LocalHost({"PATH": str(tmp_path)})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failed, match=f"broken {says}"):
        VERBS[verb](host, ["broken"])


def test_hand_over_gives_the_status_back(host: LocalHost) -> None:
    assert host.hand_over(["true"]) == 0
    assert host.hand_over(["sh", "-c", "exit 7"]) == 7
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_relay_passes_on_chunks_and_ends_with_an_error_of_its_reader(
    host: LocalHost, marker: str
) -> None:
    out, err = bytearray(), bytearray()
    script = "printf 'a\\n\\0b'; printf c >&2; exit 7"
    assert host.relay(["sh", "-c", script], out.extend, err.extend) == 7
    assert (bytes(out), bytes(err)) == (b"a\n\0b", b"c")

    def refuse(_: bytes) -> None:
        raise Refused("no")

    with pytest.raises(Refused):
        host.relay(["sh", "-c", "echo; exec sleep $0", marker], refuse, err.extend)
    assert not find_processes(marker)


# --- the end of a program --------------------------------------------------------------

FAMILIES = {
    "alone": ["sleep", "{}"],
    "with a child": ["sh", "-c", "sleep {} & wait"],
    "with a child of a child": ["sh", "-c", "sh -c 'sleep {} & wait' & wait"],
    "ignores SIGTERM": ["sh", "-c", "trap '' TERM; sleep {} & while :; do wait; sleep 0.1; done"],
    "parent is gone": ["sh", "-c", "sleep {} & exit 0"],
    "parent is gone, the child ignores SIGTERM": ["sh", "-c", "trap '' TERM; sleep {} & exit 0"],
}


def family_of(family: str, marker: str) -> list[str]:
    return [word.format(marker) for word in FAMILIES[family]]


@pytest.mark.parametrize("family", sorted(FAMILIES.keys() - {"ignores SIGTERM"}))
def test_stall(host: LocalHost, marker: str, family: str) -> None:
    with pytest.raises(Stalled, match=r"no progress for 0.4 s"):
        host.stream(family_of(family, marker), print, print, stall_seconds=0.4)
    wait_until(lambda: not find_processes(marker))


@pytest.mark.parametrize("family", FAMILIES)
class TestEnd:
    def test_timeout(self, host: LocalHost, marker: str, family: str) -> None:
        with pytest.raises(TimedOut, match=r"did not answer within 0.3 s"):
            host.read(family_of(family, marker), timeout=0.3)
        wait_until(lambda: not find_processes(marker))

    def test_stop(self, host: LocalHost, marker: str, family: str) -> None:
        def stop() -> None:
            wait_until(lambda: find_processes(marker))
            host.stopping.set()

        thread = threading.Thread(target=stop)
        thread.start()
        with pytest.raises(Interrupted):
            host.stream(family_of(family, marker), print, print)
        thread.join()
        wait_until(lambda: not find_processes(marker))

    def test_error_of_whoever_listens(self, host: LocalHost, marker: str, family: str) -> None:
        argv = family_of(family, marker)
        argv = ["sh", "-c", 'echo; echo x; exec "$@"', "sh", *argv]

        def take(_line: bytes) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            host.stream(argv, take, take)
        wait_until(lambda: not find_processes(marker))


@pytest.mark.parametrize("verb", ["read", "lend"])
def test_a_signal_while_it_starts(
    host: LocalHost, marker: str, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes when the program runs, but before its starter knows the PID."""

    class SignalledPopen(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(subprocess, "Popen", SignalledPopen)
    with take_signals(), pytest.raises(KeyboardInterrupt):
        getattr(host, verb)(["sleep", marker])
    wait_until(lambda: not find_processes(marker))


def test_a_second_signal_while_it_ends(
    host: LocalHost, marker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes when a program that ignores SIGTERM is about to be killed, as git's helpers get."""
    argv = ["sh", "-c", f"trap '' TERM; echo ready; while :; do sleep {marker}; done"]

    def interrupt(_data: bytes) -> None:
        signal.raise_signal(signal.SIGINT)

    def interrupt_again(_group: int, number: int, kill: Any = os.killpg) -> None:
        kill(_group, number)
        if number == signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(os, "killpg", interrupt_again)
    with take_signals(), pytest.raises(KeyboardInterrupt):
        host.relay(argv, interrupt, interrupt)
    wait_until(lambda: not find_processes(marker))


def test_two_signals_at_once(host: LocalHost, marker: str) -> None:
    """As git's helpers get them: the program is killed all the same."""
    argv = ["sh", "-c", f"trap '' TERM; echo ready; while :; do sleep {marker}; done"]
    both = {signal.SIGINT, signal.SIGTERM}

    def interrupt_twice(_data: bytes) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, both)
        for number in both:
            signal.raise_signal(number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, both)

    with take_signals(once=True), pytest.raises(KeyboardInterrupt):
        host.relay(argv, interrupt_twice, interrupt_twice)
    wait_until(lambda: not find_processes(marker))


def test_a_program_that_prints_is_not_stalled(
    host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nearly the whole limit passes before each of its lines."""
    clock = Clock()
    monkeypatch.setattr(processes, "time", clock)
    lines: list[bytes] = []

    def take(line: bytes) -> None:
        lines.append(line)
        clock.now += 0.9

    argv = ["sh", "-c", "for i in 1 2 3 4 5 6; do echo $i; done"]
    assert host.stream(argv, take, print, stall_seconds=1) == 0
    assert lines == [b"1", b"2", b"3", b"4", b"5", b"6"]


def test_a_program_that_only_moves_bytes_is_not_stalled(
    host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, argv = make_paced_program(tmp_path)
    monkeypatch.setattr(processes, "time", clock)
    assert host.stream(argv, print, print, stall_seconds=0.001) == 0
    assert clock.now > 0.01


# --- lines -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        (r"a\nb\n", [b"a", b"b"]),
        (r"a\nb", [b"a", b"b"]),
        (r"a\rb\r\nc", [b"a", b"b", b"c"]),
        (r"\r\r 10%%\r 20%%\rdone\n", [b" 10%", b" 20%", b"done"]),
        (r"\n\n", []),
        (r"", []),
        (r"\377\376\n", [b"\xff\xfe"]),
        (r" a \n", [b" a "]),
        (r"\000\n", [b"\0"]),
    ],
)
def test_lines(host: LocalHost, said: str, lines: list[bytes]) -> None:
    out: list[bytes] = []
    err: list[bytes] = []
    assert host.stream(["printf", said], out.append, err.append) == 0
    assert (out, err) == (lines, [])
    assert host.stream(["sh", "-c", 'printf "$1" >&2; exit 3', "sh", said], print, err.append) == 3
    assert err == lines


def test_a_line_that_comes_in_pieces(host: LocalHost) -> None:
    out: list[bytes] = []
    script = "printf a; sleep 0.1; printf 'b\\r'; sleep 0.1; printf '\\nc'"
    host.stream(["sh", "-c", script], out.append, print)
    assert out == [b"ab", b"c"]


def test_a_long_line(host: LocalHost) -> None:
    out: list[bytes] = []
    host.stream(["sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x"], out.append, print)
    assert [len(line) for line in out] == [1_000_000]


def test_program_enters_its_folder_itself(host: LocalHost, tmp_path: Path) -> None:
    folder = tmp_path / "-a b$(id)"
    folder.mkdir()
    out: list[bytes] = []
    err: list[bytes] = []
    assert host.stream(["pwd", "-P"], out.append, err.append, cwd=str(folder)) == 0
    assert out == [os.fsencode(folder)]
    assert host.stream(["pwd"], out.append, err.append, cwd=f"{folder}/missing") != 0
    assert err
    assert len(out) == 1


# --- files -----------------------------------------------------------------------------


def test_read_file(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\0\xff")
    assert host.read_file(f"{tmp_path}/a") == b"\0\xff"
    assert host.read_file(f"{tmp_path}/b") is None
    with pytest.raises(Failed, match="can't be read"):
        host.read_file(str(tmp_path))


def test_write_file_makes_folders_for_the_owner_only(host: LocalHost, tmp_path: Path) -> None:
    path = tmp_path / "a/b/file"
    host.write_file(str(path), b"\0\xff")
    assert path.read_bytes() == b"\0\xff"
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "a", tmp_path / "a/b", path)]
    assert modes == [0o700, 0o700, 0o600]
    assert os.listdir(path.parent) == ["file"]


def test_write_file_keeps_mode_and_link(host: LocalHost, tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to("real")
    host.write_file(str(link), b"new")
    assert (link.readlink(), real.read_text()) == (Path("real"), "new")
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["link", "real"]


def test_write_file_leaves_readers_of_the_old_one_alone(host: LocalHost, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with path.open() as reader:
        host.write_file(str(path), b"new")
        assert reader.read() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("path", ["file/below", "folder"])
def test_write_file_that_can_not_be(host: LocalHost, tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(Failed, match="can't be written"):
        host.write_file(str(tmp_path / path), b"new")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "x"


WRITER = """
import sys
from repoman_tasks.hosts.local import LocalHost
host, path = LocalHost(), sys.argv[1]
print("ready", flush=True)
while True:
    for letter in (b"a", b"b"):
        host.write_file(path, letter * 300_000)
"""


def test_a_writer_that_is_killed_leaves_the_old_or_the_new_file(
    host: LocalHost, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * 300_000)
    moments = random.Random(1)
    for _ in range(10):
        writer = start(WRITER, str(path))
        time.sleep(moments.uniform(0, 0.02))
        kill(writer)
        data = path.read_bytes()
        assert data in (b"a" * 300_000, b"b" * 300_000)
    host.write_file(str(path), b"done")
    assert path.read_bytes() == b"done"
    assert os.listdir(tmp_path) == ["file"]


def test_walk(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/.zfs/snapshot").mkdir(parents=True)
    (tmp_path / "a/b/file").write_bytes(b"123")
    (tmp_path / "a/link").symlink_to("b")
    (tmp_path / "away").symlink_to("/")
    os.mkfifo(tmp_path / "fifo")
    odd = os.fsencode(tmp_path) + b"/\xff\n"
    Path(os.fsdecode(odd)).touch()
    entries = list(host.walk(f"{tmp_path}/", prune=frozenset({b".zfs"})))
    assert sorted((entry.path, entry.kind) for entry in entries) == [
        (b"a", "d"),
        (b"a/b", "d"),
        (b"a/b/file", "f"),
        (b"a/link", "l"),
        (b"away", "l"),
        (b"fifo", "p"),
        (b"\xff\n", "f"),
    ]
    info = os.stat(tmp_path / "a/b/file")
    (file,) = [entry for entry in entries if entry.path == b"a/b/file"]
    assert file == Entry("f", b"a/b/file", info.st_ino, 3, info.st_mtime_ns, info.st_ctime_ns)


@pytest.mark.parametrize("path", ["missing", "file", "link", "link/"])
def test_walk_of_what_is_no_folder(host: LocalHost, tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(Failed, match="can't be read"):
        list(host.walk(str(tmp_path / path)))


def test_real_folder(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "loop").symlink_to("loop")
    real = os.path.realpath(tmp_path)
    assert host.real_folder(f"{tmp_path}/link/../link") == f"{real}/a"
    for path in ("missing", "loop", "a/missing", "file", "a\0b"):
        assert host.real_folder(f"{tmp_path}/{path}") is None


# --- locks -----------------------------------------------------------------------------

HOLDER = """
import sys
from repoman_tasks.hosts.local import LocalHost
with LocalHost().lock(sys.argv[1]):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def lock_path(tmp_path: Path) -> str:
    return str(tmp_path / "locks/a.lock")


def test_lock_is_free_again_after_use_and_after_an_error(host: LocalHost, lock_path: str) -> None:
    with host.lock(lock_path):
        pass
    with pytest.raises(ZeroDivisionError), host.lock(lock_path):
        raise ZeroDivisionError
    with host.lock(lock_path):
        assert stat.S_IMODE(os.stat(lock_path).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(os.path.dirname(lock_path)).st_mode) == 0o700


def test_lock_excludes_within_a_process_too(host: LocalHost, lock_path: str) -> None:
    with host.lock(lock_path), pytest.raises(Locked), LocalHost().lock(lock_path):
        pass


def test_who_holds_the_lock(host: LocalHost, lock_path: str) -> None:
    holder = start(HOLDER, lock_path)
    try:
        with pytest.raises(Locked) as caught, host.lock(lock_path):
            pass
    finally:
        kill(holder)
    said = str(caught.value)
    assert re.fullmatch(
        r"held by process \d+ \(.*\) since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", said
    ), said
    assert f"process {holder.pid} " in said
    assert lock_path in said
    with host.lock(lock_path):
        pass  # free as soon as its holder is gone


@pytest.mark.parametrize("content", [b"", b"garbage", b"[]", b"\xff", b'{"pid": 1}', b"\0" * 5000])
def test_a_holder_that_can_not_be_read(host: LocalHost, lock_path: str, content: bytes) -> None:
    with host.lock(lock_path):
        Path(lock_path).write_bytes(content)
        with pytest.raises(Locked, match="held by another process"), LocalHost().lock(lock_path):
            pass


def test_lock_waits(host: LocalHost, lock_path: str) -> None:
    holder = start(HOLDER, lock_path)
    assert holder.stdin is not None
    free = holder.stdin.close

    with notice_open(Path(lock_path)) as tried:

        def let_go() -> None:
            wait_until(tried)
            free()

        thread = threading.Thread(target=let_go)
        thread.start()
        with host.lock(lock_path, wait_seconds=WAIT_SECONDS):
            assert holder.stdin.closed
        thread.join()
    kill(holder)


def test_lock_waits_no_longer_than_its_limit(host: LocalHost, lock_path: str) -> None:
    other = LocalHost().lock(lock_path, wait_seconds=0.3)
    with host.lock(lock_path), pytest.raises(Locked), other:
        pass


@pytest.mark.parametrize(
    ("stoppable", "error", "seconds"), [(True, Interrupted, WAIT_SECONDS), (False, Locked, 1)]
)
def test_stopping_ends_the_wait_for_a_lock_that_may_be_stopped(
    host: LocalHost, lock_path: str, stoppable: bool, error: type[Exception], seconds: float
) -> None:
    with LocalHost().lock(lock_path):
        threading.Timer(0.2, host.stopping.set).start()
        waiting = host.lock(lock_path, wait_seconds=seconds, stoppable=stoppable)
        with pytest.raises(error), waiting:
            pass


COUNTER = """
import sys
from pathlib import Path
from repoman_tasks.hosts.local import LocalHost
host, lock, counter = LocalHost(), sys.argv[1], Path(sys.argv[2])
print("ready", flush=True)
for _ in range(25):
    with host.lock(lock, wait_seconds=60):
        counter.write_text(str(int(counter.read_text()) + 1))
"""


def test_lock_excludes_between_processes(lock_path: str, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    processes = [start(COUNTER, lock_path, str(counter)) for _ in range(4)]
    for process in processes:
        assert process.wait(WAIT_SECONDS) == 0
        kill(process)
    assert counter.read_text() == "100"


KEEPER = """
import sys
from repoman_tasks.hosts.local import LocalHost
host = LocalHost()
with host.lock(sys.argv[1]) as lock:
    words = ["sh", "-c", "echo; echo started; exec sleep " + sys.argv[2]]
    host.stream(words, lambda line: print("ready", flush=True), print, keep=[lock])
"""


def test_a_program_keeps_the_lock_when_its_parent_is_killed(
    host: LocalHost, lock_path: str, marker: str
) -> None:
    keeper = start(KEEPER, lock_path, marker)
    kill(keeper)
    wait_until(lambda: find_processes(marker))  # its arguments can't be read while it becomes sleep
    with pytest.raises(Locked, match=f"held by process {keeper.pid} "), host.lock(lock_path):
        pass
    for pid in find_processes(marker):
        os.kill(pid, signal.SIGKILL)
    with host.lock(lock_path, wait_seconds=WAIT_SECONDS):
        pass


def test_a_program_that_was_not_given_the_lock_does_not_keep_it(
    host: LocalHost, lock_path: str, marker: str
) -> None:
    keeper = start(KEEPER.replace(", keep=[lock]", ""), lock_path, marker)
    kill(keeper)
    with host.lock(lock_path):
        wait_until(lambda: find_processes(marker))


def test_lock_is_not_made_through_a_link(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    (tmp_path / "a.lock").symlink_to("precious")
    with pytest.raises(Failed, match="can't be opened"), host.lock(f"{tmp_path}/a.lock"):
        pass
    assert (tmp_path / "precious").read_text() == "x"


# --- a folder held in use --------------------------------------------------------------


def test_pin_leads_to_the_folder_whatever_its_name_is_by_then(
    host: LocalHost, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_text("mine")
    with host.hold_folder(f"{tmp_path}/a", timeout=WAIT_SECONDS) as holder:
        assert holder.submit_real().result() == os.path.realpath(tmp_path / "a")
        (tmp_path / "a").rename(tmp_path / "b")
        (tmp_path / "a").mkdir()
        assert os.listdir(holder.path) == ["file"]
        assert host.read(["cat", f"{holder.path}/file"]).out == b"mine"
        assert holder.submit_real().result() == os.path.realpath(tmp_path / "b")
        path = holder.path
    assert not os.path.exists(path)


def test_pin_resolves_links(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    with host.hold_folder(f"{tmp_path}/link", timeout=WAIT_SECONDS) as holder:
        assert holder.submit_real().result() == os.path.realpath(tmp_path / "a")


@pytest.mark.parametrize(
    ("path", "says"), [("missing", "No such file"), ("file", "Not a directory")]
)
def test_pin_of_what_can_not_be_entered(
    host: LocalHost, tmp_path: Path, path: str, says: str
) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(Failed, match=f"can't be entered: {says}"),
        host.hold_folder(str(tmp_path / path), timeout=WAIT_SECONDS),
    ):
        pass


def test_pin_of_what_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marker: str
) -> None:
    fake = tmp_path / "env"
    fake.write_text(f"#!/bin/sh\nsleep {marker}\n")
    fake.chmod(0o755)
    host = LocalHost({"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    monkeypatch.setenv("PATH", host.environ["PATH"])
    with pytest.raises(TimedOut, match="did not answer"), host.hold_folder("/nfs", timeout=0.3):
        pass
    wait_until(lambda: not find_processes(marker))


PINNER = """
import sys
from repoman_tasks.hosts.local import LocalHost
with LocalHost().hold_folder(sys.argv[1], timeout=100) as pin:
    print("ready", flush=True)
    print(pin.path, flush=True)
    sys.stdin.read()
"""


def test_pin_ends_with_its_owner_however_that_ends(tmp_path: Path) -> None:
    pinner = start(PINNER, str(tmp_path))
    assert pinner.stdout is not None
    path = pinner.stdout.readline().decode().strip()
    assert os.path.realpath(path) == os.path.realpath(tmp_path)
    kill(pinner)
    wait_until(lambda: not os.path.exists(path))


# --- invoke's --dry --------------------------------------------------------------------


def test_dry_says_what_would_change_and_changes_nothing(
    host: LocalHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host.dry = True
    path = f"{tmp_path}/a b"
    assert host.change(["touch", path], stdin=b"x").code == 0
    assert host.stream(["touch", path], print, print) == 0
    assert host.hand_over(["touch", path]) == 0
    host.write_file(path, b"x")
    with host.lock(f"{path}.lock"):
        pass
    assert os.listdir(tmp_path) == []
    said = capsys.readouterr().out.splitlines()
    assert said == [f"touch '{path}'"] * 3 + [f"write '{path}'"]
    assert host.read(["printf", "x"]).out == b"x", "reading still works"
    seen: list[bytes] = []
    host.stream(["printf", "x"], seen.append, print, changes=False)
    assert seen == [b"x"]


@pytest.mark.as_root
@pytest.mark.parametrize("verb", ["walk", "digests", "folders", "read"])
def test_what_waits_for_a_dead_file_system_ends_when_everything_stops(
    host: LocalHost, tmp_path: Path, verb: str
) -> None:
    if os.geteuid():
        pytest.skip("not here: only root mounts a file system that hangs")
    path = str(tmp_path)
    asks: dict[str, Callable[[], object]] = {
        "walk": lambda: list(host.walk(path)),
        "digests": lambda: host.submit_digests([path]).result(),
        "folders": lambda: host.real_folder(path),
        "read": lambda: host.read(["find", path], timeout=WAIT_SECONDS),
    }
    with hanging(tmp_path):
        stop = threading.Timer(0.5, host.stopping.set)
        stop.start()
        with pytest.raises(Interrupted):
            asks[verb]()
        stop.join()


WALKS: dict[str, Callable[[LocalHost, str], object]] = {
    "walk": lambda host, root: list(host.walk(root)),
    "digests": lambda host, root: host.submit_digests([root]).result(),
    "comparison": lambda host, root: host.submit_comparison(root, "", "").result(),
}


@pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS.keys())
def test_the_time_of_walks_is_limited(
    walk: Callable[[LocalHost, str], object], tmp_path: Path
) -> None:
    host = LocalHost()
    with host.limited(time.monotonic() - 1), pytest.raises(OutOfTime):
        walk(host, str(tmp_path))
    walk(host, str(tmp_path))
