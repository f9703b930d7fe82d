"""The configuration of git in a container, as the real git reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repoman_tasks.planning.container.git_identity import git_identity_file


@given(st.text(st.characters(categories=["L", "P", "S", "N"]), min_size=1, max_size=20))
def test_every_name_arrives(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    path = tmp_path_factory.getbasetemp() / "identity"
    path.write_text(git_identity_file(f"user.name\n{name}\0user.email\na@b.example\0"))
    assert read(path, "user.name") == name
    assert read(path, "user.email") == "a@b.example"


def read(path: Path, key: str) -> str:
    argv = ["git", "config", "--file", str(path), "--null", "--get", key]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.rstrip("\0")


@pytest.mark.parametrize(
    "records", ["", "user.name\n\0", "user.name\na\nb\0", "user.name\n\x1b[2J\0"]
)
def test_without_a_usable_name_there_is_none(records: str) -> None:
    assert git_identity_file(records) == ""


def test_the_last_value_counts() -> None:
    assert git_identity_file("user.name\nA\0user.name\nB\0") == '[user]\n\tname = "B"\n'
