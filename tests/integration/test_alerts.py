"""Alerts of a sync, against a real server that is well, slow, dead or redirecting."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from repoman_tasks.tools import web_hook
from repoman_tasks.tools.web_hook import WebHook
from tests.support.estate import Estate
from tests.support.processes import WAIT_SECONDS

REFUSED, SOME_FAILED, TARGET, USAGE = 6, 4, 5, 2
SECRET = "s3cr3t-t0p1c"


@dataclass
class Service:
    """A server that records what it is sent."""

    status: int = 200
    location: str = ""
    hangs: bool = False
    url: str = ""
    got: list[tuple[str, str, str]] = field(default_factory=list)
    """Path, title and text of each request."""
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def paths(self) -> list[str]:
        return [path for path, _, _ in self.got]


def handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length).decode()
            service.got.append((self.path, self.headers.get("Title", ""), text))
            if service.hangs:
                service.closing.wait(WAIT_SECONDS)
            self.send_response(service.status)
            if service.location:
                self.send_header("Location", service.location)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def serve(service: Service, certificate: Path | None = None) -> Iterator[Service]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(service))
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "https" if certificate else "http"
    service.url = f"{scheme}://127.0.0.1:{server.server_port}/{SECRET}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield service
    service.closing.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    yield from serve(Service())


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("not here: openssl")
    path = tmp_path / "certificate.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    argv += [
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(path),
        "-out",
        f"{path}.public",
    ]
    subprocess.run(argv, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.public").read_text())
    return path


@pytest.fixture
def mirrored(estate: Estate) -> Estate:
    estate.prepare("isurus", "lamna")
    estate.run("sync", code=0)
    return estate


def configure(estate: Estate, **alerts: str | list[str]) -> None:
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in alerts.items())
    text = estate.registry.read_text().partition("\n[alerts]")[0]
    estate.registry.write_text(f"{text}\n[alerts]\n{lines}")


def lose(estate: Estate, name: str) -> None:
    (estate.local_repos / name).rename(estate.base / name)
    (estate.local_repos / name).mkdir()


def find(estate: Estate, name: str) -> None:
    (estate.local_repos / name).rmdir()
    (estate.base / name).rename(estate.local_repos / name)


# --- when ----------------------------------------------------------------------------------


def test_healthchecks_hears_of_each_sync_of_all(mirrored: Estate, service: Service) -> None:
    configure(mirrored, healthchecks=f"{service.url}?create=1")
    mirrored.run("sync", code=0)
    mirrored.run("sync", "isurus", code=0)
    mirrored.run("sync", "--dry-run", code=0)
    lose(mirrored, "isurus")
    mirrored.run("sync", code=SOME_FAILED)
    start, well, fail = (f"/{SECRET}{end}?create=1" for end in ("/start", "", "/fail"))
    assert service.paths == [start, well, start, fail]
    assert "isurus: " in service.got[-1][2]
    assert "is empty" in service.got[-1][2]


def test_ntfy_hears_of_changes_only(mirrored: Estate, service: Service) -> None:
    configure(mirrored, ntfy=service.url)
    mirrored.run("sync", code=0)
    assert service.got == []
    lose(mirrored, "isurus")
    mirrored.run("sync", code=SOME_FAILED)
    mirrored.run("sync", code=SOME_FAILED)
    (_, title, text) = service.got[-1]
    assert len(service.got) == 1
    assert title.endswith("1 project is not mirrored")
    assert "`repoman restore isurus`" in text
    find(mirrored, "isurus")
    mirrored.run("sync", code=0)
    mirrored.run("sync", code=0)
    assert len(service.got) == 2
    assert service.got[-1][1].endswith("all is well again")
    assert service.got[-1][2] == "isurus: mirrored again"


def test_a_share_that_is_not_usable_is_one_line(mirrored: Estate, service: Service) -> None:
    configure(mirrored, ntfy=service.url, healthchecks=service.url)
    (mirrored.share / ".repoman-share").unlink()
    mirrored.run("sync", code=TARGET)
    texts = {path: text for path, _, text in service.got}
    assert set(texts) == {f"/{SECRET}/start", f"/{SECRET}/fail", f"/{SECRET}"}
    assert texts[f"/{SECRET}"].count("\n") == 0
    assert texts[f"/{SECRET}"].startswith("isurus, lamna: ")


def test_a_command_gets_the_json_of_the_sync(mirrored: Estate, tmp_path: Path) -> None:
    got = tmp_path / "got"
    configure(mirrored, command=["sh", "-c", f"cat >>{got}"])
    mirrored.run("sync", code=0)
    assert not got.exists()
    lose(mirrored, "isurus")
    printed = mirrored.run("sync", "--json", code=SOME_FAILED).json
    assert json.loads(got.read_text()) == printed


def test_a_command_that_reads_nothing_hangs_nothing(estate: Estate) -> None:
    """The JSON of four hundred projects does not fit into a pipe."""
    estate.prepare().register(*(f"p{number}" for number in range(400)))
    configure(estate, command=["false"])
    done = estate.run("sync", code=SOME_FAILED)
    assert "warning: alert by command: it exited with status 1" in done.err


# --- what goes wrong -----------------------------------------------------------------------


def test_what_could_not_be_delivered_is_tried_again(mirrored: Estate, service: Service) -> None:
    configure(mirrored, ntfy=service.url, command=["/nowhere/at-all"])
    service.status = 503
    lose(mirrored, "isurus")
    done = mirrored.run("sync", code=SOME_FAILED)
    assert "warning: alert by ntfy: it answered with status 503" in done.err
    assert "warning: alert by command: /nowhere/at-all is not installed" in done.err
    service.status = 200
    assert "ntfy" not in mirrored.run("sync", code=SOME_FAILED).err
    mirrored.run("sync", code=SOME_FAILED)
    assert len(service.got) == 2


def test_a_dead_server_fails_no_sync_and_no_secret_is_shown(mirrored: Estate) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/{SECRET}"
        configure(mirrored, healthchecks=url, ntfy=url, command=["false", SECRET])
        lose(mirrored, "isurus")
        log = mirrored.home / "changes.jsonl"
        done = mirrored.run("--debug", "sync", code=SOME_FAILED, environ={"REPOMAN_LOG": str(log)})
    assert "alert by healthchecks: connection refused" in done.err
    shown = [done.out, done.err, log.read_text()]
    for argv in (["status", "--json"], ["status", "--values"], ["list", "--json"], ["log"]):
        result = mirrored.run(*argv)
        shown += [result.out, result.err]
    shown += [
        path.read_text() for path in mirrored.home.glob(".local/state/repoman/mirrors/*/*.json*")
    ]
    copies = [path for path in mirrored.share.glob(".*/*") if path.is_file()]
    assert copies, "the registry was copied to the share"
    shown += [path.read_text() for path in copies]
    assert not [text for text in shown if SECRET in text]


@pytest.mark.parametrize(
    "line",
    [
        f'ntfy = "ftp://x/{SECRET}"',
        f'ntfy = "https://me:{SECRET}@example.org/x"',
        f'healthchecks = "{SECRET}"',
        f'healthchecks = ["{SECRET}"]',
        f'command = "{SECRET}"',
        f'nfty = "{SECRET}"',
    ],
)
def test_an_error_in_the_registry_shows_no_secret(mirrored: Estate, line: str) -> None:
    mirrored.registry.write_text(f"{mirrored.registry.read_text()}\n[alerts]\n{line}\n")
    done = mirrored.run("list", code=USAGE)
    assert SECRET not in done.err
    assert "line " in done.err


# --- one request -----------------------------------------------------------------------------


def test_a_slow_server_is_not_waited_for(service: Service) -> None:
    service.hangs = True
    hook = WebHook(service.url, "x")
    began = time.monotonic()
    assert "did not answer" in hook.wait(0.1)
    assert time.monotonic() - began < web_hook.SECONDS
    service.closing.set()
    assert hook.wait(WAIT_SECONDS) == ""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_to_http_is_followed(service: Service, status: int) -> None:
    service.status, service.location = status, f"http://127.0.0.1:1/{SECRET}"
    problem = WebHook(service.url, "x").wait(WAIT_SECONDS)
    assert problem == "it redirects to an address without https"


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_to_https_repeats_the_post(
    service: Service, certificate: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for target in serve(Service(), certificate):
        service.status, service.location = status, target.url
        assert WebHook(service.url, "text", {"Title": "t"}).wait(WAIT_SECONDS) == ""
        assert target.got == [(f"/{SECRET}", "t", "text")]


def test_a_certificate_is_checked(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    for target in serve(Service(), certificate):
        assert WebHook(target.url, "x").wait(WAIT_SECONDS) == "it has no valid certificate"
        assert target.got == []
