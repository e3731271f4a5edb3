"""YAML -> frozen Config; lints; schema."""

from __future__ import annotations

from sauce_janitor.config.loading import load
from sauce_janitor.config.values import Account, Archive, Budget, Config, Schedule, Web

__all__ = ["Account", "Archive", "Budget", "Config", "Schedule", "Web", "load"]
