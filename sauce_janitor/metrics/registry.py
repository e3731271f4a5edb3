"""The numbers, as they are counted and as they are shown.

What is counted persists in the state: `settle` puts it there and shows what all processes on the
state counted together. So a number that Prometheus has seen is on the disk, and no restart, however
sudden, ever makes a counter smaller.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Protocol, TypeAlias

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from sauce_janitor import __version__
from sauce_janitor.metrics.families import ALL, BUCKETS_S, PREFIX, MetricFamily

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Pairs of name and value, sorted by name."""
Amounts: TypeAlias = Mapping[tuple[str, Labels], float]
"""By a counter's name (without prefix and `_total`) and labels; a histogram is `NAME_bucket`,
`NAME_sum` and `NAME_count`.
"""

_COUNTERS: Final = {family.name: family for family in ALL if family.kind == "counter"}
_HISTOGRAMS: Final = {family.name: family for family in ALL if family.kind == "histogram"}
_DURATION: Final = "run_duration_seconds"
_BOUNDS: Final = (*(f"{bound}" for bound in BUCKETS_S), "+Inf")


class CounterStore(Protocol):
    """Where counters outlive the process (`state.Counters`)."""

    def add(self, amounts: Amounts, /) -> None:
        """Add to them, all or nothing."""

    def all(self) -> Amounts:
        """All of them, also what other processes added."""


class Metrics:
    """All numbers of this process; `page()` is their text. Threads may call any method."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._grown: dict[tuple[str, Labels], float] = defaultdict(float)
        self._totals: Amounts = {}
        self._shown: Amounts = {}
        self._executing = 0
        self._gauges = {
            family.name: Gauge(family.exported, family.text, family.labels, registry=self.registry)
            for family in ALL
            if family.kind == "gauge"
        }
        self.registry.register(_Shown(self))
        self.set("build_info", 1, version=__version__)

    # --- counting ---------------------------------------------------------------------------------

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Add to a counter, by its name without prefix and `_total`."""
        assert labels.keys() == set(_COUNTERS[name].labels), labels
        with self._lock:
            self._grown[name, tuple(sorted(labels.items()))] += amount

    def took(self, account: str, phase: str, seconds: float) -> None:
        """One phase (list, plan, execute) of a run ended after `seconds`."""
        labels = (("account", account), ("phase", phase))
        with self._lock:
            for bound, text in zip((*BUCKETS_S, math.inf), _BOUNDS, strict=True):
                if seconds <= bound:
                    self._grown[f"{_DURATION}_bucket", tuple(sorted((*labels, ("le", text))))] += 1
            self._grown[f"{_DURATION}_sum", labels] += seconds
            self._grown[f"{_DURATION}_count", labels] += 1

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge, by its name without prefix."""
        gauge = self._gauges[name]
        (gauge.labels(**labels) if labels else gauge).set(value)

    def forget(self, name: str, account: str) -> None:
        """Drop a gauge's series of one account, so that a policy that is gone leaves no stale
        number.
        """
        self._gauges[name].remove_by_labels({"account": account})

    def forget_account(self, account: str) -> None:
        """Drop every gauge's series of an account that is gone."""
        for family in ALL:
            if family.kind == "gauge" and "account" in family.labels:
                self.forget(family.name, account)

    def executes(self, change: int) -> None:
        """One run more (1) or less (-1) carries out a plan."""
        with self._lock:
            self._executing += change
            self.set("executing", self._executing)

    def counted(self, name: str) -> Amounts:
        """Return what was added to a counter since it was last put into the store, by its
        labels.
        """
        with self._lock:
            return {key: amount for key, amount in self._grown.items() if key[0] == name}

    # --- showing ----------------------------------------------------------------------------------

    def settle(self, store: CounterStore) -> None:
        """Put what was counted into the store, and show what it holds then.

        Raises what the store raises; what was counted is then kept for the next time, and shown all
        the same.
        """
        with self._turn:
            with self._lock:
                grown, self._grown = self._grown, defaultdict(float)
            try:
                if grown:
                    store.add(grown)
                grown = defaultdict(float)
                self._totals = self._shown = _known(store.all())
            finally:
                if grown:
                    self._keep(grown)

    def _keep(self, grown: Amounts) -> None:
        with self._lock:
            for key, amount in grown.items():
                self._grown[key] += amount
            shown = defaultdict(float, self._totals)
            for key, amount in self._grown.items():
                shown[key] += amount
        self._shown = shown

    def shown(self) -> Amounts:
        """The counters as they are shown."""
        return self._shown

    def page(self, **labels: str) -> bytes:
        """Everything in Prometheus' text format; each series has these labels, too."""
        return generate_latest(
            _Chosen(self.registry, lambda _: True, labels) if labels else self.registry
        )

    def page_of(self, account: str | None) -> bytes:
        """What is about one account alone; None: what is about none."""
        return generate_latest(
            _Chosen(self.registry, lambda sample: sample.labels.get("account") == account, {})
        )


class _Chosen(Collector):
    """The series of a registry that are wanted, with more labels. A family without any is left
    out.
    """

    def __init__(
        self, whole: Collector, wanted: Callable[[Sample], bool], labels: Mapping[str, str]
    ) -> None:
        self._whole, self._wanted, self._labels = whole, wanted, labels

    def collect(self) -> Iterator[Metric]:
        for family in self._whole.collect():
            chosen = Metric(family.name, family.documentation, family.type, family.unit)
            chosen.samples = [
                sample._replace(labels={**sample.labels, **self._labels})
                for sample in family.samples
                if self._wanted(sample)
            ]
            if chosen.samples:
                yield chosen


class _Shown:
    """The counters and histograms, for the registry."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        amounts = self._metrics.shown()
        for family in _COUNTERS.values():
            yield _counter(family, amounts)
        for family in _HISTOGRAMS.values():
            yield _histogram(family, amounts)

    def describe(self) -> Iterable[Metric]:
        return []


def _counter(family: MetricFamily, amounts: Amounts) -> Metric:
    made = CounterMetricFamily(f"{PREFIX}_{family.name}", family.text, labels=family.labels)
    for (name, labels), value in sorted(amounts.items()):
        if name == family.name:
            made.add_metric([dict(labels)[label] for label in family.labels], value)
    return made


def _histogram(family: MetricFamily, amounts: Amounts) -> Metric:
    made = HistogramMetricFamily(f"{PREFIX}_{family.name}", family.text, labels=family.labels)
    for (name, labels), sum_value in sorted(amounts.items()):
        if name == f"{family.name}_sum":
            bucket = f"{family.name}_bucket"
            counts = [
                amounts.get((bucket, tuple(sorted((*labels, ("le", text))))), 0.0)
                for text in _BOUNDS
            ]
            values = [dict(labels)[label] for label in family.labels]
            made.add_metric(values, list(zip(_BOUNDS, counts, strict=True)), sum_value)
    return made


def _known(amounts: Amounts) -> Amounts:
    """Without what another version counted: other names, other labels."""
    labels = {family.name: set(family.labels) for family in _COUNTERS.values()}
    for family in _HISTOGRAMS.values():
        own = set(family.labels)
        labels |= {
            f"{family.name}_bucket": own | {"le"},
            f"{family.name}_sum": own,
            f"{family.name}_count": own,
        }
    return {
        key: value
        for key, value in amounts.items()
        if {name for name, _ in key[1]} == labels.get(key[0])
    }
