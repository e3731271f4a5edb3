"""A proxy before a real S3 server that answers some requests itself, loses answers or cuts them."""

from __future__ import annotations

import http.client
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from sauce_janitor.model.archive.locations import S3Location
from tests.support.seaweedfs import BUCKET, KEY, SECRET, Seaweedfs

SLOW_DOWN = (503, "SlowDown", "Please reduce your request rate.")
EXPIRED = (400, "ExpiredToken", "The provided token has expired.")
DENIED = (403, "AccessDenied", "Access Denied")
ENCRYPT = (400, "InvalidRequest", "This bucket requires aws:kms encryption.")


@dataclass
class Fault:
    """What happens to the first `times` requests whose method and path `strikes` accepts.

    `answer` is given instead of the server's. Otherwise the request is carried out; with `loses` its
    answer is lost, with `cuts` its body ends early, and with `delay_s` it is late.
    """

    strikes: Callable[[str, str], bool]
    answer: tuple[int, str, str] | None = None
    loses: bool = False
    cuts: bool = False
    delay_s: float = 0.0
    times: int = 1_000_000
    struck: list[str] = field(default_factory=list)


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    port: ClassVar[int]
    faults: ClassVar[list[Fault]]
    lock: ClassVar[threading.Lock]

    def _fault(self) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if len(fault.struck) < fault.times and fault.strikes(self.command, self.path):
                    fault.struck.append(f"{self.command} {self.path}")
                    return fault
        return None

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = self._fault()
        if fault is not None:
            time.sleep(fault.delay_s)
        if fault is not None and fault.answer is not None:
            status, code, message = fault.answer
            text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
            self._send(status, {"content-type": "application/xml"}, text)
            return
        server = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            # With the header Host as it came: the client's signature is about it.
            server.request(self.command, self.path, body, dict(self.headers.items()))
            answer = server.getresponse()
            data = answer.read()
        finally:
            server.close()
        if fault is not None and fault.loses:
            self.close_connection = True
            return
        headers = {
            name: value
            for name, value in answer.getheaders()
            if name.lower() not in {"transfer-encoding", "connection", "content-length", "date"}
        }
        if self.command == "HEAD":
            headers["content-length"] = answer.getheader("content-length") or "0"
        self._send(answer.status, headers, data, cuts=fault is not None and fault.cuts)

    def _send(
        self, status: int, headers: dict[str, str], body: bytes, *, cuts: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "content-length" not in headers:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cuts else body)
        if cuts:
            self.close_connection = True

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _handle  # noqa: N815 - the base class's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


class _ProxyServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        # A client that is killed resets its connections.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as it comes


@contextmanager
def faulty(server: Seaweedfs, prefix: str, *faults: Fault) -> Iterator[S3Location]:
    """A place in the server's bucket that is reached through the faults."""
    handler = type(
        "Proxy",
        (_Proxy,),
        {"port": server.port, "faults": list(faults), "lock": threading.Lock()},
    )
    proxy = _ProxyServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        endpoint = f"http://127.0.0.1:{proxy.server_address[1]}"
        yield S3Location(BUCKET, prefix, endpoint, credentials=lambda: (KEY, SECRET))
    finally:
        with suppress(OSError):
            proxy.shutdown()
        proxy.server_close()
        thread.join()
