"""This host. The only module that starts processes; it never uses a shell."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import math
import os
import pwd
import selectors
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from repoman_tasks.errors import Failed, Interrupted
from repoman_tasks.hosts.base import (
    FOLDER_SECONDS,
    KEPT_BYTES,
    MAX_BYTES,
    MOST_LISTED,
    Argv,
    Comparison,
    Differences,
    Entry,
    Future,
    Holder,
    Host,
    HungFolders,
    Lock,
    OutOfTime,
    Result,
    Sink,
    TimedOut,
    entering_error,
)
from repoman_tasks.hosts.builtin_programs import run_builtin
from repoman_tasks.hosts.local_folders import MayHang, real_folder, slow_mount_points
from repoman_tasks.hosts.processes import (
    StallTimer,
    cut_lines,
    deadline_check,
    limit_check,
    lock_note,
    locked_error,
    not_installed,
    reader_check,
    wait_for_lock,
    waits,
)
from repoman_tasks.hosts.signals import defer_signals
from repoman_tasks.hosts.tree_walks import (
    check_complaints,
    entries_argv,
    not_a_folder,
    parse_entry,
)

if TYPE_CHECKING:  # what not every command needs is imported when it does
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["Child", "LocalHost", "Pipe"]

_CHUNK = 1 << 16
_POLL_SECONDS = 0.1
_FORK_SECONDS = 5.0
"""Time for a child to start its program, on a busy machine."""
_LOCK_SECONDS = 0.02
"""Pause between attempts to take a lock."""
_BESIDE = 8
"""Programs that run beside the others, at most."""
_MOST_SAID = 1 << 16
"""Most bytes to read of a lock's file: a line for its holder, and one for each keeper."""
_WALKERS = 2
"""Walks over trees at the same time: more only fight for the disk."""
_ROOTS = 32
"""Trees that one find walks over: to start one takes as long as to look at a hundred files."""
_HURRY_SECONDS = 0.3
"""Time for a quick program to end by itself once everything is to stop."""
_TERM_SECONDS = 1.0
"""Time between SIGTERM and SIGKILL."""
_KILL_SECONDS = 0.5
"""Time to wait after SIGKILL; a process that waits for a dead file server may not end."""


class LocalHost(Host):
    """The host that repoman runs on."""

    name = "this host"
    keeps_caches = True

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.environ = dict(os.environ if environ is None else environ)
        self.uid = os.geteuid()
        self.other_groups = frozenset(os.getgroups()) - {os.getegid()}
        self.folder = _working_folder()
        self.home = self.environ.get("HOME") or pwd.getpwuid(self.uid).pw_dir
        self._running: set[subprocess.Popen[bytes]] = set()
        self._beginning = threading.Lock()
        """Held while a program is started, so that `close` does not miss it."""
        self._closed = False
        self._threads: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """Kill the programs of other threads; no program can be started afterwards."""
        with self._beginning:
            self._closed = True
            running = list(self._running)
        for process in running:
            _end(process)
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    # --- programs ------------------------------------------------------------------

    def submit(
        self,
        argv: Argv,
        *,
        timeout: float = 30.0,
        max_bytes: int = MAX_BYTES,
        stoppable: bool = False,
    ) -> Future[Result]:
        return Future(partial(self._run, argv, b"", timeout, max_bytes, stoppable=stoppable))

    def submit_beside(self, argv: Argv, *, timeout: float) -> Future[Result]:
        from concurrent.futures import ThreadPoolExecutor

        with self._beginning:
            self._threads = self._threads or ThreadPoolExecutor(_BESIDE)
            return Future(self._threads.submit(self._run, argv, b"", timeout, _MOST_SAID).result)

    def _change(
        self, argv: Argv, timeout: float, stdin: bytes, max_bytes: int, stoppable: bool
    ) -> Result:
        return self._run(argv, stdin, timeout, max_bytes, stoppable=stoppable)

    def _run(
        self, argv: Argv, stdin: bytes, timeout: float, max_bytes: int, *, stoppable: bool = False
    ) -> Result:
        out, err = bytearray(), bytearray()
        limits = limit_check(argv[0], timeout, max_bytes, lambda: len(out) + len(err))
        hurry = self._hurry_check()

        def check() -> None:
            limits()
            hurry()
            if stoppable:
                self._check_stopping()

        try:
            if builtin := run_builtin(argv, self.environ, out, check):
                return builtin
        finally:
            waits.end()
        # A pipe would take no more than its buffer if the program does not read.
        with open(os.memfd_create("stdin"), "w+b", buffering=0) as given:
            given.write(stdin)
            given.seek(0)
            with self._start(argv, stdin=given) as process:
                try:
                    code = self._drain(process, out.extend, err.extend, check)
                finally:
                    waits.end()
        return Result(tuple(argv), code, bytes(out), bytes(err))

    def _stream(
        self,
        program: str,
        argv: Argv,
        out: Sink,
        err: Sink,
        limits: tuple[float, float],
        keep: Sequence[Lock],
    ) -> int:
        _require(program, self.environ.get("PATH"))
        out_lines, err_lines = _Lines(out), _Lines(err)
        inherited = tuple(lock.fd for lock in keep if isinstance(lock, _LocalLock))
        with self._start(argv, stdin=subprocess.DEVNULL, pass_fds=inherited) as process:
            count = partial(_io_of_session, process.pid)
            stall = StallTimer(limits[0], count, limits[1], program)

            def check() -> None:
                self._check_stopping()
                stall.check()

            out_fed, err_fed = stall.counting(out_lines.feed), stall.counting(err_lines.feed)
            code = self._drain(process, out_fed, err_fed, check)
        out_lines.finish()
        err_lines.finish()
        return code

    def _hand_over(self, argv: Argv) -> int:
        # Ctrl-C reaches the program, which shares the terminal; repoman waits for it.
        # (Unlike SIG_IGN, a handler is not inherited.)
        waits.end()
        before = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            return self.lend(argv)
        finally:
            signal.signal(signal.SIGINT, before)

    def lend(self, argv: Argv) -> int:
        """Run a program on these streams until it, or a signal, ends; return its exit status."""
        sys.stdout.flush()
        process = None
        try:
            with defer_signals(), _starting(argv, self.environ.get("PATH")):
                process = subprocess.Popen(argv)
            return process.wait()
        except KeyboardInterrupt:
            if process is not None:
                process.terminate()
                process.wait()
            raise

    def _relay(self, argv: Argv, out: Sink, err: Sink) -> int:
        with self._start(argv) as process:
            return self._drain(process, out, err, reader_check())

    def _carry(self, argv: Argv, connection: socket.socket) -> Result:
        said = b""
        with self._start(argv, stdin=connection, stdout=connection) as process:
            assert process.stderr is not None
            while data := os.read(process.stderr.fileno(), _CHUNK):
                said = (said + data)[-KEPT_BYTES:]
            return Result(tuple(argv), process.wait(), err=said)

    def child(self, argv: Argv) -> Child:
        """Start a program with pipes to its streams."""
        with self._beginning:
            return Child(self._begin(argv, stdin=subprocess.PIPE, bufsize=0))

    def pipe(self, argv: Argv) -> Pipe:
        """Start a program that carries a connection by its standard streams, until `close`."""
        import tempfile

        ours, its = socket.socketpair()
        with its, tempfile.TemporaryFile() as said, self._beginning:
            process = self._begin(argv, stdin=its, stdout=its, stderr=said)
            self._running.add(process)
            return Pipe(ours, os.dup(said.fileno()))

    @contextlib.contextmanager
    def _start(self, argv: Argv, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
        process, well = None, False
        try:
            # A signal while it starts would leave it running, as nobody knew its PID yet.
            with defer_signals(), self._beginning:
                process = self._begin(argv, **options)
                self._running.add(process)
            yield process
            well = process.returncode is not None
        finally:
            if process is not None:
                self._running.discard(process)
                if not well:
                    _end(process)
                _close_pipes(process)

    def _begin(self, argv: Argv, **options: Any) -> subprocess.Popen[bytes]:
        """Start a child in its own session, so that it can be killed with its children."""
        if self._closed:
            raise Interrupted("interrupted")
        with _starting(argv, self.environ.get("PATH")):
            return subprocess.Popen(
                argv,
                start_new_session=True,
                # Messages are parsed, so they must be in English.
                env={**self.environ, "LC_ALL": "C"},
                **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
            )

    def _drain(
        self,
        process: subprocess.Popen[bytes],
        out: Callable[[bytes], object],
        err: Callable[[bytes], object],
        check: Callable[[], None],
    ) -> int:
        """Pass on the output of `process` until it ends; `check` may raise in between."""
        with selectors.DefaultSelector() as selector:
            assert process.stdout is not None
            assert process.stderr is not None
            selector.register(process.stdout, selectors.EVENT_READ, out)
            selector.register(process.stderr, selectors.EVENT_READ, err)
            while selector.get_map():
                for key, _ in selector.select(_POLL_SECONDS):
                    data = os.read(key.fd, _CHUNK)
                    if data:
                        key.data(data)
                    else:
                        selector.unregister(key.fileobj)
                check()
        while True:
            try:
                return process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                check()

    # --- files ---------------------------------------------------------------------

    def submit_file(self, path: str) -> Future[bytes | None]:
        return Future(partial(_content, path))

    def _write_file(self, path: str, data: bytes) -> None:
        target = os.path.realpath(path)  # keep a registry that is a symlink
        folder, name = os.path.split(target)
        temporary = os.path.join(folder, f".{name}.tmp")
        try:
            _make_folders(folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(temporary, flags, 0o600), "wb") as file:
                with contextlib.suppress(FileNotFoundError):
                    os.fchmod(file.fileno(), stat.S_IMODE(os.stat(target).st_mode))
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
            _sync_folder(folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise Failed(f"{path} can't be written", _reason(error)) from None

    def submit_append(self, path: str, data: bytes) -> Future[int]:
        return Future(partial(_append, path, data))

    def cache_file(self, path: str, data: bytes) -> None:
        temporary = f"{path}.{threading.get_native_id()}"  # others may write it at the same time
        with contextlib.suppress(Failed, OSError, ValueError):
            if self.dry or self.read_file(path) == data:
                return
            _make_folders(os.path.dirname(path))
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                with open(os.open(temporary, flags, 0o600), "wb") as file:
                    file.write(data)
                os.replace(temporary, path)
            finally:
                os.unlink(temporary)

    @contextlib.contextmanager
    def _lock(self, path: str, wait_seconds: float, stoppable: bool) -> Iterator[Lock]:
        try:
            _make_folders(os.path.dirname(path))
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise Failed(f"{path} can't be opened", _reason(error)) from None
        try:
            wait_for_lock(
                partial(_take, fd),
                wait_seconds=wait_seconds,
                pause=_LOCK_SECONDS,
                stopping=self.stopping if stoppable else None,
            )
            with contextlib.suppress(OSError):  # only informs others
                os.truncate(fd, 0)
                os.pwrite(fd, lock_note(os.getpid()).encode(), 0)
            yield _LocalLock(path, fd)
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def hold_folder(self, path: str, *, timeout: float) -> Iterator[Holder]:
        # `cat` has the directory as its working directory. It changes to it by itself, so that a
        # dead file server blocks `cat` and not repoman, and it ends when repoman ends in any way.
        argv = ["env", "-C", path, "cat"]
        with self._start(argv, stdin=subprocess.PIPE, bufsize=0) as process:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(b".")
            self._await_echo(process, path, timeout)
            yield _LocalHolder(process.pid)

    def _await_echo(self, process: subprocess.Popen[bytes], path: str, timeout: float) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            in_time = deadline_check(path, timeout)
            try:
                while not selector.select(_POLL_SECONDS):
                    in_time()
            finally:
                waits.end()
        if not os.read(process.stdout.fileno(), 1):
            said = Result((), 1, err=process.stderr.read()).complaint
            raise entering_error(self, path, said)

    def submit_walk(
        self, root: str, *, prune: frozenset[bytes] = frozenset()
    ) -> Future[Iterator[Entry]]:
        return Future(partial(self._walk, root, prune))

    def _walk(self, root: str, prune: frozenset[bytes]) -> Iterator[Entry]:
        import tempfile

        none_below = True
        with tempfile.TemporaryFile() as said:
            records = self._records(root, entries_argv(root, prune), said)
            if next(records, b"")[:2] != b"d ":
                deque(records, maxlen=0)  # until it ends, and has said why
                check_complaints(root, _content_of(said), none_below=True)
                raise not_a_folder(root)
            for record in records:
                none_below = False
                yield parse_entry(record)
            check_complaints(root, _content_of(said), none_below=none_below)

    def _records(self, root: str, argv: Argv, said: IO[bytes]) -> Iterator[bytes]:
        """Yield what a walk over `root` prints, cut at each NUL; complaints go to the file `said`.

        The time limit is for a walk that prints nothing: a large repo may take longer.
        """
        in_time, rest = deadline_check(root, self.walk_seconds), b""
        with self._start(argv, stdin=subprocess.DEVNULL, stderr=said) as process:
            assert process.stdout is not None
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ)
                while True:
                    if selector.select(_POLL_SECONDS):
                        data = os.read(process.stdout.fileno(), _CHUNK)
                        if not data:
                            break
                        waits.end()
                        *records, rest = (rest + data).split(b"\0")
                        yield from records
                        in_time = deadline_check(root, self.walk_seconds)
                    self._check_walk()
                    in_time()
            process.wait()

    def submit_digests(self, roots: Sequence[str]) -> Future[list[str]]:
        from concurrent.futures import ThreadPoolExecutor

        chunks = [roots[n : n + _ROOTS] for n in range(0, len(roots), _ROOTS)]

        def digests() -> list[str]:
            until = self.until

            def of_chunk(roots: Sequence[str]) -> list[str]:
                with self.limited(until):
                    return self._digests(roots)

            with ThreadPoolExecutor(_WALKERS) as walkers:
                return [digest for found in walkers.map(of_chunk, chunks) for digest in found]

        return Future(digests)

    def _digests(self, roots: Sequence[str]) -> list[str]:
        """Return the digests of several trees by one find, or by one for each if that fails."""
        from repoman_tasks.hosts.digests import TreeDigests

        trees = TreeDigests()
        complete = self._list_trees(roots, trees.feed)
        digests = trees.digests()
        if complete and len(digests) == len(roots):
            return digests
        return [""] if len(roots) == 1 else [self._digests([root])[0] for root in roots]

    def _list_trees(self, roots: Sequence[str], feed: Callable[[bytes], object]) -> bool:
        """Pass on what find prints of trees; return True if they could be read entirely."""
        from repoman_tasks.hosts.digests import RECENT_SECONDS, tree_argv

        complaints = bytearray()
        since = f"{time.time() - RECENT_SECONDS:.9f}"
        with self._start(tree_argv(roots, since), stdin=subprocess.DEVNULL) as process:
            in_time = deadline_check(roots[0], self.walk_seconds)

            def check() -> None:
                self._check_walk()
                in_time()

            def moving(data: bytes) -> None:
                nonlocal in_time
                feed(data)
                waits.end()
                in_time = deadline_check(roots[0], self.walk_seconds)

            code = self._drain(process, moving, complaints.extend, check)
        return code == 0 and not complaints

    def submit_comparison(self, root: str, known: str, keep: str) -> Future[Comparison]:
        return Future(partial(self._compare, root, known, keep))

    def _compare(self, root: str, known: str, keep: str) -> Comparison:
        from repoman_tasks.hosts.kept_walks import KeptWalk, difference, kept_digest

        walk, before = KeptWalk(), _content(known)
        complete = self._list_trees([root], walk.feed) and walk.whole
        digest, now = walk.finish()
        digest = digest if complete else ""
        if keep:
            self._write_file(keep, now)
        if before is None:
            return Comparison(digest)
        gone, new = difference(before, now, self._check_walk)
        return Comparison(digest, kept_digest(before), gone, new)

    def submit_differences(
        self,
        folders: tuple[str, str],
        names: Sequence[str],
        left_out: Sequence[str],
        owner: str,
        limits: tuple[float, float],
    ) -> Future[Differences | None]:
        from repoman_tasks.hosts.tree_pairs import differences, pair_argv

        argv = pair_argv(names, left_out, owner)

        def compare() -> Differences | None:
            one = self._listed(folders[0], argv, limits)
            other = None if one is None else self._listed(folders[1], argv, limits)
            return None if one is None or other is None else differences(one, other)

        return Future(compare)

    def _listed(self, folder: str, argv: Argv, limits: tuple[float, float]) -> bytes | None:
        """Return what find prints in `folder`; None if that is not all, or too much."""
        out, err = bytearray(), bytearray()
        argv = ["env", "-C", folder, *argv]
        with self._start(argv, stdin=subprocess.DEVNULL) as process:
            count = partial(_io_of_session, process.pid)
            stall = StallTimer(limits[0], count, limits[1], "find")

            def check() -> None:
                self._check_stopping()
                stall.check()
                if len(out) > MOST_LISTED:
                    raise _TooMuch

            try:
                code = self._drain(process, stall.counting(out.extend), err.extend, check)
            except _TooMuch:
                return None
        return None if code or err else bytes(out)

    def _hurry_check(self) -> Callable[[], None]:
        """Return a check that raises Interrupted a moment after `stopping` was set, or at `close`.

        What is quick ends by itself meanwhile; what waits for a dead file system does not.
        """
        until = math.inf

        def check() -> None:
            nonlocal until
            if self.stopping.is_set():
                until = min(until, time.monotonic() + _HURRY_SECONDS)
            if self._closed or time.monotonic() > until:
                raise Interrupted("interrupted")

        return check

    def _check_walk(self) -> None:
        """Raise Interrupted if `stopping` is set, and OutOfTime after `until`."""
        self._check_stopping()
        if time.monotonic() > self.until:
            raise OutOfTime("its time is used up")

    def _check_stopping(self) -> None:
        if self.stopping.is_set():
            raise Interrupted("interrupted")

    def submit_folders(self, paths: Sequence[str]) -> Future[list[str | None]]:
        return Future(partial(self._folders, paths))

    def _folders(self, paths: Sequence[str]) -> list[str | None]:
        """Return the real paths of folders; children look where a file system may hang."""
        slow, known, asked = (
            slow_mount_points(),
            dict[str, str | None](),
            dict[str, Future[Result]](),
        )
        for path in paths:
            try:
                known[path] = None
                if "\0" not in path:
                    known[path] = real_folder(os.path.abspath(path), slow)
            except MayHang:
                argv = ["realpath", "-ez", "--", f"{path}/."]
                asked[path] = self.submit_beside(argv, timeout=FOLDER_SECONDS)
        hung: list[str] = []
        for path, answer in asked.items():
            try:
                known[path] = answer.result().text.removesuffix("\0") or None
            except TimedOut:
                hung.append(path)
        found = [known[path] for path in paths]
        if hung:
            raise HungFolders(hung, found)
        return found


class _TooMuch(Exception):
    """A program printed more than is of use."""


def _content(path: str) -> bytes | None:
    """Return the content of the file at `path`, or None if there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Failed(f"{path} can't be read", _reason(error)) from None


def _append(path: str, data: bytes) -> int:
    """Append `data` to the file at `path`; return its size."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        _make_folders(os.path.dirname(path))
        with open(os.open(path, flags, 0o600), "ab", buffering=0) as file:
            if file.write(data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return os.fstat(file.fileno()).st_size
    except OSError as error:
        raise Failed(f"{path} can't be written", _reason(error)) from None


class Child:
    """A program on this host with pipes to its streams; Ctrl-C does not reach it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._selector = selectors.DefaultSelector()
        for number, pipe in enumerate((process.stdout, process.stderr)):
            assert pipe is not None
            self._selector.register(pipe, selectors.EVENT_READ, number)

    def send(self, data: bytes) -> None:
        """Write to its standard input. Raise OSError if it reads no more."""
        pipe, view = self._process.stdin, memoryview(data)
        assert pipe is not None
        if pipe.closed:
            raise BrokenPipeError
        while view:
            view = view[pipe.write(view) :]

    def receive(self, seconds: float) -> tuple[bytes, bytes] | None:
        """Return new standard output and standard error, both empty after `seconds`.

        Return None if both have ended.
        """
        if not self._selector.get_map():
            return None
        came = [b"", b""]
        for key, _ in self._selector.select(seconds):
            came[key.data] = os.read(key.fd, _CHUNK)
            if not came[key.data]:
                self._selector.unregister(key.fileobj)
        return came[0], came[1]

    def end_input(self) -> None:
        """End its standard input."""
        pipe = self._process.stdin
        assert pipe is not None
        pipe.close()

    def close(self) -> None:
        """Kill it with its children; a second call does nothing."""
        if self._process.returncode is None:  # else its PID may belong to another process
            _close_pipes(self._process)
            self._selector.close()
            _end(self._process)


class Pipe:
    """The other end of the standard input and output of a program."""

    def __init__(self, end: socket.socket, said: int) -> None:
        self.end = end
        self._said = said

    def complaint(self) -> str:
        """Return the last line that the program wrote to standard error."""
        size = os.fstat(self._said).st_size
        data = os.pread(self._said, _MOST_SAID, max(0, size - _MOST_SAID))
        lines = data.decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

    def close(self) -> None:
        """Close this end, by which the program ends; again does nothing."""
        self.end.close()
        if self._said >= 0:
            os.close(self._said)
            self._said = -1


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return ""


def _require(program: str, path: str | None) -> None:
    if shutil.which(program, path=path) is None:
        raise not_installed(program)


@contextlib.contextmanager
def _starting(argv: Argv, path: str | None) -> Iterator[None]:
    """Raise Failed if a program can't be started."""
    _require(argv[0], path)
    try:
        yield
    except OSError as error:
        raise Failed(f"{argv[0]} could not be started", _reason(error)) from None
    except ValueError as error:  # NUL in an argument
        raise Failed(f"{argv[0]} could not be started", str(error)) from None


def _content_of(file: IO[bytes]) -> bytes:
    """Return all that was written to an open file."""
    return os.pread(file.fileno(), _MOST_SAID, 0)


class _LocalLock(Lock):
    def __init__(self, path: str, fd: int) -> None:
        super().__init__(path)
        self.fd = fd


class _LocalHolder(Holder):
    def __init__(self, pid: int) -> None:
        self._pid = pid

    @property
    def path(self) -> str:
        return f"/proc/{self._pid}/cwd"

    def submit_real(self) -> Future[str]:
        return Future(partial(os.readlink, self.path))


class _Lines:
    """Splits a stream of bytes into lines for `sink`."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._rest = bytearray()

    def feed(self, data: bytes) -> None:
        self._rest += data
        for line in cut_lines(self._rest):
            self._sink(line)

    def finish(self) -> None:
        if self._rest:
            self._sink(bytes(self._rest))


def _io_of_session(session: int) -> int:
    """Return the sum of the I/O counters of all processes of `session`."""
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError, ValueError):
            if os.getsid(int(pid)) != session:
                continue
            with open(f"/proc/{pid}/io", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file)
    return total


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            with contextlib.suppress(OSError):
                pipe.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End `process` and its group by SIGTERM, then SIGKILL.

    A process that waits for a dead file server can outlive both; it is left to the kernel.
    """
    with defer_signals():  # git sends one more to its helpers; the second part must not be skipped
        for number, seconds in ((signal.SIGTERM, _TERM_SECONDS), (signal.SIGKILL, _KILL_SECONDS)):
            if _ended_by(process, number, seconds):
                return


def _ended_by(process: subprocess.Popen[bytes], number: int, seconds: float) -> bool:
    """Signal a process and its group; return True if none of them runs after `seconds`."""
    deadline = time.monotonic() + seconds
    _signal_group(process.pid, number)
    while time.monotonic() < deadline:
        process.poll()
        if not _signal_group(process.pid, 0) or not _living(process.pid):
            return True
        time.sleep(0.005)
    return False


def _living(group: int) -> bool:
    """Return True if a process of the group still runs; zombies do not count."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat", "rb") as file:
                state, _, its_group = file.read().rpartition(b")")[2].split()[:3]
            if int(its_group) == group and state not in b"ZX":
                return True
    return False


def _signal_group(group: int, number: int) -> bool:
    """Signal a process group; return False if it is empty."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # only processes of other users are left
        return False
    return True


def _take(fd: int) -> None:
    """Take the lock on `fd`. Raise Locked if another process holds it."""
    deadline = time.monotonic() + _FORK_SECONDS
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            said = os.pread(fd, _MOST_SAID, 0)
            # Until its program starts, a child of another thread has what this process has freed.
            if f'"pid": {os.getpid()},'.encode() not in said or time.monotonic() > deadline:
                raise locked_error(said) from None
            time.sleep(_LOCK_SECONDS)
    said = os.pread(fd, _MOST_SAID, 0)
    if _kept(said):
        fcntl.flock(fd, fcntl.LOCK_UN)
        raise locked_error(said)


def _kept(said: bytes) -> bool:
    """Return True if a program still runs that keeps a lock whose holder is gone.

    A program started over SSH can't inherit a lock; it writes its PID and start time to the file.
    """
    for line in said.splitlines():
        word, *numbers = line.split()[:3] or [b""]
        if word == b"keeper" and len(numbers) == 2 and _started(numbers[0]) == numbers[1]:
            return True
    return False


def _started(pid: bytes) -> bytes:
    """Return the start time of a process from /proc/PID/stat (proc(5)), empty if it is gone."""
    try:
        with open(f"/proc/{int(pid)}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19]
    except (OSError, ValueError, IndexError):
        return b""


def _make_folders(folder: str) -> None:
    """Create `folder` and its missing parents, for the owner only."""
    if folder and not os.path.isdir(folder):
        _make_folders(os.path.dirname(folder))
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, mode=0o700)


def _sync_folder(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:  # not supported by some file systems
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(fd)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
