"""`--json` is stable: the output of commands matches docs/schemas, and docs/json.md shows those."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.estate import CHECKOUT, Estate
from tests.support.json_schemas import SCHEMAS, find_schema_errors, load_schema

NAMES = sorted(path.name.removesuffix(".schema.json") for path in SCHEMAS.glob("*.json"))
each_schema = pytest.mark.parametrize("name", NAMES)


# --- the schemas -------------------------------------------------------------------------


def objects(part: Any) -> Iterator[dict[str, Any]]:
    """Yield the description of each object with fixed keys in a schema."""
    if isinstance(part, dict):
        if "properties" in part:
            yield part
        for inner in part.values():
            yield from objects(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from objects(inner)


@each_schema
def test_a_key_that_is_not_documented_is_a_fault(name: str) -> None:
    found = list(objects(load_schema(name)))
    assert found
    for part in found:
        assert part["additionalProperties"] is False
        required = list(part["properties"])[: len(part["required"])]
        assert part["required"] == required
        assert name == "log" or len(required) == len(part["properties"]), "none may be missing"
        for key, meaning in part["properties"].items():
            assert "$ref" in meaning or meaning["description"], key


@each_schema
def test_the_version_is_in_each_object(name: str) -> None:
    """The outermost objects begin with it, so a reader sees it first."""
    found = load_schema(name)
    outer = [found["$ref"]] if "$ref" in found else [way["$ref"] for way in found["anyOf"]]
    for ref in outer:
        version = found["$defs"][ref.rpartition("/")[2]]["properties"]["schema"]
        assert version["const"] == 1


# --- what is printed ---------------------------------------------------------------------


@pytest.fixture
def estate_in_trouble(estate: Estate) -> Estate:
    """Return an estate with three projects: one in order, one without its repo, one without its
    container."""
    estate.prepare("isurus", "lamna", "carcharodon")
    estate.run("sync", "isurus", code=0)
    (estate.local_repos / "lamna").rename(estate.home / "away")
    head, name, rest = estate.registry.read_text().partition('name = "carcharodon"')
    estate.registry.write_text(head + name + rest.replace("container = false", "", 1))
    return estate


def printed(estate: Estate) -> dict[str, list[Any]]:
    """Return the output of the commands on an estate, by the name of its schema."""
    sync = estate.run("sync", "--json").json
    return {
        "list": [estate.run("list", "--json", code=0).json],
        "status": [estate.run("status", "--json").json],
        "sync": [estate.run("sync", "--json", "--dry-run").json, sync],
    }


def test_the_output_matches_the_schemas(estate_in_trouble: Estate) -> None:
    found = printed(estate_in_trouble)
    for name, values in found.items():
        for value in values:
            assert find_schema_errors(name, value) == []
    (listed,), (status,) = found["list"], found["status"]
    assert {row["state"] for row in listed["projects"]} == {"no container", "unknown"}
    assert {finding["kind"] for finding in status["findings"]} >= {"old", "repo", "incus"}
    assert {project["ok"] for project in found["sync"][1]["projects"]} == {True, False}
    times = [row["last_sync"] for row in listed["projects"]]
    assert [bool(time) for time in times] == [True, False, True]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", times[0]), "and no age"


def test_an_estate_with_nothing_in_it(estate: Estate) -> None:
    for name, values in printed(estate.setup()).items():
        for value in values:
            assert find_schema_errors(name, value) == []


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the paths of all objects in a value."""
    if isinstance(value, dict):
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def test_a_key_more_or_less_anywhere_is_noticed(estate_in_trouble: Estate) -> None:
    for name, (value, *_) in printed(estate_in_trouble).items():
        for path in places(value):
            if path == ("values",):  # by the names of settings, of which there may be more
                continue
            more = copy.deepcopy(value)
            at(more, path)["undocumented"] = 1
            assert find_schema_errors(name, more), path
            less = copy.deepcopy(value)
            del at(less, path)[next(iter(at(less, path)))]
            assert find_schema_errors(name, less), path


def test_an_error_before_the_work_is_no_json(estate: Estate) -> None:
    estate.prepare("isurus")
    (estate.share / ".repoman-share").unlink()
    done = estate.run("sync", "--json", code=5)
    assert done.out == ""
    estate.registry.write_text("[defaults]\njob = 1\n")
    for command in ("list", "status", "sync"):
        done = estate.run(command, "--json", code=2)
        assert (done.out, "unknown key" in done.err) == ("", True)


# --- the page ----------------------------------------------------------------------------

_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
    "object": "object",
}


def kind(part: dict[str, Any]) -> str:
    """Return the type of a value, as the page writes it."""
    if "$ref" in part:
        return f"[{part['$ref'].rpartition('/')[2]}]"
    if "const" in part or "enum" in part:
        return "text" if isinstance(part.get("const"), str) else "whole number"
    if part["type"] == "array":
        return f"list of {kind(part['items'])}"
    if isinstance(part["type"], list):
        return " or ".join(_TYPES.get(one, "list") for one in part["type"])
    return _TYPES[str(part["type"])]


def table(name: str) -> str:
    """Return the tables of a schema, as docs/json.md has to show them."""
    blocks = []
    for title, part in load_schema(name)["$defs"].items():
        rows = [["Key", "Is", "Meaning"], ["---"] * 3]
        for key, meaning in part["properties"].items():
            text = (
                meaning.get("description")
                or load_schema(name)["$defs"][_ref(meaning)]["description"]
            )
            rows.append([f"`{key}`", f"{kind(meaning)}", text])
        lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        blocks.append(f"**{title}** — {part['description']}\n\n{lines}\n")
    return "\n".join(blocks)


def _ref(part: dict[str, Any]) -> str:
    return str(part["$ref"]).rpartition("/")[2]


@each_schema
def test_the_page_shows_every_key(name: str) -> None:
    page = (CHECKOUT / "docs/json.md").read_text()
    assert f"schemas/{name}.schema.json" in page
    expected = f"<!-- {name} -->\n\n{table(name)}\n<!-- /{name} -->"
    assert expected in page, f"put this in:\n{expected}"


def test_the_examples_on_the_page_are_of_their_schemas() -> None:
    page = (CHECKOUT / "docs/json.md").read_text()
    whole, verdicts, versions, restored, *taken, lines = re.findall(
        r"```json\n(.*?)```", page, re.DOTALL
    )
    assert find_schema_errors("list", json.loads(whole)) == []
    assert find_schema_errors("verify", json.loads(verdicts)) == []
    assert find_schema_errors("history", json.loads(versions)) == []
    assert find_schema_errors("restore", json.loads(restored)) == []
    assert [find_schema_errors("snapshot", json.loads(one)) for one in taken] == [[]]
    assert [find_schema_errors("sync-lines", json.loads(line)) for line in lines.splitlines()] == [
        []
    ] * 4
    (lines,) = re.findall(
        r"```json\n(.*?)```", (CHECKOUT / "docs/automation.md").read_text(), re.DOTALL
    )
    assert [find_schema_errors("log", json.loads(line)) for line in lines.splitlines()] == [[]] * 4
