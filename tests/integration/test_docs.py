"""Check that the pages are true: tables, links, command lines, exit codes and error messages."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import invoke.program
import pytest
from invoke.collection import Collection
from invoke.exceptions import Exit

import repoman_tasks
from dev.chores import MANUAL, with_chores, with_reference
from dev.key_tables import TABLES
from repoman_tasks.commands import collection
from repoman_tasks.errors import ExitCode, RepomanError, UsageError
from repoman_tasks.model import Requested, keys
from repoman_tasks.registry import parse, parse_requested
from repoman_tasks.tools.forbidden_paths import NEVER_MOUNTED, NEVER_MOUNTED_OF_HOME
from tests.support.estate import CHECKOUT, isolate_environ, run
from tests.unit.test_structure import LAYERS

PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md"), *CHECKOUT.glob("*/README.md")])
DOCS = CHECKOUT / "docs"

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def text_of(name: str) -> str:
    return (CHECKOUT / name).read_text()


def test_the_pages_are_here() -> None:
    expected = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "mirror.md", "configuration.md"}
    assert expected <= {page.name for page in PAGES}


# --- the tables that are made from the source -----------------------------------------------------


@each_page
def test_the_generated_tables_are_current(page: Path) -> None:
    text = page.read_text()
    assert text == with_reference(text), "run `inv dev.reference`"


def test_configuration_shows_every_key() -> None:
    """The page shows each form that the registry and a .repoman.toml may have."""
    page = text_of("docs/configuration.md")
    assert sorted(re.findall(r"^<!-- keys: (\w+) -->$", page, re.MULTILINE)) == sorted(TABLES)
    for shape in TABLES.values():
        assert [f"| `{key.name}` |" for key in keys(shape) if f"| `{key.name}` |" not in page] == []


def test_the_shape_in_the_configuration_is_one() -> None:
    blocks = [body for kind, body in fenced(DOCS / "configuration.md") if kind == "toml"]
    of_registry = [body for body in blocks if "[[project]]" in body]
    assert len(of_registry) == 3
    for body in of_registry:
        assert parse(body, "docs", {}).projects[0].name == "isurus"
    (of_repo,) = [body for body in blocks if body not in of_registry]
    wish = parse_requested(of_repo, "docs")
    assert all(getattr(wish, key.name) for key in keys(Requested)), "the page shows every key"


def ranges() -> list[tuple[str, int, int]]:
    """Return the keys of [defaults] whose range is on the page, with their minimum and maximum."""
    rows = re.findall(
        r"^\| `(\w+)` \| [a-z ]+, (?:at least )?(\d+)(?: to (\d+))? \|.*\| `[A-Z_]+` \|",
        text_of("docs/configuration.md"),
        re.MULTILINE,
    )
    return [(key, int(least), int(most or 10**6)) for key, least, most in rows]


@pytest.mark.parametrize(("key", "least", "most"), ranges())
def test_the_ranges_in_the_configuration(key: str, least: int, most: int) -> None:
    for good in (least, most):
        parse(f"[defaults]\n{key} = {good}\n", "docs", {})
    for bad in (least - 1, *([most + 1] if most < 10**6 else [])):
        with pytest.raises(UsageError):
            parse(f"[defaults]\n{key} = {bad}\n", "docs", {})


def test_there_are_ranges() -> None:
    assert {key for key, *_ in ranges()} >= {"jobs", "max_shrink", "cpus", "probe_seconds"}


# --- links -------------------------------------------------------------------------------


def plain(page: Path) -> str:
    """Return the page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return GitHub's anchors of the headings of a page; the second of two equal ones ends in
    -1."""
    found: Counter[str] = Counter()
    names = set()
    for heading in re.findall(r"^#+ +(.+?) *$", plain(page), re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        names.add(f"{name}-{found[name]}" if found[name] else name)
        found[name] += 1
    return names


_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")


def dead_links(page: Path, root: Path) -> list[str]:
    """Return the links of a page to files or anchors below `root` that do not exist."""
    dead = []
    for target in map("".join, _LINK.findall(plain(page))):
        path, _, anchor = target.partition("#")
        leads_to = (page.parent / path).resolve() if path else page
        there = leads_to.exists() and leads_to.is_relative_to(root)
        well = there and (not anchor or (leads_to.suffix == ".md" and anchor in anchors(leads_to)))
        if not well and not re.match(r"[a-z]+:", target):
            dead.append(target)
    return dead


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    assert dead_links(page, CHECKOUT) == []


def test_dead_links_are_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    good = "[a](#one) [b](#one-1) [c](page.md#two-and-more) [d](https://example.org/x)"
    bad = '[a](#on) [b](#one-2) [c](pag.md) [d](../) <img src="x.svg">'
    page.write_text(
        f"# One\n{good}\n{bad}\n# One\n## Two `and`: more\n```\n# Three\n[e](no)\n```\n"
    )
    assert dead_links(page, tmp_path) == ["#on", "#one-2", "pag.md", "../", "x.svg"]


# --- command lines -----------------------------------------------------------------------

_COMMAND = re.compile(
    r"(?:\$ |# |.*\* +|ExecStart=)?(?:sleep \d+; )?(\S*/)?(repoman|inv) (?=\S)(.*)"
)


def fenced(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of each fenced block."""
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.M | re.S):
        yield match[1], match[2]


def command_lines() -> Iterator[tuple[str, str, str]]:
    """Yield page, program and arguments of each command line in a fenced block or backticks."""
    for page in PAGES:
        lines = [
            line
            for kind, body in fenced(page)
            if kind in ("console", "sh", "cron", "ini")
            for line in body.splitlines()
            if kind != "console" or line.startswith(("$ ", "# "))
        ]
        lines += re.findall(r"`((?:repoman|inv) [^`]+)`", plain(page).replace("\n", " "))
        for line in lines:
            match = _COMMAND.fullmatch(line.strip())
            if match and "…" not in line:
                yield page.name, match[2], match[3]


def words_of(line: str) -> list[str]:
    """Return the arguments of one command, up to the first operator of the shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    argv = []
    for word in lexer:
        if set(word) <= set("();<>|&"):
            break
        argv.append(word)
    return argv


def read(binary: str, argv: list[str]) -> None:
    """Parse `argv` by the real parser, without running it; raise `Exit` if it is invalid."""
    namespace: Collection = collection() if binary == "repoman" else with_chores()
    made = invoke.program.Program(name=binary, binary=binary, namespace=namespace)
    made.create_config()
    made.parse_core([binary, *argv])
    made.parse_collection()
    made.parse_tasks()


COMMAND_LINES = sorted(set(command_lines()))


def test_there_are_command_lines() -> None:
    assert {page for page, *_ in COMMAND_LINES} >= {"README.md", "mirror.md", "automation.md"}
    assert len(COMMAND_LINES) > 30


@pytest.mark.parametrize(("page", "binary", "line"), COMMAND_LINES)
def test_command_lines_parse(page: str, binary: str, line: str) -> None:
    try:
        read(binary, words_of(line))
    except Exit as end:
        if end.code:
            pytest.fail(f"{page}: {binary} {line}: {end.message}")


def test_a_line_that_is_off_is_noticed() -> None:
    with pytest.raises(Exit) as caught:
        read("repoman", words_of("sync --drry-run >/dev/null"))
    assert caught.value.code == 2


# --- the man page ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["mandoc", "-Tlint", "-W", "warning"], id="mandoc"),
        pytest.param(["man", "-l", "--warnings", "-E", "UTF-8"], id="man"),
    ],
)
def test_the_man_page_is_clean(argv: list[str], tmp_path: Path) -> None:
    if not shutil.which(argv[0]):
        pytest.skip(f"not here: {argv[0]} is not installed")
    done = run([*argv, str(MANUAL)], isolate_environ(tmp_path))
    assert (done.code, done.err) == (0, "")
    assert argv[0] == "man" or done.out == ""


# --- the commands ------------------------------------------------------------------------


def test_readme_has_every_command() -> None:
    rows = re.findall(r"^\| `([\w-]+)[^`]*` \| [^|]+ \|$", text_of("README.md"), re.MULTILINE)
    assert sorted(rows) == sorted(collection().tasks)


def test_readme_is_short() -> None:
    assert len(text_of("README.md").splitlines()) <= 200


def options_on_the_page() -> dict[str, set[str]]:
    """Return the long options in each section of docs/commands.md, by the section's heading."""
    sections = re.split(r"^## ", text_of("docs/commands.md"), flags=re.MULTILINE)[1:]
    return {
        section.partition("\n")[0]: set(re.findall(r"`(--[a-z-]+)[^`]*` \|", section))
        for section in sections
    }


def test_the_commands_page_has_every_command_and_option() -> None:
    common = {"--yes", "--no-input", "--host"}
    real = {
        name: {f"--{arg.names[0]}" for arg in task.get_arguments() if not arg.positional} - common
        for name, task in collection().tasks.items()
    }
    assert options_on_the_page() == {**real, "Common options": common}


# --- the architecture --------------------------------------------------------------------


def test_the_files_that_the_architecture_names_exist() -> None:
    named = re.findall(r"`([a-z_]+/[\w/.]*)`", text_of("docs/architecture.md"))
    roots = (CHECKOUT, CHECKOUT / "repoman_tasks")
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []
    assert len(named) > 50


def test_the_architecture_has_every_layer_in_its_order() -> None:
    table = text_of("docs/architecture.md").partition("## Layers")[2].partition("## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert names == [layer for layer in LAYERS if layer != "__main__"]


def test_the_architecture_answers_twenty_changes() -> None:
    table = text_of("docs/architecture.md").partition("## You want")[2].partition("## ")[0]
    assert len(re.findall(r"^\| (?!---|You want)", table, re.MULTILINE)) == 20


# --- exit codes and errors ---------------------------------------------------------------


def test_every_exit_code_has_its_line() -> None:
    codes = re.findall(r"^\| (\d+) \|", text_of("docs/exit-codes.md"), re.MULTILINE)
    assert [int(code) for code in codes] == [int(code) for code in ExitCode]


def errors() -> set[str]:
    """Return the names of all functions and classes that create an error."""
    for module in pkgutil.walk_packages(repoman_tasks.__path__, "repoman_tasks."):
        if not module.name.startswith("dev") and "__main__" not in module.name:
            importlib.import_module(module.name)

    def names(kind: type[Exception]) -> Iterator[str]:
        yield kind.__name__
        for inner in kind.__subclasses__():
            yield from names(inner)

    return {*names(RepomanError), *names(Exit), "error"}


def message_strings(path: Path) -> Iterator[ast.expr]:
    """Yield the strings in a file that become the text of an error, a finding or an invalid
    value."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            name = node.func.attr if isinstance(node.func, ast.Attribute) else name
            of_values = name == "ValueError" and {"registry", "planning"} & set(path.parts)
            if name in ERRORS or of_values:
                yield node.args[0]
            elif name == "Finding":
                yield node.args[1]
            elif name == "hold_lock":
                yield node.args[2]
        elif isinstance(node, ast.FunctionDef) and node.name.endswith("_fault"):
            returned = (inner for inner in ast.walk(node) if isinstance(inner, ast.Return))
            yield from (inner.value for inner in returned if inner.value)


ERRORS = errors()


def sentences() -> Iterator[tuple[str, str]]:
    """Return where an error is raised, and the longest constant part of its text."""
    for path in sorted((CHECKOUT / "repoman_tasks").rglob("*.py")):
        if "dev" in path.parts:
            continue
        for text in message_strings(path):
            parts = [
                part.value
                for part in ast.walk(text)
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            ]
            longest = max(parts, key=len, default="").removeprefix("repoman: ").strip(" :,(){}`")
            if len(longest) > 7:
                yield f"{path.parent.name}/{path.name}:{text.lineno}", longest


def test_sentences_come_from_every_part() -> None:
    parts = {where.partition("/")[0] for where, _ in sentences()}
    assert parts >= {"actions", "cli", "commands", "container", "mirror", "registry", "ssh"}
    assert {"Failed", "Refused", "ConnectionLost", "TooManySessions", "UsageExit"} <= ERRORS


@pytest.mark.parametrize(("where", "sentence"), sorted(sentences()))
def test_every_error_can_be_looked_up(where: str, sentence: str) -> None:
    page = " ".join(text_of("docs/troubleshooting.md").split())
    assert sentence in page, f"{where}: docs/troubleshooting.md does not have {sentence!r}"


def test_security_lists_what_is_never_mounted() -> None:
    mounts = text_of("docs/security.md").partition("- **Mounts.**")[2].partition("\n- **")[0]
    paths = [*NEVER_MOUNTED, *(f"~/{path}" for path in NEVER_MOUNTED_OF_HOME)]
    assert [path for path in paths if f"`{path}`" not in mounts] == []


_NO_ATTACK = (
    *("test_the_internet_is_there", "test_git_still_works_inside", "test_files_of_other_users"),
    *("test_a_project_", "test_two_sessions_at_once", "test_an_exception_of_the_estate"),
    *("test_a_protected_file_that_is_gone", "test_git_inside_says_why"),
)
"""What has to work all the same."""


def test_security_lists_every_attack() -> None:
    """Each line of the table has its test, and each test of tests/security its line."""
    page = text_of("docs/security.md")
    message_strings = set(re.findall(r"\| `(test_\w+)` \|$", page, re.MULTILINE))
    texts = [file.read_text() for file in CHECKOUT.glob("tests/security/test_*.py")]
    there = {name for text in texts for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}
    others = "".join(file.read_text() for file in CHECKOUT.glob("tests/integration/test_*.py"))
    assert [name for name in message_strings - there if f"def {name}(" not in others] == []
    assert {name for name in there - message_strings if not name.startswith(_NO_ATTACK)} == set()
    assert len(message_strings) >= 40
