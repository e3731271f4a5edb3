"""What the daemon does for an account: a run by the schedule, and the upkeep of its archive once a day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import structlog

from sauce_janitor.archive import SENTINEL
from sauce_janitor.config import Account
from sauce_janitor.daemon.runner import Work
from sauce_janitor.pipeline import Order, Result, Tools, run
from sauce_janitor.pipeline.pruning import Pruned, PruneOrder, prune
from sauce_janitor.pipeline.verifying import Verified, verify_daily

RUN: Final = "run"
UPKEEP: Final = "upkeep"


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of a day's upkeep; None where there was nothing to keep up."""

    pruned: Pruned | None = None
    verified: Verified | None = None


def a_run(*, execute: bool) -> Work:
    """A run: list, plan, and with `execute` carry out."""

    def work(account: Account, tools: Tools) -> Result:
        return run(account, tools, Order(execute=execute))

    return work


def an_upkeep(*, execute: bool) -> Work:
    """A day's upkeep: what `keep_for` no longer keeps goes (with `execute`), and a share of the rest is verified."""

    def work(account: Account, tools: Tools) -> Kept:
        path = tools.config.archive.path
        if not (path / SENTINEL).exists() and tools.state.identity.archive_uuid(str(path)) is None:
            return Kept()
        pruned = prune(account, tools, PruneOrder(execute=True)) if execute else None
        if pruned is not None and (pruned.jobs or pruned.failures):
            log: Any = structlog.get_logger().bind(account=account.name)
            log.info("archive.pruned", jobs=pruned.jobs, files=pruned.files, size_bytes=pruned.size_bytes,
                     spared=pruned.spared, failures=pruned.failures, halted=pruned.halted)  # fmt: skip
        return Kept(pruned, None if tools.stop.is_set() else verify_daily(account, tools))

    return work
