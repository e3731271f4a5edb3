"""The message of a refused plan: which limits it breaks, and the approval that lifts them, ready to
paste; and recording that approval.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sauce_janitor.config import Config
from sauce_janitor.errors import RefusedError
from sauce_janitor.model.policies import Approval
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.retention.plan.planner import Plan
from sauce_janitor.state import State

_GOOD_FOR_S = 7 * DAY_S


def refusal(plan: Plan, account: str, digest: str, timezone: str) -> str:
    """Return every broken limit with its numbers, and what lifts them."""
    return "\n".join(
        [*(broken.text for broken in plan.broken), *ways_out(plan, account, digest, timezone)]
    )


def ways_out(plan: Plan, account: str, digest: str, timezone: str) -> Iterator[str]:
    """Yield what approves a plan that breaks limits, as a command and as configuration; nothing for
    a plan that breaks none.
    """
    for approval in plan.approvals:
        if plan.broken and not approval.allows(plan.acting.new):
            yield (
                f"The approval by {approval.by} ({approval.reason}) is for at most"
                f" {approval.max_jobs:,} jobs, and this plan has {plan.acting.new:,}"
            )
    if not plan.broken:
        return
    names = sorted({broken.limit for broken in plan.broken})
    lift = [name for name in names if name != "max_jobs"]
    most = roomy(plan.acting.new)
    options = "".join(f" --lift {name}" for name in lift)
    until = (
        datetime.fromtimestamp(plan.as_of + _GOOD_FOR_S, UTC).astimezone(ZoneInfo(timezone)).date()
    )
    yield f"To approve it: sauce-janitor approve {digest}{options} --max-jobs {most} --reason WHY"
    yield "or, in the configuration:"
    yield (
        f'approvals: [{{account: {account}, policy_digest: "{digest}", lift: [{", ".join(lift)}],'
        f" max_jobs: {most}, until: {until}, by: YOUR-NAME, reason: WHY}}]"
    )


def grant(config: Config, state: State, account: str, approval: Approval, *, at: int) -> None:
    """Record an approval. Raise RefusedError for one that would lift nothing."""
    if approval.policy_digest != config.policy_digest(account):
        raise RefusedError(
            f"the policies of {account} have changed since: {approval.policy_digest} is not their"
            " digest any more",
            "look at the next plan",
        )
    state.approvals.add(account, approval, at=at)


def roomy(jobs: int) -> int:
    """Return a tenth more, rounded up to two digits: a few more jobs are due by the time it is
    approved.
    """
    roomy = jobs * 1.1
    digits: int = 10 ** max(0, len(str(int(roomy))) - 2)
    return math.ceil(roomy / digits) * digits
