"""Reads the YAML configuration into a frozen `Config`, warns of mistakes, and writes its schema."""

from __future__ import annotations

from sauce_janitor.config.daemon_values import (
    BlackoutPeriod,
    DailyBlackout,
    MetricsExport,
    Schedule,
    Web,
    Webhook,
)
from sauce_janitor.config.loader import load, load_accounts
from sauce_janitor.config.values import Account, ArchiveConfig, Config, ServerAddress

__all__ = [
    "Account",
    "ArchiveConfig",
    "BlackoutPeriod",
    "Config",
    "DailyBlackout",
    "MetricsExport",
    "Schedule",
    "ServerAddress",
    "Web",
    "Webhook",
    "load",
    "load_accounts",
]  # fmt: skip
