"""YAML -> frozen Config; lints; schema."""

from __future__ import annotations

from sauce_janitor.config.daemon_values import Daily, Export, Schedule, Stretch, Web, Webhook
from sauce_janitor.config.loader import load, load_accounts
from sauce_janitor.config.values import Account, Archive, Config

__all__ = [
    "Account", "Archive", "Config", "Daily", "Export", "Schedule", "Stretch", "Web", "Webhook", "load",
    "load_accounts",
]  # fmt: skip
