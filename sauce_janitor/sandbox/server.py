"""The sandbox itself: a threaded HTTP/1.1 server on loopback that answers for a world."""

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
    """What every connection needs."""

    world: World
    faults: ArmedFaults
    throttle: Throttle
    log: RequestLog
    stopping: threading.Event


class Server(ThreadingHTTPServer):
    """Knows its connections, so that it can end them; binds to loopback only."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, site: ServerContext, port: int, tls: ssl.SSLContext | None) -> None:
        self.site, self._tls = site, tls
        self._open: set[socket.socket] = set()
        self._workers: set[threading.Thread] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), ClientConnection)

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread of its own."""
        worker = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        with self._lock:
            self._open.add(request)
            self._workers.add(worker)
        worker.start()

    def drain(self, within_s: float) -> bool:
        """Wait until every connection has ended; whether they have, in the time given."""
        until = time.monotonic() + within_s
        with self._lock:
            workers = tuple(self._workers)
        for worker in workers:
            worker.join(max(0.0, until - time.monotonic()))
        return not any(worker.is_alive() for worker in workers)

    def end(self) -> None:
        """Stop listening, end every connection and wait for its thread."""
        self.site.stopping.set()
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
        except OSError:  # the client went away, or was ended by `end`
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
        site, at = self.server.site, time.time()
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
            user=_user(site.world, self.headers.get("Authorization", "")),
            base_url=self.server.base_url,
        )
        match = find(request.method, request.path)
        struck, answer = _judge(site, request, match, at)
        # Logged before the client can know the answer, so that a test finds it in the log.
        site.log.add(_entry(at, request, match, answer, struck))
        if answer.wire.wait_s:
            site.stopping.wait(answer.wire.wait_s)
        if answer.wire.is_dropped:
            self.close_connection = True
        else:
            self._send(request, answer)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = do_OPTIONS = _answer  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
        """Nothing: the request log has it."""

    def send_response(self, code: int, message: str | None = None) -> None:
        """As the base class, but the caller sends Server and Date."""
        self.send_response_only(code, message)

    def _read_body(self) -> bytes | None:
        """The request's body; None when it cannot be read and the connection was refused."""
        text = self.headers.get("Content-Length", "0")
        if not text.isdecimal() or int(text) > _LONGEST_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self.send_error(413 if text.isdecimal() else 400)
            return None
        return self.rfile.read(int(text))

    def _send(self, request: SandboxRequest, answer: SandboxAnswer) -> None:
        """Put an answer on the wire, whole or as its faults want it."""
        wire = answer.wire
        packed, body = _encoded(self.server.site.world, request, answer)
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
            self.server.site.stopping.wait(wire.stall_s)
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
            if self.server.site.stopping.wait(step / bytes_per_second):
                return

    def _repeat(self, chunks: bytes, length: int) -> None:
        sent = 0
        while chunks and sent < length and not self.server.site.stopping.is_set():
            self.wfile.write(chunks)
            sent += len(chunks)
        self.wfile.write(_LAST_CHUNK)


def _judge(
    site: ServerContext, request: SandboxRequest, match: RouteMatch, at: float
) -> tuple[tuple[Fault, ...], SandboxAnswer]:
    """What to answer: the limit first, then the faults, then the API."""
    endpoint = match.endpoint.name if match.endpoint is not None else "unknown"
    budget = (
        site.throttle.ask(request.user.name, endpoint, time.monotonic())
        if request.user is not None
        else None
    )
    if budget is not None and budget.wait_s > 0:
        return (), site.throttle.refusal(budget, at)
    struck = site.faults.striking(request, endpoint, match.parts.get("job", ""))
    answer = answer_with(
        struck, site.world, request, lambda asked: handle(site.world, asked, match)
    )
    if budget is not None:
        answer = replace(answer, headers={**answer.headers, **site.throttle.headers(budget, at)})
    return struck, answer


def _entry(
    at: float,
    request: SandboxRequest,
    match: RouteMatch,
    answer: SandboxAnswer,
    struck: tuple[Fault, ...],
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
        faults=tuple(fault.name for fault in struck),
    )


def _user(world: World, header: str) -> Person | None:
    """Who the Basic credentials belong to; None for none, wrong or unreadable ones."""
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
    """(compressed here, body): by what the client accepts, unless the behaviour says otherwise."""
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
    with contextlib.suppress(OSError):  # it was gone already
        connection.shutdown(socket.SHUT_RDWR)
