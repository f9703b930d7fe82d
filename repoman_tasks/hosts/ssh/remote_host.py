"""A host over SSH: the operations of `Host`, done by POSIX shells there."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.base import (
    FOLDER_SECONDS,
    MAX_BYTES,
    MOST_LISTED,
    WALK_SECONDS,
    Argv,
    Comparison,
    Differences,
    Entry,
    Future,
    Holder,
    Host,
    Lock,
    OutOfTime,
    Result,
    Sink,
    TimedOut,
    entering_error,
)
from repoman_tasks.hosts.digests import script_digests
from repoman_tasks.hosts.kept_walks import script_comparison
from repoman_tasks.hosts.processes import (
    StallTimer,
    deadline_check,
    limit_check,
    lock_note,
    locked_error,
    not_installed,
    wait_for_lock,
    waits,
)
from repoman_tasks.hosts.ssh.answers import (
    Answer,
    code_of,
    content_answer,
    content_argv,
    content_of,
    entries_of,
    folders_of,
    look_of,
    reason_of,
    result_of,
)
from repoman_tasks.hosts.ssh.connection_errors import not_started
from repoman_tasks.hosts.ssh.holder import HolderAnswer, HolderShell
from repoman_tasks.hosts.ssh.pipeline import Pipeline, Question, stopped_check
from repoman_tasks.hosts.ssh.scripts import (
    ABSENT,
    HostFacts,
    parse_host_facts,
    shell_command,
    terminal_script,
)
from repoman_tasks.hosts.ssh.shells import Shell, Shells
from repoman_tasks.hosts.ssh.start_up import StartUpCheck
from repoman_tasks.hosts.ssh.transport import ConnectionLost, SSHTransport, TooManySessions
from repoman_tasks.hosts.tree_pairs import pair_argv, script_differences
from repoman_tasks.hosts.tree_walks import entries_argv

__all__ = ["RemoteHost"]

_OPEN_SECONDS = 30.0
_FILE_SECONDS = 60.0
_LOCK_SECONDS = 0.1
"""Pause between attempts to take a lock."""
_LOST_LOCK = 75


def _first_facts(shell: Shell, transport: SSHTransport, name: str) -> HostFacts:
    """Return what the first shell prints at its start; raise Failed if it does not start."""
    with contextlib.closing(StartUpCheck(transport, name, _OPEN_SECONDS)) as check:
        try:
            answer = shell.first_answer(check)
            return parse_host_facts(answer.out, shell.token.encode())
        except ValueError:
            raise not_started(transport.typed) from None
        except ConnectionLost:
            if transport.lives():
                raise not_started(transport.typed, shell.complaint()) from None
            raise


class RemoteHost(Host):
    """Another host, over one connection; it has no current folder."""

    folder = ""

    def __init__(self, name: str, transport: SSHTransport, *, needs_holder: bool = False) -> None:
        """If `needs_holder`, prepare the shell that holds locks and folders."""
        super().__init__()
        self.name = name
        self._transport = transport
        self._shells = Shells(transport)
        self._holder_shell = HolderShell(self._shells.aside)
        if needs_holder:
            self._holder_shell.prepare()
        shell = Shell(transport, first=True)
        facts = _first_facts(shell, transport, name)
        self._shells.add(shell)
        path, content = facts.registry
        self._registry: dict[str, Answer] = {path: content_answer(content)}
        """The registry's content by its path, until it is read or something changes."""
        self._threads = threading.local()
        self.uid, self.home = facts.uid, facts.home
        self.other_groups = facts.groups
        mine = {key: os.environ[key] for key in ("TERM",) if key in os.environ}
        self.environ = {**facts.environ, **mine}

    def close(self) -> None:
        self._transport.close()

    # --- programs ------------------------------------------------------------------

    def submit(
        self,
        argv: Argv,
        *,
        timeout: float = 30.0,
        max_bytes: int = MAX_BYTES,
        stoppable: bool = False,
    ) -> Future[Result]:
        question = Question(("run", *argv), timeout, max_bytes, stoppable)
        return self._submit(question).then(partial(result_of, argv))

    def submit_beside(self, argv: Argv, *, timeout: float) -> Future[Result]:
        call = ["look", f"{timeout:g}", *argv]
        numbers = self._begin(call)

        def result() -> Result:
            asked = numbers or self._holder_shell.send(call)
            (kept,) = self._holder_shell.answers(asked, deadline_check(argv[0], timeout))
            return look_of(argv, kept.word, kept.answer)

        return Future(result)

    def _begin(self, call: Argv) -> list[str]:
        """Send a call to the holder shell; return the number of its answer, none if that fails."""
        with contextlib.suppress(Failed):  # waiting for the answer tries again, and raises
            return self._holder_shell.send(call)
        return []

    def _submit(self, question: Question) -> Future[Answer]:
        """Submit a question in the pipeline of this thread."""
        pipeline: Pipeline | None = getattr(self._threads, "pipeline", None)
        if pipeline is None:
            pipeline = self._threads.pipeline = Pipeline(self._shells, self.stopping)
        return Future(partial(pipeline.answer, pipeline.submit(question)))

    def _change(
        self, argv: Argv, timeout: float, stdin: bytes, max_bytes: int, stoppable: bool
    ) -> Result:
        self._registry.clear()
        packed = [base64.b64encode(stdin).decode()] if stdin else []
        with self._shells.one() as shell:
            check = limit_check(argv[0], timeout, max_bytes, shell.size)
            check = stopped_check(self.stopping, check) if stoppable else check
            answer = shell.ask("feed" if packed else "run", *packed, *argv, check=check)
        return result_of(argv, answer)

    def _stream(
        self,
        program: str,
        argv: Argv,
        out: Sink,
        err: Sink,
        limits: tuple[float, float],
        keep: Sequence[Lock],
    ) -> int:
        self._registry.clear()
        kept = [lock for lock in keep if isinstance(lock, _RemoteLock)]
        marks = [word for lock in kept for word in (lock.mark, lock.path)]
        session: list[str] = []

        def count() -> int:
            return self._moved(session[0]) if session else 0

        stall = StallTimer(limits[0], count, limits[1], program)

        with self._shells.one(streams=True) as shell:
            end = shell.follow(
                *("keep", program, str(len(kept)), *marks, *argv),
                out=stall.counting(out),
                err=stall.counting(err),
                check=stopped_check(self.stopping, stall.check),
                told=session.append,
            )
        if end == ABSENT:
            raise not_installed(program)
        code = code_of(end)
        if kept and code == _LOST_LOCK:
            raise Failed("the lock of the project was lost", "try again")
        return code

    def _moved(self, session: str) -> int:
        """Return the sum of the I/O counters of all processes of `session`."""
        try:
            with self._shells.one(nested=True) as shell:
                answer = shell.ask("moved", session, check=deadline_check("sh", _OPEN_SECONDS))
        except TooManySessions:
            return time.monotonic_ns()  # it can't be asked, and counts as moving
        return sum(map(int, re.findall(rb"\d{1,20}", answer.out)))

    def _hand_over(self, argv: Argv) -> int:
        self._registry.clear()
        waits.end()
        sys.stdout.flush()
        return self._transport.hand_over(shell_command(terminal_script(argv)))

    def _relay(self, argv: Argv, out: Sink, err: Sink) -> int:
        self._registry.clear()
        return self._transport.relay(shell_command(terminal_script(argv)), out, err)

    def _carry(self, argv: Argv, connection: socket.socket) -> Result:
        command = shell_command(terminal_script(argv))
        code, said = self._transport.carry(command, connection)
        return Result(tuple(argv), code, err=said)

    # --- files ---------------------------------------------------------------------

    def submit_file(self, path: str) -> Future[bytes | None]:
        argv = content_argv(path)
        known = self._registry.pop(path, None)
        answer = known and result_of(argv, known)
        result = Future(lambda: answer) if answer else self.submit(argv)
        return result.then(partial(content_of, path))

    def _write_file(self, path: str, data: bytes) -> None:
        packed = base64.b64encode(data).decode()
        self._registry.clear()
        answer = self._ask("put", path, packed, str(len(data)))
        if answer.end != "0":
            raise Failed(f"{path} can't be written", reason_of(answer))

    def submit_append(self, path: str, data: bytes) -> Future[int]:
        packed = base64.b64encode(data).decode()
        question = Question(("append", path, packed), _FILE_SECONDS)

        def size(answer: Answer) -> int:
            if answer.end != "0" or not answer.out.strip().isdigit():
                raise Failed(f"{path} can't be written", reason_of(answer))
            return int(answer.out)

        return self._submit(question).then(size)

    def submit_folders(self, paths: Sequence[str]) -> Future[list[str | None]]:
        stdin = [path for path in paths if "\0" not in path]
        if not stdin:
            return Future(lambda: [None for _ in paths])
        asked = self._submit(Question(("folders", *stdin), FOLDER_SECONDS))

        def found() -> list[str | None]:
            try:
                real = dict(zip(stdin, folders_of(stdin, asked.result()), strict=False))
            except TimedOut:
                return self._each_folder(paths)
            return [real.get(path) for path in paths]

        return Future(found)

    def submit_walk(
        self, root: str, *, prune: frozenset[bytes] = frozenset()
    ) -> Future[Iterator[Entry]]:
        argv = entries_argv(root, prune)
        found = self.submit(argv, timeout=WALK_SECONDS, stoppable=True)
        return found.then(partial(entries_of, root))

    def submit_digests(self, roots: Sequence[str]) -> Future[list[str]]:
        if not roots:
            return Future(list)
        question = Question(("digests", *roots), WALK_SECONDS, stoppable=True)
        return self._submit(question).then(
            lambda answer: script_digests(answer.out.decode(), len(roots))
        )

    def submit_comparison(self, root: str, known: str, keep: str) -> Future[Comparison]:
        question = Question(("compare", root, known, keep), WALK_SECONDS, stoppable=True)

        def found(answer: Answer) -> Comparison:
            if answer.end != "0":
                raise Failed(f"{root} can't be compared with {known}", reason_of(answer))
            return Comparison(*script_comparison(answer.out))

        return self._submit(question).then(found)

    def submit_differences(
        self,
        folders: tuple[str, str],
        names: Sequence[str],
        left_out: Sequence[str],
        owner: str,
        limits: tuple[float, float],
    ) -> Future[Differences | None]:
        call = ("pair", *folders, str(MOST_LISTED), *pair_argv(names, left_out, owner))
        seconds = min(limits[1] or WALK_SECONDS, WALK_SECONDS)
        asked = self._submit(Question(call, seconds, stoppable=True))

        def found() -> Differences | None:
            try:
                answer = asked.result()
            except TimedOut:
                if seconds < WALK_SECONDS:
                    raise OutOfTime("its time is used up") from None
                return None
            whole = answer.end == "0" and len(answer.out) < MOST_LISTED
            return script_differences(answer.out) if whole else None

        return Future(found)

    def hold_folder(self, path: str, *, timeout: float) -> AbstractContextManager[Holder]:
        return self._held(path, self._begin(["stand", path]), timeout)

    @contextlib.contextmanager
    def _held(self, path: str, numbers: list[str], timeout: float) -> Iterator[Holder]:
        numbers = numbers or self._holder_shell.send(["stand", path])
        (kept,) = self._holder_shell.answers(numbers, deadline_check(path, timeout))
        if not kept.held:
            why = self.read(["env", "-C", path, "true"], timeout=timeout)
            raise entering_error(self, path, why.complaint)
        try:
            yield _RemoteHolder(self, kept.pid)
        finally:
            self._holder_shell.let_go(kept.pid)

    # --- locks ---------------------------------------------------------------------

    @contextlib.contextmanager
    def _lock(self, path: str, wait_seconds: float, stoppable: bool) -> Iterator[Lock]:
        self._registry.clear()  # read under a lock, the registry must be current
        mark = os.urandom(8).hex()
        kept = wait_for_lock(
            lambda: self._take(path, mark),
            wait_seconds=wait_seconds,
            pause=_LOCK_SECONDS,
            stopping=self.stopping if stoppable else None,
        )
        try:
            yield _RemoteLock(path, mark)
        finally:
            self._holder_shell.free(kept.pid)

    def _take(self, path: str, mark: str) -> HolderAnswer:
        """Take the lock by a process there. Raise Locked if another process holds it."""
        (kept,) = self._holder_shell.ask(_hold(path, mark))
        if kept.word == "taken":
            raise locked_error(kept.answer.out)
        if not kept.held:
            raise Failed(f"{path} can't be opened", reason_of(kept.answer))
        return kept

    @contextlib.contextmanager
    def _locks(self, paths: Sequence[str]) -> Iterator[dict[str, Lock]]:
        self._registry.clear()
        locks = [_RemoteLock(path, os.urandom(8).hex()) for path in paths]
        found = zip(
            locks, self._holder_shell.ask(*(_hold(it.path, it.mark) for it in locks)), strict=True
        )
        held = {kept.pid: lock for lock, kept in found if kept.held}
        try:
            yield {lock.path: lock for lock in held.values()}
        finally:
            if held:
                self._holder_shell.free(*held)

    def _ask(self, function: str, *argv: str) -> Answer:
        with self._shells.one() as shell:
            return shell.ask(function, *argv, check=deadline_check("sh", _FILE_SECONDS))


def _hold(path: str, mark: str) -> Argv:
    """Return the call that takes the lock at `path`."""
    return ["hold", path, lock_note(f"{os.getpid()} on {socket.gethostname()}", mark=mark)]


class _RemoteLock(Lock):
    def __init__(self, path: str, mark: str) -> None:
        super().__init__(path)
        self.mark = mark
        """A text in the lock's file for as long as it is held."""


class _RemoteHolder(Holder):
    def __init__(self, host: RemoteHost, pid: str) -> None:
        self._host = host
        self._pid = pid

    @property
    def path(self) -> str:
        return f"/proc/{self._pid}/cwd"

    def submit_real(self) -> Future[str]:
        found = self._host.submit(["readlink", "-n", self.path])
        return found.then(lambda result: result.text)
