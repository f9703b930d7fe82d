"""The APIs that agents talk to, behind a proxy that answers in place of all of their hosts.

An agent gets `HTTPS_PROXY` and a certificate, and uses the addresses that it always uses; so a test
sees which secret went to which host. Nothing leaves this machine.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.support.http_server import BackgroundServer

__all__ = ["ANSWER", "FakeApi", "Request"]

ANSWER = "an answer of the tests"
_HOSTS = (
    *("api.anthropic.com", "platform.claude.com", "api.openai.com", "chatgpt.com"),
    "generativelanguage.googleapis.com",
)
_SECRETS = ("authorization", "x-api-key", "x-goog-api-key")


@dataclass(frozen=True)
class Request:
    """A request of an agent."""

    host: str
    path: str
    secret: str
    """Of the header that has one."""
    body: bytes = field(repr=False)


class FakeApi(BackgroundServer):
    """Answers agents on a port of this machine. A context manager.

    A refresh token is valid once, as the real ones: `refresh_token` is the next one.
    """

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "fake-ca.pem"
        self.requests: list[Request] = []
        self.refresh_token = "sk-ant-ort01-first"
        self.refreshed = 0
        self.tools: list[tuple[str, dict[str, str]]] = []
        """Names and arguments of the tools that Claude Code is to use, one after the other, before
        it gets the answer."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*_make_certificates(folder, self.certificate))
        super().__init__(_Handler)
        self._server.api, self._server.tls = self, tls  # type: ignore[attr-defined]
        self._lock = threading.Lock()

    def environ(self, host: str) -> dict[str, str]:
        """Return the variables by which an agent finds it at the address `host`."""
        return {
            "HTTPS_PROXY": f"http://{host}:{self.port}",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        }

    def secrets(self, path: str) -> set[tuple[str, str]]:
        """Return the hosts, with the secrets sent there, of all requests whose path has `path`."""
        return {(one.host, one.secret) for one in self.requests if path in one.path}

    def answer(self, request: Request) -> tuple[int, str, bytes]:
        """Return status, content type and content."""
        with self._lock:
            self.requests.append(request)
            if request.path.endswith("/v1/oauth/token"):
                return self._renew(json.loads(request.body)["refresh_token"])
        if request.path.startswith("/v1/messages?") or request.path == "/v1/messages":
            return _anthropic(json.loads(request.body), self.tools)
        if request.path.endswith("/responses"):
            return _openai()
        if "enerateContent" in request.path:
            return _gemini()
        return 200, "application/json", b"{}"

    def _renew(self, token: str) -> tuple[int, str, bytes]:
        if token != self.refresh_token:
            return 400, "application/json", b'{"error": "invalid_grant"}'
        self.refreshed += 1
        self.refresh_token = f"sk-ant-ort01-{self.refreshed}"
        made = {
            "token_type": "Bearer",
            "access_token": f"sk-ant-oat01-renewed-{self.refreshed}",
            "refresh_token": self.refresh_token,
            "expires_in": 28800,
            "scope": "user:inference user:profile",
        }
        return 200, "application/json", json.dumps(made).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host = ""

    def log_message(self, format: str, *words: Any) -> None:
        pass

    def do_CONNECT(self) -> None:
        """Speak TLS from here on, in place of the host."""
        self.host = self.path.partition(":")[0]
        if self.host not in _HOSTS:
            self.send_error(403)
            return
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)  # type: ignore[attr-defined]
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", 0)
            self.close_connection = False
            while not self.close_connection:
                self.handle_one_request()
        except OSError:  # the agent has gone
            pass
        self.close_connection = True

    def do_POST(self) -> None:
        """Answer a request."""
        length = int(self.headers.get("content-length") or 0)
        secret = next((self.headers[name] for name in _SECRETS if self.headers.get(name)), "")
        body = self.rfile.read(length)
        request = Request(self.host, self.path, secret.removeprefix("Bearer "), body)
        status, kind, content = self.server.api.answer(request)  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST  # noqa: N815


def _stream(events: list[dict[str, Any]]) -> tuple[int, str, bytes]:
    lines = (f"event: {one.get('type', '')}\ndata: {json.dumps(one)}\n\n" for one in events)
    return 200, "text/event-stream", "".join(lines).encode()


def _anthropic(
    asked: dict[str, Any], tools: list[tuple[str, dict[str, str]]]
) -> tuple[int, str, bytes]:
    usage, text = {"input_tokens": 1, "output_tokens": 1}, {"type": "text", "text": ANSWER}
    block: dict[str, Any] = {"type": "text", "text": ""}
    delta, reason = {"type": "text_delta", "text": ANSWER}, "end_turn"
    contents = [m["content"] for m in asked["messages"] if isinstance(m["content"], list)]
    used = sum(part["type"] == "tool_result" for content in contents for part in content)
    offered = {tool["name"] for tool in asked.get("tools", [])}
    if asked.get("stream") and used < len(tools) and tools[used][0] in offered:
        name, arguments = tools[used]
        block = {"type": "tool_use", "id": f"toolu_{used}", "name": name, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
        reason = "tool_use"
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": asked["model"],
        "content": [text],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }
    if not asked.get("stream"):
        return 200, "application/json", json.dumps(message).encode()
    started = {**message, "content": [], "stop_reason": None}
    ended = {"stop_reason": reason, "stop_sequence": None}
    return _stream(
        [
            {"type": "message_start", "message": started},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 1}},
            {"type": "message_stop"},
        ]
    )


def _openai() -> tuple[int, str, bytes]:
    part = {"type": "output_text", "text": ANSWER, "annotations": []}
    item = {"type": "message", "id": "m", "role": "assistant", "content": [part]}
    usage = {
        "input_tokens": 1,
        "output_tokens": 1,
        "total_tokens": 2,
        "input_tokens_details": None,
        "output_tokens_details": None,
    }
    return _stream(
        [
            {"type": "response.created", "response": {"id": "r"}},
            {"type": "response.output_item.done", "item": item},
            {"type": "response.completed", "response": {"id": "r", "usage": usage}},
        ]
    )


def _gemini() -> tuple[int, str, bytes]:
    content = {"role": "model", "parts": [{"text": ANSWER}]}
    made = {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}]}
    return 200, "text/event-stream", f"data: {json.dumps(made)}\r\n\r\n".encode()


def _make_certificates(folder: Path, authority: Path) -> tuple[Path, Path]:
    """Make an authority, and return a certificate of its for all hosts, and the key."""
    key, request, made = (folder / f"fake{end}" for end in (".key", ".csr", ".pem"))
    names = folder / "fake.ext"
    names.write_text("subjectAltName=" + ",".join(f"DNS:{host}" for host in _HOSTS))
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes"]
    signer = folder / "fake-ca.key"
    for argv in (
        [*new, "-x509", "-subj", "/CN=tests", "-keyout", str(signer), "-out", str(authority)],
        [*new, "-subj", "/CN=fake", "-keyout", str(key), "-out", str(request)],
        [
            *("openssl", "x509", "-req", "-in", str(request), "-CA", str(authority)),
            *("-CAkey", str(signer), "-extfile", str(names), "-out", str(made)),
        ],
    ):
        subprocess.run(argv, check=True, stderr=subprocess.DEVNULL)
    return made, key
