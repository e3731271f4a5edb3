"""The configuration in force: the newest one that was valid. Files are looked at by their bytes,
not by their names or times.

A ConfigMap is changed by swapping a symbolic link, an editor replaces the file, a program rewrites
it: each changes the bytes behind a name. What was loaded comes into force when a later look finds
the same bytes still, so that half a file is no fault and none is in force.
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
    """What a loading gave, and what it read: a configuration, or its faults."""

    sources: ConfigFiles
    config: Config | None
    faults: tuple[str, ...] = ()


class FollowedConfig:
    """The configuration that is in force, and what is wrong with a newer one. Used by one thread;
    readers see whole values.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.faults: tuple[str, ...] = ()
        self._judged = config.sources
        self._coming: _Loaded | None = None
        self._log: Any = structlog.get_logger()

    def look(self, *, at_once: bool = False) -> bool:
        """Whether another configuration is in force from now on. `at_once`: somebody asked for
        it.
        """
        if at_once:
            self._coming = None
            return self._take_up(self._load(), asked=True)
        if self._judged.are_current():
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
        except ConfigError as wrong:
            return _Loaded(sources, None, tuple(str(problem) for problem in wrong.problems))

    def _take_up(self, loaded: _Loaded, *, asked: bool = False) -> bool:
        self._judged = loaded.sources
        fresh = loaded.config
        if fresh is None:
            self.faults = loaded.faults
            self._log.error(
                "config.reload_failed", faults=list(self.faults), in_force="the last good one"
            )
            return False
        # Other names or links with the same content, such as a ConfigMap that was written again,
        # are no change.
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
