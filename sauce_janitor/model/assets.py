"""Asset classes, which assets an archive wants, and whether a receipt covers them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Final, Literal

from sauce_janitor.model.globs import compile_glob


@dataclass(frozen=True, slots=True)
class AssetClass:
    """A class of files that `assets:` can name.

    `patterns` are whole file names, or a beginning or an end with one `*`; letter case does not
    matter. `example` is a file of this class. `is_log` adds the class to the group `logs`.
    `typical_files` are assumed of a job before its asset list is known, and `typical_bytes` is
    their size before any receipt is there; None is too little to count.
    """

    name: str
    patterns: tuple[str, ...]
    example: str
    is_log: bool = False
    typical_files: tuple[str, ...] = ()
    typical_bytes: float | None = None


# Sources: List Job Assets, Delete Job Assets, and the names in answers that users recorded. The
# typical sizes are a guess at a web test of two minutes.
CLASSES: Final = (
    AssetClass(
        "command_log",
        ("log.json",),
        "log.json",
        is_log=True,
        typical_files=("log.json",),
        typical_bytes=60e3,
    ),
    AssetClass(
        "server_log",
        ("selenium-server.log", "appium-server.log", "*.log"),
        "selenium-server.log",
        is_log=True,
        typical_files=("selenium-server.log",),
        typical_bytes=400e3,
    ),
    AssetClass(
        "device_log",
        ("automator.log", "logcat.log", "ios-syslog.log", "syslog.log"),
        "logcat.log",
        is_log=True,
        typical_files=("automator.log",),
    ),
    AssetClass(
        "video",
        ("*.mp4", "*.webm", "*.flv"),
        "video.mp4",
        typical_files=("video.mp4",),
        typical_bytes=6e6,
    ),
    AssetClass(
        "screenshots",
        ("screenshots.zip", "*.png", "*.jpg", "*.jpeg"),
        "0000screenshot.png",
        typical_files=tuple(f"{number:04}screenshot.png" for number in range(5)),
        typical_bytes=800e3,
    ),
    AssetClass(
        "har",
        ("*.har", "*.har.gz"),
        "network.har",
        typical_files=("network.har",),
        typical_bytes=500e3,
    ),
    AssetClass(
        "performance",
        ("performance.json", "_lhr_*", "_tracelog_*"),
        "performance.json",
        typical_files=("performance.json",),
        typical_bytes=100e3,
    ),
    AssetClass(
        "console",
        ("console.log", "console.json"),
        "console.json",
        typical_files=("console.json",),
        typical_bytes=20e3,
    ),
    # A log of unknown making may be an upload: it is a `server_log`, too. What no pattern knows is
    # an upload as well, see `asset_classes`.
    AssetClass("report", ("*.log",), "junit.xml"),
)
"""Every class: a new one is one row here. The first class of a file counts its bytes."""

_REPORT: Final = "report"
_LOGS: Final = frozenset(each.name for each in CLASSES if each.is_log)

ASSET_CLASSES: Final = (
    "all",
    *(each.name for each in CLASSES if each.is_log),
    "logs",
    *(each.name for each in CLASSES if not each.is_log),
)
"""The names that `assets:` accepts besides globs."""


def _patterns() -> Iterator[tuple[str, str]]:
    """Yield every pattern with the name of its class, in the order of the table."""
    for each in CLASSES:
        for pattern in each.patterns:
            yield pattern, each.name


_BY_NAME: Final = {pattern: name for pattern, name in _patterns() if "*" not in pattern}
_BY_START: Final = tuple((text[:-1], name) for text, name in _patterns() if text.endswith("*"))
_BY_END: Final = tuple((text[1:], name) for text, name in _patterns() if text.startswith("*"))


@lru_cache(maxsize=4096)
def asset_classes(name: str) -> frozenset[str]:
    """Return the classes that a file belongs to: `all` and at least one more.

    A whole name counts before a beginning, and a beginning before an end. A file that no pattern
    knows is a `report`: an upload.
    """
    lower = name.lower()
    found = _BY_NAME.get(lower)
    if found is None:
        found = next((each for start, each in _BY_START if lower.startswith(start)), None)
    # An end may be that of several classes: a log of unknown origin is a `server_log` and a
    # `report`.
    by_end = {each for end, each in _BY_END if lower.endswith(end)} or {_REPORT}
    classes = by_end if found is None else {found}
    if classes & _LOGS:
        classes.add("logs")
    return frozenset(classes | {"all"})


def matches_any(name: str, wanted: Iterable[str]) -> bool:
    """Return whether the file is of one of these classes, or matches one of these globs."""
    classes = asset_classes(name)
    return any(
        item in classes if item in ASSET_CLASSES else compile_glob(item)(name) for item in wanted
    )


def _simplest(items: Iterable[str]) -> frozenset[str]:
    """Return the same set of files in fewer names: without those that `all` or `logs` covers."""
    kept = set(items)
    if "all" in kept:
        return frozenset({"all"})
    if kept >= _LOGS:
        kept.add("logs")
    return frozenset(kept - _LOGS if "logs" in kept else kept)


@dataclass(frozen=True)
class Selection:
    """Which files of one job are stored: the union of what the policies want (`assets`: classes or
    globs), without what is forbidden.

    `discard_rest` says that every policy that wants less than everything explicitly accepts that
    the rest is destroyed. `if_purged`: when Sauce Labs purged the assets, `proceed` with job.json
    alone, or `keep` the job. job.json is always stored. `gives_up` are files that could not be
    fetched for longer than the policies wait for them.
    """

    assets: frozenset[str]
    forbid: frozenset[str] = field(default_factory=frozenset)
    discard_rest: bool = False
    if_purged: Literal["proceed", "keep"] = "proceed"
    gives_up: frozenset[str] = field(default_factory=frozenset)

    def wants(self, name: str) -> bool:
        """Return whether the file must be stored."""
        return matches_any(name, self.assets) and not matches_any(name, self.forbid)

    def may_lose(self, name: str) -> bool:
        """Return whether a delete may destroy the file without a copy: it is forbidden to store, or
        not wanted and the rest is discarded.
        """
        return matches_any(name, self.forbid) or (
            self.discard_rest and not matches_any(name, self.assets)
        )

    @cached_property
    def key(self) -> str:
        """The wanted files as canonical text, for receipts and plans: `all`, `har,logs,video`,
        `all!screenshots,video`.
        """
        wanted, forbidden = (
            ",".join(sorted(map(_escaped, _simplest(items))))
            for items in (self.assets, self.forbid)
        )
        return f"{wanted}!{forbidden}" if forbidden else wanted


EVERYTHING: Final = Selection(frozenset({"all"}))


def covers(archived: frozenset[str] | None, selection: Selection) -> bool:
    """Return whether receipts with these selection keys prove that everything `selection` wants is
    stored.

    A receipt from a time when more was forbidden does not cover what is allowed since.
    """
    # No receipt proves nothing.
    if not archived:
        return False
    if "all" in archived or selection.key in archived:
        return True
    stored: set[str] = set()
    for key in archived:
        wanted, _, forbidden = key.partition("!")
        # Otherwise the receipt may lack files that are wanted now.
        if _split(forbidden) <= _simplest(selection.forbid):
            stored |= _split(wanted)
    return "all" in stored or all(
        item in stored or (item in _LOGS and "logs" in stored)
        for item in _simplest(selection.assets)
    )


def _split(text: str) -> frozenset[str]:
    return frozenset(map(_unescaped, text.split(","))) if text else frozenset()


def _escaped(item: str) -> str:
    return item.replace("%", "%25").replace(",", "%2C").replace("!", "%21")


def _unescaped(item: str) -> str:
    return item.replace("%21", "!").replace("%2C", ",").replace("%25", "%")
