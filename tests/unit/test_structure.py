"""Who may import whom, and who may start a process: read from the source, not by running it."""

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

from tests.estate import CHECKOUT

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
    """Whether the module (or a thing of it) called `name` is or lies in one of `folders`."""
    return any(name == folder or name.startswith(folder + ".") for folder in folders)


def own(*names: str) -> list[str]:
    return [f"{PACKAGE}.{name}" for name in names]


def arrows(sources: Iterator[Module] | list[Module], *targets: str) -> list[str]:
    """Each import from one of `sources` to one of `targets`, as an arrow to read."""
    return sorted(
        f"{module.name} -> {name}"
        for module in sources
        for name in module.imports
        if within(name, *targets)
    )


def folder(*names: str) -> list[Module]:
    """The modules in these folders of the package."""
    found = [module for name, module in modules().items() if within(name, *own(*names))]
    assert found, f"no module lies in {names}"
    return found


def but(*names: str) -> list[Module]:
    """All modules but those in these folders."""
    return [module for name, module in modules().items() if not within(name, *own(*names))]


# --- deciding is pure ------------------------------------------------------------------

_PURE = own("model", "errors", "planning")
_EDITS = {*own("registry", "registry.edits")} | {
    f"{PACKAGE}.{module}.{edit}"
    for module in ("registry", "registry.edits")
    for edit in ("AddProject", "DropProject", "Edit", "SetKeys")
}
"""What planning may take from the registry: steps carry edits, which are values."""
_CARRY_EDITS = own("planning.setup", "planning.steps", "planning.life")


def test_planning_imports_only_planning_model_and_errors() -> None:
    wrong = [
        f"{module.name} -> {name}"
        for module in folder("planning")
        for name in sorted(module.imports)
        if within(name, PACKAGE)
        and not within(name, *_PURE)
        and not (module.name in _CARRY_EDITS and name in _EDITS)
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


def test_the_completions_are_text_made_of_values() -> None:
    wrong = [
        f"{module.name} -> {name}"
        for module in folder("completions")
        for name in sorted(module.imports)
        if within(name, PACKAGE, *_OUTSIDE) and not within(name, *own("completions"))
    ]
    assert wrong == [], "the scripts are made of values alone"


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


def test_what_the_registry_brings_into_planning_does_no_io_by_itself() -> None:
    """planning imports it; the file is only reached through a host that is handed in."""
    registry = folder("registry")
    assert arrows(registry, "os", "sys", "time", "subprocess", "pathlib", "io", "fcntl") == []
    calls = {call for module in registry for call in module.calls}
    assert [call for call in calls if call in _IMPURE_CALLS or call.endswith(_CLOCKS)] == []


# --- which way the arrows point --------------------------------------------------------


def test_model_and_errors_import_nothing_of_the_package() -> None:
    for name in ("model", "errors"):
        assert arrows([modules()[f"{PACKAGE}.{name}"]], PACKAGE) == []


@pytest.mark.parametrize(
    ("sources", "targets"),
    [
        pytest.param(
            ["tools"],
            ["commands", "cli", "mirror", "session", "apply", "ask", "report", "checks", "local"],
            id="tools know hosts and plans",
        ),
        pytest.param(
            ["mirror"],
            ["commands", "cli", "session", "apply", "ask", "report", "checks", "local", "hosts"],
            id="the mirror knows no command, screen or kind of host",
        ),
        pytest.param(
            ["containers"],
            ["commands", "cli", "session", "apply", "ask", "report", "checks", "local", "hosts"],
            id="what is done to containers knows neither",
        ),
        pytest.param(
            [
                *("commands", "checks", "apply", "session", "registry", "containers"),
                *("adopting", "declaring", "entering", "forwarding", "reaching", "repairing"),
                *("showing", "states", "trusting", "watching", "wizard", "wizards", "working"),
            ],
            ["local", "hosts", "remote"],
            id="no task knows which host it has",
        ),
        pytest.param(
            ["host"],
            ["model", "planning", "registry", "tools", "mirror", "commands", "cli", "session"],
            id="a host knows nothing of what it is used for",
        ),
        pytest.param(
            ["local", "remote.host", "remote.shells", "remote.scripts", "remote.wire"],
            ["model", "planning", "registry", "tools", "mirror", "commands", "cli", "session"],
            id="nor does either kind",
        ),
        pytest.param(
            ["registry"],
            ["tools", "mirror", "commands", "cli", "session", "report", "checks", "apply"],
            id="the registry is below all that",
        ),
        pytest.param(
            ["report", "bars", "ask", "wizard"],
            ["commands", "cli", "mirror", "tools", "checks"],
            id="so is the screen",
        ),
        pytest.param(
            ["wizards"],
            ["commands", "apply", "containers", "mirror", "registry", "report", "ask"],
            id="who asks changes nothing",
        ),
        pytest.param(
            ["cli"], ["commands", "mirror", "tools", "checks", "apply"], id="the cli takes any task"
        ),
    ],
)
def test_arrows_that_must_not_be(sources: list[str], targets: list[str]) -> None:
    assert arrows(folder(*sources), *own(*targets)) == []


def test_planning_has_no_circle() -> None:
    left = {module.name: set[str]() for module in folder("planning")}
    for name in left:
        left[name] = {other for other in left if other in modules()[name].imports} - {name}
    left.pop(f"{PACKAGE}.planning")
    while free := [name for name, imports in left.items() if not imports & left.keys()]:
        for name in free:
            del left[name]
    assert left == {}


def test_the_parts_of_the_fence_do_not_know_the_whole() -> None:
    parts = ["planning.grounds", "planning.ids", "planning.network", "planning.rules"]
    parts += [f"planning.fence_{part}" for part in ("network", "profiles", "project")]
    assert arrows(folder(*parts), *own("planning.fence")) == []
    assert arrows(folder("planning.network", "planning.rules"), *own("planning.grounds")) == []


def test_commands_are_imported_by_the_namespace_only() -> None:
    assert arrows(but("commands", "namespace"), *own("commands")) == []
    assert arrows(folder("namespace"), *own("commands")) != []


def test_commands_do_not_import_each_other() -> None:
    each = [module for module in folder("commands") if module.name != f"{PACKAGE}.commands"]
    assert arrows(each, *own("commands")) == []


def test_chores_are_imported_by_the_namespace_only() -> None:
    assert arrows(but("dev", "namespace"), *own("dev")) == []


# --- who starts a process --------------------------------------------------------------

_STARTERS = (
    "subprocess",
    "pty",
    "multiprocessing",
    "asyncio",
    "pexpect",
    "concurrent.futures.process",
)
_CONNECTS = own("remote.fabric_line")
"""The one module that may make a connection, by which programs are started elsewhere."""
_STARTING_CALLS = (
    *("os.system", "os.popen", "os.fork", "os.forkpty", "os.exec", "os.spawn", "os.posix_spawn"),
    *("os.startfile", "concurrent.futures.ProcessPoolExecutor", "invoke.run", "fabric.Connection"),
)


def test_only_local_starts_processes() -> None:
    others = but("local")
    assert arrows(others, *_STARTERS) == [], "processes are started by a host's verbs"
    wrong = [
        f"{module.name} calls {call}"
        for module in others
        for call in sorted(module.calls)
        if call.startswith(_STARTING_CALLS)
        and not (module.name in _CONNECTS and call == "fabric.Connection")
    ]
    assert wrong == [], "processes are started by a host's verbs"
    assert arrows(folder("local"), "subprocess") != [], "this test looks at the right places"


_SHELLS = ("sh", "bash", "dash", "/bin/sh", "/bin/bash")


def test_no_shell_anywhere() -> None:
    """No keyword `shell`, and no words of a shell but in the chores, where no name reaches it,
    and in what runs inside a container, where the script is constant and names are arguments."""
    wrong = []
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                wrong.append(f"{module.name}, line {node.value.lineno}: shell=")
            if isinstance(node, ast.List | ast.Tuple) and node.elts:
                first = node.elts[0]
                is_shell = isinstance(first, ast.Constant) and first.value in _SHELLS
                if is_shell and not within(
                    module.name, *own("dev", "tools.guest", "tools.reach", "planning.guest")
                ):
                    wrong.append(f"{module.name}, line {node.lineno}: a shell's words")
    assert wrong == []


@pytest.mark.parametrize("module", ["guest", "reach"])
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


def test_local_runs_words_and_never_a_string() -> None:
    calls = folder("local")[0].calls
    assert {call for call in calls if call.startswith("os.")} & {"os.system", "os.popen"} == set()
    assert {call for call in calls if call.startswith("subprocess.")} <= {
        "subprocess.Popen",
        "subprocess.run",
    }


# --- what is loaded when ---------------------------------------------------------------

_SLOW = ("rich", "tomlkit", "fabric", "paramiko", "yaml")


def loaded(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after `statement`."""
    program = f"{statement}\nimport sys\nprint(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    words = [sys.executable, "-c", program]
    return set(subprocess.run(words, check=True, capture_output=True, text=True).stdout.split())


def test_the_command_loads_nothing_slow_to_begin_with() -> None:
    """invoke itself loads PyYAML where that is installed; repoman adds nothing to it."""
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
    """And only while it loads invoke: afterwards these are what they always are."""
    assert loaded(_BEGIN) & {"asyncio", "unittest", "yaml"} == set()
    after = "from unittest.mock import Mock\nfrom invoke.vendor import yaml\n"
    assert "asyncio" in loaded(f"{_BEGIN}{after}Mock(), yaml.safe_load('x: 1')")


def test_only_hosts_and_screens_name_what_is_slow() -> None:
    """And those that do, do so within the function that needs it."""
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
