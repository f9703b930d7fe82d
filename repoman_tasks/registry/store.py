"""Read and write the registry's file on a host."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from repoman_tasks.errors import UsageError
from repoman_tasks.hosts.base import Future, Host
from repoman_tasks.model import SCHEMA, Registry
from repoman_tasks.planning.registry_edits import Edit, SetKeys
from repoman_tasks.registry.edits import edited
from repoman_tasks.registry.migrations import migrated
from repoman_tasks.registry.mirror_state import MirrorState
from repoman_tasks.registry.names_file import refresh_names
from repoman_tasks.registry.reader import parse
from repoman_tasks.registry.verified_state import VerifiedState
from repoman_tasks.registry.write_lock import write_lock

__all__ = ["Store"]


class Store:
    """Read and write the registry's file on a host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        configured = host.environ.get("REPOMAN_CONFIG")
        base = host.environ.get("XDG_CONFIG_HOME") or f"{host.home}/.config"
        self.path = configured or f"{base}/repoman/repoman.toml"
        if not self.path.startswith("/"):
            raise UsageError(
                f"REPOMAN_CONFIG={self.path!r} is not an absolute path", "start it with /"
            )
        self.folder = self.path.rpartition("/")[0] or "/"
        self._last: tuple[str, Registry] | None = None
        self.mirrors = MirrorState(host, self.path)
        self.verified = VerifiedState(host, self.mirrors.folder)

    def submit_exists(self) -> Future[bool]:
        """Ask whether the file is there."""
        return self._host.submit_file(self.path).then(lambda data: data is not None)

    def load(self) -> Registry:
        """Return the registry, an empty one if there is no file."""
        text = self._text()
        registry = self._parsed(text)
        if text:
            refresh_names(self._host, self.path, registry)
        return registry

    def lock_path(self, name: str) -> str:
        """Return the path of the lock of project `name`."""
        return f"{self.folder}/locks/{name}.lock"

    def update(self, edits: Callable[[Registry], Iterable[Edit]]) -> Registry:
        """Change the file under its lock and return the new registry.

        `edits` is given the registry as read under the lock. A file of an older schema is
        migrated, and a copy of it kept. A file that can't be parsed is not changed.
        """
        with write_lock(self._host, self.path):
            before = self._text()
            registry = self._parsed(before)
            changes = list(edits(registry))
            if not changes:
                return registry
            text = before or edited("", _first_edits())
            if before and (old := registry.estate.schema) < SCHEMA:
                self._host.write_file(f"{self.path}.schema-{old}", before.encode())
                if registry.counted:
                    self.mirrors.update(lambda known: known.having(registry.counted))
                text = migrated(before)
            after = edited(text, changes)
            result = self._parsed(after)
            self._host.write_file(self.path, after.encode())
            refresh_names(self._host, self.path, result)
            return result

    def _parsed(self, text: str) -> Registry:
        """Return the registry in `text`, which is parsed once."""
        if self._last is None or self._last[0] != text:
            self._last = text, parse(text, self.path, self._host.environ)
        return self._last[1]

    def _text(self) -> str:
        data = self._host.read_file(self.path)
        try:
            return (data or b"").decode()
        except UnicodeDecodeError as error:
            line = (data or b"").count(b"\n", 0, error.start) + 1
            raise UsageError(f"{self.path}, line {line}: not UTF-8", "save it as UTF-8") from None


def _first_edits() -> list[Edit]:
    return [SetKeys({"schema": SCHEMA}, "estate")]
