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
        _queue_words(queue),
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
            LeaseLine(lease.account, lease.fence, _holder_words(lease), _renewed(lease))
            for lease in queue.leases
        ),
    )


def _queue_words(queue: QueueStatus) -> str:
    words = f"{queue.running:,} running, {queue.waiting:,} waiting"
    # A moment is usual: a worker looks every few seconds.
    if queue.wait_s >= 60:
        words += f"; the oldest has waited for {report.span(int(queue.wait_s))}"
    return words


def _holder_words(lease: LeaseStatus) -> str:
    if not lease.is_held:
        return "free"
    return f"{lease.holder} on {lease.host}, process {lease.pid}"


def _renewed(lease: LeaseStatus) -> str:
    return "" if lease.renewed_s is None else f"{report.span(max(0, int(lease.renewed_s)))} ago"
