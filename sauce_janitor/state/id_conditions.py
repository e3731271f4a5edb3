"""A condition on any number of jobs: their ids go into a temporary table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    MetaData,
    Table,
)

from sauce_janitor.model.jobs import JobId
from sauce_janitor.state.database.dialect import dialect_of, insert_new
from sauce_janitor.state.database.tables import jobs
from sauce_janitor.state.rows import id_bytes

_named = Table(
    "named", MetaData(), Column("id", LargeBinary(16), primary_key=True), prefixes=["TEMPORARY"]
)
_BATCH: Final = 5000


@contextmanager
def named(connection: Connection, job_ids: Iterable[JobId]) -> Iterator[ColumnElement[bool]]:
    """Yield the condition that a row of `jobs` is one of these, for statements of this transaction
    inside the block. One at a time.
    """
    ids = (id_bytes(job_id) for job_id in job_ids)
    _named.create(connection)
    while rows := [{"id": job_id} for job_id in islice(ids, _BATCH)]:
        insert_new(connection, _named, rows)
    yield dialect_of(connection.dialect.name).is_among(jobs.c.id, _named)
    _named.drop(connection)
