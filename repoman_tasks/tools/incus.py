"""Incus, asked and told through its REST API by its own client.

`incus query` speaks to the daemon's socket and heeds INCUS_DIR and INCUS_SOCKET. It is a
process of 20 ms for each call, and works the same on another host.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from repoman_tasks.errors import Failed, Refused, RepomanError
from repoman_tasks.hosts.base import Argv, Future, Host, Result, TimedOut
from repoman_tasks.hosts.signals import defer_signals
from repoman_tasks.planning.container.drift import parse_container, parse_containers
from repoman_tasks.planning.container.spec import Container

__all__ = ["Incus", "patiently"]

_SECONDS = 10.0
"""How long the daemon may take to answer."""
_LOOK_SECONDS = 1
"""How often an operation that goes on is looked at."""
_UNDO_SECONDS = 120
"""How long an operation that can't be cancelled is waited for after Ctrl-C."""
_STATE_SECONDS = 90
"""How long a container may take to start or stop."""
_BUSY_SECONDS = 40
"""How long a container that is busy is waited for; a stop has 30 s for itself."""
_MOST_BYTES = 100_000
"""A word of a command line may have 128 KiB."""

_VOLATILE = "volatile."
"""How the keys begin that Incus itself notes."""
_NOT_FOUND = 404
_RUNNING = 103
_DOWNLOAD = "download_progress"
_GOES_ON = "context deadline exceeded"

Say = Callable[[str], None]
T = TypeVar("T")


class Incus:
    """The Incus daemon of a host, and one project of it."""

    def __init__(self, host: Host, project: str) -> None:
        self.host = host
        self.project = project

    # --- reading -------------------------------------------------------------------

    def submit_containers(self) -> Future[dict[str, Container]]:
        """Ask for the containers of the project, by name; none if it does not exist.

        The result raises `Failed` if Incus is not there, does not answer, or says no.
        """
        found = self.submit(_deep(self.at("instances"), 1))
        return found.then(lambda instances: parse_containers(instances or []))

    def container(self, name: str) -> Container | None:
        """The container of that name as it is now."""
        found = self.get(self.at("instances", name))
        return None if found is None else parse_container(found)

    def submit_addresses(self) -> Future[dict[str, str]]:
        """Ask for the IPv4 address of each running container that has one."""
        found = self.submit(_deep(self.at("instances") + "&filter=status%20eq%20Running", 2))
        return found.then(lambda instances: _addresses(instances or []))

    def submit(self, path: str, recursion: int = 0) -> Future[Any]:
        """Ask for the metadata that the daemon gives for an API path whose names are encoded.

        None if there is no such thing; the result raises `Failed` with the daemon's words if it
        gives another error.
        """
        argv = _query("GET", _deep(path, recursion))
        return self.host.submit(argv, timeout=_SECONDS).then(_metadata)

    def get(self, path: str, recursion: int = 0) -> Any:
        """Return what `submit` asks for."""
        return self.submit(path, recursion).result()

    @property
    def project_path(self) -> str:
        """The API path of the project itself."""
        return f"/1.0/projects/{quote(self.project, safe='')}"

    def at(self, *names: str) -> str:
        """The API path of `names` in the project, each of them encoded."""
        path = "/".join(quote(name, safe="") for name in names)
        return f"/1.0/{path}?project={quote(self.project, safe='')}"

    # --- changing ------------------------------------------------------------------

    def change(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        say: Say = lambda _: None,
        seconds: int = 0,
    ) -> Any:
        """Have the daemon do something and wait until it is done; the metadata of the answer.

        `say` is told of progress. None where the thing is not there. After Ctrl-C the
        operation is cancelled, or waited for where it can't be. `TimedOut` where it takes
        longer than `seconds`, if that is not 0; it goes on then.
        """
        data = json.dumps(body) if body is not None else ""
        if len(data.encode()) > _MOST_BYTES:
            raise Failed("what Incus is to be told is too long", "shorten env and mounts")
        argv = _query(method, path, data)
        # It may be busy with what a command that was killed began, for instance.
        return patiently(self.host, lambda: self._tell(argv, say, seconds), _StillBusy)

    def _tell(self, argv: Argv, say: Say, seconds: int) -> Any:
        result: Result | None = None
        try:
            with defer_signals():  # it is told all of it or nothing, and we know which
                result = self.host.change(argv, timeout=_SECONDS * 3)
        except KeyboardInterrupt:  # by a signal that came meanwhile: it has begun already
            if result is not None:
                with defer_signals():
                    self._cancel_begun(result)
            raise
        if self.host.dry:
            return None
        answer = _answer(result)
        if answer["error_code"] == _NOT_FOUND:
            return None
        if answer["error"]:
            raise _refused(str(answer["error"]))
        operation = answer.get("operation")
        return self._follow(str(operation), say, seconds) if operation else answer["metadata"]

    def _follow(self, operation: str, say: Say, seconds: int) -> Any:
        try:
            return self._wait(operation, say, seconds // _LOOK_SECONDS or None)
        except TimedOut:
            raise
        except BaseException:
            with defer_signals():
                self._cancel(operation)
            raise

    def _wait(self, operation: str, say: Say, looks: int | None = None) -> Any:
        """Wait for an operation; the metadata of what came of it. `TimedOut` after `looks`."""
        for look in itertools.count(1):
            now = self._look(operation)
            if now.get("err"):
                raise _refused(str(now["err"]))
            if now.get("status_code") != _RUNNING:
                break
            if look == looks:
                raise TimedOut(f"Incus did not end {operation} in time")
            for key, text in (now.get("metadata") or {}).items():
                if isinstance(text, str):
                    say(f"downloading {text}" if key == _DOWNLOAD else text)
        return now.get("metadata") or {}

    def _look(self, operation: str) -> dict[str, Any]:
        """An operation when it is done, or how it is after a while; empty where it is forgotten."""
        waiting = _query("GET", f"{operation}/wait?timeout={_LOOK_SECONDS}")
        answer = _answer(self.host.read(waiting, timeout=_SECONDS + _LOOK_SECONDS))
        if _GOES_ON in str(answer["error"]):  # which is no error of the operation
            answer = _answer(self.host.read(_query("GET", operation), timeout=_SECONDS))
        if answer["error_code"] == _NOT_FOUND:
            return {}
        if answer["error"]:
            raise _refused(str(answer["error"]))
        return answer["metadata"] or {}

    def _cancel_begun(self, result: Result) -> None:
        with contextlib.suppress(RepomanError):
            operation = _answer(result).get("operation")
            if operation:
                self._cancel(str(operation))

    def _cancel(self, operation: str) -> None:
        """End an operation, whatever it takes; its own end is nobody's error any more."""
        with contextlib.suppress(RepomanError):
            self.host.change(_query("DELETE", operation), timeout=_SECONDS)
        with contextlib.suppress(RepomanError):
            self._wait(operation, lambda _: None, looks=_UNDO_SECONDS // _LOOK_SECONDS)

    # --- containers ------------------------------------------------------------------

    def set_state(self, name: str, action: str, *, force: bool = False, seconds: int = 30) -> None:
        """Start, stop or restart a container; `seconds` it has for it before that fails."""
        body = {"action": action, "timeout": seconds, "force": force}
        try:
            patiently(self.host, lambda: self._set_state(name, body), _StillThere)
        except TimedOut:
            raise Failed(
                f"{name} did not {action} within {_STATE_SECONDS} s",
                "its root may have put a pipe where something is mounted; "
                "`systemctl restart incus` ends that, then `repoman update --rebuild` or remove it",
            ) from None

    def _set_state(self, name: str, body: Mapping[str, Any]) -> None:
        path = self.at("instances", name, "state")
        try:
            self.change("PUT", path, body, seconds=_STATE_SECONDS)
        except _NotStarted:
            if body["action"] != "start":
                raise
            # What a start that failed a moment ago has left may be in the way, and goes by itself.
            self.host.read(["sleep", "1"])
            self.change("PUT", path, body, seconds=_STATE_SECONDS)
        except _StillThere:
            found = self.container(name)
            if found is None or not found.running:  # else somebody was faster
                raise

    def delete(self, name: str) -> None:
        """Take a container away with its disk, running or not; gone already is fine."""
        found = self.container(name)
        if found is None:
            return
        if found.status not in ("stopped", "error"):
            with contextlib.suppress(Failed):  # it may have ended meanwhile
                self.set_state(name, "stop", force=True)
        self.change("DELETE", self.at("instances", name))

    def replace(self, name: str, changes: Mapping[str, Any]) -> None:
        """Set these parts of what Incus knows of a container, and leave the others.

        What Incus itself notes in the config is left to it. It changes when the container does, so
        it is read again where it changed meanwhile.
        """
        patiently(self.host, lambda: self._replace(name, changes), _Overtaken)

    def _replace(self, name: str, changes: Mapping[str, Any]) -> None:
        now = self.get(self.at("instances", name))
        if now is None:
            raise Failed(f"the container {name} is gone", "`repoman status` tells more")
        kept = ("architecture", "config", "devices", "ephemeral", "profiles", "description")
        body = {key: now[key] for key in kept if key in now} | dict(changes)
        desired = {k: v for k, v in body["config"].items() if not k.startswith(_VOLATILE)}
        noted = {k: v for k, v in now["config"].items() if k.startswith(_VOLATILE)}
        self.change("PUT", self.at("instances", name), {**body, "config": desired | noted})

    def set_config(self, name: str, values: Mapping[str, str | None]) -> None:
        """Set some settings of a container; None takes one away."""
        config = {key: value or "" for key, value in values.items()}  # an empty one goes
        self.change("PATCH", self.at("instances", name), {"config": config})

    def exec_argv(self, name: str, argv: Argv, *options: str) -> list[str]:
        """The words that run `argv` in a container as its root."""
        start = ["incus", "exec", "--force-local", "--project", self.project, *options]
        return [*start, f"local:{name}", "--", *argv]


def patiently(
    host: Host, attempt: Callable[[], T], passing: type[Failed], seconds: int = _BUSY_SECONDS
) -> T:
    """Return what `attempt` returns; make it again each second for a while if it raises `passing`,
    which is then raised."""
    for _ in range(seconds):
        with contextlib.suppress(passing):
            return attempt()
        host.read(["sleep", "1"])
    return attempt()


def _deep(path: str, recursion: int) -> str:
    return f"{path}{'&' if '?' in path else '?'}recursion={recursion}" if recursion else path


def _query(method: str, path: str, data: str = "") -> list[str]:
    # --force-local, because a person's default remote may be another machine, and because the
    # client writes a configuration into the person's home otherwise; --raw, because an error
    # keeps its code that way. The exit status is 0 then, too.
    argv = ["incus", "query", "--force-local", "--raw", "-X", method]
    return [*argv, *(["--data", data] if data else []), f"local:{path}"]


def _answer(result: Result) -> dict[str, Any]:
    if result.code:
        raise _unreachable(result)
    try:
        answer: dict[str, Any] = json.loads(result.out)
        _ = answer["error"], answer["error_code"], answer["metadata"]
    except (ValueError, KeyError, TypeError):
        raise Failed("incus gave an answer that is no JSON of its API", "update incus") from None
    return answer


def _unreachable(result: Result) -> Failed:
    """What keeps the client from the daemon, in our words where we know them."""
    said = result.complaint.removeprefix("Error: ")
    if "daemon doesn't appear to be started" in said:
        return Failed("the Incus daemon does not run", "start it, `systemctl start incus`")
    if "don't have the needed permissions" in said:
        return Failed(
            "this user may not talk to the Incus daemon",
            "join the group incus-admin, then log in again",
        )
    return Failed(f"incus can't ask its daemon: {said}", "`incus info` may tell more")


def _metadata(result: Result) -> Any:
    answer = _answer(result)
    if answer["error_code"] == _NOT_FOUND:
        return None
    if answer["error"]:
        raise _refused(str(answer["error"]))
    return answer["metadata"]


class _StillBusy(Failed):
    """The container is busy with something else."""


class _StillThere(Failed):
    """The container is to be started and is not down, be it by a start before that failed."""


class _NotStarted(Failed):
    """The container could not be started."""


class _Overtaken(Failed):
    """Incus noted something of the container after it was read."""


_FULL = ("no space left", "disk quota exceeded", "not enough space", "run out of disk space")
_PASSING: Mapping[str, type[Failed]] = {
    "Instance is busy running": _StillBusy,
    "instance is already running": _StillThere,
    f'Setting "{_VOLATILE}': _Overtaken,
    f'Changing "{_VOLATILE}': _Overtaken,
    "Volatile idmap keys can't be": _Overtaken,
}
"""Words of errors that pass by themselves."""
_FENCED = ("not allowed", "is forbidden", "are forbidden", "resolves outside of restricted")


def _refused(said: str) -> RepomanError:
    """An error of the daemon, as one of ours with its words."""
    low = said.lower()
    for argv, kind in _PASSING.items():
        if argv in said:
            return kind(f"Incus says: {said}", "try again in a moment")
    if any(argv in low for argv in _FULL):
        return Failed(f"the storage pool is full, Incus says: {said}", "make room in the pool")
    if "missing source path" in low:
        return Failed(f"a folder to be mounted is missing, Incus says: {said}", "bring it back")
    if any(argv in low for argv in _FENCED):
        return Refused(
            f"the Incus project does not allow it, Incus says: {said}",
            "`repoman status` tells how the project and the declared state differ",
        )
    if "requested image couldn't be found" in low:
        return Failed(
            f"the image server has no such image, Incus says: {said}",
            "`incus image list REMOTE:` shows those that it has",
        )
    if "forkstart" in low:
        return _NotStarted(
            f"the container could not be started, Incus says: {said}",
            "`repoman setup` checks /etc/subuid and /etc/subgid; "
            "`incus info --show-log` tells more",
        )
    return Failed(f"Incus says: {said}", "`incus info` may tell more")


def _addresses(instances: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    found = {}
    for instance in instances:
        address = _address((instance.get("state") or {}).get("network") or {})
        if address:
            found[str(instance.get("name"))] = address
    return found


def _address(network: Mapping[str, Any]) -> str:
    """The first address of `network` that others can reach, as `incus list` shows it."""
    for name, device in network.items():
        for address in (device or {}).get("addresses") or []:
            usable = address.get("family") == "inet" and address.get("scope") == "global"
            if name != "lo" and usable:
                return str(address.get("address", ""))
    return ""
