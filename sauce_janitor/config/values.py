"""The configuration as frozen values, as the rest of the program uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import SecretStr

from sauce_janitor.config.daemon_values import MetricsExport, Schedule, Web, Webhook
from sauce_janitor.config.digest import policy_digest
from sauce_janitor.config.secrets import CredentialSource, SecretSource
from sauce_janitor.config.source.files import ConfigFiles
from sauce_janitor.errors import Problem
from sauce_janitor.model.archive.locations import S3Location
from sauce_janitor.model.jobs import Owner
from sauce_janitor.model.policies import Approval, Rules
from sauce_janitor.model.request_allowance import AllowanceTimetable

if TYPE_CHECKING:  # a file without tests loads nothing that decides
    from sauce_janitor.retention.what_if.policy_tests import PolicyTest


@dataclass(frozen=True, slots=True)
class Account:
    """One Sauce Labs account. Times are in seconds.

    `users` are names, `me` or `organization`; the members of `teams` are covered too. `region` is
    None with a `base_url`. `own_sources` are the credentials of owners that have their own.
    `replaces` names former accounts of the state.
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
        """Return whose jobs the account covers, for people: `me, alice, team web`."""
        return ", ".join([*self.users, *(f"team {team}" for team in self.teams)])

    def user(self) -> str:
        """Return the name of the user whose credentials the account has, read now.

        Raise ConfigError when it cannot be read.
        """
        return self.source.user(self.environ)

    def credentials(self, owner: Owner | None = None) -> tuple[str, SecretStr]:
        """Return (user name, access key), read now: the account's, or the owner's own ones.

        Raise ConfigError, which never shows a value, when they cannot be read; KeyError for an
        owner without own credentials.
        """
        source = self.source if owner is None else self.own_sources[owner]
        return source.resolve(self.environ)

    def missing(self) -> tuple[Problem, ...]:
        """Return a problem for each environment variable that the credentials name and that is not
        set.

        No command is run and no secret is read.
        """
        problems: list[Problem] = []
        for source in (self.source, *self.own_sources.values()):
            problems += source.missing(self.environ)
        return tuple(problems)

    def identity(self) -> str:
        """Return the account for people: `eu: jane at https://api.eu-central-1.saucelabs.com`.

        No secret is read.
        """
        return f"{self.name}: {self.source.describe(self.environ)} at {self.base_url}"


@dataclass(frozen=True, slots=True)
class ArchiveConfig:
    """The archive's settings. Exactly one of `min_free_percent` and `min_free_bytes` is set.

    `location` is a folder or a bucket. `settle_s` is how long after a job's end its assets are
    complete. `verify` says whether a written file is read back from the disk, `compress` whether
    logs and JSON are compressed. `trust_read_back_s` is how long a read-back is trusted before a
    delete; with None the copy is read again before every delete.
    """

    location: Path | S3Location
    settle_s: int
    min_free_percent: float | None
    min_free_bytes: int | None
    verify: Literal["reread", "inline"] = "reread"
    compress: bool = False
    trust_read_back_s: int | None = None


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where the address of a state on a server is read from. It may have a password, and is never
    shown.
    """

    source: SecretSource
    environ: Mapping[str, str] = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"at the address in {self.source}"

    def read(self) -> str:
        """Return the address. Raise ConfigError where it cannot be read."""
        return self.source.resolve(self.environ).get_secret_value()

    def exists(self) -> bool:
        """Return True: whether there is a state, the server says when it is opened."""
        return True


@dataclass(frozen=True, slots=True)
class Config:
    """One valid configuration: every value is as written, or its default.

    `warnings` are lints. `files` are all files that it was read from, the main one first, and
    `sources` is their content at that time. `accept_filesystem` is a file system type that is
    accepted for the state besides local ones.
    """

    file: Path
    accounts: tuple[Account, ...]
    archive: ArchiveConfig
    state: Path | ServerAddress
    workers: int
    timezone: str
    web: Web
    concurrent_runs: int = 4
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
        """Return the account of that name. The name must be one of the file."""
        return next(account for account in self.accounts if account.name == name)

    def rules(self, account: str) -> Rules:
        """Return everything that decides for the account. Raise KeyError for an unknown one."""
        return self.rules_by_account[account]

    def schedule(self, account: str) -> Schedule:
        """Return when `serve` runs for the account. Raise KeyError for an unknown one."""
        return self.schedules[account]

    def approvals(self, account: str) -> tuple[Approval, ...]:
        """Return the approvals for the account, also those that are over or for another digest."""
        return self.approvals_by_account[account]

    def tests(self, account: str) -> tuple[PolicyTest, ...]:
        """Return the tests for the account. Raise KeyError for an unknown one."""
        return self.tests_by_account[account]

    def policy_digest(self, account: str) -> str:
        """Return `sha256:…` of everything that decides for the account, and of nothing else.

        The order of policies does not matter.
        """
        return policy_digest(self.rules_by_account[account], self.identities[account])
