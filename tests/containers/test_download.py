"""`new` from an image that has to be downloaded."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import pexpect  # type: ignore[import-untyped]
import pytest

from tests.containers.conftest import Place
from tests.containers.image_server import ImageServer
from tests.support import terminals
from tests.support.processes import PATIENCE, until
from tests.worlds.daemon.images import image


@pytest.fixture
def server(place: Place) -> Iterator[ImageServer]:
    """A slow server that the person has as the remote `there`."""
    (place.local_repos / "isurus").mkdir()
    with ImageServer("tiny/1", image("busybox")) as running:
        folder = place.home / ".config/incus"
        folder.mkdir(parents=True, exist_ok=True)
        remote = f"  there: {{addr: '{running.address}', protocol: simplestreams, public: true}}\n"
        (folder / "config.yml").write_text(f"default-remote: local\nremotes:\n{remote}")
        yield running
        for one in place.api("images?recursion=1"):
            if (one.get("update_source") or {}).get("server") == running.address:
                place.incus("image", "delete", one["fingerprint"], check=False)


def test_its_progress_is_shown_and_the_image_is_kept(place: Place, server: ImageServer) -> None:
    argv = [*place.argv, "new", "isurus", "--image", "there:tiny/1", "--yes"]
    child = terminals.spawn(argv, *place.desk())
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
    place.run("exec", "isurus", "--", "true", code=0)
    (place.local_repos / "apus").mkdir()
    place.run("new", "apus", "--image", "there:tiny/1", code=0)
    assert server.downloads == 1
    assert {p["image"] for p in place.run("list", "--json").json["projects"]} == {"there:tiny/1"}


def test_ctrl_c_ends_it_and_leaves_nothing(place: Place, server: ImageServer) -> None:
    argv = ("new", "isurus", "--image", "there:tiny/1", "--yes")
    process = place.start(*argv, stderr=subprocess.PIPE)
    until(lambda: server.downloads)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert place.instances() == {}
    assert place.projects() == []
    until(lambda: "running" not in place.api("operations"))
    server.go_on()
    server.go_on()
    place.run("new", "isurus", "--image", "there:tiny/1", code=0)


def test_an_image_that_the_server_has_not(place: Place, server: ImageServer) -> None:
    done = place.run("new", "isurus", "--image", "there:other", code=1)
    assert "the image server has no such image" in done.err
    assert place.instances() == {}
    assert server.downloads == 0


def test_a_server_that_is_not_there(place: Place, server: ImageServer) -> None:
    config = place.home / ".config/incus/config.yml"
    config.write_text(config.read_text().replace(server.address, "https://127.0.0.1:9"))
    done = place.run("new", "isurus", "--image", "there:tiny/1", code=1)
    assert "connection refused" in done.err
    assert place.instances() == {}
    assert place.projects() == []
