"""The truth about one owner's jobs: the population as it was born, and the few things that happened
to it since.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import replace

from sauce_janitor.sandbox.world.population import JobFacts, Population


class DeletedIndexes:
    """A sorted set of deleted indexes that can say how many of a range are left, and where the n-th
    one left is.
    """

    __slots__ = ("_all_below", "_indexes")

    def __init__(self) -> None:
        self._all_below = 0
        self._indexes = array("Q")

    def __contains__(self, index: int) -> bool:
        if index < self._all_below:
            return True
        place = bisect_left(self._indexes, index)
        return place < len(self._indexes) and self._indexes[place] == index

    def add(self, index: int) -> None:
        """Delete one."""
        if index not in self:
            insort(self._indexes, index)

    def discard(self, index: int) -> None:
        """Bring one back."""
        place = bisect_left(self._indexes, index)
        if place < len(self._indexes) and self._indexes[place] == index:
            del self._indexes[place]

    def add_all_below(self, count: int) -> None:
        """Delete everything from 0 to `count - 1`, in constant time and space."""
        self._all_below = count
        self._indexes = array("Q")

    def left(self, low: int, high: int) -> int:
        """How many indexes of `low <= index < high` are not deleted."""
        low = max(low, self._all_below)
        if high <= low:
            return 0
        return high - low - (bisect_left(self._indexes, high) - bisect_left(self._indexes, low))

    def newest_first(self, low: int, high: int, skip: int) -> Iterator[int]:
        """The indexes left in the range, from the highest down, after the first `skip` of them;
        finds its start by halving.
        """
        low = max(low, self._all_below)
        if self.left(low, high) <= skip:
            return
        # Find the highest index that still has more than `skip` left at or above it.
        below, above = low, high
        while above - below > 1:
            middle = (below + above) // 2
            below, above = (middle, above) if self.left(middle, high) > skip else (below, middle)
        place = bisect_left(self._indexes, below + 1) - 1
        for index in range(below, low - 1, -1):
            if place >= 0 and self._indexes[place] == index:
                place -= 1
                continue
            yield index


class OwnerLedger:
    """What is true of one owner's jobs now. Callers hold the world's lock while they change it."""

    def __init__(self, population: Population) -> None:
        self.population = population
        self.gone = DeletedIndexes()
        self.stripped: set[int] = set()
        """Jobs whose assets were deleted."""
        self.patches: dict[int, dict[str, object]] = {}
        """Fields of the job document that changed after birth."""
        self.uploads: dict[int, dict[str, bytes]] = {}
        """Assets that were added after birth."""
        self.adopted: dict[str, set[int]] = {}
        """Trimmed build name: jobs that were moved into it."""
        self._arrivals: list[JobFacts] = []

    @property
    def count(self) -> int:
        """How many jobs there ever were, deleted ones too."""
        return self.population.count + len(self._arrivals)

    @property
    def live(self) -> int:
        """How many jobs there are."""
        return self.gone.left(0, self.count)

    def facts(self, index: int) -> JobFacts:
        """The job as it was born."""
        born = self.population.count
        return self.population.facts(index) if index < born else self._arrivals[index - born]

    def created_at(self, index: int) -> int:
        """When the job was created; grows with the index."""
        born = self.population.count
        return (
            self.population.created_at(index)
            if index < born
            else self._arrivals[index - born].created_at
        )

    def has(self, index: int) -> bool:
        """True for a job that exists and was not deleted."""
        return 0 <= index < self.count and index not in self.gone

    def is_finished(self, index: int) -> bool:
        """True once the job has an end."""
        return self.ended_at(index) is not None

    def ended_at(self, index: int) -> int | None:
        """When the job ended, None while it has not."""
        patch = self.patches.get(index)
        if patch is not None and "end_time" in patch:
            ended = patch["end_time"]
            return ended if isinstance(ended, int) else None
        return self.facts(index).ended_at

    def window(self, since: float | None, until: float | None) -> tuple[int, int]:
        """The range of indexes created in `since <= time < until`."""
        low = 0 if since is None else self._first_from(since)
        high = self.count if until is None else self._first_from(until)
        return low, max(low, high)

    def arrive(self, created_at: int, *, duration_s: int = 60) -> int:
        """A new job ran; it was created now or at `created_at`, whichever fits the order. Its
        index.
        """
        index = self.count
        if index:
            created_at = max(created_at, self.created_at(index - 1))
        model = self.population.facts(index)
        self._arrivals.append(
            replace(
                model,
                index=index,
                kind="webdriver",
                build=None,
                build_text=None,
                status="complete",
                passed=True,
                error=None,
                created_at=created_at,
                started_at=created_at,
                ended_at=created_at + duration_s,
                modified_at=created_at + duration_s,
                tags=(),
                has_video=True,
                screenshots=2,
            )
        )
        return index

    def patch(self, index: int, fields: dict[str, object]) -> None:
        """Change fields of the job document; a new `build` moves the job to that build."""
        if "build" in fields:
            for members in self.adopted.values():
                members.discard(index)
            if isinstance(fields["build"], str) and fields["build"].strip():
                self.adopted.setdefault(fields["build"].strip(), set()).add(index)
        self.patches.setdefault(index, {}).update(fields)

    def build_name(self, index: int) -> str | None:
        """The trimmed name of the build that the job is in now."""
        patch = self.patches.get(index)
        if patch is not None and "build" in patch:
            moved = patch["build"]
            return (moved.strip() or None) if isinstance(moved, str) else None
        if index >= self.population.count:
            return None
        build = self.population.build_of(index)
        return None if build is None else self.population.build_name(build)

    def members(self, build_name: str) -> list[int]:
        """The jobs in a build now, oldest first, deleted ones left out."""
        build = self.population.build_named(build_name)
        born = [] if build is None else self.population.members(build)
        stayed = [index for index in born if "build" not in self.patches.get(index, {})]
        moved = self.adopted.get(build_name, ())
        return sorted(index for index in (*stayed, *moved) if index not in self.gone)

    def _first_from(self, time: float) -> int:
        born = self.population.count
        if self._arrivals and self._arrivals[0].created_at < time:
            return born + bisect_left(self._arrivals, time, key=lambda facts: facts.created_at)
        return self.population.first_from(time)
