"""The state: one database with the inventory, the journal, the leases, the holds and everything
else that outlives a run.

One module over 300 lines: `State` has each part of the database as an attribute, and the ways to
open it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sauce_janitor.errors import RefusedError, StateError
from sauce_janitor.model.permits import HeldLease
from sauce_janitor.state.accounts import Accounts, KnownAccount
from sauce_janitor.state.approvals import Approvals
from sauce_janitor.state.archive_index import ArchivedJobs
from sauce_janitor.state.console.sessions import WebSession, WebSessions
from sauce_janitor.state.database.transactions import Database, damaged
from sauce_janitor.state.delete_notices import DeleteNotices
from sauce_janitor.state.file.damage import damage_of, looks_like_damage
from sauce_janitor.state.file.read_only import ReadOnly, may_write, open_readonly
from sauce_janitor.state.file.state_file import open_file
from sauce_janitor.state.holds import Holds, PlacedHold
from sauce_janitor.state.identity import ClockGuard, Identity
from sauce_janitor.state.jobs import Jobs, Query, Snapshot
from sauce_janitor.state.journal.daily_figures import DailyFigures, DayFigures
from sauce_janitor.state.journal.journal import Journal
from sauce_janitor.state.journal.journal_lines import JournalLine
from sauce_janitor.state.journal.journal_pages import JournalPage, JournalPages, JournalQuery
from sauce_janitor.state.journal.manual_journal import ManualActions, ManualJournal
from sauce_janitor.state.journal.prune_journal import OpenPruning, PruneJournal, Prunings
from sauce_janitor.state.journal.run_journal import RunJournal, SeenReceipt
from sauce_janitor.state.leases import Lease
from sauce_janitor.state.listing import OwnerJobs
from sauce_janitor.state.lookups import JobFinder
from sauce_janitor.state.notes import Notes
from sauce_janitor.state.pause import Pause, PauseSwitch
from sauce_janitor.state.plans import Plans
from sauce_janitor.state.read_backs import ReadBacks
from sauce_janitor.state.retries import Retries
from sauce_janitor.state.runs import Acceptances, MetricCounters, RunRecord, Runs
from sauce_janitor.state.server.ports import StateAddress
from sauce_janitor.state.server.queue_status import QUEUES, LeaseStatus, QueueLook, QueueStatus
from sauce_janitor.state.verifications import Verifications

if TYPE_CHECKING:
    from sauce_janitor.state.server.request_counts import ServerCounts

__all__ = [
    "QUEUES",
    "Acceptances",
    "Accounts",
    "Approvals",
    "ArchivedJobs",
    "ClockGuard",
    "DailyFigures",
    "DayFigures",
    "DeleteNotices",
    "Holds",
    "Identity",
    "JobFinder",
    "Jobs",
    "Journal",
    "JournalLine",
    "JournalPage",
    "JournalPages",
    "JournalQuery",
    "KnownAccount",
    "Lease",
    "LeaseStatus",
    "ManualActions",
    "ManualJournal",
    "MetricCounters",
    "Notes",
    "OpenPruning",
    "OwnerJobs",
    "Pause",
    "PauseSwitch",
    "PlacedHold",
    "Plans",
    "PruneJournal",
    "Prunings",
    "Query",
    "QueueStatus",
    "ReadBacks",
    "Retries",
    "RunJournal",
    "RunRecord",
    "Runs",
    "SeenReceipt",
    "Snapshot",
    "State",
    "Verifications",
    "WebSession",
    "WebSessions",
    "blame",
    "make_on_server",
    "migrate_on_server",
]  # fmt: skip


_opened: dict[Path, str] = {}
"""The state files that this process has opened for writing, each with SQLite's URI for
reading it.
"""


def blame(error: BaseException) -> StateError | None:
    """Return the damage of a state that this process has opened, where the error may come from it;
    else None.

    For errors that end a command after its state is closed: a value from it is often printed last.
    """
    # Most errors cannot come from a wrong value, and checking a large state takes seconds.
    if not looks_like_damage(error):
        return None
    for path, uri in _opened.items():
        if path.exists() and (why := damage_of(uri)):
            return StateError(damaged(str(path), why))
    return None


def make_on_server(address: StateAddress) -> tuple[str, bool]:
    """Make a state in an empty database. Return where it is, and False where there is one already.
    Raises as `State.connect` does.
    """
    from sauce_janitor.state.server import server_state

    return server_state.create_state(server_state.address(address.read()))


def migrate_on_server(address: StateAddress) -> tuple[str, str, bool]:
    """Bring a state to this program's schema. Return where it is, the schema that it had, and
    whether it changed. Raises as `State.connect` does.
    """
    from sauce_janitor.state.server import server_state

    return server_state.migrate_state(server_state.address(address.read()))


class State:
    """Everything that outlives a run. Any thread may use it; close it, or use it in a `with`.

    Every method raises StateError when the database cannot be read or written.
    """

    def __init__(
        self, database: Database, path: Path | None, read_only: ReadOnly | None = None
    ) -> None:
        self._database = database
        self._path = path
        self._read_only = read_only
        self.identity = Identity(database)
        self.accounts = Accounts(database)
        self.clock = ClockGuard(database)
        self.jobs = Jobs(database)
        self.lookups = JobFinder(database)
        self.journal = Journal(database)
        self.journal_pages = JournalPages(database)
        self.figures = DailyFigures(database)
        self.prunings = Prunings(database)
        self.archived = ArchivedJobs(database)
        self.manual_actions = ManualActions(database, path)
        self.switch = PauseSwitch(database)
        self.holds = Holds(database)
        self.notices = DeleteNotices(database)
        self.acceptances = Acceptances(database)
        self.approvals = Approvals(database)
        self.runs = Runs(database)
        self.read_backs = ReadBacks(database)
        self.verifications = Verifications(database)
        self.counters = MetricCounters(database)
        self.notes = Notes(database)
        self.retries = Retries(database)
        self.plans = Plans(database)
        self.web_sessions = WebSessions(database)

    @classmethod
    def open(
        cls, path: Path | str | StateAddress, *, accept_filesystem: str | None = None
    ) -> State:
        """Open the state at `path`; create it when there is none. `accept_filesystem` is a kind
        accepted besides the local ones. For an address, do as `connect`.

        Raise StateError when it is damaged, lost, read-only or not a state; RefusedError when a
        newer version wrote it or the path is on a file system that is not known to be local.
        """
        if not isinstance(path, Path | str):
            return cls.connect(path.read())
        # Without this, SQLite would create a file of that name.
        if "://" in str(path):
            raise RefusedError(
                "the path of a state is the address of a database: name the place of the address"
                " as `state.url`"
            )
        path = Path(path).absolute()
        database = open_file(path, accept_filesystem)
        try:
            state = cls(database, path)
            _opened[path] = f"{path.as_uri()}?mode=ro"
            return state
        # Close the database, whatever the error was; it is raised again.
        except BaseException:
            database.close()
            raise

    @classmethod
    def connect(cls, url: str) -> State:
        """Open the state at the address of a PostgreSQL database. It must exist, with this
        program's schema.

        Raise ConfigError for another address, StateError when the server cannot be used,
        RefusedError when it has no such state or would lose what is written.
        """
        # Late: a state in a file loads nothing of it.
        from sauce_janitor.state.server.server_state import address, open_server

        database = open_server(address(url))
        try:
            return cls(database, None)
        # Close the database, whatever the error was; it is raised again.
        except BaseException:
            database.close()
            raise

    @classmethod
    def look(
        cls,
        path: Path | str | StateAddress,
        *,
        accept_filesystem: str | None = None,
        scratch: bool = False,
    ) -> State:
        """Open the state at `path` for reading; as `open` does where this user may write it.

        Elsewhere nothing is changed. With `scratch`, writes go to a private copy that is removed at
        the end. Raise what `open` raises, and StateError where no copy can be made.
        """
        if not isinstance(path, Path | str):
            return cls.connect(path.read())
        path = Path(path).absolute()
        # A user who may write reads the file itself, with its locks, and never a stale copy.
        if may_write(path):
            return cls.open(path, accept_filesystem=accept_filesystem)
        found = open_readonly(path, accept_filesystem, scratch=scratch)
        try:
            return cls(found.database, path, found)
        # Close the database, whatever the error was; it is raised again.
        except BaseException:
            found.database.close()
            found.close()
            raise

    @property
    def is_read_only(self) -> bool:
        """Whether nothing written here reaches the state's file."""
        return self._read_only is not None

    @property
    def as_of(self) -> int | None:
        """When the state last changed, in epoch seconds; None where it is read as it is now."""
        return None if self._read_only is None else self._read_only.as_of

    def counted_beside(self) -> Path:
        """Return the path of the state beside which requests are counted, or of a copy for reading
        them.
        """
        if self._read_only is not None:
            return self._read_only.beside()
        if self._path is None:
            raise StateError("requests are counted beside a state's file, and this state has none")
        return self._path

    def counted_on_server(
        self, made: Callable[[], bool] = lambda: False, lost: Callable[[str], None] = lambda _: None
    ) -> ServerCounts | None:
        """Return the server's count of requests; None for a state in a file, beside which they are
        counted.

        `made()` is called when a count was founded, and returns whether there had been one with
        requests of the last hour. If so, `lost(sentence)` is called.
        """
        if self._path is not None:
            return None
        # Late: a state in a file loads nothing of it.
        from sauce_janitor.state.server.request_counts import ServerCounts

        return ServerCounts(self._database, made, lost)

    def queue(self) -> QueueLook | None:
        """Return what reads the queue of several workers; None for a state in a file, which has
        none.
        """
        if self._path is not None:
            return None
        return QueueLook(self._database)

    def lease(self, account: str, holder: str, *, now: int) -> HeldLease:
        """Return the lease on an account, to be held in a `with`; `holder` is shown to whoever
        finds it taken.
        """
        # Several machines share a server, so no lock of one of them would do.
        if not self._database.dialect.one_writer:
            from sauce_janitor.state.server.server_lease import ServerLease

            return ServerLease(self._database, account, holder, now)
        # The real path: two names of one state must not be two locks.
        folder = None if self._path is None else self._path.resolve()
        return Lease(self._database, folder, account, holder, now)

    def failover_gaps(self) -> tuple[str, ...]:
        """Return, as sentences, why a fail-over of the server may lose lines or pass unnoticed. A
        state in a file has no server.
        """
        if self._database.dialect.one_writer:
            return ()
        # Late: a state in a file loads nothing of it.
        from sauce_janitor.state.server.failover import gaps

        with self._database.reading() as connection:
            return tuple(gaps(connection))

    def copy_to(self, other: State) -> dict[str, int]:
        """Copy everything into a new state. Return the number of rows of each table. Raises as
        `copy_state` does.
        """
        from sauce_janitor.state.database.state_copy import copy_state

        return copy_state(self._database, other._database)

    def check_integrity(self) -> None:
        """Raise StateError when any page or row is damaged. Called before a run that deletes; takes
        about a second for a million jobs.
        """
        self._database.check_integrity()

    def _damage(self) -> str | None:
        """Return what is damaged in the state's file."""
        if self._read_only is not None:
            return damage_of(self._read_only.uri)
        return None if self._path is None else damage_of(f"{self._path.as_uri()}?mode=ro")

    def close(self) -> None:
        """Close every connection."""
        self._database.close()
        if self._read_only is not None:
            self._read_only.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()
        try:
            # A damaged value causes an error far from here that looks like a bug, so the file is
            # checked.
            if self._path is not None and looks_like_damage(error) and (why := self._damage()):
                raise StateError(damaged(str(self._path), why)) from error
        finally:
            self.close()
