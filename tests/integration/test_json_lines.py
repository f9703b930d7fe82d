"""`sync --json-lines` prints events for a program while a sync runs."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from typing import Any

import pytest

from tests.support.estate import Estate, Result
from tests.support.json_schemas import find_schema_errors

LARGE = 1 << 40
"""Bytes of a file that is all hole: it takes no room, and reading it takes minutes."""


@pytest.fixture
def two(estate: Estate) -> Estate:
    return estate.prepare("isurus", "lamna")


def events(done: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.out.splitlines()]


def of(emitted: list[dict[str, Any]], project: str) -> list[str]:
    """Return the events of a project without its progress, which depends on time."""
    kinds = [event["event"] for event in emitted if event.get("project") == project]
    return [event for event in kinds if event != "progress"]


@pytest.mark.parametrize("argv", [[], ["--dry-run"], ["--jobs", "1"], ["--itemize"]])
def test_each_project_begins_and_ends(two: Estate, argv: list[str]) -> None:
    emitted = events(two.run("sync", "--json-lines", *argv, code=0))
    for name in ("isurus", "lamna"):
        assert of(emitted, name) == ["started", "finished"]
    *_, total = emitted
    assert total["event"] == "total"
    assert total["dry_run"] is ("--dry-run" in argv)
    assert (total["projects"], total["failed"], total["exit"]) == (2, 0, 0)
    finished = [event for event in emitted if event["event"] == "finished"]
    assert total["new"] == sum(event["new"] for event in finished) > 0
    assert all(bool(event["last_sync"]) for event in finished)


def test_a_second_run_in_which_nothing_changed(two: Estate) -> None:
    """Both share an rsync then, and each is still reported to start once."""
    two.run("sync", code=0)
    emitted = events(two.run("sync", "--json-lines", code=0))
    assert [of(emitted, name) for name in ("isurus", "lamna")] == [["started", "finished"]] * 2
    assert emitted[-1]["new"] == 0
    (two.local_repos / "isurus/more").write_text("x")
    emitted = events(two.run("sync", "--json-lines", code=0))
    assert [of(emitted, name) for name in ("isurus", "lamna")] == [["started", "finished"]] * 2
    assert emitted[-1]["new"] == 1


def test_one_that_fails(two: Estate) -> None:
    (two.local_repos / "lamna").rename(two.home / "away")
    done = two.run("sync", "--json-lines", code=4)
    emitted = events(done)
    assert of(emitted, "lamna") == ["started", "failed"]
    (failed,) = [event for event in emitted if event["event"] == "failed"]
    assert (failed["exit"], failed["last_sync"]) == (6, None)
    assert "is missing" in failed["error"]
    assert done.err.count("is missing") == 1, "standard error reports it too"
    assert (emitted[-1]["exit"], emitted[-1]["failed"]) == (4, 1)
    assert events(two.run("sync", "lamna", "--json-lines", code=6))[-1]["exit"] == 6


def test_nothing_to_mirror(estate: Estate) -> None:
    (total,) = events(estate.prepare().run("sync", "--json-lines", code=0))
    assert (total["projects"], total["exit"]) == (0, 0)


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["--json"], 2, "--json and --json-lines can't be combined: choose one"),
        (["--jobs", "0"], 2, "--jobs 0: must be at least 1"),
        (["nosuch"], 2, "no project is called 'nosuch'"),
    ],
)
def test_an_error_before_the_work_is_no_event(
    two: Estate, argv: list[str], code: int, message: str
) -> None:
    done = two.run("sync", "--json-lines", *argv, code=code)
    assert done.out == ""
    assert message in done.err


def test_a_share_that_is_not_usable_is_no_event(two: Estate) -> None:
    (two.share / ".repoman-share").unlink()
    done = two.run("sync", "--json-lines", code=5)
    assert (done.out, "no marker" in done.err) == ("", True)


def test_events_come_while_it_runs_and_progress_is_bounded(two: Estate) -> None:
    with (two.local_repos / "lamna/large").open("wb") as file:
        file.truncate(LARGE)
    argv = [*two.argv, "sync", "--json-lines", "--jobs", "1"]
    with subprocess.Popen(
        argv, env=two.prepare_client()[0], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        emitted: list[dict[str, Any]] = []
        began = time.monotonic()
        while [event["event"] for event in emitted].count("progress") < 3:
            emitted.append(json.loads(process.stdout.readline()))
        assert process.poll() is None, "it still runs"
        process.send_signal(signal.SIGINT)
        emitted += [json.loads(line) for line in process.stdout]
    took = time.monotonic() - began
    assert process.returncode == 130
    for event in emitted:
        assert find_schema_errors("sync-lines", event) == []
    progress = [event for event in emitted if event["event"] == "progress"]
    assert max(Counter(event["project"] for event in progress).values()) <= took + 1
    assert of(emitted, "lamna") == ["started", "failed"]
    assert emitted[-1]["event"] == "total"
    assert (emitted[-1]["exit"], emitted[-1]["failed"]) == (130, 1)
