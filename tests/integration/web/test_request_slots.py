"""Pages that take long leave threads for monitoring."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sauce_janitor.web import request_slots
from sauce_janitor.web.request_slots import RequestSlots
from sauce_janitor.web.server import RunningServer, ServerLimits
from tests.support.daemon import until


class Pages:
    """An application with a page that ends when the test says so, and a probe."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.lock = threading.Lock()
        self.begun = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/broken":
            raise ValueError("a bug")
        if environ["PATH_INFO"] == "/slow":
            with self.lock:
                self.begun += 1
            self.go_on.wait(30)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"here"]


def ask(serving: RunningServer, path: str) -> int:
    try:
        with urllib.request.urlopen(f"{serving.url}{path}", timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_slow_pages_wait_for_each_other_and_no_probe_waits_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_slots, "_PATIENCE_S", 0.2)
    pages = Pages()
    slots = RequestSlots(pages, 2, frozenset({"/healthz"}))
    with (
        RunningServer(slots, "127.0.0.1:0", ServerLimits(threads=4)) as serving,
        ThreadPoolExecutor(4) as clients,
    ):
        slow = [clients.submit(ask, serving, "/slow") for _ in range(2)]
        until(lambda: pages.begun == 2, "both pages")
        assert ask(serving, "/slow") == 503
        assert ask(serving, "/healthz") == 200
        pages.go_on.set()
        assert [each.result() for each in slow] == [200, 200]
        # Every slot came back: also those of pages that failed.
        for _ in range(5):
            assert ask(serving, "/broken") == 500
            assert ask(serving, "/slow") == 200


def test_one_more_waits_for_its_turn() -> None:
    pages = Pages()
    slots = RequestSlots(pages, 1, frozenset())
    with (
        RunningServer(slots, "127.0.0.1:0", ServerLimits(threads=4)) as serving,
        ThreadPoolExecutor(4) as clients,
    ):
        first = clients.submit(ask, serving, "/slow")
        until(lambda: pages.begun == 1, "the first page")
        second = clients.submit(ask, serving, "/slow")
        until(lambda: slots._waiting._value == 0, "the second page")
        pages.go_on.set()
        assert (first.result(), second.result()) == (200, 200)
