"""Filling the arguments of one call by asking a person: the one place where that is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from repoman_tasks.planning.prompts import GO_AHEAD, Prompt, command_line
from repoman_tasks.session import Session

__all__ = ["Wizard", "fill"]


class Wizard:
    """The arguments of a call, and questions for those that are unset."""

    def __init__(self, session: Session, given: dict[str, Any]) -> None:
        self.session = session
        self.given = given
        """By the names in the task's signature; what is answered is put there too."""
        self.asked = False

    def wants(self, prompt: Prompt, *, default: bool = True) -> bool:
        """Whether that question is to be asked: no argument answers it, and `--yes` does not
        stand for its `default`."""
        answers = prompt.arguments(self.session.prompter.command)
        if any(self.given[name] for name in answers):
            return False
        return not (default and self.session.prompter.yes)

    def choose(
        self,
        prompt: Prompt,
        *about: str,
        options: Mapping[str, str],
        default: str = "",
        free: bool = False,
        check: Callable[[str], object] = lambda _: None,
    ) -> str:
        """Ask as `Ask.choose` does; an empty string where the question is not to be asked."""
        if not self.wants(prompt, default=bool(default)):
            return ""
        self.asked = True
        prompter = self.session.prompter
        return prompter.choose(
            prompt, *about, options=options, default=default, free=free, check=check
        )

    def confirm(self, prompt: Prompt, *about: str) -> bool:
        """Ask whether something is to be done, where that is to be asked; yes is the default."""
        if not self.wants(prompt):
            return False
        self.asked = True
        return self.session.prompter.confirm(prompt, *about, default=True)


def fill(
    session: Session,
    wizard: Callable[[Wizard], None],
    given: dict[str, Any],
    *,
    positional: Sequence[str] = (),
    host: str = "",
    chosen: bool = False,
) -> None:
    """Have a person asked for what is unset in `given`, if one is there, and keep in mind what
    would do the same by flags. `chosen` says that what is given was chosen by answers, too."""
    if not session.prompter.possible:
        return
    asking = Wizard(session, given)
    wizard(asking)
    if not (asking.asked or chosen):
        return
    confirms = session.prompter.command in GO_AHEAD.answers

    def equivalent() -> str:
        prompter, flags = session.prompter, dict(given)
        flags.update(dict.fromkeys(prompter.granted, True))
        if confirms:
            flags["no_input" if prompter.declined else "yes"] = True
        return command_line(prompter.command, positional, {**flags, "host": host}, session.argv)

    session.equivalent = equivalent
    if not confirms:  # nothing comes between that and its work
        session.show_equivalent()
