"""Matching: three-valued tests of a job's fields, and the table that tests each distinct value of a
field only once. It is one module: both sides must agree on what a field's value is.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias, TypeVar, assert_never

import re2

from sauce_janitor.model.globs import compile_glob, is_plain
from sauce_janitor.model.jobs import UNKNOWN, Record, roles_of
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

Truth: TypeAlias = bool | None
"""True, False, or None for unknown (Kleene)."""

Test: TypeAlias = Callable[[object], Truth]
"""A test of a field's value."""

T = TypeVar("T")

_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
_COMPARE: Final = {"lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge}
_CUSTOM = "custom_data."

# --- fields ---------------------------------------------------------------------------------------


def _duration(record: Record) -> object:
    start, end = record.job.started_at, record.job.ended_at
    if start is UNKNOWN or end is UNKNOWN:
        return UNKNOWN
    return None if start is None or end is None else end - start


def _custom(key: str) -> Callable[[Record], object]:
    def get(record: Record) -> object:
        data = record.job.custom_data
        if data is UNKNOWN or data is None:
            return data
        value = data.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            # To Python 1, 1.0 and True are equal; as texts they differ.
            return str(value)
        # Lists and objects have no meaning to a pattern: the job is undecided, so it is kept.
        return value if isinstance(value, str | bool) or value is None else UNKNOWN

    return get


def field_getter(field: str) -> Callable[[Record], object]:
    """Return a function that reads one of `policies.FIELDS` or `custom_data.<key>` from a record.

    It gives text, bool, int, a tuple of tags, None for null, or UNKNOWN. A key that custom data
    lacks is null; a value there that is neither text, number nor bool is UNKNOWN.
    """
    if field.startswith(_CUSTOM):
        return _custom(field.removeprefix(_CUSTOM))
    if field == "duration":
        return _duration
    return operator.attrgetter(_attribute(field))


def _attribute(field: str) -> str:
    return "build_status" if field == "build_status" else f"job.{field}"


def is_attribute(field: str) -> bool:
    """Return whether the field is an attribute of the record, not computed from others."""
    return field != "duration" and not field.startswith(_CUSTOM)


def fields_getter(fields: Sequence[str]) -> Callable[[Record], tuple[object, ...]]:
    """Return a function that reads all these fields: in one step where they are attributes, which
    takes half the time.
    """
    if len(fields) > 1 and all(is_attribute(field) for field in fields):
        return operator.attrgetter(*(_attribute(field) for field in fields))
    getters = [field_getter(field) for field in fields]
    return lambda record: tuple([get(record) for get in getters])


# --- patterns -------------------------------------------------------------------------------------


def _glob(pattern: Glob) -> Test:
    test = compile_glob(pattern.pattern)

    def matches(value: object) -> Truth:
        if isinstance(value, str):
            return test(value)
        if value is None:
            return False
        # JSON and YAML write true and false.
        return test(str(value).lower() if isinstance(value, bool) else str(value))

    return matches


def _regex(pattern: Regex) -> Test:
    compiled = re2.compile(pattern.pattern)

    def matches(value: object) -> Truth:
        if not isinstance(value, str):
            return False if value is None else None
        try:
            return compiled.fullmatch(value) is not None
        except UnicodeEncodeError:
            # Half a surrogate pair: JSON can contain it, UTF-8 cannot.
            return None

    return matches


def _comparison(pattern: Comparison) -> Test:
    bounds = tuple((_COMPARE[word], limit) for word, limit in pattern.bounds)

    def matches(value: object) -> Truth:
        if value is None:
            return False
        if isinstance(value, str):
            value = float(value) if _NUMBER.fullmatch(value) else math.nan
        if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value):
            return None
        number = value
        return all(compare(number, limit) for compare, limit in bounds)

    return matches


def _literally(pattern: Literally) -> Test:
    wanted = pattern.value
    return lambda value: value is wanted


def _pattern(pattern: Pattern) -> Test:
    match pattern:
        case Glob():
            return _glob(pattern)
        case Regex():
            return _regex(pattern)
        case Comparison():
            return _comparison(pattern)
        case Literally():
            return _literally(pattern)
        case _:
            assert_never(pattern)


def _any(truths: Iterator[Truth]) -> Truth:
    unknown = False
    for truth in truths:
        if truth:
            return True
        unknown = unknown or truth is None
    return None if unknown else False


def value_test(atom: Atom) -> Test:
    """Return the test of one field's value. UNKNOWN is unknown; tags match when any tag does."""
    patterns = atom.patterns
    # Sauce Labs has two words for one verdict.
    if atom.field == "status":
        patterns = tuple(
            Glob("error") if pattern == Glob("errored") else pattern for pattern in patterns
        )
    tests = tuple(_pattern(pattern) for pattern in patterns)
    plain = frozenset(p.pattern for p in patterns if isinstance(p, Glob) and is_plain(p.pattern))
    texts = plain if len(plain) == len(patterns) else None
    one = tests[0] if len(tests) == 1 else _any_test(tests, texts)
    if atom.field == "tags":
        return tags_test(one)
    if atom.field == "public":
        return roles_test(one)
    return lambda value: None if value is UNKNOWN else one(value)


def _any_test(tests: tuple[Test, ...], plain: frozenset[str] | None) -> Test:
    """Return a test whether any of the tests is true. If `plain` is all that they look for, a text
    is tested by membership.
    """

    def any_true(value: object) -> Truth:
        if plain is not None and isinstance(value, str):
            return value in plain
        return _any(test(value) for test in tests)

    return any_true


def tags_test(test: Test) -> Test:
    """Return a test of all tags from a test of one."""

    def any_tag(tags: object) -> Truth:
        if tags is UNKNOWN:
            return None
        assert isinstance(tags, tuple)
        return _any(test(tag) for tag in tags)

    return any_tag


def roles_test(test: Test) -> Test:
    """Return a test of `public` from a test of one role: any role may match, or the whole text."""

    def any_role(public: object) -> Truth:
        if public is UNKNOWN:
            return None
        if not isinstance(public, str) or "," not in public:
            return test(public)
        return _any(test(role) for role in (*roles_of(public), public))

    return any_role


# --- trees ----------------------------------------------------------------------------------------


def compile_tree(
    match: Match, leaf: Callable[[Atom], Callable[[T], Truth]]
) -> Callable[[T], Truth]:
    """Return the match as one function with Kleene's and, or, not; `leaf` makes the functions of
    its atoms.
    """
    match match:
        case Atom():
            return leaf(match)
        case Not():
            inner = compile_tree(match.part, leaf)

            def negated(subject: T) -> Truth:
                truth = inner(subject)
                return None if truth is None else not truth

            return negated
        case AnyOf():
            some = tuple(compile_tree(part, leaf) for part in match.parts)
            return lambda subject: _any(part(subject) for part in some)
        case AllOf():
            every = tuple(compile_tree(part, leaf) for part in match.parts)

            def conjunction(subject: T) -> Truth:
                truth: Truth = True
                for part in every:
                    here = part(subject)
                    if here is False:
                        return False
                    truth = None if here is None else truth
                return truth

            return conjunction
        case _:
            assert_never(match)


def compile_match(match: Match) -> Callable[[Record], Truth]:
    """Return the match as one function of a record, for tests of a few records; use `FieldTests`
    for many.
    """

    def leaf(atom: Atom) -> Callable[[Record], Truth]:
        get, test = field_getter(atom.field), value_test(atom)
        return lambda record: test(get(record))

    return compile_tree(match, leaf)


def atoms(match: Match) -> Iterator[Atom]:
    """Yield the atoms of a match, left to right."""
    match match:
        case Atom():
            yield match
        case Not():
            yield from atoms(match.part)
        case AllOf() | AnyOf():
            for part in match.parts:
                yield from atoms(part)
        case _:
            assert_never(match)


def fields_read(match: Match) -> frozenset[str]:
    """Return the fields whose values can change the result of the match."""
    return frozenset(atom.field for atom in atoms(match))
