"""Policies as users write them, for tests of single sentences of docs/reference/policies.md, and
sentences without a test.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import yaml

from sauce_janitor.config import Config
from sauce_janitor.config.loader import from_bytes
from sauce_janitor.errors import ConfigError
from sauce_janitor.model.policies import Rules

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "reference" / "policies.md"
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
    return from_bytes(
        (FRAME + yaml.safe_dump(parts, sort_keys=False)).encode(), Path("config.yaml"), environ={}
    )


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


def unquoted(section: str) -> tuple[list[str], list[str]]:
    """What the section says that no test quotes; and what tests quote of it that it does not say.

    A test quotes it with a docstring that begins with its title: `Age: An …`.
    """
    page = re.sub(r"(?s)```.*?```", "", PAGE.read_text())
    (text,) = re.findall(rf"(?ms)^## {section}$(.*?)(?=^## |\Z)", page)
    text = re.sub(r"(?m)^(- |\d+\. )", "", text)
    text, strangers = _plain(text), []
    for quoted in sorted(quotes().get(section, ()), key=len, reverse=True):
        if quoted in text:
            text = text.replace(quoted, "\n")
        else:
            strangers.append(quoted)
    return [rest for line in text.splitlines() if (rest := line.strip(" .;:,"))], strangers


@cache
def quotes() -> dict[str, list[str]]:
    """By section, what the docstrings of all tests quote."""
    found: dict[str, list[str]] = {}
    for file in TESTS.rglob("test_*.py"):
        text = file.read_text()
        for node in ast.walk(ast.parse(text)) if '    """' in text else ():
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                section, colon, quoted = (ast.get_docstring(node, clean=False) or "").partition(
                    ": "
                )
                if colon:
                    found.setdefault(section, []).append(_plain(quoted))
    return found


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
