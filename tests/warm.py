"""`repoman` without the start of Python, which is most of what a short command takes.

Run as a script it is a process that has imported all of repoman. For each run it forks, and the
child becomes what `python -P -m repoman_tasks` is, to its end: with these words, in this
environment and folder, in a session of its own, with these files.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

__all__ = ["COLD", "Started", "forks", "start"]

COLD = (sys.executable, "-P", "-m", "repoman_tasks")
"""The words that start it as a person does."""
ALWAYS_COLD = os.environ.get("REPOMAN_TEST_COLD") == "1"
"""Taken before any test's own environment is laid."""
_MEASURED = "COVERAGE_PROCESS_"
_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "COV", "MALLOC_")
"""How variables begin that act before the first line of repoman."""
_FILES = 3
_WIDTH = 8
"""Bytes of a number."""
_PIPE_BUF = 4096
"""What a pipe that can be written takes at once."""


# --- who asks ----------------------------------------------------------------------------


class Started:
    """A `repoman` that runs; of `subprocess.Popen` what `tests.estate.run` needs."""

    def __init__(self, pid: int, ends: socket.socket, files: Sequence[FileIO]) -> None:
        """`ends` tells its end; `files` are our ends of its standard files."""
        self.pid = pid
        self.returncode = 0
        self._ends = ends
        self._files = files

    def communicate(self, given: bytes = b"", timeout: float = 60) -> tuple[bytes, bytes]:
        """Give it `given` and wait for its end; what it wrote. TimeoutExpired as of Popen, after
        which there is nothing more to be had."""
        if self._ends.fileno() < 0:
            return b"", b""
        deadline = time.monotonic() + timeout
        with contextlib.ExitStack() as closing:
            closing.enter_context(self._ends)
            to, out, err = (closing.enter_context(file) for file in self._files)
            told = _exchange(to, given, (out, err), lambda: _left(deadline, timeout))
            self._ends.settimeout(_left(deadline, timeout))
            try:
                self.returncode = os.waitstatus_to_exitcode(_number(self._ends))
            except TimeoutError:
                raise _late(timeout) from None
        return told[out], told[err]


def _exchange(
    to: FileIO, given: bytes, froms: Sequence[FileIO], left: Callable[[], float]
) -> dict[FileIO, bytes]:
    """Write `given` and read all that comes, both as long as somebody is there."""
    files = {file.fileno(): file for file in (to, *froms)}
    told = dict.fromkeys(froms, b"")
    with selectors.DefaultSelector() as there:
        for number, file in files.items():
            there.register(number, selectors.EVENT_WRITE if file is to else selectors.EVENT_READ)
        while there.get_map():
            for file in [files[key.fd] for key, _ in there.select(left())]:
                if file is to:
                    given = more = _written(to, given)
                else:
                    more = file.read(1 << 16)
                    told[file] += more
                if not more:
                    there.unregister(file)
                    file.close()
    return told


def _written(file: FileIO, given: bytes) -> bytes:
    """What is left of `given`; nothing where nobody reads any more."""
    try:
        return given[file.write(given[:_PIPE_BUF]) :] if given else b""
    except BrokenPipeError:
        return b""


def _left(deadline: float, timeout: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise _late(timeout)
    return left


def _late(timeout: float) -> subprocess.TimeoutExpired:
    return subprocess.TimeoutExpired("repoman", timeout)


def start(
    words: Sequence[str | bytes], environ: Mapping[str, str], cwd: Path | str
) -> Started | None:
    """Start `repoman` where `words` are that; None where it has to be started cold."""
    if tuple(words[: len(COLD)]) != COLD or not forks(environ):
        return None
    server = _server()
    if server.at_start != _at_start(environ):
        return None
    said = [os.fsdecode(word) for word in words[len(COLD) :]]
    return server.begin(json.dumps([said, dict(environ), str(cwd)]).encode())


def forks(environ: Mapping[str, str]) -> bool:
    """Whether anything is forked; what is measured for the coverage is not."""
    return not (ALWAYS_COLD or any(name.startswith(_MEASURED) for name in environ))


def _at_start(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(_READ_AT_START)}


@dataclass(frozen=True)
class _Server:
    """The process that forks for this one, and ends with it."""

    process: subprocess.Popen[bytes]
    orders: socket.socket
    at_start: Mapping[str, str]
    lock: threading.Lock
    owner: int

    def begin(self, order: bytes) -> Started:
        ours, theirs = socket.socketpair()
        (its_in, to), (out, its_out), (err, its_err) = (os.pipe() for _ in range(_FILES))
        its = (its_in, its_out, its_err)
        with theirs, self.lock:
            socket.send_fds(self.orders, [_bytes(len(order))], [*its, theirs.fileno()])
            self.orders.sendall(order)
        for file in its:
            os.close(file)
        files = (FileIO(to, "w"), FileIO(out), FileIO(err))
        return Started(_number(ours), ours, files)


_made: list[_Server] = []


def _server() -> _Server:
    """It, made when it is first asked for."""
    if not _made or _made[0].owner != os.getpid():
        ours, theirs = socket.socketpair()
        words = [sys.executable, "-P", __file__, str(theirs.fileno())]
        with theirs:
            process = subprocess.Popen(
                words,
                cwd="/",
                stdin=subprocess.PIPE,  # files of the kind that each run has
                stdout=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        lock = threading.Lock()
        _made[:] = [_Server(process, ours, _at_start(os.environ), lock, os.getpid())]
    return _made[0]


def _bytes(number: int) -> bytes:
    return number.to_bytes(_WIDTH, "big")


def _number(told: socket.socket) -> int:
    read = told.recv(_WIDTH, socket.MSG_WAITALL)
    if len(read) < _WIDTH:
        raise RuntimeError("tests/warm.py ended, see what it wrote")
    return int.from_bytes(read, "big")


# --- who forks ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Order:
    """What a child becomes."""

    words: list[str]
    environ: dict[str, str]
    cwd: str
    files: list[int]


def _serve(orders: socket.socket) -> _Order | None:
    """Fork for each order; returns in the child what it is to be, and None at the end."""
    running: dict[int, tuple[int, socket.socket]] = {}
    # All of them closed in the child too: what closes a file later could hit one of repoman's.
    with orders, selectors.DefaultSelector() as waiting:
        waiting.register(orders, selectors.EVENT_READ)
        while True:
            for ready in [key.fd for key, _ in waiting.select()]:
                if ready in running:
                    waiting.unregister(ready)
                    os.close(ready)
                    _tell(*running.pop(ready))
                    continue
                order = _received(orders)
                if not order:
                    return None
                pid = os.fork()
                if pid == 0:
                    return order
                ends = _given_away(order)
                ends.sendall(_bytes(pid))
                watch = os.pidfd_open(pid)
                running[watch] = (pid, ends)
                waiting.register(watch, selectors.EVENT_READ)


def _received(orders: socket.socket) -> _Order | None:
    size, files, *_ = socket.recv_fds(orders, _WIDTH, _FILES + 1)
    if not size:
        return None
    text = orders.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL)
    words, environ, cwd = json.loads(text)
    return _Order(words, environ, cwd, files)


def _given_away(order: _Order) -> socket.socket:
    """Close the files, which are the child's now; the way to who asked."""
    for file in order.files[:_FILES]:
        os.close(file)
    return socket.socket(fileno=order.files[_FILES])


def _tell(pid: int, ends: socket.socket) -> None:
    status = os.waitpid(pid, 0)[1]
    with ends, contextlib.suppress(BrokenPipeError):  # who asked may have given up
        ends.sendall(_bytes(status))


def _become(order: _Order) -> None:
    os.setsid()
    for number, file in enumerate(order.files[:_FILES]):
        os.dup2(file, number)
    os.closerange(_FILES, os.sysconf("SC_OPEN_MAX"))
    os.chdir(order.cwd)
    os.environ.clear()
    os.environ.update(order.environ)
    time.tzset()
    sys.argv[1:] = order.words


def _import_all() -> None:
    """Import what any command does, and in the same order first."""
    import importlib
    import pkgutil

    import repoman_tasks
    from repoman_tasks import entry

    entry._program()
    for module in pkgutil.walk_packages(repoman_tasks.__path__, "repoman_tasks."):
        if not module.name.startswith(("repoman_tasks.dev", "repoman_tasks.__main__")):
            importlib.import_module(module.name)
    importlib.import_module("fabric")  # for another host


def _main() -> None:
    import gc
    import runpy

    _import_all()
    gc.collect()
    gc.freeze()  # what is never looked at need not be copied
    order = _serve(socket.socket(fileno=int(sys.argv[1])))
    if order:
        _become(order)
        try:
            runpy.run_module("repoman_tasks", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            _end(end.code)
            raise


def _end(code: object) -> None:
    """What Python does at its end, but for taking its modules apart, of which the next run has
    its own. Where that is not all there is to do, it returns, and Python does it."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
        if code is None or isinstance(code, int):
            os._exit(code or 0)


if __name__ == "__main__":
    _main()
