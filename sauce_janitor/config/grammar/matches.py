"""`match`: conditions on jobs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from sauce_janitor.config.grammar.patterns import (
    CUSTOM_DATA,
    BuildStatusPatterns,
    CustomPatterns,
    DurationPatterns,
    FlagPatterns,
    ProsePatterns,
    StatePatterns,
    StatusPatterns,
    TextPatterns,
)
from sauce_janitor.config.grammar.scalars import Grammar, Parsed, invalid
from sauce_janitor.config.grammar.synonyms import field_meant
from sauce_janitor.config.source.problems import shown


def _schema_of_custom_data(schema: dict[str, Any]) -> None:
    schema["patternProperties"] = {
        f"^{CUSTOM_DATA.replace('.', chr(92) + '.')}.+": schema.pop("additionalProperties")
    }
    schema["additionalProperties"] = False
    schema["minProperties"] = 1


class Conditions(Grammar):
    """Fields with patterns, and `all`, `any`, `not` of further conditions. All must be true."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_schema_of_custom_data)
    __pydantic_extra__: dict[str, CustomPatterns]

    all_of: list[Conditions] | None = Field(
        None,
        alias="all",
        min_length=1,
        description="All of these must be true.",
        examples=[[{"build": "nightly-*"}, {"not": {"tags": "flaky"}}]],
    )
    any_of: list[Conditions] | None = Field(
        None,
        alias="any",
        min_length=1,
        description="At least one of these must be true.",
        examples=[[{"build": "PR-*"}, {"tags": "noise"}]],
    )
    not_: Conditions | None = Field(
        None,
        alias="not",
        description="This must not be true. It matches a job whose field is null.",
        examples=[{"tags": "flaky"}],
    )
    name: TextPatterns = Field(None, description="The job's name.", examples=["checkout*"])
    build: TextPatterns = Field(
        None, description="The name of the job's build, trimmed.", examples=["nightly-*"]
    )
    owner: TextPatterns = Field(None, description="The owner of the job.", examples=["release-bot"])
    tags: TextPatterns = Field(
        None, description="Any tag of the job. A job without tags never matches.", examples=["pii"]
    )
    status: StatusPatterns = Field(
        None,
        description="passed, failed, error or complete; null until finished.",
        examples=[["failed", "error"]],
    )
    state: StatePatterns = Field(
        None, description="queued, running, finished or unknown.", examples=["finished"]
    )
    os: TextPatterns = Field(None, description="Operating system.", examples=["Windows 11"])
    browser: TextPatterns = Field(None, description="Browser.", examples=["googlechrome"])
    browser_version: TextPatterns = Field(
        None, description="Version of the browser, as text.", examples=["120*"]
    )
    automation_backend: TextPatterns = Field(
        None, description="webdriver, appium, cypress and so on.", examples=["webdriver"]
    )
    public: TextPatterns = Field(
        None,
        description="Who may see the job. Of several roles (`team,share`) one is enough.",
        examples=["private"],
    )
    team_id: TextPatterns = Field(
        None,
        description=(
            "Id of the owner's team when the job ran; unknown if Sauce Labs does not report it."
        ),
        examples=["0a1b2c3d4e5f60718293a4b5c6d7e8f9"],
    )
    error: ProsePatterns = Field(
        None, description="Text of the error; null without one.", examples=["*timed out*"]
    )
    manual: FlagPatterns = Field(None, description="Whether it was a live test.", examples=[False])
    duration: DurationPatterns = Field(
        None,
        description="Time from the job's start to its end.",
        examples=[{"gt": "30min"}],
    )
    build_status: BuildStatusPatterns = Field(
        None,
        description="Status of its build: running, error, failed, complete, success.",
        examples=["failed"],
    )

    @model_validator(mode="after")
    def _says_something(self) -> Conditions:
        # An empty mapping is true for every job, which nobody must get by accident.
        if not self.model_fields_set:
            raise invalid(
                "is empty: name a field such as `build`, or write `match: all` for every job"
            )
        return self

    @classmethod
    def knows(cls, key: str) -> bool:
        """Return whether the key is a field, `all`, `any`, `not`, or a key of the custom data."""
        return super().knows(key) or (key.startswith(CUSTOM_DATA) and len(key) > len(CUSTOM_DATA))

    @classmethod
    def known_keys(cls) -> tuple[str, ...]:
        """Return the keys as they are written."""
        return (*super().known_keys(), f"{CUSTOM_DATA}KEY")

    @classmethod
    def advice(cls, key: str) -> str:
        """Return a hint at the field that is probably meant."""
        # Another tool's word first: `result` is nearer to `status` than any spelling shows.
        return field_meant(key) or super().advice(key)


def _shape(value: Any) -> str:
    return "all" if isinstance(value, str) else "conditions"


def everything(value: object) -> str:
    """Return the word `all`. Raise ValueError for any other text."""
    if value != "all":
        raise ValueError(
            f"{shown(value)} is not a match: write `all`, or fields such as {{build:"
            f" {shown(value)[1:-1]}}}"
        )
    return "all"


MatchTerm = Annotated[
    Annotated[
        Literal["all"],
        Parsed(everything, {"const": "all"}),
        Tag("·all"),
    ]
    | Annotated[Conditions, Tag("·conditions")],
    Discriminator(lambda value: f"·{_shape(value)}"),
]
"""`all`, or conditions."""
