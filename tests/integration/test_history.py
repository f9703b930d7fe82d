"""List the versions that mirrors and their snapshots hold."""

from __future__ import annotations

import os
import re
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from tests.integration.test_restore import USAGE, restored, take_snapshot
from tests.support.estate import Estate

_PLAN = "docs/the plan.md"


@pytest.fixture
def versioned(estate: Estate) -> Estate:
    """Return an estate with a plan that was written on day 2, changed on day 4, and again since."""
    estate.prepare("isurus")
    plan = estate.local_repos / "isurus" / _PLAN
    plan.parent.mkdir()
    for day, text in enumerate(["", "one\n", "one\n", "two!\n", "two!\n"], start=1):
        if text and not (plan.exists() and plan.read_text() == text):
            plan.write_text(text)
        estate.run("sync", code=0)
        take_snapshot(estate, f"daily-2026-01-0{day}")
    plan.write_text("number three\n")
    estate.run("sync", code=0)
    return estate


@pytest.mark.over_ssh
def test_a_file_has_its_distinct_versions(versioned: Estate) -> None:
    found = versioned.run("history", "isurus", _PLAN, "--json", code=0).json
    rows = [(row["snapshots"][-1], row["size"], row["missing"]) for row in found["versions"]]
    assert rows == [
        ("mirror", 13, False),
        ("daily-2026-01-04", 5, False),
        ("daily-2026-01-02", 4, False),
        ("daily-2026-01-01", 0, True),
    ]
    assert found["versions"][1]["snapshots"] == ["daily-2026-01-05", "daily-2026-01-04"]
    assert [row["changed"] for row in found["versions"]] == [1, 1, 0, None]
    assert [row["new"] for row in found["versions"]] == [0, 0, 1, None]
    shown = versioned.run("history", "isurus", _PLAN, code=0).out
    assert [line.split()[-4:] for line in shown.splitlines()[1:3]] == [
        ["13", "B", "1", "changed"],
        ["5", "B", "1", "changed"],
    ]


def test_each_version_comes_back_by_its_snapshot(versioned: Estate) -> None:
    found = versioned.run("history", "isurus", _PLAN, "--json", code=0).json["versions"]
    texts = []
    for row in found[1:3]:
        versioned.run("restore", "isurus", _PLAN, "--at", row["snapshots"][-1], code=0)
        texts.append((restored(versioned)[0] / _PLAN).read_text())
        shutil.rmtree(versioned.home / "restored")
    assert texts == ["two!\n", "one\n"]


def test_a_repo_has_what_changed_in_it(versioned: Estate) -> None:
    found = versioned.run("history", "isurus", "--json", code=0).json
    assert [row["snapshots"][-1] for row in found["versions"]] == [
        *("mirror", "daily-2026-01-04", "daily-2026-01-02", "daily-2026-01-01")
    ]
    appeared = found["versions"][2]
    assert (appeared["new"], appeared["changed"], appeared["deleted"]) == (1, 0, 0)
    assert found["path"] is None


def test_a_touched_file_is_another_version(versioned: Estate) -> None:
    plan = versioned.local_repos / "isurus" / _PLAN
    before = plan.stat().st_mtime_ns
    take_snapshot(versioned, "daily-2026-01-06")
    os.utime(plan, ns=(before, before + 1))
    versioned.run("sync", code=0)
    found = versioned.run("history", "isurus", _PLAN, "--json", code=0).json["versions"]
    assert [row["snapshots"][-1] for row in found[:2]] == ["mirror", "daily-2026-01-06"]


def test_names_of_any_kind(versioned: Estate) -> None:
    repo = versioned.local_repos / "isurus"
    for name in (b"new\nline *?[x] `id`", b"\xff not utf-8", b"-rf"):
        Path(os.fsdecode(os.fsencode(repo) + b"/" + name)).write_text("odd")
    versioned.run("sync", code=0)
    for name in (b"new\nline *?[x] `id`", b"\xff not utf-8", b"./-rf"):
        found = versioned.run("history", "isurus", name, "--json", "--limit", "1", code=0).json
        assert [row["size"] for row in found["versions"]] == [3, 0]
    assert "looked at 1 of 5 snapshots" in versioned.run("history", "isurus", "--limit", "1").err


@pytest.mark.parametrize(
    ("folder", "name"),
    [(".snapshot", "nightly.2026-01-20"), (".", "@GMT-2026.01.20-03.25.00"), ("#snapshot", "odd")],
)
def test_other_kinds_of_snapshots(estate: Estate, folder: str, name: str) -> None:
    estate.prepare("isurus")
    estate.run("sync", code=0)
    take_snapshot(estate, name, folder)
    found = estate.run("history", "isurus", "--json", code=0).json
    assert [row["snapshots"] for row in found["versions"]] == [["mirror", name]]


def test_snapshots_in_a_folder_of_the_registry(estate: Estate) -> None:
    estate.prepare("isurus")
    estate.run("sync", code=0)
    path = take_snapshot(estate, "7/snapshot", ".snapshots")
    text = estate.registry.read_text()
    pattern = f'snapshots = "{path.parent.parent}/{{name}}/snapshot"'
    estate.registry.write_text(text.replace("[defaults]", f"[defaults]\n{pattern}"))
    found = estate.run("history", "isurus", "--json", code=0).json
    assert [row["snapshots"] for row in found["versions"]] == [["mirror", "7"]]


def test_an_empty_snapshot_is_unknown(versioned: Estate) -> None:
    (versioned.share / ".zfs/snapshot/daily-2026-01-06").mkdir()
    found = versioned.run("history", "isurus", _PLAN, "--json", code=0).json["versions"]
    assert [row["size"] for row in found[:3]] == [13, None, 5]
    assert [row["changed"] for row in found[:3]] == [None, None, 1]
    assert "crossmnt" in versioned.run("history", "isurus", _PLAN, code=0).out


def count_programs(estate: Estate, *names: str) -> tuple[Path, dict[str, str]]:
    """Return a file, and an environment whose programs called `names` note there what they get."""
    noted, folder = estate.home / "noted", estate.home / "bin"
    folder.mkdir()
    for name in names:
        noting = f"{{ printf '{name}'; printf '\\0%s' \"$@\"; echo; }} >>{noted}"
        shim = folder / name
        shim.write_text(f'#!/bin/sh\n{noting}\nexec {shutil.which(name)} "$@"\n')
        shim.chmod(0o755)
    return noted, {"PATH": f"{folder}:{estate.environ['PATH']}"}


def test_only_a_page_of_a_thousand_is_read(versioned: Estate) -> None:
    for number in range(1000):
        (versioned.share / f".zfs/snapshot/hourly-2025-01-01_{number:04}/isurus").mkdir(
            parents=True
        )
    asked, environ = count_programs(versioned, "find", "ls")
    found = versioned.run("history", "isurus", "--json", environ=environ, code=0).json
    assert (found["snapshots"], found["looked_at"]) == (1005, 20)
    calls = [line.split("\0") for line in asked.read_text().splitlines()]
    looking = [words for words in calls if any(word.endswith("/isurus") for word in words)]
    looked_into = {word for words in looking for word in words if word.endswith("/isurus")}
    assert (len(looked_into), len(looking)) == (21, 9), "all at once, then eight side by side"
    listing = [words for words in calls if any(word.endswith("/snapshot/") for word in words)]
    assert [words[0] for words in listing] == ["ls"], "find would look at each of them"
    page = versioned.run("history", "isurus", _PLAN, code=0)
    assert "looked at 20 of 1005 snapshots" in page.err
    all_of_them = page.err.partition("`repoman ")[2].partition("`")[0]
    assert all_of_them == f"history isurus '{_PLAN}' --limit 0"
    found = versioned.run("history", "isurus", _PLAN, "--limit", "0", "--json", code=0).json
    assert found["looked_at"] == 1005


def test_no_link_is_followed(versioned: Estate) -> None:
    secret = versioned.home / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    (versioned.share / ".zfs/snapshot/daily-2026-01-05/isurus/way").symlink_to(secret)
    done = versioned.run("history", "isurus", "way/key", code=1)
    assert "neither mirror nor snapshots have isurus/way/key" in done.err


def test_no_snapshots_at_all(estate: Estate) -> None:
    estate.prepare("isurus")
    estate.run("sync", code=0)
    done = estate.run("history", "isurus", code=0)
    assert "mirror" in done.out
    assert "no snapshot of the share was found" in done.err


def test_there_is_no_mirror(versioned: Estate) -> None:
    """It never was, or is in snapshots only: a missing mirror is not one that can't be read."""
    shutil.rmtree(versioned.mirror("isurus"))
    (newest, *_) = versioned.run("history", "isurus", "--json", code=0).json["versions"]
    assert (newest["snapshots"], newest["missing"], newest["size"]) == (["mirror"], True, 0)
    shutil.rmtree(versioned.share / ".zfs")
    rewritten = re.sub("last_sync = .*", "", versioned.registry.read_text())
    versioned.registry.write_text(rewritten)
    done = versioned.run("history", "isurus", code=1)
    assert "isurus was never mirrored: run `repoman sync isurus`" in done.err
    versioned.run("sync", "isurus", code=0)
    versioned.run("history", "isurus", code=0)


# --- what status says of them ---------------------------------------------------------------


def notes(estate: Estate) -> list[str]:
    found = estate.run("status", "--json", code=0).json["findings"]
    return [finding["what"] for finding in found if finding["kind"] == "snapshots"]


@pytest.mark.over_ssh
@pytest.mark.parametrize("folder", [".zfs/snapshot", ".snapshot", "#snapshot"])
def test_status_says_if_there_are_none_or_only_old_ones(estate: Estate, folder: str) -> None:
    estate.prepare("isurus")
    estate.run("sync", code=0)
    assert notes(estate) == [
        "no snapshots of it were found, so a mirror is the only copy of a repo"
    ]
    take_snapshot(estate, "nightly.2020-01-20", folder)
    (note,) = notes(estate)
    assert note.startswith("its newest snapshot was taken ")
    take_snapshot(estate, f"nightly.{datetime.now():%Y-%m-%d_%H%M%S}", folder)
    assert notes(estate) == []
    assert "all well" in estate.run("status", code=0).out


@pytest.mark.parametrize("name", ["@GMT-2099.01.20-03.25.00", ".snapshots/7"])
def test_status_finds_them_elsewhere(estate: Estate, name: str) -> None:
    estate.prepare("isurus")
    estate.run("sync", code=0)
    take_snapshot(estate, name, ".")
    pattern = f'snapshots = "{estate.share}/.snapshots/{{name}}"'
    text = estate.registry.read_text()
    estate.registry.write_text(text.replace("[defaults]", f"[defaults]\n{pattern}"))
    assert notes(estate) == []


def test_setup_says_if_there_are_none(estate: Estate) -> None:
    paths = ("--local-repos", str(estate.local_repos), "--nfs-repos", str(estate.share))
    assert "no snapshots of it were found" in estate.run("setup", *paths, code=0).err


def test_invalid_arguments(versioned: Estate) -> None:
    assert "needs a name" in versioned.run("history", code=USAGE).err
    assert "--limit" in versioned.run("history", "isurus", "--limit=-1", code=USAGE).err
    assert "is not in" in versioned.run("history", "isurus", "../x", code=USAGE).err
    assert "neither" in versioned.run("history", "isurus", "nothing", code=1).err
    done = versioned.run("history", "isurus", "nothing", "--limit", "1", code=1)
    assert "look at all snapshots with `repoman history isurus nothing --limit 0`" in done.err
