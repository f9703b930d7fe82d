"""The token on the share, by which a sync knows that nobody else has written there since.

Each sync that writes replaces it twice, before its first transfer and after its last. What it is
about to write is noted in the state before, and what the mirrors then equal after. So wherever it
is killed, the projects that it was writing are compared in full the next time, and no others. If
the share or the state is restored from a backup, or swapped, or another host writes to the share,
the tokens differ, and all projects are.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from repoman_tasks.hosts.processes import is_over, this_process
from repoman_tasks.model import Mirrored
from repoman_tasks.planning.mirror.attempts import begin, outcome_record
from repoman_tasks.planning.mirror.known_mirrors import token_text
from repoman_tasks.registry import MirrorState
from repoman_tasks.tools.share import Share

__all__ = ["Generation", "take_over"]


class Generation:
    """The tokens of one run of `sync`."""

    def __init__(
        self,
        state: MirrorState,
        share: Share,
        began_with: str,
        hostname: str,
        now: Callable[[], str],
    ) -> None:
        """`began_with` is the token that the share had when it was decided what to compare.

        `hostname` is that of the host whose repos are mirrored.
        """
        self._state = state
        self._share = share
        self._began_with = began_with
        self._hostname = hostname
        self._now = now
        self._foreign = False
        """If true, another host wrote to the share after that."""
        self.opened = ""
        """The token that the share got before the first transfer; empty if there was none."""
        self._names: frozenset[str] = frozenset()
        self._written: set[str] = set()
        self._before: dict[str, Mirrored] = {}
        self._turn = threading.Lock()

    def _make_token(self) -> str:
        return _new_token(self._hostname, self._now())

    def expect(self, names: Iterable[str]) -> None:
        """Take `names` as the projects whose mirrors may be written."""
        self._names = frozenset(names)

    def open(self, names: Iterable[str]) -> None:
        """Note that the mirrors of `names` are about to be written.

        A sync that is refused before that leaves the share as it is.
        """
        with self._turn:
            self._written.update(names)
            if self.opened:
                return
            token = self._make_token()
            with self._state.locked():
                known, seen = self._state.load(), self._share.submit_token().result()
                self._foreign = seen != self._began_with and not known.accepts(seen)
                if known.accepts(seen):
                    self._before = {
                        name: state for name, state in known.projects.items() if name in self._names
                    }
                known, killed = begin(known, self._names, this_process(), self._now(), is_over)
                records = [outcome_record("sync", outcome) for outcome in killed]
                self._state.log.submit_append(records).result()
                self._state.save(known.opened(self._names, seen, token))
                self._share.put_token(token)
            self.opened = token

    def close(self, states: Mapping[str, Mirrored]) -> None:
        """Note `states`, which the mirrors have after the last transfer.

        A mirror that nothing was written to, as of a project that was refused, is as before.
        """
        kept = {n: state for n, state in self._before.items() if n not in self._written}
        states = {**kept, **states}
        token = self._make_token()
        with self._state.locked():
            known, seen = self._state.load(), self._share.submit_token().result()
            if self._foreign or not known.accepts(seen):
                states = {name: replace(state, digest="") for name, state in states.items()}
            closing = known.closing(seen, token)
            self._state.save(closing)
            self._share.put_token(token)
            self._state.save(closing.closed(states, self.opened))


def take_over(state: MirrorState, share: Share, hostname: str, now: str) -> None:
    """Have the share written by this host from now on, whichever wrote last.

    All mirrors are compared in full by the next sync. The other host stops there.
    """
    token = _new_token(hostname, now)
    with state.locked():
        state.save(state.load().opened(frozenset(), "", token))
        share.put_token(token)


def _new_token(hostname: str, now: str) -> str:
    return token_text(hostname, now, secrets.token_hex(16))
