"""Doing the steps that make, change and take away containers; and undoing what was made.

A container carries MAKING with a token of this run until all of it is done. So a run that was
killed is seen, and undoing never touches a container that somebody else made.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from repoman_tasks.errors import Failed, Interrupted
from repoman_tasks.hosts.base import Host
from repoman_tasks.model import Person
from repoman_tasks.planning.container.spec import (
    IMAGE_TAG,
    MAKING_TAG,
    Container,
    Spec,
    protection_differs,
)
from repoman_tasks.planning.container.user_files import user_data
from repoman_tasks.planning.steps import (
    AdoptContainer,
    ArrangeUser,
    ChangeContainer,
    ChangeState,
    CloneRepo,
    CreateContainer,
    DeleteContainer,
    MakeRepo,
    RebuildContainer,
)
from repoman_tasks.planning.text.wording import redact_url
from repoman_tasks.tools.guest import GuestHandle, arrange, prove, wait_until_up
from repoman_tasks.tools.incus import Incus, patiently

__all__ = ["Devices", "StepRunner"]

Devices = Mapping[str, Mapping[str, str]]

_CLONE_SECONDS = 3600.0
_DOWN_SECONDS = 10
"""How long a container that should be down may take."""
_USER_DATA = "cloud-init.user-data"
_SHED = ("security.", "raw.", "linux.", "limits.", "user.repoman.")
"""Settings that a container of another project does not bring along."""


class _StillRuns(Failed):
    """A container that should be down runs."""


class StepRunner:
    """The steps of one command, and what it takes to undo those that made something."""

    def __init__(
        self,
        incus: Incus,
        whose: Callable[[], Person],
        say: Callable[[str], None],
        check: Callable[[Devices], None],
    ) -> None:
        self.incus = incus
        self._whose = whose
        self._say = say
        self._check = check
        """Raises where a device must not be added; each one passes here."""
        self._token = uuid.uuid4().hex
        self._undo: list[Callable[[], None]] = []
        self._whole: list[str] = []
        """Containers to be called whole at the end."""
        self._started: set[str] = set()
        """Containers that this run has started, so that nobody has to ask."""

    @property
    def host(self) -> Host:
        """Where it is done."""
        return self.incus.host

    @property
    def person(self) -> Person:
        """The user who is to be in the containers."""
        return self._whose()

    @property
    def made_something(self) -> bool:
        """Whether there is something that would have to be undone."""
        return bool(self._undo)

    def commit(self) -> None:
        """All is done: call the containers whole, and forget how to undo."""
        self._undo.clear()
        while self._whole:
            self.incus.set_config(self._whole.pop(), {MAKING_TAG: None})

    def undo(self) -> None:
        """Take back what was made, the last first."""
        while self._undo:
            self._undo.pop()()

    # --- repos ---------------------------------------------------------------------

    def clone(self, step: CloneRepo) -> None:
        """Clone into a folder beside, and give it its name when it is complete."""
        beside = f"{step.path}.repoman-clone"
        self._remove_tree(beside)  # what a run that was killed has left
        self._undo.append(lambda: self._remove_tree(beside))
        argv = ["git", "-c", "protocol.ext.allow=never", "clone", "--", step.url, beside]
        code = self.host.hand_over(argv)  # it may ask for a password
        if code < 0:
            raise Interrupted("interrupted")
        if code:
            raise Failed(f"{redact_url(step.url)} can't be cloned", "see what git says above")
        self._rename(beside, step.path)

    def make_repo(self, step: MakeRepo) -> None:
        """Make an empty git repo."""
        beside = f"{step.path}.repoman-clone"
        self._remove_tree(beside)
        self._undo.append(lambda: self._remove_tree(beside))
        self._run(["git", "init", "--quiet", "--", beside], f"{step.path} can't be made")
        self._rename(beside, step.path)

    def _rename(self, beside: str, path: str) -> None:
        self._undo.append(lambda: self._remove_tree(path))
        try:
            # -T and no -f: a folder that came to be there meanwhile is not replaced, unless empty.
            self._run(["mv", "-nT", "--", beside, path], f"{path} can't be made")
            if self.host.real_folder(beside):
                raise Failed(f"{path} is there already", "choose another folder")
        except Failed:
            self._undo.pop()
            raise

    def _remove_tree(self, path: str) -> None:
        self._run(["rm", "-rf", "--one-file-system", "--", path], f"{path} can't be removed")

    def _run(self, argv: list[str], what: str) -> None:
        result = self.host.change(argv, timeout=_CLONE_SECONDS)
        if result.code:
            raise Failed(what, result.complaint)

    # --- containers -----------------------------------------------------------------

    def create(self, step: CreateContainer) -> None:
        """Make a container and start it."""
        body = {"source": dict(step.origin), **self._body(step.spec), "start": True}
        self._make(step.name, body)
        self._started.add(step.name)

    def adopt(self, step: AdoptContainer) -> None:
        """Copy a container with its disk; what weakens the fence stays behind."""
        there = Incus(self.host, step.source)
        found = there.container(step.name)
        if found is None:
            raise Failed(f"the container {step.name} is gone", f"look into {step.source}")
        if found.status != "stopped":
            there.set_state(step.name, "stop")
        body = self._body(step.spec)
        shed = {key: "" for key in found.config if key.startswith(_SHED)}
        # The disk's own device has to stay until the copy is made; the profile has one then.
        none = {
            name: {"type": "none"}
            for name, device in found.devices.items()
            if device.get("path") != "/"
        }
        body["config"] = {**shed, **body["config"]}
        body["devices"] = {**none, **body["devices"]}
        source = {"type": "copy", "source": step.name, "project": step.source}
        self._make(step.name, {"source": source, **body})
        kept = {k: v for k, v in (self._now(step.name).config).items() if k not in shed}
        config = {**kept, **step.spec.config, MAKING_TAG: self._token}
        devices = {name: dict(device) for name, device in step.spec.devices.items()}
        self.incus.replace(step.name, {"config": config, "devices": devices})

    def _now(self, name: str) -> Container:
        found = self.incus.container(name)
        if found is None:
            raise Failed(f"the container {name} is gone", "`repoman status` tells more")
        return found

    def _body(self, spec: Spec) -> dict[str, Any]:
        import yaml

        self._check(spec.devices)
        data = "#cloud-config\n" + yaml.safe_dump(user_data(self.person), sort_keys=False)
        return {
            "config": {**spec.config, MAKING_TAG: self._token, _USER_DATA: data},
            "devices": {name: dict(device) for name, device in spec.devices.items()},
            "profiles": list(spec.profiles),
        }

    def _make(self, name: str, body: dict[str, Any]) -> None:
        self._undo.append(lambda: self._take_back(name))
        self._whole.append(name)
        path = self.incus.at("instances")
        self.incus.change("POST", path, {"name": name, "type": "container", **body}, self._say)

    def _take_back(self, name: str) -> None:
        found = self.incus.container(name)
        if found is not None and found.config.get(MAKING_TAG) == self._token:
            self.incus.delete(name)

    def arrange(self, step: ArrangeUser) -> None:
        """Start a container, have the user in it, and show that the repo can be written."""
        if step.name not in self._started and not self._now(step.name).running:
            self._say(f"starting {step.name}")
            self.incus.set_state(step.name, "start")
        handle = GuestHandle(self.incus, step.name, self.person)
        self._say(f"waiting until {step.name} is up")
        wait_until_up(handle)
        arrange(handle)
        prove(handle, step.path)
        if step.name not in self._whole:
            self._whole.append(step.name)

    def change(self, step: ChangeContainer) -> None:
        """Set what Incus knows of a container."""
        devices = step.changes["devices"]
        self._check(devices)
        if protection_differs(devices, self._now(step.name)):
            # A start that failed may have left it on its way down.
            patiently(self.host, lambda: self._check_down(step.name), _StillRuns, _DOWN_SECONDS)
        self.incus.replace(step.name, step.changes)

    def _check_down(self, name: str) -> None:
        if self._now(name).running:
            raise _StillRuns(f"{name} has to be stopped for that", f"`repoman stop {name}`")

    def rebuild(self, step: RebuildContainer) -> None:
        """Make the disk anew; until the user is arranged the container is half made."""
        now = self._now(step.name)
        self.incus.set_config(step.name, {MAKING_TAG: self._token})
        if now.status != "stopped":
            self.incus.set_state(step.name, "stop", force=True)
        path = self.incus.at("instances", step.name, "rebuild")
        self.incus.change("POST", path, {"source": dict(step.origin)}, self._say)
        self.incus.set_config(step.name, {IMAGE_TAG: step.spec.image})

    def set_state(self, step: ChangeState) -> None:
        """Start, stop, restart or rename a container."""
        if step.to:
            self._rename_container(step.name, step.to)
        else:
            self.incus.set_state(step.name, step.action, force=step.force)

    def _rename_container(self, name: str, to: str) -> None:
        running = self._now(name).running
        if running:
            self.incus.set_state(name, "stop", force=True)
        self.incus.change("POST", self.incus.at("instances", name), {"name": to})
        if running:
            self.incus.set_state(to, "start")

    def delete(self, step: DeleteContainer) -> None:
        """Take a container away."""
        self.incus.delete(step.name)
