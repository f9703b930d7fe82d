"""Restore, verify and what takes a share over, killed (-9) at each change and at random moments.

Nothing is lost, nothing is taken for complete that is not, and the same command then completes it.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.integration.test_disaster import lose_home
from tests.integration.test_mirror import inner
from tests.integration.test_mirror_known import state_of
from tests.support.estate import Estate, hash_tree
from tests.support.killing import run_killed
from tests.support.odd_files import make_odd_files
from tests.support.processes import WAIT_SECONDS, find_processes, wait_until

pytestmark = pytest.mark.local_only("the changes that kill it are counted in its own process")
SEED = int(os.environ.get("REPOMAN_TEST_SEED", "1"))
KILLED, OK, UNHEALTHY = -9, 0, 3
_MOST = 60
"""More changes than any of these commands makes."""


@pytest.fixture
def mirrored(estate: Estate) -> Estate:
    """Return an estate with two projects that were mirrored."""
    estate.prepare("isurus", "lamna")
    make_odd_files(estate.local_repos / "isurus")
    estate.run("sync", code=0)
    return estate


def killed_runs(estate: Estate, *argv: str) -> Iterator[int]:
    """Yield after each run of a command that was killed, one change later than the last one.

    Ends when a run does not get killed any more; fails if there were none before.
    """
    for number in range(1, _MOST):
        code = run_killed(estate, *argv, killed_at=number)
        wait_until(lambda: not find_processes(str(estate.base)))  # rsync may live on
        if code != KILLED:
            assert code == OK
            assert number > 1
            return
        yield number
    pytest.fail("it makes more changes than that")


def test_a_restore_killed_at_each_change(mirrored: Estate) -> None:
    repo, mirror = mirrored.local_repos / "isurus", mirrored.mirror("isurus")
    before = hash_tree(mirror)
    shutil.rmtree(repo)
    for _ in killed_runs(mirrored, "restore", "isurus"):
        if repo.exists():  # the last change gives it its name
            assert inner(repo) == inner(mirror)
            shutil.rmtree(repo)
    assert inner(repo) == inner(mirror)
    assert not list(mirrored.local_repos.glob(".isurus*"))
    assert hash_tree(mirror) == before, "the share is only read"


def test_a_restore_in_place_killed_at_each_change(mirrored: Estate) -> None:
    repo, mirror = mirrored.local_repos / "isurus", mirrored.mirror("isurus")
    aside = mirrored.home / "restored"
    changed: dict[str, str] = {}

    def change(number: int) -> None:
        changed["README.md"] = f"mine {number}"
        changed[f"new-{number}"] = "mine too"
        for name, text in changed.items():
            (repo / name).write_text(text)

    change(0)
    for number in killed_runs(mirrored, "restore", "isurus", "--in-place", "--yes"):
        for name, text in changed.items():
            places = [repo / name, *aside.glob(f"*/isurus/{name}"), *aside.glob(f"*/{name}")]
            assert text in [path.read_text() for path in places if path.exists()], "it is lost"
        changed.clear()
        change(number)
    assert inner(repo) == inner(mirror)


@pytest.mark.parametrize("damaged", [False, True])
def test_a_verify_killed_at_each_change(mirrored: Estate, damaged: bool) -> None:
    mirror = mirrored.mirror("isurus")
    if damaged:
        (mirror / "README.md").write_text("damaged")
    before = hash_tree(mirrored.share)
    for number in range(1, _MOST):
        code = run_killed(mirrored, "verify", "isurus", killed_at=number)
        assert hash_tree(mirrored.share) == before
        rows = mirrored.run("list", "--json", code=0).json["projects"]
        assert not rows[0]["last_verified"] or not damaged or rows[0]["damaged"] == ["README.md"]
        if code != KILLED:
            break
    assert (code, number > 1) == (UNHEALTHY if damaged else OK, True)
    mirrored.run("verify", "isurus", code=UNHEALTHY if damaged else OK)


def test_a_take_over_killed_at_each_change(mirrored: Estate) -> None:
    token = mirrored.share / ".repoman-generation"

    def of_another_host() -> None:
        token.write_text("elsewhere 2026-04-28T20:17:03Z 0123456789abcdef")

    of_another_host()
    for _ in killed_runs(mirrored, "setup", "--take-over", "--yes"):
        code = mirrored.run("sync").code  # before or after: never a state that nothing cures
        assert code in (0, 5)
        of_another_host()
    mirrored.run("sync", code=0)
    assert inner(mirrored.mirror("isurus")) == inner(mirrored.local_repos / "isurus")


def test_an_adoption_killed_at_each_change(mirrored: Estate) -> None:
    paths = ("--local-repos", str(mirrored.local_repos), "--nfs-repos", str(mirrored.share))
    before = {name: inner(mirrored.local_repos / name) for name in ("isurus", "lamna")}
    lose_home(mirrored)
    for _ in killed_runs(mirrored, "setup", *paths, "--adopt-share", "--yes"):
        pass  # it goes on where it stopped
    mirrored.run("restore", "--all", code=0)
    assert {name: inner(mirrored.local_repos / name) for name in before} == before
    mirrored.run("sync", code=0)
    assert state_of(mirrored).exists()


# --- at random moments -----------------------------------------------------------------------


def test_restores_killed_at_random_moments(mirrored: Estate) -> None:
    repo, mirror = mirrored.local_repos / "isurus", mirrored.mirror("isurus")
    for number in range(300):
        (mirror / f"docs/f{number}").write_text("x" * number)
    shutil.rmtree(repo)

    def check() -> None:
        assert not repo.exists() or inner(repo) == inner(mirror)

    kill_at_random(mirrored, ("restore", "isurus"), check)
    if not repo.exists():
        mirrored.run("restore", "isurus", code=0)
    assert inner(repo) == inner(mirror)


def test_verifies_killed_at_random_moments(mirrored: Estate) -> None:
    before = hash_tree(mirrored.share)

    def check() -> None:
        assert hash_tree(mirrored.share) == before

    kill_at_random(mirrored, ("verify",), check)
    mirrored.run("verify", code=0)


@pytest.mark.nightly
def test_take_overs_killed_at_random_moments(mirrored: Estate) -> None:
    token, before = mirrored.share / ".repoman-generation", hash_tree(mirrored.mirror("isurus"))
    token.write_text("elsewhere 2026-04-28T20:17:03Z 0123456789abcdef")
    (mirrored.local_repos / "isurus/new").write_text("x")

    def check() -> None:
        assert hash_tree(mirrored.mirror("isurus")) == before

    kill_at_random(mirrored, ("setup", "--take-over", "--yes"), check)
    mirrored.run("setup", "--take-over", "--yes", code=0)
    mirrored.run("sync", code=0)
    assert inner(mirrored.mirror("isurus")) == inner(mirrored.local_repos / "isurus")


@pytest.mark.nightly
def test_an_estate_that_comes_back_killed_at_random_moments(mirrored: Estate) -> None:
    """Kill the adoption of the share, then the restore of all; each completes when repeated."""
    paths = ("--local-repos", str(mirrored.local_repos), "--nfs-repos", str(mirrored.share))
    repos = {name: inner(mirrored.local_repos / name) for name in ("isurus", "lamna")}
    mirrors = {name: hash_tree(mirrored.mirror(name)) for name in repos}
    lose_home(mirrored)

    def check() -> None:
        assert {name: hash_tree(mirrored.mirror(name)) for name in repos} == mirrors
        there = [name for name in repos if (mirrored.local_repos / name).exists()]
        assert [inner(mirrored.local_repos / name) == repos[name] for name in there] == [
            True for _ in there
        ]

    adopt = ("setup", *paths, "--adopt-share", "--yes")
    for argv in (adopt, ("restore", "--all")):
        kill_at_random(mirrored, argv, check)
        mirrored.run(*argv, code=0)
    check()
    assert sorted(path.name for path in mirrored.local_repos.iterdir()) == ["isurus", "lamna"]
    mirrored.run("sync", code=0)


def kill_at_random(
    estate: Estate, argv: tuple[str, ...], check: Callable[[], object], rounds: int = 8
) -> None:
    """Kill a command at moments of the time that it takes here; call `check` after each."""
    chance, began, marker = random.Random(SEED), time.monotonic(), str(estate.base)
    estate.run("list")
    seconds = 4 * (time.monotonic() - began)
    for _ in range(rounds):
        process = estate.start(*argv)
        time.sleep(chance.uniform(0, seconds))
        os.kill(process.pid, signal.SIGKILL)
        process.wait(WAIT_SECONDS)
        for pid in find_processes(marker):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not find_processes(marker))
        check()
