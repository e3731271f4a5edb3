"""What Prometheus is told. Labels come from closed sets (accounts, policies, words of ours), never from Sauce Labs' text.

Counters persist in the state: `restore` at the start and `added` at the end of a run make a one-shot run's series monotonic.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from sauce_janitor import __version__

PREFIX = "sauce_janitor"
Labels = tuple[tuple[str, str], ...]

_COUNTERS = {
    "actions": (
        "account policy action outcome",
        "Actions at Sauce Labs and in the archive, by outcome. A dry run adds nothing.",
    ),
    "archived_bytes": ("account", "Bytes of assets stored in the archive, verified."),
    "reclaimed_bytes": ("account", "Bytes deleted at Sauce Labs, by the answer of Delete Job Assets."),
    "runs": ("account mode result", "Runs by mode (dry_run, execute) and result."),
    "api_requests": ("account method endpoint code", "Requests to the Sauce Labs API."),
    "api_throttled_seconds": ("account", "Seconds spent waiting for the request budget or a Retry-After."),
}
_GAUGES = {
    "planned_actions": ("account policy action", "Actions in the newest plan."),
    "inventory_jobs": ("account", "Jobs known at the newest plan."),
    "undecided_jobs": ("account", "Jobs kept because a field that a policy reads could not be had."),
    "held_jobs": ("account", "Jobs that a hold protects."),
    "assets_expiring_unarchived": (
        "account within",
        "Jobs whose wanted assets Sauce Labs purges soon and no receipt covers.",
    ),
    "overdue_jobs": ("account deadline blocked_by", "Jobs past a deadline, by what blocks them."),
    "last_success_timestamp_seconds": ("account mode", "When a run last reached all it wanted, epoch seconds."),
    "executing": ("", "1 while a run with --execute is under way."),
    "paused": ("", "1 while the kill switch is on."),
    "last_complete_listing_timestamp_seconds": ("account", "When a full listing was last complete, epoch seconds."),
    "api_budget_remaining": ("account window", "Requests left in the window (second, hour) of our own budget."),
    "limit_broken": ("account limit", "1 when the newest plan breaks the limit."),
    "config_reload_success": ("", "1 when the newest configuration was valid."),
}


class Metrics:
    """One registry of everything; `page()` is its text. Threads may call any method."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counters = {
            name: Counter(f"{PREFIX}_{name}", text, labels.split(), registry=self.registry)
            for name, (labels, text) in _COUNTERS.items()
        }
        self._gauges = {
            name: Gauge(f"{PREFIX}_{name}", text, labels.split(), registry=self.registry)
            for name, (labels, text) in _GAUGES.items()
        }
        self._duration = Histogram(
            f"{PREFIX}_run_duration_seconds",
            "How long a phase of a run took.",
            ["account", "phase"],
            buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600),
            registry=self.registry,
        )
        Gauge(f"{PREFIX}_build_info", "The version that runs.", ["version"], registry=self.registry).labels(
            __version__
        ).set(1)
        self._restored: dict[tuple[str, Labels], float] = {}

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Add to a counter, by its name without prefix and `_total`."""
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc(amount)

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge, by its name without prefix."""
        gauge = self._gauges[name]
        (gauge.labels(**labels) if labels else gauge).set(value)

    def forget(self, name: str, account: str) -> None:
        """Drop a gauge's series of one account, so that a policy that is gone leaves no stale number."""
        gauge = self._gauges[name]
        gauge.remove_by_labels({"account": account})

    def took(self, account: str, phase: str, seconds: float) -> None:
        """One phase (sync, plan, execute) of a run ended after `seconds`."""
        self._duration.labels(account, phase).observe(seconds)

    def restore(self, persisted: Iterable[tuple[str, Labels, float]]) -> None:
        """Start the counters where earlier runs left them: (name, sorted label pairs, value); unknown names are passed over."""
        for name, labels, value in persisted:
            if name in self._counters and {key for key, _ in labels} == set(_COUNTERS[name][0].split()):
                self.add(name, value, **dict(labels))
                self._restored[name, labels] = value

    def added(self) -> list[tuple[str, Labels, float]]:
        """What each counter grew by since `restore` or the last call: (name, sorted label pairs, growth above zero)."""
        grown = []
        for name, counter in self._counters.items():
            for family in counter.collect():
                for sample in family.samples:
                    if not sample.name.endswith("_total"):
                        continue
                    key = (name, tuple(sorted(sample.labels.items())))
                    growth = sample.value - self._restored.get(key, 0.0)
                    if growth > 0:
                        grown.append((*key, growth))
                        self._restored[key] = sample.value
        return grown

    def page(self) -> bytes:
        """The whole registry in Prometheus' text format."""
        return generate_latest(self.registry)
