"""What is due when: one entry for each account, kept in the state so that a restart neither forgets
nor repeats a run.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from sauce_janitor.config import Config
from sauce_janitor.daemon.schedule import RunTimes
from sauce_janitor.daemon.work import RUN, UPKEEP
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.state import Notes

_FIRST_UPKEEP_S: Final = 3600


@dataclass(slots=True)
class AgendaEntry:
    """An account's entry in the agenda.

    All runs that were due up to `last` are finished. The last upkeep of the archive was at
    `kept_up_at`. Both are epoch seconds.
    """

    timetable: RunTimes
    last: int
    kept_up_at: int
    jitter_s: int
    _due: tuple[int, int] | None = None

    @property
    def due_at(self) -> int:
        """When its next run is due, without jitter."""
        due = self._due
        # Cached: it is asked every second, and computing it walks through the calendar.
        if due is None or due[0] != self.last:
            due = self._due = (self.last, self.timetable.due_after(self.last))
        return due[1]

    def next_at(self, now: int) -> int:
        """Return when its next work is due: in the past if it is late, never in a black-out."""
        at = min(self.due_at + self.jitter_s, self.kept_up_at + DAY_S)
        # Nothing starts in a black-out, the upkeep of the archive neither.
        dark = self.timetable.dark_at(max(at, now))
        while dark is not None:
            at = dark.ends_at
            dark = self.timetable.dark_at(at)
        return at

    def due_kind(self, now: int) -> str | None:
        """Return what is due now, None for nothing. A run goes before the upkeep."""
        if self.next_at(now) > now:
            return None
        return RUN if self.due_at + self.jitter_s <= now else UPKEEP


class Agenda:
    """The entries by account. One thread uses them; others may read."""

    def __init__(self, of: str = "") -> None:
        """`of` begins the keys of its notes, so that several agendas may be kept in a state."""
        self._of = of
        self.entries: Mapping[str, AgendaEntry] = {}

    def follow(self, config: Config, notes: Notes, now: int) -> None:
        """Use this configuration from now on. An account that is new on the agenda is due at its
        next time.
        """
        entries = {}
        for account in config.accounts:
            schedule = config.schedule(account.name)
            # A reload neither repeats nor forgets a run of an account that stays.
            known = self.entries.get(account.name)
            last = known.last if known else _noted(notes, self._key(RUN, account.name), now)
            kept_up_at = (
                known.kept_up_at
                if known
                else _noted(notes, self._key(UPKEEP, account.name), now - DAY_S + _FIRST_UPKEEP_S)
            )
            timetable = RunTimes(schedule, config.timezone)
            entries[account.name] = AgendaEntry(
                timetable, last, kept_up_at, _jitter(account.name, last, schedule.jitter_s)
            )
        self.entries = entries

    def read_again(self, notes: Notes, now: int) -> None:
        """Take over what other workers have recorded in a state that they share."""
        # One question for all: several workers ask it every few seconds.
        found = notes.read_all(
            [self._key(kind, name) for name in self.entries for kind in (RUN, UPKEEP)]
        )
        self.entries = {
            name: self._updated(name, entry, found, now) for name, entry in self.entries.items()
        }

    def recorded(self, account: str, notes: Notes, now: int) -> AgendaEntry:
        """Return the account's entry by what is recorded at this moment. Any thread may ask."""
        found = notes.read_all([self._key(kind, account) for kind in (RUN, UPKEEP)])
        return self._updated(account, self.entries[account], found, now)

    def _updated(
        self, account: str, entry: AgendaEntry, found: Mapping[str, str], now: int
    ) -> AgendaEntry:
        last, kept_up_at = (
            # In the future: by another machine's clock.
            min(int(found.get(self._key(kind, account), otherwise)), now)
            for kind, otherwise in ((RUN, entry.last), (UPKEEP, entry.kept_up_at))
        )
        if (last, kept_up_at) == (entry.last, entry.kept_up_at):
            return entry
        jitter_s = _jitter(account, last, entry.timetable.schedule.jitter_s)
        return replace(entry, last=last, kept_up_at=kept_up_at, jitter_s=jitter_s, _due=None)

    def mind_the_clock(self, now: int) -> None:
        """Correct times in the future after the clock was set back, so that nothing is due too
        late.
        """
        for entry in self.entries.values():
            entry.last, entry.kept_up_at = min(entry.last, now), min(entry.kept_up_at, now)

    def dealt_with(self, account: str, kind: str, notes: Notes, now: int) -> None:
        """Record that everything of this kind due by `now` is finished. Raises what the notes
        raise; the entry is updated first.
        """
        entry = self.entries.get(account)
        # The account may have left the configuration while its work ran.
        if entry is not None and kind == RUN:
            entry.last = now
            entry.jitter_s = _jitter(account, now, entry.timetable.schedule.jitter_s)
        elif entry is not None:
            entry.kept_up_at = now
        # Last: without it, this process still knows that the work is done.
        notes.write(self._key(kind, account), str(now))

    def _key(self, kind: str, account: str) -> str:
        return f"{self._of}{kind}:{account}"


def _noted(notes: Notes, key: str, otherwise: int) -> int:
    """Return the recorded time; else `otherwise`, which is recorded then."""
    found = notes.read(key)
    if found is None:
        # Otherwise a daemon that restarts often would begin to wait anew each time.
        notes.write(key, str(otherwise))
        return otherwise
    return int(found)


def _jitter(account: str, last: int, most_s: int) -> int:
    # Each worker that shares the state comes to the same one.
    return random.Random(f"{account} {last}").randint(0, most_s)  # noqa: S311 - guards nothing
