"""An HTTP proxy that takes every CONNECT, whatever host it names, to one port: a client's
hard-wired hosts lead there.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class Tunnel:
    """A context manager. `hosts` are those that were asked for, in their order."""

    def __init__(self, port: int) -> None:
        self.hosts: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _connection(port, self.hosts))
        self._server.daemon_threads = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _connection(port: int, hosts: list[str]) -> type[BaseHTTPRequestHandler]:
    class Connection(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            hosts.append(self.path)
            with socket.create_connection(("127.0.0.1", port)) as onward:
                self.send_response_only(200)
                self.end_headers()
                back = threading.Thread(target=_pour, args=(onward, self.connection))
                back.start()
                _pour(self.connection, onward)
                back.join()
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
            pass

    return Connection


def _pour(source: socket.socket, into: socket.socket) -> None:
    """All that comes from one, into the other; either may go away at any time."""
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            into.sendall(data)
    with contextlib.suppress(OSError):
        into.shutdown(socket.SHUT_WR)
