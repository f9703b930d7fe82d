"""Read a registry, and report errors in it."""

from __future__ import annotations

import pytest

from repoman_tasks.errors import UsageError
from repoman_tasks.model import (
    AgentEntry,
    Defaults,
    Estate,
    Excludes,
    Mirrored,
    Project,
    Registry,
    Tally,
)
from repoman_tasks.registry import parse

PATH = "/home/me/.config/repoman/repoman.toml"

FULL = """\
[estate]
id = "mine"
schema = 1

[defaults]
local_repos    = "~/repos"
nfs_repos      = "/nfs/repos"
incus_project  = "repoman"
default_image  = "images:ubuntu/26.04/cloud"
profiles       = ["default", "claude-share"]
jobs = 8
exclude = ["*.o"]
max_shrink = 1
nfs_fstypes = ["nfs4"]

[[project]]
name        = "isurus"
repo        = "isurus-project"       # relative to local_repos
image       = "images:ubuntu/26.04/cloud"
created     = "2026-04-28T15:00:00Z"
last_sync   = "2026-04-28T20:17:03Z"
backup      = true

[[project]]
name = "lamna"
container = false
exclude = ["/build"]
max_delete = 0
"""


def test_full_registry() -> None:
    registry = parse(FULL, PATH, {"LOCAL_REPOS": "/other", "REPOMAN_STALL_SECONDS": "5"})
    assert registry.estate == Estate("mine", 1)
    assert registry.defaults == Defaults(
        jobs=8, exclude=("*.o",), max_shrink=1, nfs_fstypes=("nfs4",), stall_seconds=5
    )
    isurus, lamna = registry.projects
    assert isurus == Project(
        "isurus",
        "isurus-project",
        "images:ubuntu/26.04/cloud",
        created="2026-04-28T15:00:00Z",
        last_sync="2026-04-28T20:17:03Z",
    )
    assert lamna == Project("lamna", "lamna", container=False, exclude=("/build",), max_delete=0)
    assert registry.excludes(lamna) == Excludes(("*.o", "/build"))
    assert registry.project("nobody") is None


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "[defaults]\n", "project = []\n"])
def test_empty_registry(text: str) -> None:
    registry = parse(text, PATH, {})
    assert (registry.estate, registry.defaults, registry.projects) == (Estate(), Defaults(), ())
    assert set(registry.origins.values()) == {"built-in"}


@pytest.mark.parametrize(
    ("text", "environ", "key", "value", "origin"),
    [
        ("", {}, "local_repos", "~/repos", "built-in"),
        ("", {"LOCAL_REPOS": "/r"}, "local_repos", "/r", "environment LOCAL_REPOS"),
        ("", {"LOCAL_REPOS": ""}, "local_repos", "~/repos", "built-in"),
        (
            '[defaults]\nlocal_repos = "/f"\n',
            {"LOCAL_REPOS": "/r"},
            "local_repos",
            "/f",
            "registry",
        ),
        ("", {"NFS_REPOS": "/n"}, "nfs_repos", "/n", "environment NFS_REPOS"),
        ("", {"INCUS_PROJECT": "p"}, "incus_project", "p", "environment INCUS_PROJECT"),
        ("", {"DEFAULT_IMAGE": "i"}, "default_image", "i", "environment DEFAULT_IMAGE"),
        ("", {"REPOMAN_JOBS": "7"}, "jobs", 7, "environment REPOMAN_JOBS"),
        ("", {"REPOMAN_MAX_SHRINK": "0.25"}, "max_shrink", 0.25, "environment REPOMAN_MAX_SHRINK"),
        ("", {"REPOMAN_EXCLUDE": "a, b,,"}, "exclude", ("a", "b"), "environment REPOMAN_EXCLUDE"),
        ("", {"JOBS": "7"}, "jobs", 8, "built-in"),
    ],
)
def test_the_source_of_a_default(
    text: str, environ: dict[str, str], key: str, value: object, origin: str
) -> None:
    registry = parse(text, PATH, environ)
    assert getattr(registry.defaults, key) == value
    assert registry.origins[key] == origin
    assert set(registry.origins) == set(vars(Defaults()))


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("false", False), ('"guard"', "guard")]
)
def test_protect(text: str, value: bool | str) -> None:
    parsed = parse(f'[[project]]\nname = "isurus"\nprotect = {text}\n', PATH, {})
    assert parsed.projects[0].protect == value


@pytest.mark.parametrize("text", ['"other"', "1", "[]", '"true"'])
def test_protect_has_no_other_value(text: str) -> None:
    with pytest.raises(UsageError, match=r"line 3: protect = .*must be true or false or"):
        parse(f'[[project]]\nname = "isurus"\nprotect = {text}\n', PATH, {})


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"REPOMAN_JOBS": "many"}, "REPOMAN_JOBS='many'.*must be a number"),
        ({"REPOMAN_JOBS": "0"}, "REPOMAN_JOBS='0'.*at least 1"),
        ({"REPOMAN_JOBS": "4.5"}, "REPOMAN_JOBS='4.5'.*number"),
        ({"REPOMAN_MAX_SHRINK": "nan"}, "REPOMAN_MAX_SHRINK.*at least 0 and at most 1"),
    ],
)
def test_wrong_environment(environ: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse("", PATH, environ)


TWO = '[[project]]\nname = "a"\n\n[[project]]\nname = "b"\n'


@pytest.mark.parametrize(
    ("text", "line", "what", "cure"),
    [
        # not TOML
        pytest.param("[defaults\n", 1, "not valid TOML", "Expected ']'", id="bracket"),
        pytest.param("a = 1\nb = \n", 2, "not valid TOML", "Invalid value", id="no value"),
        pytest.param("\n\njobs 4\n", 3, "not valid TOML", "Expected", id="no equals"),
        pytest.param('a = "x', 1, "not valid TOML", "", id="open string, end of file"),
        pytest.param(
            "[defaults]\njobs = 1\njobs = 2\n", 3, "not valid TOML", "overwrite", id="key twice"
        ),
        pytest.param("[defaults]\n[defaults]\n", 2, "not valid TOML", "twice", id="table twice"),
        pytest.param("<<<<<<< HEAD\n", 1, "not valid TOML", "", id="a merge conflict"),
        pytest.param("# fine\n\0\n", 2, "not valid TOML", "", id="NUL"),
        # unknown
        pytest.param(
            "\n[defalts]\n",
            2,
            "unknown table or key 'defalts'",
            "did you mean 'defaults'?",
            id="table",
        ),
        pytest.param(
            "\n[defalts]\njobs = 1\n", 2, "'defalts'", "did you mean", id="table with keys"
        ),
        pytest.param("[[projcet]]\n", 1, "'projcet'", "did you mean 'project'?", id="list"),
        pytest.param(
            "[zzz]\n", 1, "'zzz'", "known names: estate, defaults, project", id="no near one"
        ),
        pytest.param("# x\njobs = 4\n", 2, "'jobs'", "known names:", id="key above all tables"),
        pytest.param(
            "\nzzz.yyy = 4\n", 2, "'zzz'", "known names:", id="dotted key above all tables"
        ),
        pytest.param(
            "[defaults]\n\njbos = 4\n",
            3,
            "unknown key 'jbos' in [defaults]",
            "did you mean 'jobs'?",
            id="key",
        ),
        pytest.param('[defaults]\n"jbos" = 4\n', 2, "'jbos'", "did you mean 'jobs'?", id="quoted"),
        pytest.param(
            "[ defaults ]\njbos = 4\n", 2, "'jbos'", "did you mean", id="spaces in header"
        ),
        pytest.param(
            "[defaults] # x\njbos = 4\n", 2, "'jbos'", "did you mean", id="after a comment"
        ),
        pytest.param("defaults.jbos = 4\n", 1, "'jbos'", "did you mean", id="dotted key"),
        pytest.param(
            "# x\ndefaults = {jbos = 4}\n", 2, "'jbos'", "did you mean", id="inline table"
        ),
        pytest.param(
            "[defaults]\njobs = 1\n\n[defaults.zzz]\n", 4, "'zzz'", "known names:", id="subtable"
        ),
        pytest.param(
            TWO + "bakcup = true\n",
            6,
            "unknown key 'bakcup' in [project]",
            "did you mean 'backup'?",
            id="in the 2nd project",
        ),
        pytest.param(
            TWO.replace('"a"\n', '"a"\nbakcup = true\n'),
            3,
            "'bakcup'",
            "'backup'",
            id="in the 1st project",
        ),
        pytest.param(
            '# x\nproject = [{name = "a", bakcup = 1}]\n',
            2,
            "'bakcup'",
            "'backup'",
            id="in an inline project",
        ),
        pytest.param(
            '[estate]\nid = "x"\nshcema = 1\n',
            3,
            "'shcema' in [estate]",
            "'schema'",
            id="in estate",
        ),
        pytest.param(
            "# a\u2028b\x85c\n[defaults]\njbos = 4\n",
            3,
            "'jbos'",
            "did you mean",
            id="line ends of Unicode are none of TOML's",
        ),
        # of a wrong type
        pytest.param(
            "defaults = 3\n", 1, "defaults is not a table", "write [defaults]", id="no table"
        ),
        pytest.param(
            "\n[[defaults]]\n", 2, "defaults is not a table", "write [defaults]", id="a list"
        ),
        pytest.param(
            '[project]\nname = "a"\n',
            1,
            "project is not a list of tables",
            "write [[project]]",
            id="a table",
        ),
        pytest.param(
            "project = [1]\n", 1, "project is not a list", "write [[project]]", id="of numbers"
        ),
        pytest.param(
            "[defaults]\nlocal_repos = 3\n", 2, "local_repos = 3", "a string", id="int for str"
        ),
        pytest.param(
            '[defaults]\njobs = "4"\n', 2, 'jobs = "4"', "a whole number", id="str for int"
        ),
        pytest.param(
            "[defaults]\njobs = 4.0\n", 2, "jobs = 4.0", "a whole number", id="float for int"
        ),
        pytest.param(
            "[defaults]\njobs = true\n", 2, "jobs = true", "a whole number", id="bool for int"
        ),
        pytest.param(
            "[defaults]\nmax_shrink = true\n", 2, "max_shrink", "a number", id="bool for float"
        ),
        pytest.param(
            '[defaults]\nexclude = "a"\n', 2, "exclude", "a list of strings", id="str for list"
        ),
        pytest.param(
            '[defaults]\nexclude = ["a", 3]\n', 2, "exclude", "list of strings", id="int in list"
        ),
        pytest.param(TWO + "backup = 1\n", 6, "backup = 1", "true or false", id="int for bool"),
        pytest.param(
            TWO + "name2 = 1\n", 6, "unknown key 'name2'", "'name'", id="a key that is longer"
        ),
        pytest.param(
            TWO + "last_sync = 2026-04-28T20:17:03Z\n", 6, "last_sync", "a string", id="bare time"
        ),
        # out of range
        pytest.param(
            "[defaults]\njobs = 0\n", 2, "jobs = 0", "at least 1 and at most 64", id="jobs 0"
        ),
        pytest.param("[defaults]\njobs = 65\n", 2, "jobs = 65", "at most 64", id="jobs 65"),
        pytest.param(
            "[defaults]\nmax_shrink = 1.1\n", 2, "max_shrink", "at most 1", id="more than all"
        ),
        pytest.param("[defaults]\nmax_shrink = nan\n", 2, "max_shrink", "at least 0", id="nan"),
        pytest.param(
            "[defaults]\nstall_seconds = 0\n", 2, "stall_seconds", "at least 1", id="no time"
        ),
        pytest.param(TWO + "max_delete = -1\n", 6, "max_delete = -1", "at least 0", id="negative"),
        # projects that can't be
        pytest.param(
            TWO + '\n[[project]]\nname = "a"\n',
            8,
            "'a' is defined twice",
            "rename or remove",
            id="twice",
        ),
        pytest.param(
            TWO + 'repo = "a"\n', 6, "repo 'a' overlaps 'a'", "folder of its own", id="same repo"
        ),
        pytest.param(
            TWO + 'repo = "a/x"\n', 6, "overlaps 'a'", "folder of its own", id="repo in repo"
        ),
        pytest.param('\n[[project]]\nrepo = "a"\n', 2, "has no name", 'name = "…"', id="no name"),
        pytest.param('[[project]]\nname = ""\n', 2, "has no name", 'name = "…"', id="empty name"),
        pytest.param(
            '[[project]]\nname = "a b"\n',
            2,
            "'a b' is not a valid project name",
            "letters, digits",
            id="bad name",
        ),
        pytest.param(
            '[[project]]\nname = "Sync"\n', 2, "'Sync' is a command", "another", id="reserved"
        ),
        pytest.param(
            TWO + 'repo = "../x"\n', 6, "is outside local_repos", "below local_repos", id="dotdot"
        ),
        pytest.param(
            TWO + 'repo = "/x"\n', 6, "is outside local_repos", "below local_repos", id="absolute"
        ),
        pytest.param(TWO + 'repo = ""\n', 6, "not a folder below", "name one", id="empty repo"),
        pytest.param(
            TWO + 'last_sync = "yesterday"\n', 6, "is not a time", "2026-04-28T15:00:00Z", id="time"
        ),
        pytest.param(
            TWO + 'created = "2026-04-28"\n', 6, "is not a time", "write it as", id="only a day"
        ),
        pytest.param(
            '[estate]\nid = "x"\nschema = 3\n', 3, "schema 3", "update repoman", id="newer"
        ),
        pytest.param("agents = 1\n", 1, "not a set of", "write [agents.NAME]", id="agents"),
        pytest.param(
            "[agents.mine]\nrun = []\n", 2, "unknown key 'run'", "known names", id="agent's key"
        ),
        pytest.param(
            '\n[agents.mine]\nresume = ["x"]\n',
            2,
            "[agents.mine]: it needs command",
            "",
            id="agent",
        ),
        pytest.param(
            "[hosts.a]\nport = 1\n[hosts.b]\nprot = 1\n",
            4,
            "unknown key",
            "'port'",
            id="host's key",
        ),
        pytest.param("[agents.mine]\ncommand = 1\n", 2, "a list", "correct", id="agent's list"),
    ],
)
def test_wrong_registry(text: str, line: int, what: str, cure: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, PATH, {})
    said = str(caught.value)
    assert said.startswith(f"{PATH}, line {line}: ")
    assert what in said
    assert cure in said
    assert caught.value.cure, "each has a cure"
    assert said.isprintable()
    assert caught.value.code == 2


def test_agents() -> None:
    own = '[agents.mine]\ncommand = ["mine", "-y"]\nvariables = {MINE_HOME = "mine"}\n'
    registry = parse(f'{own}\n[agents.claude]\nresume = ["claude", "-r"]\n', PATH, {})
    assert registry.agents == (
        AgentEntry("mine", ("mine", "-y"), variables=(("MINE_HOME", "mine"),)),
        AgentEntry("claude", resume=("claude", "-r")),
    )


@pytest.mark.parametrize(
    ("value", "what"),
    [
        pytest.param('nfs_repos = "/a\\u0000b"', "nfs_repos", id="path with NUL"),
        pytest.param('local_repos = "/a\\u0000b"', "local_repos", id="repos with NUL"),
        pytest.param('exclude = ["a\\u0000"]', "exclude", id="pattern with NUL"),
    ],
)
def test_what_no_program_can_be_given_is_refused(value: str, what: str) -> None:
    """A NUL ends every argument of a program, so none is accepted."""
    with pytest.raises(UsageError, match=f"{PATH}, line 2: .*{what}"):
        parse(f"[defaults]\n{value}\n", PATH, {})


def test_registry_that_is_nested_too_deeply() -> None:
    with pytest.raises(UsageError, match="nested too deeply"):
        parse("a = " + "[" * 100_000, PATH, {})


OLD = """\
[estate]
schema = 1

[[project]]
name = "isurus"
asked_exclude = ["*.o"]
last_sync = "2026-04-28T20:17:03Z"
last_files = 12
last_loose = 3
last_packs = "aa"
last_tree = "bb"
"""


def test_registry_of_schema_1() -> None:
    registry = parse(OLD, PATH, {})
    assert registry.projects[0].requested_exclude == ("*.o",)
    assert registry.counted == {
        "isurus": Mirrored("2026-04-28T20:17:03Z", Tally(12, 3, "aa", "bb"))
    }


@pytest.mark.parametrize("line", ["last_files = 12", 'asked_image = "images:x"'])
def test_keys_of_schema_1_in_a_newer_file(line: str) -> None:
    with pytest.raises(UsageError, match="line 4: unknown key"):
        parse(f'[estate]\nschema = 2\n[[project]]\n{line}\nname = "a"\n', PATH, {})


@pytest.mark.parametrize("line", ["last_files = -1", "asked_image = 3"])
def test_wrong_keys_of_schema_1(line: str) -> None:
    with pytest.raises(UsageError, match=f"line 2: {line}: must be"):
        parse(f'[[project]]\n{line}\nname = "a"\n', PATH, {})


def test_registry_is_a_value() -> None:
    assert parse(FULL, PATH, {}) == parse(FULL, "/elsewhere", {})
    assert Registry().projects == ()
