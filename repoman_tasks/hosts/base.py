"""The interface of a host: the few operations that all tasks are made of.

Programs are given as argument lists, never as text for a shell, so no name, path or pattern can
become a command.
"""

from __future__ import annotations

import math
import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from threading import Event, local
from typing import TYPE_CHECKING, Generic, TypeVar

from repoman_tasks.errors import (
    Failed,
    Interrupted,
    RepomanError,
    TargetUnusable,
    without_backticks,
)
from repoman_tasks.late_dataclass import dataclass

if TYPE_CHECKING:
    import socket

__all__ = [
    "FOLDER_SECONDS",
    "KEPT_BYTES",
    "MAX_BYTES",
    "MOST_LISTED",
    "WALK_SECONDS",
    "Argv",
    "Comparison",
    "Differences",
    "Entry",
    "Future",
    "Holder",
    "Host",
    "HungFolders",
    "Lock",
    "Locked",
    "Observer",
    "OutOfTime",
    "Result",
    "Sink",
    "Stalled",
    "TimedOut",
    "TooManySessions",
    "Unread",
    "entering_error",
]

MAX_BYTES = 256 << 20
"""Limit of a program's output, so that none can fill the memory."""

MOST_LISTED = 32 << 20
"""Limit of the bytes of a listing that is compared in memory: those of 300,000 entries."""

KEPT_BYTES = 4096
"""Most bytes of standard error to keep of a program that may print any number, the last ones."""

WALK_SECONDS = 600.0
"""Time limit of a walk over a repo."""

FOLDER_SECONDS = 5.0
"""Time limit of a look for folders, which a dead file system would block for ever."""

_RSYNC_VARIABLES = (
    "CHECKSUM_LIST",
    "ICONV",
    "MAX_ALLOC",
    "OLD_ARGS",
    "PARTIAL_DIR",
    "PROTECT_ARGS",
)
_SETTINGS = {"rsync": (*(f"-uRSYNC_{name}" for name in _RSYNC_VARIABLES), "HOME=/nonexistent")}
"""Arguments of env, by program, without which a person's settings change what it does. An alias in
~/.popt can add options to any of rsync's."""

T = TypeVar("T")
R = TypeVar("R")

Argv = Sequence[str]
Sink = Callable[[bytes], None]
"""Receives output: of `stream`, one line without its line break."""


@dataclass(frozen=True)
class Result:
    """The exit status and output of a program."""

    argv: tuple[str, ...]
    code: int
    out: bytes = b""
    err: bytes = b""

    @property
    def text(self) -> str:
        """Return standard output as text, invalid UTF-8 as surrogates."""
        return self.out.decode(errors="surrogateescape")

    @property
    def complaint(self) -> str:
        """Return the last line of standard error, else the exit status."""
        lines = self.err.decode(errors="replace").strip().splitlines()
        return without_backticks(lines[-1]) if lines else f"exit status {self.code}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A directory entry; `kind` is one of find's letters: f d l p s b c."""

    kind: str
    path: bytes
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    links: int = 1


@dataclass(frozen=True)
class Comparison:
    """A walk over a tree, compared with a known one; see `digests` for the lines."""

    digest: str
    """That of the walk; empty if the tree can't be read entirely."""
    known: str = ""
    """Digest of the known walk; empty if there is none."""
    gone: tuple[bytes, ...] = ()
    """The lines that only the known walk has."""
    new: tuple[bytes, ...] = ()
    """The lines that the known walk does not have."""


Differences = tuple[frozenset[bytes], frozenset[bytes]]
"""The lines that only one of two listings has, and those that only the other one has; see
`tree_pairs` for the lines."""


class Future(Generic[T]):
    """The answer to a submitted question; `result` waits for it."""

    def __init__(self, wait: Callable[[], T]) -> None:
        """`wait` returns the answer, or raises an error."""
        self._wait: Callable[[], T] | None = wait
        self._answer: T

    def result(self) -> T:
        """Wait for the answer and return it, or raise its error."""
        if self._wait is not None:
            self._answer, self._wait = self._wait(), None
        return self._answer

    @property
    def known(self) -> bool:
        """Return True if the answer has been awaited already."""
        return self._wait is None

    def then(self, use: Callable[[T], R]) -> Future[R]:
        """Return a future of `use` applied to the answer."""
        return Future(lambda: use(self.result()))


class TimedOut(Failed):
    """A program exceeded its time limit and was killed."""


class HungFolders(TimedOut):
    """Some folders did not answer, as on a dead file system; the others did."""

    def __init__(self, hung: Sequence[str], found: Sequence[str | None]) -> None:
        """`found` is the answer for all folders, with None for those that are `hung`."""
        super().__init__(
            f"{', '.join(hung)} did not answer within {FOLDER_SECONDS:g} s",
            "unmount what is mounted there, or bring its file server back",
        )
        self.hung = frozenset(hung)
        self.found = list(found)


class Stalled(Failed):
    """A program made no progress and was killed with its children."""


class TooManySessions(Failed):
    """The host allows no more programs at once (MaxSessions of an SSH server)."""


class OutOfTime(Failed):
    """A streamed program took longer than its limit and was killed with its children."""


class Unread(Interrupted):
    """Nobody reads this process's standard output any more."""


class Locked(Failed):
    """A lock is held by another process; `what` names it and the time."""


def entering_error(host: Host, path: str, complaint: str) -> RepomanError:
    """Return the error for a folder that `env -C` can't enter: perhaps that option is missing."""
    if host.read(["env", "-C", "/", "true"]).code:
        return TargetUnusable("env has no option -C on this host", "install GNU coreutils")
    return Failed(f"{path} can't be entered", complaint.rpartition(": ")[2])


class Lock:
    """A lock that is held; a program that is given it in `keep` holds it until the program ends."""

    def __init__(self, path: str) -> None:
        self.path = path


class Holder(ABC):
    """A directory kept in use by a process, so that its file system can't be unmounted."""

    @property
    @abstractmethod
    def path(self) -> str:
        """Return a path of exactly this directory, whatever is mounted over it meanwhile."""

    @abstractmethod
    def submit_real(self) -> Future[str]:
        """Submit the question for its path, links resolved, without touching its file system."""


class Observer:
    """Receives the changes made on a host; this one ignores them."""

    def ran(self, argv: Argv, code: int | None) -> None:
        """A program exited with `code`, None if it was killed or not started."""

    def wrote(self, path: str) -> None:
        """A file was written."""

    def did(self, told: Mapping[str, str]) -> None:
        """A step was done; `told` holds what may be logged of it."""


class Host(ABC):
    """This machine, or another one."""

    name: str
    home: str
    uid: int
    folder: str
    """The current folder, links resolved; empty on a remote host."""
    other_groups: frozenset[int]
    """The user's supplementary groups."""
    environ: Mapping[str, str]
    keeps_caches: bool = False
    """If true, `cache_file` writes; other hosts keep nothing."""
    dry: bool = False
    """invoke's --dry: print changes instead of making them."""

    def __init__(self) -> None:
        self.walk_seconds = WALK_SECONDS
        """Time limit of a walk that finds nothing for so long, as on a dead file system."""
        self._limits = local()
        self.stopping = Event()
        """Set it to kill all streamed programs with their children."""
        self.observer = Observer()
        """Receives all changes."""

    @property
    def until(self) -> float:
        """Return the time, of the monotonic clock, until which walks of this thread may take."""
        return getattr(self._limits, "until", math.inf)

    @contextmanager
    def limited(self, until: float) -> Iterator[None]:
        """Let walks of this thread raise OutOfTime at the time `until`, of the monotonic clock.

        A remote host limits each of them alone.
        """
        before = self.until
        self._limits.until = until
        try:
            yield
        finally:
            self._limits.until = before

    @abstractmethod
    def submit(
        self,
        argv: Argv,
        *,
        timeout: float = 30.0,
        max_bytes: int = MAX_BYTES,
        stoppable: bool = False,
    ) -> Future[Result]:
        """Submit a program that changes nothing.

        It runs at the latest when its result is waited for. On a remote host, everything that this
        thread has submitted by then takes one round trip. The result raises TimedOut after
        `timeout` seconds, even if the program can't be killed because it waits for a dead file
        server, Failed if it prints more than `max_bytes` bytes, and Interrupted if it is
        `stoppable` and `stopping` is set. A future may be dropped without waiting.
        """

    @abstractmethod
    def submit_beside(self, argv: Argv, *, timeout: float) -> Future[Result]:
        """Start a program that changes nothing, in parallel to all others.

        On a remote host only the first 1000 bytes of its output arrive.
        """

    def read(self, argv: Argv, *, timeout: float = 30.0, max_bytes: int = MAX_BYTES) -> Result:
        """Run a program that changes nothing and return its result; see `submit`."""
        return self.submit(argv, timeout=timeout, max_bytes=max_bytes).result()

    def change(
        self,
        argv: Argv,
        *,
        timeout: float = 60.0,
        stdin: bytes = b"",
        max_bytes: int = MAX_BYTES,
        stoppable: bool = False,
    ) -> Result:
        """Run a program that changes something. Raise TimedOut, Failed and Interrupted as `submit`
        does.

        `stdin` is its standard input, a few kB at most.
        """
        if self._print_if_dry(argv):
            return Result(tuple(argv), 0)
        with self._observed(argv) as codes:
            result = self._change(argv, timeout, stdin, max_bytes, stoppable)
            codes.append(result.code)
        return result

    def stream(
        self,
        argv: Argv,
        out: Sink,
        err: Sink,
        *,
        cwd: str = "",
        shown_cwd: str = "",
        stall_seconds: float = 0,
        limit_seconds: float = 0,
        keep: Sequence[Lock] = (),
        changes: bool = True,
    ) -> int:
        """Run a program and pass on its lines as they come; return its exit status.

        A carriage return ends a line, too. Raise Stalled after `stall_seconds` without output or
        I/O of the program, OutOfTime after `limit_seconds`, which are 0 for no limit, and
        Interrupted if `stopping` is set; each kills it with its children. The
        program itself changes to `cwd`, so that a dead file server can't block repoman;
        `shown_cwd` is a path of it for --dry to print. The locks in `keep` stay held until the
        program ends, even if repoman is killed.
        """
        if changes and self._print_if_dry(argv, shown_cwd or cwd):
            return 0
        settings = [*(["-C", cwd] if cwd else []), *_SETTINGS.get(argv[0], ())]
        inner = ["env", *settings, *argv] if settings else argv
        limits = stall_seconds, limit_seconds
        if not changes:
            return self._stream(argv[0], inner, out, err, limits, keep)
        with self._observed(argv) as codes:
            codes.append(self._stream(argv[0], inner, out, err, limits, keep))
        return codes[0]

    def hand_over(self, argv: Argv) -> int:
        """Run a program on this terminal; return its exit status."""
        if self._print_if_dry(argv):
            return 0
        with self._observed(argv) as codes:
            codes.append(self._hand_over(argv))
        return codes[0]

    def relay(self, argv: Argv, out: Sink, err: Sink) -> int:
        """Run a program on this process's standard input; return its exit status.

        Its output is passed on as it comes, not in lines. It is killed if `out` or `err` raises, or
        if it still runs two seconds after the last reader of this process's standard output has
        gone, which raises Unread.
        """
        if self._print_if_dry(argv):
            return 0
        with self._observed(argv) as codes:
            codes.append(self._relay(argv, out, err))
        return codes[0]

    def carry(self, argv: Argv, connection: socket.socket) -> Result:
        """Run a program that has `connection` as its standard input and output, until it ends.

        Return its exit status and the end of its standard error. Several threads may do so at the
        same time; `close` ends all of them. The connection stays open, and the observer is not
        told. Raise Failed if it can't be started; another attempt with the same connection is
        possible then.
        """
        if self._print_if_dry(argv):
            return Result(tuple(argv), 0)
        return self._carry(argv, connection)

    def write_file(self, path: str, data: bytes, *, noted: bool = True) -> None:
        """Replace a file atomically: readers, and a crash, leave the old or the new content.

        Create missing folders for the owner only. The caller holds a lock against other writers.
        Unless `noted`, it is repoman's own state, which the observer is not told.
        """
        if not self._print_if_dry(["write", path]):
            self._write_file(path, data)
            if noted:
                self.observer.wrote(path)

    def cache_file(self, path: str, data: bytes) -> None:  # noqa: B027 # others keep nothing
        """Let a file that can be made again hold `data`, if this is the local host.

        No step, no journal, no error: a command must not notice.
        """

    @contextmanager
    def lock(
        self, path: str, *, wait_seconds: float = 0, stoppable: bool = False
    ) -> Iterator[Lock]:
        """Hold the lock at `path`. Raise Locked if it is not free within `wait_seconds`.

        A `stoppable` wait raises Interrupted if `stopping` is set.
        """
        if self.dry:
            yield Lock(path)
            return
        with self._lock(path, wait_seconds, stoppable) as lock:
            yield lock

    @contextmanager
    def locks(self, paths: Sequence[str]) -> Iterator[dict[str, Lock]]:
        """Hold those of the locks at `paths` that are free now; yield them by path."""
        if self.dry or not paths:
            yield {path: Lock(path) for path in paths}
            return
        with self._locks(paths) as locks:
            yield locks

    @contextmanager
    def _locks(self, paths: Sequence[str]) -> Iterator[dict[str, Lock]]:
        with ExitStack() as held:
            locks = {}
            for path in paths:
                with suppress(Failed):  # held by another process, or not accessible
                    locks[path] = held.enter_context(self.lock(path))
            yield locks

    @contextmanager
    def _observed(self, argv: Argv) -> Iterator[list[int]]:
        """Report to the observer how a program ended; the caller appends its exit status."""
        codes: list[int] = []
        try:
            yield codes
        finally:
            self.observer.ran(argv, codes[0] if codes else None)

    def _print_if_dry(self, argv: Argv, cwd: str = "") -> bool:
        """With --dry, print a command line that does the same from any folder; return `dry`."""
        if self.dry:
            line = shlex.join(argv)
            print(f"(cd {shlex.quote(cwd)} && {line})" if cwd else line)
        return self.dry

    @abstractmethod
    def submit_file(self, path: str) -> Future[bytes | None]:
        """Submit the question for the content of a file, None if it does not exist."""

    def read_file(self, path: str) -> bytes | None:
        """Return the content of a file, None if it does not exist."""
        return self.submit_file(path).result()

    @abstractmethod
    def submit_append(self, path: str, data: bytes) -> Future[int]:
        """Submit `data` to be appended to the file at `path`, at the latest when it is awaited.

        The result is the file's size then. One write does it, so that lines of several processes
        do not mix. The observer is not told: it is repoman's own state. Raise Failed if it can't
        be written, in part or at all. Not with --dry.
        """

    @abstractmethod
    def hold_folder(self, path: str, *, timeout: float) -> AbstractContextManager[Holder]:
        """Keep the directory at `path` in use.

        A remote host starts at once; entering the context waits for it, and raises TimedOut after
        `timeout` seconds, or Failed if the directory can't be entered.
        """

    @abstractmethod
    def submit_walk(
        self, root: str, *, prune: frozenset[bytes] = frozenset()
    ) -> Future[Iterator[Entry]]:
        """Submit a walk over all entries below `root`, without folders named in `prune`.

        Symlinks are not followed, paths are relative to `root`. The result, or iterating over it,
        raises Failed if `root` can't be read or is a link; entries that vanish or can't be read
        are skipped. On a remote host it is `stoppable` (see `submit`).
        """

    def walk(self, root: str, *, prune: frozenset[bytes] = frozenset()) -> Iterator[Entry]:
        """Return the entries of `submit_walk`."""
        return self.submit_walk(root, prune=prune).result()

    @abstractmethod
    def submit_digests(self, roots: Sequence[str]) -> Future[list[str]]:
        """Submit the question for a digest of each of the trees at `roots`; see `digests`.

        It is empty for a tree that can't be read entirely. The walk is `stoppable` (see `submit`).
        """

    @abstractmethod
    def submit_comparison(self, root: str, known: str, keep: str) -> Future[Comparison]:
        """Submit a walk over the tree at `root`, compared with the one in the file `known`.

        It is kept in the file `keep`, for a later comparison, unless that is empty. A file that is
        missing or damaged is not an error. The result raises Failed if `keep` can't be written. The
        walk is `stoppable` (see `submit`).
        """

    @abstractmethod
    def submit_differences(
        self,
        folders: tuple[str, str],
        names: Sequence[str],
        left_out: Sequence[str],
        owner: str,
        limits: tuple[float, float],
    ) -> Future[Differences | None]:
        """Submit a comparison of the trees at `names` in two folders, by size and time.

        For `left_out` and `owner` see `tree_pairs.pair_argv`. The result is None if one of the
        trees can't be read entirely, or if there is too much to compare in memory. `limits` are the
        seconds without progress, and those that each listing may take, 0 for any. The result raises
        Stalled, OutOfTime and Interrupted as `stream` does; on a remote host, it is None after ten
        minutes.
        """

    @abstractmethod
    def submit_folders(self, paths: Sequence[str]) -> Future[list[str | None]]:
        """Submit the question for each path with symlinks resolved, None if it is not a folder.

        The result raises HungFolders if some do not answer in time, as on a dead file system.
        """

    def _each_folder(self, paths: Sequence[str]) -> list[str | None]:
        """Return the answer for `paths` by a question for each, as one for all was not answered.

        Raise HungFolders if some do not answer.
        """
        if len(paths) == 1:
            raise HungFolders(paths, [None])
        found: list[str | None] = []
        hung: list[str] = []
        for path in paths:
            try:
                found.append(self.real_folder(path))
            except TimedOut:
                found.append(None)
                hung.append(path)
        if hung:
            raise HungFolders(hung, found)
        return found

    def real_folders(self, paths: Sequence[str]) -> list[str | None]:
        """Return the answer of `submit_folders`."""
        return self.submit_folders(paths).result()

    def real_folder(self, path: str) -> str | None:
        """Return `path` with symlinks resolved, None if it is not a folder."""
        return self.real_folders([path])[0]

    @abstractmethod
    def close(self) -> None:
        """Close connections and end all programs."""

    # --- for each kind of host to implement; never called with --dry ---------------------

    @abstractmethod
    def _change(
        self, argv: Argv, timeout: float, stdin: bytes, max_bytes: int, stoppable: bool
    ) -> Result: ...

    @abstractmethod
    def _stream(
        self,
        program: str,
        argv: Argv,
        out: Sink,
        err: Sink,
        limits: tuple[float, float],
        keep: Sequence[Lock],
    ) -> int: ...

    @abstractmethod
    def _hand_over(self, argv: Argv) -> int: ...

    @abstractmethod
    def _relay(self, argv: Argv, out: Sink, err: Sink) -> int: ...

    @abstractmethod
    def _carry(self, argv: Argv, connection: socket.socket) -> Result: ...

    @abstractmethod
    def _write_file(self, path: str, data: bytes) -> None: ...

    @abstractmethod
    def _lock(
        self, path: str, wait_seconds: float, stoppable: bool
    ) -> AbstractContextManager[Lock]: ...
