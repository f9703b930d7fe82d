"""Where a container can't connect to, whatever its root tries."""

from __future__ import annotations

import json
import socket
import tomllib

import pytest

from tests.containers.conftest import ContainerEstate
from tests.security.network import greeted, plugged_in, reaches
from tests.support.processes import wait_until
from tests.worlds.daemon.lan import GREETING, HOST, HOST6, INTERNET, INTERNET6, LAN, LAN6, PORT


@pytest.fixture
def plugged(isurus: ContainerEstate) -> ContainerEstate:
    """An estate with the project isurus, whose container has an address."""
    plugged_in(isurus, "isurus")
    return isurus


def bridge(estate: ContainerEstate) -> dict[str, str]:
    said = estate.incus("query", f"/1.0/networks/{estate.environ['REPOMAN_BRIDGE']}").out
    return dict(json.loads(said)["config"])


def gateway(estate: ContainerEstate) -> str:
    return bridge(estate)["ipv4.address"].partition("/")[0]


def is_kept_from(estate: ContainerEstate, name: str, address: str) -> None:
    assert not greeted(estate, name, address), address


def test_the_internet_is_there(plugged: ContainerEstate) -> None:
    """What all the others are measured against."""
    reaches(plugged, "isurus", INTERNET)
    found = plugged.exec_inside("isurus", "busybox", "nslookup", "isurus.incus", gateway(plugged))
    assert "isurus" in found.out, "the bridge answers for names"


def test_neither_the_host_nor_the_lan(plugged: ContainerEstate) -> None:
    for address in (HOST, LAN, "127.0.0.1"):
        assert not greeted(plugged, "isurus", address), address


def said_at(address: str) -> bytes:
    """Return what is said to this host by who listens there; nothing if nobody does yet."""
    try:
        with socket.create_connection((address, PORT)) as there:
            return there.recv(9)
    except ConnectionRefusedError:
        return b""


def test_the_host_by_its_address_on_the_bridge(plugged: ContainerEstate) -> None:
    wait_until(lambda: GREETING in said_at(gateway(plugged)))
    assert not greeted(plugged, "isurus", gateway(plugged))


def test_the_host_by_a_link_local_address(plugged: ContainerEstate) -> None:
    name = plugged.environ["REPOMAN_BRIDGE"]
    with open("/proc/net/if_inet6") as table:
        own = next((line.split()[0] for line in table if line.split()[5] == name), "")
    assert own, "the bridge has one"
    address = ":".join(own[n : n + 4] for n in range(0, 32, 4))
    assert not greeted(plugged, "isurus", f"{address}%eth0")


def give_ipv6(estate: ContainerEstate, own: str) -> None:
    """Give isurus the IPv6 address `own`, and have it take it."""
    router = bridge(estate)["ipv6.address"].partition("/")[0]
    script = (
        "echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad;"
        'busybox ip -6 address add "$0/64" dev eth0;'
        'busybox ip -6 route replace default via "$1"'
    )
    assert estate.exec_inside("isurus", "sh", "-c", script, own, router).code == 0


def test_neither_the_host_nor_the_lan_by_ipv6(plugged: ContainerEstate) -> None:
    own = bridge(plugged)["ipv6.address"].replace("::1/64", "::99")
    argv = ("config", "device", "override", "isurus", "eth0", f"ipv6.address={own}")
    plugged.incus(*argv)
    give_ipv6(plugged, own)
    reaches(plugged, "isurus", INTERNET6)  # it is in the network
    for address in (HOST6, LAN6, bridge(plugged)["ipv6.address"].partition("/")[0]):
        assert not greeted(plugged, "isurus", address), address


def test_an_ipv6_address_of_ones_own_choice(plugged: ContainerEstate) -> None:
    give_ipv6(plugged, bridge(plugged)["ipv6.address"].replace("::1/64", "::77"))
    for address in (INTERNET6, LAN6, HOST6):
        assert not greeted(plugged, "isurus", address)


def test_another_container(plugged: ContainerEstate) -> None:
    plugged.new("lamna")
    other = plugged_in(plugged, "lamna")
    listening = f"busybox nc -ll -p {PORT} -e echo {GREETING.decode()} >/dev/null 2>&1 &"
    assert plugged.exec_inside("lamna", "sh", "-c", listening).code == 0
    wait_until(lambda: GREETING in said_at(other))  # a person may look at what runs inside
    assert not greeted(plugged, "isurus", other)


def test_the_address_of_another_container(plugged: ContainerEstate) -> None:
    """Taken for one's own, it reaches nothing, so no rule that is made for it can be used."""
    own = plugged.exec_inside("isurus", "busybox", "ip", "-4", "address", "show", "dev", "eth0").out
    address = own.partition("inet ")[2].split()[0]
    other = address.rpartition(".")[0] + ".199/24"
    script = (
        'busybox ip address del "$0" dev eth0; busybox ip address add "$1" dev eth0;'
        'busybox ip route add default via "$2"'
    )
    plugged.exec_inside("isurus", "sh", "-c", script, address, other, gateway(plugged))
    assert not greeted(plugged, "isurus", INTERNET)


def test_the_hardware_address_of_another_container(plugged: ContainerEstate) -> None:
    script = (
        "busybox ip link set eth0 down; busybox ip link set eth0 address 02:00:00:00:00:09;"
        'busybox ip link set eth0 up; busybox ip route add default via "$0"'
    )
    plugged.exec_inside("isurus", "sh", "-c", script, gateway(plugged))
    assert not greeted(plugged, "isurus", INTERNET)


def test_a_rule_that_somebody_else_adds_is_seen_and_mended(plugged: ContainerEstate) -> None:
    name = plugged.environ["REPOMAN_BRIDGE"]
    acl = ("network", "acl", "rule", "add", name, "egress", "action=allow", f"destination={LAN}")
    plugged.incus(*acl)
    reaches(plugged, "isurus", LAN)
    assert plugged.findings() == {"incus": ["network"]}
    plugged.run("setup", code=0)
    assert not greeted(plugged, "isurus", LAN)
    assert plugged.findings() == {}


def test_a_bridge_that_somebody_opens_is_seen_and_mended(plugged: ContainerEstate) -> None:
    for setting in ("security.acls=", "security.acls.default.egress.action=allow"):
        plugged.incus("network", "set", plugged.environ["REPOMAN_BRIDGE"], setting)
        reaches(plugged, "isurus", LAN)
        assert plugged.findings() == {"incus": ["network"]}, setting
        plugged.run("setup", code=0)
        assert not greeted(plugged, "isurus", LAN), setting
        assert plugged.findings() == {}, setting


def test_a_second_network_device_is_seen(estate: ContainerEstate) -> None:
    name = estate.environ["REPOMAN_BRIDGE"]
    argv = ("profile", "device", "add", "default", "eth1", "nic", f"network={name}", "name=eth1")
    estate.incus(*argv)
    assert "unexpected network device eth1" in estate.run("setup", code=0).err
    estate.run("setup", "--repair", code=0)
    assert "eth1" not in estate.api("profiles/default")["devices"]


# --- what a person opens or closes --------------------------------------------------------


def set_project(estate: ContainerEstate, line: str) -> None:
    text = estate.registry.read_text()
    estate.registry.write_text(text.replace('name = "isurus"\n', f'name = "isurus"\n{line}\n'))


def again(estate: ContainerEstate) -> None:
    """Ask for an address again, as an image does when its device changed."""
    estate.exec_inside("isurus", "busybox", "ip", "-4", "address", "flush", "dev", "eth0")
    plugged_in(estate, "isurus")


def test_an_exception_of_one_project(plugged: ContainerEstate) -> None:
    plugged.new("lamna")
    plugged_in(plugged, "lamna")
    set_project(plugged, f'allow = ["{LAN}:{PORT}"]')
    plugged.run("update", "isurus", code=0)
    again(plugged)
    reaches(plugged, "isurus", LAN)
    assert not greeted(plugged, "isurus", HOST)
    assert not greeted(plugged, "lamna", LAN)
    assert plugged.findings() == {}
    assert plugged.run("update", "isurus", code=0).out == "nothing to do\n"
    assert plugged.run("setup", code=0).out == "nothing to do\n"


def in_the_registry(estate: ContainerEstate, key: str) -> str:
    return str(tomllib.loads(estate.registry.read_text())["project"][0][key])


def test_an_exception_by_ipv6(plugged: ContainerEstate) -> None:
    set_project(plugged, f'allow = ["[{LAN6}]:{PORT}"]')
    plugged.run("update", "isurus", code=0)
    give_ipv6(plugged, in_the_registry(plugged, "address6"))
    reaches(plugged, "isurus", LAN6)
    assert not greeted(plugged, "isurus", HOST6)
    assert plugged.findings() == {}


def test_one_that_is_closed_in_an_open_estate(plugged: ContainerEstate) -> None:
    plugged.new("lamna")
    plugged_in(plugged, "lamna")
    text = plugged.registry.read_text()
    plugged.registry.write_text(text.replace("[defaults]\n", '[defaults]\nnetwork = "open"\n'))
    set_project(plugged, f'network = "internet"\nallow = ["{HOST}:{PORT}"]')
    plugged.run("update", "isurus", code=0)
    again(plugged)
    give_ipv6(plugged, in_the_registry(plugged, "address6"))
    reaches(plugged, "lamna", LAN)
    for address, reached in ((LAN, False), (LAN6, False), (HOST6, False), (HOST, True)):
        (reaches if reached else is_kept_from)(plugged, "isurus", address)
    reaches(plugged, "isurus", INTERNET)
    reaches(plugged, "isurus", INTERNET6)
    assert plugged.findings() == {}


def egress(estate: ContainerEstate) -> list[dict[str, str]]:
    name = estate.environ["REPOMAN_BRIDGE"]
    said = estate.incus("query", f"/1.0/network-acls/{name}").out
    return list(json.loads(said)["egress"])


def test_an_exception_goes_with_its_project(plugged: ContainerEstate) -> None:
    """Else whoever gets the address of a container that is gone would get it too."""
    plugged.new("lamna")
    before = egress(plugged)
    set_project(plugged, f'allow = ["{LAN}:{PORT}"]')
    plugged.run("update", "isurus", code=0)
    address = next(rule["source"] for rule in egress(plugged) if rule.get("source"))
    shown = plugged.run("remove", "isurus", "--dry-run", code=0).out
    assert "would update the rules of the network ACL" in shown
    plugged.run("remove", "isurus", "--yes", code=0)
    assert egress(plugged) == before
    assert plugged.findings() == {}
    assert plugged.run("setup", code=0).out == "nothing to do\n"
    taken = address.partition("/")[0]
    plugged.incus("config", "device", "override", "lamna", "eth0", f"ipv4.address={taken}")
    assert plugged_in(plugged, "lamna") == taken
    assert not greeted(plugged, "lamna", LAN)


def test_an_exception_goes_with_a_container_that_is_forgotten(plugged: ContainerEstate) -> None:
    before = egress(plugged)
    set_project(plugged, f'allow = ["{LAN}:{PORT}"]')
    plugged.run("update", "isurus", code=0)
    plugged.incus("delete", "--force", "isurus")
    plugged.run("status", "--missing", "forget")
    assert egress(plugged) == before
    assert plugged.findings() == {}
    plugged.run("remove", "isurus", "--yes", code=0)
    assert plugged.projects() == []


def test_update_takes_an_exception_away_that_the_registry_has_no_more(
    plugged: ContainerEstate,
) -> None:
    before = egress(plugged)
    line = f'allow = ["{LAN}:{PORT}"]'
    set_project(plugged, line)
    plugged.run("update", "isurus", code=0)
    again(plugged)
    reaches(plugged, "isurus", LAN)
    plugged.registry.write_text(plugged.registry.read_text().replace(f"{line}\n", ""))
    assert plugged.findings() == {"incus": ["network"], "isurus": ["differs"]}
    shown = plugged.run("update", "isurus", "--dry-run", code=0).out
    assert "would update the rules of the network ACL" in shown
    plugged.run("update", "isurus", code=0)
    assert egress(plugged) == before
    assert not greeted(plugged, "isurus", LAN)
    assert plugged.findings() == {}
    assert plugged.run("update", "isurus", code=0).out == "nothing to do\n"


def test_a_project_without_a_network(plugged: ContainerEstate) -> None:
    set_project(plugged, 'network = "none"')
    plugged.run("update", "isurus", code=0)
    assert not greeted(plugged, "isurus", INTERNET)
    assert plugged.exec_inside("isurus", "busybox", "ip", "link", "show", "eth0").code != 0
    assert plugged.findings() == {}


def test_a_project_that_may_go_everywhere(plugged: ContainerEstate) -> None:
    set_project(plugged, 'network = "open"')
    plugged.run("update", "isurus", code=0)
    again(plugged)
    reaches(plugged, "isurus", LAN)
    assert plugged.findings() == {}


def test_an_exception_of_the_estate(plugged: ContainerEstate) -> None:
    text = plugged.registry.read_text()
    line = f'[defaults]\nallow = ["{LAN}:{PORT}"]\n'
    plugged.registry.write_text(text.replace("[defaults]\n", line))
    assert plugged.findings() == {"incus": ["network"]}
    plugged.run("setup", code=0)
    reaches(plugged, "isurus", LAN)
    assert not greeted(plugged, "isurus", LAN, PORT + 1)
    assert not greeted(plugged, "isurus", HOST)
