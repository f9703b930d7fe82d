"""Values of projects are replaced in the text, without parsing it into a document of its own."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repoman_tasks.planning.registry_edits import SetKeys
from repoman_tasks.registry.value_edits import set_values

TEXT = """\
# above
[defaults]
last_sync = "not this one"

[[project]]
name = "a"
last_sync = "old" # since then
  # [[project]]
env = { A = "last_sync = 1" }

# about b
[[project]]
name = "b"
last_files   =   7
"last_sync" = "quoted"

[project.env]
last_sync = "a variable"
"""


def test_other_lines_stay_as_they_are() -> None:
    result = set_values(TEXT, [SetKeys({"last_sync": "new", "last_files": 3}, project="a")])
    before = TEXT.replace('last_sync = "old" #', 'last_sync = "new" #')
    assert result == before.replace('= 1" }\n', '= 1" }\nlast_files = 3\n')


def test_a_key_is_removed() -> None:
    result = set_values(TEXT, [SetKeys({"last_files": None, "mirror": None}, project="b")])
    assert result == TEXT.replace("last_files   =   7\n", "")


def test_a_project_that_is_gone_changes_nothing() -> None:
    assert set_values(TEXT, [SetKeys({"last_files": 1}, project="gone")]) == TEXT


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(SetKeys({"last_sync": "x"}, project="b"), id="quoted key"),
        pytest.param(SetKeys({"exclude": ("x",)}, project="a"), id="list"),
        pytest.param(SetKeys({"jobs": 2}), id="another table"),
        pytest.param(SetKeys({"env": "x"}, project="a"), id="inline table"),
    ],
)
def test_what_needs_more_is_left_to_others(edit: SetKeys) -> None:
    assert set_values(TEXT, [edit]) is None


@pytest.mark.parametrize("quotes", ['"""', "'''"])
def test_a_string_that_looks_like_a_table(quotes: str) -> None:
    text = f'[[project]]\nname = "a"\nrepo = {quotes}\n[[project]]\nx = 1\n{quotes}\n'
    text += '[[project]]\nname = "b"\nx = 2\n'
    result = set_values(text, [SetKeys({"x": 3}, project="b")])
    assert result is None or tomllib.loads(result)["project"][1]["x"] == 3


@given(
    st.dictionaries(
        st.sampled_from(["last_sync", "last_files", "mirror"]),
        st.none() | st.integers(-(2**60), 2**60) | st.text(st.characters(codec="utf-8")),
    ),
    st.sampled_from(["a", "b"]),
)
def test_any_value(values: dict[str, str | int | None], name: str) -> None:
    result = set_values(TEXT, [SetKeys(values, project=name)])
    before = {project["name"]: project for project in tomllib.loads(TEXT)["project"]}
    expected = {key: value for key, value in (before[name] | values).items() if value is not None}
    if result is not None:
        after = {project["name"]: project for project in tomllib.loads(result)["project"]}
        assert after == before | {name: expected}
