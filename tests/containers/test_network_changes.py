"""Changes to what a container may reach, while it runs."""

from __future__ import annotations

import pytest

from tests.containers.conftest import ContainerEstate
from tests.containers.network import greeted, plugged_in, reaches
from tests.worlds.daemon.lan import INTERNET, LAN, PORT


def add_line(estate: ContainerEstate, line: str) -> None:
    """Add a line to the project isurus in the registry."""
    text = estate.registry.read_text()
    estate.registry.write_text(text.replace('name = "isurus"\n', f'name = "isurus"\n{line}\n'))


def ask_for_address(estate: ContainerEstate) -> None:
    """Ask for an address after a restart, as other images do by themselves."""
    estate.exec_inside("isurus", "busybox", "ip", "-4", "address", "flush", "dev", "eth0")
    plugged_in(estate, "isurus")


def rules(estate: ContainerEstate) -> str:
    return estate.incus("network", "acl", "show", estate.environ["REPOMAN_BRIDGE"]).out


@pytest.mark.shared
def test_an_exception_leaves_the_network_alone_until_a_restart(networked: ContainerEstate) -> None:
    """A container that gets another address while it runs may not notice, and is cut off."""
    before = rules(networked)
    add_line(networked, f'allow = ["{LAN}:{PORT}"]')
    assert networked.findings() == {"isurus": ["differs"]}
    done = networked.run("update", "isurus", code=0)
    assert "not changed without --restart: device: set eth0" in done.err
    assert rules(networked) == before, "another container could get that address"
    reaches(networked, "isurus", INTERNET)
    assert not greeted(networked, "isurus", LAN)
    found = networked.run("status", "--json").json["findings"]
    (cure,) = [one["cure"] for one in found if one["kind"] == "differs"]
    assert cure == "run `repoman update isurus --restart`"
    networked.run("update", "isurus", "--restart", code=0)
    ask_for_address(networked)
    reaches(networked, "isurus", LAN)
    reaches(networked, "isurus", INTERNET)
    assert networked.findings() == {}
    assert networked.run("update", "isurus", "--restart", code=0).out == "nothing to do\n"


@pytest.mark.shared
def test_an_exception_for_another_container_is_refused(networked: ContainerEstate) -> None:
    """It would have no effect: containers never reach each other."""
    bridge = networked.incus("network", "get", networked.environ["REPOMAN_BRIDGE"], "ipv4.address")
    address = bridge.out.strip().partition("/")[0]
    other = f"{address.rpartition('.')[0]}.77"
    before = rules(networked)
    add_line(networked, f'allow = ["{other}:80"]')
    done = networked.run("update", "isurus", "--restart", code=2)
    assert f"allow of isurus has {other}:80, but no container ever reaches another one" in done.err
    assert rules(networked) == before
    assert "network" in networked.findings()["isurus"]
    text = networked.registry.read_text()
    networked.registry.write_text(text.replace(other, address))
    networked.run("update", "isurus", "--restart", code=0)
    assert networked.findings() == {}
