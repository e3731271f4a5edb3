"""Fingerprints: a short hash of everything that a decision read of a job, so that a job that has
changed is not deleted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from sauce_janitor.model.job_age import age_times
from sauce_janitor.model.jobs import UNKNOWN, Job, JobState, Record, Text
from sauce_janitor.model.policies import Match, Policy, Rules
from sauce_janitor.retention.matching import fields_getter, fields_read

ALWAYS_READ: Final = ("owner", "state", "status", "tags")


@dataclass(frozen=True, slots=True)
class DecisionFields:
    """What the decisions of one set of rules read of a job: the names of fields, sorted, and the
    times that give its age.
    """

    names: tuple[str, ...]
    age_from: tuple[str, ...]

    @property
    def read_builds(self) -> bool:
        """Whether the builds have to be requested."""
        return "build_status" in self.names


Readers: TypeAlias = tuple[Callable[[Record], tuple[object, ...]], Callable[[Job], int | None]]


@lru_cache(maxsize=16)
def _readers(fields: DecisionFields) -> Readers:
    others = [name for name in fields.names if name not in {"state", "tags"}]
    return fields_getter(others), age_times(fields.age_from)


def decision_fields(rules: Rules) -> DecisionFields:
    """Return the fields that any match, `where`, `group_by`, hold or forbid of the rules reads, and
    those that always count.
    """
    names = set(ALWAYS_READ)
    for match in _matches(rules):
        names |= fields_read(match)
    for policy in rules.policies:
        names |= set(policy.group_by)
    if any(policy.unit == "build" for policy in rules.policies):
        names.add("build_status")
    if "build_status" in names:
        # The status is that of this build: a job that moved to another build has changed.
        names.add("build")
    return DecisionFields(tuple(sorted(names)), tuple(rules.age_from))


def _matches(rules: Rules) -> list[Match]:
    found = [hold.match for hold in rules.holds if hold.match is not None]
    found += [forbid.match for forbid in rules.forbid]
    for policy in rules.policies:
        found += [policy.match, *_of_keep_rules(policy)]
    return found


def _of_keep_rules(policy: Policy) -> list[Match]:
    matches: list[Match] = []
    for rule in policy.all_keep_rules:
        matches += [match for match in (rule.where, rule.since) if match is not None]
    return matches


def fingerprint(job: Job, build_status: Text, fields: DecisionFields) -> str:
    """Return 16 hexadecimal digits that differ when anything differs that the decision depends on,
    UNKNOWN included.

    Of the times it has start, end and, once the job has finished, the one that gives the age. A
    modification after the end changes nothing, and before the end no decision depends on the job's
    age.
    """
    return fingerprint_of(Record(job, build_status=build_status), fields)


def fingerprint_of(record: Record, fields: DecisionFields) -> str:
    """Return `fingerprint` of a record's job."""
    job = record.job
    read, age_of = _readers(fields)
    # The API gives tags in any order.
    tags = job.tags if job.tags is UNKNOWN else sorted(job.tags)
    # A running job is modified all the time, and no decision depends on its age.
    age = age_of(job) if job.state is JobState.FINISHED else None
    # repr() shows the type of each value: 'text', 1, None, UNKNOWN.
    text = f"{job.state} {tags!r} {read(record)!r} {job.started_at!r} {job.ended_at!r} {age!r}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
