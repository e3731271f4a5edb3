"""Counts the requests of each credential on the server, for all workers together.

The tables hold nothing that must survive: they are UNLOGGED, so no request waits for a disk. After
a crash of the server, or a fail-over, they are empty, and the requests that they counted are
treated as spent. No migration knows them: they are created with the state.

Every time is the server's, in milliseconds, so no worker's clock matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    func,
    insert,
    select,
    text,
    update,
)

from sauce_janitor.errors import StateError
from sauce_janitor.model.request_allowance import HOUR_MS, CountStanding, credential_id
from sauce_janitor.state.database.tables import NAMING
from sauce_janitor.state.database.transactions import Database

_T = TypeVar("_T")

_UNLOGGED: Final = ["UNLOGGED"]
count_metadata: Final = MetaData(naming_convention=NAMING)
_founded: Final = Table(
    "request_counts",
    count_metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("in_doubt", Boolean, nullable=False),
    prefixes=_UNLOGGED,
)
"""One row: since when there is a count, and whether it replaces a lost one."""
_credentials: Final = Table(
    "request_credentials",
    count_metadata,
    Column("id", Text, primary_key=True),
    Column("address", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("held_until_ms", BigInteger, nullable=False),
    Column("slowed_until_ms", BigInteger, nullable=False),
    Column("doubted_until_ms", BigInteger, nullable=False),
    prefixes=_UNLOGGED,
)
_sent: Final = Table(
    "requests_sent",
    count_metadata,
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("credential", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index(None, "credential", "at_ms"),
    prefixes=_UNLOGGED,
)

# A process that is frozen while it counts keeps the others waiting for so long.
_LIGHT: Final = text(
    "SELECT set_config('synchronous_commit', 'off', true),"
    " set_config('idle_in_transaction_session_timeout', '5s', true)"
)
_STANDING: Final = text(
    "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms, at_ms, in_doubt,"
    " seen_ms, held_until_ms, slowed_until_ms, doubted_until_ms FROM (SELECT) AS one"
    " LEFT JOIN request_counts ON true LEFT JOIN request_credentials ON id = :id"
)
_ADD: Final = text(
    "WITH forgotten AS (DELETE FROM requests_sent WHERE credential = :id AND at_ms < :forget),"
    " seen AS (UPDATE request_credentials SET seen_ms = :now WHERE id = :id)"
    " INSERT INTO requests_sent (credential, at_ms)"
    " SELECT :id, :now FROM generate_series(1, :requests) RETURNING number"
)
_FOUNDING: Final = "requests"
"""The name of the lock under which a count is founded; a credential's has its id behind it. No
account has a space in its name.
"""


def create_counts(connection: Connection) -> None:
    """Create the tables where there are none."""
    count_metadata.create_all(connection)


class ServerCounts:
    """The counts of all credentials on a server.

    `made()` is called when a count was founded, and returns whether there had been one with
    requests of the last hour. If so, `lost(sentence)` is called.
    """

    def __init__(
        self, database: Database, made: Callable[[], bool], lost: Callable[[str], None]
    ) -> None:
        self._database = database
        self._made = made
        self._lost = lost
        self._was_used = False

    def open(self, address: str, username: str, _clock: object) -> ServerCount:
        """Return the count of this credential; close it."""
        return ServerCount(self, self._database, address, username)

    def exists(self) -> bool:
        """Return whether anything was counted here."""
        return self._database.glance(select(_founded.c.one)) is not None

    def found(self, connection: Connection, now_ms: int) -> tuple[int, bool]:
        """Return since when there is a count, and whether it is in doubt; found it where there is
        none.
        """
        self._database.dialect.lock(connection, [_FOUNDING])
        row = connection.execute(select(_founded.c.at_ms, _founded.c.in_doubt)).first()
        # Another process was faster.
        if row is not None:
            return row.at_ms, row.in_doubt
        made_before = self._made()
        in_doubt = made_before or self._was_used
        connection.execute(insert(_founded), [{"one": 1, "at_ms": now_ms, "in_doubt": in_doubt}])
        if in_doubt:
            self._lost(
                f"the request budget in {self._database.place} was lost, as in a crash of the"
                " server: for an hour, its requests count as spent"
            )
        return now_ms, in_doubt

    def used(self) -> None:
        """Note that this process has counted: a count that is missing later was lost."""
        self._was_used = True


class ServerCount:
    """The count of one credential. Any thread may use it.

    Raises StateError when it cannot be kept: then nobody sends.
    """

    def __init__(
        self, counts: ServerCounts, database: Database, address: str, username: str
    ) -> None:
        self._counts = counts
        self._database = database
        self._who = (credential_id(address, username), address, username)
        self._is_used = False
        self._is_closed = False

    def exists(self) -> bool:
        """Return whether anything was ever counted for this credential."""
        if self._is_used:
            return True
        query = select(_credentials.c.id).where(_credentials.c.id == self._who[0])
        return self._database.glance(query) is not None

    def do(self, work: Callable[[ServerTurn], _T]) -> _T:
        """Run `work` in one transaction, alone on this credential."""
        if self._is_closed:
            raise StateError("the request budget is closed: the run has ended")
        self._is_used = True
        try:
            try:
                result = self._alone(work)
            except StateError as error:
                # The server was restarted meanwhile. What is counted twice does no harm.
                if not getattr(error.__cause__, "connection_invalidated", False):
                    raise
                result = self._alone(work)
        except StateError as error:
            raise StateError(f"no request can be counted, so none is sent: {error}") from error
        self._counts.used()
        return result

    def _alone(self, work: Callable[[ServerTurn], _T]) -> _T:
        with self._database.writing(f"{_FOUNDING} {self._who[0]}") as connection:
            connection.execute(_LIGHT)
            return work(ServerTurn(self._counts, connection, self._who))

    def close(self) -> None:
        """Close the count; the state's connections stay open."""
        self._is_closed = True


class ServerTurn:
    """One credential's count, while nobody else reads or changes it."""

    def __init__(
        self, counts: ServerCounts, connection: Connection, who: tuple[str, str, str]
    ) -> None:
        self._counts = counts
        self._connection = connection
        self._who = who
        self._id = who[0]

    def standing(self) -> CountStanding:
        """Return the server's time and the credential's limits; add the credential when it is
        new.
        """
        # The transaction has its lock: a time that was read before would be too early.
        row = self._connection.execute(_STANDING, {"id": self._id}).one()
        if row.seen_ms is None:
            return self._add_credential(row.now_ms)
        until = (row.held_until_ms, row.slowed_until_ms, row.doubted_until_ms)
        # The server's clock was set back, or another server has another one: no time has passed.
        if row.now_ms < row.seen_ms:
            until = self._move(row.now_ms, row.now_ms - row.seen_ms, until)
        return CountStanding(row.now_ms, row.now_ms / 1000, *until)

    def _add_credential(self, now: int) -> CountStanding:
        """Add the credential. Where the count replaces a lost one, the hour counts as spent until
        one has passed.
        """
        founded_ms, in_doubt = self._counts.found(self._connection, now)
        doubted = max(now, min(now, founded_ms) + HOUR_MS) if in_doubt else now
        row = dict(zip(("id", "address", "username"), self._who, strict=True))
        times = {"held_until_ms": now, "slowed_until_ms": now, "doubted_until_ms": doubted}
        self._connection.execute(insert(_credentials), [{**row, "seen_ms": now, **times}])
        return CountStanding(now, now / 1000, now, now, doubted)

    def _move(self, now: int, by: int, until: tuple[int, int, int]) -> tuple[int, int, int]:
        self._connection.execute(
            update(_sent).where(_sent.c.credential == self._id).values(at_ms=_sent.c.at_ms + by)
        )
        held, slowed, doubted = (each + by for each in until)
        self._connection.execute(
            update(_credentials)
            .where(_credentials.c.id == self._id)
            .values(
                seen_ms=now, held_until_ms=held, slowed_until_ms=slowed, doubted_until_ms=doubted
            )
        )
        return held, slowed, doubted

    def sent_since(self, starts: Sequence[int]) -> list[int]:
        """Return how many requests were sent at each of these times or later."""
        counts = [func.count().filter(_sent.c.at_ms >= start) for start in starts]
        query = select(*counts).where(_sent.c.credential == self._id)
        row = self._connection.execute(query.where(_sent.c.at_ms >= min(starts))).one()
        return [int(each) for each in row]

    def sent_at(self, newer: int) -> int | None:
        """Return when the request was sent that has so many newer ones."""
        query = select(_sent.c.at_ms).where(_sent.c.credential == self._id)
        query = query.order_by(_sent.c.at_ms.desc()).limit(1).offset(newer)
        return self._connection.execute(query).scalar()

    def add(self, requests: int, now: CountStanding, *, forget: int) -> Sequence[int]:
        """Count so many requests and return their numbers."""
        values = {"id": self._id, "now": now.now_ms, "forget": forget, "requests": requests}
        return list(self._connection.execute(_ADD, values).scalars())

    def put_off(self, number: int, at: int) -> None:
        """Make the request with that number count from then on, never earlier than before."""
        mine = (_sent.c.number == number) & (_sent.c.credential == self._id)
        later = func.greatest(_sent.c.at_ms, at)
        moved = self._connection.execute(update(_sent).where(mine).values(at_ms=later))
        # The server has crashed since: the request leaves all the same, so it is counted again.
        if not moved.rowcount:
            self._connection.execute(insert(_sent), [{"credential": self._id, "at_ms": at}])

    def hold_until(self, at: int) -> None:
        """Let nobody send before then."""
        self._later("held_until_ms", at)

    def slow_until(self, at: int) -> None:
        """Halve every rate until then."""
        self._later("slowed_until_ms", at)

    def _later(self, column: str, at: int) -> None:
        value = {column: func.greatest(_credentials.c[column], at)}
        self._connection.execute(
            update(_credentials).where(_credentials.c.id == self._id).values(value)
        )
