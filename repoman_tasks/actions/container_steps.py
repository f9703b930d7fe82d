"""Runs the steps that create, change and delete containers and repos, and undoes them.

The config of a container holds MAKING_TAG, with a token of this process, until all steps are done.
So `status` can find the remains of a process that was killed, and an undo never deletes a container
that another process created.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from repoman_tasks.errors import Failed, Interrupted, Refused, quoted
from repoman_tasks.hosts.base import Host
from repoman_tasks.model import Person
from repoman_tasks.planning.container.homes import volume_path
from repoman_tasks.planning.container.spec import (
    IMAGE_TAG,
    MAKING_TAG,
    Container,
    Spec,
    has_volume,
    protection_differs,
)
from repoman_tasks.planning.container.user_files import user_data
from repoman_tasks.planning.local_snapshots import foreign_names, incus_name, own_ids
from repoman_tasks.planning.steps import (
    AdoptContainer,
    ArrangeUser,
    BuildImage,
    CallIncus,
    ChangeContainer,
    ChangeState,
    CloneRepo,
    CreateContainer,
    CreateVolume,
    DeleteContainer,
    DeleteVolume,
    EmptyVolume,
    MakeRepo,
    RebuildContainer,
)
from repoman_tasks.planning.text.wording import redact_url
from repoman_tasks.tools.agent_files import AgentFile, copy_agent_files
from repoman_tasks.tools.guest import GuestHandle, check_repo_writable, set_up_user, wait_until_up
from repoman_tasks.tools.guest_link import link_repos
from repoman_tasks.tools.guest_preferences import Preferences, set_preferences
from repoman_tasks.tools.guest_reset import empty_volume
from repoman_tasks.tools.guest_volume import set_up_volume
from repoman_tasks.tools.images import delete_image, naming_images
from repoman_tasks.tools.incus import Incus, retry_while

__all__ = ["Devices", "StepRunner"]

Devices = Mapping[str, Mapping[str, str]]

_CLONE_SECONDS = 3600.0
_DOWN_SECONDS = 10
"""Timeout of a container that is stopping."""
_USER_DATA = "cloud-init.user-data"
_DROPPED = ("security.", "raw.", "linux.", "limits.", "user.repoman.")
"""Prefixes of config keys that a container of another Incus project loses."""


class _StillRuns(Failed):
    """A container that has to be stopped is running."""


class StepRunner:
    """Runner of the container steps of one command, with undo."""

    def __init__(
        self,
        incus: Incus,
        find_person: Callable[[], Person],
        report: Callable[[str], None],
        note: Callable[[str], None],
        check_devices: Callable[[Devices], None],
        volume_folders: Callable[[str], tuple[Sequence[str], Sequence[str]]],
        find_repo: Callable[[str], str],
        agent_files: Callable[[str], Sequence[AgentFile]],
        repos: Callable[[], tuple[str, str]],
        build_image: Callable[[BuildImage, Callable[[str], None]], None],
    ) -> None:
        """`report` shows what is done now, `note` a line that stays.

        `check_devices` raises if a container must not have one of the devices. `volume_folders`
        returns the folders of agents on a container's volume, and those of the home that are kept
        there, `find_repo` the path of the repo of a project, empty if it is not registered yet,
        `agent_files` the files of the host that a container gets, `repos` the path of local_repos
        as it is configured and its real path, and `build_image` builds an image.
        """
        self.incus = incus
        self._find_person = find_person
        self._report, self._note = report, note
        self._check_devices = check_devices
        self._volume_folders = volume_folders
        self._find_repo = find_repo
        self._agent_files = agent_files
        self._repos = repos
        self._build_image = build_image
        self._token = uuid.uuid4().hex
        self._undo_stack: list[Callable[[], None]] = []
        self._allowed: list[CallIncus] = []
        """Requests that allowed something."""
        self._unfinished: list[str] = []
        """Containers whose config holds MAKING_TAG."""
        self._unfinished_volumes: list[str] = []
        """API paths of volumes whose config holds it."""
        self._started: set[str] = set()
        """Containers that were started here: they need no look at their state."""

    @property
    def host(self) -> Host:
        """Return the host of the containers."""
        return self.incus.host

    @property
    def person(self) -> Person:
        """Return the user to set up in the containers."""
        return self._find_person()

    @property
    def can_undo(self) -> bool:
        """Return True if a step has created something that `undo` would remove."""
        return bool(self._undo_stack)

    def commit(self) -> None:
        """Mark the containers as finished; there is nothing to undo from here on."""
        self._undo_stack.clear()
        self._allowed.clear()
        while self._unfinished_volumes:
            config = {"config": {MAKING_TAG: ""}}  # an empty value unsets
            self.incus.change("PATCH", self._unfinished_volumes.pop(), config)
        while self._unfinished:
            self.incus.set_config(self._unfinished.pop(), {MAKING_TAG: None})

    def undo(self) -> None:
        """Remove what the steps created, the last one first."""
        while self._undo_stack:
            self._undo_stack.pop()()

    def call_incus(self, step: CallIncus) -> None:
        """Send a request to Incus."""
        self.incus.change(step.method, step.path, step.body)
        if step.take_back is not None:
            self._allowed.append(step)

    def take_back(self) -> Iterator[CallIncus]:
        """Take back what the steps allowed, unless it is in use by now; yield each such step."""
        while self._allowed:
            step = self._allowed.pop()
            with contextlib.suppress(Refused):  # by Incus: a container has it
                self.incus.change("PUT", step.path, step.take_back)
                yield step

    # --- repos ---------------------------------------------------------------------

    def clone(self, step: CloneRepo) -> None:
        """Clone into a temporary folder, and rename it when it is complete."""
        temporary = f"{step.path}.repoman-clone"
        self._remove_tree(temporary)  # the remains of a process that was killed
        self._undo_stack.append(lambda: self._remove_tree(temporary))
        argv = ["git", "-c", "protocol.ext.allow=never", "clone", "--", step.url, temporary]
        code = self.host.hand_over(argv)  # git may ask for a password
        if code < 0:
            raise Interrupted("interrupted")
        if code:
            raise Failed(f"{redact_url(step.url)} can't be cloned", "see the message of git above")
        self._rename(temporary, step.path)

    def make_repo(self, step: MakeRepo) -> None:
        """Create an empty git repo."""
        temporary = f"{step.path}.repoman-clone"
        self._remove_tree(temporary)
        self._undo_stack.append(lambda: self._remove_tree(temporary))
        self._run(["git", "init", "--quiet", "--", temporary], f"{step.path} can't be created")
        self._rename(temporary, step.path)

    def _rename(self, temporary: str, path: str) -> None:
        self._undo_stack.append(lambda: self._remove_tree(path))
        try:
            # -nT: a folder that was created at `path` meanwhile is not replaced, unless empty.
            self._run(["mv", "-nT", "--", temporary, path], f"{path} can't be created")
            if self.host.real_folder(temporary):
                raise Failed(f"{path} exists already", "choose another folder")
        except Failed:
            self._undo_stack.pop()
            raise

    def _remove_tree(self, path: str) -> None:
        self._run(["rm", "-rf", "--one-file-system", "--", path], f"{path} can't be removed")

    def _run(self, argv: list[str], problem: str) -> None:
        result = self.host.change(argv, timeout=_CLONE_SECONDS)
        if result.code:
            raise Failed(problem, result.complaint)

    # --- volumes --------------------------------------------------------------------

    def create_volume(self, step: CreateVolume) -> None:
        """Create a volume, or take over a half-made one."""
        path = self.incus.volume(step.pool, step.name)
        config = {MAKING_TAG: self._token, **({"size": step.size} if step.size else {})}
        self._unfinished_volumes.append(path)
        if self.incus.get(path) is not None:
            self.incus.change("PATCH", path, {"config": config})
            return
        self._undo_stack.append(lambda: self._delete_created_volume(path))
        body = {"name": step.name, "type": "custom", "config": config}
        home = self.incus.homes.of_volume(step.name)
        self.incus.change("POST", volume_path(home, step.pool), body)

    def _delete_created_volume(self, path: str) -> None:
        volume = self.incus.get(path)
        if volume is not None and volume["config"].get(MAKING_TAG) == self._token:
            self.incus.change("DELETE", path)

    def delete_volume(self, step: DeleteVolume) -> None:
        """Delete a volume with all that is on it; do nothing if there is none."""
        self.incus.change("DELETE", self.incus.volume(step.pool, step.name))

    def empty_volume(self, step: EmptyVolume) -> None:
        """Start a container that is fresh, and delete all that is on its volume."""
        self.incus.set_state(step.name, "start")
        self._started.add(step.name)
        empty_volume(GuestHandle(self.incus, step.name, self.person))

    # --- containers -----------------------------------------------------------------

    def build(self, step: BuildImage) -> None:
        """Build an image; that of a template stays, whatever happens later.

        What a repo adds is for one project alone. If that is not registered in the end, the image
        goes, too.
        """
        if step.recipe.owner and not self._find_repo(step.recipe.template):
            self._undo_stack.append(lambda: delete_image(self.incus, step.name))
        self._build_image(step, self._report)

    def create(self, step: CreateContainer) -> None:
        """Create a container and start it."""
        self.incus.check_memory(step.name)
        if step.spec.home:
            self.incus.homes.settle(step.name, step.spec.home)
        body = {"source": dict(step.origin), **self._body(step.spec), "start": True}
        with naming_images(step.spec.image):
            self._create(step.name, body)
        self._started.add(step.name)

    def adopt(self, step: AdoptContainer) -> None:
        """Copy a container of another Incus project; config that weakens isolation is dropped."""
        source_project = Incus(self.host, step.source)
        original = source_project.container(step.name)
        if original is None:
            raise Failed(
                f"the container {step.name} is gone",
                f"see `incus list --project {quoted(step.source)}`",
            )
        if original.status != "stopped":
            source_project.set_state(step.name, "stop")
        if step.spec.home:
            self.incus.homes.settle(step.name, step.spec.home)
        body = self._body(step.spec)
        # Incus copies all that the request does not override.
        dropped = {key: "" for key in original.config if key.startswith(_DROPPED)}
        # The root disk has to stay until the copy exists; later it comes from the profile.
        none = {
            name: {"type": "none"}
            for name, device in original.devices.items()
            if device.get("path") != "/"
        }
        body["config"] = {**dropped, **body["config"]}
        body["devices"] = {**none, **body["devices"]}
        source = {"type": "copy", "source": step.name, "project": step.source}
        self._create(step.name, {"source": source, **body})
        copied = {k: v for k, v in self._read(step.name).config.items() if k not in dropped}
        config = {**copied, **step.spec.config, MAKING_TAG: self._token}
        devices = {name: dict(device) for name, device in step.spec.devices.items()}
        self.incus.replace(step.name, {"config": config, "devices": devices})

    def _read(self, name: str) -> Container:
        container = self.incus.container(name)
        if container is None:
            raise Failed(f"the container {name} is gone", "see `repoman status`")
        return container

    def _body(self, spec: Spec) -> dict[str, Any]:
        import yaml

        self._check_devices(spec.devices)
        data = "#cloud-config\n" + yaml.safe_dump(user_data(self.person), sort_keys=False)
        return {
            "config": {**spec.config, MAKING_TAG: self._token, _USER_DATA: data},
            "devices": {name: dict(device) for name, device in spec.devices.items()},
            "profiles": list(spec.profiles),
        }

    def _create(self, name: str, body: dict[str, Any]) -> None:
        self._undo_stack.append(lambda: self._delete_created(name))
        self._unfinished.append(name)
        path = self.incus.beside(name, "instances")
        self.incus.change("POST", path, {"name": name, "type": "container", **body}, self._report)

    def _delete_created(self, name: str) -> None:
        container = self.incus.container(name)
        if container is not None and container.config.get(MAKING_TAG) == self._token:
            self.incus.delete(name)

    def set_up_user(self, step: ArrangeUser) -> None:
        """Start a container, set up its user, and check that the user can write the repo."""
        if step.name not in self._started and not self._read(step.name).running:
            self._report(f"starting {step.name}")
            self.incus.set_state(step.name, "start")
        handle = GuestHandle(self.incus, step.name, self.person)
        self._report(f"waiting until {step.name} is up")
        preferences = Preferences(self.host)
        set_up_user(handle, wait_until_up(handle, self._note))
        set_preferences(handle, preferences, named=step.name not in self._unfinished)
        set_up_volume(handle, *self._volume_folders(step.name), step.path)
        copy_agent_files(handle, self._agent_files(step.name))
        link_repos(handle, *self._repos())
        check_repo_writable(handle, step.path)
        if step.name not in self._unfinished:
            self._unfinished.append(step.name)

    def change(self, step: ChangeContainer) -> None:
        """Replace parts of a container's configuration."""
        devices = step.changes["devices"]
        self._check_devices(devices)
        before = self._read(step.name)
        if protection_differs(devices, before):
            # After a start that failed, Incus may still be stopping the container.
            check = partial(self._check_stopped, step.name)
            retry_while(_StillRuns, self.host, check, _DOWN_SECONDS)
        self.incus.replace(step.name, step.changes)
        if before.running and has_volume(devices) and not has_volume(before.devices):
            self.prepare_inside(step.name)

    def _check_stopped(self, name: str) -> None:
        if self._read(name).running:
            cure = f"run `repoman stop {quoted(name)}`"
            raise _StillRuns(f"{name} has to be stopped first", cure)

    def rebuild(self, step: RebuildContainer) -> None:
        """Recreate the disk of a container; it is unfinished until `set_up_user` has run."""
        actual, snapshots = self._read(step.name), self.check_rebuildable(step.name)
        self.incus.set_config(step.name, {MAKING_TAG: self._token})
        if actual.status != "stopped":
            self.incus.set_state(step.name, "stop", force=True)
        for id in snapshots:
            path = self.incus.at("instances", step.name, "snapshots", incus_name(id))
            self.incus.change("DELETE", path)
        path = self.incus.at("instances", step.name, "rebuild")
        with naming_images(step.spec.image):
            self.incus.change("POST", path, {"source": dict(step.origin)}, self._report)
        self.incus.set_config(step.name, {IMAGE_TAG: step.spec.image})

    def check_rebuildable(self, name: str) -> tuple[str, ...]:
        """Return the ids of repoman's snapshots of a container: Incus rebuilds none that has some.

        Raise Refused if there are others, which are not repoman's to delete.
        """
        urls = [*map(str, self.incus.get(self.incus.at("instances", name, "snapshots")) or ())]
        if foreign := foreign_names(urls):
            delete = ("incus", "snapshot", "delete", "--project", self.incus.homes.of(name), name)
            commands = ", ".join(f"`{quoted(*delete, one)}`" for one in foreign)
            raise Refused(
                f"{name} has snapshots that repoman did not take, so Incus can't rebuild it",
                f"if they are not needed, run {commands}",
            )
        return own_ids(urls)

    def set_state(self, step: ChangeState) -> None:
        """Start, stop, restart or rename a container."""
        if step.to:
            self._rename_container(step.name, step.to)
        else:
            self.incus.set_state(step.name, step.action, force=step.force)
            if step.action != "stop":
                self.prepare_inside(step.name)

    def prepare_inside(self, name: str) -> None:
        """Set up what a container that has just been started should have."""
        handle = GuestHandle(self.incus, name, self.person)
        set_up_volume(handle, *self._volume_folders(name), self._find_repo(name))
        copy_agent_files(handle, self._agent_files(name))
        link_repos(handle, *self._repos())

    def _rename_container(self, name: str, to: str) -> None:
        running = self._read(name).running
        if running:
            self.incus.set_state(name, "stop", force=True)
        self.incus.change("POST", self.incus.at("instances", name), {"name": to})
        self.incus.homes.settle(to, self.incus.homes.of(name))
        if running:
            self.incus.set_state(to, "start")

    def delete(self, step: DeleteContainer) -> None:
        """Delete a container and its disk."""
        self.incus.delete(step.name)
