"""Holds: they protect a job whatever the policies say. Where it is unclear whether a hold counts,
it counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sauce_janitor.model.jobs import UNKNOWN, Job, Reason, Why
from sauce_janitor.model.policies import Hold
from sauce_janitor.retention.field_tests import FieldTests
from sauce_janitor.retention.matching import Test, Truth, tags_test

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
LOCAL_HOLD = Reason(Why.HELD, rule="a local hold")
"""The reason of a job that a hold in the state protects."""


def compile_hold(
    hold: Hold, facts: FieldTests, *, as_of: int, zone: ZoneInfo
) -> Callable[[int], Truth] | None:
    """Return the hold as a function of a job's facts; None when it is over. Where the function says
    unknown, the job is held.
    """
    if hold.until is not None and as_of >= hold.until:
        return None
    # Exactly one of the three is set; the configuration has been checked.
    if hold.match is not None:
        return facts.compile(hold.match)
    if hold.tag is not None:
        return facts.add("tags", tags_test(hold.tag.__eq__))
    assert hold.tag_prefix is not None, f"hold {hold.id} has neither tag, tag_prefix nor match"
    return facts.add("tags", tags_test(_prefix_test(hold.tag_prefix, as_of=as_of, zone=zone)))


def _prefix_test(prefix: str, *, as_of: int, zone: ZoneInfo) -> Test:
    def holds(tag: object) -> bool:
        if not isinstance(tag, str) or not tag.startswith(prefix):
            return False
        end = _end_of_day(tag.removeprefix(prefix), zone)
        # A tag such as `keep-until=soon` has no date: it holds forever.
        return end is None or as_of < end

    return holds


def _end_of_day(text: str, zone: ZoneInfo) -> int | None:
    """Return the first second after the day that `text` states as YYYY-MM-DD, in `zone`; None when
    it is not a date.
    """
    if not _DATE.fullmatch(text):
        return None
    try:
        after = date.fromisoformat(text) + timedelta(days=1)
        return int(datetime(after.year, after.month, after.day, tzinfo=zone).timestamp())
    except (ValueError, OverflowError):
        return None


def ends_at(hold: Hold, job: Job, zone: ZoneInfo) -> int | None:
    """Return the first second at which a hold on a job is over, if the job does not change; None
    when it has no end.
    """
    ends = [] if hold.until is None else [hold.until]
    if hold.tag_prefix is not None and job.tags is not UNKNOWN:
        own = [
            _end_of_day(tag.removeprefix(hold.tag_prefix), zone)
            for tag in job.tags
            if tag.startswith(hold.tag_prefix)
        ]
        known = [end for end in own if end is not None]
        # One tag without a readable date holds forever, so the hold has no end.
        if own and len(known) == len(own):
            ends.append(max(known))
    return min(ends, default=None)


def reason(hold: Hold) -> Reason:
    """Return the reason that a job is kept by this hold: its id, and why and by whom if the hold
    says so.
    """
    by = f"by {hold.by}" if hold.by else ""
    detail = ", ".join(part for part in (hold.reason, by) if part)
    return Reason(Why.HELD, rule=hold.id, detail=detail or None)
