"""`rename` of a project with a container and a volume."""

from __future__ import annotations

import pytest

from repoman_tasks.planning.container.homes import volume_path
from repoman_tasks.planning.container.spec import PROJECT_TAG, REPO_TAG
from tests.containers.conftest import ContainerEstate
from tests.worlds.daemon.sandbox import POOL


def volumes(estate: ContainerEstate) -> list[str]:
    """Return the names of the project's volumes."""
    paths = estate.api(f"storage-pools/{POOL}/volumes/custom")
    return sorted(path.partition("?")[0].rpartition("/")[2] for path in paths)


@pytest.fixture
def filled(isurus: ContainerEstate) -> ContainerEstate:
    """Return an estate whose container has a file on its disk, and one on its volume."""
    script = "echo disk >/root/of-disk; echo volume >/var/lib/repoman/of-volume"
    assert isurus.exec_inside("isurus", "sh", "-c", script).code == 0
    (isurus.local_repos / "isurus/file").write_text("of the repo")
    return isurus


def check_renamed(estate: ContainerEstate, folder: str) -> None:
    """Check that lamna is a project like any other, and that nothing has the old name."""
    assert estate.projects() == ["lamna"]
    (made,) = estate.instances().values()
    assert made["name"] == "lamna"
    assert (made["config"][PROJECT_TAG], made["config"][REPO_TAG]) == ("lamna", folder)
    assert volumes(estate) == ["lamna"]
    repo = estate.local_repos / folder
    script = "pwd; cat file /var/lib/repoman/of-volume; hostname"
    done = estate.run("exec", "lamna", "--", "sh", "-c", script, code=0)
    assert done.out == f"{repo}\nof the repovolume\nlamna\n"
    assert estate.exec_inside("lamna", "cat", "/root/of-disk").out == "disk\n"
    assert estate.run("update", "lamna", code=0).out == "nothing to do\n"
    kinds = {kind for found in estate.findings().values() for kind in found}
    assert kinds & {"differs", "missing", "renamed", "rename", "volume", "half-made"} == set()


@pytest.mark.over_ssh
@pytest.mark.parametrize("flags", [[], ["--folder"]], ids=["name", "folder"])
def test_the_container_and_its_volume_are_renamed(
    filled: ContainerEstate, flags: list[str]
) -> None:
    filled.run("sync", code=0)
    assert filled.run("rename", "isurus", "lamna", *flags, "--yes", code=0).err == ""
    assert filled.instances()["lamna"]["status"] == "Running", "as it was before"
    check_renamed(filled, "lamna" if flags else "isurus")
    assert filled.run("sync", "--json", code=0).json["total"]["new"] == 0


def test_one_that_is_stopped_stays_so(filled: ContainerEstate) -> None:
    filled.run("stop", "isurus", code=0)
    done = filled.run("rename", "isurus", "lamna", "--yes", code=0)
    assert done.err.endswith("Next: repoman start lamna\n")
    assert filled.instances()["lamna"]["status"] == "Stopped"
    check_renamed(filled, "isurus")


def test_it_takes_the_name_of_nothing_that_exists(filled: ContainerEstate) -> None:
    filled.incus("init", "--empty", "stray", "--storage", POOL)
    pool = volume_path(filled.project, POOL)
    filled.incus("query", "-X", "POST", "-d", '{"name": "kept", "config": {}}', f"local:{pool}")
    for name, kind in (("stray", "container"), ("kept", "volume")):
        error = filled.run("rename", "isurus", name, "--yes", code=6).err
        assert f"a {kind} called {name} exists already" in error
    assert filled.projects() == ["isurus"]
    assert filled.instances()["isurus"]["status"] == "Running"


def test_it_goes_on_after_each_step(filled: ContainerEstate) -> None:
    """Do by hand what a rename has done that was killed after each of its steps."""
    filled.run("stop", "isurus", code=0)
    text = filled.registry.read_text()
    name = 'name = "isurus"\n'
    noted = f'{name}renaming = "lamna"\nrenaming_repo = "lamna"\n'
    filled.registry.write_text(text.replace(name, noted))
    volume = volume_path(filled.project, POOL, "isurus")
    repos = filled.local_repos
    for change in (
        lambda: filled.incus("config", "device", "remove", "isurus", "volume"),
        lambda: filled.incus("query", "-X", "POST", "-d", '{"name": "lamna"}', f"local:{volume}"),
        lambda: (repos / "isurus").rename(repos / "lamna"),
    ):
        before = len(filled.run("rename", "isurus", "lamna", "-n", code=0).out.splitlines())
        change()
        left = filled.run("rename", "isurus", "lamna", "-n", code=0).out.splitlines()
        assert len(left) == before - 1
        assert "was not completed" in filled.run("shell", "isurus", code=1).err
        kinds = filled.findings()
        assert kinds.pop("isurus") == ["rename"], kinds
        assert not kinds.keys() & {"lamna"}, kinds
    filled.run("rename", "isurus", "lamna", "--yes", code=0)
    check_renamed(filled, "lamna")
    text = filled.registry.read_text()
    text = text.replace('repo = "lamna"\n', 'repo = "isurus"\nrenaming_repo = "lamna"\n')
    filled.registry.write_text(text.replace('"lamna"\n', '"isurus"\nrenaming = "lamna"\n', 1))
    filled.run("rename", "isurus", "lamna", "--yes", code=0)
    check_renamed(filled, "lamna")
