"""What a project's container is declared to be, and where the one that there is differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from repoman_tasks.model import Mount, Pairs, Project, Registry, Requested
from repoman_tasks.planning.fence.bridge import has_rules, nic
from repoman_tasks.planning.names import absolute

__all__ = [
    "AGENT_DEVICE",
    "CREATED",
    "IMAGE",
    "MAKING",
    "PROTECTED_DEVICE",
    "REPO",
    "REPO_DEVICE",
    "SHARE_PROFILE",
    "TAG",
    "WEAKENING",
    "Container",
    "Difference",
    "Spec",
    "applied",
    "container_spec",
    "differences",
    "from_container",
    "keeping_protection",
    "merged",
    "protection_differs",
]

TAG = "user.repoman.project"
"""The Incus configuration key in which a container carries its project's name."""
REPO = "user.repoman.repo"
IMAGE = "user.repoman.image"
CREATED = "user.repoman.created"
"""Further ones, from which a lost registry is rebuilt."""
MAKING = "user.repoman.making"
"""One that a container carries until all of it is done."""

REPO_DEVICE = "repo"
AGENT_DEVICE = "agent-"
PROTECTED_DEVICE = "protected-"
_KEPT = {"readonly": "true", "required": "false"}
"""It may vanish by a checkout, and then the container has to start all the same."""
SHARE_PROFILE = "claude-share"
"""The profile that shares a folder with every container; there is none without `shared`."""
_ENV = "environment."
WEAKENING = ("security.", "raw.", "linux.", "nvidia.")
"""Settings of one container that could let more in or out than its profiles do."""


@dataclass(frozen=True)
class Container:
    """A container as Incus has it. `status` is Incus's word in small letters."""

    name: str
    status: str
    config: Mapping[str, str]
    devices: Mapping[str, Mapping[str, str]]
    profiles: tuple[str, ...]
    sources: tuple[str, ...] = ()
    """The folders of the host that it has, by its devices and by those of its profiles."""

    @property
    def project(self) -> str:
        """The project that it was made for, by its tag."""
        return self.config.get(TAG, "")

    @property
    def half_made(self) -> bool:
        """Whether whoever made or changed it did not come to the end."""
        return MAKING in self.config

    @property
    def running(self) -> bool:
        """Whether something can be run in it."""
        return self.status == "running"


@dataclass(frozen=True)
class Spec:
    """What a container is to be: its image, and what Incus is told of it."""

    image: str
    profiles: tuple[str, ...]
    config: Mapping[str, str]
    devices: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Difference:
    """Something that is not as declared; `need` is what it takes: "", "restart", "rebuild"."""

    what: str
    need: str = ""
    protection: bool = False
    """Whether it is only about what is read-only."""


def applied(project: Project, requested: Requested, image: str, profiles: Sequence[str]) -> Project:
    """`project` with what its repo asks for, below what a person gave as flags."""
    return replace(
        project,
        image=image or project.image,
        profiles=tuple(profiles) or project.profiles,
        asked_image="" if image else requested.image,
        asked_profiles=None if profiles else requested.profiles,
        asked_env=requested.env,
        asked_mounts=requested.mount,
        asked_exclude=requested.exclude,
    )


def container_spec(project: Project, registry: Registry, local_repos: str, home: str) -> Spec:
    """What the registry says of the project's container; `local_repos` is the real folder."""
    defaults = registry.defaults
    requested = project.asked_profiles
    profiles = requested if requested is not None else project.profiles
    image = project.asked_image or project.image or defaults.default_image
    repo = f"{local_repos}/{project.repo}"
    env = dict(project.env) | dict(project.asked_env)
    config = {f"{_ENV}{name}": value for name, value in env.items()}
    config |= {TAG: project.name, REPO: project.repo, IMAGE: image}
    if project.created:
        config[CREATED] = project.created
    devices = {REPO_DEVICE: _disk(Mount(repo, repo))}
    for number, mount in enumerate(_mounts(project, home), 1):
        devices[f"mount-{number}"] = _disk(mount)
    for number, path in enumerate(project.protected if project.protect else (), 1):
        device = {**_disk(Mount(f"{repo}/{path}", f"{repo}/{path}")), **_KEPT}
        devices[f"{PROTECTED_DEVICE}{number}"] = device
    if project.network == "none":
        devices["eth0"] = {"type": "none"}
    elif has_rules(project) and project.address:
        devices["eth0"] = nic(defaults.bridge, project.address, project.address6)
    usual = [p for p in defaults.profiles if defaults.shared or p != SHARE_PROFILE]
    chosen = profiles if profiles is not None else usual
    return Spec(image, tuple(chosen), config, devices)


def _mounts(project: Project, home: str) -> list[Mount]:
    by_path = {mount.path: mount for mount in (*project.mounts, *project.asked_mounts)}
    return [Mount(absolute(mount.source, home), path) for path, mount in by_path.items()]


def _disk(mount: Mount) -> dict[str, str]:
    return {"type": "disk", "source": mount.source, "path": mount.path}


def differences(spec: Spec, container: Container) -> list[Difference]:
    """What it takes to make `container` what is wanted."""
    found = []
    image = container.config.get(IMAGE, "")
    if image != spec.image:
        found.append(Difference(f"image: {image or 'unknown'} -> {spec.image}", "rebuild"))
    if container.profiles != spec.profiles:
        before, after = (", ".join(p) or "none" for p in (container.profiles, spec.profiles))
        found.append(Difference(f"profiles: {before} -> {after}"))
    found += _of_env(spec, container)
    found += _of_devices(spec, container)
    weakening = [key for key in container.config if key.startswith(WEAKENING)]
    found += [Difference(f"setting: {key} goes", "restart") for key in sorted(weakening)]
    tags = (TAG, REPO, CREATED)
    if any(container.config.get(tag) != spec.config.get(tag) for tag in tags):
        found.append(Difference("tags of repoman"))
    return found


def _of_env(spec: Spec, container: Container) -> Iterator[Difference]:
    before, after = _env(container.config), _env(spec.config)
    for name in sorted(before | after):
        if name not in after:
            yield Difference(f"env: {name} goes")
        elif before.get(name) != after[name]:
            yield Difference(f"env: {name} is set")


def protection_differs(spec: Mapping[str, Mapping[str, str]], container: Container) -> bool:
    """Whether other parts of the repo are to be read-only.

    Incus puts no mount into another one of a container that runs; when that fails it deletes
    the file in whose place the mount was to be. So the container has to be stopped for it.
    """
    return _protection(spec) != _protection(container.devices)


def keeping_protection(spec: Spec, container: Container) -> Spec:
    """What is wanted, but for what the container has to be stopped for."""
    others = {n: d for n, d in spec.devices.items() if not n.startswith(PROTECTED_DEVICE)}
    return replace(spec, devices=others | _protection(container.devices))


def _protection(devices: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    return {n: d for n, d in devices.items() if n.startswith(PROTECTED_DEVICE)}


def _told(device: Mapping[str, str]) -> str:
    if device["type"] == "disk":
        return f"{device['source']} at {device['path']}"
    return device.get("ipv4.address") or device["type"]


def _env(config: Mapping[str, str]) -> dict[str, str]:
    return {k.removeprefix(_ENV): v for k, v in config.items() if k.startswith(_ENV)}


def _of_devices(spec: Spec, container: Container) -> Iterator[Difference]:
    for name in sorted(spec.devices.keys() | container.devices.keys()):
        before, after = container.devices.get(name), spec.devices.get(name)
        if before == after:
            continue
        if after is None and name.startswith(AGENT_DEVICE):
            yield Difference("your SSH agent is lent to it, by `shell --forward-agent`")
            continue
        protection = name.startswith(PROTECTED_DEVICE)
        need = "restart" if protection else ""
        what = "goes" if after is None else f"is {_told(after)}"
        yield Difference(f"device: {name} {what}", need, protection)


def merged(spec: Spec, container: Container) -> dict[str, Any]:
    """What Incus is to be told, so that nothing but the image differs any more."""
    kept = {
        key: value
        for key, value in container.config.items()
        if not key.startswith((_ENV, *WEAKENING)) and key != IMAGE
    }
    config = {**kept, **spec.config}
    if IMAGE in container.config:
        config[IMAGE] = container.config[IMAGE]
    return {
        "config": config,
        "devices": {name: dict(device) for name, device in spec.devices.items()},
        "profiles": list(spec.profiles),
    }


def from_container(container: Container, repo: str, now: str) -> Project:
    """The project that `container` was made for, rebuilt from what it carries."""
    devices = [
        Mount(device["source"], device["path"])
        for name, device in container.devices.items()
        if name.startswith("mount-") and {"source", "path"} <= device.keys()
    ]
    env: Pairs = tuple(_env(container.config).items())
    return Project(
        name=container.project or container.name,
        repo=container.config.get(REPO) or repo,
        image=container.config.get(IMAGE) or _image_made_from(container),
        profiles=container.profiles,
        env=env,
        mounts=tuple(devices),
        network="none" if container.devices.get("eth0", {}).get("type") == "none" else "",
        protected=_protected(container),
        created=container.config.get(CREATED) or now,
    )


def _protected(container: Container) -> tuple[str, ...]:
    """What is read-only in the repo, relative to it, in the order of the devices."""
    repo = container.devices.get(REPO_DEVICE, {}).get("source", "")
    found = _protection(container.devices)
    numbered = sorted(found, key=lambda name: (len(name), name))
    return tuple(found[name].get("source", "").removeprefix(f"{repo}/") for name in numbered)


def _image_made_from(container: Container) -> str:
    """The image of the public server that a container seems to be from, or an empty string."""
    parts = [container.config.get(f"image.{key}", "") for key in ("os", "release", "variant")]
    system, release, variant = (part.lower() for part in parts)
    if not (system and release):
        return ""
    return f"images:{system}/{release}" + (f"/{variant}" if variant not in ("", "default") else "")
