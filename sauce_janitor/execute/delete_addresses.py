"""The two addresses that may delete a job: which one Sauce Labs serves for this account, and the
message where it serves none.

Sauce Labs documents `DELETE /rest/v1.1/jobs/{id}`. Its Java client and two changes of its
documentation say that this address does not work and use `DELETE /rest/v1/{user}/jobs/{id}`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from sauce_janitor.model.jobs import JobId
from sauce_janitor.model.permits import DELETE_ADDRESSES, DeleteAddress

UNSERVED: Final = frozenset({404, 405, 410})
"""The answers of an address that does not exist, though the job does."""
WITNESSES: Final = 2
"""The run ends after this many jobs that no address deletes. One alone may be an exception and must
not end the run for all others.
"""

_LINES: Final[dict[DeleteAddress, str]] = {
    "v1": "DELETE /rest/v1/USER/jobs/ID",
    "v1.1": "DELETE /rest/v1.1/jobs/ID",
}


class DeleteAddresses:
    """Chooses the address that deletes the next job. The threads of a run share one.

    `tries` are the addresses that may be used, the preferred one first. `keep` is called once for
    each address that has certainly deleted a job; it may raise StateError.
    """

    def __init__(
        self,
        tries: Sequence[DeleteAddress] = DELETE_ADDRESSES,
        keep: Callable[[DeleteAddress], None] = lambda _: None,
    ) -> None:
        self._tries = tuple(tries)
        self._keep = keep
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._served: DeleteAddress | None = None
        self._kept: set[DeleteAddress] = set()
        self._refusals: dict[JobId, dict[DeleteAddress, int]] = {}

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Until an address is known to work, let one thread at a time inside: otherwise each would
        try both.
        """
        # The address is known, so deletes go out side by side.
        if self._served is not None:
            yield
            return
        with self._turn:
            yield

    def of(self, job_id: JobId) -> DeleteAddress:
        """Return the address for the next delete of this job."""
        with self._lock:
            if self._served is not None:
                return self._served
            refused: Counter[DeleteAddress] = Counter()
            for addresses in self._refusals.values():
                refused.update(addresses.keys())
            own = self._refusals.get(job_id, {})
            # The one that has not refused this job, then the one that has refused fewer jobs.
            return min(self._tries, key=lambda address: (address in own, refused[address]))

    def accepted(self, address: DeleteAddress) -> None:
        """Record an answer of 2xx: the address works, so all further deletes of the run go
        there.
        """
        with self._lock:
            # The first answer wins: a second address that works, too, would change nothing.
            self._served = self._served or address

    def worked(self, address: DeleteAddress) -> None:
        """Record that a job deleted at this address is certainly gone."""
        with self._lock:
            # Kept once a run: writing it for each of a million deletes would be slow.
            if address in self._kept:
                return
            self._kept.add(address)
        self._keep(address)

    def refused(self, job_id: JobId, address: DeleteAddress, status: int) -> bool:
        """Record an answer in `UNSERVED` about a job that is still there. Return whether another
        address should be tried for it.
        """
        with self._lock:
            # The address works for other jobs, so the problem is this job's.
            if self._served is not None:
                return False
            own = self._refusals.setdefault(job_id, {})
            own[address] = status
            return len(own) < len(self._tries)

    def tried(self, job_id: JobId) -> str:
        """Return in words what each address answered about the job; empty where one address
        works.
        """
        with self._lock:
            own = self._refusals.get(job_id, {})
            if self._served is not None or len(own) < len(self._tries):
                return ""
        return " and ".join(
            f"{_LINES[address]} answered {status}" for address, status in own.items()
        )

    @property
    def failure(self) -> str | None:
        """One sentence where Sauce Labs deletes no job at any of the addresses; None while that is
        not known.
        """
        with self._lock:
            whole = [
                job_id for job_id, own in self._refusals.items() if len(own) == len(self._tries)
            ]
            # One job alone may be an exception, and the run must not end for all others.
            if self._served is not None or len(whole) < WITNESSES:
                return None
        # The remedy depends on whether the configuration allows both addresses.
        if len(self._tries) > 1:
            remedy = (
                "both addresses of delete_job_path: auto were tried, so ask Sauce Labs which one"
                " this account has, or take delete_job out of the policies until it is served"
            )
        else:
            remedy = f"delete_job_path: {self._tries[0]} allows no other address: set it to auto"
        return (
            f"Sauce Labs deletes no job here: {self.tried(whole[-1])}, and the jobs are still"
            f" there; {remedy}"
        )
