"""`accounts`: address, credentials, users, request budget and retries of each account."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sauce_janitor.config.grammar.addresses import REGIONS, Address, PathText, Proxy, Region
from sauce_janitor.config.grammar.budgets import BudgetTerm
from sauce_janitor.config.grammar.durations import ElapsedDuration
from sauce_janitor.config.grammar.scalars import Grammar, OneOrMany, invalid, no_entries
from sauce_janitor.config.grammar.schedule import AccountScheduleTerm
from sauce_janitor.config.grammar.secrets import Owned, Secret, TeamTerm, User, Username
from sauce_janitor.config.source.problems import listed
from sauce_janitor.model.durations import parse_duration


class ListingTerm(Grammar):
    """How often all jobs are listed again."""

    full_every: ElapsedDuration = Field(
        parse_duration("24h"),
        description=(
            "Before it deletes, a run lists all jobs again if the last full listing is older than"
            " this."
        ),
        examples=["24h"],
    )


class RetriesTerm(Grammar):
    """Retries when the API does not answer."""

    attempts: Annotated[int, Field(ge=1, le=20)] = Field(
        4, description="Tries for each request, including the first.", examples=[4]
    )
    max_wait: ElapsedDuration = Field(
        parse_duration("60s"),
        description="A longer `Retry-After` ends the account's run.",
        examples=["60s"],
    )


class OwnerTerm(Grammar):
    """An owner whose jobs are read and changed with other credentials."""

    owner: Owned = Field(description="The owner of the jobs.", examples=["alice"])
    username: Username | None = Field(
        None,
        description="The user of the credentials. Default: the owner.",
        examples=["alice", {"env": "ALICE_USERNAME"}],
    )
    access_key: Secret = Field(
        description="Where to read the key.", examples=[{"env": "ALICE_ACCESS_KEY"}]
    )


class AccountTerm(Grammar):
    """One Sauce Labs account: address, credentials and users."""

    region: Region | None = Field(
        None,
        description="Data center: us-west-1, eu-central-1 or us-east-4, in any usual spelling.",
        examples=["eu-central-1", "us"],
    )
    base_url: Address | None = Field(
        None,
        description="Address of the API instead of a region; `http://` only to loopback.",
        examples=["http://127.0.0.1:8080"],
    )
    username: Username | None = Field(
        None,
        description=(
            "Default: ~/.sauce/regions.yml, then SAUCE_USERNAME, then ~/.sauce/credentials.yml."
        ),
        examples=[{"env": "SAUCE_USERNAME"}, "jane"],
    )
    access_key: Secret | None = Field(
        None,
        description=(
            "Default: ~/.sauce/regions.yml, then SAUCE_ACCESS_KEY, then ~/.sauce/credentials.yml."
        ),
        examples=[{"env": "SAUCE_ACCESS_KEY"}],
    )
    users: Annotated[list[User], Field(min_length=1), OneOrMany()] = Field(
        default_factory=lambda: list[TeamTerm | str](["me"]),
        description=(
            "Whose jobs: `me`, user names, `organization` or `{team: NAME}`, both with their"
            " service accounts. Looked up by each run."
        ),
        examples=[["me"], ["alice", "bob"], ["organization"], [{"team": "web"}]],
    )
    credentials: list[OwnerTerm] = Field(
        default_factory=no_entries,
        description="Separate credentials, and so a separate request budget, for some owners.",
        examples=[[{"owner": "alice", "access_key": {"env": "ALICE_ACCESS_KEY"}}]],
    )
    budget: BudgetTerm = Field(
        default_factory=BudgetTerm,
        description="Requests per second and per hour, by the time of day.",
        examples=[{"per_second": 2, "per_hour": 1500}],
    )
    listing: ListingTerm = Field(
        default_factory=ListingTerm,
        description="How often all jobs are listed again.",
        examples=[{"full_every": "24h"}],
    )
    timeout: ElapsedDuration = Field(
        parse_duration("30s"),
        description="Limit to connect, and between two bytes.",
        examples=["30s"],
    )
    timeout_total: ElapsedDuration = Field(
        parse_duration("30min"), description="Limit for a whole asset.", examples=["30min"]
    )
    retries: RetriesTerm = Field(
        default_factory=RetriesTerm,
        description="Retries when the API does not answer.",
        examples=[{"attempts": 4, "max_wait": "60s"}],
    )
    ca_bundle: PathText | None = Field(
        None,
        description="PEM file of certificates to trust instead of the system's.",
        examples=["/etc/ssl/corporate.pem"],
    )
    proxy: Proxy | None = Field(
        None, description="Proxy for all requests.", examples=["http://proxy.example:3128"]
    )
    delete_job_path: Literal["auto", "v1", "v1.1"] = Field(
        "auto",
        description=(
            "Path that deletes a job: `v1` (`/rest/v1/USER/jobs/ID`), `v1.1`"
            " (`/rest/v1.1/jobs/ID`), or `auto`: the last one that worked, at first `v1`, and the"
            " other if it is not served."
        ),
        examples=["v1.1"],
    )

    schedule: AccountScheduleTerm | None = Field(
        None,
        description="When `serve` runs for this account. Missing keys are as in `schedule`.",
        examples=[{"cron": "17 3 * * *"}],
    )

    replaces: Annotated[list[str], OneOrMany()] = Field(
        default_factory=no_entries,
        description=(
            "Former accounts of the state whose users belong to this account now. If only the name"
            " changed, use `account rename` instead."
        ),
        examples=[["old-name"]],
    )

    @property
    def address(self) -> str:
        """Return the URL of the API, without a slash at the end."""
        return self.base_url or f"https://api.{self.region}.saucelabs.com"

    @property
    def names(self) -> tuple[str, ...]:
        """Return the users that are written by name, including `me` and `organization`."""
        return tuple(each for each in self.users if isinstance(each, str))

    @property
    def teams(self) -> tuple[str, ...]:
        """Return the teams whose members are covered."""
        return tuple(each.team for each in self.users if isinstance(each, TeamTerm))

    @model_validator(mode="after")
    def _is_somewhere(self) -> AccountTerm:
        # Without a default region: a wrong guess would look for the jobs in another data center and
        # find none.
        if (self.region is None) == (self.base_url is None):
            raise invalid(f"needs either region ({listed(REGIONS)}) or base_url, not both")
        # Probably a typing error for somebody else, whose jobs would then be missed.
        if len(set(self.names)) != len(self.names):
            raise invalid("users: names one user twice")
        if len(set(self.teams)) != len(self.teams):
            raise invalid("users: names one team twice")
        return self

    @model_validator(mode="after")
    def _knows_whose_credentials(self) -> AccountTerm:
        owners = [term.owner for term in self.credentials]
        if len(set(owners)) != len(owners):
            raise invalid("credentials: names one owner twice")
        # Members of an organization or a team are only known at run time, so a stranger cannot be
        # told here.
        is_listed = "organization" not in self.names and not self.teams
        if is_listed and (strangers := sorted(set(owners) - set(self.names))):
            raise invalid(f"credentials: {listed(strangers)} is not in users: add the name there")
        return self
