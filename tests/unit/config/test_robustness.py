"""Whatever stands in the file, the answer is a configuration or sentences, never a crash."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.config.loader import parse
from sauce_janitor.config.source.yaml import read
from sauce_janitor.config.translate import rules_for
from sauce_janitor.errors import ConfigError, Problem

EXAMPLE = yaml.load(
    (Path(__file__).parents[3] / "config.example.yaml").read_text(encoding="utf-8"),
    Loader=yaml.CBaseLoader,
)
WORDS = st.sampled_from(
    [
        "all",
        "none",
        "never",
        "me",
        "3d",
        "0s",
        "*",
        ".*",
        "[",
        "eu",
        "keep",
        "organization",
        "name",
        "a" * 300,
        "ü",
        "\u2028",
    ]
)
KEYS = WORDS | st.sampled_from(["regex", "in", "gt", "not", "any"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 10**18)
    | st.floats(-10, 10).map(lambda number: round(number, 3))
    | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value in the tree."""
    below = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [found for key, each in below for found in ((value, key), *places(each))]


def answer(data: bytes) -> str:
    """`good`, or the sentences; every problem has its line."""
    document = read(data, "config.yaml")
    problems: tuple[Problem, ...] = ()
    try:
        term = parse(document)
    except ConfigError as wrong:
        problems = wrong.problems
    if document.problems:
        assert problems
        assert all(problem.line and problem.message for problem in problems)
        return "\n".join(map(str, problems))
    for account in term.accounts:
        rules_for(term, account)
    return "good"


@given(st.integers(0, 10**6), VALUES)
def test_any_value_in_any_place_is_taken_or_told(place: int, value: object) -> None:
    tree = copy.deepcopy(EXAMPLE)
    found = places(tree)
    container, key = found[place % len(found)]
    container[key] = value
    answer(yaml.dump(tree, allow_unicode=True).encode())


@given(
    st.binary(max_size=60)
    | st.text(alphabet="ab:-[]{}#&*!|>'\"%@`,? \n\t~<=\x00\x85\ufeff", max_size=60).map(str.encode)
)
def test_any_bytes_are_taken_or_told(data: bytes) -> None:
    assert answer(data) != "good"
