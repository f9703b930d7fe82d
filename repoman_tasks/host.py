"""A host, as the tasks see it: a few verbs. Nobody else asks where things run.

Words are argument lists. They never pass through a shell as text, so no name, path or
pattern can become a command.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Event

from repoman_tasks.errors import Failed

__all__ = [
    "MOST_BYTES",
    "Entry",
    "Host",
    "Lock",
    "Locked",
    "Pin",
    "Result",
    "Sink",
    "Stalled",
    "TimedOut",
    "Words",
]

MOST_BYTES = 256 << 20
"""What a program may say before it is ended, so that none can fill the memory."""

Words = Sequence[str]
Sink = Callable[[bytes], None]
"""Takes one line of output, without its end."""


@dataclass(frozen=True)
class Result:
    """What a finished program left behind."""

    words: tuple[str, ...]
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


class TimedOut(Failed):
    """A program did not come back in its time; it was killed."""


class Stalled(Failed):
    """A program moved nothing for its time; it was killed with its children."""


class Locked(Failed):
    """A lock is taken; `what` says by whom and since when."""


class Lock:
    """A lock that is held; a program started with it keeps it until the program ends too."""


class Pin(ABC):
    """A directory that is held in use, so that its file system can't be unmounted beneath it."""

    @property
    @abstractmethod
    def path(self) -> str:
        """A path that leads to exactly this directory, whatever is mounted meanwhile."""

    @abstractmethod
    def real(self) -> str:
        """Where the directory is, links resolved. Does not touch its file system."""


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

    @abstractmethod
    def read(self, words: Words, *, timeout: float = 30.0, most: int = MOST_BYTES) -> Result:
        """Run a program that changes nothing, and take what it says.

        `TimedOut` after `timeout` seconds; also where the program can't be killed because
        it waits for a dead file server. `Failed` where it says more than `most` bytes.
        """

    @abstractmethod
    def change(
        self,
        words: Words,
        *,
        timeout: float = 60.0,
        given: bytes = b"",
        most: int = MOST_BYTES,
    ) -> Result:
        """Run a program that changes something. `TimedOut` and `Failed` as for `read`.

        `given` is what it finds on standard input, a few kB at most.
        """

    @abstractmethod
    def stream(
        self,
        words: Words,
        out: Sink,
        err: Sink,
        *,
        cwd: str = "",
        stall_seconds: float = 0,
        keep: Sequence[Lock] = (),
        changes: bool = True,
    ) -> int:
        """Run a program and hand its lines on as they come; return its exit status.

        A carriage return ends a line too. `Stalled` after `stall_seconds` in which neither
        output nor any I/O of the program moved, `Interrupted` when `stopping` is set; the
        program and its children are gone then. `cwd` is entered by the program itself, so
        that a dead file server can't hold repoman. The locks to `keep` stay taken until the
        program ends, even where repoman is killed.
        """

    @abstractmethod
    def hand_over(self, words: Words) -> int:
        """Give the terminal to a program until it ends; return its exit status."""

    @abstractmethod
    def read_file(self, path: str) -> bytes | None:
        """The content of a file, or None where there is none."""

    @abstractmethod
    def write_file(self, path: str, data: bytes) -> None:
        """Replace a file in one step; a reader or a crash sees the old or the new one.

        Missing folders are made, for the owner only. The caller holds a lock that keeps
        other writers of `path` away.
        """

    @abstractmethod
    def lock(
        self, path: str, *, wait_seconds: float = 0, stoppable: bool = False
    ) -> AbstractContextManager[Lock]:
        """Hold the lock at `path`. `Locked` where it is not free within `wait_seconds`.

        A `stoppable` wait ends with `Interrupted` when `stopping` is set.
        """

    @abstractmethod
    def pin(self, path: str, *, timeout: float) -> AbstractContextManager[Pin]:
        """Hold the directory at `path` in use.

        `TimedOut` after `timeout` seconds, `Failed` where it can't be entered.
        """

    @abstractmethod
    def walk(self, root: str, *, prune: frozenset[bytes] = frozenset()) -> Iterator[Entry]:
        """Everything below `root`, links not followed, folders named in `prune` left out.

        Paths are relative to `root`. `Failed` where `root` can't be read; what vanishes or
        can't be read below it is passed over.
        """

    @abstractmethod
    def real_folder(self, path: str) -> str | None:
        """`path` with every symlink resolved; None where there is no folder. Not for shares."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what the host holds open."""
