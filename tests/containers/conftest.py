"""An estate whose containers are real, each test in an Incus project of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from repoman_tasks.registry import parse
from tests.conftest import HERE, SSH
from tests.support.estate import CHECKOUT, Estate, Result, run
from tests.support.processes import until
from tests.support.ssh_estate import FarEstate
from tests.worlds.daemon.images import image
from tests.worlds.daemon.place import BRIDGES, POOL, running_daemon

DAEMON = os.environ.get("REPOMAN_TEST_INCUS_DIR", "")
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
"""Taken before any test's own environment is laid."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/containers" in str(item.path) and not DAEMON:
            item.add_marker(pytest.mark.skip(reason="not here: `python -m tests.worlds.daemon`"))


class Place(Estate):
    """An estate with containers."""

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.project = f"t{uuid.uuid4().hex[:10]}"
        self.environ |= {
            "INCUS_DIR": DAEMON,
            "INCUS_PROJECT": self.project,
            "DEFAULT_IMAGE": "busybox",
            "REPOMAN_STORAGE_POOL": POOL,  # a test may make another one meanwhile
            "REPOMAN_BRIDGE": BRIDGES[int(WORKER.removeprefix("gw"))],
        }
        (self.home / ".claude").mkdir()

    def close(self) -> None:
        super().close()
        delete = ("project", "delete", self.project, "--force")

        def is_gone() -> bool:  # what is left would be in every later way
            done = self.incus(*delete, given="yes\n", check=False)
            return not done.code or "not found" in done.err

        until(is_gone)

    def incus(self, *argv: str, given: str = "", check: bool = True) -> Result:
        """Do something behind repoman's back. In the estate's project unless words name one."""
        named = "--project" in argv or argv[0] in ("project", "query", "storage", "network")
        project = [] if named else ["--project", self.project]
        done = run(["incus", *project, *argv], self.environ, given=given)
        assert not check or done.code == 0, (argv, done)
        return done

    def api(self, path: str) -> Any:
        """What Incus says of a path below the project."""
        joined = "&" if "?" in path else "?"
        argv = ["query", f"local:/1.0/{path}{joined}project={self.project}"]
        return json.loads(self.incus(*argv).out)

    def instances(self) -> dict[str, dict[str, Any]]:
        """All instances of the project, by name."""
        return {one["name"]: one for one in self.api("instances?recursion=1")}

    def ready(self) -> Place:
        """Set up, and nothing in it."""
        paths = ("--local-repos", str(self.local_repos), "--nfs-repos", str(self.share))
        done = self.run("setup", *paths, code=0)
        assert "not set up" not in done.err, done
        return self

    def new(self, name: str, *flags: str) -> Place:
        """A repo, a project and a container called `name`."""
        if not (self.local_repos / name).exists():
            (self.local_repos / name).mkdir()
        self.run("new", name, *flags, code=0)
        return self

    def inside(self, name: str, *argv: str) -> Result:
        """Run words as root in a container; what they say arrives (see `tools.guest`)."""
        heard = ["sh", "-c", 'sleep 0.05; exec "$@"', "sh"]
        return self.incus("exec", name, "--", *heard, *argv, check=False)

    def projects(self) -> list[str]:
        """The names in the registry."""
        registry = parse(self.registry.read_text(), str(self.registry), self.environ)
        return [project.name for project in registry.projects]

    def findings(self, *argv: str) -> dict[str, list[str]]:
        """What `status` finds about containers: the kinds by subject."""
        found: dict[str, list[str]] = {}
        for finding in self.run("status", "--json", *argv).json["findings"]:
            if finding["kind"]:
                found.setdefault(finding["subject"], []).append(finding["kind"])
        return found

    def state(self, name: str) -> str:
        """The state of a project, as `list` shows it."""
        rows = self.run("list", "--json", code=0).json["projects"]
        return next(str(row["state"]) for row in rows if row["name"] == name)


class FarPlace(FarEstate, Place):
    """An estate with containers on the other side of an sshd."""


@pytest.fixture
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An estate beside a daemon; nothing is set up. Its parameter is `HERE`, or a transport by
    which it is on another host."""
    how = getattr(request, "param", SSH or HERE)
    with Place(tmp_path) if how == HERE else FarPlace(tmp_path, how) as place:
        yield place


@pytest.fixture
def place(bare: Place) -> Place:
    """An estate that is set up."""
    return bare.ready()


@pytest.fixture
def isurus(place: Place) -> Place:
    """An estate with the project isurus, whose container runs."""
    return place.new("isurus")


@pytest.fixture
def host(bare: Place) -> Iterator[Place]:
    """A host whose Incus was never initialised, with the image `debian`; slow to make."""
    folder = Path(tempfile.mkdtemp(prefix="rmw-", dir="/tmp"))
    programs = bare.base / "bin"
    programs.mkdir()
    repoman = programs / "repoman"
    repoman.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m repoman_tasks "$@"\n')
    repoman.chmod(0o755)
    before = dict(bare.environ)
    bare.environ |= {
        "INCUS_DIR": str(folder),
        "INCUS_PROJECT": "repoman",
        "REPOMAN_STORAGE_POOL": "",
        "REPOMAN_BRIDGE": f"rmw{os.getpid() % 10000}",
        "PATH": f"{programs}:{bare.environ['PATH']}",
        "PYTHONPATH": str(CHECKOUT),
    }
    try:
        with running_daemon(folder, "sudo", "-n"):
            tarball = str(image("debian"))
            bare.incus("image", "import", tarball, "--alias", "debian", "--project", "default")
            yield bare
            bare.incus("project", "delete", "repoman", "--force", given="yes\n", check=False)
            network = bare.environ["REPOMAN_BRIDGE"]
            bare.incus("network", "delete", network, "--project", "default", check=False)
    finally:
        bare.environ = before
        subprocess.run(["sudo", "-n", "rm", "-rf", str(folder), f"{folder}.log"], check=False)
