"""What becomes of a container: trust, making way, updates, adoption, and which one is meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repoman_tasks.errors import UsageError
from repoman_tasks.model import Project, Registry, Requested
from repoman_tasks.planning.container.lifecycle import (
    adopt_steps,
    check_free,
    create_steps,
    finish_steps,
    forget_step,
    recorded,
    register_step,
    update_steps,
)
from repoman_tasks.planning.container.repairs import CHOICES, RepairOptions
from repoman_tasks.planning.container.spec import MAKING, Container, applied, container_spec
from repoman_tasks.planning.current_project import named_or_current
from repoman_tasks.planning.registry_edits import AddProject, SetKeys
from repoman_tasks.planning.steps import ArrangeUser, Step, WriteRegistry

ISURUS = Project("isurus", "isurus", image="debian")
LAMNA = Project("lamna", "deep/lamna")
REGISTRY = Registry(projects=(ISURUS, LAMNA))
WANTED = container_spec(ISURUS, REGISTRY, "/r", "/h")
WHOLE = Container("isurus", "running", WANTED.config, WANTED.devices, WANTED.profiles)
ARRANGING = ArrangeUser("isurus", "dev", "/r/isurus")
ORIGIN = {"type": "image", "fingerprint": "f"}


def kinds(steps: list[Step]) -> list[str]:
    return [type(step).__name__ for step in steps]


def test_making_way() -> None:
    assert check_free("isurus", {}) == []
    half = replace(WHOLE, config={**WHOLE.config, MAKING: "t"})
    assert kinds(check_free("isurus", {"isurus": half})) == ["DeleteContainer"]
    with pytest.raises(UsageError, match="adopt isurus"):
        check_free("isurus", {"isurus": WHOLE})


def test_creating() -> None:
    steps = create_steps(ISURUS, WANTED, ORIGIN, "/r/isurus", "dev")
    assert kinds(steps) == ["CreateContainer", "ArrangeUser"]
    assert "from debian" in str(steps[0])


@pytest.mark.parametrize(
    ("changed", "flags", "steps", "left"),
    [
        ({}, {}, [], []),
        ({"profiles": ()}, {}, ["ChangeContainer"], []),
        ({"config": {**WANTED.config, "raw.lxc": "x"}}, {}, ["ChangeContainer"], ["restart"]),
        (
            {"config": {**WANTED.config, "raw.lxc": "x"}},
            {"restart": True},
            ["ChangeContainer", "ChangeState"],
            [],
        ),
        (
            {"config": {**WANTED.config, "raw.lxc": "x"}, "status": "stopped"},
            {},
            ["ChangeContainer"],
            [],
        ),
        ({"config": {**WANTED.config, "user.repoman.image": "old"}}, {}, [], ["rebuild"]),
        (
            {"config": {**WANTED.config, "user.repoman.image": "old"}},
            {"rebuild": True},
            ["RebuildContainer", "ArrangeUser"],
            [],
        ),
        ({}, {"user_is_missing": True}, ["ArrangeUser"], []),
    ],
)
def test_updating(
    changed: dict[str, object], flags: dict[str, bool], steps: list[str], left: list[str]
) -> None:
    container = replace(WHOLE, **changed)  # type: ignore[arg-type]
    found, remains = update_steps(
        WANTED,
        container,
        ORIGIN if flags.get("rebuild") else None,
        ARRANGING,
        restart=flags.get("restart", False),
        user_is_missing=flags.get("user_is_missing", False),
    )
    assert kinds(found) == steps
    assert [difference.need for difference in remains] == left


def test_what_changed_is_noted_in_the_registry() -> None:
    assert recorded(ISURUS, ISURUS) == []
    asked = applied(ISURUS, Requested(image="x", env=(("A", "1"),)), "", ())
    (step,) = recorded(ISURUS, asked)
    assert isinstance(step, WriteRegistry)
    assert step.edits == (
        SetKeys({"asked_image": "x", "asked_env": (("A", "1"),)}, project="isurus"),
    )
    (back,) = recorded(asked, ISURUS)
    assert isinstance(back, WriteRegistry)
    assert back.edits == (SetKeys({"asked_image": None, "asked_env": ()}, project="isurus"),)


def test_what_a_repo_leaves_out_is_told_before_it_counts() -> None:
    before = replace(ISURUS, asked_exclude=("old", "kept"))
    after = applied(before, Requested(exclude=("kept", "new")), "", ())
    (step,) = recorded(before, after)
    assert "its repo leaves out of its mirror: - old, + new" in str(step)
    assert "leaves out what it asks to: kept, new" in str(register_step(after, "/r/isurus"))
    assert "leaves out" not in str(register_step(replace(after, backup=False), "/r/isurus"))


@pytest.mark.parametrize(
    ("container", "known", "from_project", "steps"),
    [
        pytest.param(WHOLE, None, "", ["WriteRegistry"], id="a lost registry"),
        pytest.param(
            replace(WHOLE, config={}, devices={}),
            None,
            "",
            ["ChangeContainer", "ArrangeUser", "WriteRegistry"],
            id="not made by repoman",
        ),
        pytest.param(
            WHOLE, replace(ISURUS, container=False), "", ["WriteRegistry"], id="not expected"
        ),
        pytest.param(
            replace(WHOLE, config={**WANTED.config, MAKING: "t"}),
            None,
            "",
            ["ChangeContainer", "ArrangeUser", "WriteRegistry"],
            id="half made",
        ),
        pytest.param(
            WHOLE,
            None,
            "default",
            ["AdoptContainer", "ArrangeUser", "WriteRegistry"],
            id="from another project",
        ),
    ],
)
def test_adopting(
    container: Container, known: Project | None, from_project: str, steps: list[str]
) -> None:
    found = adopt_steps(ISURUS, known, (LAMNA,), WANTED, container, ARRANGING, from_project)
    assert kinds(found) == steps
    written = found[-1]
    assert isinstance(written, WriteRegistry)
    assert isinstance(written.edits[0], SetKeys if known else AddProject)


def test_adopting_refuses_the_repo_of_another() -> None:
    with pytest.raises(UsageError, match="overlaps 'deep/lamna'"):
        adopt_steps(replace(ISURUS, repo="deep"), None, (LAMNA,), WANTED, WHOLE, ARRANGING)


def test_finishing_and_forgetting() -> None:
    assert kinds(finish_steps(WANTED, WHOLE, ARRANGING)) == ["ArrangeUser"]
    bare = replace(WHOLE, devices={})
    assert kinds(finish_steps(WANTED, bare, ARRANGING)) == ["ChangeContainer", "ArrangeUser"]
    step = forget_step(ISURUS)
    assert isinstance(step, WriteRegistry)
    assert step.edits == (SetKeys({"container": False}, project="isurus"),)


@pytest.mark.parametrize(
    ("name", "folder", "project", "where"),
    [
        ("isurus", "/elsewhere", "isurus", "/r/isurus"),
        ("isurus", "/r/isurus/src", "isurus", "/r/isurus/src"),
        ("isurus", "/r/deep/lamna", "isurus", "/r/isurus"),
        ("isurus", "", "isurus", "/r/isurus"),
        (None, "/r/isurus", "isurus", "/r/isurus"),
        (None, "/r/deep/lamna/a/b", "lamna", "/r/deep/lamna/a/b"),
    ],
)
def test_which_project_is_meant(name: str | None, folder: str, project: str, where: str) -> None:
    found, there = named_or_current(REGISTRY, "/r", name, folder, "shell")
    assert (found.name, there) == (project, where)


@pytest.mark.parametrize("folder", ["", "/", "/r", "/r/deep", "/r/isurus2", "/r/lamna"])
def test_no_project_is_meant(folder: str) -> None:
    with pytest.raises(UsageError, match="`repoman shell NAME`"):
        named_or_current(REGISTRY, "/r", None, folder, "shell")


def test_choices_of_repairs() -> None:
    assert not RepairOptions().any
    assert RepairOptions(repair=True).any
    assert RepairOptions(missing="forget").chosen("missing") == "forget"
    assert RepairOptions(missing="forget").chosen("renamed") == ""
    RepairOptions("recreate", "adopt", "finish").check()
    for kind in ("missing", "orphan", "half-made"):
        requested = RepairOptions(**{kind.replace("-", "_"): "nonsense"})  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=f"--{kind}"):
            requested.check()
        assert len(CHOICES[kind]) == 2
