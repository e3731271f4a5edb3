"""Decides about every job: jobs come in newest first, and a decision for each job and action comes
out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from sauce_janitor.model.durations import due_at
from sauce_janitor.model.job_age import EARLIEST, age_times, is_finished
from sauce_janitor.model.jobs import (
    DELETES,
    Action,
    AssetsStanding,
    Decision,
    JobState,
    Record,
    Verdict,
    Why,
)
from sauce_janitor.model.policies import Rules
from sauce_janitor.retention.builds import BuildKeeper, BuildProblem
from sauce_janitor.retention.job_verdict import (
    AGELESS,
    ASSETS_ANNOUNCED,
    ASSETS_DELETED,
    ASSETS_PURGED,
    HELD,
    JOB_ANNOUNCED,
    RUNNING,
    SET_ASIDE,
    UNFINISHED,
    JobVerdict,
)
from sauce_janitor.retention.match_cases import KeepSlot, MatchCase, MatchCases
from sauce_janitor.retention.missing_files import Gaps, deciding
from sauce_janitor.retention.verdicts import VerdictMaker

Records: TypeAlias = Callable[[], Iterable[Record]]
"""Returns all jobs of an account anew, each time the same ones in the same order."""

DecidedJob: TypeAlias = tuple[Record, int | None, JobVerdict]
"""A job, the time from which its age counts, and the verdict on it."""


def decide(
    rules: Rules, records: Records, *, as_of: int
) -> Iterator[tuple[Record, tuple[Decision, ...]]]:
    """Yield every job with one decision for each action, in the order of `Action`.

    `records` must give each job once, sorted by the time from which its age counts
    (`job_age.age_time` with `rules.age_from`): newest first, of equals the lower id first. An
    AssertionError says where they are not. Jobs without an age, or with one after `as_of`, can be
    anywhere. `records` is called once; twice for rules whose winners are known only at the end
    (`pick`), and three times with a policy of `unit: build`. Memory grows with groups and builds,
    not with jobs.

    Where both deletes are due, both decisions say so; that of the assets has the reason
    WITH_THE_JOB: a single DELETE of the job does both.
    """
    decider = Decider(rules, as_of=as_of)
    for record, time, verdict in decider.verdicts(records):
        yield record, verdict.decided(record, time, rules.timezone)


class _Cases(dict[int, MatchCase]):
    """The cases met so far, by their number of facts. A case is made when it is first met."""

    def __init__(self, match_cases: MatchCases) -> None:
        super().__init__()
        self._match_cases = match_cases

    def __missing__(self, number: int) -> MatchCase:
        case = self[number] = self._match_cases.open(number)
        return case


class Decider:
    """One set of rules at one instant, for one stream of jobs."""

    def __init__(self, rules: Rules, *, as_of: int) -> None:
        self._rules, self._as_of = rules, as_of
        self.match_cases = MatchCases(rules, as_of=as_of)
        self.age_of = age_times(rules.age_from, as_of=as_of)
        self._cases = _Cases(self.match_cases)
        self._builds = tuple(
            keeper for keeper in self.match_cases.keepers if isinstance(keeper, BuildKeeper)
        )

    def verdicts(self, records: Records) -> Iterator[DecidedJob]:
        """Yield every job with its verdict, in the order of `records`."""
        if any(keeper.is_late for keeper in self.match_cases.keepers):
            self._observe(records)
        if self._builds:
            self._block_builds(records)
        return self._rule(records)

    def case(self, record: Record) -> MatchCase:
        """Return the case of a job."""
        return self._cases[self.match_cases.facts.of(record)]

    # --- before the last pass ---------------------------------------------------------------------

    def _observe(self, records: Records) -> None:
        for record, time in self._in_order(records):
            case = self.case(record)
            # Held, ageless and running jobs stay anyway, so they take no slot from others.
            aside = record.held or bool(case.holds) or time is None or not is_finished(record.job)
            for slot in case.slots:
                # A build counts every one of its jobs: one that is held keeps it whole.
                if isinstance(slot.keeper, BuildKeeper):
                    slot.keeper.join(slot.context, record, time, _problem(case, record))
                elif not aside and time is not None:
                    slot.keeper.observe(slot.context, record, time)
        for keeper in self._builds:
            keeper.settle()

    def _block_builds(self, records: Records) -> None:
        """Let every job that is kept, for any reason, keep its whole build; then forget the slots
        that were taken.
        """
        for record, _, verdict in self._rule(records):
            for decision in verdict.decisions:
                kept = decision.action in DELETES and decision.verdict is Verdict.KEEP
                # A job whose assets are already deleted does not keep its build's.
                if kept and decision.reasons[0].why is not Why.DONE:
                    _block(verdict.case, record, decision.action)
        # The last pass ranks all jobs again, from the newest.
        for keeper in self.match_cases.keepers:
            keeper.rewind()

    # --- the last pass ---------------------------------------------------------------------------

    def _rule(self, records: Records) -> Iterator[DecidedJob]:
        has_grace, plain = self.match_cases.has_grace, AssetsStanding.PRESENT
        number_of, cases = self.match_cases.facts.of, self._cases
        for record, time in self._in_order(records):
            case = cases[number_of(record)]
            flags = 0
            # A job that is not certainly over may still write its assets.
            if not is_finished(record.job):
                flags = UNFINISHED | self._running(case, record)
            if time is None:
                flags |= AGELESS
            if record.held:
                flags |= HELD
            # Gone assets cannot be deleted or archived again, and no longer protect their job.
            if record.assets is not plain:
                flags |= (
                    ASSETS_DELETED if record.assets is AssetsStanding.DELETED else ASSETS_PURGED
                )
            if time is not None:
                flags |= self._ages_and_ranks(
                    case, record, time, aside=bool(flags & SET_ASIDE or case.holds)
                )
            if has_grace and record.announced:
                flags |= self._announced(record)
            missing = deciding(record.missing, is_dated=_gives_up(case)) if record.missing else ()
            # Jobs with the same flags, receipts and missing files share one verdict: most plans
            # need a few hundred verdicts for a million jobs.
            key = (
                flags
                if record.archived is None and not missing
                else (flags, record.archived, missing)
            )
            verdict = case.verdicts.get(key)
            if verdict is None:
                gaps = Gaps(missing, self._as_of, self._rules.timezone) if missing else None
                maker = VerdictMaker(case, flags, record.archived, has_grace=has_grace, gaps=gaps)
                verdict = case.verdicts[key] = maker.rule()
            yield record, time, verdict

    def _in_order(self, records: Records) -> Iterator[tuple[Record, int | None]]:
        age_of = self.age_of
        before, before_id = None, ""
        for record in records():
            time = age_of(record.job)
            # In another order "the newest N" would be other jobs, and the wrong ones would go.
            if time is not None:
                assert (
                    before is None
                    or time < before
                    or (time == before and record.job.id > before_id)
                ), (
                    "jobs must come newest first, ties by id, each once:"
                    f" {record.job.id} came after {before_id}"
                )
                before, before_id = time, record.job.id
            yield record, time

    def _ages_and_ranks(self, case: MatchCase, record: Record, time: int, *, aside: bool) -> int:
        bits = 0
        for age_bit in case.age_bits:
            if age_bit.slot is None:
                if age_bit.old_enough(time):
                    bits |= age_bit.bit
            else:
                whole = _time_of_build(age_bit.slot, record)
                if whole is not None and age_bit.old_enough(whole):
                    bits |= age_bit.bit
        # Jobs that stay anyway take no slot.
        if not aside:
            for slot in case.slots:
                bits |= slot.keeper.keep_bits(slot.context, record, time) << slot.shift
        return bits

    def _running(self, case: MatchCase, record: Record) -> int:
        # A job that is queued, or in an unknown state, cannot be stopped.
        if record.job.state is not JobState.RUNNING:
            return 0
        bits, start = RUNNING, record.job.started_at
        # A start in the future or before Sauce Labs existed says nothing about how long it runs.
        if isinstance(start, int) and EARLIEST <= start <= self._as_of:
            for age_bit in case.stop_bits:
                if age_bit.old_enough(start):
                    bits |= age_bit.bit
        return bits

    def _announced(self, record: Record) -> int:
        bits, announced = 0, record.announced or {}
        for action, bit in (
            (Action.DELETE_ASSETS, ASSETS_ANNOUNCED),
            (Action.DELETE_JOB, JOB_ANNOUNCED),
        ):
            since = announced.get(action)
            if (
                since is not None
                and due_at(since, self._rules.grace, self._rules.timezone) <= self._as_of
            ):
                bits |= bit
        return bits


def _time_of_build(slot: KeepSlot, record: Record) -> int | None:
    assert isinstance(slot.keeper, BuildKeeper)
    return slot.keeper.time_of(record)


def _problem(case: MatchCase, record: Record) -> BuildProblem:
    """Return what this job means for its whole build."""
    problem = BuildProblem.HELD if record.held or case.holds else BuildProblem.NONE
    return problem if is_finished(record.job) else problem | BuildProblem.UNFINISHED


def _gives_up(case: MatchCase) -> bool:
    """Return whether a policy limits the wait for missing files: then each job's own date
    counts.
    """
    return any(
        claim.archive_rule is not None and claim.archive_rule.if_unavailable is not None
        for claim in case.claims[Action.ARCHIVE]
    )


def _block(case: MatchCase, record: Record, action: Action) -> None:
    for claim in case.claims[action]:
        if claim.slot is not None and isinstance(claim.slot.keeper, BuildKeeper):
            claim.slot.keeper.block(record, action)
