"""A notification, and its JSON: Slack shows `text`, programs read the other keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from sauce_janitor.times import iso

Event: TypeAlias = Literal["announced", "refused", "failed", "deadline", "purge"]
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Notification:
    """A message for people. `at` is epoch seconds.

    `same` identifies the content without its numbers: a message with the same `same` as the last
    one is a repetition.
    """

    event: Event
    account: str
    text: str
    at: int
    same: str
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The event and account, by which the last message is remembered."""
        return f"{self.event}:{self.account}"


def payload(message: Notification) -> dict[str, Any]:
    """Return the JSON to post. Its text has no control characters and no markup of Slack."""
    return {
        "text": _plain(f"sauce-janitor, {message.account}: {message.text}"),
        "event": message.event,
        "account": message.account,
        "at": iso(message.at),
        "details": dict(message.details),
    }


def _plain(text: str) -> str:
    """Return printable text of at most 2,000 characters, with the markup of Slack escaped.

    Source: Slack, formatting text for app surfaces: & < > are the characters to escape.
    """
    kept = "".join(character for character in text if character.isprintable() or character == "\n")
    kept = kept if len(kept) <= _LONGEST else f"{kept[: _LONGEST - 1]}…"
    return kept.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
