"""A state that cannot be written here: read in place if that is safe, else from a private copy.

SQLite reads a database in WAL mode through a file of shared memory beside it. Where that file
exists, a writing process may be active, and its locks are respected. Where it is missing it cannot
be created here: then the database is read without locks if nobody can write it, and from a copy
otherwise.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, TypeAlias

from sauce_janitor.errors import StateError
from sauce_janitor.state.database.schema import is_usable, revision
from sauce_janitor.state.database.sqlite import readonly_engine, sqlite_engine
from sauce_janitor.state.database.transactions import Database, damaged, state_errors
from sauce_janitor.state.file.filesystems import nobody_writes, refuse_shared
from sauce_janitor.state.file.state_file import check_content, open_engine

_TRIES: Final = 5
_TICK_S: Final = 0.05
"""A file's modification time moves in steps of up to 10 ms: two changes within one step look like
one.
"""
_BUDGET: Final = ".budget"
"""The suffix of the file that counts requests (`sauce.budget.count_file`)."""

_Stamp: TypeAlias = tuple[int, int, int] | None


def may_write(path: Path) -> bool:
    """Return whether this user may change the state at `path`, or create it, and files beside
    it.
    """
    if path.exists():
        return os.access(path, os.W_OK) and os.access(path.resolve().parent, os.W_OK | os.X_OK)
    nearest = next((folder for folder in path.parents if folder.exists()), None)
    return nearest is not None and os.access(nearest, os.W_OK | os.X_OK)


class ReadOnly:
    """An open state that is not written in place.

    `uri` is what SQLite opened; `as_of` (epoch seconds) is its last change, None where it is read
    as it is now. Raise StateError where it cannot be read or copied. Close it.
    """

    def __init__(self, path: Path, *, scratch: bool) -> None:
        """Open the state at `path`; with `scratch` a private copy that can be written."""
        self._path, self._file = path, path.resolve()
        self._aside: tempfile.TemporaryDirectory[str] | None = None
        self._counts_copied = False
        self.as_of: int | None = _newest(self._file)
        try:
            self.uri, self.database = self._opened(scratch=scratch)
        # Leave no copy behind, whatever the error was; it is raised again.
        except BaseException:
            self.close()
            raise

    def beside(self) -> Path:
        """Return a path beside which the requests of this state are counted."""
        copy = self._private(self._file.name)
        counts = self._file.with_name(self._file.name + _BUDGET)
        if not self._counts_copied and counts.exists():
            self._copy(counts, copy.with_name(copy.name + _BUDGET))
            self._counts_copied = True
        return copy

    def close(self) -> None:
        """Remove the private copy, if one was made."""
        if self._aside is not None:
            # What cannot be removed from the temporary folder stays there.
            with suppress(OSError):
                self._aside.cleanup()
            self._aside = None

    def _opened(self, *, scratch: bool) -> tuple[str, Database]:
        uri = None if scratch else _uri_in_place(self._file)
        if uri is not None and (database := self._of_this_schema(uri)) is not None:
            if _is_shared(uri, self._file):
                self.as_of = None
            return uri, database
        copy = self._private(self._file.name)
        if self._copy(self._file, copy):
            self.as_of = None
        with state_errors(str(self._path)), closing(sqlite3.connect(copy)) as connection:
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise StateError(damaged(str(self._path), "it is empty"))
        engine = sqlite_engine(copy)
        try:
            return f"{copy.as_uri()}?mode=ro", open_engine(engine, str(self._path))
        # Release the copy, whatever the error was; it is raised again.
        except BaseException:
            engine.dispose()
            raise

    def _of_this_schema(self, uri: str) -> Database | None:
        """Return the database at `uri`; None where its schema is older and must be migrated, in a
        copy.
        """
        engine = readonly_engine(uri)
        database = Database(engine, str(self._path))
        try:
            with database.reading() as connection:
                is_ours = is_usable(connection, revision(connection), str(self._path))
        # Release the file, whatever the error was; it is raised again.
        except BaseException:
            engine.dispose()
            raise
        if not is_ours:
            engine.dispose()
            return None
        return database

    def _private(self, name: str) -> Path:
        try:
            if self._aside is None:
                self._aside = tempfile.TemporaryDirectory(prefix="sauce-janitor-")
        except OSError as error:
            raise StateError(self._no_copy(error)) from error
        return Path(self._aside.name) / name

    def _copy(self, file: Path, copy: Path) -> bool:
        """Copy a database of one moment, with its log. Return whether that moment is now."""
        try:
            for _ in range(_TRIES):
                if (uri := _uri_in_place(file)) is not None:
                    _back_up(uri, copy, str(self._path))
                    return _is_shared(uri, file)
                if _copied(file, copy):
                    return False
        except OSError as error:
            raise StateError(self._no_copy(error)) from error
        raise StateError(f"the state {self._path} changes while it is copied to be read: try again")

    def _no_copy(self, error: OSError) -> str:
        return (
            f"the state {self._path} cannot be written here, and cannot be copied to"
            f" {tempfile.gettempdir()} to be read: {error.strerror or error}. Name a folder with"
            " room for it as TMPDIR"
        )


def open_readonly(path: Path, accept_filesystem: str | None, *, scratch: bool) -> ReadOnly:
    """Open the state at `path` without changing it. Raises as `open_file` does."""
    refuse_shared(path, accept_filesystem)
    if not path.exists():
        raise StateError(
            f"there is no state at {path}, and its folder cannot be written to make one"
        )
    try:
        check_content(path)
        return ReadOnly(path, scratch=scratch)
    except OSError as error:
        raise StateError(f"the state {path} cannot be read: {error.strerror or error}") from error


def _uri_in_place(file: Path) -> str | None:
    """Return the URI with which SQLite reads the file in place; None where it must be copied.

    `readonly_shm` keeps SQLite from recreating the shared memory: a file of another user would
    block the writer.
    """
    log, memory = (file.with_name(file.name + end) for end in ("-wal", "-shm"))
    uri = None
    if memory.exists() and log.exists():
        uri = f"{file.as_uri()}?mode=ro&readonly_shm=1"
    elif not _size(log) and nobody_writes(file):
        uri = f"{file.as_uri()}?immutable=1"
    return uri if uri is not None and _opens(uri) else None


def _is_shared(uri: str, file: Path) -> bool:
    """Return whether the file's writer shares memory with its readers: then what is read is
    current.

    Where nobody can write it, the shared memory is left over from a snapshot or a crash.
    """
    return "immutable" not in uri and not nobody_writes(file)


def _opens(uri: str) -> bool:
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    # The writer has just closed it, and its files beside it are gone.
    except sqlite3.OperationalError:
        return False
    # Damaged: reading it reports that.
    except sqlite3.DatabaseError:
        return True
    return True


def _back_up(uri: str, copy: Path, place: str) -> None:
    with (
        state_errors(place),
        closing(sqlite3.connect(uri, uri=True)) as old,
        closing(sqlite3.connect(copy)) as new,
    ):
        old.backup(new)


def _copied(file: Path, copy: Path) -> bool:
    """Copy the file and its log; return False where either changed meanwhile."""
    parts = ("", "-wal")
    before = [_stamp(file.with_name(file.name + end)) for end in parts]
    newest = max(stamp[2] for stamp in before if stamp is not None) / 1e9
    if abs(time.time() - newest) < _TICK_S:
        time.sleep(_TICK_S)
    for end, stamp in zip(parts, before, strict=True):
        target = copy.with_name(copy.name + end)
        target.unlink(missing_ok=True)
        if stamp is not None:
            # Gone meanwhile: the comparison below notices it.
            with suppress(FileNotFoundError):
                shutil.copyfile(file.with_name(file.name + end), target)
    return before == [_stamp(file.with_name(file.name + end)) for end in parts]


def _stamp(file: Path) -> _Stamp:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _size(file: Path) -> int:
    stamp = _stamp(file)
    return 0 if stamp is None else stamp[1]


def _newest(file: Path) -> int:
    """Return when the state at `file` last changed, in epoch seconds."""
    stamps = [_stamp(file.with_name(file.name + end)) for end in ("", "-wal")]
    return max(stamp[2] for stamp in stamps if stamp is not None) // 1_000_000_000
