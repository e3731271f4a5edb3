"""The whole file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sauce_janitor.config.grammar.accounts import AccountTerm
from sauce_janitor.config.grammar.approvals import ApprovalTerm
from sauce_janitor.config.grammar.daemon import MetricsTerm, NotifyTerm, ScheduleTerm, WebTerm
from sauce_janitor.config.grammar.matches import ListEntry
from sauce_janitor.config.grammar.policies import (
    AccountLimits,
    DeadlineTerm,
    Defaults,
    HoldTerm,
    PolicyTerm,
)
from sauce_janitor.config.grammar.policy_tests import PolicyTestTerm
from sauce_janitor.config.grammar.scalars import Grammar, OneOrMany, TimeZone
from sauce_janitor.config.grammar.storage import ArchiveSettings, StateSettings

ACCOUNT_NAME = r"^[a-z0-9][a-z0-9._-]*$"


class ConfigFile(Grammar):
    """The configuration of sauce-janitor. Whatever is unclear is kept, keep beats delete, and the
    longest time wins.
    """

    version: Literal[1] = Field(1, description="The version of this format.", examples=[1])
    include: Annotated[list[Annotated[str, Field(min_length=1)]], OneOrMany()] = Field(
        default_factory=list,
        description=(
            "Files, or globs of files, that add policies, holds, lists and tests; relative to this"
            " file's folder."
        ),
        examples=[["policies.d/*.yaml"]],
    )
    timezone: TimeZone = Field(
        "UTC",
        description=(
            "For calendar days, weeks, months, years and cron, and for the times that commands"
            " show."
        ),
        examples=["Europe/Berlin"],
    )
    accounts: Annotated[
        dict[Annotated[str, Field(pattern=ACCOUNT_NAME, max_length=64)], AccountTerm],
        Field(min_length=1),
    ] = Field(
        description="The Sauce Labs accounts, by a name of your choice.",
        examples=[{"eu": {"region": "eu-central-1"}}],
    )
    archive: ArchiveSettings = Field(
        default_factory=ArchiveSettings,
        description="Where the archive is.",
        examples=[{"path": "./archive"}],
    )
    state: StateSettings = Field(
        default_factory=StateSettings,
        description="Where the inventory and the journal are.",
        examples=[{"path": "./state.db"}],
    )
    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        4,
        description="How many jobs are handled at the same time, for each credential.",
        examples=[4],
    )
    defaults: Defaults = Field(
        default_factory=Defaults,
        description="Settings for all policies.",
        examples=[{"grace": "3d"}],
    )
    lists: dict[str, Annotated[list[ListEntry], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="Lists of patterns that `{in: NAME}` refers to.",
        examples=[{"flaky": ["login*", "cart*"]}],
    )
    holds: list[HoldTerm] = Field(
        default_factory=list,
        description="Jobs that stay, whatever a policy says.",
        examples=[[{"tag": "keep"}]],
    )
    limits: AccountLimits = Field(
        default_factory=AccountLimits,
        description="Limits for the whole account.",
        examples=[{"max_jobs": 2000, "max_percent": 25}],
    )
    approvals: list[ApprovalTerm] = Field(
        default_factory=list,
        description="Approvals that lift a limit until a day. Not part of the policy digest.",
        examples=[
            [
                {
                    "account": "eu",
                    "policy_digest": f"sha256:{'0' * 64}",
                    "max_jobs": 480000,
                    "until": "2026-09-01",
                    "by": "jane",
                    "reason": "first clean-up",
                }
            ]
        ],
    )
    policies: list[PolicyTerm] = Field(
        default_factory=list,
        description=(
            "What is archived and deleted, and when. A job that no policy covers is kept."
        ),
        examples=[
            [
                {
                    "name": "old-noise",
                    "match": {"build": "PR-*"},
                    "then": {"archive": "none", "delete_job": "14d"},
                }
            ]
        ],
    )
    deadlines: list[DeadlineTerm] = Field(
        default_factory=list,
        description=(
            "Promises: plans, metrics and logs say which jobs are late, and what blocks them."
        ),
        examples=[
            [{"name": "privacy", "match": {"tags": "pii"}, "assets_gone_by": "3d", "warn": "12h"}]
        ],
    )
    tests: list[PolicyTestTerm] = Field(
        default_factory=list,
        description=(
            "What the policies must decide on made-up jobs; `check` runs them. Not part of the"
            " policy digest."
        ),
        examples=[
            [{"name": "old noise goes", "jobs": [{"id": "pr", "build": "PR-1", "end_time": "-20d"}],
              "expect": {"pr": {"delete_job": "pull-requests"}}}]
        ],
    )  # fmt: skip
    schedule: ScheduleTerm = Field(
        default_factory=ScheduleTerm,
        description="When `serve` runs; an account may have its own. Used by `serve` only.",
        examples=[{"cron": "17 * * * *"}],
    )
    web: WebTerm = Field(
        default_factory=WebTerm,
        description="Where `serve` listens; used by `serve` only.",
        examples=[{"listen": "127.0.0.1:9469"}],
    )
    metrics: MetricsTerm = Field(
        default_factory=MetricsTerm,
        description="Where single runs write their metrics.",
        examples=[{"textfile": "/var/lib/prometheus/node-exporter/sauce-janitor.prom"}],
    )
    notify: Annotated[list[NotifyTerm], OneOrMany()] = Field(
        default_factory=list,
        description="Webhooks for messages.",
        examples=[[{"url": {"env": "SLACK_HOOK"}, "on": ["refused", "failed"]}]],
    )
