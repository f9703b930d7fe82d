"""The registry's file with many writers, killed writers, and invalid content."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from repoman_tasks.errors import UsageError
from repoman_tasks.hosts.base import Locked
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.model import SCHEMA, Mirrored, Project, Registry, Tally
from repoman_tasks.planning.registry_edits import AddProject, DropProject, Edit, SetKeys
from repoman_tasks.registry import Store, parse
from tests.support.processes import WAIT_SECONDS, wait_until

HAND = """\
# mine
[defaults]
jobs = 2  # a slow disk

[[project]]
name = "isurus"
repo = "isurus-project"  # the old name
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config/repoman.toml"


@pytest.fixture
def store(path: Path) -> Store:
    return Store(LocalHost({**os.environ, "REPOMAN_CONFIG": str(path)}))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def add(name: str) -> AddProject:
    return AddProject(Project(name, name))


def beside(path: Path) -> list[str]:
    """Return the files beside the registry, except its lock."""
    return sorted(set(os.listdir(path.parent)) - {path.name, f"{path.name}.lock"})


def start(program: str, path: Path, *argv: str) -> subprocess.Popen[bytes]:
    """Start a process, and wait until it has printed something."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *argv],
        env={**os.environ, "REPOMAN_CONFIG": str(path)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.stdout.close()
    return process


# --- where it is -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({}, "/home/me/.config/repoman/repoman.toml"),
        ({"XDG_CONFIG_HOME": "/x"}, "/x/repoman/repoman.toml"),
        ({"XDG_CONFIG_HOME": ""}, "/home/me/.config/repoman/repoman.toml"),
        ({"XDG_CONFIG_HOME": "/x", "REPOMAN_CONFIG": "/y/r.toml"}, "/y/r.toml"),
    ],
)
def test_path(environ: dict[str, str], path: str) -> None:
    assert Store(LocalHost({"HOME": "/home/me", **environ})).path == path


def test_relative_path_is_refused() -> None:
    with pytest.raises(UsageError, match="not an absolute path"):
        Store(LocalHost({"HOME": "/home/me", "REPOMAN_CONFIG": "r.toml"}))


# --- reading and changing --------------------------------------------------------------


def test_without_a_file(store: Store, path: Path) -> None:
    assert not store.submit_exists().result()
    assert store.load().projects == ()
    assert not path.parent.exists(), "reading creates nothing"


def test_first_change(store: Store, path: Path) -> None:
    after = store.update(lambda _: [add("isurus")])
    assert [p.name for p in after.projects] == ["isurus"]
    assert after.estate.schema == SCHEMA
    assert store.load() == after
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert beside(path) == []


def test_change_sees_the_file_as_it_is_under_the_lock(store: Store, path: Path) -> None:
    store.load()
    write(path, HAND)
    seen: list[Registry] = []

    def edits(registry: Registry) -> Sequence[Edit]:
        seen.append(registry)
        with pytest.raises(Locked), LocalHost().lock(f"{path}.lock"):
            pass
        return [DropProject("isurus")]

    after = store.update(edits)
    assert [p.name for p in seen[0].projects] == ["isurus"]
    assert after.projects == ()


def test_no_edit_leaves_the_file_alone(store: Store, path: Path) -> None:
    write(path, HAND)
    before = path.stat()
    store.update(lambda _: [])
    assert path.read_text() == HAND
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_an_edit_that_would_make_a_wrong_file_is_not_written(store: Store, path: Path) -> None:
    store.update(lambda _: [add("isurus")])
    before = path.read_text()
    for wrong in (add("isurus"), SetKeys({"jobs": 0}), SetKeys({"zzz": 1})):
        with pytest.raises(UsageError):
            store.update(lambda _, edit=wrong: [edit])  # type: ignore[misc]
        assert path.read_text() == before
    assert beside(path) == []


def test_an_error_while_planning_leaves_the_file_and_frees_the_lock(
    store: Store, path: Path
) -> None:
    write(path, HAND)

    def edits(_registry: Registry) -> Sequence[Edit]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.update(edits)
    assert path.read_text() == HAND
    store.update(lambda _: [add("lamna")])


def test_a_registry_that_is_a_link_stays_one(store: Store, path: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles/repoman.toml"
    write(real, HAND)
    real.chmod(0o644)
    path.parent.mkdir()
    path.symlink_to("../dotfiles/repoman.toml")
    store.update(lambda _: [add("lamna")])
    assert path.readlink() == Path("../dotfiles/repoman.toml")
    assert [p.name for p in store.load().projects] == ["isurus", "lamna"]
    assert "[[project]]" in real.read_text()
    assert stat.S_IMODE(real.stat().st_mode) == 0o644


def test_a_link_that_leads_nowhere_yet(store: Store, path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to("../dotfiles/repoman.toml")
    store.update(lambda _: [add("lamna")])
    assert path.is_symlink()
    assert "lamna" in (tmp_path / "dotfiles/repoman.toml").read_text()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[defaults\n", "line 1: not valid TOML"),
        (b"[defaults]\njbos = 2\n", "line 2: unknown key 'jbos'"),
        (b"[defaults]\njobs = 'x'\n", 'line 2: jobs = "x"'),
        (
            b"[[project]]\nname='a'\n[[project]]\nname='a'\n",
            "line 4: project 'a' is defined twice",
        ),
        (b"# fine\n# caf\xe9\n", "line 2: not UTF-8"),
        (b"[estate]\nschema = 99\n", "line 2: the file has schema 99"),
    ],
)
def test_a_wrong_file_is_an_error_and_stays(
    store: Store, path: Path, content: bytes, says: str
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(UsageError, match=f"{path}, {says}"):
        store.load()
    with pytest.raises(UsageError, match=f"{path}, {says}"):
        store.update(lambda _: [add("b")])
    assert path.read_bytes() == content
    assert beside(path) == []


# --- migrating -------------------------------------------------------------------------


def test_an_old_file_is_migrated_with_the_first_change_and_kept(store: Store, path: Path) -> None:
    write(path, HAND)
    store.load()
    assert path.read_text() == HAND, "looking migrates nothing"
    store.update(lambda _: [add("lamna")])
    text = path.read_text()
    assert store.load().estate.schema == SCHEMA
    assert "jobs = 2  # a slow disk" in text
    assert 'repo = "isurus-project"  # the old name' in text
    assert Path(f"{path}.schema-0").read_text() == HAND
    store.update(lambda _: [add("third")])
    assert Path(f"{path}.schema-0").read_text() == HAND, "the copy is of the old file"
    assert beside(path) == [f"{path.name}.schema-0"]


def test_counts_of_schema_1_become_state(store: Store, path: Path) -> None:
    """The copy keeps them, too; they are known before and after, and a lost state is no error."""
    counts = 'last_files = 12\nlast_loose = 3\nlast_packs = "aa"\nlast_tree = "bb"\n'
    project = f'[[project]]\nname = "isurus"\nlast_sync = "2026-04-28T20:17:03Z"\n{counts}'
    write(path, f"[estate]\nschema = 1\n\n{project}asked_exclude = ['*.o']\n")
    known = {"isurus": Mirrored("2026-04-28T20:17:03Z", Tally(12, 3, "aa", "bb"))}
    assert store.load().counted == known
    assert store.mirrors.load().projects == {}
    store.update(lambda _: [add("lamna")])
    assert store.load().counted == {}
    assert store.mirrors.load().projects == known
    assert store.load().projects[0].requested_exclude == ("*.o",)
    assert "last_files" not in path.read_text()
    assert counts in Path(f"{path}.schema-1").read_text()
    Path(store.mirrors.path).unlink()
    assert store.mirrors.load().projects == {}


# --- many writers ----------------------------------------------------------------------

ADD_MANY = """
import os, sys
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.model import Project
from repoman_tasks.planning.registry_edits import AddProject, SetKeys
from repoman_tasks.registry import Store, store as module
module._WAIT_SECONDS = 600.0  # of eight, one may wait for all the others
store, me = Store(LocalHost()), sys.argv[1]
print("ready", flush=True)
for number in range(25):
    name = f"p{me}-{number}"
    store.update(lambda _: [AddProject(Project(name, name))])
"""


def test_two_hundred_concurrent_changes_lose_nothing(store: Store, path: Path) -> None:
    write(path, HAND)
    writers = [start(ADD_MANY, path, str(number)) for number in range(8)]
    assert [writer.wait(WAIT_SECONDS) for writer in writers] == [0] * 8
    added = {f"p{writer}-{number}" for writer in range(8) for number in range(25)}
    registry = store.load()
    assert {p.name for p in registry.projects} == added | {"isurus"}
    assert registry.defaults.jobs == 2
    assert "# a slow disk" in path.read_text()
    assert beside(path) == [f"{path.name}.schema-0"]


KEEP_CHANGING = """
import sys
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.planning.registry_edits import SetKeys
from repoman_tasks.registry import Store
store, number = Store(LocalHost()), 0
print("ready", flush=True)
while True:
    number += 1
    values = {"local_repos": f"/r{number}", "nfs_repos": f"/n{number}"}
    store.update(lambda _: [SetKeys(values)])
"""


def test_a_writer_that_is_killed_leaves_the_old_or_the_new_file(store: Store, path: Path) -> None:
    """Two values always change together, so they never come from two different files."""
    store.update(lambda _: [SetKeys({"local_repos": "/r0", "nfs_repos": "/n0"})])
    moments = random.Random(2)
    for _ in range(10):
        before = path.read_text()
        writer = start(KEEP_CHANGING, path)
        wait_until(lambda before=before: path.read_text() != before)  # type: ignore[misc]
        time.sleep(moments.uniform(0, 0.02))
        writer.kill()
        writer.wait()
        defaults = parse(path.read_text(), str(path), {}).defaults
        assert defaults.local_repos[2:] == defaults.nfs_repos[2:]
    store.update(lambda _: [add("after")])
    assert store.load().project("after")
    assert beside(path) == []


def test_each_text_is_parsed_once(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync reads the registry several times, and notes its end there."""
    write(path, f"[estate]\nschema = {SCHEMA}\n{HAND}# once\n")
    texts: list[str] = []
    loads = tomllib.loads

    def counted(text: str) -> dict[str, object]:
        texts.append(text)
        return loads(text)

    monkeypatch.setattr(tomllib, "loads", counted)
    store.load()
    for when in ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"):
        store.load()
        edits = [SetKeys({"last_sync": when}, project="isurus")]
        store.update(lambda _, edits=edits: edits)  # type: ignore[misc]
        assert store.load().projects[0].last_sync == when
    assert len(texts) == 3
    assert len(set(texts)) == 3
