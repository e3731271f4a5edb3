"""What is due when: one entry an account, kept in the state so that a restart neither forgets nor repeats a run."""

from __future__ import annotations

import random
from dataclasses import dataclass

from sauce_janitor.config import Config
from sauce_janitor.daemon.timetable import Timetable
from sauce_janitor.state.notes import Notes


@dataclass(slots=True)
class Entry:
    """An account's place in the agenda: `last` is the moment up to which all that was due is dealt with (epoch seconds)."""

    timetable: Timetable
    last: int
    jitter_s: float

    @property
    def due_at(self) -> int:
        """When its next run is due, jitter left out."""
        return self.timetable.due_after(self.last)

    def is_due(self, now: float) -> bool:
        """Whether it is to run now; however many of its times have passed, that is one run."""
        return self.due_at + self.jitter_s <= now and self.timetable.dark_at(int(now)) is None


class Agenda:
    """Every account's entry. Used by one thread; only `follow` and `dealt_with` touch the state."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def __getitem__(self, account: str) -> Entry:
        return self._entries[account]

    def follow(self, config: Config, notes: Notes, now: int) -> None:
        """Go by this configuration from now on. An account that was never on the agenda is due at its next time."""
        entries = {}
        for account in config.accounts:
            schedule = config.schedule(account.name)
            timetable = Timetable(schedule, config.timezone)
            known = self._entries.get(account.name)
            last = known.last if known else int(notes.read(f"due:{account.name}") or now)
            if known is None and notes.read(f"due:{account.name}") is None:
                notes.write(f"due:{account.name}", str(now))
            entries[account.name] = Entry(timetable, last, _jitter(schedule.jitter_s))
        self._entries = entries

    def mind_the_clock(self, now: int) -> None:
        """A clock that was set back leaves nothing due in the far future."""
        for entry in self._entries.values():
            entry.last = min(entry.last, now)

    def dealt_with(self, account: str, notes: Notes, now: int) -> None:
        """All that was due by now is dealt with."""
        entry = self._entries.get(account)
        if entry is not None:
            entry.last, entry.jitter_s = now, _jitter(entry.timetable.schedule.jitter_s)
        notes.write(f"due:{account}", str(now))


def _jitter(most_s: int) -> float:
    return random.uniform(0, most_s)  # noqa: S311 - spreads load, guards nothing
