"""`keep`: the keep rules of policies and of single deletes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, create_model, model_validator

from sauce_janitor.config.grammar.durations import PositiveDuration
from sauce_janitor.config.grammar.matches import MatchTerm
from sauce_janitor.config.grammar.scalars import Grammar, Name, OneOrMany, invalid
from sauce_janitor.config.source.problems import listed
from sauce_janitor.model.calendar_periods import CalendarPeriod
from sauce_janitor.model.policies import KEEP_KINDS

PICKS: Final = ("newest", "oldest", "passed", "failed", "error", "complete")
Picks = Literal["newest", "oldest", "passed", "failed", "error", "complete"]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


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
            raise invalid(f"needs exactly one of {listed(KEEP_KINDS)}{more}")
        # Ignoring these keys would keep other jobs than the author expects.
        if not isinstance(kinds[0], CalendarPeriod) and (self.pick is not None or self.nonempty):
            raise invalid(
                f"`pick` and `nonempty` are for {listed(CalendarPeriod)}, not for `{kinds[0]}`"
            )
        return self
