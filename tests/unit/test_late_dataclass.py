from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import threading
from dataclasses import FrozenInstanceError, field, fields, replace
from typing import Any

import pytest

import repoman_tasks
from repoman_tasks.late_dataclass import dataclass


def pair() -> tuple[type[Any], type[Any]]:
    """Return two new classes, the second one derived from the first."""

    @dataclass(frozen=True)
    class First:
        a: int
        b: list[int] = field(default_factory=list, metadata={"doc": "numbers"})

    @dataclass(frozen=True)
    class Second(First):
        c: str = "c"

    return First, Second


def is_complete(cls: type) -> bool:
    return "__eq__" in vars(cls)


def test_a_class_is_completed_by_its_first_instance() -> None:
    first, _ = pair()
    assert not is_complete(first)
    one = first(1, b=[2])
    assert is_complete(first)
    assert one == first(1, [2])
    assert one != first(1)
    assert repr(one).endswith("First(a=1, b=[2])")
    assert replace(one, a=3).a == 3
    with pytest.raises(FrozenInstanceError):
        one.a = 4
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        first()


def test_a_derived_class_completes_its_base() -> None:
    first, second = pair()
    assert second(1) == second(1, [], "c")
    assert is_complete(first)
    assert not isinstance(first(1), second)


def test_a_class_that_only_inherits_is_made_as_its_base() -> None:
    first, _ = pair()

    class Other(first):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__(7)

    assert Other().a == 7
    assert type(Other()) is Other


def test_fields_are_there_before_an_instance() -> None:
    _, second = pair()
    assert [one.name for one in fields(second)] == ["a", "b", "c"]
    assert fields(second)[1].metadata["doc"] == "numbers"
    assert second(1).b == []


def test_without_arguments_it_is_a_decorator_too() -> None:
    @dataclass
    class Plain:
        a: int = 1

    assert not is_complete(Plain)
    assert Plain() == Plain(1)


def test_slots_are_made_at_once() -> None:
    @dataclass(frozen=True, slots=True)
    class Small:
        a: int

    assert is_complete(Small)
    assert not hasattr(Small(1), "__dict__")


def test_threads_can_make_the_first_instances_together() -> None:
    for _ in range(50):
        _, second = pair()
        made: list[object] = []
        start = threading.Barrier(4)

        def make(second: type = second, made: list[object] = made) -> None:
            start.wait()  # noqa: B023 # of this round
            made.append(second(1))

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert made == [second(1)] * 4


def test_every_class_of_the_package_can_be_completed() -> None:
    """An error in one would else show only at its first instance."""
    found = 0
    for module in pkgutil.walk_packages(repoman_tasks.__path__, "repoman_tasks."):
        if module.name.endswith("__main__"):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and dataclasses.is_dataclass(value):
                assert fields(value) is not None
                found += 1
    assert found > 100
