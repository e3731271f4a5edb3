"""The keep rules once more, as SQL window functions in SQLite: another language, another author's
engine, the same sets.

Only the calendar date of each job in the configured zone is worked out in Python; weeks, months,
years, ranks, anchors and picks are SQL's. Its NULL is the retention language's unknown, which is
why a null status is stored as an empty text.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sauce_janitor.model.calendar_periods import CalendarPeriod
from sauce_janitor.model.job_age import newest_first
from sauce_janitor.model.jobs import UNKNOWN, Action, JobState, Record, Verdict, Why
from sauce_janitor.model.policies import Atom, Glob, KeepRule, Match, Policy
from sauce_janitor.retention.decide import decide
from tests.support.jobs import DAY, HOUR, NOW, keep, policy, record, rules, where

STATUSES = ("passed", "passed", "failed", "failed", "error", "complete", None, UNKNOWN)
NAMES = ("login", "checkout", "search", None, UNKNOWN)
BROWSERS = ("chrome", "firefox")
PICKS = (
    ("newest",),
    ("oldest",),
    ("failed",),
    ("passed", "oldest"),
    ("failed", "newest"),
    ("failed", "error", "passed"),
)
CALENDAR = {
    "daily": ("day", "date(:today, '-' || :back || ' days')"),
    "weekly": ("week", "date(:today, 'weekday 0', '-6 days', '-' || (7 * :back) || ' days')"),
    "monthly": ("month", "date(:today, 'start of month', '-' || :back || ' months')"),
    "yearly": ("year", "date(:today, 'start of year', '-' || :back || ' years')"),
}
"""The column that has a day's period, and the first period of the last N: SQLite's own calendar. A
kind that is missing here fails the comparison.
"""

# Clocks change in the midst of what these see, once by half an hour, once south of the equator; or
# a year ends.
MOMENTS = {
    "Berlin in spring": ("Europe/Berlin", "2026-04-02T09:30"),
    "New York in autumn": ("America/New_York", "2026-11-03T18:00"),
    "Lord Howe in autumn": ("Australia/Lord_Howe", "2026-04-07T00:10"),
    "Santiago in spring": ("America/Santiago", "2026-09-08T23:50"),
    "Kathmandu": ("Asia/Kathmandu", "2026-06-01T12:00"),
    "UTC on a leap day": ("UTC", "2028-02-29T12:00"),
    "Berlin at the year's end": ("Europe/Berlin", "2027-01-03T23:59"),
}
GROUPINGS = {
    "no groups": ((), "keep"),
    "by name, nulls kept": (("name",), "keep"),
    "by name and browser, nulls shared": (("name", "browser"), "shared"),
}


# --- a random inventory, and rules about it -------------------------------------------------------


def inventory(rng: Random, as_of: int, zone: ZoneInfo) -> list[Record]:
    """Jobs of hours, weeks or years ago; many end near a local midnight, some at the same second,
    some are set aside.
    """
    found = []
    for n, end in enumerate(_ends(rng, as_of, zone)):
        aside: list[dict[str, Any]] = [
            {"held": True},
            {"state": JobState.RUNNING},
            {"started_at": UNKNOWN},
            *[{}] * 12,
        ]
        fields = {
            "name": rng.choice(NAMES),
            "browser": rng.choice(BROWSERS),
            "status": rng.choice(STATUSES),
        }
        found.append(record(f"j{n}", NOW - end, **(fields | rng.choice(aside))))
    return found


def _ends(rng: Random, as_of: int, zone: ZoneInfo) -> Iterator[int]:
    today = datetime.fromtimestamp(as_of, zone).replace(hour=0, minute=0, second=0)
    latest = as_of - 2 * HOUR
    for _ in range(400):
        reach = rng.choice([3 * DAY, 12 * DAY, 12 * DAY, 90 * DAY, 1500 * DAY])
        end = latest - rng.randrange(reach)
        if rng.randrange(3) == 0:
            midnight = today - timedelta(days=rng.randrange(reach // DAY))
            end = min(
                latest, int(midnight.timestamp()) + rng.choice([-1, 0, 1, -1800, 1800, 3599, 3600])
            )
        yield end
        if rng.randrange(8) == 0:
            yield end


def keep_rules(rng: Random) -> tuple[KeepRule, ...]:
    """One rule of every kind, and calendar ones of every pick."""
    made = [
        keep("last", "last", count=rng.randint(1, 6), where=_of_status(rng)),
        keep(
            "since",
            "since_last",
            since=where(status=rng.choice(["passed", "error"])),
            where=_of_browser(rng),
        ),
        keep("within", "within", duration=rng.choice(["36h", "5d", "80d"]), where=_of_status(rng)),
        keep(
            "near",
            "within_of_newest",
            duration=rng.choice(["1h", "3d", "70d"]),
            where=_of_status(rng),
        ),
    ]
    made += [
        keep(
            f"{kind} {'/'.join(pick)}",
            kind,
            count=rng.randint(1, 9),
            pick=pick,
            nonempty=rng.randrange(2) == 0,
            where=_of_status(rng) if rng.randrange(2) else _of_browser(rng),
        )
        for kind in CalendarPeriod
        for pick in PICKS
    ]
    return tuple(made)


def _of_status(rng: Random) -> Match | None:
    return rng.choice([None, where(status="passed"), where(status=("failed", "error"))])


def _of_browser(rng: Random) -> Match | None:
    return rng.choice([None, where(browser="chrome")])


# --- what SQL says --------------------------------------------------------------------------------


class Oracle:
    """The inventory as a table `job`, and each keep rule as one query over it."""

    def __init__(
        self, records: Iterable[Record], made: Policy, *, as_of: int, zone: ZoneInfo
    ) -> None:
        self._as_of = as_of
        self._today = datetime.fromtimestamp(as_of, zone).date().isoformat()
        self._db = sqlite3.connect(":memory:")
        self._db.execute(
            "CREATE TABLE job (id, time, grp, status, browser, day, week, month, year)"
        )
        for item in records:
            group = _group(item, made)
            if group is None or _is_aside(item):
                continue
            time = item.job.ended_at
            assert isinstance(time, int)
            day = datetime.fromtimestamp(time, zone).date().isoformat()
            row = (item.job.id, time, group, _null(item.job.status), item.job.browser, day)
            self._db.execute(
                "INSERT INTO job VALUES (?1, ?2, ?3, ?4, ?5, ?6, date(?6, 'weekday 0', '-6 days'), "
                "date(?6, 'start of month'), date(?6, 'start of year'))",
                row,
            )

    def close(self) -> None:
        self._db.close()

    def kept(self, rule: KeepRule) -> set[str]:
        """The ids of the jobs that the rule keeps, those included of which it cannot tell whether
        it counts them.
        """
        counts = _condition(rule.where)
        unsure = self._ids(f"SELECT id FROM job WHERE ({counts}) IS NULL")
        counted = f"WITH counted AS (SELECT * FROM job WHERE {counts})"
        return unsure | self._ids(f"{counted} {self._query(rule)}", **self._values(rule))

    def _values(self, rule: KeepRule) -> dict[str, object]:
        seconds = rule.duration.seconds if rule.duration else 0
        return {
            "n": rule.count,
            "back": rule.count - 1,
            "as_of": self._as_of,
            "d": seconds,
            "today": self._today,
        }

    def _ids(self, query: str, **values: object) -> set[str]:
        return {identity for (identity,) in self._db.execute(query, values)}

    def _query(self, rule: KeepRule) -> str:
        newest_first = "OVER (PARTITION BY grp ORDER BY time DESC, id)"
        match rule.kind:
            case "last":
                return (
                    f"SELECT id FROM (SELECT id, row_number() {newest_first} AS rank FROM counted)"
                    " WHERE rank <= :n"
                )
            case "within":
                return "SELECT id FROM counted WHERE time >= :as_of - :d"
            case "within_of_newest":
                newest = "max(time) OVER (PARTITION BY grp)"
                return (
                    f"SELECT id FROM (SELECT id, time, {newest} AS newest FROM counted) WHERE time"
                    " >= newest - :d"
                )
            case "since_last":
                seen = f"sum(coalesce({_condition(rule.since)}, 0)) {newest_first}"
                return (
                    f"SELECT id FROM (SELECT id, {seen} AS anchors FROM counted) WHERE anchors = 0"
                )
        return self._calendar_query(rule)

    def _calendar_query(self, rule: KeepRule) -> str:
        period, first = CALENDAR[rule.kind]
        reads_status = not set(rule.pick) <= {"newest", "oldest"}
        fits = ["1" if word in {"newest", "oldest"} else f"status = '{word}'" for word in rule.pick]
        cases = " ".join(f"WHEN {fit} THEN {n}" for n, fit in enumerate(fits))
        oldest = rule.pick.index("oldest") if "oldest" in rule.pick else -1
        # The oldest is the last in the order "newest first, ties by id".
        order = f"choice, CASE choice WHEN {oldest} THEN -nth ELSE nth END"
        inside = "recent <= :n" if rule.nonempty else f"period >= {first}"
        unclear = "SELECT id FROM counted WHERE status IS NULL UNION" if reads_status else ""
        return f""",
            clear AS (
                SELECT id, grp, {period} AS period, CASE {cases} ELSE {len(fits)} END AS choice,
                    row_number() OVER (PARTITION BY grp, {period} ORDER BY time DESC, id) AS nth,
                    dense_rank() OVER (PARTITION BY grp ORDER BY {period} DESC) AS recent
                FROM counted {"WHERE status IS NOT NULL" if reads_status else ""}
            ),
            placed AS (
                SELECT *, row_number() OVER (PARTITION BY grp, period ORDER BY {order}) AS place FROM clear WHERE {inside}
            )
            {unclear} SELECT id FROM placed WHERE place = 1 AND choice < {len(fits)}
        """


def _is_aside(item: Record) -> bool:
    """Held, running or ageless: kept anyway, and in no rule's way."""
    return item.held or item.job.state is not JobState.FINISHED or item.job.started_at is UNKNOWN


def _group(item: Record, made: Policy) -> str | None:
    """The group as text; None for jobs that are kept for want of one, and in no rule's way
    either.
    """
    values = [getattr(item.job, field) for field in made.group_by]
    if UNKNOWN in values or (None in values and made.null_group == "keep"):
        return None
    return repr(values)


def _null(value: object) -> object:
    return None if value is UNKNOWN else "" if value is None else value


def _condition(match: Match | None) -> str:
    """A match on one field as a condition: true, false or NULL."""
    if match is None:
        return "1"
    assert isinstance(match, Atom)
    words = ", ".join(
        f"'{pattern.pattern}'" for pattern in match.patterns if isinstance(pattern, Glob)
    )
    return f"{match.field} IN ({words})"


# --- the comparison -------------------------------------------------------------------------------


# Seen to fail: days of UTC instead of the zone's, weeks from Sunday, a slot too many, the oldest
# taken for the newest, the
# newest not counted as near itself, empty periods counted where nonempty says no, jobs set aside
# ranked, anchors not seen.
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("grouping", GROUPINGS)
@pytest.mark.parametrize("seed", range(4))
def test_every_keep_rule_keeps_the_jobs_that_sql_says(
    seed: int, grouping: str, moment: str
) -> None:
    rng = Random(f"{seed} {grouping} {moment}")
    zone = ZoneInfo(MOMENTS[moment][0])
    as_of = int(datetime.fromisoformat(MOMENTS[moment][1]).replace(tzinfo=zone).timestamp())
    group_by, null_group = GROUPINGS[grouping]
    made = policy("p", job="1h", keep=keep_rules(rng), group_by=group_by, null_group=null_group)
    records = inventory(rng, as_of, zone)

    said, due = judged(made, records, as_of=as_of, zone=zone)

    with closing(Oracle(records, made, as_of=as_of, zone=zone)) as oracle:
        by_sql = {rule.id: oracle.kept(rule) for rule in made.keep}
    assert said == by_sql
    ranked: set[str] = {
        item.job.id for item in records if _group(item, made) and not _is_aside(item)
    }
    assert due == ranked - set().union(*by_sql.values())
    assert sum(map(bool, by_sql.values())) > len(by_sql) / 2, (
        "a comparison of nothing with nothing proves little"
    )


def judged(
    made: Policy, records: list[Record], *, as_of: int, zone: ZoneInfo
) -> tuple[dict[str, set[str]], set[str]]:
    """By keep rule the jobs of a group that it keeps; and all jobs that are due."""
    ordered = newest_first(records, ("end_time", "modification_time"))
    said: dict[str, set[str]] = {rule.id: set() for rule in made.keep}
    due: set[str] = set()
    for item, decided in decide(rules(made, timezone=zone), lambda: ordered, as_of=as_of):
        (decision,) = (decision for decision in decided if decision.action is Action.DELETE_JOB)
        if decision.verdict is Verdict.DUE:
            due.add(item.job.id)
        keeping = {reason.rule for reason in decision.reasons if reason.why is Why.KEPT}
        for rule, kept in said.items():
            if rule in keeping and "group_by" not in keeping:
                kept.add(item.job.id)
    return said, due
