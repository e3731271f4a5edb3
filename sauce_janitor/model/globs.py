"""Globs, compiled to the cheapest test: anchored, case-sensitive, with `*`, `?`, `[…]` and `{a,b}`.

`[!…]` and `[^…]` both negate. A backslash is an ordinary character: `[*]` is the star itself.
"""

from __future__ import annotations

import fnmatch
import re
import string
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

TextTest = Callable[[str], bool]

MOST_ALTERNATIVES: Final = 64
"""How many texts the braces of one glob may stand for: each is tested separately."""
_DEEPEST: Final = 5
_MAGIC = re.compile(r"[*?\[]")


def is_plain(pattern: str) -> bool:
    """Return whether the glob is just the text itself."""
    return not has_wildcards(pattern) and alternatives(pattern) == (pattern,)


def has_wildcards(part: str) -> bool:
    """Return whether there is a `*`, `?` or `[` in it."""
    return _MAGIC.search(part) is not None


def compile_glob(pattern: str) -> TextTest:
    """Return a test of whole texts. Any text is a valid glob: an unclosed `[` or `{` is that
    character.
    """
    parts = alternatives(pattern)
    if len(parts) == 1:
        return compile_part(parts[0])
    # Only plain texts: one lookup in a set.
    if not any(map(has_wildcards, parts)):
        return frozenset(parts).__contains__
    tests = tuple(map(compile_part, parts))
    return lambda text: any(test(text) for test in tests)


def compile_part(pattern: str) -> TextTest:
    """Return a test of whole texts for one of a glob's alternatives: braces are ordinary
    characters.
    """
    if not has_wildcards(pattern):
        return pattern.__eq__
    # Most patterns are one of the next three: string methods are several times faster than `re`.
    if pattern == "*":
        return lambda _text: True
    head, tail = pattern[:-1], pattern[1:]
    if pattern.endswith("*") and not has_wildcards(head):
        return lambda text: text.startswith(head)
    if pattern.startswith("*") and not has_wildcards(tail):
        return lambda text: text.endswith(tail)
    # fnmatch writes atomic groups, which do not backtrack from one star into another: no pattern
    # can freeze a run.
    match = re.compile(fnmatch.translate(_for_fnmatch(pattern))).match
    return lambda text: match(text) is not None


def alternatives(pattern: str) -> tuple[str, ...]:
    """Return the globs without braces that `pattern` stands for. One that stands for too many is a
    text with braces in it.
    """
    if "{" not in pattern or not has_alternatives_in_bounds(pattern):
        return (pattern,)
    return tuple(dict.fromkeys(_expanded(pattern, 0)))


def has_alternatives_in_bounds(pattern: str) -> bool:
    """Return whether its braces stand for at most `MOST_ALTERNATIVES` texts and are not nested too
    deep.
    """
    try:
        return all(number < MOST_ALTERNATIVES for number, _ in enumerate(_expanded(pattern, 0)))
    except RecursionError:
        return False


def class_end(text: str, at: int) -> int:
    """Return where the `]` of the `[` at that place is; -1 when there is none. A `]` that comes
    first stands for itself.
    """
    first = at + 2 if text[at + 1 : at + 2] in {"!", "^"} else at + 1
    return text.find("]", first + 1)


def exactly(text: str) -> str:
    """Return the glob that matches only this text."""
    return "".join(f"[{letter}]" if letter in "*?[{" else letter for letter in text)


def with_literal_braces(text: str) -> str:
    """Return the glob in which braces are ordinary characters."""
    return "".join("[{]" if char == "{" else char for _, char in _outside_of_classes(text))


def for_sqlite(part: str) -> str:
    """Return one of a glob's alternatives for SQLite's GLOB, in which only `[^…]` negates and an
    unclosed `[` matches nothing.
    """
    return _with_negation(part, written="[!", wanted="[^")


def for_postgresql(part: str) -> str:
    """Return one of a glob's alternatives as a regular expression of PostgreSQL, which compares by
    the numbers of characters (the collation C).
    """
    pieces: list[str] = []
    for _, piece in _outside_of_classes(part):
        if len(piece) > 1:
            pieces.append(_class_for_postgresql(piece))
        else:
            pieces.append({"*": ".*", "?": "."}.get(piece) or _escaped(piece))
    return f"^{''.join(pieces)}$"


def _class_for_postgresql(piece: str) -> str:
    is_negated = piece[1] in "!^"
    inside = piece[2:-1] if is_negated else piece[1:-1]
    ranges: list[str] = []
    at = 0
    while at < len(inside):
        first, last = inside[at], inside[at]
        # A hyphen at either end stands for itself.
        if inside[at + 1 : at + 2] == "-" and at + 2 < len(inside):
            last = inside[at + 2]
            at += 2
        at += 1
        # The server refuses a range whose ends are the wrong way round; it has no character.
        if first <= last:
            ends = (first,) if first == last else (first, last)
            ranges.append("-".join(map(_escaped, ends)))
    # No brackets are empty: nothing matches, or anything.
    if not ranges:
        return "." if is_negated else "(?!)"
    return f"[{'^' * is_negated}{''.join(ranges)}]"


def _escaped(letter: str) -> str:
    """Return a character that means itself, also between brackets."""
    return f"\\{letter}" if letter in string.punctuation else letter


def _expanded(text: str, depth: int) -> Iterator[str]:
    group = _first_group(text)
    if group is None:
        yield text
        return
    # Nested braces multiply: a short text could stand for millions.
    if depth == _DEEPEST:
        raise RecursionError
    head, parts, tail = group
    for part in parts:
        for inner in _expanded(part, depth + 1):
            for rest in _expanded(tail, depth):
                yield head + inner + rest


def _first_group(text: str) -> tuple[str, list[str], str] | None:
    """Return the text before the first braces with a comma in them, what the commas separate, and
    the text after.
    """
    opened: list[tuple[int, list[int]]] = []
    found: tuple[int, list[int], int] | None = None
    for at, char in _outside_of_classes(text):
        if char == "{":
            opened.append((at, []))
        elif char == "," and opened:
            opened[-1][1].append(at)
        elif char == "}" and opened:
            start, commas = opened.pop()
            # Braces without a comma are text, as in a shell: `{x}`.
            if commas and (found is None or start < found[0]):
                found = start, commas, at
            if found is not None and not any(start < found[0] for start, _ in opened):
                break
    if found is None:
        return None
    start, commas, end = found
    edges = [start, *commas, end]
    return text[:start], [text[a + 1 : b] for a, b in pairwise(edges)], text[end + 1 :]


def _outside_of_classes(text: str) -> Iterator[tuple[int, str]]:
    """Yield each character and its place; a class such as `[{,]` is one piece."""
    at = 0
    while at < len(text):
        end = class_end(text, at) if text[at] == "[" else -1
        until = at + 1 if end < 0 else end + 1
        yield at, text[at:until]
        at = until


def _for_fnmatch(pattern: str) -> str:
    """Return the glob for fnmatch, in which only `[!…]` negates and `[^]` is a class of its own."""
    return _with_negation(pattern, written="[^", wanted="[!")


def _with_negation(pattern: str, *, written: str, wanted: str) -> str:
    """Return the glob with each negated class in the `wanted` spelling, and each unclosed `[` as a
    class of its own.
    """
    pieces: list[str] = []
    for _, piece in _outside_of_classes(pattern):
        if piece == "[":
            pieces.append("[[]")
        else:
            pieces.append(wanted + piece[2:] if piece.startswith(written) else piece)
    return "".join(pieces)
