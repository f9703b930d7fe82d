"""Steps of a container's lifecycle, choices of repairs, and the current project."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repoman_tasks.errors import UsageError
from repoman_tasks.model import Project, Registry, Requested
from repoman_tasks.planning.container.lifecycle import (
    adopt_steps,
    create_steps,
    delete_half_made_steps,
    finish_steps,
    forget_step,
    record_steps,
    register_step,
    update_steps,
)
from repoman_tasks.planning.container.repairs import CHOICES, RepairOptions
from repoman_tasks.planning.container.spec import (
    MAKING_TAG,
    NEW,
    Container,
    Spec,
    apply_requested,
    container_spec,
)
from repoman_tasks.planning.current_project import named_or_current
from repoman_tasks.planning.fence.bridge import nic
from repoman_tasks.planning.registry_edits import AddProject, SetKeys
from repoman_tasks.planning.steps import (
    ArrangeUser,
    ChangeContainer,
    Step,
    WriteRegistry,
)

ISURUS = Project("isurus", "isurus", image="debian")
LAMNA = Project("lamna", "deep/lamna")
REGISTRY = Registry(projects=(ISURUS, LAMNA))
SPEC = container_spec(ISURUS, REGISTRY, "/r", "/h")
WHOLE = Container("isurus", "running", SPEC.config, SPEC.devices, SPEC.profiles)
USER_STEP = ArrangeUser("isurus", "dev", "/r/isurus")
ORIGIN = {"type": "image", "fingerprint": "f"}


def kinds(steps: list[Step]) -> list[str]:
    return [type(step).__name__ for step in steps]


def test_delete_half_made() -> None:
    assert delete_half_made_steps("isurus", {}) == []
    half = replace(WHOLE, config={**WHOLE.config, MAKING_TAG: "t"})
    assert kinds(delete_half_made_steps("isurus", {"isurus": half})) == ["DeleteContainer"]
    with pytest.raises(UsageError, match="adopt isurus"):
        delete_half_made_steps("isurus", {"isurus": WHOLE})


def test_create() -> None:
    steps = create_steps(ISURUS, SPEC, ORIGIN, "/r/isurus", "dev")
    assert kinds(steps) == ["CreateContainer", "ArrangeUser"]
    assert "from debian" in str(steps[0])


@pytest.mark.parametrize(
    ("changed", "flags", "steps", "left"),
    [
        ({}, {}, [], []),
        ({"profiles": ()}, {}, ["ChangeContainer"], []),
        ({"config": {**SPEC.config, "raw.lxc": "x"}}, {}, [], ["restart"]),
        (
            {"config": {**SPEC.config, "raw.lxc": "x"}, "profiles": ()},
            {},
            ["ChangeContainer"],
            ["restart"],
        ),
        (
            {"config": {**SPEC.config, "raw.lxc": "x"}},
            {"restart": True},
            ["ChangeContainer", "ChangeState"],
            [],
        ),
        (
            {"config": {**SPEC.config, "raw.lxc": "x"}, "status": "stopped"},
            {},
            ["ChangeContainer"],
            [],
        ),
        ({"config": {**SPEC.config, "user.repoman.image": "old"}}, {}, [], ["rebuild"]),
        (
            {"config": {**SPEC.config, "user.repoman.image": "old"}},
            {"rebuild": True},
            ["RebuildContainer", "ArrangeUser"],
            [],
        ),
        ({}, {"user_is_missing": True}, ["ArrangeUser"], []),
    ],
)
def test_update(
    changed: dict[str, object], flags: dict[str, bool], steps: list[str], left: list[str]
) -> None:
    container = replace(WHOLE, **changed)  # type: ignore[arg-type]
    found, remains = update_steps(
        SPEC,
        container,
        ORIGIN if flags.get("rebuild") else None,
        USER_STEP,
        restart=flags.get("restart", False),
        user_is_missing=flags.get("user_is_missing", False),
    )
    assert kinds(found) == steps
    assert [difference.need for difference in remains] == left


@pytest.mark.parametrize("status", ["running", "stopped"])
@pytest.mark.parametrize("restart", [True, False])
def test_a_container_stays_in_its_incus_project(status: str, restart: bool) -> None:
    """And all else is changed there."""
    spec, container = replace(SPEC, home="two"), replace(WHOLE, status=status, home="one")
    found, remains = update_steps(
        spec, container, ORIGIN, USER_STEP, restart=restart, user_is_missing=False
    )
    assert (kinds(found), [difference.need for difference in remains]) == ([], [NEW])
    spec = replace(spec, profiles=("default",))
    found, remains = update_steps(
        spec, container, ORIGIN, USER_STEP, restart=restart, user_is_missing=False
    )
    assert kinds(found) == ["ChangeContainer"]
    assert "nesting" not in str(found[0])
    assert [difference.need for difference in remains] == [NEW]


PINNED = nic("br0", "10.0.0.9")
OTHER = nic("br0", "10.0.0.8")
CUT_OFF: dict[str, str] = {"type": "none"}


@pytest.mark.parametrize(
    ("before", "after", "now"),
    [
        pytest.param(None, PINNED, False, id="another address"),
        pytest.param(OTHER, PINNED, False, id="a third address"),
        pytest.param(PINNED, None, False, id="any address"),
        pytest.param(CUT_OFF, None, False, id="a network"),
        pytest.param(None, CUT_OFF, True, id="no network"),
        pytest.param(PINNED, CUT_OFF, True, id="no network any more"),
    ],
)
def test_a_running_container_keeps_its_address_until_a_restart(
    before: dict[str, str] | None, after: dict[str, str] | None, now: bool
) -> None:
    """Many a DHCP client would not notice another one."""

    def devices(device: dict[str, str] | None) -> dict[str, dict[str, str]]:
        return {**map_devices(SPEC), **({"eth0": device} if device else {})}

    spec = replace(SPEC, devices=devices(after))
    container = replace(WHOLE, devices=devices(before), profiles=())
    steps, left = update_steps(
        spec, container, None, USER_STEP, restart=False, user_is_missing=False
    )
    assert isinstance(steps[0], ChangeContainer)  # the profiles
    assert steps[0].changes["devices"].get("eth0") == (after if now else before)
    assert [difference.need for difference in left] == ([] if now else ["restart"])
    restarted, rest = update_steps(
        spec, container, None, USER_STEP, restart=True, user_is_missing=False
    )
    assert isinstance(restarted[0], ChangeContainer)
    assert restarted[0].changes["devices"].get("eth0") == after
    assert kinds(restarted[1:]) == ([] if now else ["ChangeState"])
    assert not rest
    stopped = replace(container, status="stopped")
    steps, left = update_steps(spec, stopped, None, USER_STEP, restart=False, user_is_missing=False)
    assert isinstance(steps[0], ChangeContainer)
    assert steps[0].changes["devices"].get("eth0") == after
    assert not left


def map_devices(spec: Spec) -> dict[str, dict[str, str]]:
    return {name: dict(device) for name, device in spec.devices.items()}


def test_changed_keys_are_recorded() -> None:
    assert record_steps(ISURUS, ISURUS) == []
    asked = apply_requested(ISURUS, Requested(image="x", env=(("A", "1"),)), "", ())
    (step,) = record_steps(ISURUS, asked)
    assert isinstance(step, WriteRegistry)
    assert step.edits == (
        SetKeys({"requested_image": "x", "requested_env": (("A", "1"),)}, project="isurus"),
    )
    (back,) = record_steps(asked, ISURUS)
    assert isinstance(back, WriteRegistry)
    assert back.edits == (
        SetKeys({"requested_image": None, "requested_env": ()}, project="isurus"),
    )


def test_steps_name_the_exclude_patterns_of_the_repo() -> None:
    before = replace(ISURUS, requested_exclude=("old", "kept"))
    after = apply_requested(before, Requested(exclude=("kept", "new")), "", ())
    (step,) = record_steps(before, after)
    assert "its .repoman.toml excludes from the mirror: - old, + new" in str(step)
    assert "excludes from the mirror: kept, new" in str(register_step(after, "/r/isurus"))
    assert "excludes" not in str(register_step(replace(after, backup=False), "/r/isurus"))


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
            WHOLE, replace(ISURUS, container=False), "", ["WriteRegistry"], id="unexpected"
        ),
        pytest.param(
            replace(WHOLE, config={**SPEC.config, MAKING_TAG: "t"}),
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
def test_adopt(
    container: Container, known: Project | None, from_project: str, steps: list[str]
) -> None:
    found = adopt_steps(ISURUS, known, (LAMNA,), SPEC, container, USER_STEP, from_project)
    assert kinds(found) == steps
    written = found[-1]
    assert isinstance(written, WriteRegistry)
    assert isinstance(written.edits[0], SetKeys if known else AddProject)


def test_adopt_refuses_an_overlapping_repo() -> None:
    with pytest.raises(UsageError, match="overlaps 'deep/lamna'"):
        adopt_steps(replace(ISURUS, repo="deep"), None, (LAMNA,), SPEC, WHOLE, USER_STEP)


def test_finish_and_forget() -> None:
    assert kinds(finish_steps(SPEC, WHOLE, USER_STEP)) == ["ArrangeUser"]
    bare = replace(WHOLE, devices={})
    assert kinds(finish_steps(SPEC, bare, USER_STEP)) == ["ChangeContainer", "ArrangeUser"]
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
def test_named_or_current_project(name: str | None, folder: str, project: str, where: str) -> None:
    found, there = named_or_current(REGISTRY, "/r", name, folder, "shell")
    assert (found.name, there) == (project, where)


@pytest.mark.parametrize("folder", ["", "/", "/r", "/r/deep", "/r/isurus2", "/r/lamna"])
def test_no_current_project(folder: str) -> None:
    with pytest.raises(UsageError, match="`repoman shell NAME`"):
        named_or_current(REGISTRY, "/r", None, folder, "shell")


@pytest.mark.parametrize("name", ["isurus", None])
def test_no_registry(name: str | None) -> None:
    with pytest.raises(UsageError, match="no registry yet: run `repoman setup`"):
        named_or_current(Registry(), "/r", name, "/", "undo")


def test_repair_options() -> None:
    assert not RepairOptions().requested
    assert RepairOptions(repair=True).requested
    assert RepairOptions(missing="forget").choice("missing") == "forget"
    assert RepairOptions(missing="forget").choice("renamed") == ""
    RepairOptions("recreate", "adopt", "finish").check()
    for kind in ("missing", "orphan", "half-made"):
        requested = RepairOptions(**{kind.replace("-", "_"): "nonsense"})  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=f"--{kind}"):
            requested.check()
        assert len(CHOICES[kind]) == 2
