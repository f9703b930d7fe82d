"""A slow image server for Incus (simplestreams over https)."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["CERTIFICATE", "ImageServer"]

CERTIFICATE = os.environ.get("REPOMAN_TEST_CERTIFICATE", "")
"""Key and certificate in one file; the daemon trusts it."""
_CHUNKS = 40
_PAUSE = 0.1
"""Seconds between two of them: Incus tells of what it has at most once in a second."""
_HELD = (20, 39)
"""The chunks before which a download waits for `go_on`."""


class ImageServer:
    """A server of one image on loopback, which stops midway until a test releases it."""

    def __init__(self, alias: str, tarball: Path) -> None:
        data = tarball.read_bytes()
        # Another time in gzip's header for each server, or Incus would have the image already.
        self._data = data[:4] + os.urandom(4) + data[8:]
        self._gates = {chunk: threading.Event() for chunk in _HELD}
        self.downloads = 0
        self.cut_short = 0
        self._json = {"/streams/v1/index.json": _index(), "/streams/v1/images.json": self._list()}
        self._json["/streams/v1/images.json"]["products"]["x:1:amd64"]["aliases"] = alias
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    def go_on(self) -> None:
        """Let downloads continue past the point where they are held, or finish."""
        next(gate for gate in self._gates.values() if not gate.is_set()).set()

    def __enter__(self) -> ImageServer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        for gate in self._gates.values():
            gate.set()
        self._server.shutdown()
        self._server.server_close()

    def _list(self) -> dict[str, dict[str, dict[str, object]]]:
        item = {
            "ftype": "incus_combined.tar.gz",
            "path": "image.tar.gz",
            "sha256": hashlib.sha256(self._data).hexdigest(),
            "size": len(self._data),
        }
        product = {
            "arch": "amd64",
            "os": "x",
            "release": "1",
            "release_title": "1",
            "versions": {"20260101_00:00": {"items": {"incus_combined.tar.gz": item}}},
        }
        return {"products": {"x:1:amd64": product}} | _format("products:1.0")  # type: ignore[return-value]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = server._json.get(self.path)
                data = json.dumps(found).encode() if found else server._data
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if found:
                    self.wfile.write(data)
                else:
                    server._send(self, data)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def _send(self, handler: BaseHTTPRequestHandler, data: bytes) -> None:
        self.downloads += 1
        size = len(data) // _CHUNKS + 1
        try:
            for chunk, start in enumerate(range(0, len(data), size)):
                if chunk in self._gates:
                    self._gates[chunk].wait()
                handler.wfile.write(data[start : start + size])
                handler.wfile.flush()
                time.sleep(_PAUSE)
        except OSError:
            self.cut_short += 1


def _format(kind: str) -> dict[str, object]:
    return {"format": kind, "datatype": "image-downloads", "content_id": "images"}


def _index() -> dict[str, dict[str, dict[str, object]]]:
    images = {
        "path": "streams/v1/images.json",
        "products": ["x:1:amd64"],
        **_format("products:1.0"),
    }
    return {"index": {"images": images}} | _format("index:1.0")  # type: ignore[return-value]
