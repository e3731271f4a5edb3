"""The listed files of a job that could not be had so far: which of them count, and how long the
policies wait for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sauce_janitor.model.assets import Selection
from sauce_janitor.model.durations import due_at
from sauce_janitor.model.jobs import NOT_ASKED, MissingFile
from sauce_janitor.model.policies import Duration


@dataclass(frozen=True, slots=True)
class Gaps:
    """The missing files of one job, looked at one instant (`as_of`, epoch seconds) in one time
    zone.
    """

    missing: tuple[MissingFile, ...]
    as_of: int
    zone: ZoneInfo

    def of(self, selection: Selection) -> Gaps:
        """Return those that are wanted: nobody waits for a file that no policy wants any more."""
        return Gaps(
            tuple(each for each in self.missing if selection.wants(each.name)),
            self.as_of,
            self.zone,
        )

    def given_up_at(self, waits: Iterable[Duration | None]) -> int | None:
        """Return when the last of the files has been missing for the longest of these times (epoch
        seconds).

        None is a policy that waits for ever, and there is none to say how long: then the answer is
        None, too. So it is while a file among them was never asked for.
        """
        times = list(waits)
        if not times or not self.missing or not all(each.was_asked_for for each in self.missing):
            return None
        since = max(each.since for each in self.missing)
        dates = [None if wait is None else due_at(since, wait, self.zone) for wait in times]
        return None if None in dates else max(date for date in dates if date is not None)


def deciding(missing: Iterable[MissingFile], *, is_dated: bool) -> tuple[MissingFile, ...]:
    """What decisions depend on of these files, so that jobs that lack the same ones share theirs.

    The names, whether each was asked for, and since when where a policy gives up in time
    (`is_dated`).
    """
    return tuple(
        MissingFile(
            each.name, "" if each.was_asked_for else NOT_ASKED, each.since if is_dated else 0
        )
        for each in missing
    )
