"""Posts notifications to webhooks from a separate thread: no run waits for it or fails because of
it.

The same message is sent once a day, not after every run: the state remembers the last message. The
address of a webhook is a secret, read when it is needed and never written anywhere.
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

_REPEAT_AFTER_S: Final = 24 * 3600
WAITS_S: Final = (1.0, 5.0, 15.0)
"""How long a sender waits before each further try."""
_TIMEOUT_S: Final = 10
_MOST_QUEUED: Final = 100
_LASTING: Final = frozenset({400, 401, 403, 404, 405, 410, 413})
"""Answers about this address or message, which another try does not change."""


class NotificationLog(Protocol):
    """Remembers the last message by key (`state.Notes`)."""

    def read(self, key: str, /) -> str | None:
        """Return the value of this key, None if there is none."""

    def write(self, key: str, value: str, /) -> None:
        """Store the value of this key."""


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """One webhook: a function that reads its address, and the events that it wants.

    `url` raises a JanitorError when the address cannot be read.
    """

    url: Callable[[], str] = field(repr=False)
    on: frozenset[str]


class WebhookSender:
    """Sends messages to webhooks. Any thread may call it."""

    def __init__(self, *, waits_s: Sequence[float] | None = None) -> None:
        self._queue: queue.Queue[tuple[WebhookTarget, Notification] | None] = queue.Queue(
            _MOST_QUEUED
        )
        self._closing = threading.Event()
        self._waits_s = WAITS_S if waits_s is None else waits_s
        self._thread: threading.Thread | None = None
        self._log: Any = structlog.get_logger()

    def tell(
        self, messages: Sequence[Notification], hooks: Sequence[WebhookTarget], log: NotificationLog
    ) -> None:
        """Queue each new message for the webhooks that want its event.

        Raise StateError when the last message cannot be read or written.
        """
        for message in messages:
            wanting = [hook for hook in hooks if message.event in hook.on]
            if wanting and self._is_news(message, log):
                for hook in wanting:
                    self._put(hook, message)

    def close(self, within_s: float) -> None:
        """Send what is queued, as far as possible within so many seconds, and stop."""
        if self._thread is None:
            return
        try:
            self._queue.put(None, timeout=within_s)
        # Nothing has moved for so long: the webhook hangs, and waiting longer does not help.
        except queue.Full:
            pass
        else:
            self._thread.join(within_s)
        self._closing.set()

    def _is_news(self, message: Notification, log: NotificationLog) -> bool:
        same = hashlib.sha256(message.same.encode()).hexdigest()
        last = json.loads(log.read(f"told:{message.key}") or "{}")
        # A last time in the future comes from a clock that was wrong: the message is sent.
        if last.get("same") == same and 0 <= message.at - last.get("at", 0) < _REPEAT_AFTER_S:
            return False
        log.write(f"told:{message.key}", json.dumps({"same": same, "at": message.at}))
        return True

    def _put(self, hook: WebhookTarget, message: Notification) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._post_all, name="notify", daemon=True)
            self._thread.start()
        try:
            self._queue.put_nowait((hook, message))
        except queue.Full:
            # A webhook that does not answer must not use up the memory: the message is dropped.
            self._log.warning(
                "notify.dropped", told=message.event, account=message.account, why="too many wait"
            )

    def _post_all(self) -> None:
        while (queued := self._queue.get()) is not None:
            self._post(*queued)

    def _post(self, hook: WebhookTarget, message: Notification) -> None:
        failure: _Failure | None = None
        for wait_s in (0.0, *self._waits_s):
            # The process ends: it does not wait for a later try.
            if self._closing.wait(wait_s):
                return
            failure = _failure_of(hook, message)
            if failure is None:
                self._log.info("notify.sent", told=message.event, account=message.account)
                return
            if failure.lasts:
                break
        assert failure is not None
        self._log.warning(
            "notify.failed", told=message.event, account=message.account, why=failure.why
        )


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a message was not sent, without the address. `lasts` says that another try in a few
    seconds fails, too.
    """

    why: str
    lasts: bool = False


def _failure_of(hook: WebhookTarget, message: Notification) -> _Failure | None:
    """Send one message. Return why that failed; None on success."""
    try:
        url = hook.url()
    # Such as a variable that is not set: a run would wait at its end for nothing.
    except JanitorError as error:
        return _Failure(str(error), lasts=True)
    if not _is_safe(url):
        return _Failure(
            "the address is not https:// (plain http only to a loopback address)", lasts=True
        )
    with requests.Session() as session:
        # Use no proxy and no .netrc that the configuration does not name.
        session.trust_env = False
        try:
            answer = session.post(
                url, json=payload(message), timeout=_TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as error:
            # The text of the error has the address, which is a secret: name its type only.
            return _Failure(type(error).__name__)
    # `ok` includes redirects, which are not followed: then nothing was delivered.
    if answer.ok and not answer.is_redirect:
        return None
    return _Failure(f"the answer was {answer.status_code}", lasts=answer.status_code in _LASTING)


def _is_safe(url: str) -> bool:
    try:
        address = urlsplit(url)
        host = address.hostname or ""
        # Plain http would show the secret in the address to every machine on the way.
        if address.scheme != "http":
            return address.scheme == "https" and bool(host)
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
