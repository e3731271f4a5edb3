"""Every asset class goes through all uses: parse, classify, select, estimate and document."""

from __future__ import annotations

from pathlib import Path

import pytest

from sauce_janitor.model.assets import ASSET_CLASSES, CLASSES, AssetClass, Selection, asset_classes
from sauce_janitor.model.job_age import newest_first
from sauce_janitor.retention.plan.costs import (
    TYPICAL_ASSETS,
    TYPICAL_BYTES,
    bytes_wanted,
    class_of,
    files_wanted,
    wants_class,
)
from sauce_janitor.retention.what_if.simulate import Setting, simulate
from tests.support.jobs import DAY, NOW, record
from tests.support.policies import faults, told

POLICIES = Path(__file__).parents[3] / "docs" / "reference" / "policies.md"

every_class = pytest.mark.parametrize("one", CLASSES, ids=lambda one: one.name)


def archiving(one: AssetClass) -> str:
    """A policy that archives this class alone, as YAML."""
    return (
        f"[{{name: p, match: all, then: {{archive: {{after: 1h, assets: [{one.name}],"
        " discard: rest}, delete_job: 5d}}]"
    )


@every_class
def test_it_is_parsed(one: AssetClass) -> None:
    assert one.name in ASSET_CLASSES
    assert faults(archiving(one)) == ""
    archive = told(archiving(one)).policies[0].archive
    assert archive is not None
    assert archive.assets == (one.name,)


@every_class
def test_its_files_are_of_it(one: AssetClass) -> None:
    files = [pattern.replace("*", "x") for pattern in one.patterns]
    for name in (one.example, one.example.upper(), *one.typical_files, *files):
        assert {"all", one.name} <= asset_classes(name)
        assert ("logs" in asset_classes(name)) is (
            one.is_log or (name.endswith(".log") and "x" in name)
        )
        assert Selection(frozenset({one.name})).wants(name)
    assert one.patterns


@every_class
def test_a_pattern_is_a_whole_name_a_beginning_or_an_end(one: AssetClass) -> None:
    for pattern in one.patterns:
        assert pattern.strip("*") == pattern.replace("*", "")
        assert pattern.count("*") <= 1
        assert pattern == pattern.lower()


@every_class
def test_its_bytes_and_requests_are_estimated(one: AssetClass) -> None:
    selection = Selection(frozenset({one.name}), discard_rest=True)
    assert class_of(one.example) == one.name
    assert wants_class(selection, one.name)
    assert bytes_wanted(selection, {one.name: 5.0}) == 5.0
    assert TYPICAL_BYTES.get(one.name) == one.typical_bytes
    assert set(one.typical_files) <= set(TYPICAL_ASSETS)
    assert (files_wanted(selection) > 0) is bool(one.typical_files)


@every_class
def test_it_is_simulated(one: AssetClass) -> None:
    rules = told(archiving(one))
    jobs = newest_first([record("j", DAY, archived=None)], rules.age_from)
    found = simulate(rules, lambda: jobs, Setting(NOW, 1, sizes={one.name: 5.0}))
    assert found.days[0].archive_bytes == 5.0


@every_class
def test_it_is_documented(one: AssetClass) -> None:
    assert f"`{one.name}`" in POLICIES.read_text(encoding="utf-8")


def test_every_file_is_counted_under_one_class() -> None:
    for name in ("log.json", "my-own.log", "x.har.gz", "strange", "", ".png"):
        assert class_of(name) in {one.name for one in CLASSES}
