"""A small real HTTP server on loopback that answers exactly what a test says, also what no sane
server would.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

Writer = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the server saw it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: `raw` are all its bytes; `then` "stall" says nothing more, "drip" a byte now and
    then, else it closes.
    """

    raw: bytes
    then: str = "close"


def reply(
    body: bytes = b"",
    status: int = 200,
    headers: dict[str, str] | None = None,
    *,
    length: int | None = None,
    then: str = "close",
) -> Reply:
    """A framed answer, unless `length` lies: -1 leaves Content-Length out."""
    lines = [f"HTTP/1.1 {status} Whatever", "Connection: close"]
    if length != -1:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return Reply("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body, then)


def json_reply(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """A JSON answer."""
    return reply(
        json.dumps(value).encode(), status, {"Content-Type": "application/json", **(headers or {})}
    )


def gzip_reply(body: bytes, headers: dict[str, str] | None = None) -> Reply:
    """An answer whose body is compressed."""
    return reply(gzip.compress(body), headers={"Content-Encoding": "gzip", **(headers or {})})


def chunked(
    *chunks: bytes, end: bytes = b"0\r\n\r\n", headers: dict[str, str] | None = None
) -> Reply:
    """A chunked answer; another `end` breaks it."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end
    return reply(body, headers={"Transfer-Encoding": "chunked", **(headers or {})}, length=-1)


@dataclass
class Vendor:
    """The server. `on(target, *replies)` says what to answer in turn (the last forever); anything
    else is 404.
    """

    seen: list[Seen] = field(default_factory=list)
    _script: dict[str, list[Reply]] = field(default_factory=dict)
    _closing: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer = vendor._next(Seen(self.command, self.path, dict(self.headers), body))
                self.close_connection = True
                try:
                    self.wfile.write(answer.raw)
                    self.wfile.flush()
                    vendor._afterwards(answer.then, self.wfile.write)
                except OSError:  # the client has had enough
                    pass

            def __getattr__(self, name: str) -> Callable[[], None]:
                if name.startswith("do_"):  # whatever the method is
                    return self.handle_any
                raise AttributeError(name)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's signature
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def on(self, target: str, *replies: Reply | Callable[[], Reply]) -> None:
        """Answer requests for this target (path, with or without its query) so.

        A reply of millions of bytes is given as a function: a parameter of a test is made in each
        test process, whether the test runs there or not.
        """
        self._script[target] = [each if isinstance(each, Reply) else each() for each in replies]

    def _next(self, request: Seen) -> Reply:
        with self._lock:
            self.seen.append(request)
            script = self._script.get(request.target) or self._script.get(
                request.target.partition("?")[0]
            )
            if not script:
                return json_reply({"errors": "Not Found"}, 404)
            return script.pop(0) if len(script) > 1 else script[0]

    def _afterwards(self, then: str, write: Writer) -> None:
        if then == "stall":
            self._closing.wait()
        while then == "drip" and not self._closing.wait(0.02):
            write(b"x")
