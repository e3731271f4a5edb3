"""Types for the sources of secrets, and for users and teams. The file never has a secret itself."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from sauce_janitor.config.grammar.scalars import Grammar, Parsed, invalid, text_of
from sauce_janitor.model.jobs import owner_name


def user(value: object) -> str:
    """Return `me`, `organization`, or a Sauce Labs user name."""
    return owner_name(text_of(value, "a user name"))


def owned(value: object) -> str:
    """Return the name of a single Sauce Labs user."""
    name = user(value)
    if name in {"me", "organization"}:
        raise ValueError(
            f"`{name}` is not the name of a single user: the account's own credentials are its"
            " username and access_key"
        )
    return name


def _secret_shape(value: Any) -> str:
    return "·node" if isinstance(value, dict) else "·text"


def _no_literal(_value: object) -> str:
    raise ValueError(
        "must not be the secret itself, because the file is shared: write {env: VARIABLE},"
        " {file: /path} or {command: [program]}"
    )


class SecretNode(Grammar):
    """Where to read a secret when it is needed. Exactly one key."""

    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = Field(
        None, description="Name of an environment variable.", examples=["SAUCE_ACCESS_KEY"]
    )
    file: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="File that contains it; the line end is dropped.",
        examples=["/run/secrets/sauce-access-key"],
    )
    command: Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        description="Program and arguments that print it; no shell.",
        examples=[["pass", "show", "sauce/key"]],
    )

    @model_validator(mode="after")
    def _is_one_kind(self) -> SecretNode:
        if sum(kind is not None for kind in (self.env, self.file, self.command)) != 1:
            raise invalid("needs exactly one of env, file or command")
        return self


Secret = Annotated[
    Annotated[SecretNode, Tag("·node")]
    | Annotated[str, Parsed(_no_literal, {"not": {}}), Tag("·text")],
    Discriminator(_secret_shape),
]
_TextTag = Tag("·text")
Username = Annotated[
    Annotated[SecretNode, Tag("·node")]
    | Annotated[str, Parsed(user, {"type": "string"}), _TextTag],
    Discriminator(_secret_shape),
]


class TeamTerm(Grammar):
    """A team of the organization: its members and service accounts."""

    team: Annotated[str, Field(min_length=1, max_length=255)] = Field(
        description="Name of the team, or its id if two teams have the name.", examples=["web"]
    )


User = Annotated[
    Annotated[TeamTerm, Tag("·node")] | Annotated[str, Parsed(user, {"type": "string"}), _TextTag],
    Discriminator(_secret_shape),
]
Owned = Annotated[str, Parsed(owned, {"type": "string"})]
