"""What a container is declared to be, and where one differs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repoman_tasks.model import Defaults, Mount, Project, Registry, Requested
from repoman_tasks.planning.container.spec import (
    CREATED,
    IMAGE,
    MAKING,
    REPO,
    TAG,
    Container,
    applied,
    container_spec,
    differences,
    from_container,
    merged,
)

PROJECT = Project("isurus", "is urus", image="debian", created="2026-04-28T15:00:00Z")
REGISTRY = Registry(projects=(PROJECT,))
DISK = {"type": "disk", "source": "/r/is urus", "path": "/r/is urus"}
TAGS = {TAG: "isurus", REPO: "is urus", IMAGE: "debian", CREATED: PROJECT.created}
WANTED = container_spec(PROJECT, REGISTRY, "/r", "/home/me")
AS_WANTED = Container(
    "isurus", "running", {**TAGS, "volatile.x": "1"}, {"repo": DISK}, ("default", "claude-share")
)


def test_what_is_declared() -> None:
    assert WANTED.image == "debian"
    assert WANTED.profiles == ("default", "claude-share")
    assert WANTED.config == TAGS
    assert WANTED.devices == {"repo": DISK}
    assert differences(WANTED, AS_WANTED) == []


@pytest.mark.parametrize(
    ("project", "defaults", "image"),
    [
        (replace(PROJECT, image=""), Defaults(), "images:ubuntu/26.04/cloud"),
        (replace(PROJECT, image=""), Defaults(default_image="mine"), "mine"),
        (PROJECT, Defaults(default_image="mine"), "debian"),
        (replace(PROJECT, asked_image="asked"), Defaults(), "asked"),
        (applied(PROJECT, Requested(image="asked"), "", ()), Defaults(), "asked"),
        (applied(PROJECT, Requested(image="asked"), "flag", ()), Defaults(), "flag"),
    ],
)
def test_precedence_of_the_image(project: Project, defaults: Defaults, image: str) -> None:
    assert container_spec(project, Registry(defaults=defaults), "/r", "/h").image == image


@pytest.mark.parametrize(
    ("project", "defaults", "profiles"),
    [
        (PROJECT, Defaults(profiles=("a",)), ("a",)),
        (PROJECT, Defaults(shared=""), ("default",)),
        (replace(PROJECT, profiles=("b",)), Defaults(), ("b",)),
        (replace(PROJECT, profiles=()), Defaults(), ()),
        (applied(PROJECT, Requested(profiles=("c",)), "", ()), Defaults(), ("c",)),
        (applied(PROJECT, Requested(profiles=("c",)), "", ("d",)), Defaults(), ("d",)),
    ],
)
def test_precedence_of_profiles(
    project: Project, defaults: Defaults, profiles: tuple[str, ...]
) -> None:
    assert container_spec(project, Registry(defaults=defaults), "/r", "/h").profiles == profiles


def test_env_and_mounts_of_registry_and_repo_add_up() -> None:
    mine = replace(PROJECT, env=(("A", "1"), ("B", "1")), mounts=(Mount("~/a", "/a"),))
    asks = Requested(env=(("B", "2"),), mount=(Mount("/r/b", "/b"), Mount("/r/a", "/a")))
    spec = container_spec(applied(mine, asks, "", ()), REGISTRY, "/r", "/home/me")
    assert spec.config["environment.A"] == "1"
    assert spec.config["environment.B"] == "2"
    assert [device["source"] for device in spec.devices.values()] == [
        "/r/is urus",
        "/r/a",
        "/r/b",
    ]
    only_mine = container_spec(mine, REGISTRY, "/r", "/home/me")
    assert only_mine.devices["mount-1"]["source"] == "/home/me/a"


@pytest.mark.parametrize(
    ("changed", "says", "need"),
    [
        ({"config": {**TAGS, IMAGE: "old"}}, "image: old -> debian", "rebuild"),
        ({"profiles": ("default",)}, "profiles: default -> default, claude-share", ""),
        ({"profiles": ()}, "profiles: none -> default, claude-share", ""),
        ({"config": {**TAGS, "environment.X": "1"}}, "env: X goes", ""),
        ({"devices": {}}, "device: repo is /r/is urus at /r/is urus", ""),
        ({"devices": {"repo": {**DISK, "shift": "true"}}}, "device: repo is", ""),
        ({"devices": {"repo": DISK, "x": {"type": "disk"}}}, "device: x goes", ""),
        ({"config": {**TAGS, "security.nesting": "true"}}, "security.nesting goes", "restart"),
        ({"config": {**TAGS, "raw.lxc": "x"}}, "raw.lxc goes", "restart"),
        ({"config": {IMAGE: "debian"}}, "tags of repoman", ""),
    ],
)
def test_a_difference_and_its_mending(changed: dict[str, object], says: str, need: str) -> None:
    container = replace(AS_WANTED, **changed)  # type: ignore[arg-type]
    (found,) = differences(WANTED, container)
    assert says in found.what
    assert found.need == need
    changes = merged(WANTED, container)
    after = replace(
        container,
        config=changes["config"],
        devices=changes["devices"],
        profiles=tuple(changes["profiles"]),
    )
    assert [d.need for d in differences(WANTED, after)] == (
        ["rebuild"] if need == "rebuild" else []
    )


def test_what_is_not_ours_stays() -> None:
    config = {**TAGS, "volatile.x": "1", "boot.autostart": "true", MAKING: "t", "limits.cpu": "2"}
    changes = merged(WANTED, replace(AS_WANTED, config=config))
    assert changes["config"] == config


@pytest.mark.parametrize("env", ["1", "2"])
def test_a_value_of_the_environment(env: str) -> None:
    project = replace(PROJECT, env=(("A", env),))
    spec = container_spec(project, REGISTRY, "/r", "/h")
    container = replace(AS_WANTED, config={**TAGS, "environment.A": "1"})
    assert [d.what for d in differences(spec, container)] == (
        [] if env == "1" else ["env: A is set"]
    )


def test_a_project_is_rebuilt_from_its_container() -> None:
    project = replace(PROJECT, env=(("A", "1"),), mounts=(Mount("/r/a", "/a"),), profiles=("p",))
    spec = container_spec(project, REGISTRY, "/r", "/h")
    container = Container("isurus", "stopped", spec.config, spec.devices, spec.profiles)
    assert from_container(container, "other", "now") == project


@pytest.mark.parametrize(
    ("config", "image"),
    [
        ({}, ""),
        ({"image.os": "Ubuntu"}, ""),
        ({"image.os": "Ubuntu", "image.release": "noble"}, "images:ubuntu/noble"),
        (
            {"image.os": "Debian", "image.release": "bookworm", "image.variant": "cloud"},
            "images:debian/bookworm/cloud",
        ),
        (
            {"image.os": "Alpine", "image.release": "3.20", "image.variant": "default"},
            "images:alpine/3.20",
        ),
    ],
)
def test_a_container_that_repoman_did_not_make(config: dict[str, str], image: str) -> None:
    found = from_container(Container("old", "stopped", config, {}, ()), "repo", "now")
    assert found == Project("old", "repo", image=image, profiles=(), created="now")
