"""Compare mirrors with their repos by content: damage is found, and told from changes."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from repoman_tasks.hosts.digests import RECENT_SECONDS
from tests.integration.test_mirror import REFUSED, SOME_FAILED, inner
from tests.integration.test_restore import TARGET, USAGE
from tests.support.estate import Estate, hash_tree
from tests.support.odd_files import make_odd_files
from tests.support.processes import wait_until

UNHEALTHY = 3


@pytest.fixture
def mirrored(estate: Estate) -> Estate:
    """Return an estate whose project isurus was mirrored, with files of many kinds."""
    estate.prepare("isurus")
    make_odd_files(estate.local_repos / "isurus")
    estate.run("sync", code=0)
    return estate


def verified(estate: Estate, *argv: str, code: int = 0) -> dict[str, Any]:
    """Return the verdict on the one project."""
    done = estate.run("verify", *argv, "--json", code=code).json
    (verdict,) = done["projects"]
    found: dict[str, Any] = verdict
    return found


def damage_of(verdict: dict[str, Any]) -> dict[str, str]:
    return {entry["path"]: entry["how"] for entry in verdict["damaged"]}


def settle(estate: Estate) -> None:
    """Sync when all changes are so old that no later sync compares their contents for safety."""
    newest = max(path.lstat().st_ctime for path in estate.local_repos.rglob("*"))
    wait_until(lambda: time.time() > newest + 2 * RECENT_SECONDS)
    estate.run("sync", "--full", code=0)


def flip(path: Path) -> None:
    """Flip a bit of a file; its size and times stay."""
    info, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    path.chmod(info.st_mode & 0o7777)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def flipped(mirror: Path) -> None:
    flip(mirror / "docs/plan.md")


def truncated(mirror: Path) -> None:
    os.truncate(mirror / "README.md", 3)


def removed(mirror: Path) -> None:
    (mirror / "docs/link").unlink()


def removed_with_its_folder(mirror: Path) -> None:
    shutil.rmtree(mirror / "docs")


def added(mirror: Path) -> None:
    (mirror / "docs/old/more").write_text("x")


def mode_changed(mirror: Path) -> None:
    (mirror / "README.md").chmod(0o777)


def touched(mirror: Path) -> None:
    os.utime(mirror / "README.md", ns=(1, 1))


def leading_elsewhere(mirror: Path) -> None:
    (mirror / "docs/link").unlink()
    (mirror / "docs/link").symlink_to("twin")


def of_another_kind(mirror: Path) -> None:
    (mirror / "README.md").unlink()
    (mirror / "README.md").mkdir()


def gone(mirror: Path) -> None:
    shutil.rmtree(mirror)


_DAMAGE: dict[Callable[[Path], None], str] = {
    flipped: "docs/plan.md",
    truncated: "README.md",
    removed: "docs/link",
    removed_with_its_folder: "docs/plan.md",
    added: "docs/old/more",
    mode_changed: "README.md",
    touched: "README.md",
    leading_elsewhere: "docs/link",
    of_another_kind: "README.md",
    gone: "docs/plan.md",
}


@pytest.mark.over_ssh
def test_a_mirror_that_is_well(mirrored: Estate) -> None:
    before = hash_tree(mirrored.share)
    found = verified(mirrored)
    assert (found["well"], found["damaged"], found["changed"]) == (True, [], 0)
    assert (found["proven"], found["objects"]) == (100, [])
    assert found["last_verified"]
    assert hash_tree(mirrored.share) == before
    assert "well" in mirrored.run("verify", "isurus", code=0).out


@pytest.mark.parametrize("damage", _DAMAGE, ids=lambda damage: damage.__name__)
def test_damage_is_found(mirrored: Estate, damage: Callable[[Path], None]) -> None:
    damage(mirrored.mirror("isurus"))
    found = verified(mirrored, code=UNHEALTHY)
    assert _DAMAGE[damage] in damage_of(found)
    assert (found["well"], found["changed"]) == (False, 0)


@pytest.mark.over_ssh
def test_what_the_repo_changed_is_no_damage(mirrored: Estate) -> None:
    repo = mirrored.local_repos / "isurus"
    (repo / "docs/plan.md").write_text("another plan\n")
    (repo / "docs/link").unlink()
    (repo / "docs/old").rename(repo / "moved")
    (repo / "README.md").chmod(0o755)
    (repo / "file-0.txt").rename(repo / "docs/file")
    found = verified(mirrored)
    assert found["well"]
    assert found["changed"] >= 6
    flip(mirrored.mirror("isurus") / ".git/HEAD")
    assert damage_of(verified(mirrored, code=UNHEALTHY)) == {".git/HEAD": "different"}


def test_a_folder_that_was_moved_here_is_no_damage(mirrored: Estate) -> None:
    repo = mirrored.local_repos / "isurus"
    (repo / "docs").rename(repo / "pages")
    assert verified(mirrored)["changed"] >= 5


def test_what_is_excluded_is_not_compared(mirrored: Estate) -> None:
    (mirrored.local_repos / "isurus/build").mkdir()
    (mirrored.local_repos / "isurus/build/out").write_text("x")
    mirrored.run("sync", code=0)
    text = mirrored.registry.read_text()
    mirrored.registry.write_text(text.replace("[defaults]", '[defaults]\nexclude = ["build/"]'))
    (mirrored.mirror("isurus") / "build/out").write_text("y")
    assert verified(mirrored)["well"]


def test_what_was_excluded_until_now_is_no_damage(mirrored: Estate) -> None:
    text = mirrored.registry.read_text()
    mirrored.registry.write_text(text.replace("[defaults]", '[defaults]\nexclude = ["docs/"]'))
    shutil.rmtree(mirrored.mirror("isurus") / "docs")
    mirrored.run("sync", code=0)
    text = mirrored.registry.read_text()
    mirrored.registry.write_text(text.replace('exclude = ["docs/"]', ""))
    found = verified(mirrored)
    assert (found["well"], found["changed"] >= 5) == (True, True)


def test_what_no_delete_keeps_is_no_damage(mirrored: Estate) -> None:
    (mirrored.local_repos / "isurus/docs/twin").unlink()
    mirrored.run("sync", "--no-delete", code=0)
    assert verified(mirrored)["well"]


# --- git ----------------------------------------------------------------------------------


def test_an_object_that_is_broken_in_both_is_found(mirrored: Estate) -> None:
    repo, mirror = mirrored.local_repos / "isurus", mirrored.mirror("isurus")
    name = next(path for path in (repo / ".git/objects").glob("[0-9a-f][0-9a-f]/*"))
    flip(name)
    mirrored.run("sync", "isurus", "--checksum", code=6)
    mirrored.run("sync", "isurus", "--checksum", "--force", "--yes", code=0)
    assert inner(mirror) == inner(repo)
    found = verified(mirrored, code=UNHEALTHY)
    assert found["damaged"] == []
    assert any(name.name in line for line in found["objects"])


def test_a_pack_that_is_broken_is_found(mirrored: Estate) -> None:
    repo = mirrored.local_repos / "isurus"
    mirrored.git(repo, "gc", "--quiet")
    mirrored.run("sync", code=0)
    assert verified(mirrored)["well"]
    (pack,) = (mirrored.mirror("isurus") / ".git/objects/pack").glob("*.pack")
    flip(pack)
    found = verified(mirrored, code=UNHEALTHY)
    assert list(damage_of(found)) == [f".git/objects/pack/{pack.name}"]
    assert any(pack.name in line for line in found["objects"])
    told = mirrored.run("verify", "isurus", code=UNHEALTHY).out
    assert "isurus: 1 entry damaged, git objects damaged, " in told


def test_nothing_of_the_mirror_runs(mirrored: Estate) -> None:
    fired = mirrored.home / "fired"
    repo = mirrored.local_repos / "isurus"
    (repo / ".git/config").open("a").write(
        f"[core]\n\tfsmonitor = touch {fired};\n\tsshCommand = touch {fired}\n"
        f"\talternateRefsCommand = touch {fired};\n[include]\n\tpath = /nonexistent\n"
    )
    (repo / ".git/objects/info/alternates").write_text("/nonexistent\n")
    mirrored.run("sync", code=0)
    assert verified(mirrored)["well"]
    assert not fired.exists()


def test_objects_named_by_sha256(mirrored: Estate) -> None:
    repo = mirrored.local_repos / "isurus/inner"
    mirrored.git(mirrored.home, "init", "--quiet", "--object-format=sha256", str(repo))
    (repo / "file").write_text("x")
    mirrored.git(repo, "add", "file")
    mirrored.run("sync", code=0)
    assert verified(mirrored)["well"]
    folder = mirrored.mirror("isurus") / "inner/.git/objects"
    flip(next(folder.glob("[0-9a-f][0-9a-f]/*")))
    assert verified(mirrored, code=UNHEALTHY)["objects"]


def test_a_link_to_a_fifo_hides_no_damage(mirrored: Estate) -> None:
    repo, mirror = mirrored.local_repos / "isurus", mirrored.mirror("isurus")
    os.mkfifo(repo / "pipe")
    bare = repo / "bare.git"
    (bare / "objects/info").mkdir(parents=True)
    (bare / "refs").mkdir()
    (bare / "HEAD").symlink_to(repo / "pipe")
    (bare / "config").symlink_to(repo / "pipe")
    settle(mirrored)
    flip(mirror / "docs/plan.md")
    found = verified(mirrored, code=UNHEALTHY)
    assert (set(damage_of(found)), found["objects"]) == ({"docs/plan.md"}, [])
    alternates = bare / "objects/info/alternates"
    alternates.symlink_to(repo / "pipe")
    mirrored.run("sync", code=0)
    found = verified(mirrored, code=UNHEALTHY)
    assert set(damage_of(found)) == {"docs/plan.md"}
    (line,) = found["objects"]
    assert "isurus/bare.git/objects/info/alternates leads to a FIFO" in line


# --- samples ------------------------------------------------------------------------------


def test_samples_go_round(mirrored: Estate) -> None:
    proven, files, rounds = [], 0, 0
    while rounds < 40:
        found = verified(mirrored, "--sample", "10")
        proven.append(found["proven"])
        files, rounds = files + found["files"], rounds + 1
        if found["proven"] == 100:
            break
        assert found["last_verified"] is None
    assert proven == sorted(proven)
    assert 8 <= rounds <= 12
    assert files == sum(not path.is_dir() for path in mirrored.mirror("isurus").rglob("*"))
    assert found["last_verified"]
    again = verified(mirrored, "--sample", "10")
    assert again["proven"] < 30
    assert again["last_verified"] == found["last_verified"]


def test_a_sample_finds_damage_once_it_comes_there(mirrored: Estate) -> None:
    flip(mirrored.mirror("isurus") / "docs/plan.md")
    codes = [mirrored.run("verify", "--sample", "25").code for _ in range(5)]
    assert set(codes) == {0, UNHEALTHY}
    assert codes.count(UNHEALTHY) <= 2


def test_a_file_that_is_gone_from_the_repo_meanwhile(mirrored: Estate) -> None:
    (mirrored.local_repos / "isurus/docs/plan.md").unlink()
    assert verified(mirrored, "--sample", "100")["well"]


# --- after a sync ---------------------------------------------------------------------------


def test_a_sync_verifies_what_is_due(mirrored: Estate) -> None:
    mirrored.repo("lamna", commits=1)
    mirrored.register("lamna")
    settle(mirrored)
    flip(mirrored.mirror("isurus") / "docs/plan.md")
    done = mirrored.run("sync", "--verify", "--json", code=UNHEALTHY)
    assert "isurus: 1 entry damaged" in done.err
    assert all(project["ok"] for project in done.json["projects"])
    rows = mirrored.run("list", "--json", code=0).json["projects"]
    assert [(row["proven"], row["damaged"]) for row in rows] == [(100, ["docs/plan.md"]), (100, [])]
    flip(mirrored.mirror("isurus") / "docs/plan.md")
    flip(mirrored.mirror("lamna") / "README.md")
    mirrored.run("sync", "--verify", code=0)  # none is due within the next days
    text = mirrored.registry.read_text()
    defaults = "[defaults]\nverify_seconds = 30\nfull_every = 0"
    mirrored.registry.write_text(text.replace("[defaults]", defaults))
    assert "lamna: 1 entry damaged" in mirrored.run("sync", code=UNHEALTHY).err
    rows = mirrored.run("list", "--json", code=0).json["projects"]
    assert [row["damaged"] for row in rows] == [[], ["README.md"]]


def test_a_dry_run_verifies_nothing(mirrored: Estate) -> None:
    mirrored.run("sync", "--verify", "--dry-run", code=0)
    (row,) = mirrored.run("list", "--json", code=0).json["projects"]
    assert row["proven"] == 0


# --- what goes wrong ------------------------------------------------------------------------


def test_several_projects(mirrored: Estate) -> None:
    mirrored.repo("lamna", commits=1)
    mirrored.repo("sphyrna", commits=1)
    mirrored.register("lamna", "sphyrna")
    mirrored.run("sync", "lamna", code=0)
    done = mirrored.run("verify", code=SOME_FAILED)
    assert "sphyrna: never mirrored" in done.out
    assert "`repoman sync sphyrna`" in done.out
    mirrored.run("verify", "lamna", "isurus", code=0)
    flip(mirrored.mirror("lamna") / "README.md")
    found = mirrored.run("verify", "--json", code=UNHEALTHY).json["projects"]
    assert {p["name"]: p["well"] for p in found} == {
        "isurus": True,
        "lamna": False,
        "sphyrna": False,
    }


def test_the_cure_mends_it(mirrored: Estate) -> None:
    settle(mirrored)
    mirror = mirrored.mirror("isurus")
    flip(mirror / "docs/plan.md")
    mirrored.run("sync", "--full", code=0)  # which compares sizes and times
    assert "--checksum" in mirrored.run("verify", code=UNHEALTHY).out
    mirrored.run("sync", "isurus", "--checksum", code=0)
    mirrored.run("verify", "isurus", code=0)
    assert (mirror / "docs/plan.md").read_text() == "the plan\n"


@pytest.mark.over_ssh
def test_status_and_list_remember_it(mirrored: Estate) -> None:
    mirrored.run("verify", code=0)
    (row,) = mirrored.run("list", "--json", code=0).json["projects"]
    assert (row["proven"], row["damaged"]) == (100, [])
    assert row["last_verified"]
    assert "verified: 1 of 1 mirror, the first just now" in mirrored.run("status", code=0).out
    flip(mirrored.mirror("isurus") / "docs/plan.md")
    mirrored.run("verify", "--sample", "100", code=UNHEALTHY)
    done = mirrored.run("status", "--json", code=UNHEALTHY).json
    (finding,) = [finding for finding in done["findings"] if finding["kind"] == "damaged"]
    assert finding["items"] == ["docs/plan.md"]
    assert done["mirrors"][0]["damaged"] == ["docs/plan.md"]
    assert "damaged" in mirrored.run("list", code=0).out
    for command in re.findall(r"`repoman ([^`]+)`", finding["cure"])[:2]:
        argv = shlex.split(command)
        mirrored.run(*(argv[:-2] if argv[-2] == "--host" else argv), code=0)
    mirrored.run("status", code=0)


def test_a_record_of_each_is_kept(mirrored: Estate) -> None:
    mirrored.run("verify", code=0)
    flip(mirrored.mirror("isurus") / "docs/plan.md")
    mirrored.run("verify", code=UNHEALTHY)
    newest, older, *_ = mirrored.run("log", "--json", code=0).json["records"]
    assert (newest["command"], newest["exit"], newest["project"]) == ("verify", 3, "isurus")
    assert "1 entry damaged" in newest["error"]
    assert (older["command"], older["exit"], older["error"]) == ("verify", 0, "")
    assert "no damage" in mirrored.run("log", code=0).out


def test_another_project_of_the_name_has_proven_nothing(mirrored: Estate) -> None:
    mirrored.run("verify", code=0)
    mirrored.run("remove", "isurus", "--yes", code=0)
    mirrored.run("new", "isurus", "--no-container", code=0)
    (row,) = mirrored.run("list", "--json", code=0).json["projects"]
    assert (row["last_verified"], row["proven"]) == (None, 0)


def test_a_repo_that_is_missing(mirrored: Estate) -> None:
    shutil.rmtree(mirrored.local_repos / "isurus")
    assert "`repoman restore isurus`" in mirrored.run("verify", "isurus", code=REFUSED).out


def test_a_mirror_that_is_a_link(mirrored: Estate) -> None:
    mirror = mirrored.mirror("isurus")
    mirror.rename(mirrored.share / "elsewhere")
    mirror.symlink_to("elsewhere")
    assert "is a symlink" in mirrored.run("verify", "isurus", code=REFUSED).out


def test_invalid_arguments(mirrored: Estate) -> None:
    mirrored.run("verify", "--full", "--sample", "3", code=USAGE)
    mirrored.run("verify", "--sample", "0", code=USAGE)
    mirrored.run("verify", "--sample", "101", code=USAGE)
    assert "no project is called" in mirrored.run("verify", "nobody", code=USAGE).err
    (mirrored.share / ".repoman-share").unlink()
    mirrored.run("verify", code=TARGET)


def test_a_full_share_is_read(mirrored: Estate) -> None:
    mirrored.run("verify", environ={"REPOMAN_MIN_FREE_MIB": "999999999"}, code=0)
