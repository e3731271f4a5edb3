"""Patterns of `match`: globs, regular expressions, lists, bounds and words, and their JSON Schema.

They are checked here, so that a run never meets an invalid one. The module is longer than others
because each pattern type has a parser and a schema, and they share their helpers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, TypeAlias

import re2
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from sauce_janitor.config.grammar import lookalikes
from sauce_janitor.config.grammar.durations import elapsed
from sauce_janitor.config.grammar.scalars import Parsed, in_a_list, kind_of, sentence, text_of
from sauce_janitor.config.grammar.synonyms import word_meant
from sauce_janitor.config.source.problems import did_you_mean, listed, shown
from sauce_janitor.model.globs import (
    MOST_ALTERNATIVES,
    alternatives,
    class_end,
    has_alternatives_in_bounds,
)
from sauce_janitor.model.policies import Comparison, Glob, Literally, Pattern, Regex

CUSTOM_DATA: Final = "custom_data."
"""The prefix of the fields of a job's custom data."""

STATUSES: Final = ("passed", "failed", "error", "errored", "complete")
STATES: Final = ("queued", "running", "finished", "unknown")
BUILD_STATUSES: Final = ("running", "error", "failed", "complete", "success")


@dataclass(frozen=True, slots=True)
class NamedList:
    """A reference `{in: LIST}` to a list of patterns."""

    name: str


PatternTerm: TypeAlias = Pattern | NamedList

_GLOB_KEYS: Final = ("glob", "literal")
_NO_LITERAL: Final = "`?` in place of that character"
_BOUNDS: Final = ("lt", "le", "gt", "ge")
_RE2_OPTIONS: Final = re2.Options()
# RE2 otherwise writes each error to stderr, beside the program's own message.
_RE2_OPTIONS.log_errors = False
_LONGEST_PATTERN = 1000


def glob(text: str, *, literal: bool = False, kind: lookalikes.Kind = "text") -> Glob:
    """Return the glob of `text`. Raise ValueError for one that is invalid or looks like a mistake.

    With `literal` the text is meant exactly as it is: only `*`, `?` and `[…]` are special.
    """
    if text == "":
        raise ValueError("is empty: write null for jobs without a value")
    # A build's name is trimmed before it is compared, and elsewhere such a blank is hardly ever
    # meant.
    if text != text.strip():
        raise ValueError(f"{shown(text)} begins or ends with a blank: remove it, or use `*`")
    # A longer pattern is hardly meant, and the time to compile it grows with its length.
    if len(text) > _LONGEST_PATTERN:
        raise ValueError(f"is longer than {_LONGEST_PATTERN} characters")
    _check_brackets(text)
    if literal:
        return Glob(lookalikes.literal(text))
    lookalikes.check_meaning(
        text, kind=kind, otherwise=_NO_LITERAL if kind == "file" else lookalikes.AS_IT_STANDS
    )
    # `{a,b}{a,b}{a,b}…` doubles with each pair of braces.
    if not has_alternatives_in_bounds(text):
        raise ValueError(
            f"{shown(text)} has braces for more than {MOST_ALTERNATIVES} texts, or nested too"
            " deeply: write a regex, or a list"
        )
    return Glob(text)


def _check_brackets(text: str) -> None:
    at = text.find("[")
    while at >= 0:
        close = class_end(text, at)
        if close < 0:
            raise ValueError(
                f"{shown(text)} has a `[` without its `]`: write `[[]` for the character itself"
            )
        at = text.find("[", close + 1)


def _glob_term(value: dict[str, Any]) -> Glob:
    """Return the glob of `{glob: TEXT, literal: true}`."""
    for key in value:
        if key not in _GLOB_KEYS:
            raise ValueError(
                f"unknown key `{key}`; valid keys:"
                f" {listed(_GLOB_KEYS)}{did_you_mean(key, _GLOB_KEYS)}"
            )
    as_it_stands = value.get("literal", False)
    if as_it_stands is not True and as_it_stands is not False:
        raise ValueError(f"literal: must be true or false, not {kind_of(as_it_stands)}")
    return glob(text_of(value["glob"], "a glob"), literal=as_it_stands)


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> Any:
    """Return the compiled pattern. Raise re2.error when it is invalid, without a log line."""
    return re2.compile(pattern, _RE2_OPTIONS)


def regex(value: object) -> Regex:
    """Return a regular expression in RE2's syntax. Raise ValueError for one that is invalid."""
    text = text_of(value, "a pattern")
    if text == "" or len(text) > _LONGEST_PATTERN:
        raise ValueError(
            "regex: the pattern is empty" if not text else "regex: the pattern is too long"
        )
    try:
        compiled(text)
    except re2.error as error:
        reason = (
            error.args[0].decode(errors="replace")
            if isinstance(error.args[0], bytes)
            else str(error.args[0])
        )
        raise ValueError(
            f"regex: {shown(text)} does not compile: {reason} (RE2 syntax: no look-around, no"
            " back-references)"
        ) from None
    return Regex(text)


def _only_key(value: dict[str, Any], known: tuple[str, ...]) -> str:
    for key in value:
        if key not in known:
            raise ValueError(
                f"unknown key `{key}`; valid keys: {listed(known)}{did_you_mean(key, known)}"
            )
    if len(value) != 1:
        raise ValueError(f"needs exactly one of {listed(known)}")
    return next(iter(value))


def text_pattern(value: object) -> PatternTerm:
    """Return a pattern for text.

    It is a glob, `{glob: …, literal: true}`, `{regex: …}`, `{in: LIST}` or null.
    """
    if value is None:
        return Literally(None)
    if isinstance(value, str):
        return glob(value)
    if isinstance(value, dict):
        if "glob" in value:
            return _glob_term(value)
        if _only_key(value, ("regex", "in", "glob")) == "regex":
            return regex(value["regex"])
        return NamedList(text_of(value["in"], "the name of a list under `lists`"))
    raise ValueError(f"must be text, not {kind_of(value)}: put it in quotes")


def prose_pattern(value: object) -> PatternTerm:
    """Return a pattern for sentences, which may have commas and percent signs."""
    return glob(value, kind="prose") if isinstance(value, str) else text_pattern(value)


def list_entry(value: object) -> PatternTerm:
    """Return a pattern in one of the `lists`: a glob or `{regex: …}`."""
    # Lists in lists could form a cycle.
    if value is None or (isinstance(value, dict) and "in" in value):
        raise ValueError("a list can only contain globs and `{regex: …}`")
    return text_pattern(value)


def comparison(value: dict[str, Any], *, durations: bool) -> Comparison:
    """Return the bounds `{lt|le|gt|ge: …}`. Raise ValueError for bounds that no number meets."""
    for key in value:
        if key not in _BOUNDS:
            raise ValueError(f"unknown key `{key}`; valid keys: {listed(_BOUNDS)}")
    if not value:
        raise ValueError(f"needs at least one of {listed(_BOUNDS)}")
    bounds: list[tuple[Literal["lt", "le", "gt", "ge"], float]] = []
    for key, bound in value.items():
        if durations:
            number: float = elapsed(bound).seconds
        elif isinstance(bound, int | float) and not isinstance(bound, bool):
            number = bound
        else:
            raise ValueError(f"{key}: must be a number, not {kind_of(bound)}")
        bounds.append((key, number))  # type: ignore[arg-type]  # checked against _BOUNDS above
    floor = max((number for key, number in bounds if key in {"gt", "ge"}), default=float("-inf"))
    ceiling = min((number for key, number in bounds if key in {"lt", "le"}), default=float("inf"))
    # A match that is never true protects nothing in a hold, and is true for all jobs under `not`.
    if floor > ceiling or (
        floor == ceiling and not {"ge", "le"} == {key for key, number in bounds if number == floor}
    ):
        raise ValueError("no value is within these bounds")
    return Comparison(tuple(sorted(bounds)))


def duration_pattern(value: object) -> PatternTerm:
    """Return a pattern for `duration`: bounds such as `{gt: 30min}`, or null."""
    if value is None:
        return Literally(None)
    if isinstance(value, dict):
        return comparison(value, durations=True)
    raise ValueError(f"must be bounds such as {{gt: 30min}}, not {kind_of(value)}")


def flag_pattern(value: object) -> PatternTerm:
    """Return a pattern for `manual`: true, false or null."""
    if value is None or isinstance(value, bool):
        return Literally(value)
    raise ValueError(f"must be true, false or null, not {kind_of(value)}")


def custom_pattern(value: object) -> PatternTerm:
    """Return a pattern for custom data: for text, a number, true, false or null."""
    # Before numbers: `true` is an int in Python.
    if isinstance(value, bool):
        return Literally(value)
    if isinstance(value, int | float):
        return Comparison((("ge", value), ("le", value)))
    if isinstance(value, dict) and not {"regex", "in", "glob"} & value.keys():
        return comparison(value, durations=False)
    return text_pattern(value)


def _one_of(words: tuple[str, ...]) -> Any:
    def word_pattern(value: object) -> PatternTerm:
        pattern = text_pattern(value)
        # Each alternative would have to be checked against the words; a list says the same and is
        # checked below.
        if isinstance(pattern, Glob) and len(parts := alternatives(pattern.pattern)) > 1:
            raise ValueError(
                f"{shown(pattern.pattern)} has braces, which are not for this field: write"
                f" `[{', '.join(parts)}]`"
            )
        if (
            isinstance(pattern, Glob)
            and not set("*?[") & set(pattern.pattern)
            and pattern.pattern not in words
        ):
            near = word_meant(pattern.pattern, words)
            raise ValueError(f"{shown(pattern.pattern)} never matches: use {listed(words)}{near}")
        return pattern

    return word_pattern


# --- JSON Schema ----------------------------------------------------------------------------------


def _one_key(name: str, meaning: str, example: str) -> dict[str, Any]:
    key = {"type": "string", "description": meaning, "examples": [example]}
    return {
        "type": "object",
        "properties": {name: key},
        "required": [name],
        "additionalProperties": False,
    }


_GLOB_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "glob": {"type": "string", "description": "A glob.", "examples": ["a|b*"]},
        "literal": {
            "type": "boolean",
            "description": "Mean exactly this text: only `*`, `?` and `[…]` are special.",
            "examples": [True],
        },
    },
    "required": ["glob"],
    "additionalProperties": False,
}
_REGEX_OR_LIST: Final[list[dict[str, Any]]] = [
    _one_key("regex", "A full match in RE2's syntax.", r"rc-\d+.*"),
    _one_key("in", "Any entry of this list under `lists`.", "trunk"),
    _GLOB_SCHEMA,
]
_TEXT_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [{"type": "string"}, {"type": "null"}, *_REGEX_OR_LIST]
}


def _bounds_schema(bound: dict[str, Any], example: object) -> dict[str, Any]:
    words = {"lt": "Less than.", "le": "At most.", "gt": "More than.", "ge": "At least."}
    properties = {
        key: {**bound, "description": text, "examples": [example]} for key, text in words.items()
    }
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
    }


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Marks a list of patterns that may be written as one pattern; `schema` is that of one."""

    parse: Callable[[Any], PatternTerm]
    schema: dict[str, Any]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        one = core_schema.no_info_plain_validator_function(sentence(self.parse))
        return core_schema.no_info_before_validator_function(
            in_a_list, core_schema.list_schema(one, min_length=1)
        )

    def __get_pydantic_json_schema__(
        self, _schema: Any, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        many = {"type": "array", "minItems": 1, "items": self.schema}
        return {"anyOf": [*self.schema.get("anyOf", [self.schema]), many]}


def _word_schema(words: tuple[str, ...]) -> dict[str, Any]:
    return {"anyOf": [{"enum": list(words)}, *_TEXT_SCHEMA["anyOf"]]}


_NUMBER_BOUNDS = _bounds_schema({"type": "number"}, 3)
_DURATION_BOUNDS = _bounds_schema({"type": "string", "pattern": "^[0-9]+(s|min|h|d|w)$"}, "30min")
_CUSTOM_SCHEMA: Final = {
    "anyOf": [{"type": ["boolean", "number"]}, _NUMBER_BOUNDS, *_TEXT_SCHEMA["anyOf"]]
}
Patterns: TypeAlias = list[PatternTerm] | None
TextPatterns = Annotated[Patterns, _Patterns(text_pattern, _TEXT_SCHEMA)]
ProsePatterns = Annotated[Patterns, _Patterns(prose_pattern, _TEXT_SCHEMA)]
StatusPatterns = Annotated[Patterns, _Patterns(_one_of(STATUSES), _word_schema(STATUSES))]
StatePatterns = Annotated[Patterns, _Patterns(_one_of(STATES), _word_schema(STATES))]
BuildStatusPatterns = Annotated[
    Patterns, _Patterns(_one_of(BUILD_STATUSES), _word_schema(BUILD_STATUSES))
]
FlagPatterns = Annotated[Patterns, _Patterns(flag_pattern, {"type": ["boolean", "null"]})]
DurationPatterns = Annotated[
    Patterns, _Patterns(duration_pattern, {"anyOf": [{"type": "null"}, _DURATION_BOUNDS]})
]
CustomPatterns = Annotated[Patterns, _Patterns(custom_pattern, _CUSTOM_SCHEMA)]

ListEntry = Annotated[
    Any,
    Parsed(list_entry, {"anyOf": [{"type": "string"}, _REGEX_OR_LIST[0], _GLOB_SCHEMA]}),
]
