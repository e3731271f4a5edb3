"""Files come the short way: over connections that are kept, verified and guarded like every
other.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest
from pydantic import SecretStr

from sauce_janitor.errors import AnswerError, SourceError
from sauce_janitor.model.jobs import JobId, Owner
from sauce_janitor.sauce.client import SauceReader
from sauce_janitor.sauce.http.connection import Connection
from sauce_janitor.sauce.http.lanes import is_sent_as_it_is

ME, JOB = Owner("jsmith"), JobId("cd" * 16)
BODY = b"0123456789" * 50_000
TLS = Path(__file__).parents[2] / "data" / "tls"


@dataclass
class KeepingServer:
    """Serves one body under any name but `missing`, keeps connections open, and counts them."""

    certificate: bool = False
    connections: int = 0
    targets: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        counted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                counted.connections += 1
                super().setup()

            def do_GET(self) -> None:
                counted.targets.append(self.path)
                found = not self.path.endswith("missing")
                data = BODY if found else b'{"errors": "Not Found"}'
                self.send_response(200 if found else 404)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's signature
                """Say nothing."""

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:
                    self.close_connection = True

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A client that hangs up is no news."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(TLS / "loopback.pem", TLS / "loopback-key.pem")
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self._server.server_address[1]}"


@pytest.fixture
def server() -> Iterator[KeepingServer]:
    with KeepingServer() as opened:
        yield opened


@pytest.fixture
def reader(server: KeepingServer) -> Iterator[SauceReader]:
    with SauceReader(Connection(server.url, "jsmith", SecretStr("a-key-of-the-account"))) as opened:
        yield opened


def fetched(reader: SauceReader, name: str) -> bytes:
    with reader.open_asset(ME, JOB, name) as body:
        return b"".join(body)


def test_files_one_after_the_other_share_a_connection(
    server: KeepingServer, reader: SauceReader
) -> None:
    assert {fetched(reader, f"{number}.bin") for number in range(20)} == {BODY}
    with pytest.raises(AnswerError, match="404"):
        fetched(reader, "missing")
    assert fetched(reader, "last.bin") == BODY
    assert server.connections == 1


def test_a_body_that_was_not_read_to_its_end_takes_its_connection_along(
    server: KeepingServer, reader: SauceReader
) -> None:
    with reader.open_asset(ME, JOB, "a.bin") as body:
        next(iter(body))
    assert fetched(reader, "b.bin") == BODY
    assert server.connections == 2


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("/rest/v1/a/jobs/b/assets/video.mp4", True),
        ("/jobs/b/video.mp4?auth=0af..%2F", True),
        ("/jobs/b/%2e%2e", False),
        ("/jobs/../b", False),
        ("/jobs/./b", False),
        ("/jobs/a b", False),
        ("/jobs/a\r\nHost: evil", False),
        ("/jobs/ü", False),
        ("/jobs/a#b", False),
        ("/jobs/a\\..\\b", False),
        ("jobs", False),
    ],
)
def test_what_somebody_on_the_way_might_change_is_not_sent(target: str, sent: bool) -> None:
    assert is_sent_as_it_is(target) is sent


def test_a_file_is_taken_only_from_whom_the_certificate_names() -> None:
    with KeepingServer(certificate=True) as server:
        with (
            SauceReader(
                Connection(server.url, "jsmith", SecretStr("a-key"), attempts=1)
            ) as trusting_nobody,
            pytest.raises(SourceError, match=r"certificate of 127.0.0.1:\d+ is not trusted"),
        ):
            fetched(trusting_nobody, "a.bin")
        assert server.targets == []
        known = Connection(
            server.url, "jsmith", SecretStr("a-key"), ca_bundle=str(TLS / "loopback.pem")
        )
        with SauceReader(known) as reader:
            assert fetched(reader, "a.bin") == BODY
