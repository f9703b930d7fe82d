"""Folders on the share that repairs of mirrors have kept aside."""

from __future__ import annotations

from repoman_tasks.model import Altered, Project
from repoman_tasks.planning.mirror.altered_mirrors import by_owner, folders_aside
from repoman_tasks.planning.mirror.share_check import ASIDE

ONE, TWO = "0123456789abcdef", "fedcba9876543210"


def test_each_folder_has_one_owner() -> None:
    names = ["a", "a.b", f"a.{ONE}", "a\nb"]
    folders = [f"{ASIDE}.{name}.{TWO}" for name in names]
    others = [ASIDE, f"{ASIDE}.a", f"{ASIDE}.a.xyz", f"a.{ONE}", f"x{folders[0]}"]
    expected = {name: [folder] for name, folder in zip(names, folders, strict=True)}
    assert by_owner([*folders, *others]) == expected


def test_what_was_noted_and_what_is_there() -> None:
    project = Project("a", "a")
    there, noted, foreign = f"{ASIDE}.a.{ONE}", f"{ASIDE}.a.{TWO}", f"{ASIDE}.b.{TWO}"
    known = Altered("2026-01-01T00:00:00Z", 1, ("x: changed",), (noted, foreign), project.created)
    found = folders_aside(project, known, [there, foreign], ["a", "b"])
    assert found is not None
    assert found.folders == (there, noted)
    assert folders_aside(project, None, [foreign], ["a", "b"]) is None
    killed = folders_aside(project, None, [there], ["a", "b"])
    assert killed is not None
    assert (killed.count, killed.folders) == (0, (there,))


def test_what_was_noted_before_a_rename() -> None:
    project, old = Project("b", "a"), f"{ASIDE}.a.{ONE}"
    known = Altered("2026-01-01T00:00:00Z", 1, ("x: changed",), (old, "b"), project.created)
    found = folders_aside(project, known, [], ["b"])
    assert found is not None
    assert found.folders == (old,), "and nothing that is no such folder"
    again = folders_aside(project, known, [], ["a", "b"])
    assert again is not None
    assert again.folders == (), "it is that of a new project, which tells it"
