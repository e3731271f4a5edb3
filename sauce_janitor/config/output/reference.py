"""The reference of all keys in docs/reference/configuration.md, generated from the model."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from sauce_janitor.config.grammar.document import ConfigFile
from sauce_janitor.config.output.json_schema import as_written

_PLACEHOLDERS = {"accounts": "accounts.NAME"}


def markdown() -> str:
    """Return a section for every mapping of the grammar, each with a table of its keys."""
    sections: dict[type[BaseModel], list[str]] = {}
    _collect(ConfigFile, "", sections)
    return "\n".join(_section(model, places) for model, places in sections.items())


def _collect(
    model: type[BaseModel], place: str, sections: dict[type[BaseModel], list[str]]
) -> None:
    """Collect each mapping of the grammar, in the order of the file, and where it may be used."""
    places = sections.setdefault(model, [])
    if place in places:
        return
    places.append(place)
    # The keys of this mapping are collected already; conditions contain conditions, so going on
    # would never end.
    if len(places) > 1:
        return
    for name, field in model.model_fields.items():
        key = field.alias or name
        below = f"{place}.{key}".strip(".")
        for other in _models(field.annotation):
            many = "[]" if "list[" in str(field.annotation) else ""
            _collect(other, _PLACEHOLDERS.get(below, below) + many, sections)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models(argument)


def _section(model: type[BaseModel], places: list[str]) -> str:
    title = " · ".join(f"`{place}`" for place in sorted(places, key=len)[:3] if place) or "The file"
    more = " and the like" if len(places) > 3 else ""
    lines = [f"## {title}{more}", "", " ".join((model.__doc__ or "").split()), ""]
    lines += ["| key | default | example | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        example = _code(field.examples[0]) if field.examples else ""
        lines.append(
            f"| `{field.alias or name}` | {_default(field)} | {example} |"
            f" {_cell(field.description or '')} |"
        )
    return "\n".join(lines) + "\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True, validated_data={})
    if (
        value is PydanticUndefined
        or value is None
        or value in ([], {}, "")
        or isinstance(value, BaseModel)
    ):
        return ""
    return _code(as_written(value))


def _code(value: Any) -> str:
    text = value if isinstance(value, str) else _flow(value)
    return f"`{_cell(text)}`"


def _flow(value: Any) -> str:
    """Return a value as YAML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value) if any(character in value for character in "*{[:#") else value
    return json.dumps(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
