"""Syncs and restores are remembered: in `list`, `status` and `log`, until it is over."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.test_mirror import REFUSED, SOME_FAILED, rsync_that
from tests.support.estate import Estate, Result
from tests.support.processes import WAIT_SECONDS

TARGET, UNHEALTHY, USAGE = 5, 3, 2


@pytest.fixture
def mirrored(estate: Estate) -> Estate:
    """Return an estate with two projects, both mirrored."""
    estate.prepare("isurus", "lamna")
    estate.run("sync", code=0)
    return estate


def log_file(estate: Estate) -> Path:
    (found,) = (estate.home / ".local/state/repoman/mirrors").iterdir()
    return found / "attempts.jsonl"


def lose(estate: Estate, name: str) -> None:
    """Remove all files of a repo but .git."""
    for path in (estate.local_repos / name).iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def records(estate: Estate, *argv: str) -> list[tuple[str, str, int]]:
    found = estate.run("log", *argv, "--json", code=0).json["records"]
    return [(record["project"], record["command"], record["exit"]) for record in found]


def paste(estate: Estate, text: str) -> Result:
    """Run the first command in backticks of `text`."""
    (_, *argv) = shlex.split(re.findall(r"`(repoman [^`]*)`", text)[0])
    return estate.run(*argv)


@pytest.mark.over_ssh
def test_a_refused_sync_is_remembered_until_its_cure_is_pasted(mirrored: Estate) -> None:
    lose(mirrored, "isurus")
    mirrored.run("sync", code=SOME_FAILED)
    found = mirrored.run("status", code=UNHEALTHY).out
    assert re.search(r"isurus: its last sync, just now, was refused: .* is empty", found)
    listed = mirrored.run("list", code=0)
    assert "just now, then refused" in listed.out
    assert "`repoman restore isurus" in listed.err
    (row, other) = mirrored.run("list", "--json", code=0).json["projects"]
    assert (row["failed_at"] >= row["last_sync"], other["failed_at"]) == (True, None)
    assert "is empty" in row["error"]
    mirrored.run("sync", code=SOME_FAILED)
    found = mirrored.run("status", "isurus", code=UNHEALTHY).out
    assert "the last 2 syncs were refused, the newest just now" in found
    assert paste(mirrored, found).code == 0
    found = mirrored.run("status", code=UNHEALTHY).out  # the next step is named
    assert paste(mirrored, found).code == 0
    assert "all well" in mirrored.run("status", code=0).out
    newest = [("isurus", "sync", 0), ("isurus", "restore", 0), ("isurus", "sync", REFUSED)]
    assert records(mirrored, "isurus")[:3] == newest


def test_a_sync_that_found_no_share_is_remembered(mirrored: Estate) -> None:
    marker = mirrored.share / ".repoman-share"
    away = marker.rename(mirrored.share / "away")
    mirrored.run("sync", code=TARGET)
    found = mirrored.run("status", code=UNHEALTHY).out
    assert found.count("has no marker") == 1, "the share's own finding says it all"
    away.rename(marker)
    found = mirrored.run("status", "isurus", code=UNHEALTHY).out
    assert "isurus: its last sync, just now, failed: " in found
    assert paste(mirrored, found).code == 0
    assert "all well" in mirrored.run("status", "isurus", code=0).out
    assert records(mirrored, "lamna") == [("lamna", "sync", TARGET), ("lamna", "sync", 0)]


def test_a_dry_run_leaves_no_record(mirrored: Estate) -> None:
    lose(mirrored, "isurus")
    before = records(mirrored)
    mirrored.run("sync", "--dry-run", code=SOME_FAILED)
    mirrored.run("--dry", "sync", code=SOME_FAILED)
    assert records(mirrored) == before
    assert "all well" in mirrored.run("status", code=0).out


def test_another_running_sync_is_no_failure(mirrored: Estate) -> None:
    lock = mirrored.registry.parent / "locks/isurus.lock"
    with subprocess.Popen(["flock", lock, "cat"], stdin=subprocess.PIPE) as holder:
        while mirrored.run("sync", "isurus").code == 0:
            pass
        assert holder.stdin is not None
        holder.stdin.close()
    assert records(mirrored, "isurus", "--limit", "1") == [("isurus", "sync", SOME_FAILED)]
    assert "all well" in mirrored.run("status", code=0).out


def test_a_project_of_the_same_name_inherits_no_failure(mirrored: Estate) -> None:
    lose(mirrored, "isurus")
    mirrored.run("sync", "isurus", code=REFUSED)
    text = mirrored.registry.read_text()
    mirrored.registry.write_text(text.replace("2026-01-01T00:00:00Z", "2999-01-01T00:00:00Z"))
    assert mirrored.run("list", "--json", code=0).json["projects"][0]["failed_at"] is None


def test_syncs_that_were_killed_are_told_from_the_third_on(mirrored: Estate) -> None:
    environ = rsync_that(mirrored, "kill -9 $PPID; exit")
    lock = mirrored.registry.parent / "locks/isurus.lock"
    for number in range(1, 4):
        (mirrored.local_repos / "isurus/new").write_text(str(number))
        assert mirrored.run("sync", "isurus", environ=environ).code == -9
        subprocess.run(["flock", lock, "rmdir", mirrored.base / "shim/once"], check=True)
        found = mirrored.run("status", "isurus", code=UNHEALTHY if number == 3 else 0).out
    assert "the last 3 syncs were interrupted" in found
    (row, _) = mirrored.run("list", "--json", code=0).json["projects"]
    assert row["failed_at"]
    assert paste(mirrored, found).code == 0
    assert "all well" in mirrored.run("status", "isurus", code=0).out
    assert records(mirrored, "isurus")[:2] == [("isurus", "sync", 0), ("isurus", "sync", 130)]
    assert "killed before it ended" in mirrored.run("log", code=0).out


# --- the log -----------------------------------------------------------------------------


def test_the_log_is_a_table_newest_first(mirrored: Estate) -> None:
    (mirrored.local_repos / "isurus/new").write_text("x")
    mirrored.run("sync", code=0)
    mirrored.run("restore", "lamna", code=0)
    lines = mirrored.run("log", code=0).out.splitlines()
    assert lines[0].split() == ["TIME", "PROJECT", "COMMAND", "RESULT"]
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  lamna +restore +0 changed, \d+ new", lines[1])
    assert any(re.search(r"isurus +sync +0 changed, 1 new, 0 deleted, 1 B", it) for it in lines)
    assert len(mirrored.run("log", "isurus", code=0).out.splitlines()) == 3
    short = mirrored.run("log", "--limit", "1", code=0)
    assert len(short.out.splitlines()) == 2
    assert "older ones: pass --limit" in short.err
    mirrored.run("log", "--limit", "0", code=USAGE)


def test_unchanged_projects_are_one_line_of_the_log(estate: Estate) -> None:
    estate.prepare(*(f"p{number}" for number in range(5)))
    estate.run("sync", code=0)
    estate.run("sync", "--full", code=0)
    estate.run("sync", code=0)
    assert re.search(r"5 projects +sync +nothing to do", estate.run("log", code=0).out)
    assert len(records(estate)) == 15, "JSON has each"


def test_a_log_without_records(estate: Estate) -> None:
    done = estate.prepare("isurus").run("log", code=0)
    assert (done.out, done.err) == ("", "No sync or restore is recorded yet.\n")
    assert "of isurus" in estate.run("log", "isurus", code=0).err
    assert estate.run("log", "--json", code=0).json == {"schema": 1, "records": []}


@pytest.mark.over_ssh
def test_a_line_that_was_cut_short_costs_no_other(mirrored: Estate) -> None:
    before = records(mirrored)
    with log_file(mirrored).open("ab") as file:
        file.write(b'{"time": "2026-01-01T00:00:00Z", "project": "isu')
    assert records(mirrored) == before
    mirrored.run("sync", "isurus", code=0)
    assert records(mirrored) == [("isurus", "sync", 0), *before]


def test_a_log_that_can_t_be_written_fails_no_sync(mirrored: Estate) -> None:
    log_file(mirrored).unlink()
    log_file(mirrored).mkdir()
    (mirrored.local_repos / "isurus/new").write_text("x")
    mirrored.run("sync", code=0)
    assert (mirrored.mirror("isurus") / "new").exists()
    lose(mirrored, "isurus")
    mirrored.run("sync", "isurus", code=REFUSED)
    assert "was refused" in mirrored.run("status", code=UNHEALTHY).out


def test_a_state_that_can_t_be_written_changes_no_refusal(mirrored: Estate) -> None:
    lose(mirrored, "isurus")
    lock = log_file(mirrored).parent / "state.json.lock"
    lock.unlink()
    lock.mkdir()
    assert "is empty" in mirrored.run("sync", "isurus", code=REFUSED).err
    mirrored.run("restore", "isurus", code=0)


def test_many_at_once_lose_no_record(mirrored: Estate) -> None:
    before = len(records(mirrored))
    running = [mirrored.start("sync", name, "--wait") for name in ("isurus", "lamna") * 4]
    assert [process.wait(WAIT_SECONDS) for process in running] == [0] * 8
    lines = [line for line in log_file(mirrored).read_text().splitlines() if line]
    assert len(lines) == before + 8
    assert {json.loads(line)["exit"] for line in lines} == {0}


def test_the_file_does_not_grow_for_ever(mirrored: Estate) -> None:
    line = log_file(mirrored).read_text().splitlines()[-1]
    count = (4 << 20) // len(line)
    log_file(mirrored).write_text("".join(f'{line[:-1]}, "n": {n}}}\n' for n in range(count)))
    mirrored.run("sync", "lamna", code=0)
    size = log_file(mirrored).stat().st_size
    assert (1 << 20) < size <= (2 << 20)
    assert records(mirrored, "--limit", "1") == [("lamna", "sync", 0)]


def test_unchanged_projects_get_no_line_of_a_sync_of_many(mirrored: Estate) -> None:
    (mirrored.local_repos / "isurus/new").write_text("x")
    (mirrored.local_repos / "lamna/.git/index.lock").touch()
    first, last = mirrored.run("sync", code=0).out.splitlines()
    assert first.startswith("isurus: 0 changed, 1 new")
    assert last == "2 projects mirrored, 1 unchanged: 0 changed, 1 new, 0 deleted, 1 B"
    assert mirrored.run("sync", code=0).out == "2 projects mirrored: nothing to do\n"
    assert "lamna: nothing to do" in mirrored.run("sync", "--itemize", code=0).out
    assert "lamna: nothing to do" in mirrored.run("sync", "lamna", code=0).out
    os.mkfifo(mirrored.local_repos / "lamna/pipe")
    assert "lamna: warning: FIFO" in mirrored.run("sync", code=0).err


def test_a_mirror_that_stays_as_it_is_while_the_repo_grows(mirrored: Estate) -> None:
    text = mirrored.registry.read_text()
    mirrored.registry.write_text(text.replace("[defaults]", '[defaults]\nexclude = ["*.db"]', 1))
    repo = mirrored.local_repos / "isurus"
    mirrored.run("sync", code=0)
    with (repo / "notes.db").open("wb") as file:
        file.truncate(20 << 20)
    mirrored.run("sync", code=0)
    assert "has not grown" not in mirrored.run("status", code=0).out
    state = log_file(mirrored).parent / "state.json"
    old = re.sub('"size_since": "[^"]+"', '"size_since": "2026-01-02T00:00:00Z"', state.read_text())
    state.write_text(old)
    found = mirrored.run("status", code=0).out
    assert re.search(r"isurus: its mirror has not grown since .*, by 20 MiB that exclude", found)
    mirrored.registry.write_text(text)
    assert paste(mirrored, found).code == 0
    assert "has not grown" not in mirrored.run("status", code=0).out
