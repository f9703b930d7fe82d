"""Strict JSON, for the output of other programs and hosts. Pure.

Python's parser accepts more than RFC 8259: NaN, numbers that become infinite, a key given twice,
halves of surrogate pairs. And it raises RecursionError at a depth that a short text can have.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

__all__ = ["parse_json"]

_DEEPEST = 64
"""Incus's answers have a depth of ten at most."""
_NO_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[^][{}"]+', re.DOTALL)
"""Strings, and what is between brackets. A string without an end matches, too, so that the time
is linear."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(data: bytes) -> Any:
    """Parse UTF-8 JSON. Raise ValueError if it is not strict, or nested deeply."""
    text = data.decode()
    _check_depth(text)
    value = json.loads(
        text, object_pairs_hook=_unique, parse_constant=_reject, parse_float=_parse_finite
    )
    if _SURROGATE.search(text):
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _check_depth(text: str) -> None:
    depth = 0
    for bracket in _NO_BRACKETS.sub("", text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(bracket, 0)
        if depth > _DEEPEST:
            raise ValueError(depth)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(pairs)
    return found


def _parse_finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _reject(text: str) -> NoReturn:
    raise ValueError(text)
