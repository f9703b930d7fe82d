"""REPOMAN_LOG records what was changed, where, by which command; and no secret."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.estate import Estate, run
from tests.support.json_schemas import find_schema_errors
from tests.support.processes import WAIT_SECONDS

SECRET = "s3cret"


@pytest.fixture
def log(estate: Estate) -> Path:
    """Set REPOMAN_LOG to a file that does not exist yet, and return its path."""
    path = estate.base / "changes.jsonl"
    estate.client_variables["REPOMAN_LOG"] = str(path)
    return path


@pytest.fixture
def isurus(estate: Estate, log: Path) -> Estate:  # noqa: ARG001
    return estate.prepare("isurus")


def lines(log: Path) -> list[dict[str, Any]]:
    """Return the records of the log, each checked against its schema."""
    found = [json.loads(line) for line in log.read_text().splitlines()]
    for line in found:
        assert find_schema_errors("log", line) == [], line
    return found


def of(found: list[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [line for line in found if line["event"] == event]


def test_a_sync_is_in_it(isurus: Estate, log: Path) -> None:
    isurus.run("sync", "isurus", "--no-delete", "--jobs", "1", "--yes", code=0)
    found = lines(log)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert len({line["run"] for line in found}) == 1
    begin, end = found[0], found[-1]
    assert (begin["event"], begin["command"], begin["project"]) == ("begin", "sync", "isurus")
    assert begin["flags"] == ["jobs", "no-delete", "yes"]
    assert (end["event"], end["exit"]) == ("end", 0)
    words = [line["words"] for line in of(found, "program")]
    small = ("dd", "install", "mv")  # these write the token, and the copy of the registry
    programs = [argv for argv in words if argv[0] not in small]
    assert all(argv[0] == "rsync" and "." in argv for argv in programs)
    assert programs[0][-2:] == [f"{isurus.local_repos}/./isurus/", "."]
    assert {line["path"] for line in of(found, "file")} == {str(isurus.registry)}
    assert {line["host"] for line in found if "host" in line} == {
        "there" if isurus.host_flag else os.uname().nodename
    }


def test_each_call_follows_the_ones_before(isurus: Estate, log: Path) -> None:
    isurus.run("sync", code=0)
    first = log.read_text()
    isurus.run("remove", "isurus", "--yes", "sync", code=0)
    assert log.read_text().startswith(first)
    found = lines(log)[first.count("\n") :]
    assert [line["command"] for line in of(found, "begin")] == ["remove"], "sync had nothing to do"
    assert "write-registry" in {line["step"] for line in of(found, "step")}


def test_setup_and_new_print_their_steps(estate: Estate, log: Path) -> None:
    estate.setup()
    estate.run("new", "lamna", "--create", "--no-container", code=0)
    found = lines(log)
    steps = [line["step"] for line in of(found, "step")]
    assert steps == ["mark-share", "write-registry", "make-repo", "write-registry"]
    assert ["git", "init"] in [line["words"] for line in of(found, "program")]
    assert of(found, "begin")[1]["flags"] == ["create", "no-container"]


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["list"], 0),
        (["list", "--json"], 0),
        (["status"], 3),
        (["status", "--values", "--json"], 3),
        (["sync", "--dry-run"], 0),
        (["sync", "isurus", "--dry-run", "--json"], 0),
        (["--dry", "sync"], 0),
        (["remove", "isurus", "--dry-run"], 0),
        (["remove", "isurus"], 2),
        (["sync", "nosuch"], 2),
        (["setup", "--dry-run"], 0),
        (["--help"], 0),
    ],
)
def test_what_changes_nothing_leaves_it_empty(
    isurus: Estate, log: Path, argv: list[str], code: int
) -> None:
    isurus.run(*argv, code=code)
    assert log.read_text() == "" if log.exists() else argv == ["--help"]


def test_how_a_call_ended(isurus: Estate, log: Path) -> None:
    (isurus.local_repos / "isurus/closed").write_text("x")
    (isurus.local_repos / "isurus/closed").chmod(0)
    code = isurus.run("sync", code=None).code
    assert of(lines(log), "end")[0]["exit"] == code
    log.unlink()
    isurus.run("new", "x", "--clone", "/nowhere", "--no-container", code=1)
    found = lines(log)
    assert found[-1]["exit"] == 1
    clone = next(line for line in of(found, "program") if line["words"] == ["git", "clone"])
    assert clone["exit"] == 128
    assert of(found, "step") == [], "no step ran"


def test_runs_at_the_same_time_do_not_mix(isurus: Estate, log: Path) -> None:
    names = [f"p{number}" for number in range(8)]
    isurus.run("sync", code=0)
    for name in names:
        (isurus.local_repos / name).mkdir()
    running = [isurus.start("new", name, "--no-container") for name in names]
    assert [process.wait(WAIT_SECONDS) for process in running] == [0] * 8
    found = lines(log)
    for run_of in {line["run"] for line in found}:
        mine = [line["event"] for line in found if line["run"] == run_of]
        assert (mine[0], mine[-1]) == ("begin", "end")
        assert mine.count("begin") == mine.count("end") == 1
    assert {line["project"] for line in of(found, "begin")} == {None, *names}


# --- where it can't be written -------------------------------------------------------------


def _folder(path: Path) -> str:
    path.mkdir()
    return str(path)


def _pipe(path: Path) -> str:
    os.mkfifo(path)
    return str(path)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda path: f"{path}/log", "can't be written: no such file", id="no folder"),
        pytest.param(_folder, "can't be written: is a directory", id="a folder"),
        pytest.param(_pipe, "can't be written: no such device", id="a pipe"),
        pytest.param(lambda _: "/dev/null", "/dev/null is not a regular file", id="a device"),
        pytest.param(lambda _: "changes.jsonl", "is not an absolute path", id="relative"),
    ],
)
def test_a_log_that_can_not_be_written_ends_it_before_any_work(
    isurus: Estate, make: Callable[[Path], str], said: str
) -> None:
    isurus.client_variables["REPOMAN_LOG"] = make(isurus.base / "place")
    before = isurus.hash_files()
    for argv in (["sync"], ["list"], ["new", "x", "--create", "--no-container"]):
        done = isurus.run(*argv, code=2)
        assert said in done.err
        assert done.err.count("\n") == 1
        assert done.out == ""
    assert isurus.hash_files() == before
    isurus.client_variables["REPOMAN_LOG"] = ""
    isurus.run("sync", code=0)


def test_a_log_below_the_home(isurus: Estate) -> None:
    isurus.client_variables["REPOMAN_LOG"] = "~/changes.jsonl"
    isurus.run("sync", code=0)
    assert lines(isurus.prepare_client()[1] / "changes.jsonl")


def test_a_log_on_a_full_disk_is_reported_once_and_the_command_completes(
    isurus: Estate, log: Path
) -> None:
    log.write_bytes(b" " * 200_000)
    script = 'ulimit -f 100; exec "$@"'  # kB that a file may be made to have
    done = run(["bash", "-c", script, "bash", *isurus.argv, "sync"], isurus.prepare_client()[0])
    assert done.code == 0
    assert done.err.count("can't be written: file too large") == 1
    assert log.stat().st_size == 200_000
    findings = isurus.run("status", "--json").json["findings"]
    assert [one for one in findings if one["problem"]] == []


# --- secrets -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        f"http://dev:{SECRET}@127.0.0.1:1/x.git",
        f"http://{SECRET}@127.0.0.1:1/x.git",
        f"http://127.0.0.1:1/x.git?token={SECRET}",
        f"ssh://dev:{SECRET}@127.0.0.1:1/x.git",
    ],
    ids=["user", "no user", "query", "ssh"],  # the name of a test is in its environment
)
def test_a_password_in_the_url_of_a_clone(isurus: Estate, log: Path, url: str) -> None:
    argv = ["new", "x", "--clone", url, "--no-container"]
    told = isurus.run(*argv, "--dry-run", code=0)
    done = isurus.run("--debug", *argv, code=1)
    assert "Traceback" in done.err
    repomans = [line for line in done.err.splitlines() if not line.startswith("fatal: ")]
    for text in (told.out, told.err, done.out, "\n".join(repomans), log.read_text()):
        assert SECRET not in text
    assert ["git", "clone"] in [line["words"] for line in of(lines(log), "program")]


def test_typed_arguments_are_not_printed_by_debug(isurus: Estate, log: Path) -> None:
    done = isurus.run("--debug", "exec", "isurus", "--", "tool", f"--token={SECRET}")
    assert done.code
    assert SECRET not in done.out + done.err + log.read_text()


def test_what_a_repo_asks_for(isurus: Estate, log: Path) -> None:
    text = f'[env]\nTOKEN = "{SECRET}"\n'
    (isurus.local_repos / "isurus/.repoman.toml").write_text(text)
    for argv in (["sync"], ["status"], ["update", "isurus"], ["trust", "isurus"]):
        isurus.run("--debug", *argv)
    assert SECRET not in log.read_text()
