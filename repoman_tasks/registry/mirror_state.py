"""Facts that repoman saw of the mirrors, by project: state, apart from the registry.

The registry says what should exist; this says what the last syncs left. Losing it loosens no
guard: then the files in the mirrors are counted, and the mirrors compared in full.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, fields
from functools import cache
from itertools import chain
from typing import Any

from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.model import Altered, Failure, Mirrored, Tally
from repoman_tasks.planning.mirror.attempts import Record
from repoman_tasks.planning.mirror.known_mirrors import Mirrors
from repoman_tasks.registry.attempt_log import AttemptLog
from repoman_tasks.registry.names_file import state_folder
from repoman_tasks.registry.write_lock import write_lock

__all__ = ["MirrorState"]

_SCHEMA = 1


class MirrorState:
    """Read and write the state of the mirrors of the registry at `registry_path`."""

    def __init__(self, host: Host, registry_path: str) -> None:
        self._host = host
        self.folder = f"{state_folder(host)}/mirrors/{registry_path.replace('/', '%')}"
        self.path = f"{self.folder}/state.json"
        self.log = AttemptLog(host, f"{self.folder}/attempts.jsonl")

    def manifest_path(self, name: str) -> str:
        """Return the path of the manifest of the project called `name`."""
        return f"{self.folder}/manifests/{name}"

    def submit_load(self) -> Future[Mirrors]:
        """Ask for the states; those that can't be read are left out."""
        return self._host.submit_file(self.path).then(lambda data: _parsed(data or b""))

    def load(self) -> Mirrors:
        """Return the answer of `submit_load`."""
        return self.submit_load().result()

    def update(self, change: Callable[[Mirrors], Mirrors], records: Sequence[Record] = ()) -> None:
        """Replace the states by those that `change` returns for them, under a lock.

        Append `records` to the log of attempts, which takes no round trip of its own.
        """
        with self.locked():
            logged = self.log.submit_append(records)
            before = self.load()
            logged.result()
            after = change(before)
            if after != before:
                self.save(after)

    def rename(self, name: str, to: str) -> None:
        """Rename a project in the states and in the log of attempts, under the lock."""
        with self.locked():
            self.log.rename(name, to)
            before = self.load()
            after = before.renamed(name, to)
            if after != before:
                self.save(after)

    def save(self, mirrors: Mirrors) -> None:
        """Write the states; the caller holds the lock."""
        self._host.write_file(self.path, _text(mirrors), noted=False)

    def locked(self) -> AbstractContextManager[None]:
        """Return a context that keeps other writers out."""
        return write_lock(self._host, self.path)


def _text(mirrors: Mirrors) -> bytes:
    """Return the file's content: JSON with a line for each project."""
    tokens = {"token": mirrors.token, "next": mirrors.next, "open": dict(mirrors.open)}
    failures = {name: asdict(failure) for name, failure in mirrors.failures.items()}
    altered = {name: asdict(found) for name, found in mirrors.altered.items()}
    attempts = {"failures": failures, "begun": dict(mirrors.begun), "altered": altered}
    head = json.dumps({"schema": _SCHEMA, **tokens, **attempts})[:-1]
    lines = [
        f"{json.dumps(name)}: {json.dumps(_table(state))}"
        for name, state in mirrors.projects.items()
    ]
    projects = ",\n".join(lines)
    return f'{head}, "projects": {{\n{projects}\n}}}}\n'.encode()


def _table(state: Mirrored) -> dict[str, Any]:
    table = {**vars(state), **vars(state.tally)}
    return {key: value for key, value in table.items() if key != "tally"}


def _parsed(data: bytes) -> Mirrors:
    try:
        document = json.loads(data)
        if document["schema"] != _SCHEMA:
            return Mirrors()
        pairs = [(name, _mirrored(table)) for name, table in document["projects"].items()]
        tokens = [document.get(key, "") for key in ("token", "next")]
        opened, begun = (dict(document.get(key, {})) for key in ("open", "begun"))
        failed = {name: _failure(it) for name, it in document.get("failures", {}).items()}
        altered = {name: _altered(it) for name, it in document.get("altered", {}).items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return Mirrors()
    known = {name: state for name, state in pairs if state is not None}
    failures = {name: failure for name, failure in failed.items() if failure is not None}
    found = {name: one for name, one in altered.items() if one is not None}
    if not all(isinstance(text, str) for text in [*tokens, *opened.values(), *begun.values()]):
        return Mirrors(known, failures=failures, altered=found)
    return Mirrors(known, opened, tokens[0], tokens[1], failures, found, begun)


@cache
def _names(kind: str) -> frozenset[str]:
    """Return the names of those fields of a state that are of a type."""
    return frozenset(key.name for key in fields(Mirrored) if key.type == kind)


@cache
def _counts() -> Mapping[str, tuple[str, Any]]:
    """Return type and default of each count.

    A state of an earlier version may lack one that has a default.
    """
    return {key.name: (str(key.type), key.default) for key in fields(Tally)}


def _mirrored(table: Mapping[str, Any]) -> Mirrored | None:
    """Return the state in `table`, None if it has another form."""
    texts = {key: table.get(key, "") for key in _names("str")}
    lists = {key: table.get(key, []) for key in _names("tuple[str, ...]")}
    numbers = {key: table.get(key, 0) for key in _names("int")}
    kinds = _counts()
    counts: dict[str, Any] = {key: table.get(key, default) for key, (_, default) in kinds.items()}
    if not all(isinstance(text, str) for text in chain(texts.values(), *lists.values())):
        return None
    if not all(_is("int", number) for number in numbers.values()):
        return None
    if not all(_is(kind, counts[key]) for key, (kind, _) in kinds.items()):
        return None
    tuples: dict[str, Any] = {key: tuple(texts) for key, texts in lists.items()}
    return Mirrored(tally=Tally(**counts), **tuples, **texts, **numbers)


def _failure(table: Mapping[str, Any]) -> Failure | None:
    """Return the failure in `table`, None if it has another form."""
    values = {key.name: table.get(key.name) for key in fields(Failure)}
    good = all(_is(str(key.type), values[key.name]) for key in fields(Failure))
    return Failure(**values) if good else None  # type: ignore[arg-type]


def _altered(table: Mapping[str, Any]) -> Altered | None:
    """Return what changed a mirror as `table` has it, None if it has another form."""
    lists = table.get("entries"), table.get("folders")
    if not all(isinstance(it, list) and all(isinstance(t, str) for t in it) for it in lists):
        return None
    time, count, created = (table.get(key) for key in ("time", "count", "created"))
    if not (_is("str", time) and _is("int", count) and _is("str", created)):
        return None
    entries, folders = map(tuple, lists)  # type: ignore[arg-type]
    return Altered(time, count, entries, folders, created)  # type: ignore[arg-type]


def _is(kind: str, value: Any) -> bool:
    return isinstance(value, str) if kind == "str" else type(value) is int and value >= 0
