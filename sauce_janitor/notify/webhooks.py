"""Posts tidings to webhooks from a thread of its own: nobody waits for it, and nothing fails
because of it.

The same is told once a day, not after every run: what was told last is kept in the state. A
webhook's address is a secret, read when it is needed and written nowhere.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import requests
import structlog

from sauce_janitor.errors import JanitorError
from sauce_janitor.notify.messages import Notification, payload

_AGAIN_S: Final = 24 * 3600
_WAITS_S: Final = (1.0, 5.0, 15.0)
_TIMEOUT_S: Final = 10
_MOST_WAITING: Final = 100


class NotificationLog(Protocol):
    """What was told last, by key (`state.Notes`)."""

    def read(self, key: str, /) -> str | None:
        """It, if there is one."""

    def write(self, key: str, value: str, /) -> None:
        """Keep it."""


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """One webhook: how its address is had (a JanitorError when it cannot be), and of which events
    it is told.
    """

    url: Callable[[], str] = field(repr=False)
    on: frozenset[str]


class WebhookSender:
    """Tells hooks. Any thread may call it; `close` waits for what is on its way, and not longer
    than it is told.
    """

    def __init__(self, *, waits_s: Sequence[float] = _WAITS_S) -> None:
        self._waiting: queue.Queue[tuple[WebhookTarget, Notification] | None] = queue.Queue(
            _MOST_WAITING
        )
        self._closing = threading.Event()
        self._waits_s = waits_s
        self._thread: threading.Thread | None = None
        self._log: Any = structlog.get_logger()

    def tell(
        self, tidings: Sequence[Notification], hooks: Sequence[WebhookTarget], told: NotificationLog
    ) -> None:
        """Tell every hook that asked for it what is news; StateError when what was told last cannot
        be had.
        """
        for tiding in tidings:
            wanting = [hook for hook in hooks if tiding.event in hook.on]
            if wanting and self._is_news(tiding, told):
                for hook in wanting:
                    self._put(hook, tiding)

    def close(self, within_s: float) -> None:
        """Send what waits, as far as that goes within so many seconds."""
        if self._thread is None:
            return
        try:
            self._waiting.put(None, timeout=within_s)
        except queue.Full:
            pass
        else:
            self._thread.join(within_s)
        self._closing.set()

    def _is_news(self, tiding: Notification, told: NotificationLog) -> bool:
        same = hashlib.sha256(tiding.same.encode()).hexdigest()
        last = json.loads(told.read(f"told:{tiding.key}") or "{}")
        if last.get("same") == same and 0 <= tiding.at - last.get("at", 0) < _AGAIN_S:
            return False
        told.write(f"told:{tiding.key}", json.dumps({"same": same, "at": tiding.at}))
        return True

    def _put(self, hook: WebhookTarget, tiding: Notification) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._post_all, name="notify", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait((hook, tiding))
        except queue.Full:
            self._log.warning(
                "notify.dropped", told=tiding.event, account=tiding.account, why="too many wait"
            )

    def _post_all(self) -> None:
        while (next_one := self._waiting.get()) is not None:
            self._post(*next_one)

    def _post(self, hook: WebhookTarget, tiding: Notification) -> None:
        why = ""
        for wait_s in (0.0, *self._waits_s):
            if self._closing.wait(wait_s):
                return
            why = _sent(hook, tiding)
            if not why:
                self._log.info("notify.sent", told=tiding.event, account=tiding.account)
                return
        self._log.warning("notify.failed", told=tiding.event, account=tiding.account, why=why)


def _sent(hook: WebhookTarget, tiding: Notification) -> str:
    """Why it could not be sent, in words that do not have the address; empty when it was."""
    try:
        url = hook.url()
    except JanitorError as wrong:
        return str(wrong)
    if not _is_safe(url):
        return "the address is not https:// (plain http only to a loopback address)"
    with requests.Session() as session:
        session.trust_env = False  # no proxy and no .netrc that the configuration does not name
        try:
            answer = session.post(
                url, json=payload(tiding), timeout=_TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as wrong:
            return type(wrong).__name__  # its text has the address
    return "" if answer.ok and not answer.is_redirect else f"the answer was {answer.status_code}"


def _is_safe(url: str) -> bool:
    try:
        address = urlsplit(url)
        host = address.hostname or ""
        if address.scheme != "http":
            return address.scheme == "https" and bool(host)
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
