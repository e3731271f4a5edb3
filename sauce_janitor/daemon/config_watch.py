"""The configuration in use: the newest valid one. Files are compared by content, not by name or
time.

A ConfigMap changes by swapping a symbolic link, an editor replaces the file, a program rewrites it:
each changes the content behind a name. A newly loaded configuration is used when a later look finds
the same content, so that a half-written file is neither reported nor used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog

from sauce_janitor.config import Config, load
from sauce_janitor.config.source.files import ConfigFiles
from sauce_janitor.errors import ConfigError


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The result of loading, and the files it read: a configuration, or its faults."""

    sources: ConfigFiles
    config: Config | None
    faults: tuple[str, ...] = ()


class FollowedConfig:
    """The configuration in use, and the faults of a newer one. One thread uses it; readers see
    whole values.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.faults: tuple[str, ...] = ()
        self._checked = config.sources
        self._coming: _Loaded | None = None
        self._log: Any = structlog.get_logger()

    def look(self, *, at_once: bool = False) -> bool:
        """Return whether another configuration is in use from now on. `at_once`: a reload was
        requested.
        """
        # SIGHUP says that the files are complete, so they need no second look.
        if at_once:
            self._coming = None
            return self._take_up(self._load(), asked=True)
        # Nothing new, or a change that was taken back before it was used.
        if self._checked.are_current():
            self._coming = None
            return False
        coming, self._coming = self._coming, None
        if coming is not None and coming.sources.are_current():
            return self._take_up(coming)
        self._coming = self._load()
        return False

    def _load(self) -> _Loaded:
        sources = ConfigFiles()
        try:
            return _Loaded(sources, load(self.config.file, sources=sources))
        except ConfigError as error:
            return _Loaded(sources, None, tuple(str(problem) for problem in error.problems))

    def _take_up(self, loaded: _Loaded, *, asked: bool = False) -> bool:
        self._checked = loaded.sources
        fresh = loaded.config
        # A wrong edit does not stop the daemon: the last valid configuration stays in force.
        if fresh is None:
            self.faults = loaded.faults
            self._log.error(
                "config.reload_failed", faults=list(self.faults), in_force="the last good one"
            )
            return False
        # Other names or links with the same content, such as a rewritten ConfigMap, are no change.
        if (
            fresh.sources.content() == self.config.sources.content()
            and not self.faults
            and not asked
        ):
            return False
        self.config, self.faults = fresh, ()
        for warning in fresh.warnings:
            self._log.warning("config.warning", text=str(warning))
        digests = {account.name: fresh.policy_digest(account.name) for account in fresh.accounts}
        self._log.info("config.reloaded", file=str(fresh.file), policy_digests=digests)
        return True
