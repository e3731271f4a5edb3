"""The missing files of a job: which of them count, and how long the policies wait for them."""

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
    """The missing files of one job at one instant (`as_of`, epoch seconds) in one time zone."""

    missing: tuple[MissingFile, ...]
    as_of: int
    zone: ZoneInfo

    def of(self, selection: Selection) -> Gaps:
        """Return those that are wanted: a delete does not wait for a file that no policy wants."""
        return Gaps(
            tuple(each for each in self.missing if selection.wants(each.name)),
            self.as_of,
            self.zone,
        )

    def given_up_at(self, waits: Iterable[Duration | None]) -> int | None:
        """Return when the last of the files has been missing for the longest of these times (epoch
        seconds).

        Return None while a policy waits forever (a time of None), no policy limits the wait, or a
        file among them was never requested.
        """
        times = list(waits)
        # Nothing is given up before a request for it has failed.
        if not times or not self.missing or not all(each.was_asked_for for each in self.missing):
            return None
        since = max(each.since for each in self.missing)
        dates = [None if wait is None else due_at(since, wait, self.zone) for wait in times]
        return None if None in dates else max(date for date in dates if date is not None)


def deciding(missing: Iterable[MissingFile], *, is_dated: bool) -> tuple[MissingFile, ...]:
    """Return what decisions depend on of these files, so that jobs that lack the same files share a
    verdict.

    These are the names, whether each was requested, and since when it is missing where a policy
    limits the wait (`is_dated`).
    """
    return tuple(
        MissingFile(
            each.name, "" if each.was_asked_for else NOT_ASKED, each.since if is_dated else 0
        )
        for each in missing
    )
