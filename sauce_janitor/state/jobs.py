"""The known jobs: streamed to the decision, read one by one to explain, counted for reports."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import ColumnElement, Connection, Select, exists, func, select, update

from sauce_janitor.model.jobs import Action, AssetsStanding, Job, JobId, Owner, Record
from sauce_janitor.state.accounts import key_of
from sauce_janitor.state.builds import BuildIndex, KnownBuild
from sauce_janitor.state.database.dialect import dialect_of
from sauce_janitor.state.database.tables import acceptances, holds, jobs, journal, listings
from sauce_janitor.state.database.transactions import Database, state_errors
from sauce_janitor.state.holds import in_force
from sauce_janitor.state.listing import OwnerJobs
from sauce_janitor.state.rows import COLUMNS, JobReader, ParsedTexts, id_bytes, missing_files

AgeField: TypeAlias = Literal["end_time", "modification_time", "start_time", "creation_time"]
DEFAULT_AGE: Final[tuple[AgeField, ...]] = ("end_time", "modification_time")

_AGES: Final[Mapping[AgeField, ColumnElement[int | None]]] = {
    "end_time": jobs.c.ended_at,
    "modification_time": jobs.c.modified_at,
    "start_time": jobs.c.started_at,
    "creation_time": jobs.c.created_at,
}
_OURS: Final = (
    "changed_at",
    "assets",
    "archived",
    "assets_announced_at",
    "job_announced_at",
    "accepted_for",
    "missing",
)
_ACTIONS: Final = {str(action): action for action in Action}
_STANDINGS: Final = {str(standing): standing for standing in AssetsStanding}
_NO_BUILD: Final = KnownBuild(None, None)


@dataclass(frozen=True, slots=True)
class Query:
    """Which records: of an account, of these owners (None: all), aged by `age_from`; holds that are
    over at `as_of` do not count.

    `held` are jobs that are held whatever the state says. `policy_digest` is that of the rules
    which will decide: a plan accepted under another one does not count.
    """

    account: str
    owners: Collection[Owner] | None = None
    age_from: Sequence[AgeField] = DEFAULT_AGE
    as_of: int = 0
    policy_digest: str | None = None
    held: frozenset[JobId] = frozenset()


class Snapshot:
    """The inventory at one moment: it stays the same, however often it is read and whatever is
    written meanwhile.
    """

    def __init__(self, connection: Connection, place: str, query: Query) -> None:
        self._connection = connection
        self._place = place
        self._query = query
        self._held = _held(connection, query.account, query.as_of) | {
            id_bytes(job_id) for job_id in query.held
        }
        self._accepted = _ACTIONS if _is_last_accepted(connection, query) else {}

    def records(self) -> Iterator[Record]:
        """Yield every job that is not gone, newest first by the time that gives the age, then by
        id; jobs without an age come last.
        """
        times = [_AGES[field] for field in self._query.age_from]
        age = func.coalesce(*times) if len(times) > 1 else times[0]
        statement = _select(self._query.account, self._query.owners).order_by(
            # Said, because databases differ in it: keep rules count in this order.
            age.desc().nulls_last(),
            jobs.c.id,
        )
        with state_errors(self._place):
            build_of = BuildIndex(self._connection, self._query.account).build_of
            yield from self._read(self._rows(statement), build_of)

    def record(self, job_id: JobId, *, gone: bool = False) -> Record | None:
        """Return one job; None when it is unknown or gone. With `gone`, as it was last known,
        whoever its owner is.
        """
        statement = _select(self._query.account, self._query.owners)
        if gone:
            statement = select(*(jobs.c[name] for name in (*COLUMNS, *_OURS))).where(
                jobs.c.account == self._query.account
            )
        statement = statement.where(jobs.c.id == id_bytes(job_id))
        with closing(self._rows(statement)) as rows:
            return next(self._read(rows, self._build_of_one), None)

    def _rows(self, statement: Select[Any]) -> Generator[Sequence[Any]]:
        yield from dialect_of(self._connection.dialect.name).rows(self._connection, statement)

    def _build_of_one(self, job: Job) -> KnownBuild:
        return BuildIndex(self._connection, self._query.account, only=job).build_of(job)

    def _read(
        self, rows: Iterator[Sequence[Any]], build_of: Callable[[Job], KnownBuild]
    ) -> Iterator[Record]:
        job_of = JobReader().job_of
        archives: ParsedTexts[frozenset[str] | None] = ParsedTexts(
            lambda keys: None if keys is None else frozenset(keys)
        )
        held, accepted = self._held, self._accepted
        for row in rows:
            job = job_of(row)
            changed_at, assets, archived, assets_announced, job_announced, accepted_for, missing = (
                row[-len(_OURS) :]
            )
            build = _NO_BUILD if job.build is None else build_of(job)
            yield Record(
                job,
                # A policy may read the build's status, so a change of the build is one of the job.
                max(changed_at, build.changed_at),
                build.id,
                build.status,
                _STANDINGS[assets],
                archives[archived],
                (
                    None
                    if assets_announced is None and job_announced is None
                    else _announced(assets_announced, job_announced)
                ),
                row[0] in held,
                build.counters,
                # Empty where the last accepted plan was of other policies: what it decided says
                # nothing now.
                None if accepted_for is None else accepted.get(accepted_for),
                () if missing is None else missing_files(missing),
            )


class Jobs:
    """The inventory of every account."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, account: str, owner: Owner) -> OwnerJobs:
        """Return what a listing of one owner's jobs reads and writes (an
        `inventory.ports.JobStore`).
        """
        return OwnerJobs(self._database, account, owner)

    @contextmanager
    def snapshot(self, query: Query) -> Iterator[Snapshot]:
        """Yield the inventory as it is now, for as long as the block lasts."""
        with self._database.reading() as connection:
            yield Snapshot(connection, self._database.place, query)

    def records(
        self,
        account: str,
        owners: Collection[Owner] | None = None,
        age_from: Sequence[AgeField] = DEFAULT_AGE,
        *,
        as_of: int,
    ) -> Iterator[Record]:
        """Yield the records of a separate snapshot, for one pass. Memory stays flat."""
        with self.snapshot(Query(account, owners, age_from, as_of)) as snapshot:
            yield from snapshot.records()

    def record(self, account: str, job_id: JobId, *, as_of: int) -> Record | None:
        """Return one job; None when it is unknown or gone."""
        with self.snapshot(Query(account, as_of=as_of)) as snapshot:
            return snapshot.record(job_id)

    def count(self, account: str, owners: Collection[Owner] | None = None) -> int:
        """Return how many jobs are known and not gone."""
        statement = select(func.count()).select_from(jobs).where(*_known(account, owners))
        with self._database.reading() as connection:
            return connection.execute(statement).scalar_one()

    def count_gone(self, account: str, *, ended_since: int, listed_since: int = 0) -> int:
        """Count the jobs that are gone although this program never started to delete them.

        Only those that ended `ended_since` or later and were still listed `listed_since` or later,
        both epoch seconds. A delete without an answer, or with an unknown outcome, may take effect
        later: it counts as this program's.
        """
        times = (jobs.c.ended_at >= ended_since, jobs.c.listed_at >= listed_since)
        with self._database.reading() as connection:
            ours = exists().where(
                journal.c.job_id == jobs.c.id,
                journal.c.account == key_of(connection, account),
                journal.c.kind == "intent",
                journal.c.action == str(Action.DELETE_JOB),
            )
            gone = (jobs.c.account == account, jobs.c.gone.is_(True), *times, ~ours)
            return connection.execute(
                select(func.count()).select_from(jobs).where(*gone)
            ).scalar_one()

    def owners(self, account: str) -> tuple[Owner, ...]:
        """Return whose jobs were ever listed, in order of the name."""
        statement = (
            select(listings.c.owner).where(listings.c.account == account).order_by(listings.c.owner)
        )
        with self._database.reading() as connection:
            return tuple(Owner(owner) for owner in connection.execute(statement).scalars())

    def full_at(self, account: str, owners: Collection[Owner] | None = None) -> int | None:
        """Return the oldest of these owners' last complete full listings; None where one has
        none.
        """
        statement = select(listings.c.owner, listings.c.full_at).where(
            listings.c.account == account
        )
        with self._database.reading() as connection:
            found = {row.owner: row.full_at for row in connection.execute(statement)}
        wanted = found if owners is None else owners
        # An owner without a full listing makes the whole account incomplete.
        times = [found.get(owner) for owner in wanted]
        return (
            min((time for time in times if time is not None), default=None)
            if None not in times
            else None
        )

    def ended_at(self, account: str, job_id: JobId) -> int | None:
        """Return when a job ended, also one that is gone; None when that is unknown."""
        statement = select(jobs.c.ended_at).where(
            jobs.c.account == account, jobs.c.id == id_bytes(job_id)
        )
        with self._database.reading() as connection:
            found = connection.execute(statement).scalar()
        return None if found is None else int(found)

    def make_news(self, account: str, owners: Collection[Owner], *, at: int) -> None:
        """Make these owners' jobs changed after `at`: no plan accepted then was about them."""
        statement = update(jobs).where(*_known(account, owners), jobs.c.changed_at <= at)
        # `IN ()` matches nothing, but would take the write lock.
        if owners:
            with self._database.writing(account) as connection:
                connection.execute(statement.values(changed_at=at + 1))


def _known(account: str, owners: Collection[Owner] | None) -> list[ColumnElement[bool]]:
    conditions = [jobs.c.account == account, jobs.c.gone.is_(False)]
    if owners is not None:
        conditions.append(jobs.c.owner.in_(list(owners)))
    return conditions


def _select(account: str, owners: Collection[Owner] | None) -> Select[Any]:
    return select(*(jobs.c[name] for name in (*COLUMNS, *_OURS))).where(*_known(account, owners))


def _held(connection: Connection, account: str, as_of: int) -> frozenset[bytes]:
    statement = select(holds.c.job_id).where(holds.c.account == account, in_force(as_of))
    return frozenset(connection.execute(statement).scalars())


def _is_last_accepted(connection: Connection, query: Query) -> bool:
    """Return whether the last accepted plan of the account was made under the query's policy
    digest.
    """
    statement = select(acceptances.c.policy_digest).where(acceptances.c.account == query.account)
    last = connection.execute(statement.order_by(acceptances.c.number.desc()).limit(1)).scalar()
    return last is not None and last == query.policy_digest


def _announced(assets: int | None, job: int | None) -> Mapping[Action, int]:
    times = {Action.DELETE_ASSETS: assets, Action.DELETE_JOB: job}
    return {action: time for action, time in times.items() if time is not None}
