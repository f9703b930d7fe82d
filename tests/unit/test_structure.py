"""Check imports between rooms, and the start of processes, in the source, without running it."""

from __future__ import annotations

import ast
import itertools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from tests.support.estate import CHECKOUT

PACKAGE = "repoman_tasks"


@dataclass
class Module:
    """One file of the package, by its name below the package."""

    name: str
    tree: ast.Module
    imports: set[str] = field(default_factory=set)
    """Full names of modules, and of what is taken from them."""
    calls: set[str] = field(default_factory=set)
    """Dotted names of what is called, imported names resolved."""


@cache
def modules() -> dict[str, Module]:
    found = {}
    for path in sorted((CHECKOUT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(CHECKOUT).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        module = Module(name, ast.parse(path.read_text(), str(path)))
        _read(module)
        found[name] = module
    return found


def _read(module: Module) -> None:
    known: dict[str, str] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                module.imports.add(alias.name)
                known[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.name} has a relative import; name it in full"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                module.imports |= {full, node.module or ""}
                known[alias.asname or alias.name] = full
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            module.calls.add(_dotted(node.func, known))


def _dotted(node: ast.expr, known: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return known.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, known)}.{node.attr}"
    return "…"


def within(name: str, *folders: str) -> bool:
    """Return True if the module (or an attribute of it) called `name` is or lies in one of
    `folders`."""
    return any(name == folder or name.startswith(folder + ".") for folder in folders)


def own(*names: str) -> list[str]:
    return [f"{PACKAGE}.{name}" for name in names]


def arrows(sources: Iterator[Module] | list[Module], *targets: str) -> list[str]:
    """Return each import from one of `sources` to one of `targets`, as a readable arrow."""
    return sorted(
        f"{module.name} -> {name}"
        for module in sources
        for name in module.imports
        if within(name, *targets)
    )


def folder(*names: str) -> list[Module]:
    """Return the modules in these folders of the package."""
    found = [module for name, module in modules().items() if within(name, *own(*names))]
    assert found, f"no module lies in {names}"
    return found


def but(*names: str) -> list[Module]:
    """Return all modules except those in these folders."""
    return [module for name, module in modules().items() if not within(name, *own(*names))]


# --- deciding is pure ------------------------------------------------------------------

_PURE = own("late_dataclass", "model", "mountinfo", "errors", "planning")


def test_planning_imports_only_planning_model_and_errors() -> None:
    wrong = [
        f"{module.name} -> {name}"
        for module in folder("planning")
        for name in sorted(module.imports)
        if within(name, PACKAGE) and not within(name, *_PURE)
    ]
    assert wrong == [], "planning decides from values alone"


_OUTSIDE = (
    *("os", "sys", "time", "subprocess", "pathlib", "io", "socket", "random", "uuid", "tempfile"),
    *("shutil", "glob", "fcntl", "pty", "threading", "asyncio", "signal", "secrets", "locale"),
    *("datetime.date", "datetime.UTC", "rich", "tomlkit", "invoke", "fabric", "yaml", "logging"),
)


def test_planning_imports_no_io_clock_or_environment() -> None:
    pure = [*folder("planning"), modules()[f"{PACKAGE}.model"], modules()[f"{PACKAGE}.errors"]]
    assert arrows(pure, *_OUTSIDE) == [], "planning sees neither disk, clock nor environment"


_IMPURE_CALLS = ("open", "print", "input", "exec", "eval", "__import__", "breakpoint")
_CLOCKS = (".now", ".utcnow", ".today")


def test_planning_calls_no_io_or_clock() -> None:
    wrong = [
        f"{module.name} calls {call}"
        for module in [*folder("planning"), modules()[f"{PACKAGE}.model"]]
        for call in sorted(module.calls)
        if call in _IMPURE_CALLS or call.endswith(_CLOCKS)
    ]
    assert wrong == [], "what time it is comes in as a value"


def test_the_registry_reaches_its_file_through_a_host() -> None:
    registry = folder("registry")
    assert arrows(registry, "os", "sys", "time", "subprocess", "pathlib", "io", "fcntl") == []
    calls = {call for module in registry for call in module.calls}
    assert [call for call in calls if call in _IMPURE_CALLS or call.endswith(_CLOCKS)] == []


# --- what a person may paste ------------------------------------------------------------

_COMPOSED = (
    *("command", "example", "flag", "line", "typed", "self._help_command()"),
    *("clone", "config", "merge", "push"),
)
"""Parts of commands that were made of constants and of what `quoted` returns."""


def test_what_stands_in_a_command_of_a_message_is_quoted() -> None:
    """An f-string with a command in backticks passes each value in it through `quoted`."""
    wrong = [
        f"{module.name}, line {node.lineno}: {value}"
        for module in but("errors")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.JoinedStr)
        for value in _in_backticks(node)
        if not value.startswith("quoted(") and value not in _COMPOSED
    ]
    assert wrong == [], "pass it through errors.quoted"


def _in_backticks(string: ast.JoinedStr) -> Iterator[str]:
    inside = False
    for part in string.values:
        if isinstance(part, ast.Constant):
            inside ^= str(part.value).count("`") % 2 == 1
        elif inside and isinstance(part, ast.FormattedValue):
            yield ast.unparse(part.value)


# --- which way the arrows point --------------------------------------------------------


LAYERS = (
    *(
        "late_dataclass",
        "errors",
        "model",
        "mountinfo",
        "planning",
        "hosts",
        "registry",
        "guard",
        "tools",
    ),
    *("mirror", "terminal", "session", "journal", "cli", "actions", "wizards", "completions"),
    *("commands", "git_remote", "entry", "__main__"),
)
"""The rooms of the package. Each imports only from itself and from those before it."""


def layer(name: str) -> int:
    """Return the rank of the room of the module `name`, or of an attribute of it."""
    _, _, inner = name.partition(".")
    return LAYERS.index(inner.partition(".")[0])


def test_every_room_is_in_the_list_of_layers() -> None:
    rooms = {name.split(".")[1] for name in modules() if "." in name}
    assert rooms == set(LAYERS)


def test_imports_point_to_earlier_rooms() -> None:
    wrong = [
        f"{module.name} -> {name}"
        for module in but("__init__")
        if "." in module.name
        for name in sorted(module.imports)
        if name.startswith(f"{PACKAGE}.") and not name.removeprefix(f"{PACKAGE}.").startswith("__")
        if layer(name) > layer(module.name)
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions count."""
    left = {
        name: {i for i in module.imports if i in modules()} for name, module in modules().items()
    }
    for name, imports in left.items():
        imports -= {name, *(name.rpartition(".")[0],)}  # the package that a module lies in
    while free := [name for name, imports in left.items() if not imports & left.keys()]:
        for name in free:
            del left[name]
    assert left == {}


def test_no_class_is_made_a_dataclass_at_once() -> None:
    assert arrows(but("late_dataclass"), "dataclasses.dataclass") == [], "use late_dataclass"


def test_no_function_is_longer_than_forty_lines() -> None:
    long = [
        f"{module.name}.{node.name}"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 40
    ]
    assert long == []


def test_no_two_rooms_have_a_module_of_one_name() -> None:
    found: dict[str, str] = {}
    for name in modules():
        path = (CHECKOUT / Path(*name.split("."))).with_suffix(".py")
        if path.exists():
            assert found.setdefault(path.stem, name) == name
    assert len(found) > 100


@pytest.mark.parametrize(
    ("sources", "targets"),
    [
        pytest.param(
            ["model", "mountinfo", "errors"], [""], id="values know nothing of the package"
        ),
        pytest.param(
            ["hosts"], ["planning", "registry"], id="a host does not know what it is used for"
        ),
        pytest.param(
            ["actions", "commands", "mirror", "registry", "session", "tools", "wizards"],
            ["hosts.local", "hosts.ssh"],
            id="no task knows which kind of host it has",
        ),
        pytest.param(["hosts.base"], ["hosts.local", "hosts.ssh"], id="nor do the verbs"),
        pytest.param(
            ["terminal.screen", "terminal.progress_bars", "terminal.prompter"],
            ["mirror", "tools", "registry"],
            id="the screen shows what it is given",
        ),
        pytest.param(
            ["wizards"],
            ["actions.apply", "mirror", "registry", "terminal.screen"],
            id="a wizard changes nothing",
        ),
        pytest.param(["cli"], ["mirror", "tools"], id="the cli runs any task"),
    ],
)
def test_arrows_that_must_not_be(sources: list[str], targets: list[str]) -> None:
    names = [PACKAGE if not target else f"{PACKAGE}.{target}" for target in targets]
    found = arrows(folder(*sources), *names)
    assert [arrow for arrow in found if "late_dataclass" not in arrow] == []


def test_the_parts_of_the_fence_do_not_import_the_plan() -> None:
    fence = folder("planning.fence")
    parts = [module for module in fence if not module.name.endswith((".fence_plan", ".fence"))]
    assert arrows(parts, *own("planning.fence.fence_plan")) == []
    assert len(parts) > 5


def test_commands_do_not_import_each_other() -> None:
    each = [module for module in folder("commands") if module.name != f"{PACKAGE}.commands"]
    names = [module.name for module in each]
    assert arrows(each, *names) == []


def test_the_package_does_not_import_the_chores() -> None:
    assert arrows(but(), "dev", "tests") == []


# --- who starts a process --------------------------------------------------------------

_STARTERS = (
    "subprocess",
    "pty",
    "multiprocessing",
    "asyncio",
    "pexpect",
    "concurrent.futures.process",
)
_CONNECTS = own("hosts.ssh.fabric_transport")
"""The one module that may make a connection, by which programs are started elsewhere."""
_STARTING_CALLS = (
    *("os.system", "os.popen", "os.fork", "os.forkpty", "os.exec", "os.spawn", "os.posix_spawn"),
    *("os.startfile", "concurrent.futures.ProcessPoolExecutor", "invoke.run", "fabric.Connection"),
)


def test_only_local_starts_processes() -> None:
    others = but("hosts.local")
    assert arrows(others, *_STARTERS) == [], "processes are started by a host's verbs"
    wrong = [
        f"{module.name} calls {call}"
        for module in others
        for call in sorted(module.calls)
        if call.startswith(_STARTING_CALLS)
        and not (module.name in _CONNECTS and call == "fabric.Connection")
    ]
    assert wrong == [], "processes are started by a host's verbs"
    assert arrows(folder("hosts.local"), "subprocess") != [], "this test looks at the right places"


_IN_CONTAINERS = (
    *("tools.agent_terminal", "tools.guest", "tools.guest_build", "tools.guest_relay"),
    *("tools.guest_reset", "tools.guest_sshd"),
    *("tools.reach_probe", "planning.container.user_files"),
)
_JUDGE = ("tools.git_judge",)
_AS_ROOT = ("planning.fence.host_filter", "planning.fence.kernel_limits")
_SHELLS = ("sh", "bash", "dash", "/bin/sh", "/bin/bash")


def test_no_shell_anywhere() -> None:
    """No keyword `shell`, and no `sh` except inside a container, for the judge of git, and for what
    `setup` runs as root: these scripts are constant, with names as arguments."""
    wrong = []
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                wrong.append(f"{module.name}, line {node.value.lineno}: shell=")
            if isinstance(node, ast.List | ast.Tuple) and node.elts:
                first = node.elts[0]
                is_shell = isinstance(first, ast.Constant) and first.value in _SHELLS
                if is_shell and not within(
                    module.name,
                    *own(*_IN_CONTAINERS, *_JUDGE, *_AS_ROOT),
                ):
                    wrong.append(f"{module.name}, line {node.lineno}: a shell's words")
    assert wrong == []


@pytest.mark.parametrize("module", ["guest", "guest_build", "reach_probe"])
def test_the_scripts_for_containers_are_constant(module: str) -> None:
    tree = modules()[f"{PACKAGE}.tools.{module}"].tree
    scripts = [
        element
        for node in ast.walk(tree)
        if isinstance(node, ast.List) and len(node.elts) > 2
        for before, element in itertools.pairwise(node.elts)
        if isinstance(before, ast.Constant) and before.value == "-c" and not _is_stat(node)
    ]
    assert scripts
    for script in scripts:
        assert isinstance(script, ast.Name), ast.dump(script)
        assert script.id.isupper() or script.id == "script", "a name of a constant"


def _is_stat(node: ast.List) -> bool:
    return isinstance(node.elts[0], ast.Constant) and node.elts[0].value == "stat"


def test_local_runs_an_argv_and_never_a_string() -> None:
    calls = folder("hosts.local")[0].calls
    assert {call for call in calls if call.startswith("os.")} & {"os.system", "os.popen"} == set()
    assert {call for call in calls if call.startswith("subprocess.")} <= {
        "subprocess.Popen",
        "subprocess.run",
    }


# --- what is loaded when ---------------------------------------------------------------

_SLOW = ("rich", "tomlkit", "fabric", "paramiko", "yaml")


def loaded(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has after `statement`."""
    program = f"{statement}\nimport sys\nprint(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    words = [sys.executable, "-c", program]
    return set(subprocess.run(words, check=True, capture_output=True, text=True).stdout.split())


def test_the_command_loads_nothing_slow_to_begin_with() -> None:
    """invoke itself loads PyYAML if that is installed; repoman adds nothing to it."""
    invokes = loaded("import invoke.program, invoke.executor, invoke.config")
    repomans = loaded("import repoman_tasks.cli.program")
    assert (repomans - invokes) & set(_SLOW) == set()
    assert repomans & {"rich", "tomlkit", "fabric", "paramiko"} == set()


_BEGIN = """
import sys
from repoman_tasks.entry import main
sys.argv[1:] = ["--version"]
try:
    main()
except SystemExit:
    pass
"""


def test_the_command_leaves_out_what_invoke_loads_for_nothing() -> None:
    """Only while it loads invoke: afterwards these modules import as always."""
    assert loaded(_BEGIN) & {"asyncio", "unittest", "yaml"} == set()
    after = "from unittest.mock import Mock\nfrom invoke.vendor import yaml\n"
    assert "asyncio" in loaded(f"{_BEGIN}{after}Mock(), yaml.safe_load('x: 1')")


def test_only_hosts_and_screens_name_what_is_slow() -> None:
    """And those import it inside the function that needs it."""
    wrong = [
        f"{module.name}, line {node.lineno}"
        for module in modules().values()
        for node in module.tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        and any(
            within(name, *_SLOW)
            for name in (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
            )
        )
    ]
    assert wrong == []


def test_tasks_py_holds_the_namespace_and_nothing_else() -> None:
    tree = ast.parse(Path(CHECKOUT / "tasks.py").read_text())
    assert [type(node) for node in tree.body] == [ast.Expr, ast.ImportFrom, ast.Assign]
