"""`policies`, `holds`, `limits`, `deadlines` and `defaults`: what is kept and what is deleted.

The module is longer than others: nearly all of it is the description of keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import (
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
    create_model,
    model_validator,
)

from sauce_janitor.config.grammar import lookalikes
from sauce_janitor.config.grammar.matches import CUSTOM_DATA, MatchTerm, glob
from sauce_janitor.config.grammar.scalars import (
    ArchiveAge,
    DeletionAge,
    DurationTerm,
    Grammar,
    HoldingTime,
    Name,
    OneOrMany,
    PositiveDuration,
    Until,
    fault,
    sentence,
    text_of,
)
from sauce_janitor.config.grammar.synonyms import field_meant
from sauce_janitor.config.source.problems import did_you_mean, listed, shown
from sauce_janitor.model.assets import ASSET_CLASSES
from sauce_janitor.model.calendar_periods import CalendarPeriod
from sauce_janitor.model.policies import FIELDS, KEEP_KINDS, Duration

PICKS: Final = ("newest", "oldest", "passed", "failed", "error", "complete")
Picks = Literal["newest", "oldest", "passed", "failed", "error", "complete"]
AgeFrom = Literal["end_time", "modification_time", "start_time", "creation_time"]
_USUAL_AGE: Final[tuple[AgeFrom, ...]] = ("end_time", "modification_time")
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Accounts = Annotated[list[str], Field(min_length=1), OneOrMany()]


_ANY_TAG: Final = "`match: {tags: {glob: …, literal: true}}`"


def _asset_name(value: object) -> str:
    text = text_of(value, "an asset class or glob")
    if not set("*?[.{") & set(text) and text not in ASSET_CLASSES:
        near = did_you_mean(text, ASSET_CLASSES)
        raise ValueError(
            f"{shown(value)} is not an asset class: use {listed(ASSET_CLASSES)}, or a file name or"
            f" glob{near}"
        )
    return glob(text, kind="file").pattern


def _field_name(value: object) -> str:
    text = text_of(value, "the name of a field")
    if text not in FIELDS and not (text.startswith(CUSTOM_DATA) and len(text) > len(CUSTOM_DATA)):
        near = field_meant(text) or did_you_mean(text, FIELDS)
        raise ValueError(
            f"{shown(text)} is not a field: use {listed((*FIELDS, 'custom_data.KEY'))}{near}"
        )
    return text


AssetName = Annotated[
    str,
    PlainValidator(sentence(_asset_name)),
    WithJsonSchema(
        {
            "anyOf": [{"enum": list(ASSET_CLASSES)}, {"type": "string"}],
            "examples": ["logs", "video", "*.har"],
        }
    ),
]
FieldName = Annotated[
    str,
    PlainValidator(sentence(_field_name)),
    WithJsonSchema(
        {"anyOf": [{"enum": list(FIELDS)}, {"type": "string", "pattern": "^custom_data\\..+$"}]}
    ),
]
Never = Annotated[
    Literal["never"],
    PlainValidator(sentence(lambda _: "never")),
    WithJsonSchema({"const": "never"}),
    Tag("·never"),
]
Nothing = Annotated[
    Literal["none"],
    PlainValidator(sentence(lambda _: "none")),
    WithJsonSchema({"const": "none"}),
    Tag("·none"),
]


def _by_shape(value: Any) -> str:
    """Return the tag of the form: `none` or `never`, a mapping, or a duration."""
    if value in ("none", "never"):
        return f"·{value}"
    return "·mapping" if isinstance(value, dict | Grammar) else "·duration"


def _one_or_by_class(value: Any) -> str:
    return "·mapping" if isinstance(value, dict) else "·duration"


class _KeepByRank(Grammar):
    """The first keys of a keep rule, in the order of the reference."""

    id: Name | None = Field(
        None,
        description="Name in plans and `explain`. Default: made from its content.",
        examples=["recent"],
    )
    last: Count | None = Field(None, description="The newest N of each group.", examples=[20])
    since_last: MatchTerm | None = Field(
        None,
        description="All jobs newer than the last one that matches; all if none matches.",
        examples=[{"status": "passed"}],
    )


def _calendar_key(period: CalendarPeriod) -> tuple[Any, Any]:
    """Return the type and the field of a key that counts calendar periods."""
    description = f"One job of each of the last N {period.facts.full_noun}s."
    return Count | None, Field(None, description=description, examples=[period.facts.example])


if TYPE_CHECKING:
    # mypy cannot see a class that is created at run time.
    _KeepByPeriod = _KeepByRank
else:
    _KeepByPeriod = create_model(
        "_KeepByPeriod",
        __base__=_KeepByRank,
        __module__=__name__,
        **{period.value: _calendar_key(period) for period in CalendarPeriod},
    )


class KeepRuleTerm(_KeepByPeriod):
    """One keep rule: exactly one kind, and restrictions. Jobs that it keeps stay at any age."""

    within: PositiveDuration | None = Field(
        None, description="All jobs at most this old.", examples=["7d"]
    )
    within_of_newest: PositiveDuration | None = Field(
        None,
        description="All jobs at most this much older than the newest of their group.",
        examples=["2d"],
    )
    where: MatchTerm | None = Field(
        None, description="Count only these jobs.", examples=[{"status": "passed"}]
    )
    pick: Annotated[list[Picks], Field(min_length=1), OneOrMany()] | None = Field(
        None,
        description=(
            "Which job of a period: newest (default), oldest, or statuses in order of preference."
        ),
        examples=[["failed", "newest"]],
    )
    nonempty: bool = Field(
        default=False, description="Count only periods that have jobs.", examples=[True]
    )

    @model_validator(mode="after")
    def _is_one_kind(self) -> KeepRuleTerm:
        kinds = [kind for kind in KEEP_KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            more = ""
            if kinds:
                more = f", but has {' and '.join(kinds)}: write one rule for each"
            raise fault(f"needs exactly one of {listed(KEEP_KINDS)}{more}")
        if not isinstance(kinds[0], CalendarPeriod) and (self.pick is not None or self.nonempty):
            raise fault(
                f"`pick` and `nonempty` are for {listed(CalendarPeriod)}, not for `{kinds[0]}`"
            )
        return self


_WHOLE_JOBS: Final = (
    ": Sauce Labs cannot delete single files of a job; delete_assets destroys all of them,"
    " delete_job also the record"
)


class DeleteTerm(Grammar):
    """A delete with its own keep rules."""

    after: Annotated[DeletionAge, Tag("·duration")] | Never = Field(
        discriminator=Discriminator(_by_shape),
        description="Age at which it is due, or `never`.",
        examples=["10d", "never"],
    )
    keep: list[KeepRuleTerm] = Field(
        default_factory=list,
        description="Keep rules for this action only.",
        examples=[[{"last": 3}]],
    )

    @classmethod
    def advice(cls, key: str) -> str:
        """Return what to write instead. Single files cannot be deleted."""
        return _WHOLE_JOBS if key in ("assets", "only", *ASSET_CLASSES) else super().advice(key)


class Unavailable(Grammar):
    """How long deletes wait for a file that cannot be fetched."""

    proceed: DeletionAge = Field(
        description=(
            "Deletes wait this long after the file was first missing, then go on without it."
        ),
        examples=["14d"],
    )


def _keep_or_proceed(value: Any) -> str:
    return "·mapping" if isinstance(value, dict | Grammar) else "·keep"


def _keep(value: object) -> str:
    if value != "keep":
        raise ValueError(
            f"{shown(value)} is not valid: write `keep`, or how long to wait, such as"
            " {proceed: 14d}"
        )
    return "keep"


class ArchiveTerm(Grammar):
    """What is stored before anything is deleted."""

    after: DurationTerm = Field(
        Duration("0s"), description="Age at which it is stored.", examples=["2h"]
    )
    assets: Annotated[list[AssetName], Field(min_length=1), OneOrMany()] = Field(
        default_factory=lambda: ["all"],
        description="Asset classes, file names or globs.",
        examples=[["logs", "video"]],
    )
    discard: Literal["rest"] | None = Field(
        None,
        description=(
            "Required unless all assets are stored: a delete also destroys those that are not."
        ),
        examples=["rest"],
    )
    only: Literal["kept"] | None = Field(
        None, description="Store only jobs that its keep rules keep.", examples=["kept"]
    )
    if_purged: Literal["proceed", "keep"] = Field(
        "proceed",
        description=(
            "If Sauce Labs has purged the assets: `proceed` with only job.json archived, or `keep`"
            " the job."
        ),
        examples=["keep"],
    )
    if_unavailable: Annotated[
        Annotated[
            Literal["keep"],
            PlainValidator(sentence(_keep)),
            WithJsonSchema({"const": "keep"}),
            Tag("·keep"),
        ]
        | Annotated[Unavailable, Tag("·mapping")],
        Discriminator(_keep_or_proceed),
    ] = Field(
        "keep",
        description=(
            "If a listed file cannot be fetched: deletes wait for it (`keep`), or go on without it"
            " after some time."
        ),
        examples=[{"proceed": "14d"}],
    )
    keep_for: (
        Annotated[
            Annotated[HoldingTime, Tag("·duration")]
            | Annotated[dict[AssetName, HoldingTime], Field(min_length=1), Tag("·mapping")],
            Discriminator(_one_or_by_class),
        ]
        | None
    ) = Field(
        None,
        description=(
            "How long the archive keeps it (`archive prune`), also by class or glob; `all` is the"
            " rest. Default: forever."
        ),
        examples=["2y", {"video": "90d", "all": "2y"}],
    )


Archive = Annotated[
    Annotated[ArchiveAge, Tag("·duration")] | Nothing | Annotated[ArchiveTerm, Tag("·mapping")],
    Discriminator(_by_shape),
]
Delete = Annotated[
    Annotated[DeletionAge, Tag("·duration")] | Never | Annotated[DeleteTerm, Tag("·mapping")],
    Discriminator(_by_shape),
]


class Then(Grammar):
    """What happens to a matching job, by age. The policy decides nothing on an action that is
    missing here.
    """

    archive: Archive | None = Field(
        None,
        description="Store all assets at this age; `none`, or a mapping.",
        examples=["5d", "none", {"after": "2h", "assets": ["logs", "video"], "discard": "rest"}],
    )
    delete_assets: Delete | None = Field(
        None,
        description="Destroy all its assets at Sauce Labs at this age, or `never`.",
        examples=["21d", "never"],
    )
    delete_job: Delete | None = Field(
        None,
        description="Destroy the job record and all assets at this age, or `never`.",
        examples=["180d", "never"],
    )
    stop: PositiveDuration | None = Field(
        None, description="Stop a job that has been running for longer.", examples=["6h"]
    )

    @classmethod
    def advice(cls, key: str) -> str:
        """Return what to write instead of `delete_video` and the like."""
        what = key.removeprefix("delete_").removesuffix("s")
        is_class = any(what == name.removesuffix("s") for name in ASSET_CLASSES)
        return _WHOLE_JOBS if key == "assets" or is_class else super().advice(key)


class LimitsTerm(Grammar):
    """Limits of a plan. A plan that breaks one is refused before its first change. null turns a
    limit off.
    """

    max_jobs: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="At most this many jobs with a delete or stop.",
        examples=[2000],
    )
    max_percent: Annotated[float, Field(gt=0, le=100)] | None = Field(
        None,
        description=(
            "At most this percentage of the jobs, counting only those that no earlier accepted run"
            " knew."
        ),
        examples=[25],
    )
    max_growth: Annotated[float, Field(ge=1, le=1000)] | None = Field(
        None,
        description=(
            "At most this many times the jobs of a usual plan, the median of the last 7 accepted"
            " ones."
        ),
        examples=[3],
    )


class AccountLimits(LimitsTerm):
    """Limits for the whole account."""

    max_percent: Annotated[float, Field(gt=0, le=100)] | None = Field(
        25.0,
        description=(
            "At most this percentage of the account's jobs, counting only those that no earlier"
            " accepted run knew."
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
        default_factory=list,
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
            raise fault("needs exactly one of tag, tag_prefix or match")
        return self

    @model_validator(mode="after")
    def _can_match(self) -> HoldTerm:
        """Refuse a tag that looks like another language's pattern: it would protect nothing."""
        try:
            lookalikes.check_meaning(self.tag or "", kind="tag", otherwise=_ANY_TAG)
            lookalikes.check_meaning(self.tag_prefix or "", kind="prose", otherwise=_ANY_TAG)
        except ValueError as error:
            raise fault(f"{'tag' if self.tag else 'tag_prefix'}: {error}") from None
        if self.tag_prefix is not None and set("*?") & set(self.tag_prefix):
            raise fault(
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
            raise fault("promises nothing: add assets_gone_by or job_gone_by")
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


class ForbidTerm(Grammar):
    """Assets that are never stored, whatever a policy or hold says."""

    match: MatchTerm = Field(description="The jobs.", examples=[{"tags": "pii"}])
    assets: Annotated[list[AssetName], Field(min_length=1), OneOrMany()] = Field(
        description="Asset classes, file names or globs.", examples=[["video", "screenshots"]]
    )
