"""File systems that are mounted in a repo are told by identity, and touched by children only."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.integration.test_mirror import REFUSED, SOME_FAILED, inner, last_sync
from tests.support.estate import Estate
from tests.support.mounts import Dying, can_mount, dying, hanging, run_with_mounts
from tests.support.processes import WAIT_SECONDS, wait_until

INTERRUPTED = 130
IN_NAMESPACE = pytest.mark.local_only("repoman runs in a namespace with mounts of its own")


@pytest.fixture
def ready(estate: Estate) -> Estate:
    """Return an estate with the projects isurus and lamna, where this user may mount."""
    if not can_mount(estate.environ):
        pytest.skip("not here: no permission to create a mount namespace")
    return estate.prepare("isurus", "lamna")


def files(folder: Path, count: int) -> Path:
    """Return a new folder with `count` files."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}").write_text(f"{number}\n")
    return folder


@pytest.mark.as_root
@IN_NAMESPACE
def test_the_share_seen_again_in_a_repo_is_refused(ready: Estate) -> None:
    archive = ready.local_repos / "isurus/archive"
    archive.mkdir()
    before = inner(ready.share)
    for source in (ready.share, ready.share.parent):  # the whole file system, too
        done = run_with_mounts(ready, {source: archive}, "sync", "isurus", code=REFUSED)
        assert f"{archive} shows the share at {ready.share}" in done.err
        assert f"`umount {archive}`" in done.err
    assert inner(ready.share) == before
    run_with_mounts(ready, {ready.share: archive}, "sync", code=SOME_FAILED)
    assert (ready.mirror("lamna") / "README.md").exists()
    part = run_with_mounts(ready, {ready.mirror("lamna"): archive}, "sync", "isurus", code=REFUSED)
    assert f"{archive} shows the share at" in part.err
    assert not ready.mirror("isurus").exists()


@pytest.mark.as_root
@IN_NAMESPACE
def test_the_share_seen_again_as_the_repo_itself_is_refused(ready: Estate) -> None:
    repo = ready.local_repos / "isurus"
    done = run_with_mounts(ready, {ready.share: repo}, "sync", "isurus", code=REFUSED)
    assert f"{repo} shows the share" in done.err


@pytest.mark.as_root
@IN_NAMESPACE
def test_a_view_of_the_share_by_another_file_system_is_known_by_its_marker(ready: Estate) -> None:
    archive, view = ready.local_repos / "isurus/archive", files(ready.base / "view", 1)
    archive.mkdir()
    (view / ".repoman-share").write_bytes((ready.share / ".repoman-share").read_bytes())
    done = run_with_mounts(ready, {view: archive}, "sync", "isurus", code=REFUSED)
    assert f"{archive} shows the share" in done.err


@pytest.mark.as_root
@IN_NAMESPACE
def test_what_was_mounted_at_the_last_sync_and_is_not_now_stays_in_the_mirror(
    ready: Estate,
) -> None:
    disk, data = files(ready.base / "disk", 20), ready.local_repos / "isurus/data"
    data.mkdir()
    run_with_mounts(ready, {disk: data}, "sync", code=0)
    assert len(inner(ready.mirror("isurus/data"))) == 21
    again = run_with_mounts(ready, {disk: data}, "sync", code=0)
    assert "nothing to do" in again.out
    done = ready.run("sync", "isurus", code=REFUSED)
    assert f"a file system was mounted at {data} at the last sync, and none is now" in done.err
    assert ready.run("sync", code=SOME_FAILED).err.count("none is now") == 1
    assert len(inner(ready.mirror("isurus/data"))) == 21
    run_with_mounts(ready, {disk: data}, "sync", code=0)
    ready.run("sync", "isurus", "--force", "--yes", code=0)
    assert len(inner(ready.mirror("isurus/data"))) == 1
    ready.run("sync", code=0)


def only_root() -> None:
    if os.geteuid():
        pytest.skip("not here: only root mounts a file system that hangs")


@pytest.mark.as_root
@pytest.mark.over_ssh
@pytest.mark.parametrize("folder", ["isurus/data", "isurus"])
def test_a_dead_file_system_in_a_repo_fails_that_project_only(ready: Estate, folder: str) -> None:
    only_root()
    path = ready.local_repos / folder
    path.mkdir(exist_ok=True)
    ready.environ["REPOMAN_PROBE_SECONDS"] = "1"
    with hanging(path):
        done = ready.run("sync", code=SOME_FAILED)
        assert f"{path}" in done.err
        assert "did not answer within 1 s" in done.err or "does not answer" in done.err
        assert (ready.mirror("lamna") / "README.md").exists()
        assert last_sync(ready, "lamna")
        assert not last_sync(ready, "isurus")
    ready.run("sync", code=0)
    assert last_sync(ready, "isurus")


@pytest.mark.as_root
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("argv", [["sync"], ["sync", "isurus"], ["status"], ["verify"]])
def test_a_signal_ends_what_waits_for_a_dead_file_system(
    ready: Estate, argv: list[str], number: int
) -> None:
    only_root()
    ready.run("sync", code=0)
    data = ready.local_repos / "isurus"
    with hanging(data):
        process = ready.start(*argv)
        wait_until(lambda: process.poll() is not None or waiting(process.pid))
        process.send_signal(number)
        process.wait(WAIT_SECONDS)
    assert process.returncode == INTERRUPTED


REQUESTS = {"names": Dying.READDIR, "file": Dying.LOOKUP, "content": Dying.READ}
"""The request at which a file system dies: in the walks before the copy, or in the copy."""


@pytest.fixture
def data(ready: Estate) -> Path:
    """Return a folder in isurus for a file system."""
    only_root()
    folder = ready.local_repos / "isurus/data"
    folder.mkdir()
    return folder


@pytest.mark.as_root
@pytest.mark.parametrize("request_", ["file", "content"])
def test_a_file_system_that_dies_during_a_sync_fails_that_project_only(
    ready: Estate, data: Path, request_: str
) -> None:
    ready.environ["REPOMAN_STALL_SECONDS"] = "3"
    with dying(data, REQUESTS[request_]) as server:
        done = ready.run("sync", code=SOME_FAILED)
        assert server.dead.is_set()
        whole = f"{data.parent} did not answer within 3 s"
        assert ("no progress for 3 s" if request_ == "content" else whole) in done.err
        assert last_sync(ready, "lamna")
        assert not last_sync(ready, "isurus")
    del ready.environ["REPOMAN_STALL_SECONDS"]
    ready.run("sync", code=0)
    assert last_sync(ready, "isurus")


@pytest.mark.as_root
@pytest.mark.parametrize(
    ("request_", "number"),
    [("names", signal.SIGTERM), ("file", signal.SIGINT), ("content", signal.SIGTERM)],
)
def test_a_signal_ends_a_sync_whose_file_system_died(
    ready: Estate, data: Path, request_: str, number: int
) -> None:
    with dying(data, REQUESTS[request_]) as server:
        process = ready.start("sync")
        assert server.dead.wait(WAIT_SECONDS)
        process.send_signal(number)
        process.wait(WAIT_SECONDS)
    assert process.returncode == INTERRUPTED


def waiting(pid: int) -> bool:
    """Return True if a child of the process waits for something."""
    return bool(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
