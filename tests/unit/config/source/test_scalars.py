"""Unquoted text never means something else than it looks like."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.config.source.scalars import plain_scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("NULL", None),
        ("~", None),
        ("0", 0),
        ("25", 25),
        ("-3", -3),
        ("2.5", 2.5),
        ("2027-01-31", "2027-01-31"),
        ("2027-01-31T18:00:00Z", "2027-01-31T18:00:00Z"),
        ("1.2.3", "1.2.3"),
        ("3d", "3d"),
        ("127.0.0.1:9469", "127.0.0.1:9469"),
        ("node", "node"),
        ("yess", "yess"),
        ("-", "-"),
        ("=", "="),
        ("y", "y"),
        ("17 * * * *", "17 * * * *"),
    ],
)
def test_what_every_reader_agrees_on_is_read(text: str, value: object) -> None:
    read = plain_scalar(text)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "No",
        "ON",
        "off",
        "010",
        "0o17",
        "0x1F",
        "0b11",
        "08",
        "1_000",
        "12:30",
        "1:2:3.5",
        "1e3",
        "-2E-5",
        ".5",
        "5.",
        "+.5",
        ".inf",
        "-.INF",
        ".NaN",
        "",
        "1234567890123456789",
    ],
)
def test_what_readers_disagree_on_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"put it in quotes|has no value"):
        plain_scalar(text)


def yaml_1_1(text: str) -> str:
    """What PyYAML's rules make of an unquoted text: `int`, `bool`, `str`, …"""
    rules = yaml.SafeLoader.yaml_implicit_resolvers.get(text[:1], [])
    return next(
        (str(tag).rpartition(":")[2] for tag, pattern in rules if pattern.match(text)), "str"
    )


@given(st.text(alphabet="0123456789+-._:eExXoObBaAfFyYnNoOsStTrRuUlL~=", max_size=8))
def test_what_is_taken_as_text_is_text_to_pyyaml_too_or_a_date(text: str) -> None:
    """PyYAML stands for YAML 1.1; a number or a truth there must be the same here, or a fault."""
    try:
        ours = plain_scalar(text)
    except ValueError:
        return
    tag = yaml_1_1(text)
    if isinstance(ours, str):
        assert tag in {"str", "timestamp", "value", "merge"}
    else:
        assert tag == {bool: "bool", int: "int", float: "float", type(None): "null"}[type(ours)]
        assert yaml.safe_load(text) == ours
