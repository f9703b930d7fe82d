"""A mirror that something else changed is repaired, and what is replaced is kept until seen."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from repoman_tasks.planning.mirror.share_check import ASIDE
from tests.support.estate import Estate
from tests.support.killing import output_of, run_killed

pytestmark = pytest.mark.local_only("what changed in the last seconds counts as settled here")

CHANGED = "something else changed its mirror"


@pytest.fixture
def ready(estate: Estate) -> Estate:
    """Return an estate whose mirror is complete and known."""
    estate.prepare("isurus")
    repo = estate.local_repos / "isurus"
    (repo / "a").mkdir()
    for name in ("x", "y"):
        (repo / "a" / name).write_text(f"{name}\n")
    assert sync(estate) == 0
    return estate


def sync(estate: Estate, *argv: str) -> int:
    return run_killed(estate, "sync", *argv, recent=-1000)


def told(estate: Estate) -> str:
    return output_of(estate) + (estate.base / "streams/err").read_text()


def kept(estate: Estate) -> dict[str, str]:
    """Return the files that were kept aside, by their paths in the mirror, with their content."""
    folders = estate.share.glob(f"{ASIDE}.isurus.*")
    found = [(folder, file) for folder in folders for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder / "isurus")): file.read_text() for folder, file in found}


def same(estate: Estate) -> bool:
    """Return True if repo and mirror have the same names and contents in `a`."""

    def content(folder: Path) -> dict[str, str]:
        return {path.name: path.read_text() for path in (folder / "a").iterdir()}

    return content(estate.local_repos / "isurus") == content(estate.mirror("isurus"))


def test_it_is_repaired_and_told_until_a_person_has_seen_it(ready: Estate) -> None:
    mirror = ready.mirror("isurus")
    (mirror / "a/x").write_text("by hand")
    (mirror / "a/-new\nfile").write_text("extra")
    (mirror / "a/y").unlink()
    assert sync(ready, "--full") == 0
    assert f"{CHANGED}, 3 entries" in told(ready)
    assert same(ready)
    assert kept(ready) == {"a/x": "by hand", "a/-new\nfile": "extra"}
    found = ready.run("status", "isurus", code=3).out
    assert f"{CHANGED}, 3 entries" in found
    assert "a/x: different" in found
    assert "a/y: missing" in found
    assert sync(ready, "--full") == 0
    assert CHANGED not in told(ready), "only once"
    assert ready.run("status", "isurus", "--seen").out.count(CHANGED) == 0
    assert not list(ready.share.glob(f"{ASIDE}*"))
    assert CHANGED not in ready.run("status", "isurus").out


def test_what_is_kept_is_told_after_a_rename(ready: Estate) -> None:
    (ready.mirror("isurus") / "a/x").write_text("by hand")
    assert sync(ready, "--full") == 0
    (folder,) = ready.share.glob(f"{ASIDE}.isurus.*")
    ready.run("rename", "isurus", "lamna", "--yes", code=0)
    assert str(folder) in ready.run("status", "lamna", code=3).out
    ready.run("status", "lamna", "--seen")
    assert not folder.exists()


def test_what_the_repo_changed_is_not_told(ready: Estate) -> None:
    repo, mirror = ready.local_repos / "isurus", ready.mirror("isurus")
    (repo / "a/x").write_text("edited")
    (repo / "a/y").unlink()
    shutil.copytree(repo / "a", repo / "b")
    assert sync(ready, "--full") == 0
    assert CHANGED not in told(ready)
    (repo / "a/x").write_text("edited again")
    (mirror / "b/x").write_text("by hand")
    assert sync(ready, "--full") == 0
    assert f"{CHANGED}, 1 entry" in told(ready)
    assert kept(ready) == {"b/x": "by hand"}
    assert same(ready)


def test_what_is_only_missing_needs_no_folder(ready: Estate) -> None:
    shutil.rmtree(ready.mirror("isurus") / "a")
    assert sync(ready, "--full") == 0
    assert f"{CHANGED}, 3 entries" in told(ready)
    assert same(ready)
    assert not list(ready.share.glob(f"{ASIDE}*"))
    ready.run("status", "isurus", "--seen")
    assert CHANGED not in ready.run("status", "isurus").out


def test_the_time_of_a_folder_is_not_told(ready: Estate) -> None:
    """A file server sets it when it looks into the folder."""
    os.utime(ready.mirror("isurus") / "a")
    assert sync(ready, "--full") == 0
    assert CHANGED not in told(ready)


def test_excluded_files_are_not_told(ready: Estate) -> None:
    text = ready.registry.read_text()
    ready.registry.write_text(text.replace("backup = true", 'backup = true\nexclude = ["*.o"]'))
    (ready.local_repos / "isurus/a/x.o").write_text("x")
    assert sync(ready) == 0
    assert sync(ready, "--full") == 0
    assert CHANGED not in told(ready)
    (ready.mirror("isurus") / "a/y.o").write_text("old")
    assert sync(ready, "--full") == 0
    assert CHANGED not in told(ready)
    assert (ready.mirror("isurus") / "a/y.o").exists()


def test_many_entries(ready: Estate) -> None:
    for number in range(2100):
        (ready.local_repos / f"isurus/a/{number}").touch()
    assert sync(ready) == 0
    for number in range(2100):
        (ready.mirror("isurus") / f"a/{number}").write_text("x")
    assert sync(ready, "--full") == 0
    assert f"{CHANGED}, 2100 entries" in told(ready)
    assert len(kept(ready)) == 2100
    assert same(ready)


def test_a_damaged_object_does_not_replace_a_good_one(ready: Estate) -> None:
    """Damage that came before the last sync shows no other ctime; a person mended the mirror."""
    folder = ".git/objects"
    repo, mirror = ready.local_repos / "isurus", ready.mirror("isurus")
    found = next(path for path in (repo / folder).glob("??/*"))
    place, good = found.relative_to(repo), found.read_bytes()
    found.chmod(0o600)
    found.write_bytes(b"damaged")
    assert sync(ready, "--force") == 0
    (mirror / place).chmod(0o600)
    (mirror / place).write_bytes(good)
    assert sync(ready, "isurus", "--full") == 6
    assert "damaged" in told(ready)
    assert (mirror / place).read_bytes() == good


def test_a_repair_that_was_killed(ready: Estate) -> None:
    """The folder that it kept aside is found by its name."""
    left = ready.share / f"{ASIDE}.isurus.0123456789abcdef"
    left.mkdir()
    assert "a sync that repaired it was killed" in ready.run("status", "isurus", code=3).out
    ready.run("status", "isurus", "--seen")
    assert not left.exists()
    assert CHANGED not in ready.run("status", "isurus").out


def test_a_share_that_is_gone(ready: Estate) -> None:
    (ready.mirror("isurus") / "a/x").write_text("by hand")
    assert sync(ready, "--full") == 0
    shutil.move(ready.share / ".repoman-share", ready.base / "marker")
    assert CHANGED in ready.run("status", "isurus", code=3).out
    assert ready.run("status", "isurus", "--seen").code == 5
    shutil.move(ready.base / "marker", ready.share / ".repoman-share")
    assert kept(ready) == {"a/x": "by hand"}
