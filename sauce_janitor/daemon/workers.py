"""The workers of a shared state, their queue and the leases, as the status page shows them."""

from __future__ import annotations

from collections.abc import Sequence

from sauce_janitor import report
from sauce_janitor.daemon.heartbeat import Heartbeat
from sauce_janitor.state import LeaseStatus, QueueStatus
from sauce_janitor.web.overview import LeaseLine, SharedWork, WorkerLine


def shared_work(queue: QueueStatus, beats: Sequence[Heartbeat]) -> SharedWork:
    """Return what the page shows."""
    return SharedWork(
        queue_words(running=queue.running, waiting=queue.waiting, wait_s=queue.wait_s),
        tuple(
            WorkerLine(
                f"{beat.host}, process {beat.pid}",
                beat.mode.replace("_", " "),
                beat.version,
                ", ".join(beat.works_on) or "nothing",
            )
            for beat in beats
        ),
        tuple(
            LeaseLine(
                lease.account,
                lease.fence,
                lease.holder_words if lease.is_held else "free",
                _renewed(lease),
            )
            for lease in queue.leases
        ),
    )


def queue_words(*, running: int, waiting: int, wait_s: float) -> str:
    """Return the queue in words."""
    words = f"{running:,} running, {waiting:,} waiting"
    # A moment is usual: a worker looks every few seconds.
    if wait_s >= 60:
        words += f"; the oldest has waited for {report.span(int(wait_s))}"
    return words


def _renewed(lease: LeaseStatus) -> str:
    return "" if lease.renewed_s is None else f"{report.span(max(0, int(lease.renewed_s)))} ago"
