"""Prompting for the arguments that are missing from a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from repoman_tasks.planning.prompts import GO_AHEAD, Prompt, command_line
from repoman_tasks.session import Session

__all__ = ["Wizard", "fill_arguments"]


class Wizard:
    """The arguments of a call, and the prompts for those that are unset."""

    def __init__(self, session: Session, arguments: dict[str, Any]) -> None:
        self.session = session
        self.arguments = arguments
        """The arguments by name, None or empty if unset; a wizard sets those that are answered."""
        self.prompted = False
        """If true, a question was asked."""

    def is_open(self, prompt: Prompt, *, default: bool = True) -> bool:
        """Return True if no argument answers the question, nor `--yes` if it has a `default`."""
        names = prompt.arguments(self.session.prompter.command)
        if any(self.arguments[name] for name in names):
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
        """Ask as `Prompter.choose` does. Return "" without asking if the question is answered."""
        if not self.is_open(prompt, default=bool(default)):
            return ""
        self.prompted = True
        prompter = self.session.prompter
        return prompter.choose(
            prompt, *about, options=options, default=default, free=free, check=check
        )

    def confirm(self, prompt: Prompt, *about: str) -> bool:
        """Ask a yes-or-no question whose default is yes. Return False if it is answered already."""
        if not self.is_open(prompt):
            return False
        self.prompted = True
        return self.session.prompter.confirm(prompt, *about, default=True)


def fill_arguments(
    session: Session,
    wizard: Callable[[Wizard], None],
    arguments: dict[str, Any],
    *,
    positional: Sequence[str] = (),
    host: str = "",
    from_answers: bool = False,
) -> None:
    """Run the wizard, on a terminal only, to set missing arguments.

    If it prompts, or if the arguments come `from_answers`, have the session print the command line
    that does the same without prompts.
    """
    if not session.prompter.possible:
        return
    filled = Wizard(session, arguments)
    wizard(filled)
    if not (filled.prompted or from_answers):
        return
    confirms = session.prompter.command in GO_AHEAD.answers

    def equivalent() -> str:
        prompter, flags = session.prompter, dict(arguments)
        flags.update(dict.fromkeys(prompter.granted, True))
        if confirms:
            flags["no_input" if prompter.declined else "yes"] = True
        return command_line(prompter.command, positional, {**flags, "host": host}, session.argv)

    session.equivalent = equivalent
    if not confirms:  # else it is printed after the confirmation, which has an option, too
        session.show_equivalent()
