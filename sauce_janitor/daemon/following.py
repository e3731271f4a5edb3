"""The configuration in force: the newest one that was valid. Files are looked at by what they are, not by their names alone.

A ConfigMap is changed by swapping a symbolic link, an editor replaces the file, a program rewrites it: each changes what is
behind the name. A change is taken up once it has been the same for two looks, so that half a file is no fault.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, TypeAlias

import structlog

from sauce_janitor.config import Config, load
from sauce_janitor.errors import ConfigError

_Sight: TypeAlias = tuple[object, ...]


class Followed:
    """The configuration that is in force, and what is wrong with a newer one. Used by one thread; readers see whole values."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.faults: tuple[str, ...] = ()
        self._seen = self._changing = _sight(config)
        self._content = _content(config)
        self._log: Any = structlog.get_logger()

    def look(self, *, at_once: bool = False) -> bool:
        """Whether another configuration is in force from now on. `at_once`: somebody asked for it."""
        sight = _sight(self.config)
        settled, self._changing = sight == self._changing, sight
        if not at_once and (sight == self._seen or not settled):
            return False
        self._seen = sight
        return self._reload(at_once=at_once)

    def _reload(self, *, at_once: bool) -> bool:
        try:
            fresh = load(self.config.file)
        except ConfigError as wrong:
            self.faults = tuple(str(problem) for problem in wrong.problems)
            self._content = None
            self._log.error("config.reload_failed", faults=list(self.faults), in_force="the last good one")
            return False
        content = _content(fresh)
        if content == self._content and not at_once:
            return False
        self.config, self.faults, self._content = fresh, (), content
        self._seen = self._changing = _sight(fresh)
        for warning in fresh.warnings:
            self._log.warning("config.warning", text=str(warning))
        digests = {account.name: fresh.policy_digest(account.name) for account in fresh.accounts}
        self._log.info("config.reloaded", file=str(fresh.file), policy_digests=digests)
        return True


def _sight(config: Config) -> _Sight:
    """What the files are: where links lead, which file it is, its size and time; and the folders of included ones."""
    folders = sorted({file.parent for file in config.files[1:]})
    return tuple(_one(path) for path in (*config.files, *folders))


def _one(path: Path) -> object:
    try:
        found = path.stat()
        return os.path.realpath(path), found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
    except OSError as wrong:
        return wrong.errno


def _content(config: Config) -> bytes | None:
    digest = hashlib.sha256()
    try:
        for file in config.files:
            digest.update(file.read_bytes() + b"\0")
    except OSError:
        return None
    return digest.digest()
