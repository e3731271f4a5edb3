"""The index of archived jobs, for fast lists and searches. It is made from the receipts, which are
the truth.

One module over 300 lines: what is stored of an entry and what asks for it have the same columns.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    case,
    delete,
    func,
    insert,
    or_,
    select,
)

from sauce_janitor.model.archive.entries import (
    COUNTED,
    ArchiveBuild,
    ArchiveCursor,
    ArchiveEntry,
    ArchiveQuery,
)
from sauce_janitor.model.globs import alternatives, has_wildcards
from sauce_janitor.model.jobs import JobId, Owner
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.state.accounts import name_of
from sauce_janitor.state.database.dialect import Dialect, put, streamed
from sauce_janitor.state.database.tables import archived_jobs, journal, meta
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.rows import id_bytes, plain

_COLUMNS: Final = tuple(field.name for field in dataclasses.fields(ArchiveEntry))
_TEXTS: Final = ("owner", "place", "policy", "name", "build", "status", "error", "os", "browser")
_THROUGH: Final = "archive listed "
STATUSES: Final = ("passed", "failed", "error", "complete")
LONGEST_BUILD: Final = 300
"""How many characters of a build's name are kept: an entry of PostgreSQL's indexes has a limit."""


@dataclasses.dataclass(frozen=True, slots=True)
class Touched:
    """A job that the journal has as archived or pruned: its entry must be read again. `account` is
    the key.
    """

    account: str
    owner: Owner
    job_id: JobId


class ArchivedJobs:
    """The entries of every account. Raises StateError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- keeping up -------------------------------------------------------------------------------

    def through(self, archive: str) -> Mapping[str, int] | None:
        """Return the line of each of the journal's chains (`Journal.ends`) up to which the entries
        match this archive (its uuid); None: never listed completely.
        """
        with self._database.reading() as connection:
            text = connection.execute(
                select(meta.c.value).where(meta.c.key == _THROUGH + archive)
            ).scalar()
        if text is None:
            return None
        marks = json.loads(text)
        # Written when all accounts had one chain.
        return {"": marks} if isinstance(marks, int) else marks

    def touched(self, key: str, after: int) -> Iterator[Touched]:
        """Yield the jobs that a chain of the journal mentions after that line, oldest first: the
        chain of the account with this key, or, for "", the one that all accounts had. Memory stays
        flat.
        """
        kinds = ("archived", "pruning", "pruned")
        is_newer = (journal.c.account == key, journal.c.number > after)
        if not key:
            is_newer = (journal.c.number.is_(None), journal.c.seq > after)
        statement = (
            select(journal.c.account, journal.c.owner, journal.c.job_id)
            .where(*is_newer, journal.c.kind.in_(kinds))
            # Each by the index that finds the lines.
            .order_by(journal.c.number if key else journal.c.seq)
        )
        with self._database.reading() as connection:
            for row in streamed(connection, statement):
                yield Touched(row["account"], Owner(row["owner"]), JobId(row["job_id"].hex()))

    def put(self, entries: Iterable[ArchiveEntry]) -> None:
        """Replace the entries of these jobs, in one transaction."""
        rows = [_row(entry) for entry in entries]
        # An empty transaction would still wait for other writers.
        if not rows:
            return
        with self._database.writing() as connection:
            names = {key: name_of(connection, key) for key in {row["account"] for row in rows}}
            for row in rows:
                # Receipts have the account's key, the table has its name.
                row["account"] = names[row["account"]]
                connection.execute(
                    delete(archived_jobs).where(
                        archived_jobs.c.account == row["account"],
                        archived_jobs.c.job_id == row["job_id"],
                    )
                )
            connection.execute(insert(archived_jobs), rows)

    def forget(self) -> None:
        """Remove all entries."""
        with self._database.writing() as connection:
            connection.execute(delete(archived_jobs))
            connection.execute(delete(meta).where(meta.c.key.startswith(_THROUGH, autoescape=True)))

    def mark(self, archive: str, through: Mapping[str, int]) -> None:
        """Record that the entries include everything in the journal up to that line of each
        chain.
        """
        text = json.dumps(through, sort_keys=True)
        with self._database.writing() as connection:
            put(connection, meta, {"key": _THROUGH + archive, "value": text})

    # --- asking -----------------------------------------------------------------------------------

    def search(self, query: ArchiveQuery) -> Iterator[ArchiveEntry]:
        """Yield the matching entries, newest end first, equal ones by id and account. Memory stays
        flat, except with `before`.
        """
        found = _matching(self._database.dialect, query)
        columns = found.selected_columns
        ends, ids, accounts = columns["ended_at"], columns["job_id"], columns["account"]
        if query.after is not None:
            found = found.where(_is_beyond(columns, query.after))
        if query.before is None:
            newest = found.order_by(ends.desc(), ids, accounts).limit(query.limit)
            with self._database.reading() as connection:
                yield from map(_entry, streamed(connection, newest))
            return
        nearest = found.where(_is_beyond(columns, query.before, newer=True))
        # From the cursor on, so that only a page is read; then in the order of the list.
        nearest = nearest.order_by(ends, ids.desc(), accounts.desc()).limit(query.limit)
        with self._database.reading() as connection:
            rows = connection.execute(nearest).mappings().all()
        yield from map(_entry, reversed(rows))

    def count(self, query: ArchiveQuery) -> tuple[int, int]:
        """Return how many entries match, whatever the limit and the cursors, and the size of all
        their assets in bytes. One more than `COUNTED` stands for any more, the size is then of
        these.
        """
        matching = _matching(self._database.dialect, query, ("size_bytes",))
        some = matching.limit(COUNTED + 1).subquery("some")
        statement = select(func.count(), func.coalesce(func.sum(some.c.size_bytes), 0))
        with self._database.reading() as connection:
            jobs, size = connection.execute(statement).one()
        return int(jobs), int(size)

    def builds(self, query: ArchiveQuery) -> tuple[ArchiveBuild, ...]:
        """Return the builds of the matching entries, newest first, `limit` of them after `skip`."""
        jobs, newest = (
            func.count().label("jobs"),
            func.max(archived_jobs.c.ended_at).label("newest_at"),
        )
        by_status = [
            func.sum(case((archived_jobs.c.status == status, 1), else_=0)).label(status)
            for status in STATUSES
        ]
        statement: Select[Any] = (
            select(
                archived_jobs.c.account, archived_jobs.c.owner, archived_jobs.c.build, jobs, newest,
                func.sum(archived_jobs.c.size_bytes).label("size_bytes"), *by_status,
            )
            .where(*_conditions(self._database.dialect, query))
            # The order of the index, which has all that is read.
            .group_by(archived_jobs.c.build, archived_jobs.c.account, archived_jobs.c.owner)
            .order_by(newest.desc(), archived_jobs.c.build.nulls_first())
            .offset(query.skip or None)
            .limit(query.limit)
        )  # fmt: skip
        with self._database.reading() as connection:
            rows = connection.execute(statement).mappings().all()
        return tuple(
            ArchiveBuild(
                row["account"],
                Owner(row["owner"]),
                row["build"],
                row["jobs"],
                {status: int(row[status]) for status in STATUSES if row[status]},
                row["newest_at"],
                int(row["size_bytes"]),
            )
            for row in rows
        )

    def owners(self) -> tuple[Owner, ...]:
        """Return whose jobs there are, by name."""
        # From each name to the next one by the index: DISTINCT would read every entry.
        found = select(func.min(archived_jobs.c.owner).label("owner")).cte("owners", recursive=True)
        following = select(func.min(archived_jobs.c.owner)).where(
            archived_jobs.c.owner > found.c.owner
        )
        found = found.union_all(
            select(following.scalar_subquery()).where(found.c.owner.is_not(None))
        )
        statement = select(found.c.owner).where(found.c.owner.is_not(None)).order_by(found.c.owner)
        with self._database.reading() as connection:
            return tuple(Owner(owner) for owner in connection.execute(statement).scalars())


def listed_through(connection: Connection) -> str:
    """Return a text that changes whenever the entries were brought up to date with an archive."""
    marks = meta.c.key.startswith(_THROUGH, autoescape=True)
    rows = connection.execute(select(meta.c.value).where(marks).order_by(meta.c.key)).scalars()
    return " ".join(rows)


def stored_by_day(connection: Connection, account: str) -> Mapping[int, tuple[int, int]]:
    """Return how many jobs of the account were stored last on each day (days since 1970 in UTC),
    and their bytes.
    """
    day = archived_jobs.c.stored_at // DAY_S
    statement = (
        select(
            day.label("day"),
            func.count().label("jobs"),
            func.sum(archived_jobs.c.size_bytes).label("size_bytes"),
        )
        .where(archived_jobs.c.account == account)
        .group_by(day)
    )
    rows = connection.execute(statement).all()
    return {row.day: (row.jobs, int(row.size_bytes)) for row in rows}


def _row(entry: ArchiveEntry) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(entry, name) for name in _COLUMNS}
    texts = {name: plain(row[name]) for name in _TEXTS if row[name] is not None}
    if entry.build is not None:
        texts["build"] = texts["build"][:LONGEST_BUILD]
    return row | texts | {"job_id": id_bytes(entry.job_id)}


def _entry(row: RowMapping) -> ArchiveEntry:
    values: dict[str, Any] = dict(row)
    own = {"job_id": JobId(row["job_id"].hex()), "missing": row["missing"] or 0}
    return ArchiveEntry(**values | own)


def _matching(
    dialect: Dialect, query: ArchiveQuery, columns: Sequence[str] = _COLUMNS
) -> Select[Any]:
    """Return what reads these columns of the matching entries, in no order."""
    found = select(*(archived_jobs.c[name] for name in columns))
    found = found.where(*_conditions(dialect, query))
    if query.text is None or query.searched is None:
        return found
    # No index finds a text inside another one: only the newest entries are read for it.
    newest = archived_jobs.alias("newest").c
    ends = newest.ended_at
    others = _conditions(dialect, dataclasses.replace(query, text=None), newest)
    oldest = select(ends).where(*others).order_by(ends.desc()).offset(query.searched - 1).limit(1)
    return found.where(archived_jobs.c.ended_at >= func.coalesce(oldest.scalar_subquery(), 0))


def _is_beyond(columns: Any, cursor: ArchiveCursor, *, newer: bool = False) -> ColumnElement[bool]:
    """Return the condition that an entry comes after the one at the cursor; `newer`: before it."""
    ends, ids, accounts = columns["ended_at"], columns["job_id"], columns["account"]
    at, job_id, account = cursor.ended_at, id_bytes(cursor.job_id), plain(cursor.account)
    # The first part says nothing new, but it is what an index finds.
    if newer:
        is_same_job = and_(ids == job_id, accounts < account)
        return and_(ends >= at, or_(ends > at, ids < job_id, is_same_job))
    is_same_job = and_(ids == job_id, accounts > account)
    return and_(ends <= at, or_(ends < at, ids > job_id, is_same_job))


def _has(text: str, columns: Any) -> ColumnElement[bool]:
    texts = (columns["name"], columns["error"])
    return or_(*(column.icontains(plain(text), autoescape=True) for column in texts))


def _conditions(
    dialect: Dialect, query: ArchiveQuery, columns: Any = archived_jobs.c
) -> Iterator[ColumnElement[bool]]:
    # Compared as it would have been stored: PostgreSQL would refuse the question.
    if query.account is not None:
        yield columns.account == plain(query.account)
    if query.owner is not None:
        yield columns.owner == plain(query.owner)
    if query.job_id is not None:
        yield columns.job_id == id_bytes(query.job_id)
    if query.test is not None:
        yield columns.name == plain(query.test)
    build = query.build
    # As it was stored. A pattern may end after the name's end.
    if build is not None and not has_wildcards(build):
        build = build[:LONGEST_BUILD]
    for column, pattern in ((columns.build, build), (columns.name, query.name)):
        if pattern is not None:
            # No database has braces, so each alternative is a condition of its own.
            yield or_(
                *(
                    dialect.matches(column, part) if has_wildcards(part) else column == part
                    for part in alternatives(plain(pattern))
                )
            )
    if query.status:
        yield columns.status.in_(query.status)
    if query.text:
        yield _has(query.text, columns)
    if query.since is not None:
        yield columns.ended_at >= query.since
    if query.until is not None:
        yield columns.ended_at < query.until
