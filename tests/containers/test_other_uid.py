"""A developer whose uid is not 1000, and whose gid is not the uid."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.conftest import ContainerEstate
from tests.support.estate import Result, run
from tests.worlds.daemon.sandbox import PEOPLE

pytestmark = pytest.mark.local_only("the commands run as other users of this host")
UID, GID = PEOPLE["dee"]
SUDO = ["sudo", "-n"]


class Dee:
    """Another user, with a home and a share of their own, who types repoman commands."""

    def __init__(self, estate: ContainerEstate) -> None:
        self.estate = estate
        self.home = Path(f"/home/dee/{uuid.uuid4().hex[:8]}")  # two tests may run at once
        self.share = Path(f"/dev/shm/dee-{uuid.uuid4().hex}")
        self.environ = {
            **estate.environ,
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_STATE_HOME": str(self.home / ".state"),
        }
        self.sh(f"mkdir -p {self.home}/repos/isurus {self.share}")

    def typed(self, *argv: str) -> Result:
        """Run a command as dee."""
        ids = [f"--reuid={UID}", f"--regid={GID}", "--init-groups", "--inh-caps=-all"]
        environ = [f"{key}={value}" for key, value in self.environ.items()]
        return run([*SUDO, "setpriv", *ids, "env", "-i", *environ, *argv], self.environ)

    def sh(self, script: str) -> str:
        """Run a script as dee; it has to succeed."""
        done = self.typed("sh", "-c", script)
        assert done.code == 0, done
        return done.out

    def repoman(self, *argv: str) -> str:
        """Run repoman as dee; it has to succeed."""
        done = self.tried(*argv)
        assert done.code == 0, done
        return done.out

    def tried(self, *argv: str) -> Result:
        """Run repoman as dee."""
        return self.typed(*self.estate.argv, *argv)


@pytest.fixture
def dee(fresh_estate: ContainerEstate) -> Iterator[Dee]:
    """Return dee, before any setup."""
    somebody = Dee(fresh_estate)
    yield somebody
    clean = [str(somebody.home), str(somebody.share)]
    subprocess.run([*SUDO, "rm", "-rf", *clean], check=True)
    shutil.rmtree(somebody.share, ignore_errors=True)


@pytest.mark.parametrize("image", ["busybox", "debian"])
def test_the_life_of_a_project_with_uid_1001_and_gid_1002(dee: Dee, image: str) -> None:
    dee.repoman("setup", "--nfs-repos", str(dee.share))
    dee.repoman("new", "isurus", "--image", image)
    who = dee.repoman("exec", "isurus", "--", "id")
    assert who.startswith(f"uid={UID}(dee) gid={GID}(dee)")
    dee.repoman("exec", "isurus", "--", "touch", "mine")
    info = (dee.home / "repos/isurus/mine").stat()
    assert (info.st_uid, info.st_gid) == (UID, GID)
    dee.estate.exec_inside("isurus", "touch", f"{dee.home}/repos/isurus/roots")
    assert (dee.home / "repos/isurus/roots").stat().st_uid == 1_000_000
    default = dee.estate.api("profiles/default")
    assert default["config"]["raw.idmap"] == f"uid {UID} {UID}\ngid {GID} {GID}"
    dee.repoman("remove", "isurus", "--yes")


def everything(estate: ContainerEstate) -> str:
    """Return what Incus has of an estate, but for what changes by itself."""
    shown = (
        estate.incus("project", "show", estate.project).out,
        estate.incus("profile", "show", "default").out,
        estate.incus("network", "acl", "show", estate.environ["REPOMAN_BRIDGE"]).out,
        str(sorted(estate.instances())),
    )
    return "\n".join(shown)


def test_a_second_person_with_the_same_names_is_told_and_touches_nothing(dee: Dee) -> None:
    estate = dee.estate.setup().new("isurus")
    before = everything(estate)
    told = f"the Incus project {estate.project} is of another person, with the uid {os.getuid()}"
    done = dee.tried("setup", "--nfs-repos", str(dee.share))
    assert done.code == 0, done
    assert told in done.err
    for argv in (("new", "lamna", "--create"), ("setup", "--repair"), ("adopt", "isurus")):
        done = dee.tried(*argv, "--yes")
        assert (done.code, told in done.err) == (2, True), done
    assert not (dee.home / "repos/lamna").exists()
    found = dee.tried("status")
    assert told in found.out
    assert "adopt" not in found.out
    assert "destroy" not in dee.tried("status", "--orphan", "destroy", "--yes").out
    assert everything(estate) == before
    assert estate.findings() == {}
    (cure,) = re.findall(r"to have your own, run `repoman ([^`]*)`", found.out)
    own = ["--incus-project", f"repoman-{UID}"]
    assert cure.split() == ["setup", *own, "--network", f"rm{UID}", "--init-incus"]
    try:
        done = dee.tried("setup", *own)
        assert (done.code, "the network" in done.err) == (2, True), done
        dee.repoman(*cure.split())
        dee.repoman("new", "lamna", "--create")
        assert dee.repoman("exec", "lamna", "--", "echo", "well") == "well\n"
        assert everything(estate) == before
        dee.repoman("remove", "lamna", "--yes")
    finally:
        for kind, name in (("project", f"repoman-{UID}"), ("network", f"rm{UID}")):
            force = ["--force"] if kind == "project" else []
            estate.incus(kind, "delete", name, *force, given="yes\n", check=False)
