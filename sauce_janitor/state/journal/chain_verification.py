"""Verifies the hash chains of the journal: that no line was altered or removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from sauce_janitor.errors import StateError
from sauce_janitor.state.database.dialect import streamed
from sauce_janitor.state.database.tables import (
    COPIED_GAPS,
    journal,
    journal_chains,
    journal_head,
    meta,
)
from sauce_janitor.state.database.transactions import Database, damaged
from sauce_janitor.state.journal.hash_chain import beginning, link


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """The last line of a chain: its number, 0 for none, and its hash, or what the first line
    hashes.
    """

    number: int
    hash: bytes


def ends_of(connection: Connection) -> tuple[ChainEnd, Mapping[str, ChainEnd]]:
    """Return the end of the chain that all accounts had, and of each account's own, by its key."""
    head = connection.execute(select(journal_head)).one()
    chains = connection.execute(select(journal_chains).order_by(journal_chains.c.account))
    return ChainEnd(head.seq, head.hash), {
        row.account: ChainEnd(row.number, row.hash) for row in chains.all()
    }


def verified_lines(database: Database) -> int:
    """Recompute every chain, and return how many lines they have. Raise StateError naming the
    first line that does not fit.
    """
    with database.reading() as connection:
        instance = connection.execute(
            select(meta.c.value).where(meta.c.key == "instance_id")
        ).scalar_one()
        shared, ends = ends_of(connection)
        whose = select(journal.c.account).where(journal.c.number.is_not(None)).distinct()
        keys = {*connection.execute(whose).scalars(), *ends}
        lines = select(journal, journal.c.seq.label("place"))
        lines = lines.where(journal.c.number.is_(None)).order_by(journal.c.seq)
        _verify(database.place, connection, lines, beginning(instance), shared, "the journal")
        for key in sorted(keys):
            lines = select(journal, journal.c.number.label("place"))
            is_its = (journal.c.account == key, journal.c.number.is_not(None))
            lines = lines.where(*is_its).order_by(journal.c.number)
            end = ends.get(key, ChainEnd(0, shared.hash))
            name = f"the journal of account {key}"
            _verify(database.place, connection, lines, shared.hash, end, name)
        count = shared.number + sum(end.number for end in ends.values())
        _verify_numbers(database, connection, count)
    return count


def _verify_numbers(database: Database, connection: Connection, count: int) -> None:
    """Raise StateError when numbers are missing among those of all lines: an account's last
    lines can be removed together with the record of its end.
    """
    # A server leaves out the numbers of transactions that failed.
    if not database.dialect.one_writer:
        return
    last = connection.execute(select(func.max(journal.c.seq))).scalar() or 0
    is_gaps = meta.c.key == COPIED_GAPS
    gaps = int(connection.execute(select(meta.c.value).where(is_gaps)).scalar() or 0)
    if last != count + gaps:
        why = f"the journal has {count:,} lines and should have {last - gaps:,}"
        raise StateError(damaged(database.place, why))


def _verify(
    place: str,
    connection: Connection,
    lines: Select[Any],
    before: bytes,
    end: ChainEnd,
    name: str,
) -> None:
    """Recompute one chain: `before` is what its first line hashes, `end` its end on record."""
    number = 0
    for row in streamed(connection, lines):
        number += 1
        # The number shows a line that is missing, the hash one that was changed.
        if row["place"] != number or link(before, dict(row)) != row["hash"]:
            why = f"line {number} of {name} was altered or is missing"
            raise StateError(damaged(place, why))
        before = row["hash"]
    # A chain begins with the id of its state.
    if number == end.number == 0 and before != end.hash:
        why = f"{name} is of another state than this one's id"
        raise StateError(damaged(place, why))
    # Removing lines at the end leaves a chain that fits; its end is on record, too.
    if (number, before) != (end.number, end.hash):
        why = f"{name} ends at line {number} and should at {end.number}"
        raise StateError(damaged(place, why))
