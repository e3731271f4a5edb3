"""The JSON Schema, the reference page and the example say what the model says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # ships no types
import pytest

from sauce_janitor.config import Config
from sauce_janitor.config.loader import from_bytes
from sauce_janitor.config.output.json_schema import json_schema
from sauce_janitor.config.output.reference import markdown
from sauce_janitor.config.output.starter import StarterOptions, starter
from sauce_janitor.config.source.yaml import read
from sauce_janitor.retention.what_if.mutants import Tried, measure, uncovered
from sauce_janitor.retention.what_if.policy_tests import try_out

TOP = Path(__file__).parents[3]
EXAMPLE = TOP / "config.example.yaml"
START = StarterOptions("eu", "eu", None, None, None, "UTC", "./config.schema.json")


def loaded(text: str) -> Config:
    return from_bytes(text.encode(), Path("config.yaml"), environ={})


def errors(text: str) -> list[str]:
    document = read(text.encode(), "config.yaml")
    return [
        f"{error.json_path}: {error.message}"
        for error in jsonschema.Draft202012Validator(json_schema()).iter_errors(document.root)
    ]


def keys(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key that the schema describes."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from ((f"{path}.{name}", key) for name, key in properties.items())
        for name, below in schema.items():
            yield from keys(below, f"{path}.{name}")
    elif isinstance(schema, list):
        for below in schema:
            yield from keys(below, path)


def test_it_is_a_schema_of_the_2020_12_draft() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert json_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_key_has_a_description() -> None:
    found = dict(keys(json_schema()))
    assert len(found) > 100
    assert [name for name, key in found.items() if not key.get("description")] == []


def test_every_key_has_an_example_that_is_one() -> None:
    """An editor shows and completes them."""
    schema = json_schema()
    for name, key in keys(schema):
        assert key.get("examples"), f"{name} has no example"
        validator = jsonschema.Draft202012Validator({"$defs": schema["$defs"], **key})
        for example in key["examples"]:
            assert list(validator.iter_errors(example)) == [], f"{name}: {example!r} is no example"


def test_the_example_is_valid_for_the_schema_and_for_the_program() -> None:
    assert errors(EXAMPLE.read_text(encoding="utf-8")) == []
    config = loaded(EXAMPLE.read_text(encoding="utf-8"))
    assert config.warnings == ()
    assert [policy.name for policy in config.rules("eu").policies] == [
        "pull-requests", "nightly", "release-candidates", "privacy", "runaways", "everything-else",
    ]  # fmt: skip


def test_the_tests_of_the_example_pass_and_would_miss_every_rule_of_it() -> None:
    config = loaded(EXAMPLE.read_text(encoding="utf-8"))
    rules, tests = config.rules("eu"), config.tests("eu")
    tried = [Tried.of(test, rules) for test in tests]
    assert [failure.text for each in tried for failure in each.trial.failures] == []
    assert measure([(rules, tried)]).unnoticed == ()
    assert uncovered([(rules, tried)]) == ()


def test_the_example_shows_every_part_of_the_language() -> None:
    config = loaded(EXAMPLE.read_text(encoding="utf-8"))
    policies = config.rules("eu").policies
    assert any(policy.unit == "build" for policy in policies)
    assert any(policy.overrides for policy in policies)
    assert any(rule.kind == "since_last" for policy in policies for rule in policy.keep)
    assert config.rules("eu").deadlines
    assert config.tests("eu")


@pytest.mark.parametrize("page", ["README.md", "docs/reference/policies.md"])
def test_every_example_of_a_page_is_valid_and_its_tests_pass(page: str) -> None:
    examples = re.findall(r"(?s)```yaml\n(.*?)```", (TOP / page).read_text(encoding="utf-8"))
    assert examples
    for example in examples:
        text = example if "accounts:" in example else "accounts: {eu: {region: eu}}\n" + example
        assert errors(text) == []
        config = loaded(text)
        assert config.warnings == ()
        for test in config.tests("eu"):
            assert try_out(test, config.rules("eu")).failures == ()


def test_what_init_writes_is_valid_and_without_warnings() -> None:
    for start in (
        START,
        StarterOptions("2b", None, "http://127.0.0.1:1", "U", None, "Europe/Berlin", "./x.json"),
    ):
        assert errors(starter(start)) == []
        assert loaded(starter(start)).warnings == ()


def test_the_commented_policies_of_init_are_valid_too() -> None:
    lines = starter(START).split("\n")
    start = next(number for number, line in enumerate(lines) if line.startswith("policies:"))
    opened = [
        line.replace("  # ", "  ", 1) if line.startswith(("  # -", "  #   ")) else line
        for line in lines[start:]
    ]
    assert len(loaded("\n".join(lines[:start] + opened)).rules("eu").policies) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        "accounts: {}",
        "policies: []",
        "accounts: {eu: {region: eu, access_key: hunter2}}",
        "accounts: {eu: {region: eu}}\nworkers: many",
        "accounts: {eu: {region: eu}}\nunknown: 1",
        (
            "accounts: {eu: {region: eu}}\npolicies: [{name: a, match: {nmae: x}, then: {archive:"
            " 1d}}]"
        ),
        "accounts: {eu: {region: eu}}\npolicies: [{name: a, match: all, then: {archive: 1month}}]",
        (
            "accounts: {eu: {region: eu}}\npolicies: [{name: a, match: all, then: {archive: none,"
            " delete_job: 30}}]"
        ),
    ],
)
def test_an_editor_underlines_what_is_wrong(wrong: str) -> None:
    assert errors(wrong) != []


@pytest.mark.parametrize(
    "good",
    [
        "policies: [{name: a, match: all, then: {archive: none, delete_job: never}}]",
        (
            "policies: [{name: a, match: {custom_data.team: [x, {regex: 'y.*'}, 3, null]}, then:"
            " {stop: 6h}}]"
        ),
        (
            "policies: [{name: a, match: {duration: {gt: 30min}, manual: false}, then: {archive:"
            " {assets: video}}}]"
        ),
        (
            "policies: [{name: a, match: {any: [{name: {in: l}}, {not: {error: null}}]}, then:"
            " {archive: 1d}}]\nlists: {l: [a]}"
        ),
    ],
)
def test_an_editor_accepts_what_the_program_accepts(good: str) -> None:
    text = "accounts: {eu: {region: eu}}\n" + good
    loaded(text)
    assert errors(text) == []


def test_the_reference_page_is_what_the_model_says() -> None:
    page = (TOP / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
    generated = page.partition("schema --format markdown -->\n")[2].partition(
        "<!-- end of generated -->"
    )[0]
    assert generated == markdown()
