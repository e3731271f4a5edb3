"""Young jobs of which nothing is listed: one may have no assets, several in a row look like an outage of the asset lists."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sauce_janitor.execute.hand import InHand, Work
from sauce_janitor.retention.retries import FailureKind

SEVERAL: Final = 5
"""So many young jobs in a row that list nothing: it is not the jobs."""
PATIENCE_S: Final = 86_400
"""A receipt so old that already said so makes it the job again."""


class Doubting:
    """Keeps such jobs, with an empty receipt each, until the run has seen enough of the others. Threads share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[InHand] = []
        self._cleared: list[InHand] = []

    def put_aside(self, hand: InHand) -> None:
        """Take the job out of hand; what was to be done of it waits here."""
        with self._lock:
            self._waiting.append(replace(hand, to_do=dict(hand.to_do), details=None, listed=None, is_believed=True))
        hand.to_do.clear()

    def saw_names(self) -> None:
        """A young job's assets were listed: the lists work, and who listed nothing before has nothing."""
        with self._lock:
            self._cleared += self._waiting
            self._waiting = []

    def settle(self, work: Work) -> Sequence[InHand]:
        """At the end of the run: those that are believed, to be deleted now. The others have failed, and say why."""
        with self._lock:
            waiting, believed = self._waiting, self._cleared
            self._waiting, self._cleared = [], []
        if len(waiting) < SEVERAL:
            return [*believed, *waiting]
        for hand in waiting:
            if _said_so_long_ago(work, hand):
                believed.append(hand)
                continue
            work.fail(
                hand,
                f"no assets are listed of it, nor of {len(waiting) - 1} other young jobs in a row, as when Sauce Labs' lists "
                "fail: it stays, until they still list nothing a day after its empty receipt",
                FailureKind.ANSWER,
            )
        return believed


def _said_so_long_ago(work: Work, hand: InHand) -> bool:
    archived = hand.archived
    return archived is not None and work.parts.clock.now() - archived.made_at >= PATIENCE_S
