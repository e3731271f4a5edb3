"""What a listing of one owner's jobs reads and writes: pages, its progress, and the jobs that it
did not find again.

A listing has its own number, its `mark`: a time, but greater than any mark before it. A row whose
`listed_at` is below the mark was not seen by that listing.

One module over 300 lines: one class with one short method for each question of a listing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from sauce_janitor.model.job_lists import ListingProgress
from sauce_janitor.model.jobs import UNKNOWN, Build, Job, JobId, JobState, Owner
from sauce_janitor.state.builds import replace_builds
from sauce_janitor.state.database.tables import jobs, listings
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.notes import Notes
from sauce_janitor.state.rows import BITS, COLUMNS, ESCAPED, FIELDS, JobReader, id_bytes, row_of

_HEX: Final = frozenset("0123456789abcdef")
_READ_BY_RULES: Final = tuple(
    name for name in FIELDS if name not in {"created_at", "started_at", "ended_at"}
)
"""What is no longer believed of a job that cannot be read. Its times do not change once they are
known.
"""
_ASIDE: Final = sum(BITS[name] for name in _READ_BY_RULES)


class OwnerJobs:
    """One owner's jobs in one account, as a listing stores them. Raises StateError."""

    def __init__(self, database: Database, account: str, owner: Owner) -> None:
        self._database = database
        self._account = account
        self._owner = owner
        self._note_key = f"listing:{json.dumps([account, owner])}"
        self._listing = (listings.c.account == account, listings.c.owner == owner)
        self._mine = (jobs.c.account == account, jobs.c.owner == owner, jobs.c.gone.is_(False))

    def listed(self) -> ListingProgress:
        """Return the progress of the listings."""
        columns = [listings.c[name] for name in ListingProgress.__dataclass_fields__]
        with self._database.reading() as connection:
            row = connection.execute(select(*columns).where(*self._listing)).one_or_none()
        return ListingProgress() if row is None else ListingProgress(*row)

    # --- while listing ----------------------------------------------------------------------------

    def put(
        self,
        new: Sequence[Job],
        *,
        unreadable: Collection[str],
        mark: int,
        now: int,
        bookmark: str | None,
    ) -> None:
        """Store one page and where the listing continues, in one transaction.

        `unreadable` are ids of rejected rows: it is only known that they exist. `changed_at`
        becomes `now` only where a field differs. A field that the details gave and the row omits
        stays as it was unless another one differs.
        """
        rows = {row["id"]: row for row in map(row_of, new)}
        seen = [
            *rows,
            *(
                id_bytes(job_id)
                for job_id in unreadable
                # A rejected row may have anything as its id.
                if len(job_id) == 32 and _HEX.issuperset(job_id)
            ),
        ]
        with self._database.writing(self._account) as connection:
            self._note(connection, mark=mark, bookmark=bookmark)
            known = self._stored(connection, seen)
            fresh = [
                self._first(row, mark, now) for job_id, row in rows.items() if job_id not in known
            ]
            changes = [
                _renewed(old, row, mark, now)
                for job_id, row in rows.items()
                if (old := known.get(job_id)) is not None and _differs(old, row)
            ]
            if fresh:
                connection.execute(insert(jobs), fresh)
            _update(connection, changes)
            connection.execute(
                update(jobs)
                .where(jobs.c.row.in_([old["row"] for old in known.values()]))
                # Pages overlap: rows that this listing has seen already are not written again.
                .where(or_(jobs.c.listed_at < mark, jobs.c.gone.is_(True)))
                .values(listed_at=mark, gone=False)
            )

    def set_aside(
        self, job_ids: Collection[JobId], *, mark: int, now: int, known_only: bool
    ) -> None:
        """Set aside jobs that exist but cannot be read: what rules read of them becomes UNKNOWN, so
        that they stay.

        Times that do not change once they are known stay known. A job that was unknown is added,
        unless `known_only`.
        """
        if not job_ids:
            return
        with self._database.writing(self._account) as connection:
            known = self._stored(connection, [id_bytes(job_id) for job_id in job_ids])
            readable = [
                old["row"]
                for old in known.values()
                if old["marks"] & _ASIDE != _ASIDE or not old["detailed"]
            ]
            connection.execute(
                update(jobs)
                .where(jobs.c.row.in_(readable), jobs.c.owner == self._owner)
                .values(
                    **dict.fromkeys(_READ_BY_RULES),
                    state=str(JobState.UNKNOWN),
                    marks=jobs.c.marks.bitwise_and(~_ASIDE & ~ESCAPED).bitwise_or(_ASIDE),
                    detailed=True,
                    changed_at=now,
                )
            )
            fresh = [] if known_only else [one for one in job_ids if id_bytes(one) not in known]
            blank: dict[str, Any] = dict.fromkeys(FIELDS, UNKNOWN)
            rows = [
                self._first(row_of(Job(one, self._owner, JobState.UNKNOWN, **blank)), mark, now)
                for one in fresh
            ]
            if rows:
                connection.execute(insert(jobs), [row | {"detailed": True} for row in rows])

    def count_set_aside(self) -> int:
        """Return how many jobs are set aside."""
        return self._count(jobs.c.detailed, jobs.c.marks.bitwise_and(_ASIDE) == _ASIDE)

    def put_off(self, job_ids: Collection[JobId], *, now: int) -> None:
        """Record that these were asked for at `now`: of the unfinished ones, others come first next
        time.
        """
        statement = update(jobs).where(
            *self._mine, jobs.c.id.in_([id_bytes(job_id) for job_id in job_ids])
        )
        with self._database.writing(self._account) as connection:
            connection.execute(statement.where(jobs.c.listed_at < now).values(listed_at=now))

    def memo(self) -> str | None:
        """Return what the last listing left for the next one."""
        return Notes(self._database).read(self._note_key)

    def keep_memo(self, text: str) -> None:
        """Store a text for the next listing."""
        Notes(self._database).write(self._note_key, text)

    def put_details(self, new: Sequence[Job], *, asked: Collection[JobId], now: int) -> None:
        """Store the details of these jobs. No job in `asked` is asked for again until it
        changes.
        """
        details = {id_bytes(job.id): job for job in new}
        with self._database.writing(self._account) as connection:
            known = self._stored(connection, [id_bytes(job_id) for job_id in asked])
            rows = {
                job_id: _completed(old, details[job_id])
                for job_id, old in known.items()
                if job_id in details
            }
            _update(
                connection,
                [
                    _renewed(known[job_id], row, now, now)
                    for job_id, row in rows.items()
                    if _differs(known[job_id], row)
                ],
            )
            found = [known[job_id]["row"] for job_id in rows]
            connection.execute(
                update(jobs)
                .where(jobs.c.row.in_([old["row"] for old in known.values()]))
                .values(detailed=True)
            )
            seen = update(jobs).where(jobs.c.row.in_(found))
            connection.execute(seen.values(gone=False))
            connection.execute(seen.where(jobs.c.listed_at < now).values(listed_at=now))

    def put_builds(self, new: Iterable[Build] | None, *, now: int) -> int:
        """Make these the owner's builds; None where builds are not offered. Return how many there
        are.
        """
        found = None if new is None else list(new)
        with self._database.writing(self._account) as connection:
            self._note(connection)
            return replace_builds(connection, self._account, self._owner, found, now=now)

    def conclude(
        self, *, mark: int, watermark: int | None, full_at: int | None, longest_page: int
    ) -> int:
        """Record the end of a listing; None leaves a time as it is. After a full one, jobs it did
        not see are gone: return how many.
        """
        values: dict[str, Any] = {"longest_page": longest_page}
        # A rejected row holds the watermark back: the next listing asks for it again.
        if watermark is not None:
            values["watermark"] = watermark
        if full_at is not None:
            values |= {"full_at": full_at, "bookmark": None}
        with self._database.writing(self._account) as connection:
            self._note(connection, mark=mark)
            connection.execute(update(listings).where(*self._listing).values(values))
            # A partial listing proves nothing about the jobs that it did not show.
            if full_at is None:
                return 0
            gone = update(jobs).where(*self._mine, jobs.c.listed_at < mark).values(gone=True)
            return connection.execute(gone).rowcount

    def forget_bookmark(self) -> None:
        """Give up the unfinished full listing: the next one starts from the beginning."""
        with self._database.writing(self._account) as connection:
            connection.execute(update(listings).where(*self._listing).values(bookmark=None))

    def forget(self) -> None:
        """Remove the owner's listing: none of its jobs is known, and the owner has another
        spelling.
        """
        with self._database.writing(self._account) as connection:
            connection.execute(delete(listings).where(*self._listing))

    def mark_gone(self, job_ids: Collection[JobId]) -> None:
        """Record that these jobs are proven to be gone."""
        statement = update(jobs).where(
            *self._mine, jobs.c.id.in_([id_bytes(job_id) for job_id in job_ids])
        )
        with self._database.writing(self._account) as connection:
            connection.execute(statement.values(gone=True))

    # --- what a listing asks ----------------------------------------------------------------------

    def count(self) -> int:
        """Return how many jobs are known and not gone."""
        return self._count()

    def count_created_since(self, since: int) -> int:
        """Return how many of them were created then or later."""
        return self._count(jobs.c.created_at >= since)

    def missing(self, mark: int) -> tuple[int, int]:
        """Return how many were known before the listing `mark`, and how many of these it has not
        seen.
        """
        before = jobs.c.first_seen < mark
        return self._count(before), self._count(before, jobs.c.listed_at < mark)

    def missing_within(self, since: int, until: int, mark: int) -> tuple[int, int]:
        """Return the same for finished jobs all of whose times are inside, whichever time `from`
        and `to` compare.
        """
        times = (jobs.c.created_at, jobs.c.started_at, jobs.c.ended_at)
        inside = and_(
            jobs.c.first_seen < mark,
            *(time.between(since, until) for time in times),
            # Not every job has this time; where it is null, `from` and `to` cannot compare it.
            or_(jobs.c.modified_at.is_(None), jobs.c.modified_at.between(since, until)),
        )
        return self._count(inside), self._count(inside, jobs.c.listed_at < mark)

    def missing_ids(self, mark: int, limit: int) -> tuple[JobId, ...]:
        """Return some of those that the listing `mark` has not seen."""
        return self._ids(jobs.c.listed_at < mark, limit=limit)

    def unfinished(self, mark: int, limit: int) -> tuple[JobId, ...]:
        """Return jobs not known to have finished that the listing `mark` has not seen, longest
        unseen first.
        """
        return self._ids(
            jobs.c.state != str(JobState.FINISHED), jobs.c.listed_at < mark, limit=limit
        )

    def oldest_ended_since(self, since: int) -> int | None:
        """Return when the oldest of the jobs that ended then or later was created."""
        return self._oldest(jobs.c.ended_at >= since)

    def oldest_unfinished(self) -> int | None:
        """Return when the oldest job that is not known to have finished was created."""
        return self._oldest(jobs.c.state != str(JobState.FINISHED))

    def lacking(self, fields: Collection[str], limit: int) -> tuple[JobId, ...]:
        """Return jobs with one of these fields UNKNOWN whose details were not asked for since they
        changed.

        `state` may be among the fields. What a row always has (`id`, `owner`) is never lacking.
        """
        mask = sum(BITS.get(field, 0) for field in set(fields))
        lacking = jobs.c.marks.bitwise_and(mask) != 0
        # The state has no bit of its own: it is one of four words.
        if "state" in fields:
            lacking = or_(lacking, jobs.c.state == str(JobState.UNKNOWN))
        return self._ids(jobs.c.detailed.is_(False), lacking, limit=limit)

    def times(self, job_ids: Collection[JobId]) -> Mapping[JobId, tuple[int, int] | None]:
        """Return the first and the last of each job's times, None where none is known; also for
        jobs that are gone.
        """
        columns = (jobs.c.created_at, jobs.c.started_at, jobs.c.ended_at, jobs.c.modified_at)
        ids = [id_bytes(job_id) for job_id in job_ids]
        statement = select(jobs.c.id, *columns).where(
            jobs.c.account == self._account, jobs.c.id.in_(ids)
        )
        with self._database.reading() as connection:
            found = {
                row[0]: [time for time in row[1:] if time is not None]
                for row in connection.execute(statement)
            }
        spans = {
            JobId(one.hex()): (min(times), max(times)) if times else None
            for one, times in found.items()
        }
        return {one: spans.get(one) for one in job_ids}

    def known_within(self, since: int, until: int, limit: int) -> tuple[JobId, ...]:
        """Return some jobs that were created then."""
        return self._ids(jobs.c.created_at.between(since, until), limit=limit)

    # --- inside -----------------------------------------------------------------------------------

    def _note(self, connection: Connection, **values: Any) -> None:
        """Update the listing's own row; insert it the first time."""
        statement = update(listings).where(*self._listing).values(owner=self._owner, **values)
        if connection.execute(statement).rowcount == 0:
            row = {"account": self._account, "owner": self._owner, "mark": 0, "longest_page": 0}
            connection.execute(insert(listings), [row | values])

    def _stored(
        self, connection: Connection, ids: Sequence[bytes]
    ) -> dict[bytes, Mapping[str, Any]]:
        columns = [
            jobs.c[name] for name in ("row", "listed_at", "changed_at", "detailed", *COLUMNS)
        ]
        statement = select(*columns).where(jobs.c.account == self._account, jobs.c.id.in_(ids))
        return {row["id"]: dict(row) for row in connection.execute(statement).mappings()}

    def _first(self, row: dict[str, Any], mark: int, now: int) -> dict[str, Any]:
        ours = {"account": self._account, "detailed": False, "gone": False, "assets": "present"}
        return row | ours | {"first_seen": max(now, mark), "changed_at": now, "listed_at": mark}

    def _count(self, *conditions: ColumnElement[bool]) -> int:
        statement = select(func.count()).select_from(jobs).where(*self._mine, *conditions)
        with self._database.reading() as connection:
            return connection.execute(statement).scalar_one()

    def _oldest(self, condition: ColumnElement[bool]) -> int | None:
        with self._database.reading() as connection:
            return connection.execute(
                select(func.min(jobs.c.created_at)).where(*self._mine, condition)
            ).scalar()

    def _ids(self, *conditions: ColumnElement[bool], limit: int) -> tuple[JobId, ...]:
        statement = (
            select(jobs.c.id)
            .where(*self._mine, *conditions)
            .order_by(jobs.c.listed_at, jobs.c.row)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return tuple(JobId(found.hex()) for found in connection.execute(statement).scalars())


def _differs(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Return whether a listed row differs from what is stored. A field that it omits and details
    gave is no difference.
    """
    for field in ("owner", "state", *FIELDS):
        bit = BITS.get(field, 0)
        if new["marks"] & bit:
            # A team that was never known is not lost: rows from before the column existed have no
            # mark for it.
            if not (
                old["marks"] & bit or old["detailed"] or (field == "team_id" and old[field] is None)
            ):
                return True
        elif old["marks"] & bit or old[field] != new[field]:
            return True
    return False


def _renewed(old: Mapping[str, Any], new: Mapping[str, Any], mark: int, now: int) -> dict[str, Any]:
    values = {column: new[column] for column in COLUMNS if column != "id"}
    ours = {
        # It has changed, so its details are asked for again if a rule needs them.
        "detailed": False,
        "gone": False,
        "changed_at": now,
        # Details that were read during the listing may be newer than its mark.
        "listed_at": max(mark, old["listed_at"]),
    }
    return values | ours | {"at_row": old["row"]}


def _completed(old: Mapping[str, Any], new: Job) -> dict[str, Any]:
    """Return what the details say and, where they omit a field, what the listing said."""
    stored = JobReader().job_of([old[column] for column in COLUMNS])
    left_out = {field: getattr(stored, field) for field in FIELDS if getattr(new, field) is UNKNOWN}
    return row_of(replace(new, **left_out))


def _update(connection: Connection, changes: Sequence[Mapping[str, Any]]) -> None:
    if changes:
        columns: dict[str, Any] = {
            column: bindparam(column) for column in changes[0] if column != "at_row"
        }
        connection.execute(
            update(jobs).where(jobs.c.row == bindparam("at_row")).values(columns), changes
        )
