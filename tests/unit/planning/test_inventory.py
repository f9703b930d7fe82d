"""The things in Incus that `uninstall` removes, and those that it leaves and names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repoman_tasks.model import Person
from repoman_tasks.planning.container.spec import PROJECT_TAG, Container
from repoman_tasks.planning.fence.fence_facts import DESCRIPTION
from repoman_tasks.planning.fence.idmap import subids_left
from repoman_tasks.planning.inventory import HostFacts, left_alone, pool_users, uninstall_steps

OURS = {"description": DESCRIPTION}
STRAY = Container("stray", "stopped", {}, {}, ())
FACTS = HostFacts(incus_project="repoman", project=OURS, pools={"default": ()})
POOL = "delete the storage pool default"


def test_what_uses_a_pool() -> None:
    ours = ["/1.0/instances/isurus?project=repoman", "/1.0/images/0123?project=default"]
    others = ["/1.0/instances/mine", "/1.0/profiles/default?project=other"]
    assert pool_users([*ours, *others], "repoman") == tuple(others)
    assert pool_users(ours, "repoman") == ()


@pytest.mark.parametrize(
    ("facts", "deleted"),
    [
        (FACTS, True),
        (replace(FACTS, project=None), True),
        (replace(FACTS, pools={}), False),
        (replace(FACTS, pools={"default": ("/1.0/instances/mine",)}), False),
        (replace(FACTS, project={"description": "mine"}), False),
        (replace(FACTS, containers={"stray": STRAY}), False),
    ],
)
def test_a_pool_is_deleted_if_nothing_else_uses_it(facts: HostFacts, deleted: bool) -> None:
    steps = [str(step) for step in uninstall_steps(facts)]
    assert (POOL in steps) is deleted
    assert not deleted or steps[-1] == POOL, "after all that uses it"
    if facts.pools and facts.pools["default"]:
        assert left_alone(facts) == ["the storage pool default stays, /1.0/instances/mine uses it"]


NESTED = Container("isurus", "stopped", {PROJECT_TAG: "isurus"}, {}, (), home="repoman-nesting")


def test_the_project_that_allows_nesting_goes_with_all_in_it() -> None:
    facts = replace(
        FACTS,
        nesting=OURS,
        nesting_profiles=("default", "claude-share"),
        containers={"isurus": NESTED},
        volumes={"isurus": "default", "kept": "default"},
    )
    assert [str(step).partition(":")[0] for step in uninstall_steps(facts)] == [
        "delete the container isurus",
        "delete the volume isurus",
        "delete the volume kept",
        "delete the profile claude-share",
        "delete the Incus project repoman-nesting",
        "delete the Incus project repoman",
        POOL,
    ]
    assert pool_users(["/1.0/instances/isurus?project=repoman-nesting"], "repoman") == ()


def test_one_of_that_name_that_is_not_ours_stays() -> None:
    facts = replace(FACTS, nesting={"description": "mine"}, containers={"isurus": NESTED})
    steps = [str(step) for step in uninstall_steps(facts)]
    assert steps == ["delete the Incus project repoman"]
    left = "the Incus project repoman-nesting stays, repoman did not make it"
    assert left in left_alone(facts)


@pytest.mark.parametrize(
    ("subuid", "subgid", "commands"),
    [
        (None, None, []),
        ("root:1000000:65536\nroot:1000:10\n", "dev:1000:1\n", []),
        ("root:1000:1\n", "", ["`sudo sed -i '/^root:1000:1$/d' /etc/subuid`"]),
        (
            *("root:1000:1\n", "x\nroot:100:1\n"),
            [
                "`sudo sed -i '/^root:1000:1$/d' /etc/subuid`",
                "`sudo sed -i '/^root:100:1$/d' /etc/subgid`",
            ],
        ),
    ],
)
def test_the_lines_that_map_the_persons_ids_are_named(
    subuid: str | None, subgid: str | None, commands: list[str]
) -> None:
    person = Person("dev", 1000, 100, "users", "/home/dev", "/bin/sh")
    left = left_alone(replace(FACTS, subids=subids_left(person, subuid, subgid)))
    assert [sentence.partition("run ")[2] for sentence in left] == [" and ".join(commands)] * bool(
        commands
    )
