"""Handle answers that a real daemon cannot be made to give."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

from repoman_tasks.errors import Failed
from repoman_tasks.hosts.local import LocalHost
from repoman_tasks.tools.incus import Incus


def answering(folder: Path, out: str = "", err: str = "", code: int = 0) -> LocalHost:
    """Return a host whose `incus` prints this, and fails for any other argv."""
    program = folder / "incus"
    program.write_text(
        "#!/bin/sh\n"
        '[ "$1 $2 $3 $4 $5" = "query --force-local --raw -X GET" ] || exit 99\n'
        f"printf '%s' \"$6\" >{shlex.quote(str(folder / 'asked'))}\n"
        f"printf '%s' {shlex.quote(out)}\n"
        f"printf '%s' {shlex.quote(err)} >&2\n"
        f"exit {code}\n"
    )
    program.chmod(0o755)
    return LocalHost({**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"})


def answer(error: str = "", code: int = 0, metadata: object = None) -> str:
    return json.dumps({"error": error, "error_code": code, "metadata": metadata})


@pytest.mark.parametrize(
    ("out", "err", "code", "expected"),
    [
        (answer("Certificate is restricted", 403), "", 0, "Incus says: Certificate is restricted"),
        (answer("Database is locked", 500), "", 0, "Incus says: Database is locked"),
        ("<html>", "", 0, "not JSON of its API"),
        ("[]", "", 0, "not JSON of its API"),
        ("", "", 0, "not JSON of its API"),
        (
            answer(metadata={"a": "DEEP"}).replace('"DEEP"', "[" * 9999),
            "",
            0,
            "not JSON of its API",
        ),
        (answer(metadata=0).replace("0}", "[" * 99 + "]" * 99 + "}"), "", 0, "not JSON of its API"),
        (answer(metadata=0).replace("0}", "NaN}"), "", 0, "not JSON of its API"),
        (answer(metadata=0).replace("}", ', "error": "x"}'), "", 0, "not JSON of its API"),
        (answer(metadata=7), "", 0, "not JSON of its API"),
        (answer(metadata=[{"name": 7}]), "", 0, "not JSON of its API"),
        (answer(metadata=[{"config": {}}]), "", 0, "not JSON of its API"),
        (answer(metadata={"config": {"a": []}}), "", 0, "not JSON of its API"),
        (answer(metadata={"devices": {"a": {"type": {}}}}), "", 0, "not JSON of its API"),
        (answer(metadata={"space": {"total": "1"}}), "", 0, "not JSON of its API"),
        ("", "Error: You don't have the needed permissions to talk", 1, "this user may not talk"),
        ("", "Error: The incus daemon doesn't appear to be started", 1, "daemon does not run"),
        ("", "first\nError: EOF", 1, "incus can't reach its daemon: EOF"),
    ],
)
def test_a_refusal(tmp_path: Path, out: str, err: str, code: int, expected: str) -> None:
    with pytest.raises(Failed, match=expected) as caught:
        Incus(answering(tmp_path, out, err, code), "repoman").get("/1.0")
    assert caught.value.cure


def test_an_answer_without_end_is_stopped(tmp_path: Path) -> None:
    host = answering(tmp_path)
    (tmp_path / "incus").write_text("#!/bin/sh\nexec yes\n")
    with pytest.raises(Failed, match="incus printed more than 16777216 bytes"):
        Incus(host, "repoman").get("/1.0")


def test_what_is_not_there(tmp_path: Path) -> None:
    incus = Incus(answering(tmp_path, answer("Not Found", 404)), "repoman")
    assert incus.get("/1.0/instances/a") is None
    assert incus.container("a") is None
    assert incus.submit_containers().result() == {}


ANOTHER_GONE = 'Failed getting ACL usage: Failed to load project "other": Project not found'


def answering_in_turn(folder: Path, *outs: str) -> LocalHost:
    """Return a host whose `incus` prints these one after the other, and where no sleep takes time.

    `calls` in the folder has a line for each call.
    """
    for number, out in enumerate(outs, 1):
        (folder / f"answer{number}").write_text(out)
    program, calls = folder / "incus", shlex.quote(str(folder / "calls"))
    program.write_text(
        f'#!/bin/sh\necho "$5 $6" >>{calls}\nexec cat {folder}/answer$(wc -l <{calls})\n'
    )
    (folder / "sleep").write_text("#!/bin/sh\n")
    for name in ("incus", "sleep"):
        (folder / name).chmod(0o755)
    return LocalHost({**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"})


def test_another_project_that_vanishes_does_not_hide_an_acl(tmp_path: Path) -> None:
    gone, found = answer(ANOTHER_GONE, 404), answer(metadata={"name": "fence"})
    incus = Incus(answering_in_turn(tmp_path, gone, gone, found), "repoman")
    assert incus.get("/1.0/network-acls/fence") == {"name": "fence"}
    assert (tmp_path / "calls").read_text().count("GET local:/1.0/network-acls/fence\n") == 3


def test_another_project_that_vanishes_does_not_undo_a_change(tmp_path: Path) -> None:
    gone, done = answer(ANOTHER_GONE, 404), answer(metadata={})
    incus = Incus(answering_in_turn(tmp_path, gone, done), "repoman")
    assert incus.change("PUT", "/1.0/network-acls/fence", {}) == {}
    assert (tmp_path / "calls").read_text().split() == ["PUT", "--data"] * 2


def test_projects_that_vanish_for_ever_are_an_error(tmp_path: Path) -> None:
    gone = [answer(ANOTHER_GONE, 404)] * 42
    with pytest.raises(Failed, match="Incus says: Failed getting ACL usage") as caught:
        Incus(answering_in_turn(tmp_path, *gone), "repoman").get("/1.0/network-acls/fence")
    assert caught.value.cure == "try again in a moment"


@pytest.mark.parametrize("project", ["a b", "x&recursion=2", "../certificates", "é#?"])
def test_a_name_never_leaves_its_place_in_the_address(tmp_path: Path, project: str) -> None:
    Incus(answering(tmp_path, answer(metadata=[])), project).submit_containers().result()
    path = (tmp_path / "asked").read_text()
    assert path.startswith("local:/1.0/instances?project=")
    assert path.endswith("&recursion=1")
    name = path.removeprefix("local:/1.0/instances?project=").removesuffix("&recursion=1")
    assert not set(name) & set(" &#?/")
