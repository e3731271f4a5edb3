"""What is worth a message, and the JSON that says it: Slack takes its `text`, a program the
rest.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Event: TypeAlias = Literal["announced", "refused", "failed", "deadline", "purge"]
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Notification:
    """What somebody should know. `same` says what makes it the same as before: not its numbers;
    `at` is in epoch seconds.
    """

    event: Event
    account: str
    text: str
    at: int
    same: str
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What it is the newest of."""
        return f"{self.event}:{self.account}"


def payload(tiding: Notification) -> dict[str, Any]:
    """What is posted. Control characters are gone, and what Slack would take for markup is text."""
    return {
        "text": _plain(f"sauce-janitor, {tiding.account}: {tiding.text}"),
        "event": tiding.event,
        "account": tiding.account,
        "at": f"{dt.datetime.fromtimestamp(tiding.at, dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
        "details": dict(tiding.details),
    }


def _plain(text: str) -> str:
    """Source: Slack, formatting text for app surfaces: & < > are the characters to escape."""
    kept = "".join(character for character in text if character.isprintable() or character == "\n")
    kept = kept if len(kept) <= _LONGEST else f"{kept[: _LONGEST - 1]}…"
    return kept.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
