"""`tests`: made-up jobs, and what the policies must decide on them."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator

from sauce_janitor.config.grammar.matches import CUSTOM_DATA
from sauce_janitor.config.grammar.policies import Accounts
from sauce_janitor.config.grammar.scalars import (
    Grammar,
    Name,
    OneOrMany,
    PositiveDuration,
    duration,
    elapsed,
    fault,
    kind_of,
    sentence,
    text_of,
    unix_time,
)
from sauce_janitor.config.source.problems import listed, shown
from sauce_janitor.model.jobs import owner_name
from sauce_janitor.model.policies import Duration

DEFAULT_AS_OF: Final = "2026-01-01T12:00:00Z"
"""A fixed one: a test says the same on every day."""
LARGEST_TEST: Final = 10_000
"""How many jobs one test may have, repeated ones counted."""

_LONGEST_LABEL: Final = 100
_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.{}-]*")


@dataclass(frozen=True, slots=True)
class Ago:
    """So long before the test's `as_of`."""

    duration: Duration


def moment(value: object) -> int:
    """Epoch seconds of a moment with its offset from UTC, or of a Unix timestamp."""
    found = unix_time(value)
    if found is not None:
        return found
    text = text_of(value, f"a moment such as {DEFAULT_AS_OF}")
    try:
        read = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is no moment: write it as {DEFAULT_AS_OF}") from None
    if read.tzinfo is None:
        raise ValueError(f"{shown(text)} has no time zone: write it as {DEFAULT_AS_OF}")
    return int(read.timestamp())


def time_of_job(value: object) -> Ago | int | None:
    """A time before `as_of` such as -400d, a moment, a Unix timestamp, or null."""
    if value is None:
        return None
    found = unix_time(value)
    if found is not None:
        return found
    text = text_of(value, "a time such as -400d")
    if text.startswith("-"):
        return Ago(duration(text[1:]))
    if re.fullmatch(r"\+?[0-9]+[a-z]*", text):
        raise ValueError(
            f"{shown(text)} is no time: write -{text.lstrip('+')} for that long before as_of, or a"
            " moment"
        )
    return moment(text)


def label(value: object) -> str:
    """What a test calls a job."""
    text = text_of(value, "an id such as green")
    if not _LABEL.fullmatch(text) or len(text) > _LONGEST_LABEL:
        raise ValueError(
            f"{shown(text)} cannot be a job's id: use up to {_LONGEST_LABEL} letters, digits, `_`,"
            " `.`, `-`"
        )
    return text


def custom_value(value: object) -> object:
    """A value in a job's custom data."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ValueError(f"{kind_of(value)} stands where text, a number, true, false or null is meant")


_TIME_SCHEMA: Final = {
    "anyOf": [{"type": ["string", "integer"]}, {"type": "null"}], "examples": ["-400d", DEFAULT_AS_OF, 1767268800]
}  # fmt: skip
JobTime = Annotated[Any, PlainValidator(sentence(time_of_job)), WithJsonSchema(_TIME_SCHEMA)]
Moment = Annotated[
    int,
    PlainValidator(sentence(moment)),
    WithJsonSchema({"type": ["string", "integer"], "examples": [DEFAULT_AS_OF]}),
]
Label = Annotated[
    str,
    PlainValidator(sentence(label)),
    WithJsonSchema({"type": "string", "pattern": _LABEL.pattern}),
]
OwnerName = Annotated[
    str, PlainValidator(sentence(owner_name)), WithJsonSchema({"type": "string", "minLength": 1})
]
Lasting = Annotated[
    Duration,
    PlainValidator(sentence(elapsed)),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]+(s|min|h|d|w)$"}),
]
_Custom = Annotated[
    Any,
    PlainValidator(sentence(custom_value)),
    WithJsonSchema({"type": ["string", "number", "boolean", "null"]}),
]


def _schema_of_custom_data(schema: dict[str, Any]) -> None:
    schema["patternProperties"] = {
        f"^{CUSTOM_DATA.replace('.', chr(92) + '.')}.+": schema.pop("additionalProperties")
    }
    schema["additionalProperties"] = False


_FIXED: Final = "Default: a fixed value that is not null."


class MadeJobTerm(Grammar):
    """A made-up job. Without `tags` it has none; any other missing field has a fixed value that is
    not null.
    """

    model_config = ConfigDict(extra="allow", json_schema_extra=_schema_of_custom_data)
    __pydantic_extra__: dict[str, _Custom]

    id: Label = Field(
        description=(
            "Its name in `expect` and messages. Repeated jobs are called `ID-1` and so on, or"
            " have `{n}` in the id."
        ),
        examples=["green"],
    )
    repeat: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None,
        description="How many such jobs there are. `{n}` in any text is 1, 2, 3 and so on.",
        examples=[30],
    )
    every: PositiveDuration | None = Field(
        None,
        description="With `repeat`: each one is this much older than the one before.",
        examples=["1d"],
    )
    name: str | None = Field(None, description=f"The job's name. {_FIXED}", examples=["checkout"])
    build: str | None = Field(
        None,
        description=f"Its build's name. All jobs of one owner and build name are one build. {_FIXED}",
        examples=["nightly-{n}"],
    )  # fmt: skip
    owner: OwnerName | None = Field(
        None, description=f"Its owner. {_FIXED}", examples=["release-bot"]
    )
    tags: Annotated[list[str], OneOrMany()] | None = Field(
        None, description="Its tags.", examples=[["pii"]]
    )
    status: Literal["passed", "failed", "error", "errored", "complete"] | None = Field(
        None,
        description="Its verdict; default: complete, null for a job that is not finished.",
        examples=["passed"],
    )
    state: Literal["queued", "running", "finished", "unknown"] | None = Field(
        None, description="Default: finished, running with `end_time: null`.", examples=["running"]
    )
    os: str | None = Field(
        None, description=f"Its operating system. {_FIXED}", examples=["Windows 11"]
    )
    browser: str | None = Field(
        None, description=f"Its browser. {_FIXED}", examples=["googlechrome"]
    )
    browser_version: str | None = Field(
        None, description=f"Its browser's version. {_FIXED}", examples=["120"]
    )
    automation_backend: str | None = Field(
        None, description=f"webdriver and the like. {_FIXED}", examples=["webdriver"]
    )
    public: str | None = Field(None, description=f"Who may see it. {_FIXED}", examples=["private"])
    error: str | None = Field(
        None, description=f"Its error's text. {_FIXED}", examples=["timed out"]
    )
    manual: bool | None = Field(
        None, description="Whether a person ran it; default: false.", examples=[True]
    )
    duration: Lasting | None = Field(
        None, description="How long it ran; default: 0.", examples=["5min"]
    )
    team_id: str | None = Field(
        None, description=f"The id of its team. {_FIXED}", examples=["0a1b2c3d"]
    )
    build_status: Literal["running", "error", "failed", "complete", "success"] | None = Field(
        None, description=(
            "Its build's status; one job can say it for the whole build. Default: complete."
        ),
        examples=["failed"],
    )  # fmt: skip
    end_time: JobTime = Field(
        None,
        description=(
            "When it ended: before as_of (-400d), a time, a Unix timestamp, or null. Default:"
            " at as_of."
        ),
        examples=["-400d"],
    )
    start_time: JobTime = Field(
        None, description="When it started; default: when it ended.", examples=["-8h"]
    )
    creation_time: JobTime = Field(
        None, description="When it was created; default: when it started.", examples=["-8h"]
    )
    modification_time: JobTime = Field(
        None, description="When it was last modified; default: when it ended.", examples=["-8h"]
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> MadeJobTerm:
        given = self.model_fields_set
        for key in ("repeat", "every", "owner", "tags", "state", "duration"):
            if key in given and getattr(self, key) is None:
                raise fault(f"{key}: is null: give a value, or remove the key")
        if self.every is not None and self.repeat is None:
            raise fault("`every` needs `repeat`")
        if self.duration is not None and "start_time" in given:
            raise fault("gives start_time and duration: one of them follows from the other")
        return self

    @classmethod
    def knows(cls, key: str) -> bool:
        """A field, or a key of the custom data."""
        return super().knows(key) or (key.startswith(CUSTOM_DATA) and len(key) > len(CUSTOM_DATA))

    @classmethod
    def known_keys(cls) -> tuple[str, ...]:
        """The keys as they are written."""
        return (*super().known_keys(), f"{CUSTOM_DATA}KEY")

    def labels(self) -> list[str]:
        """The ids of the jobs that this makes."""
        if self.repeat is None:
            return [self.id]
        pattern = self.id if "{n}" in self.id else f"{self.id}-{{n}}"
        return [pattern.replace("{n}", str(n)) for n in range(1, self.repeat + 1)]


_CHANGES: Final = ("delete_assets", "delete_job", "stop")


class ExpectTerm(Grammar):
    """What must happen to a job: exactly these changes, each permitted by the named policy; without
    changes it must be kept.
    """

    keep: Annotated[list[str], OneOrMany()] | None = Field(
        None,
        description=(
            "It is kept, and these keep rules or holds are among the reasons. [] accepts any"
            " reason."
        ),
        examples=[["last-green"], []],
    )
    delete_assets: str | None = Field(
        None,
        description="Its assets are deleted, and this policy permits it.",
        examples=["nightly"],
    )
    delete_job: str | None = Field(
        None,
        description="The job is deleted, its assets with it, and this policy permits it.",
        examples=["nightly"],
    )
    stop: str | None = Field(
        None, description="It is stopped, and this policy permits it.", examples=["runaways"]
    )

    @model_validator(mode="after")
    def _says_something(self) -> ExpectTerm:
        if self.keep is None and not any(getattr(self, change) for change in _CHANGES):
            raise fault(f"says nothing: give keep, {listed(_CHANGES)}; `keep: []` for any reason")
        return self


class PolicyTestTerm(Grammar):
    """A test of the policies: made-up jobs and what must happen to them. A job that `expect` does
    not name must be kept.
    """

    name: Name = Field(
        description="A unique name for messages.", examples=["the last green run outlives its age"]
    )
    accounts: Accounts | None = Field(
        None, description="Only for these accounts; default: all.", examples=[["eu"]]
    )
    as_of: Moment | None = Field(
        None,
        description=(
            "The time at which the jobs are decided, also as a Unix timestamp; default:"
            f" {DEFAULT_AS_OF}."
        ),
        examples=["2026-06-01T00:00:00Z"],
    )
    jobs: Annotated[list[MadeJobTerm], Field(min_length=1)] = Field(
        description="The jobs.",
        examples=[[{"id": "green", "build": "nightly-1", "status": "passed", "end_time": "-400d"}]],
    )
    expect: dict[str, ExpectTerm] = Field(
        default_factory=dict,
        description=(
            "What must happen to them, by id or glob of ids. An id counts before globs; of"
            " several globs all count."
        ),
        examples=[{"green": {"keep": ["last-green"]}, "red-*": {"delete_job": "nightly"}}],
    )

    @property
    def decided_at(self) -> int:
        """`as_of` in epoch seconds."""
        return moment(DEFAULT_AS_OF) if self.as_of is None else self.as_of
