"""All metrics: name, kind, labels and meaning. docs/reference/metrics.md has the same list.

The values of labels come from closed sets (accounts, policies, deadlines and words of this
program), never from texts of Sauce Labs, because each new value is a new series.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

PREFIX: Final = "sauce_janitor"


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """A metric. `name` is without prefix, and without the `_total` of a counter."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    text: str

    @property
    def exported(self) -> str:
        """The name in Prometheus."""
        return f"{PREFIX}_{self.name}" + ("_total" if self.kind == "counter" else "")


def _counter(name: str, labels: str, text: str) -> MetricFamily:
    return MetricFamily(name, "counter", tuple(labels.split()), text)


def _gauge(name: str, labels: str, text: str) -> MetricFamily:
    return MetricFamily(name, "gauge", tuple(labels.split()), text)


ALL: Final = (
    _counter("actions", "account policy action outcome",
             "Actions at Sauce Labs and in the archive, by outcome. Dry runs add nothing."),
    _counter("archived_bytes", "account", "Bytes of assets stored in the archive, verified."),
    _counter("odd_files", "account",
             "Stored files that do not look like their name; the receipt says why."),
    _counter("damaged_copies", "account",
             "Archived jobs found damaged, before a delete or while archiving."),
    _counter("restored_copies", "account",
             "Damaged archived jobs that were fetched again from Sauce Labs."),
    _counter("reclaimed_bytes", "account",
             "Bytes deleted at Sauce Labs, as Delete Job Assets reports them."),
    _counter("vanished", "account what",
             "Jobs, and assets of jobs, that somebody else deleted at Sauce Labs."),
    _counter("runs", "account mode result",
             "Runs that ended, by mode (dry_run, execute) and result (done, incomplete, refused,"
             " failed)."),
    _counter("stalled_runs", "account",
             "Runs whose worker died or was silent for too long; another worker goes on."),
    _counter("api_requests", "account method endpoint code", "Requests to the Sauce Labs API."),
    _counter("api_throttled_seconds", "account",
             "Seconds spent waiting for the request budget or a Retry-After."),
    MetricFamily("run_duration_seconds", "histogram", ("account", "phase"),
           "How long a phase of a run (list, plan, execute) took."),
    _gauge("planned_actions", "account policy action", "Actions in the newest plan."),
    _gauge("inventory_jobs", "account", "Jobs known at the newest plan."),
    _gauge("undecided_jobs", "account",
           "Jobs kept because a field that a policy reads is unknown."),
    _gauge("rows_set_aside", "account",
           "Unreadable rows of job lists; each run asks for them again."),
    _gauge("held_jobs", "account", "Jobs that a hold protects."),
    _gauge("incomplete_jobs", "account", "Archived jobs with missing files, at the newest plan."),
    _gauge("assets_expiring_unarchived", "account within",
           "Jobs whose wanted assets Sauce Labs purges soon (24h, 72h) and no receipt covers."),
    _gauge("retrying_jobs", "account kind",
           "Failed jobs that are retried with growing pauses, by the kind of failure."),
    _gauge("overdue_jobs", "account deadline blocked_by",
           "Jobs past a deadline, by what blocks them."),
    _gauge("last_success_timestamp_seconds", "account mode",
           "When the last run with the result done began, epoch seconds."),
    _gauge("executing", "", "Runs with --execute that are carrying out a plan now."),
    _gauge("paused", "", "1 while changes are paused."),
    _gauge("state_available", "", "1 while this process can read and write the state."),
    _gauge("archive_available", "", "1 while this process can write the archive."),
    _gauge("workers", "", "Daemons that share the state and were alive in the last 90 s."),
    _gauge("queue_jobs", "status",
           "Accounts in the queue of the workers, by status (waiting, running)."),
    _gauge("queue_wait_seconds", "",
           "How long the oldest account that is due has waited for a worker."),
    _gauge("lease_fence", "account",
           "The number of the account's lease: it grows by one with each run that changes."),
    _gauge("last_complete_listing_timestamp_seconds", "account",
           "When a full listing was last complete, epoch seconds."),
    _gauge("api_budget_remaining", "account window",
           "Requests left in the window (second, hour) of the request budget."),
    _gauge("limit_broken", "account limit", "1 when the newest plan breaks the limit."),
    _gauge("config_reload_success", "", "1 when the newest configuration was valid."),
    _gauge("archive_findings", "account",
           "Files and receipts that the newest complete daily verification found wrong."),
    _gauge("last_verification_timestamp_seconds", "account",
           "When the daily verification was last complete, epoch seconds."),
    _gauge("build_info", "version", "Always 1; the version that runs is the label."),
)  # fmt: skip
"""All families, in the order of the page."""

BUCKETS_S: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0)
"""The upper bounds of `run_duration_seconds`."""
