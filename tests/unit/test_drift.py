"""The registry held against what Incus has."""

from __future__ import annotations

import pytest

from repoman_tasks.errors import Failed
from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.drift import (
    TAG,
    Container,
    Containers,
    drift,
    read_containers,
    state,
    summary,
    unusable,
)

ISURUS = Project("isurus", "isurus")
NOTES = Project("notes", "notes", container=False)
REGISTRY = Registry(projects=(ISURUS, NOTES))
DOWN = unusable(Failed("the Incus daemon does not run", "start it"))


def having(*containers: Container) -> Containers:
    return Containers({container.name: container for container in containers})


def told(containers: Containers, *, orphans: bool = True) -> list[tuple[str, str]]:
    found = drift(REGISTRY, containers, REGISTRY.projects, orphans=orphans)
    assert all(finding.problem and finding.cure for finding in found)
    return [(finding.subject, finding.what) for finding in found]


RUNNING = Container("isurus", "running", "isurus")


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        pytest.param(having(RUNNING), [], id="as it should be"),
        pytest.param(having(Container("isurus", "stopped")), [], id="stopped and untagged"),
        pytest.param(having(), [("isurus", "its container is missing")], id="missing"),
        pytest.param(
            having(Container("isurus", "error", "isurus")),
            [("isurus", "its container is in state error")],
            id="error",
        ),
        pytest.param(
            having(Container("other", "running", "isurus")),
            [("isurus", "its container is called other now")],
            id="renamed",
        ),
        pytest.param(
            having(RUNNING, Container("copy", "running", "isurus")), [], id="a copy with its tag"
        ),
        pytest.param(
            having(RUNNING, Container("stray", "running")),
            [("stray", "a container in the Incus project that no project has")],
            id="orphan",
        ),
        pytest.param(
            having(RUNNING, Container("notes", "stopped")),
            [("notes", "Incus has a container of this name, and the registry says it has none")],
            id="not expected",
        ),
        pytest.param(DOWN, [("incus", "the Incus daemon does not run")], id="not to be asked"),
    ],
)
def test_drift(containers: Containers, expected: list[tuple[str, str]]) -> None:
    assert told(containers) == expected


def test_orphans_are_told_for_the_whole_estate_only() -> None:
    assert told(having(RUNNING, Container("stray", "running")), orphans=False) == []


def test_a_backup_alone_needs_no_incus() -> None:
    assert drift(REGISTRY, DOWN, [NOTES], orphans=False) == []


@pytest.mark.parametrize(
    ("project", "containers", "expected"),
    [
        (ISURUS, having(RUNNING), "running"),
        (ISURUS, having(), "missing"),
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
        (having(Container("a", "stopped"), RUNNING), "1 running, 1 stopped"),
        (having(Container("a", "stopped"), Container("b", "freezing")), "1 stopped, 1 freezing"),
        (DOWN, "not checked, the Incus daemon does not run"),
    ],
)
def test_summary(containers: Containers, expected: str) -> None:
    assert summary(containers) == expected


def test_read_containers() -> None:
    instances = [
        {"name": "isurus", "status": "Running", "config": {TAG: "isurus"}},
        {"name": "stray", "status": "Stopped", "config": {}},
    ]
    assert read_containers(instances) == {
        "isurus": RUNNING,
        "stray": Container("stray", "stopped"),
    }


@pytest.mark.parametrize("answer", [None, 3, ["/1.0/instances/a"], [{"name": "a"}]])
def test_an_answer_of_another_shape(answer: object) -> None:
    with pytest.raises(Failed, match="no list of instances"):
        read_containers(answer)
