"""Log entries of programs and steps."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repoman_tasks.planning import steps
from repoman_tasks.planning.container.spec import Spec
from repoman_tasks.planning.container.templates import Recipe
from repoman_tasks.planning.log_events import loggable_program, loggable_step
from repoman_tasks.planning.registry_edits import SetKeys

SECRET = "s3cret"
QUERY = ("incus", "query", "--force-local", "--raw", "-X")
EXEC = ("incus", "exec", "--force-local", "--project", "repoman")


@pytest.mark.parametrize(
    ("argv", "entry"),
    [
        (("mkdir", "-p", "--", "/a b"), {"words": ["mkdir", "-p", "--", "/a b"]}),
        (("/usr/bin/rm", "-rf", "--", "/a"), {"words": ["/usr/bin/rm", "-rf", "--", "/a"]}),
        (("rsync", "-a", "isurus/", "."), {"words": ["rsync", "-a", "isurus/", "."]}),
        (("rsync", "--filter=- x", "a/", "."), {"words": ["rsync", "a/", "."]}),
        (("rsync", "-a", "--dry-run", "isurus/", "."), None),
        (("env", "-C", "/x", "rsync", "a", "."), {"words": ["rsync", "a", "."]}),
        (("env", f"TOKEN={SECRET}", "rsync", "a"), {"words": ["env"]}),
        (("sudo", "usermod", "root"), {"words": ["usermod", "root"]}),
        (("sudo", "sh", "-c", SECRET), {"words": ["sudo"]}),
        (("env", "-C", "/x", SECRET), {"words": ["env"]}),
        (("sudo",), {"words": ["sudo"]}),
        (("git", "clone", "--", f"https://u:{SECRET}@h/x", "/a"), {"words": ["git", "clone"]}),
        (("git", "-c", SECRET, "init", "--", "/a"), {"words": ["git", "init"]}),
        (("curl", "-H", SECRET), {"words": ["curl"]}),
        ((*QUERY, "GET", "local:/1.0"), None),
        (
            (*QUERY, "PUT", "--data", f'{{"a": "{SECRET}"}}', "local:/1.0/instances/a?project=p"),
            {"method": "PUT", "path": "/1.0/instances/a?project=p"},
        ),
        ((*QUERY, "DELETE", "local:/1.0/x"), {"method": "DELETE", "path": "/1.0/x"}),
        (
            (*EXEC, "--env", f"A={SECRET}", "local:isurus", "--", "sh", "-c", SECRET, "local:x"),
            {"words": ["incus", "exec", "isurus"]},
        ),
        (("incus", "launch", SECRET), {"words": ["incus"]}),
    ],
)
def test_loggable_program(argv: tuple[str, ...], entry: dict[str, Any] | None) -> None:
    assert loggable_program(argv) == entry


def test_the_middle_of_a_long_argv_is_left_out() -> None:
    entry = loggable_program(("rsync", *(f"p{n}/" for n in range(200)), "."))
    assert entry is not None
    assert entry["words"][:2] == ["rsync", "p0/"]
    assert entry["words"][-1] == "."
    assert "… 170 more" in entry["words"]


@given(st.sampled_from(["curl", "env", "sh", "git", "incus", "sudo", "ssh"]), st.data())
def test_a_secret_is_never_logged(program: str, data: st.DataObject) -> None:
    pieces = ["sudo", "env", "-C", "/x", "exec", "query", "-X", "PUT", "--data", "clone", SECRET]
    argv = data.draw(st.lists(st.sampled_from(pieces), max_size=8))
    assert SECRET not in str(loggable_program((program, *argv, f"--data={SECRET}")))


SPEC = Spec(SECRET, (), {"environment.A": SECRET}, {"repo": {"source": SECRET}})
EVERY_STEP: list[steps.Step] = [
    steps.AdoptContainer("isurus", "default", SPEC),
    steps.ArrangeUser("isurus", "dev", "/home/dev/repos/isurus"),
    steps.AsRoot(("usermod", SECRET), SECRET),
    steps.BuildImage(
        "repoman-template-x", Recipe("x", "", SECRET, run=(SECRET,)), {"alias": SECRET}
    ),
    steps.CallIncus(SECRET, "PUT", "/1.0/profiles/default", {"config": SECRET}),
    steps.ChangeContainer("isurus", SECRET, {"config": {"environment.A": SECRET}}),
    steps.ChangeState("isurus", "rename", to="lamna"),
    steps.TakeOverShare("/nfs/repos", SECRET, SECRET),
    steps.CloneRepo(f"https://u:{SECRET}@example.org/x.git", "/home/dev/repos/x"),
    steps.CreateContainer("isurus", SPEC, {"alias": SECRET}),
    steps.CreateVolume("isurus", "default", "10GiB"),
    steps.DeleteContainer("isurus", SECRET),
    steps.DeleteFile("/x"),
    steps.DeleteFolder("/x"),
    steps.DeleteMirror("/nfs/repos/x", "x", SECRET),
    steps.DeleteRepo("isurus", "/home/dev/repos/isurus"),
    steps.DeleteVolume("isurus", "default"),
    steps.EmptyVolume("isurus"),
    steps.TakeSnapshot("isurus", "20261128T013000Z", container=True, repo="/home/dev/repos/x"),
    steps.DeleteSnapshot("isurus", "20261128T013000Z", container=True),
    steps.NoteUndo("isurus", "/x", "undo-20261128T013000Z", "x", ("repo",), ran=True, done=False),
    steps.ReturnContainer("isurus", "20261128T013000Z", container=True),
    steps.ReturnRepo("isurus", "20261128T013000Z", "/home/dev/repos/x", "/x", "/y"),
    steps.MakeFolder("/home/dev/repos"),
    steps.MakeRepo("/home/dev/repos/x"),
    steps.MarkShare("/nfs/repos", SECRET),
    steps.RebuildContainer("isurus", SPEC, {"alias": SECRET}),
    steps.RenameFolder("/home/dev/repos/x", "/home/dev/repos/y"),
    steps.RenameMirror("x", "y"),
    steps.RenameState("x", "y", "x", "y"),
    steps.RestoreRepo("x", "x", "/home/dev/repos/x"),
    steps.RunProgram(SECRET, ("crontab", SECRET), SECRET),
    steps.WriteFile(SECRET, "/x", SECRET),
    steps.WriteRegistry(SECRET, (SetKeys({"env": SECRET}),)),
]


def test_every_step_is_listed() -> None:
    kinds = {kind for _, kind in inspect.getmembers(steps, inspect.isclass)}
    known = {kind for kind in kinds if kind.__module__ == steps.__name__}
    assert {type(step) for step in EVERY_STEP} == known


@pytest.mark.parametrize("step", EVERY_STEP, ids=lambda step: type(step).__name__)
def test_a_step_logs_names_and_paths_but_no_value(step: steps.Step) -> None:
    entry = loggable_step(step)
    assert SECRET not in str(entry)
    assert entry["step"].replace("-", "") == type(step).__name__.lower()


def test_loggable_step() -> None:
    assert loggable_step(steps.ChangeState("isurus", "rename", to="lamna")) == {
        "step": "change-state",
        "name": "isurus",
        "action": "rename",
        "to": "lamna",
    }
