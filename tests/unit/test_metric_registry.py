"""Every metric goes through all uses: registered, documented, counted by the program, shown.

A new metric is a row of `ALL` in metrics/families.py. What a run really counts is judged by
tests/integration/operations/test_metrics_of_runs.py.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import sauce_janitor
from sauce_janitor.metrics import ALL, PREFIX, MetricFamily, Metrics
from sauce_janitor.metrics.registry import Amounts

PACKAGE = Path(sauce_janitor.__file__).parent
PAGE = (PACKAGE.parent / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
LABELS = {
    "account",
    "action",
    "blocked_by",
    "code",
    "deadline",
    "endpoint",
    "kind",
    "limit",
    "method",
    "mode",
    "outcome",
    "phase",
    "policy",
    "result",
    "status",
    "version",
    "what",
    "window",
    "within",
}
"""Labels with values from closed sets. A label with a text of Sauce Labs would never end."""
BY_METHOD = {"run_duration_seconds": "took"}
"""Metrics that have a method of their own."""

every_metric = pytest.mark.parametrize("family", ALL, ids=lambda family: family.name)


def called_with() -> Iterator[str]:
    """Yield each text that the program hands to a method that counts, and that method's name."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            method = node.func if isinstance(node, ast.Call) else None
            if isinstance(method, ast.Attribute) and method.attr in {"add", "set", "took"}:
                assert isinstance(node, ast.Call)
                yield method.attr
                yield from _texts(node)


def _texts(call: ast.Call) -> Iterator[str]:
    for argument in call.args[:1]:
        for node in ast.walk(argument):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


@cache
def counted() -> frozenset[str]:
    """Return what `called_with` yields. Only a test that needs it reads the whole program."""
    return frozenset(called_with())


def count(metrics: Metrics, family: MetricFamily) -> None:
    """Give the metric one value, as the program does."""
    labels = dict.fromkeys(family.labels, "one")
    match family.kind:
        case "counter":
            metrics.add(family.name, **labels)
        case "gauge":
            metrics.set(family.name, 1, **labels)
        case "histogram":
            metrics.took("one", "one", 0.2)


def test_each_metric_is_registered_once() -> None:
    assert {
        name for name, times in Counter(family.exported for family in ALL).items() if times > 1
    } == set()


def test_the_page_lists_each_metric_in_order_with_its_kind_and_labels() -> None:
    rows = re.findall(
        r"^\| `(sauce_janitor_\w+)` \| (\w+) \|([^|]*)\| *(\S[^|]*) \|$", PAGE, re.MULTILINE
    )
    told = [(name, kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in rows]
    assert told == [(family.exported, family.kind, family.labels) for family in ALL]


@every_metric
def test_its_name_and_labels_are_those_that_prometheus_expects(family: MetricFamily) -> None:
    """Source: https://prometheus.io/docs/practices/naming, base units and suffixes."""
    assert re.fullmatch(r"[a-z][a-z_]*[a-z]", family.name)
    assert not family.name.endswith(("_total", "_count", "_sum", "_bucket"))
    assert not re.search(r"(minutes|hours|days|kilobytes|milliseconds)", family.name)
    assert set(family.labels) <= LABELS


@every_metric
def test_its_help_is_a_sentence(family: MetricFamily) -> None:
    assert re.fullmatch(r"[A-Z0-9].*\.", family.text)
    assert len(family.text) <= 120


@every_metric
def test_the_program_counts_it(family: MetricFamily) -> None:
    assert BY_METHOD.get(family.name, family.name) in counted()


@every_metric
def test_the_page_of_metrics_shows_it_with_its_help(family: MetricFamily) -> None:
    metrics = Metrics()
    count(metrics, family)
    metrics.settle(_Store())
    shown = {each.name: each for each in text_string_to_metric_families(metrics.page().decode())}
    found = shown[f"{PREFIX}_{family.name}"]
    assert (found.type, found.documentation) == (family.kind, family.text)
    assert all(set(family.labels) <= sample.labels.keys() for sample in found.samples)
    assert found.samples


@every_metric
def test_it_forgets_an_account_that_is_no_longer_configured(family: MetricFamily) -> None:
    """A counter goes on: Prometheus would take a counter that disappears for a restart."""
    metrics = Metrics()
    count(metrics, family)
    metrics.settle(_Store())
    metrics.forget_account("one")
    is_there = 'account="one"' in metrics.page().decode()
    assert is_there is ("account" in family.labels and family.kind != "gauge")


class _Store:
    """A store of counters."""

    def __init__(self) -> None:
        self._amounts: Amounts = {}

    def add(self, amounts: Amounts, /) -> None:
        self._amounts = {**self._amounts, **amounts}

    def all(self) -> Amounts:
        return self._amounts
