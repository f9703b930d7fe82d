"""Change the registry's text, and keep the rest as a person wrote it."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repoman_tasks.model import SCHEMA, Defaults, Mount, Project, Registry
from repoman_tasks.planning.names import RESERVED_NAMES
from repoman_tasks.planning.registry_edits import AddProject, DropProject, Edit, SetKeys
from repoman_tasks.registry import edited, migrated, parse

HAND = """\
# my machines, 2026
[defaults]
local_repos    = "~/repos"   # on the fast disk
nfs_repos      = "/nfs/repos"
profiles       = ["default",
                  "claude-share"]  # both

# --- the sharks ---

[[project]]
name        = "isurus"
repo        = "isurus-project"       # relative to local_repos
created     = "2026-04-28T15:00:00Z"
last_sync   = "2026-04-28T20:17:03Z"
backup      = true
# isurus ends here

# --- the others ---

[[project]]
name = 'lamna'  # the salmon shark

# the end
"""


def record_sync(name: str, when: str, number: int) -> SetKeys:
    """Record a sync of a project, and a number."""
    return SetKeys({"last_sync": when, "max_delete": number, "mirror": name}, project=name)


SYNCED = record_sync("isurus", "2026-05-01T00:00:00Z", 12)
NEW = AddProject(Project("zeus", "zeus", created="2026-05-01T00:00:00Z", container=False))
NEW_TEXT = """
[[project]]
name = "zeus"
repo = "zeus"
created = "2026-05-01T00:00:00Z"
backup = true
container = false
"""
HEAD = """\
# repoman's registry: which projects exist and where they are.
# Written by repoman and by you; your comments and your order stay.
"""


@pytest.mark.parametrize(
    ("before", "edits", "after"),
    [
        pytest.param(HAND, [], HAND, id="nothing"),
        pytest.param(HAND, [DropProject("nobody")], HAND, id="drop what is not there"),
        pytest.param(
            HAND, [record_sync("nobody", "x", 1)], HAND, id="record what was dropped meanwhile"
        ),
        pytest.param(
            HAND,
            [SYNCED],
            HAND.replace("2026-04-28T20:17:03Z", "2026-05-01T00:00:00Z").replace(
                "backup      = true\n", 'backup      = true\nmax_delete = 12\nmirror = "isurus"\n'
            ),
            id="record a sync: in place, new keys last",
        ),
        pytest.param(
            HAND,
            [record_sync("lamna", "2026-05-01T00:00:00Z", 0)],
            HAND.replace(
                "shark\n",
                'shark\nlast_sync = "2026-05-01T00:00:00Z"\nmax_delete = 0\nmirror = "lamna"\n',
            ),
            id="record a sync: above the comment of what follows",
        ),
        pytest.param(
            HAND,
            [SetKeys({"nfs_repos": "/n", "jobs": 7, "profiles": None})],
            HAND.replace('"/nfs/repos"', '"/n"').replace(
                'profiles       = ["default",\n                  "claude-share"]  # both\n',
                "jobs = 7\n",
            ),
            id="change, add and remove defaults",
        ),
        pytest.param(
            HAND,
            [SetKeys({"schema": 1, "id": "mine"}, "estate")],
            '[estate]\nschema = 1\nid = "mine"\n\n' + HAND,
            id="a table that was missing goes to the top",
        ),
        pytest.param(HAND, [NEW], HAND + NEW_TEXT, id="a new project goes to the end"),
        pytest.param(
            HAND.rstrip(), [NEW], HAND + NEW_TEXT, id="after a file without a last newline"
        ),
        pytest.param(HAND + "\n\n\n", [NEW], HAND + NEW_TEXT, id="after empty lines"),
        pytest.param(
            "[[project]]\nname='a'\n",
            [NEW, DropProject("a")],
            NEW_TEXT.lstrip(),
            id="the only project is dropped",
        ),
        pytest.param(
            "[[project]]\nname='a'\n[[project]]\nname='b'\n[[project]]\nname='c'\n",
            [DropProject("b")],
            "[[project]]\nname='a'\n[[project]]\nname='c'\n",
            id="the one in the middle is dropped",
        ),
        pytest.param(
            "[defaults]\njobs = 2\n[[project]]\nname='a'\n",
            [DropProject("a")],
            "[defaults]\njobs = 2\n",
            id="the last project is dropped",
        ),
        pytest.param(
            "",
            [SetKeys({"schema": 1}, "estate"), SetKeys({"jobs": 2}), NEW],
            HEAD + "\n[estate]\nschema = 1\n\n[defaults]\njobs = 2\n" + NEW_TEXT,
            id="a new file",
        ),
        pytest.param(
            "# mine\n", [NEW], "# mine\n" + NEW_TEXT, id="a file that holds a comment only"
        ),
        pytest.param(
            'project = [{name="a"}]\n',
            [AddProject(Project("b", "b"))],
            'project = [{name="a"}, {name = "b",repo = "b",backup = true}]\n',
            id="projects in one line",
        ),
        pytest.param(
            "defaults = {jobs = 3}  # short\n",
            [SetKeys({"jobs": 4})],
            "defaults = {jobs = 4}  # short\n",
            id="defaults in one line",
        ),
        pytest.param(
            "defaults.jobs = 3  # short\n",
            [SetKeys({"jobs": 4})],
            "defaults.jobs = 4  # short\n",
            id="a dotted key",
        ),
        pytest.param(
            "[defaults]\r\njobs = 1 # c\r\n",
            [SetKeys({"jobs": 2})],
            "[defaults]\r\njobs = 2 # c\r\n",
            id="lines that end as on Windows",
        ),
    ],
)
def test_edited(before: str, edits: list[Edit], after: str) -> None:
    assert edited(before, edits) == after


def test_dropping_a_project_leaves_the_comments_of_the_next_one() -> None:
    """The lines above a table belong to it, as a reader sees it."""
    after = edited(HAND, [DropProject("isurus")])
    assert "# --- the others ---" in after
    assert "# the end" in after


def test_dropping_the_last_project_keeps_the_text_below_it() -> None:
    assert "# the end" in edited(HAND, [DropProject("lamna")])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "[[project]]\nname='a'\n[defaults]\njobs=2\n[[project]]\nname='b'\n", id="apart"
        ),
        pytest.param(
            "[defaults]\njobs=2\n[[project]]\nname='a'\n[estate]\nid='x'\n", id="estate last"
        ),
        pytest.param("defaults.jobs=2\nestate.id='x'\nproject=[{name='a'}]\n", id="all dotted"),
    ],
)
def test_tables_in_an_unusual_order(text: str) -> None:
    edits: list[Edit] = [SetKeys({"jobs": 3}), SetKeys({"schema": 1}, "estate"), SYNCED, NEW]
    before, after = parse(text, "f", {}), parse(edited(text, edits), "f", {})
    assert after.defaults.jobs == 3
    assert after.estate == replace(before.estate, schema=1)
    assert [p.name for p in after.projects] == [*(p.name for p in before.projects), "zeus"]


OLD = """\
[estate]
schema = 1 # the first

[[project]]
name = "isurus" # asked_image = 1
asked_image = "images:debian/12" # its wish
asked_exclude = [
    "last_files = 7",
]
last_sync = "2026-04-28T20:17:03Z"
last_files = 12
last_loose = 3
last_packs = "aa"
last_tree = "bb"
# the next
mirror = "isurus"
"""
NEW_FORM = """\
[estate]
schema = 2 # the first

[[project]]
name = "isurus" # asked_image = 1
requested_image = "images:debian/12" # its wish
requested_exclude = [
    "last_files = 7",
]
last_sync = "2026-04-28T20:17:03Z"
# the next
mirror = "isurus"
"""


@pytest.mark.parametrize(
    ("text", "after"),
    [
        pytest.param(HAND, "[estate]\nschema = 2\n\n" + HAND, id="written by hand"),
        pytest.param(
            '[estate]\nid = "x" # c\n', '[estate]\nid = "x" # c\nschema = 2\n', id="no schema"
        ),
        pytest.param(OLD, NEW_FORM, id="schema 1"),
        pytest.param("[estate]\nschema = 2\n", "[estate]\nschema = 2\n", id="today's"),
    ],
)
def test_migrated(text: str, after: str) -> None:
    assert migrated(text) == after
    assert migrated(after) == after
    assert parse(after, "f", {}).estate.schema == SCHEMA


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            '[[project]]\nname = "a"\nlast_files = 3\n[project.asked_env]\nX = "1"\n',
            id="a table of its own",
        ),
        pytest.param(
            'project = [{name = "a", last_files = 3, asked_env = {X = "1"}}]\n', id="inline"
        ),
        pytest.param('[[project]]\nname = "a"\n"last_files" = 3\nasked_env.X = "1"\n', id="dotted"),
    ],
)
def test_other_forms_are_migrated(text: str) -> None:
    after = parse(migrated(text), "f", {})
    assert after.projects == (Project("a", "a", requested_env=(("X", "1"),)),)
    assert after.estate.schema == SCHEMA


# --- any registry ----------------------------------------------------------------------

TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
)  # what TOML can hold and a program can be given
NAME = st.from_regex(r"[a-zA-Z]([a-zA-Z0-9-]{0,8}[a-zA-Z0-9])?", fullmatch=True).filter(
    lambda name: name.lower() not in RESERVED_NAMES
)
REPO = st.from_regex(r"[\w .'\"#\[\]=-]{1,8}", fullmatch=True).filter(
    lambda repo: repo.strip(".") != ""
)
TIME = st.just("") | st.datetimes().map(lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ")).filter(
    lambda t: t[0] != "0" and len(t) == 20
)
LISTS = st.lists(TEXT, max_size=3).map(tuple)
IMAGE = st.just("") | st.from_regex(
    r"([a-z][a-z0-9]{0,5}:)?[a-z0-9][a-z0-9./-]{0,8}", fullmatch=True
)
PROFILE = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)
PROFILES = st.lists(PROFILE, max_size=3).map(tuple)
VARIABLE = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
ENV = st.dictionaries(VARIABLE, TEXT, max_size=3).map(lambda env: tuple(env.items()))
PATH = st.from_regex(r"/[a-z'\"#\[\]={} ][a-z]{0,8}", fullmatch=True)
MOUNTS = st.lists(st.builds(Mount, PATH, PATH, st.booleans()), max_size=2).map(tuple)
PROJECT = st.builds(
    Project,
    name=NAME,
    repo=REPO,
    image=IMAGE,
    profiles=st.none() | PROFILES,
    env=ENV,
    mounts=MOUNTS,
    requested_image=IMAGE,
    requested_profiles=st.none() | PROFILES,
    requested_env=ENV,
    requested_mounts=MOUNTS,
    requested_exclude=LISTS,
    network=st.sampled_from(["", "internet", "open", "none"]),
    allow=st.lists(st.sampled_from(["192.168.1.20:5432", "[fd00::1]:443"])).map(tuple),
    protect=st.sampled_from([True, False, "guard"]),
    created=TIME,
    last_sync=TIME,
    backup=st.booleans(),
    container=st.booleans(),
    exclude=LISTS,
    max_delete=st.none() | st.integers(0, 10**6),
)
PROJECTS = st.lists(
    PROJECT, max_size=4, unique_by=(lambda project: project.name, lambda project: project.repo)
)
DEFAULT_VALUES = st.fixed_dictionaries(
    {},
    optional={
        "local_repos": TEXT,
        "default_image": IMAGE,
        "profiles": PROFILES,
        "exclude": LISTS,
        "jobs": st.integers(1, 64),
        "max_shrink": st.floats(0, 1),
        "min_free_mib": st.integers(0, 2**40),
    },
)
COMMENT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).map("# {}".format)


@st.composite
def edits_of(draw: st.DrawFn, registry: Registry) -> Edit:
    names = [p.name for p in registry.projects]
    kinds = ["defaults", "estate", "add", *(["drop", "sync", "project"] if names else [])]
    kind = draw(st.sampled_from(kinds))
    if kind == "defaults":
        return SetKeys(draw(DEFAULT_VALUES))
    if kind == "estate":
        return SetKeys({"schema": 1, "id": draw(TEXT)}, "estate")
    if kind == "add":
        taken = {p.repo for p in registry.projects}
        fresh = PROJECT.filter(lambda p: p.name not in names and p.repo not in taken)
        return AddProject(draw(fresh))
    name = draw(st.sampled_from(names))
    if kind == "drop":
        return DropProject(name)
    if kind == "sync":
        return record_sync(name, "2026-05-01T00:00:00Z", draw(st.integers(0, 99)))
    values: dict[str, Any] = {
        "image": draw(IMAGE),
        "requested_env": draw(ENV),
        "mounts": draw(MOUNTS),
    }
    values["requested_exclude"] = draw(LISTS)
    return SetKeys({**values, "max_delete": None}, project=name)


def applied(registry: Registry, edit: Edit) -> Registry:
    """Return the result of `edit`, computed a second time without any text."""
    if isinstance(edit, AddProject):
        return replace(registry, projects=(*registry.projects, edit.project))
    if isinstance(edit, DropProject):
        return replace(
            registry, projects=tuple(p for p in registry.projects if p.name != edit.name)
        )
    values: dict[str, Any] = dict(edit.values)
    if edit.project:
        return replace(
            registry,
            projects=tuple(
                replace(p, **values) if p.name == edit.project else p for p in registry.projects
            ),
        )
    if edit.table == "estate":
        return replace(registry, estate=replace(registry.estate, **values))
    return replace(registry, defaults=replace(registry.defaults, **values))


def values_of(registry: Registry) -> tuple[Any, ...]:
    return registry.estate, registry.defaults, registry.projects


def commented(text: str, comments: Sequence[str], draw: st.DataObject) -> str:
    """Return `text` with a comment above each line and at its end."""
    lines = text.split("\n")[:-1]
    for comment in comments:
        lines.insert(draw.draw(st.integers(0, len(lines))), comment)
    return "\n".join(lines) + "\n"


@settings(max_examples=80)
@given(DEFAULT_VALUES, PROJECTS, st.lists(COMMENT, max_size=4, unique=True), st.data())
def test_any_edit_of_any_registry_comes_back_and_leaves_the_rest(
    defaults: dict[str, Any], projects: list[Project], comments: list[str], data: st.DataObject
) -> None:
    text = edited("", [SetKeys(defaults), *(AddProject(project) for project in projects)])
    registry = parse(text, "f", {})
    assert values_of(registry)[1:] == (replace(Defaults(), **defaults), tuple(projects))

    text = commented(text, comments, data)
    assert values_of(parse(text, "f", {})) == values_of(registry)
    for _ in range(data.draw(st.integers(1, 3))):
        edit = data.draw(edits_of(registry))
        text, registry = edited(text, [edit]), applied(registry, edit)
        assert values_of(parse(text, "f", {})) == values_of(registry)
        if isinstance(edit, DropProject):  # what stood within the project goes with it
            comments = [comment for comment in comments if comment in text.split("\n")]
        for comment in comments:
            assert comment in text.split("\n")


@settings(max_examples=60)
@given(PROJECTS)
def test_the_text_of_a_registry_is_stable(projects: list[Project]) -> None:
    text = edited("", [AddProject(project) for project in projects])
    assert edited(text, []) == text
    assert migrated(migrated(text)) == migrated(text)
    tomllib.loads(text)
