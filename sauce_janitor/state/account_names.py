"""What in the state belongs to an account by its name: moved when the account is renamed, removed
when it makes room.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, select, update

from sauce_janitor.state.database.tables import (
    builds,
    counters,
    jobs,
    journal,
    journal_chains,
    leases,
    listings,
    meta,
    metadata,
    plans,
)

_BY_KEY: Final = frozenset({journal.name, journal_chains.name})
"""Tables that refer to an account by its key, which never changes."""
_NOTES: Final = (
    "members {}",
    "receipt sizes {}",
    "vanished {}",
    "looked for purged {}",
    "delete_job_path {}",
    "daily figures {}",
    "inventory figures {}",
    "forecast {}",
    "run:{}",
    "upkeep:{}",
    "dry_run:run:{}",
    "dry_run:upkeep:{}",
)
_LISTING: Final = "note:listing:"
_OTHERS: Final = ("prune accepted {}", "verification daily {}")


def move(connection: Connection, old: str, new: str) -> None:
    """Give everything of one account to another name that has nothing yet.

    No listing counts as complete any more: the next run lists everything again before it decides.
    """
    for table in _tables():
        connection.execute(update(table).where(table.c.account == old).values(account=new))
    # The renaming command holds the lease under the old name and releases none under the new one.
    connection.execute(update(leases).where(leases.c.account == new).values(released=True))
    list_again(connection, new)
    for key, moved in _keys(connection, old, new):
        # A note of the new name is from an account that made room, so the moved one replaces it.
        connection.execute(delete(meta).where(meta.c.key == moved))
        connection.execute(update(meta).where(meta.c.key == key).values(key=moved))
    for row in list(connection.execute(select(counters)).mappings()):
        labels: dict[str, Any] = json.loads(row["labels"])
        # The account is inside JSON text, so it is compared here and not in SQL.
        if labels.get("account") == old:
            mine = (counters.c.name == row["name"], counters.c.labels == row["labels"])
            text = json.dumps(labels | {"account": new}, sort_keys=True)
            connection.execute(
                delete(counters).where(counters.c.name == row["name"], counters.c.labels == text)
            )
            connection.execute(update(counters).where(*mine).values(labels=text))


def list_again(connection: Connection, name: str) -> None:
    """Let no listing of the account count as complete any more."""
    not_listed = {"watermark": None, "full_at": None, "bookmark": None}
    connection.execute(update(listings).where(listings.c.account == name).values(not_listed))


def drop(connection: Connection, name: str) -> None:
    """Remove everything of an account except its row."""
    for table in _tables():
        connection.execute(delete(table).where(table.c.account == name))
    for key, _ in _keys(connection, name, name):
        connection.execute(delete(meta).where(meta.c.key == key))


def forget_listings(connection: Connection, name: str) -> None:
    """Forget the jobs and builds that were listed for an account, the plan about them, and the
    progress of its listings.
    """
    for table in (jobs, builds, listings, plans):
        connection.execute(delete(table).where(table.c.account == name))
    for key, _ in _keys(connection, name, name):
        if key.startswith(_LISTING):
            connection.execute(delete(meta).where(meta.c.key == key))


def _tables() -> Iterator[Table]:
    """Yield every table with an account's name in it, those that others refer to last."""
    # Rows that refer to others go first, or the database would refuse to remove those.
    for table in reversed(metadata.sorted_tables):
        if "account" in table.c and table.name not in _BY_KEY:
            yield table


def _keys(connection: Connection, old: str, new: str) -> Iterator[tuple[str, str]]:
    """Yield each note about the account: its key now, and its key under the new name."""
    there = set(connection.execute(select(meta.c.key)).scalars())
    for shape in (*(f"note:{note}" for note in _NOTES), *_OTHERS):
        if (key := shape.format(old)) in there:
            yield key, shape.format(new)
    for key in sorted(there):
        # These keys have JSON at the end: an owner's name may have blanks, so it cannot be found by
        # a pattern.
        if key.startswith(_LISTING):
            account, owner = json.loads(key.removeprefix(_LISTING))
            if account == old:
                yield key, _LISTING + json.dumps([new, owner])
