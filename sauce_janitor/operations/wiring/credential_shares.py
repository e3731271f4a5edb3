"""Carries a plan out with several credentials at once: each has its own workers and budget, and may
end before the others.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

from sauce_janitor.execute import Execution, ExecutionPorts, carry_out
from sauce_janitor.execute.events import Halt
from sauce_janitor.execute.execution_context import ExecutionSettings
from sauce_janitor.execute.outcomes import together
from sauce_janitor.model.jobs import DELETES, Owner
from sauce_janitor.model.safety_numbers import KEPT_FOR_DELETES
from sauce_janitor.operations.wiring.clients import CredentialShare
from sauce_janitor.retention.plan.planner import JobPlan, Plan

_MOST_THREADS: Final = 16


@dataclass(frozen=True, slots=True)
class ShareSettings:
    """The number of workers for each credential; no asset is touched sooner than `settle_s` seconds
    after its job's end.
    """

    workers: int
    settle_s: int
    stop: threading.Event


def carry_out_shared(
    plan: Plan, shares: Sequence[tuple[CredentialShare, ExecutionPorts]], settings: ShareSettings
) -> tuple[Execution, dict[Owner, str]]:
    """Carry out the plan, each share with its own ports, and return the combined result.

    Also return the owners whose own credentials Sauce Labs rejected, with the reason: the rest of
    their jobs stays, the others continue. Raises only for a bug.
    """
    if len(shares) == 1:
        done = [_carry_out(plan, *shares[0], settings)]
    else:
        # Each share has its own workers, so the number of shares at once is limited.
        at_once = max(1, min(len(shares), _MOST_THREADS // max(1, settings.workers)))
        with ThreadPoolExecutor(at_once, thread_name_prefix="share") as pool:
            done = list(pool.map(lambda each: _carry_out(plan, each[0], each[1], settings), shares))
    refused: dict[Owner, str] = {}
    for (share, _), one in zip(shares, done, strict=True):
        # The account's own credential failing is the run's error, not some owners'.
        if share.own and one.halted is not None and one.halted.why is Halt.CREDENTIALS:
            refused |= dict.fromkeys(share.owners, one.halted.detail)
    return together(
        [_named(share, one) for (share, _), one in zip(shares, done, strict=True)]
    ), refused


def _carry_out(
    plan: Plan, share: CredentialShare, ports: ExecutionPorts, settings: ShareSettings
) -> Execution:
    # A plan without a delete may spend the whole budget on archiving.
    deletes = any(_deletes(job) for job in _jobs(plan, share))
    options = ExecutionSettings(
        settle_s=settings.settle_s, kept_for_deletes=KEPT_FOR_DELETES if deletes else 0.0
    )
    return carry_out(
        _jobs(plan, share), ports, workers=settings.workers, stop=settings.stop, options=options
    )


def _deletes(job: JobPlan) -> bool:
    return any(decision.action in DELETES for decision in job.actions)


def _jobs(plan: Plan, share: CredentialShare) -> Iterator[JobPlan]:
    return (job for job in plan.jobs() if job.owner in share.owners)


def _named(share: CredentialShare, done: Execution) -> Execution:
    """Add to a halt whose credential ended early. Rejected credentials of some owners are no error
    of the whole run.
    """
    if not share.own or done.halted is None:
        return done
    halted = replace(
        done.halted, detail=f"{share.client.connection.username}: {done.halted.detail}"
    )
    return replace(
        done, halted=halted, error=None if halted.why is Halt.CREDENTIALS else done.error
    )
