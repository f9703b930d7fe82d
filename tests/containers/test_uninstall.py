"""`uninstall` on a host with containers."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from repoman_tasks.planning.fence.host_filter import filter_path
from tests.containers.conftest import ContainerEstate
from tests.support.estate import hash_tree
from tests.worlds.daemon.sandbox import POOL


def names(estate: ContainerEstate, kind: str) -> set[str]:
    """Return the names of what the daemon has of a kind, such as `projects`."""
    shown = estate.incus("query", f"local:/1.0/{kind}?recursion=1").out
    found: list[dict[str, Any]] = json.loads(shown) if shown else []
    return {str(one["name"]) for one in found}


def test_all_that_setup_and_new_made_is_removed(host: ContainerEstate) -> None:
    host.environ["DEFAULT_IMAGE"] = "local:debian"
    bridge = host.environ["REPOMAN_BRIDGE"]
    paths = ("--local-repos", str(host.local_repos), "--nfs-repos", str(host.share))
    host.run("setup", "--init-incus", *paths, "--yes", code=0)
    (host.local_repos / "isurus").mkdir()
    (host.local_repos / "isurus/file").write_text("mine")
    host.run("new", "isurus", "--yes", code=0)
    host.run("sync", code=0)
    assert "repoman" in names(host, "projects")
    before = {**hash_tree(host.local_repos), **hash_tree(host.share)}
    shown = host.run("uninstall", "--dry-run", code=0).out
    parts = ("container isurus", "volume isurus", "project repoman", f"bridge {bridge}")
    for part in (*parts, "storage pool default"):
        assert part in shown
    host.run("uninstall", "--yes", code=0)
    assert names(host, "projects") == {"default"}
    assert bridge not in names(host, "networks") | names(host, "network-acls")
    assert names(host, "storage-pools") == set()
    assert {**hash_tree(host.local_repos), **hash_tree(host.share)} == before
    assert subprocess.run(["test", "-e", filter_path(bridge)], check=False).returncode == 1
    assert not host.registry.exists()
    assert host.run("uninstall", "--yes", code=0).out == "nothing is left\n"


def test_a_container_of_somebody_else_stays_with_all_that_it_needs(
    isurus: ContainerEstate,
) -> None:
    isurus.incus("init", "--empty", "stray", "--storage", POOL)
    done = isurus.run("uninstall", "--yes", code=0)
    assert "the container stray stays" in done.err
    assert set(isurus.instances()) == {"stray"}
    assert not isurus.registry.exists()


@pytest.mark.over_ssh
def test_what_was_interrupted_in_incus_is_completed(isurus: ContainerEstate) -> None:
    isurus.new("lamna")
    isurus.incus("delete", "--force", "isurus")
    isurus.incus("profile", "delete", "claude-share", check=False)
    isurus.run("uninstall", "--yes", code=0)
    assert isurus.project not in names(isurus, "projects")
    assert isurus.run("uninstall", "--yes", code=0).out == "nothing is left\n"
