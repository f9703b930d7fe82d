"""A host that answers what no host of ours does, and clients of Incus that name things."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from repoman_tasks.model import TRANSPORTS
from tests.containers.conftest import ContainerEstate
from tests.support.ssh_estate import RemoteEstate

ORIGINAL = 'exec sh -c "$SSH_ORIGINAL_COMMAND"'

by_each_transport = pytest.mark.parametrize("transport", TRANSPORTS)


@by_each_transport
@pytest.mark.parametrize("stream", ["", " >&2"])
def test_output_without_end_at_login(tmp_path: Path, transport: str, stream: str) -> None:
    """It ends long before the limits of time; a MiB of greetings is skipped."""
    noise = "head -c 1000000 /dev/zero | tr '\\0' '\\n'"
    for name in ("noisy", "endless"):
        (tmp_path / name).mkdir()
    noisy = f"ForceCommand {noise}{stream}; {ORIGINAL}"
    with RemoteEstate(tmp_path / "noisy", transport, noisy) as far:
        far.prepare("isurus")
        assert "isurus" in far.run("list", code=0).out, "the control"
    with RemoteEstate(tmp_path / "endless", transport, f"ForceCommand echo; yes{stream}") as far:
        far.prepare("isurus")
        done = far.run("list", code=1)
    assert "its shell printed more than 8 MiB and no answer" in done.err
    assert done.err.count("\n") == 1


def answer_as_incus(estate: RemoteEstate, script: str) -> dict[str, str]:
    """Return an environment of the host in which `incus` is a script."""
    text = estate.registry.read_text()
    estate.registry.write_text(text.replace("container = false\n", ""))
    programs = estate.base / "programs"
    programs.mkdir()
    (programs / "incus").write_text(f"#!/bin/sh\n{script}\n")
    (programs / "incus").chmod(0o755)
    return {"PATH": f"{programs}:{estate.environ['PATH']}"}


INSTANCE = '{"name": "NAME", "status": "Stopped", "config": {}, "devices": {}}'
ANSWER = '{"error": "", "error_code": 0, "metadata": METADATA}'


NOT_INCUS = {
    "nested": "[" * 100_000,
    "nested, and complete": "[" * 900 + "]" * 900,
    "NaN": "[NaN]",
    "other types": '[{"name": 7}]',
    "a name with backticks": f"[{INSTANCE.replace('NAME', '`id`')}]",
    "a name like an option": f"[{INSTANCE.replace('NAME', '--force')}]",
    "a state with backticks": f"[{INSTANCE.replace('Stopped', '`id`')}]",
}


@by_each_transport
def test_answers_that_are_not_those_of_incus(tmp_path: Path, transport: str) -> None:
    with RemoteEstate(tmp_path, transport) as far:
        far.prepare("isurus")
        good, answer = far.base / "good", far.base / "answer"
        good.write_text(ANSWER.replace("METADATA", f"[{INSTANCE.replace('NAME', 'isurus')}]"))
        answer.write_text(good.read_text())
        environ = answer_as_incus(far, f"cat {answer}")
        assert "stopped" in far.run("list", environ=environ).out, "the control"
        for what, metadata in NOT_INCUS.items():
            answer.write_text(ANSWER.replace("METADATA", metadata))
            error = far.run("start", "isurus", environ=environ, code=1).err
            says = "not JSON of its API|did not answer with a list of instances"
            assert re.search(says, error), (what, error)
            assert "repoman itself" not in error, what
            assert error.count("\n") == 1, what


@by_each_transport
def test_an_answer_without_end(tmp_path: Path, transport: str) -> None:
    with RemoteEstate(tmp_path, transport) as far:
        far.prepare("isurus")
        done = far.run("start", "isurus", environ=answer_as_incus(far, "exec yes"), code=1)
    assert "incus printed more than 16777216 bytes" in done.err


def pasted(text: str, folder: Path) -> list[str]:
    """Paste all commands of a text into bash, in `folder`; return the files that appear there."""
    folder.mkdir()
    for command in re.findall("`([^`]+)`", text):
        argv = ["bash", "-c", command]
        subprocess.run(argv, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return [path.name for path in folder.iterdir()]


def test_a_name_adds_no_command_to_a_message(isurus: ContainerEstate, tmp_path: Path) -> None:
    """Tags that another client chose, where `status` and others tell of the container."""
    evil = "x`touch pwned`$(touch pwned);touch pwned"
    isurus.incus("config", "set", "isurus", f"user.repoman.image={evil}")
    isurus.incus("init", "busybox", "stray")
    isurus.incus("config", "set", "stray", f"user.repoman.project={evil}")
    assert pasted(f"see {evil}", tmp_path / "control") == ["pwned"]
    for argv in (("status",), ("list",), ("start", "isurus"), ("update", "isurus", "--dry-run")):
        done = isurus.run(*argv)
        assert "touch pwned" in done.out + done.err, argv
        assert pasted(done.out + done.err, tmp_path / argv[0]) == [], argv
