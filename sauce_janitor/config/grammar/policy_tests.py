"""`tests`: made-up jobs, and what the policies must decide about them.

The module is longer than others: most of it is the description of keys.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, model_validator

from sauce_janitor.config.grammar.durations import PositiveDuration, duration, elapsed
from sauce_janitor.config.grammar.patterns import CUSTOM_DATA
from sauce_janitor.config.grammar.policies import Accounts
from sauce_janitor.config.grammar.scalars import (
    Grammar,
    Name,
    OneOrMany,
    Parsed,
    invalid,
    kind_of,
    no_keys,
    text_of,
    unix_time,
)
from sauce_janitor.config.source.problems import listed, shown
from sauce_janitor.model.jobs import owner_name
from sauce_janitor.model.policies import Duration

DEFAULT_AS_OF: Final = "2026-01-01T12:00:00Z"
"""A fixed time, so that a test has the same result every day."""
LARGEST_TEST: Final = 10_000
"""How many jobs one test may have, counting repeated ones."""

_LONGEST_LABEL: Final = 100
_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.{}-]*")


@dataclass(frozen=True, slots=True)
class Ago:
    """A time that is this long before the test's `as_of`."""

    duration: Duration


def moment(value: object) -> int:
    """Return the epoch seconds of a moment with its offset from UTC, or of a Unix timestamp."""
    found = unix_time(value)
    if found is not None:
        return found
    text = text_of(value, f"a moment such as {DEFAULT_AS_OF}")
    try:
        read = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is not a moment: write it as {DEFAULT_AS_OF}") from None
    # The same test must have the same result on every machine.
    if read.tzinfo is None:
        raise ValueError(f"{shown(text)} has no time zone: write it as {DEFAULT_AS_OF}")
    return int(read.timestamp())


def time_of_job(value: object) -> Ago | int | None:
    """Return a time before `as_of` such as -400d, a moment, a Unix timestamp, or null."""
    if value is None:
        return None
    found = unix_time(value)
    if found is not None:
        return found
    text = text_of(value, "a time such as -400d")
    if text.startswith("-"):
        return Ago(duration(text[1:]))
    # `400d` can mean before or after the decision, so the sign is required.
    if re.fullmatch(r"\+?[0-9]+[a-z]*", text):
        raise ValueError(
            f"{shown(text)} is not a time: write -{text.lstrip('+')} for that long before as_of,"
            " or a moment"
        )
    return moment(text)


def label(value: object) -> str:
    """Return the id of a job of a test."""
    text = text_of(value, "an id such as green")
    if not _LABEL.fullmatch(text) or len(text) > _LONGEST_LABEL:
        raise ValueError(
            f"{shown(text)} is not a valid job id: use up to {_LONGEST_LABEL} letters, digits, `_`,"
            " `.`, `-`"
        )
    return text


def custom_value(value: object) -> object:
    """Return a value of a job's custom data."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValueError(f"must be text, a number, true, false or null, not {kind_of(value)}")


_TIME_SCHEMA: Final = {
    "anyOf": [{"type": ["string", "integer"]}, {"type": "null"}],
    "examples": ["-400d", DEFAULT_AS_OF, 1767268800],
}
JobTime = Annotated[Any, Parsed(time_of_job, _TIME_SCHEMA)]
Moment = Annotated[
    int,
    Parsed(moment, {"type": ["string", "integer"], "examples": [DEFAULT_AS_OF]}),
]
Label = Annotated[
    str,
    Parsed(label, {"type": "string", "pattern": _LABEL.pattern}),
]
OwnerName = Annotated[str, Parsed(owner_name, {"type": "string", "minLength": 1})]
Lasting = Annotated[
    Duration,
    Parsed(elapsed, {"type": "string", "pattern": "^[0-9]+(s|min|h|d|w)$"}),
]
_Custom = Annotated[
    Any,
    Parsed(custom_value, {"type": ["string", "number", "boolean", "null"]}),
]


def _schema_of_custom_data(schema: dict[str, Any]) -> None:
    schema["patternProperties"] = {
        f"^{CUSTOM_DATA.replace('.', chr(92) + '.')}.+": schema.pop("additionalProperties")
    }
    schema["additionalProperties"] = False


_FIXED: Final = "Default: a fixed text."


class MadeJobTerm(Grammar):
    """A made-up job. By default it has no tags, and every other field has a fixed value that is not
    null.
    """

    model_config = ConfigDict(extra="allow", json_schema_extra=_schema_of_custom_data)
    __pydantic_extra__: dict[str, _Custom]

    id: Label = Field(
        description=(
            "Its id in `expect` and messages. Repeated jobs are `ID-1` and so on, or have a `{n}`"
            " in it."
        ),
        examples=["green"],
    )
    repeat: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None,
        description="Number of such jobs. `{n}` in any text is 1, 2, 3 and so on.",
        examples=[30],
    )
    every: PositiveDuration | None = Field(
        None,
        description="With `repeat`: each job is this much older than the previous one.",
        examples=["1d"],
    )
    name: str | None = Field(None, description=f"Name. {_FIXED}", examples=["checkout"])
    build: str | None = Field(
        None,
        description=(
            f"Name of its build. An owner's jobs with the same name are a whole build. {_FIXED}"
        ),
        examples=["nightly-{n}"],
    )
    owner: OwnerName | None = Field(None, description=f"Owner. {_FIXED}", examples=["release-bot"])
    tags: Annotated[list[str], OneOrMany()] | None = Field(
        None, description="Tags.", examples=[["pii"]]
    )
    status: Literal["passed", "failed", "error", "errored", "complete"] | None = Field(
        None,
        description="Status. Default: complete, null for a job that is not finished.",
        examples=["passed"],
    )
    state: Literal["queued", "running", "finished", "unknown"] | None = Field(
        None, description="Default: finished, running with `end_time: null`.", examples=["running"]
    )
    os: str | None = Field(None, description=f"Operating system. {_FIXED}", examples=["Windows 11"])
    browser: str | None = Field(None, description=f"Browser. {_FIXED}", examples=["googlechrome"])
    browser_version: str | None = Field(
        None, description=f"Version of the browser. {_FIXED}", examples=["120"]
    )
    automation_backend: str | None = Field(
        None, description=f"webdriver and so on. {_FIXED}", examples=["webdriver"]
    )
    public: str | None = Field(None, description=f"Who may see it. {_FIXED}", examples=["private"])
    error: str | None = Field(
        None, description=f"Text of its error. {_FIXED}", examples=["timed out"]
    )
    manual: bool | None = Field(
        None, description="Whether it was a live test. Default: false.", examples=[True]
    )
    duration: Lasting | None = Field(
        None, description="How long it ran. Default: 0.", examples=["5min"]
    )
    team_id: str | None = Field(
        None, description=f"Id of its team. {_FIXED}", examples=["0a1b2c3d"]
    )
    build_status: Literal["running", "error", "failed", "complete", "success"] | None = Field(
        None,
        description="Status of its build; one job sets it for all. Default: complete.",
        examples=["failed"],
    )
    end_time: JobTime = Field(
        None,
        description=(
            "When it ended: a time before `as_of` (`-400d`), a moment, a Unix timestamp, or null."
            " Default: `as_of`."
        ),
        examples=["-400d"],
    )
    start_time: JobTime = Field(
        None, description="When it started. Default: when it ended.", examples=["-8h"]
    )
    creation_time: JobTime = Field(
        None, description="When it was created. Default: when it started.", examples=["-8h"]
    )
    modification_time: JobTime = Field(
        None, description="When it was last modified. Default: when it ended.", examples=["-8h"]
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> MadeJobTerm:
        written = self.model_fields_set
        # Other fields can be null in a job; for these keys a null has no meaning.
        for key in ("repeat", "every", "owner", "tags", "state", "duration"):
            if key in written and getattr(self, key) is None:
                raise invalid(f"{key}: is null: write a value, or remove the key")
        if self.every is not None and self.repeat is None:
            raise invalid("`every` needs `repeat`")
        # Each of the two determines the other.
        if self.duration is not None and "start_time" in written:
            raise invalid("has both start_time and duration: remove one of them")
        return self

    @classmethod
    def knows(cls, key: str) -> bool:
        """Return whether the key is a field, or a key of the custom data."""
        return super().knows(key) or (key.startswith(CUSTOM_DATA) and len(key) > len(CUSTOM_DATA))

    @classmethod
    def known_keys(cls) -> tuple[str, ...]:
        """Return the keys as they are written."""
        return (*super().known_keys(), f"{CUSTOM_DATA}KEY")

    def labels(self) -> list[str]:
        """Return the ids of the jobs that this entry makes."""
        if self.repeat is None:
            return [self.id]
        pattern = self.id if "{n}" in self.id else f"{self.id}-{{n}}"
        return [pattern.replace("{n}", str(n)) for n in range(1, self.repeat + 1)]


_CHANGES: Final = ("delete_assets", "delete_job", "stop")


class ExpectTerm(Grammar):
    """The expected decision on a job: exactly these changes, each permitted by the named policy.
    Without any change it must be kept.
    """

    keep: Annotated[list[str], OneOrMany()] | None = Field(
        None,
        description=(
            "It is kept, and these keep rules or holds are among the reasons; `[]`: any reason."
        ),
        examples=[["last-green"], []],
    )
    delete_assets: str | None = Field(
        None,
        description="Its assets are deleted by this policy.",
        examples=["nightly"],
    )
    delete_job: str | None = Field(
        None,
        description="The job and its assets are deleted by this policy.",
        examples=["nightly"],
    )
    stop: str | None = Field(
        None, description="It is stopped by this policy.", examples=["runaways"]
    )

    @model_validator(mode="after")
    def _says_something(self) -> ExpectTerm:
        if self.keep is None and not any(getattr(self, change) for change in _CHANGES):
            raise invalid(
                f"is empty: add keep, {listed(_CHANGES)}; `keep: []` means for any reason"
            )
        return self


class PolicyTestTerm(Grammar):
    """A test of the policies: made-up jobs and the expected decisions. A job that `expect` does not
    name must be kept.
    """

    name: Name = Field(
        description="Unique name, used in messages.",
        examples=["the last green job stays"],
    )
    accounts: Accounts | None = Field(
        None, description="Only for these accounts. Default: all.", examples=[["eu"]]
    )
    as_of: Moment | None = Field(
        None,
        description=(f"Time of the decision, also as a Unix timestamp. Default: {DEFAULT_AS_OF}."),
        examples=["2026-06-01T00:00:00Z"],
    )
    jobs: Annotated[list[MadeJobTerm], Field(min_length=1)] = Field(
        description="The jobs.",
        examples=[[{"id": "green", "build": "nightly-1", "status": "passed", "end_time": "-400d"}]],
    )
    expect: dict[str, ExpectTerm] = Field(
        default_factory=no_keys,
        description=(
            "Decisions by id or glob of ids. An exact id counts alone, otherwise all globs that"
            " match."
        ),
        examples=[{"green": {"keep": ["last-green"]}, "red-*": {"delete_job": "nightly"}}],
    )

    @property
    def decided_at(self) -> int:
        """The time of the decision in epoch seconds."""
        return moment(DEFAULT_AS_OF) if self.as_of is None else self.as_of
