"""A state that cannot be written here: read where it lies if that is safe, else from a private
copy.

SQLite reads a database in WAL mode through a file of shared memory beside it. Where that file is
there, a process that writes may be at work, and its locks are kept. Where it is missing it cannot
be made here: then the database is read without locks if nobody can write it, and from a copy
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
from sauce_janitor.state.file.database import (
    Database,
    damaged,
    readonly_engine,
    sqlite_engine,
    told,
)
from sauce_janitor.state.file.filesystems import nobody_writes, refuse_shared
from sauce_janitor.state.file.state_file import check_content, is_usable, open_engine, revision

_TRIES: Final = 5
_TICK_S: Final = 0.05
"""The time of a file's last change moves in steps of up to 10 ms: two changes in one look like
one.
"""
_BUDGET: Final = ".budget"
"""What the file that counts requests adds to the state's name (`sauce.countfile`)."""

_Stamp: TypeAlias = tuple[int, int, int] | None


def may_write(path: Path) -> bool:
    """Return whether this user may change the state at `path`, or make it, and files beside it."""
    if path.exists():
        return os.access(path, os.W_OK) and os.access(path.resolve().parent, os.W_OK | os.X_OK)
    nearest = next((folder for folder in path.parents if folder.exists()), None)
    return nearest is not None and os.access(nearest, os.W_OK | os.X_OK)


class ReadOnly:
    """An open state that is not written where it lies.

    `uri` is what SQLite opened; `as_of` (epoch seconds) is its last change, None where it is read
    as it is now. Raises StateError where it cannot be read or copied. Close it.
    """

    def __init__(self, path: Path, *, scratch: bool) -> None:
        """Open the state at `path`; with `scratch` a private copy, which can be written."""
        self._path, self._file = path, path.resolve()
        self._aside: tempfile.TemporaryDirectory[str] | None = None
        self._counts_copied = False
        self.as_of: int | None = _newest(self._file)
        try:
            self.uri, self.database = self._opened(scratch=scratch)
        except BaseException:  # leave no copy behind, whatever it was; raised again
            self.close()
            raise

    def beside(self) -> Path:
        """Return a path beside which requests are counted as they are beside this state."""
        copy = self._private(self._file.name)
        counts = self._file.with_name(self._file.name + _BUDGET)
        if not self._counts_copied and counts.exists():
            self._copy(counts, copy.with_name(copy.name + _BUDGET))
            self._counts_copied = True
        return copy

    def close(self) -> None:
        """Remove the private copy, if one was made."""
        if self._aside is not None:
            with suppress(OSError):  # what cannot be removed from a temporary folder stays
                self._aside.cleanup()
            self._aside = None

    def _opened(self, *, scratch: bool) -> tuple[str, Database]:
        uri = None if scratch else _where_it_lies(self._file)
        if uri is not None and (database := self._of_this_schema(uri)) is not None:
            if _is_shared(uri, self._file):
                self.as_of = None
            return uri, database
        copy = self._private(self._file.name)
        if self._copy(self._file, copy):
            self.as_of = None
        with told(str(self._path)), closing(sqlite3.connect(copy)) as connection:
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise StateError(damaged(str(self._path), "it is empty"))
        engine = sqlite_engine(copy)
        try:
            return f"{copy.as_uri()}?mode=ro", open_engine(engine, str(self._path))
        except BaseException:  # release the copy, whatever it was; raised again
            engine.dispose()
            raise

    def _of_this_schema(self, uri: str) -> Database | None:
        """The database at `uri`; None where its schema is older and has to be changed, in a
        copy.
        """
        engine = readonly_engine(uri)
        database = Database(engine, str(self._path))
        try:
            with database.reading() as connection:
                is_ours = is_usable(connection, revision(connection), str(self._path))
        except BaseException:  # release the file, whatever it was; raised again
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
        """Copy a database of one moment, with what its log has; whether that moment is now."""
        try:
            for _ in range(_TRIES):
                if (uri := _where_it_lies(file)) is not None:
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


def _where_it_lies(file: Path) -> str | None:
    """The URI by which SQLite reads the file where it lies; None where it has to be copied.

    `readonly_shm` keeps SQLite from making the shared memory anew: a file of another user would be
    in the writer's way.
    """
    log, memory = (file.with_name(file.name + end) for end in ("-wal", "-shm"))
    uri = None
    if memory.exists() and log.exists():
        uri = f"{file.as_uri()}?mode=ro&readonly_shm=1"
    elif not _size(log) and nobody_writes(file):
        uri = f"{file.as_uri()}?immutable=1"
    return uri if uri is not None and _opens(uri) else None


def _is_shared(uri: str, file: Path) -> bool:
    """Return whether whoever writes the file shares memory with its readers: then what is read is
    now.

    Where nobody can write it, the shared memory is what a snapshot or a crash left.
    """
    return "immutable" not in uri and not nobody_writes(file)


def _opens(uri: str) -> bool:
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.OperationalError:  # the writer closed it just now: its files beside it are gone
        return False
    except sqlite3.DatabaseError:  # damaged: whoever reads it says so
        return True
    return True


def _back_up(uri: str, copy: Path, place: str) -> None:
    with (
        told(place),
        closing(sqlite3.connect(uri, uri=True)) as old,
        closing(sqlite3.connect(copy)) as new,
    ):
        old.backup(new)


def _copied(file: Path, copy: Path) -> bool:
    """Copy the file and its log; False where either changed meanwhile."""
    parts = ("", "-wal")
    before = [_stamp(file.with_name(file.name + end)) for end in parts]
    newest = max(stamp[2] for stamp in before if stamp is not None) / 1e9
    if abs(time.time() - newest) < _TICK_S:
        time.sleep(_TICK_S)
    for end, stamp in zip(parts, before, strict=True):
        target = copy.with_name(copy.name + end)
        target.unlink(missing_ok=True)
        if stamp is not None:
            with suppress(FileNotFoundError):  # gone meanwhile: the comparison below finds it
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
    """When the state at `file` changed last, epoch seconds."""
    stamps = [_stamp(file.with_name(file.name + end)) for end in ("", "-wal")]
    return max(stamp[2] for stamp in stamps if stamp is not None) // 1_000_000_000
