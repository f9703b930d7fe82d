"""Lose the disk of this host, and have it back from the share."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

from repoman_tasks.planning.mirror.known_mirrors import TOKEN
from repoman_tasks.planning.mirror.share_check import MARKER, REGISTRY_COPIES
from tests.integration.test_attempts import UNHEALTHY, USAGE
from tests.integration.test_docs import DOCS, fenced
from tests.integration.test_mirror import REFUSED, inner
from tests.support.estate import Estate, hash_tree

_HEADING = "## If the disk of this host is lost"


_DEFAULTS = """[defaults]
jobs = 3
allow = ["192.168.1.20:5432"]
env = { SECRET = "s3cret" }
mounts = [{ source = "/srv", path = "/srv", readonly = true }]
"""


@pytest.fixture
def mirrored(estate: Estate) -> Estate:
    """Return an estate with several projects of different settings, all mirrored."""
    estate.prepare("isurus", "lamna", "sphyrna")
    text = estate.registry.read_text()
    text = text.replace("[defaults]", _DEFAULTS, 1)
    text = text.replace(
        'name = "lamna"',
        'name = "lamna"\nexclude = ["*.o"]\nmax_delete = 7\nenv = { TOKEN = "s3cret" }\n'
        'mounts = [{ source = "/etc", path = "/mnt" }]\nenv_file = "~/.env"',
    )
    estate.registry.write_text(text)
    estate.run("sync", code=0)
    return estate


def copies(estate: Estate) -> list[Path]:
    return sorted((estate.share / REGISTRY_COPIES).glob("*"))


def lose_home(estate: Estate) -> None:
    """Delete the home with all repos, the registry and the state."""
    shutil.rmtree(estate.home)
    estate.home.mkdir()


def commands_of_the_page(estate: Estate) -> list[list[str]]:
    """Return the commands under the heading in docs/mirror.md, with the paths of `estate`."""
    page = (DOCS / "mirror.md").read_text()
    section = page[page.index(_HEADING) :].partition("\n## ")[0]
    found = []
    for kind, body in fenced(DOCS / "mirror.md"):
        if kind == "console" and body in section:
            found += [line.removeprefix("$ ") for line in body.splitlines()]
    paths = {"~/repos": str(estate.local_repos), "/nfs/repos": str(estate.share)}
    lines = [re.sub("|".join(paths), lambda match: paths[match[0]], line) for line in found]
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.mark.over_ssh
def test_all_comes_back_byte_for_byte(mirrored: Estate) -> None:
    before = hash_tree(mirrored.local_repos)
    lose_home(mirrored)
    commands = commands_of_the_page(mirrored)
    assert 2 <= len(commands) <= 3
    for argv in commands[:2]:
        mirrored.run(*argv, "--yes", code=0)
    found = mirrored.run(*commands[2], code=UNHEALTHY).out  # what is next
    assert len(re.findall(r": never mirrored\n +run `repoman sync", found)) == 3
    after = hash_tree(mirrored.local_repos)
    root = f"{mirrored.local_repos}/."
    assert {k: v for k, v in after.items() if k != root} == {
        k: v for k, v in before.items() if k != root
    }
    text = mirrored.registry.read_text()
    assert "jobs = 3" in text
    assert "max_delete = 7" in text
    assert 'exclude = ["*.o"]' in text
    done = mirrored.run("sync", "--json", code=0).json
    assert [(p["new"], p["changed"], p["deleted"]) for p in done["projects"]] == [(0, 0, 0)] * 3


def test_what_could_do_harm_is_named_and_left_out(mirrored: Estate) -> None:
    lose_home(mirrored)
    setup = commands_of_the_page(mirrored)[0]
    dry = mirrored.run(*setup, "--dry-run", code=0)
    assert "take over 3 projects and 1 setting: jobs = 3; isurus" in dry.out
    assert not mirrored.registry.exists()
    done = mirrored.run(*setup, "--yes", code=0)
    assert re.search(r"not taken over from \S+\.toml: lamna: env_file, mounts", done.err)
    assert re.search(r"not taken over from \S+\.toml: \[defaults\]: mounts, allow", done.err)
    assert "Next: repoman restore --all" in done.err
    text = mirrored.registry.read_text()
    assert not re.search("mounts|env_file|allow|TOKEN|SECRET", text)


def test_it_asks_once(mirrored: Estate) -> None:
    lose_home(mirrored)
    done = mirrored.run(*commands_of_the_page(mirrored)[0], code=USAGE)  # nobody can be asked
    assert "--yes" in done.err
    assert not mirrored.registry.exists()


def test_the_copy_has_no_secrets_and_changes_with_the_registry_only(mirrored: Estate) -> None:
    (copy,) = copies(mirrored)
    text = copy.read_text()
    assert "s3cret" not in text
    assert "last_sync" not in text
    assert copy.stat().st_mode & 0o077 == 0
    older = copy.rename(copy.with_name("2020-01-01.toml"))
    mirrored.run("sync", code=0)
    assert copies(mirrored) == [older]
    mirrored.run("new", "prionace", "--no-container", "--create", code=0)
    mirrored.run("sync", code=0)
    assert copies(mirrored) == [older, copy]
    assert "prionace" in copy.read_text()
    assert "prionace" not in older.read_text()


def test_the_number_of_copies_is_limited(mirrored: Estate) -> None:
    (copy,) = copies(mirrored)
    foreign = copy.with_name("notes.txt")
    foreign.write_text("not a copy")
    for number in range(130):
        copy.with_name(f"20{number // 12 + 10}-{number % 12 + 1:02}-01.toml").write_text("old")
    mirrored.run("new", "prionace", "--no-container", "--create", code=0)
    mirrored.run("sync", code=0)
    names = [path.name for path in copies(mirrored)]
    assert len(names) == 101
    assert {copy.name, foreign.name, "2020-10-01.toml"} <= set(names)
    assert "2010-01-01.toml" not in names


def test_twenty_projects_take_no_more_commands(estate: Estate) -> None:
    estate.prepare(*(f"p{number}" for number in range(20)))
    estate.run("sync", code=0)
    before = {path.name: inner(path) for path in estate.local_repos.iterdir()}
    lose_home(estate)
    for argv in commands_of_the_page(estate)[:2]:
        estate.run(*argv, "--yes", code=0)
    assert {path.name: inner(path) for path in estate.local_repos.iterdir()} == before


def test_a_dry_run_copies_nothing(estate: Estate) -> None:
    estate.prepare("isurus")
    estate.run("sync", "--dry-run", code=0)
    assert copies(estate) == []


def test_a_copy_that_was_forged_is_not_used(mirrored: Estate) -> None:
    (copy,) = copies(mirrored)
    for text in ('[[project]]\nname = "x"\nrepo = "../../etc"\n', "\xff\0", "[defaults]\nno = 1\n"):
        lose_home(mirrored)
        copy.write_text(text)
        done = mirrored.run(*commands_of_the_page(mirrored)[0], "--yes", code=0)
        assert "the copy of the registry is not used" in done.err
        assert "project" not in mirrored.registry.read_text().replace("projects exist", "")


def test_a_setup_that_was_interrupted_goes_on(mirrored: Estate) -> None:
    """It was killed after it had written the registry, and before it took the projects over."""
    (copy,) = copies(mirrored)
    setup = commands_of_the_page(mirrored)[0]
    lose_home(mirrored)
    away = copy.rename(mirrored.share / ".away")
    mirrored.run(*setup, "--yes", code=0)
    away.rename(copy)
    assert "take over 3 projects" in mirrored.run(*setup, "--dry-run", code=0).out
    mirrored.run(*setup, "--yes", code=0)
    assert "nothing to do" in mirrored.run(*setup, "--yes", code=0).out
    mirrored.run("restore", "--all", code=0)
    mirrored.run("sync", code=0)


def test_a_share_without_a_copy(mirrored: Estate) -> None:
    lose_home(mirrored)
    shutil.rmtree(mirrored.share / REGISTRY_COPIES)
    done = mirrored.run(*commands_of_the_page(mirrored)[0], "--yes", code=0)
    assert "there is no copy of the registry" in done.err


def test_a_copy_that_fails_fails_no_sync(mirrored: Estate) -> None:
    shutil.rmtree(mirrored.share / REGISTRY_COPIES)
    (mirrored.share / REGISTRY_COPIES).write_text("in the way")
    mirrored.run("new", "prionace", "--no-container", "--create", code=0)
    done = mirrored.run("sync", code=0)
    assert "the registry could not be copied to the share" in done.err
    (mirrored.share / REGISTRY_COPIES).unlink()
    mirrored.run("sync", code=0)
    assert "prionace" in copies(mirrored)[0].read_text()


# --- whoever else can write the share ---------------------------------------------------


def change(estate: Estate, text: str) -> None:
    (estate.local_repos / "isurus/README.md").write_text(text)


def test_no_link_on_the_share_leads_a_sync_to_a_file_of_this_host(mirrored: Estate) -> None:
    victim, new = mirrored.home / ".bashrc", mirrored.share / f"{TOKEN}.new"
    victim.write_text("precious\n")
    new.symlink_to(victim)
    change(mirrored, "changed")
    mirrored.run("sync", code=0)
    assert victim.read_text() == "precious\n"
    assert (mirrored.mirror("isurus") / "README.md").read_text() == "changed"
    assert not os.path.lexists(new), "it is removed, so that the next sync needs no full one"
    os.mkfifo(new)
    change(mirrored, "changed again")
    mirrored.run("sync", code=0)
    assert (mirrored.mirror("isurus") / "README.md").read_text() == "changed again"


def test_a_copy_with_a_time_in_the_future_hides_no_failure(mirrored: Estate) -> None:
    (copy,) = copies(mirrored)
    text = re.sub(r'created = ".*"', 'created = "2099-01-01T00:00:00Z"', copy.read_text())
    copy.write_text(text)
    for name in ("2099-01-01.toml", "2098-01-01\x1b[31m.toml"):
        (copy.parent / name).write_text("[estate")
    lose_home(mirrored)
    adopt, restore, _ = commands_of_the_page(mirrored)
    done = mirrored.run(*adopt, "--yes", code=0)
    assert "2099-01-01.toml" in done.err, "an invalid copy hides no older one"
    assert "2098" not in done.err
    assert "2099" not in mirrored.registry.read_text()
    mirrored.run(*restore, "--yes", code=0)
    mirrored.run("sync", code=0)
    shutil.rmtree(mirrored.mirror("isurus"))
    mirrored.mirror("isurus").symlink_to(mirrored.home)
    mirrored.run("sync", "isurus", code=REFUSED)
    found = mirrored.run("status", "isurus", "--json", code=UNHEALTHY).json["findings"]
    assert any("is a symlink" in finding["what"] for finding in found)


def test_the_registry_is_not_copied_through_a_link(mirrored: Estate) -> None:
    private, folder = mirrored.home / "private", mirrored.share / REGISTRY_COPIES
    private.mkdir()
    shutil.rmtree(folder)
    folder.symlink_to(private)
    text = mirrored.registry.read_text()
    mirrored.registry.write_text(text.replace("jobs = 3", "jobs = 4"))
    change(mirrored, "changed")
    assert f"{folder} is a symlink" in mirrored.run("sync", code=0).err
    assert list(private.iterdir()) == []
    folder.unlink()
    change(mirrored, "changed again")
    mirrored.run("sync", code=0)
    assert len(copies(mirrored)) == 1


def test_the_share_is_not_marked_through_a_link(mirrored: Estate) -> None:
    victim = mirrored.home / ".bashrc"
    victim.write_text("precious\n")
    (mirrored.share / MARKER).unlink()
    (mirrored.share / f"{MARKER}.new").symlink_to(victim)
    assert "can't be written" in mirrored.run("setup", "--new-share", "--yes").err
    assert victim.read_text() == "precious\n"
