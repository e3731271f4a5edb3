"""The base class of all models, and the simple types: text, sizes, dates, time zones and names."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from sauce_janitor.config.source.problems import did_you_mean, listed, shown
from sauce_janitor.config.source.yaml import Table

INVALID: Final = "sauce_janitor"
"""The type of the errors raised here; their message is already a sentence for people."""


def invalid(sentence: str) -> PydanticCustomError:
    """Return an error with this text as its message."""
    return PydanticCustomError(INVALID, "{sentence}", {"sentence": sentence})


class Grammar(BaseModel):
    """The base class of all mappings of the configuration: strict types, no unknown keys."""

    # Deferred: only the whole file's model is used, and its validator includes those of its parts.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _note_known_keys(cls, data: Any, info: ValidationInfo) -> Any:
        """Remember the model of this mapping, so that a message can propose one of its keys."""
        # Before the fields are checked, so that an invalid mapping is remembered as well.
        if isinstance(data, Table) and info.context is not None:
            info.context[data.path] = cls
        return data

    @classmethod
    def knows(cls, key: str) -> bool:
        """Return whether the key may be written here."""
        return key in cls.known_keys()

    @classmethod
    def known_keys(cls) -> tuple[str, ...]:
        """Return the keys as they are written."""
        return _keys_of(cls)

    @classmethod
    def advice(cls, key: str) -> str:
        """Return what to write instead of an unknown key, as the end of a sentence."""
        words = cls.known_keys()
        return did_you_mean(key, words) or f"; valid keys: {listed(words)}"


@cache
def _keys_of(grammar: type[Grammar]) -> tuple[str, ...]:
    return tuple(field.alias or name for name, field in grammar.model_fields.items())


def sentence(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return `parse` as a validator whose ValueError becomes the message, unchanged."""

    def parsed(value: Any) -> Any:
        try:
            return parse(value)
        except ValueError as error:
            raise invalid(str(error)) from None

    return parsed


def text_of(value: object, expected: str) -> str:
    """Return the value if it is text. Raise ValueError with what is `expected` otherwise."""
    if isinstance(value, str):
        return value
    raise ValueError(f"must be {expected}, not {kind_of(value)}")


def kind_of(value: object) -> str:
    """Return a description of a value: `the number 30`, `a list`."""
    if value is None:
        return "null"
    # Before numbers: a bool is an int in Python.
    if isinstance(value, bool):
        return shown(value)
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {shown(value)}"
    return "a list" if isinstance(value, list) else "a mapping"


@dataclass(frozen=True, slots=True, eq=False)
class Parsed:
    """Marks a value that `parse` makes, with its JSON Schema. A ValueError becomes the message.

    pydantic's PlainValidator also builds a serializer of the type: time at every start, though the
    configuration is never written back.
    """

    parse: Callable[[Any], Any]
    schema: dict[str, Any]

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(sentence(self.parse))

    def __get_pydantic_json_schema__(
        self, _schema: Any, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return dict(self.schema)


# --- sizes, dates, zones, names -------------------------------------------------------------------

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(%|[kKMGT]i?B)")
_UNITS: Final = {"kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
                 "KiB": 2**10, "kiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}  # fmt: skip


def free_space(value: object) -> tuple[float | None, int | None]:
    """Return how much of a disk must stay free: (percent, None) or (None, bytes)."""
    written = _SIZE.fullmatch(text_of(value, "a part of the disk such as 5% or 20GiB"))
    if written is None:
        raise ValueError(
            f"{shown(value)} is not a part of a disk: write a percentage such as 5% or a size such"
            " as 20GiB"
        )
    number, unit = float(written[1]), written[2]
    if unit == "%":
        if number > 90:
            raise ValueError(f"{written[0]} leaves too little space to archive: at most 90%")
        return number, None
    return None, int(number * _UNITS[unit])


def time_zone(value: object) -> str:
    """Return the name of a time zone of the IANA database."""
    name = text_of(value, "a time zone such as Europe/Berlin")
    try:
        zoneinfo.ZoneInfo(name)
    # OSError for a folder such as `Europe`, ValueError for a path such as `../x`.
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = did_you_mean(name, zoneinfo.available_timezones())
        raise ValueError(
            f"{shown(name)} is not a time zone: write an IANA name such as Europe/Berlin{near}"
        ) from None
    return name


_UNIX_TIME: Final = re.compile(r"[0-9]{10}|[0-9]{13}")
_LATEST_UNIX_TIME: Final = 4_102_444_800  # 2100-01-01


def unix_time(value: object) -> int | None:
    """Return the epoch seconds of a Unix timestamp: a number of ten digits, or text of them.

    Return None for anything else. Raise ValueError for milliseconds and for a time after 2099.
    """
    # Fewer digits are not a timestamp: 20270131 is a day.
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if _UNIX_TIME.fullmatch(text) is None:
        return None
    # The Insights API and real devices use milliseconds: as seconds they would be far in the
    # future.
    if len(text) == 13:
        raise ValueError(f"{text} has milliseconds: write the seconds alone, {text[:10]}")
    if int(text) >= _LATEST_UNIX_TIME:
        raise ValueError(
            f"{text} is a time after 2099: write a Unix timestamp in seconds, or a date"
        )
    return int(text)


def unix_moment(value: object) -> dt.datetime | None:
    """Return `unix_time` as a moment in UTC."""
    found = unix_time(value)
    return None if found is None else dt.datetime.fromtimestamp(found, dt.UTC)


def last_day_or_moment(value: object) -> dt.date | dt.datetime:
    """Return a day, which is included, or a moment with its offset from UTC.

    A Unix timestamp is a moment too.
    """
    found = unix_moment(value)
    if found is not None:
        return found
    text = text_of(value, "a date such as 2027-01-31")
    try:
        # A day first: a moment needs a time zone, a day does not.
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return dt.date.fromisoformat(text)
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{shown(text)} is not a date: write 2027-01-31 or 2027-01-31T18:00:00Z"
        ) from None
    if moment.tzinfo is None:
        raise ValueError(
            f"{shown(text)} has no time zone: write it as 2027-01-31T18:00:00Z, or the day alone"
        )
    return moment


FreeSpace = Annotated[
    tuple[float | None, int | None],
    Parsed(
        free_space,
        {
            "type": "string",
            "pattern": "^[0-9]+(\\.[0-9]+)?\\s*(%|[kKMGT]i?B)$",
            "examples": ["5%", "20GiB"],
        },
    ),
]
TimeZone = Annotated[
    str,
    Parsed(time_zone, {"type": "string", "examples": ["UTC", "Europe/Berlin"]}),
]
Until = Annotated[
    dt.date | dt.datetime,
    Parsed(
        last_day_or_moment,
        {
            "type": ["string", "integer"],
            "examples": ["2027-01-31", "2027-01-31T18:00:00Z", 1801418400],
        },
    ),
]

_LONGEST_NAME: Final = 100


def rule_name(value: object) -> str:
    """Return the name of a policy, rule or list, which plans, logs and metrics show."""
    name = text_of(value, "a name")
    if (
        not name
        or len(name) > _LONGEST_NAME
        or name != name.strip()
        or not name.isprintable()
        or name in {"all", "none"}
    ):
        raise ValueError(
            f"{shown(name)} is not a valid name: write 1 to {_LONGEST_NAME} characters in one line,"
            " not `all` or `none`"
        )
    return name


Name = Annotated[
    str,
    Parsed(rule_name, {"type": "string", "minLength": 1, "maxLength": _LONGEST_NAME}),
]


def no_entries() -> list[Any]:
    """Return an empty list: the default of a key.

    For `list` itself pydantic would parse the signature that the built-in has as text, which is
    ten times slower.
    """
    return []


def no_keys() -> dict[str, Any]:
    """Return an empty mapping, as `no_entries` returns an empty list."""
    return {}


def in_a_list(value: Any) -> Any:
    """Return a single value as a list of one, and a list as it is."""
    return value if isinstance(value, list) else [value]


@dataclass(frozen=True, slots=True)
class OneOrMany:
    """Marks a list that may be written as a single value."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(in_a_list, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        many = handler(schema)
        return {"anyOf": [dict(many["items"]), many]}
