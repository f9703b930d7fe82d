"""Findings of `status` about firewalls of the host that cut containers off from the internet."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.containers.conftest import ContainerEstate
from tests.containers.network import greeted, plugged_in, reaches
from tests.support.cures import paste_cure
from tests.support.estate import Result, run
from tests.support.processes import WAIT_SECONDS
from tests.worlds.daemon.lan import INTERNET

TABLE = "repoman_test"


IN_NAMESPACE = pytest.mark.local_only("repoman runs in a namespace with files of its own")


@contextmanager
def dropped(estate: ContainerEstate, hook: str, rule: str) -> Iterator[None]:
    """Drop packets of this test's bridge by a firewall of the host."""
    bridge = estate.environ["REPOMAN_BRIDGE"]
    table = f"{TABLE}_{bridge}"
    rules = (
        f"table inet {table} {{ chain one {{ type filter hook {hook} priority -10; "
        f'iifname "{bridge}" {rule} drop; }}; }}'
    )
    subprocess.run(["sudo", "-n", "nft", rules], check=True)
    try:
        yield
    finally:
        subprocess.run(["sudo", "-n", "nft", "delete", "table", "inet", table], check=True)


def beside_docker(estate: ContainerEstate, *argv: str) -> Result:
    """Run repoman on a host that has the bridge of Docker."""
    shown = estate.base / "net"
    (shown / "docker0").mkdir(parents=True, exist_ok=True)
    ids = [f"--reuid={os.getuid()}", f"--regid={os.getgid()}", "--init-groups"]
    script = 'mount --bind "$0" /sys/class/net && exec setpriv "$@"'
    namespace = ["sudo", "-n", "unshare", "--mount", "sh", "-c", script, str(shown), *ids]
    environ = [f"{key}={value}" for key, value in estate.environ.items()]
    return run([*namespace, "env", "-i", *environ, *estate.argv, *argv], estate.environ)


@pytest.mark.shared
def test_nothing_is_in_the_way(networked: ContainerEstate) -> None:
    assert networked.findings() == {}
    assert "no address" not in networked.run("status").out
    assert "docker0" not in networked.run("status").out


def test_a_container_without_an_address(isurus: ContainerEstate) -> None:
    """Its image may not have asked for one, so it gets a note."""
    done = isurus.run("status")
    assert f"· incus: no address from {isurus.environ['REPOMAN_BRIDGE']}" in done.out
    assert isurus.findings() == {}


@pytest.mark.shared
@pytest.mark.parametrize(
    "rule",
    [
        "",
        pytest.param("ip protocol != icmp", marks=pytest.mark.nightly),
        pytest.param("udp dport 33434-33534", marks=pytest.mark.nightly),
    ],
)
def test_what_is_sent_on_is_dropped(networked: ContainerEstate, rule: str) -> None:
    bridge = networked.environ["REPOMAN_BRIDGE"]
    with dropped(networked, "forward", rule):
        if rule.startswith("udp"):
            reaches(networked, "isurus", INTERNET)
        else:
            assert not greeted(networked, "isurus", INTERNET)
        done = networked.run("status", code=3)
        assert "drops packets from isurus to the internet: the next router answers" in done.out
        assert f"allow packets from and to {bridge}" in done.out
        assert networked.findings() == {"incus": ["reach"]}
        beside = beside_docker(networked, "status")
        assert f"iptables -I DOCKER-USER -i {bridge} -j ACCEPT" in beside.out
        assert "drops packets from isurus" in beside.out
    assert networked.findings() == {}


@pytest.mark.shared
@IN_NAMESPACE
def test_docker_that_lets_through_is_not_worth_a_word(networked: ContainerEstate) -> None:
    assert "Docker" not in beside_docker(networked, "status").out
    networked.incus("stop", "--force", "isurus")
    assert "· incus: Docker is on this host" in beside_docker(networked, "status").out
    networked.incus("start", "isurus")


@pytest.mark.shared
def test_names_that_are_dropped(networked: ContainerEstate) -> None:
    with ExitStack() as stack:
        stack.enter_context(dropped(networked, "input", "udp dport 53"))
        done = networked.run("status", code=3)
        assert "does not answer DNS queries of its containers" in done.out
        assert networked.findings() == {"incus": ["reach"]}
        paste_cure(networked, "reach", by_hand=stack.close)
    assert networked.findings() == {}


@pytest.mark.alone
@pytest.mark.shared
def test_a_host_without_a_way_out_is_not_blamed(networked: ContainerEstate) -> None:
    """If the next router does not answer the host either, nothing is known."""
    with dropped(networked, "forward", ""):
        drop = (
            "table ip repoman_test_out { chain one { type filter hook output priority 0; "
            "ip daddr 192.0.2.1 drop; }; }"
        )
        namespace = ["sudo", "-n", "nft"]
        subprocess.run([*namespace, drop], check=True)
        try:
            assert networked.findings() == {}
        finally:
            subprocess.run([*namespace, "delete", "table", "ip", "repoman_test_out"], check=True)


@pytest.mark.shared
@pytest.mark.parametrize("network", ["open", "none"])
def test_a_container_of_another_mode(networked: ContainerEstate, network: str) -> None:
    text = networked.registry.read_text()
    line = f'name = "isurus"\nnetwork = "{network}"\n'
    networked.registry.write_text(text.replace('name = "isurus"\n', line))
    networked.run("update", "isurus", "--restart", code=0)
    if network == "open":
        networked.exec_inside("isurus", "busybox", "ip", "-4", "address", "flush", "dev", "eth0")
        plugged_in(networked, "isurus")
    with dropped(networked, "forward", ""):
        found = {"incus": ["reach"]} if network == "open" else {}
        assert networked.findings() == found


def test_an_image_that_has_perl(estate: ContainerEstate) -> None:
    """As in Debian and Ubuntu; the other tests' image has busybox."""
    estate.new("lamna", "--image", "debian")
    waiting = 'until [ -n "$(ip -4 route show default)" ]; do sleep 0.1; done'
    assert (
        estate.exec_inside("lamna", "timeout", f"{WAIT_SECONDS:.0f}", "sh", "-c", waiting).code == 0
    )
    assert estate.findings() == {}
    assert "no address" not in estate.run("status").out
    for hook, says in (("forward", "drops packets from lamna"), ("input", "DNS queries")):
        with dropped(estate, hook, "meta l4proto udp"):
            assert says in estate.run("status", code=3).out
    assert estate.findings() == {}


@pytest.mark.shared
def test_what_a_container_pretends(networked: ContainerEstate) -> None:
    """It can hide the state of its own network, and nothing else."""
    fake = "#!/bin/sh\nprintf '\\033[2J x\\n'; exit 0\n"
    script = 'printf %s "$0" >/bin/perl; chmod +x /bin/perl'
    assert networked.exec_inside("isurus", "sh", "-c", script, fake).code == 0
    done = networked.run("status")
    assert "\x1b" not in done.out + done.err
    assert networked.findings() == {}
    assert networked.exec_inside("isurus", "rm", "/bin/perl").code == 0
