"""Whether two matches can both be true of one job, as far as the matches themselves show. They may
overlap unless they certainly cannot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, product
from typing import Final, assert_never

import re2

from sauce_janitor.model.globs import alternatives, compile_glob, compile_part, has_wildcards
from sauce_janitor.model.policies import (
    AllOf,
    AnyOf,
    Atom,
    Comparison,
    Glob,
    Literally,
    Match,
    Not,
    Pattern,
    Regex,
)

_Literal = tuple[Atom, bool]
"""An atom, and whether it must be true."""

_MOST_BRANCHES: Final = 256
_REGEX_HEAD: Final = re.compile(r"[A-Za-z0-9 _/:=@#,;<>&!~'%-]*")
"""The characters that stand for themselves in a regex."""
_MAGIC = re.compile(r"[*?\[]")


def may_overlap(one: Match, other: Match) -> bool:
    """Return whether a job can match both. False only where it certainly cannot."""
    branches = _branches(AllOf((one, other)), wanted=True)
    return branches is None or any(not _is_impossible(branch) for branch in branches)


def _branches(match: Match, *, wanted: bool) -> list[tuple[_Literal, ...]] | None:
    """Return the match as alternatives of literals that must all hold; None when there are too
    many.
    """
    match match:
        case Atom():
            return [((match, wanted),)]
        case Not():
            return _branches(match.part, wanted=not wanted)
        case AllOf() | AnyOf():
            parts = [_branches(part, wanted=wanted) for part in match.parts]
            known = [part for part in parts if part is not None]
            # Too many branches to look at: the matches may overlap.
            if len(known) < len(parts):
                return None
            # A negated "and" is an "or" of the negated parts, and the other way round.
            if isinstance(match, AllOf) is not wanted:
                found = list(chain.from_iterable(known))
                return found if len(found) <= _MOST_BRANCHES else None
            size = 1
            for part in known:
                size *= len(part)
            return (
                None if size > _MOST_BRANCHES else [sum(chosen, ()) for chosen in product(*known)]
            )
        case _:
            assert_never(match)


_SEVERAL: Final = frozenset({"tags", "public"})
"""Fields of which a job may have several values: two patterns that no single text matches can both
be true.
"""


def _is_impossible(branch: Iterable[_Literal]) -> bool:
    literals = list(branch)
    for atom, wanted in literals:
        if not wanted:
            continue
        for other, also in literals:
            if other.field != atom.field:
                continue
            if not also and all(
                any(_covers(wide, narrow) for wide in other.patterns) for narrow in atom.patterns
            ):
                return True
            if (
                also
                and atom.field not in _SEVERAL
                and all(_apart(a, b) for a, b in product(atom.patterns, other.patterns))
            ):
                return True
    return False


def _covers(wide: Pattern, narrow: Pattern) -> bool:
    """Return whether `wide` certainly matches everything that `narrow` matches."""
    if wide == narrow:
        return True
    if isinstance(wide, Glob) and isinstance(narrow, Glob):
        test = compile_glob(wide.pattern)
        parts = alternatives(narrow.pattern)
        return wide.pattern == "*" or all(not has_wildcards(part) and test(part) for part in parts)
    return False


def _apart(one: Pattern, other: Pattern) -> bool:
    """Return whether certainly no value matches both."""
    for a, b in ((one, other), (other, one)):
        if isinstance(a, Literally):
            # No other pattern matches null.
            if a.value is None:
                return not isinstance(b, Literally) or b.value is not None
            return isinstance(b, Literally) and a.value is not b.value
        if isinstance(a, Glob) and isinstance(b, Regex):
            return all(_is_apart_from_regex(part, b.pattern) for part in alternatives(a.pattern))
    if isinstance(one, Regex) and isinstance(other, Regex):
        return not _one_begins(_head_of_regex(one.pattern), _head_of_regex(other.pattern))
    if isinstance(one, Glob) and isinstance(other, Glob):
        return all(
            _are_apart(*pair)
            for pair in product(alternatives(one.pattern), alternatives(other.pattern))
        )
    if isinstance(one, Comparison) and isinstance(other, Comparison):
        return not _can_be_met((*one.bounds, *other.bounds))
    return False


def _is_apart_from_regex(part: str, regex: str) -> bool:
    """Return whether no text matches both a glob without braces and a regex."""
    if not has_wildcards(part):
        return re2.compile(regex).fullmatch(part) is None
    return not _one_begins(_head(part), _head_of_regex(regex))


def _head_of_regex(pattern: str) -> str:
    """Return the text with which everything that the regex matches begins, as far as that is easy
    to see.
    """
    # Alternatives, or flags that change the meaning of a letter.
    if "|" in pattern or "(?" in pattern:
        return ""
    plain = _REGEX_HEAD.match(pattern)
    assert plain is not None
    head, rest = plain[0], pattern[plain.end() :]
    # A repetition may take the last character zero times.
    return head[:-1] if rest[:1] in {"*", "?", "{"} else head


def _are_apart(one: str, other: str) -> bool:
    """Return whether no text matches both globs, which have no braces."""
    for a, b in ((one, other), (other, one)):
        if not has_wildcards(a):
            return not compile_part(b)(a)
    heads, tails = ([cut(part) for part in (one, other)] for cut in (_head, _tail))
    return not _one_begins(*heads) or not _one_begins(*(tail[::-1] for tail in tails))


def _head(pattern: str) -> str:
    """Return the text with which everything that the glob matches begins."""
    return _MAGIC.split(pattern, maxsplit=1)[0]


def _tail(pattern: str) -> str:
    """Return the text with which everything that the glob matches ends; "" where a `]` makes that
    hard to see.
    """
    return "" if "[" in pattern else _MAGIC.split(pattern)[-1]


def _one_begins(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _can_be_met(bounds: Iterable[tuple[str, float]]) -> bool:
    bounds = list(bounds)
    floor = max((number for word, number in bounds if word in {"gt", "ge"}), default=float("-inf"))
    ceiling = min((number for word, number in bounds if word in {"lt", "le"}), default=float("inf"))
    # One number is left, which must be allowed from both sides.
    if floor == ceiling:
        return not {"gt", "lt"} & set(_words_at(bounds, floor))
    return floor < ceiling


def _words_at(bounds: Iterable[tuple[str, float]], number: float) -> Iterator[str]:
    return (word for word, bound in bounds if bound == number)
