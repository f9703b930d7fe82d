"""Spec of a container, and differences from it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repoman_tasks.model import Defaults, Mount, Project, Registry, Requested
from repoman_tasks.planning.container.agents import VOLUME_PATH, volume_variables
from repoman_tasks.planning.container.spec import (
    CREATED_TAG,
    IMAGE_TAG,
    MAKING_TAG,
    PROJECT_TAG,
    REPO_TAG,
    Container,
    apply_requested,
    container_spec,
    differences,
    project_from_container,
    update_body,
    with_pool,
)

PROJECT = Project("isurus", "is urus", image="debian", created="2026-04-28T15:00:00Z")
REGISTRY = Registry(projects=(PROJECT,))
DISK = {"type": "disk", "source": "/r/is urus", "path": "/r/is urus"}
VOLUME = {"type": "disk", "pool": "p", "source": "isurus", "path": VOLUME_PATH}
OURS = {f"environment.{name}": value for name, value in volume_variables().items()}
TAGS = {
    **OURS,
    PROJECT_TAG: "isurus",
    REPO_TAG: "is urus",
    IMAGE_TAG: "debian",
    CREATED_TAG: PROJECT.created,
}
SPEC = container_spec(PROJECT, REGISTRY, "/r", "/home/me")
DEVICES = {"repo": DISK, "volume": VOLUME}
MATCHING = Container(
    *("isurus", "running", {**TAGS, "volatile.x": "1"}, DEVICES, ("default", "claude-share")),
    pool="p",
)


def test_spec_of_a_project() -> None:
    assert SPEC.image == "debian"
    assert SPEC.profiles == ("default", "claude-share")
    assert SPEC.config == TAGS
    assert with_pool(SPEC, "p").devices == DEVICES
    assert differences(SPEC, MATCHING) == []


@pytest.mark.parametrize(
    ("protect", "paths"),
    [
        (True, [".git/hooks", ".git/config", ".git/modules/a/config", ".envrc"]),
        ("guard", [".git/hooks", ".envrc"]),
        (False, []),
    ],
)
def test_what_is_read_only(protect: bool | str, paths: list[str]) -> None:
    protected = (".git/hooks", ".git/config", ".git/modules/a/config", ".envrc")
    project = replace(PROJECT, protect=protect, protected=protected)
    devices = container_spec(project, REGISTRY, "/r", "/h").devices
    read_only = [d["source"] for d in devices.values() if d.get("readonly") == "true"]
    assert read_only == [f"/r/is urus/{path}" for path in paths]


@pytest.mark.parametrize(
    ("project", "defaults", "image"),
    [
        (replace(PROJECT, image=""), Defaults(), "images:ubuntu/26.04/cloud"),
        (replace(PROJECT, image=""), Defaults(default_image="mine"), "mine"),
        (PROJECT, Defaults(default_image="mine"), "debian"),
        (replace(PROJECT, requested_image="asked"), Defaults(), "asked"),
        (apply_requested(PROJECT, Requested(image="asked"), "", ()), Defaults(), "asked"),
        (apply_requested(PROJECT, Requested(image="asked"), "flag", ()), Defaults(), "flag"),
    ],
)
def test_precedence_of_the_image(project: Project, defaults: Defaults, image: str) -> None:
    assert container_spec(project, Registry(defaults=defaults), "/r", "/h").image == image


@pytest.mark.parametrize(
    ("project", "defaults", "profiles"),
    [
        (PROJECT, Defaults(profiles=("a",)), ("a",)),
        (replace(PROJECT, profiles=("b",)), Defaults(), ("b",)),
        (replace(PROJECT, profiles=()), Defaults(), ()),
        (apply_requested(PROJECT, Requested(profiles=("c",)), "", ()), Defaults(), ("c",)),
        (apply_requested(PROJECT, Requested(profiles=("c",)), "", ("d",)), Defaults(), ("d",)),
    ],
)
def test_precedence_of_profiles(
    project: Project, defaults: Defaults, profiles: tuple[str, ...]
) -> None:
    assert container_spec(project, Registry(defaults=defaults), "/r", "/h").profiles == profiles


def test_env_and_mounts_of_defaults_come_first() -> None:
    shared = replace(
        REGISTRY.defaults,
        env=(("A", "0"), ("B", "0"), ("C", "0")),
        mounts=(Mount("~/a", "/a", True), Mount("~/b", "/b", True), Mount("~/c", "/c", True)),
    )
    mine = replace(PROJECT, env=(("B", "1"), ("C", "1")), mounts=(Mount("/x", "/b"),))
    asks = Requested(env=(("C", "2"),), mount=(Mount("/y", "/c", True),))
    project = apply_requested(mine, asks, "", ())
    spec = container_spec(project, replace(REGISTRY, defaults=shared), "/r", "/home/me")
    assert [spec.config[f"environment.{name}"] for name in "ABC"] == ["0", "1", "2"]
    disk = {"type": "disk"}
    assert [spec.devices[f"mount-{number}"] for number in (1, 2, 3)] == [
        disk | {"source": "/home/me/a", "path": "/a", "readonly": "true"},
        disk | {"source": "/x", "path": "/b"},
        disk | {"source": "/y", "path": "/c", "readonly": "true"},
    ]


def test_env_and_mounts_of_registry_and_repo_add_up() -> None:
    mine = replace(PROJECT, env=(("A", "1"), ("B", "1")), mounts=(Mount("~/a", "/a"),))
    asks = Requested(env=(("B", "2"),), mount=(Mount("/r/b", "/b"), Mount("/r/a", "/a")))
    spec = container_spec(apply_requested(mine, asks, "", ()), REGISTRY, "/r", "/home/me")
    assert spec.config["environment.A"] == "1"
    assert spec.config["environment.B"] == "2"
    assert [device["source"] for device in spec.devices.values()] == [
        "/r/is urus",
        "isurus",
        "/r/a",
        "/r/b",
    ]
    only_mine = container_spec(mine, REGISTRY, "/r", "/home/me")
    assert only_mine.devices["mount-1"]["source"] == "/home/me/a"


@pytest.mark.parametrize(
    ("changed", "message", "need"),
    [
        ({"config": {**TAGS, IMAGE_TAG: "old"}}, "image: old -> debian", "rebuild"),
        ({"profiles": ("default",)}, "profiles: default -> default, claude-share", ""),
        ({"profiles": ()}, "profiles: none -> default, claude-share", ""),
        ({"config": {**TAGS, "environment.X": "1"}}, "env: remove X", ""),
        ({"devices": {"volume": VOLUME}}, "device: set repo to /r/is urus at /r/is urus", ""),
        ({"devices": {**DEVICES, "repo": {**DISK, "shift": "true"}}}, "device: set repo", ""),
        ({"devices": {"repo": DISK}}, "device: set volume to isurus at /var/lib/repoman", ""),
        ({"devices": {**DEVICES, "x": {"type": "disk"}}}, "device: remove x", ""),
        ({"config": {**TAGS, "security.nesting": "true"}}, "remove security.nesting", "restart"),
        ({"config": {**TAGS, "raw.lxc": "x"}}, "remove raw.lxc", "restart"),
        ({"config": {**OURS, IMAGE_TAG: "debian"}}, "tags of repoman", ""),
    ],
)
def test_a_difference_and_its_repair(changed: dict[str, object], message: str, need: str) -> None:
    container = replace(MATCHING, **changed)  # type: ignore[arg-type]
    (found,) = differences(SPEC, container)
    assert message in found.what
    assert found.need == need
    changes = update_body(SPEC, container)
    after = replace(
        container,
        config=changes["config"],
        devices=changes["devices"],
        profiles=tuple(changes["profiles"]),
    )
    assert [d.need for d in differences(SPEC, after)] == (["rebuild"] if need == "rebuild" else [])


def test_settings_of_others_are_kept() -> None:
    config = {
        **TAGS,
        "volatile.x": "1",
        "boot.autostart": "true",
        MAKING_TAG: "t",
        "limits.cpu": "2",
    }
    changes = update_body(SPEC, replace(MATCHING, config=config))
    assert changes["config"] == config


@pytest.mark.parametrize("env", ["1", "2"])
def test_a_changed_environment_variable(env: str) -> None:
    project = replace(PROJECT, env=(("A", env),))
    spec = container_spec(project, REGISTRY, "/r", "/h")
    container = replace(MATCHING, config={**TAGS, "environment.A": "1"})
    assert [d.what for d in differences(spec, container)] == ([] if env == "1" else ["env: set A"])


def test_the_variables_of_the_volume_give_way_to_those_of_a_project() -> None:
    own = replace(PROJECT, env=(("HISTFILE", "/dev/null"),))
    config = container_spec(own, REGISTRY, "/r", "/h").config
    assert config["environment.HISTFILE"] == "/dev/null"
    assert config["environment.CLAUDE_CONFIG_DIR"] == f"{VOLUME_PATH}/claude"


def test_a_volume_stays_in_the_pool_where_it_is() -> None:
    moved = replace(MATCHING, devices={**DEVICES, "volume": {**VOLUME, "pool": "old"}})
    assert differences(SPEC, moved) == []
    assert update_body(SPEC, moved)["devices"]["volume"]["pool"] == "old"


def test_the_project_is_rebuilt_from_its_container() -> None:
    project = replace(PROJECT, env=(("A", "1"),), mounts=(Mount("/r/a", "/a"),), profiles=("p",))
    spec = container_spec(project, REGISTRY, "/r", "/h")
    container = Container("isurus", "stopped", spec.config, spec.devices, spec.profiles)
    assert project_from_container(container, "other", "now") == project


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
def test_a_container_that_repoman_did_not_create(config: dict[str, str], image: str) -> None:
    found = project_from_container(Container("old", "stopped", config, {}, ()), "repo", "now")
    assert found == Project("old", "repo", image=image, profiles=(), created="now")
