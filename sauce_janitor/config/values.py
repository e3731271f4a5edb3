"""The configuration as frozen values: what the rest of the program sees of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from sauce_janitor.config.daemon_values import MetricsExport, Schedule, Web, Webhook
from sauce_janitor.config.digest import policy_digest
from sauce_janitor.config.secrets import CredentialSource
from sauce_janitor.config.source.files import ConfigFiles
from sauce_janitor.errors import Problem
from sauce_janitor.model.jobs import Owner
from sauce_janitor.model.policies import Rules
from sauce_janitor.model.request_allowance import AllowanceTimetable
from sauce_janitor.retention.plan.limits import Approval
from sauce_janitor.retention.what_if.policy_tests import PolicyTest


@dataclass(frozen=True, slots=True)
class Account:
    """One Sauce Labs account. Times in seconds. `users` are names, `me` or `organization`, `teams`
    are teams whose members are meant, too; `region` is None with a `base_url`.

    `own_sources` are the credentials of owners that have their own; `replaces` names accounts of
    the state that are gone.
    """

    name: str
    region: str | None
    base_url: str
    users: tuple[str, ...]
    budget: AllowanceTimetable
    full_every_s: int
    timeout_s: float
    timeout_total_s: float
    attempts: int
    max_wait_s: float
    ca_bundle: Path | None
    proxy: str | None
    delete_job_path: Literal["auto", "v1", "v1.1"]
    source: CredentialSource = field(repr=False)
    environ: Mapping[str, str] = field(repr=False, compare=False)
    own_sources: Mapping[Owner, CredentialSource] = field(default_factory=dict, repr=False)
    replaces: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()

    @property
    def whose(self) -> str:
        """Return whose jobs are meant, for people: `me, alice, team web`."""
        return ", ".join([*self.users, *(f"team {team}" for team in self.teams)])

    def user(self) -> str:
        """Return the name of the user whose credentials the account has, read now; ConfigError when
        it cannot be had.
        """
        return self.source.user(self.environ)

    def credentials(self, owner: Owner | None = None) -> tuple[str, SecretStr]:
        """(user name, access key), read now: the account's, or those that the owner has of its own.

        ConfigError, which never shows a value, when they cannot be had; KeyError for an owner
        without.
        """
        source = self.source if owner is None else self.own_sources[owner]
        return source.resolve(self.environ)

    def missing(self) -> tuple[Problem, ...]:
        """Environment variables that the credentials name and that are not set. Runs no command,
        opens no secret.
        """
        sources = (self.source, *self.own_sources.values())
        return tuple(problem for source in sources for problem in source.missing(self.environ))

    def identity(self) -> str:
        """Which account this is, for people: `eu: jane at https://api.eu-central-1.saucelabs.com`.
        Asks no one.
        """
        return f"{self.name}: {self.source.describe(self.environ)} at {self.base_url}"


@dataclass(frozen=True, slots=True)
class ArchiveConfig:
    """`settle_s`: how long after a job's end its assets are complete. One of `min_free_percent` and
    `min_free_bytes` is set.

    `verify`: whether what was written is read back from the disk; `compress`: whether logs and JSON
    are. `trust_read_back_s`: how long a read-back spares the one before a delete; None: it never
    does.
    """

    path: Path
    settle_s: int
    min_free_percent: float | None
    min_free_bytes: int | None
    verify: Literal["reread", "inline"] = "reread"
    compress: bool = False
    trust_read_back_s: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """One configuration, checked. `warnings` are lints; `files` those that it was read from, the
    first one first, `sources` what they held then. `accept_filesystem` is the kind of file system
    that the state may lie on besides local ones.

    Everything else is as written or its default.
    """

    file: Path
    accounts: tuple[Account, ...]
    archive: ArchiveConfig
    state: Path
    workers: int
    timezone: str
    web: Web
    export: MetricsExport = field(default_factory=MetricsExport)
    webhooks: tuple[Webhook, ...] = ()
    files: tuple[Path, ...] = ()
    sources: ConfigFiles = field(default_factory=ConfigFiles, repr=False, compare=False)
    warnings: tuple[Problem, ...] = ()
    rules_by_account: Mapping[str, Rules] = field(default_factory=dict, repr=False)
    identities: Mapping[str, Mapping[str, object]] = field(default_factory=dict, repr=False)
    tests_by_account: Mapping[str, tuple[PolicyTest, ...]] = field(default_factory=dict, repr=False)
    accept_filesystem: str | None = None
    approvals_by_account: Mapping[str, tuple[Approval, ...]] = field(
        default_factory=dict, repr=False
    )
    schedules: Mapping[str, Schedule] = field(default_factory=dict, repr=False)

    def account(self, name: str) -> Account:
        """The account of that name; KeyError when there is none."""
        return next(account for account in self.accounts if account.name == name)

    def rules(self, account: str) -> Rules:
        """What decides for that account; KeyError when there is none."""
        return self.rules_by_account[account]

    def schedule(self, account: str) -> Schedule:
        """When `serve` runs for that account; KeyError when there is none."""
        return self.schedules[account]

    def approvals(self, account: str) -> tuple[Approval, ...]:
        """What the file approves for that account, also what is over or of another policy
        digest.
        """
        return self.approvals_by_account[account]

    def tests(self, account: str) -> tuple[PolicyTest, ...]:
        """The tests that are about that account; KeyError when there is none."""
        return self.tests_by_account[account]

    def policy_digest(self, account: str) -> str:
        """`sha256:…` over all that decides for that account, and nothing else; the order of
        policies does not matter.
        """
        return policy_digest(self.rules_by_account[account], self.identities[account])
