"""The errors of the pydantic model as sentences for people: where, what, and how to fix it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sauce_janitor.config.grammar.scalars import INVALID, Grammar, kind_of
from sauce_janitor.config.source.problems import ConfigProblems, Path, did_you_mean, listed, shown
from sauce_janitor.config.source.yaml import SECRET_KEYS, Table, Value

_INNER = "·"
"""Marks the parts of an error's location that name a branch of a union: they are not in the file.
"""

Sentence = Callable[[Any, Mapping[str, Any]], str]


def _must_be(expected: str) -> Sentence:
    def sentence(value: Any, _context: Mapping[str, Any]) -> str:
        hint = ""
        if "number" in expected and isinstance(value, str) and _is_number(value):
            hint = ": remove the quotes"
        elif expected == "text" and isinstance(value, int | float):
            hint = ": put it in quotes"
        return f"must be {expected}, not {kind_of(value)}{hint}"

    return sentence


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()


def _one_of(value: Any, context: Mapping[str, Any]) -> str:
    words = [word.strip("'") for word in str(context["expected"]).replace(" or ", ", ").split(", ")]
    near = did_you_mean(value, words) if isinstance(value, str) else ""
    # pydantic writes the values as Python does, YAML writes them in lower case.
    words = [{"True": "true", "False": "false"}.get(word, word) for word in words]
    if len(words) == 1:
        return f"{shown(value)} is not valid here: it can only be {words[0]}{near}"
    return f"{shown(value)} is not valid here: use {listed(words)}{near}"


_SENTENCES: Final[dict[str, Sentence]] = {
    "string_type": _must_be("text"),
    "int_type": _must_be("a whole number"),
    "float_type": _must_be("a number"),
    "bool_type": _must_be("true or false"),
    "list_type": _must_be("a list"),
    "dict_type": _must_be("a mapping (key: value)"),
    "model_type": _must_be("a mapping (key: value)"),
    "literal_error": _one_of,
    "greater_than_equal": lambda value, context: (
        f"{value} is too small: at least {_plain(context['ge'])}"
    ),
    "greater_than": lambda value, context: (
        f"{value} is too small: more than {_plain(context['gt'])}"
    ),
    "less_than_equal": lambda value, context: (
        f"{value} is too large: at most {_plain(context['le'])}"
    ),
    "string_too_short": lambda _value, _context: "is empty: write some text",
    "string_too_long": lambda _value, context: f"is longer than {context['max_length']} characters",
    "too_short": lambda value, _context: f"is {_empty(value)}: write at least one",
    "string_pattern_mismatch": lambda value, context: _PATTERNS.get(
        context["pattern"], f"{shown(value)} does not match {context['pattern']}"
    ),
}
_PATTERNS: Final[dict[str, str]] = {
    r"^[a-z0-9][a-z0-9._-]*$": (
        "is not a valid account name (it is also a folder name): use a-z, 0-9, `.`, `_`, `-`"
    ),
    r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$": (
        "is not the name of a file system type: copy it from the error message"
    ),
    r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,62}$": (
        "is not a valid instance name: use letters, digits, `.`, `:`, `_`, `-`, at most 63"
    ),
    r"^[A-Za-z_][A-Za-z0-9_]*$": (
        "is not the name of an environment variable: use letters, digits and `_`"
    ),
    r"^[^\x00]+$": "is not a path",
}


def _plain(number: float) -> str:
    return f"{number:g}"


def _empty(value: object) -> str:
    return "an empty mapping" if isinstance(value, dict) else "an empty list"


def explain(found: ValidationError, root: Value, problems: ConfigProblems) -> None:
    """Add a problem for every error of the model, except for unknown keys.

    Those are left to `explain_unknown_keys`, which can propose the right key.
    """
    for error in found.errors(include_url=False):
        # pydantic reports these too, but without a proposal.
        if error["type"] == "extra_forbidden":
            continue
        path = file_path(error["loc"], root)
        if error["loc"][-1] == "[key]":
            # The key is wrong. Its value may be wrong too, so the path must not count as reported.
            problems.add_beside(path, _message(error), at=problems.place_of(path))
            continue
        if error["type"] == "missing":
            key = str(error["loc"][-1])
            problems.add((*path, key), f"is missing{_meaning(path, key)}")
        elif error["type"] == INVALID:
            # Raised by the grammar itself: the message is already a sentence.
            problems.add(path, str(error.get("ctx", {})["sentence"]))
        else:
            problems.add(path, _message(error))


def _message(error: ErrorDetails) -> str:
    # A value below one of these keys may be a secret, and a message may end up in a log.
    if SECRET_KEYS.intersection(error["loc"]) and isinstance(error["input"], str):
        error = {**error, "input": "…"}
    sentence = _SENTENCES.get(error["type"])
    return sentence(error["input"], error.get("ctx", {})) if sentence else error["msg"]


def _meaning(path: Path, key: str) -> str:
    section = path[0] if path else ""
    return {
        ".accounts": ": name at least one Sauce Labs account",
        "policies.name": ": every policy needs a name",
        "policies.then": ": say what happens, such as {archive: 5d, delete_assets: 21d}",
    }.get(f"{section}.{key}", "")


def explain_unknown_keys(
    known: Mapping[Path, type[Grammar]], root: Table, problems: ConfigProblems
) -> None:
    """Add a problem for each key that its mapping does not know, with the nearest valid key."""
    for path, grammar in known.items():
        table = _at(root, path)
        for key in table if isinstance(table, Table) else ():
            if not grammar.knows(key):
                problems.add((*path, key), f"unknown key `{key}`{grammar.advice(key)}")


def file_path(location: tuple[int | str, ...], root: Value) -> Path:
    """Return the part of a model's location that exists in the file.

    The marks of unions, ours and pydantic's, are left out.
    """
    value: Value = root
    path: Path = ()
    for part in location:
        if isinstance(part, str) and part.startswith(_INNER):
            continue
        if isinstance(value, Table) and part in value:
            value, path = value[str(part)], (*path, part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value, path = value[part], (*path, part)
    return path


def _at(root: Value, path: Path) -> Value:
    value = root
    for part in path:
        # The path was made from this document, so the part fits the kind of the value.
        value = value[part] if isinstance(value, Table | list) else None  # type: ignore[index]
    return value
