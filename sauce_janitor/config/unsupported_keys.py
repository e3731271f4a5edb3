"""What the language has and this version does not do yet: refused by name, never accepted and
ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sauce_janitor.config.source.problems import ConfigProblems
from sauce_janitor.config.source.yaml import Table, Value

_EMPTY: Final[tuple[object, ...]] = (None, [], {})
_HINTS: Final[dict[tuple[str, ...], tuple[str, tuple[object, ...]]]] = {
    ("state", "url"): ("give a path: the state is an SQLite file", (None,)),
}
"""Path to (what to do instead, the values that change nothing and so are let through)."""


def refuse_unsupported(root: Table, faults: ConfigProblems) -> None:
    """Report what this version does not do, and take it out of the values so that it is reported
    once.
    """
    for pattern, (instead, harmless) in _HINTS.items():
        for parent, key in list(_places(root, pattern)):
            value = parent.pop(key)
            if not any(
                value == allowed and type(value) in {type(allowed), Table} for allowed in harmless
            ):
                faults.add((*parent.path, key), f"is not supported by this version: {instead}")


def _places(value: Value, pattern: tuple[str, ...]) -> Iterator[tuple[Table, str]]:
    head, *rest = pattern
    if not rest:
        if isinstance(value, Table) and head in value:
            yield value, head
        return
    below: list[Value]
    if head == "*":
        below = (
            list(value.values())
            if isinstance(value, Table)
            else value
            if isinstance(value, list)
            else []
        )
    else:
        below = [value[head]] if isinstance(value, Table) and head in value else []
    for each in below:
        yield from _places(each, tuple(rest))
