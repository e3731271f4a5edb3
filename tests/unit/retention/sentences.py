"""For tests of single sentences of docs/policies.md: policies as users write them, and what no test quotes of the page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import yaml

from sauce_janitor.config import Config
from sauce_janitor.config.loading import from_bytes
from sauce_janitor.errors import ConfigError
from sauce_janitor.retention.rules import Rules

PAGE = Path(__file__).parents[3] / "docs" / "policies.md"
FRAME = """
version: 1
accounts:
  eu: {region: eu-central-1, username: demo, access_key: {env: KEY}}
  us: {region: us-west-1, username: demo, access_key: {env: KEY}}
state: {path: ./state.db}
"""
PARTS = {"archive": {"path": "./archive"}, "limits": {"max_percent": 100}}


def configured(text: str) -> Config:
    """The configuration with these `policies` (a list), or these keys and values."""
    said = yaml.safe_load(text)
    parts = PARTS | (said if isinstance(said, dict) else {"policies": said})
    return from_bytes((FRAME + yaml.safe_dump(parts, sort_keys=False)).encode(), Path("config.yaml"), environ={})


def told(text: str, account: str = "eu") -> Rules:
    """The rules that such a configuration has for an account."""
    return configured(text).rules(account)


def faults(text: str) -> str:
    """What is wrong with it; empty when nothing is."""
    try:
        configured(text)
    except ConfigError as wrong:
        return str(wrong)
    return ""


def unquoted(section: str, modules: Iterable[ModuleType]) -> tuple[list[str], list[str]]:
    """What the section says that no test's docstring quotes; and of the docstrings under its title those it does not say.

    A test quotes the section that its docstring begins with: `Age: An …`.
    """
    page = re.sub(r"(?s)```.*?```", "", PAGE.read_text())
    (text,) = re.findall(rf"(?ms)^## {section}$(.*?)(?=^## |\Z)", page)
    text = re.sub(r"(?m)^(- |\d+\. )", "", text)
    text, strangers = _plain(text), []
    for quoted in sorted(_quotes(section, modules), key=len, reverse=True):
        if quoted in text:
            text = text.replace(quoted, "\n")
        else:
            strangers.append(quoted)
    return [rest for line in text.splitlines() if (rest := line.strip(" .;:,"))], strangers


def _quotes(section: str, modules: Iterable[ModuleType]) -> list[str]:
    docs = [
        getattr(module, name).__doc__ or "" for module in modules for name in vars(module) if name.startswith("test_")
    ]
    return [_plain(doc.removeprefix(f"{section}: ")) for doc in docs if doc.startswith(f"{section}: ")]


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
