"""Explains one job: every rule that spoke, its rank in its group, when it would go, and what would save it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sauce_janitor.retention.ages import is_finished
from sauce_janitor.retention.builds import BuildKeeper
from sauce_janitor.retention.cases import Case, Claim
from sauce_janitor.retention.deciding import Judge, Records
from sauce_janitor.retention.durations import due_at
from sauce_janitor.retention.keepers import Keeper
from sauce_janitor.retention.keeping import Group
from sauce_janitor.retention.matching import Truth
from sauce_janitor.retention.model import DELETES, UNKNOWN, Action, Decision, JobId, Record, Verdict, Why
from sauce_janitor.retention.rules import Rules
from sauce_janitor.retention.rulings import Ruling

_ONLY_TIME = frozenset({Why.NOT_YET, Why.GRACE, Why.NOT_ARCHIVED, Why.ASSETS_PROTECTED})


@dataclass(frozen=True, slots=True)
class PolicyView:
    """What one policy makes of the job: whether it matches (None: cannot be told, for want of `unknown_fields`)."""

    policy: str
    matches: Truth
    unknown_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimView:
    """What one policy says of one action; `due_at` (epoch seconds) is when its time comes, None for never or without an age.

    `kept_by` are the ids of its keep rules that keep the job from it; `overridden_by` the policies that took its word.
    """

    policy: str
    action: Action
    after: str | None
    due_at: int | None
    kept_by: tuple[str, ...] = ()
    overridden_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rank:
    """The job's place among those that take slots in its group, 1 the newest; of whole builds, its build's place.

    `rank` and `of` are None where it takes no slot. `group` has the values of the policy's `group_by`.
    """

    policy: str
    group: tuple[str, ...]
    rank: int | None
    of: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a job stays or goes. `goes_at` is when the first delete comes due if nothing but time changes, None for never."""

    record: Record
    age_time: int | None
    decisions: tuple[Decision, ...]
    policies: tuple[PolicyView, ...]
    claims: tuple[ClaimView, ...]
    ranks: tuple[Rank, ...]
    goes_at: int | None
    saves: tuple[str, ...]


def explain(rules: Rules, records: Records, job_id: JobId, *, as_of: int) -> Explanation | None:
    """Explain the decisions on one job; None when it is not among `records` (see `deciding.decide` for their order)."""
    judge = Judge(rules, as_of=as_of)
    for record, time, ruling in judge.rulings(records):
        if record.job.id == job_id:
            return _Explainer(rules, judge, record, time, ruling).explain(records)
    return None


class _Explainer:
    def __init__(self, rules: Rules, judge: Judge, record: Record, time: int | None, ruling: Ruling) -> None:
        self._rules, self._judge, self._record, self._time, self._ruling = rules, judge, record, time, ruling
        self._case: Case = ruling.case

    def explain(self, records: Records) -> Explanation:
        decisions = self._ruling.decided(self._record, self._time, self._rules.timezone)
        claims = tuple(self._claims(decisions))
        return Explanation(
            self._record,
            self._time,
            decisions,
            tuple(self._policies()),
            claims,
            tuple(self._ranks(records)),
            _goes_at(claims, decisions, self._graces()),
            tuple(_saves(decisions, self._rules)),
        )

    def _graces(self) -> dict[Action, int]:
        """When the grace of each delete is over, were it announced now at the latest."""
        book, announced = self._judge.book, self._record.announced or {}
        if not book.has_grace:
            return {}
        since = {action: announced.get(action, book.as_of) for action in DELETES}
        return {action: due_at(at, self._rules.grace, self._rules.timezone) for action, at in since.items()}

    def _policies(self) -> Iterator[PolicyView]:
        facts, number = self._judge.book.facts, self._case.number
        for policy, truth in zip(self._rules.policies, self._case.truths, strict=True):
            unknown = facts.unknown_fields(policy.match, number) if truth is None else ()
            yield PolicyView(policy.name, truth, unknown)

    def _claims(self, decisions: tuple[Decision, ...]) -> Iterator[ClaimView]:
        standings = self._judge.book.standings
        for decision in decisions:
            action = decision.action
            for claim in self._case.claims[action]:
                if not claim.undecided and not (claim.wish and claim.wish.none):
                    kept = {r.rule for r in decision.reasons if r.policy == claim.policy.name and r.rule is not None}
                    after = claim.after.text if claim.after else None
                    yield ClaimView(claim.policy.name, action, after, self._due_at(claim, action), tuple(sorted(kept)))
            for index, policy in enumerate(self._rules.policies):
                if self._case.truths[index] and action in standings.stated[index]:
                    takers = standings.overridden_by(action, index, self._case.truths)
                    if takers:
                        names = tuple(sorted(self._rules.policies[n].name for n in takers))
                        yield ClaimView(policy.name, action, None, None, overridden_by=names)

    def _due_at(self, claim: Claim, action: Action) -> int | None:
        base: object = self._time
        if action is Action.STOP:
            base = self._record.job.started_at
        elif action in DELETES and claim.seat is not None and isinstance(claim.seat.keeper, BuildKeeper):
            base = claim.seat.keeper.time_of(self._record)
        if claim.after is None or not isinstance(base, int):
            return None
        return due_at(base, claim.after, self._rules.timezone)

    def _ranks(self, records: Records) -> Iterator[Rank]:
        for index, policy in enumerate(self._rules.policies):
            action = next((a for a in (*DELETES, Action.ARCHIVE) if self._claims_of(self._case, a, index)), None)
            keeper = self._judge.book.keeper(index, action) if action else None
            if keeper is None or action is None or not keeper.rules:
                continue
            group = keeper.group_of(self._record)
            if group is None or group is UNKNOWN:
                continue
            said = tuple(str(value) for value in group) if isinstance(group, tuple) else ()
            if isinstance(keeper, BuildKeeper):
                place = keeper.place_of(self._record)
            else:
                place = self._place(records, keeper, action, index, group)
            yield Rank(policy.name, said, *place)

    def _place(
        self, records: Records, keeper: Keeper, action: Action, index: int, group: Group
    ) -> tuple[int | None, int]:
        rank, of = None, 0
        for record in records():
            case = self._judge.case(record)
            if not self._claims_of(case, action, index) or keeper.group_of(record) != group:
                continue
            time = self._judge.age_of(record.job)
            if record.held or case.holds or time is None or not is_finished(record.job):
                continue
            of += 1
            if record.job.id == self._record.job.id:
                rank = of
        return rank, of

    def _claims_of(self, case: Case, action: Action, index: int) -> bool:
        policy = self._rules.policies[index]
        return any(
            claim.policy is policy and claim.seat is not None and claim.seat.panel.seated
            for claim in case.claims[action]
        )


def _goes_at(claims: tuple[ClaimView, ...], decisions: tuple[Decision, ...], graces: dict[Action, int]) -> int | None:
    """When the first delete has its time, if only time stands against it; None when there is none such."""
    due_times: dict[Action, int] = {}
    for decision in decisions:
        own = [claim for claim in claims if claim.action is decision.action and not claim.overridden_by]
        waits = decision.verdict is Verdict.DUE or all(reason.why in _ONLY_TIME for reason in decision.reasons)
        times = [claim.due_at for claim in own if claim.due_at is not None]
        if decision.action in DELETES and own and waits and len(times) == len(own):
            due_times[decision.action] = max(*times, graces.get(decision.action, 0))
        is_protected = any(reason.why is Why.ASSETS_PROTECTED for reason in decision.reasons)
        if is_protected and Action.DELETE_JOB in due_times:
            if Action.DELETE_ASSETS in due_times:
                due_times[Action.DELETE_JOB] = max(due_times.values())
            else:
                del due_times[Action.DELETE_JOB]
    return min(due_times.values(), default=None)


def _saves(decisions: tuple[Decision, ...], rules: Rules) -> Iterator[str]:
    """What would keep a job that goes, or will: the shortest ways first."""
    deletes = [decision for decision in decisions if decision.action in DELETES]
    goes = any(decision.verdict is Verdict.DUE for decision in deletes)
    if not goes and not any(reason.why in _ONLY_TIME for decision in deletes for reason in decision.reasons):
        return
    for hold in rules.holds:
        if hold.tag is not None:
            yield f"the tag {hold.tag}"
        elif hold.tag_prefix is not None:
            yield f"a tag {hold.tag_prefix}YYYY-MM-DD, through that day"
    yield "a local hold"
    yield "a keep rule, or a longer time, in any policy that matches it"
