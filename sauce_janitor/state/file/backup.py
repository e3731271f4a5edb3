"""Copies of the state from before its schema changes: a release that cannot read the new schema can
use them.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from sauce_janitor.errors import StateError

KEPT: Final = 3
"""How many previous schemas have a copy."""


def back_up(path: Path, schema: str) -> Path:
    """Write a whole, checked and durable copy of the state at `path` beside it:
    `NAME.schema-SCHEMA.backup`, mode 0600.

    Call it while nobody can write, in the write transaction that then changes the schema. A copy of
    the same schema is replaced, so that a start that fails repeatedly does not push out the others;
    the newest `KEPT` schemas stay. Raise StateError, with the copies as they were.
    """
    copy = path.with_name(f"{path.name}.schema-{schema}.backup")
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.backup")
    try:
        _sweep(path)
        os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        try:
            _copy(path, aside)
            _flush(aside)
            aside.replace(copy)
        finally:
            aside.unlink(missing_ok=True)
        _flush(path.parent)
    except (OSError, sqlite3.Error) as error:
        raise StateError(
            f"the state {path} is of an older schema ({schema}) and was left as it is, because it"
            f" cannot be backed up to {copy} first: {error}; make room there, then start again"
        ) from error
    # One copy too many does no harm; the next migration tries again.
    with suppress(OSError):
        for old in copies(path)[:-KEPT]:
            old.unlink(missing_ok=True)
    return copy


def copies(path: Path) -> list[Path]:
    """Return the copies beside the state at `path`, oldest schema first."""
    start, end = f"{path.name}.schema-", ".backup"
    return sorted(
        each
        for each in path.parent.iterdir()
        if each.name.startswith(start) and each.name.endswith(end)
    )


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
    # immutable: the copy is in WAL mode, and opening it otherwise would leave WAL files beside it.
    with closing(sqlite3.connect(f"{target.as_uri()}?immutable=1", uri=True)) as new:
        found = new.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(f"the copy is damaged, so the state may be too ({found})")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(path: Path) -> None:
    """Remove what a crash while copying left. Nobody else copies, because the caller has the write
    lock.
    """
    for each in path.parent.iterdir():
        if each.name.startswith(f".{path.name}.") and each.name.endswith(
            (".backup", ".backup-journal")
        ):
            each.unlink(missing_ok=True)
