"""Globs, compiled to the cheapest test that says the same: anchored, case-sensitive, `*`, `?` and `[…]`."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable

TextTest = Callable[[str], bool]

_MAGIC = re.compile(r"[*?\[]")


def is_plain(pattern: str) -> bool:
    """Whether the glob is just the text itself."""
    return _MAGIC.search(pattern) is None


def compile_glob(pattern: str) -> TextTest:
    """A test of whole texts. Any text is a valid glob: an unclosed `[` is that character."""
    if is_plain(pattern):
        return pattern.__eq__
    if pattern == "*":
        return lambda _text: True
    head, tail = pattern[:-1], pattern[1:]
    if pattern.endswith("*") and is_plain(head):
        return lambda text: text.startswith(head)
    if pattern.startswith("*") and is_plain(tail):
        return lambda text: text.endswith(tail)
    # fnmatch writes atomic groups: no backtracking from one star into another, so no pattern can freeze a run.
    match = re.compile(fnmatch.translate(pattern)).match
    return lambda text: match(text) is not None
