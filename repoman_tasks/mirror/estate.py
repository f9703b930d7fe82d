"""Mirroring the projects of a plan, several at once, and recording those that are complete."""

from __future__ import annotations

import contextlib
import queue
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import FrameType

from repoman_tasks.host import Host
from repoman_tasks.mirror.events import Event, Finished
from repoman_tasks.mirror.passes import Setting
from repoman_tasks.mirror.project import mirror_project
from repoman_tasks.planning.sync import Outcome, SyncPlan
from repoman_tasks.registry import Store, record_sync

__all__ = ["mirror_estate"]

_QUEUED_EVENTS = 1000
"""Bounded, so that a slow terminal slows the mirror down instead of filling memory."""


def mirror_estate(
    setting: Setting, plan: SyncPlan, store: Store, see: Callable[[Event], None]
) -> list[Outcome]:
    """Mirror every project of `plan`, `plan.jobs` at once; `see` is called in this thread.

    A signal to stop ends every rsync; what had finished is recorded, and the rest comes
    back as interrupted.
    """
    events: queue.Queue[Event] = queue.Queue(_QUEUED_EVENTS)
    setting = replace(setting, emit=events.put)
    unrecorded: list[Outcome] = []
    with _signals_stop(setting.host), ThreadPoolExecutor(plan.jobs) as pool:
        futures = [
            pool.submit(mirror_project, setting, project, store.lock_path(project.name))
            for project in plan.projects
        ]
        try:
            for event in _until_done(futures, events):
                if isinstance(event, Finished):
                    unrecorded.append(event.outcome)
                if event is not None:
                    see(event)
                elif unrecorded:  # a quiet moment
                    _record(store, unrecorded, setting)
        finally:
            if not all(future.done() for future in futures):  # `see` failed: nobody watches
                setting.host.stopping.set()
                unrecorded += [
                    event.outcome
                    for event in _until_done(futures, events)
                    if isinstance(event, Finished)
                ]
            _record(store, unrecorded, setting)
        return [future.result() for future in futures]


def _until_done(
    futures: Sequence[Future[Outcome]], events: queue.Queue[Event]
) -> Iterator[Event | None]:
    """The events of the workers until all are done; None in every tenth of a second without one."""
    while True:
        done = all(future.done() for future in futures)
        try:
            yield events.get(timeout=0 if done else 0.1)
        except queue.Empty:
            if done:
                return
            yield None


def _record(store: Store, outcomes: list[Outcome], setting: Setting) -> None:
    """Note the complete mirrors among `outcomes` in the registry, and empty the list."""
    edits = [
        record_sync(outcome.name, outcome.synced_at, outcome.tally.files, outcome.tally.loose)
        for outcome in outcomes
        if outcome.ok and outcome.tally is not None
    ]
    if edits and not (setting.options.dry_run or setting.host.dry):
        store.update(lambda _: edits)
    outcomes.clear()


@contextlib.contextmanager
def _signals_stop(host: Host) -> Iterator[None]:
    """While this holds, a signal to end only sets `host.stopping`: nothing breaks midway."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        host.stopping.set()

    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    numbers = [n for n in wanted if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
