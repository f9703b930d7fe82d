"""Press TAB in real shells."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.estate import CHECKOUT, Estate
from tests.terminal.shells import Shell, each_shell

FILES = {"bash": "repoman.bash", "zsh": "_repoman", "fish": "repoman.fish"}
BEFORE = {"zsh": "autoload -Uz compinit; compinit -u -D\n"}
NAMES = [
    *(("project", name) for name in ("isurus", "lamna", "odd name", "it's", "do$llar")),
    *(("project", name) for name in ("se;mi & pipe|", "st*ar?", "ba\\ck", 'qu"ote', "umläut")),
    *(("project", name) for name in ("wow!here", "$(touch MARK)", "`touch MARK`", "--delete-repo")),
    *(("image", name) for name in ("images:debian/12", "images:ubuntu/26.04/cloud")),
    *(("agent", name) for name in ("claude", "codex")),
    *(("template", name) for name in ("agent", "mine")),
    *(("profile", name) for name in ("default", "gpu", "claude-share")),
    *(("host", name) for name in ("nas", "far off")),
    ("repos", "HOME/repos"),
]
SNAPSHOTS = [
    *(("isurus", id) for id in ("20261128T013000Z", "20261129T013000Z")),
    *(("lamna", id) for id in ("20261130T013000Z", "20261131T013000Z")),
]
"""The last of them is not complete."""
SSH = """\
Host alpha beta *.example.org
    HostName 10.0.0.1
Include more/*.conf
"""
Start = Callable[..., Shell]


@pytest.fixture
def home(estate: Estate) -> Path:
    """Return a home with a registry, an ssh_config and some folders."""
    home = estate.home
    estate.names.parent.mkdir(parents=True)
    text = "".join(f"{kind}\t{name}\n" for kind, name in NAMES)
    estate.names.write_text(text.replace("MARK", str(home / "mark")).replace("HOME", str(home)))
    (home / ".ssh/more").mkdir(parents=True)
    (home / ".ssh/config").write_text(SSH)
    (home / ".ssh/more/a.conf").write_text("Host zeta\n")
    for folder in ("repos/group/inner", "repos/big one", "folder one", "repos/lamna/src"):
        (home / folder).mkdir(parents=True)
    for name, id in SNAPSHOTS:
        copy = home / ".local/state/repoman/mirrors" / estate.names.name / "snapshots" / name / id
        copy.mkdir(parents=True)
        (copy / "about.json").touch()
    (copy / "about.json").unlink()
    return home


@pytest.fixture
def start(estate: Estate, home: Path) -> Iterator[Start]:
    """Starts a shell that has loaded the completion from the checkout."""
    started: list[Shell] = []

    def begin(name: str, before: str = "", after: str = "", **environ: str) -> Shell:
        load = f"source '{CHECKOUT}/completion/{FILES[name]}'\n"
        rc = BEFORE.get(name, "") + before + load + after
        started.append(Shell(name, home, {**estate.environ, **environ}, rc))
        return started[-1]

    yield begin
    for shell in started:
        shell.close()


TYPED = [
    ("sy\t", ["sync"]),
    ("lis\t", ["list"]),
    ("sync isu\t", ["sync", "isurus"]),
    ("sync --dry\t", ["sync", "--dry-run"]),
    ("sync isurus --item\t", ["sync", "isurus", "--itemize"]),
    ("sync -j 4 lam\t", ["sync", "-j", "4", "lamna"]),
    ("sync --jobs 4 lam\t", ["sync", "--jobs", "4", "lamna"]),
    ("sync --jobs=4 lam\t", ["sync", "--jobs=4", "lamna"]),
    ("sync isurus lis\t", ["sync", "isurus", "list"]),
    ("list syn\t isu\t", ["list", "sync", "isurus"]),
    ("remove --delete-r\t isu\t", ["remove", "--delete-repo", "isurus"]),
    ("status --missing rec\t", ["status", "--missing", "recreate"]),
    ("status --missing=fo\t", ["status", "--missing=forget"]),
    ("status --orphan des\t", ["status", "--orphan", "destroy"]),
    ("status --half-made=fin\t", ["status", "--half-made=finish"]),
    ("new x --image images:deb\t", ["new", "x", "--image", "images:debian/12"]),
    ("new x --image=images:deb\t", ["new", "x", "--image=images:debian/12"]),
    ("new x --image ima\tu\t", ["new", "x", "--image", "images:ubuntu/26.04/cloud"]),
    ("new x --profile gp\t", ["new", "x", "--profile", "gpu"]),
    (
        "new x --profile a --prof\t cla\t",
        ["new", "x", "--profile", "a", "--profile", "claude-share"],
    ),
    ("list --host na\t", ["list", "--host", "nas"]),
    ("list --host=na\t", ["list", "--host=nas"]),
    ("list --host far\t", ["list", "--host", "far off"]),
    ("list --host=far\t", ["list", "--host=far off"]),
    ("setup --local-repos fold\t", ["setup", "--local-repos", "folder one/"]),
    ("setup --local-repos=fold\t", ["setup", "--local-repos=folder one/"]),
    ("setup --nfs-repos /de\tsh\t", ["setup", "--nfs-repos", "/dev/shm/"]),
    ("new x --repo gro\tinn\t", ["new", "x", "--repo", "group/inner/"]),
    ("new x --repo=bi\t", ["new", "x", "--repo=big one/"]),
    ("completion ins\t --shell fi\t", ["completion", "install", "--shell", "fish"]),
    ("completion rem\t", ["completion", "remove"]),
    ("agent isu\t", ["agent", "isurus"]),
    ("agent sto\t isu\t lis\t", ["agent", "stop", "isurus", "list"]),
    ("agent lis\t syn\t", ["agent", "list", "sync"]),
    ("template bui\t min\t syn\t", ["template", "build", "mine", "sync"]),
    ("template remo\t age\t", ["template", "remove", "agent"]),
    ("template --anew show mi\t", ["template", "--anew", "show", "mine"]),
    ("snapshot lis\t lam\t", ["snapshot", "list", "lamna"]),
    (
        "snapshot rem\t isu\t 20261128\t 20261129\t",
        ["snapshot", "remove", "isurus", "20261128T013000Z", "20261129T013000Z"],
    ),
    ("undo isurus --at 20261129\t", ["undo", "isurus", "--at", "20261129T013000Z"]),
    ("undo lam\t --at=\t", ["undo", "lamna", "--at=20261130T013000Z"]),
    ("agent --with cod\t isu\t", ["agent", "--with", "codex", "isurus"]),
    ("--hel\t syn\t", ["--help", "sync"]),
    ("hel\t syn\t", ["help", "sync"]),
]
ODD = [
    ("sync odd\t", "odd name"),
    ("sync 'odd\t", "odd name"),
    ('sync "odd\t', "odd name"),
    ("sync it\t", "it's"),
    ('sync "it\t', "it's"),
    ("sync do\t", "do$llar"),
    ('sync "do\t', "do$llar"),
    ("sync se\t", "se;mi & pipe|"),
    ("sync st\t", "st*ar?"),
    ("sync ba\t", "ba\\ck"),
    ("sync qu\t", 'qu"ote'),
    ("sync 'qu\t", 'qu"ote'),
    ("sync um\t", "umläut"),
    ("sync wow\t", "wow!here"),
    ('sync "wow\t', "wow!here"),
]
NOT_OFFERED = [
    ("sync --delete-r\t", ["sync", "--delete-r"]),
    ("new isu\t", ["new", "isu"]),
    ("sync --host nas isu\t", ["sync", "--host", "nas", "isu"]),
    ("sync --itemize --itemiz\t", ["sync", "--itemize", "--itemiz"]),
    ("sync --jobs isu\t", ["sync", "--jobs", "isu"]),
    ("shell isurus -- isu\t", ["shell", "isurus", "--", "isu"]),
    ("dev.ben\t", ["dev.ben"]),
    ("undo --at 2026\t", ["undo", "--at", "2026"]),
    ("undo ../isurus --at 2026\t", ["undo", "../isurus", "--at", "2026"]),
    ("undo lamna --host nas --at 2026\t", ["undo", "lamna", "--host", "nas", "--at", "2026"]),
]


@each_shell
def test_words(start: Start, shell: str) -> None:
    running = start(shell)
    got = {typed: running.type(f"repoman {typed}") for typed, _ in TYPED}
    # zsh takes a slash away again where the line ends.
    assert {typed: _no_slash(words) for typed, words in got.items()} == {
        typed: _no_slash(words) for typed, words in TYPED
    }


def _no_slash(words: list[str]) -> list[str]:
    return [word.rstrip("/") for word in words]


@each_shell
def test_odd_names(start: Start, shell: str) -> None:
    running = start(shell)
    got = {typed: running.type(f"repoman {typed}") for typed, _ in ODD}
    assert got == {typed: ["sync", name] for typed, name in ODD}


@each_shell
def test_what_is_not_offered(start: Start, shell: str) -> None:
    running = start(shell)
    assert {typed: running.type(f"repoman {typed}") for typed, _ in NOT_OFFERED} == dict(
        NOT_OFFERED
    )


@each_shell
def test_snapshots_of_the_repo_that_one_is_in(start: Start, home: Path, shell: str) -> None:
    running = start(shell)
    running.run(f"cd '{home}/repos/lamna/src'")
    assert running.type("repoman undo --at \t") == ["undo", "--at", "20261130T013000Z"]


HOSTS = [
    ("list --host na\t", ["list", "--host", "nas"]),
    ("list --host alp\t", ["list", "--host", "alpha"]),
    ("list --host=bet\t", ["list", "--host=beta"]),
    ("list --host zet\t", ["list", "--host", "zeta"]),
]
PACKAGE = Path("/usr/share/bash-completion/bash_completion")


@each_shell
def test_hosts_are_those_that_the_shell_knows_too(start: Start, shell: str) -> None:
    if shell == "bash" and not PACKAGE.exists():
        pytest.skip("not here: bash-completion is not installed")
    running = start(shell, before=f"source {PACKAGE}\n" if shell == "bash" else "")
    got = {typed: running.type(f"repoman {typed}") for typed, _ in HOSTS}
    assert got == dict(HOSTS)


@each_shell
def test_hostile_names_run_nothing(start: Start, home: Path, shell: str) -> None:
    running = start(shell)
    mark = f"touch {home / 'mark'}"
    assert running.type("repoman sync \\$\t") == ["sync", f"$({mark})"]
    assert running.type("repoman sync '$\t") == ["sync", f"$({mark})"]
    assert running.type("repoman sync \\`\t") == ["sync", f"`{mark}`"]
    running.child.send("repoman sync \t\t\t\x15")
    running.run(":")  # by then what could run has run
    assert not (home / "mark").exists()


@each_shell
@pytest.mark.parametrize(
    "how",
    ["missing", "a folder", "closed", "nonsense", "REPOMAN_CONFIG", "XDG_CONFIG_HOME", "XDG_STATE"],
)
def test_the_path_of_the_names(
    start: Start, estate: Estate, home: Path, shell: str, how: str
) -> None:
    elsewhere = home / "else where"
    other = elsewhere / "repoman/repoman.toml"
    names = estate.names_of(other)
    if how == "XDG_STATE":
        names = elsewhere / "repoman/names" / estate.names.name
        names.parent.mkdir(parents=True)
    names.write_text("project\tcarcharias\n")
    environ = {
        "REPOMAN_CONFIG": {"REPOMAN_CONFIG": str(other)},
        "XDG_CONFIG_HOME": {"XDG_CONFIG_HOME": str(elsewhere)},
        "XDG_STATE": {"XDG_STATE_HOME": str(elsewhere)},
    }.get(how, {})
    if environ:
        if shell == "fish":  # which looks there for its own settings too
            name, value = next(iter(environ.items()))
            running = start(shell, after=f"set -gx {name} '{value}'\n")
        else:
            running = start(shell, **environ)
        assert running.type("repoman sync car\t") == ["sync", "carcharias"]
        return
    estate.names.unlink()
    if how == "a folder":
        estate.names.mkdir()
    elif how == "closed":
        estate.names.symlink_to("/nowhere/at/all")
    elif how == "nonsense":
        estate.names.write_bytes(b'[[project\n"""\n\xff\x00]]\nproject\n\tproject\n')
    running = start(shell)
    running.child.send("repoman sync isu\t")
    assert running.type("") == ["sync", "isu"]
    assert running.type("repoman lis\t") == ["list"]
    assert "error" not in (running.child.before or "")


PROGRAMS = (
    *("python", "python3", "incus", "find", "ls", "cat", "grep", "sed", "awk", "ssh", "git"),
    *("env", "sh", "bash", "repoman", "inv", "stat", "id", "uname", "getent", "date", "tr", "sort"),
)


@each_shell
def test_no_program_is_started(start: Start, home: Path, shell: str) -> None:
    """Any program on PATH would leave a trace."""
    bin_, mark = home / "bin", home / "started"
    bin_.mkdir()
    for name in PROGRAMS:
        (bin_ / name).write_text(f"#!/bin/sh\necho {name} >>'{mark}'\n")
        (bin_ / name).chmod(0o755)
    running = start(shell)
    running.run(f"set PATH {bin_}" if shell == "fish" else f"PATH={bin_}")
    typed = [keys for keys, _ in (*TYPED, *ODD, *NOT_OFFERED)]
    for keys in (keys for keys in typed if " --host" not in keys):
        running.type(f"repoman {keys}")
    running.run(f"cd {CHECKOUT}")
    assert running.type("inv dev.ben\t") == ["dev.bench"]
    assert not mark.exists(), mark.read_text()
    running.run("git")
    assert mark.read_text() == "git\n", "the stand-ins are found"


@pytest.mark.parametrize("shell", ["bash", "zsh"])  # fish has threads, which have numbers too
@pytest.mark.skipif(os.geteuid() != 0, reason="not here: only root may create a PID namespace")
def test_no_process_is_started_at_all(estate: Estate, home: Path, shell: str) -> None:
    """Not even a subshell: the next process has the next pid in its namespace."""
    if not shutil.which(shell):
        pytest.skip(f"not here: {shell}")
    load = f"source '{CHECKOUT}/completion/{FILES[shell]}'\n"
    rc = BEFORE.get(shell, "") + load
    running = Shell(shell, home, estate.environ, rc, ["unshare", "--pid", "--fork"])
    try:
        for keys, _ in TYPED[:3]:
            running.type(f"repoman {keys}")  # loads what is loaded once
        before = _next_process(running)
        typed = [keys for keys, _ in (*TYPED, *ODD, *NOT_OFFERED)]
        for keys in (keys for keys in typed if " --host" not in keys):
            running.type(f"repoman {keys}")
        running.run(f"cd {CHECKOUT}")
        assert running.type("inv dev.ben\t") == ["dev.bench"]
        assert _next_process(running) == before + 1
    finally:
        running.close()


def _next_process(shell: Shell) -> int:
    shell.child.send("/bin/sh -c 'echo \"<$$>\"'\r")
    shell.child.expect(r"<(\d+)>")
    number = int(shell.child.match.group(1))
    shell.run("true")
    return number


# --- inv ---------------------------------------------------------------------------------

INV = [
    ("dev.ben\t", ["dev.bench"]),
    ("sync isu\t", ["sync", "isurus"]),
    ("sync --dry\t", ["sync", "--dry-run"]),
    ("dev.lint syn\t --host=na\t", ["dev.lint", "sync", "--host=nas"]),
]
MINE = {
    "bash": "_mine() { COMPREPLY=(mine-alone); }\ncomplete -o nospace -F _mine inv\n",
    "zsh": "_mine() { compadd mine-alone; }\ncompdef _mine inv\n",
    "fish": "complete -c inv -f -a mine-alone\n",
}
INVOKES = {
    "bash": "_complete_inv() { echo asked >>$HOME/asked; COMPREPLY=(of-invoke); }\n"
    "complete -F _complete_inv -o default inv invoke\n",
    "zsh": "_complete_inv() { echo asked >>$HOME/asked; reply=(of-invoke); }\n"
    "compctl -K _complete_inv + -f inv invoke\n",
    "fish": "function __complete_inv; echo asked >>$HOME/asked; echo of-invoke; end\n"
    "complete --command inv --no-files --arguments '(__complete_inv)'\n",
}


@each_shell
@pytest.mark.parametrize("before", [{}, MINE, INVOKES], ids=["nothing", "own", "invoke's"])
def test_inv_in_the_checkout(start: Start, home: Path, shell: str, before: dict[str, str]) -> None:
    running = start(shell, before=before.get(shell, ""))
    running.run(f"cd {CHECKOUT}/repoman_tasks/cli")
    assert {typed: running.type(f"inv {typed}") for typed, _ in INV} == dict(INV)
    assert not (home / "asked").exists(), "invoke's own completion, which starts Python"


@each_shell
@pytest.mark.parametrize(
    ("before", "offered"), [(MINE, "mine-alone"), (INVOKES, "of-invoke")], ids=["own", "invoke's"]
)
def test_inv_elsewhere_is_unchanged(
    start: Start, home: Path, shell: str, before: dict[str, str], offered: str
) -> None:
    running = start(shell, before=before[shell])
    prefix = offered[:3]
    assert running.type(f"inv {prefix}\t") == [offered]
    # A tasks.py of somebody else's, nearer than the checkout's.
    (home / "tasks.py").write_text("")
    (home / "repoman_tasks").mkdir()
    assert running.type(f"inv {prefix}\t") == [offered]
    running.run(f"cd {CHECKOUT}")
    assert running.type("inv dev.ben\t") == ["dev.bench"]
    running.run("cd")
    assert running.type(f"inv {prefix}\t") == [offered]


@each_shell
def test_inv_elsewhere_takes_files_where_nothing_completed_it(
    start: Start, home: Path, shell: str
) -> None:
    (home / "a-file.txt").write_text("")
    assert start(shell).type("inv a-fi\t") == ["a-file.txt"]


# --- as it is installed ------------------------------------------------------------------

AS_SAID = {
    "bash": "source ~/.local/share/bash-completion/completions/repoman\n",
    "bash-completion": f"source {PACKAGE}\n",
    "zsh": "fpath=(~/.local/share/zsh/site-functions $fpath)\nautoload -Uz compinit; compinit -u\n",
    "fish": "",
}


@pytest.fixture(params=AS_SAID)
def installed(
    request: pytest.FixtureRequest, estate: Estate, home: Path
) -> Iterator[tuple[Shell, str]]:
    """Yield a shell with an installed completion, loaded as the instructions say; and its name."""
    how: str = request.param
    shell = how.partition("-")[0]
    if not shutil.which(shell) or (how == "bash-completion" and not PACKAGE.exists()):
        pytest.skip(f"not here: {how}")
    told = estate.run("completion", "install", "--shell", shell, code=0).err
    if how == "zsh":
        assert f"fpath=({home}/.local/share/zsh/site-functions $fpath)" in told
    if how == "bash":
        assert f"source {home}/.local/share/bash-completion/completions/repoman" in told
    running = Shell(shell, home, estate.environ, AS_SAID[how])
    yield running, how
    running.close()


def test_what_install_puts_there_is_loaded(installed: tuple[Shell, str], home: Path) -> None:
    shell, how = installed
    if how != "fish":  # the first TAB of all is for inv
        (home / "a-file.txt").write_text("")
        assert shell.type("inv a-fi\t") == ["a-file.txt"]
    shell.run(f"cd {CHECKOUT}")
    assert shell.type("inv dev.ben\t") == ["dev.bench"]
    assert shell.type("repoman sync odd\t") == ["sync", "odd name"]
    assert shell.type("repoman new x --image=images:deb\t") == [
        *("new", "x"),
        "--image=images:debian/12",
    ]


@pytest.mark.parametrize("name", ["inv", "inv.bash"])
def test_bash_completion_has_its_own_for_inv_elsewhere(
    estate: Estate, home: Path, name: str
) -> None:
    if not PACKAGE.exists():
        pytest.skip("not here: bash-completion is not installed")
    others = home / "share/bash-completion/completions"
    others.mkdir(parents=True)
    (others / name).write_text("_o() { COMPREPLY=(others-own); }\ncomplete -F _o inv\n")
    estate.run("completion", "install", "--shell", "bash", code=0)
    environ = {**estate.environ, "XDG_DATA_DIRS": f"{home}/share:/usr/share"}
    shell = Shell("bash", home, environ, AS_SAID["bash-completion"])
    try:
        assert shell.type("inv oth\t") == ["others-own"]
        shell.run(f"cd {CHECKOUT}")
        assert shell.type("inv dev.ben\t") == ["dev.bench"]
        shell.run("cd")
        assert shell.type("inv oth\t") == ["others-own"]
    finally:
        shell.close()


@pytest.mark.skipif(not shutil.which("zsh"), reason="not here: zsh is not installed")
def test_zsh_has_its_own_for_inv_elsewhere(estate: Estate, home: Path) -> None:
    (home / "functions").mkdir()
    (home / "functions/_inv").write_text("#compdef inv\ncompadd others-own\n")
    estate.run("completion", "install", "--shell", "zsh", code=0)
    rc = AS_SAID["zsh"].replace(" $fpath", " ~/functions $fpath")
    shell = Shell("zsh", home, estate.environ, rc)
    try:
        assert shell.type("inv oth\t") == ["others-own"]
        shell.run(f"cd {CHECKOUT}")
        assert shell.type("inv dev.ben\t") == ["dev.bench"]
    finally:
        shell.close()


@pytest.mark.skipif(not shutil.which("fish"), reason="not here: fish is not installed")
def test_fish_has_its_own_for_inv_elsewhere(estate: Estate, home: Path) -> None:
    others = home / "share/fish/vendor_completions.d"
    others.mkdir(parents=True)
    (others / "inv.fish").write_text("complete -c inv -f -a others-own\n")
    estate.run("completion", "install", "--shell", "fish", code=0)
    environ = {**estate.environ, "XDG_DATA_DIRS": f"{home}/share:/usr/share"}
    shell = Shell("fish", home, environ, "")
    try:
        assert shell.type("inv oth\t") == ["others-own"]
        shell.run(f"cd {CHECKOUT}")
        assert shell.type("inv dev.ben\t") == ["dev.bench"]
    finally:
        shell.close()
