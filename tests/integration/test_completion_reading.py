"""What bash, zsh and fish read in the registry and in ssh_config, held against a TOML parser."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dev.chores import with_chores
from repoman_tasks.completions.command_line import scripts
from tests.support.estate import guarded, run

SHELLS = ("bash", "zsh", "fish")
READERS: Mapping[str, str] = {
    "bash": 'source "$1"; found=(); {what}; printf "%s\\0" "${{found[@]-}}"',
    "zsh": 'source "$1"; emulate -L zsh; __repoman_as_in_bash {what}; print -rN -- "${{(@)found}}"',
    "fish": "source $argv[1]; {what} | string join0",
}
STARTS: Mapping[str, tuple[str, ...]] = {
    "bash": ("bash", "--norc", "-uc"),
    "zsh": ("zsh", "-fc"),
    "fish": ("fish", "--no-config", "-c"),
}

each_shell = pytest.mark.parametrize(
    "shell",
    [
        pytest.param(
            shell, marks=pytest.mark.skipif(not shutil.which(shell), reason=f"not here: {shell}")
        )
        for shell in SHELLS
    ],
)


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the scripts, by the names of their shells."""
    folder = tmp_path_factory.mktemp("scripts")
    for shell, text in scripts(with_chores()).items():
        (folder / shell).write_text(text)
    return folder


def read(shell: str, folder: Path, what: str, **environ: str) -> list[str]:
    """What a function of the script finds, but for what would do harm as a word."""
    start = STARTS[shell]
    words = [*start, READERS[shell].format(what=what)]
    words += [str(folder / shell)] if shell == "fish" else [shell, str(folder / shell)]
    done = run(words, {**guarded(folder), **environ})
    assert done.err == "", done
    return sorted({text for text in done.out.split("\0") if harmless(text)})


def harmless(text: str) -> bool:
    return bool(text) and text.isprintable() and text[0] not in "-~"


def registry(shell: str, folder: Path, text: str, key: str) -> list[str]:
    file = folder / "registry.toml"
    file.write_bytes(text.encode())
    return read(shell, folder, f"__repoman_registry {key}", REPOMAN_CONFIG=str(file))


def expected(text: str, key: str) -> list[str]:
    """The same by Python's own parser."""
    document = tomllib.loads(text.replace("\r\n", "\n"))
    return sorted({found for found in _values(document, key) if harmless(found)})


def _values(document: dict[str, Any], key: str) -> Iterator[str]:
    if key == "hosts":
        yield from document.get("hosts", {})
        return
    for table in [document.get("defaults", {}), *document.get("project", [])]:
        for name, value in table.items():
            if name == key or name.endswith(f"_{key}"):
                yield from [value] if isinstance(value, str) else value


PLAIN = """\
[estate]
schema = 1

[defaults]
local_repos = "~/repos"
default_image = "images:ubuntu/26.04/cloud"
profiles = ["default", "claude-share"]

[[project]]
name = "isurus"
image = "images:debian/12"
env = {EDITOR = "vi"}
mounts = [{source = "~/repos/tools", path = "/opt/tools"}]

[[project]]
name        = "lamna"       # a comment
asked_image = "local:mine"
asked_profiles = ["gpu"]

[hosts.nas]
address = "10.0.0.2"

[hosts."odd host"]
"""
BY_HAND = """\
# [[project]]
# name = "comment"
  [ defaults ]   # here
  "default_image"='images:x'
  exclude = [
    "name = 'no'",   # ] [[project]]
    'name = "no"',
    '[[project]]',
  ]
  profiles = [ "a", # "no", ]
    'b]',
    "c#",
  ]
[["project"]]
"name" = 'single'
[[ project ]] # x
repo = "name = \\"no\\""
'name'="with \\" quote and \\\\ and \\\\\\" and \\u00e4"
env = {name = "no", image = "no"}
[[project]]
name="tight"
[project.env]
name = "no"
[other]
name = "no"
"""
LONG_STRINGS = '''\
[defaults]
exclude = ["""
[[project]]
name = "no"
image = "no"
""", \'\'\'
[[project]]
name = "no" \\\'\'\'\']
default_image = """images:long"""
[[project]]
repo = """ \\""" [[project]]
name = "no" """
name = \'\'\'isurus\'\'\'
[[project]]
repo = """one line"""
name = "lamna"
[[project]]
repo = """x""""
name = "carcharias"
'''
INLINE = """\
defaults = {default_image = "images:in/line", profiles = ["p", "q"], local_repos = "/r"}
project = [
  {name = "a", repo = "{name = 'no'}", env = {name = "no"}, image = "i1"},
  # {name = "no"}
  {repo = "b", "name" = 'b', profiles = ["r"]}, {name="c"},
]
hosts = {one = {address = "x"}, "two" = {}}
"""
DOTTED = """\
defaults.default_image = "images:dot"
defaults.local_repos = "/dotted"
hosts.nas.address = "1"
[hosts2]
name = "no"
"""
HOSTS = """\
[hosts]
nas = {address = "1"}
"other one".address = "2"
big.sub.key = "3"
[hosts.third]
[hosts.third.deeper]
[hosts.'it''s']
""".replace("[hosts.'it''s']\n", "")
HOSTILE = """\
[[project]]
name = "$(touch MARK)"
image = "`touch MARK`"
[[project]]
name = "x; touch MARK; #"
image = "' ; touch MARK ; '"
[[project]]
name = "a[$(touch MARK)]"
profiles = ["${x:=$(touch MARK)}", "(touch MARK)", "<(touch MARK)"]
[[project]]
name = "--delete-repo"
[[project]]
name = "\\u001b[31mred"
[[project]]
name = "* ?"
[[project]]
name = "%s%n\\\\c"
[[project]]
name = "\\u009b31m"
[hosts."$(touch MARK)"]
[hosts.'`touch MARK`']
"""
TEXTS = {
    "plain": PLAIN,
    "by hand": BY_HAND,
    "long strings": LONG_STRINGS,
    "inline": INLINE,
    "dotted": DOTTED,
    "hosts": HOSTS,
    "hostile": HOSTILE,
    "crlf": PLAIN.replace("\n", "\r\n"),
    "empty": "",
    "no newline at the end": '[[project]]\nname = "last"',
}


@each_shell
@pytest.mark.parametrize("key", ["name", "image", "profiles", "local_repos", "hosts"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_registry(shell: str, folder: Path, key: str, text: str) -> None:
    text = text.replace("MARK", str(folder / "mark"))
    assert registry(shell, folder, text, key) == expected(text, key)
    assert not (folder / "mark").exists()


# --- any registry ------------------------------------------------------------------------

TEXT = st.text("ab \"'\\#[]{}=,.$`é-", min_size=1, max_size=8)
SPACE = st.sampled_from(["", " ", "\t", "   "])


def basic(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@st.composite
def strings(draw: st.DrawFn) -> str:
    """A string in one of the ways that TOML has."""
    text = draw(TEXT)
    ways = [f'"{basic(text)}"', f'"""{basic(text)}"""']
    if "'" not in text:
        ways += [f"'{text}'", f"'''{text}'''"]
    return draw(st.sampled_from(ways))


@st.composite
def lines(draw: st.DrawFn, key: str, value: str) -> str:
    """A key with its value, and maybe comments."""
    key = draw(st.sampled_from([key, f'"{key}"', f"'{key}'"]))
    comment = draw(st.sampled_from(["", " #"])) and f" # {draw(TEXT)}"
    above = draw(st.sampled_from(["", "\n"])) and f"# {draw(TEXT)}\n"
    return f"{above}{draw(SPACE)}{key}{draw(SPACE)}={draw(SPACE)}{value}{comment}\n"


@st.composite
def lists(draw: st.DrawFn) -> str:
    items = draw(st.lists(strings(), max_size=3))
    between = draw(st.sampled_from([", ", ",\n", ", # [[project]]\n  "]))
    return f"[{between.join(items)}]"


@st.composite
def projects(draw: st.DrawFn) -> str:
    """A [[project]] with some keys in any order."""
    long = f'"""\n[[project]]\nname = "no"\n{basic(draw(TEXT))}\n"""'
    values = {
        "name": draw(strings()),
        "image": draw(strings()),
        "repo": draw(st.sampled_from([draw(strings()), long])),
        "profiles": draw(lists()),
        "exclude": draw(lists()),
        "env": f"{{name = {draw(strings())}, b = {draw(strings())}}}",
    }
    keys = draw(st.permutations(sorted(values)).map(lambda all_: all_[:4]))
    header = draw(st.sampled_from(["[[project]]", ' [[ "project" ]] # x', "[['project']]"]))
    return f"{header}\n" + "".join(draw(lines(key, values[key])) for key in keys)


@each_shell
@pytest.mark.timeout(300)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(projects(), max_size=4).map("".join), st.sampled_from(["name", "image", "profiles"])
)
def test_any_registry(shell: str, folder: Path, text: str, key: str) -> None:
    assert registry(shell, folder, text, key) == expected(text, key)


# --- ssh_config --------------------------------------------------------------------------

SSH = """\
# Host no
Host alpha beta *.example.org !gamma what?
    HostName 10.0.0.1
host = "odd one" # no
HOST\tdelta
Include more/*.conf "~/other"
Match host no
Hostname no
Host $(touch MARK) --flag
"""


@each_shell
def test_ssh_config(shell: str, folder: Path) -> None:
    ssh = folder / "ssh"
    (ssh / "more").mkdir(parents=True, exist_ok=True)
    (ssh / "config").write_text(SSH.replace("MARK", str(folder / "mark")))
    (ssh / "more/a.conf").write_text("Host zeta\nInclude more/a.conf\n")  # itself, for ever
    (ssh / "more/b.txt").write_text("Host no\n")
    (folder / "other").write_text("Host other")
    found = read(shell, folder, f"__repoman_ssh '{ssh}/config' '{ssh}' 0", HOME=str(folder))
    assert {"alpha", "beta", "delta", "odd one", "zeta", "other"} <= set(found)
    assert [host for host in found if host in ("no", "--flag", "gamma") or host[-1] in "*?"] == []
    assert not (folder / "mark").exists()
    assert read(shell, folder, f"__repoman_ssh '{ssh}/none' '{ssh}' 0") == []
