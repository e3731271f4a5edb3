"""What the daemon does for an account: a run on schedule, and the upkeep of its archive once a day.

Each returns its messages to people and how it ended, and nothing else: a plan may be large and is
not kept until the next one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import structlog

from sauce_janitor.archive import Catalogue, has_archive
from sauce_janitor.config import Account
from sauce_janitor.errors import JanitorError, RefusedError, StateError
from sauce_janitor.execute.events import Halt
from sauce_janitor.notify import Notification
from sauce_janitor.operations.daily_forecast import forecast_daily
from sauce_janitor.operations.daily_verification import verify_daily
from sauce_janitor.operations.policy_run import run
from sauce_janitor.operations.prune import PruneOrder, prune
from sauce_janitor.operations.records import notifications
from sauce_janitor.operations.wiring.archive_index import keep_up
from sauce_janitor.operations.wiring.progress import ProgressTracker
from sauce_janitor.operations.wiring.run_settings import Order, Result, RunContext
from sauce_janitor.report import counted

RUN: Final = "run"
UPKEEP: Final = "upkeep"
_FEW_LINES: Final = 10_000
"""With more lines in the journal, the archive may have so many jobs that reading all of them takes
minutes.
"""


@dataclass(frozen=True, slots=True)
class WorkResult:
    """How a piece of work ended: its messages to people, and whether it ended early because it lost
    the state or the lease. Then somebody must do the rest soon.
    """

    messages: Sequence[Notification] = ()
    is_cut_off: bool = False


Work: TypeAlias = Callable[[Account, RunContext], WorkResult]
"""A piece of work on an account."""


@dataclass(slots=True)
class RunningWork:
    """Work that is running: any thread may read its `steps`, and set `stop` to end it early and
    cleanly.

    `ended_at` (epoch seconds) is None until it has ended with this result or this error.
    """

    account: str
    kind: str
    steps: ProgressTracker = field(default_factory=ProgressTracker)
    stop: threading.Event = field(default_factory=threading.Event)
    result: WorkResult = WorkResult()
    error: BaseException | None = None
    ended_at: int | None = None


def a_run(*, execute: bool) -> Work:
    """Return the work of a run: list, plan, and carry out with `execute`."""

    def work(account: Account, context: RunContext) -> WorkResult:
        result = run(account, context, Order(execute=execute))
        if result.execution is not None:
            _list_archive(account, context)
        _forecast(account, context, result)
        halted = None if result.execution is None else result.execution.halted
        return WorkResult(
            list(notifications.of_result(result, at=int(context.clock()))),
            is_cut_off=halted is not None and halted.why in (Halt.LEASE, Halt.STATE),
        )

    return work


def _list_archive(account: Account, context: RunContext) -> None:
    """Bring the index of archived jobs up to date, and with it the figures of the archive."""
    state, location = context.state, context.config.archive.location
    try:
        known = state.identity.archive_uuid(str(location))
        if context.stop.is_set() or known is None:
            return
        # The first time every receipt is read, which of a large archive takes long. The console's
        # archive does it when somebody looks.
        is_new = state.archived.through(known) is None
        if is_new and sum(state.journal.ends().values()) > _FEW_LINES:
            return
        with Catalogue.open(location, known_uuid=known) as catalogue:
            keep_up(state, catalogue)
        state.figures.add_up(account.name, now=int(context.clock()))
    # The run is done; only charts need it, and the next run does it.
    except JanitorError as error:
        log: Any = structlog.get_logger().bind(account=account.name)
        log.warning("archive.index_failed", why=str(error))


def _forecast(account: Account, context: RunContext, result: Result) -> None:
    if context.stop.is_set():
        return
    try:
        forecast_daily(account, context, result.query, jobs=result.plan.inventory)
    # The run is done; only a chart needs the forecast, and the next run makes it.
    except StateError as error:
        log: Any = structlog.get_logger().bind(account=account.name)
        log.warning("forecast.failed", why=str(error))


def an_upkeep(*, execute: bool) -> Work:
    """Return the work of a day's upkeep: remove what `keep_for` no longer keeps (with `execute`),
    and verify a share of the rest.
    """

    def work(account: Account, context: RunContext) -> WorkResult:
        path = context.config.archive.location
        if not has_archive(path) and context.state.identity.archive_uuid(str(path)) is None:
            # Nothing was ever archived.
            return WorkResult()
        at = int(context.clock())
        messages: list[Notification] = []
        problems: list[str] = []
        if execute:
            try:
                problems = _prune(account, context)
            # Refused by a limit or a pause: the archive is still verified.
            except RefusedError as refused:
                messages += notifications.of_error(account.name, refused, at=at)
        if not context.stop.is_set():
            found = [finding.detail for finding in verify_daily(account, context).findings]
            problems += _words(found, "finding", " in the archive")
        if problems:
            messages.append(Notification("failed", account.name, "; ".join(problems), at, UPKEEP))
        return WorkResult(messages)

    return work


def _prune(account: Account, context: RunContext) -> list[str]:
    log: Any = structlog.get_logger().bind(account=account.name)
    try:
        done = prune(account, context, PruneOrder(execute=True))
    except RefusedError as refused:
        log.warning("archive.pruning_refused", why=str(refused))
        raise
    if done.jobs or done.failures:
        log.info(
            "archive.pruned",
            jobs=done.jobs,
            files=done.files,
            size_bytes=done.size_bytes,
            spared=done.spared,
            failures=done.failures,
            halted=done.halted,
        )

    return _words(done.failures, "file", " not pruned")


def _words(details: Sequence[str], noun: str, what: str) -> list[str]:
    return [f"{counted(len(details), noun)}{what}; the first: {details[0]}"] if details else []
