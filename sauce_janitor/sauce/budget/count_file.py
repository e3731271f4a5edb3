"""The small file in which processes that share a state count their requests together.

It is a SQLite file beside the state. It holds nothing that must survive: a damaged or missing file
is made anew, and the requests that it counted are then treated as spent. A process that is killed
leaves it intact (write-ahead log, one transaction a request), and no request waits for a disk.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from sauce_janitor.errors import StateError
from sauce_janitor.sauce.budget.ports import RequestCount, TimeSource

_T = TypeVar("_T")

_FORMAT: Final = 1
_LONGEST_LOCK_S: Final = 10.0
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_SCHEMA: Final = (
    "CREATE TABLE founded (at REAL NOT NULL, in_doubt INTEGER NOT NULL)",
    """CREATE TABLE credentials (
        id TEXT PRIMARY KEY, address TEXT NOT NULL, username TEXT NOT NULL, boot TEXT NOT NULL,
        seen_ms INTEGER NOT NULL, seen_at REAL NOT NULL,
        held_until_ms INTEGER NOT NULL, slowed_until_ms INTEGER NOT NULL,
        doubted_until_ms INTEGER NOT NULL
    )""",
    f"PRAGMA user_version = {_FORMAT}",
)


@dataclass(frozen=True, slots=True)
class SharedCount:
    """The state beside which requests are counted, and the calls for a lost count.

    `made()` is called when the file was made, and returns whether there had been one with requests
    of the last hour. If so, `lost(sentence)` is called.
    """

    state: Path
    made: Callable[[], bool] = lambda: False
    lost: Callable[[str], None] = lambda _: None

    @property
    def path(self) -> Path:
        """Return the path of the file; two names of one state have the same."""
        state = self.state.resolve()
        return state.with_name(f"{state.name}.budget")

    def open(self, address: str, username: str, clock: TimeSource) -> RequestCount:
        """Return the count of this credential in the file; close it."""
        # Late: that module imports this one.
        from sauce_janitor.sauce.budget.credential_rows import FileCount

        return FileCount(address, username, self, clock)

    def exists(self) -> bool:
        """Return whether there is a file."""
        return self.path.exists()


class _DamagedError(Exception):
    """The content of the file cannot be read as a count."""


class CountFile:
    """The file, or memory without one. Any thread may use it.

    Raises StateError when it cannot be written: then nobody sends. A file that was removed,
    replaced or damaged while it is open is noticed before the next request.
    """

    def __init__(self, shared: SharedCount | None, clock: TimeSource) -> None:
        self._shared = shared
        self._path = shared.path if shared is not None else None
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._used = False
        self._closed = False

    @property
    def exists(self) -> bool:
        """Tell whether anything was ever counted here. This is cheap."""
        return self._used or (self._path is not None and _inode(self._path) is not None)

    def do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run `work` in one transaction, alone. An exception that it raises undoes it."""
        with self._lock:
            if self._closed:
                raise StateError("the request budget is closed: the run has ended")
            self._used = True
            try:
                try:
                    return _alone(self._opened(), work)
                except (sqlite3.DatabaseError, _DamagedError) as error:
                    # A full disk or a lock is no damage. A file that was replaced is opened anew.
                    if not _is_damage(error) and _inode(self._path) == self._inode:
                        raise
                    self._give_up()
                    return _alone(self._opened(), work)
            except (sqlite3.Error, OSError, _DamagedError) as error:
                raise StateError(
                    f"the request budget {self._path} cannot be kept ({_reason(error)}), and no "
                    "request is sent that is not counted: make room, or fix or remove the file"
                ) from error

    def close(self) -> None:
        """Close the file; it cannot be used any more."""
        with self._lock:
            self._closed = True
            self._close_connection()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is not None and (
            self._path is None or _inode(self._path) == self._inode
        ):
            return self._connection
        self._close_connection()
        if self._path is None:
            self._connection = _connect(":memory:")
            _found(self._connection, at=self._clock.time(), in_doubt=False)
            return self._connection
        with _locked(self._path.parent):
            try:
                self._connection = self._open(self._path)
            except (sqlite3.DatabaseError, _DamagedError) as error:
                if not _is_damage(error):
                    raise
                _remove(self._path)
                self._connection = self._open(self._path)
            self._inode = _inode(self._path)
        return self._connection

    def _open(self, path: Path) -> sqlite3.Connection:
        """Open the file; make it (mode 0600) when there is none.

        Only SQLite opens an existing file: closing another descriptor of it would release SQLite's
        locks. Source: https://sqlite.org/howtocorrupt.html, section 2.2.
        """
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            if not stat.S_ISREG(path.lstat().st_mode):
                raise StateError(f"the request budget {path} is not a file: move it away") from None
        connection = _connect(path)
        try:
            self._prepare(connection, path)
        # Whatever happened, close the file. The error is raised again.
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection, path: Path) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        # The usual case: the file is there and complete.
        if found == _FORMAT and connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok":
            return
        if found or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise _DamagedError("it is damaged, or of another version")
        shared = self._shared
        assert shared is not None
        before = shared.made()
        in_doubt = before or self._inode is not None
        _alone(connection, lambda empty: _found(empty, at=self._clock.time(), in_doubt=in_doubt))
        if in_doubt:
            shared.lost(
                f"the request budget {path} was lost: for an hour, its requests count as spent"
            )

    def _give_up(self) -> None:
        """Remove the damaged file, unless another process has done so already."""
        damaged = self._inode
        self._close_connection()
        if self._path is not None:
            with _locked(self._path.parent):
                if _inode(self._path) == damaged:
                    _remove(self._path)

    def _close_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _connect(path: Path | str) -> sqlite3.Connection:
    return sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=_LONGEST_LOCK_S
    )


def _alone(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], _T]) -> _T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
        return result
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _found(connection: sqlite3.Connection, *, at: float, in_doubt: bool) -> None:
    # Another process was faster.
    if connection.execute("PRAGMA user_version").fetchone()[0]:
        return
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute("INSERT INTO founded VALUES (?, ?)", (at, in_doubt))


def _remove(path: Path) -> None:
    for name in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        name.unlink(missing_ok=True)


def _inode(path: Path | None) -> tuple[int, int] | None:
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time make or remove the file; the lock ends with its holder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _is_damage(error: Exception) -> bool:
    if isinstance(error, _DamagedError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGED


def _reason(error: Exception) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _BUSY:
        return f"another process has locked it for {_LONGEST_LOCK_S:g} s"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)
