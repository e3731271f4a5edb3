"""The schedule, the web server, the metrics export and the webhooks as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from sauce_janitor.config.secrets import SecretSource
from sauce_janitor.config.source.cron import Cron


@dataclass(frozen=True, slots=True)
class DailyBlackout:
    """A black-out on some weekdays (Sunday is 0), in minutes after midnight.

    If it ends before it begins, it ends on the next day.
    """

    from_min: int
    to_min: int
    weekdays: frozenset[int]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class BlackoutPeriod:
    """A black-out between two moments in epoch seconds; the second one is not included."""

    starts_at: int
    ends_at: int
    reason: str | None = None


Blackout: TypeAlias = DailyBlackout | BlackoutPeriod


@dataclass(frozen=True, slots=True)
class Schedule:
    """When `serve` runs: in the configured zone, up to `jitter_s` later, not in a black-out."""

    cron: Cron
    jitter_s: int
    blackouts: tuple[Blackout, ...] = ()


@dataclass(frozen=True, slots=True)
class Web:
    """Where `serve` listens, the host names that it accepts, and who may see its pages.

    `users` is the file of those who sign in. A session ends `session_s` after it began, and
    `idle_s` after its last request.
    """

    listen: str
    token: SecretSource | None = field(repr=False)
    metrics_open: bool = True
    hosts: frozenset[str] = frozenset()
    users: Path | None = None
    session_s: int = 12 * 3600
    idle_s: int = 3600

    @property
    def is_closed(self) -> bool:
        """Whether the pages ask who is there."""
        return self.token is not None or self.users is not None


@dataclass(frozen=True, slots=True)
class MetricsExport:
    """Where a one-shot run exports its metrics.

    `instance` is its name there; None means the id of the state.
    """

    textfile: Path | None = None
    pushgateway: str | None = None
    instance: str | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook and the events that it wants. Its address is a secret."""

    url: SecretSource = field(repr=False)
    on: frozenset[str]
