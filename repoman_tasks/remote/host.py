"""A host over SSH: the verbs of `host.Host`, done by shells on the other side."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

from repoman_tasks.errors import Failed, Interrupted
from repoman_tasks.host import (
    MOST_BYTES,
    Entry,
    Host,
    Lock,
    Pin,
    Result,
    Sink,
    Together,
    Words,
)
from repoman_tasks.programs import Watch, bounded, holder, not_installed, taken, until_free, within
from repoman_tasks.remote.answers import (
    Answer,
    content_of,
    content_words,
    entries_of,
    entries_words,
    folders_of,
    reason_of,
    result_of,
)
from repoman_tasks.remote.at_once import AtOnce
from repoman_tasks.remote.scripts import ABSENT, attended, entrance, parse_facts
from repoman_tasks.remote.shells import Shell, Shells
from repoman_tasks.remote.wire import Line, Lost

__all__ = ["RemoteHost"]

_OPEN_SECONDS = 30.0
_FILE_SECONDS = 60.0
_WALK_SECONDS = 600.0
_LOCK_SECONDS = 0.1
"""How often a lock that is taken is tried again."""
_LOST_LOCK = 75


class RemoteHost(Host):
    """Another machine, over one connection. Nobody stands anywhere on it."""

    folder = ""

    def __init__(self, name: str, line: Line) -> None:
        super().__init__()
        self.name = name
        self._line = line
        shell = Shell(line, first=True)
        try:
            facts = parse_facts(shell.answer(within(name, _OPEN_SECONDS)).out, shell.token.encode())
        except ValueError:
            raise Failed("its login shell did not start sh", "try `ssh HOST sh`") from None
        self._shells = Shells(line, shell)
        self._held_by: Shell | None = None
        self._locking = threading.Lock()
        self._known_files = dict([facts.registry])
        self.uid, self.home = facts.uid, facts.home
        self.other_groups = facts.groups
        mine = {key: os.environ[key] for key in ("TERM",) if key in os.environ}
        self.environ = {**facts.environ, **mine}

    def close(self) -> None:
        self._line.close()

    # --- programs ------------------------------------------------------------------

    def read(self, words: Words, *, timeout: float = 30.0, most: int = MOST_BYTES) -> Result:
        return self._run("run", words, words, timeout, most)

    def _change(self, words: Words, timeout: float, given: bytes, most: int) -> Result:
        if not given:
            return self._run("run", words, words, timeout, most)
        packed = base64.b64encode(given).decode()
        return self._run("feed", [packed, *words], words, timeout, most)

    def _run(
        self, function: str, arguments: Words, words: Words, timeout: float, most: int
    ) -> Result:
        with self._shells.one() as shell:
            check = bounded(words[0], timeout, most, shell.size)
            answer = shell.ask(function, *arguments, check=check)
        return result_of(words, answer)

    def together(self, *, timeout: float = 30.0) -> Together:
        return AtOnce(self, timeout, self._run_all)

    def _run_all(self, calls: Sequence[Words], timeout: float) -> list[Answer | Failed]:
        """The answers to calls that are made in one go; for those that gave none, why."""
        answers: list[Answer | Failed] = []
        try:
            with self._shells.one() as shell:

                def check_of(call: Words) -> Callable[[], None]:
                    return self._stoppable(bounded(call[1], timeout, MOST_BYTES, shell.size))

                answers.extend(shell.ask_all(calls, check_of))  # also those before an error
        except Failed as problem:
            answers += [problem] * (len(calls) - len(answers))
        return answers

    def _stream(
        self,
        program: str,
        words: Words,
        out: Sink,
        err: Sink,
        stall_seconds: float,
        keep: Sequence[Lock],
    ) -> int:
        kept = [lock for lock in keep if isinstance(lock, _RemoteLock)]
        marks = [word for lock in kept for word in (lock.mark, lock.path)]
        session: list[str] = []
        watch = Watch(stall_seconds, lambda: self._moved(session[0]) if session else 0)

        with self._shells.one() as shell:
            end = shell.follow(
                *("keep", program, str(len(kept)), *marks, *words),
                out=watch.watching(out),
                err=watch.watching(err),
                check=self._stoppable(watch.check),
                told=session.append,
            )
        if end == ABSENT:
            raise not_installed(program)
        if kept and int(end) == _LOST_LOCK:
            raise Failed("the lock of the project was lost", "try again")
        return int(end)

    def _stoppable(self, check: Callable[[], None]) -> Callable[[], None]:
        """`check`, which raises `Interrupted` too, when `stopping` is set."""

        def checked() -> None:
            if self.stopping.is_set():
                raise Interrupted("interrupted")
            check()

        return checked

    def _moved(self, session: str) -> int:
        """Bytes and calls of I/O that the processes of `session` have done so far, added up."""
        with self._shells.one() as shell:
            answer = shell.ask("moved", session, check=within("sh", _OPEN_SECONDS))
        return sum(map(int, re.findall(rb"\d+", answer.out)))

    def _hand_over(self, words: Words) -> int:
        sys.stdout.flush()
        return self._line.hand_over(entrance(attended(words)))

    # --- files ---------------------------------------------------------------------

    def read_file(self, path: str) -> bytes | None:
        if path in self._known_files:  # it came along when the connection was opened
            return self._known_files.pop(path)
        return content_of(path, self.read(content_words(path)))

    def _write_file(self, path: str, data: bytes) -> None:
        packed = base64.b64encode(data).decode()
        self._known_files.clear()
        answer = self._ask("put", path, packed, str(len(data)))
        if answer.end != "0":
            raise Failed(f"{path} can't be written", reason_of(answer))

    def real_folders(self, paths: Sequence[str]) -> list[str | None]:
        given = [path for path in paths if "\0" not in path]
        found = dict(zip(given, folders_of(given, self._ask("folders", *given)), strict=False))
        return [found.get(path) for path in paths]

    def walk(self, root: str, *, prune: frozenset[bytes] = frozenset()) -> Iterator[Entry]:
        return entries_of(root, self.read(entries_words(root, prune), timeout=_WALK_SECONDS))

    @contextlib.contextmanager
    def pin(self, path: str, *, timeout: float) -> Iterator[Pin]:
        with self._shells.apart() as shell:
            answer = shell.ask("stand", path, check=within(path, timeout))
            if answer.end != "0":
                why = self.read(["env", "-C", path, "true"], timeout=timeout)
                raise Failed(f"{path} can't be entered", why.complaint.rpartition(": ")[2])
            yield _RemotePin(self, answer.out.decode())

    # --- locks ---------------------------------------------------------------------

    @contextlib.contextmanager
    def _lock(self, path: str, wait_seconds: float, stoppable: bool) -> Iterator[Lock]:
        self._known_files.clear()  # what is read under a lock is read then
        mark = os.urandom(8).hex()
        pid = until_free(
            lambda: self._take(path, mark),
            wait_seconds=wait_seconds,
            pause=_LOCK_SECONDS,
            stopping=self.stopping if stoppable else None,
        )
        try:
            yield _RemoteLock(path, mark)
        finally:
            with contextlib.suppress(Lost):  # the lock went with the connection
                self._of_locks(("drop", pid))

    def _take(self, path: str, mark: str) -> str:
        """Have a process there take the lock; its number. `Locked` where somebody else has it."""
        answer = self._of_locks(_hold(path, mark))[0]
        word, pid, _ = answer.end.split()
        if word == "taken":
            raise taken(answer.out)
        if word != "held":
            raise Failed(f"{path} can't be opened", reason_of(answer))
        return pid

    @contextlib.contextmanager
    def _locks(self, paths: Sequence[str]) -> Iterator[dict[str, Lock]]:
        self._known_files.clear()
        marks = [os.urandom(8).hex() for _ in paths]
        asked = [_hold(*it, number) for number, it in enumerate(zip(paths, marks, strict=True))]
        held = {}
        for answer in self._of_locks(*asked):
            word, pid, number = answer.end.split()
            if word == "held":
                held[pid] = _RemoteLock(paths[int(number)], marks[int(number)])
        try:
            yield {lock.path: lock for lock in held.values()}
        finally:
            if held:
                with contextlib.suppress(Lost):
                    self._of_locks(("drop", *held))

    def _of_locks(self, *calls: Words) -> list[Answer]:
        """Ask the shell that holds the locks; they are all gone when it is."""
        with self._locking:
            if self._held_by is None:
                self._held_by = self._shells.aside()
            try:
                return list(self._held_by.ask_all(calls, lambda _: within("flock", _FILE_SECONDS)))
            except BaseException:  # answers that come late would be taken for the next ones
                self._held_by.close()
                self._held_by = None
                raise

    def _ask(self, function: str, *words: str) -> Answer:
        with self._shells.one() as shell:
            return shell.ask(function, *words, check=within("sh", _FILE_SECONDS))


def _hold(path: str, mark: str, number: int = 0) -> Words:
    """The call that has a process there take the lock at `path`."""
    who = holder(f"{os.getpid()} on {socket.gethostname()}", mark=mark)
    return ["hold", path, who, str(number)]


class _RemoteLock(Lock):
    def __init__(self, path: str, mark: str) -> None:
        super().__init__(path)
        self.mark = mark
        """What is found in the lock's file as long as this one is held."""


class _RemotePin(Pin):
    def __init__(self, host: RemoteHost, pid: str) -> None:
        self._host = host
        self._pid = pid

    @property
    def path(self) -> str:
        return f"/proc/{self._pid}/cwd"

    def real(self) -> str:
        return self._host.read(["readlink", "-n", self.path]).text
