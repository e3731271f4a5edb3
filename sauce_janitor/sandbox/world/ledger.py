"""The jobs of one owner: the population as it was created, and the changes since."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import replace

from sauce_janitor.sandbox.world.job_facts import JobFacts
from sauce_janitor.sandbox.world.population import Population


class DeletedIndexes:
    """A sorted set of deleted indexes.

    It knows how many indexes of a range are left, and which the n-th one left is.
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
        """Delete one index."""
        if index not in self:
            insort(self._indexes, index)

    def discard(self, index: int) -> None:
        """Restore one index."""
        place = bisect_left(self._indexes, index)
        if place < len(self._indexes) and self._indexes[place] == index:
            del self._indexes[place]

    def add_all_below(self, count: int) -> None:
        """Delete all indexes from 0 to `count - 1`, in constant time and space."""
        self._all_below = count
        self._indexes = array("Q")

    def left(self, low: int, high: int) -> int:
        """Return how many indexes of `low <= index < high` are not deleted."""
        low = max(low, self._all_below)
        if high <= low:
            return 0
        return high - low - (bisect_left(self._indexes, high) - bisect_left(self._indexes, low))

    def newest_first(self, low: int, high: int, skip: int) -> Iterator[int]:
        """Yield the indexes left in the range, from the highest down, without the first `skip`.

        The start is found by binary search.
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
            # Walks along the deleted indexes instead of searching each: a page is a single pass.
            if place >= 0 and self._indexes[place] == index:
                place -= 1
                continue
            yield index


class OwnerLedger:
    """The present jobs of one owner. A caller that changes it holds the lock of `World`."""

    def __init__(self, population: Population) -> None:
        self.population = population
        self.gone = DeletedIndexes()
        self.stripped: set[int] = set()
        """Jobs whose assets were deleted."""
        self.patches: dict[int, dict[str, object]] = {}
        """Fields of the job document that changed since its creation."""
        self.uploads: dict[int, dict[str, bytes]] = {}
        """Assets that were added since its creation."""
        self.adopted: dict[str, set[int]] = {}
        """The jobs that were moved into a build, by the build's trimmed name."""
        self._arrivals: list[JobFacts] = []

    @property
    def count(self) -> int:
        """Return how many jobs there are, deleted ones too."""
        return self.population.count + len(self._arrivals)

    @property
    def live(self) -> int:
        """Return how many jobs are not deleted."""
        return self.gone.left(0, self.count)

    def facts(self, index: int) -> JobFacts:
        """Return the job as it was created."""
        born = self.population.count
        return self.population.facts(index) if index < born else self._arrivals[index - born]

    def created_at(self, index: int) -> int:
        """Return when the job was created. It never decreases with the index."""
        born = self.population.count
        return (
            self.population.created_at(index)
            if index < born
            else self._arrivals[index - born].created_at
        )

    def has(self, index: int) -> bool:
        """Return whether the job exists and is not deleted."""
        return 0 <= index < self.count and index not in self.gone

    def is_finished(self, index: int) -> bool:
        """Return whether the job has ended."""
        return self.ended_at(index) is not None

    def ended_at(self, index: int) -> int | None:
        """Return when the job ended, or None while it has not."""
        patch = self.patches.get(index)
        # A changed end counts even if it is null: an edit can set a job running again.
        if patch is not None and "end_time" in patch:
            ended = patch["end_time"]
            return ended if isinstance(ended, int) else None
        return self.facts(index).ended_at

    def window(self, since: float | None, until: float | None) -> tuple[int, int]:
        """Return the range of indexes created in `since <= time < until`."""
        low = 0 if since is None else self._first_from(since)
        high = self.count if until is None else self._first_from(until)
        return low, max(low, high)

    def arrive(self, created_at: int, *, duration_s: int = 60) -> int:
        """Add a job and return its index.

        It is created at `created_at`, but not before the newest job: times follow the indexes.
        """
        index = self.count
        if index:
            # Otherwise binary search by time would miss jobs.
            created_at = max(created_at, self.created_at(index - 1))
        # The population has facts for any index, so an arrival has a name and a platform as all
        # others do.
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
        """Change fields of the job document. A new `build` moves the job to that build."""
        if "build" in fields:
            # A job is in one build at most.
            for members in self.adopted.values():
                members.discard(index)
            # Builds are compared without spaces at the ends: the vendor's sample has the build
            # `Release ` with one.
            if isinstance(fields["build"], str) and fields["build"].strip():
                self.adopted.setdefault(fields["build"].strip(), set()).add(index)
        self.patches.setdefault(index, {}).update(fields)

    def build_name(self, index: int) -> str | None:
        """Return the trimmed name of the job's present build, or None."""
        patch = self.patches.get(index)
        if patch is not None and "build" in patch:
            moved = patch["build"]
            return (moved.strip() or None) if isinstance(moved, str) else None
        # Arrivals have no build until an edit gives them one.
        if index >= self.population.count:
            return None
        build = self.population.build_of(index)
        return None if build is None else self.population.build_name(build)

    def members(self, build_name: str) -> list[int]:
        """Return the present jobs of a build, oldest first, without deleted ones."""
        build = self.population.build_named(build_name)
        born = [] if build is None else self.population.members(build)
        # A job whose build was changed is in `adopted`, even if it moved back.
        stayed = [index for index in born if "build" not in self.patches.get(index, {})]
        moved = self.adopted.get(build_name, ())
        return sorted(index for index in (*stayed, *moved) if index not in self.gone)

    def _first_from(self, time: float) -> int:
        born = self.population.count
        # Arrivals are never older than the population, so only one of the two is searched.
        if self._arrivals and self._arrivals[0].created_at < time:
            return born + bisect_left(self._arrivals, time, key=lambda facts: facts.created_at)
        return self.population.first_from(time)
