"""The plans as the console shows them: read from the state, where each run stored its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sauce_janitor import report
from sauce_janitor.clock import CLOCK, Clock
from sauce_janitor.console.access import ConsoleAccess
from sauce_janitor.console.plan_fate import fate_of
from sauce_janitor.model.console.stored_plans import PlanFilter, PlanPage, StoredPlan
from sauce_janitor.times import iso
from sauce_janitor.web.plan_page import PlanFate

_PAGE: Final = 50
_COLUMNS: Final = (
    "account", "job_id", "owner", "action", "policy", "due_since", "reasons",
    "destroyed_without_copy", "name", "build", "status",
)  # fmt: skip


class StoredPlans:
    """The newest plan of each configured account (see `web.plan_page`)."""

    def __init__(self, access: ConsoleAccess, clock: Clock = CLOCK) -> None:
        self._access, self._clock = access, clock

    def accounts(self) -> Sequence[str]:
        return [account.name for account in self._access.config.accounts]

    def newest(self, account: str, /) -> StoredPlan | None:
        return self._access.state.plans.newest(account)

    def fate(self, plan: StoredPlan, /) -> PlanFate:
        return fate_of(self._access.state, plan, now=int(self._clock.now()))

    def page(self, plan: StoredPlan, wanted: PlanFilter, /, *, after: int) -> PlanPage:
        return self._access.state.plans.page(plan, wanted, after=after, limit=_PAGE)

    def changes(self, plan: StoredPlan, /) -> tuple[PlanPage, PlanPage, PlanPage]:
        return self._access.state.plans.changes(plan)

    def export(self, plan: StoredPlan, wanted: PlanFilter, /) -> Iterator[str]:
        return report.csv_lines(self._rows(plan, wanted), _COLUMNS)

    def _rows(self, plan: StoredPlan, wanted: PlanFilter) -> Iterator[dict[str, Any]]:
        for page in self._access.state.plans.pages(plan, wanted):
            for row in page.rows:
                job = row.job
                known = {} if job is None else report.job_row(plan.facts.account, job)
                for action, since in zip(row.kind.actions, row.due_since, strict=True):
                    yield {
                        "account": plan.facts.account,
                        "job_id": row.job_id,
                        "owner": row.owner,
                        "action": action.action.value,
                        "policy": action.policy,
                        "due_since": iso(since),
                        "reasons": list(action.reasons),
                        "destroyed_without_copy": row.kind.loss,
                        "name": known.get("name"),
                        "build": known.get("build"),
                        "status": "gone" if row.gone else known.get("status"),
                    }
