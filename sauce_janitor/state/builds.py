"""The builds that are known, and which of them is a job's: the one of its owner that has its name, if there is only one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select

from sauce_janitor.retention.model import UNKNOWN, Build, Job, Owner, Text
from sauce_janitor.state.tables import builds, listings

_BITS: Final[Mapping[str, int]] = {"name": 1, "status": 2, "jobs": 4, "open_jobs": 8}


class BuildIndex:
    """Finds a job's build; unknown when none has its name, several have it, or one of the owner's has no readable name."""

    def __init__(self, connection: Connection, account: str) -> None:
        self._found: dict[tuple[str, str], tuple[str, Text, int] | None] = {}
        self._unclear: set[str] = set()
        for row in connection.execute(select(builds).where(builds.c.account == account)).mappings():
            build = _build_of(row)
            if not isinstance(build.name, str):
                if build.name is UNKNOWN:
                    self._unclear.add(row["owner"])
                continue
            key = (row["owner"], build.name)
            self._found[key] = None if key in self._found else (build.id, build.status, row["changed_at"])

    def build_of(self, job: Job) -> tuple[Text, Text, int]:
        """Id and status of the build of a job that has one, and when they changed last (0: not known)."""
        if job.owner in self._unclear or not isinstance(job.build, str):
            return UNKNOWN, UNKNOWN, 0
        return self._found.get((job.owner, job.build)) or (UNKNOWN, UNKNOWN, 0)


def replace_builds(connection: Connection, account: str, owner: Owner, new: Iterable[Build] | None, *, now: int) -> int:
    """Make these the owner's builds (None: not offered, nothing is known of them); returns how many there are."""
    where = (builds.c.account == account, builds.c.owner == owner)
    before = {row["id"]: dict(row) for row in connection.execute(select(builds).where(*where)).mappings()}
    connection.execute(delete(builds).where(*where))
    rows: dict[str, dict[str, Any]] = {}
    for build in new or ():
        row = _row_of(build) | {"account": account, "owner": owner, "changed_at": now, "listed_at": now}
        old = before.get(row["id"])
        if old is not None and all(old[column] == row[column] for column in (*_BITS, "marks")):
            row["changed_at"] = old["changed_at"]
        rows[row["id"]] = row
    if rows:
        connection.execute(insert(builds), list(rows.values()))
    connection.execute(
        listings.update()
        .where(listings.c.account == account, listings.c.owner == owner)
        .values(builds_at=None if new is None else now)
    )
    return len(rows)


def _row_of(build: Build) -> dict[str, Any]:
    values = {column: getattr(build, column) for column in _BITS}
    marks = sum(bit for column, bit in _BITS.items() if values[column] is UNKNOWN)
    known = {column: None if value is UNKNOWN else value for column, value in values.items()}
    # Texts as JSON: a build's name may hold what no database stores.
    texts = {column: None if known[column] is None else json.dumps(known[column]) for column in ("name", "status")}
    return known | texts | {"id": json.dumps(build.id), "marks": marks}


def _build_of(row: Mapping[Any, Any]) -> Build:
    values: dict[str, Any] = {column: row[column] for column in _BITS}
    values |= {column: json.loads(values[column]) for column in ("name", "status") if values[column] is not None}
    values |= {column: UNKNOWN for column, bit in _BITS.items() if row["marks"] & bit}
    return Build(id=json.loads(row["id"]), owner=Owner(row["owner"]), **values)
