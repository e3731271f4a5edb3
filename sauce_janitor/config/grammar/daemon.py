"""`web`, `metrics` and `notify`: where the daemon listens, and what it exports and sends."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from sauce_janitor.config.grammar.addresses import Listen, PathText, is_loopback
from sauce_janitor.config.grammar.durations import ELAPSED_SCHEMA, elapsed
from sauce_janitor.config.grammar.scalars import (
    Grammar,
    OneOrMany,
    Parsed,
    invalid,
    no_entries,
    text_of,
)
from sauce_janitor.config.grammar.secrets import Secret
from sauce_janitor.config.source.problems import shown
from sauce_janitor.model.durations import parse_duration
from sauce_janitor.model.policies import Duration
from sauce_janitor.model.safety_numbers import DAY_S

SESSION: Final = parse_duration("12h")
IDLE: Final = parse_duration("1h")
_SHORTEST_SESSION_S: Final = 300
_LONGEST_SESSION_S: Final = 30 * DAY_S


def session_time(value: object) -> Duration:
    """Return how long a session lasts."""
    read = elapsed(value)
    # A longer one would be a password that nobody types again.
    if not _SHORTEST_SESSION_S <= read.seconds <= _LONGEST_SESSION_S:
        raise ValueError(f"{read.text} is not accepted here: write 5min to 30d")
    return read


SessionTime = Annotated[Duration, Parsed(session_time, ELAPSED_SCHEMA)]


class AuthTerm(Grammar):
    """Who may see the pages, and who may change something there."""

    token: Secret | None = Field(
        None,
        description=(
            "Bearer token, for programs that read; in a browser, the password with any user name."
        ),
        examples=[{"file": "/run/secrets/web-token"}],
    )
    users: PathText | None = Field(
        None,
        description=(
            "File of those who sign in, with their roles. `sauce-janitor user` writes it; `serve`"
            " reads it again when it changes."
        ),
        examples=["users.yaml"],
    )
    session: SessionTime = Field(
        SESSION, description="How long after signing in a session ends.", examples=["12h"]
    )
    idle: SessionTime = Field(
        IDLE, description="How long after its last request a session ends.", examples=["1h"]
    )

    @model_validator(mode="after")
    def _is_something(self) -> AuthTerm:
        if self.token is None and self.users is None:
            raise invalid("needs token, users or both: {users: users.yaml}, {token: {file: …}}")
        return self


_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def host_name(value: object) -> str:
    """Return a host name of this server, without a port."""
    text = text_of(value, "a host's name")
    if not _HOST_NAME.fullmatch(text):
        raise ValueError(
            f"{shown(text)} is not a host name: write it without scheme and port, as"
            " janitor.example.com"
        )
    return text.lower()


HostName = Annotated[str, Parsed(host_name, {"type": "string"})]


class WebTerm(Grammar):
    """Where `serve` listens."""

    listen: Listen = Field(
        "127.0.0.1:9469",
        description="HOST:PORT. Every address but loopback needs `auth`.",
        examples=["0.0.0.0:9469"],
    )
    auth: AuthTerm | None = Field(
        None,
        description="Who may see the pages. Without it, everybody on this machine.",
        examples=[{"users": "users.yaml"}, {"token": {"file": "/run/secrets/web-token"}}],
    )
    metrics: Literal["open", "auth"] = Field(
        "open", description="`auth`: /metrics needs the token or a session, too.", examples=["auth"]
    )
    hosts: Annotated[list[HostName], OneOrMany()] = Field(
        default_factory=no_entries,
        description=(
            "Further host names to accept. Addresses and names of one label are always accepted."
        ),
        examples=[["janitor.example.com"]],
    )

    @model_validator(mode="after")
    def _is_private(self) -> WebTerm:
        if self.auth is None and not is_loopback(self.listen.rpartition(":")[0].strip("[]")):
            raise invalid("listen: an address that others can reach needs auth: {token: {file: …}}")
        return self


def gateway_address(value: object) -> str:
    """Return the address of a Pushgateway, without credentials; it may have a path."""
    text = value if isinstance(value, str) else ""
    try:
        address = urlsplit(text)
        good = address.scheme in {"http", "https"} and bool(address.hostname) and address.port != 0
    except ValueError:
        good = False
    if not good or re.search(r"[\s\x00-\x1f]", text) or address.query or address.fragment:
        raise ValueError("is not an address: write http://pushgateway:9091")
    # Credentials in an address end up in logs.
    if address.username is not None or address.password is not None:
        raise ValueError("contains a user name or password: use a Pushgateway that needs none")
    return text.rstrip("/")


Gateway = Annotated[
    str,
    Parsed(gateway_address, {"type": "string", "format": "uri"}),
]


class MetricsTerm(Grammar):
    """Where `run` and `apply` export their metrics. `serve` shows its own at /metrics."""

    textfile: PathText | None = Field(
        None,
        description=(
            "File for node_exporter's textfile collector, replaced after each run. A file of"
            " another instance is not replaced."
        ),
        examples=["/var/lib/prometheus/node-exporter/sauce-janitor.prom"],
    )
    pushgateway: Gateway | None = Field(
        None,
        description="Pushgateway to push to, with a group for each account and instance.",
        examples=["http://pushgateway:9091"],
    )
    instance: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,62}$",
        description=(
            "Value of the label `instance`, different in each configuration. Default: the state's"
            " id at a Pushgateway, no such label in a textfile."
        ),
        examples=["nightly"],
    )


Event = Literal["announced", "refused", "failed", "deadline", "purge"]
EVENTS: Final[tuple[Event, ...]] = ("announced", "refused", "failed", "deadline", "purge")


class NotifyTerm(Grammar):
    """A webhook that gets messages as JSON with `text`, as Slack expects it."""

    url: Secret = Field(
        description="Its address, which is a secret.", examples=[{"env": "SLACK_HOOK"}]
    )
    on: Annotated[list[Event], Field(min_length=1), OneOrMany()] = Field(
        default_factory=lambda: list(EVENTS),
        description=(
            "`announced`: deletes are announced; `refused`: a plan was refused; `failed`: a run or"
            " a part of it failed; `deadline`: jobs are late; `purge`: Sauce Labs will soon purge"
            " assets that are not archived yet."
        ),
        examples=[["refused", "failed"]],
    )
