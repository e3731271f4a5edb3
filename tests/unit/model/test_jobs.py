"""What can be a job's id and a user's name: every address and folder is built from these alone."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

import sauce_janitor
from sauce_janitor.model.jobs import Decision, Job, Record, job_id, owner_name


@pytest.mark.parametrize(
    "name",
    [
        "jane",
        "jane.doe",
        "sso-shop-jane.doe",
        "jane doe",
        "jörg.weiß+qa@example.com",
        "50%off",
        "a:b",
        "~",
        "...",
        "名前",
    ],
)
def test_a_name_may_hold_whatever_an_address_can_carry_encoded(name: str) -> None:
    assert owner_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        " jane",
        "jane ",
        "\u00a0jane",
        "a\nb",
        "a\tb",
        "a\x00b",
        "a\x85b",
        "a" * 256,
        None,
        7,
    ],
)
def test_a_name_that_could_lead_elsewhere_is_none(name: object) -> None:
    with pytest.raises(ValueError, match="not a user name"):
        owner_name(name)


@pytest.mark.parametrize(
    "text", ["", "0" * 31, "0" * 33, "A" * 32, "g" * 32, "0" * 32 + "\n", None, 7]
)
def test_an_id_is_32_small_hexadecimal_digits_and_nothing_else(text: object) -> None:
    assert job_id("0123456789abcdef" * 2)
    with pytest.raises(ValueError, match="not a job id"):
        job_id(text)


FIELDS = {field.name for kind in (Job, Record, Decision) for field in dataclasses.fields(kind)}
OTHERS = {"self", "plan", "steps", "task", "found", "work"}
"""Variables that have a field of the same name and are no job, record or decision."""


def stores(module: Path) -> Iterator[str]:
    """Every assignment to an attribute that is called like a field of a job."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store | ast.Del)
            and node.attr in FIELDS
            and not (isinstance(node.value, ast.Name) and node.value.id in OTHERS)
        ):
            yield f"{module.name}:{node.lineno}: {ast.unparse(node)}"


def test_nothing_assigns_to_a_job_although_it_is_not_frozen() -> None:
    modules = sorted(Path(sauce_janitor.__file__).parent.rglob("*.py"))
    assert len(modules) > 200
    assert [found for module in modules for found in stores(module)] == []
