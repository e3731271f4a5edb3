"""The values of all metrics: how they are counted and how they are shown.

Counters persist in the state: `settle` saves them there, and then shows what all processes on the
state have counted together. So a number that Prometheus has seen is on the disk, and no restart or
crash ever makes a counter smaller.
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
"""Values by the name of a counter (without prefix and `_total`) and labels.

A histogram has the names `NAME_bucket`, `NAME_sum` and `NAME_count`.
"""

_COUNTERS: Final = {family.name: family for family in ALL if family.kind == "counter"}
_HISTOGRAMS: Final = {family.name: family for family in ALL if family.kind == "histogram"}
_DURATION: Final = "run_duration_seconds"
_BOUNDS: Final = (*(f"{bound}" for bound in BUCKETS_S), "+Inf")


class CounterStore(Protocol):
    """Stores counters beyond the end of the process (`state.Counters`)."""

    def add(self, amounts: Amounts, /) -> None:
        """Add these amounts to the stored ones, all or nothing."""

    def all(self) -> Amounts:
        """Return all stored amounts, including those of other processes."""


class Metrics:
    """All metrics of this process. `page()` is their text. Any thread may call any method."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._grown: dict[tuple[str, Labels], float] = defaultdict(float)
        self._totals: Amounts = {}
        self._shown: Amounts = {}
        self._executing = 0
        self._gauges = {
            family.name: Gauge(
                family.exported,
                family.text,
                family.labels,
                # Without labels it would show a 0 that nobody found, until it has a value.
                registry=self.registry if family.labels else None,
            )
            for family in ALL
            if family.kind == "gauge"
        }
        self._unset = {
            family.name for family in ALL if family.kind == "gauge" and not family.labels
        }
        self._first = threading.Lock()
        self.registry.register(_Shown(self))
        self.set("build_info", 1, version=__version__)
        self.set("executing", 0)

    # --- counting ---------------------------------------------------------------------------------

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Add to a counter, by its name without prefix and `_total`."""
        assert labels.keys() == set(_COUNTERS[name].labels), labels
        with self._lock:
            self._grown[name, tuple(sorted(labels.items()))] += amount

    def took(self, account: str, phase: str, seconds: float) -> None:
        """Record that one phase (list, plan, execute) of a run took `seconds`."""
        labels = (("account", account), ("phase", phase))
        with self._lock:
            # The buckets of a Prometheus histogram are cumulative: a value counts in all above it.
            for bound, text in zip((*BUCKETS_S, math.inf), _BOUNDS, strict=True):
                if seconds <= bound:
                    self._grown[f"{_DURATION}_bucket", tuple(sorted((*labels, ("le", text))))] += 1
            self._grown[f"{_DURATION}_sum", labels] += seconds
            self._grown[f"{_DURATION}_count", labels] += 1

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge, by its name without prefix. It is shown from now on."""
        gauge = self._gauges[name]
        (gauge.labels(**labels) if labels else gauge).set(value)
        with self._first:
            if name in self._unset:
                self.registry.register(gauge)
                self._unset.remove(name)

    def forget(self, name: str, account: str) -> None:
        """Remove all series of one gauge for an account, before its new values are set.

        Otherwise a policy that no longer exists would leave a stale number.
        """
        self._gauges[name].remove_by_labels({"account": account})

    def forget_account(self, account: str) -> None:
        """Remove the series of all gauges for an account that is no longer configured."""
        for family in ALL:
            if family.kind == "gauge" and "account" in family.labels:
                self.forget(family.name, account)

    def executes(self, change: int) -> None:
        """Count one run more (1) or less (-1) that carries out a plan."""
        with self._lock:
            self._executing += change
            self.set("executing", self._executing)

    def counted(self, name: str) -> Amounts:
        """Return what was added to a counter since the last `settle`, by its labels."""
        with self._lock:
            return {key: amount for key, amount in self._grown.items() if key[0] == name}

    # --- showing ----------------------------------------------------------------------------------

    def settle(self, store: CounterStore) -> None:
        """Add the new counts to the store, and show what the store then has.

        Raise what the store raises. The new counts are then kept for the next time, and are shown
        nevertheless.
        """
        # One thread at a time uses the store; the others can go on counting.
        with self._turn:
            with self._lock:
                grown, self._grown = self._grown, defaultdict(float)
            try:
                if grown:
                    store.add(grown)
                # Stored: if the next line fails, they must not be added a second time.
                grown = defaultdict(float)
                self._totals = self._shown = _known(store.all())
            finally:
                if grown:
                    self._keep(grown)

    def _keep(self, grown: Amounts) -> None:
        with self._lock:
            for key, amount in grown.items():
                self._grown[key] += amount
            # Shown although not stored: the page must not miss what has happened.
            shown = defaultdict(float, self._totals)
            for key, amount in self._grown.items():
                shown[key] += amount
        self._shown = shown

    def shown(self) -> Amounts:
        """Return the counters as they are shown."""
        return self._shown

    def page(self, **labels: str) -> bytes:
        """Return all metrics in Prometheus' text format, each series with these labels as well."""
        return generate_latest(
            _Chosen(self.registry, lambda _: True, labels) if labels else self.registry
        )

    def page_of(self, account: str | None) -> bytes:
        """Return the metrics of one account; for None, the metrics without an account."""
        return generate_latest(
            _Chosen(self.registry, lambda sample: sample.labels.get("account") == account, {})
        )


class _Chosen(Collector):
    """Some series of a collector, with more labels. A family without any series is left out."""

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
    """Collects the shown counters and histograms for the registry."""

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
    """Return only the amounts of known names with the right labels.

    The store may also have amounts of an older or a newer version.
    """
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
