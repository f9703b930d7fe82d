"""Mirror the projects of a plan, several at once, and record the complete ones."""

from __future__ import annotations

import contextlib
import queue
import signal
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any, TypeVar

from repoman_tasks.errors import RepomanError
from repoman_tasks.hosts.base import Host
from repoman_tasks.mirror.batch_check import check_batch
from repoman_tasks.mirror.events import Event, Finished
from repoman_tasks.mirror.generation import Generation
from repoman_tasks.mirror.project_sync import mirror_project
from repoman_tasks.mirror.rsync_pass import SyncContext
from repoman_tasks.mirror.unchanged import find_unchanged
from repoman_tasks.model import Project
from repoman_tasks.planning.mirror.attempts import noted, outcome_record
from repoman_tasks.planning.mirror.source_check import has_own_mirror
from repoman_tasks.planning.mirror.sync_plan import Outcome, SyncPlan, sync_batches
from repoman_tasks.planning.registry_edits import Edit
from repoman_tasks.registry import Store, record_mirror, record_stop, record_sync

__all__ = ["mirror_estate", "record_unusable"]

T = TypeVar("T")
R = TypeVar("R")

_LAST_WORDS_SECONDS = 0.5
"""Time limit for printing an event while stopping."""
_QUIET_SECONDS = 0.1
"""Seconds without an event after which finished projects are recorded."""
_QUEUED_EVENTS = 1000
"""Bounded, so that a slow terminal slows the sync down instead of filling memory."""


def mirror_estate(
    context: SyncContext, plan: SyncPlan, store: Store, see: Callable[[Event], None]
) -> list[Outcome]:
    """Mirror the projects of `plan`, `plan.jobs` at once; call `see` in this thread.

    A signal stops every rsync; finished projects are recorded, the others are returned as
    interrupted.
    """
    plan = _claimed(context, plan, store)
    events: queue.Queue[Event | None] = queue.Queue(_QUEUED_EVENTS)
    with _Stop(context.host) as stop, ThreadPoolExecutor(plan.jobs) as pool:
        names = context.hostname, context.now
        generation = Generation(store.mirrors, context.share, context.token, *names)
        running = replace(context, emit=_emitter(events, context), before_write=generation.open)
        workers = _Workers(running, pool, events, generation)
        workers.start(plan)
        unrecorded: list[Outcome] = []
        try:
            for event in workers.events():
                if isinstance(event, Finished):
                    unrecorded.append(event.outcome)
                if event is not None:
                    with stop.watched():
                        see(event)
                elif unrecorded:  # nothing else to do
                    with contextlib.suppress(RepomanError):  # retried at the end
                        _record(store, unrecorded, plan, dry=context.dry)
        except BaseException:  # nobody reads events any more
            context.host.stopping.set()
            raise
        finally:
            rest = [event.outcome for event in workers.events() if isinstance(event, Finished)]
            _record(store, [*unrecorded, *rest], plan, dry=context.dry)
            _close(workers, context, plan)
    order = [project.name for project in plan.projects]
    return sorted(workers.outcomes, key=lambda outcome: order.index(outcome.name))


def _claimed(context: SyncContext, plan: SyncPlan, store: Store) -> SyncPlan:
    """Record that repoman creates the mirrors that do not exist yet.

    So it knows their contents for its own even if the first sync is interrupted.
    """
    new = [p for p in plan.projects if not has_own_mirror(p) and p.repo not in context.roots]
    if not new or context.dry:
        return plan
    store.update(lambda _: [record_mirror(project.name, project.repo) for project in new])
    projects = (replace(p, mirror=p.repo) if p in new else p for p in plan.projects)
    return replace(plan, projects=tuple(projects))


def _emitter(events: queue.Queue[Event | None], context: SyncContext) -> Callable[[Event], None]:
    """Return a function that queues events; it waits for room, but not while stopping."""

    def emit(event: Event) -> None:
        if isinstance(event, Finished):
            event.outcome.ended_at = context.now()
        while True:
            if context.host.stopping.is_set() and not isinstance(event, Finished):
                return None
            with contextlib.suppress(queue.Full):
                return events.put(event, timeout=0.1)

    return emit


class _Workers:
    """The threads of a run, and their outcomes so far."""

    def __init__(
        self,
        context: SyncContext,
        pool: ThreadPoolExecutor,
        events: queue.Queue[Event | None],
        generation: Generation,
    ) -> None:
        self._context = context
        self.generation = generation
        self._pool = pool
        self._events = events
        self._look: Future[tuple[list[Outcome], list[Project]]] | None = None
        self._batches: set[Future[tuple[list[Outcome], list[Project]]]] = set()
        self._singles: set[Future[Outcome]] = set()
        self.outcomes: list[Outcome] = []

    def start(self, plan: SyncPlan) -> None:
        """Start the look for unchanged projects, if there may be any, else all the others."""
        options = self._context.options
        self._plan = plan
        if self._context.dry or options.force or options.full or not options.delete:
            self._begin(plan)
        else:
            self._look = self._hand_out(find_unchanged, plan.projects)

    def _begin(self, plan: SyncPlan, changed: Collection[str] = ()) -> None:
        """Start a job for each project that changed, and one per batch of the others, to compare.

        Those that are not in `changed` may have changed, too.
        """
        options, context = self._context.options, self._context
        self.generation.expect(project.name for project in plan.projects)
        alone = options.force or options.checksum or not options.delete
        alone = alone or plan.single or context.dry or _is_low(context)
        files = {
            project.name: state.tally.files + state.tally.loose
            for project in plan.projects
            if not alone and project.name not in changed and (state := context.settled(project))
        }
        batches = sync_batches(plan.projects, files, plan.jobs)
        in_batch = {project.name for batch in batches for project in batch}
        self._submit([project for project in plan.projects if project.name not in in_batch])
        self._batches = {self._hand_out(check_batch, batch) for batch in batches}

    def _submit(self, projects: list[Project]) -> None:
        self._singles |= {self._hand_out(mirror_project, project) for project in projects}

    def _hand_out(self, work: Callable[[SyncContext, T], R], what: T) -> Future[R]:
        future = self._pool.submit(work, self._context, what)
        future.add_done_callback(lambda _: self._events.put(None))  # wakes `events`
        return future

    def events(self) -> Iterator[Event | None]:
        """Yield events until all jobs are done; None after a tenth of a second without an event."""
        while True:
            event = None
            with contextlib.suppress(queue.Empty):
                event = self._events.get_nowait()
            if event is None:
                running = self._collect()
                try:
                    event = self._events.get(timeout=_QUIET_SECONDS if running else 0)
                except queue.Empty:
                    if not running:
                        return
                    yield None
            if event is not None:
                yield event

    def _collect(self) -> bool:
        """Collect finished jobs and start those that batches left over; return if any still run."""
        if self._look is not None and self._look.done():
            outcomes, left = self._look.result()
            self._look = None
            self.outcomes += outcomes
            changed = {project.name for project in left if self._context.trusted(project)}
            self._begin(replace(self._plan, projects=tuple(left)), changed)
        for batch in [future for future in self._batches if future.done()]:
            self._batches.remove(batch)
            outcomes, left = batch.result()
            self.outcomes += outcomes
            self._submit(left)
        for single in [future for future in self._singles if future.done()]:
            self._singles.remove(single)
            self.outcomes.append(single.result())
        return bool(self._look or self._batches or self._singles)


def _is_low(context: SyncContext) -> bool:
    """Return True if the share is so full that each project has to be looked at alone."""
    return context.share.probe.free_mib < context.registry.defaults.min_free_mib


def record_unusable(
    store: Store, plan: SyncPlan, error: RepomanError, now: str, *, dry: bool
) -> list[Outcome]:
    """Record that `error` kept all projects of `plan` from being mirrored. Never fails.

    Return their outcomes.
    """
    outcomes = [Outcome(project.name, ended_at=now) for project in plan.projects]
    for outcome in outcomes:
        outcome.fail(error)
    _record(store, list(outcomes), plan, dry=dry or plan.options.dry_run)
    return outcomes


def _record(store: Store, outcomes: list[Outcome], plan: SyncPlan, *, dry: bool) -> None:
    """Record `outcomes` in state and registry, and empty the list.

    The state comes first: it counts only once the registry names the same sync.
    """
    folders = {project.name: project.repo for project in plan.projects}
    edits: list[Edit] = []
    for outcome in outcomes:
        if outcome.ok and outcome.tally is not None:
            edits.append(record_sync(outcome.name, outcome.synced_at))
            edits.append(record_mirror(outcome.name, folders[outcome.name]))
        elif outcome.stopped_at:
            edits.append(record_stop(outcome.name, outcome.stopped_at))
    new = [outcome for outcome in outcomes if not outcome.noted]
    if new and not dry:
        needed = any(outcome.ok for outcome in new)
        with contextlib.nullcontext() if needed else contextlib.suppress(RepomanError):
            change = partial(noted, outcomes=new)
            store.mirrors.update(change, [outcome_record("sync", outcome) for outcome in new])
        for outcome in new:
            outcome.noted = True
    if edits and not dry:
        store.update(lambda _: edits)
    outcomes.clear()


def _close(workers: _Workers, context: SyncContext, plan: SyncPlan) -> None:
    """Note what the mirrors equal that were written, and give the share its last token."""
    repos = {project.name: project.repo for project in plan.projects}
    written = {
        outcome.name: outcome.state
        for outcome in workers.outcomes
        if outcome.ok and outcome.state is not None and not outcome.unchanged
    }
    if not written or not workers.generation.opened or context.host.stopping.is_set():
        return  # where nothing was written, the share may not answer
    with contextlib.suppress(RepomanError):  # then they are compared in full the next time
        roots = context.share.submit_roots([repos[name] for name in written]).result()
        workers.generation.close(
            {n: replace(state, root=roots.get(repos[n], "")) for n, state in written.items()}
        )


class _Stop:
    """For as long as the context lasts, signals only set `host.stopping`; no step breaks midway."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._watched = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Stop:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._stop)
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._break_off)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._host.stopping.set()
        if self._watched:
            signal.setitimer(signal.ITIMER_REAL, _LAST_WORDS_SECONDS)

    def _break_off(self, _number: int, _frame: FrameType | None) -> None:
        if self._watched:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """While stopping, interrupt what runs in this context after a moment.

        A write to a pipe that nobody reads would never return.
        """
        self._watched = True
        if self._host.stopping.is_set():
            signal.setitimer(signal.ITIMER_REAL, _LAST_WORDS_SECONDS)
        try:
            yield
        finally:
            self._watched = False
            if self._host.stopping.is_set():
                signal.setitimer(signal.ITIMER_REAL, 0)
