"""Run a program as an ordinary user beside a real Incus daemon of its own, from the checkout:

    python -m tests.worlds.daemon [--image NAME] [--agent NAME] [--pack NAME] -- ARGV…
    python -m tests.worlds.daemon --small FOLDER -- ARGV…

Needs root, which makes the namespaces. The exit status is that of the program; 3: the daemon can't
run here, and the message says why. --image adds one to the usual images, and --agent the npm
package of an agent, if npm can be reached; --pack also packs what its installation needs. With
--small, for the demo, there is only the small image, all files are in FOLDER, which the caller
removes, and so is the message, as `error`.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.worlds.daemon.agents import AGENT_PACKAGES, install_agent
from tests.worlds.daemon.images import IMAGES, USUAL, image
from tests.worlds.daemon.packages import pack_agent
from tests.worlds.daemon.sandbox import HIDDEN_FOLDERS, DaemonError, clean, run

_NAMESPACES = ("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc")
NO_DAEMON = 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.worlds.daemon")
    parser.add_argument("--image", action="append", default=[], choices=IMAGES)
    parser.add_argument("--agent", action="append", default=[], choices=AGENT_PACKAGES)
    parser.add_argument("--pack", action="append", default=[], choices=AGENT_PACKAGES)
    parser.add_argument("--small", type=Path, metavar="FOLDER")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("argv", nargs="+", metavar="ARGV")
    arguments = parser.parse_args()
    try:
        if arguments.inside:
            images = () if arguments.small else (*USUAL, *arguments.image)
            return run(arguments.argv, arguments.inside, images)
        return _run_small(arguments) if arguments.small else _run_in_scratch(arguments)
    except DaemonError as error:
        if arguments.small:
            (arguments.small / "error").write_text(str(error))
        else:
            print(f"tests.worlds.daemon: {error}", file=sys.stderr)
        return NO_DAEMON
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _run_in_scratch(arguments: argparse.Namespace) -> int:
    for name in (*USUAL, *arguments.image):  # while the network is there
        image(name)
    for name in (*arguments.agent, *arguments.pack):
        install_agent(name)
    for name in arguments.pack:
        pack_agent(name)
    # A socket's path has to be short.
    scratch = Path(tempfile.mkdtemp(prefix="rmt-", dir="/tmp"))
    scratch.chmod(0o755)
    for name in ("subuid", "subgid", "sudoers"):  # there has to be something to be hidden
        Path("/etc", name).touch()
    for folder in HIDDEN_FOLDERS:
        folder.mkdir(parents=True, exist_ok=True)
    try:
        more = [f"--image={name}" for name in arguments.image]
        return _in_namespaces(["--inside", str(scratch), *more], arguments.argv)
    finally:
        clean(scratch)


def _run_small(arguments: argparse.Namespace) -> int:
    folder = str(arguments.small)
    return _in_namespaces(["--inside", folder, "--small", folder], arguments.argv)


def _in_namespaces(options: list[str], argv: list[str]) -> int:
    again = [sys.executable, "-m", "tests.worlds.daemon", *options, "--", *argv]
    # Ctrl-C is for the program, which tidies up before it ends.
    signal.signal(signal.SIGINT, lambda *_: None)
    return subprocess.run([*_NAMESPACES, *again], env=dict(os.environ)).returncode


if __name__ == "__main__":
    sys.exit(main())
