"""Keys that belong to the language but are not supported yet: refused by name, never ignored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sauce_janitor.config.source.problems import ConfigProblems
from sauce_janitor.config.source.yaml import Table, Value

_EMPTY: Final[tuple[object, ...]] = (None, [], {})
_HINTS: Final[dict[tuple[str, ...], tuple[str, tuple[object, ...]]]] = {
    ("state", "url"): ("use path instead: the state is an SQLite file", (None,)),
}
"""Path to (what to do instead, values that change nothing and are accepted)."""


def refuse_unsupported(root: Table, faults: ConfigProblems) -> None:
    """Add a problem for each key that is not supported, and remove the key from the values.

    So the grammar does not report it a second time.
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
    below: list[Value] = []
    if isinstance(value, Table) and head == "*":
        below = list(value.values())
    elif isinstance(value, Table) and head in value:
        below = [value[head]]
    elif isinstance(value, list) and head == "*":
        below = value
    for each in below:
        yield from _places(each, tuple(rest))
