"""A developer whose uid is not 1000, and whose gid is not the uid."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.conftest import ContainerEstate
from tests.support.estate import Result, run
from tests.worlds.daemon.images import image
from tests.worlds.daemon.sandbox import ADMINS, PEOPLE, running_daemon

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


@pytest.mark.parametrize("image", [pytest.param("busybox", marks=pytest.mark.nightly), "debian"])
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


ANNA = r"CORP\anna.weber", 400001104, 400000513
"""A person of a directory service: uid and gid are in root's range, and the group has a space."""


class Anna:
    """A host whose /etc has Anna, who may use its Incus, and the commands that she types."""

    def __init__(self, estate: ContainerEstate, folder: Path) -> None:
        name, uid, gid = ANNA
        self.estate, self.folder, self.etc = estate, folder, folder / "etc"
        self.home, self.share = folder / "home", folder / "share"
        self.network = f"rma{os.getpid() % 10000}"
        script = r"""
            cp -a /etc "$1/etc" && cd "$1/etc" || exit
            printf '%s\n' "$2:x:$3:$4::$1/home:/bin/bash" >>passwd
            printf '%s\n' "$2:*:19000::::::" >>shadow
            printf '%s\n' "domain users:x:$4:" >>group
            sed -i "s/^\($5:.*\)$/\1,CORP\\\\anna.weber/" group
            for file in subuid subgid; do echo root:1000000:1000000000 >$file; done
            mkdir -p "$1/home/repos/isurus" "$1/share" && chown -R "$3:$4" "$1/home" "$1/share"
            mount -t tmpfs -o "size=64m,uid=$3,gid=$4" share "$1/share"
        """
        given = [str(folder), name, str(uid), str(gid), ADMINS]
        subprocess.run([*SUDO, "sh", "-c", script, "sh", *given], check=True)

    @property
    def in_etc(self) -> list[str]:
        """The argv prefix that runs a command as root where her /etc is."""
        script = 'mount --bind "$0" /etc && exec "$@"'
        return [*SUDO, "unshare", "--mount", "sh", "-c", script, str(self.etc)]

    def repoman(self, *argv: str, code: int | None = 0) -> Result:
        """Run repoman as Anna; fail unless it exits with `code`, None for any."""
        environ = {
            **self.estate.environ,
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_STATE_HOME": str(self.home / ".state"),
            "INCUS_DIR": str(self.folder / "incus"),
            "INCUS_PROJECT": "repoman",
            "DEFAULT_IMAGE": "local:debian",
            "REPOMAN_STORAGE_POOL": "",
            "REPOMAN_BRIDGE": self.network,
        }
        ids = [f"--reuid={ANNA[1]}", f"--regid={ANNA[2]}", "--init-groups", "--inh-caps=-all"]
        given = ["env", "-i", *(f"{key}={value}" for key, value in environ.items())]
        done = run(
            [*self.in_etc, "setpriv", *ids, *given, *self.estate.argv, *argv],
            environ,
            cwd=self.folder,
        )
        assert code is None or done.code == code, done
        return done


@pytest.fixture
def anna(fresh_estate: ContainerEstate) -> Iterator[Anna]:
    """Yield Anna's host, on which no daemon runs yet."""
    folder = Path(tempfile.mkdtemp(prefix="rma-", dir="/tmp"))
    folder.chmod(0o755)
    yield Anna(fresh_estate, folder)
    mounts = [folder / name for name in ("share", "incus/storage-pools", "incus/devices")]
    subprocess.run([*SUDO, "umount", "--recursive", *map(str, mounts)], check=False)
    subprocess.run([*SUDO, "rm", "-rf", str(folder)], check=False)


def test_a_person_of_a_directory_service(anna: Anna) -> None:
    """Paste what `setup` prints, restart Incus, and live as anybody."""
    paths = ("--local-repos", str(anna.home / "repos"), "--nfs-repos", str(anna.share))
    incus = anna.folder / "incus"
    with running_daemon(incus, *anna.in_etc):
        tarball = str(image("debian"))
        argv = ["incus", "image", "import", tarball, "--alias", "debian", "--project", "default"]
        assert run(argv, {**anna.estate.environ, "INCUS_DIR": str(incus)}).code == 0
        done = anna.repoman("setup", "--init-incus", *paths)
        printed = re.findall(r"needs root, .*: sudo (.*)", done.err)
        assert sum("restart Incus" in line for line in done.err.splitlines()) == 2
        for line in printed:
            subprocess.run([*anna.in_etc, *shlex.split(line)], check=True)
    with running_daemon(incus, *anna.in_etc):
        try:
            assert "needs root" not in anna.repoman("setup").err
            anna.repoman("new", "isurus")
            script = "sudo -n true && id && touch mine"
            shown = anna.repoman("exec", "isurus", "--", "sh", "-c", script).out
            assert shown.startswith(f"uid={ANNA[1]}({ANNA[0]}) gid={ANNA[2]}(domain users)")
            info = (anna.home / "repos/isurus/mine").stat()
            assert (info.st_uid, info.st_gid) == ANNA[1:]
            found = anna.repoman("status", "--json", code=None).json["findings"]
            assert not [one for one in found if one["kind"] in ("fence", "owner")], found
        finally:
            environ = {**anna.estate.environ, "INCUS_DIR": str(incus)}
            run(["incus", "project", "delete", "repoman", "--force"], environ, given="yes\n")
            run(["incus", "network", "delete", anna.network, "--project", "default"], environ)
