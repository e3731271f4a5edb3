"""The sandbox's HTTP/1.1 server: threaded, on loopback only."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from sauce_janitor.sandbox.answers import ServerContext, authenticate, decide_answer, log_entry
from sauce_janitor.sandbox.api.routes import find
from sauce_janitor.sandbox.core.messages import SandboxAnswer, SandboxRequest
from sauce_janitor.sandbox.world.world import World

_CHUNK = 64 * 1024
_IDLE_S = 75
_LONGEST_BODY = 1 << 20
_NO_BODY = frozenset({204, 304})
_LAST_CHUNK = b"0\r\n\r\n"


class Server(ThreadingHTTPServer):
    """A server on loopback that knows its connections, so that it can end them."""

    # A thread that still waits in a fault must not keep the process from ending.
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, context: ServerContext, port: int, tls: ssl.SSLContext | None) -> None:
        self.context, self._tls = context, tls
        self._open: set[socket.socket] = set()
        self._workers: set[threading.Thread] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), ClientConnection)

    @property
    def base_url(self) -> str:
        """Return the address on which it listens."""
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self.server_port}"

    # ThreadingHTTPServer starts threads too, but does not tell which of them are alive; `drain`
    # needs to know.
    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread of its own."""
        worker = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        with self._lock:
            self._open.add(request)
            self._workers.add(worker)
        worker.start()

    def drain(self, within_s: float) -> bool:
        """Wait for all connections to end. Return whether they ended in time."""
        until = time.monotonic() + within_s
        with self._lock:
            workers = tuple(self._workers)
        for worker in workers:
            worker.join(max(0.0, until - time.monotonic()))
        return not any(worker.is_alive() for worker in workers)

    def end(self) -> None:
        """Stop listening, end every connection and wait for its thread."""
        # The order matters: first end the waits of faults such as `stall`, then accept no more
        # connections, then cut those that are open. Otherwise the last join waits as long as the
        # fault does.
        self.context.stopping.set()
        self.shutdown()
        with self._lock:
            connections, workers = tuple(self._open), tuple(self._workers)
        for connection in connections:
            _shut(connection)
        for worker in workers:
            worker.join()
        self.server_close()

    def _serve(self, connection: socket.socket, client_address: Any) -> None:
        served = connection
        try:
            if self._tls is not None:
                # The handshake is made here, in the connection's thread: a client that stalls in it
                # delays nobody else.
                served = self._tls.wrap_socket(connection, server_side=True)
                with self._lock:
                    # Wrapping detaches the plain socket, so `end` can only cut the wrapped one.
                    self._open.add(served)
            self.finish_request(served, client_address)
        # The client has closed the connection, or `end` has.
        except OSError:
            pass
        finally:
            self.shutdown_request(served)
            with self._lock:
                self._open -= {connection, served}
                self._workers.discard(threading.current_thread())


class ClientConnection(BaseHTTPRequestHandler):
    """One connection, kept alive between requests."""

    protocol_version = "HTTP/1.1"
    server_version = "sauce-janitor-sandbox"
    sys_version = ""
    # Without this, small answers wait for the client's delayed acknowledgement.
    disable_nagle_algorithm = True
    # Headers and body leave in one packet where they fit.
    wbufsize = -1
    timeout = _IDLE_S
    server: Server

    def _answer(self) -> None:
        context, at = self.server.context, time.time()
        parts = self.requestline.split(" ")
        # The target is taken from the request line, because http.server has already changed
        # `self.path`: it shortens `//` at the beginning.
        target = parts[1] if len(parts) > 1 else self.path
        body = self._read_body()
        if body is None:
            return
        path, _, query = target.partition("?")
        request = SandboxRequest(
            method=self.command,
            target=target,
            path=path,
            query={
                key: tuple(values)
                for key, values in parse_qs(query, keep_blank_values=True).items()
            },
            headers={key.lower(): value for key, value in self.headers.items()},
            body=body,
            user=authenticate(context.world, self.headers.get("Authorization", "")),
            base_url=self.server.base_url,
        )
        match = find(request.method, request.path)
        active_faults, answer = decide_answer(context, request, match, at)
        # Logged before the client can know the answer, so that a test finds it in the log.
        context.log.add(log_entry(at, request, match, answer, active_faults))
        # Waiting on the event instead of sleeping lets `end` interrupt it.
        if answer.wire.wait_s:
            context.stopping.wait(answer.wire.wait_s)
        if answer.wire.is_dropped:
            self.close_connection = True
        else:
            self._send(request, answer)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = do_OPTIONS = _answer  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
        """Do nothing: the request log has the request."""

    def send_response(self, code: int, message: str | None = None) -> None:
        """Send the status line, as the base class does, but without Server and Date."""
        self.send_response_only(code, message)

    def _read_body(self) -> bytes | None:
        """Return the request's body, or None after refusing one that is too long or unframed."""
        text = self.headers.get("Content-Length", "0")
        # Without a length that can be trusted, the rest of the connection cannot be split into
        # requests, so it is closed. Only updates have a body, and they are small.
        if not text.isdecimal() or int(text) > _LONGEST_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self.send_error(413 if text.isdecimal() else 400)
            return None
        return self.rfile.read(int(text))

    def _send(self, request: SandboxRequest, answer: SandboxAnswer) -> None:
        """Send an answer, completely or as its faults say."""
        wire = answer.wire
        packed, body = _encoded(self.server.context.world, request, answer)
        if wire.keep_encoded is not None:
            # Cut before the framing is chosen: the framing is right, only the gzip stream is
            # incomplete.
            body = body[: int(len(body) * wire.keep_encoded)]
        has_body = answer.status not in _NO_BODY
        framing = wire.framing
        if framing == "auto":
            framing = "chunked" if packed else "length"
        self.send_response_only(answer.status, answer.reason)
        self.send_header("Server", self.server_version)
        self.send_header("Date", formatdate(time.time() + wire.date_shift_s, usegmt=True))
        if has_body:
            self.send_header("Content-Type", answer.content_type)
            if packed:
                self.send_header("Content-Encoding", "gzip")
            if framing == "length":
                self.send_header("Content-Length", str(len(body)))
            elif framing == "chunked":
                self.send_header("Transfer-Encoding", "chunked")
        for key, value in answer.headers.items():
            self.send_header(key, value)
        # In both cases only the end of the connection tells the client that nothing more comes.
        if framing == "close" or wire.keep_framed is not None:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        if has_body and request.method != "HEAD":
            self._send_body(_framed(body) if framing == "chunked" else body, answer)
        self.wfile.flush()

    def _send_body(self, framed: bytes, answer: SandboxAnswer) -> None:
        wire = answer.wire
        if wire.keep_framed is not None:
            framed = framed[: int(len(framed) * wire.keep_framed)]
        # The headers must reach the client first, or the fault would be the same as `delay`.
        if wire.stall_s:
            self.wfile.flush()
            self.server.context.stopping.wait(wire.stall_s)
        if wire.repeat_to is not None:
            # The end mark is sent once, after the last repetition.
            self._repeat(framed.removesuffix(_LAST_CHUNK), wire.repeat_to)
        elif wire.bytes_per_second is not None:
            self._drip(framed, wire.bytes_per_second)
        else:
            self.wfile.write(framed)

    def _drip(self, framed: bytes, bytes_per_second: float) -> None:
        # Many small writes: at the usual rates the client's read timeout does not fire, so only a
        # limit on the whole transfer helps.
        step = max(1, int(bytes_per_second / 10))
        for start in range(0, len(framed), step):
            self.wfile.write(framed[start : start + step])
            self.wfile.flush()
            if self.server.context.stopping.wait(step / bytes_per_second):
                return

    def _repeat(self, chunks: bytes, length: int) -> None:
        sent = 0
        while chunks and sent < length and not self.server.context.stopping.is_set():
            self.wfile.write(chunks)
            sent += len(chunks)
        self.wfile.write(_LAST_CHUNK)


def _encoded(world: World, request: SandboxRequest, answer: SandboxAnswer) -> tuple[bool, bytes]:
    """Return whether the body is compressed, and the body.

    By default it is compressed if the client accepts that; the behaviour may say otherwise.
    """
    switch = world.behaviours.compression
    accepts = "gzip" in request.headers.get("accept-encoding", "")
    wanted = (
        switch == "always"
        or (switch == "accepted" and accepts)
        or answer.wire.keep_encoded is not None
    )
    if not wanted or not answer.compress or not answer.body:
        return False, answer.body
    # No time stamp in the header and always the same level: the same job gives the same bytes.
    return True, gzip.compress(answer.body, 1, mtime=0)


def _framed(body: bytes) -> bytes:
    pieces = (body[start : start + _CHUNK] for start in range(0, len(body), _CHUNK))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + _LAST_CHUNK


def _shut(connection: socket.socket) -> None:
    # The client may have closed it already.
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
