"""What each day did to an account: deletes, copies and losses by the journal, and the size of its
archive by the index of archived jobs.

They are kept as sums of days, so that no page reads the journal. The sums and the last line that
they include are written together: a run that is killed or repeated counts nothing twice, and the
next one counts what it left.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, and_, or_, select

from sauce_janitor.model.jobs import Action
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.state.accounts import key_of
from sauce_janitor.state.archive_index import listed_through, stored_by_day
from sauce_janitor.state.database.dialect import put, streamed
from sauce_janitor.state.database.tables import journal, journal_chains, meta
from sauce_janitor.state.database.transactions import Database

KEPT_DAYS: Final = 90
"""How many days are kept, today included."""
_KEY: Final = "note:daily figures {}"
_COUNTED: Final = {
    str(Action.DELETE_JOB): "deleted_jobs",
    str(Action.DELETE_ASSETS): "deleted_assets",
}


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One day in UTC. `day` counts from 1970.

    The first five are what happened on it: by the journal, `archived_bytes` by the index.
    `freed_bytes` is what Sauce Labs said it deleted. `lost_jobs` had wanted assets that it purged
    before they were archived. `archive_jobs` and `archive_bytes` are how large the archive was at
    the last look on that day, None where nobody looked.
    """

    day: int
    archived_jobs: int = 0
    archived_bytes: int = 0
    deleted_jobs: int = 0
    deleted_assets: int = 0
    freed_bytes: int = 0
    lost_jobs: int = 0
    archive_jobs: int | None = None
    archive_bytes: int | None = None


_FIGURES: Final = tuple(each.name for each in fields(DayFigures) if each.name != "day")


@dataclass(slots=True)
class _Sums:
    """The note. `through` is the last line of the account's chain that `days` include, `indexed`
    the state of the archive's index that they were made from. None: nothing was added up yet.
    """

    through: int | None = None
    indexed: str | None = None
    days: dict[str, dict[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str | None) -> _Sums:
        """Return the sums in a note. One that is damaged, or of another version, is made anew."""
        try:
            values = json.loads(text or "{}")
            days = {
                str(int(day)): {name: int(amount) for name, amount in figures.items()}
                for day, figures in values.get("days", {}).items()
            }
            through = values.get("through")
            return cls(None if through is None else int(through), values.get("indexed"), days)
        except (AttributeError, TypeError, ValueError):
            return cls()

    def text(self) -> str:
        values = {"through": self.through, "indexed": self.indexed, "days": self.days}
        return json.dumps(values, sort_keys=True)

    def add(self, day: int, figure: str, amount: int) -> None:
        figures = self.days.setdefault(str(day), {})
        figures[figure] = figures.get(figure, 0) + amount


class DailyFigures:
    """The sums of every account. Raises StateError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, account: str) -> tuple[DayFigures, ...]:
        """Return the days of which something is known, oldest first."""
        with self._database.reading() as connection:
            sums = _Sums.of(_note(connection, account))
        return tuple(_figures_of(day, sums.days[str(day)]) for day in sorted(map(int, sums.days)))

    def add_up(self, account: str, *, now: int) -> None:
        """Add what has happened since the last time; `now` is epoch seconds. The first time takes
        the journal of the days that are kept, later ones only its new lines.
        """
        today = now // DAY_S
        with self._database.reading() as connection:
            before = _note(connection, account)
            sums = _Sums.of(before)
            end, indexed = _end(connection, account), listed_through(connection)
            # Restored from a backup: the sums are about lines that are gone.
            if sums.through is not None and sums.through > end:
                sums = _Sums()
            if sums.through != end:
                _add_lines(sums, connection, account, (sums.through, end), today=today)
            # Without an index nobody knows how large the archive is.
            if indexed and (sums.through, sums.indexed) != (end, indexed):
                _measure(sums, stored_by_day(connection, account), today)
            sums.through, sums.indexed = end, indexed
        _carry_on(sums, today)
        if (text := sums.text()) == before:
            return
        with self._database.writing(account) as connection:
            # Another run on the account was faster. It has read the same lines.
            if _note(connection, account) == before:
                put(connection, meta, {"key": _KEY.format(account), "value": text})


def _figures_of(day: int, values: Mapping[str, int]) -> DayFigures:
    # A newer version may have written more.
    return DayFigures(day, **{name: values[name] for name in _FIGURES if name in values})


def _note(connection: Connection, account: str) -> str | None:
    mine = meta.c.key == _KEY.format(account)
    return connection.execute(select(meta.c.value).where(mine)).scalar()


def _end(connection: Connection, account: str) -> int:
    mine = journal_chains.c.account == key_of(connection, account)
    return connection.execute(select(journal_chains.c.number).where(mine)).scalar() or 0


def _add_lines(
    sums: _Sums,
    connection: Connection,
    account: str,
    span: tuple[int | None, int],
    *,
    today: int,
) -> None:
    after, end = span
    statement = _lines().where(journal.c.account == key_of(connection, account))
    if after is None:
        # Older lines may be in the chain that all accounts had, and have no number.
        statement = statement.where(journal.c.at >= (today - KEPT_DAYS + 1) * DAY_S)
    else:
        statement = statement.where(journal.c.number > after, journal.c.number <= end)
    for line in streamed(connection, statement):
        for figure, amount in _of_line(line):
            sums.add(line["at"] // DAY_S, figure, amount)


def _lines() -> Select[Any]:
    return select(journal.c.at, journal.c.kind, journal.c.action, journal.c.detail).where(
        or_(
            journal.c.kind.in_(("archived", "purged")),
            and_(journal.c.kind == "outcome", journal.c.outcome == "confirmed"),
        )
    )


def _of_line(line: RowMapping) -> Iterable[tuple[str, int]]:
    detail = json.loads(line["detail"])
    if line["kind"] == "archived":
        # Copies that were found in the archive are not of that day.
        return () if detail.get("reindexed") else (("archived_jobs", 1),)
    if line["kind"] == "purged":
        return (("lost_jobs", 1),) if detail.get("lost") else ()
    figure = _COUNTED.get(line["action"])
    counted = () if figure is None else ((figure, 1),)
    freed = detail.get("bytes_reclaimed") or 0
    return (*counted, ("freed_bytes", freed)) if freed else counted


def _measure(sums: _Sums, stored: Mapping[int, tuple[int, int]], today: int) -> None:
    """Take over how large the archive is, and how much of it each day stored."""
    sums.days.setdefault(str(today), {})
    for day, (_, size) in stored.items():
        if today - KEPT_DAYS < day <= today:
            figures = sums.days.setdefault(str(day), {})
            # What was pruned since was nevertheless archived on that day.
            figures["archived_bytes"] = max(size, figures.get("archived_bytes", 0))
    sums.days[str(today)]["archive_jobs"] = sum(jobs for jobs, _ in stored.values())
    sums.days[str(today)]["archive_bytes"] = sum(size for _, size in stored.values())


def _carry_on(sums: _Sums, today: int) -> None:
    """Note the size of an archive that nothing has changed, and forget what is too old."""
    sizes = ("archive_jobs", "archive_bytes")
    last = max((day for day, of in sums.days.items() if sizes[1] in of), key=int, default=None)
    figures = sums.days.setdefault(str(today), {})
    if last is not None and sizes[1] not in figures:
        figures |= {name: sums.days[last][name] for name in sizes}
    sums.days = {day: of for day, of in sums.days.items() if int(day) > today - KEPT_DAYS}
