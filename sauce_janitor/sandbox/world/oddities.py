"""Which jobs of the sandbox are odd: those that wait, run, run away or contradict themselves."""

from __future__ import annotations

from collections.abc import Callable

_SPECIALS_FROM = 100
"""With fewer jobs than this, there are no forced oddities such as runaways."""


def oddities(count: int) -> Callable[[int], str | None]:
    """Return a function from an index to the job's oddity, or None. Some are always there.

    The two newest jobs are waiting, the next three are running. Three run away, for one to seven
    days. Three have ended long ago, but still say that they are in progress and passed, as in
    saucerest-java's issue 56. Among many jobs, one more in a thousand is odd.
    """
    # Eleven odd jobs among fewer than a hundred would be no exception any more.
    if count < _SPECIALS_FROM:
        return lambda _index: None
    forced = {0: "queued", 1: "new", 2: "running", 3: "running", 4: "running"}
    forced |= {5 + count * share // 100: "runaway" for share in (3, 7, 15)}
    forced |= {6 + count * share // 100: "contradiction" for share in (1, 9, 40)}

    def oddity(index: int) -> str | None:
        rank = count - 1 - index
        if rank % 1999 == 1007 and rank < count // 5:
            return "runaway"
        return "contradiction" if rank % 997 == 731 else forced.get(rank)

    return oddity
