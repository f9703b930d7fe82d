"""A socket that passes on connections to another one, and keeps what was sent."""

from __future__ import annotations

import shutil
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["counted_socket"]


@contextmanager
def counted_socket(path: Path, target: str) -> Iterator[bytearray]:
    """Serve a socket at `path` that leads to the one at `target`; yield what clients have sent."""
    sent = bytearray()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as there, there.makefile("rb", 0) as answers:
                there.connect(target)
                thread = threading.Thread(target=self._send, args=(there,))
                thread.start()
                with suppress(OSError):
                    shutil.copyfileobj(answers, self.wfile)
                self.connection.shutdown(socket.SHUT_RDWR)
                thread.join()

        def _send(self, there: socket.socket) -> None:
            with suppress(OSError):
                while data := self.connection.recv(1 << 16):
                    sent.extend(data)
                    there.sendall(data)
                there.shutdown(socket.SHUT_WR)

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield sent
        finally:
            server.shutdown()
            thread.join()
