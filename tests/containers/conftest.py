"""An estate whose containers are real, each test in an Incus project of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from repoman_tasks.registry import parse
from tests.conftest import LOCAL, SSH_TRANSPORT, isolate
from tests.containers.network import plugged_in
from tests.support.estate import CHECKOUT, Estate, Result, run
from tests.support.processes import wait_until
from tests.support.ssh_estate import RemoteEstate
from tests.worlds.daemon.images import image
from tests.worlds.daemon.sandbox import BRIDGES, POOL, SHARED_BRIDGES, running_daemon

DAEMON = os.environ.get("REPOMAN_TEST_INCUS_DIR", "")
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Read before a fixture isolates the environment."""

BY_SSH = ("fabric", pytest.param("openssh", marks=pytest.mark.nightly))
"""The transports of a slow test. test_far.py has both each time."""
_OF_REPOS = ("folder", "old", "registry", "repo", "share", "snapshots", "stopped")
"""Kinds of findings about repos and their mirrors."""
_NOTES = ("kernel", "memory", "network", "reach")
"""Kinds of findings that may be notes about this machine."""


_RACES = ("Failed getting ACL usage", "Failed to delete bridge children interfaces")
"""Errors of Incus whose cause is gone a moment later."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/containers" in str(item.path) and not DAEMON:
            item.add_marker(pytest.mark.skip(reason="not here: `python -m tests.worlds.daemon`"))


class ContainerEstate(Estate):
    """An estate with containers."""

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.project = f"t{uuid.uuid4().hex[:10]}"
        self.environ |= {
            "INCUS_DIR": DAEMON,
            "INCUS_PROJECT": self.project,
            "DEFAULT_IMAGE": "busybox",
            "REPOMAN_STORAGE_POOL": POOL,  # a test may create another one meanwhile
            "REPOMAN_BRIDGE": BRIDGES[WORKER],
        }
        (self.home / ".claude").mkdir()

    def close(self) -> None:
        super().close()

        def is_gone(name: str) -> bool:  # what is left would affect every later test
            delete = ("project", "delete", name, "--force")
            done = self.incus(*delete, given="yes\n", check=False)
            return not done.code or "not found" in done.err

        for name in (self.project, f"{self.project}-nesting"):
            wait_until(partial(is_gone, name))

    def incus(self, *argv: str, given: str = "", check: bool = True) -> Result:
        """Run incus, behind repoman's back, in the estate's project unless `argv` names another.

        Incus fails in ways of its own while what another test made vanishes; ask again then.
        """
        named = "--project" in argv or argv[0] in ("project", "query", "storage", "network")
        project = [] if named else ["--project", self.project]
        done = run(["incus", *project, *argv], self.environ, given=given)
        while any(race in done.err for race in _RACES) and self.project not in done.err:
            done = run(["incus", *project, *argv], self.environ, given=given)
        assert not check or done.code == 0, (argv, done)
        return done

    def api(self, path: str) -> Any:
        """Return what Incus's API has at a path below the project."""
        separator = "&" if "?" in path else "?"
        argv = ["query", f"local:/1.0/{path}{separator}project={self.project}"]
        return json.loads(self.incus(*argv).out)

    def instances(self) -> dict[str, dict[str, Any]]:
        """Return all instances of the project, by name."""
        return {one["name"]: one for one in self.api("instances?recursion=1")}

    def built_names(self) -> list[str]:
        """Return the names of the images that were built for templates of any estate."""
        names = self.incus("query", "local:/1.0/images/aliases?recursion=1").out
        found = [str(alias["name"]) for alias in json.loads(names)]
        return [name for name in found if name.startswith("repoman-template-")]

    def setup(self) -> ContainerEstate:
        """Set up, and nothing in it."""
        paths = ("--local-repos", str(self.local_repos), "--nfs-repos", str(self.share))
        done = self.run("setup", *paths, code=0)
        assert "not set up" not in done.err, done
        return self

    def new(self, name: str, *flags: str) -> ContainerEstate:
        """Create a repo, a project and a container called `name`."""
        if not (self.local_repos / name).exists():
            (self.local_repos / name).mkdir()
        self.run("new", name, *flags, code=0)
        return self

    def exec_inside(self, name: str, *argv: str) -> Result:
        """Run `argv` as root in a container, and lose none of its output (see `tools.guest`)."""
        delayed = ["sh", "-c", 'sleep 0.05; exec "$@"', "sh"]
        return self.incus("exec", name, "--", *delayed, *argv, check=False)

    def open_agents_folder(self) -> str:
        """Mount the host's folder of an agent in all containers, as earlier versions did."""
        folder = str(self.home / ".claude")
        paths = f"restricted.devices.disk.paths={self.local_repos},{folder}"
        self.incus("project", "set", self.project, paths)
        device = ("claude-share", "claude-share", "disk", f"source={folder}", f"path={folder}")
        self.incus("profile", "device", "add", *device)
        return folder

    def projects(self) -> list[str]:
        """Return the names in the registry."""
        registry = parse(self.registry.read_text(), str(self.registry), self.environ)
        return [project.name for project in registry.projects]

    def findings(self, *argv: str) -> dict[str, list[str]]:
        """Return the kinds of findings that `status` reports about containers, by subject."""
        found: dict[str, list[str]] = {}
        for finding in self.run("status", "--json", *argv).json["findings"]:
            note = not finding["problem"] and finding["kind"] in _NOTES
            if finding["kind"] not in _OF_REPOS and not note:
                found.setdefault(finding["subject"], []).append(finding["kind"])
        return found

    def accept(self, name: str) -> None:
        """Have `status` list what is new in a repo, and mark it as seen."""
        self.run("status", name)
        assert "marked as seen" in self.run("status", name, "--seen").err

    def state(self, name: str) -> str:
        """Return the state of a project, as `list` shows it."""
        rows = self.run("list", "--json", code=0).json["projects"]
        return next(str(row["state"]) for row in rows if row["name"] == name)


class RemoteContainerEstate(RemoteEstate, ContainerEstate):
    """An estate with containers behind an sshd."""

    def seen_from_its_host(self) -> ContainerEstate:
        """Return the same estate, for commands that are typed there."""
        estate = ContainerEstate.__new__(ContainerEstate)
        vars(estate).update(vars(self))
        return estate


@contextmanager
def small_pool(estate: ContainerEstate) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of a storage pool of 3 MiB, and the argv that makes it one of 2 GiB."""
    pool, mounted = f"small{os.getpid() % 100_000}", estate.base / "mounted"
    mounted.mkdir()
    as_root = ["sudo", "-n", "nsenter", "--target", "1", "--mount"]
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m,mode=711", "small", str(mounted)]
    subprocess.run([*as_root, *mount], check=True)
    try:
        estate.incus("storage", "create", pool, "dir", f"source={mounted}")
        yield pool, [*as_root, "mount", "-o", "remount,size=2g", str(mounted)]
    finally:
        estate.incus("storage", "delete", pool, check=False)
        subprocess.run([*as_root, "umount", "--lazy", str(mounted)], check=False)
        mounted.rmdir()


@pytest.fixture
def fresh_estate(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ContainerEstate]:
    """Yield an estate beside a daemon, with nothing set up unless the test has the mark `shared`.

    The parameter is `LOCAL`, or the transport by which it is on another host.
    """
    host = getattr(request, "param", SSH_TRANSPORT or LOCAL)
    if request.node.get_closest_marker("shared"):
        shared = request.getfixturevalue("shared_estate")
        shared.use_transport(host)
        yield shared.seen_from_its_host() if host == LOCAL else shared
        return
    with (
        ContainerEstate(tmp_path)
        if host == LOCAL
        else RemoteContainerEstate(tmp_path, host) as estate
    ):
        yield estate


@pytest.fixture(scope="module")
def shared_estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteContainerEstate]:
    """Yield an estate for all tests of a module that have the mark `shared`.

    It has a bridge of its own, so that a test with another estate does not touch it.
    """
    base = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, base / "nobody")
        with RemoteContainerEstate(base) as estate:
            estate.environ["REPOMAN_BRIDGE"] = SHARED_BRIDGES[WORKER]
            yield estate


@pytest.fixture
def estate(fresh_estate: ContainerEstate) -> ContainerEstate:
    """Yield an estate that is set up."""
    return fresh_estate if fresh_estate.registry.exists() else fresh_estate.setup()


@pytest.fixture
def isurus(estate: ContainerEstate) -> ContainerEstate:
    """Yield an estate with the project isurus, whose container runs."""
    return estate if "isurus" in estate.projects() else estate.new("isurus")


@pytest.fixture
def networked(isurus: ContainerEstate) -> Iterator[ContainerEstate]:
    """Yield an estate with the project isurus, whose container has an address.

    Undo afterwards what the registry opens or closes.
    """
    plugged_in(isurus, "isurus")
    before = isurus.registry.read_text()
    yield isurus
    if "isurus" in isurus.projects() and isurus.registry.read_text() != before:
        isurus.registry.write_text(before)
        isurus.run("setup", "--repair", code=0)
        isurus.run("update", "isurus", "--restart", code=0)


@pytest.fixture
def git_repo(estate: ContainerEstate) -> Path:
    """Return the git repo of isurus as if it was new; its container has git, and only that."""
    if "isurus" not in estate.projects():
        path = estate.repo("isurus")
        estate.new("isurus", "--image=debian")
        return path
    assert estate.exec_inside("isurus", "rm", "-f", "/usr/local/bin/git", "/inside").code == 0
    for old in (estate.local_repos / "isurus").iterdir():
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink()
    return estate.repo("isurus")


@pytest.fixture
def host(fresh_estate: ContainerEstate) -> Iterator[ContainerEstate]:
    """Yield a host whose Incus was never initialised, with the image `debian`. Slow to create."""
    folder = Path(tempfile.mkdtemp(prefix="rmw-", dir="/tmp"))
    programs = fresh_estate.base / "bin"
    programs.mkdir()
    repoman = programs / "repoman"
    repoman.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m repoman_tasks "$@"\n')
    repoman.chmod(0o755)
    before = dict(fresh_estate.environ)
    fresh_estate.environ |= {
        "INCUS_DIR": str(folder),
        "INCUS_PROJECT": "repoman",
        "REPOMAN_STORAGE_POOL": "",
        "REPOMAN_BRIDGE": f"rmw{os.getpid() % 10000}",
        "PATH": f"{programs}:{fresh_estate.environ['PATH']}",
        "PYTHONPATH": str(CHECKOUT),
    }
    try:
        with running_daemon(folder, "sudo", "-n"):
            tarball = str(image("debian"))
            fresh_estate.incus(
                "image", "import", tarball, "--alias", "debian", "--project", "default"
            )
            yield fresh_estate
            fresh_estate.incus(
                "project", "delete", "repoman", "--force", given="yes\n", check=False
            )
            network = fresh_estate.environ["REPOMAN_BRIDGE"]
            fresh_estate.incus("network", "delete", network, "--project", "default", check=False)
    finally:
        fresh_estate.environ = before
        subprocess.run(["sudo", "-n", "rm", "-rf", str(folder), f"{folder}.log"], check=False)
