"""Where a secret is read from; never the secret itself."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, PlainValidator, Tag, WithJsonSchema, model_validator

from sauce_janitor.config.grammar.scalars import Grammar, fault, sentence, text_of
from sauce_janitor.model.jobs import owner_name


def user(value: object) -> str:
    """`me`, `organization`, or a Sauce Labs user name."""
    return owner_name(text_of(value, "a user name"))


def owned(value: object) -> str:
    """A Sauce Labs user name, by itself."""
    name = user(value)
    if name in {"me", "organization"}:
        raise ValueError(
            f"`{name}` is not one user's name: the account's own credentials are its username and"
            " access_key"
        )
    return name


def _secret_shape(value: Any) -> str:
    return "·node" if isinstance(value, dict) else "·text"


def _no_literal(_value: object) -> str:
    raise ValueError(
        "a secret does not belong in a file that is shared: write {env: VARIABLE}, {file: /path} or"
        " {command: [program]}"
    )


class SecretNode(Grammar):
    """Where a secret is read from, each time it is needed. Exactly one key."""

    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = Field(
        None, description="The name of an environment variable.", examples=["SAUCE_ACCESS_KEY"]
    )
    file: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="A file that contains it; a newline at the end is removed.",
        examples=["/run/secrets/sauce-access-key"],
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
    | Annotated[
        str, PlainValidator(sentence(_no_literal)), WithJsonSchema({"not": {}}), Tag("·text")
    ],
    Discriminator(_secret_shape),
]
_TextTag = Tag("·text")
Username = Annotated[
    Annotated[SecretNode, Tag("·node")]
    | Annotated[str, PlainValidator(sentence(user)), WithJsonSchema({"type": "string"}), _TextTag],
    Discriminator(_secret_shape),
]


class TeamTerm(Grammar):
    """A team of the organization, for its members and service accounts."""

    team: Annotated[str, Field(min_length=1, max_length=255)] = Field(
        description="Its name, or its id if two teams share the name.", examples=["web"]
    )


User = Annotated[
    Annotated[TeamTerm, Tag("·node")]
    | Annotated[str, PlainValidator(sentence(user)), WithJsonSchema({"type": "string"}), _TextTag],
    Discriminator(_secret_shape),
]
Owned = Annotated[str, PlainValidator(sentence(owned)), WithJsonSchema({"type": "string"})]
