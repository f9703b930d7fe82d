"""Steps and findings about the fence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from repoman_tasks.errors import Failed, UsageError
from repoman_tasks.model import Defaults, Person
from repoman_tasks.planning.container.agents import LOGIN_PATH
from repoman_tasks.planning.fence.bridge import Bridge
from repoman_tasks.planning.fence.fence_facts import FenceFacts, FenceOptions, NestingFacts, Pool
from repoman_tasks.planning.fence.fence_plan import fence_findings, fence_steps
from repoman_tasks.planning.fence.host_filter import filter_unit
from repoman_tasks.planning.fence.idmap import (
    container_ids_fault,
    container_ids_steps,
    idmap,
    missing_subids,
    subid_step,
)
from repoman_tasks.planning.fence.login_profile import shared_folders
from repoman_tasks.planning.steps import CallIncus, MakeFolder, Step

POOL = Pool("zfs", 90 << 10, 9000)
DEV = Person("dev", 1000, 1000, "dev", "/home/dev", "/bin/bash")
BARE = FenceFacts(
    version="6.0.4",
    pools={"default": POOL},
    networks={},
    host_networks=("192.168.1.7/24", "2a01:4f8:1::7/64"),
    project=None,
    profiles={},
    processors=4,
    person=DEV,
    local_repos="/home/dev/repos",
    login_folder="/home/dev/.local/share/repoman/claude-login",
    filter_unit=filter_unit("repoman0"),
)
REPAIR = FenceOptions(repair=True)
LOGIN = BARE.login_folder


def calls(steps: list[Step]) -> list[tuple[str, str]]:
    return [(step.method, step.path) for step in steps if isinstance(step, CallIncus)]


def facts_after(facts: FenceFacts, steps: list[Step]) -> FenceFacts:
    """Return `facts` as they are after the steps."""
    project, profiles = facts.project, dict(facts.profiles)
    acls, networks = dict(facts.acls), dict(facts.networks)
    for step in steps:
        if not isinstance(step, CallIncus):
            continue
        if step.path.startswith("/1.0/projects"):
            project = step.body["config"]
        elif step.path.startswith("/1.0/network-acls"):
            acls["repoman0"] = step.body
        elif step.path.startswith("/1.0/networks"):
            networks["repoman0"] = Bridge(step.body["config"])
        elif step.path.startswith("/1.0/profiles?"):
            profiles[step.body["name"]] = step.body
        elif step.path.startswith("/1.0/profiles/"):
            name = step.path.removeprefix("/1.0/profiles/").partition("?")[0]
            profiles[name] = step.body
    return replace(facts, project=project, profiles=profiles, acls=acls, networks=networks)


SET_UP = facts_after(BARE, fence_steps(BARE, FenceOptions(), "repoman"))


def test_the_first_setup() -> None:
    assert calls(fence_steps(BARE, FenceOptions(), "repoman")) == [
        ("POST", "/1.0/network-acls"),
        ("POST", "/1.0/networks"),
        ("POST", "/1.0/projects"),
        ("PUT", "/1.0/profiles/default?project=repoman"),
        ("POST", "/1.0/profiles?project=repoman"),
    ]
    config = SET_UP.project or {}
    assert config["restricted"] == "true"
    assert config["restricted.devices.disk.paths"] == f"/home/dev/repos,{LOGIN}"
    assert not any("lowlevel" in key or "privilege" in key for key in config)
    default = SET_UP.profiles["default"]["config"]
    assert default == {
        "raw.idmap": "both 1000 1000",
        "limits.cpu": "3",
        "limits.memory": "50%",
        "limits.processes": "4096",
        "security.syscalls.deny": "add_key errno 38\nkeyctl errno 38\nrequest_key errno 38",
    }


@pytest.mark.parametrize("options", [FenceOptions(), REPAIR, FenceOptions(init=True)])
def test_the_second_setup_has_nothing_to_do(options: FenceOptions) -> None:
    assert fence_steps(SET_UP, options, "repoman") == []
    assert fence_findings(SET_UP, "repoman") == []


def with_config(**config: str) -> FenceFacts:
    return replace(SET_UP, project={**(SET_UP.project or {}), **config})


def with_profile(config: dict[str, str], devices: dict[str, Any] | None = None) -> FenceFacts:
    profile = SET_UP.profiles["default"]
    merged = {
        "config": {**profile["config"], **config},
        "devices": {**profile["devices"], **(devices or {})},
    }
    return replace(SET_UP, profiles={**SET_UP.profiles, "default": merged})


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (with_config(restricted="false"), "restricted = false"),
        (with_config(**{"restricted.devices.disk.paths": "/"}), "paths = /, expected"),
        (with_config(**{"restricted.containers.nesting": "allow"}), "nesting = allow"),
        (with_config(**{"restricted.containers.lowlevel": "allow"}), "lowlevel = allow"),
        (with_config(**{"restricted.idmap.uid": "0-1000"}), "idmap.uid = 0-1000"),
        (with_profile({"security.nesting": "true"}), "security.nesting = true"),
        (with_profile({"limits.processes": ""}), "limits.processes = ''"),
        (with_profile({}, {"eth0": {"type": "nic"}}), "device eth0"),
    ],
)
def test_weaker_settings_are_found_and_repaired_on_request(facts: FenceFacts, message: str) -> None:
    (finding,) = fence_findings(facts, "repoman")
    assert message in finding.what
    assert "setup --repair" in finding.cure
    assert fence_steps(facts, FenceOptions(), "repoman") == []
    (step,) = fence_steps(facts, REPAIR, "repoman")
    assert message in str(step)
    assert fence_findings(facts_after(facts, [step]), "repoman") == []


def test_stricter_settings_are_no_finding() -> None:
    facts = with_config(**{"restricted.snapshots": "block", "user.mine": "x"})
    assert fence_findings(facts, "repoman") == []


def test_nesting_comes_from_the_defaults() -> None:
    nested = replace(BARE, defaults=Defaults(nesting=True))
    made = facts_after(nested, fence_steps(nested, FenceOptions(), "repoman"))
    assert (made.project or {})["restricted.containers.nesting"] == "allow"
    assert made.profiles["default"]["config"]["security.nesting"] == "true"
    assert fence_findings(made, "repoman") == []


def nested(steps: list[Step]) -> NestingFacts:
    """Return the facts of the Incus project that allows nesting, as the steps make it."""
    made = facts_after(BARE, steps)
    return NestingFacts(made.project, made.profiles)


def test_the_second_project_has_the_same_fence_but_for_nesting() -> None:
    wanted = replace(SET_UP, nesting=NestingFacts(None))
    (finding,) = fence_findings(wanted, "repoman")
    assert finding.what == "the Incus project repoman-nesting does not exist"
    steps = fence_steps(wanted, FenceOptions(), "repoman")
    assert calls(steps) == [
        ("POST", "/1.0/projects"),
        ("PUT", "/1.0/profiles/default?project=repoman-nesting"),
        ("POST", "/1.0/profiles?project=repoman-nesting"),
    ]
    made = nested(steps)
    assert made.project == {**(SET_UP.project or {}), "restricted.containers.nesting": "allow"}
    default, first = made.profiles["default"], SET_UP.profiles["default"]
    assert default["config"] == {**first["config"], "security.nesting": "true"}
    assert default["devices"] == first["devices"]
    assert fence_findings(replace(SET_UP, nesting=made), "repoman") == []
    assert fence_steps(replace(SET_UP, nesting=made), REPAIR, "repoman") == []


def test_a_weaker_second_project_is_found_and_repaired() -> None:
    wanted = replace(SET_UP, nesting=NestingFacts(None))
    made = nested(fence_steps(wanted, FenceOptions(), "repoman"))
    config = {**(made.project or {}), "restricted.containers.privilege": "allow"}
    default = made.profiles["default"]
    profile = {**default, "config": {**default["config"], "limits.processes": "9"}}
    weaker = replace(made, project=config, profiles={**made.profiles, "default": profile})
    facts = replace(SET_UP, nesting=weaker)
    found = [finding.what for finding in fence_findings(facts, "repoman")]
    assert len(found) == 2
    assert found[0].startswith("the Incus project repoman-nesting is not restricted")
    assert found[1].startswith("in the Incus project repoman-nesting, the profile default is not")
    assert calls(fence_steps(facts, REPAIR, "repoman")) == [
        ("PUT", "/1.0/profiles/default?project=repoman-nesting"),
        ("PUT", "/1.0/projects/repoman-nesting"),
    ]


def test_a_container_that_nobody_knows_is_told() -> None:
    (finding,) = fence_findings(replace(SET_UP, nesting_left=("isurus",)), "repoman")
    assert finding.what.endswith("in the Incus project repoman-nesting: isurus")
    assert "`repoman adopt isurus`" in finding.cure


def test_a_volume_that_was_kept_there_is_told() -> None:
    (finding,) = fence_findings(replace(SET_UP, nesting_volumes=(("pool", "isurus"),)), "repoman")
    assert finding.what.endswith("in the Incus project repoman-nesting: isurus")
    assert "`repoman new isurus --nesting`" in finding.cure
    delete = "incus storage volume delete --project repoman-nesting pool isurus"
    assert f"`{delete}`" in finding.cure


def test_a_second_project_of_another_person_is_left_alone() -> None:
    theirs = NestingFacts({"restricted.idmap.uid": "1001"})
    with pytest.raises(UsageError, match="repoman-nesting is of another person"):
        fence_steps(replace(SET_UP, nesting=theirs), REPAIR, "repoman")


def test_nesting_is_allowed_before_a_profile_has_it_and_forbidden_after() -> None:
    """Incus refuses a profile with a setting that its project does not allow."""
    on = replace(SET_UP, defaults=Defaults(nesting=True))
    steps = fence_steps(on, REPAIR, "repoman")
    assert calls(steps) == [
        ("PUT", "/1.0/projects/repoman"),
        ("PUT", "/1.0/profiles/default?project=repoman"),
    ]
    made = facts_after(on, steps)
    assert fence_findings(made, "repoman") == []
    off = replace(made, defaults=Defaults())
    assert calls(fence_steps(off, REPAIR, "repoman"))[::-1] == calls(steps)


@pytest.mark.parametrize(
    ("facts", "error", "message"),
    [
        (replace(BARE, person=replace(DEV, uid=0)), UsageError, "not for root"),
        (replace(BARE, version="5.21.1"), Failed, "older than 6.0"),
        (replace(BARE, version=""), Failed, "older than 6.0"),
        (replace(BARE, local_repos="/a,b"), UsageError, "comma"),
        (replace(BARE, pools={}), Failed, "not initialised"),
        (replace(BARE, pools={"a": POOL, "b": POOL}), UsageError, "several storage pools"),
        (replace(BARE, defaults=Defaults(bridge="x")), UsageError, "no managed bridge 'x'"),
    ],
)
def test_hosts_that_cannot_have_containers(
    facts: FenceFacts, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fence_steps(facts, FenceOptions(), "repoman")
    (finding,) = fence_findings(facts, "repoman")
    assert message in finding.what
    assert finding.cure


def test_an_uninitialised_incus() -> None:
    never = replace(BARE, pools={}, networks={})
    steps = fence_steps(never, FenceOptions(init=True, storage_pool="p", network="n"), "repoman")
    assert calls(steps)[:3] == [
        ("POST", "/1.0/storage-pools"),
        ("POST", "/1.0/network-acls"),
        ("POST", "/1.0/networks"),
    ]
    made = facts_after(never, steps).profiles["default"]["devices"]
    assert (made["root"]["pool"], made["eth0"]["network"]) == ("p", "n")


@pytest.mark.parametrize(
    ("subuid", "subgid", "missing"),
    [
        (None, None, []),
        ("root:1000:1\n", "root:1000:1\n", []),
        ("0:999:5\n", "root:1:2000\n", []),
        ("root:1:70000\n", "root:1000:1\n", ["subuid root:1000:1"]),
        ("", "root:1000:1\n", ["subuid root:1000:1"]),
        ("dev:1000:1\n", "root:1001:1\n", ["subuid root:1000:1", "subgid root:1000:1"]),
        ("root:x:1\nroot:1000\n", None, ["subuid root:1000:1"]),
    ],
)
def test_lines_in_subuid_and_subgid(
    subuid: str | None, subgid: str | None, missing: list[str]
) -> None:
    facts = replace(SET_UP, subuid=subuid, subgid=subgid)
    assert missing_subids(facts) == missing
    steps = fence_steps(facts, FenceOptions(), "repoman")
    assert (subid_step(facts.person) in steps) is bool(missing)


BASE = "root:1000000:1000000000\n"
SED, ADD = "sed -E -i s/^(root|0):", "usermod --add-sub"


@pytest.mark.parametrize(
    ("subuid", "subgid", "fault", "argv"),
    [
        (None, None, "", ""),
        (BASE, BASE, "your uid 400001104 is", f"{SED}1000000:1000000000$/\\1:1000000:399001104/"),
        (f"root:400001104:1\n{BASE}", "root:1000000:65536", "your uid 400001104 is", SED),
        ("root:1000000:65536\n", "root:1000000:65536\n", "", ""),
        ("0:400001000:65536\n", None, "your uid", f"{SED}400001000:65536$/\\1:1000000:1000000/"),
        ("root:400001104:1\n", None, "no range of 65536 ids or more", f"{ADD}uids 1000000-1999999"),
        (None, "dev:100000:65536\n", "/etc/subgid has no range", f"{ADD}gids 1000000-1999999"),
    ],
)
def test_ids_of_containers(subuid: str | None, subgid: str | None, fault: str, argv: str) -> None:
    """A uid of a directory service may be one of them, and there may be none at all."""
    person = replace(DEV, uid=400001104, gid=500)
    facts = replace(SET_UP, person=person, subuid=subuid, subgid=subgid)
    found = container_ids_fault(facts)
    assert fault in found
    steps = container_ids_steps(facts)
    assert [argv in " ".join(step.argv) for step in steps] == [True] * bool(fault)
    planned = fence_steps(replace(facts, project=None), FenceOptions(), "repoman")
    ours = [step for step in planned if step in [*steps, subid_step(person)]]
    assert ours[: len(steps)] == steps, "usermod adds no line for ids that are in a range already"


def test_idmap() -> None:
    assert idmap(DEV) == "both 1000 1000"
    assert idmap(replace(DEV, gid=100)) == "uid 1000 1000\ngid 100 100"


def test_the_shared_login_is_created_or_left_out() -> None:
    steps = fence_steps(replace(BARE, login_exists=False), FenceOptions(), "repoman")
    assert MakeFolder(LOGIN, private=True) in steps
    assert SET_UP.profiles["claude-share"]["config"] == {
        "environment.CLAUDE_SECURESTORAGE_CONFIG_DIR": LOGIN_PATH
    }
    device = {"type": "disk", "source": LOGIN, "path": LOGIN_PATH}
    assert SET_UP.profiles["claude-share"]["devices"] == {"claude-share": device}
    without = replace(BARE, login_folder="")
    made = facts_after(without, fence_steps(without, FenceOptions(), "repoman"))
    assert not made.profiles["claude-share"]["config"] | made.profiles["claude-share"]["devices"]
    assert (made.project or {})["restricted.devices.disk.paths"] == "/home/dev/repos"


def test_the_project_name_is_url_encoded() -> None:
    steps = fence_steps(BARE, FenceOptions(), "a b&c")
    assert ("PUT", "/1.0/profiles/default?project=a%20b%26c") in calls(steps)


# --- folders that change ----------------------------------------------------------------------

PATHS = "restricted.devices.disk.paths"


def test_another_folder_of_the_login_is_allowed_before_it_is_shared() -> None:
    moved = replace(SET_UP, login_folder="/srv/repoman/claude-login")
    assert fence_steps(moved, FenceOptions(), "repoman") == []
    assert len(fence_findings(moved, "repoman")) == 2
    steps = fence_steps(moved, REPAIR, "repoman")
    paths = [step.body["config"].get(PATHS) for step in steps if isinstance(step, CallIncus)]
    assert paths == [
        f"/home/dev/repos,{LOGIN},/srv/repoman/claude-login",
        None,
        "/home/dev/repos,/srv/repoman/claude-login",
    ]
    after = facts_after(moved, steps)
    assert fence_steps(after, REPAIR, "repoman") == []
    assert fence_findings(after, "repoman") == []


def test_the_login_is_no_longer_shared() -> None:
    without = replace(SET_UP, login_folder="")
    assert len(fence_findings(without, "repoman")) == 2
    after = facts_after(without, fence_steps(without, REPAIR, "repoman"))
    assert after.profiles["claude-share"]["devices"] == {}
    assert (after.project or {})[PATHS] == "/home/dev/repos"
    assert fence_steps(after, REPAIR, "repoman") == []
    assert fence_findings(after, "repoman") == []


OLD_DEVICE = {"type": "disk", "source": "/home/dev/.claude", "path": "/home/dev/.claude"}


def with_old_form(login_folder: str) -> FenceFacts:
    """Return an estate as earlier versions made it."""
    config = {**(SET_UP.project or {}), PATHS: "/home/dev/repos,/home/dev/.claude"}
    old = {"config": {}, "devices": {"claude-share": OLD_DEVICE}}
    profiles = {**SET_UP.profiles, "claude-share": old}
    return replace(SET_UP, project=config, profiles=profiles, login_folder=login_folder)


@pytest.mark.parametrize("login_folder", ["", LOGIN])
def test_an_estate_that_shares_an_agents_folder_is_open_until_setup(login_folder: str) -> None:
    open_estate = with_old_form(login_folder)
    assert shared_folders(open_estate) == ["/home/dev/.claude"]
    _, finding = fence_findings(open_estate, "repoman")
    assert finding.problem
    assert finding.kind == "fence"
    assert "/home/dev/.claude is mounted by the profile claude-share: " in finding.what
    assert "runs on this host" in finding.what
    assert fence_steps(open_estate, FenceOptions(), "repoman") == []
    steps = fence_steps(open_estate, REPAIR, "repoman")
    assert any("lose /home/dev/.claude, where nothing is deleted" in str(step) for step in steps)
    after = facts_after(open_estate, steps)
    assert "/home/dev/.claude" not in str((after.project, after.profiles))
    assert not shared_folders(after)
    assert not fence_findings(after, "repoman")


@pytest.mark.parametrize(
    ("source", "is_open"),
    [
        ("/home/dev/.claude", True),
        ("/home/dev/.claude/skills", True),
        ("/home/dev/.claude.json", True),
        ("/home/dev/.config", True),
        ("/home/dev", True),
        ("/home/dev/.claude-notes", False),
        ("/srv/.claude", False),
    ],
)
def test_an_agents_folder_that_a_container_mounts(source: str, is_open: bool) -> None:
    mounted = replace(SET_UP, mount_users={source: ("isurus", "the profile more")})
    found = [f.what for f in fence_findings(mounted, "repoman")]
    assert [f"{source} is mounted by isurus, the profile more: " in what for what in found] == (
        [True] if is_open else []
    )


def test_more_than_a_login_in_its_folder() -> None:
    (finding,) = fence_findings(replace(SET_UP, login_others=("settings.json",)), "repoman")
    assert finding.what == f"{LOGIN} holds more than a login: settings.json"


def test_an_old_folder_stays_allowed_while_it_is_mounted() -> None:
    mount_users = {"/home/dev/repos/isurus": ("isurus",), "/home/dev/repos": ("the profile more",)}
    moved = replace(SET_UP, local_repos="/srv/repos", mount_users=mount_users)
    after = facts_after(moved, fence_steps(moved, REPAIR, "repoman"))
    assert (after.project or {})[PATHS] == f"/srv/repos,{LOGIN},/home/dev/repos"
    assert fence_steps(after, REPAIR, "repoman") == []
    (finding,) = fence_findings(after, "repoman")
    assert "/home/dev/repos is still allowed" in finding.what
    assert "isurus, the profile more" in finding.what
    gone = replace(after, mount_users={"/srv/repos/isurus": ("isurus",)})
    gone = facts_after(gone, fence_steps(gone, REPAIR, "repoman"))
    assert (gone.project or {})[PATHS] == f"/srv/repos,{LOGIN}"
    assert fence_findings(gone, "repoman") == []


def test_a_nearly_full_pool() -> None:
    full = replace(SET_UP, pools={"default": replace(POOL, free_mib=100)})
    (finding,) = fence_findings(full, "repoman")
    assert finding.what == "the storage pool default has 100 MiB free"


@pytest.mark.parametrize(
    ("driver", "desired", "size"),
    [
        ("zfs", "", "45GiB"),
        ("btrfs", "", "45GiB"),
        ("zfs", "10GiB", "10GiB"),
        ("dir", "10GiB", None),
    ],
)
def test_the_size_of_a_root_disk(driver: str, desired: str, size: str | None) -> None:
    pools = {"default": replace(POOL, driver=driver)}
    facts = replace(BARE, pools=pools, defaults=Defaults(disk=desired))
    made = facts_after(facts, fence_steps(facts, FenceOptions(), "repoman"))
    assert made.profiles["default"]["devices"]["root"].get("size") == size
