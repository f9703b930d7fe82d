"""A host over SSH: the verbs of `host.Host`, done by shells on the other side."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator, Sequence

from repoman_tasks.errors import Failed, Interrupted
from repoman_tasks.hosts.base import (
    MOST_BYTES,
    WALK_SECONDS,
    Argv,
    Entry,
    Foresight,
    Host,
    Lock,
    Pin,
    Result,
    Sink,
    TimedOut,
    Together,
)
from repoman_tasks.hosts.processes import (
    Watch,
    bounded,
    holder,
    not_installed,
    taken,
    until_free,
    within,
)
from repoman_tasks.hosts.ssh.answers import (
    Answer,
    Call,
    content_answer,
    content_argv,
    content_of,
    entries_argv,
    entries_of,
    folders_of,
    look_of,
    reason_of,
    result_of,
)
from repoman_tasks.hosts.ssh.at_once import AtOnce
from repoman_tasks.hosts.ssh.holder import Keeper, Kept
from repoman_tasks.hosts.ssh.scripts import ABSENT, attended, entrance, parse_host_facts
from repoman_tasks.hosts.ssh.shells import Shell, Shells
from repoman_tasks.hosts.ssh.transport import Line

__all__ = ["RemoteHost"]

_OPEN_SECONDS = 30.0
_FILE_SECONDS = 60.0
_LOCK_SECONDS = 0.1
"""How often a lock that is taken is tried again."""
_LOST_LOCK = 75


class RemoteHost(Host):
    """Another machine, over one connection. Nobody stands anywhere on it."""

    folder = ""

    def __init__(self, name: str, line: Line, *, holds: bool = False) -> None:
        """`holds` says that locks or folders are going to be held."""
        super().__init__()
        self.name = name
        self._line = line
        self._shells = Shells(line)
        self._keeper = Keeper(self._shells.aside)
        if holds:
            self._keeper.prepare()
        shell = Shell(line, first=True)
        try:
            facts = parse_host_facts(
                shell.answer(within(name, _OPEN_SECONDS)).out, shell.token.encode()
            )
        except ValueError:
            raise Failed("its login shell did not start sh", "try `ssh HOST sh`") from None
        self._shells.add(shell)
        path, content = facts.registry
        self._known: dict[Call, Answer | TimedOut] = {
            ("run", *content_argv(path)): content_answer(content)
        }
        """What came of calls of a shell's functions, and nobody has read yet."""
        self._foreseen: dict[Call, float] = {}
        """The calls to come, and the seconds for each."""
        self._asides: dict[Call, str] = {}
        """Those that are on their way by the keeper, and the numbers of its answers."""
        self._pins: dict[str, str] = {}
        """Folders that are being entered, and the numbers of the keeper's answers."""
        self.uid, self.home = facts.uid, facts.home
        self.other_groups = facts.groups
        mine = {key: os.environ[key] for key in ("TERM",) if key in os.environ}
        self.environ = {**facts.environ, **mine}

    def close(self) -> None:
        self._line.close()

    # --- programs ------------------------------------------------------------------

    def read(self, argv: Argv, *, timeout: float = 30.0, most: int = MOST_BYTES) -> Result:
        call = ("run", *argv)
        if call in self._asides:
            return self._beside(call, timeout)
        answer = self._brought_along(call)
        if answer is None or len(answer.out) > most:
            return self._run("run", argv, argv, timeout, most)
        return result_of(argv, answer)

    def _foresee(self, ahead: Foresight) -> None:
        reads = (*ahead.reads, *map(content_argv, ahead.files))
        calls: list[Call] = [("run", *argv) for argv in reads]
        calls += [("folders", *ahead.folders)] if ahead.folders else []
        self._foreseen |= {call: ahead.seconds for call in calls if call not in self._known}
        looks = [("look", f"{ahead.seconds:g}", *argv) for argv in ahead.aside]
        with contextlib.suppress(Failed):  # whoever wants it will be told
            if looks:
                numbers = self._keeper.send(*looks)
                for argv, number in zip(ahead.aside, numbers, strict=True):
                    self._asides["run", *argv] = number
            if ahead.pin and ahead.pin not in self._pins:
                (self._pins[ahead.pin],) = self._keeper.send(["stand", ahead.pin])

    def forget(self) -> None:
        self._forget()
        self._keeper.leave(self._pins.values())
        self._pins.clear()

    def _brought_along(self, call: Call) -> Answer | None:
        """The answer to what was foreseen, if that was; it is brought once."""
        while call in self._foreseen:  # one that fails keeps those behind it for the next time
            self._ask_along()
        answer = self._known.pop(call, None)
        if isinstance(answer, TimedOut):
            raise answer
        return answer

    def _beside(self, call: Call, timeout: float) -> Result:
        """What came of a program that runs beside."""
        number, argv = self._asides.pop(call), call[1:]
        (kept,) = self._keeper.answers([number], within(argv[0], timeout))
        return look_of(argv, kept.word, kept.answer)

    def _ask_along(self, first: Sequence[Call] = (), timeout: float = 0) -> list[Answer | Failed]:
        """Ask for what is foreseen; the answers to the calls that come `first`."""
        foreseen, self._foreseen = self._foreseen, {}
        seconds = [*(timeout for _ in first), *foreseen.values()]
        answers = self._run_all([*first, *foreseen], seconds)
        failed = None
        for call, answer in zip([*first, *foreseen], answers, strict=True):
            if failed is not None and call in foreseen:  # its turn did not come
                self._foreseen[call] = foreseen[call]
            elif call in foreseen and isinstance(answer, Answer | TimedOut):
                self._known[call] = answer
            if isinstance(answer, Failed):
                failed = answer
        return answers[: len(first)]

    def _forget(self) -> None:
        """What is read from now on is asked for then."""
        self._known.clear()
        self._foreseen.clear()
        self._keeper.leave(self._asides.values())
        self._asides.clear()

    def _change(self, argv: Argv, timeout: float, given: bytes, most: int) -> Result:
        self._forget()
        if not given:
            return self._run("run", argv, argv, timeout, most)
        packed = base64.b64encode(given).decode()
        return self._run("feed", [packed, *argv], argv, timeout, most)

    def _run(self, function: str, arguments: Argv, argv: Argv, timeout: float, most: int) -> Result:
        with self._shells.one() as shell:
            check = bounded(argv[0], timeout, most, shell.size)
            answer = shell.ask(function, *arguments, check=check)
        return result_of(argv, answer)

    def together(self, *, timeout: float = 30.0) -> Together:
        return AtOnce(self, timeout, self._ask_along)

    def _run_all(self, calls: Sequence[Call], seconds: Sequence[float]) -> list[Answer | Failed]:
        """The answers to calls that are made in one go; for those that gave none, why."""
        answers: list[Answer | Failed] = []
        try:
            with self._shells.one() as shell:

                def check_of(place: int) -> Callable[[], None]:
                    program = calls[place][1]
                    limit = bounded(program, seconds[place], MOST_BYTES, shell.size)
                    return self._stoppable(limit)

                answers.extend(shell.ask_all(calls, check_of))  # also those before an error
        except Failed as problem:
            answers += [problem] * (len(calls) - len(answers))
        return answers

    def _stream(
        self,
        program: str,
        argv: Argv,
        out: Sink,
        err: Sink,
        stall_seconds: float,
        keep: Sequence[Lock],
    ) -> int:
        self._forget()
        kept = [lock for lock in keep if isinstance(lock, _RemoteLock)]
        marks = [word for lock in kept for word in (lock.mark, lock.path)]
        session: list[str] = []
        watch = Watch(stall_seconds, lambda: self._moved(session[0]) if session else 0)

        with self._shells.one() as shell:
            end = shell.follow(
                *("keep", program, str(len(kept)), *marks, *argv),
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

    def _hand_over(self, argv: Argv) -> int:
        self._forget()
        sys.stdout.flush()
        return self._line.hand_over(entrance(attended(argv)))

    # --- files ---------------------------------------------------------------------

    def read_file(self, path: str) -> bytes | None:
        return content_of(path, self.read(content_argv(path)))

    def _write_file(self, path: str, data: bytes) -> None:
        packed = base64.b64encode(data).decode()
        self._forget()
        answer = self._ask("put", path, packed, str(len(data)))
        if answer.end != "0":
            raise Failed(f"{path} can't be written", reason_of(answer))

    def real_folders(self, paths: Sequence[str]) -> list[str | None]:
        given = [path for path in paths if "\0" not in path]
        if not given:
            return [None for _ in paths]
        call = ("folders", *given)
        answer = self._brought_along(call)
        if answer is None and self._foreseen:
            (asked,) = self._ask_along([call], _FILE_SECONDS)
            answer = _brought(asked)
        answer = answer or self._ask(*call)
        found = dict(zip(given, folders_of(given, answer), strict=False))
        return [found.get(path) for path in paths]

    def walk(self, root: str, *, prune: frozenset[bytes] = frozenset()) -> Iterator[Entry]:
        return entries_of(root, self.read(entries_argv(root, prune), timeout=WALK_SECONDS))

    @contextlib.contextmanager
    def pin(self, path: str, *, timeout: float) -> Iterator[Pin]:
        asked = [self._pins.pop(path)] if path in self._pins else self._keeper.send(["stand", path])
        (kept,) = self._keeper.answers(asked, within(path, timeout))
        if not kept.held:
            why = self.read(["env", "-C", path, "true"], timeout=timeout)
            raise Failed(f"{path} can't be entered", why.complaint.rpartition(": ")[2])
        try:
            yield _RemotePin(self, kept.pid)
        finally:
            self._keeper.let_go(kept.pid)

    # --- locks ---------------------------------------------------------------------

    @contextlib.contextmanager
    def _lock(self, path: str, wait_seconds: float, stoppable: bool) -> Iterator[Lock]:
        self._forget()  # what is read under a lock is read then
        mark = os.urandom(8).hex()
        kept = until_free(
            lambda: self._take(path, mark),
            wait_seconds=wait_seconds,
            pause=_LOCK_SECONDS,
            stopping=self.stopping if stoppable else None,
        )
        try:
            yield _RemoteLock(path, mark)
        finally:
            self._forget()
            self._keeper.free(kept.pid)

    def _take(self, path: str, mark: str) -> Kept:
        """Have a process there take the lock. `Locked` where somebody else has it."""
        (kept,) = self._keeper.ask(_hold(path, mark))
        if kept.word == "taken":
            raise taken(kept.answer.out)
        if not kept.held:
            raise Failed(f"{path} can't be opened", reason_of(kept.answer))
        return kept

    @contextlib.contextmanager
    def _locks(self, paths: Sequence[str]) -> Iterator[dict[str, Lock]]:
        self._forget()
        locks = [_RemoteLock(path, os.urandom(8).hex()) for path in paths]
        found = zip(
            locks, self._keeper.ask(*(_hold(it.path, it.mark) for it in locks)), strict=True
        )
        held = {kept.pid: lock for lock, kept in found if kept.held}
        try:
            yield {lock.path: lock for lock in held.values()}
        finally:
            if held:
                self._keeper.free(*held)

    def _ask(self, function: str, *argv: str) -> Answer:
        with self._shells.one() as shell:
            return shell.ask(function, *argv, check=within("sh", _FILE_SECONDS))


def _brought(answer: Answer | Failed) -> Answer:
    if isinstance(answer, Failed):
        raise answer
    return answer


def _hold(path: str, mark: str) -> Argv:
    """The call that has a process there take the lock at `path`."""
    return ["hold", path, holder(f"{os.getpid()} on {socket.gethostname()}", mark=mark)]


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
