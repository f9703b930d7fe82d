"""Show repoman on throwaway repos: python -m dev.demo

It runs itself again in a mount namespace of its own, where a tmpfs stands for the file server; as
root, if Incus is installed, once more beside a private Incus daemon, as an ordinary user.
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

_KEPT = ("TERM", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "NO_COLOR", "COLUMNS", "LINES")
"""All that the demo sees of the person's environment, beside PATH."""

_SWITCHES = (
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "0", "10000"),
)
"""Settings of the kernel, each with the value that forbids and one that allows."""

_NEEDED = {
    "incusd": "incus",
    "incus": "incus",
    "busybox": "busybox-static",
    "dnsmasq": "dnsmasq-base",
    "nft": "nftables",
    "ip": "iproute2",
    "setpriv": "util-linux",
}
"""The programs of the container part, each with Debian's package for it."""
_USER = 1000
"""The uid and gid of the ordinary user beside the daemon."""
_NO_DAEMON = 3
"""The exit status of tests.worlds.daemon if no daemon runs here."""
_MOUNT, _MOUNT_FOR_CONTAINER = "mount", "mount-for-container"
_SHOW, _SHOW_CONTAINER = "show", "show-container"
_NO_CONTAINER = "No container is shown: {}."

_AFTERWARDS = """
All that the demo made is gone. For your own repos, with the share mounted: {repoman} setup"""


def main(argv: Sequence[str]) -> int:
    """Show everything; return the exit code. `argv` is a stage of the demo and its folder."""
    host = LocalHost()
    try:
        with exit_on_error(debug=False), take_signals():
            if not argv:
                _start(host)
            elif argv[0] in (_MOUNT, _MOUNT_FOR_CONTAINER):
                _mount_and_show(host, Path(argv[1]), container=argv[0] == _MOUNT_FOR_CONTAINER)
            else:
                _show(host, Path(argv[1]), container=argv[0] == _SHOW_CONTAINER)
    except Exit as end:
        print(end.message, file=sys.stderr)
        return int(end.code)
    return 0


# --- outside: a folder, a namespace, and nothing of the person's --------------------------


def _start(host: LocalHost) -> None:
    # A socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="repoman-demo-", dir="/tmp") as folder:
        home = Path(folder).resolve()
        (home / "share").mkdir()
        why = _why_no_container(host)
        stage = _MOUNT if why else _MOUNT_FOR_CONTAINER
        if why:
            print(_NO_CONTAINER.format(why))
        code = host.hand_over([*_namespace(host, home), *_again(stage, home)])
    if code in (ExitCode.INTERRUPTED, -signal.SIGINT):
        raise Interrupted("interrupted, all that the demo made is gone")
    if code:
        raise Failed("the demo stopped before its end, see above")
    print(_AFTERWARDS.format(repoman=_shortest(Path(sys.executable).with_name("repoman"))))


def _again(stage: str, home: Path, **environ: str) -> list[str]:
    """Return the argv of a stage of the demo, which sees nothing of the person's environment."""
    values = [f"{name}={value}" for name, value in (_environ(home) | environ).items()]
    python = ["env", "-i", "-C", str(home), *values, sys.executable]
    return [*python, "-m", "dev.demo", stage, str(home)]


def _namespace(host: Host, home: Path) -> list[str]:
    """Words that run what follows them where it may mount; `Failed` where nothing may."""
    argv = ["unshare", *(() if host.uid == 0 else ("--user", "--map-root-user")), "--mount"]
    result = host.read([*argv, *_mount(home)])
    if not result.code:
        return argv
    raise Failed(f"no file system may be mounted here ({result.complaint})", _cure(host))


def _mount(home: Path) -> list[str]:
    return ["mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "fileserver", str(home / "share")]


def _cure(host: Host) -> str:
    if host.uid == 0:
        return "give this container the right to mount (CAP_SYS_ADMIN), or run the demo outside"
    for name, forbids, allows in _SWITCHES:
        found = host.read_file(f"/proc/sys/{name.replace('.', '/')}") or b""
        if found.decode().strip() == forbids:
            return f"`sudo sysctl {name}={allows}` allows it; so does root: `sudo ./bootstrap demo`"
    return "root may: `sudo ./bootstrap demo`"


def _environ(home: Path) -> dict[str, str]:
    programs = Path(sys.executable).parent
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "PATH": f"{programs}:{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(home),
        "TMPDIR": str(home),
        "XDG_CONFIG_HOME": f"{home}/.config",
        "XDG_STATE_HOME": f"{home}/.local/state",
        "XDG_CACHE_HOME": f"{home}/.cache",
        "XDG_DATA_HOME": f"{home}/.local/share",
        "REPOMAN_CONFIG": f"{home}/.config/repoman/repoman.toml",
        "INCUS_DIR": f"{home}/incus",  # the demo's own, or none
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


def _shortest(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


# --- inside: the share, and the daemon where one can be had -------------------------------


def _mount_and_show(host: LocalHost, home: Path, *, container: bool) -> None:
    _quietly(host, _mount(home))
    code = _show_beside_daemon(host, home) if container else _NO_DAEMON
    if code == _NO_DAEMON:
        code = host.hand_over(_again(_SHOW, home))
    sys.exit(code)


def _why_no_container(host: Host) -> str:
    if host.uid != 0:
        return "that needs root, which starts a private Incus daemon: sudo ./bootstrap demo"
    path = f"{os.environ['PATH']}:{SYSTEM_PATH}"
    missing = {_NEEDED[name] for name in _NEEDED if not shutil.which(name, path=path)}
    if missing:
        return f"not installed: {', '.join(sorted(missing))}"
    probe = host.read(["unshare", "--mount", "--pid", "--net", "--fork", "true"])
    return f"no namespace can be made here ({probe.complaint})" if probe.code else ""


def _show_beside_daemon(host: Host, home: Path) -> int:
    for folder in (home, home / "share"):
        folder.chmod(0o755)
        os.chown(folder, _USER, _USER)
    daemon = home / "daemon"
    daemon.mkdir()
    python = ["env", f"HOME={daemon}", sys.executable]  # Incus's client writes into its home
    module = [*python, "-m", "tests.worlds.daemon", "--small", str(daemon), "--"]
    code = host.hand_over([*module, *_again(_SHOW_CONTAINER, home, INCUS_DIR=f"{daemon}/incus")])
    if code == _NO_DAEMON:
        lines = (daemon / "error").read_text().splitlines()
        print(_NO_CONTAINER.format(f"no Incus daemon runs here: {lines[-1] if lines else '?'}"))
    return code


# --- inside: the transcript ---------------------------------------------------------------


def _show(host: Host, home: Path, *, container: bool) -> None:
    _make_repo(host, home / "repos/notes")
    print(f"~ is {home}, gone at the end; ~/share stands for a share of your file server.")
    demo = _Transcript(host, home)
    _show_setup(demo, home)
    try:
        _show_fence(demo, home / "repos/notes") if container else _show_project(demo)
        _show_mirror(demo, home)
    finally:
        if container:  # or it would leave control groups behind
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
    demo.explain("A command runs in the container as you, in the repo; what it makes is yours.")
    demo.run("repoman", "exec", "notes", "--", "sh", "-c", "id; touch made-inside")
    demo.explain("Root in the container puts a set-uid program into the repo …")
    inside = ("incus", "exec", "--project", "repoman", "notes", "--cwd", str(repo), "--")
    demo.run(*inside, "sh", "-c", "cp /bin/busybox trap; chmod u+s trap; ls -l trap")
    demo.explain("… but outside it belongs to 1000000, which no user has, so it gives nobody root.")
    demo.run("ls", "-l", repo / "made-inside", repo / "trap")
    _quietly(demo.host, [*inside, "rm", "trap", "made-inside"])


def _show_mirror(demo: _Transcript, home: Path) -> None:
    repo, mirror = home / "repos/notes", home / "share/notes"
    demo.explain("The repo is mirrored to the share. First look, then do it.")
    demo.run("repoman", "sync", "--dry-run")
    demo.run("repoman", "sync")
    demo.explain("One file is edited, one added, one deleted, and that is committed.")
    _change(demo.host, repo)
    demo.run("repoman", "sync")
    demo.explain("The mirror is what the repo is: no difference, and git finds no fault.")
    demo.run("diff", "-r", "--no-dereference", repo, mirror)
    demo.run("git", "-C", mirror, "fsck", "--full", "--no-progress")
    demo.run("repoman", "list")


class _Transcript:
    """Runs programs and shows them as a person would have typed them."""

    def __init__(self, host: Host, home: Path) -> None:
        self.host = host
        self._home = str(home)

    def explain(self, text: str) -> None:
        print(f"\n# {text}")

    def run(self, *argv: str | Path) -> None:
        """Show and run a program. Raise Failed if it fails."""
        typed = [str(word) for word in argv]
        line = self._short(shlex.join(typed))
        print(f"$ {line}")
        summary = _Summary(lambda text: print(self._short(text), flush=True))
        code = self.host.stream(typed, summary.take, summary.take)
        if code in (ExitCode.INTERRUPTED, -signal.SIGINT):
            raise Interrupted("interrupted")
        if code:
            raise Failed(f"`{line}` ended with exit status {code}", "the steps after it need it")

    def _short(self, text: str) -> str:
        """Return `text` with ~ for the folder of the demo; a cell of a table keeps its width."""
        cells = re.compile(re.escape(self._home) + r"(\S*)(?=  )")
        text = cells.sub(lambda found: f"~{found[1]}".ljust(len(found[0])), text)
        return text.replace(self._home, "~")


class _Summary:
    """Prints lines, but sums up those of files below .git, and leaves out what to do next."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._in_git = 0

    def take(self, line: bytes) -> None:
        """Print a line, or count it."""
        text = line.decode(errors="replace")
        if " .git/" in text:
            self._in_git += 1
        if " .git/" in text or text.startswith("Next: "):  # which the demo does itself
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
    _quietly(host, ["git", "init", "--quiet", "--template=", "--initial-branch=main", str(path)])
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
        _quietly(host, ["git", "-C", str(repo), *argv])


def _quietly(host: Host, argv: Sequence[str]) -> None:
    result = host.change(argv)
    if result.code:
        raise Failed(f"`{' '.join(argv)}` failed", result.complaint)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
