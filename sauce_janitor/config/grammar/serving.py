"""`schedule` and `web`: what only `serve` goes by."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from sauce_janitor.config.faults import shown
from sauce_janitor.config.grammar.addresses import Listen, is_loopback
from sauce_janitor.config.grammar.secrets import Secret
from sauce_janitor.config.grammar.terms import DurationTerm, Grammar, fault, sentence
from sauce_janitor.retention.durations import parse_duration

_CRON_FIELD = re.compile(r"[0-9a-zA-Z*/,\-]+")


def cron(value: object) -> str:
    """Five fields: minute hour day month weekday."""
    fields = value.split() if isinstance(value, str) else []
    if len(fields) != 5 or not all(_CRON_FIELD.fullmatch(field) for field in fields):
        raise ValueError(f"{shown(value)} is no schedule: write minute hour day month weekday, such as 17 * * * *")
    return " ".join(fields)


Cron = Annotated[str, PlainValidator(sentence(cron)), WithJsonSchema({"type": "string"})]


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
        if self.auth is None and not is_loopback(self.listen.rpartition(":")[0].strip("[]")):
            raise fault("listen: an address that others can reach needs auth: {token: {file: …}}")
        return self
