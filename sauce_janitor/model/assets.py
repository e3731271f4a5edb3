"""Which files of a job are what, which of them are wanted in the archive, and whether a receipt
covers what is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Final, Literal

from sauce_janitor.model.globs import compile_glob

ASSET_CLASSES: Final = (
    "all", "command_log", "server_log", "device_log", "logs", "video", "screenshots", "har", "performance", "console",
    "report",
)  # fmt: skip
"""What `assets:` may name besides globs."""

_LOGS: Final = frozenset({"command_log", "server_log", "device_log"})

# Source: List Job Assets and Delete Job Assets, and the names that users' recorded answers show.
_KNOWN: Final = {
    "log.json": "command_log",
    "selenium-server.log": "server_log",
    "appium-server.log": "server_log",
    "automator.log": "device_log",
    "logcat.log": "device_log",
    "ios-syslog.log": "device_log",
    "syslog.log": "device_log",
    "console.log": "console",
    "console.json": "console",
    "performance.json": "performance",
    "screenshots.zip": "screenshots",
}
_BY_START: Final = (("_lhr_", "performance"), ("_tracelog_", "performance"))
_BY_END: Final = (
    (".mp4", "video"), (".webm", "video"), (".flv", "video"), (".png", "screenshots"), (".jpg", "screenshots"),
    (".jpeg", "screenshots"), (".har", "har"), (".har.gz", "har"), (".log", "server_log"),
)  # fmt: skip


@lru_cache(maxsize=4096)
def asset_classes(name: str) -> frozenset[str]:
    """The classes a file belongs to, always `all` and at least one more. Letter case does not
    matter.

    What no class knows is a `report` (an upload). A log of unknown making is a `server_log` and a
    `report`: whoever asks for either gets it.
    """
    lower = name.lower()
    found = _KNOWN.get(lower)
    if found is None:
        found = next((name_of for start, name_of in _BY_START if lower.startswith(start)), None)
    if found is not None:
        classes = {found}
    else:
        classes = {name_of for end, name_of in _BY_END if lower.endswith(end)} or {"report"}
        if "server_log" in classes:
            classes.add("report")
    if classes & _LOGS:
        classes.add("logs")
    return frozenset(classes | {"all"})


def matches_any(name: str, wanted: Iterable[str]) -> bool:
    """Whether the file is of one of these classes, or matches one of these globs."""
    classes = asset_classes(name)
    return any(
        item in classes if item in ASSET_CLASSES else compile_glob(item)(name) for item in wanted
    )


def _simplest(items: Iterable[str]) -> frozenset[str]:
    """The same set of files with fewer words: what `all` or `logs` covers is left out."""
    kept = set(items)
    if "all" in kept:
        return frozenset({"all"})
    if kept >= _LOGS:
        kept.add("logs")
    return frozenset(kept - _LOGS if "logs" in kept else kept)


@dataclass(frozen=True)
class Selection:
    """What is stored of one job: the union of what policies want (`assets`: classes or globs) less
    what is forbidden.

    `discard_rest` says that whoever wants less than everything has said aloud that the rest may be
    destroyed. `if_purged`: with assets purged by Sauce, `proceed` with job.json alone, or `keep`
    the job. job.json is stored always. `gives_up` are the files that could not be had, and have
    been missing for as long as the policies wait for them.
    """

    assets: frozenset[str]
    forbid: frozenset[str] = field(default_factory=frozenset)
    discard_rest: bool = False
    if_purged: Literal["proceed", "keep"] = "proceed"
    gives_up: frozenset[str] = field(default_factory=frozenset)

    def wants(self, name: str) -> bool:
        """Whether the file is to be stored."""
        return matches_any(name, self.assets) and not matches_any(name, self.forbid)

    def may_lose(self, name: str) -> bool:
        """Whether a delete may destroy the file unstored: forbidden to store, or unwanted and the
        rest is discarded.
        """
        return matches_any(name, self.forbid) or (
            self.discard_rest and not matches_any(name, self.assets)
        )

    @cached_property
    def key(self) -> str:
        """The files wanted as canonical text, for receipts and plans: `all`, `har,logs,video`,
        `all!screenshots,video`.
        """
        wanted, forbidden = (
            ",".join(sorted(map(_escaped, _simplest(items))))
            for items in (self.assets, self.forbid)
        )
        return f"{wanted}!{forbidden}" if forbidden else wanted


EVERYTHING: Final = Selection(frozenset({"all"}))


def covers(archived: frozenset[str] | None, selection: Selection) -> bool:
    """Whether receipts with these selection keys prove that all that `selection` wants is stored.

    A receipt made when more was forbidden than now does not cover what is allowed since.
    """
    if not archived:
        return False
    if "all" in archived or selection.key in archived:
        return True
    stored: set[str] = set()
    for key in archived:
        wanted, _, forbidden = key.partition("!")
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
