"""A path inside leads to the same folder as on the host, or a command says otherwise."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.model import Person
from repoman_tasks.tools import guest
from repoman_tasks.tools.incus import Incus
from tests.containers.conftest import ContainerEstate
from tests.support.cures import paste_cure

pytestmark = pytest.mark.local_only("these tests change the host's file systems")


def paste(estate: ContainerEstate, text: str, code: int = 0) -> None:
    """Run the first command of repoman in a message."""
    found = re.search(r"`repoman ([^`]*)`", text)
    assert found, text
    estate.run(*found[1].split(), code=code)


def test_a_repo_that_was_replaced_under_its_container(isurus: ContainerEstate) -> None:
    repo, moved = isurus.local_repos / "isurus", isurus.local_repos / "moved"
    repo.rename(moved)
    note = isurus.run("exec", "isurus", "--", "true").err
    assert f"its repo {repo} is missing" in note
    repo.mkdir()
    for command in (["exec", "isurus", "--", "touch", "made"], ["shell", "isurus"]):
        done = isurus.run(*command, code=125)
        assert f"inside, {repo} is another folder than on the host" in done.err
    assert list(moved.iterdir()) == list(repo.iterdir()) == []
    paste_cure(isurus, "inside")
    isurus.run("exec", "isurus", "--", "touch", "made", code=0)
    assert [path.name for path in repo.iterdir()] == ["made"]


@contextmanager
def mounted(path: Path) -> Iterator[None]:
    """Mount an empty file system at `path`, as root of the host."""
    root = ["sudo", "-n", "nsenter", "--target", "1", "--mount"]
    subprocess.run([*root, "mount", "-t", "tmpfs", "-o", "mode=777", "t", str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run([*root, "umount", "--lazy", str(path)], check=True)


def test_a_file_system_mounted_in_a_repo(estate: ContainerEstate) -> None:
    data = estate.local_repos / "isurus/data"
    data.mkdir(parents=True)
    folder = estate.home / "disk"
    folder.mkdir()
    with ExitStack() as inside, ExitStack() as outside:
        inside.enter_context(mounted(data))
        what = f"a file system is mounted at {data}, and its container has the folder below that"
        assert what in estate.run("new", "isurus", code=0).err
        for command in (["exec", "isurus", "--", "true"], ["start", "isurus"]):
            assert what in estate.run(*command, code=0).err
        (found,) = [
            f for f in estate.run("status", "--json").json["findings"] if f["kind"] == "mounts"
        ]
        assert found["what"] == what
        table = re.search(r"add (\{.*\}) to", found["cure"])
        assert table
        mount = table[1].replace("FOLDER", f'"{folder}"')

        def mount_outside() -> None:
            inside.close()
            outside.enter_context(mounted(folder))
            text, head = estate.registry.read_text(), 'name = "isurus"\n'
            assert head in text
            estate.registry.write_text(text.replace(head, f"{head}mounts = [{mount}]\n"))

        paste_cure(estate, "mounts", by_hand=mount_outside)
        done = estate.run("exec", "isurus", "--", "touch", "data/made", code=0)
        assert what not in done.err
        assert (folder / "made").exists()
        assert "mounts" not in estate.findings().get("isurus", [])
        estate.run("stop", "isurus", "--yes", code=0)


def test_a_symlink_to_the_repos_leads_there_inside_too(fresh_estate: ContainerEstate) -> None:
    estate = fresh_estate
    typed = estate.home / "typed"
    typed.symlink_to(estate.local_repos)
    paths = ("--local-repos", str(typed), "--nfs-repos", str(estate.share))
    estate.run("setup", *paths, code=0)
    estate.new("isurus")
    script = f"cd {typed}/isurus && touch made && pwd -P"
    done = estate.run("exec", "isurus", "--", "sh", "-c", script, code=0)
    assert done.out.strip() == str(estate.local_repos / "isurus")
    assert (estate.local_repos / "isurus/made").exists()
    estate.exec_inside("isurus", "rm", str(typed))
    estate.run("restart", "isurus", code=0)
    estate.run("exec", "isurus", "--", "sh", "-c", script, code=0)


WAITING = """[Service]
Type=oneshot
ExecStart=/bin/sh -c "until [ -e /go ]; do sleep 0.1; done"
[Install]
WantedBy=multi-user.target
"""


def have_init_wait(estate: ContainerEstate, name: str) -> None:
    """Have the init of a container wait at its next start, until there is a file /go."""
    script = f"echo '{WAITING}' >/etc/systemd/system/waiting.service && systemctl enable waiting"
    assert estate.exec_inside(name, "sh", "-c", script).code == 0


def test_an_init_that_takes_long(estate: ContainerEstate, monkeypatch: pytest.MonkeyPatch) -> None:
    estate.new("isurus", "--image=debian")
    have_init_wait(estate, "isurus")
    estate.incus("restart", "--force", "isurus")
    notes: list[str] = []
    incus = Incus(LocalHost(estate.environ), estate.project)
    person = Person("dev", 1000, 1000, "dev", str(estate.home), "/bin/sh")
    handle = guest.GuestHandle(incus, "isurus", person)
    with monkeypatch.context() as patch:
        patch.setattr(guest, "_UP_SECONDS", 2.0)
        guest.wait_until_up(handle, notes.append)
    (note,) = notes
    assert "isurus is not up after 2 s, going on" in note
    jobs = re.search(r"`repoman ([^`]*)`", note)
    assert jobs
    assert "waiting.service" in estate.run(*jobs[1].split(), code=0).out
    assert estate.exec_inside("isurus", "touch", "/go").code == 0
    guest.wait_until_up(handle, notes.append)
    assert notes == [note]


@pytest.mark.nightly
def test_an_image_whose_init_takes_longer_than_new_waits(estate: ContainerEstate) -> None:
    estate.new("isurus", "--image=debian")
    have_init_wait(estate, "isurus")
    estate.run("stop", "isurus", code=0)
    estate.incus("publish", "isurus", "--alias", "slow")
    (estate.local_repos / "lamna").mkdir()
    done = estate.run("new", "lamna", "--image=local:slow", timeout=500, code=0)
    assert "lamna is not up after 180 s, going on" in done.err
    assert estate.run("exec", "lamna", "--", "sudo", "-n", "id", "-u", code=0).out == "0\n"
    assert estate.run("update", "lamna", code=0).out == "nothing to do\n"
