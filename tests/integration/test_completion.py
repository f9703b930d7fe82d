"""`completion` installs its files in the right folders and removes nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from repoman_tasks.completions import script
from tests.support.estate import Estate

FILES = {
    "bash": [f".local/share/bash-completion/completions/{name}" for name in ("repoman", "inv")],
    "zsh": [".local/share/zsh/site-functions/_repoman"],
    "fish": [f".config/fish/completions/{name}.fish" for name in ("repoman", "inv")],
}
each_shell = pytest.mark.parametrize("shell", FILES)


def there(home: Path) -> set[str]:
    """Return the files in a home, except the lock."""
    files = (str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())
    return {file for file in files if not file.endswith("repoman.toml.completion")}


@each_shell
def test_install_and_remove(estate: Estate, shell: str) -> None:
    dry = estate.run("completion", "install", "--shell", shell, "--dry-run", code=0)
    assert there(estate.home) == set()
    done = estate.run("completion", "install", "--shell", shell, code=0)
    assert there(estate.home) == set(FILES[shell])
    for file in FILES[shell]:
        assert (estate.home / file).read_bytes() == script(shell)
        assert f"done: write {estate.home / file}" in done.out
        assert f"would write {estate.home / file}" in dry.out
    again = estate.run("completion", "install", "--shell", shell, code=0)
    assert again.out == "nothing to do\n"
    assert f"installed: {estate.home / FILES[shell][0]}" in again.err
    estate.run("completion", "remove", "--shell", shell, code=0)
    assert there(estate.home) == set()
    assert estate.run("completion", "remove", "--shell", shell, code=0).out == "nothing to do\n"


@each_shell
def test_an_older_one_is_replaced(estate: Estate, shell: str) -> None:
    estate.run("completion", "install", "--shell", shell, code=0)
    file = estate.home / FILES[shell][0]
    file.write_text("\n".join(file.read_text().splitlines()[:3]))
    done = estate.run("completion", "install", "--shell", shell, code=0)
    assert f"done: replace {file}\n" in done.out
    assert file.read_bytes() == script(shell)


@each_shell
def test_a_file_of_somebody_else_stays(estate: Estate, shell: str) -> None:
    for file in FILES[shell]:
        (estate.home / file).parent.mkdir(parents=True, exist_ok=True)
        (estate.home / file).write_text("mine\n")
    for words in (["install"], ["install", "--no-input"], ["install", "--dry-run"], ["remove"]):
        done = estate.run("completion", *words, "--shell", shell)
        assert done.code == (0 if words[-1] in ("--dry-run", "remove") else 2)
        assert "is not repoman's" in done.err
        assert {(estate.home / file).read_text() for file in FILES[shell]} == {"mine\n"}
    estate.run("completion", "install", "--shell", shell, "--yes", code=0)
    assert (estate.home / FILES[shell][0]).read_bytes() == script(shell)
    others = [(estate.home / file).read_text() for file in FILES[shell][1:]]
    assert set(others) <= {"mine\n"}, "that of inv gives way"


def test_the_shell_is_the_one_in_use(estate: Estate) -> None:
    estate.run("completion", "install", environ={"SHELL": "/usr/bin/zsh"}, code=0)
    assert there(estate.home) == set(FILES["zsh"])
    assert estate.run("completion", "install", environ={"SHELL": "/bin/dash"}).code == 2


@pytest.mark.parametrize("words", [[], ["instal"], ["remove", "isurus"], ["install", "--undo"]])
def test_invalid_arguments_change_nothing(estate: Estate, words: list[str]) -> None:
    """`remove` is an action here and never the command of that name."""
    estate.prepare("isurus")
    before = estate.hash_files()
    assert estate.run("completion", *words, environ={"SHELL": "/bin/bash"}).code == 2
    assert estate.hash_files() == before


def test_nothing_is_written_with_invokes_dry(estate: Estate) -> None:
    estate.run("--dry", "completion", "install", "--shell", "fish", code=0)
    assert there(estate.home) == set()


def test_install_finds_the_names_at_once(estate: Estate) -> None:
    estate.prepare("isurus")
    estate.run("completion", "install", "--shell", "fish", code=0)
    assert "project\tisurus\n" in estate.names.read_text()
    estate.names.unlink()
    estate.registry.write_text("[[project\n")
    estate.run("completion", "remove", "--shell", "fish", code=0)
    assert estate.run("completion", "install", "--shell", "fish", code=0).err.count("\n") == 2
    assert not estate.names.exists(), "a broken registry is no reason to fail"
