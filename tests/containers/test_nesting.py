"""Projects whose containers may have containers inside, in an Incus project of their own."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from tests.containers.conftest import ContainerEstate
from tests.containers.test_snapshots import read_everywhere, write_everywhere
from tests.containers.test_volume import inside
from tests.support.cures import paste_cure
from tests.support.estate import run
from tests.worlds.daemon.sandbox import POOL

CONTAINER_INSIDE = ("unshare", "-r", "-m", "-p", "-f", "mount", "-t", "proc", "proc", "/proc")
"""Mounts what every container has, as an ordinary user does in a namespace of its own."""


def second(estate: ContainerEstate) -> str:
    """Return the name of the Incus project that allows nesting."""
    return f"{estate.project}-nesting"


def configuration(estate: ContainerEstate, name: str) -> dict[str, str]:
    """Return the configuration of an Incus project."""
    return dict(json.loads(estate.incus("query", f"/1.0/projects/{name}").out)["config"])


def default_profile(estate: ContainerEstate, name: str) -> dict[str, dict[str, str]]:
    """Return the profile default of an Incus project."""
    path = f"/1.0/profiles/default?project={name}"
    found = json.loads(estate.incus("query", path).out)
    return {key: found[key] for key in ("config", "devices")}


def homes(estate: ContainerEstate) -> dict[str, str]:
    """Return the Incus project of each container of the estate."""
    found: dict[str, str] = {}
    for name in (estate.project, second(estate)):
        answer = estate.incus("query", f"/1.0/instances?recursion=1&project={name}").out
        found |= {str(one["name"]): name for one in json.loads(answer)}
    return found


@pytest.fixture
def nested(estate: ContainerEstate) -> ContainerEstate:
    """Return an estate with isurus, which has nesting, and lamna, which has not."""
    if "isurus" not in estate.projects():
        estate.new("lamna")
        estate.new("isurus", "--nesting", "--yes")
    return estate


@pytest.mark.shared
def test_it_is_asked_for(estate: ContainerEstate) -> None:
    (estate.local_repos / "carcharias").mkdir()
    refused = estate.run("new", "carcharias", "--nesting", code=2)
    assert "more of this host's kernel" in refused.err
    assert "--yes" in refused.err
    assert estate.projects() == []
    assert second(estate) not in estate.incus("project", "list", "--format", "csv").out


@pytest.mark.shared
def test_the_fence_differs_in_nothing_else(nested: ContainerEstate) -> None:
    assert homes(nested) == {"isurus": second(nested), "lamna": nested.project}
    names = (nested.project, second(nested))
    first, other = (configuration(nested, name) for name in names)
    assert other == {**first, "restricted.containers.nesting": "allow"}
    before, after = (default_profile(nested, name) for name in names)
    assert after["devices"] == before["devices"]
    assert after["config"] == {**before["config"], "security.nesting": "true"}
    for setting in ("security.privileged=true", "raw.lxc=lxc.apparmor.profile=unconfined"):
        argv = ("config", "set", "isurus", setting, "--project", second(nested))
        assert "forbidden" in nested.incus(*argv, check=False).err, setting
    assert nested.findings() == {}


@pytest.mark.shared
def test_only_there_a_container_inside_is_possible(nested: ContainerEstate) -> None:
    inside = nested.run("exec", "isurus", "--", *CONTAINER_INSIDE, code=0)
    assert not inside.err
    refused = nested.run("exec", "lamna", "--", *CONTAINER_INSIDE)
    assert refused.code != 0
    assert "ermi" in refused.err, refused  # permission denied, operation not permitted


@pytest.mark.shared
def test_every_command_finds_the_container(nested: ContainerEstate) -> None:
    for command in ("stop", "start", "restart"):
        nested.run(command, "isurus", code=0)
    assert nested.state("isurus") == "running"
    write_everywhere(nested, "before")
    nested.run("snapshot", "isurus", code=0)
    write_everywhere(nested, "after")
    nested.run("undo", "isurus", "--yes", code=0)
    assert read_everywhere(nested) == ["before"] * 3
    nested.run("undo", "isurus", "--forget", "--yes", code=0)
    nested.run("rename", "isurus", "carcharias", code=0)
    assert homes(nested) == {"carcharias": second(nested), "lamna": nested.project}
    nested.run("rename", "carcharias", "isurus", code=0)
    nested.run("start", "isurus")
    assert read_everywhere(nested) == ["before"] * 3
    nested.run("snapshot", "remove", "isurus", "--all", "--yes")
    nested.run("reset", "isurus", "--yes", code=0)
    assert inside(nested, 'cat "$CLAUDE_CONFIG_DIR/mark"') == "before\n"
    assert nested.findings() == {}


@pytest.mark.shared
def test_a_change_of_the_container_is_applied_there(nested: ContainerEstate) -> None:
    before, mounted = nested.registry.read_text(), nested.base / "lent"
    mounted.mkdir()
    (mounted / "mark").write_text("lent\n")
    keys = f'env = {{A = "b"}}\nmounts = [{{source = "{mounted}", path = "/lent"}}]\n'
    nested.registry.write_text(before.replace("nesting = true\n", f"nesting = true\n{keys}"))
    assert nested.findings()["isurus"] == ["differs"]
    nested.run("update", "isurus", code=0)
    assert inside(nested, "echo $A; cat /lent/mark") == "b\nlent\n"
    first = configuration(nested, nested.project)["restricted.devices.disk.paths"]
    assert str(mounted) not in first
    nested.registry.write_text(before)
    nested.run("update", "isurus", code=0)
    nested.run("setup", "--repair", code=0)
    assert nested.findings() == {}


@pytest.mark.shared
def test_a_container_stays_where_it_is(nested: ContainerEstate) -> None:
    """A change of `nesting` is told and does nothing; what else was changed is done."""
    on = nested.registry.read_text()
    write_everywhere(nested, "kept")
    off = on.replace("nesting = true\n", 'env = {A = "b"}\n')
    nested.registry.write_text(off)
    done = nested.run("update", "isurus", "--restart", "--rebuild", code=0)
    where = f"it is in the Incus project {second(nested)}, and belongs in {nested.project}"
    assert f"not changed: nesting: {where}" in done.err
    assert homes(nested) == {"isurus": second(nested), "lamna": nested.project}
    assert inside(nested, "echo $A") == "b\n"
    assert read_everywhere(nested) == ["kept"] * 3
    assert nested.findings() == {"isurus": ["differs"]}
    nested.registry.write_text(on)
    nested.run("update", "isurus", code=0)
    assert nested.findings() == {}


@pytest.mark.shared
def test_it_is_made_anew_to_change_it(nested: ContainerEstate) -> None:
    on = nested.registry.read_text()
    nested.registry.write_text(on.replace("nesting = true\n", ""))
    (finding,) = (
        one for one in nested.run("status", "--json").json["findings"] if one["kind"] == "differs"
    )
    commands = re.findall("`repoman ([^`]*)`", finding["cure"])
    assert commands == ["remove isurus", "new isurus"]
    for command in commands:
        nested.run(*command.split(), "--yes", code=0)
    assert homes(nested) == {"isurus": nested.project, "lamna": nested.project}
    assert nested.findings() == {}
    nested.run("remove", "isurus", "--yes", code=0)
    nested.run("new", "isurus", "--nesting", "--yes", code=0)
    assert homes(nested) == {"isurus": second(nested), "lamna": nested.project}
    assert nested.findings() == {}


@pytest.mark.shared
def test_of_two_containers_of_one_name_none_is_entered_or_changed(nested: ContainerEstate) -> None:
    nested.incus("init", "busybox", "isurus", "--no-profiles", "--storage", POOL)
    try:
        assert nested.findings() == {"isurus": ["error"]}
        for argv in (
            ("exec", "isurus", "--", "true"),
            ("snapshot", "isurus"),
            ("rename", "isurus", "carcharias"),
            ("update", "isurus"),
            ("stop", "isurus"),
        ):
            done = nested.run(*argv, code=1)
            assert f"is in {nested.project} and in {second(nested)}" in done.err, argv
    finally:
        nested.incus("delete", "isurus")
    assert nested.findings() == {}


@pytest.mark.shared
def test_it_comes_back_after_the_registry_was_lost(nested: ContainerEstate) -> None:
    text = nested.registry.read_text()
    head, _, last = text.rpartition("[[project]]")  # that of isurus
    assert 'name = "isurus"' in last
    nested.registry.write_text(head)
    assert nested.findings()["incus"] == ["fence"]
    paste_cure(nested, "fence")
    assert "nesting = true" in nested.registry.read_text()
    nested.registry.write_text(text)
    assert nested.findings() == {}
    nested.incus("delete", "--force", "isurus", "--project", second(nested))
    assert nested.findings() == {"isurus": ["missing"]}
    nested.run("status", "isurus", "--missing", "recreate", "--yes")
    assert homes(nested) == {"isurus": second(nested), "lamna": nested.project}
    assert nested.findings() == {}


@pytest.mark.shared
def test_a_volume_that_was_kept_is_told_and_never_replaced_by_an_empty_one(
    nested: ContainerEstate,
) -> None:
    write_everywhere(nested, "kept")
    nested.run("remove", "isurus", "--keep-volume", "--yes", code=0)
    (finding,) = (
        one for one in nested.run("status", "--json").json["findings"] if one["kind"] == "fence"
    )
    assert finding["what"].endswith(f"in the Incus project {second(nested)}: isurus")
    refused = nested.run("new", "isurus", code=6)
    assert f"the volume of that name is in the Incus project {second(nested)}" in refused.err
    (command, *_) = re.findall("`repoman ([^`]*)`", finding["cure"])
    nested.run(*command.split(), "--yes", code=0)
    assert inside(nested, 'cat "$CLAUDE_CONFIG_DIR/mark"') == "kept\n"
    assert nested.findings() == {}
    nested.run("remove", "isurus", "--keep-volume", "--yes", code=0)
    (delete,) = re.findall("delete it with `(incus [^`]*)`", finding["cure"])
    assert run(shlex.split(delete), nested.environ).code == 0
    nested.run("new", "isurus", code=0)
    assert nested.findings() == {}


@pytest.mark.shared
def test_all_of_it_is_removed(nested: ContainerEstate) -> None:
    nested.run("new", "mako", "--create", "--nesting", "--yes", code=0)
    nested.run("uninstall", "--yes", code=0)
    left = nested.incus("project", "list", "--format", "csv").out
    assert nested.project not in left
