"""JSON of other programs and hosts."""

from __future__ import annotations

import json

import pytest

from repoman_tasks.planning.text.strict_json import parse_json


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, "x"], "b": {"c": {}}},
        [],
        "",
        'brackets [[[{{{ in "strings" \\ are none ]]]',
        "ü 😀",
        10**50,
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_is_parsed(value: object, ascii_only: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"[" * 65 + b"]" * 65, id="deep lists"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="very deep"),
        pytest.param(b"[" * 1_000_000, id="deep and unfinished"),
        pytest.param(b'["]]]]]]]]",' * 100 + b"1" + b"]" * 100, id="deep beside strings"),
        pytest.param(b'{"a": 1, "a": 2}', id="a key twice"),
        pytest.param(b"[NaN]", id="NaN"),
        pytest.param(b"[-Infinity]", id="infinite"),
        pytest.param(b"[1e999]", id="a number that becomes infinite"),
        pytest.param(b"[" + b"9" * 5000 + b"]", id="an integer of 5000 digits"),
        pytest.param(rb'["\ud800"]', id="half a surrogate pair"),
        pytest.param(b'["\xff"]', id="not UTF-8"),
        pytest.param('["x"]'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'["a', id="an unfinished string"),
        pytest.param(b"[1] [2]", id="two values"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_anything_else_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(data)


def test_a_depth_of_64_is_allowed() -> None:
    assert parse_json(b"[" * 64 + b"]" * 64)
