"""Parse command lines into the real tasks, by invoke and our parser, without running them."""

from __future__ import annotations

from typing import Any

import invoke.program
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from invoke.exceptions import Exit

from dev.chores import with_chores
from repoman_tasks.cli.parser import UsageExit
from repoman_tasks.commands import collection

Calls = list[tuple[str | None, dict[str, Any]]]
_NOT_GIVEN: tuple[object, ...] = (None, False, "", [])


def program(*argv: str) -> invoke.program.Program:
    """Return invoke's program after it has parsed `argv`."""
    made = invoke.program.Program(name="repoman", binary="repoman", namespace=collection())
    made.create_config()
    made.parse_core(["repoman", *argv])
    made.parse_collection()
    made.parse_tasks()
    return made


def calls(read: invoke.program.Program) -> Calls:
    """Return the tasks that are called, with those of their arguments that were given."""
    return [
        (
            context.name,
            {name: arg.value for name, arg in context.args.items() if arg.value not in _NOT_GIVEN},
        )
        for context in read.tasks
    ]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ("", []),
        ("sync", [("sync", {})]),
        ("sync a", [("sync", {"name": "a"})]),
        ("sync --name a", [("sync", {"name": "a"})]),
        ("sync a --dry-run", [("sync", {"name": "a", "dry-run": True})]),
        ("sync --dry-run a", [("sync", {"name": "a", "dry-run": True})]),
        ("sync -n a", [("sync", {"name": "a", "dry-run": True})]),
        ("sync a -n", [("sync", {"name": "a", "dry-run": True})]),
        ("sync list", [("sync", {}), ("list", {})]),
        ("sync a list", [("sync", {"name": "a"}), ("list", {})]),
        ("sync --dry-run list", [("sync", {"dry-run": True}), ("list", {})]),
        (
            "sync a --dry-run list --json",
            [("sync", {"name": "a", "dry-run": True}), ("list", {"json": True})],
        ),
        ("list sync a", [("list", {}), ("sync", {"name": "a"})]),
        ("sync a sync b", [("sync", {"name": "a"}), ("sync", {"name": "b"})]),
        ("sync sync", [("sync", {}), ("sync", {})]),
        ("sync --jobs 2 a", [("sync", {"jobs": 2, "name": "a"})]),
        ("sync --jobs=2 a", [("sync", {"jobs": 2, "name": "a"})]),
        ("sync -j2 a", [("sync", {"jobs": 2, "name": "a"})]),
        ("sync -j 2 a", [("sync", {"jobs": 2, "name": "a"})]),
        ("sync -yn a", [("sync", {"yes": True, "dry-run": True, "name": "a"})]),
        ("sync a --no-delete --force", [("sync", {"name": "a", "no-delete": True, "force": True})]),
        ("status list", [("status", {}), ("list", {})]),
        ("status a --json", [("status", {"name": "a", "json": True})]),
        (
            "new a --repo b --no-container",
            [("new", {"name": "a", "repo": "b", "no-container": True})],
        ),
        ("new --repo b a", [("new", {"name": "a", "repo": "b"})]),
        ("new --repo=list a", [("new", {"name": "a", "repo": "list"})]),
        ("new --repo=-x a", [("new", {"name": "a", "repo": "-x"})]),
        ("new a --repo=--yes", [("new", {"name": "a", "repo": "--yes"})]),
        ("new a --repo=a=-b list", [("new", {"name": "a", "repo": "a=-b"}), ("list", {})]),
        ("new list", [("new", {"name": "list"})]),
        ("agent", [("agent", {})]),
        ("agent list", [("agent", {"name": ["list"]})]),
        ("agent list --json", [("agent", {"name": ["list"], "json": True})]),
        ("agent a --with b", [("agent", {"name": ["a"], "with": "b"})]),
        ("agent stop a", [("agent", {"name": ["stop", "a"]})]),
        ("agent list status a", [("agent", {"name": ["list"]}), ("status", {"name": "a"})]),
        ("agent stop a sync", [("agent", {"name": ["stop", "a"]}), ("sync", {})]),
        ("status a agent list", [("status", {"name": "a"}), ("agent", {"name": ["list"]})]),
        ("remove list", [("remove", {"name": ["list"]})]),
        ("remove a list", [("remove", {"name": ["a"]}), ("list", {})]),
        ("remove a b", [("remove", {"name": ["a", "b"]})]),
        ("remove", [("remove", {})]),
        ("remove a --yes", [("remove", {"name": ["a"], "yes": True})]),
        (
            "setup --local-repos /r --nfs-repos=/n",
            [("setup", {"local-repos": "/r", "nfs-repos": "/n"})],
        ),
        ("sync --host h a", [("sync", {"host": "h", "name": "a"})]),
        ("sync a --host h", [("sync", {"host": "h", "name": "a"})]),
        ("sync a --host=h list", [("sync", {"host": "h", "name": "a"}), ("list", {})]),
        ("sync a --no-input", [("sync", {"name": "a", "no-input": True})]),
        ("sync $(reboot)", [("sync", {"name": "$(reboot)"})]),
    ],
)
def test_words(argv: str, expected: Calls) -> None:
    assert calls(program(*argv.split())) == expected


@pytest.mark.parametrize(
    ("argv", "helped"),
    [
        ("--help sync", "sync"),
        ("-h sync", "sync"),
        ("sync --help", "sync"),
        ("sync -h", "sync"),
        ("remove --help", "remove"),
        ("remove a --help", "remove"),
        ("remove --yes a -h", "remove"),
        ("new --help", "new"),
        ("list --help", "list"),
        ("help sync", "sync"),
        ("help remove --yes", "remove"),
        ("help sync list", "sync"),
    ],
)
def test_help(argv: str, helped: str) -> None:
    read = program(*argv.split())
    assert read.args.help.value == helped
    assert "--help" not in [call[1].get("name") for call in calls(read)]


@pytest.mark.parametrize("argv", ["help", "help help", "--help", "-h"])
def test_help_alone(argv: str) -> None:
    read = program(*argv.split())
    assert read.args.help.value is True
    assert calls(read) == []


@pytest.mark.parametrize("argv", ["-R sync", "--dry sync", "sync -R", "sync --dry", "sync a -R"])
def test_invokes_own_dry(argv: str) -> None:
    read = program(*argv.split())
    assert read.args.dry.value is True
    assert [name for name, _ in calls(read)] == ["sync"]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ("sync --drry-run", r"sync: unknown option --drry-run: did you mean --dry-run\?"),
        ("sync a --drry-run", r"did you mean --dry-run\?"),
        ("sync --drry-run a", r"did you mean --dry-run\?"),
        ("remove --hlep", r"remove: unknown option --hlep: did you mean --help\?"),
        ("remove --ye a", r"did you mean --yes\?"),
        ("remove --zzzzzz", "unknown option --zzzzzz: see `repoman help remove`"),
        ("remove -z", "unknown option -z"),
        ("remove -1", "unknown option -1"),
        ("remove -", "unknown option -"),
        ("remove ---", "unknown option ---"),
        ("remove --yes=x --zzz a", "unknown option --zzz|takes no value"),
        ("sync -nx a", "unknown option -x"),
        ("--drry sync", r"unknown option --drry: did you mean --dry\?"),
        ("--host h sync", "unknown option --host"),
        ("--yes remove a", "unknown option --yes"),
        ("syn", r"no command is called 'syn': did you mean sync\?"),
        ("zzzzzz", "no command is called 'zzzzzz': see `repoman help`"),
        ("help syn", r"no command is called 'syn': did you mean sync\?"),
        ("sync a b", "sync: unexpected argument 'b': see `repoman help sync`"),
        (
            "exec a ls -l",
            "exec: unexpected argument 'ls': "
            "put the program after --, as in `repoman exec a -- ls`",
        ),
        ("shell a ls", "put the program after --, as in `repoman shell a -- ls`"),
        ("list --watch", "list: unknown option --watch: see `repoman help list`"),
        ("sync --prompt-for-sudo", "unknown option --prompt-for-sudo: see `repoman help sync`"),
        ("sync a snyc", r"unexpected argument 'snyc': did you mean sync\?"),
        ("sync --name a b", "unexpected argument 'b'"),
        ("list a", "list: unexpected argument 'a'"),
        ("setup a", "setup: unexpected argument 'a'"),
        ("sync --jobs", "sync: --jobs needs a value"),
        ("sync --jobs --dry-run", "--jobs needs a value"),
        ("sync -j", "--jobs needs a value"),
        ("sync --jobs list", "--jobs needs a whole number from 0 on, not 'list'"),
        ("sync --jobs 1.5", "--jobs needs a whole number from 0 on, not '1.5'"),
        ("sync --jobs=-1", "--jobs needs a whole number from 0 on, not '-1'"),
        ("history isurus --limit=-1", "--limit needs a whole number from 0 on, not '-1'"),
        ("sync --jobs -1", "--jobs needs a value"),
        ("sync --jobs 1 --jobs 2", "--jobs was given twice"),
        ("sync a --name b", "--name was given twice"),
        ("sync --host a --host b", "--host was given twice"),
        ("new a --repo --no-container", "--repo needs a value"),
        ("sync --host", "--host needs a value"),
        ("sync --host=--", "--host needs a value"),
        ("new a --repo -x", "--repo needs a value"),
        ("new a --repo=-x --repo=-y", "--repo was given twice"),
        ("new a --name=-x", "--name was given twice"),
        ("sync --dry-run=no a", "--dry-run"),
        ("remove --yes=a", "--yes"),
    ],
)
def test_invalid_arguments(argv: str, says: str) -> None:
    with pytest.raises(Exit, match=says) as caught:
        program(*argv.split())
    assert caught.value.code == 2
    message = caught.value.message or ""
    assert message.startswith("repoman: ")
    assert message.isprintable()


def test_inv_names_its_own_form_of_help() -> None:
    made = invoke.program.Program(name="Invoke", binary="inv[oke]")
    made.create_config()
    made.parse_core(["inv", "status", "--zzzzzz"])
    made.collection = with_chores()
    with pytest.raises(Exit, match="see `inv --help status`"):
        made.parse_tasks()


def test_an_empty_argument_is_neither_a_command_nor_a_missing_name() -> None:
    assert calls(program("sync", "")) in ([("sync", {})], [("sync", {"name": ""})])
    assert program("sync", "").tasks[0].args["name"].value == ""
    with pytest.raises(Exit, match="unexpected argument"):
        program("list", "")


def test_arguments_after_two_dashes_are_kept_apart() -> None:
    read = program("sync", "--", "--yes", "a")
    assert calls(read) == [("sync", {})]
    assert read.core.remainder == "--yes a"


def test_a_value_with_a_dash_is_no_option_also_of_a_program() -> None:
    read = program("agent", "a", "--with=-x", "--", "--repo=-x")
    assert calls(read) == [("agent", {"name": ["a"], "with": "-x"})]
    assert read.core.remainder == "--repo=-x"


WORDS = st.lists(
    st.sampled_from(
        [
            *("sync", "list", "remove", "new", "status", "setup", "a", "--", "-", "--help"),
            *("--dry-run", "-n", "--jobs", "-j", "3", "--jobs=3", "--yes", "-y", "--host", "h"),
            *("--repo", "--repo=-x", "--name", "--name=--yes", "-yn", "--json", "--no-input"),
        ]
    )
    | st.text(max_size=4)
    | st.text(max_size=4).map("-{}".format)
    | st.text(max_size=4).map("--{}".format),
    max_size=6,
)
INVOKES_OWN = ("-d", "-T", "-D", "-F", "-f", "-l", "-h", "--help", "--l", "--he")


@settings(max_examples=60)
@given(WORDS)
def test_whatever_is_typed_no_flag_becomes_a_value_but_after_an_equals_sign(
    argv: list[str],
) -> None:
    if any(word.startswith(INVOKES_OWN) for word in argv):
        return
    try:
        read = program(*argv)
    except UsageExit:
        return
    except Exit as end:  # --version
        if end.code == 0:
            return
        raise
    for name, arguments in calls(read):
        assert name in ("sync", "list", "remove", "new", "status", "setup")
        given_as_text = [value for value in arguments.values() if isinstance(value, str)]
        with_dash = [value for value in given_as_text if value.startswith("-")]
        assert all(any(word.endswith(f"={value}") for word in argv) for value in with_dash)
