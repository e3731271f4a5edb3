"""The server: limits that hold against slow and rude clients, a port of its own, a clean stop."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from sauce_janitor.errors import ConfigError
from sauce_janitor.web.server import RunningServer, ServerLimits


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


@pytest.fixture
def serving() -> Iterator[RunningServer]:
    with RunningServer(hello, "127.0.0.1:0", ServerLimits(connections=20)) as made:
        yield made


def get(serving: RunningServer, path: str = "/", **headers: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection(*serving.address, timeout=30)) as client:
        client.request("GET", path, headers=headers)
        answer = client.getresponse()
        return answer.status, answer.read()


def test_port_0_takes_a_free_one_and_says_which(serving: RunningServer) -> None:
    assert serving.address[1] > 0
    assert serving.url == f"http://127.0.0.1:{serving.address[1]}"
    assert get(serving) == (200, b"hello")


def test_a_taken_port_is_one_sentence_that_names_it(serving: RunningServer) -> None:
    listen = f"127.0.0.1:{serving.address[1]}"
    with pytest.raises(ConfigError) as refused:
        RunningServer(hello, listen)
    assert str(refused.value) == (
        f"cannot listen on {listen}: Address already in use; free this address, or set another one"
    )


def test_an_address_that_is_not_this_machines_is_one_sentence() -> None:
    with pytest.raises(
        ConfigError, match=r"cannot listen on 192\.0\.2\.1:80: Cannot assign requested address"
    ):
        RunningServer(hello, "192.0.2.1:80")


def test_ipv6_is_listened_on_and_written_with_brackets() -> None:
    with RunningServer(hello, "[::1]:0") as serving:
        assert serving.url == f"http://[::1]:{serving.address[1]}"
        assert get(serving) == (200, b"hello")


def test_hundreds_of_clients_that_never_finish_their_request_keep_nobody_out(
    serving: RunningServer,
) -> None:
    with ExitStack() as stack:
        for _ in range(300):
            slow = stack.enter_context(socket.create_connection(serving.address, timeout=30))
            slow.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        for _ in range(20):
            assert get(serving) == (200, b"hello")


def test_clients_that_do_not_read_their_answers_keep_nobody_out() -> None:
    large = b"x" * 300_000

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", str(len(large)))])
        return [large]

    with (
        RunningServer(app, "127.0.0.1:0", ServerLimits(connections=20)) as serving,
        ExitStack() as stack,
    ):
        for _ in range(100):
            deaf = stack.enter_context(socket.create_connection(serving.address, timeout=30))
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            deaf.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert get(serving) == (200, large)


def test_a_client_that_does_not_read_a_long_answer_gives_its_thread_back() -> None:
    pieces = 400

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", str(pieces * 65_536))])
        return (b"x" * 65_536 for _ in range(pieces))

    with (
        RunningServer(app, "127.0.0.1:0", ServerLimits(threads=1, read_s=0.0)) as serving,
        ExitStack() as stack,
    ):
        for _ in range(2):
            deaf = stack.enter_context(socket.create_connection(serving.address, timeout=30))
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            deaf.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert deaf.recv(8) == b"HTTP/1.1"
        status, text = get(serving)
        assert (status, len(text)) == (200, pieces * 65_536)


def test_a_request_that_takes_too_long_to_come_in_is_cut_off() -> None:
    with (
        RunningServer(hello, "127.0.0.1:0", ServerLimits(request_s=0.0)) as serving,
        socket.create_connection(serving.address, timeout=30) as slow,
    ):
        slow.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        assert slow.recv(100) == b""


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nX-Large: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n" + b"x" * 9000, 413),
        (b"\x00\x01\x02\x03\r\n\r\n", 400),
    ],
)
def test_what_is_too_large_or_no_request_is_refused(
    serving: RunningServer, request_bytes: bytes, status: int
) -> None:
    with socket.create_connection(serving.address, timeout=30) as client:
        client.sendall(request_bytes)
        assert int(client.recv(200).split(b" ")[1]) == status


def test_the_stop_answers_what_is_at_work_and_ends_every_thread() -> None:
    inside, go_on = threading.Event(), threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        inside.set()
        go_on.wait(30)
        return hello(environ, start_response)

    before = threading.active_count()
    serving = RunningServer(app, "127.0.0.1:0")
    answers: list[tuple[int, bytes]] = []
    asking = threading.Thread(target=lambda: answers.append(get(serving)))
    asking.start()
    inside.wait(30)
    stopping = threading.Thread(target=serving.stop)
    stopping.start()
    go_on.set()
    stopping.join(30)
    asking.join(30)
    assert answers == [(200, b"hello")]
    assert threading.active_count() == before
    with pytest.raises(OSError):
        get(serving)
    serving.stop()


def test_a_traceback_is_never_shown() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise RuntimeError("secret-in-a-variable")

    with RunningServer(app, "127.0.0.1:0") as serving:
        status, body = get(serving)
    assert status == 500
    assert b"secret" not in body
