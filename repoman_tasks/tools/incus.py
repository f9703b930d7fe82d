"""The REST API of Incus, called through its client.

`incus query` finds the daemon's socket by INCUS_DIR and INCUS_SOCKET, and works the same on a
remote host. It is a process of about 20 ms there; this host asks the socket itself
(`hosts/builtin_programs.py`).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from repoman_tasks.errors import Failed, Interrupted, Refused, RepomanError, quoted
from repoman_tasks.hosts.base import Argv, Future, Host, Result, TimedOut
from repoman_tasks.hosts.signals import defer_signals
from repoman_tasks.planning.container.drift import parse_container, parse_containers
from repoman_tasks.planning.container.homes import Homes, volume_path
from repoman_tasks.planning.container.memory_bound import MemoryBound, check_memory, host_memory
from repoman_tasks.planning.container.spec import Container
from repoman_tasks.planning.incus_form import well_formed
from repoman_tasks.planning.text.strict_json import parse_json

__all__ = [
    "VOLUME_USE",
    "Incus",
    "NoSuchImage",
    "profiles_path",
    "project_path",
    "retry_while",
]

_SECONDS = 10.0
"""Timeout of an answer of the daemon."""
_POLL_SECONDS = 1
"""Interval at which a running operation is polled."""
_UNDO_SECONDS = 120
"""Timeout, after Ctrl-C, of an operation that can't be cancelled."""
_STATE_SECONDS = 90
"""Timeout of a container's start or stop."""
_BUSY_SECONDS = 40
"""Timeout of a container that is busy; a stop alone may take 30 s."""
_REST_LOOKS = 8
_REST_SECONDS = 0.5
"""Looks, and the time between them, by which a stopped container is known to stay so."""
_MOST_RESTS = 60
"""Looks after which a container that restarts itself again and again is given up."""
_MOST_ANSWERED = 16 << 20
"""Limit of an answer in bytes; a container takes about 10 KiB in one."""
_MOST_BYTES = 100_000
"""Limit of a request body, which is one argument of a command line: Linux allows 128 KiB."""

_NO_BOUND = MemoryBound()
_STARTING = threading.Lock()
"""Held while a container starts that counts towards the bound of memory."""
_VOLATILE = "volatile."
"""Prefix of the config keys that Incus sets itself."""
VOLUME_USE = re.compile(r"/1\.0/storage-pools/([^/?]+)/volumes/custom/([^/?]+)")
"""One use of a project by a volume."""
_AT_REST = ("stopped", "error", "frozen")
"""States in which nothing runs in a container."""
_NOT_FOUND = 404
_OF_USERS = "Failed getting ACL usage"
"""Begins errors, of code 404, too, about a user of an ACL, not the ACL."""
_RUNNING = 103
_DOWNLOAD = "download_progress"
_STILL_RUNNING = "context deadline exceeded"

Report = Callable[[str], None]
T = TypeVar("T")


class Incus:
    """An Incus project of the daemon on a host, and others that hold some of its containers."""

    def __init__(
        self,
        host: Host,
        project: str,
        bound: MemoryBound = _NO_BOUND,
        elsewhere: Mapping[str, str] | None = None,
    ) -> None:
        """No container is started beyond `bound`.

        `elsewhere` has the Incus project of each container that belongs in another one.
        """
        self.host = host
        self.project = project
        self._bound = bound
        self.homes = Homes(project, elsewhere or {})

    # --- reading -------------------------------------------------------------------

    def submit_containers(self) -> Future[dict[str, Container]]:
        """Ask for the containers by name; none if the Incus project does not exist.

        The result raises Failed if Incus is missing, does not answer, or answers with an error.
        """
        return self._of_each(self.submit_containers_in)

    def submit_containers_in(self, project: str) -> Future[dict[str, Container]]:
        """Ask for the containers of one Incus project, and remember that they are there."""
        answer = self.submit(_with_recursion(_path(project, "instances"), 1))

        def note(instances: Any) -> dict[str, Container]:
            found = parse_containers(instances or [])
            self.homes.found(found, project)
            return found

        return answer.then(note)

    def _of_each(self, ask: Callable[[str], Future[dict[str, T]]]) -> Future[dict[str, T]]:
        """Ask each Incus project for something of its containers, by their names."""
        projects = self.homes.projects
        answers = [ask(project) for project in projects]
        return Future(lambda: self.homes.merged(projects, [one.result() for one in answers]))

    def container(self, name: str) -> Container | None:
        """Return the container called `name` as it is now; None if there is none."""
        instance = self.get(self.at("instances", name))
        return None if instance is None else parse_container(instance)

    def submit_addresses(self) -> Future[dict[str, str]]:
        """Ask for the IPv4 address of each running container that has one."""

        def ask(project: str) -> Future[dict[str, str]]:
            running = _path(project, "instances") + "&filter=status%20eq%20Running"
            answer = self.submit(_with_recursion(running, 2))
            return answer.then(lambda instances: _addresses(instances or []))

        return self._of_each(ask)

    def submit_volumes(self) -> Future[dict[str, str]]:
        """Ask for the custom volumes, each with its storage pool."""
        return self._of_each(self.submit_volumes_in)

    def submit_volumes_in(self, project: str) -> Future[dict[str, str]]:
        """Ask for the custom volumes of one Incus project, and remember that they are there."""

        def note(answer: Any) -> dict[str, str]:
            uses = map(VOLUME_USE.match, (answer or {}).get("used_by") or [])
            found = {unquote(use[2]): unquote(use[1]) for use in uses if use}
            self.homes.found_volumes(found, project)
            return found

        return self.submit(project_path(project)).then(note)

    def submit(self, path: str, recursion: int = 0) -> Future[Any]:
        """Ask for the metadata of an API path, in which names are encoded; None if it is not found.

        The result raises Failed, with the daemon's message, for any other error.
        """
        argv = _query("GET", _with_recursion(path, recursion))

        def submit() -> Future[Any]:
            answer = self.host.submit(argv, timeout=_SECONDS, max_bytes=_MOST_ANSWERED)
            return answer.then(_metadata)

        first = submit()

        def metadata() -> Any:
            with contextlib.suppress(_AnotherGone):
                return first.result()
            return retry_while(_AnotherGone, self.host, lambda: submit().result())

        return Future(metadata)

    def get(self, path: str, recursion: int = 0) -> Any:
        """Return the metadata of an API path; see `submit`."""
        return self.submit(path, recursion).result()

    def at(self, *names: str) -> str:
        """Return the API path of `names`, each of them encoded; of a container, in its home."""
        of_one = names[0] == "instances" and len(names) > 1
        return _path(self.homes.of(names[1]) if of_one else self.project, *names)

    def beside(self, name: str, *names: str) -> str:
        """Return the API path of `names` in the Incus project of the container `name`."""
        return _path(self.homes.of(name), *names)

    def volume(self, pool: str, name: str, *names: str) -> str:
        """Return the API path of the volume `name`, or of something of it."""
        return volume_path(self.homes.of_volume(name), pool, name, *names)

    # --- changing ------------------------------------------------------------------

    def change(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        report: Report = lambda _: None,
        seconds: int = 0,
        *,
        leave: bool = False,
    ) -> Any:
        """Send a request, wait until it is done, and return the metadata; None if it is not found.

        `report` is called with each progress message. Ctrl-C cancels the operation; if it can't be
        cancelled, it is waited for, or with `leave` continues. Raise TimedOut after `seconds`,
        unless 0; the operation continues then.
        """
        data = json.dumps(body) if body is not None else ""
        if len(data.encode()) > _MOST_BYTES:
            raise Failed("the request to Incus is too long", "shorten env and mounts")
        argv = _query(method, path, data)
        # The container may still be busy with an operation of a command that was killed.
        return retry_while(_StillBusy, self.host, lambda: self._send(argv, report, seconds, leave))

    def _send(self, argv: Argv, report: Report, seconds: int, leave: bool) -> Any:
        result: Result | None = None
        try:
            with defer_signals():  # so that we know if the request was sent
                result = self.host.change(argv, timeout=_SECONDS * 3, max_bytes=_MOST_ANSWERED)
        except KeyboardInterrupt:  # raised by a deferred signal: the operation has begun
            if result is not None:
                with defer_signals():
                    self._cancel_operation_of(result, leave)
            raise
        if self.host.dry:
            return None
        answer = _parse(result)
        if _is_not_found(answer):
            return None
        if answer["error"]:
            raise _error(str(answer["error"]))
        operation = answer.get("operation")
        if not operation:
            return answer["metadata"]
        return self._follow(str(operation), report, seconds, leave)

    def _follow(self, operation: str, report: Report, seconds: int, leave: bool) -> Any:
        try:
            return self._wait(operation, report, seconds // _POLL_SECONDS or None)
        except TimedOut:
            raise
        except BaseException:
            with defer_signals():
                self._cancel(operation, leave)
            raise

    def _wait(self, operation: str, report: Report, polls: int | None = None) -> Any:
        """Wait for an operation, and return its metadata; raise TimedOut after `polls`."""
        for poll in itertools.count(1):
            state = self._poll(operation)
            if state.get("err"):
                raise _error(str(state["err"]))
            if state.get("status_code") != _RUNNING:
                break
            if self.host.stopping.is_set():
                raise Interrupted("interrupted")
            if poll == polls:
                raise TimedOut(f"Incus did not finish {operation} in time")
            for key, text in (state.get("metadata") or {}).items():
                if isinstance(text, str):
                    report(f"downloading {text}" if key == _DOWNLOAD else text)
        return state.get("metadata") or {}

    def _poll(self, operation: str) -> dict[str, Any]:
        """Return an operation once it is done, or as it is after a poll; empty if it is gone."""
        waiting = _query("GET", f"{operation}/wait?timeout={_POLL_SECONDS}")
        answer = self._read(waiting)
        if _STILL_RUNNING in str(answer["error"]):  # the wait timed out, nothing else
            answer = self._read(_query("GET", operation))
        if answer["error_code"] == _NOT_FOUND:
            return {}
        if answer["error"]:
            raise _error(str(answer["error"]))
        state = answer["metadata"] or {}
        if not isinstance(state, dict) or not isinstance(state.get("metadata") or {}, dict):
            raise _malformed()
        return state

    def _read(self, argv: Argv) -> dict[str, Any]:
        timeout = _SECONDS + _POLL_SECONDS
        return _parse(self.host.read(argv, timeout=timeout, max_bytes=_MOST_ANSWERED))

    def _cancel_operation_of(self, result: Result, leave: bool) -> None:
        with contextlib.suppress(RepomanError):
            operation = _parse(result).get("operation")
            if operation:
                self._cancel(str(operation), leave)

    def _cancel(self, operation: str, leave: bool) -> None:
        """Cancel an operation and, unless `leave`, wait for its end; its errors are ignored."""
        with contextlib.suppress(RepomanError):
            self.host.change(_query("DELETE", operation), timeout=_SECONDS)
        if leave:
            return
        with contextlib.suppress(RepomanError):
            self._wait(operation, lambda _: None, polls=_UNDO_SECONDS // _POLL_SECONDS)

    # --- containers ------------------------------------------------------------------

    def set_state(self, name: str, action: str, *, force: bool = False, seconds: int = 30) -> None:
        """Start, stop, restart or unfreeze a container; a stop fails after `seconds`."""
        body = {"action": action, "timeout": seconds, "force": force}
        if action == "start" and self._bound.total:
            with _STARTING:  # so that no two of this command exceed the bound together
                self.check_memory(name)
                self._reach_state(name, body)
        else:
            self._reach_state(name, body)

    def _reach_state(self, name: str, body: Mapping[str, Any]) -> None:
        action, seconds = body["action"], body["timeout"]
        try:
            retry_while(_StillRunning, self.host, lambda: self._set_state(name, body))
        except TimedOut:
            raise Failed(
                f"{name} did not {action} within {_STATE_SECONDS} s",
                "root in it may have put a pipe in place of a mount point: "
                "run `systemctl restart incus`, "
                f"then `repoman update {quoted(name)} --rebuild` or remove it",
            ) from None
        except _NotDown:
            raise Failed(
                f"{name} did not shut down within {seconds} s",
                "wait if it is still booting, or end it with "
                f"`repoman {quoted(action, name)} --force`",
            ) from None

    def _set_state(self, name: str, body: Mapping[str, Any]) -> None:
        path = self.at("instances", name, "state")
        try:
            self.change("PUT", path, body, seconds=_STATE_SECONDS)
        except _NotStarted:
            if body["action"] != "start":
                raise
            # Remains of a start that failed a moment ago may be in the way; they soon go away.
            self.host.read(["sleep", "1"])
            try:
                self.change("PUT", path, body, seconds=_STATE_SECONDS)
            except _NotStarted as error:
                log = f"`incus info --show-log --project {quoted(self.homes.of(name), name)}`"
                raise Failed(error.what, f"{error.cure}, and see {log}") from None
        except _AlreadyStopped:
            if body["action"] != "stop":
                raise
            self.keep_stopped(name)
        except _StillRunning:
            container = self.container(name)
            if container is None or not container.running:  # else another command started it
                raise

    def check_memory(self, name: str) -> None:
        """Raise Refused if the container `name` would exceed the bound once it runs."""
        if not self._bound.total:
            return
        containers, memory = self.submit_containers(), self.host.submit_file("/proc/meminfo")
        total = host_memory(memory.result())
        if not total:
            raise Failed("/proc/meminfo of the host has no MemTotal", "unset memory_total")
        check_memory(self._bound, total, containers.result(), name)

    def delete(self, name: str) -> None:
        """Delete a container with its disk, running or not; do nothing if there is none."""
        stopped = self._stop_to_delete(name)
        try:
            if stopped is not None:
                self.change("DELETE", self.at("instances", name))
        except Failed:  # a command that was killed may have had it started meanwhile
            if self._stop_to_delete(name) is not False:
                raise
            self.change("DELETE", self.at("instances", name))

    def _stop_to_delete(self, name: str) -> bool | None:
        """Stop a container by force; return if it was stopped already, None if there is none."""
        container = self.container(name)
        if container is None:
            return None
        if container.status in ("stopped", "error"):
            return True
        with contextlib.suppress(Failed):  # it may have stopped meanwhile
            self.set_state(name, "stop", force=True)
        return False

    def configuration(self, *names: str) -> dict[str, Any] | None:
        """Return what `replace` sets of a container, or of a snapshot; None if it is gone."""
        found = self.get(self.at(*names))
        if found is None:
            return None
        config = {k: v for k, v in found["config"].items() if not k.startswith(_VOLATILE)}
        return {"config": config, "devices": found["devices"], "profiles": found["profiles"]}

    def rest_of(self, name: str) -> tuple[str, str] | None:
        """Return the state of a container in which nothing runs, and when it started last.

        Return None if something runs in it, and empty texts if there is no such container.
        """
        instance = self.get(self.at("instances", name))
        if instance is None:
            return "", ""
        status = parse_container(instance).status
        return (status, str(instance.get("last_used_at"))) if status in _AT_REST else None

    def stays_stopped(self, name: str) -> bool:
        """Return True if nothing runs in a container, and it does not start by itself.

        While it reboots from inside, Incus has it as stopped for a moment, and then starts it.
        """
        rest = self.rest_of(name)
        for _ in range(_REST_LOOKS if rest != ("", "") else 0):
            if rest is None or self.rest_of(name) != rest:
                return False
            self.host.read(["sleep", str(_REST_SECONDS)])
        return True

    def keep_stopped(self, name: str) -> None:
        """Return once a container that was stopped stays so; end a reboot from inside by force.

        Raise Failed if it restarts itself again and again.
        """
        body = {"action": "stop", "timeout": 0, "force": True}
        for _ in range(_MOST_RESTS):
            if self.stays_stopped(name):
                return
            with contextlib.suppress(_AlreadyStopped):  # it reboots again
                self.change("PUT", self.at("instances", name, "state"), body)
                return
        what = f"{name} restarts itself again and again"
        raise Failed(what, f"run `repoman stop --force {quoted(name)}` until it stays stopped")

    def replace(self, name: str, changes: Mapping[str, Any]) -> None:
        """Replace the parts of a container's configuration that `changes` names.

        The volatile keys of the config keep the values that Incus set. If one changed between
        reading and writing, both are repeated.
        """
        retry_while(_Outdated, self.host, lambda: self._replace(name, changes))

    def _replace(self, name: str, changes: Mapping[str, Any]) -> None:
        actual = self.get(self.at("instances", name))
        if actual is None:
            raise Failed(f"the container {name} is gone", "see `repoman status`")
        writable = ("architecture", "config", "devices", "ephemeral", "profiles", "description")
        body = {key: actual[key] for key in writable if key in actual} | dict(changes)
        desired = {k: v for k, v in body["config"].items() if not k.startswith(_VOLATILE)}
        volatile = {k: v for k, v in actual["config"].items() if k.startswith(_VOLATILE)}
        whole = {**body, "config": desired | volatile}
        if self.change("PUT", self.at("instances", name), whole) is None and not self.host.dry:
            raise Failed(f"the container {name} is gone", "see `repoman status`")

    def set_config(self, name: str, values: Mapping[str, str | None]) -> None:
        """Set config keys of a container; None unsets one."""
        config = {key: value or "" for key, value in values.items()}  # an empty value unsets
        self.change("PATCH", self.at("instances", name), {"config": config})

    def exec_code(self, name: str, argv: Argv, seconds: int) -> int:
        """Run `argv` in a container as root, without standard streams; return its exit code.

        Raise TimedOut after `seconds`, and Failed if it can't be run. After Ctrl-C it runs on:
        Incus cancels no program, and one could hold up repoman for as long as it likes.
        """
        body = {"command": list(argv), "wait-for-websocket": False, "interactive": False}
        path = self.at("instances", name, "exec")
        done = self.change("POST", path, body, seconds=seconds, leave=True)
        try:
            return int(done["return"])
        except (KeyError, TypeError, ValueError):
            raise _malformed() from None

    def exec_argv(self, name: str, argv: Argv, *options: str) -> list[str]:
        """Return the argv that runs `argv` in a container as root."""
        start = ["incus", "exec", "--force-local", "--project", self.homes.of(name), *options]
        return [*start, f"local:{name}", "--", *argv]

    def push_argv(self, name: str, source: str, folder: str) -> list[str]:
        """Return the argv that copies a file or folder of the host into a `folder` of a container.

        Links are copied as links. What is copied belongs to the same uid as on the host.
        """
        start = ["incus", "file", "push", "--force-local", "--project", self.homes.of(name)]
        target = f"local:{name}{folder}/"
        return [*start, "--quiet", "--recursive", "--create-dirs", "--", source, target]


def retry_while(
    error: type[Failed], host: Host, attempt: Callable[[], T], seconds: int = _BUSY_SECONDS
) -> T:
    """Return what `attempt` returns; repeat it every second while it raises `error`.

    The attempt after `seconds` is the last one; its error is raised.
    """
    for _ in range(seconds):
        with contextlib.suppress(error):
            return attempt()
        host.read(["sleep", "1"])
    return attempt()


def project_path(project: str) -> str:
    """Return the API path of an Incus project."""
    return f"/1.0/projects/{quote(project, safe='')}"


def profiles_path(project: str) -> str:
    """Return the API path of the profiles of an Incus project."""
    return _path(project, "profiles")


def _path(project: str, *names: str) -> str:
    path = "/".join(quote(name, safe="") for name in names)
    return f"/1.0/{path}?project={quote(project, safe='')}"


def _with_recursion(path: str, recursion: int) -> str:
    return f"{path}{'&' if '?' in path else '?'}recursion={recursion}" if recursion else path


def _query(method: str, path: str, data: str = "") -> list[str]:
    # --force-local: the default remote may be another machine, and without it the client writes
    # a configuration into the home. --raw: keeps the code of an error; the exit status is then 0.
    argv = ["incus", "query", "--force-local", "--raw", "-X", method]
    return [*argv, *(["--data", data] if data else []), f"local:{path}"]


def _parse(result: Result) -> dict[str, Any]:
    if result.code:
        raise _unreachable(result)
    try:
        answer: dict[str, Any] = parse_json(result.out)
        _ = answer["error"], answer["error_code"], answer["metadata"]
    except (ValueError, KeyError, TypeError):
        raise _malformed() from None
    return answer


def _malformed() -> Failed:
    """Return the error for an answer that Incus's API does not give."""
    return Failed("the answer of incus is not JSON of its API", "update incus")


def _unreachable(result: Result) -> Failed:
    """Return the error of a client that got no answer from the daemon."""
    message = result.complaint.removeprefix("Error: ")
    if "daemon doesn't appear to be started" in message:
        return Failed("the Incus daemon does not run", "run `systemctl start incus`")
    if "don't have the needed permissions" in message:
        return Failed(
            "this user may not talk to the Incus daemon",
            "join the group incus-admin, then log in again",
        )
    return Failed(f"incus can't reach its daemon: {message}", "see `incus info`")


def _metadata(result: Result) -> Any:
    answer = _parse(result)
    if _is_not_found(answer):
        return None
    if answer["error"]:
        raise _error(str(answer["error"]))
    if not well_formed(answer["metadata"]):
        raise _malformed()
    return answer["metadata"]


def _is_not_found(answer: Mapping[str, Any]) -> bool:
    """Return True if what was asked for is not there.

    Raise _AnotherGone if something else is not: a project that was deleted while Incus looked for
    the users of an ACL.
    """
    if answer["error_code"] == _NOT_FOUND and _OF_USERS in str(answer["error"]):
        raise _AnotherGone(f"Incus says: {answer['error']}", "try again in a moment")
    return bool(answer["error_code"] == _NOT_FOUND)


class _StillBusy(Failed):
    """Another operation on the container, or on one in the network, is running."""


class _AnotherGone(_StillBusy):
    """Something that Incus looked at on the way to what was asked for was deleted meanwhile."""


class _StillRunning(Failed):
    """A container can't be started because it runs, or a failed start has left it so."""


class NoSuchImage(Failed):
    """The image server has no image of the name that was requested."""


class _AlreadyStopped(Failed):
    """A container can't be stopped because it is."""


class _NotDown(Failed):
    """A container did not shut down in time."""


class _NotStarted(Failed):
    """A container failed to start."""


class _Outdated(Failed):
    """Incus changed a volatile key after the container was read."""


_FULL = ("no space left", "disk quota exceeded", "not enough space", "run out of disk space")
_TRANSIENT: Mapping[str, type[Failed]] = {
    "Instance is busy running": _StillBusy,
    "Failed to delete bridge children interfaces": _StillBusy,  # a container stops meanwhile
    "instance is already running": _StillRunning,
    "instance is already stopped": _AlreadyStopped,
    f'Setting "{_VOLATILE}': _Outdated,
    f'Changing "{_VOLATILE}': _Outdated,
    "Volatile idmap keys can't be": _Outdated,
}
"""Phrases of errors after which a later attempt can succeed."""
_FENCED = ("not allowed", "is forbidden", "are forbidden", "resolves outside of restricted")
_LASTING: Sequence[tuple[Sequence[str], type[RepomanError], str, str]] = (
    (_FULL, Failed, "the storage pool is full", "make room in the pool"),
    (("missing source path",), Failed, "a folder or file to be mounted is missing", "restore it"),
    (
        *(_FENCED, Refused, "the Incus project does not allow it"),
        "see `repoman status` for how the Incus project differs from its spec",
    ),
    (("failed shutting down instance",), _NotDown, "it did not shut down", "see `incus info`"),
    (
        *(("no root device could be found",), Failed),
        *("no profile of the container has a root disk", "have default among its profiles"),
    ),
    (
        *(("requested image couldn't be found",), NoSuchImage),
        *("the image server has no such image", "choose another one"),
    ),
    (
        *(("forkstart",), _NotStarted, "the container could not be started"),
        "run `repoman setup` to check /etc/subuid and /etc/subgid",
    ),
)
"""Phrases of other errors in lower case, each with the error, its sentence and its cure."""


def _error(said: str) -> RepomanError:
    """Return the error for a message of the daemon, which it quotes."""
    low = said.lower()
    for phrase, kind in _TRANSIENT.items():
        if phrase in said:
            return kind(f"Incus says: {said}", "try again in a moment")
    for phrases, error, what, cure in _LASTING:
        if any(phrase in low for phrase in phrases):
            return error(f"{what}, Incus says: {said}", cure)
    return Failed(f"Incus says: {said}", "see `incus info`")


def _addresses(instances: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    addresses = {}
    for instance in instances:
        address = _address((instance.get("state") or {}).get("network") or {})
        if address:
            addresses[str(instance.get("name"))] = address
    return addresses


def _address(network: Mapping[str, Any]) -> str:
    """Return the first global IPv4 address of `network`, as `incus list` does; empty if none."""
    for name, device in network.items():
        for address in (device or {}).get("addresses") or []:
            usable = address.get("family") == "inet" and address.get("scope") == "global"
            if name != "lo" and usable:
                return str(address.get("address", ""))
    return ""
