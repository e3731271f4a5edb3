"""The known builds, and which of them a job belongs to: the one of its owner with its build name,
if there is only one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, false, func, insert, or_, select

from sauce_janitor.model.jobs import UNKNOWN, Action, Build, BuildCounters, Job, Owner, Text
from sauce_janitor.retention.builds import has_only_lost_jobs
from sauce_janitor.state.accounts import key_of
from sauce_janitor.state.database.tables import builds, jobs, journal, listings
from sauce_janitor.state.rows import ESCAPED, is_storable

_BITS: Final[Mapping[str, int]] = {"name": 1, "status": 2, "jobs": 4, "open_jobs": 8}


@dataclass(frozen=True, slots=True)
class KnownBuild:
    """What is known of a job's build. `changed_at` is when a listing last saw it new or
    different.
    """

    id: Text
    status: Text
    counters: BuildCounters | None = None
    changed_at: int = 0


_UNKNOWN: Final = KnownBuild(UNKNOWN, UNKNOWN)


class BuildIndex:
    """Finds a job's build. It is unknown when none has the name, several have it, or one of the
    owner's builds has no readable name.
    """

    def __init__(self, connection: Connection, account: str, *, only: Job | None = None) -> None:
        """Read all builds of the account, or those needed to find the build of one job."""
        self._found: dict[tuple[str, str], KnownBuild] = {}
        self._unclear: set[str] = set()
        statement = select(builds).where(builds.c.account == account)
        # One job needs its own build and those whose name is unreadable: each of these might be the
        # same build.
        if only is not None:
            same_name = (
                builds.c.name == json.dumps(only.build) if isinstance(only.build, str) else false()
            )
            no_name = builds.c.marks.bitwise_and(_BITS["name"]) != 0
            statement = statement.where(builds.c.owner == only.owner, or_(same_name, no_name))
        rows = connection.execute(statement).mappings().all()
        deleted = _deleted(connection, account, only) if rows else {}
        for row in rows:
            build = _build_of(row)
            if build.name is UNKNOWN:
                self._unclear.add(row["owner"])
            elif build.name is not None:
                key = (row["owner"], build.name)
                counters = BuildCounters(build.jobs, build.open_jobs, deleted.get(key, 0))
                known = KnownBuild(build.id, build.status, counters, row["changed_at"])
                # Several builds may share a name; nothing says which of them is meant.
                self._found[key] = _UNKNOWN if key in self._found else known

    def build_of(self, job: Job) -> KnownBuild:
        """Return the build of a job that has one."""
        # One of the owner's builds has an unreadable name, which may be this job's.
        if job.owner in self._unclear or not isinstance(job.build, str):
            return _UNKNOWN
        return self._found.get((job.owner, job.build), _UNKNOWN)


def _deleted(connection: Connection, account: str, only: Job | None) -> dict[tuple[str, str], int]:
    """Return how many jobs of each build the journal has as deleted. Names that no database can
    store are left out: those builds never add up.
    """
    # PostgreSQL would refuse the question.
    if only is not None and not (isinstance(only.build, str) and is_storable(only.build)):
        return {}
    ours = select(journal.c.seq).where(
        journal.c.account == key_of(connection, account),
        journal.c.job_id == jobs.c.id,
        journal.c.action == str(Action.DELETE_JOB),
        journal.c.outcome == "confirmed",
    )
    statement = (
        select(jobs.c.owner, jobs.c.build, func.count())
        .where(
            jobs.c.account == account,
            jobs.c.gone.is_(True),
            jobs.c.build.is_not(None),
            jobs.c.marks < ESCAPED,
        )
        .where(ours.exists())
        .group_by(jobs.c.owner, jobs.c.build)
    )
    if only is not None:
        statement = statement.where(jobs.c.owner == only.owner, jobs.c.build == only.build)
    return {(owner, build): count for owner, build, count in connection.execute(statement)}


def replace_builds(
    connection: Connection, account: str, owner: Owner, new: Iterable[Build] | None, *, now: int
) -> int:
    """Make these the owner's builds (None: not offered, so none is known). Return how many there
    are.
    """
    where = (builds.c.account == account, builds.c.owner == owner)
    before = {
        row["id"]: dict(row) for row in connection.execute(select(builds).where(*where)).mappings()
    }
    connection.execute(delete(builds).where(*where))
    rows: dict[str, dict[str, Any]] = {}
    deleted = _deleted(connection, account, None) if before else {}
    for build in new or ():
        row = _row_of(build) | {
            "account": account,
            "owner": owner,
            "changed_at": now,
            "listed_at": now,
        }
        old = before.get(row["id"])
        if old is not None and _lost_only_ours(
            _build_of(old), build, deleted.get((owner, str(build.name)), 0)
        ):
            row |= {"jobs": old["jobs"], "status": old["status"]}
        # An unchanged build keeps its time: otherwise all its jobs would look changed, and no
        # earlier plan would count.
        if old is not None and not _differs(old, row):
            row["changed_at"] = old["changed_at"]
        rows[row["id"]] = row
    if rows:
        connection.execute(insert(builds), list(rows.values()))
    connection.execute(
        listings.update()
        .where(listings.c.account == account, listings.c.owner == owner)
        .values(builds_at=None if new is None else now)
    )
    return len(rows)


def _lost_only_ours(old: Build, new: Build, deleted: int) -> bool:
    """Return whether Sauce Labs no longer counts exactly the jobs that this program deleted: then
    the build stays what was decided on.

    Sauce Labs does not document whether a build's count and verdict forget deleted jobs. Where they
    do, the rest of a build that a run could not finish would look like another build, whose jobs
    never add up.
    """
    return (
        old.jobs is not UNKNOWN and new.jobs == old.jobs - deleted and has_only_lost_jobs(old, new)
    )


def _differs(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Return whether a build has changed. Losing jobs is no change: this program may have deleted
    them.
    """
    return (new["jobs"] or 0) > (old["jobs"] or 0) or any(
        old[column] != new[column] for column in ("name", "status", "open_jobs", "marks")
    )


def _row_of(build: Build) -> dict[str, Any]:
    values = {column: getattr(build, column) for column in _BITS}
    marks = sum(bit for column, bit in _BITS.items() if values[column] is UNKNOWN)
    known = {column: None if value is UNKNOWN else value for column, value in values.items()}
    # Texts as JSON: a build's name may contain what no database can store.
    texts = {
        column: None if known[column] is None else json.dumps(known[column])
        for column in ("name", "status")
    }
    return known | texts | {"id": json.dumps(build.id), "marks": marks}


def _build_of(row: Mapping[Any, Any]) -> Build:
    values: dict[str, Any] = {column: row[column] for column in _BITS}
    values |= {
        column: json.loads(values[column])
        for column in ("name", "status")
        if values[column] is not None
    }
    values |= {column: UNKNOWN for column, bit in _BITS.items() if row["marks"] & bit}
    return Build(id=json.loads(row["id"]), owner=Owner(row["owner"]), **values)
