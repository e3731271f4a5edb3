"""Carries out the changes of the console, by the same steps as the commands."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from typing import Any, Final

import structlog

from sauce_janitor.archive import MirroredPause
from sauce_janitor.clock import Clock
from sauce_janitor.config import Account
from sauce_janitor.console.access import ConsoleAccess
from sauce_janitor.console.plan_fate import acting_of, fate_of
from sauce_janitor.errors import ConfigError, RefusedError
from sauce_janitor.model.console.stored_plans import StoredPlan
from sauce_janitor.model.jobs import JobId
from sauce_janitor.model.policies import ALL_LIMITS, Approval
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.operations.holds import open_holding, open_to_change, refuse_release
from sauce_janitor.operations.steps.approval import grant, roomy
from sauce_janitor.operations.wiring import pauses
from sauce_janitor.operations.wiring.pauses import Pauses, pause_in_force
from sauce_janitor.web.changes.change_source import (
    Change,
    ChangeOverview,
    ShownApproval,
    ShownHold,
    ShownPause,
    WaitingPlan,
)
from sauce_janitor.web.plan_page import PlanFate

_MOST_HOLDS: Final = 100
"""How many holds the page shows."""


class ConsoleChanges:
    """Shows what can be changed, and changes it (see `web.changes`). Any thread may use it."""

    def __init__(self, access: ConsoleAccess, clock: Clock) -> None:
        self._access, self._clock = access, clock
        self._log: Any = structlog.get_logger()

    def overview(self) -> ChangeOverview:
        state, config, now = self._access.state, self._access.config, self._now()
        paused = Pauses(state, config.archive.location).paused()
        holds, count = state.holds.newest(_MOST_HOLDS, at=now)
        waiting, approvals = [], []
        for account in config.accounts:
            digest = config.policy_digest(account.name)
            plan = state.plans.newest(account.name)
            in_force = state.approvals.in_force(account.name, digest, at=now)
            if plan is not None and plan.facts.limits_broken:
                fate = fate_of(state, plan, now=now)
                # What a run has carried out since waits for nobody.
                if fate.run_id is None:
                    waiting.append(_waiting(plan, digest, fate))
            for each in in_force:
                lifts = tuple(sorted(each.lifts))
                approvals.append(
                    ShownApproval(
                        account.name, each.by, each.reason, lifts, each.max_jobs, each.until
                    )
                )
        return ChangeOverview(
            None if paused is None else ShownPause(paused.by, paused.reason, paused.at),
            tuple(account.name for account in config.accounts),
            tuple(waiting),
            tuple(approvals),
            tuple(
                ShownHold(each.account, each.job_id, each.by, each.reason, each.at, each.until)
                for each in holds
            ),
            count,
        )

    def holds_on(self, account: str, job_id: JobId, /) -> tuple[ShownHold, ...]:
        state, now = self._access.state, self._now()
        with ExitStack() as stack:
            settings = self._access.config.archive
            holding = open_holding(settings, self._account(account).name, state, stack=stack)
            known = [each.hold for each in holding.known(at=now)]
        return tuple(
            ShownHold(account, each.job_id, each.by, each.reason, each.at, each.until)
            for each in known
            if each.job_id == job_id
        )

    def pause(self, change: Change, /) -> str:
        mark = MirroredPause(change.by, change.reason, self._now())
        # In the daemon's own state, which stays open: its file must not be opened twice.
        done = pauses.pause(
            lambda: nullcontext(self._access.state), self._access.config.archive.location, mark
        )
        for trouble in done.troubles:
            self._log.warning("pause.partial", why=str(trouble))
        if done.troubles:
            return "paused-partly"
        return "paused" if done.fresh else "was-paused"

    def resume(self, change: Change, /, *, seen: str) -> str:
        state, location = self._access.state, self._access.config.archive.location
        found = pause_in_force(state, location)
        if found is None:
            return "was-running"
        # Somebody else may have paused for another reason since the page was made.
        if ShownPause(found.by, found.reason, found.at).key != seen:
            raise RefusedError("another pause is in force than the one that this page has shown")
        Pauses(state, location).resume(by=change.by, at=self._now())
        return "resumed"

    def hold(self, change: Change, account: str, job_id: JobId, /, *, days: int | None) -> str:
        state, now = self._access.state, self._now()
        with ExitStack() as stack:
            holding, unmirrored = open_to_change(
                self._access.config, self._account(account), state, self._now, stack=stack
            )
            until = None if days is None else now + days * DAY_S
            holding.add({job_id}, by=change.by, reason=change.reason, until=until)
        if unmirrored is not None:
            self._log.warning("holds.not_mirrored", account=account, detail=str(unmirrored))
            return "held-unmirrored"
        is_known = state.jobs.record(account, job_id, as_of=0) is not None
        return "held" if is_known else "held-unknown"

    def release(self, change: Change, account: str, job_id: JobId, /) -> str:
        state, config = self._access.state, self._access.config
        with ExitStack() as stack:
            holding, unmirrored = open_to_change(
                config, self._account(account), state, self._now, stack=stack
            )
            refuse_release(config, state, unmirrored)
            if not holding.release({job_id}, by=change.by):
                raise RefusedError(f"job {job_id} of {account} has no local hold")
        return "released"

    def approve(self, change: Change, account: str, /, *, number: int) -> str:
        state, config, now = self._access.state, self._access.config, self._now()
        self._account(account)
        plan = state.plans.newest(account)
        # What is approved is what the approver has seen.
        if plan is None or plan.number != number or not plan.facts.limits_broken:
            raise RefusedError("there is a newer plan than the one that this page has shown")
        approval = Approval(
            plan.facts.policy_digest,
            now + DAY_S,
            ALL_LIMITS - {"max_jobs"},
            _allowed(plan),
            change.by,
            change.reason,
        )
        grant(config, state, account, approval, at=now)
        return "approved"

    def _account(self, name: str) -> Account:
        account = self._access.account(name)
        if account is None:
            raise ConfigError(f"there is no account {name!r:.80} in the configuration")
        return account

    def _now(self) -> int:
        return int(self._clock.now())


def _waiting(plan: StoredPlan, digest: str, fate: PlanFate) -> WaitingPlan:
    facts = plan.facts
    return WaitingPlan(
        facts.account,
        plan.number,
        facts.policy_digest,
        facts.as_of,
        acting_of(plan),
        facts.unstored,
        _allowed(plan),
        facts.limits_broken,
        outdated=facts.policy_digest != digest,
        approved=fate.approved_until is not None,
    )


def _allowed(plan: StoredPlan) -> int:
    """Return for how many jobs an approval is: a few more are due by the next run."""
    return roomy(acting_of(plan))
