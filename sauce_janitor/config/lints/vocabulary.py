"""Warnings about browsers, systems and statuses that Sauce Labs is not known to use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import re2

from sauce_janitor.config.grammar.patterns import BUILD_STATUSES, STATES, STATUSES, compiled
from sauce_janitor.config.grammar.synonyms import word_meant
from sauce_janitor.config.source.problems import Path, did_you_mean, listed, shown
from sauce_janitor.config.source.yaml import Table, Value
from sauce_janitor.model.globs import compile_glob

_WORDS: Final = {"status": STATUSES, "state": STATES, "build_status": BUILD_STATUSES}
"""Fields with a closed list of values.

The grammar refuses a plain word that is not in it; globs and regular expressions are checked here.
"""

# Source: jobs in the documentation and the test data of Sauce Labs' own clients, and its list of
# platforms.
_BROWSERS: Final = (
    "googlechrome", "chrome", "chromium", "firefox", "microsoftedge", "MicrosoftEdge", "iexplore",
    "safari", "webkit", "opera", "electron", "android", "iphone", "ipad",
)  # fmt: skip
_BROWSERS_MEANT: Final = {
    "google chrome": "googlechrome", "google-chrome": "googlechrome", "edge": "microsoftedge",
    "microsoft edge": "microsoftedge", "msedge": "microsoftedge", "ie": "iexplore",
    "internet explorer": "iexplore", "internetexplorer": "iexplore", "ff": "firefox",
    "mozilla firefox": "firefox", "mobile safari": "iphone", "ios": "iphone",
}  # fmt: skip
_SYSTEMS: Final = ("Windows ", "Linux", "Mac ", "Android", "ANDROID", "iOS", "IOS")
_SYSTEM_KINDS: Final = (
    (r"(?i)(?:mac ?os|os ?x|mac)(?: x)?[ -]*([0-9].*)", r"Mac \1"),
    (r"(?i)(?:mac ?os|os ?x|mac)\b.*", r"Mac *"),
    (r"(?i)win(?:dows)?[ -]*([0-9x].*)", r"Windows \1"),
    (r"(?i)win(?:dows)?\b.*", r"Windows *"),
    (r"(?i)(?:linux|ubuntu|debian)\b.*", r"Linux"),
    (r"(?i)android.*", r"Android"),
    (r"(?i)i(?:os|pados).*", r"iOS"),
)
_CONTAINERS_ONLY: Final = (
    "`chrome` is the browser of jobs in containers; on virtual machines it is `googlechrome`:"
    " write [chrome, googlechrome] for both"
)
_MATCHES: Final = ("match", "where", "since_last")
_SPECIAL: Final = re.compile(r"[*?\[{]")


def foreign_words(root: Table) -> Iterator[tuple[Path, str]]:
    """Yield each pattern that probably matches no job, and why. `root` is a valid file as read."""
    lists = root.get("lists")
    for path, conditions in _conditions(root, ()):
        for field, value in conditions.items():
            if field in _WORDS or field in ("browser", "os"):
                patterns = list(_texts(value, lists if isinstance(lists, Table) else Table(())))
                for pattern in patterns:
                    if message := _warning(field, pattern):
                        yield (*path, field), message
                # Containers write `chrome`: alone it matches none of the jobs on virtual machines.
                if (
                    field == "browser"
                    and ("glob", "chrome") in patterns
                    and not _takes_both(patterns)
                ):
                    yield (*path, field), _CONTAINERS_ONLY


def _takes_both(patterns: list[tuple[str, str]]) -> bool:
    return any(_matches_one(kind, text, ("googlechrome",)) for kind, text in patterns)


def _conditions(value: Value, path: Path, *, inside: bool = False) -> Iterator[tuple[Path, Table]]:
    """Yield every mapping of conditions, including nested ones, but not the jobs of `tests`."""
    if isinstance(value, list):
        for index, below in enumerate(value):
            yield from _conditions(below, (*path, index), inside=inside)
    elif isinstance(value, Table):
        if inside:
            yield path, value
        for key, below in value.items():
            # Keys of `tests` describe jobs: `browser: x` is a value there and no pattern.
            if inside or key in _MATCHES or (path or key not in ("tests", "accounts")):
                yield from _conditions(below, (*path, key), inside=inside or key in _MATCHES)


def _texts(value: Value, lists: Table) -> Iterator[tuple[str, str]]:
    """Yield (`glob` or `regex`, text) of each pattern, including those of a named list."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str):
            yield "glob", each
        elif isinstance(each, Table):
            named = each.get("in")
            if isinstance(named, str):
                yield from _texts(lists.get(named), Table(()))
            for kind in ("glob", "regex"):
                text = each.get(kind)
                if isinstance(text, str):
                    yield kind, text


def _warning(field: str, pattern: tuple[str, str]) -> str | None:
    kind, text = pattern
    if field in _WORDS:
        words = _WORDS[field]
        if _matches_one(kind, text, words):
            return None
        meant = word_meant(_SPECIAL.split(text)[0], words) if kind == "glob" else ""
        return f"{shown(text)} never matches: use {listed(words)}{meant}"
    if kind == "regex":
        # Which browsers it may match can only be found by running it on jobs.
        return None
    near = _browser_meant(text) if field == "browser" else _system_meant(text)
    if near is None:
        return None
    what = "a browser" if field == "browser" else "a system"
    return f"{shown(text)} is not a known name of {what} at Sauce Labs, and may match no job{near}"


def _matches_one(kind: str, text: str, words: tuple[str, ...]) -> bool:
    if kind == "glob":
        return any(map(compile_glob(text), words))
    try:
        return any(compiled(text).fullmatch(word) for word in words)
    except re2.error:
        # The grammar has refused it already.
        return True


def _browser_meant(text: str) -> str | None:
    """Return the name that is probably meant, `""` if none is similar; None for a known browser."""
    start, *rest = _SPECIAL.split(text, maxsplit=1)
    # With a wildcard only the beginning is compared, in both directions: `goog*` and
    # `googlechrome-*` may both match.
    if rest:
        if any(name.startswith(start) or start.startswith(name) for name in _BROWSERS):
            return None
    elif start in _BROWSERS:
        return None
    meant = _BROWSERS_MEANT.get(start.strip().lower())
    if start.lower() == "chrome":
        # `Chrome`, as most tools call it; the similar `chrome` is only right for containers.
        meant = "googlechrome"
    return f"; did you mean `{meant}`?" if meant else did_you_mean(start, _BROWSERS)


def _system_meant(text: str) -> str | None:
    """Return the name that is probably meant, `""` if none is similar; None for a known system."""
    start, *rest = _SPECIAL.split(text, maxsplit=1)
    # The system of a container is the name of its image, such as
    # `saucelabs/stt-cypress-mocha-node:v6.0.2`.
    if "/" in start or any(start.startswith(name) for name in _SYSTEMS):
        return None
    if rest and any(name.startswith(start) for name in _SYSTEMS):
        return None
    for pattern, meant in _SYSTEM_KINDS:
        if found := re.fullmatch(pattern, start):
            return f"; did you mean `{found.expand(meant)}`?"
    return ""
