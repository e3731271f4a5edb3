"""Watches one exchange with Sauce Labs: how long and how large its answer may be."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from typing import Final

from sauce_janitor.errors import AnswerError, OversizedAnswerError, StoppedError

_MAX_HEADER_BYTES: Final = 64 * 1024
READ_BYTES: Final = 64 * 1024
# How often the wait for a silent socket ends, to see whether the run was asked to stop.
_GLANCE_S: Final = 0.25


class InterruptedAnswerError(AnswerError):
    """An answer that did not come complete in its time: another try may succeed."""


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """What one answer may cost, in seconds and bytes.

    `min_rate` is bytes a second, averaged over `idle_s` spent waiting.
    """

    idle_s: float
    total_s: float
    max_bytes: int
    min_rate: float = 0.0
    stop_grace_s: float = 0.0


class ExchangeWatch:
    """Watches one exchange: its deadline, the silence between bytes, its size, and the wish to
    stop.
    """

    def __init__(self, host: str, limits: AnswerLimits, stop: threading.Event | None) -> None:
        self._host = host
        self._limits = limits
        self._stop = stop
        self._stop_seen: float | None = None
        self._deadline = time.monotonic() + limits.total_s
        self._in_header = True
        self._received = 0
        self._window_s = 0.0
        self._window_bytes = 0

    def header_ended(self) -> None:
        """Count the bytes from here on as the body's.

        What was read ahead with the header counts for neither.
        """
        self._in_header = False
        self._received = 0

    def receive(self, sock: socket.socket, buffer: memoryview) -> int:
        """Do as `sock.recv_into`, within every limit.

        Raises SourceError, StoppedError, and the network's OSError.
        """
        began = time.monotonic()
        while True:
            sock.settimeout(self._patience(began))
            try:
                count = sock.recv_into(buffer)
            # Only this short wait has ended: look again at the stop and the deadline.
            except TimeoutError:
                continue
            self._count(count, time.monotonic() - began)
            return count

    def _patience(self, began: float) -> float:
        now = time.monotonic()
        self._obey_stop(now)
        if now >= self._deadline:
            raise InterruptedAnswerError(
                f"{self._host} did not finish its answer within {self._limits.total_s:g} s"
            )
        silence_left = began + self._limits.idle_s - now
        if silence_left <= 0:
            raise InterruptedAnswerError(f"{self._host} sent nothing for {self._limits.idle_s:g} s")
        return max(0.001, min(_GLANCE_S, silence_left, self._deadline - now))

    def _obey_stop(self, now: float) -> None:
        if self._stop is None or not self._stop.is_set():
            return
        self._stop_seen = self._stop_seen or now
        # A write that has left gets some seconds for its answer.
        if now - self._stop_seen >= self._limits.stop_grace_s:
            raise StoppedError(f"asked to stop while waiting for {self._host}")

    def _count(self, count: int, waited_s: float) -> None:
        self._received += count
        if self._in_header:
            # The last read may have taken a part of the body.
            if self._received > _MAX_HEADER_BYTES + READ_BYTES:
                raise AnswerError(
                    f"{self._host} sent a header of more than {_MAX_HEADER_BYTES // 1024} KiB"
                )
            return
        if self._received > self._limits.max_bytes:
            raise OversizedAnswerError(
                f"{self._host} sent more than {self._limits.max_bytes:,} bytes in one answer"
            )
        self._window_s += waited_s
        self._window_bytes += count
        if self._window_s >= self._limits.idle_s:
            if self._window_bytes < self._limits.min_rate * self._window_s:
                raise InterruptedAnswerError(
                    f"{self._host} sends too slowly: {self._window_bytes} bytes in "
                    f"{self._window_s:.1f} s"
                )
            self._window_s, self._window_bytes = 0.0, 0
