"""`then`: what is archived and deleted at which age, and which assets."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Discriminator, Field, Tag

from sauce_janitor.config.grammar.durations import (
    ArchiveAge,
    DeletionAge,
    DurationTerm,
    HoldingTime,
    PositiveDuration,
)
from sauce_janitor.config.grammar.keep import KeepRuleTerm
from sauce_janitor.config.grammar.matches import MatchTerm
from sauce_janitor.config.grammar.patterns import glob
from sauce_janitor.config.grammar.scalars import Grammar, OneOrMany, Parsed, no_entries, text_of
from sauce_janitor.config.source.problems import did_you_mean, listed, shown
from sauce_janitor.model.assets import ASSET_CLASSES
from sauce_janitor.model.policies import Duration


def _asset_name(value: object) -> str:
    text = text_of(value, "an asset class or glob")
    # Without a dot or a wildcard it is no file name, but a misspelt class. As a glob it would match
    # nothing, so nothing would be archived.
    if not set("*?[.{") & set(text) and text not in ASSET_CLASSES:
        near = did_you_mean(text, ASSET_CLASSES)
        raise ValueError(
            f"{shown(value)} is not an asset class: use {listed(ASSET_CLASSES)}, or a file name or"
            f" glob{near}"
        )
    return glob(text, kind="file").pattern


AssetName = Annotated[
    str,
    Parsed(
        _asset_name,
        {
            "anyOf": [{"enum": list(ASSET_CLASSES)}, {"type": "string"}],
            "examples": ["logs", "video", "*.har"],
        },
    ),
]
Never = Annotated[
    Literal["never"],
    Parsed(lambda _: "never", {"const": "never"}),
    Tag("·never"),
]
Nothing = Annotated[
    Literal["none"],
    Parsed(lambda _: "none", {"const": "none"}),
    Tag("·none"),
]


def _by_shape(value: Any) -> str:
    """Return the tag of the form: `none` or `never`, a mapping, or a duration."""
    if value in ("none", "never"):
        return f"·{value}"
    return "·mapping" if isinstance(value, dict | Grammar) else "·duration"


def _one_or_by_class(value: Any) -> str:
    return "·mapping" if isinstance(value, dict) else "·duration"


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
        default_factory=no_entries,
        description="Keep rules for this action only.",
        examples=[[{"last": 3}]],
    )

    @classmethod
    def advice(cls, key: str) -> str:
        """Return what to write instead. Single files cannot be deleted."""
        # Users expect to delete only videos, but Sauce Labs has no such call.
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
    """What is archived before anything is deleted."""

    after: DurationTerm = Field(
        Duration("0s"), description="Age at which it is archived.", examples=["2h"]
    )
    assets: Annotated[list[AssetName], Field(min_length=1), OneOrMany()] = Field(
        default_factory=lambda: ["all"],
        description="Asset classes, file names or globs.",
        examples=[["logs", "video"]],
    )
    discard: Literal["rest"] | None = Field(
        None,
        description=(
            "Required unless all assets are archived: a delete also destroys those that are not."
        ),
        examples=["rest"],
    )
    only: Literal["kept"] | None = Field(
        None, description="Archive only jobs that its keep rules keep.", examples=["kept"]
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
            Parsed(_keep, {"const": "keep"}),
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
        description="Archive all assets at this age; `none`, or a mapping.",
        examples=["5d", "none", {"after": "2h", "assets": ["logs", "video"], "discard": "rest"}],
    )
    delete_assets: Delete | None = Field(
        None,
        description="Delete all its assets at Sauce Labs at this age, or `never`.",
        examples=["21d", "never"],
    )
    delete_job: Delete | None = Field(
        None,
        description="Delete the job record and all assets at this age, or `never`.",
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


class ForbidTerm(Grammar):
    """Assets that are never archived, whatever a policy or hold says."""

    match: MatchTerm = Field(description="The jobs.", examples=[{"tags": "pii"}])
    assets: Annotated[list[AssetName], Field(min_length=1), OneOrMany()] = Field(
        description="Asset classes, file names or globs.", examples=[["video", "screenshots"]]
    )
