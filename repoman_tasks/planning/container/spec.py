"""Spec of a project's container, and its differences from the actual container. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from repoman_tasks.errors import without_backticks
from repoman_tasks.late_dataclass import dataclass
from repoman_tasks.model import GUARD, Mount, Pairs, Project, Registry, Requested
from repoman_tasks.planning.container.agents import VOLUME_PATH, volume_variables
from repoman_tasks.planning.container.homes import home_of
from repoman_tasks.planning.container.templates import IMAGE_PREFIX, image_name
from repoman_tasks.planning.fence.bridge import has_rules, nic
from repoman_tasks.planning.names import absolute
from repoman_tasks.planning.trust.hazard_names import is_git_config

__all__ = [
    "AGENT_DEVICE",
    "BUILD_TAG",
    "CREATED_TAG",
    "IMAGE_TAG",
    "MAKING_TAG",
    "NETWORK_DEVICE",
    "NEW",
    "PROJECT_TAG",
    "PROTECTED_DEVICE",
    "REPO_DEVICE",
    "REPO_TAG",
    "SHARE_PROFILE",
    "VOLUME_DEVICE",
    "WEAKENING",
    "Container",
    "Difference",
    "Spec",
    "actual_pool",
    "apply_requested",
    "container_spec",
    "differences",
    "has_volume",
    "keep_until_restart",
    "project_from_container",
    "protected_paths",
    "protection_differs",
    "update_body",
    "with_pool",
]

# Keys in a container's configuration, from which a lost registry can be rebuilt.
PROJECT_TAG = "user.repoman.project"
REPO_TAG = "user.repoman.repo"
IMAGE_TAG = "user.repoman.image"
CREATED_TAG = "user.repoman.created"
MAKING_TAG = "user.repoman.making"
"""Key that a container carries until it is complete."""

BUILD_TAG = "user.repoman.build"
"""Key of a container that becomes the image of a template."""

REPO_DEVICE = "repo"
VOLUME_DEVICE = "volume"
NETWORK_DEVICE = "eth0"
AGENT_DEVICE = "agent-"
PROTECTED_DEVICE = "protected-"
_READ_ONLY = {"readonly": "true", "required": "false"}
"""Not required, because a checkout may remove the file and the container must still start."""
SHARE_PROFILE = "claude-share"
"""Profile that shares one login of an agent, or nothing."""
_ENV = "environment."
WEAKENING = ("security.", "raw.", "linux.", "nvidia.")
"""Prefixes of settings by which one container could bypass the limits of its profiles."""


@dataclass(frozen=True)
class Container:
    """Container as Incus has it; `status` is Incus's, in lower case."""

    name: str
    status: str
    config: Mapping[str, str]
    devices: Mapping[str, Mapping[str, str]]
    profiles: tuple[str, ...]
    sources: tuple[str, ...] = ()
    """Folders of the host that it mounts, by its own devices or those of its profiles."""
    pool: str = ""
    """Storage pool of its root disk."""
    memory: str = ""
    """Its memory limit, by its own configuration or that of its profiles; empty if it has none."""
    uid: int = 0
    """Uid of the person whom it is for, by its id map or that of its profiles; 0 if unknown."""
    home: str = ""
    """Incus project that it is in; empty if unknown."""

    @property
    def project(self) -> str:
        """Name of the project that it was created for, by its tag."""
        return self.config.get(PROJECT_TAG, "")

    @property
    def half_made(self) -> bool:
        """True if its creation or change was not completed."""
        return MAKING_TAG in self.config

    @property
    def running(self) -> bool:
        """True if programs can be run in it."""
        return self.status == "running"


@dataclass(frozen=True)
class Spec:
    """Image, profiles, configuration and devices that a container should have."""

    image: str
    profiles: tuple[str, ...]
    config: Mapping[str, str]
    devices: Mapping[str, Mapping[str, str]]
    home: str = ""
    """Incus project that it belongs in; empty for any."""


NEW = "new"
"""Need of a difference that only another container, made anew, would not have."""


@dataclass(frozen=True)
class Difference:
    """Difference from the spec; `need` is "", "restart", "rebuild" or NEW."""

    what: str
    need: str = ""
    protection: bool = False
    """True if it concerns only what is read-only."""
    network: bool = False
    """True if it concerns its address."""

    def __post_init__(self) -> None:  # others may have chosen the values in it
        object.__setattr__(self, "what", without_backticks(self.what))


def apply_requested(
    project: Project, requested: Requested, image: str, profiles: Sequence[str]
) -> Project:
    """Return `project` with what its repo requests; `image` and `profiles`, if given, win."""
    return replace(
        project,
        image=image or project.image,
        profiles=tuple(profiles) or project.profiles,
        requested_image="" if image else requested.image,
        requested_profiles=None if profiles else requested.profiles,
        requested_env=requested.env,
        requested_mounts=requested.mount,
        requested_exclude=requested.exclude,
        requested_packages=requested.packages,
        requested_run=requested.run,
        requested_run_user=requested.run_user,
    )


# --- the spec ---------------------------------------------------------------------------


def container_spec(project: Project, registry: Registry, local_repos: str, home: str) -> Spec:
    """Return the spec of the project's container.

    `local_repos` is the real path of the folder, `home` the one that ~ in mounts stands for. The
    pool of its volume is known only to Incus, see `with_pool`.
    """
    image = image_name(project, registry)
    env = volume_variables(registry.agents) | dict(registry.defaults.env)
    env |= dict(project.env) | dict(project.requested_env)
    config = {f"{_ENV}{name}": value for name, value in env.items()}
    config |= {PROJECT_TAG: project.name, REPO_TAG: project.repo, IMAGE_TAG: image}
    if project.created:
        config[CREATED_TAG] = project.created
    mounts = _mounts(registry.defaults.mounts, project, home)
    devices = _disks(project, f"{local_repos}/{project.repo}", mounts)
    if project.network == "none":
        devices[NETWORK_DEVICE] = {"type": "none"}
    elif has_rules(project) and project.address:
        devices[NETWORK_DEVICE] = nic(registry.defaults.bridge, project.address, project.address6)
    home = home_of(project, registry.defaults.incus_project)
    return Spec(image, _profiles(project, registry), config, devices, home)


def _profiles(project: Project, registry: Registry) -> tuple[str, ...]:
    for profiles in (project.requested_profiles, project.profiles):
        if profiles is not None:
            return tuple(profiles)
    return registry.defaults.profiles


def _disks(project: Project, repo: str, mounts: Sequence[Mount]) -> dict[str, dict[str, str]]:
    devices = {REPO_DEVICE: _disk(Mount(repo, repo))}
    devices[VOLUME_DEVICE] = _disk(Mount(project.name, VOLUME_PATH)) | {"pool": ""}
    for number, mount in enumerate(mounts, 1):
        devices[f"mount-{number}"] = _disk(mount)
    for number, path in enumerate(_read_only_paths(project), 1):
        device = {**_disk(Mount(f"{repo}/{path}", f"{repo}/{path}")), **_READ_ONLY}
        devices[f"{PROTECTED_DEVICE}{number}"] = device
    return devices


def _read_only_paths(project: Project) -> tuple[str, ...]:
    """Return the paths in the repo that are read-only in the container of `project`."""
    if project.protect == GUARD:
        return tuple(path for path in project.protected if not is_git_config(path))
    return project.protected if project.protect else ()


def _mounts(shared: Sequence[Mount], project: Project, home: str) -> list[Mount]:
    """Return the mounts of a container. Of those at the same path, the last one wins."""
    by_path = {mount.path: mount for mount in (*shared, *project.mounts, *project.requested_mounts)}
    return [replace(mount, source=absolute(mount.source, home)) for mount in by_path.values()]


def _disk(mount: Mount) -> dict[str, str]:
    disk = {"type": "disk", "source": mount.source, "path": mount.path}
    return disk | ({"readonly": "true"} if mount.readonly else {})


def with_pool(spec: Spec, pool: str) -> Spec:
    """Return `spec` with its volume in `pool`."""
    volume = {**spec.devices[VOLUME_DEVICE], "pool": pool}
    return replace(spec, devices={**spec.devices, VOLUME_DEVICE: volume})


def has_volume(devices: Mapping[str, Mapping[str, str]]) -> bool:
    """Return True if `devices` mount a project's volume."""
    return devices.get(VOLUME_DEVICE, {}).get("path") == VOLUME_PATH


def actual_pool(container: Container) -> str:
    """Return the pool of the container's volume, that of its root disk if it has none yet."""
    return container.devices.get(VOLUME_DEVICE, {}).get("pool") or container.pool


def _in_actual_pool(spec: Spec, container: Container) -> Spec:
    """Return `spec` with its volume where the container has it, or beside its root disk."""
    return with_pool(spec, spec.devices[VOLUME_DEVICE]["pool"] or actual_pool(container))


# --- differences ------------------------------------------------------------------------


def differences(spec: Spec, container: Container) -> list[Difference]:
    """Return all differences of `container` from its spec."""
    found = []
    image = container.config.get(IMAGE_TAG, "")
    if image != spec.image:
        found.append(Difference(f"image: {image or 'unknown'} -> {spec.image}", "rebuild"))
    if container.profiles != spec.profiles:
        before, after = (", ".join(p) or "none" for p in (container.profiles, spec.profiles))
        found.append(Difference(f"profiles: {before} -> {after}"))
    if "" not in (spec.home, container.home) and spec.home != container.home:
        what = f"nesting: it is in the Incus project {container.home}, and belongs in {spec.home}"
        found.append(Difference(what, NEW))
    found += _env_differences(spec, container)
    found += _device_differences(spec, container)
    weakening = _weakening(container).keys() - spec.config.keys()
    found += [Difference(f"setting: remove {key}", "restart") for key in sorted(weakening)]
    tags = (PROJECT_TAG, REPO_TAG, CREATED_TAG)
    if any(container.config.get(tag) != spec.config.get(tag) for tag in tags):
        found.append(Difference("tags of repoman"))
    return found


def _env_differences(spec: Spec, container: Container) -> Iterator[Difference]:
    before, after = _env(container.config), _env(spec.config)
    for name in sorted(before | after):
        if name not in after:
            yield Difference(f"env: remove {name}")
        elif before.get(name) != after[name]:
            yield Difference(f"env: set {name}")


def _env(config: Mapping[str, str]) -> dict[str, str]:
    return {k.removeprefix(_ENV): v for k, v in config.items() if k.startswith(_ENV)}


def _device_differences(spec: Spec, container: Container) -> Iterator[Difference]:
    spec = _in_actual_pool(spec, container)
    for name in sorted(spec.devices.keys() | container.devices.keys()):
        before, after = container.devices.get(name), spec.devices.get(name)
        if before == after:
            continue
        if after is None and name.startswith(AGENT_DEVICE):
            yield Difference("your SSH agent is forwarded to it by `shell --forward-agent`")
            continue
        protection = name.startswith(PROTECTED_DEVICE)
        network = name == NETWORK_DEVICE and not _is_none(after)
        need = "restart" if protection or network else ""
        what = f"remove {name}" if after is None else f"set {name} to {_describe(after)}"
        yield Difference(f"device: {what}", need, protection, network)


def _is_none(device: Mapping[str, str] | None) -> bool:
    """Return True if `device` takes away the one of that name of a profile."""
    return device is not None and device.get("type") == "none"


def _weakening(container: Container) -> dict[str, str]:
    return {key: value for key, value in container.config.items() if key.startswith(WEAKENING)}


def _describe(device: Mapping[str, str]) -> str:
    if device["type"] == "disk":
        return str(Mount(device["source"], device["path"], device.get("readonly") == "true"))
    return device.get("ipv4.address") or device["type"]


def protection_differs(devices: Mapping[str, Mapping[str, str]], container: Container) -> bool:
    """Return True if `devices` would change what is read-only in the container's repo.

    The container must be stopped for that. Incus cannot mount onto a path inside another mount
    of a running container; if it fails, it deletes the file at the mount point.
    """
    return _protection(devices) != _protection(container.devices)


def keep_until_restart(spec: Spec, container: Container) -> Spec:
    """Return `spec` with all that a running container can change only by a restart as it is now.

    That is what is read-only, its address and the settings that weaken the fence. Many a DHCP
    client does not notice another address, and Incus drops the packets of the old one. If these
    were changed before a restart, nothing would report later that the restart is still to come.
    """
    devices = dict(spec.devices)
    kept = [name for name in devices if name.startswith(PROTECTED_DEVICE)]
    if not _is_none(devices.get(NETWORK_DEVICE)):
        kept.append(NETWORK_DEVICE)
    for name in kept:
        devices.pop(name, None)
    actual = _protection(container.devices)
    if NETWORK_DEVICE in kept and NETWORK_DEVICE in container.devices:
        actual[NETWORK_DEVICE] = container.devices[NETWORK_DEVICE]
    config = {**spec.config, **_weakening(container)}
    return replace(spec, config=config, devices=devices | actual)


def _protection(devices: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    return {n: d for n, d in devices.items() if n.startswith(PROTECTED_DEVICE)}


def update_body(spec: Spec, container: Container) -> dict[str, Any]:
    """Return the body for Incus's API after which only the image may differ from the spec.

    Settings of others are kept, except those that weaken the fence.
    """
    kept = {
        key: value
        for key, value in container.config.items()
        if not key.startswith((_ENV, *WEAKENING)) and key != IMAGE_TAG
    }
    config = {**kept, **spec.config}
    if IMAGE_TAG in container.config:
        config[IMAGE_TAG] = container.config[IMAGE_TAG]
    devices = _in_actual_pool(spec, container).devices
    return {
        "config": config,
        "devices": {name: dict(device) for name, device in devices.items()},
        "profiles": list(spec.profiles),
    }


# --- the way back -----------------------------------------------------------------------


def project_from_container(container: Container, repo: str, now: str) -> Project:
    """Rebuild the project of `container` from its tags, devices and profiles.

    `repo` and `now` stand in for a missing tag.
    """
    devices = [
        Mount(device["source"], device["path"], device.get("readonly") == "true")
        for name, device in container.devices.items()
        if name.startswith("mount-") and {"source", "path"} <= device.keys()
    ]
    ours = volume_variables().items()
    env: Pairs = tuple(pair for pair in _env(container.config).items() if pair not in ours)
    image = container.config.get(IMAGE_TAG, "")
    return Project(
        name=container.project or container.name,
        repo=container.config.get(REPO_TAG) or repo,
        image=image if image and not image.startswith(IMAGE_PREFIX) else _public_image(container),
        profiles=container.profiles,
        env=env,
        mounts=tuple(devices),
        network="none" if _is_none(container.devices.get(NETWORK_DEVICE)) else "",
        protected=protected_paths(container),
        created=container.config.get(CREATED_TAG) or now,
    )


def protected_paths(container: Container) -> tuple[str, ...]:
    """Return the read-only paths relative to the repo, in the order of the devices."""
    repo = container.devices.get(REPO_DEVICE, {}).get("source", "")
    devices = _protection(container.devices)
    numbered = sorted(devices, key=lambda name: (len(name), name))
    return tuple(devices[name].get("source", "").removeprefix(f"{repo}/") for name in numbered)


def _public_image(container: Container) -> str:
    """Return the image of the server `images` that matches the container, or an empty string."""
    parts = [container.config.get(f"image.{key}", "") for key in ("os", "release", "variant")]
    system, release, variant = (part.lower() for part in parts)
    if not (system and release):
        return ""
    return f"images:{system}/{release}" + (f"/{variant}" if variant not in ("", "default") else "")
