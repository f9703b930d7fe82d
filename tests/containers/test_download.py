"""`new` from an image that has to be downloaded."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import pexpect  # type: ignore[import-untyped]
import pytest

from tests.containers.conftest import ContainerEstate
from tests.containers.image_server import CERTIFICATE, ImageServer
from tests.support import terminals
from tests.support.cures import commands
from tests.support.estate import run
from tests.support.processes import WAIT_SECONDS, wait_until
from tests.worlds.daemon.images import image


@pytest.fixture
def server(estate: ContainerEstate) -> Iterator[ImageServer]:
    """Yield a slow server that the user has as the remote `there`."""
    (estate.local_repos / "isurus").mkdir()
    with ImageServer("tiny/1", image("busybox")) as running:
        folder = estate.home / ".config/incus"
        folder.mkdir(parents=True, exist_ok=True)
        remote = f"  there: {{addr: '{running.address}', protocol: simplestreams, public: true}}\n"
        (folder / "config.yml").write_text(f"default-remote: local\nremotes:\n{remote}")
        yield running
        for one in estate.api("images?recursion=1"):
            if (one.get("update_source") or {}).get("server") == running.address:
                estate.incus("image", "delete", one["fingerprint"], check=False)


def test_its_progress_is_shown_and_the_image_is_kept(
    estate: ContainerEstate, server: ImageServer
) -> None:
    argv = [*estate.argv, "new", "isurus", "--image", "there:tiny/1", "--yes"]
    child = terminals.spawn(argv, *estate.prepare_client())
    child.expect(r"downloading \w+: (\d+)% \(")
    first = int(child.match.group(1))
    server.go_on()
    child.expect(r"downloading \w+: (\d+)% \(")
    assert int(child.match.group(1)) >= first
    server.go_on()
    child.expect_exact("done: create the container isurus from there:tiny/1")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    estate.run("exec", "isurus", "--", "true", code=0)
    (estate.local_repos / "apus").mkdir()
    estate.run("new", "apus", "--image", "there:tiny/1", code=0)
    assert server.downloads == 1
    assert {p["image"] for p in estate.run("list", "--json").json["projects"]} == {"there:tiny/1"}


def test_ctrl_c_ends_it_and_leaves_nothing(estate: ContainerEstate, server: ImageServer) -> None:
    argv = ("new", "isurus", "--image", "there:tiny/1", "--yes")
    process = estate.start(*argv, stderr=subprocess.PIPE)
    wait_until(lambda: server.downloads)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130, err
    assert estate.instances() == {}
    assert estate.projects() == []
    wait_until(lambda: "running" not in estate.api("operations"))
    server.go_on()
    server.go_on()
    estate.run("new", "isurus", "--image", "there:tiny/1", code=0)


def test_an_image_that_the_server_has_not(estate: ContainerEstate, server: ImageServer) -> None:
    done = estate.run("new", "isurus", "--image", "there:other", code=1)
    assert "the image server has no such image" in done.err
    assert estate.instances() == {}
    assert server.downloads == 0
    (lists,) = commands(done.err)
    trusting = {**estate.environ, "SSL_CERT_FILE": CERTIFICATE}
    assert "tiny/1" in run(lists, trusting).out


def test_a_server_that_is_not_there(estate: ContainerEstate, server: ImageServer) -> None:
    config = estate.home / ".config/incus/config.yml"
    config.write_text(config.read_text().replace(server.address, "https://127.0.0.1:9"))
    done = estate.run("new", "isurus", "--image", "there:tiny/1", code=1)
    assert "connection refused" in done.err
    assert estate.instances() == {}
    assert estate.projects() == []
