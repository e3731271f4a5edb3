"""Decides which archived files may be removed from the archive, and since when: job by job, as a
stream over receipts.

Of all policies that match the job and archive anything, the longest `keep_for` counts for each
file. Whatever is unclear stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from sauce_janitor.model.assets import matches_any
from sauce_janitor.model.durations import due_at
from sauce_janitor.model.jobs import Action, AssetsStanding, JobId, Owner, Reason, Record, Why
from sauce_janitor.model.policies import OTHER_FILES, ArchiveRule, Duration, Rules
from sauce_janitor.model.safety_numbers import PURGED_AFTER_S
from sauce_janitor.retention import holds
from sauce_janitor.retention.field_tests import FieldTests
from sauce_janitor.retention.matching import fields_read
from sauce_janitor.retention.precedence import Precedences

_AT_SAUCE: Final = Reason(Why.NOT_YET, detail="Sauce Labs may still have its assets")
_UNREAD: Final = Reason(Why.UNDECIDED, detail="its job.json cannot be read")


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """One stored file: the asset's name (None: job.json), where it is, since when, and its bytes on
    disk.
    """

    name: str | None
    file: str
    stored_at: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ArchivedJob:
    """What the archive has of one job, and what the job looks like.

    `views` are the job as it was archived and, where known, as the inventory last saw it: what
    protects one of them protects the files. Without views the job cannot be read. `protected` are
    reasons from elsewhere (a local hold, a keep rule). `ended_at` is the end in its receipt.
    """

    job_id: JobId
    owner: Owner
    ended_at: int
    files: tuple[ArchivedFile, ...]
    views: tuple[Record, ...]
    protected: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class FileTerm:
    """How long one file stays: until `at` (epoch seconds), None forever; and the policy that says
    so.
    """

    file: ArchivedFile
    at: int | None
    policy: str | None = None
    keep_for: str | None = None


@dataclass(frozen=True, slots=True)
class JobPruning:
    """What happens to one archived job: a term for every file, and what protects all of them."""

    job: ArchivedJob
    terms: tuple[FileTerm, ...]
    protected: tuple[Reason, ...]

    def due(self, as_of: int) -> tuple[FileTerm, ...]:
        """Return the files that may go now; job.json only together with all other files, or after
        them.
        """
        if self.protected:
            return ()
        going = tuple(term for term in self.terms if term.at is not None and term.at <= as_of)
        # Without job.json the other files could not be found or understood.
        if len(going) == len(self.terms):
            return going
        return tuple(term for term in going if term.file.name is not None)

    @property
    def next_at(self) -> int | None:
        """When the next file may go if nothing protects it; None for never."""
        return min((term.at for term in self.terms if term.at is not None), default=None)


@dataclass(frozen=True, slots=True)
class _MatchedRules:
    """What the rules say of all jobs with one number of facts."""

    archive_rules: tuple[tuple[str, ArchiveRule], ...]
    protected: tuple[Reason, ...]
    matched: frozenset[str]


class ArchivePruning:
    """One set of rules at one instant, for any number of archived jobs."""

    def __init__(self, rules: Rules, *, as_of: int) -> None:
        self._rules, self._as_of = rules, as_of
        self._facts = FieldTests()
        self._matches = [self._facts.compile(policy.match) for policy in rules.policies]
        self._holds = [
            (hold, test)
            for hold in rules.holds
            if (test := holds.compile_hold(hold, self._facts, as_of=as_of, zone=rules.timezone))
            is not None
        ]
        self._precedences = Precedences(rules.policies)
        self._matched_rules: dict[int, _MatchedRules] = {}

    @property
    def has_keep_for(self) -> bool:
        """Whether any policy has a `keep_for`."""
        return any(
            policy.archive is not None and policy.archive.keep_for
            for policy in self._rules.policies
        )

    @property
    def reads_builds(self) -> bool:
        """Whether any rule reads the status of a job's build, which only the inventory knows."""
        rules = self._rules
        matches = [policy.match for policy in rules.policies] + [
            hold.match for hold in rules.holds if hold.match
        ]
        return any("build_status" in fields_read(match) for match in matches)

    def may_go(self, job: ArchivedJob) -> bool:
        """Return whether the time of any file is over by these views. With more views or more
        protection, less may go.
        """
        # It cannot be read here; `prune` then protects it.
        if not job.views:
            return True
        rule_sets = [self._rules_of(record) for record in job.views]
        terms = (self._term(file, job, rule_sets) for file in job.files)
        return any(term.at is not None and term.at <= self._as_of for term in terms)

    def prune(self, job: ArchivedJob) -> JobPruning:
        """Return what happens to one job by the rules."""
        rule_sets = [self._rules_of(record) for record in job.views]
        protected = list(job.protected)
        for matched_rules in rule_sets:
            protected += matched_rules.protected
        if not rule_sets:
            protected.append(_UNREAD)
        if self._may_be_at_sauce(job):
            protected.append(_AT_SAUCE)
        terms = tuple(self._term(file, job, rule_sets) for file in job.files)
        return JobPruning(job, terms, tuple(dict.fromkeys(protected)))

    def erase(self, job: ArchivedJob) -> JobPruning:
        """Return what happens to a job that somebody erases by hand, whatever `keep_for` and keep
        rules say: only holds protect it.
        """
        rule_sets = [self._rules_of(record) for record in job.views]
        reasons = list(job.protected)
        for matched_rules in rule_sets:
            reasons += matched_rules.protected
        protected = [reason for reason in dict.fromkeys(reasons) if reason.why is Why.HELD]
        # Nobody can say whether a hold matches a job that cannot be read.
        if not rule_sets and self._holds and job.files:
            protected.append(_UNREAD)
        return JobPruning(
            job, tuple(FileTerm(file, self._as_of) for file in job.files), tuple(protected)
        )

    def matched(self, job: ArchivedJob) -> frozenset[str]:
        """Return the policies that certainly match the job as it was archived."""
        return self._rules_of(job.views[0]).matched if job.views else frozenset()

    def _term(
        self, file: ArchivedFile, job: ArchivedJob, rule_sets: list[_MatchedRules]
    ) -> FileTerm:
        since = max(file.stored_at, job.ended_at)
        found: list[tuple[int, str, str]] = []
        for matched_rules in rule_sets:
            # No policy that matches limits the time, so the file stays forever.
            if not matched_rules.archive_rules:
                return FileTerm(file, None)
            for policy, archive_rule in matched_rules.archive_rules:
                durations = times_of(archive_rule, file.name)
                if durations is None:
                    return FileTerm(file, None, policy)
                found += [
                    (due_at(since, each, self._rules.timezone), policy, each.text)
                    for each in durations
                ]
        if not found:
            return FileTerm(file, None)
        last = max(at for at, _, _ in found)
        policy, text = min((policy, text) for at, policy, text in found if at == last)
        return FileTerm(file, last, policy, text)

    def _may_be_at_sauce(self, job: ArchivedJob) -> bool:
        """Return whether a delete at Sauce Labs may still need this copy as its proof."""
        # Purged assets cannot be deleted, so no delete needs the proof.
        if job.ended_at + PURGED_AFTER_S <= self._as_of:
            return False
        # The first view is the job as it was archived; what the inventory knows comes after it.
        known = job.views[1:]
        return not known or any(record.assets is AssetsStanding.PRESENT for record in known)

    def _rules_of(self, record: Record) -> _MatchedRules:
        number = self._facts.of(record)
        matched_rules = self._matched_rules.get(number)
        if matched_rules is None:
            matched_rules = self._matched_rules[number] = self._match_rules(number)
        return matched_rules

    def _match_rules(self, number: int) -> _MatchedRules:
        policies = self._rules.policies
        truths = tuple(match(number) for match in self._matches)
        protected = [holds.reason(hold) for hold, test in self._holds if test(number) is not False]
        archive_rules = []
        for precedence in self._precedences.of(Action.ARCHIVE, truths):
            policy = policies[precedence.index]
            assert policy.archive is not None
            # A policy that may match could keep the files longer than those that do match.
            if not precedence.sure:
                fields = self._facts.unknown_fields(policy.match, number)
                protected += [
                    Reason(Why.UNDECIDED, policy.name, name, f"{name} is unknown")
                    for name in fields
                ]
            elif not policy.archive.none:
                archive_rules.append((policy.name, policy.archive))
        matched = frozenset(
            policy.name for policy, truth in zip(policies, truths, strict=True) if truth
        )
        return _MatchedRules(tuple(archive_rules), tuple(protected), matched)


def times_of(archive_rule: ArchiveRule, name: str | None) -> tuple[Duration, ...] | None:
    """Return how long a policy keeps an asset of that name, or job.json (None), in the archive: the
    longest time counts.

    These are the times of all keys of its `keep_for` that name the asset, else the time of `all`;
    None forever.
    """
    times = [
        time
        for key, time in archive_rule.keep_for
        if name is not None and key != OTHER_FILES and matches_any(name, (key,))
    ]
    if not times:
        times = [time for key, time in archive_rule.keep_for if key == OTHER_FILES]
    known = tuple(time for time in times if time is not None)
    return known if known and len(known) == len(times) else None


def terms_of(pruning: ArchivePruning, jobs: Iterable[ArchivedJob]) -> Iterator[JobPruning]:
    """Yield what happens to every job, in the order in which they come. Memory does not grow with
    them.
    """
    for job in jobs:
        yield pruning.prune(job)
