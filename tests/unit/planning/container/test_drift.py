"""The registry held against what Incus has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from repoman_tasks.errors import Failed
from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.container.drift import (
    Containers,
    drift,
    read_containers,
    state,
    summary,
    unusable,
)
from repoman_tasks.planning.container.spec import IMAGE, MAKING, REPO, TAG, Container
from repoman_tasks.planning.findings import EstateFacts

ISURUS = Project("isurus", "isurus")
NOTES = Project("notes", "notes", container=False)
REALITY = EstateFacts(Registry(projects=(ISURUS, NOTES)), "/r")
DOWN = unusable(Failed("the Incus daemon does not run", "start it"))
ALL = REALITY.registry.projects


def container(name: str, status: str = "running", tag: str = "", **config: str) -> Container:
    """A container with the devices and profiles of isurus."""
    tags = {TAG: tag, REPO: tag, IMAGE: "images:ubuntu/26.04/cloud"} if tag else {}
    devices = {"repo": {"type": "disk", "source": "/r/isurus", "path": "/r/isurus"}}
    return Container(name, status, {**tags, **config}, devices, ("default", "claude-share"))


def having(*containers: Container) -> Containers:
    return Containers({container.name: container for container in containers})


def told(containers: Containers, *, orphans: bool = True) -> list[tuple[str, str]]:
    found = drift(REALITY, containers, ALL, orphans=orphans)
    assert all(finding.problem and finding.cure and finding.kind for finding in found)
    return [(finding.subject, finding.kind) for finding in found]


def test_the_folders_of_the_host_that_a_container_has() -> None:
    own = {"repo": {"type": "disk", "source": "/r/isurus", "path": "/r/isurus"}}
    every = {
        **own,
        "root": {"type": "disk", "pool": "p", "path": "/"},
        "volume": {"type": "disk", "pool": "p", "source": "v", "path": "/v"},
        "wide": {"type": "disk", "source": "/r", "path": "/x"},
        "eth0": {"type": "nic"},
    }
    instance = {"name": "isurus", "status": "Running", "config": {}, "devices": own}
    assert read_containers([instance])["isurus"].sources == ("/r/isurus",)
    found = read_containers([{**instance, "expanded_devices": every}])
    assert found["isurus"].sources == ("/r/isurus", "/r")


RUNNING = container("isurus", "running", "isurus")
HALF = container("isurus", "stopped", "isurus", **{MAKING: "token"})
STRAY_HALF = container("stray", "stopped", "stray", **{MAKING: "token"})


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        pytest.param(having(RUNNING), [], id="as it should be"),
        pytest.param(having(replace(RUNNING, status="stopped")), [], id="stopped"),
        pytest.param(having(), [("isurus", "missing")], id="missing"),
        pytest.param(having(HALF), [("isurus", "half-made")], id="half made"),
        pytest.param(
            having(RUNNING, STRAY_HALF), [("stray", "half-made")], id="half made, not registered"
        ),
        pytest.param(
            having(replace(RUNNING, status="error")), [("isurus", "error")], id="state error"
        ),
        pytest.param(having(replace(RUNNING, name="other")), [("isurus", "renamed")], id="renamed"),
        pytest.param(
            having(RUNNING, replace(RUNNING, name="copy")), [("copy", "orphan")], id="a copy"
        ),
        pytest.param(
            having(replace(RUNNING, name="a"), replace(RUNNING, name="b")),
            [("isurus", "missing"), ("a", "orphan"), ("b", "orphan")],
            id="two that could be the renamed one",
        ),
        pytest.param(having(RUNNING, container("stray")), [("stray", "orphan")], id="orphan"),
        pytest.param(
            having(RUNNING, container("notes", "stopped")),
            [("notes", "unexpected")],
            id="not expected",
        ),
        pytest.param(
            having(replace(RUNNING, profiles=("default",))),
            [("isurus", "differs")],
            id="other profiles",
        ),
        pytest.param(
            having(replace(RUNNING, devices={})),
            [("isurus", "differs")],
            id="the repo is not there",
        ),
        pytest.param(
            having(container("isurus", "stopped")), [("isurus", "differs")], id="untagged"
        ),
        pytest.param(DOWN, [("incus", "incus")], id="not to be asked"),
    ],
)
def test_drift(containers: Containers, expected: list[tuple[str, str]]) -> None:
    assert told(containers) == expected


def test_a_copy_says_whose_it_was() -> None:
    found = drift(REALITY, having(RUNNING, replace(RUNNING, name="copy")), [], orphans=True)
    assert "made for isurus" in found[0].what


def test_orphans_are_told_for_the_whole_estate_only() -> None:
    assert told(having(RUNNING, container("stray")), orphans=False) == []


def test_a_backup_alone_needs_no_incus() -> None:
    assert drift(REALITY, DOWN, [NOTES], orphans=False) == []


@pytest.mark.parametrize(
    ("project", "containers", "expected"),
    [
        (ISURUS, having(RUNNING), "running"),
        (ISURUS, having(HALF), "half-made"),
        (ISURUS, having(), "missing"),
        (ISURUS, having(replace(RUNNING, name="other")), "renamed"),
        (ISURUS, DOWN, "unknown"),
        (NOTES, having(), "no container"),
        (NOTES, DOWN, "no container"),
    ],
)
def test_state(project: Project, containers: Containers, expected: str) -> None:
    assert state(project, containers) == expected


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        (having(), "none"),
        (having(container("a", "stopped"), RUNNING), "1 running, 1 stopped"),
        (having(container("a", "stopped"), container("b", "freezing")), "1 stopped, 1 freezing"),
        (DOWN, "not checked, the Incus daemon does not run"),
    ],
)
def test_summary(containers: Containers, expected: str) -> None:
    assert summary(containers) == expected


def test_read_containers() -> None:
    instances: list[dict[str, Any]] = [
        {
            "name": "isurus",
            "status": "Running",
            "config": {TAG: "isurus"},
            "devices": {"repo": {"type": "disk"}},
            "profiles": ["default"],
        },
        {"name": "stray", "status": "Stopped", "config": {}},
    ]
    found = read_containers(instances)
    assert found["isurus"] == Container(
        "isurus", "running", {TAG: "isurus"}, {"repo": {"type": "disk"}}, ("default",)
    )
    assert found["isurus"].project == "isurus"
    assert found["stray"] == Container("stray", "stopped", {}, {}, ())


@pytest.mark.parametrize("answer", [None, 3, ["/1.0/instances/a"], [{"name": "a"}]])
def test_an_answer_of_another_shape(answer: object) -> None:
    with pytest.raises(Failed, match="no list of instances"):
        read_containers(answer)
