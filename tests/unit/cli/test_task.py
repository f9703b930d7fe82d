"""Rules for every task."""

from __future__ import annotations

from collections.abc import Iterator

import invoke.program
import pytest
from invoke.collection import Collection

from dev.chores import with_chores
from repoman_tasks.cli.task import Task
from repoman_tasks.commands import GROUPS, NAMES, collection, collection_for
from repoman_tasks.planning.names import RESERVED_NAMES


def walk(collection: Collection, prefix: str = "") -> Iterator[tuple[str, Task[object]]]:
    for name, task in collection.tasks.items():
        yield prefix + name, task
    for name, inner in collection.collections.items():
        yield from walk(inner, f"{prefix}{name}.")


EVERY = dict(walk(with_chores()))
TYPED = dict(walk(collection()))


def test_the_commands_are_these() -> None:
    assert {"list", "new", "remove", "setup", "status", "sync"} <= set(TYPED)
    assert set(TYPED) == set(NAMES)


@pytest.mark.parametrize(
    ("argv", "known"),
    [
        (["list"], {"list"}),
        (["setup", "--dry-run"], {"setup", "new", "restore", "sync"}),  # it leads on to those
        (["sync", "--dry-run", "status", "--json"], {"sync", "status"}),
        (["shell", "isurus", "--", "exec"], {"shell", "exec"}),
        (["lst"], set(NAMES)),
        (["--help", "list"], set(NAMES)),
        ([], set(NAMES)),
    ],
)
def test_only_the_commands_that_are_named_are_loaded(argv: list[str], known: set[str]) -> None:
    assert set(collection_for(argv).tasks) == known


def test_chores_stand_apart_from_what_a_person_types() -> None:
    assert {name for name in EVERY if "." not in name} == set(TYPED)
    assert [name for name in EVERY if "." in name and not name.startswith("dev.")] == []


def test_each_is_in_one_group_of_the_page() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(set(grouped)) == list(NAMES)


@pytest.mark.parametrize("name", sorted(TYPED))
def test_every_name_is_reserved(name: str) -> None:
    assert name in RESERVED_NAMES


def test_the_collection_of_chores_and_help_are_reserved_too() -> None:
    assert {"help", *with_chores().collections} <= RESERVED_NAMES


@pytest.mark.parametrize("task", EVERY.values(), ids=EVERY)
class TestEveryTask:
    def test_takes_what_every_task_takes(self, task: Task[object]) -> None:
        by_flag = {f"--{arg.names[0]}": arg.kind for arg in task.get_arguments()}
        assert by_flag.items() >= {"--yes": bool, "--no-input": bool, "--host": str}.items()

    def test_leaves_h_to_help(self, task: Task[object]) -> None:
        assert [arg for arg in task.get_arguments() if {"h", "help"} & set(arg.names)] == []

    def test_uses_no_name_twice(self, task: Task[object]) -> None:
        names = [name for arg in task.get_arguments() for name in arg.names]
        assert sorted(names) == sorted(set(names))

    def test_says_what_it_and_each_argument_is_for(self, task: Task[object]) -> None:
        assert (task.__doc__ or "").strip()
        for arg in task.get_arguments():
            assert arg.help, f"--{arg.names[0]} has no help"
            assert arg.help.endswith("."), f"the help of --{arg.names[0]} is no sentence"

    def test_hides_no_flag_of_invokes_own(self, task: Task[object]) -> None:
        program = invoke.program.Program(namespace=collection())
        own = {name for arg in program.core_args() for name in arg.names}
        mine = {name for arg in task.get_arguments() for name in arg.names}
        assert own & mine == set()


@pytest.mark.parametrize("name", sorted(TYPED))
def test_what_changes_something_can_show_it_first(name: str) -> None:
    reads_only = {"history", "verify", "list", "log"}
    asks_first = {"status", "trust"}  # of which one changes something by --repair alone
    takes_back = {"untrust"}
    hands_over = {"agent", "exec", "forward", "shell"}
    flags = {arg.names[0] for arg in TYPED[name].get_arguments()}
    assert ("dry-run" in flags) is (name not in reads_only | asks_first | takes_back | hands_over)
