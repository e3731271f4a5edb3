"""Verifies many jobs at once, in the order of their folders, so that it can be interrupted and
resumed.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from sauce_janitor.archive.catalogue import Catalogue
from sauce_janitor.archive.content.read_back import Damage
from sauce_janitor.archive.proofs import Proof, failed_proof
from sauce_janitor.archive.storage.ports import Place
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.jobs import Owner

_FEWEST_WORKERS: Final = 2
_MOST_WORKERS: Final = 8
_AHEAD: Final = 4


@dataclass(frozen=True, slots=True)
class JobSampleShare:
    """One share of all jobs, chosen by their ids: `parts` shares are all jobs, each `turn` another
    one.
    """

    parts: int
    turn: int

    @classmethod
    def of(cls, share: float, turn: int) -> JobSampleShare:
        """Return about `share` of all jobs (0.05: a twentieth), rounded so that whole turns cover
        all.
        """
        if not 0 < share <= 1:
            raise ValueError(f"no share of all jobs: {share}")
        return cls(max(1, round(1 / share)), turn)

    def has(self, place: Place) -> bool:
        """Tell whether the job at this place is in the share."""
        drawn = int.from_bytes(hashlib.sha256(place[-1].encode()).digest()[:8], "big")
        return drawn % self.parts == self.turn % self.parts


@dataclass(frozen=True, slots=True)
class ArchiveScope:
    """Which jobs to verify: of an account and owner (None: all), after the place `after`, of a
    sample.
    """

    account: str | None = None
    owner: Owner | None = None
    after: Place = ()
    sample: JobSampleShare | None = None


def prove_all(
    catalogue: Catalogue, scope: ArchiveScope, *, workers: int | None = None
) -> Iterator[tuple[Place, Proof]]:
    """Yield `Catalogue.prove` for every job of the scope, several at once, in the order of places.

    A folder that cannot be read, or a link in place of one, is a finding, and nothing behind it is
    read. Raises ArchiveError when the archive itself cannot be listed.
    """
    thread_count = workers or min(_MOST_WORKERS, max(_FEWEST_WORKERS, os.cpu_count() or 1))
    with ThreadPoolExecutor(thread_count, thread_name_prefix="verify") as pool:
        waiting: deque[tuple[Place, Future[Proof]]] = deque()
        try:
            for place, is_link in catalogue.walk(
                account=scope.account, owner=scope.owner, after=scope.after
            ):
                # A link is reported in every sample.
                if scope.sample is not None and not is_link and not scope.sample.has(place):
                    continue
                waiting.append(
                    (place, pool.submit(_link_proof if is_link else _prover(catalogue), place))
                )
                # Proofs are yielded in order, so the slowest one limits how many may be ahead.
                if len(waiting) > thread_count * _AHEAD:
                    first, proof = waiting.popleft()
                    yield first, proof.result()
            while waiting:
                first, proof = waiting.popleft()
                yield first, proof.result()
        finally:
            for _, proof in waiting:
                proof.cancel()


def _prover(catalogue: Catalogue) -> Callable[[Place], Proof]:
    def prove(place: Place) -> Proof:
        try:
            return catalogue.prove(place)
        except ArchiveError as error:
            return failed_proof(place, "", Damage.CHANGED, str(error))

    return prove


def _link_proof(place: Place) -> Proof:
    return failed_proof(place, "", Damage.LINK, "a link in place of a folder")
