"""The sandbox's HTTP/1.1 server: threaded, on loopback only."""

from __future__ import annotations

import base64
import binascii
import contextlib
import gzip
import hmac
import re
import socket
import ssl
import threading
import time
from dataclasses import dataclass, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from sauce_janitor.sandbox.api.routes import RouteMatch, find, handle
from sauce_janitor.sandbox.core.messages import Effect, SandboxAnswer, SandboxRequest
from sauce_janitor.sandbox.core.people import Person
from sauce_janitor.sandbox.core.request_log import LoggedRequest, RequestLog
from sauce_janitor.sandbox.faults.faults import ArmedFaults, Fault, answer_with
from sauce_janitor.sandbox.throttle import Throttle
from sauce_janitor.sandbox.world.world import World

_CHUNK = 64 * 1024
_IDLE_S = 75
_LONGEST_BODY = 1 << 20
_NO_BODY = frozenset({204, 304})
_LAST_CHUNK = b"0\r\n\r\n"
_TOKEN = re.compile(r"(auth=)[^&]+")


@dataclass(frozen=True, slots=True)
class ServerContext:
    """What all connections share."""

    world: World
    faults: ArmedFaults
    throttle: Throttle
    log: RequestLog
    stopping: threading.Event


class Server(ThreadingHTTPServer):
    """A server on loopback that knows its connections, so that it can end them."""

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
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.server_port}"

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
                served = self._tls.wrap_socket(connection, server_side=True)
                with self._lock:
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
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = _IDLE_S
    server: Server

    def _answer(self) -> None:
        context, at = self.server.context, time.time()
        parts = self.requestline.split(" ")
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
            user=_authenticate(context.world, self.headers.get("Authorization", "")),
            base_url=self.server.base_url,
        )
        match = find(request.method, request.path)
        active_faults, answer = _decide_answer(context, request, match, at)
        # Logged before the client can know the answer, so that a test finds it in the log.
        context.log.add(_log_entry(at, request, match, answer, active_faults))
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
            body = body[: int(len(body) * wire.keep_encoded)]
        has_body = answer.status not in _NO_BODY
        framing = wire.framing if wire.framing != "auto" else "chunked" if packed else "length"
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
        if wire.stall_s:
            self.wfile.flush()
            self.server.context.stopping.wait(wire.stall_s)
        if wire.repeat_to is not None:
            self._repeat(framed.removesuffix(_LAST_CHUNK), wire.repeat_to)
        elif wire.bytes_per_second is not None:
            self._drip(framed, wire.bytes_per_second)
        else:
            self.wfile.write(framed)

    def _drip(self, framed: bytes, bytes_per_second: float) -> None:
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


def _decide_answer(
    context: ServerContext, request: SandboxRequest, match: RouteMatch, at: float
) -> tuple[tuple[Fault, ...], SandboxAnswer]:
    """Return the faults that affect the request, and the answer.

    The rate limit comes first, then the faults, then the API.
    """
    endpoint = match.endpoint.name if match.endpoint is not None else "unknown"
    budget = (
        context.throttle.ask(request.user.name, endpoint, time.monotonic())
        if request.user is not None
        else None
    )
    if budget is not None and budget.wait_s > 0:
        return (), context.throttle.refusal(budget, at)
    active_faults = context.faults.striking(request, endpoint, match.parts.get("job", ""))
    answer = answer_with(
        active_faults, context.world, request, lambda asked: handle(context.world, asked, match)
    )
    if budget is not None:
        answer = replace(answer, headers={**answer.headers, **context.throttle.headers(budget, at)})
    return active_faults, answer


def _log_entry(
    at: float,
    request: SandboxRequest,
    match: RouteMatch,
    answer: SandboxAnswer,
    active_faults: tuple[Fault, ...],
) -> LoggedRequest:
    effect: Effect = answer.effect
    return LoggedRequest(
        at=at,
        method=request.method,
        path=_TOKEN.sub(r"\1…", request.target),
        endpoint=match.endpoint.name if match.endpoint is not None else None,
        user=request.user.name if request.user is not None else None,
        has_credentials="authorization" in request.headers,
        status=None if answer.wire.is_dropped else answer.status,
        size=len(answer.body),
        job_id=match.parts.get("job", effect.job_id),
        jobs_deleted=effect.jobs_deleted,
        stopped=effect.stopped,
        updated=effect.updated,
        destroyed=effect.assets,
        faults=tuple(fault.name for fault in active_faults),
    )


def _authenticate(world: World, header: str) -> Person | None:
    """Return the person whose Basic credentials these are; None for missing or wrong ones."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, key = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    person = world.organisation.named(name)
    if person is None or not hmac.compare_digest(person.access_key.encode(), key.encode()):
        return None
    return person


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
    return True, gzip.compress(answer.body, 1, mtime=0)


def _framed(body: bytes) -> bytes:
    pieces = (body[start : start + _CHUNK] for start in range(0, len(body), _CHUNK))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + _LAST_CHUNK


def _shut(connection: socket.socket) -> None:
    # The client may have closed it already.
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
