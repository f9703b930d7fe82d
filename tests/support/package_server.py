"""A registry of npm and a repository of apt, of what tests/worlds/daemon/packages.py has packed."""

from __future__ import annotations

import functools
import json
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.support.http_server import BackgroundServer

__all__ = ["PackageServer"]


class PackageServer(BackgroundServer):
    """Serves a folder on a port of this machine, at the address `host`. A context manager."""

    def __init__(self, folder: Path, host: str) -> None:
        handler = functools.partial(_Handler, directory=str(folder))
        super().__init__(handler)
        self.address = f"{host}:{self.port}"
        self.asked: list[str] = []
        """The paths that were asked for."""
        self._server.asked = self.asked  # type: ignore[attr-defined]
        tarballs = f"http://{self.address}/npm"
        self._server.told = {  # type: ignore[attr-defined]
            name: json.dumps(text).encode() for name, text in _told(folder / "npm", tarballs)
        }


def _told(folder: Path, tarballs: str) -> list[tuple[str, dict[str, Any]]]:
    """Return for each package its name and what the registry tells of it."""
    found = []
    for path in folder.glob("*.json"):
        manifest = json.loads(path.read_text())
        manifest["dist"]["tarball"] = f"{tarballs}/{path.stem}"
        name, version = manifest["name"], manifest["version"]
        versions = {version: manifest}
        found.append((name, {"name": name, "dist-tags": {"latest": version}, "versions": versions}))
    return found


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *words: Any) -> None:
        pass

    def do_GET(self) -> None:
        """Answer about a package of npm, or with a file."""
        name = unquote(self.path).lstrip("/")
        self.server.asked.append(name)  # type: ignore[attr-defined]
        told = self.server.told.get(name)  # type: ignore[attr-defined]
        if told is None:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)
