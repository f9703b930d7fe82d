"""README's pictures exist, and can be drawn again without a daemon."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.pictures.__main__ import CODES, drawing
from tests.pictures.drawing import CHARACTER, THEMES, draw
from tests.pictures.stage import MOUNTED, alone, in_the_way
from tests.support.estate import CHECKOUT

NAMES = [f"{name}-{theme}.svg" for name in CODES for theme in THEMES]
PLACES = re.compile(r"/(?:tmp|mnt|srv|root|dev/shm|home/(?!d))[\w/]*")


def argv(svg: str) -> list[str]:
    """Return the text of a picture, line by line."""
    lines: dict[str, str] = {}
    for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
        text = (element.text or "").replace("\xa0", " ")
        column = round(float(element.attrib["x"]) / CHARACTER)
        lines[element.attrib["y"]] = lines.get(element.attrib["y"], "").ljust(column) + text
    return list(lines.values())


def check(svg: str, name: str) -> None:
    """Check that a picture shows the command, needs no other file, and shows nothing of this
    machine."""
    shown = argv(svg)
    assert shown[0] == f"$ repoman {name}"
    assert len(shown) > 3
    assert [line for line in shown if PLACES.search(line) or "Traceback" in line] == []
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)|@import|@font-face|url\(", svg) == []


@pytest.mark.parametrize("file", NAMES)
def test_the_pictures_are_here(file: str) -> None:
    check((CHECKOUT / "docs/pictures" / file).read_text(), file.partition("-")[0])


def test_no_other_picture_is_kept() -> None:
    assert sorted(file.name for file in (CHECKOUT / "docs/pictures").iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("name", CODES)
def test_both_themes_have_the_same_text(name: str) -> None:
    light, dark = ((CHECKOUT / f"docs/pictures/{name}-{t}.svg").read_text() for t in THEMES)
    assert argv(light) == argv(dark)


def test_they_can_be_drawn_without_a_daemon(tmp_path: Path) -> None:
    if in_the_way():
        pytest.skip(f"not here: the stage would hide {in_the_way()}")
    if subprocess.run([*alone(), "true"], capture_output=True).returncode:
        pytest.skip("not here: no permission to create a mount namespace")
    tmp_path.chmod(0o777)
    subprocess.run([*alone(), *drawing(tmp_path)], cwd=CHECKOUT, check=True)
    for file in NAMES:
        check((tmp_path / file).read_text(), file.partition("-")[0])


def mounted_on_the_stage() -> list[str]:
    """Return the mounts in the folders of the stage; elsewhere others may mount."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if Path(line.split()[4]) in MOUNTED]


def test_nothing_is_mounted_outside_of_a_namespace(tmp_path: Path) -> None:
    before = mounted_on_the_stage()
    done = subprocess.run(drawing(tmp_path), cwd=CHECKOUT, capture_output=True, text=True)
    assert (done.returncode, "in a namespace alone" in done.stderr) == (1, True)
    assert mounted_on_the_stage() == before


def test_a_drawing_is_what_the_terminal_showed() -> None:
    shown = "\x1b[1mA\x1b[0m <b> & \x1b[32m✓\x1b[0m\n\n    behind\n"
    assert argv(draw(shown, "x", "dark", 80)) == ["A <b> & ✓", "    behind"]
    assert draw(shown, "x", "dark", 80) == draw(shown, "x", "dark", 80)
    assert 'x="48.8"' in draw(shown, "x", "dark", 80)
