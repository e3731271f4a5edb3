"""`approvals`: limits that are lifted in the file, so that its reviewers see them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sauce_janitor.config.grammar.scalars import Grammar, OneOrMany, Until, invalid, no_entries


class ApprovalTerm(Grammar):
    """Lifts limits for plans of one account under one policy digest. When a limit is broken, `plan`
    prints an approval to paste.
    """

    account: str = Field(description="The account of the plans.", examples=["eu"])
    policy_digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] = Field(
        description=(
            "The digest that `plan` prints. Any change of the policies ends the approval."
        ),
        examples=["sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    lift: Annotated[list[Literal["max_percent", "max_jobs", "max_growth"]], OneOrMany()] = Field(
        default_factory=no_entries,
        description="Limits to lift, for the account and its policies.",
        examples=[["max_percent"]],
    )
    max_jobs: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description=(
            "Lifts max_jobs, too. The approval is only for plans that delete or stop at most this"
            " many new jobs: those that no accepted plan had."
        ),
        examples=[480000],
    )
    until: Until = Field(
        description="Last day, or the moment it ends, also as a Unix timestamp.",
        examples=["2026-09-01"],
    )
    by: Annotated[str, Field(min_length=1)] = Field(
        description="Who approves; for people.", examples=["jane"]
    )
    reason: Annotated[str, Field(min_length=1)] = Field(
        description="Why; for people.", examples=["first clean-up"]
    )

    @model_validator(mode="after")
    def _lifts_something(self) -> ApprovalTerm:
        if not self.lift and self.max_jobs is None:
            raise invalid("lifts nothing: add lift or max_jobs")
        return self
