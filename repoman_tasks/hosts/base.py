"""A host, as the tasks see it: a few verbs. Nobody else asks where things run.

Words are argument lists. They never pass through a shell as text, so no name, path or
pattern can become a command.
"""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from threading import Event
from typing import Generic, TypeVar

from repoman_tasks.errors import Failed

__all__ = [
    "MOST_BYTES",
    "WALK_SECONDS",
    "Argv",
    "Entry",
    "Future",
    "Host",
    "Lock",
    "Locked",
    "Observer",
    "Pin",
    "Result",
    "Sink",
    "Stalled",
    "TimedOut",
]

MOST_BYTES = 256 << 20
"""What a program may say before it is ended, so that none can fill the memory."""

WALK_SECONDS = 600.0
"""How long a walk over a repo may take."""

T = TypeVar("T")
R = TypeVar("R")

Argv = Sequence[str]
Sink = Callable[[bytes], None]
"""Takes one line of output, without its end."""


@dataclass(frozen=True)
class Result:
    """What a finished program left behind."""

    argv: tuple[str, ...]
    code: int
    out: bytes = b""
    err: bytes = b""

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are no UTF-8 survive as surrogates."""
        return self.out.decode(errors="surrogateescape")

    @property
    def complaint(self) -> str:
        """The last line that the program wrote to standard error."""
        lines = self.err.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit status {self.code}"


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that a walk met; `kind` is one of find's letters: f d l p s b c."""

    kind: str
    path: bytes
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    links: int = 1


class Future(Generic[T]):
    """An answer that was asked for, and is waited for once it is needed."""

    def __init__(self, wait: Callable[[], T]) -> None:
        """`wait` brings the answer, or raises why there is none."""
        self._wait: Callable[[], T] | None = wait
        self._answer: T

    def result(self) -> T:
        """Wait for the answer and return it, or raise why there is none."""
        if self._wait is not None:
            self._answer, self._wait = self._wait(), None
        return self._answer

    def then(self, use: Callable[[T], R]) -> Future[R]:
        """Return a future of what `use` makes of the answer."""
        return Future(lambda: use(self.result()))


class TimedOut(Failed):
    """A program did not come back in its time; it was killed."""


class Stalled(Failed):
    """A program moved nothing for its time; it was killed with its children."""


class Locked(Failed):
    """A lock is taken; `what` says by whom and since when."""


class Lock:
    """A lock that is held; a program started with it keeps it until the program ends too."""

    def __init__(self, path: str) -> None:
        self.path = path


class Pin(ABC):
    """A directory that is held in use, so that its file system can't be unmounted beneath it."""

    @property
    @abstractmethod
    def path(self) -> str:
        """A path that leads to exactly this directory, whatever is mounted meanwhile."""

    @abstractmethod
    def submit_real(self) -> Future[str]:
        """Ask where the directory is, links resolved. Does not touch its file system."""


class Observer:
    """Is told of what a host was made to change. This one forgets it."""

    def ran(self, argv: Argv, code: int | None) -> None:
        """A program ended with `code`; None where it was ended, or never began."""

    def wrote(self, path: str) -> None:
        """A file was written."""

    def did(self, told: Mapping[str, str]) -> None:
        """A step was done, of which `told` is what may be told."""


class Host(ABC):
    """This machine, or another one."""

    name: str
    home: str
    uid: int
    folder: str
    """Where the person stands on it, links resolved; empty where nobody does."""
    other_groups: frozenset[int]
    """The user's groups beside the first one."""
    environ: Mapping[str, str]
    dry: bool = False
    """invoke's own --dry: what would change is said instead of done."""

    def __init__(self) -> None:
        self.stopping = Event()
        """Set it, and every program that is being streamed is ended with its children."""
        self.observer = Observer()
        """Is told what is changed by these verbs."""

    @abstractmethod
    def submit(
        self,
        argv: Argv,
        *,
        timeout: float = 30.0,
        most: int = MOST_BYTES,
        stoppable: bool = False,
    ) -> Future[Result]:
        """Ask for what a program says that changes nothing.

        It runs at the latest when its result is waited for; on a host that is far away, all that
        this thread has submitted by then takes one round trip. The result raises `TimedOut` after
        `timeout` seconds, also if the program can't be killed because it waits for a dead file
        server; `Failed` if it says more than `most` bytes; and `Interrupted` if it is `stoppable`
        and `stopping` is set. Nobody has to wait for it.
        """

    @abstractmethod
    def submit_beside(self, argv: Argv, *, timeout: float) -> Future[Result]:
        """Run a program that changes nothing and says little, beside all others, from now on.

        Far away only the beginning of what it says arrives, 1000 bytes.
        """

    def read(self, argv: Argv, *, timeout: float = 30.0, most: int = MOST_BYTES) -> Result:
        """Run a program that changes nothing, and return what it says; see `submit`."""
        return self.submit(argv, timeout=timeout, most=most).result()

    def change(
        self,
        argv: Argv,
        *,
        timeout: float = 60.0,
        given: bytes = b"",
        most: int = MOST_BYTES,
    ) -> Result:
        """Run a program that changes something. `TimedOut` and `Failed` as for `read`.

        `given` is what it finds on standard input, a few kB at most.
        """
        if self._only_said(argv):
            return Result(tuple(argv), 0)
        with self._observed(argv) as codes:
            result = self._change(argv, timeout, given, most)
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
        keep: Sequence[Lock] = (),
        changes: bool = True,
    ) -> int:
        """Run a program and hand its lines on as they come; return its exit status.

        A carriage return ends a line too. `Stalled` after `stall_seconds` in which neither
        output nor any I/O of the program moved, `Interrupted` when `stopping` is set; the
        program and its children are gone then. `cwd` is entered by the program itself, so
        that a dead file server can't hold repoman; `shown_cwd` is a path to it that also
        works elsewhere, for --dry to print. The locks to `keep` stay taken until the
        program ends, even where repoman is killed.
        """
        if changes and self._only_said(argv, shown_cwd or cwd):
            return 0
        inner = ["env", "-C", cwd, *argv] if cwd else argv
        if not changes:
            return self._stream(argv[0], inner, out, err, stall_seconds, keep)
        with self._observed(argv) as codes:
            codes.append(self._stream(argv[0], inner, out, err, stall_seconds, keep))
        return codes[0]

    def hand_over(self, argv: Argv) -> int:
        """Give the terminal to a program until it ends; return its exit status."""
        if self._only_said(argv):
            return 0
        with self._observed(argv) as codes:
            codes.append(self._hand_over(argv))
        return codes[0]

    def write_file(self, path: str, data: bytes) -> None:
        """Replace a file in one step; a reader or a crash sees the old or the new one.

        Missing folders are made, for the owner only. The caller holds a lock that keeps
        other writers of `path` away.
        """
        if not self._only_said(["write", path]):
            self._write_file(path, data)
            self.observer.wrote(path)

    def cache_file(self, path: str, data: bytes) -> None:  # noqa: B027 # others keep nothing
        """Let a file that can be made again hold `data`, if this is the local host.

        No step, no journal, no error: a command must not notice.
        """

    @contextmanager
    def lock(
        self, path: str, *, wait_seconds: float = 0, stoppable: bool = False
    ) -> Iterator[Lock]:
        """Hold the lock at `path`. `Locked` where it is not free within `wait_seconds`.

        A `stoppable` wait ends with `Interrupted` when `stopping` is set.
        """
        if self.dry:
            yield Lock(path)
            return
        with self._lock(path, wait_seconds, stoppable) as lock:
            yield lock

    @contextmanager
    def locks(self, paths: Sequence[str]) -> Iterator[dict[str, Lock]]:
        """Hold those of the locks at `paths` that are free now, each by its path."""
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
                with suppress(Failed):  # taken, or it can't be
                    locks[path] = held.enter_context(self.lock(path))
            yield locks

    @contextmanager
    def _observed(self, argv: Argv) -> Iterator[list[int]]:
        """Tell the witness how a program ended; its exit status goes into the list."""
        codes: list[int] = []
        try:
            yield codes
        finally:
            self.observer.ran(argv, codes[0] if codes else None)

    def _only_said(self, argv: Argv, cwd: str = "") -> bool:
        """Under --dry: print the words, in a form that does the same from any folder."""
        if self.dry:
            line = shlex.join(argv)
            print(f"(cd {shlex.quote(cwd)} && {line})" if cwd else line)
        return self.dry

    @abstractmethod
    def submit_file(self, path: str) -> Future[bytes | None]:
        """Ask for the content of a file; None if there is none."""

    def read_file(self, path: str) -> bytes | None:
        """Return the content of a file, or None if there is none."""
        return self.submit_file(path).result()

    @abstractmethod
    def pin(self, path: str, *, timeout: float) -> AbstractContextManager[Pin]:
        """Hold the directory at `path` in use.

        A host that is far away begins with it at once; to enter the context waits for it. That
        raises `TimedOut` after `timeout` seconds, and `Failed` if it can't be entered.
        """

    @abstractmethod
    def submit_walk(
        self, root: str, *, prune: frozenset[bytes] = frozenset()
    ) -> Future[Iterator[Entry]]:
        """Ask for everything below `root`, except links' targets and folders named in `prune`.

        Paths are relative to `root`. The result, or what goes over it, raises `Failed` if `root`
        can't be read or is a link; what vanishes or can't be read below it is passed over. Far
        away it is `stoppable`, as `submit` has it.
        """

    def walk(self, root: str, *, prune: frozenset[bytes] = frozenset()) -> Iterator[Entry]:
        """Return what `submit_walk` asks for."""
        return self.submit_walk(root, prune=prune).result()

    @abstractmethod
    def submit_folders(self, paths: Sequence[str]) -> Future[list[str | None]]:
        """Ask for each path with every symlink resolved; None if there is no folder.

        Not for shares.
        """

    def real_folders(self, paths: Sequence[str]) -> list[str | None]:
        """Return what `submit_folders` asks for."""
        return self.submit_folders(paths).result()

    def real_folder(self, path: str) -> str | None:
        """Return the same of one path."""
        return self.real_folders([path])[0]

    @abstractmethod
    def close(self) -> None:
        """Let go of what the host holds open."""

    # --- what each kind of host does its own way, under no --dry -----------------------

    @abstractmethod
    def _change(self, argv: Argv, timeout: float, given: bytes, most: int) -> Result: ...

    @abstractmethod
    def _stream(
        self,
        program: str,
        argv: Argv,
        out: Sink,
        err: Sink,
        stall_seconds: float,
        keep: Sequence[Lock],
    ) -> int: ...

    @abstractmethod
    def _hand_over(self, argv: Argv) -> int: ...

    @abstractmethod
    def _write_file(self, path: str, data: bytes) -> None: ...

    @abstractmethod
    def _lock(
        self, path: str, wait_seconds: float, stoppable: bool
    ) -> AbstractContextManager[Lock]: ...
