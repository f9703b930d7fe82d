"""ssh_config means the same by both transports, and what it means to `ssh` itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.hosts.ssh import ssh_settings
from repoman_tasks.hosts.ssh.remote_host import RemoteHost
from repoman_tasks.model import Address
from tests.support.ssh_estate import NETCAT, USER_NAME, Sshd, make_key, make_line


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("sshd")
    authority = make_key(folder / "authority")
    with Sshd(folder, f"TrustedUserCAKeys {authority}", "MaxAuthTries 3") as made:
        yield made


@pytest.fixture
def ssh() -> Path:
    """The folder for ssh of the home of this test."""
    return Path(os.environ["HOME"]) / ".ssh"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    """The socket of an agent that has no key yet."""
    path = tmp_path / "agent"
    argv = ["ssh-agent", "-D", "-a", str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it listens
        yield path
        process.terminate()


def add(agent: Path, *keys: Path) -> None:
    environ = {**os.environ, "SSH_AUTH_SOCK": str(agent)}
    argv = ["ssh-add", "-q", *map(str, keys)]
    subprocess.run(argv, env=environ, check=True)


def locked(key: Path, path: Path) -> Path:
    """Copy `key` to `path`, with a passphrase."""
    shutil.copy(key, path)
    argv = ["ssh-keygen", "-q", "-p", "-N", "secret", "-f", str(path)]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return path


def gets_in(transport: str, name: str = "there", **address: object) -> None:
    made = Address(name, **address)  # type: ignore[arg-type]
    host = RemoteHost(name, make_line(made, transport))
    try:
        assert host.read(["echo", "well"]).out == b"well\n"
    finally:
        host.close()


def refusal(transport: str, name: str = "there", **address: object) -> str:
    with pytest.raises(RepomanError) as caught:
        make_line(Address(name, **address), transport)  # type: ignore[arg-type]
    return str(caught.value)


# --- what ssh gets in with ---------------------------------------------------------------

GETS_IN = {
    "include": "Include {ssh}/more",
    "include of many": "Include {ssh}/mor*\nInclude {ssh}/none",
    "match host": "Match host there\n{lines}",
    "match host by comma": "Match host nowhere,there user *\n{lines}",
    "match exec": 'Match exec "test -e {ssh}/more"\n{lines}',
    "match exec with a token": 'Match exec "test %h = there"\n{lines}',
    "match exec that fails": "Match exec false\n ProxyJump nowhere.invalid\n{stanza}",
    "match not": "Match !host there\n ProxyJump nowhere.invalid\n{stanza}",
    "match final": "Match final all\n ForwardX11 no\n{stanza}",
    "proxyjump none": "Host there\n ProxyJump none\n{stanza}Host *\n ProxyJump nowhere.invalid\n",
    "proxycommand none": "Host there\n ProxyCommand none\n{stanza}Host *\n ProxyCommand false\n",
    "hostname": "Host there\n HostName 127.0.0.1\n{stanza}",
    "identity by tokens": "Host there\n IdentityFile {ssh}/%n-%h-%p-%r-%u\n{keyless}",
    "identity by a variable": "Host there\n IdentityFile ${{HOME}}/.ssh/own\n{keyless}",
    "identity in quotes": 'Host there\n IdentityFile "{ssh}/a key"\n{keyless}',
    "control path": "Host *\n ControlPath {ssh}/%C-%h\n ControlMaster auto\n{stanza}",
    "canonicalize": "Host *\n CanonicalizeHostname no\n CanonicalDomains nowhere.invalid\n{stanza}",
    "family": "Host *\n AddressFamily inet\n BindAddress 127.0.0.1\n{localhost}",
    "fork": "Host *\n ForkAfterAuthentication yes\n RequestTTY force\n{stanza}",
    "connect timeout": "Host *\n ConnectTimeout 5\n ServerAliveInterval 3\n{stanza}",
    "identity by the hash": "Host there\n IdentityFile {ssh}/by-%C\n{keyless}",
    "latin-1": "# caf\xe9\n{stanza}",
    "tags and equals": "Host=there\n Port={port}\n HostName = 127.0.0.1\n{stanza}",
}


def hash_of_connection(sshd: Sshd) -> str:
    """Return what %C stands for."""
    told = ["-o", "ControlPath=/%C", "-l", USER_NAME, "-p", str(sshd.port), "127.0.0.1"]
    done = subprocess.run(["ssh", "-G", *told], capture_output=True, check=True, text=True)
    return done.stdout.partition("controlpath /")[2].partition("\n")[0]


@pytest.mark.parametrize("config", GETS_IN.values(), ids=list(GETS_IN))
def test_gets_in(sshd: Sshd, ssh: Path, transport: str, config: str) -> None:
    stanza = sshd.config_stanza("there")
    lines = stanza.partition("\n")[2]
    keyless = "".join(line for line in stanza.splitlines(True) if "IdentityFile" not in line)
    (ssh / "more").write_text(stanza)
    for name in (
        "own",
        "a key",
        f"by-{hash_of_connection(sshd)}",
        f"there-127.0.0.1-{sshd.port}-{USER_NAME}-{USER_NAME}",
    ):
        shutil.copy(sshd.login_key, ssh / name)
    (ssh / "known_hosts").write_text(
        sshd.known_hosts_line() + sshd.known_hosts_line().replace("127.0.0.1", "localhost")
    )
    values = {"ssh": ssh, "stanza": stanza, "lines": lines, "keyless": keyless, "port": sshd.port}
    values["localhost"] = stanza.replace("HostName 127.0.0.1", "HostName localhost")
    (ssh / "config").write_text(config.format(**values), encoding="latin-1")
    gets_in(transport)


def test_a_token_in_hostname(sshd: Sshd, ssh: Path, transport: str) -> None:
    (ssh / "known_hosts").write_text(sshd.known_hosts_line())
    config = sshd.config_stanza("1").replace("HostName 127.0.0.1", "HostName 127.0.0.%h")
    (ssh / "config").write_text(config)
    gets_in(transport, "1")


def test_a_host_as_a_url(sshd: Sshd, ssh: Path, transport: str) -> None:
    (ssh / "known_hosts").write_text(sshd.known_hosts_line())
    plain = [line for line in sshd.config_stanza("there").splitlines() if "Port" not in line]
    (ssh / "config").write_text("\n".join(plain))
    gets_in(transport, f"ssh://{USER_NAME}@there:{sshd.port}")
    gets_in(transport, "nas", address=f"ssh://{USER_NAME}@there:{sshd.port}")


UNKNOWN_TO_PARAMIKO = ("localnetwork 203.0.113.0/24", "tagged x", "version OpenSSH_0")


@pytest.mark.parametrize("criterion", UNKNOWN_TO_PARAMIKO)
def test_a_match_counts_as_ssh_counts_it(
    sshd: Sshd, ssh: Path, transport: str, criterion: str
) -> None:
    """An ssh that does not know the criterion says so; nothing below it is ever applied."""
    (ssh / "known_hosts").write_text(sshd.known_hosts_line())
    lines = f"Match {criterion}\n ProxyJump bastion.invalid\n UserKnownHostsFile {ssh}/none\n"
    (ssh / "config").write_text(lines + sshd.config_stanza("there"))
    if subprocess.run(["ssh", "-G", "there"], capture_output=True, check=False).returncode == 0:
        gets_in(transport)
    else:
        assert refusal(transport).startswith("ssh rejects there, ")


def test_a_file_of_the_system_that_ssh_can_not_read(sshd: Sshd, ssh: Path, transport: str) -> None:
    """One that ssh passes over is passed over here, and one that stops ssh is named."""
    (ssh / "known_hosts").write_text(sshd.known_hosts_line())
    (ssh / "unreadable").mkdir()
    (ssh / "config").write_text(f"Include {ssh}/unreadable\n{sshd.config_stanza('there')}")
    if subprocess.run(["ssh", "-G", "there"], capture_output=True, check=False).returncode == 0:
        gets_in(transport)
    else:
        assert refusal(transport).startswith("ssh rejects there, ")


@pytest.mark.parametrize(
    "address",
    [
        {"address": f"{USER_NAME}@there"},
        {"address": "there", "user": USER_NAME},
        {"address": "there"},
    ],
)
def test_an_address_of_the_registry(
    sshd: Sshd, ssh: Path, transport: str, address: dict[str, str]
) -> None:
    (ssh / "known_hosts").write_text(sshd.known_hosts_line())
    (ssh / "config").write_text(sshd.config_stanza("there"))
    gets_in(transport, "nas", **address)


# --- the key of the host -------------------------------------------------------------------

KNOWN = {
    "alias": ("HostKeyAlias box", "box {key}", ""),
    "two files": ("UserKnownHostsFile {ssh}/one {ssh}/two", "", "{host} {key}"),
    "another key in the first file": (
        "UserKnownHostsFile {ssh}/one {ssh}/two",
        "{host} {other}",
        "{host} {key}",
    ),
    "a space in its name": ('UserKnownHostsFile {ssh}/one "{ssh}/t w o"', "", "{host} {key}"),
    "file of the system": ("GlobalKnownHostsFile {ssh}/two", "", "{host} {key}"),
    "by tokens": ("UserKnownHostsFile {ssh}/one-%k", "{host} {key}", ""),
    "pattern": ("CheckHostIP no", "* {key}", ""),
    "pattern of one character": ("CheckHostIP no", "[127.0.?.1]:* {key}", ""),
    "without a port": ("CheckHostIP no", "127.0.0.1 {key}", ""),
    "hashed": ("CheckHostIP no", "{hashed}", ""),
    "a line that is none": ("CheckHostIP no", "nothing\n|1|x|y {key}\n{host} {key}", ""),
}
UNKNOWN = {
    "alias": ("HostKeyAlias box", "{host} {key}", "the key of box is not known"),
    "negated": ("CheckHostIP no", "!{host},!127.0.0.1,* {key}", "is not known"),
    "none": ("UserKnownHostsFile none", "{host} {key}", "is not known"),
    "changed without a port": (
        "CheckHostIP no",
        "127.0.0.1 {other}",
        "is not known, ssh-ed25519 SHA256:",
    ),
    "changed": ("HostKeyAlias box", "box {other}", "the key of box is not the one that is known"),
    "revoked": ("CheckHostIP no", "{host} {key}@revoked * {key}", "is revoked"),
}


def know(sshd: Sshd, ssh: Path, more: str, one: str, two: str) -> None:
    """Write ssh_config with the line `more`, and two files of keys."""
    hashed = ssh / "hashed"
    hashed.write_text(sshd.known_hosts_line())
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(hashed)], check=True, capture_output=True)
    values = {
        "ssh": ssh,
        "host": f"[127.0.0.1]:{sshd.port}",
        "key": sshd.host_public_key.read_text(),
        "other": make_key(ssh / "other").read_text(),
        "hashed": hashed.read_text(),
    }
    for name in ("known_hosts", "one", "one-there"):
        (ssh / name).write_text(one.format(**values))
    for name in ("two", "t w o"):
        (ssh / name).write_text(two.format(**values))
    (ssh / "config").write_text(sshd.config_stanza("there", more.format(**values)))


@pytest.mark.parametrize("case", KNOWN.values(), ids=list(KNOWN))
def test_a_key_that_is_known(
    sshd: Sshd, ssh: Path, transport: str, case: tuple[str, str, str]
) -> None:
    know(sshd, ssh, *case)
    gets_in(transport)


@pytest.mark.parametrize("case", UNKNOWN.values(), ids=list(UNKNOWN))
def test_a_key_that_is_not(
    sshd: Sshd, ssh: Path, transport: str, case: tuple[str, str, str]
) -> None:
    more, one, said = case
    know(sshd, ssh, more, one, "")
    assert said in refusal(transport)


def test_what_lets_ssh_decide_about_a_key_is_named(sshd: Sshd, ssh: Path, transport: str) -> None:
    """StrictHostKeyChecking, KnownHostsCommand and signed host keys are for ssh alone."""
    (ssh / "known_hosts").write_text("")
    (ssh / "config").write_text(sshd.config_stanza("there", "StrictHostKeyChecking accept-new"))
    if transport == "fabric":
        said = refusal(transport)
        assert 'if ssh gets in, set transport = "openssh" in [hosts.there]' in said
    else:
        gets_in(transport)


# --- logging in ----------------------------------------------------------------------------


def test_keys_of_an_agent(
    sshd: Sshd, ssh: Path, agent: Path, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that an IdentityFile names come first, even if the file holds only their public part,
    or is encrypted; IdentitiesOnly leaves out the others."""
    (ssh / "known_hosts").write_text(sshd.known_hosts_line())
    for number in range(7):
        add(agent, make_key(ssh / f"no{number}").with_suffix(""))
    add(agent, sshd.login_key)
    shutil.copy(sshd.login_key.with_name("login.pub"), ssh / "k.pub")
    locked(sshd.login_key, ssh / "locked")
    names, only = ("k.pub", "locked", "k"), ("yes", "no")
    for lines in (
        *(f"IdentityFile {ssh}/{name}\n  IdentitiesOnly {one}" for name in names for one in only),
    ):
        for where, socket in ((f"IdentityAgent {agent}", ""), ("# of the environment", str(agent))):
            monkeypatch.setenv("SSH_AUTH_SOCK", socket)
            config = sshd.config_stanza("there").partition("  IdentityFile")[0]
            (ssh / "config").write_text(f"{config}  {lines}\n  {where}\n")
            gets_in(transport)


AGENTS = {
    "none": ("IdentityAgent none", False),
    "another": ("IdentityAgent {ssh}/nothing", False),
    "its variable": ("IdentityAgent SSH_AUTH_SOCK", True),
    "a variable": ("IdentityAgent $REPOMAN_TEST_AGENT", True),
    "a variable in a path": ("IdentityAgent ${{REPOMAN_TEST_AGENT}}", True),
    "tokens": ("IdentityAgent {agent}-%r", True),
    "only those of files": ("IdentitiesOnly yes", False),
    "anybody": ("ServerAliveInterval 7", True),
}


@pytest.mark.parametrize(("line", "lets_in"), AGENTS.values(), ids=list(AGENTS))
def test_which_agent(
    sshd: Sshd,
    ssh: Path,
    agent: Path,
    transport: str,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    lets_in: bool,
) -> None:
    add(agent, sshd.login_key)
    agent.with_name(f"agent-{USER_NAME}").symlink_to(agent)
    (ssh / "known_hosts").write_text(sshd.known_hosts_line())
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    monkeypatch.setenv("REPOMAN_TEST_AGENT", str(agent))
    config = sshd.config_stanza("there").partition("  IdentityFile")[0]
    line = line.format(ssh=ssh, agent=agent)
    (ssh / "config").write_text(f"{config}  IdentityFile none\n  {line}\n")
    if lets_in:
        gets_in(transport)
    else:
        assert f"{USER_NAME} was denied by 127.0.0.1" in refusal(transport)


@pytest.mark.parametrize("held", ["file", "agent"])
@pytest.mark.parametrize("named", [True, False])
def test_a_signed_key(
    sshd: Sshd, ssh: Path, agent: Path, transport: str, held: str, *, named: bool
) -> None:
    public = make_key(ssh / "mine")
    argv = [
        "ssh-keygen",
        "-q",
        "-s",
        f"{sshd.folder}/authority",
        "-I",
        "me",
        "-n",
        USER_NAME,
        str(public),
    ]
    subprocess.run(argv, check=True)
    signed = ssh / "mine-cert.pub"
    if held == "agent":
        signed.rename(ssh / "signed")  # so that the agent has none
        add(agent, ssh / "mine")
        (ssh / "signed").rename(signed)
    (ssh / "known_hosts").write_text(sshd.known_hosts_line())
    config = sshd.config_stanza("there").replace(str(sshd.login_key), str(ssh / "mine"))
    lines = [f"  IdentityAgent {agent}"]
    if named:
        signed = signed.rename(ssh / "signed")
        lines.append(f"  CertificateFile {signed}")
    (ssh / "config").write_text(config + "\n".join(lines) + "\n")
    gets_in(transport)


def test_the_cure_of_who_is_denied_names_ssh(sshd: Sshd, ssh: Path, transport: str) -> None:
    make_key(ssh / "mine")
    (ssh / "known_hosts").write_text(sshd.known_hosts_line())
    (ssh / "config").write_text(
        sshd.config_stanza("there").replace(str(sshd.login_key), f"{ssh}/mine")
    )
    said = refusal(transport, "nas.home", address="there", port=sshd.port)
    assert f"`ssh -p {sshd.port} there` tells more" in said
    by_ssh = 'if ssh gets in, set transport = "openssh" in [hosts."nas.home"]'
    assert (by_ssh in said) == (transport == "fabric")


@pytest.mark.parametrize("line", ["ForwardAgent yes", "ForwardAgent {agent}", "ForwardAgent no"])
def test_an_agent_is_forwarded(
    sshd: Sshd,
    ssh: Path,
    agent: Path,
    transport: str,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
) -> None:
    add(agent, sshd.login_key)
    (ssh / "known_hosts").write_text(sshd.known_hosts_line())
    monkeypatch.setenv("SSH_AUTH_SOCK", "" if "{" in line else str(agent))
    (ssh / "config").write_text(sshd.config_stanza("there", line.format(agent=agent)))
    host = RemoteHost("there", make_line(Address("there"), transport))
    try:
        done = host.read(["ssh-add", "-l"])
        assert (b"ED25519" in done.out) == ("no" not in line)
    finally:
        host.close()


# --- on the way ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["list", "nested", "tokens"])
def test_several_gateways(sshd: Sshd, ssh: Path, tmp_path: Path, transport: str, how: str) -> None:
    """Each has settings of its own."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with Sshd(tmp_path / "a") as first, Sshd(tmp_path / "b") as second:
        (ssh / "known_hosts").write_text(
            sshd.known_hosts_line() + first.known_hosts_line() + second.known_hosts_line()
        )
        by_first = ["ProxyJump first"] if how != "list" else []
        jump = {"list": "first,second", "nested": "second", "tokens": "%r@second"}[how]
        stanzas = (
            first.config_stanza("first"),
            second.config_stanza("second", *by_first),
            sshd.config_stanza("there", f"ProxyJump {jump}"),
        )
        (ssh / "config").write_text("".join(stanzas))
        gets_in(transport)
        assert (first.count_logins(), second.count_logins()) == (1, 1)


def test_a_gateway_is_named_that_denies(
    sshd: Sshd, ssh: Path, tmp_path: Path, transport: str
) -> None:
    make_key(ssh / "mine")
    with Sshd(tmp_path) as gate:
        (ssh / "known_hosts").write_text(sshd.known_hosts_line() + gate.known_hosts_line())
        config = gate.config_stanza("gate").replace(str(gate.login_key), f"{ssh}/mine")
        (ssh / "config").write_text(config + sshd.config_stanza("there", "ProxyJump gate"))
        said = refusal(transport)
        assert f"{USER_NAME} was denied by 127.0.0.1" in said
        if transport == "fabric":
            assert f"port {gate.port}" in said
            assert str(sshd.port) not in said


PROXIES = {
    "program": ("{netcat} %h %p", True),
    "quoted": ('sh -c \'{netcat} "$0" "$1"; :\' %h %p', True),
    "shell": ("{netcat} %h %p; exit 0", False),
    "variable": ("{netcat} $REPOMAN_TEST_HOST %p", False),
}


@pytest.mark.parametrize(("command", "plain"), PROXIES.values(), ids=list(PROXIES))
def test_a_program_makes_the_connection(
    sshd: Sshd,
    ssh: Path,
    transport: str,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    plain: bool,
) -> None:
    """Fabric's transport starts it without a shell."""
    (ssh / "netcat.py").write_text(NETCAT)
    monkeypatch.setenv("REPOMAN_TEST_HOST", "127.0.0.1")
    (ssh / "known_hosts").write_text(sshd.known_hosts_line())
    command = command.format(netcat=f"{sys.executable} {ssh}/netcat.py")
    (ssh / "config").write_text(sshd.config_stanza("there", f"ProxyCommand {command}"))
    if plain or transport == "openssh":
        gets_in(transport)
    else:
        said = refusal(transport)
        assert "needs a shell" in said
        assert 'set transport = "openssh" in [hosts.there]' in said


def test_a_program_that_makes_no_connection(sshd: Sshd, ssh: Path, transport: str) -> None:
    config = sshd.config_stanza("there", "ProxyCommand sh -c 'echo the proxy is down >&2'")
    (ssh / "config").write_text(config)
    said = refusal(transport)
    assert "no connection to" in said
    if transport == "fabric":
        assert "the proxy is down" in said


# --- what is off -----------------------------------------------------------------------------

WRONG = {
    "keyword": ("Host *\n  Colour blue\n", "config: line 2: Bad configuration option: colour"),
    "match": ('Match exec "true\n', "config line 1: "),
    "value": ("Host *\n  Port x\n", "config line 2: Bad "),
    "loop": ("Host *\n  ProxyJump there\n", "jumphost loop via there"),
}


@pytest.mark.parametrize(("config", "line"), WRONG.values(), ids=list(WRONG))
def test_an_error_in_it_quotes_ssh(ssh: Path, transport: str, config: str, line: str) -> None:
    (ssh / "config").write_text(config)
    said = refusal(transport)
    assert said.startswith("ssh rejects there, ")
    assert line in said


@pytest.mark.parametrize("name", ["-oProxyCommand=touch {}", "-V", "$(touch {})", "a b"])
def test_a_host_that_looks_like_something_else(tmp_path: Path, transport: str, name: str) -> None:
    made = tmp_path / "made"
    said = refusal(transport, "nas", address=name.format(made))
    assert "hostname contains invalid characters" in said
    assert not made.exists()


def test_gateways_in_a_circle(ssh: Path) -> None:
    (ssh / "config").write_text("Host a\n ProxyJump b\nHost b\n ProxyJump a\n")
    with pytest.raises(RepomanError, match="goes in a circle"):
        ssh_settings.route(Address("a"), LocalHost())


# --- without an ssh ----------------------------------------------------------------------------

WITHOUT = {
    "plain": ("{stanza}", ""),
    "jump none": ("Host there\n ProxyJump none\n{stanza}Host *\n ProxyJump nowhere.invalid\n", ""),
    "match host": ("Match host there\n{lines}", ""),
    "alias": ("{stanza}  HostKeyAlias box\n", ""),
    "unknown criterion": (
        "{stanza}Match localnetwork 203.0.113.0/24\n ProxyJump bastion.example\n",
        "config can't be read without OpenSSH's ssh, line",
    ),
    "exec": ("Match exec true\n{lines}", "Match exec true: install openssh-client"),
    "equals": ("Match host=there\n{lines}", "line 1: Match host=there"),
    "quote": ('Match user "x\n{lines}', "No closing quotation"),
    "line": ("Host\n", "Unparsable line Host"),
    "latin-1": ("# caf\xe9\n{stanza}", ""),
}


@pytest.mark.parametrize(("config", "error"), WITHOUT.values(), ids=list(WITHOUT))
def test_paramiko_reads_it_if_there_is_no_ssh(
    sshd: Sshd,
    ssh: Path,
    transport: str,
    monkeypatch: pytest.MonkeyPatch,
    config: str,
    error: str,
) -> None:
    monkeypatch.setenv("PATH", str(ssh / "nothing"))
    stanza = sshd.config_stanza("there")
    (ssh / "known_hosts").write_text(
        sshd.known_hosts_line() + f"box {sshd.host_public_key.read_text()}"
    )
    config = config.format(stanza=stanza, lines=stanza.partition("\n")[2])
    (ssh / "config").write_text(config, encoding="latin-1")
    if transport == "openssh":
        assert "has no ssh" in refusal(transport)
    elif error:
        assert error in refusal(transport)
    else:
        gets_in(transport)


def test_an_ssh_that_is_not_openssh(sshd: Sshd, ssh: Path) -> None:
    """Dropbear's passes over -G, and tries to connect."""
    for script in ("exit 1", "echo hello", "kill -9 $$"):
        (ssh / "bin/ssh").write_text(f"#!/bin/sh\n{script}\n")
        (ssh / "config").write_text(sshd.config_stanza("there"))
        assert ssh_settings.read(Address("there"), LocalHost()).port == sshd.port
