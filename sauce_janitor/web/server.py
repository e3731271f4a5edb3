"""A server that serves one WSGI application from a thread, within limits, until it is stopped.

Slow or silent clients cannot lock others out: when all connections are taken, the oldest one
without a request in progress is closed for the newest.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer

from sauce_janitor.errors import ConfigError
from sauce_janitor.web.access.sent_forms import LARGEST_TEXT_FORM_BYTES

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_BACKLOG: Final = 1024
_ACCEPTED_AT_ONCE: Final = 16
_CLEANED_EVERY_S: Final = 2
_STOP_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """The limits for one client and for all together.

    `request_s` is how long a client may take to send one request, `idle_s` how long a connection
    stays open between two. An answer of up to `buffer_bytes` waits in memory for a client that
    reads slowly; a longer one makes its thread wait. A client for which a thread has waited for
    `read_s` seconds must read `least_rate` bytes a second, or its connection is closed. A request
    of `text_paths` may have a body of `text_bytes`.
    """

    connections: int = 100
    threads: int = 4
    request_s: float = 10.0
    idle_s: int = 30
    header_bytes: int = 16 * 1024
    body_bytes: int = 8 * 1024
    buffer_bytes: int = 4 * 1024 * 1024
    read_s: float = 20.0
    least_rate: int = 32 * 1024
    text_bytes: int = LARGEST_TEXT_FORM_BYTES
    text_paths: frozenset[str] = frozenset()


class RunningServer:
    """A server that runs from its creation until `stop`; also a context manager.

    Raise ConfigError if it cannot listen on the address. `address` is the one that it listens on;
    for port 0 that is a free port.
    """

    def __init__(
        self, app: WSGIApplication, listen: str, limits: ServerLimits = ServerLimits()
    ) -> None:
        # waitress would warn of every burst of requests.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        bound = _bind(listen)
        self.address: Final[tuple[str, int]] = bound.getsockname()[:2]
        self._server = _Server(app, bound, limits)
        self._thread = threading.Thread(target=self._server.run, name="web", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The URL of the server on this machine, without a slash at the end."""
        host, port = self.address
        # Nobody can connect to the address that means "all addresses": name the loopback one.
        if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared here, not bound
            host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104 - compared here
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def stop(self) -> None:
        """Finish requests in progress, close every connection and end the thread.

        A second call does nothing.
        """
        if not self._thread.is_alive():
            return
        self._server.stop(_STOP_S)
        self._thread.join(_STOP_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _bind(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # `[::]` means all addresses, of IPv4 too, where the system can serve both on one socket.
        both = family == socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(
            address[:2], family=family, backlog=_BACKLOG, dualstack_ipv6=both
        )
    except OSError as error:
        # create_server repeats the address in strerror, so the text is made from the number; a name
        # that is not found (gaierror) has no such number.
        is_unknown_name = isinstance(error, socket.gaierror)
        why = error.strerror if is_unknown_name else os.strerror(error.errno or 0)
        raise ConfigError(
            f"cannot listen on {listen}: {why}; free this address, or set another one"
        ) from error


class _Settings(Adjustments):  # type: ignore[misc]  # waitress has no types
    """Settings of waitress, and others for the paths that take a long text."""

    texts: Adjustments
    text_paths: frozenset[str]


class _Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """Reads one request, with the limit of its path for the body."""

    adj: Any

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.path in self.adj.text_paths:
            self.adj = self.adj.texts


class _Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """A connection that knows when its current request began to arrive, and how fast the client
    reads while a thread waits for it.
    """

    parser_class = _Parser
    began_at = 0.0
    sent_bytes = 0
    waited_from: tuple[float, int] | None = None
    """Since when (monotonic seconds) a thread waits, and how much had been sent by then."""

    def received(self, data: bytes) -> bool:
        if self.request is None:
            self.began_at = time.monotonic()
        return bool(super().received(data))

    def send(self, data: bytes, do_close: bool = True) -> int:  # noqa: FBT001, FBT002 - waitress'
        count = int(super().send(data, do_close))
        self.sent_bytes += count
        return count

    @property
    def is_at_work(self) -> bool:
        """Whether a thread works on a request of this connection."""
        return bool(self.requests)

    def is_too_slow(self, request_s: float) -> bool:
        """Return whether a request has been arriving for longer than `request_s`."""
        return (
            self.request is not None
            and not self.requests
            and time.monotonic() - self.began_at > request_s
        )

    def is_read_too_slowly(self, read_s: float, least_rate: int) -> bool:
        """Return whether a thread waits too long for the client. To be called now and then."""
        if not self.is_at_work:
            self.waited_from = None
        # More waits to be sent than the buffer has room for: the thread cannot go on.
        if not self.is_at_work or self.total_outbufs_len <= self.adj.outbuf_high_watermark:
            return False
        now = time.monotonic()
        if self.waited_from is None:
            self.waited_from = now, self.sent_bytes
        since, before = self.waited_from
        return now - since > read_s and self.sent_bytes - before < least_rate * (now - since)


def _settings(bound: socket.socket, limits: ServerLimits, body_bytes: int) -> _Settings:
    return _Settings(
        sockets=[bound],
        threads=limits.threads,
        backlog=_BACKLOG,
        # waitress stops to accept at this number. `_make_room` closes idle connections at half
        # of it, so it is only reached when all of them are at work.
        connection_limit=2 * limits.connections,
        cleanup_interval=_CLEANED_EVERY_S,
        channel_timeout=limits.idle_s,
        max_request_header_size=limits.header_bytes,
        max_request_body_size=body_bytes,
        outbuf_high_watermark=limits.buffer_bytes,
        # Above this waitress would write to a temporary file; the high watermark prevents it.
        outbuf_overflow=2 * limits.buffer_bytes,
        # select() fails above descriptor 1023.
        asyncore_use_poll=True,
        # The guard must see whether a request came through a proxy.
        clear_untrusted_proxy_headers=False,
        log_socket_errors=False,
        ident="sauce-janitor",
    )


class _Server(TcpWSGIServer):  # type: ignore[misc]  # waitress has no types
    """A waitress server that never stops to accept: it closes idle connections instead."""

    channel_class = _Channel

    def __init__(self, app: WSGIApplication, bound: socket.socket, limits: ServerLimits) -> None:
        self._limits = limits
        settings = _settings(bound, limits, limits.body_bytes)
        # One byte more: waitress refuses a body of exactly its limit.
        settings.texts = _settings(bound, limits, limits.text_bytes + 1)
        settings.text_paths = limits.text_paths
        family, kind, protocol = bound.family, bound.type, bound.proto
        super().__init__(
            app,
            _sock=bound,
            adj=settings,
            bind_socket=False,
            sockinfo=(family, kind, protocol, bound.getsockname()),
        )

    def handle_accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            before = len(self.active_channels)
            super().handle_accept()
            if len(self.active_channels) == before:
                return
            self._make_room()

    def _make_room(self) -> None:
        """Close the oldest idle connections above the limit, but never the newest one."""
        channels: dict[int, Any] = self.active_channels
        *others, _newest = channels.values()
        idle = sorted(
            (each for each in others if not each.is_at_work), key=lambda each: each.creation_time
        )
        for channel in idle[: max(0, len(channels) - self._limits.connections)]:
            channel.handle_close()

    def maintenance(self, now: float) -> None:
        super().maintenance(now)
        for channel in self.active_channels.values():
            if channel.is_too_slow(self._limits.request_s):
                channel.will_close = True
        limits = self._limits
        # A closed one leaves the map.
        for channel in list(self.active_channels.values()):
            if channel.is_read_too_slowly(limits.read_s, limits.least_rate):
                channel.handle_close()

    def stop(self, within_s: float) -> None:
        """End the workers, then the loop. Called from another thread than that of the loop.

        The workers end first: one that wakes the loop must find it running.
        """
        self.task_dispatcher.shutdown(cancel_pending=True, timeout=within_s)
        # A worker still waits for its client: the process ends with this thread in place.
        if self.task_dispatcher.threads:
            return
        written = threading.Lock()

        def close() -> None:
            # The loop may run this before `pull_trigger` has returned: it must not close the pipe
            # while the other thread still writes to it.
            with written:
                wasyncore.close_all(self._map)

        with written:
            self.trigger.pull_trigger(close)
