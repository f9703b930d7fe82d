"""What `list` and `status` say of containers, by a real Incus daemon of the tests' own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from repoman_tasks.planning.drift import TAG
from repoman_tasks.registry import SetKeys, edited
from tests.estate import Estate, run

_INCUSD = Path("/usr/libexec/incus/incusd")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="not here: root, which starts a daemon"),
    pytest.mark.skipif(
        not _INCUSD.exists() or not shutil.which("incus"), reason="not here: Incus and its client"
    ),
]


@contextmanager
def daemon(folder: Path) -> Iterator[None]:
    """A daemon in `folder`, beside any other; gone with its mounts at the end."""
    environ = {**os.environ, "INCUS_DIR": str(folder), "HOME": str(folder)}
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [str(_INCUSD), "--group", "root"], env=environ, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 30
        while run(["incus", "query", "/1.0"], environ).code:
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()
        for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
            if line.split()[4].startswith(f"{folder}/"):
                run(["umount", "--lazy", line.split()[4]], environ)


@pytest.fixture(scope="module")
def incus() -> Iterator[Path]:
    """The INCUS_DIR of a daemon with a storage pool."""
    # A socket's path has to be short.
    folder = Path(tempfile.mkdtemp(prefix="repoman-incus-", dir="/tmp"))
    try:
        with daemon(folder):
            environ = {**os.environ, "INCUS_DIR": str(folder), "HOME": str(folder)}
            assert run(["incus", "storage", "create", "pool", "dir"], environ).code == 0
            yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def place(estate: Estate, incus: Path) -> Iterator[Estate]:
    """An estate with an Incus project of its own, and the project isurus that has a container."""
    estate.prepare("isurus")
    text = estate.registry.read_text()
    estate.registry.write_text(edited(text, [SetKeys({"container": True}, project="isurus")]))
    estate.environ |= {"INCUS_DIR": str(incus), "INCUS_PROJECT": "tests"}
    client(estate, "project", "create", "tests", "-c", "features.images=false")
    yield estate
    client(estate, "project", "delete", "tests", "--force", given="yes\n")  # it asks all the same


def client(estate: Estate, *words: str, given: str = "") -> None:
    """Do something behind repoman's back."""
    done = run(["incus", *words], estate.environ, given=given)
    assert done.code == 0, done.err


def made(estate: Estate, name: str, tag: str = "") -> None:
    tagged = ["-c", f"{TAG}={tag}"] if tag else []
    client(estate, "init", "--empty", "--project", "tests", "-s", "pool", name, *tagged)


def problems(estate: Estate, *words: str) -> list[str]:
    """What status finds, of containers only."""
    found = estate.run("status", "--json", *words, code=3).json["findings"]
    return [f"{f['subject']}: {f['what']}" for f in found if "mirrored" not in f["what"]]


def state(estate: Estate) -> str:
    (project,) = estate.run("list", "--json", code=0).json["projects"]
    found: str = project["state"]
    return found


def test_a_container_that_is_as_it_should_be(place: Estate) -> None:
    made(place, "isurus", "isurus")
    assert state(place) == "stopped"
    assert problems(place) == []
    done = place.run("list", code=0)
    assert done.err == "containers: 1 stopped\n"
    assert "containers: 1 stopped" in place.run("status", code=3).out


def test_missing(place: Estate) -> None:
    assert state(place) == "missing"
    assert problems(place) == ["isurus: its container is missing"]
    assert "its container is missing" in place.run("list", code=0).out


def test_renamed(place: Estate) -> None:
    made(place, "isurus", "isurus")
    client(place, "rename", "--project", "tests", "isurus", "other")
    assert problems(place) == ["isurus: its container is called other now"]


def test_orphan(place: Estate) -> None:
    made(place, "isurus", "isurus")
    made(place, "stray")
    what = "stray: a container in the Incus project that no project has"
    assert problems(place) == [what]
    assert problems(place, "isurus") == []


def test_an_incus_project_that_does_not_exist(place: Estate) -> None:
    place.environ["INCUS_PROJECT"] = "nowhere & ?recursion=0"
    assert problems(place) == ["isurus: its container is missing"]


def test_a_daemon_that_does_not_run(place: Estate) -> None:
    down = {"INCUS_DIR": "/nowhere"}
    found = place.run("status", "--json", environ=down, code=3).json
    assert found["containers"] == "not checked, the Incus daemon does not run"
    assert "incus" in [finding["subject"] for finding in found["findings"]]
    done = place.run("list", environ=down, code=0)
    assert "unknown" in done.out
    assert done.err == "containers: not checked, the Incus daemon does not run\n"
    assert place.run("sync", environ=down, code=0).err == "", "a mirror needs no container"


def test_a_user_who_may_not_ask(place: Estate, incus: Path) -> None:
    incus.chmod(0o711)
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    said = run(
        [*as_nobody, "incus", "query", "--raw", "local:/1.0"],
        {**place.environ, "HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent"},
    )
    assert "don't have the needed permissions" in said.err, "what tools.incus looks for"
