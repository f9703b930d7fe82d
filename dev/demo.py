"""A demonstration of repoman on temporary repos: python -m dev.demo

It runs itself again in a new mount namespace, where a tmpfs takes the place of the file server. As
root, if Incus is installed, it runs itself once more as an ordinary user of a private Incus daemon.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from invoke.exceptions import Exit

from dev.checkout import ROOT, SYSTEM_PATH
from repoman_tasks.cli.exits import exit_on_error
from repoman_tasks.errors import ExitCode, Failed, Interrupted
from repoman_tasks.hosts.base import Host
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.hosts.signals import take_signals

__all__ = ["main"]

_VARIABLES = ("TERM", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "NO_COLOR", "COLUMNS", "LINES")
"""Environment variables that the demo keeps, besides PATH."""

_SYSCTLS = (
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "0", "10000"),
)
"""Kernel settings, each with the value that forbids user namespaces and one that allows them."""

_CONTAINER_PROGRAMS = {
    "incusd": "incus",
    "incus": "incus",
    "busybox": "busybox-static",
    "dnsmasq": "dnsmasq-base",
    "nft": "nftables",
    "ip": "iproute2",
    "setpriv": "util-linux",
}
"""Programs that the part with a container needs, each with its Debian package."""
_USER = 1000
"""Uid and gid of the ordinary user."""
_NO_DAEMON = 3
"""Exit status of tests.worlds.daemon if it can't start a daemon."""
_MOUNT, _MOUNT_FOR_CONTAINER = "mount", "mount-for-container"
_SHOW, _SHOW_CONTAINER = "show", "show-container"
_NO_CONTAINER = "Skipped the container: {}."

_FAREWELL = """
The demo deleted all that it created. To set up your own repos, mount the share and run:
{repoman} setup"""


def main(argv: Sequence[str]) -> int:
    """Run the demo, or the stage of it that `argv` names with its folder; return the exit code."""
    host = LocalHost()
    try:
        with exit_on_error(debug=False), take_signals():
            if not argv:
                _start(host)
            elif argv[0] in (_MOUNT, _MOUNT_FOR_CONTAINER):
                _mount_and_show(host, Path(argv[1]), container=argv[0] == _MOUNT_FOR_CONTAINER)
            else:
                _show(host, Path(argv[1]), container=argv[0] == _SHOW_CONTAINER)
    except Exit as error:
        print(error.message, file=sys.stderr)
        return int(error.code)
    return 0


# --- first stage: a folder, a mount namespace, a clean environment ------------------------


def _start(host: LocalHost) -> None:
    # In /tmp, because the path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="repoman-demo-", dir="/tmp") as folder:
        home = Path(folder).resolve()
        (home / "share").mkdir()
        problem = _container_problem(host)
        stage = _MOUNT if problem else _MOUNT_FOR_CONTAINER
        if problem:
            print(_NO_CONTAINER.format(problem))
        code = host.hand_over([*_namespace_argv(host, home), *_stage_argv(stage, home)])
    if code in (ExitCode.INTERRUPTED, -signal.SIGINT):
        raise Interrupted("interrupted, the demo deleted all that it created")
    if code:
        raise Failed("the demo stopped early, see above")
    print(_FAREWELL.format(repoman=_relative_path(Path(sys.executable).with_name("repoman"))))


def _stage_argv(stage: str, home: Path, **environ: str) -> list[str]:
    """Return the argv that runs a stage of the demo in a clean environment."""
    values = [f"{name}={value}" for name, value in (_environ(home) | environ).items()]
    python = ["env", "-i", "-C", str(home), *values, sys.executable]
    return [*python, "-m", "dev.demo", stage, str(home)]


def _namespace_argv(host: Host, home: Path) -> list[str]:
    """Return the argv prefix that runs a program in a new mount namespace.

    Raise Failed if nothing can be mounted there.
    """
    argv = ["unshare", *(() if host.uid == 0 else ("--user", "--map-root-user")), "--mount"]
    result = host.read([*argv, *_mount_argv(home)])
    if not result.code:
        return argv
    raise Failed(f"no permission to mount a file system ({result.complaint})", _mount_cure(host))


def _mount_argv(home: Path) -> list[str]:
    return ["mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "fileserver", str(home / "share")]


def _mount_cure(host: Host) -> str:
    if host.uid == 0:
        return "give this container CAP_SYS_ADMIN, or run the demo outside of it"
    for name, forbidden, allowed in _SYSCTLS:
        value = host.read_file(f"/proc/sys/{name.replace('.', '/')}") or b""
        if value.decode().strip() == forbidden:
            return f"run `sudo sysctl {name}={allowed}`, or `sudo ./bootstrap demo`"
    return "run `sudo ./bootstrap demo`"


def _environ(home: Path) -> dict[str, str]:
    bin_folder = Path(sys.executable).parent
    return {
        **{name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "PATH": f"{bin_folder}:{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(home),
        "TMPDIR": str(home),
        "XDG_CONFIG_HOME": f"{home}/.config",
        "XDG_STATE_HOME": f"{home}/.local/state",
        "XDG_CACHE_HOME": f"{home}/.cache",
        "XDG_DATA_HOME": f"{home}/.local/share",
        "REPOMAN_CONFIG": f"{home}/.config/repoman/repoman.toml",
        "INCUS_DIR": f"{home}/incus",  # not that of the user
        "DEFAULT_IMAGE": "local:busybox",
        "REPOMAN_NFS_FSTYPES": "tmpfs",
        "REPOMAN_MIN_FREE_MIB": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_AUTHOR_NAME": "Demo",
        "GIT_AUTHOR_EMAIL": "demo@example.org",
        "GIT_COMMITTER_NAME": "Demo",
        "GIT_COMMITTER_EMAIL": "demo@example.org",
    }


def _relative_path(path: Path) -> str:
    folder = Path.cwd()
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


# --- second stage: the share and, if possible, a daemon -----------------------------------


def _mount_and_show(host: LocalHost, home: Path, *, container: bool) -> None:
    _run_quietly(host, _mount_argv(home))
    code = _show_beside_daemon(host, home) if container else _NO_DAEMON
    if code == _NO_DAEMON:
        code = host.hand_over(_stage_argv(_SHOW, home))
    sys.exit(code)


def _container_problem(host: Host) -> str:
    """Return why a container can't be shown, "" if it can."""
    if host.uid != 0:
        return "a private Incus daemon needs root: sudo ./bootstrap demo"
    path = f"{os.environ['PATH']}:{SYSTEM_PATH}"
    programs = _CONTAINER_PROGRAMS.items()
    missing = {package for name, package in programs if not shutil.which(name, path=path)}
    if missing:
        return f"not installed: {', '.join(sorted(missing))}"
    probe = host.read(["unshare", "--mount", "--pid", "--net", "--fork", "true"])
    return f"no permission to create namespaces ({probe.complaint})" if probe.code else ""


def _show_beside_daemon(host: Host, home: Path) -> int:
    for folder in (home, home / "share"):
        folder.chmod(0o755)
        os.chown(folder, _USER, _USER)
    daemon = home / "daemon"
    daemon.mkdir()
    python = ["env", f"HOME={daemon}", sys.executable]  # the client writes to its home
    module = [*python, "-m", "tests.worlds.daemon", "--small", str(daemon), "--"]
    stage = _stage_argv(_SHOW_CONTAINER, home, INCUS_DIR=f"{daemon}/incus")
    code = host.hand_over([*module, *stage])
    if code == _NO_DAEMON:
        lines = (daemon / "error").read_text().splitlines()
        problem = lines[-1] if lines else "no reason given"
        print(_NO_CONTAINER.format(f"the Incus daemon did not start: {problem}"))
    return code


# --- last stage: the transcript -----------------------------------------------------------


def _show(host: Host, home: Path, *, container: bool) -> None:
    _make_repo(host, home / "repos/notes")
    print(f"~ is {home}, deleted at the end; ~/share takes the place of your file server's share.")
    demo = _Transcript(host, home)
    _show_setup(demo, home)
    try:
        _show_fence(demo, home / "repos/notes") if container else _show_project(demo)
        _show_mirror(demo, home)
    finally:
        if container:  # a running container would leave control groups behind
            host.change(["incus", "delete", "--force", "--project", "repoman", "notes"])


def _show_setup(demo: _Transcript, home: Path) -> None:
    demo.explain(
        "Set up once: registry, marker on the share and, with Incus, a restricted project."
    )
    demo.run(
        "repoman", "setup", "--local-repos", home / "repos", "--nfs-repos", home / "share", "--yes"
    )


def _show_project(demo: _Transcript) -> None:
    demo.explain("A project is a repo and, where there is Incus, a container for it.")
    demo.run("repoman", "new", "notes", "--no-container", "--yes")


def _show_fence(demo: _Transcript, repo: Path) -> None:
    demo.explain("A project is a repo, and a container that has it at the same path.")
    demo.run("repoman", "new", "notes", "--yes")
    demo.explain("A command runs in the container as you, in the repo; its files are yours.")
    demo.run("repoman", "exec", "notes", "--", "sh", "-c", "id; touch made-inside")
    demo.explain("Root in the container puts a set-uid program into the repo …")
    inside = ("incus", "exec", "--project", "repoman", "notes", "--cwd", str(repo), "--")
    demo.run(*inside, "sh", "-c", "cp /bin/busybox trap; chmod u+s trap")
    demo.run("repoman", "exec", "notes", "--", "ls", "-l", "trap")
    demo.explain("… but outside it belongs to 1000000, which no user has, so it gives nobody root.")
    demo.run("ls", "-l", repo / "made-inside", repo / "trap")
    _run_quietly(demo.host, [*inside, "rm", "trap", "made-inside"])


def _show_mirror(demo: _Transcript, home: Path) -> None:
    repo, mirror = home / "repos/notes", home / "share/notes"
    demo.explain("The repo is mirrored to the share: a dry run first, then the real one.")
    demo.run("repoman", "sync", "--dry-run")
    demo.run("repoman", "sync")
    demo.explain("One file is edited, one added, one deleted; then all is committed.")
    _change(demo.host, repo)
    demo.run("repoman", "sync")
    demo.explain("The mirror equals the repo: no differences, and git fsck finds no errors.")
    demo.run("diff", "-r", "--no-dereference", repo, mirror)
    demo.run("git", "-C", mirror, "fsck", "--full", "--no-progress")
    demo.run("repoman", "list")


class _Transcript:
    """Runs programs and prints each command line with its output."""

    def __init__(self, host: Host, home: Path) -> None:
        self.host = host
        self._home = str(home)

    def explain(self, text: str) -> None:
        print(f"\n# {text}")

    def run(self, *argv: str | Path) -> None:
        """Print the command line and run it. Raise Failed if it fails."""
        command = list(map(str, argv))
        line = self._shorten(shlex.join(command))
        print(f"$ {line}")
        summary = _Summary(lambda text: print(self._shorten(text), flush=True))
        code = self.host.stream(command, summary.take, summary.take)
        if code in (ExitCode.INTERRUPTED, -signal.SIGINT):
            raise Interrupted("interrupted")
        if code:
            raise Failed(f"`{line}` failed with exit status {code}", "the demo can't continue")

    def _shorten(self, text: str) -> str:
        """Return `text` with ~ for the folder of the demo; cells of a table keep their width."""
        cells = re.compile(re.escape(self._home) + r"(\S*)(?=  )")
        text = cells.sub(lambda found: f"~{found[1]}".ljust(len(found[0])), text)
        return text.replace(self._home, "~")


class _Summary:
    """Prints lines, with a count in place of those of files in .git, and without hints."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._in_git = 0

    def take(self, line: bytes) -> None:
        """Print a line, or count it."""
        text = line.decode(errors="replace")
        if " .git/" in text:
            self._in_git += 1
        # The hint names the next step of the demo.
        if " .git/" in text or text.startswith("Next: "):
            return
        if self._in_git and " changed, " in text:
            self._show(f"notes: {self._in_git} files and folders in .git/")
            self._in_git = 0
        self._show(text)


_FILES = {
    "README.md": "# Notes\n",
    "todo.txt": "water the plants\n",
    "old/2024.txt": "long ago\n" * 40,
}


def _make_repo(host: Host, path: Path) -> None:
    _run_quietly(
        host, ["git", "init", "--quiet", "--template=", "--initial-branch=main", str(path)]
    )
    for name, text in _FILES.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        _commit(host, path, f"Add {name}")


def _change(host: Host, repo: Path) -> None:
    (repo / "todo.txt").write_text(_FILES["todo.txt"] + "mirror the repos\n")
    (repo / "ideas.txt").write_text("a garden\n")
    (repo / "old/2024.txt").unlink()
    _commit(host, repo, "Tidy up")


def _commit(host: Host, repo: Path, message: str) -> None:
    for argv in (["add", "--all"], ["commit", "--quiet", f"--message={message}"]):
        _run_quietly(host, ["git", "-C", str(repo), *argv])


def _run_quietly(host: Host, argv: Sequence[str]) -> None:
    result = host.change(argv)
    if result.code:
        raise Failed(f"`{' '.join(argv)}` failed", result.complaint)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
