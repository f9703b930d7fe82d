"""Steps of `setup`, `new` and `remove`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from repoman_tasks.errors import Refused, UsageError
from repoman_tasks.model import SCHEMA, Defaults, Estate, Project, Registry
from repoman_tasks.mountinfo import MountEntry
from repoman_tasks.planning.container.lifecycle import register_step
from repoman_tasks.planning.estate_steps import SetupOptions, new_project, remove_steps, setup_steps
from repoman_tasks.planning.mirror.share_check import (
    Marker,
    Probe,
)
from repoman_tasks.planning.registry_edits import AddProject, DropProject, SetKeys
from repoman_tasks.planning.steps import (
    CallIncus,
    DeleteContainer,
    DeleteRepo,
    MakeFolder,
    MarkShare,
    Step,
    WriteRegistry,
)

LOCAL, NFS = "/home/me/repos", "/nfs/repos"
PROBE = Probe(
    path=NFS,
    real=NFS,
    mount=MountEntry(41, 22, "0:60", NFS, "nfs4", "tank:/repos", False),
    local_mount=None,
    still_there=True,
    writable=True,
    free_mib=50_000,
    marker=None,
    uid=1000,
)
MINE = replace(PROBE, marker=Marker("mine", 1000, 0))
THEIRS = replace(PROBE, marker=Marker("theirs", 1000, 0))
UNREADABLE = replace(PROBE, marker=Marker("", 1000, 0))

IN_FILE = {"local_repos": "registry", "nfs_repos": "registry"}
FIRST = Registry(defaults=Defaults(LOCAL, NFS), origins={})
SET_UP = Registry(Estate("mine", SCHEMA), Defaults(LOCAL, NFS), (), IN_FILE)
NO_ESTATE = Registry(Estate(), Defaults(LOCAL, NFS), (), IN_FILE)

NOTHING = SetupOptions()
NEW_SHARE = SetupOptions(new_share=True)
ADOPT = SetupOptions(adopt_share=True)


def summarize(steps: list[Step]) -> list[tuple[str, Any]]:
    """Return the kind of each step, and its essential value."""
    found: list[tuple[str, Any]] = []
    for step in steps:
        if isinstance(step, MakeFolder):
            found.append(("folder", step.path))
        elif isinstance(step, MarkShare):
            found.append(("mark", step.estate))
        else:
            assert isinstance(step, WriteRegistry)
            values: dict[str, Any] = {}
            for edit in step.edits:
                assert isinstance(edit, SetKeys)
                values |= {f"{edit.table}.{key}": value for key, value in edit.values.items()}
            found.append(("write", values))
    return found


def paths(local: str = LOCAL, nfs: str = NFS) -> Mapping[str, str]:
    return {"defaults.local_repos": local, "defaults.nfs_repos": nfs}


def identity(estate: str) -> Mapping[str, Any]:
    return {"estate.schema": SCHEMA, "estate.id": estate}


@pytest.mark.parametrize(
    ("registry", "options", "local_exists", "probe", "expected"),
    [
        pytest.param(
            *(FIRST, NOTHING, True, PROBE),
            [("mark", "fresh"), ("write", {**paths(), **identity("fresh")})],
            id="first setup",
        ),
        pytest.param(
            *(FIRST, SetupOptions("/r", "/n"), False, PROBE),
            [
                ("folder", "/r"),
                ("mark", "fresh"),
                ("write", {**paths("/r", "/n"), **identity("fresh")}),
            ],
            id="first setup with paths, without the folder",
        ),
        pytest.param(SET_UP, NOTHING, True, MINE, [], id="second setup"),
        pytest.param(
            SET_UP, SetupOptions(LOCAL, NFS), True, MINE, [], id="second setup with the same paths"
        ),
        pytest.param(SET_UP, NEW_SHARE, True, MINE, [], id="--new-share on the own share"),
        pytest.param(SET_UP, ADOPT, True, MINE, [], id="--adopt-share on the own share"),
        pytest.param(
            *(SET_UP, NOTHING, False, MINE), [("folder", LOCAL)], id="only the folder is missing"
        ),
        pytest.param(
            *(SET_UP, SetupOptions("/r"), True, MINE),
            [("write", {"defaults.local_repos": "/r"})],
            id="other local repos",
        ),
        pytest.param(
            *(SET_UP, replace(NEW_SHARE, nfs_repos="/n"), True, PROBE),
            [("mark", "mine"), ("write", {"defaults.nfs_repos": "/n"})],
            id="another share without a marker",
        ),
        pytest.param(
            *(SET_UP, NEW_SHARE, True, THEIRS), [("mark", "mine")], id="taken over from another"
        ),
        pytest.param(
            *(SET_UP, NEW_SHARE, True, UNREADABLE), [("mark", "mine")], id="marker is garbage"
        ),
        pytest.param(
            *(FIRST, NEW_SHARE, True, THEIRS),
            [("mark", "fresh"), ("write", {**paths(), **identity("fresh")})],
            id="first setup, share taken over",
        ),
        pytest.param(
            *(FIRST, ADOPT, True, THEIRS),
            [("write", {**paths(), **identity("theirs")})],
            id="adopted: the marker stays",
        ),
        pytest.param(
            *(FIRST, ADOPT, True, PROBE),
            [("mark", "fresh"), ("write", {**paths(), **identity("fresh")})],
            id="nothing to adopt",
        ),
        pytest.param(
            *(NO_ESTATE, NOTHING, True, PROBE),
            [("mark", "fresh"), ("write", identity("fresh"))],
            id="a registry written by hand",
        ),
        pytest.param(
            *(replace(SET_UP, estate=Estate("mine", 0)), NOTHING, True, MINE),
            [("write", identity("mine"))],
            id="an older schema",
        ),
        pytest.param(
            *(replace(SET_UP, origins={"local_repos": "environment LOCAL_REPOS"}), NOTHING),
            *(True, MINE),
            [("write", paths())],
            id="paths that were set elsewhere",
        ),
    ],
)
def test_setup(
    registry: Registry,
    options: SetupOptions,
    local_exists: bool,
    probe: Probe,
    expected: list[tuple[str, Any]],
) -> None:
    steps = setup_steps(registry, True, options, local_exists, probe, "fresh")
    assert summarize(steps) == expected


@pytest.mark.parametrize(
    ("registry", "options", "probe", "message"),
    [
        pytest.param(SET_UP, NOTHING, PROBE, "has no marker.*--new-share", id="unmarked share"),
        pytest.param(SET_UP, NOTHING, THEIRS, "of estate theirs already.*--new-share", id="other"),
        pytest.param(SET_UP, NOTHING, UNREADABLE, "of estate unknown already", id="garbage"),
        pytest.param(SET_UP, ADOPT, THEIRS, "of estate theirs already", id="adopt beside an own"),
        pytest.param(SET_UP, ADOPT, PROBE, "has no marker", id="adopt an unmarked one"),
        pytest.param(FIRST, NOTHING, THEIRS, "of estate theirs already.*--adopt-share", id="first"),
        pytest.param(FIRST, NOTHING, UNREADABLE, "of estate unknown already", id="first, garbage"),
        pytest.param(FIRST, ADOPT, UNREADABLE, "can't be read.*--new-share", id="adopt garbage"),
    ],
)
def test_setup_refuses(
    registry: Registry, options: SetupOptions, probe: Probe, message: str
) -> None:
    with pytest.raises(Refused, match=message) as caught:
        setup_steps(registry, True, options, True, probe, "fresh")
    assert caught.value.code == 6


def test_setup_writes_the_marker_before_the_registry() -> None:
    """A registry with the id of an unmarked estate would need --new-share."""
    steps = setup_steps(FIRST, False, NOTHING, False, PROBE, "fresh")
    assert [type(step) for step in steps] == [MakeFolder, MarkShare, WriteRegistry]


@pytest.mark.parametrize(("registry_exists", "verb"), [(True, "change"), (False, "write")])
def test_descriptions_of_steps(registry_exists: bool, verb: str) -> None:
    steps = setup_steps(FIRST, registry_exists, NOTHING, False, PROBE, "fresh")
    assert [str(step) for step in steps] == [
        f"create the folder {LOCAL}",
        f"mark {NFS} as the backup share of estate fresh",
        f"{verb} the registry: local_repos = {LOCAL}, nfs_repos = {NFS}",
    ]


# --- new and remove --------------------------------------------------------------------

NOW = "2026-04-28T15:00:00Z"
KNOWN = Registry(projects=(Project("isurus", "isurus-project"), Project("deep", "a/b")))


@pytest.mark.parametrize(
    ("repo", "relative"),
    [
        ("", "lamna"),
        ("other", "other"),
        ("a/c", "a/c"),
        (f"{LOCAL}/x", "x"),
        ("~/repos/x", "x"),
        ("isurus-project2", "isurus-project2"),
    ],
)
def test_new_project(repo: str, relative: str) -> None:
    project = new_project(KNOWN, "lamna", repo, LOCAL, "/home/me", NOW)
    assert project == Project("lamna", relative, created=NOW)
    step = register_step(project, f"{LOCAL}/{relative}")
    assert isinstance(step, WriteRegistry)
    assert step.edits == (AddProject(project),)
    assert str(step) == f"register lamna with the repo {LOCAL}/{relative}"


@pytest.mark.parametrize(
    ("name", "repo", "message"),
    [
        ("isurus", "", "exists already"),
        ("list", "", "is a command"),
        ("a b", "", "is not a valid project name"),
        ("lamna", "isurus-project", "overlaps 'isurus-project'"),
        ("lamna", "isurus-project/sub", "overlaps 'isurus-project'"),
        ("lamna", "a", "overlaps 'a/b'"),
        ("lamna", "./a//b/", "overlaps 'a/b'"),
        ("lamna", "../x", "is outside local_repos"),
        ("lamna", "x/../../y", "is outside local_repos"),
        ("lamna", "/elsewhere/x", "not below local_repos"),
        ("lamna", LOCAL, "not below local_repos"),
        ("lamna", ".", "not a folder below"),
    ],
)
def test_new_project_refuses(name: str, repo: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        new_project(KNOWN, name, repo, LOCAL, "/home/me", NOW)


@pytest.mark.parametrize(
    ("state", "delete_repo", "message"),
    [
        (None, False, ["remove isurus from the registry; keep /r and its mirror"]),
        (
            "stopped",
            False,
            [
                "delete the container isurus",
                "remove isurus from the registry; keep /r and its mirror",
            ],
        ),
        (
            "running",
            True,
            [
                "delete the container isurus, which is running",
                "DELETE the repo /r after comparing it with its mirror once more",
                "remove isurus from the registry; keep its mirror",
            ],
        ),
    ],
)
def test_remove(state: str | None, delete_repo: bool, message: list[str]) -> None:
    project = Project("isurus", "r", last_sync=NOW)
    steps = remove_steps(project, "/r", state, delete_repo=delete_repo)
    assert list(map(str, steps)) == message
    assert isinstance(steps[-1], WriteRegistry), "the registry is edited last"
    assert steps[-1].edits == (DropProject("isurus"),)
    assert any(isinstance(step, DeleteRepo) for step in steps) is delete_repo
    assert any(isinstance(step, DeleteContainer) for step in steps) is (state is not None)


def test_what_was_never_mirrored_has_no_mirror_to_keep() -> None:
    (step,) = remove_steps(Project("isurus", "r"), "/r", None)
    assert str(step) == "remove isurus from the registry; keep /r"


def test_rules_are_removed_after_the_container_and_before_the_project() -> None:
    rules = CallIncus("update the rules", "PUT", "/1.0/network-acls/b", {})
    steps = remove_steps(Project("isurus", "r"), "/r", "stopped", [rules])
    assert [type(step) for step in steps] == [DeleteContainer, CallIncus, WriteRegistry]


def test_setup_writes_chosen_defaults() -> None:
    options = SetupOptions(chosen={"storage_pool": "fast", "bridge": "br1"})
    chosen = {"defaults.storage_pool": "fast", "defaults.bridge": "br1"}
    assert summarize(setup_steps(SET_UP, True, options, True, MINE, "new")) == [("write", chosen)]
    origins = {**IN_FILE, "storage_pool": "registry", "bridge": "registry"}
    defaults = replace(SET_UP.defaults, storage_pool="fast", bridge="br1")
    updated = replace(SET_UP, defaults=defaults, origins=origins)
    assert setup_steps(updated, True, options, True, MINE, "new") == []
