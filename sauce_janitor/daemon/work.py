"""What the daemon does for an account: a run by the schedule, and the upkeep of its archive once a
day.

Each gives back what it has to tell people, and nothing else: a plan may be large, and is not kept
until the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import structlog

from sauce_janitor.archive import SENTINEL
from sauce_janitor.config import Account
from sauce_janitor.daemon.runner import Work
from sauce_janitor.errors import RefusedError
from sauce_janitor.notify import Notification
from sauce_janitor.operations.policy_run import run
from sauce_janitor.operations.prune import PruneOrder, prune
from sauce_janitor.operations.records import notifications
from sauce_janitor.operations.verify import verify_daily
from sauce_janitor.operations.wiring.run_settings import Order, RunContext

RUN: Final = "run"
UPKEEP: Final = "upkeep"


def a_run(*, execute: bool) -> Work:
    """A run: list, plan, and with `execute` carry out."""

    def work(account: Account, tools: RunContext) -> list[Notification]:
        result = run(account, tools, Order(execute=execute))
        return list(notifications.of_result(result, at=int(tools.clock())))

    return work


def an_upkeep(*, execute: bool) -> Work:
    """A day's upkeep: what `keep_for` no longer keeps goes (with `execute`), and a share of the
    rest is verified.
    """

    def work(account: Account, tools: RunContext) -> list[Notification]:
        path = tools.config.archive.path
        if not (path / SENTINEL).exists() and tools.state.identity.archive_uuid(str(path)) is None:
            return []
        at = int(tools.clock())
        tidings: list[Notification] = []
        wrong: list[str] = []
        if execute:
            try:
                wrong = _prune(account, tools)
            except (
                RefusedError
            ) as refused:  # a limit or a pause: what there is is verified all the same
                tidings += notifications.of_error(account.name, refused, at=at)
        if not tools.stop.is_set():
            found = [finding.detail for finding in verify_daily(account, tools).findings]
            wrong += _words(found, "findings in the archive")
        return (
            [*tidings, Notification("failed", account.name, "; ".join(wrong), at, UPKEEP)]
            if wrong
            else tidings
        )

    return work


def _prune(account: Account, tools: RunContext) -> list[str]:
    log: Any = structlog.get_logger().bind(account=account.name)
    try:
        done = prune(account, tools, PruneOrder(execute=True))
    except RefusedError as refused:
        log.warning("archive.pruning_refused", why=str(refused))
        raise
    if done.jobs or done.failures:
        log.info("archive.pruned", jobs=done.jobs, files=done.files, size_bytes=done.size_bytes,
                 spared=done.spared, failures=done.failures, halted=done.halted)  # fmt: skip
    return _words(done.failures, "files could not be pruned")


def _words(details: Sequence[str], what: str) -> list[str]:
    return [f"{len(details):,} {what}; the first: {details[0]}"] if details else []
