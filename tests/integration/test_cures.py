"""Paste every cure that `status` prints, and those of errors, then look again.

The finding or error is gone, or the next step is named. What needs more, such as a container, is
for the tests that `OTHER_CURES` names.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from repoman_tasks.planning.mirror.share_check import ASIDE
from tests.integration.test_nightly import ABSENT, CRONTAB, provide
from tests.integration.test_restore import failing_rsync
from tests.support import cures
from tests.support.estate import CHECKOUT, Estate, Result
from tests.support.odd_files import make_odd_files

LONG_AGO, SNAPSHOT = "2026-01-02T00:00:00Z", "auto-2999-01-01_03-00"
Act = Callable[[Estate], object]


@dataclass(frozen=True)
class Case:
    """A state of an estate, and what is to be done about it."""

    name: str
    make: Act
    kind: str = ""
    """Kind of the finding of `status`; for an error, empty."""
    subject: str = "isurus"
    argv: tuple[str, ...] = ("status",)
    """The command that finds it."""
    cures: tuple[tuple[int, ...], ...] = ((0,),)
    """Numbers of printed commands: each sequence is a way out."""
    looks: tuple[int, ...] = ()
    """Numbers of printed commands that only show something, or copy something to look at."""
    by_hand: Act | None = None
    """Does what the cure asks a person to do: before its commands or, if an empty sequence is among
    `cures`, in place of them."""
    answers: Callable[[Estate], list[str]] = lambda _: []
    """Options for what the first command would prompt for on a terminal."""


def commands(text: str) -> list[list[str]]:
    """Return the argvs of the commands of repoman in backticks."""
    return [argv[1:] for argv in cures.commands(text) if argv[0] == "repoman"]


def find(estate: Estate, case: Case) -> str:
    """Return the cure that is printed now, empty if the finding or error is gone."""
    if case.kind:
        found: list[dict[str, Any]] = estate.run(*case.argv, "--json").json["findings"]
        cures = [f["cure"] for f in found if (f["kind"], f["subject"]) == (case.kind, case.subject)]
        return " ".join(cures)
    done = estate.run(*case.argv)
    text = done.err or (done.out if done.code else "")
    return re.sub(r"Next: (.*)", r"`\1`", text)


def rewrite(estate: Estate, pattern: str, replacement: str) -> None:
    text = estate.registry.read_text()
    changed = re.sub(pattern, replacement, text)
    assert changed != text
    estate.registry.write_text(changed)


def state_file(estate: Estate, name: str) -> Path:
    (folder,) = (estate.home / ".local/state/repoman/mirrors").iterdir()
    return folder / name


# --- states of an estate ------------------------------------------------------------------


def nothing(_: Estate) -> None:
    """Do nothing: it is so already."""


def synced(*acts: Act) -> Act:
    """Return what syncs, and then does `acts`."""

    def make(estate: Estate) -> None:
        estate.run("sync", code=0)
        for act in acts:
            act(estate)

    return make


def no_registry(estate: Estate) -> None:
    estate.registry.unlink()
    (estate.share / ".repoman-share").unlink()


def paths(estate: Estate) -> list[str]:
    return ["--local-repos", str(estate.local_repos), "--nfs-repos", str(estate.share)]


def no_marker(estate: Estate) -> None:
    (estate.share / ".repoman-share").unlink()


def wrong_type(estate: Estate) -> None:
    del estate.environ["REPOMAN_NFS_FSTYPES"]


def right_type(estate: Estate) -> None:
    estate.environ["REPOMAN_NFS_FSTYPES"] = "tmpfs"


def full(estate: Estate) -> None:
    estate.environ["REPOMAN_MIN_FREE_MIB"] = "999999999"


def roomy(estate: Estate) -> None:
    estate.environ["REPOMAN_MIN_FREE_MIB"] = "1"


def lose(estate: Estate) -> None:
    shutil.rmtree(estate.local_repos / "isurus")


def empty(estate: Estate) -> None:
    lose(estate)
    (estate.local_repos / "isurus").mkdir()


def refuse(estate: Estate) -> None:
    empty(estate)
    estate.run("sync", "isurus", code=6)


def stop(estate: Estate) -> None:
    rewrite(estate, 'name = "isurus"', 'name = "isurus"\nmax_delete = 1')
    shutil.rmtree(estate.local_repos / "isurus/docs")
    estate.run("sync", code=4)


def link_repo(estate: Estate) -> None:
    repo = estate.local_repos / "isurus"
    repo.rename(estate.home / "away")
    repo.symlink_to(estate.home / "away")


def unlink_repo(estate: Estate) -> None:
    repo = estate.local_repos / "isurus"
    repo.unlink()
    (estate.home / "away").rename(repo)


def grow_old(estate: Estate) -> None:
    rewrite(estate, 'last_sync = "[^"]*"', f'last_sync = "{LONG_AGO}"')


def damage(estate: Estate) -> None:
    (estate.mirror("isurus") / "README.md").write_text("damaged")
    estate.run("verify", code=3)


def alter(estate: Estate) -> None:
    """Have something else change a mirror; a later change of the repo is none that it made."""
    registry = estate.registry.read_text()
    (state,) = estate.home.glob(".local/state/repoman/mirrors/*/state.json")
    document = json.loads(state.read_text())
    created = re.findall(r'created = "([^"]*)"', registry)[0]
    folder = f"{ASIDE}.isurus.0123456789abcdef"
    (estate.share / folder).mkdir()
    found = {"time": LONG_AGO, "count": 1, "entries": ["x: different"], "folders": [folder]}
    document["altered"] = {"isurus": {**found, "created": created}}
    state.write_text(json.dumps(document))


def leave_aside(estate: Estate) -> None:
    (estate.share / f"{ASIDE}.gone.0123456789abcdef").mkdir()


def delete_aside(estate: Estate) -> None:
    """Paste the command, which is none of repoman."""
    findings = estate.run("status", "--json", code=3).json["findings"]
    (cure,) = [one["cure"] for one in findings if one["kind"] == "aside"]
    (argv,) = cures.commands(cure)
    subprocess.run(argv, check=True)


def leave_copies(estate: Estate) -> None:
    estate.run("snapshot", "isurus", code=0)
    (folder,) = estate.home.glob(".local/state/repoman/mirrors/*/snapshots/isurus")
    folder.rename(folder.with_name("gone"))


def forget(estate: Estate) -> None:
    estate.run("remove", "isurus", "--yes", code=0)
    lose(estate)


def forget_odd(estate: Estate) -> None:
    (estate.share / "it's odd").mkdir()


def no_container(_: Estate) -> list[str]:
    return ["--no-container"]


def lose_mirror(estate: Estate) -> None:
    take_snapshot(estate)
    mirror, folder = estate.mirror("isurus"), estate.share / ".zfs/snapshot" / SNAPSHOT
    mirror.rename(folder / "isurus")
    lose(estate)


def restore_from_snapshot(estate: Estate) -> None:
    estate.run("restore", "isurus", "--at", SNAPSHOT, code=0)
    estate.run("sync", "isurus", code=0)


def leave_partial(estate: Estate) -> None:
    partial(estate).mkdir()
    (partial(estate) / "left").write_text("x")


def lose_and_leave(estate: Estate) -> None:
    lose(estate)
    environ = failing_rsync(estate.base)
    estate.run("restore", "isurus", code=4, environ=environ)


def leave_elsewhere(estate: Estate) -> None:
    environ, copy = failing_rsync(estate.base), "~/copies/it's one"
    estate.run("restore", "isurus", "--to", copy, code=4, environ=environ)


def leave_of_a_file(estate: Estate) -> None:
    estate.run("restore", "isurus", "README.md", code=4, environ=failing_rsync(estate.base))


def delete_left(estate: Estate) -> None:
    """Run the command that the cure names for it."""
    cure = find(estate, LEFT_OF_A_FILE)
    (command,) = re.findall("`(rm [^`]*)`", cure)
    subprocess.run(shlex.split(command), check=True)


def partial(estate: Estate) -> Path:
    return estate.local_repos / ".isurus.0123abcd.partial"


def delete_partial(estate: Estate) -> None:
    shutil.rmtree(partial(estate))


def rename_odd(estate: Estate) -> None:
    (estate.share / "it's odd").rename(estate.share / "lamna")


def add_folder(estate: Estate) -> None:
    estate.repo("isurus-2")


def folder_called(name: str) -> Act:
    """Return what makes a folder of this name below local_repos."""

    def make(estate: Estate) -> None:
        (estate.local_repos / name).mkdir()

    return make


def take_snapshot(estate: Estate) -> None:
    (estate.share / ".zfs/snapshot" / SNAPSHOT).mkdir(parents=True)


def take_old(estate: Estate) -> None:
    (estate.share / ".zfs/snapshot/auto-2026-01-01_03-00").mkdir(parents=True)


def install_nightly(estate: Estate) -> None:
    provide(estate, systemctl=ABSENT, crontab=CRONTAB)
    estate.run("nightly", "install", code=0)


def miss_nights(estate: Estate) -> None:
    install_nightly(estate)
    note = {"at": "03:17", "since": LONG_AGO, "by": "cron"}
    state_file(estate, "nightly.json").write_text(json.dumps(note))
    grow_old(estate)
    rewrite(estate, r"\[defaults\]", "[defaults]\nmax_age_hours = 9999999")


def lose_crontab(estate: Estate) -> None:
    install_nightly(estate)
    (estate.home / "crontab").unlink()


def exclude_growth(estate: Estate) -> None:
    rewrite(estate, r"\[defaults\]", '[defaults]\nexclude = ["*.db"]')
    estate.run("sync", code=0)
    with (estate.local_repos / "isurus/x.db").open("wb") as file:
        file.truncate(20 << 20)
    estate.run("sync", code=0)
    state = state_file(estate, "state.json")
    state.write_text(
        re.sub('"size_since": "[^"]+"', f'"size_since": "{LONG_AGO}"', state.read_text())
    )


def exclude_nothing(estate: Estate) -> None:
    rewrite(estate, r'exclude = \["\*.db"\]', "")


def break_guard(estate: Estate) -> None:
    estate.run("git-guard", "install", code=0)
    found = estate.home / ".local/share/repoman/bin/git"
    found.write_text(found.read_text() + "\n# of another version\n")


def rely_on_guard(estate: Estate) -> None:
    rewrite(estate, "container = false", 'container = true\nprotect = "guard"')


def write_from_elsewhere(estate: Estate) -> None:
    (estate.share / ".repoman-generation").write_text(f"elsewhere {LONG_AGO} 0123456789abcdef")


def link_mirror(estate: Estate) -> None:
    mirror = estate.mirror("isurus")
    mirror.rename(estate.share / ".away")
    mirror.symlink_to(".away")


def unlink_mirror(estate: Estate) -> None:
    estate.mirror("isurus").unlink()
    (estate.share / ".away").rename(estate.mirror("isurus"))


def block_copies(estate: Estate) -> None:
    shutil.rmtree(estate.share / ".repoman-share.registry")
    (estate.share / ".repoman-share.registry").symlink_to(estate.home)
    rewrite(estate, r"\[defaults\]", "[defaults]\njobs = 3")
    (estate.local_repos / "isurus/new").write_text("x")


def unblock_copies(estate: Estate) -> None:
    (estate.share / ".repoman-share.registry").unlink()


def alert_nobody(estate: Estate) -> None:
    with estate.registry.open("a") as file:
        file.write('\n[alerts]\nhealthchecks = "http://127.0.0.1:9/topic"\n')


def undo(estate: Estate) -> None:
    (estate.local_repos / "isurus/new").write_text("x")
    estate.run("snapshot", "isurus", code=0)
    (estate.local_repos / "isurus/new").write_text("other")
    estate.run("undo", "isurus", "--yes", code=0)


def undo_half(estate: Estate) -> None:
    undo(estate)
    (about,) = estate.home.glob(".local/state/repoman/mirrors/*/snapshots/isurus/undo-*/about.json")
    about.write_text(about.read_text().replace('"done": true', '"done": false'))


def drop_alerts(estate: Estate) -> None:
    rewrite(estate, r"\n\[alerts\]\n.*\n", "")


# --- the tables ---------------------------------------------------------------------------

LEFT_OF_A_FILE = Case(
    *("left of a file", synced(leave_of_a_file), "partial", "isurus-mirror"),
    cures=((),),
    by_hand=delete_left,
)
FINDINGS = [
    Case("no registry", no_registry, "registry", "registry", answers=paths),
    Case("no marker", no_marker, "share", "share"),
    Case("wrong type", wrong_type, "share", "share", cures=((),), by_hand=right_type),
    Case("full share", full, "share", "share", cures=((),), by_hand=roomy),
    Case("never mirrored", nothing, "old"),
    Case("old mirror", synced(grow_old), "old"),
    Case("missing repo", synced(lose), "repo", cures=((0,), (1,))),
    Case("linked repo", synced(link_repo), "repo", cures=((0,), ()), by_hand=unlink_repo),
    Case("refused sync", synced(refuse), "sync", cures=((0,), (1,))),
    Case("stopped sync", synced(stop), "stopped", cures=((2,),), looks=(0, 1)),
    Case("damaged mirror", synced(damage), "damaged", cures=((0, 1),), looks=(2,)),
    Case("changed mirror", synced(alter), "altered"),
    Case("kept of no project", leave_aside, "aside", "gone", cures=((),), by_hand=delete_aside),
    Case("copies of no project", leave_copies, "copies", "gone"),
    Case("unused mirror", synced(forget), "mirror", cures=((0,), (1,)), answers=no_container),
    Case("odd folder", forget_odd, "mirror", "it's odd", cures=((),), by_hand=rename_odd),
    Case("folder without a project", add_folder, "folder", "isurus-2"),
    *(
        Case(f"folder called {name!r}", folder_called(name), "folder", name)
        for name in ("-dash", "it's odd", "$(x)")
    ),
    Case("left by a restore", leave_partial, "partial", cures=((),), by_hand=delete_partial),
    Case("left, and lost", synced(lose_and_leave), "partial"),
    Case("left elsewhere", synced(leave_elsewhere), "partial"),
    LEFT_OF_A_FILE,
    Case("kept by undo", undo, "kept"),
    Case("left by an undo", undo_half, "undo"),
    Case("no snapshots", synced(), "snapshots", "share", cures=((),), by_hand=take_snapshot),
    Case(
        "old snapshots", synced(take_old), "snapshots", "share", cures=((),), by_hand=take_snapshot
    ),
    Case("missed nights", synced(miss_nights), "nightly", "nightly", cures=((0, 1),)),
    Case("no crontab", lose_crontab, "nightly-gone", "nightly", cures=((0,), (1,))),
    Case("growth", exclude_growth, "growth", by_hand=exclude_nothing),
    Case("other guard", break_guard, "guard", "git-guard"),
    Case("missing guard", rely_on_guard, "guard"),
]
ERRORS = [
    Case("sync: missing", synced(lose), argv=("sync", "isurus"), cures=((0,), (1,))),
    Case("sync: missing, no mirror", lose, argv=("sync", "isurus")),
    Case("sync: empty", synced(empty), argv=("sync", "isurus"), cures=((0,), (1,))),
    Case("sync: other host", synced(write_from_elsewhere), argv=("sync",)),
    Case(
        *("sync: linked mirror", synced(link_mirror)),
        argv=("sync", "isurus"),
        cures=((),),
        by_hand=unlink_mirror,
    ),
    Case(
        *("sync: linked copies", synced(block_copies)),
        argv=("sync",),
        cures=((),),
        by_hand=unblock_copies,
    ),
    Case("sync: no alert", synced(alert_nobody), argv=("sync",), cures=((),), by_hand=drop_alerts),
    Case("sync: stopped", synced(stop), argv=("sync", "isurus"), cures=((2,),), looks=(0, 1)),
    Case("verify: damaged", synced(damage), argv=("verify",), cures=((0, 1),), looks=(2,)),
    Case("verify: never mirrored", nothing, argv=("verify", "isurus")),
    Case("verify: missing", synced(lose), argv=("verify", "isurus"), cures=((0,), (1,))),
    Case(
        *("restore: no mirror", synced(lose_mirror)),
        argv=("restore", "isurus"),
        cures=((),),
        looks=(0,),
        by_hand=restore_from_snapshot,
    ),
    Case("nightly: no registry", no_registry, argv=("nightly",), answers=paths),
    Case("sync: no registry", no_registry, argv=("sync",), answers=paths),
]


def ways(cases: list[Case]) -> list[Any]:
    """Return each way out of each case as a parameter."""
    return [
        pytest.param(case, way, id=f"{case.name}-{number}")
        for case in cases
        for number, way in enumerate(case.cures)
    ]


@pytest.fixture
def ready(estate: Estate) -> Estate:
    """Return an estate with a project that was not mirrored yet."""
    estate.prepare("isurus")
    make_odd_files(estate.local_repos / "isurus")
    return estate


@pytest.mark.parametrize(("case", "way"), ways([*FINDINGS, *ERRORS]))
def test_the_cure_cures(ready: Estate, case: Case, way: tuple[int, ...]) -> None:
    case.make(ready)
    before = find(ready, case)
    assert before, "the finding is made"
    printed = commands(before)
    known = {*case.looks, *(number for numbers in case.cures for number in numbers)}
    assert known == set(range(len(printed))), f"the table knows each command of: {before}"
    if case.by_hand and (not way or () not in case.cures):
        case.by_hand(ready)
    for number in way:
        answers = case.answers(ready) if number == 0 else []
        done = paste(ready, [*printed[number], *answers])
        assert done.code in (0, *_NEXT), done
    after = find(ready, case)
    assert after != before
    assert not after or commands(after), f"the next step is named: {after}"


@pytest.mark.parametrize("case", [case for case in [*FINDINGS, *ERRORS] if case.looks])
def test_to_look_first_changes_nothing_for_the_worse(ready: Estate, case: Case) -> None:
    case.make(ready)
    before = find(ready, case)
    for number in case.looks:
        paste(ready, commands(before)[number])
    assert find(ready, case) == before


_NEXT = (3,)
"""Exit codes of a pasted command that did what it should, and found more."""


def paste(estate: Estate, argv: list[str]) -> Result:
    """Run a printed command as a person does who says yes."""
    return estate.run(*argv, "--yes")


# --- no kind is forgotten -------------------------------------------------------------------

DRIFT, TRUST = "containers/test_drift.py", "containers/test_trust.py"
HOSTILE, KILLED = "security/test_repo.py", "containers/test_killed.py"
TEMPLATES = "containers/test_templates.py"
OTHER_CURES = {
    "build": (TEMPLATES, "test_containers_of_an_older_build_are_noted_and_moved"),
    "half-built": (
        *(TEMPLATES, "test_an_interrupt_leaves_nothing_and_a_kill_what_status_removes"),
    ),
    "differs": (DRIFT, "test_the_cure_for_another_image"),
    "error": (DRIFT, "test_a_container_in_state_error"),
    "exclude": (TRUST, "test_excludes_of_a_repo_need_no_approval_and_are_reported"),
    "fence": ("containers/test_fence.py", "test_a_weaker_fence_is_found_and_strengthened"),
    "frozen": ("containers/test_snapshots.py", "test_a_snapshot_that_is_killed"),
    "half-made": (DRIFT, "test_half_made_and_registered"),
    "half-made-volume": (
        *("containers/test_volume.py", "test_a_half_made_volume_is_removed_by_a_repair"),
    ),
    "hazard": (HOSTILE, "test_a_mount_that_a_change_outside_took_away"),
    "incus": (KILLED, "test_a_daemon_that_does_not_run"),
    "inside": (*(DRIFT, "test_the_cure_for_a_repo_that_was_replaced_while_its_container_runs"),),
    "instructions": (HOSTILE, "test_instructions_of_agents_are_a_note"),
    "kernel": ("security/test_kernel.py", "test_a_limit_that_is_too_low_is_noted_and_raised"),
    "left-out": (
        "integration/test_odd_shares.py",
        "test_borrowed_objects_are_told_until_they_are_in_the_repo",
    ),
    "login": (
        "integration/test_login.py",
        "test_a_login_that_can_not_be_used_is_reported_and_its_cure_works",
    ),
    "lost-mount": (HOSTILE, "test_a_mount_that_root_inside_took_away"),
    "memory": ("security/test_escape.py", "test_the_memory_of_several_containers"),
    "missing": (DRIFT, "test_missing_recreate_gives_one_that_behaves_alike"),
    "mounts": ("containers/test_same_folder.py", "test_a_file_system_mounted_in_a_repo"),
    "network": (
        "security/test_network.py",
        "test_a_rule_added_by_another_client_is_found_and_repaired",
    ),
    "orphan": (DRIFT, "test_an_orphan_that_repoman_did_not_make"),
    "owner": (HOSTILE, "test_files_of_other_users_are_listed_with_a_cure_that_works"),
    "pool": (DRIFT, "test_a_pool_that_is_nearly_full"),
    "protection": (TRUST, "test_any_change_takes_it_back"),
    "reach": ("containers/test_reach.py", "test_names_that_are_dropped"),
    "rename": ("integration/test_rename.py", "test_what_is_interrupted_goes_on"),
    "renamed": (DRIFT, "test_renamed"),
    "trust": (TRUST, "test_any_change_takes_it_back"),
    "unexpected": (DRIFT, "test_not_expected"),
    "volume": ("containers/test_volume.py", "test_a_forgotten_container_leaves_it_with_a_cure"),
}
"""File and function that paste the cure of a finding that needs more than these tables have."""


def kinds_pasted_by(path: Path, function: str) -> set[object]:
    """Return the kinds of findings whose cures a function pastes by `paste_cure`."""
    parsed = ast.parse(path.read_text()).body
    found = next(node for node in parsed if getattr(node, "name", "") == function)
    calls = (node for node in ast.walk(found) if isinstance(node, ast.Call))
    pasting = [call for call in calls if getattr(call.func, "id", "") == "paste_cure"]
    return {call.args[1].value for call in pasting if isinstance(call.args[1], ast.Constant)}


def kinds_in_source() -> set[str]:
    """Return the kinds of all findings; fail if one has none."""
    found = set()
    for path in (CHECKOUT / "repoman_tasks").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding":
                kinds = [word.value for word in node.keywords if word.arg == "kind"]
                assert kinds, f"{path.name}:{node.lineno}: a finding without a kind"
                found |= {str(kind.value) for kind in kinds if isinstance(kind, ast.Constant)}
    return found


def test_the_tables_have_every_kind_of_finding() -> None:
    pasted = {case.kind for case in FINDINGS}
    assert kinds_in_source() == pasted | set(OTHER_CURES)
    for kind, (path, function) in OTHER_CURES.items():
        assert kind in kinds_pasted_by(CHECKOUT / "tests" / path, function), kind
