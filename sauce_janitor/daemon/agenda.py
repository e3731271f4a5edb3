"""What is due when: one entry for each account, kept in the state so that a restart neither forgets
nor repeats a run.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, Protocol

from sauce_janitor.config import Config
from sauce_janitor.daemon.schedule import RunTimes
from sauce_janitor.daemon.work import RUN, UPKEEP
from sauce_janitor.model.safety_numbers import DAY_S

_FIRST_UPKEEP_S: Final = 3600


class AgendaStore(Protocol):
    """Where the agenda is stored (`state.Notes`)."""

    def read(self, key: str, /) -> str | None:
        """Return the note under that key, None where there is none."""

    def write(self, key: str, value: str, /) -> None:
        """Write the note under that key."""


@dataclass(slots=True)
class AgendaEntry:
    """An account's entry in the agenda.

    All runs that were due up to `last` are finished. The last upkeep of the archive was at
    `kept_up_at`. Both are epoch seconds.
    """

    timetable: RunTimes
    last: int
    kept_up_at: int
    jitter_s: float
    _due: tuple[int, int] | None = None

    @property
    def due_at(self) -> int:
        """When its next run is due, without jitter."""
        due = self._due
        # Cached: it is asked every second, and computing it walks through the calendar.
        if due is None or due[0] != self.last:
            due = self._due = (self.last, self.timetable.due_after(self.last))
        return due[1]

    def due_kind(self, now: float) -> str | None:
        """Return what is due now, None for nothing. However many of its times have passed, that is
        one run.
        """
        # Nothing starts in a black-out, the upkeep of the archive neither.
        if self.timetable.dark_at(int(now)) is not None:
            return None
        if self.due_at + self.jitter_s <= now:
            return RUN
        return UPKEEP if self.kept_up_at + DAY_S <= now else None


class Agenda:
    """The entries of all accounts. One thread uses it; others may read."""

    def __init__(self) -> None:
        self._entries: dict[str, AgendaEntry] = {}

    def __getitem__(self, account: str) -> AgendaEntry:
        return self._entries[account]

    def get(self, account: str) -> AgendaEntry | None:
        """Return an account's entry; None before it has one."""
        return self._entries.get(account)

    def follow(self, config: Config, notes: AgendaStore, now: int) -> None:
        """Use this configuration from now on. An account that is new on the agenda is due at its
        next time.
        """
        entries = {}
        for account in config.accounts:
            schedule = config.schedule(account.name)
            known = self._entries.get(account.name)
            last = known.last if known else _noted(notes, RUN, account.name, now)
            kept_up_at = (
                known.kept_up_at
                if known
                else _noted(notes, UPKEEP, account.name, now - DAY_S + _FIRST_UPKEEP_S)
            )
            timetable = RunTimes(schedule, config.timezone)
            entries[account.name] = AgendaEntry(
                timetable, last, kept_up_at, _jitter(schedule.jitter_s)
            )
        self._entries = entries

    def mind_the_clock(self, now: int) -> None:
        """Correct times in the future after the clock was set back, so that nothing is due too
        late.
        """
        for entry in self._entries.values():
            entry.last, entry.kept_up_at = min(entry.last, now), min(entry.kept_up_at, now)

    def dealt_with(self, account: str, kind: str, notes: AgendaStore, now: int) -> None:
        """Record that everything of this kind due by `now` is finished. Raises what the notes
        raise; the entry is updated first.
        """
        entry = self._entries.get(account)
        if entry is not None and kind == RUN:
            entry.last, entry.jitter_s = now, _jitter(entry.timetable.schedule.jitter_s)
        elif entry is not None:
            entry.kept_up_at = now
        notes.write(f"{kind}:{account}", str(now))


def _noted(notes: AgendaStore, kind: str, account: str, otherwise: int) -> int:
    """Return the recorded time; else `otherwise`, which is recorded then."""
    key = f"{kind}:{account}"
    found = notes.read(key)
    if found is None:
        notes.write(key, str(otherwise))
        return otherwise
    return int(found)


def _jitter(most_s: int) -> float:
    return random.uniform(0, most_s)  # noqa: S311 - spreads load, guards nothing
