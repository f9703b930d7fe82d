"""The main job on a throwaway estate: python -m dev.demo

It runs itself again in a mount namespace of its own, where a tmpfs stands for the file server.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from invoke.exceptions import Exit

from repoman_tasks.cli.exits import exits
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

_AFTERWARDS = """\
Shown: setup, new, a dry run, a sync, a change with its sync, list and status. The estate is gone.
For your own repos, with the share mounted: {repoman} setup --local-repos ~/repos --nfs-repos DIR"""


def main(argv: Sequence[str]) -> int:
    """Show everything; the exit code. `argv` names the estate's folder in the second run."""
    host = LocalHost()
    try:
        with exits(debug=False), take_signals():
            if argv:
                _show(host, Path(argv[0]))
            else:
                _stage(host)
    except Exit as end:
        print(end.message, file=sys.stderr)
        return int(end.code)
    return 0


# --- outside: a folder, a namespace, and nothing of the person's --------------------------


def _stage(host: LocalHost) -> None:
    with tempfile.TemporaryDirectory(prefix="repoman-demo-") as folder:
        home = Path(folder).resolve()
        (home / "share").mkdir()
        argv = _namespace(host, home)
        environ = [f"{name}={value}" for name, value in _environ(home).items()]
        again = [sys.executable, "-m", "dev.demo", str(home)]
        code = host.hand_over([*argv, "env", "-i", "-C", str(home), *environ, *again])
    if code in (ExitCode.INTERRUPTED, -signal.SIGINT):
        raise Interrupted("interrupted, the estate is gone")
    if code:
        raise Failed("the demo did not come to its end, see above")
    print(_AFTERWARDS.format(repoman=_shortest(Path(sys.executable).with_name("repoman"))))


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
        "HOME": str(home),
        "XDG_CONFIG_HOME": f"{home}/.config",
        "XDG_STATE_HOME": f"{home}/.local/state",
        "XDG_CACHE_HOME": f"{home}/.cache",
        "XDG_DATA_HOME": f"{home}/.local/share",
        "REPOMAN_CONFIG": f"{home}/.config/repoman/repoman.toml",
        "INCUS_DIR": f"{home}/incus",  # where none is: the person's own is left alone
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


# --- inside: the transcript ---------------------------------------------------------------


def _show(host: Host, home: Path) -> None:
    repos, share = home / "repos", home / "share"
    print(f"A throwaway estate in {home}, called ~ below; it is removed at the end.")
    _quietly(host, _mount(home))
    for name, files in _REPOS.items():
        _make_repo(host, repos / name, files)
    print("Three git repos are in ~/repos. ~/share is a mount that stands for the file server.")
    demo = _Transcript(host, home)
    demo.type("repoman", "setup", "--local-repos", repos, "--nfs-repos", share, "--yes")
    for name in _REPOS:
        demo.type("repoman", "new", name, "--no-container", "--yes")
    demo.type("repoman", "sync", "--dry-run")
    demo.type("repoman", "sync")
    _change(demo, repos / "notes")
    demo.type("repoman", "sync", "notes", "--dry-run")
    demo.type("repoman", "sync")
    demo.type("repoman", "list")
    demo.type("repoman", "status")
    demo.say("The mirror is what the repo is:")
    demo.type("diff", "-r", "--no-dereference", repos / "notes", share / "notes")
    demo.type("git", "-C", share / "notes", "fsck", "--full", "--no-progress")
    print()


class _Transcript:
    """Runs words and shows them as a person would have typed them."""

    def __init__(self, host: Host, home: Path) -> None:
        self._host = host
        self._home = str(home)

    def say(self, text: str) -> None:
        print(f"\n# {text}")

    def type(self, *argv: str | Path) -> None:
        """Show and run `argv`. `Failed` where they do."""
        typed = [str(word) for word in argv]
        line = " ".join(typed).replace(self._home, "~")
        print(f"\n$ {line}")
        code = self._host.hand_over(typed)
        if code in (ExitCode.INTERRUPTED, -signal.SIGINT):
            raise Interrupted("interrupted")
        if code:
            raise Failed(f"`{line}` ended with exit status {code}", "the steps after it need it")


_REPOS = {
    "notes": {
        "README.md": "# Notes\n",
        "todo.txt": "water the plants\n",
        "old/2024.txt": "long ago\n" * 40,
    },
    "website": {"index.html": "<h1>Hello</h1>\n", "css/style.css": "h1 { color: teal }\n"},
    "tool": {"main.py": "print('hello')\n", "a name with spaces": "fine\n"},
}


def _make_repo(host: Host, path: Path, files: dict[str, str]) -> None:
    # Without git's sample hooks, and packed, so that the dry run is short enough to read.
    _quietly(host, ["git", "init", "--quiet", "--template=", "--initial-branch=main", str(path)])
    for name, text in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        _quietly(host, ["git", "-C", str(path), "add", "--all"])
        _quietly(host, ["git", "-C", str(path), "commit", "--quiet", f"--message=Add {name}"])
    _quietly(host, ["git", "-C", str(path), "-c", "gc.writeCommitGraph=false", "gc", "--quiet"])


def _change(demo: _Transcript, repo: Path) -> None:
    demo.say("A change in notes: one file edited, one added, one deleted, and a commit.")
    with (repo / "todo.txt").open("a") as todo:
        todo.write("mirror the repos\n")
    (repo / "ideas.txt").write_text("a garden\n")
    (repo / "old/2024.txt").unlink()
    demo.type("git", "-C", repo, "add", "--all")
    demo.type("git", "-C", repo, "commit", "--quiet", "--message=Tidy-up")


def _quietly(host: Host, argv: Sequence[str]) -> None:
    result = host.change(argv)
    if result.code:
        raise Failed(f"`{' '.join(argv)}` failed", result.complaint)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
