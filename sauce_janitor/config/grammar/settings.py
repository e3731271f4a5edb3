"""`accounts`, `archive`, `state` and all that is not policy: where things are, and how hard to pull."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Discriminator, Field, PlainValidator, Tag, WithJsonSchema, model_validator

from sauce_janitor.config.faults import did_you_mean, listed, shown
from sauce_janitor.config.grammar.policies import ForbidTerm
from sauce_janitor.config.grammar.terms import (
    DurationTerm,
    ElapsedDuration,
    FreeSpace,
    Grammar,
    OneOrMany,
    fault,
    sentence,
    text_of,
)
from sauce_janitor.retention.durations import parse_duration
from sauce_janitor.retention.model import owner_name

# Source: Sauce Labs' data center table, and the spellings that its own tools and client libraries take.
_REGIONS: Final = {
    "us-west-1": ("us", "us-west", "uswest", "uswest1", "us-vdc", "default"),
    "eu-central-1": ("eu", "eu-central", "eucentral", "eucentral1", "eu-vdc"),
    "us-east-4": ("us-east", "useast", "useast4"),
}
REGIONS: Final = tuple(_REGIONS)
_SPELLINGS: Final = {spelling: region for region, others in _REGIONS.items() for spelling in (region, *others)}


def region(value: object) -> str:
    """The data center's name, from any of the spellings that Sauce Labs' tools know."""
    folded = text_of(value, f"a region ({listed(REGIONS)})").strip().lower().replace("_", "-")
    known = _SPELLINGS.get(folded)
    if known is None:
        near = did_you_mean(folded, REGIONS)
        raise ValueError(f"{shown(value)} is no region: use {listed(REGIONS)}, or base_url for another address{near}")
    return known


def api_address(value: object) -> str:
    """Scheme, host and port of an API, without a slash at the end. The address is never shown: it may hold a password."""
    text = value if isinstance(value, str) else ""
    try:
        address = urlsplit(text)
        address.port  # noqa: B018 - raises ValueError for a port that is none
    except ValueError:
        raise ValueError("is not an address: write https://host or https://host:port") from None
    if address.scheme not in {"https", "http"} or not address.hostname or re.search(r"[\s\x00-\x1f]", text):
        raise ValueError("is not an address: write https://host or https://host:port")
    if address.username is not None or address.password is not None:
        raise ValueError("holds a user name or password: use username and access_key")
    if address.path.strip("/") or address.query or address.fragment:
        raise ValueError(f"must end after the host and port: {address.scheme}://{address.netloc}")
    if address.scheme == "http" and not _is_loopback(address.hostname):
        raise ValueError("must be https://: plain http, allowed to a loopback address only, would show the access key")
    return f"{address.scheme}://{address.netloc}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_address(value: object) -> str:
    """A proxy's address."""
    text = value if isinstance(value, str) else ""
    try:
        address = urlsplit(text)
        good = address.scheme in {"http", "https"} and bool(address.hostname) and address.port is not None
    except ValueError:
        good = False
    if not good:
        raise ValueError("is not a proxy's address: write http://host:port")
    if urlsplit(text).password is not None:
        raise ValueError("holds a password: use a proxy that knows this machine by its address")
    return text


def user(value: object) -> str:
    """`me`, or a Sauce Labs user name."""
    return owner_name(text_of(value, "a user name"))


def listen_address(value: object) -> str:
    """HOST:PORT."""
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not host or not colon or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise ValueError(f"{shown(value)} is no address to listen on: write HOST:PORT such as 127.0.0.1:9469")
    return f"{host}:{port}"


_CRON_FIELD = re.compile(r"[0-9a-zA-Z*/,\-]+")


def cron(value: object) -> str:
    """Five fields: minute hour day month weekday."""
    fields = value.split() if isinstance(value, str) else []
    if len(fields) != 5 or not all(_CRON_FIELD.fullmatch(field) for field in fields):
        raise ValueError(f"{shown(value)} is no schedule: write minute hour day month weekday, such as 17 * * * *")
    return " ".join(fields)


def _secret_shape(value: Any) -> str:
    return "·node" if isinstance(value, dict) else "·text"


def _no_literal(_value: object) -> str:
    raise ValueError(
        "a secret does not belong in a file that is shared: write {env: VARIABLE}, {file: /path} or {command: [program]}"
    )


class SecretNode(Grammar):
    """Where a secret is read from, at the moment it is needed. Exactly one key."""

    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = Field(
        None, description="The name of an environment variable.", examples=["SAUCE_ACCESS_KEY"]
    )
    file: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="A file that holds it; the line's end is dropped.", examples=["/run/secrets/sauce-access-key"]
    )
    command: Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        description="A program and its arguments that print it (no shell).",
        examples=[["pass", "show", "sauce/key"]],
    )

    @model_validator(mode="after")
    def _is_one_kind(self) -> SecretNode:
        if sum(kind is not None for kind in (self.env, self.file, self.command)) != 1:
            raise fault("gives exactly one of env, file or command")
        return self


Secret = Annotated[
    Annotated[SecretNode, Tag("·node")]
    | Annotated[str, PlainValidator(sentence(_no_literal)), WithJsonSchema({"not": {}}), Tag("·text")],
    Discriminator(_secret_shape),
]
_TextTag = Tag("·text")
Username = Annotated[
    Annotated[SecretNode, Tag("·node")]
    | Annotated[str, PlainValidator(sentence(user)), WithJsonSchema({"type": "string"}), _TextTag],
    Discriminator(_secret_shape),
]
_REGION_NAMES: Final = sorted({*_SPELLINGS, *(name.upper().replace("-", "_") for name in _SPELLINGS)})
Region = Annotated[
    str,
    PlainValidator(sentence(region)),
    WithJsonSchema({"type": "string", "anyOf": [{"enum": _REGION_NAMES}, {"pattern": "^[A-Za-z0-9_-]+$"}]}),
]
Address = Annotated[str, PlainValidator(sentence(api_address)), WithJsonSchema({"type": "string", "format": "uri"})]
Proxy = Annotated[str, PlainValidator(sentence(proxy_address)), WithJsonSchema({"type": "string", "format": "uri"})]
User = Annotated[str, PlainValidator(sentence(user)), WithJsonSchema({"type": "string"})]
Listen = Annotated[
    str, PlainValidator(sentence(listen_address)), WithJsonSchema({"type": "string", "pattern": "^.+:[0-9]+$"})
]
Cron = Annotated[str, PlainValidator(sentence(cron)), WithJsonSchema({"type": "string"})]
PathText = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]+$")]


class BudgetTerm(Grammar):
    """How many requests a credential may make. Sauce Labs allows 10/s and 3,500/h a user, shared with your tests."""

    per_second: Annotated[float, Field(gt=0, le=100)] | None = Field(
        None, description="Default 2; no limit on a loopback address.", examples=[2]
    )
    per_hour: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Default 1500; no limit on a loopback address.", examples=[1500]
    )
    burst: Annotated[int, Field(ge=1, le=1000)] = Field(5, description="How many may leave at once.", examples=[5])


class ListingTerm(Grammar):
    """How the inventory is kept true."""

    full_every: ElapsedDuration = Field(
        parse_duration("24h"), description="A run that deletes needs a full listing this young.", examples=["24h"]
    )


class RetriesTerm(Grammar):
    """Patience with an API that does not answer."""

    attempts: Annotated[int, Field(ge=1, le=20)] = Field(
        4, description="Tries a request, the first one included.", examples=[4]
    )
    max_wait: ElapsedDuration = Field(
        parse_duration("60s"), description="A longer Retry-After ends the account's run.", examples=["60s"]
    )


class AccountTerm(Grammar):
    """One Sauce Labs account: where it is, who we are there, whose jobs are meant."""

    region: Region | None = Field(
        None,
        description="Data center: us-west-1, eu-central-1 or us-east-4, in any usual spelling.",
        examples=["eu-central-1", "us"],
    )
    base_url: Address | None = Field(
        None,
        description="The API's address instead of a region; plain http only to loopback.",
        examples=["http://127.0.0.1:8080"],
    )
    username: Username | None = Field(
        None,
        description="Default: SAUCE_USERNAME, then ~/.sauce/credentials.yml.",
        examples=[{"env": "SAUCE_USERNAME"}, "jane"],
    )
    access_key: Secret | None = Field(
        None, description="Default: SAUCE_ACCESS_KEY, then ~/.sauce/credentials.yml. Never the key itself.",
        examples=[{"env": "SAUCE_ACCESS_KEY"}],
    )  # fmt: skip
    users: Annotated[list[User], Field(min_length=1), OneOrMany()] = Field(
        default_factory=lambda: ["me"],
        description="Whose jobs: `me`, or user names.",
        examples=[["me"], ["alice", "bob"]],
    )
    budget: BudgetTerm = Field(
        default_factory=BudgetTerm,
        description="Requests a second and an hour.",
        examples=[{"per_second": 2, "per_hour": 1500}],
    )
    listing: ListingTerm = Field(
        default_factory=ListingTerm, description="How the inventory is kept true.", examples=[{"full_every": "24h"}]
    )
    timeout: ElapsedDuration = Field(
        parse_duration("30s"), description="To connect, and between two bytes.", examples=["30s"]
    )
    timeout_total: ElapsedDuration = Field(
        parse_duration("30min"), description="For a whole asset.", examples=["30min"]
    )
    retries: RetriesTerm = Field(
        default_factory=RetriesTerm,
        description="Patience with an API that does not answer.",
        examples=[{"attempts": 4, "max_wait": "60s"}],
    )
    ca_bundle: PathText | None = Field(
        None, description="Certificates to trust instead of the usual ones (PEM).", examples=["/etc/ssl/corporate.pem"]
    )
    proxy: Proxy | None = Field(None, description="A proxy for all requests.", examples=["http://proxy.example:3128"])
    delete_job_path: Literal["v1.1", "v1"] = Field(
        "v1.1", description="Which version of the API deletes a job.", examples=["v1"]
    )

    @model_validator(mode="after")
    def _is_somewhere(self) -> AccountTerm:
        if (self.region is None) == (self.base_url is None):
            raise fault(f"gives either region ({listed(REGIONS)}) or base_url, one and not both")
        if len(set(self.users)) != len(self.users):
            raise fault("users: names one user twice")
        return self


class ArchiveSettings(Grammar):
    """Where the archive is and how it is written."""

    path: PathText = Field(
        "/var/lib/sauce-janitor/archive",
        description="The archive's folder; relative to this file's folder.",
        examples=["./archive"],
    )
    verify: Literal["reread"] = Field(
        "reread", description="Every file is read again and hashed before anything is deleted.", examples=["reread"]
    )
    settle: DurationTerm = Field(
        parse_duration("10min"), description="A job's assets are complete this long after its end.", examples=["10min"]
    )
    min_free: FreeSpace = Field((5.0, None), description="How much of the disk stays free.", examples=["5%", "20GiB"])
    compress: Literal[False] = Field(default=False, description="Assets are stored as they are.", examples=[False])
    forbid: list[ForbidTerm] = Field(
        default_factory=list, description="Assets that are never stored, whatever a policy or hold asks.",
        examples=[[{"match": {"tags": "pii"}, "assets": ["video"]}]],
    )  # fmt: skip


class StateSettings(Grammar):
    """Where the inventory and the journal are."""

    path: PathText = Field(
        "/var/lib/sauce-janitor/state.db",
        description="The database file; relative to this file's folder.",
        examples=["./state.db"],
    )


class ScheduleTerm(Grammar):
    """When `serve` runs."""

    cron: Cron = Field(
        "17 * * * *", description="Minute hour day month weekday, in `timezone`.", examples=["17 * * * *"]
    )
    jitter: DurationTerm = Field(
        parse_duration("60s"), description="Up to this much later, by chance.", examples=["60s"]
    )


class AuthTerm(Grammar):
    """Who may see the status page."""

    token: Secret = Field(description="A bearer token.", examples=[{"file": "/run/secrets/web-token"}])


class WebTerm(Grammar):
    """Where `serve` listens."""

    listen: Listen = Field(
        "127.0.0.1:9469", description="HOST:PORT; any but a loopback address needs `auth`.", examples=["0.0.0.0:9469"]
    )
    auth: AuthTerm | None = Field(
        None, description="Who may see the status page.", examples=[{"token": {"file": "/run/secrets/web-token"}}]
    )
    metrics: Literal["open", "auth"] = Field(
        "open", description="Whether /metrics needs the token too.", examples=["auth"]
    )

    @model_validator(mode="after")
    def _is_private(self) -> WebTerm:
        if self.auth is None and not _is_loopback(self.listen.rpartition(":")[0].strip("[]")):
            raise fault("listen: an address that others can reach needs auth: {token: {file: …}}")
        return self
