"""Hosts that a container cannot connect to, whatever its root tries."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import tomllib
from collections.abc import Iterator
from functools import partial

import pytest

from repoman_tasks.planning.fence.host_filter import filter_path
from tests.containers.conftest import ContainerEstate
from tests.containers.network import greeted, plugged_in, reaches
from tests.support.cures import paste_cure
from tests.support.processes import wait_until
from tests.worlds.daemon.lan import GREETING, HOST, HOST6, INTERNET, INTERNET6, LAN, LAN6, PORT


@pytest.fixture
def lamna(networked: ContainerEstate) -> Iterator[str]:
    """Yield the address of another container, lamna."""
    networked.new("lamna")
    yield plugged_in(networked, "lamna")
    networked.run("remove", "lamna", "--yes", code=0)


def bridge(estate: ContainerEstate) -> dict[str, str]:
    said = estate.incus("query", f"/1.0/networks/{estate.environ['REPOMAN_BRIDGE']}").out
    return dict(json.loads(said)["config"])


def gateway(estate: ContainerEstate) -> str:
    return bridge(estate)["ipv4.address"].partition("/")[0]


def is_kept_from(estate: ContainerEstate, name: str, address: str) -> None:
    assert not greeted(estate, name, address), address


@pytest.mark.shared
def test_the_internet_is_there(networked: ContainerEstate) -> None:
    """The control of all the others."""
    reaches(networked, "isurus", INTERNET)
    found = networked.exec_inside(
        "isurus", "busybox", "nslookup", "isurus.incus", gateway(networked)
    )
    assert "isurus" in found.out, "the bridge answers for names"


@pytest.mark.shared
def test_neither_the_host_nor_the_lan(networked: ContainerEstate) -> None:
    for address in (HOST, LAN, "127.0.0.1"):
        assert not greeted(networked, "isurus", address), address


def read_greeting(address: str) -> bytes:
    """Return the greeting of a server to this host; nothing if it does not listen yet."""
    try:
        with socket.create_connection((address, PORT)) as there:
            return there.recv(9)
    except ConnectionRefusedError:
        return b""


@pytest.mark.shared
def test_the_host_by_its_address_on_the_bridge(networked: ContainerEstate) -> None:
    wait_until(lambda: GREETING in read_greeting(gateway(networked)))
    assert not greeted(networked, "isurus", gateway(networked))


@pytest.mark.shared
def test_the_host_by_a_link_local_address(networked: ContainerEstate) -> None:
    name = networked.environ["REPOMAN_BRIDGE"]
    with open("/proc/net/if_inet6") as table:
        own = next((line.split()[0] for line in table if line.split()[5] == name), "")
    assert own, "the bridge has one"
    address = ":".join(own[n : n + 4] for n in range(0, 32, 4))
    assert not greeted(networked, "isurus", f"{address}%eth0")


def give_ipv6(estate: ContainerEstate, own: str) -> None:
    """Give isurus the IPv6 address `own`, and make it use it."""
    router = bridge(estate)["ipv6.address"].partition("/")[0]
    script = (
        "echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad;"
        'busybox ip -6 address add "$0/64" dev eth0;'
        'busybox ip -6 route replace default via "$1"'
    )
    assert estate.exec_inside("isurus", "sh", "-c", script, own, router).code == 0


@pytest.mark.shared
def test_neither_the_host_nor_the_lan_by_ipv6(networked: ContainerEstate) -> None:
    own = bridge(networked)["ipv6.address"].replace("::1/64", "::99")
    argv = ("config", "device", "override", "isurus", "eth0", f"ipv6.address={own}")
    networked.incus(*argv)
    give_ipv6(networked, own)
    reaches(networked, "isurus", INTERNET6)  # it is in the network
    for address in (HOST6, LAN6, bridge(networked)["ipv6.address"].partition("/")[0]):
        assert not greeted(networked, "isurus", address), address
    networked.incus("config", "device", "remove", "isurus", "eth0")


def dns_answers(estate: ContainerEstate, address: str, uid: int) -> bool:
    """Return True if a DNS server answers there, be it only that it knows no such name."""
    script = 'sleep 0.05; busybox timeout 2 busybox nslookup isurus.incus "$0" 2>&1'
    argv = ("exec", "isurus", f"--user={uid}", "--", "sh", "-c", script, address)
    said = estate.incus(*argv, check=False).out
    return "Address" in said.partition("\n\n")[2] or "NXDOMAIN" in said or "REFUSED" in said


@pytest.mark.shared
def test_dns_of_another_address_of_the_host(networked: ContainerEstate) -> None:
    """A second bridge has a DNS server of its own. `setup` sets the rule that closes it."""
    own, name = gateway(networked), networked.environ["REPOMAN_BRIDGE"]
    other = "10.83.58.1" if own != "10.83.58.1" else "10.83.59.1"
    wait_until(lambda: dns_answers(networked, other, 0))  # the control
    unit = filter_path(name)
    subprocess.run(["sudo", "-n", "rm", unit], check=True)
    assert "reach DNS and DHCP of every address" in networked.run("status").out
    networked.run("setup", "--yes", code=0)
    try:
        for uid in (0, 1000):
            assert not dns_answers(networked, other, uid)
            wait_until(partial(dns_answers, networked, own, uid))
        reaches(networked, "isurus", INTERNET)
        assert "reach DNS" not in networked.run("status").out
    finally:
        table = f"inet repoman_{name}"
        subprocess.run(["sudo", "-n", "nft", "delete", "table", *table.split()], check=True)


@contextlib.contextmanager
def routes(*networks: str, via: str) -> Iterator[None]:
    """Give this host routes by the router of the LAN, as a VPN or an administrator does."""
    try:
        for network in networks:
            subprocess.run(["sudo", "-n", "ip", "route", "add", network, "via", via], check=True)
        yield
    finally:
        for network in networks:
            subprocess.run(["sudo", "-n", "ip", "route", "delete", network, "via", via])


def closes_with_its_route(estate: ContainerEstate, address: str) -> None:
    """Check that `status` reports a route to `address`, and `setup` closes it."""
    assert greeted(estate, "isurus", address), "the control: nothing else holds it"
    assert estate.findings() == {"incus": ["network"]}
    estate.run("setup", code=0)
    for uid in (0, 1000):
        assert not greeted(estate, "isurus", address, uid=uid)
    assert estate.findings() == {}


@pytest.mark.alone
@pytest.mark.shared
def test_a_network_that_the_host_reaches_by_a_route(networked: ContainerEstate) -> None:
    reaches(networked, "isurus", INTERNET)
    with routes("8.8.4.0/24", via=LAN):
        closes_with_its_route(networked, INTERNET)
    networked.run("setup", code=0)
    reaches(networked, "isurus", INTERNET)


@pytest.mark.alone
@pytest.mark.shared
def test_a_network_that_the_host_reaches_by_a_route_of_ipv6(networked: ContainerEstate) -> None:
    own = bridge(networked)["ipv6.address"].replace("::1/64", "::99")
    networked.incus("config", "device", "override", "isurus", "eth0", f"ipv6.address={own}")
    give_ipv6(networked, own)
    reaches(networked, "isurus", INTERNET6)
    networked.incus("config", "device", "remove", "isurus", "eth0")
    with routes("2600::/64", via=LAN6):
        assert networked.findings() == {"incus": ["network"]}
        networked.run("setup", code=0)
        for uid in (0, 1000):
            assert not greeted(networked, "isurus", INTERNET6, uid=uid)
    networked.run("setup", code=0)


@pytest.mark.alone
@pytest.mark.shared
def test_the_internet_is_there_by_a_vpn_for_all_of_it(networked: ContainerEstate) -> None:
    with routes("0.0.0.0/1", "128.0.0.0/1", via=LAN):
        assert networked.findings() == {}
        assert networked.run("setup", code=0).out == "nothing to do\n"
        reaches(networked, "isurus", INTERNET)


@pytest.mark.shared
def test_an_ipv6_address_of_ones_own_choice(networked: ContainerEstate) -> None:
    give_ipv6(networked, bridge(networked)["ipv6.address"].replace("::1/64", "::77"))
    for address in (INTERNET6, LAN6, HOST6):
        assert not greeted(networked, "isurus", address)
    networked.incus("restart", "--force", "isurus")


@pytest.mark.shared
def test_another_container(networked: ContainerEstate, lamna: str) -> None:
    listening = f"busybox nc -ll -p {PORT} -e echo {GREETING.decode()} >/dev/null 2>&1 &"
    assert networked.exec_inside("lamna", "sh", "-c", listening).code == 0
    wait_until(lambda: GREETING in read_greeting(lamna))  # a person may look at what runs inside
    assert not greeted(networked, "isurus", lamna)


@pytest.mark.shared
def test_the_address_of_another_container(networked: ContainerEstate) -> None:
    """Used by this container, it reaches nothing, so no rule for it helps."""
    own = networked.exec_inside(
        "isurus", "busybox", "ip", "-4", "address", "show", "dev", "eth0"
    ).out
    address = own.partition("inet ")[2].split()[0]
    other = address.rpartition(".")[0] + ".199/24"
    script = (
        'busybox ip address del "$0" dev eth0; busybox ip address add "$1" dev eth0;'
        'busybox ip route add default via "$2"'
    )
    networked.exec_inside("isurus", "sh", "-c", script, address, other, gateway(networked))
    assert not greeted(networked, "isurus", INTERNET)
    networked.incus("restart", "--force", "isurus")


@pytest.mark.shared
def test_the_hardware_address_of_another_container(networked: ContainerEstate) -> None:
    script = (
        "busybox ip link set eth0 down; busybox ip link set eth0 address 02:00:00:00:00:09;"
        'busybox ip link set eth0 up; busybox ip route add default via "$0"'
    )
    networked.exec_inside("isurus", "sh", "-c", script, gateway(networked))
    assert not greeted(networked, "isurus", INTERNET)
    networked.incus("restart", "--force", "isurus")


@pytest.mark.shared
def test_a_rule_added_by_another_client_is_found_and_repaired(networked: ContainerEstate) -> None:
    name = networked.environ["REPOMAN_BRIDGE"]
    acl = ("network", "acl", "rule", "add", name, "egress", "action=allow", f"destination={LAN}")
    networked.incus(*acl)
    reaches(networked, "isurus", LAN)
    assert networked.findings() == {"incus": ["network"]}
    paste_cure(networked, "network")
    assert not greeted(networked, "isurus", LAN)
    assert networked.findings() == {}


@pytest.mark.shared
def test_a_bridge_that_was_opened_is_found_and_repaired(networked: ContainerEstate) -> None:
    for setting in ("security.acls=", "security.acls.default.egress.action=allow"):
        networked.incus("network", "set", networked.environ["REPOMAN_BRIDGE"], setting)
        reaches(networked, "isurus", LAN)
        assert networked.findings() == {"incus": ["network"]}, setting
        networked.run("setup", code=0)
        assert not greeted(networked, "isurus", LAN), setting
        assert networked.findings() == {}, setting


def test_a_second_network_device_is_found(estate: ContainerEstate) -> None:
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


@pytest.mark.shared
@pytest.mark.usefixtures("lamna")
def test_an_exception_of_one_project(networked: ContainerEstate) -> None:
    set_project(networked, f'allow = ["{LAN}:{PORT}"]')
    networked.run("update", "isurus", "--restart", code=0)
    again(networked)
    reaches(networked, "isurus", LAN)
    assert not greeted(networked, "isurus", HOST)
    assert not greeted(networked, "lamna", LAN)
    assert networked.findings() == {}
    assert networked.run("update", "isurus", code=0).out == "nothing to do\n"
    assert networked.run("setup", code=0).out == "nothing to do\n"


def in_the_registry(estate: ContainerEstate, key: str) -> str:
    return str(tomllib.loads(estate.registry.read_text())["project"][0][key])


@pytest.mark.shared
def test_an_exception_by_ipv6(networked: ContainerEstate) -> None:
    set_project(networked, f'allow = ["[{LAN6}]:{PORT}"]')
    networked.run("update", "isurus", "--restart", code=0)
    give_ipv6(networked, in_the_registry(networked, "address6"))
    reaches(networked, "isurus", LAN6)
    assert not greeted(networked, "isurus", HOST6)
    assert networked.findings() == {}


@pytest.mark.shared
@pytest.mark.usefixtures("lamna")
def test_one_that_is_closed_in_an_open_estate(networked: ContainerEstate) -> None:
    text = networked.registry.read_text()
    networked.registry.write_text(text.replace("[defaults]\n", '[defaults]\nnetwork = "open"\n'))
    set_project(networked, f'network = "internet"\nallow = ["{HOST}:{PORT}"]')
    networked.run("update", "isurus", "--restart", code=0)
    again(networked)
    give_ipv6(networked, in_the_registry(networked, "address6"))
    reaches(networked, "lamna", LAN)
    for address, reached in ((LAN, False), (LAN6, False), (HOST6, False), (HOST, True)):
        (reaches if reached else is_kept_from)(networked, "isurus", address)
    reaches(networked, "isurus", INTERNET)
    reaches(networked, "isurus", INTERNET6)
    assert networked.findings() == {}


def egress(estate: ContainerEstate) -> list[dict[str, str]]:
    name = estate.environ["REPOMAN_BRIDGE"]
    said = estate.incus("query", f"/1.0/network-acls/{name}").out
    return list(json.loads(said)["egress"])


def test_an_exception_is_removed_with_its_project(networked: ContainerEstate) -> None:
    """Otherwise the next container with that address would have it too."""
    networked.new("lamna")
    before = egress(networked)
    set_project(networked, f'allow = ["{LAN}:{PORT}"]')
    networked.run("update", "isurus", "--restart", code=0)
    address = next(rule["source"] for rule in egress(networked) if rule.get("source"))
    shown = networked.run("remove", "isurus", "--dry-run", code=0).out
    assert "would update the rules of the network ACL" in shown
    networked.run("remove", "isurus", "--yes", code=0)
    assert egress(networked) == before
    assert networked.findings() == {}
    assert networked.run("setup", code=0).out == "nothing to do\n"
    taken = address.partition("/")[0]
    networked.incus("config", "device", "override", "lamna", "eth0", f"ipv4.address={taken}")
    assert plugged_in(networked, "lamna") == taken
    assert not greeted(networked, "lamna", LAN)


def test_an_exception_is_removed_with_a_container_that_is_forgotten(
    networked: ContainerEstate,
) -> None:
    before = egress(networked)
    set_project(networked, f'allow = ["{LAN}:{PORT}"]')
    networked.run("update", "isurus", "--restart", code=0)
    networked.incus("delete", "--force", "isurus")
    networked.run("status", "--missing", "forget")
    assert egress(networked) == before
    assert networked.findings() == {"isurus": ["volume"]}
    networked.run("remove", "isurus", "--yes", code=0)
    assert networked.projects() == []


@pytest.mark.shared
def test_update_takes_an_exception_away_that_the_registry_has_no_more(
    networked: ContainerEstate,
) -> None:
    before = egress(networked)
    line = f'allow = ["{LAN}:{PORT}"]'
    set_project(networked, line)
    networked.run("update", "isurus", "--restart", code=0)
    again(networked)
    reaches(networked, "isurus", LAN)
    networked.registry.write_text(networked.registry.read_text().replace(f"{line}\n", ""))
    assert networked.findings() == {"incus": ["network"], "isurus": ["differs"]}
    shown = networked.run("update", "isurus", "--dry-run", code=0).out
    assert "would update the rules of the network ACL" in shown
    networked.run("update", "isurus", "--restart", code=0)
    assert egress(networked) == before
    assert not greeted(networked, "isurus", LAN)
    assert networked.findings() == {}
    assert networked.run("update", "isurus", code=0).out == "nothing to do\n"


@pytest.mark.shared
def test_a_project_without_a_network(networked: ContainerEstate) -> None:
    set_project(networked, 'network = "none"')
    networked.run("update", "isurus", code=0)
    assert not greeted(networked, "isurus", INTERNET)
    assert networked.exec_inside("isurus", "busybox", "ip", "link", "show", "eth0").code != 0
    assert networked.findings() == {}


@pytest.mark.shared
def test_a_project_that_may_go_everywhere(networked: ContainerEstate) -> None:
    set_project(networked, 'network = "open"')
    networked.run("update", "isurus", "--restart", code=0)
    again(networked)
    reaches(networked, "isurus", LAN)
    assert networked.findings() == {}


@pytest.mark.shared
def test_an_exception_of_the_estate(networked: ContainerEstate) -> None:
    text = networked.registry.read_text()
    line = f'[defaults]\nallow = ["{LAN}:{PORT}"]\n'
    networked.registry.write_text(text.replace("[defaults]\n", line))
    assert networked.findings() == {"incus": ["network"]}
    networked.run("setup", code=0)
    reaches(networked, "isurus", LAN)
    assert not greeted(networked, "isurus", LAN, PORT + 1)
    assert not greeted(networked, "isurus", HOST)
