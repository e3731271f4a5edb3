"""The effective configuration for `config show`: with defaults, absolute paths, hidden secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from sauce_janitor.config.grammar.accounts import AccountTerm
from sauce_janitor.config.grammar.matches import Conditions
from sauce_janitor.config.grammar.policy_tests import PolicyTestTerm
from sauce_janitor.config.grammar.secrets import SecretNode
from sauce_janitor.config.loader import parse
from sauce_janitor.config.output.json_schema import as_written
from sauce_janitor.config.source.include import read_whole
from sauce_janitor.config.source.scalars import plain_scalar
from sauce_janitor.config.source.yaml import Table, Value


def effective_yaml(data: bytes, path: Path) -> str:
    """Return the effective configuration as YAML, for a file of this content at this path.

    Raise ConfigError with all problems.
    """
    document = read_whole(data, path)
    term = parse(document)
    plain = _filled(term, document.root)
    # The content of the included files is in the document already.
    plain.pop("include", None)
    folder = path.absolute().parent
    for section in ("archive", "state"):
        # The default of `path` says nothing where it is in a bucket, or on a server.
        if plain[section].get("url") is not None:
            plain[section].pop("path", None)
            continue
        plain[section]["path"] = str(folder / Path(plain[section]["path"]).expanduser())
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _filled(term: BaseModel, raw: Value) -> Any:
    """Return the mapping as written, with the defaults of all other keys."""
    if isinstance(term, SecretNode):
        return _hidden(term)
    # The default of a condition or of a field of a test job is that it is not there.
    if isinstance(term, Conditions | PolicyTestTerm) or not isinstance(raw, Table):
        return _plain(raw)
    filled: dict[str, Any] = {}
    for name, field in type(term).model_fields.items():
        key = field.alias or name
        value = getattr(term, name)
        if key in raw:
            filled[key] = _written(value, raw[key])
        elif value is not None and value != []:
            filled[key] = _default(value)
    # The canonical name of the region, instead of the spelling in the file.
    if isinstance(term, AccountTerm) and term.region:
        filled["region"] = term.region
    return filled


def _written(value: Any, raw: Value) -> Any:
    if isinstance(value, BaseModel):
        return _filled(value, raw)
    if (
        isinstance(value, list)
        and isinstance(raw, list)
        and value
        and isinstance(value[0], BaseModel)
    ):
        return [_filled(each, below) for each, below in zip(value, raw, strict=True)]
    if isinstance(value, dict) and isinstance(raw, Table):
        return {key: _written(each, raw[key]) for key, each in value.items()}
    return _plain(raw)


def _default(value: Any) -> Any:
    if isinstance(value, BaseModel):
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        return {
            name: _default(each) for name, each in fields.items() if each is not None and each != []
        }
    return as_written(value)


def _hidden(node: SecretNode) -> dict[str, Any]:
    """Return the source of a secret, without a command's arguments: these may be secret too."""
    if node.command is not None:
        return {"command": [node.command[0], *("(hidden)" for _ in node.command[1:])]}
    return {"env": node.env} if node.env is not None else {"file": node.file}


def _plain(value: Value) -> Any:
    if isinstance(value, Table):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


class _Dumper(yaml.SafeDumper):
    """Quotes every text that would not be read back as itself, and writes no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    try:
        plain = plain_scalar(text) == text
    except ValueError:
        plain = False
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _text)
