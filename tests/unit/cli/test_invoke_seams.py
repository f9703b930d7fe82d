"""The seams: internals of invoke, Fabric and Paramiko that repoman replaces or uses.

Each is listed with what is expected of it. If a newer version of one of them differs, the test that
fails names the seam, and the file of repoman that depends on it.
"""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
import threading
import tomllib
from importlib.metadata import requires
from operator import attrgetter
from pathlib import Path
from typing import Any

import invoke.parser.parser
import pytest
from invoke.collection import Collection
from invoke.config import Config
from invoke.executor import Executor
from invoke.parser.argument import Argument
from invoke.parser.context import ParserContext
from invoke.parser.parser import Parser
from invoke.program import Program
from invoke.tasks import Call, Task

CHECKOUT = Path(__file__).resolve().parents[3]

# The file that needs it, where it is, and the names of its arguments that repoman relies on.
SEAMS = [
    ("cli/parser.py", "invoke.parser.parser:ParseMachine.handle", ["token"]),
    ("cli/parser.py", "invoke.parser.parser:ParseMachine.complete_flag", []),
    ("cli/parser.py", "invoke.parser.parser:ParseMachine.complete_context", []),
    ("cli/parser.py", "invoke.parser.parser:ParseMachine.see_positional_arg", ["value"]),
    ("cli/parser.py", "invoke.parser.parser:ParseMachine.switch_to_flag", ["flag"]),
    ("cli/parser.py", "invoke.parser.parser:ParseMachine.error", ["msg"]),
    ("cli/parser.py", "invoke.parser.parser:Parser.parse_argv", ["argv"]),
    ("cli/parser.py", "invoke.parser.argument:Argument.set_value", ["value", "cast"]),
    ("cli/task.py", "invoke.tasks:Task.__init__", ["body", "name", "positional", "pre", "help"]),
    ("cli/task.py", "invoke.tasks:Task.get_arguments", ["ignore_unknown_help"]),
    ("cli/task.py", "invoke.tasks:Task.__call__", []),
    ("cli/executor.py", "invoke.executor:Executor.execute", ["tasks"]),
    ("cli/executor.py", "invoke.executor:Executor.normalize", ["tasks"]),
    ("cli/program.py", "invoke.config:Config.load_base_conf_files", []),
    ("cli/program.py", "invoke.config:Config.load_runtime", ["merge"]),
    ("cli/program.py", "invoke.config:Config.load_shell_env", []),
    ("cli/program.py", "invoke.program:Program.parse_core", ["argv"]),
    ("cli/program.py", "invoke.program:Program.parse_tasks", []),
    ("cli/program.py", "invoke.program:Program.print_help", []),
    ("cli/program.py", "invoke.program:Program.print_task_help", ["name"]),
    ("cli/program.py", "invoke.program:Program.list_tasks", []),
    ("cli/program.py", "invoke.program:Program.parse_cleanup", []),
    ("cli/program.py", "invoke.program:Program.execute", []),
    ("cli/program.py", "invoke.program:Program.run", ["argv"]),
    ("hosts/ssh/fabric_transport.py", "fabric:Config.__init__", ["kwargs"]),
    (
        "hosts/ssh/fabric_transport.py",
        "fabric:Connection.__init__",
        ["host", "user", "port", "config", "gateway", "connect_timeout"],
    ),
    ("hosts/ssh/fabric_transport.py", "fabric:Connection.open", []),
    ("hosts/ssh/fabric_transport.py", "paramiko:Transport.set_keepalive", ["interval"]),
    (
        "hosts/ssh/fabric_transport.py",
        "paramiko:Transport.open_session",
        ["window_size", "timeout"],
    ),
    ("hosts/ssh/fabric_transport.py", "paramiko:Channel.exec_command", ["command"]),
    ("hosts/ssh/fabric_transport.py", "paramiko:Channel.recv_stderr_ready", []),
    ("hosts/ssh/fabric_transport.py", "paramiko:ChannelException.__init__", ["code"]),
    ("hosts/ssh/remote_terminal.py", "paramiko:Channel.get_pty", ["term", "width", "height"]),
    ("hosts/ssh/remote_terminal.py", "paramiko:Channel.resize_pty", ["width", "height"]),
    ("hosts/ssh/remote_terminal.py", "paramiko:Channel.recv_exit_status", []),
    ("hosts/ssh/host_keys.py", "paramiko:HostKeys.hash_host", ["hostname", "salt"]),
    ("hosts/ssh/host_keys.py", "paramiko:Transport.get_security_options", []),
    (
        "hosts/ssh/host_keys.py",
        "paramiko:MissingHostKeyPolicy.missing_host_key",
        ["client", "hostname", "key"],
    ),
    ("hosts/ssh/authentication.py", "paramiko:PKey.from_path", ["path"]),
    ("hosts/ssh/authentication.py", "paramiko.auth_strategy:AuthStrategy.__init__", ["ssh_config"]),
    ("hosts/ssh/authentication.py", "paramiko.auth_strategy:AuthStrategy.get_sources", []),
    ("hosts/ssh/authentication.py", "paramiko:PKey.load_certificate", ["value"]),
    ("hosts/ssh/authentication.py", "paramiko.agent:AgentSSH._connect", ["conn"]),
    ("hosts/ssh/authentication.py", "paramiko.agent:AgentClientProxy.connect", []),
    ("hosts/ssh/authentication.py", "paramiko:Channel.request_forward_agent", ["handler"]),
    ("hosts/ssh/paramiko_config.py", "paramiko:SSHConfig.parse", ["file_obj"]),
    ("hosts/ssh/paramiko_config.py", "paramiko:SSHConfig.lookup", ["hostname"]),
    (
        "hosts/ssh/authentication.py",
        "paramiko.auth_strategy:InMemoryPrivateKey.__init__",
        ["username", "pkey"],
    ),
    (
        "hosts/ssh/authentication.py",
        "paramiko.auth_strategy:Password.__init__",
        ["username", "password_getter"],
    ),
]


@pytest.mark.parametrize(("needs", "seam", "arguments"), SEAMS, ids=[seam for _, seam, _ in SEAMS])
def test_the_seam_has_its_shape(needs: str, seam: str, arguments: list[str]) -> None:
    module, _, path = seam.partition(":")
    try:
        found = attrgetter(path)(importlib.import_module(module))
    except (ImportError, AttributeError):
        pytest.fail(f"the seam {seam} is gone; repoman_tasks/{needs} needs it")
    has = inspect.signature(found).parameters
    gone = [name for name in arguments if name not in has]
    assert not gone, f"the seam {seam} takes no {gone} now; repoman_tasks/{needs} gives it"


def test_invoke_looks_up_the_parse_machine_when_it_parses(monkeypatch: pytest.MonkeyPatch) -> None:
    """repoman_tasks/cli/parser.py puts its own in the module's place."""
    made: list[object] = []

    class Seen(invoke.parser.parser.ParseMachine):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            made.append(self)
            super().__init__(*args, **kwargs)

    Seen._class_states = invoke.parser.parser.ParseMachine._class_states
    Seen._class_transitions = invoke.parser.parser.ParseMachine._class_transitions
    monkeypatch.setattr("invoke.parser.parser.ParseMachine", Seen)
    parser = Parser(initial=ParserContext(), contexts=[ParserContext("sync")])
    parser.parse_argv(["sync"])
    assert made, "the seam ParseMachine: the parser takes another one now"


def test_a_parse_machine_has_what_ours_reads() -> None:
    context = ParserContext("sync", args=[Argument("name", positional=True), Argument("jobs")])
    assert {"flags", "inverse_flags", "args", "positional_args"} <= set(dir(context))
    assert [arg.name for arg in context.missing_positional_args] == ["name"]
    context.positional_args = []
    assert context.missing_positional_args == [], "the seam ParserContext.positional_args"
    flag = context.flags["--jobs"]
    assert (flag.takes_value, flag.raw_value, flag.kind, flag.optional) == (True, None, str, False)


def test_a_call_says_what_the_executor_reads() -> None:
    def body(_: object) -> None:
        """Nothing."""

    task: Task[Any] = Task(body)
    calls = Executor(Collection(task), Config(lazy=True)).normalize((("body", {"a": 1}),))
    assert isinstance(calls[0], Call), "the seam Executor.normalize"
    assert (calls[0].task.name, calls[0].kwargs, list(calls[0].pre)) == ("body", {"a": 1}, [])
    assert task.times_called == 0


def test_a_program_keeps_what_ours_changes() -> None:
    """`repoman_tasks/cli/program.py` sets the collection anew while the words are parsed."""
    taken = inspect.signature(Program.__init__).parameters
    assert {"name", "binary", "version", "namespace", "config_class"} <= set(taken)
    source = inspect.getsource(Program)
    for name in ("self.collection", "self.scoped_collection", "self.tasks", "self.core"):
        assert name in source, f"the seam Program: {name} is gone"


def test_inv_takes_the_executor_of_the_configuration() -> None:
    """By it the pre-tasks of `inv` get their host."""
    source = inspect.getsource(Program.execute)
    assert "executor_class" in source, "the seam tasks.executor_class of invoke.yaml"


def test_invoke_needs_neither_mocks_nor_yaml_to_start() -> None:
    """repoman_tasks/entry.py leaves both out while invoke is imported."""
    code = "from repoman_tasks.entry import _program; _program()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, f"the seam in entry.py: {done.stderr}"


def test_a_connection_has_what_ours_reaches_into() -> None:
    from fabric import Config as FabricConfig
    from fabric import Connection

    config = FabricConfig(overrides={"timeouts": {"connect": 1}}, lazy=True)
    made = Connection("nowhere.invalid", user="me", port=2222, config=config, gateway=False)
    for name in ("client", "gateway", "connect_kwargs", "transport"):
        assert hasattr(made, name), (
            f"the seam Connection.{name}; hosts/ssh/fabric_transport.py needs it"
        )
    assert (made.host, made.user, made.port) == ("nowhere.invalid", "me", 2222)
    made.connect_kwargs = {"transport_factory": None}
    made.client.set_missing_host_key_policy(None)
    assert not made.client.get_host_keys(), "the seam SSHClient: it knows no host by itself"


@pytest.mark.parametrize(
    "desired",
    ["strategy_class", "lazy"],
)
def test_fabric_reads_the_settings_that_ours_gives(desired: str) -> None:
    modules = map(importlib.import_module, ("fabric.config", "fabric.connection"))
    source = "".join(map(inspect.getsource, modules))
    assert desired in source, f"the seam {desired} of Fabric's configuration"


def test_a_connection_is_opened_by_the_strategy_and_the_transport_that_are_given() -> None:
    """Both check who is who (hosts/ssh/authentication.py and hosts/ssh/host_keys.py)."""
    from paramiko import SSHClient

    taken = inspect.signature(SSHClient.connect).parameters
    for name in ("sock", "transport_factory", "auth_strategy", "banner_timeout", "auth_timeout"):
        assert name in taken, f"the seam SSHClient.connect: it takes no {name} now"
    assert "channel_timeout" in taken


def test_a_channel_tells_its_end() -> None:
    from paramiko import Channel

    made = Channel(1)
    assert (made.closed, made.eof_received) == (False, False), "the seam Channel.eof_received"
    assert isinstance(made.lock, type(threading.Lock())), "a channel as paramiko makes it"


# --- the bounds of the versions ------------------------------------------------------------


def _bounds(name: str) -> str:
    told = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    lines: list[str] = told["project"]["dependencies"]
    return next(line for line in lines if line.startswith(name))


@pytest.mark.parametrize(("name", "bound"), [("fabric", "<4"), ("invoke", "<3")])
def test_a_version_that_may_bend_otherwise_is_not_taken(name: str, bound: str) -> None:
    assert bound in _bounds(name)


def test_fabric_pins_invoke_as_we_do() -> None:
    """If this fails, a newer invoke can be tried: these tests show if repoman works with it."""
    lines = [line for line in requires("fabric") or () if line.startswith("invoke")]
    assert len(lines) == 1
    assert "<3" in lines[0], f"Fabric asks for {lines[0]} now: try the bound of invoke anew"
