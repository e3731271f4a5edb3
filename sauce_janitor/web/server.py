"""Serves one WSGI application from a thread, within limits, until it is stopped.

However many clients are slow or say nothing, whoever asks whole questions is answered: when all
places are taken, the oldest connection that has no request at work gives way to the newest.
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
from waitress.server import TcpWSGIServer

from sauce_janitor.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_BACKLOG: Final = 1024
_ACCEPTED_AT_ONCE: Final = 16
_CLEANED_EVERY_S: Final = 2
_STOP_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What one client, and all together, may take.

    `request_s`: how long the sending of one request may take; `idle_s`: how long a connection is
    kept between two; an answer of up to `buffer_bytes` is kept in memory for a client that reads
    slowly, what is more makes its thread wait.
    """

    connections: int = 100
    threads: int = 4
    request_s: float = 10.0
    idle_s: int = 30
    header_bytes: int = 16 * 1024
    body_bytes: int = 1024
    buffer_bytes: int = 4 * 1024 * 1024


class RunningServer:
    """A server at work, from when it is made until `stop`, which may be called twice. A context
    manager.

    ConfigError, in one sentence, when the address cannot be had. `address` is what it listens on:
    the port is a free one where port 0 was asked for.
    """

    def __init__(
        self, app: WSGIApplication, listen: str, limits: ServerLimits = ServerLimits()
    ) -> None:
        logging.getLogger("waitress.queue").setLevel(
            logging.ERROR
        )  # it would tell of every burst of requests
        bound = _bind(listen)
        self.address: Final[tuple[str, int]] = bound.getsockname()[:2]
        self._server = _Server(app, bound, limits)
        self._thread = threading.Thread(target=self._server.run, name="web", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where this machine reaches it, without a slash at the end."""
        host, port = self.address
        if host in {"0.0.0.0", "::"}:  # noqa: S104 - what was bound, not what is
            host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104 - the same
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def stop(self) -> None:
        """Answer what is at work, close every connection, end the thread."""
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
        both = family == socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(
            address[:2], family=family, backlog=_BACKLOG, dualstack_ipv6=both
        )
    except OSError as wrong:
        # create_server puts an address of its own into strerror; a name that is not found has no
        # such number
        why = (
            wrong.strerror if isinstance(wrong, socket.gaierror) else os.strerror(wrong.errno or 0)
        )
        raise ConfigError(
            f"cannot listen on {listen}: {why}; free it, or listen on another one"
        ) from wrong


class _Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """A connection that knows since when the request under way has been coming in."""

    began_at = 0.0

    def received(self, data: bytes) -> bool:
        if self.request is None:
            self.began_at = time.monotonic()
        return bool(super().received(data))

    @property
    def is_at_work(self) -> bool:
        """Whether a thread has a request of it."""
        return bool(self.requests)

    def is_too_slow(self, request_s: float) -> bool:
        """Whether a request has been coming in for too long."""
        return (
            self.request is not None
            and not self.requests
            and time.monotonic() - self.began_at > request_s
        )


class _Server(TcpWSGIServer):  # type: ignore[misc]  # waitress has no types
    """waitress, but that it never stops accepting: places are taken from those who keep them for
    nothing.
    """

    channel_class = _Channel

    def __init__(self, app: WSGIApplication, bound: socket.socket, limits: ServerLimits) -> None:
        self._limits = limits
        settings = Adjustments(
            sockets=[bound],
            threads=limits.threads,
            backlog=_BACKLOG,
            connection_limit=2
            * limits.connections,  # when all of them are at work; idle ones give way before
            cleanup_interval=_CLEANED_EVERY_S,
            channel_timeout=limits.idle_s,
            max_request_header_size=limits.header_bytes,
            max_request_body_size=limits.body_bytes,
            outbuf_high_watermark=limits.buffer_bytes,
            outbuf_overflow=2 * limits.buffer_bytes,  # nothing is ever written to a temporary file
            asyncore_use_poll=True,  # select() ends at descriptor 1023
            # the guard asks whether a proxy speaks for someone
            clear_untrusted_proxy_headers=False,
            log_socket_errors=False,
            ident="sauce-janitor",
        )
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

    def stop(self, within_s: float) -> None:
        """From another thread: end the workers first, for one of them that wakes the loop must find
        it awake.
        """
        self.task_dispatcher.shutdown(cancel_pending=True, timeout=within_s)
        if self.task_dispatcher.threads:
            return
        written = threading.Lock()

        def close() -> None:
            with (
                written
            ):  # the loop may be awake already: the pipe is not closed under who still writes to it
                wasyncore.close_all(self._map)

        with written:
            self.trigger.pull_trigger(close)
