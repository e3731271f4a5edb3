"""`policies`, `holds`, `limits`, `deadlines` and `defaults`: which jobs are kept or deleted."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from sauce_janitor.config.grammar import lookalikes
from sauce_janitor.config.grammar.actions import Then
from sauce_janitor.config.grammar.durations import DurationTerm, PositiveDuration
from sauce_janitor.config.grammar.keep import KeepRuleTerm
from sauce_janitor.config.grammar.matches import MatchTerm
from sauce_janitor.config.grammar.patterns import CUSTOM_DATA
from sauce_janitor.config.grammar.scalars import (
    Grammar,
    Name,
    OneOrMany,
    Parsed,
    Until,
    invalid,
    no_entries,
    text_of,
)
from sauce_janitor.config.grammar.synonyms import field_meant
from sauce_janitor.config.source.problems import did_you_mean, listed, shown
from sauce_janitor.model.policies import FIELDS, Duration

AgeFrom = Literal["end_time", "modification_time", "start_time", "creation_time"]
_USUAL_AGE: Final[tuple[AgeFrom, ...]] = ("end_time", "modification_time")
Accounts = Annotated[list[str], Field(min_length=1), OneOrMany()]
_ANY_TAG: Final = "`match: {tags: {glob: …, literal: true}}`"


def _field_name(value: object) -> str:
    text = text_of(value, "the name of a field")
    # A misspelt field would be null in every job, and so the policy would keep them all.
    if text not in FIELDS and not (text.startswith(CUSTOM_DATA) and len(text) > len(CUSTOM_DATA)):
        near = field_meant(text) or did_you_mean(text, FIELDS)
        raise ValueError(
            f"{shown(text)} is not a field: use {listed((*FIELDS, 'custom_data.KEY'))}{near}"
        )
    return text


FieldName = Annotated[
    str,
    Parsed(
        _field_name,
        {"anyOf": [{"enum": list(FIELDS)}, {"type": "string", "pattern": "^custom_data\\..+$"}]},
    ),
]


class LimitsTerm(Grammar):
    """Limits of a plan. A plan that breaks one is refused before its first change. null turns a
    limit off.
    """

    max_jobs: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="At most this many new jobs (no accepted plan had them) with a delete or stop.",
        examples=[2000],
    )
    max_percent: Annotated[float, Field(gt=0, le=100)] | None = Field(
        None,
        description=(
            "At most this percentage of the jobs, counting only unexpected ones: those that"
            " no accepted run has seen."
        ),
        examples=[25],
    )
    max_growth: Annotated[float, Field(ge=1, le=1000)] | None = Field(
        None,
        description=(
            "At most this many times the new jobs of a usual plan, the median of the last 7"
            " accepted ones."
        ),
        examples=[3],
    )


class AccountLimits(LimitsTerm):
    """Limits for the whole account."""

    max_percent: Annotated[float, Field(gt=0, le=100)] | None = Field(
        25.0,
        description=(
            "At most this percentage of the account's jobs, counting only unexpected ones:"
            " those that no accepted run has seen."
        ),
        examples=[25],
    )


class PolicyTerm(Grammar):
    """One retention policy. Keep beats delete, and the longest time wins. The order in the file
    does not matter.
    """

    name: Name = Field(
        description="Unique name, used in plans, logs and metrics.", examples=["nightly"]
    )
    accounts: Accounts | None = Field(
        None, description="Only for these accounts. Default: all.", examples=[["eu"]]
    )
    match: MatchTerm | None = Field(
        None,
        description="Conditions, or `all`. Optional only with `default: true`.",
        examples=[{"build": "PR-*"}, "all"],
    )
    default: bool = Field(
        default=False,
        description=(
            "Decides an action only if no other policy does. At most one for each account."
        ),
        examples=[True],
    )
    unit: Literal["job", "build"] = Field(
        "job", description="`build`: whole builds, all or nothing.", examples=["build"]
    )
    group_by: Annotated[list[FieldName], Field(min_length=1), OneOrMany()] | None = Field(
        None,
        description="Keep rules count separately in each group of equal values.",
        examples=[["name", "os", "browser"]],
    )
    null_group: Literal["keep", "shared"] = Field(
        "keep",
        description=(
            "For jobs with a null in a `group_by` field: keep them, or let all nulls share one"
            " group."
        ),
        examples=["shared"],
    )
    keep: list[KeepRuleTerm] = Field(
        default_factory=no_entries,
        description="Keep rules. One of them is enough to keep a job.",
        examples=[[{"id": "recent", "last": 20}, {"within": "7d"}]],
    )
    then: Then = Field(
        description="What happens, at which age.",
        examples=[{"archive": "5d", "delete_assets": "21d"}],
    )
    overrides: Literal["all"] | list[str] | None = Field(
        None,
        description=(
            "Policies that this one replaces for the actions in its `then`: names, or `all`."
        ),
        examples=[["nightly"]],
    )
    priority: Literal["high", "normal", "low"] = Field(
        "normal", description="Which policies get requests first.", examples=["high"]
    )
    limits: LimitsTerm = Field(
        default_factory=LimitsTerm,
        description="Limits for the jobs of this policy.",
        examples=[{"max_jobs": 500}],
    )


class HoldTerm(Grammar):
    """A hold. Held jobs stay and are archived completely. Nothing overrides a hold."""

    id: Name | None = Field(
        None,
        description="Name in plans. Default: made from its content.",
        examples=["audit-2026"],
    )
    accounts: Accounts | None = Field(
        None, description="Only for these accounts. Default: all.", examples=[["eu"]]
    )
    tag: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="Jobs with exactly this tag, or a tag that it matches as a glob.",
        examples=["keep", "keep*"],
    )
    tag_prefix: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="Jobs with a tag of this prefix and a date: held through that day.",
        examples=["keep-until="],
    )
    match: MatchTerm | None = Field(
        None, description="Jobs that match, or may match.", examples=[{"owner": "release-bot"}]
    )
    until: Until | None = Field(
        None,
        description="Last day, or the moment it ends, also as a Unix timestamp.",
        examples=["2027-01-31"],
    )
    reason: str = Field("", description="Why; for people.", examples=["audit FY26"])
    by: str = Field("", description="Who requested it; for people.", examples=["qa-lead"])
    archive: Literal["none"] | None = Field(
        None,
        description="`none`: the hold itself does not cause archiving.",
        examples=["none"],
    )

    @model_validator(mode="after")
    def _is_one_kind(self) -> HoldTerm:
        if sum(kind is not None for kind in (self.tag, self.tag_prefix, self.match)) != 1:
            raise invalid("needs exactly one of tag, tag_prefix or match")
        return self

    @model_validator(mode="after")
    def _can_match(self) -> HoldTerm:
        """Refuse a tag that looks like another language's pattern: it would protect nothing."""
        try:
            lookalikes.check_meaning(self.tag or "", kind="tag", otherwise=_ANY_TAG)
            lookalikes.check_meaning(self.tag_prefix or "", kind="prose", otherwise=_ANY_TAG)
        except ValueError as error:
            key = "tag" if self.tag else "tag_prefix"
            raise invalid(f"{key}: {error}") from None
        # As a prefix, `keep*` would only hold tags that begin with these five characters.
        if self.tag_prefix is not None and set("*?") & set(self.tag_prefix):
            raise invalid(
                f"tag_prefix: {shown(self.tag_prefix)} is a prefix, not a pattern: remove `*` and"
                " `?`"
            )
        return self


class DeadlineTerm(Grammar):
    """A promise to watch: it shows which jobs are late and what blocks each. It deletes nothing."""

    name: Name = Field(
        description="Unique name, used in plans, logs and metrics.", examples=["privacy"]
    )
    accounts: Accounts | None = Field(
        None, description="Only for these accounts. Default: all.", examples=[["eu"]]
    )
    match: MatchTerm = Field(
        description="Jobs that match, or may match.", examples=[{"tags": "pii"}]
    )
    assets_gone_by: PositiveDuration | None = Field(
        None, description="Age at which the job's assets must be gone.", examples=["3d"]
    )
    job_gone_by: PositiveDuration | None = Field(
        None, description="Age at which the job and its record must be gone.", examples=["2y"]
    )
    warn: PositiveDuration | None = Field(
        None,
        description="Plans also count jobs that will be late within this time.",
        examples=["12h"],
    )

    @model_validator(mode="after")
    def _says_something(self) -> DeadlineTerm:
        if self.assets_gone_by is None and self.job_gone_by is None:
            raise invalid("promises nothing: add assets_gone_by or job_gone_by")
        return self


class Defaults(Grammar):
    """Settings for all policies."""

    age_from: Annotated[list[AgeFrom], Field(min_length=1), OneOrMany()] = Field(
        default_factory=lambda: list(_USUAL_AGE),
        description="A job's age counts from the first of these times that it has.",
        examples=[["end_time", "modification_time"]],
    )
    grace: DurationTerm = Field(
        Duration("0s"),
        description="Executing runs announce a delete for this long before it happens.",
        examples=["3d"],
    )
