"""Messages to webhooks: the JSON that Slack takes, tried a few times, the same once a day, and no
address ever shown.
"""

from __future__ import annotations

import threading

import pytest
import structlog

from sauce_janitor.errors import ConfigError
from sauce_janitor.notify import Notification, WebhookSender, WebhookTarget
from tests.support.webhooks import SECRET, Hooked, hooked

DAY = 86_400


class Notes(dict[str, str]):
    """What was told last, as the state keeps it."""

    def read(self, key: str, /) -> str | None:
        return self.get(key)

    def write(self, key: str, value: str, /) -> None:
        self[key] = value


def tiding(
    text: str = "the run failed", *, at: int = 0, same: str = "a", event: str = "failed"
) -> Notification:
    return Notification(event, "eu", text, at, same, {"failures": 3})  # type: ignore[arg-type]  # one of the words


def tell(
    server: Hooked, *tidings: Notification, notes: Notes | None = None, on: str = "failed"
) -> None:
    poster = WebhookSender(waits_s=(0.0, 0.0, 0.0))
    poster.tell(
        tidings,
        [WebhookTarget(lambda: server.url, frozenset({on}))],
        Notes() if notes is None else notes,
    )
    poster.close(60)


def test_what_is_posted_is_json_that_slack_takes_and_a_program_reads() -> None:
    with hooked() as server:
        tell(server, tiding("it failed: <b>&\x1b[31mred\u202e", at=1_780_000_000))
    assert server.taken == [
        {
            "text": "sauce-janitor, eu: it failed: &lt;b&gt;&amp;[31mred",
            "event": "failed",
            "account": "eu",
            "at": "2026-05-28T20:26:40Z",
            "details": {"failures": 3},
        }
    ]


def test_it_is_tried_a_few_times_and_then_given_up_without_naming_the_address() -> None:
    with hooked(500, 429, 503) as server, structlog.testing.capture_logs() as logs:
        tell(server, tiding())
    assert (server.asked, len(server.taken)) == (4, 1)
    with hooked(*[500] * 9) as server, structlog.testing.capture_logs() as logs:
        tell(server, tiding())
    assert server.asked == 4
    assert [(line["event"], line["why"]) for line in logs] == [
        ("notify.failed", "the answer was 500")
    ]
    assert SECRET not in repr(logs)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413])
def test_an_answer_that_stays_the_same_is_asked_for_once(status: int) -> None:
    with hooked(*[status] * 4) as server, structlog.testing.capture_logs() as logs:
        tell(server, tiding())
    assert server.asked == 1
    assert [line["why"] for line in logs] == [f"the answer was {status}"]


def test_an_address_that_cannot_be_read_is_told_at_once() -> None:
    """A run waited 21 s at its end for a variable that nobody sets."""
    tries = []

    def unset() -> str:
        tries.append(1)
        raise ConfigError("env HOOK is not set")

    poster = WebhookSender(waits_s=(60.0,))
    with structlog.testing.capture_logs() as logs:
        poster.tell([tiding()], [WebhookTarget(unset, frozenset({"failed"}))], Notes())
        poster.close(30)
    assert [line["why"] for line in logs] == ["env HOOK is not set"]
    assert len(tries) == 1


def test_nobody_is_followed_elsewhere() -> None:
    with hooked(307, 307, 307, 307) as server:
        tell(server, tiding())
    assert (server.asked, server.taken) == (4, [])


def test_a_hook_that_nobody_answers_at_is_a_warning_without_its_address() -> None:
    with hooked() as server:
        pass
    with structlog.testing.capture_logs() as logs:
        tell(server, tiding())
    assert [line["why"] for line in logs] == ["ConnectionError"]
    assert SECRET not in repr(logs)


@pytest.mark.parametrize(
    "address",
    [f"http://example.com/{SECRET}", f"ftp://127.0.0.1/{SECRET}", SECRET, "http://[", "https://"],
)
def test_an_address_that_would_show_its_secret_on_the_way_is_not_used(address: str) -> None:
    poster = WebhookSender(waits_s=())
    with structlog.testing.capture_logs() as logs:
        poster.tell([tiding()], [WebhookTarget(lambda: address, frozenset({"failed"}))], Notes())
        poster.close(60)
    assert [line["event"] for line in logs] == ["notify.failed"]
    assert SECRET not in repr(logs)


def test_the_same_is_told_once_a_day_and_what_differs_at_once() -> None:
    notes = Notes()
    with hooked() as server:
        tell(server, tiding("3 failed"), notes=notes)
        tell(server, tiding("4 failed", at=3600), notes=notes)
        assert len(server.taken) == 1
        tell(server, tiding("other", at=3600, same="b"), notes=notes)
        assert len(server.taken) == 2
        tell(server, tiding("still", at=3600 + DAY, same="b"), notes=notes)
    assert len(server.taken) == 3


def test_a_clock_that_was_set_back_does_not_silence_it() -> None:
    notes = Notes()
    with hooked() as server:
        tell(server, tiding(at=10 * DAY), notes=notes)
        tell(server, tiding(at=2 * DAY), notes=notes)
    assert len(server.taken) == 2


def test_a_hook_is_told_of_what_it_asked_for_alone() -> None:
    with hooked() as server:
        tell(server, tiding(), on="purge")
    assert server.taken == []


def test_nobody_waits_for_a_hook_that_does_not_answer() -> None:
    go_on = threading.Event()
    poster = WebhookSender(waits_s=())

    def address() -> str:
        go_on.wait(60)
        return "https://"

    poster.tell([tiding()], [WebhookTarget(address, frozenset({"failed"}))], Notes())
    poster.close(0.0)
    go_on.set()
