"""What only the daemon goes by, and whom runs tell, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from sauce_janitor.config.secrets import SecretSource
from sauce_janitor.config.source.cron import Cron


@dataclass(frozen=True, slots=True)
class DailyBlackout:
    """A black-out on some weekdays (Sunday is 0), in minutes of the day; over midnight where it
    ends before it begins.
    """

    from_min: int
    to_min: int
    weekdays: frozenset[int]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class BlackoutPeriod:
    """A black-out from one moment to before another, in epoch seconds."""

    starts_at: int
    ends_at: int
    reason: str | None = None


Blackout: TypeAlias = DailyBlackout | BlackoutPeriod


@dataclass(frozen=True, slots=True)
class Schedule:
    """When `serve` runs: in the configuration's time zone, up to `jitter_s` later, and not in a
    black-out.
    """

    cron: Cron
    jitter_s: int
    blackouts: tuple[Blackout, ...] = ()


@dataclass(frozen=True, slots=True)
class Web:
    """Where `serve` listens, by which further names it is called, and the token that opens the
    status page.
    """

    listen: str
    token: SecretSource | None = field(repr=False)
    metrics_open: bool = True
    hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MetricsExport:
    """Where a one-shot run leaves its metrics, and what it is called there; None: by its state's
    own id.
    """

    textfile: Path | None = None
    pushgateway: str | None = None
    instance: str | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """Who is told of what; the address is a secret."""

    url: SecretSource = field(repr=False)
    on: frozenset[str]
