"""The edge of the socket: checks what is sent, and watches what is read.

urllib3's connections ask here before a request line is written, and read through here.
"""

from __future__ import annotations

import http.client
import io
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import HTTPResponse

from sauce_janitor.errors import PermitError
from sauce_janitor.sauce.http.exchange_watch import READ_BYTES, ExchangeWatch

# A write that no host has acknowledged by then is given up.
_UNACKNOWLEDGED_MS: Final = 10_000
_CONNECTIONS: Final = 16
_IDLE_CONNECTIONS: Final = 8

_Response = TypeVar("_Response", HTTPResponse, http.client.HTTPResponse)

# urllib3 logs request targets, and a redirect's target may be a signed URL: a bearer secret.
logging.getLogger("urllib3").setLevel(logging.ERROR)

Guard: TypeAlias = Callable[[str, str, object], None]
"""Checks each request (method, target, body) last, when the connection is open.

It raises PermitError to stop the request.
"""


def reads_only(method: str, target: str, body: object) -> None:
    """Let only GET and HEAD without a body pass: the guard of everything but the gate."""
    # A GET with a body could change something at a careless server.
    if method not in {"GET", "HEAD"} or body is not None:
        raise PermitError(f"a reading connection was asked to send {method} {target:.120}")


class PoolGuard:
    """The guard of a pool of connections, and each thread's watch of its exchange.

    `last_look` is for connections that write: it is called directly before each write of a
    request's header or body to the socket, and raises PermitError for what must not leave any more.
    """

    def __init__(self, guard: Guard, last_look: Callable[[], None] | None = None) -> None:
        self.guard = guard
        self.last_look = last_look
        self._here = threading.local()

    def set_watch(self, watch: ExchangeWatch) -> None:
        """Watch the next exchange of this thread by `watch`."""
        self._here.watch = watch

    def watch(self) -> ExchangeWatch:
        """Return this thread's watch. Nothing is ever read without one."""
        watch: ExchangeWatch = self._here.watch
        return watch


class _WatchedFile(io.RawIOBase):
    """The raw stream of one answer. It keeps the socket open until it is closed itself.

    `socket.makefile` does the same.
    """

    def __init__(self, sock: socket.socket, watch: ExchangeWatch) -> None:
        super().__init__()
        self._sock = sock
        self._keeper = sock.makefile("rb", buffering=0)
        self._watch = watch

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._watch.receive(self._sock, buffer)

    def close(self) -> None:
        if not self.closed:
            self._keeper.close()
        super().close()


class _WatchedSocket:
    """The part of a socket that `http.client.HTTPResponse` uses."""

    def __init__(self, sock: socket.socket, watch: ExchangeWatch) -> None:
        self._sock = sock
        self._watch = watch

    def makefile(self, mode: str) -> io.BufferedReader:
        assert mode == "rb"
        return io.BufferedReader(_WatchedFile(self._sock, self._watch), READ_BYTES)


class _WatchedResponse(http.client.HTTPResponse):
    def __init__(
        self, sock: socket.socket, *args: Any, watch: ExchangeWatch, **options: Any
    ) -> None:
        self._watch = watch
        super().__init__(_WatchedSocket(sock, watch), *args, **options)  # type: ignore[arg-type]  # makefile is all it uses

    def begin(self) -> None:
        super().begin()
        self._watch.header_ended()


class GuardedConnection(HTTPConnection):
    """A connection that asks the guard before a request line is written, and reads under the
    watch.
    """

    edge: PoolGuard
    _body: object = None

    def request(self, method: str, url: str, body: Any = None, *args: Any, **options: Any) -> None:
        self._body = body
        try:
            super().request(method, url, body, *args, **options)
        finally:
            self._body = None

    def putrequest(
        self,
        method: str,
        url: str,
        skip_host: bool = False,  # noqa: FBT001, FBT002 - the library's signature
        skip_accept_encoding: bool = False,  # noqa: FBT001, FBT002 - the library's signature
    ) -> None:
        # Connect before the guard, so that nothing but the sending itself comes after it.
        if self.sock is None:
            self.connect()
        self.edge.guard(method, url, self._body)
        super().putrequest(method, url, skip_host, skip_accept_encoding)

    def send(self, data: Any) -> None:
        # Nothing but the system call itself comes after this check.
        if self.edge.last_look is not None:
            self.edge.last_look()
        super().send(data)

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        # A kernel repeats for a quarter of an hour what a broken network loses, even after the
        # program has closed the connection: a delete would arrive long after the last check.
        # Source: tcp(7), TCP_USER_TIMEOUT.
        if self.edge.last_look is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
        return sock

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # urllib3's own override
        return self._watched(super().getresponse)

    def plain_response(self) -> http.client.HTTPResponse:
        """Return the answer without urllib3's additions: nothing decoded, no header joined."""
        return self._watched(lambda: http.client.HTTPConnection.getresponse(self))

    def _watched(self, get: Callable[[], _Response]) -> _Response:
        begun: list[_WatchedResponse] = []

        def begin(sock: socket.socket, *args: Any, **options: Any) -> _WatchedResponse:
            begun.append(_WatchedResponse(sock, *args, watch=self.edge.watch(), **options))
            return begun[0]

        self.response_class = begin  # type: ignore[assignment]  # called like the class
        try:
            return get()
        # Whatever happened, close the answer: urllib3 forgets it when it cannot parse the headers.
        # The error is raised again.
        except BaseException:
            for response in begun:
                response.close()
            raise


class _GuardedTlsConnection(GuardedConnection, HTTPSConnection):
    pass


class GuardedAdapter(HTTPAdapter):
    """A requests adapter whose connections, by proxy or not, all pass the guard. It retries
    nothing.
    """

    def __init__(self, edge: PoolGuard) -> None:
        plain = type("PlainConnection", (GuardedConnection,), {"edge": edge})
        tls = type("TlsConnection", (_GuardedTlsConnection,), {"edge": edge})
        self._pools = {
            "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
        }
        super().__init__(
            pool_connections=_CONNECTIONS, pool_maxsize=_IDLE_CONNECTIONS, max_retries=0
        )

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager
