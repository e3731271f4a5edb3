"""The whole file: its top-level keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sauce_janitor.config.grammar.accounts import AccountTerm
from sauce_janitor.config.grammar.approvals import ApprovalTerm
from sauce_janitor.config.grammar.daemon import MetricsTerm, NotifyTerm, WebTerm
from sauce_janitor.config.grammar.patterns import ListEntry
from sauce_janitor.config.grammar.policies import (
    AccountLimits,
    DeadlineTerm,
    Defaults,
    HoldTerm,
    PolicyTerm,
)
from sauce_janitor.config.grammar.policy_tests import PolicyTestTerm
from sauce_janitor.config.grammar.scalars import Grammar, OneOrMany, TimeZone, no_entries, no_keys
from sauce_janitor.config.grammar.schedule import ScheduleTerm
from sauce_janitor.config.grammar.storage import ArchiveSettings, StateSettings

ACCOUNT_NAME = r"^[a-z0-9][a-z0-9._-]*$"


class ConfigFile(Grammar):
    """The configuration of sauce-janitor. What is unclear is kept, keep beats delete, and the
    longest time wins.
    """

    version: Literal[1] = Field(1, description="Version of the language.", examples=[1])
    include: Annotated[list[Annotated[str, Field(min_length=1)]], OneOrMany()] = Field(
        default_factory=no_entries,
        description=(
            "Files or globs that add policies, holds, lists and tests; relative to this file's"
            " folder."
        ),
        examples=[["policies.d/*.yaml"]],
    )
    timezone: TimeZone = Field(
        "UTC",
        description="For calendar periods, cron, and the times that commands show.",
        examples=["Europe/Berlin"],
    )
    accounts: Annotated[
        dict[Annotated[str, Field(pattern=ACCOUNT_NAME, max_length=64)], AccountTerm],
        Field(min_length=1),
    ] = Field(
        description="Sauce Labs accounts, by a name of your choice.",
        examples=[{"eu": {"region": "eu-central-1"}}],
    )
    archive: ArchiveSettings = Field(
        default_factory=ArchiveSettings,
        description="Where the archive is and how it is written.",
        examples=[{"path": "./archive"}],
    )
    state: StateSettings = Field(
        default_factory=StateSettings,
        description="Where the inventory and the journal are.",
        examples=[{"path": "./state.db"}],
    )
    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        4, description="Jobs processed at the same time, for each credential.", examples=[4]
    )
    concurrent_runs: Annotated[int, Field(ge=1, le=64)] = Field(
        4,
        description=(
            "Accounts that one `serve` works on at the same time, where several share the state of"
            " `state.url`."
        ),
        examples=[4],
    )
    defaults: Defaults = Field(
        default_factory=Defaults,
        description="Settings for all policies.",
        examples=[{"grace": "3d"}],
    )
    lists: dict[str, Annotated[list[ListEntry], Field(min_length=1)]] = Field(
        default_factory=no_keys,
        description="Lists of patterns for `{in: NAME}`.",
        examples=[{"flaky": ["login*", "cart*"]}],
    )
    holds: list[HoldTerm] = Field(
        default_factory=no_entries,
        description="Jobs that stay, whatever a policy says.",
        examples=[[{"tag": "keep"}]],
    )
    limits: AccountLimits = Field(
        default_factory=AccountLimits,
        description="Limits for the whole account.",
        examples=[{"max_jobs": 2000, "max_percent": 25}],
    )
    approvals: list[ApprovalTerm] = Field(
        default_factory=no_entries,
        description="Lift limits for a while. Not part of the policy digest.",
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
        default_factory=no_entries,
        description=(
            "What is archived and deleted, and when. A job without a matching policy is kept."
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
        default_factory=no_entries,
        description=(
            "Promises to watch: plans, metrics and logs show which jobs are late and what blocks"
            " them."
        ),
        examples=[
            [{"name": "privacy", "match": {"tags": "pii"}, "assets_gone_by": "3d", "warn": "12h"}]
        ],
    )
    tests: list[PolicyTestTerm] = Field(
        default_factory=no_entries,
        description=(
            "Made-up jobs and the expected decisions. `check` runs them. Not part of the policy"
            " digest."
        ),
        examples=[
            [
                {
                    "name": "old noise goes",
                    "jobs": [{"id": "pr", "build": "PR-1", "end_time": "-20d"}],
                    "expect": {"pr": {"delete_job": "pull-requests"}},
                }
            ]
        ],
    )
    schedule: ScheduleTerm = Field(
        default_factory=ScheduleTerm,
        description="When `serve` runs. An account may have its own schedule.",
        examples=[{"cron": "17 * * * *"}],
    )
    web: WebTerm = Field(
        default_factory=WebTerm,
        description="Where `serve` listens.",
        examples=[{"listen": "127.0.0.1:9469"}],
    )
    metrics: MetricsTerm = Field(
        default_factory=MetricsTerm,
        description="Where `run` and `apply` export their metrics.",
        examples=[{"textfile": "/var/lib/prometheus/node-exporter/sauce-janitor.prom"}],
    )
    notify: Annotated[list[NotifyTerm], OneOrMany()] = Field(
        default_factory=no_entries,
        description="Webhooks that get messages.",
        examples=[[{"url": {"env": "SLACK_HOOK"}, "on": ["refused", "failed"]}]],
    )
