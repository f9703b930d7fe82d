"""Drift between the registry and the containers of Incus."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from repoman_tasks.errors import Failed
from repoman_tasks.model import Project, Registry
from repoman_tasks.planning.container.agents import VOLUME_PATH, volume_variables
from repoman_tasks.planning.container.drift import (
    Containers,
    container_state,
    containers_summary,
    drift_findings,
    parse_containers,
    unknown_containers,
)
from repoman_tasks.planning.container.spec import (
    IMAGE_TAG,
    MAKING_TAG,
    PROJECT_TAG,
    REPO_TAG,
    Container,
)
from repoman_tasks.planning.findings import EstateFacts

ISURUS = Project("isurus", "isurus")
NOTES = Project("notes", "notes", container=False)
FACTS = EstateFacts(Registry(projects=(ISURUS, NOTES)), "/r")
DOWN = unknown_containers(Failed("the Incus daemon does not run", "start it"))
ALL = FACTS.registry.projects


def container(name: str, status: str = "running", tag: str = "", **config: str) -> Container:
    """Return a container with the devices and profiles of isurus."""
    tags = {PROJECT_TAG: tag, REPO_TAG: tag, IMAGE_TAG: "images:ubuntu/26.04/cloud"} if tag else {}
    devices = {
        "repo": {"type": "disk", "source": "/r/isurus", "path": "/r/isurus"},
        "volume": {"type": "disk", "pool": "p", "source": "isurus", "path": VOLUME_PATH},
    }
    ours = {f"environment.{name}": value for name, value in volume_variables().items()}
    return Container(
        name, status, {**ours, **tags, **config}, devices, ("default", "claude-share"), pool="p"
    )


def containers_of(*containers: Container) -> Containers:
    return Containers({container.name: container for container in containers})


def subjects_and_kinds(containers: Containers, *, orphans: bool = True) -> list[tuple[str, str]]:
    found = drift_findings(FACTS, containers, ALL, orphans=orphans)
    assert all(finding.problem and finding.cure and finding.kind for finding in found)
    return [(finding.subject, finding.kind) for finding in found]


def test_sources_are_folders_of_the_host() -> None:
    own = {"repo": {"type": "disk", "source": "/r/isurus", "path": "/r/isurus"}}
    every = {
        **own,
        "root": {"type": "disk", "pool": "p", "path": "/"},
        "volume": {"type": "disk", "pool": "p", "source": "v", "path": "/v"},
        "wide": {"type": "disk", "source": "/r", "path": "/x"},
        "eth0": {"type": "nic"},
    }
    instance = {"name": "isurus", "status": "Running", "config": {}, "devices": own}
    assert parse_containers([instance])["isurus"].sources == ("/r/isurus",)
    found = parse_containers([{**instance, "expanded_devices": every}])
    assert found["isurus"].sources == ("/r/isurus", "/r")
    assert found["isurus"].pool == "p"


@pytest.mark.parametrize(
    "name", ["a`id`", "$(id)", "a b", "-x", "--force", "a/b", "", "a\n", 1, None]
)
def test_a_name_that_incus_does_not_allow_is_no_answer_of_it(name: object) -> None:
    instance = {"name": name, "status": "Running", "config": {}, "devices": {}}
    with pytest.raises(Failed, match="did not answer with a list of instances"):
        parse_containers([instance])


def test_a_tag_adds_no_command_to_a_finding() -> None:
    stray = container("stray", tag="`id`")
    (finding,) = drift_findings(
        EstateFacts(Registry(), "/r"), containers_of(stray), (), orphans=True
    )
    assert "`" not in finding.what
    assert finding.cure == "run `repoman adopt stray`, or choose with `repoman status --repair`"


RUNNING = container("isurus", "running", "isurus")
HALF = container("isurus", "stopped", "isurus", **{MAKING_TAG: "token"})
STRAY_HALF = container("stray", "stopped", "stray", **{MAKING_TAG: "token"})


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        pytest.param(containers_of(RUNNING), [], id="matches the registry"),
        pytest.param(containers_of(replace(RUNNING, status="stopped")), [], id="stopped"),
        pytest.param(containers_of(), [("isurus", "missing")], id="missing"),
        pytest.param(containers_of(HALF), [("isurus", "half-made")], id="half made"),
        pytest.param(
            containers_of(RUNNING, STRAY_HALF),
            [("stray", "half-made")],
            id="half made, not registered",
        ),
        pytest.param(
            containers_of(replace(RUNNING, status="error")), [("isurus", "error")], id="state error"
        ),
        pytest.param(
            containers_of(replace(RUNNING, name="other")), [("isurus", "renamed")], id="renamed"
        ),
        pytest.param(
            containers_of(RUNNING, replace(RUNNING, name="copy")), [("copy", "orphan")], id="a copy"
        ),
        pytest.param(
            containers_of(replace(RUNNING, name="a"), replace(RUNNING, name="b")),
            [("isurus", "missing"), ("a", "orphan"), ("b", "orphan")],
            id="two candidates for the renamed one",
        ),
        pytest.param(
            containers_of(RUNNING, container("stray")), [("stray", "orphan")], id="orphan"
        ),
        pytest.param(
            containers_of(RUNNING, container("notes", "stopped")),
            [("notes", "unexpected")],
            id="unexpected",
        ),
        pytest.param(
            containers_of(replace(RUNNING, profiles=("default",))),
            [("isurus", "differs")],
            id="other profiles",
        ),
        pytest.param(
            containers_of(replace(RUNNING, devices={})),
            [("isurus", "differs")],
            id="no repo device",
        ),
        pytest.param(
            containers_of(container("isurus", "stopped")), [("isurus", "differs")], id="untagged"
        ),
        pytest.param(DOWN, [("incus", "incus")], id="Incus does not run"),
    ],
)
def test_drift(containers: Containers, expected: list[tuple[str, str]]) -> None:
    assert subjects_and_kinds(containers) == expected


@pytest.mark.parametrize(
    ("changed", "flags"),
    [
        ({"profiles": ("other",)}, ""),
        ({"config": {**RUNNING.config, "raw.lxc": "x"}}, " --restart"),
        ({"config": {**RUNNING.config, "raw.lxc": "x"}, "status": "stopped"}, ""),
        ({"config": {**RUNNING.config, "user.repoman.image": "old"}}, " --rebuild"),
        (
            {"config": {**RUNNING.config, "user.repoman.image": "old", "raw.lxc": "x"}},
            " --rebuild",
        ),
    ],
)
def test_the_cure_of_a_difference_has_the_option_that_it_needs(
    changed: dict[str, Any], flags: str
) -> None:
    found = drift_findings(FACTS, containers_of(replace(RUNNING, **changed)), ALL, orphans=False)
    assert f"`repoman update isurus{flags}`" in found[0].cure


def test_network_rules_that_were_not_applied_yet_are_drift() -> None:
    ruled = replace(ISURUS, allow=("192.168.1.20",))
    (found,) = drift_findings(FACTS, containers_of(RUNNING), [ruled], orphans=False)
    assert found.kind == "differs"
    assert found.cure == "run `repoman update isurus --restart`"


def test_a_frozen_container_is_noted() -> None:
    frozen = containers_of(replace(RUNNING, status="frozen"))
    (found,) = drift_findings(FACTS, frozen, ALL, orphans=False)
    assert (found.kind, found.problem) == ("frozen", False)
    assert found.cure == "run `repoman start isurus`"


def test_a_copy_names_its_original_project() -> None:
    found = drift_findings(
        FACTS, containers_of(RUNNING, replace(RUNNING, name="copy")), [], orphans=True
    )
    assert "created for isurus" in found[0].what


def test_orphans_are_listed_on_request_only() -> None:
    assert subjects_and_kinds(containers_of(RUNNING, container("stray")), orphans=False) == []


def test_a_project_for_backup_only_needs_no_incus() -> None:
    assert drift_findings(FACTS, DOWN, [NOTES], orphans=False) == []


@pytest.mark.parametrize(
    ("project", "containers", "expected"),
    [
        (ISURUS, containers_of(RUNNING), "running"),
        (ISURUS, containers_of(HALF), "half-made"),
        (ISURUS, containers_of(), "missing"),
        (ISURUS, containers_of(replace(RUNNING, name="other")), "renamed"),
        (ISURUS, DOWN, "unknown"),
        (NOTES, containers_of(), "no container"),
        (NOTES, DOWN, "no container"),
    ],
)
def test_container_state(project: Project, containers: Containers, expected: str) -> None:
    assert container_state(project, containers) == expected


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        (containers_of(), "none"),
        (containers_of(container("a", "stopped"), RUNNING), "1 running, 1 stopped"),
        (
            containers_of(container("a", "stopped"), container("b", "freezing")),
            "1 stopped, 1 freezing",
        ),
        (DOWN, "not checked, the Incus daemon does not run"),
    ],
)
def test_containers_summary(containers: Containers, expected: str) -> None:
    assert containers_summary(containers) == expected


def test_parse_containers() -> None:
    instances: list[dict[str, Any]] = [
        {
            "name": "isurus",
            "status": "Running",
            "config": {PROJECT_TAG: "isurus"},
            "devices": {"repo": {"type": "disk"}},
            "profiles": ["default"],
        },
        {"name": "stray", "status": "Stopped", "config": {}},
    ]
    found = parse_containers(instances)
    assert found["isurus"] == Container(
        "isurus", "running", {PROJECT_TAG: "isurus"}, {"repo": {"type": "disk"}}, ("default",)
    )
    assert found["isurus"].project == "isurus"
    assert found["stray"] == Container("stray", "stopped", {}, {}, ())


@pytest.mark.parametrize("answer", [None, 3, ["/1.0/instances/a"], [{"name": "a"}]])
def test_a_malformed_answer_of_incus(answer: object) -> None:
    with pytest.raises(Failed, match="did not answer with a list of instances"):
        parse_containers(answer)
