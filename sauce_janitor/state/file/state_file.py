"""Finds, creates and checks the state's file: never a new one in place of a lost one, never an
unknown schema.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, inspect

from sauce_janitor.errors import StateError
from sauce_janitor.state.database.schema import create_tables, is_usable, migrate, revision
from sauce_janitor.state.database.sqlite import memory_engine, sqlite_engine
from sauce_janitor.state.database.transactions import Database, damaged
from sauce_janitor.state.file.backup import back_up
from sauce_janitor.state.file.filesystems import refuse_shared

_MAGIC: Final = b"SQLite format 3\x00"
_NEW: Final = ".new"
_ABANDONED_S: Final = 3600.0


def open_file(path: Path, accept_filesystem: str | None = None) -> Database:
    """Open the database at `path`, created (mode 0600, missing folders 0700) when there is none,
    and migrate it to this program's schema.

    It is backed up beside itself before its schema changes. One that a newer version wrote is used
    as it is where that version allows it (its schema only added to this one).

    Raise StateError when it cannot be used, backed up or trusted, RefusedError for a newer schema
    that this version cannot read, or for a file system that is not known to be local, unless it is
    of the kind `accept_filesystem`.
    """
    path = path.absolute()
    refuse_shared(path, accept_filesystem)
    try:
        if not path.exists():
            _make(path)
        _check_file(path)
    except OSError as error:
        raise StateError(f"the state {path} cannot be used: {error.strerror or error}") from error
    engine = sqlite_engine(path)
    try:
        return open_engine(engine, str(path), before_migrating=partial(back_up, path))
    # Close the database, whatever the error was; it is raised again.
    except BaseException:
        engine.dispose()
        raise


def open_engine(
    engine: Engine, place: str, before_migrating: Callable[[str], object] = lambda _found: None
) -> Database:
    """Return the database behind an engine, migrated. An empty one becomes a state (for a file,
    `open_file` has checked that).

    `before_migrating` is called with the schema found while nobody else can write; when it raises,
    nothing has changed.
    """
    database = Database(engine, place)
    with database.reading() as connection:
        found = revision(connection)
        empty = found is None and not inspect(connection).get_table_names()
        # Tables without a schema version: some other program's database, which must not be changed.
        if found is None and not empty:
            raise StateError(
                f"{place} is a database of something else, not a state: name another file"
            )
        if is_usable(connection, found, place):
            return database
    with database.writing() as connection:
        found = revision(connection)
        # Another process was faster.
        if is_usable(connection, found, place):
            return database
        if found is None:
            create_tables(connection)
        # Only what exists already can be lost: a new state has nothing to back up.
        else:
            before_migrating(found)
            migrate(connection)
    return database


def _make(path: Path) -> None:
    """Create a whole new state at `path`: made in memory, written aside, durable and read back
    before it gets its name.

    An error or a crash at any point leaves either no state or this one; no other one is replaced.
    """
    leftovers = [name for name in (f"{path}-wal", f"{path}-journal") if os.path.lexists(name)]
    # They may hold the last transactions of the lost file, which a new one would overwrite.
    if leftovers:
        raise StateError(
            f"the state {path} is gone but {leftovers[0]} is still there: it was lost or moved, so"
            " restore it; to start with a new state on purpose, move that file away too"
        )
    # Following it would create the state in a folder where a disk is mounted later, and that hides
    # it.
    if path.is_symlink():
        raise StateError(f"the state {path} is a link to nothing: is its file system mounted?")
    _make_folders(path.parent)
    image = _image(str(path))
    aside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}{_NEW}")
    try:
        _write(aside, image)
        # Another process was faster: its state is used.
        with suppress(FileExistsError):
            # Unlike a rename, a link never replaces a file.
            os.link(aside, path)
        _sync_folder(path.parent)
    finally:
        aside.unlink(missing_ok=True)
    _sweep(path)


def _image(place: str) -> bytes:
    """Return the bytes of a new state. None of it can be half-written, because it was never on a
    disk.
    """
    engine = memory_engine()
    try:
        open_engine(engine, place)
        with engine.connect() as connection:
            image: bytes = connection.connection.driver_connection.serialize()  # type: ignore[union-attr]  # sqlite3's
    finally:
        engine.dispose()
    return image


def _write(path: Path, image: bytes) -> None:
    """Write a new file with these bytes, on the disk when this returns. Raise OSError otherwise,
    also where they read back differently.
    """
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        left = memoryview(image)
        # `os.write` may write less than it was given, as on a disk that is nearly full.
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)
        os.lseek(handle, 0, os.SEEK_SET)
        read = b"".join(iter(partial(os.read, handle, 1 << 20), b""))
    finally:
        os.close(handle)
    # Some file systems acknowledge what they lose; better now than after the first delete.
    if read != image:
        raise OSError(errno.EIO, "what was written reads back differently")


def _sweep(path: Path) -> None:
    """Remove the leftovers of creations killed an hour ago or earlier; a younger one may still be
    running.
    """
    for each in path.parent.iterdir():
        if each.name.startswith(f".{path.name}.") and each.name.endswith(_NEW):
            # It may belong to another user, and does no harm where it stays.
            with suppress(OSError):
                if time.time() - each.stat().st_mtime > _ABANDONED_S:
                    each.unlink()


def _make_folders(folder: Path) -> None:
    missing = [folder, *folder.parents]
    for one in reversed([one for one in missing if not one.exists()]):
        with suppress(FileExistsError):
            one.mkdir(mode=0o700)
            _sync_folder(one.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_file(path: Path) -> None:
    check_content(path)
    if os.access(path, os.W_OK):
        return
    why = "this user may not write it"
    # On such a file system, the rights of the file do not matter.
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        why = "its file system is mounted read-only"
    raise StateError(
        f"the state {path} cannot be changed: {why}. Commands that change nothing and ask Sauce"
        " Labs nothing, such as status, explain and archive list, work all the same"
    )


def check_content(path: Path) -> None:
    """Raise StateError where the file is no SQLite database, OSError where it cannot be read."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise StateError(f"the state {path} is not a file")
    with path.open("rb") as file:
        head = file.read(len(_MAGIC))
    if head != _MAGIC:
        raise StateError(
            damaged(str(path), "it is empty" if not head else "it is not an SQLite database")
        )
