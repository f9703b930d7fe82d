"""After an installation by pip or pipx, man and the shells find page and completions."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from repoman_tasks.completions import script
from tests.packages.conftest import FIRST
from tests.support.estate import Result, isolate_environ, run

BASH_COMPLETION = Path("/usr/share/bash-completion/bash_completion")
LOAD = f"""
. {BASH_COMPLETION}
type -t _comp_load >/dev/null && _comp_load repoman || __load_completion repoman
complete -p repoman
"""


@pytest.fixture(params=["pip", "pipx"])
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Install the wheel; return the environment of a user's shell."""
    (wheel,) = FIRST.glob("*.whl")
    home = tmp_path / "home"
    (home / ".local").mkdir(parents=True)
    environ = isolate_environ(home)
    environ["PATH"] = f"{home}/.local/bin:{environ['PATH']}"
    if request.param == "pip":
        flags = ["--no-deps", "--no-index", "--quiet", "--ignore-installed"]
        prefix = ["--prefix", str(home / ".local")]
        argv = [sys.executable, "-m", "pip", "install", *flags, *prefix, str(wheel)]
    else:
        if shutil.which("pipx") is None:
            pytest.skip("not here: pipx")
        argv = ["pipx", "install", str(wheel)]  # it wants the dependencies, too
    done = run(argv, environ)
    assert done.code == 0, done
    return environ


def look(environ: dict[str, str], *argv: str) -> Result:
    done = run(argv, environ, cwd=environ["HOME"])
    assert done.code == 0, done
    return done


def test_man_finds_the_page(installed: dict[str, str]) -> None:
    if shutil.which("man") is None:
        pytest.skip("not here: man")
    page = look(installed, "man", "--where", "repoman").out.strip()
    assert page.startswith(installed["HOME"])


def test_the_shells_find_the_completion(installed: dict[str, str]) -> None:
    share = Path(installed["HOME"]) / ".local/share"
    for shell, path in (
        ("bash", "bash-completion/completions/repoman"),
        ("zsh", "zsh/site-functions/_repoman"),
        ("fish", "fish/vendor_completions.d/repoman.fish"),
    ):
        found = share / path
        if not found.exists():
            pytest.skip(f"not here: a pipx that links completions, as of {shell}")
        assert found.read_bytes() == script(shell)
    if not BASH_COMPLETION.exists():
        pytest.skip("not here: bash-completion")
    assert "repoman" in look(installed, "bash", "--norc", "-c", LOAD).out
