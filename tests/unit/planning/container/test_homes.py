"""The Incus project of each container."""

from __future__ import annotations

from dataclasses import replace

from repoman_tasks.model import Defaults, Project, Registry
from repoman_tasks.planning.container.homes import (
    Homes,
    home_of,
    homes_elsewhere,
    nesting_project,
)

ISURUS = Project("isurus", "isurus", nesting=True)
LAMNA = Project("lamna", "lamna")
REGISTRY = Registry(defaults=Defaults(incus_project="mine"), projects=(ISURUS, LAMNA))


def test_a_container_with_nesting_belongs_in_the_second_project() -> None:
    assert nesting_project("mine") == "mine-nesting"
    assert [home_of(one, "mine") for one in REGISTRY.projects] == ["mine-nesting", "mine"]
    assert homes_elsewhere(REGISTRY, "mine") == {"isurus": "mine-nesting"}
    without = replace(REGISTRY, projects=(replace(ISURUS, container=False), LAMNA))
    assert homes_elsewhere(without, "mine") == {}


def test_without_nesting_there_is_one_project() -> None:
    assert Homes("mine", {}).projects == ["mine"]
    assert Homes("mine", {}).of("any") == "mine"


def test_a_container_is_where_it_was_found() -> None:
    homes = Homes("mine", {"isurus": "mine-nesting"})
    assert homes.projects == ["mine", "mine-nesting"]
    assert homes.of("isurus") == homes.of_volume("isurus") == "mine-nesting"
    homes.found(["isurus", "lamna"], "mine")
    assert homes.of("isurus") == homes.of_volume("isurus") == "mine"
    homes.settle("isurus", "mine-nesting")
    assert homes.of("isurus") == "mine-nesting"


def test_of_two_containers_the_one_where_it_belongs_counts() -> None:
    for order in (["mine", "mine-nesting"], ["mine-nesting", "mine"]):
        homes = Homes("mine", {"isurus": "mine-nesting"})
        for project in order:
            homes.found(["isurus", "lamna"], project)
        assert homes.of("isurus") == "mine-nesting", order
        assert homes.of("lamna") == "mine", order
        parts = [{"isurus": project, "lamna": project} for project in order]
        merged = homes.merged(order, parts)
        assert merged == {"isurus": "mine-nesting", "lamna": "mine"}, order


def test_a_container_that_is_in_both_is_told() -> None:
    homes = Homes("mine", {})
    homes.found(["isurus", "lamna"], "mine")
    assert homes.doubled == frozenset()
    homes.found(["isurus"], "mine-nesting")
    assert homes.doubled == {"isurus"}
    homes.found([], "mine-nesting")
    assert homes.doubled == frozenset()


def test_a_volume_may_be_elsewhere_than_its_container() -> None:
    homes = Homes("mine", {"isurus": "mine-nesting"})
    homes.found(["isurus"], "mine")
    homes.found_volumes(["isurus", "kept"], "mine-nesting")
    assert homes.of_volume("isurus") == homes.of_volume("kept") == "mine-nesting"
    assert (homes.of("isurus"), homes.of("kept")) == ("mine", "mine")
    homes.found_volumes(["isurus"], "mine")  # beside its container
    assert homes.of_volume("isurus") == "mine"


def test_a_new_container_belongs_where_it_will_be() -> None:
    homes = Homes("mine", {})
    homes.belong("isurus", "mine-nesting")
    assert homes.projects == ["mine", "mine-nesting"]
    homes.found(["isurus"], "mine")  # the remains of another try
    assert homes.of("isurus") == "mine"
