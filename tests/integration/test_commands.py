"""Every command, run as a process on a throwaway estate."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import invoke.executor
import pytest
from invoke.exceptions import Exit

from repoman_tasks.commands import collection
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.planning.mirror.share_check import MARKER, marker_text
from repoman_tasks.registry import parse
from tests.support.estate import CHECKOUT, Estate, Result, hash_home, hash_tree, run
from tests.support.processes import WAIT_SECONDS

SCRIPT = Path(sys.executable).with_name("repoman")


@pytest.fixture
def ready(estate: Estate) -> Estate:
    """Return an estate that is set up."""
    return estate.prepare()


@pytest.fixture
def isurus(estate: Estate) -> Estate:
    """Return an estate with the project isurus, not mirrored yet."""
    return estate.prepare("isurus")


def is_one_line(done: Result, code: int) -> str:
    """Check that a command failed with `code`, one line of error and no output; return the line."""
    assert done.code == code, done
    assert done.out == ""
    assert re.fullmatch(r"repoman: [^\n]+\n", done.err), done.err
    return done.err


def names(estate: Estate) -> list[str]:
    registry = parse(estate.registry.read_text(), str(estate.registry), {})
    return [project.name for project in registry.projects]


def share_of(estate: Estate) -> str:
    """Return the id in the marker on the share."""
    found = re.search(r'estate = "(.+)"', (estate.share / ".repoman-share").read_text())
    assert found
    return found[1]


# --- setup -----------------------------------------------------------------------------


@pytest.mark.over_ssh
def test_setup_the_first_and_the_second_time(estate: Estate) -> None:
    paths = ("--local-repos", str(estate.local_repos), "--nfs-repos", str(estate.share))
    first = estate.run("setup", *paths, code=0)
    assert f"done: mark {estate.share} as the backup share" in first.out
    assert "done: write the registry" in first.out
    registry = parse(estate.registry.read_text(), "", {})
    assert registry.estate.id == share_of(estate)
    assert registry.defaults.local_repos == str(estate.local_repos)
    assert registry.defaults.nfs_repos == str(estate.share)
    before = estate.hash_files()
    for argv in (("setup",), ("setup", *paths), ("setup", "--new-share")):
        assert estate.run(*argv, code=0).out == "nothing to do\n"
    assert estate.hash_files() == before


@pytest.mark.over_ssh
def test_setup_makes_the_default_folder_in_the_home(estate: Estate, tmp_path: Path) -> None:
    estate.local_repos.rmdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    estate.run("setup", "--nfs-repos", str(estate.share), cwd=elsewhere, code=0)
    assert os.listdir(elsewhere) == []
    assert estate.local_repos.is_dir()


@pytest.mark.over_ssh
def test_setup_shows_first_what_it_would_do(estate: Estate) -> None:
    before = estate.hash_files()
    argv = ("setup", "--local-repos", "~/new", "--nfs-repos", str(estate.share), "--dry-run")
    done = estate.run(*argv, code=0)
    assert [line.split(" ")[:2] for line in done.out.splitlines()] == [
        ["would", "create"],
        ["would", "mark"],
        ["would", "write"],
    ]
    assert f"{estate.home}/new" in done.out
    assert estate.hash_files() == before


@pytest.mark.over_ssh
def test_setup_takes_another_share_only_on_request(ready: Estate) -> None:
    other = ready.make_second_share()
    before = ready.hash_files()
    error = is_one_line(ready.run("setup", "--nfs-repos", str(other)), 6)
    assert "--new-share" in error
    assert ready.hash_files() == before
    assert os.listdir(other) == []
    ready.run("setup", "--nfs-repos", str(other), "--new-share", code=0)
    assert share_of(ready) in (other / ".repoman-share").read_text()
    assert f'nfs_repos = "{other}"' in ready.registry.read_text()


@pytest.mark.over_ssh
def test_setup_does_not_touch_the_share_of_another_estate(ready: Estate, tmp_path: Path) -> None:
    theirs = share_of(ready)
    home = tmp_path / "other-home"
    (home / "repos").mkdir(parents=True)
    environ = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    argv = ("setup", "--nfs-repos", str(ready.share))
    before = {**ready.hash_files(), **hash_home(home)}
    error = is_one_line(ready.run(*argv, environ=environ), 6)
    assert theirs in error
    assert "--adopt-share" in error
    assert {**ready.hash_files(), **hash_home(home)} == before
    ready.run(*argv, "--adopt-share", environ=environ, code=0)
    assert share_of(ready) == theirs
    assert theirs in (home / ".config/repoman/repoman.toml").read_text()


DISKS = "tmpfs,ext4,ext3,ext2,xfs,btrfs,overlay,zfs,f2fs,9p,virtiofs,bcachefs"


@pytest.mark.parametrize(
    ("share", "environ", "code", "says"),
    [
        ("/no/such/folder", {}, 5, "can't be entered"),
        ("relative", {}, 2, "is not an absolute path"),
        ("{home}", {}, 5, "is on "),
        ("{home}", {"REPOMAN_NFS_FSTYPES": DISKS}, 5, "same file system as local_repos"),
        ("{share}", {"REPOMAN_MIN_FREE_MIB": str(2**40)}, 5, "MiB free"),
        ("{share}", {"REPOMAN_NFS_FSTYPES": "nfs4"}, 5, "is on tmpfs"),
    ],
)
@pytest.mark.over_ssh
def test_setup_of_what_is_no_share(
    estate: Estate, share: str, environ: Mapping[str, str], code: int, says: str
) -> None:
    before = estate.hash_files()
    path = share.format(home=estate.home, share=estate.share)
    error = is_one_line(estate.run("setup", "--nfs-repos", path, environ=environ), code)
    assert says in error
    assert estate.hash_files() == before


# --- new -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        pytest.param([], "new needs a name", id="no name"),
        pytest.param(["ghost"], "ghost", id="no such folder"),
        pytest.param(["a b"], "is not a valid project name", id="bad name"),
        pytest.param(["list"], "is a command", id="reserved"),
        pytest.param(["SYNC"], "is a command", id="reserved in capitals"),
        pytest.param(["isurus"], "exists already", id="twice"),
        pytest.param(["x", "--repo", "isurus"], "overlaps 'isurus'", id="a repo of another"),
        pytest.param(["x", "--repo", "isurus/.git"], "overlaps 'isurus'", id="within a repo"),
        pytest.param(["x", "--repo", "../outside"], "is outside local_repos", id="dots"),
        pytest.param(
            ["x", "--repo", "lamna/../../outside"], "is outside local_repos", id="later dots"
        ),
        pytest.param(["x", "--repo", "{home}/outside"], "not below local_repos", id="absolute"),
        pytest.param(["x", "--repo", "out"], "outside local_repos", id="a link out"),
        pytest.param(["x", "--repo", "out/sub"], "outside local_repos", id="behind a link out"),
        pytest.param(["x", "--repo", "to-lamna"], "symlink", id="a link to another repo"),
        pytest.param(["x", "--repo", "dangling"], "dangling", id="a link to nothing"),
        pytest.param(["x", "--repo", "file"], "file", id="a file"),
        pytest.param(["x", "--repo", "."], "not a folder below", id="all of local_repos"),
        pytest.param(["x", "--repo", ""], "/repos/x", id="an empty repo is none: the name's"),
        pytest.param(["x", "--repo", b"caf\xe9"], "caf", id="a name that is not UTF-8"),
    ],
)
@pytest.mark.over_ssh
def test_new_refuses(isurus: Estate, argv: Sequence[str | bytes], says: str) -> None:
    repos = isurus.local_repos
    (repos / "lamna").mkdir()
    (isurus.home / "outside/sub").mkdir(parents=True)
    (repos / "out").symlink_to(isurus.home / "outside")
    (repos / "to-lamna").symlink_to("lamna")
    (repos / "dangling").symlink_to("nothing")
    (repos / "file").touch()
    os.mkdir(os.fsencode(repos) + b"/caf\xe9")
    given = [w.format(home=isurus.home) if isinstance(w, str) else w for w in argv]
    before = isurus.hash_files()
    error = is_one_line(isurus.run("new", *given, "--no-container"), 2)
    assert says in error
    assert "an error in repoman itself" not in error
    assert isurus.hash_files() == before


@pytest.mark.over_ssh
def test_new_with_a_container_but_no_incus(isurus: Estate) -> None:
    (isurus.local_repos / "lamna").mkdir()
    before = isurus.hash_files()
    down = {"INCUS_DIR": "/nowhere"}  # short, as a socket's path has to be
    error = is_one_line(isurus.run("new", "lamna", environ=down), 1)
    installed = shutil.which("incus", path=isurus.environ["PATH"])
    assert ("the Incus daemon does not run" if installed else "incus is not installed") in error
    assert isurus.hash_files() == before


@pytest.mark.parametrize(
    ("folder", "given"),
    [
        ("lamna", None),
        ("deep/er/repo", "deep/er/repo"),
        ("deep", "{repos}/deep"),
        ("deep", "~/repos/./deep/"),
        ("-a b[1]*?'\"$(id)", "./-a b[1]*?'\"$(id)"),
        ("new\nline", "new\nline"),
        ("ünïcode 木", "ünïcode 木"),
    ],
)
@pytest.mark.over_ssh
def test_new_and_its_first_mirror(ready: Estate, folder: str, given: str | None) -> None:
    path = ready.repo(folder, commits=1)
    repo = ["--repo", given.format(repos=ready.local_repos)] if given else []
    done = ready.run("new", "lamna", "--no-container", *repo, code=0)
    assert "Next: repoman sync lamna" in done.err
    assert names(ready) == ["lamna"]
    ready.run("sync", "lamna", code=0)
    mirrored = ready.mirror(folder)
    assert (mirrored / "README.md").read_bytes() == (path / "README.md").read_bytes()
    assert ready.git(mirrored, "rev-parse", "HEAD") == ready.git(path, "rev-parse", "HEAD")


@pytest.mark.local_only("another host has no current folder")
def test_new_without_a_name_takes_the_folder(ready: Estate) -> None:
    repo = ready.repo("lamna", commits=1)
    (repo / "src/deep").mkdir(parents=True)
    plain = ready.local_repos / "group/notes"
    plain.mkdir(parents=True)
    (ready.local_repos / "a_b").mkdir()
    said = ready.run("new", "--no-container", "--dry-run", cwd=repo / "src", code=0).out
    assert said == f"would register lamna with the repo {repo}\n"
    ready.run("new", "--no-container", "--yes", cwd=repo / "src/deep", code=0)
    ready.run("new", "--no-container", "--yes", cwd=plain, code=0)
    assert names(ready) == ["lamna", "notes"]
    assert ready.run("list", "--json", code=0).json["projects"][1]["repo"] == str(plain)
    before = ready.hash_files()
    for folder in (repo, plain, plain.parent, ready.local_repos, ready.home):
        error = is_one_line(ready.run("new", "--no-container", "--yes", cwd=folder), 2)
        assert "new needs a name" in error
    odd = ready.run("new", "--no-container", "--yes", cwd=ready.local_repos / "a_b")
    assert "'a_b' is not a valid project name" in is_one_line(odd, 2)
    assert ready.hash_files() == before


@pytest.mark.over_ssh
def test_new_by_the_way_a_person_reaches_local_repos(estate: Estate) -> None:
    """local_repos may be behind a symlink; a path through the link is below local_repos."""
    link = estate.home / "link"
    link.symlink_to(estate.local_repos)
    estate.run("setup", "--local-repos", str(link), "--nfs-repos", str(estate.share), code=0)
    estate.repo("lamna")
    estate.run("new", "lamna", "--no-container", "--repo", f"{link}/lamna", code=0)
    assert names(estate) == ["lamna"]


@pytest.mark.over_ssh
def test_new_by_many_at_once(ready: Estate) -> None:
    expected = [f"p{number}" for number in range(8)]
    for name in expected:
        (ready.local_repos / name).mkdir()
    processes = [ready.start("new", name, "--no-container") for name in expected]
    assert [process.wait(WAIT_SECONDS) for process in processes] == [0] * 8
    assert sorted(names(ready)) == expected


# --- list, status and their JSON -------------------------------------------------------


@pytest.mark.over_ssh
def test_list(isurus: Estate) -> None:
    done = isurus.run("list", code=0)
    head, row = done.out.splitlines()
    assert head.split("  ")[0] == "NAME"
    assert row.split() == ["isurus", "no", "container", "never", str(isurus.local_repos / "isurus")]
    assert done.err == "", "a backup alone needs no Incus"


@pytest.mark.over_ssh
def test_list_as_json(isurus: Estate) -> None:
    done = isurus.run("list", "--json", code=0)
    (project,) = done.json["projects"]
    assert project["name"] == "isurus"
    assert project["repo"] == str(isurus.local_repos / "isurus")
    assert (project["last_sync"], project["notes"]) == (None, [])
    assert done.err == ""
    shutil.rmtree(isurus.local_repos / "isurus")
    (project,) = isurus.run("list", "--json", code=0).json["projects"]
    assert [note.split()[0] for note in project["notes"]] == ["repo"]


@pytest.mark.over_ssh
def test_status(isurus: Estate) -> None:
    done = isurus.run("status", code=3)
    assert "isurus: never mirrored" in done.out
    assert "`repoman sync isurus" in done.out
    assert done.out.count("not checked") == 1
    isurus.run("sync", code=0)
    assert isurus.run("status", code=0).out.splitlines()[-1] == "1 project, all well"
    (isurus.local_repos / "stray").mkdir()
    assert "stray" in isurus.run("status", code=0).out, "a note is not a problem"


@pytest.mark.over_ssh
def test_status_as_json(isurus: Estate) -> None:
    done = isurus.run("status", "--json", code=3)
    assert done.err == ""
    assert done.json["healthy"] is False
    assert [finding["subject"] for finding in done.json["findings"]] == ["isurus"]
    assert done.json["share"]["usable"] is True
    values = done.json["values"]
    assert values["nfs_repos"] == {"value": str(isurus.share), "from": "registry"}
    assert values["min_free_mib"]["from"] == "environment REPOMAN_MIN_FREE_MIB"
    assert values["jobs"]["from"] == "built-in"


@pytest.mark.over_ssh
def test_status_shows_the_source_of_each_value(isurus: Estate) -> None:
    out = isurus.run("status", "--values", code=3).out
    assert re.search(r"^jobs +8 +built-in$", out, re.MULTILINE)
    assert re.search(r"^min_free_mib +1 +environment REPOMAN_MIN_FREE_MIB$", out, re.MULTILINE)


@pytest.mark.over_ssh
def test_status_of_one(isurus: Estate) -> None:
    isurus.add("lamna")
    isurus.run("sync", "lamna", code=0)
    isurus.run("status", "lamna", code=0)
    isurus.run("status", "isurus", code=3)
    assert "did you mean 'lamna'?" in is_one_line(isurus.run("status", "lamma"), 2)


@pytest.mark.parametrize("argv", [["agent"], ["agent", "isurus"], ["undo"], ["shell"]])
def test_no_registry_is_said_first(estate: Estate, argv: list[str]) -> None:
    done = estate.run(*argv)
    assert "there is no registry yet: run `repoman setup`" in is_one_line(done, 2)


@pytest.mark.over_ssh
@pytest.mark.parametrize("argv", [["list"], ["status"], ["sync"], ["sync", "--dry-run"]])
def test_json_without_a_registry_or_a_share(estate: Estate, argv: list[str]) -> None:
    done = estate.run(*argv, "--json")
    if argv[0] == "sync":
        assert "there is no registry yet: run `repoman setup" in is_one_line(done, 2)
    else:
        assert done.code in (0, 3)
        assert done.json["schema"] == 1
    assert "No registry yet: `repoman setup" in estate.run("list", code=0).err


@pytest.mark.over_ssh
def test_status_before_setup_names_what_is_missing(estate: Estate) -> None:
    done = estate.run("status", code=3)
    assert f"registry: there is no registry at {estate.registry}\n" in done.out
    assert "    run `repoman setup" in done.out
    assert "share" not in done.out
    (finding,) = estate.run("status", "--json", code=3).json["findings"]
    assert (finding["subject"], finding["problem"]) == ("registry", True)


@pytest.mark.over_ssh
def test_exec_looks_for_the_project_before_the_program(isurus: Estate) -> None:
    for argv in (["ls"], ["ls", "--", "ls"]):
        assert "no project is called 'ls'" in is_one_line(isurus.run("exec", *argv), 2)
    too_many = is_one_line(isurus.run("exec", "isurus", "ls", "-l"), 2)
    assert "put the program after --, as in `repoman exec isurus -- ls`" in too_many
    assert "exec needs a name" in is_one_line(isurus.run("exec"), 2)
    text = isurus.registry.read_text()
    isurus.registry.write_text(text.replace("container = false\n", ""))
    error = is_one_line(isurus.run("exec", "isurus"), 2)
    assert "exec needs a program to run: `repoman exec isurus" in error


@pytest.mark.over_ssh
def test_sync_as_json(isurus: Estate) -> None:
    dry = isurus.run("sync", "--json", "--dry-run", code=0).json
    assert dry["dry_run"] is True
    real = isurus.run("sync", "--json", code=0).json
    assert [project["ok"] for project in real["projects"]] == [True]
    assert real["total"] == dry["total"]
    assert real["total"]["new"] > 0
    assert isurus.run("sync", "--json", code=0).json["total"]["new"] == 0


# --- remove ----------------------------------------------------------------------------


@pytest.mark.over_ssh
@pytest.mark.parametrize("argv", [["remove", "isurus"], ["remove", "isurus", "--no-input"]])
def test_remove_asks_and_gets_no_answer(isurus: Estate, argv: list[str]) -> None:
    before = isurus.hash_files()
    assert "--yes" in is_one_line(isurus.run(*argv, given="y\n"), 2)
    assert isurus.hash_files() == before


@pytest.mark.over_ssh
def test_remove_leaves_repo_and_mirror(isurus: Estate) -> None:
    isurus.run("sync", code=0)
    before = {**hash_tree(isurus.local_repos), **hash_tree(isurus.share)}
    isurus.run("remove", "isurus", "--yes", code=0)
    assert names(isurus) == []
    assert {**hash_tree(isurus.local_repos), **hash_tree(isurus.share)} == before
    assert "no project is called 'isurus'" in is_one_line(isurus.run("remove", "isurus", "-y"), 2)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "remove needs a name"),
        (["isuruss", "--yes"], "did you mean 'isurus'?"),
        (["", "--yes"], "no project is called ''"),
        (["--yes=isurus"], "--yes"),
        (["isurus", "lamna", "--yes"], "no project is called 'lamna'"),
        (["isurus", "--all", "--yes"], "--all and names can't be combined"),
        (["--all", "--mirror", "--yes"], "--mirror can't be combined"),
        (["--hlep", "--yes"], "did you mean --help?"),
    ],
)
@pytest.mark.over_ssh
def test_remove_refuses(isurus: Estate, argv: list[str], says: str) -> None:
    before = isurus.hash_files()
    assert says in is_one_line(isurus.run("remove", *argv), 2)
    assert isurus.hash_files() == before


@pytest.mark.over_ssh
def test_remove_takes_several_names_or_all(isurus: Estate) -> None:
    isurus.add("lamna", "notes", "plans")
    listed = isurus.run("remove", "isurus", "lamna", "--dry-run", code=0).out.splitlines()
    assert [line.split(" from ")[0] for line in listed] == [
        "would remove isurus",
        "would remove lamna",
    ]
    done = isurus.run("remove", "isurus", "lamna", "isurus", "--yes", code=0)
    assert len(done.out.splitlines()) == 2, "each is removed once"
    assert names(isurus) == ["notes", "plans"]
    isurus.run("remove", "--all", "--yes", code=0)
    assert names(isurus) == []
    assert isurus.run("remove", "--all", "--yes", code=0).out == "nothing to do\n"
    assert {path.name for path in isurus.local_repos.iterdir()} > {"isurus", "notes"}


def test_the_other_projects_are_removed_if_one_is_not(isurus: Estate) -> None:
    isurus.add("lamna", "notes")
    isurus.run("sync", code=0)
    (isurus.local_repos / "lamna/new").write_text("not in its mirror")
    done = isurus.run("remove", "--all", "--delete-repo", "--yes", code=1)
    assert "lamna: " in done.err
    assert names(isurus) == ["lamna"]
    isurus.run("sync", code=0)
    (cure,) = re.findall(r"then run `repoman ([^`]*)`", done.err)
    isurus.run(*cure.split(), "--yes", code=0)
    assert names(isurus) == []
    assert list(isurus.local_repos.iterdir()) == []


@pytest.mark.parametrize("columns", [80, 200])
def test_help_in_each_form_is_the_same_page(estate: Estate, columns: int) -> None:
    environ = {"COLUMNS": str(columns), "TERM": "xterm-256color"}
    done = estate.run("new", "--help", environ=environ, code=0)
    for argv in (["help", "new"], ["--help", "new"], ["-h", "new"], ["new", "x", "-h"]):
        assert estate.run(*argv, environ=environ) == done
    assert done.err == ""
    assert done.out.startswith("Usage: repoman new NAME [options]\n\nRegister a repo")
    assert max(map(len, done.out.splitlines())) <= min(columns, 100)
    assert "\x1b" not in done.out
    assert "Docstring:" not in done.out


@pytest.mark.parametrize("argv", [["--help", "new"], ["new", "--help"], ["help", "new"]])
def test_inv_has_the_same_help(estate: Estate, argv: list[str]) -> None:
    ours = estate.run("help", "new", code=0).out
    assert estate.inv(*argv).out == re.sub(r"^( *|Usage: )repoman ", r"\1inv ", ours, flags=re.M)


EXAMPLES = [
    line
    for name in ("list", "status", "sync", "completion", "remove", "setup")
    for line in collection().tasks[name].examples
    if not {"--host", "--watch", "--missing", "~/repos"} & set(line.split())
]
"""Those that need neither Incus, nor another host, nor a terminal."""


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_does_what_it_says(isurus: Estate, line: str) -> None:
    isurus.run("sync", code=0)
    isurus.mirror("oldie").mkdir()
    done = isurus.run(*shlex.split(line)[1:], "--yes", environ={"SHELL": "/bin/bash"}, code=0)
    assert done.out


def test_remove_help_removes_nothing(isurus: Estate) -> None:
    before = isurus.hash_files()
    for argv in (["--help", "--yes"], ["--yes", "isurus", "--help"]):
        assert "forget them" in isurus.run("remove", *argv, code=0).out
    assert isurus.hash_files() == before


# --- exit codes ------------------------------------------------------------------------


def wrong_registry(estate: Estate) -> None:
    with estate.registry.open("a") as file:
        file.write("zzz = 1\n")


def no_share(estate: Estate) -> None:
    shutil.rmtree(estate.share)


def no_marker(estate: Estate) -> None:
    (estate.share / ".repoman-share").unlink()


def emptied(estate: Estate) -> None:
    estate.run("sync", code=0)
    shutil.rmtree(estate.local_repos / "isurus")
    (estate.local_repos / "isurus").mkdir()


def missing(estate: Estate) -> None:
    estate.run("sync", code=0)
    shutil.rmtree(estate.local_repos / "isurus")


def link_on_the_share(estate: Estate) -> None:
    estate.mirror("isurus").symlink_to("elsewhere")


def fine(_estate: Estate) -> None:
    pass


@pytest.mark.parametrize(
    ("spoil", "argv", "code", "says"),
    [
        (fine, ["sync", "--drry-run"], 2, "did you mean --dry-run?"),
        (fine, ["syn"], 2, "did you mean sync?"),
        (fine, ["sync", "isuru"], 2, "did you mean 'isurus'?"),
        (fine, ["sync", ""], 2, "no project is called ''"),
        (fine, ["sync", "--jobs", "0"], 2, "at least 1"),
        (fine, ["sync", "--jobs", "x"], 2, "whole number"),
        (fine, ["sync", "--host", "elsewhere.invalid"], 1, "no host is called elsewhere.invalid"),
        (fine, ["sync", "--host", "../.."], 1, "no host is called ../.."),
        (fine, ["sync", "--", "isurus"], 2, "after --"),
        (fine, ["-T", "x", "list"], 2, "x"),
        (fine, ["-D", "x", "list"], 2, "x"),
        (fine, ["--help", "zzz"], 2, "zzz"),
        (fine, ["--list", "zzz"], 2, "zzz"),
        (wrong_registry, ["list"], 2, "line"),
        (wrong_registry, ["status"], 2, "line"),
        (wrong_registry, ["sync"], 2, "line"),
        (wrong_registry, ["setup"], 2, "line"),
        (no_share, ["sync"], 5, "can't be entered"),
        (no_share, ["sync", "--dry-run"], 5, "can't be entered"),
        (no_share, ["setup"], 5, "can't be entered"),
        (no_marker, ["sync"], 5, "has no marker"),
        (no_marker, ["setup"], 6, "--new-share"),
        (emptied, ["sync", "isurus"], 6, "--force"),
        (missing, ["sync", "isurus"], 6, "repoman restore isurus"),
        (link_on_the_share, ["sync", "isurus"], 6, "symlink"),
    ],
)
@pytest.mark.over_ssh
def test_each_kind_of_error_is_one_line_with_its_code(
    isurus: Estate, spoil: object, argv: list[str], code: int, says: str
) -> None:
    assert callable(spoil)
    spoil(isurus)
    before = isurus.hash_files()
    error = is_one_line(isurus.run(*argv), code)
    assert says in error
    assert without_traces(isurus.hash_files()) == without_traces(before)


def without_traces(tree: Mapping[str, str]) -> dict[str, str]:
    """Return `tree` without lock files and what is remembered of attempts, and without the folders
    whose time changes with them."""
    return {
        path: what
        for path, what in tree.items()
        if "/locks" not in path
        and "/repoman/mirrors" not in path
        and not path.endswith(("/repoman", "/repoman/.", "/state", "/state/.", "/.local/."))
    }


@pytest.mark.over_ssh
def test_some_failed(isurus: Estate) -> None:
    isurus.add("lamna")
    shutil.rmtree(isurus.local_repos / "isurus")
    done = isurus.run("sync", code=4)
    assert (isurus.mirror("lamna") / "README.md").exists()
    assert not isurus.mirror("isurus").exists()
    assert "isurus: " in done.err
    assert "1 project mirrored, 1 failed" in done.out


@pytest.mark.over_ssh
def test_busy(isurus: Estate) -> None:
    lock = f"{isurus.registry.parent}/locks/isurus.lock"
    with LocalHost().lock(lock):
        error = is_one_line(isurus.run("sync", "isurus"), 4)
    assert f"process {os.getpid()} " in error
    assert "since 20" in error


@pytest.mark.over_ssh
def test_unhealthy_without_a_share(isurus: Estate) -> None:
    no_share(isurus)
    done = isurus.run("status", code=3)
    assert re.search(r"^\S share: .*can't be entered", done.out, re.MULTILINE)


def test_debug_shows_where_an_error_comes_from(isurus: Estate) -> None:
    assert "Traceback" in isurus.run("--debug", "sync", "zzz", code=2).err
    assert "Traceback" not in isurus.run("sync", "zzz", code=2).err


def test_a_failed_task_ends_the_command(isurus: Estate) -> None:
    is_one_line(isurus.run("sync", "zzz", "list"), 2)
    assert "isurus" in isurus.run("sync", "isurus", "list", code=0).out.splitlines()[-1]


@pytest.mark.over_ssh
def test_a_pattern_that_no_program_can_be_given_stops_no_other_project(isurus: Estate) -> None:
    isurus.add("lamna")
    text = isurus.registry.read_text()
    isurus.registry.write_text(
        text.replace('repo = "isurus"', 'repo = "isurus"\nexclude = ["a\\u0000b"]')
    )
    done = isurus.run("sync")
    assert "an error in repoman itself" not in done.err
    assert done.code == 2 or (isurus.mirror("lamna") / "README.md").exists()


@pytest.mark.parametrize("argv", [["--host", "h.invalid", "sync"], ["sync", "--host=-oX"]])
def test_an_invalid_host_is_reported_before_any_change(isurus: Estate, argv: list[str]) -> None:
    before = isurus.hash_files()
    code = 1 if argv[-1] == "--host" else 2
    is_one_line(isurus.run(*argv), code)
    assert isurus.hash_files() == before


# --- outputs that are gone or full -----------------------------------------------------


def piped(estate: Estate, script: str, *argv: str) -> Result:
    """Run `repoman` in a shell `script`, in which it is "$@"."""
    return run(["bash", "-c", script, "bash", *estate.argv, *argv], estate.environ)


NO_READER = '"$@" | true; exit ${PIPESTATUS[0]}'
CLEAN = re.compile(r"Traceback|Exception ignored|an error in repoman itself|BrokenPipe")


def many(estate: Estate, count: int = 200) -> Estate:
    """Register many projects whose repos are empty folders, except the last one."""
    entries = "".join(
        f'\n[[project]]\nname = "p{number}"\ncontainer = false\n' for number in range(count)
    )
    for number in range(count):
        (estate.local_repos / f"p{number}").mkdir()
    estate.registry.write_text(estate.registry.read_text() + entries)
    return estate


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["list"], 0),
        (["list", "--json"], 0),
        (["status"], 3),
        (["status", "--json"], 3),
        (["--help"], 0),
        (["--list"], 0),
        (["sync", "--help"], 0),
        (["--version"], 0),
        (["-R", "sync"], 0),
        (["sync", "--dry-run"], 0),
    ],
)
def test_a_closed_pipe(isurus: Estate, argv: list[str], code: int) -> None:
    """There are so many projects that the output exceeds what is buffered to the end."""
    many(isurus, 40 if "sync" in argv else 200)
    done = piped(isurus, NO_READER, *argv)
    assert (done.code, done.err) == (code, "")


@pytest.mark.over_ssh
@pytest.mark.parametrize("script", [NO_READER, '"$@" 2>&1 | true; exit ${PIPESTATUS[0]}'])
@pytest.mark.parametrize("argv", [["sync"], ["sync", "--itemize"], ["sync", "--json"]])
def test_a_closed_pipe_does_not_stop_the_command(
    isurus: Estate, script: str, argv: list[str]
) -> None:
    many(isurus, 40)
    os.mkfifo(isurus.local_repos / "isurus/fifo")  # which is warned of
    done = piped(isurus, script, *argv)
    assert done.code == 0, done
    assert not CLEAN.search(done.err)
    for name in ("isurus", *(f"p{number}" for number in range(40))):
        assert isurus.mirror(name).is_dir(), name
    registry = parse(isurus.registry.read_text(), "", {})
    assert [p.name for p in registry.projects if not p.last_sync] == []


CLOSED = '"$@" >&-'
FULL = '"$@" >/dev/full'


@pytest.mark.parametrize(
    ("script", "argv", "codes"),
    [
        pytest.param(FULL, ["list"], {1}, id="full: list"),
        pytest.param(FULL, ["list", "--json"], {1}, id="full: json"),
        pytest.param(FULL, ["status"], {1, 3}, id="full: status"),
        pytest.param(FULL, ["--help"], {1}, id="full: help"),
        pytest.param(CLOSED, ["list"], {0, 1}, id="closed: list"),
        pytest.param(CLOSED, ["list", "--json"], {0, 1}, id="closed: json"),
        pytest.param(CLOSED, ["status"], {1, 3}, id="closed: status"),
        pytest.param(CLOSED, ["--help"], {0, 1}, id="closed: help"),
    ],
)
def test_output_that_can_not_be_written(
    isurus: Estate, script: str, argv: list[str], codes: set[int]
) -> None:
    many(isurus)
    done = piped(isurus, script, *argv)
    assert done.code in codes, done
    assert not CLEAN.search(done.err), done.err
    if script is FULL:
        assert done.err.count("standard output can't be written") == 1


@pytest.mark.over_ssh
@pytest.mark.parametrize("script", [FULL, CLOSED], ids=["full", "closed"])
def test_output_that_can_not_be_written_does_not_end_the_work(isurus: Estate, script: str) -> None:
    done = piped(isurus, script, "sync")
    assert not CLEAN.search(done.err), done.err
    assert done.code in (0, 1)
    assert (isurus.mirror("isurus") / "README.md").exists()
    assert 'last_sync = "' in isurus.registry.read_text()


@pytest.mark.parametrize(
    ("script", "argv", "code"),
    [
        pytest.param('"$@" <&-', ["list"], 0, id="no stdin: list"),
        pytest.param('"$@" <&-', ["sync"], 0, id="no stdin: sync"),
        pytest.param('"$@" <&-', ["remove", "isurus"], 2, id="no stdin: a question"),
        pytest.param('"$@" 2>&-', ["list"], 0, id="no stderr: list"),
        pytest.param('"$@" 2>&-', ["sync"], 0, id="no stderr: sync"),
        pytest.param('"$@" 2>&-', ["sync", "zzz"], 2, id="no stderr: an error"),
        pytest.param('"$@" 2>/dev/full', ["list"], 0, id="full stderr: list"),
        pytest.param('"$@" 2>/dev/full', ["sync"], 0, id="full stderr: sync"),
        pytest.param('"$@" 2>/dev/full', ["sync", "zzz"], 2, id="full stderr: an error"),
        pytest.param('"$@" <&- >&- 2>&-', ["sync"], 0, id="nothing at all: sync"),
    ],
)
def test_other_closed_streams(isurus: Estate, script: str, argv: list[str], code: int) -> None:
    os.mkfifo(isurus.local_repos / "isurus/fifo")  # which is warned of
    done = piped(isurus, script, *argv)
    assert done.code == code, done
    assert not CLEAN.search(done.err), done.err
    if argv == ["sync"]:
        assert (isurus.mirror("isurus") / "README.md").exists()


def test_no_colours_without_a_terminal(isurus: Estate) -> None:
    for argv in (["list"], ["status"], ["sync"], ["sync", "--itemize"], ["--help"], ["zzz"]):
        done = isurus.run(*argv, environ={"TERM": "xterm-256color"})
        assert "\x1b" not in done.out + done.err, argv


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({"LC_ALL": "", "LANG": ""}, id="cron"),
        pytest.param({"PYTHONIOENCODING": "ascii"}, id="ASCII only"),
        pytest.param({"PYTHONIOENCODING": "latin-1"}, id="Latin 1"),
    ],
)
def test_output_in_a_locale_that_has_not_every_letter(
    isurus: Estate, environ: Mapping[str, str]
) -> None:
    isurus.repo("木", commits=1)
    isurus.run("new", "tree", "--repo", "木", "--no-container", code=0)
    for argv, code in ((["status"], 3), (["list"], 0), (["sync", "--itemize"], 0)):
        done = isurus.run(*argv, environ=environ)
        assert done.code == code, done
        assert not CLEAN.search(done.err), done.err


@pytest.mark.over_ssh
def test_names_of_files_send_no_escape_sequences_to_the_terminal(isurus: Estate) -> None:
    (isurus.local_repos / "isurus/\x1b[2J\r").touch()
    (isurus.local_repos / "stray\x1b[2J\n").mkdir()
    for argv in (["sync", "--itemize"], ["status"], ["sync", "--dry-run"]):
        done = isurus.run(*argv)
        assert "\x1b" not in done.out + done.err
        assert "\r" not in done.out + done.err


# --- one code path ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        ["list"],
        ["list", "--json"],
        ["status"],
        ["status", "--values"],
        ["status", "isurus", "--json"],
        ["sync", "--dry-run"],
        ["sync", "isurus", "--dry-run", "list"],
        ["sync", "--drry-run"],
        ["sync", "zzz"],
        ["zzz"],
        ["remove", "isurus"],
        ["remove"],
        ["new", "list", "--no-container"],
        ["setup"],
        ["sync", "--host", "h.invalid"],
    ],
    ids=" ".join,
)
def test_inv_in_the_checkout_is_repoman(isurus: Estate, argv: list[str]) -> None:
    by_inv, by_repoman = without_seconds(isurus.inv(*argv)), without_seconds(isurus.run(*argv))
    as_inv = by_repoman.err.replace("`repoman help`", "`inv --help`")
    assert by_inv == replace(by_repoman, err=as_inv)


def without_seconds(done: Result) -> Result:
    def shorn(text: str) -> str:
        return re.sub(r"\d+\.\d s|\"free_mib\": \d+|[\d.]+ GiB free", "…", text)

    return Result(done.code, shorn(done.out), shorn(done.err))


@pytest.mark.over_ssh
def test_inv_does_the_same_work(isurus: Estate) -> None:
    assert isurus.inv("sync").code == 0
    assert "nothing to do" in isurus.run("sync", code=0).out
    assert "dev." in isurus.inv("--list").out
    assert "dev" not in isurus.run("--list", code=0).out


# --- what lies about -------------------------------------------------------------------


def hostile(folder: Path, observer: Path) -> None:
    """Create files in `folder` that invoke would load; each leaves a trace in `observer`."""
    code = f"open({str(observer)!r}, 'a').write(__file__)\n"
    task = "from invoke import task\n@task\ndef list(c): pass\n"
    for name in ("tasks.py", "invoke.py", ".invoke.py", "fabfile.py", "rich.py", "tomlkit.py"):
        (folder / name).write_text(code + task)
    (folder / "repoman_tasks").mkdir()
    (folder / "repoman_tasks/__init__.py").write_text(code)
    stock = "tasks:\n  executor_class: invoke.executor.Executor\nrun:\n  dry: true\n"
    for name in ("invoke.yaml", ".invoke.yaml", "invoke.yml"):
        (folder / name).write_text(stock)
    (folder / ".env").write_text("REPOMAN_CONFIG=/nowhere\n")


@pytest.mark.parametrize("where", ["cwd", "parent", "home"])
def test_repoman_loads_nothing_that_it_finds(isurus: Estate, tmp_path: Path, where: str) -> None:
    observer, folder = tmp_path / "witness", tmp_path / "found"
    (folder / "below").mkdir(parents=True)
    hostile(isurus.home if where == "home" else folder, observer)
    cwd = {"cwd": folder, "parent": folder / "below", "home": isurus.home}[where]
    done = run([str(SCRIPT), "list"], isurus.environ, cwd=cwd)
    assert done.out.split("\n")[1].startswith("isurus")
    assert done.code == 0
    assert run([str(SCRIPT), "sync"], isurus.environ, cwd=cwd).code == 0
    assert isurus.mirror("isurus").is_dir()
    assert not observer.exists()


@pytest.mark.parametrize("by", ["INVOKE_RUNTIME_CONFIG", "--config"])
def test_repoman_takes_no_settings_for_invoke(isurus: Estate, tmp_path: Path, by: str) -> None:
    observer = tmp_path / "witness"
    hostile(tmp_path, observer)
    for name in ("invoke.py", "invoke.yaml"):
        path = str(tmp_path / name)
        argv = ["--config", path] if by == "--config" else []
        environ = {} if by == "--config" else {by: path}
        environ["INVOKE_TASKS_EXECUTOR_CLASS"] = "invoke.executor.Executor"
        environ["INVOKE_RUN_DRY"] = "1"
        done = isurus.run(*argv, "sync", environ=environ)
        assert done.code == 0, done
        assert isurus.mirror("isurus").is_dir()
    assert not observer.exists()


# --- another executor ------------------------------------------------------------------

CHANGING = [
    ["list"],
    ["sync"],
    ["setup", "--yes"],
    ["remove", "isurus", "--yes"],
    ["new", "lamna", "--no-container"],
]


@pytest.mark.parametrize("argv", CHANGING, ids=" ".join)
def test_inv_with_the_stock_executor_is_an_error_before_any_effect(
    isurus: Estate, tmp_path: Path, argv: list[str]
) -> None:
    isurus.repo("lamna")
    before = isurus.hash_files()
    stock = tmp_path / "stock.yaml"
    stock.write_text("tasks:\n  executor_class: invoke.executor.Executor\n")
    assert "executor_class" in is_one_line(isurus.inv("--config", str(stock), *argv), 2)
    assert isurus.hash_files() == before


@pytest.mark.parametrize("name", ["list", "sync", "setup", "status"])
def test_the_stock_executor_is_an_error_in_process_too(name: str) -> None:
    with pytest.raises(Exit, match="executor_class") as caught:
        invoke.executor.Executor(collection()).execute(name)
    assert caught.value.code == 2


def test_a_persons_own_invoke_settings_do_not_take_the_executor_away(isurus: Estate) -> None:
    (isurus.home / ".invoke.yaml").write_text(
        "tasks:\n  executor_class: invoke.executor.Executor\n"
    )
    assert isurus.inv("list").code == 0


# --- nothing is changed ----------------------------------------------------------------

SHOWS = ["sync", "sync isurus", "remove isurus --yes", "new lamna --no-container --yes", "setup"]


@pytest.mark.over_ssh
@pytest.mark.parametrize("given", [*SHOWS, "setup --local-repos ~/other --yes", "sync --force"])
@pytest.mark.parametrize("flag", ["-R", "--dry-run"])
def test_a_dry_run_changes_nothing(isurus: Estate, flag: str, given: str) -> None:
    isurus.repo("lamna")
    if "setup" in given:
        (isurus.share / ".repoman-share").unlink()
        given += " --new-share"
    argv = [flag, *given.split()] if flag == "-R" else [*given.split(), flag]
    before = isurus.hash_files()
    done = isurus.run(*argv, code=0)
    assert done.out, "it prints its steps"
    assert isurus.hash_files() == before


@pytest.mark.over_ssh
@pytest.mark.parametrize("argv", [["--dry", "sync"], ["sync", "--dry"], ["sync", "isurus", "-R"]])
def test_invokes_dry_changes_nothing_at_any_position(isurus: Estate, argv: list[str]) -> None:
    before = isurus.hash_files()
    assert isurus.run(*argv, code=0).out.startswith(f"(cd {isurus.share} && rsync ")
    assert isurus.hash_files() == before


@pytest.mark.over_ssh
@pytest.mark.parametrize("flag", ["-R", "--dry-run"])
def test_a_dry_run_of_the_first_setup_changes_nothing(estate: Estate, flag: str) -> None:
    before = estate.hash_files()
    done = estate.run("setup", "--nfs-repos", str(estate.share), flag, code=0)
    assert "would" in done.out
    assert estate.hash_files() == before


@pytest.mark.over_ssh
def test_a_dry_run_after_a_change_changes_nothing(isurus: Estate) -> None:
    isurus.run("sync", code=0)
    (isurus.local_repos / "isurus/new").write_text("x")
    (isurus.local_repos / "isurus/README.md").unlink()
    before = isurus.hash_files()
    out = isurus.run("sync", "--dry-run", code=0).out
    assert re.search(r"isurus: new +new$", out, re.MULTILINE)
    assert re.search(r"isurus: deleted +README.md$", out, re.MULTILINE)
    isurus.run("-R", "sync", code=0)
    assert isurus.hash_files() == before


def test_the_checkout_is_the_one_under_test() -> None:
    import repoman_tasks

    assert Path(repoman_tasks.__file__).is_relative_to(CHECKOUT)


# --- the guard for git ------------------------------------------------------------------


def guard_of(estate: Estate) -> Path:
    return estate.home / ".local/share/repoman/bin/git"


def guarded_folders(estate: Estate) -> list[str]:
    return (estate.home / ".local/state/repoman/guard/folders").read_text().splitlines()


@pytest.mark.over_ssh
def test_the_guard_is_installed_once_and_removed(ready: Estate) -> None:
    assert "not installed" in ready.run("git-guard", code=0).out
    shown = ready.run("git-guard", "install", "--dry-run", code=0)
    assert shown.out == f"would write {guard_of(ready)}\n"
    assert not guard_of(ready).exists()
    done = ready.run("git-guard", "install", code=0)
    assert os.access(guard_of(ready), os.X_OK)
    assert f"not in use here: {guard_of(ready)} is not the first git on PATH" in done.out
    assert 'PATH="$HOME/.local/share/repoman/bin":"$PATH"' in done.err
    assert guarded_folders(ready) == sorted([str(ready.local_repos), str(ready.share)])
    assert "nothing to do" in ready.run("git-guard", "install", code=0).out
    assert f"guarded: {ready.local_repos}" in ready.run("git-guard", code=0).out
    ready.run("git-guard", "remove", code=0)
    assert not guard_of(ready).exists()
    assert "nothing to do" in ready.run("git-guard", "remove", code=0).out


@pytest.mark.local_only("the guard of another host learns it from a command there, or by install")
def test_what_was_guarded_once_stays_guarded(isurus: Estate) -> None:
    other = isurus.home / "other"
    other.mkdir()
    isurus.run("list", code=0)
    text = isurus.registry.read_text()
    isurus.registry.write_text(text.replace(str(isurus.local_repos), str(other)))
    isurus.run("list", code=0)
    assert guarded_folders(isurus) == [
        *sorted([str(isurus.local_repos), str(isurus.share)]),
        str(other),
    ]


@pytest.mark.over_ssh
def test_status_reports_a_guard_that_does_not_know_the_repos(ready: Estate) -> None:
    ready.run("git-guard", "install", code=0)
    found = ready.run("status", "--json").json["findings"]
    assert "guard" not in [finding["kind"] for finding in found]
    (ready.home / ".local/state/repoman/guard/folders").write_text("/elsewhere\n")
    shown = ready.run("status").out
    if not ready.host_flag:  # this host adds it
        assert "does not know" not in shown
        assert guarded_folders(ready) == [
            "/elsewhere",
            *sorted([str(ready.local_repos), str(ready.share)]),
        ]
    else:
        assert f"the guard for git does not know {ready.local_repos}" in shown
        ready.run("git-guard", "install", code=0)
        assert "does not know" not in ready.run("status").out


@pytest.mark.over_ssh
def test_a_guard_of_another_version_is_replaced(ready: Estate) -> None:
    ready.run("git-guard", "install", code=0)
    text = guard_of(ready).read_text()
    guard_of(ready).write_text(text + "# more\n")
    assert "of another version" in ready.run("git-guard", code=0).out
    assert "guard" in [found["kind"] for found in ready.run("status", "--json").json["findings"]]
    assert f"done: replace {guard_of(ready)}" in ready.run("git-guard", "install", code=0).out
    assert guard_of(ready).read_text() == text
    assert "guard" not in [
        found["kind"] for found in ready.run("status", "--json").json["findings"]
    ]


@pytest.mark.over_ssh
def test_another_program_in_the_place_of_the_guard_is_kept(ready: Estate) -> None:
    guard_of(ready).parent.mkdir(parents=True)
    guard_of(ready).write_text("#!/bin/sh\nexec git\n")
    for argv in (["install"], ["remove"]):
        assert "is not repoman's" in ready.run("git-guard", *argv, code=6).err
    assert "is not repoman's" in ready.run("git-guard", code=0).out
    assert guard_of(ready).read_text() == "#!/bin/sh\nexec git\n"


@pytest.mark.over_ssh
def test_an_unknown_action_of_the_guard(ready: Estate) -> None:
    assert "did you mean install?" in ready.run("git-guard", "instal", code=2).err


@pytest.mark.over_ssh
def test_git_approvals_need_a_terminal_and_never_yes(isurus: Estate) -> None:
    repo = isurus.local_repos / "isurus"
    isurus.git(repo, "config", "core.pager", "less")
    for argv in (["isurus"], ["isurus", "--yes"], [str(repo)]):
        done = isurus.run("trust", "--git", *argv, code=6)
        assert "  + .git/config: core.pager = less\n" in done.err
        assert "was not approved: run `repoman trust --git" in done.err
    assert isurus.run("untrust", "--git", "isurus", code=0).out == "nothing was approved\n"
    isurus.git(repo, "config", "--unset", "core.pager")
    assert isurus.run("trust", "--git", "isurus", code=0).out == "nothing to approve\n"


@pytest.mark.over_ssh
@pytest.mark.parametrize("folder", ["web log", "2024", "sync", "it's", "a.b_c"])
def test_the_cure_for_a_folder_without_a_project_registers_it(estate: Estate, folder: str) -> None:
    estate.prepare().repo(folder)
    found = estate.run("status", "--json").json["findings"]
    (cure,) = [one["cure"] for one in found if one["subject"] == folder]
    command = cure.partition("run `repoman ")[2].rpartition("`")[0]
    estate.run(*shlex.split(command), code=0)
    assert folder not in [one["subject"] for one in estate.run("status", "--json").json["findings"]]
    projects = estate.run("list", "--json", code=0).json["projects"]
    assert [one["repo"] for one in projects] == [str(estate.local_repos / folder)]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("marked", [True, False])
def test_the_cure_for_another_share_lets_a_sync_pass(
    estate: Estate, known: bool, marked: bool
) -> None:
    """The share of another estate, or one without a marker; for a registry with and without id."""
    estate.prepare("isurus")
    marker = estate.share / MARKER
    if marked:
        marker.write_text(
            marker_text("22222222-2222-3333-4444-555555555555", "2026-01-01T00:00:00Z")
        )
    else:
        marker.unlink()
    if not known:
        text = estate.registry.read_text()
        estate.registry.write_text(re.sub(r'\nid *= *"[^"]*"', "", text))
    done = estate.run("sync", code=5)
    (cure,) = re.findall(r"`repoman (setup[^`]*)`", done.err)
    estate.run(*cure.split(), "--yes", code=0)
    estate.run("sync", code=0)
