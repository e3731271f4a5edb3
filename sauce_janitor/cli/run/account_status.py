"""The status of an account, as a value and as the document that `status` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sauce_janitor.json_output import Key, Shape, key

if TYPE_CHECKING:
    from sauce_janitor.daemon.heartbeat import Heartbeat
    from sauce_janitor.model.job_retries import RetryGroup
    from sauce_janitor.model.jobs import JobId
    from sauce_janitor.model.permits import Deed
    from sauce_janitor.model.policies import Approval
    from sauce_janitor.state import LeaseStatus, RunRecord
    from sauce_janitor.state.pause import Pause


@dataclass(frozen=True, slots=True)
class OpenWrite:
    """A write whose result is unknown; `sent_at` is in epoch seconds."""

    job_id: JobId
    action: Deed
    policy: str | None
    sent_at: int


@dataclass(frozen=True, slots=True)
class ListingStatus:
    """How many jobs are known, and when (epoch seconds) all owners were last listed completely."""

    jobs: int
    full_at: int | None
    age_s: int | None
    full_every_s: int


@dataclass(frozen=True, slots=True)
class NextRun:
    """Whether `serve` is running, and when the account's next run is, in epoch seconds.

    If `serve` is not running, the time is the schedule's.
    """

    running: bool
    mode: str | None
    next_run_at: int | None
    blackout_until: int | None
    blackout_reason: str | None


@dataclass(frozen=True, slots=True)
class SharingStatus:
    """The daemons that share a state on a server, their queue, and the account's lease. `wait_s`
    says how long the oldest account that is due has waited for one of them.
    """

    workers: Sequence[Heartbeat]
    waiting: int
    running: int
    wait_s: int
    lease: LeaseStatus | None


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """What `status` shows of an account; times are epoch seconds.

    What a run left in the state is a mapping, as the run wrote it.
    """

    account: str
    identity: str
    now: int
    paused: Pause | None
    archive_refused: str | None
    vanished: Mapping[str, Any] | None
    under_way: Sequence[Mapping[str, Any]]
    last_runs: Sequence[RunRecord]
    last_plan: Mapping[str, Any] | None
    owners: Mapping[str, Any] | None
    left_out: Sequence[Mapping[str, Any]]
    set_aside: Sequence[Mapping[str, Any]]
    unconfirmed: Sequence[str]
    listing: ListingStatus
    budget: Mapping[str, Any]
    open_intents: Sequence[OpenWrite]
    configured_path: str
    worked_path: Mapping[str, Any] | None
    local_holds: int | None
    retries: Sequence[RetryGroup]
    approvals: Sequence[Approval]
    policy_digest: str
    daemon: NextRun
    sharing: SharingStatus | None


def _of_summary(name: str) -> Key:
    # A run that ended early has not written its whole summary.
    return key(name, lambda run: run.summary.get(name))


_RUN = Shape(
    "run_id",
    "mode",
    "started_at",
    "ended_at",
    "result",
    *map(_of_summary, ("outcomes", "left", "waiting", "halted", "error")),
)
_SHARING = Shape(
    key("workers", shape=Shape("host", "pid", "mode", "version", "works_on", "at")),
    key("queue", lambda sharing: sharing, Shape("waiting", "running", "wait_s")),
    key(
        "lease",
        shape=Shape(key("held", "is_held"), "fence", "holder", "host", "pid", "since", "renewed_s"),
    ),
)
_DELETE_PATH = Shape(key("configured", "configured_path"), key("worked", "worked_path"))
_RETRY = Shape(
    "job_id",
    "kind",
    "tries",
    "reason",
    "first_failed_at",
    "last_failed_at",
    "due_at",
    "requests",
)
_RETRIES = Shape("kind", "jobs", "next_at", key("examples", shape=_RETRY))
STATUS = Shape(
    "account",
    "identity",
    "now",
    key("paused", shape=Shape("by", "reason", "at")),
    "archive_refused",
    "vanished",
    "under_way",
    key("last_runs", shape=_RUN),
    "last_plan",
    "owners",
    "left_out",
    "set_aside",
    "unconfirmed",
    "listing",
    "budget",
    "open_intents",
    key("delete_job_path", lambda status: status, _DELETE_PATH),
    "local_holds",
    key("retries", shape=_RETRIES),
    key("approvals", shape=Shape("lifts", "max_jobs", "until", "by", "reason")),
    "policy_digest",
    "daemon",
    key("sharing", shape=_SHARING),
)
"""The document of an account, for `--format json` and for the lines of the table."""
