"""The JSON Schema (draft 2020-12) of the configuration, for editors and pipelines.

It is generated from the same model that reads the file.
"""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from sauce_janitor.config.grammar.document import ConfigFile
from sauce_janitor.config.source.cron import Cron
from sauce_janitor.model.policies import Duration

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class _Generator(GenerateJsonSchema):
    """Writes defaults as people write them, and no titles, which would only repeat the keys."""

    def encode_default(self, dft: Any) -> Any:
        return as_written(dft)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def as_written(value: Any) -> Any:
    """Return a default as in the file: a duration as `30s`, free space as `5%`."""
    if isinstance(value, Duration | Cron):
        return value.text
    if isinstance(value, tuple):
        percent, size = value
        return f"{percent:g}%" if percent is not None else f"{size / 2**20:g}MiB"
    return value


def json_schema() -> dict[str, Any]:
    """Return the schema as plain values. Every key has a description."""
    schema = ConfigFile.model_json_schema(schema_generator=_Generator)
    definitions = schema["$defs"]
    for mapping in (schema, *definitions.values()):
        mapping.pop("title", None)
        for key in mapping.get("properties", {}).values():
            # pydantic leaves out a description that is also the one of the definition.
            if "$ref" in key and "description" not in key:
                key["description"] = definitions[key["$ref"].rpartition("/")[2]]["description"]
    return {"$schema": DIALECT, "title": "sauce-janitor configuration", **schema}


def json_schema_text() -> str:
    """Return the schema as the text that `sauce-janitor schema` prints."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
