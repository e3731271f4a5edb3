"""Carrying a plan out with several credentials at once: each has its own workers and budget, and
may end before the others.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

from sauce_janitor.execute import Execution, ExecutionPorts, carry_out
from sauce_janitor.execute.events import Halt
from sauce_janitor.execute.job_task import ExecutionSettings
from sauce_janitor.execute.outcomes import together
from sauce_janitor.model.jobs import DELETES, Owner
from sauce_janitor.operations.wiring.clients import CredentialShare
from sauce_janitor.retention.plan.planner import JobPlan, Plan

_MOST_THREADS: Final = 16
_KEPT_FOR_DELETES: Final = 0.2


@dataclass(frozen=True, slots=True)
class ShareSettings:
    """How: so many workers a credential; no asset is touched sooner than `settle_s` after its job's
    end.
    """

    workers: int
    settle_s: int
    stop: threading.Event


def carry_out_shared(
    plan: Plan, shares: Sequence[tuple[CredentialShare, ExecutionPorts]], settings: ShareSettings
) -> tuple[Execution, dict[Owner, str]]:
    """Do what the plan says, each share by its own parts; what became of it all together.

    Also the owners whose own credentials Sauce Labs did not accept, with why: what is left of
    theirs stays, the others go on. Raises what is a bug.
    """
    if len(shares) == 1:
        done = [_carry_out(plan, *shares[0], settings)]
    else:
        at_once = max(1, min(len(shares), _MOST_THREADS // max(1, settings.workers)))
        with ThreadPoolExecutor(at_once, thread_name_prefix="share") as pool:
            done = list(pool.map(lambda each: _carry_out(plan, each[0], each[1], settings), shares))
    refused: dict[Owner, str] = {}
    for (share, _), one in zip(shares, done, strict=True):
        if share.own and one.halted is not None and one.halted.why is Halt.CREDENTIALS:
            refused |= dict.fromkeys(share.owners, one.halted.detail)
    return together(
        [_named(share, one) for (share, _), one in zip(shares, done, strict=True)]
    ), refused


def _carry_out(
    plan: Plan, share: CredentialShare, ports: ExecutionPorts, settings: ShareSettings
) -> Execution:
    deletes = any(
        decision.action in DELETES for job in _jobs(plan, share) for decision in job.actions
    )
    options = ExecutionSettings(
        settle_s=settings.settle_s, kept_for_deletes=_KEPT_FOR_DELETES if deletes else 0.0
    )
    return carry_out(
        _jobs(plan, share), ports, workers=settings.workers, stop=settings.stop, options=options
    )


def _jobs(plan: Plan, share: CredentialShare) -> Iterator[JobPlan]:
    return (job for job in plan.jobs() if job.owner in share.owners)


def _named(share: CredentialShare, done: Execution) -> Execution:
    """Says whose credential it was that ended early; credentials of some owners end the account's
    run with what others met.
    """
    if not share.own or done.halted is None:
        return done
    halted = replace(
        done.halted, detail=f"{share.client.connection.username}: {done.halted.detail}"
    )
    return replace(
        done, halted=halted, error=None if halted.why is Halt.CREDENTIALS else done.error
    )
