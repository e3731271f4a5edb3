"""Explains one job: every rule that has a say, its rank in its group, when it goes, and what would
save it. The views are here, beside the only code that makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from sauce_janitor.model.jobs import DELETES, UNKNOWN, Action, Decision, JobId, Reason, Record, Why
from sauce_janitor.model.policies import ArchiveRule, Policy, Rules
from sauce_janitor.retention.builds import BuildKeeper
from sauce_janitor.retention.decide import DecidedJob, Decider, Records
from sauce_janitor.retention.job_verdict import due_since
from sauce_janitor.retention.match_cases import AppliedRule, MatchCase
from sauce_janitor.retention.matching import Truth
from sauce_janitor.retention.what_if.forecast import Forecast, ForecastMaker
from sauce_janitor.retention.what_if.keep_forecast import KeepForecast, KeepView, survey

Standing: TypeAlias = Literal["counts", "vetoes", "overridden", "steps_back"]
"""How a rule stands: it counts; its policy may match, so it only vetoes; another policy overrides
it; it is the default's, and others have a say.
"""

_KEEPING: Final = frozenset({Why.KEPT, Why.BUILD})


@dataclass(frozen=True, slots=True)
class RuleView:
    """What one policy says about one action. Only rules that count or veto decide anything.

    `by` are the policies that override it, or for which it steps back. `after` is as written, None
    for never and for `archive: none`; `due_at` (epoch seconds) is when that time comes, None
    without an age. `kept_by` are the ids of its keep rules that keep the job. `files` is what it
    archives.
    """

    action: Action
    standing: Standing
    by: tuple[str, ...] = ()
    after: str | None = None
    due_at: int | None = None
    kept_by: tuple[str, ...] = ()
    files: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyView:
    """One policy and the job: whether it matches (None: unknown, because of `unknown_fields`), and
    its rules.

    `group` has the values of its `group_by`, None where it does not rank the job or the job has no
    group. `rank` is the job's place among the `of` jobs of the group that take slots, 1 for the
    newest, None where it takes none; for whole builds, it is its build's.
    """

    policy: str
    matches: Truth
    is_default: bool = False
    unknown_fields: tuple[str, ...] = ()
    rule_views: tuple[RuleView, ...] = ()
    group: tuple[str, ...] | None = None
    rank: int | None = None
    of: int = 0
    keeps: tuple[KeepView, ...] = ()

    @property
    def speaks(self) -> bool:
        """Whether it decides anything about the job."""
        return any(rule_view.standing in {"counts", "vetoes"} for rule_view in self.rule_views)


@dataclass(frozen=True, slots=True)
class Outlook:
    """One action: the decision, and the forecast if nothing but time changes.

    `expected_at` is when it happens at the present rate of new jobs. It differs from the forecast
    where keep rules will stop keeping the job. None: it does not happen as things stand.
    """

    decision: Decision
    forecast: Forecast
    expected_at: int | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a job stays or is deleted."""

    record: Record
    age_time: int | None
    outlooks: tuple[Outlook, ...]
    policies: tuple[PolicyView, ...]
    saves: tuple[str, ...]

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """The decision on each action."""
        return tuple(outlook.decision for outlook in self.outlooks)

    @property
    def goes_at(self) -> int | None:
        """When the first delete is due if nothing but time changes (epoch seconds), None for
        never.
        """
        return min(
            (
                o.forecast.at
                for o in self.outlooks
                if o.decision.action in DELETES and o.forecast.at is not None
            ),
            default=None,
        )

    @property
    def expected_at(self) -> int | None:
        """When the first delete is due at the present rate of new jobs."""
        times = [
            o.expected_at
            for o in self.outlooks
            if o.decision.action in DELETES and o.expected_at is not None
        ]
        return min(times, default=None)


def explain(rules: Rules, records: Records, job_id: JobId, *, as_of: int) -> Explanation | None:
    """Explain the decisions on one job; None when it is not among `records`, which are in the order
    that `decide.decide` needs.
    """
    decider = Decider(rules, as_of=as_of)
    found = next(
        (
            decided_job
            for decided_job in decider.verdicts(records)
            if decided_job[0].job.id == job_id
        ),
        None,
    )
    return None if found is None else _Explainer(rules, decider, found, as_of).explain(records)


class _Explainer:
    def __init__(self, rules: Rules, decider: Decider, decided_job: DecidedJob, as_of: int) -> None:
        self._rules, self._decider, self._decided_job, self._as_of = (
            rules,
            decider,
            decided_job,
            as_of,
        )
        self._record, self._time, self._verdict = decided_job
        self._case: MatchCase = self._verdict.case
        self._decisions = {
            d.action: d for d in self._verdict.decided(self._record, self._time, rules.timezone)
        }
        self._maker = ForecastMaker(rules, as_of)

    def explain(self, records: Records) -> Explanation:
        watches = {
            index: watch
            for index in range(len(self._rules.policies))
            if (watch := self._watch(index))
        }
        survey(self._decider, records, list(watches.values()), as_of=self._as_of)
        policies = tuple(
            self._policy(n, policy, watches.get(n)) for n, policy in enumerate(self._rules.policies)
        )
        keeps: dict[tuple[str, str], KeepView] = {}
        for view in policies:
            keeps |= {(view.policy, keep.rule): keep for keep in view.keeps}
        forecasts = {action: self._maker.forecast(action, self._decided_job) for action in Action}
        outlooks = tuple(
            Outlook(
                self._decisions[action], forecasts[action], self._expected(action, forecasts, keeps)
            )
            for action in Action
        )
        made = Explanation(self._record, self._time, outlooks, policies, ())
        return Explanation(
            self._record, self._time, outlooks, policies, tuple(_saves(made, self._rules))
        )

    # --- what each policy says --------------------------------------------------------------------

    def _policy(self, index: int, policy: Policy, watch: KeepForecast | None) -> PolicyView:
        truth = self._case.truths[index]
        # The policy has nothing to say, so no rule of it is worked out.
        if truth is False:
            return PolicyView(policy.name, truth, policy.default)
        facts = self._decider.match_cases.facts
        unknown = facts.unknown_fields(policy.match, self._case.number) if truth is None else ()
        rule_views = tuple(self._rule_views(index, policy))
        if watch is None:
            return PolicyView(policy.name, truth, policy.default, unknown, rule_views)
        kept_by = frozenset[str]().union(*(rule_view.kept_by for rule_view in rule_views))
        group = tuple(str(value) for value in watch.group) if isinstance(watch.group, tuple) else ()
        rank, of = watch.rank, watch.of
        # Whole builds are ranked, so the rank is that of the job's build.
        if isinstance(watch.keeper, BuildKeeper):
            rank, of = watch.keeper.place_of(self._record)
        keeps = tuple(watch.views(kept_by, self._as_of))
        return PolicyView(
            policy.name, truth, policy.default, unknown, rule_views, group, rank, of, keeps
        )

    def _rule_views(self, index: int, policy: Policy) -> Iterator[RuleView]:
        precedences = self._decider.match_cases.precedences
        for action in Action:
            if action not in precedences.stated[index]:
                continue
            applied = next(
                (claim for claim in self._case.claims[action] if claim.policy is policy), None
            )
            if applied is not None:
                yield self._rule_view(action, applied)
            elif overriding := precedences.overridden_by(action, index, self._case.truths):
                yield RuleView(
                    action,
                    "overridden",
                    tuple(sorted(self._rules.policies[n].name for n in overriding)),
                )
            else:
                others = enumerate(zip(self._rules.policies, self._case.truths, strict=True))
                counting = [
                    p.name
                    for n, (p, truth) in others
                    if truth is not False and action in precedences.stated[n]
                ]
                yield RuleView(action, "steps_back", tuple(sorted(set(counting) - {policy.name})))

    def _rule_view(self, action: Action, claim: AppliedRule) -> RuleView:
        files = (
            _files(claim.archive_rule) if action is Action.ARCHIVE and claim.archive_rule else None
        )
        # It only may match: it can block the action, but no time of it counts.
        if claim.undecided:
            return RuleView(action, "vetoes", files=files)
        if claim.archive_rule is not None and action is Action.ARCHIVE and claim.archive_rule.none:
            return RuleView(action, "counts", files=files)
        reasons = self._decisions[action].reasons
        kept = {
            r.rule
            for r in reasons
            if r.policy == claim.policy.name and r.why in _KEEPING and r.rule is not None
        }
        after = claim.after.text if claim.after else None
        return RuleView(
            action, "counts", (), after, self._due_at(claim, action), tuple(sorted(kept)), files
        )

    def _due_at(self, claim: AppliedRule, action: Action) -> int | None:
        base: object = self._record.job.started_at if action is Action.STOP else self._time
        if (
            action in DELETES
            and claim.slot is not None
            and isinstance(claim.slot.keeper, BuildKeeper)
        ):
            base = claim.slot.keeper.time_of(self._record)
        if claim.after is None or not isinstance(base, int):
            return None
        return due_since(claim, action, self._record, self._time, self._rules.timezone)

    def _watch(self, index: int) -> KeepForecast | None:
        """Return what counts the job's group in a policy whose keep rules rank it."""
        policy = self._rules.policies[index]
        for action in (*DELETES, Action.ARCHIVE):
            for claim in self._case.claims[action]:
                if claim.policy is policy and claim.slot is not None and claim.slot.keeper.rules:
                    group = claim.slot.keeper.group_of(self._record)
                    # Such a job is in no group, so it has no rank.
                    if group is None or group is UNKNOWN or self._time is None:
                        return None
                    return KeepForecast(
                        claim.slot.keeper, group, self._record, self._time, self._rules
                    )
        return None

    # --- when -------------------------------------------------------------------------------------

    def _expected(
        self,
        action: Action,
        forecasts: dict[Action, Forecast],
        keeps: dict[tuple[str, str], KeepView],
    ) -> int | None:
        """Return when the action happens if keep rules stop keeping the job at the present rate;
        None where something else blocks it.
        """
        if forecasts[action].at is not None:
            return forecasts[action].at
        times: list[int | None] = []
        for reason in self._decisions[action].reasons:
            if reason.why is Why.KEPT:
                times.append(_lets_go_at(reason, keeps))
            elif reason.why is Why.ASSETS_PROTECTED:
                times.append(self._expected(Action.DELETE_ASSETS, forecasts, keeps))
            elif reason.why is Why.NOT_ARCHIVED:
                times.append(forecasts[Action.ARCHIVE].at)
            # Anything but time and new jobs may never change.
            elif reason.why not in {Why.NOT_YET, Why.GRACE}:
                return None
        # The job also has to reach the age of every policy.
        times += [self._due_at(claim, action) for claim in self._case.claims[action]]
        known = [time for time in times if time is not None]
        # One obstacle without an end is enough: then there is no date.
        return max(known) if known and len(known) == len(times) else None


def _lets_go_at(reason: Reason, keeps: dict[tuple[str, str], KeepView]) -> int | None:
    view = keeps.get((reason.policy or "", reason.rule or ""))
    return view.lets_go_at if view is not None else None


def _files(archive_rule: ArchiveRule) -> str:
    if archive_rule.none:
        return "none"
    assets = ", ".join(archive_rule.assets)
    return f"{assets}, the rest is discarded" if archive_rule.discard_rest else assets


def _saves(explanation: Explanation, rules: Rules) -> Iterator[str]:
    """Yield what would keep a job that goes, or will: the shortest ways first."""
    going = [
        o
        for o in explanation.outlooks
        if o.decision.action in DELETES and o.expected_at is not None
    ]
    # Nothing has to be saved.
    if not going:
        return
    yield f"a local hold: sauce-janitor hold add {explanation.record.job.id}"
    for hold in rules.holds:
        if hold.tag is not None:
            yield f"the tag {hold.tag}"
        elif hold.tag_prefix is not None:
            yield f"a tag {hold.tag_prefix}YYYY-MM-DD, through that day"
    actions = {outlook.decision.action for outlook in going}
    for view in explanation.policies:
        if any(
            rule_view.action in actions and rule_view.standing == "counts"
            for rule_view in view.rule_views
        ):
            yield f"a longer time, or a keep rule that keeps it, in policy {view.policy}"
