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
from functools import partial
from threading import Event

from repoman_tasks.errors import Failed

__all__ = [
    "MOST_BYTES",
    "WALK_SECONDS",
    "Argv",
    "Entry",
    "Foresight",
    "Host",
    "Lock",
    "Locked",
    "Observer",
    "Pin",
    "Result",
    "Sink",
    "Stalled",
    "TimedOut",
    "Together",
]

MOST_BYTES = 256 << 20
"""What a program may say before it is ended, so that none can fill the memory."""

WALK_SECONDS = 600.0
"""How long a walk over a repo may take."""

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


@dataclass(frozen=True)
class Foresight:
    """What will be asked for, as `Host.foresee` takes it."""

    reads: Sequence[Argv]
    files: Sequence[str]
    folders: Sequence[str]
    aside: Sequence[Argv]
    pin: str
    seconds: float


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
    def real(self) -> str:
        """Where the directory is, links resolved. Does not touch its file system."""


class Together:
    """Questions to a host that are asked at once, where that spares round trips.

    Each method gives a function that brings what the verb of its name gives, or raises what that
    raises. Once one has brought its answer, nothing more can be asked.
    """

    def __init__(self, host: Host, timeout: float) -> None:
        self._host = host
        self._timeout = timeout

    def read(self, argv: Argv) -> Callable[[], Result]:
        return partial(self._host.read, argv, timeout=self._timeout)

    def read_file(self, path: str) -> Callable[[], bytes | None]:
        return partial(self._host.read_file, path)

    def real(self, pin: Pin) -> Callable[[], str]:
        return pin.real

    def real_folder(self, path: str) -> Callable[[], str | None]:
        return partial(self._host.real_folder, path)

    def walk(
        self, root: str, *, prune: frozenset[bytes] = frozenset()
    ) -> Callable[[], Iterator[Entry]]:
        return partial(self._host.walk, root, prune=prune)


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
    def read(self, argv: Argv, *, timeout: float = 30.0, most: int = MOST_BYTES) -> Result:
        """Run a program that changes nothing, and take what it says.

        `TimedOut` after `timeout` seconds; also where the program can't be killed because
        it waits for a dead file server. `Failed` where it says more than `most` bytes.
        """

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

    def foresee(
        self,
        reads: Sequence[Argv] = (),
        *,
        files: Sequence[str] = (),
        folders: Sequence[str] = (),
        aside: Sequence[Argv] = (),
        pin: str = "",
        seconds: float = 10.0,
    ) -> None:
        """Say what will be asked for, once each: by `read`, by `read_file`, and by `pin`.

        `folders` is one question of `real_folders`. A host that is far away is asked all of it in
        one go when the first of it is wanted, and has so many `seconds` for each; what is `aside`
        runs from now on, each beside the others, and says little. What came of it is forgotten
        where something is changed or a lock is taken before it is wanted.
        """
        self._foresee(Foresight(reads, files, folders, aside, pin, seconds))

    @abstractmethod
    def forget(self) -> None:
        """Know no more of what was foreseen and nobody wanted: time has passed."""

    def together(self, *, timeout: float = 30.0) -> Together:
        """What asks several questions at once; `timeout` is in seconds, for each of them."""
        return Together(self, timeout)

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
    def read_file(self, path: str) -> bytes | None:
        """The content of a file, or None where there is none."""

    @abstractmethod
    def pin(self, path: str, *, timeout: float) -> AbstractContextManager[Pin]:
        """Hold the directory at `path` in use.

        `TimedOut` after `timeout` seconds, `Failed` where it can't be entered.
        """

    @abstractmethod
    def walk(self, root: str, *, prune: frozenset[bytes] = frozenset()) -> Iterator[Entry]:
        """Everything below `root`, links not followed, folders named in `prune` left out.

        Paths are relative to `root`. `Failed` where `root` can't be read or is a link; what
        vanishes or can't be read below it is passed over.
        """

    @abstractmethod
    def real_folders(self, paths: Sequence[str]) -> list[str | None]:
        """Each path with every symlink resolved; None where there is no folder. Not for shares."""

    def real_folder(self, path: str) -> str | None:
        """The same, of one path."""
        return self.real_folders([path])[0]

    @abstractmethod
    def close(self) -> None:
        """Let go of what the host holds open."""

    # --- what each kind of host does its own way, under no --dry -----------------------

    @abstractmethod
    def _foresee(self, ahead: Foresight) -> None: ...

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
