"""`match`: which jobs are meant. Patterns are checked and compiled once here, so that a run never
meets a bad one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, TypeAlias

import re2
from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import core_schema

from sauce_janitor.config.grammar import lookalikes
from sauce_janitor.config.grammar.scalars import (
    Grammar,
    elapsed,
    fault,
    in_a_list,
    kind_of,
    sentence,
    text_of,
)
from sauce_janitor.config.grammar.synonyms import field_meant, word_meant
from sauce_janitor.config.source.problems import did_you_mean, listed, shown
from sauce_janitor.model.globs import (
    MOST_ALTERNATIVES,
    alternatives,
    class_end,
    has_alternatives_in_bounds,
)
from sauce_janitor.model.policies import Comparison, Glob, Literally, Pattern, Regex

CUSTOM_DATA: Final = "custom_data."
"""What fields of a job's custom data begin with."""

STATUSES: Final = ("passed", "failed", "error", "errored", "complete")
STATES: Final = ("queued", "running", "finished", "unknown")
BUILD_STATUSES: Final = ("running", "error", "failed", "complete", "success")


@dataclass(frozen=True, slots=True)
class NamedList:
    """`{in: LIST}` before it is resolved."""

    name: str


PatternTerm: TypeAlias = Pattern | NamedList

_GLOB_KEYS: Final = ("glob", "literal")
_NO_NOTE: Final = "`?` in that character's place"
_BOUNDS: Final = ("lt", "le", "gt", "ge")
_RE2_OPTIONS: Final = re2.Options()
_RE2_OPTIONS.log_errors = False
_LONGEST_PATTERN = 1000


def glob(text: str, *, literal: bool = False, kind: lookalikes.Kind = "text") -> Glob:
    """The glob that `text` writes; ValueError for one that cannot mean what it says.

    `literal`: it is meant as it stands, whatever it looks like; of its characters only `*`, `?` and
    `[…]` are special.
    """
    if text == "":
        raise ValueError("is empty: null matches a job without it")
    if text != text.strip():
        raise ValueError(f"{shown(text)} begins or ends with a blank: remove it, or use `*`")
    if len(text) > _LONGEST_PATTERN:
        raise ValueError(f"is longer than {_LONGEST_PATTERN} characters")
    _check_brackets(text)
    if literal:
        return Glob(lookalikes.literal(text))
    lookalikes.check_meaning(
        text, kind=kind, otherwise=_NO_NOTE if kind == "file" else lookalikes.AS_IT_STANDS
    )
    if not has_alternatives_in_bounds(text):
        raise ValueError(
            f"{shown(text)} has braces for more than {MOST_ALTERNATIVES} texts, or too deep: write"
            " a regex, or a list"
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
    """`{glob: TEXT, literal: true}`."""
    for key in value:
        if key not in _GLOB_KEYS:
            raise ValueError(
                f"unknown key `{key}`; known here:"
                f" {listed(_GLOB_KEYS)}{did_you_mean(key, _GLOB_KEYS)}"
            )
    as_it_stands = value.get("literal", False)
    if as_it_stands is not True and as_it_stands is not False:
        raise ValueError(f"literal: {kind_of(as_it_stands)} stands where true or false is meant")
    return glob(text_of(value["glob"], "a glob"), literal=as_it_stands)


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> Any:
    """The pattern compiled, silently; re2.error when it cannot be."""
    return re2.compile(pattern, _RE2_OPTIONS)


def regex(value: object) -> Regex:
    """The pattern in RE2's syntax; ValueError when RE2 does not take it."""
    text = text_of(value, "a pattern")
    if text == "" or len(text) > _LONGEST_PATTERN:
        raise ValueError(
            "regex: the pattern is empty" if not text else "regex: the pattern is too long"
        )
    try:
        compiled(text)
    except re2.error as wrong:
        reason = (
            wrong.args[0].decode(errors="replace")
            if isinstance(wrong.args[0], bytes)
            else str(wrong.args[0])
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
                f"unknown key `{key}`; known here: {listed(known)}{did_you_mean(key, known)}"
            )
    if len(value) != 1:
        raise ValueError(f"give exactly one of {listed(known)}")
    return next(iter(value))


def text_pattern(value: object) -> PatternTerm:
    """A pattern for text: a glob, `{glob: …, literal: true}`, `{regex: …}`, `{in: LIST}` or
    null.
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
    raise ValueError(f"{kind_of(value)} stands where text is meant: put it in quotes")


def prose_pattern(value: object) -> PatternTerm:
    """A pattern for sentences, which have commas and percentages of their own."""
    return glob(value, kind="prose") if isinstance(value, str) else text_pattern(value)


def list_entry(value: object) -> PatternTerm:
    """A pattern in one of the `lists`: a glob or `{regex: …}`."""
    if value is None or (isinstance(value, dict) and "in" in value):
        raise ValueError("a list holds globs and `{regex: …}` only")
    return text_pattern(value)


def comparison(value: dict[str, Any], *, durations: bool) -> Comparison:
    """`{lt|le|gt|ge: …}`; ValueError for bounds that no number meets."""
    for key in value:
        if key not in _BOUNDS:
            raise ValueError(f"unknown key `{key}`; known here: {listed(_BOUNDS)}")
    if not value:
        raise ValueError(f"give at least one of {listed(_BOUNDS)}")
    bounds: list[tuple[Literal["lt", "le", "gt", "ge"], float]] = []
    for key, bound in value.items():
        if durations:
            number: float = elapsed(bound).seconds
        elif isinstance(bound, int | float) and not isinstance(bound, bool):
            number = bound
        else:
            raise ValueError(f"{key}: {kind_of(bound)} stands where a number is meant")
        bounds.append((key, number))  # type: ignore[arg-type]  # checked against _BOUNDS above
    floor = max((number for key, number in bounds if key in {"gt", "ge"}), default=float("-inf"))
    ceiling = min((number for key, number in bounds if key in {"lt", "le"}), default=float("inf"))
    if floor > ceiling or (
        floor == ceiling and not {"ge", "le"} == {key for key, number in bounds if number == floor}
    ):
        raise ValueError("no value can be within these bounds")
    return Comparison(tuple(sorted(bounds)))


def duration_pattern(value: object) -> PatternTerm:
    """A pattern for `duration`: bounds such as `{gt: 30min}`, or null."""
    if value is None:
        return Literally(None)
    if isinstance(value, dict):
        return comparison(value, durations=True)
    raise ValueError(f"{kind_of(value)} stands where bounds such as {{gt: 30min}} are meant")


def flag_pattern(value: object) -> PatternTerm:
    """A pattern for `manual`: true, false or null."""
    if value is None or isinstance(value, bool):
        return Literally(value)
    raise ValueError(f"{kind_of(value)} stands where true, false or null is meant")


def custom_pattern(value: object) -> PatternTerm:
    """A pattern for custom data, which may hold any JSON: text, numbers, true, false, null."""
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
        if isinstance(pattern, Glob) and len(parts := alternatives(pattern.pattern)) > 1:
            raise ValueError(
                f"{shown(pattern.pattern)} has braces, where words are known: write"
                f" `[{', '.join(parts)}]`"
            )
        if (
            isinstance(pattern, Glob)
            and not set("*?[") & set(pattern.pattern)
            and pattern.pattern not in words
        ):
            near = word_meant(pattern.pattern, words)
            raise ValueError(
                f"{shown(pattern.pattern)} is never the case: it is {listed(words)}{near}"
            )
        return pattern

    return word_pattern


# --- what editors are told ------------------------------------------------------------------------


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
            "description": (
                "It is meant as it stands, whatever it looks like: only `*`, `?` and `[…]` are"
                " special."
            ),
            "examples": [True],
        },
    },
    "required": ["glob"],
    "additionalProperties": False,
}
_REGEX_OR_LIST: Final[list[dict[str, Any]]] = [
    _one_key("regex", "A full match in RE2's syntax.", r"rc-\d+.*"),
    _one_key("in", "Any entry of that list under `lists`.", "trunk"),
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
    """Marks a list of patterns that may be written as one pattern; `schema` is of one."""

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
_Text = Annotated[Patterns, _Patterns(text_pattern, _TEXT_SCHEMA)]
_Prose = Annotated[Patterns, _Patterns(prose_pattern, _TEXT_SCHEMA)]
_Status = Annotated[Patterns, _Patterns(_one_of(STATUSES), _word_schema(STATUSES))]
_State = Annotated[Patterns, _Patterns(_one_of(STATES), _word_schema(STATES))]
_BuildStatus = Annotated[Patterns, _Patterns(_one_of(BUILD_STATUSES), _word_schema(BUILD_STATUSES))]
_Flag = Annotated[Patterns, _Patterns(flag_pattern, {"type": ["boolean", "null"]})]
_Duration = Annotated[
    Patterns, _Patterns(duration_pattern, {"anyOf": [{"type": "null"}, _DURATION_BOUNDS]})
]
_Custom = Annotated[Patterns, _Patterns(custom_pattern, _CUSTOM_SCHEMA)]


def _schema_of_custom_data(schema: dict[str, Any]) -> None:
    schema["patternProperties"] = {
        f"^{CUSTOM_DATA.replace('.', chr(92) + '.')}.+": schema.pop("additionalProperties")
    }
    schema["additionalProperties"] = False
    schema["minProperties"] = 1


class Conditions(Grammar):
    """Conditions `field: pattern`, and `all`, `any` or `not` of further conditions. All of them
    must be true.
    """

    model_config = ConfigDict(extra="allow", json_schema_extra=_schema_of_custom_data)
    __pydantic_extra__: dict[str, _Custom]

    all_of: list[Conditions] | None = Field(
        None,
        alias="all",
        min_length=1,
        description="All of these are true.",
        examples=[[{"build": "nightly-*"}, {"not": {"tags": "flaky"}}]],
    )
    any_of: list[Conditions] | None = Field(
        None,
        alias="any",
        min_length=1,
        description="At least one of these is true.",
        examples=[[{"build": "PR-*"}, {"tags": "noise"}]],
    )
    not_: Conditions | None = Field(
        None,
        alias="not",
        description="This is not true. (Not of null is true.)",
        examples=[{"tags": "flaky"}],
    )
    name: _Text = Field(None, description="The job's name.", examples=["checkout*"])
    build: _Text = Field(
        None, description="The name of the job's build, trimmed.", examples=["nightly-*"]
    )
    owner: _Text = Field(None, description="The user who owns the job.", examples=["release-bot"])
    tags: _Text = Field(
        None, description="Any of the job's tags. Without tags nothing matches.", examples=["pii"]
    )
    status: _Status = Field(
        None,
        description="The verdict: passed, failed, error, complete; null until finished.",
        examples=[["failed", "error"]],
    )
    state: _State = Field(
        None, description="queued, running, finished or unknown.", examples=["finished"]
    )
    os: _Text = Field(None, description="The operating system.", examples=["Windows 11"])
    browser: _Text = Field(None, description="The browser.", examples=["googlechrome"])
    browser_version: _Text = Field(
        None, description="The browser's version, as text.", examples=["120*"]
    )
    automation_backend: _Text = Field(
        None, description="webdriver, appium, cypress and the like.", examples=["webdriver"]
    )
    public: _Text = Field(
        None,
        description="Who may see the job; one of several roles (`team,share`) is enough.",
        examples=["private"],
    )
    team_id: _Text = Field(
        None,
        description=(
            "The id of the owner's team when the job ran; unknown where Sauce Labs does not"
            " report it."
        ),
        examples=["0a1b2c3d4e5f60718293a4b5c6d7e8f9"],
    )
    error: _Prose = Field(
        None, description="The error's text; null when there is none.", examples=["*timed out*"]
    )
    manual: _Flag = Field(
        None, description="Whether a person ran it (live testing).", examples=[False]
    )
    duration: _Duration = Field(
        None,
        description="How long the job ran, from its start to its end.",
        examples=[{"gt": "30min"}],
    )
    build_status: _BuildStatus = Field(
        None,
        description="The status of the job's build: running, error, failed, complete, success.",
        examples=["failed"],
    )

    @model_validator(mode="after")
    def _says_something(self) -> Conditions:
        if not self.model_fields_set:
            raise fault(
                "is empty: name a field such as `build`, or write `match: all` for every job"
            )
        return self

    @classmethod
    def knows(cls, key: str) -> bool:
        """A field, `all`, `any`, `not`, or a key of the custom data."""
        return super().knows(key) or (key.startswith(CUSTOM_DATA) and len(key) > len(CUSTOM_DATA))

    @classmethod
    def known_keys(cls) -> tuple[str, ...]:
        """The keys as they are written."""
        return (*super().known_keys(), f"{CUSTOM_DATA}KEY")

    @classmethod
    def advice(cls, key: str) -> str:
        """Return the field that is meant."""
        return field_meant(key) or super().advice(key)


def _shape(value: Any) -> str:
    return "all" if isinstance(value, str) else "conditions"


def everything(value: object) -> str:
    """The word `all`."""
    if value != "all":
        raise ValueError(
            f"{shown(value)} is no match: write `all`, or fields such as {{build:"
            f" {shown(value)[1:-1]}}}"
        )
    return "all"


MatchTerm = Annotated[
    Annotated[
        Literal["all"],
        PlainValidator(sentence(everything)),
        WithJsonSchema({"const": "all"}),
        Tag("·all"),
    ]
    | Annotated[Conditions, Tag("·conditions")],
    Discriminator(lambda value: f"·{_shape(value)}"),
]
"""`all`, or conditions."""
ListEntry = Annotated[
    Any,
    PlainValidator(sentence(list_entry)),
    WithJsonSchema({"anyOf": [{"type": "string"}, _REGEX_OR_LIST[0], _GLOB_SCHEMA]}),
]
