"""The nouns that everything else speaks in: jobs, builds, assets, decisions. They are one module,
although long, because nearly every other module needs several of them.

Times are whole epoch seconds in UTC, as the Jobs API gives them; only output for people turns them
into dates. A field is its value, None (the API says null) or UNKNOWN (absent, unreadable or not
offered).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import lru_cache
from typing import Final, Literal, NewType, TypeAlias

JobId = NewType("JobId", str)
"""32 lower-case hexadecimal digits. Make one with `job_id`: URLs and paths are built from nothing
else.
"""

Owner = NewType("Owner", str)
"""A Sauce Labs user name. Make one with `owner_name`. Percent-encode it in URLs, and never use it
as a path unchanged.
"""

_JOB_ID = re.compile(r"[0-9a-f]{32}")
_NOT_IN_AN_OWNER = re.compile(r"[\x00-\x1f\x7f-\x9f/\\]|^\s|\s\Z")
_LONGEST_OWNER = 255


class Unknown(Enum):
    """The third truth value: the field is absent or unreadable. It is neither a value nor null."""

    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN
Text: TypeAlias = str | Literal[Unknown.UNKNOWN] | None
Flag: TypeAlias = bool | Literal[Unknown.UNKNOWN] | None
Time: TypeAlias = int | Literal[Unknown.UNKNOWN] | None


def job_id(text: object) -> JobId:
    """Return the id. Raise ValueError for anything that is not 32 lower-case hexadecimal digits."""
    # Anything else could change a URL's meaning: with an empty id, the path that deletes a job
    # deletes all jobs of the user.
    if not isinstance(text, str) or _JOB_ID.fullmatch(text) is None:
        raise ValueError(f"not a job id (32 hexadecimal digits): {text!r:.80}")
    return JobId(text)


def owner_name(text: object) -> Owner:
    """Return the user name. Raise ValueError for one that no user can have: empty, too long, a dot
    path, a separator, blanks at its ends.
    """
    if (
        not isinstance(text, str)
        or not text
        or len(text) > _LONGEST_OWNER
        or text in {".", ".."}
        or _NOT_IN_AN_OWNER.search(text)
    ):
        raise ValueError(f"not a user name: {text!r:.80}")
    return Owner(text)


def is_same_user(one: str, other: str) -> bool:
    """Return whether two spellings name one user: Sauce Labs ignores the case of a name."""
    return one == other or one.casefold() == other.casefold()


def roles_of(public: str) -> tuple[str, ...]:
    """Return the roles in a job's `public` in their order, each once, without blanks around them.

    Source: Jobs API, Update a Job: several roles are separated by commas.
    """
    return tuple(dict.fromkeys(role.strip() for role in public.split(",")))


class JobState(StrEnum):
    """The state of a job: FINISHED only when the raw status is final *and* the end is known."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    UNKNOWN = "unknown"


class Action(StrEnum):
    """What can be done about a job, in the order in which a run does it."""

    ARCHIVE = "archive"
    DELETE_ASSETS = "delete_assets"
    DELETE_JOB = "delete_job"
    STOP = "stop"


DELETES: Final = (Action.DELETE_ASSETS, Action.DELETE_JOB)


# Not frozen: a frozen value takes eight times as long to make, and runs make millions. A test sees
# that nothing assigns to their fields.
@dataclass(slots=True, unsafe_hash=True)
class Job:
    """One job as Sauce Labs describes it.

    `status` is the verdict that users see: passed, failed, error, complete; None until finished.
    `build` is trimmed; a blank `build`, `error` or `team_id` is None. `tags` is never None: no tags
    are (). `custom_data` has the values as the API gave them.
    """

    id: JobId
    owner: Owner
    state: JobState
    name: Text = None
    build: Text = None
    tags: tuple[str, ...] | Literal[Unknown.UNKNOWN] = ()
    status: Text = None
    os: Text = None
    browser: Text = None
    browser_version: Text = None
    automation_backend: Text = None
    public: Text = None
    error: Text = None
    manual: Flag = None
    custom_data: Mapping[str, object] | Literal[Unknown.UNKNOWN] | None = None
    created_at: Time = None
    started_at: Time = None
    ended_at: Time = None
    modified_at: Time = None
    team_id: Text = None


class Oddness(StrEnum):
    """Why a row of a job list is not a job of the requested owner."""

    UNREADABLE = "unreadable"
    FOREIGN = "foreign"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class OddRow:
    """A row of a list answer that is not a job: its place in the answer, from 0; the id in it, ""
    for none; and why.
    """

    place: int
    id: str
    kind: Oddness
    why: str

    def __str__(self) -> str:
        return f"row {self.place}: {self.why}"


@dataclass(frozen=True, slots=True)
class JobDocument:
    """One job that was requested by its id: parsed, and the whole document for job.json, with every
    secret removed.
    """

    job: Job
    document: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Build:
    """One build record. `status` is the word of the Builds API: running, error, failed, complete,
    success.

    `jobs` is finished + running + queued + new, or UNKNOWN; `open_jobs` is running + queued + new.
    `owner` is None where the API gives only a user's uuid (builds v2).
    """

    id: str
    name: Text
    owner: Owner | None
    status: Text
    jobs: int | Literal[Unknown.UNKNOWN]
    open_jobs: int | Literal[Unknown.UNKNOWN]


@dataclass(frozen=True, slots=True)
class AssetListing:
    """The names that List Job Assets gave: flattened, without nulls, each once, in the order of the
    answer. Do not trust them before they are checked.
    """

    names: tuple[str, ...]


HOLD: Final = "(hold)"
"""Stands in for a policy's name where a hold wants something; no policy can have this name."""
HOLD_KEY: Final = "(holds)"
"""Its key in the `by_policy` of a run's record, and so in `status --format json`."""
NOT_ASKED: Final = "not asked for yet: too many files before it could not be had"
"""Why a file is missing that no pass requested; the next pass requests it first."""


@dataclass(frozen=True, slots=True)
class MissingFile:
    """A wanted file that is listed but cannot be fetched, and why, as part of a sentence. Times are
    epoch seconds.

    `since` is when a request for it first failed. `sha256` is that of the bytes that came instead,
    first at `came_at`; None where nothing came, or where what came can never be the file.
    """

    name: str
    why: str
    since: int
    sha256: str | None = None
    came_at: int | None = None

    @property
    def was_asked_for(self) -> bool:
        """Whether a pass requested it and failed. Nothing is given up before it was requested."""
        return self.why != NOT_ASKED


@dataclass(frozen=True, slots=True)
class BuildCounters:
    """The numbers that must add up before a whole build is deleted: `Build.jobs`,
    `Build.open_jobs`, and how many of its jobs sauce-janitor `deleted`.
    """

    jobs: int | Literal[Unknown.UNKNOWN]
    open_jobs: int | Literal[Unknown.UNKNOWN]
    deleted: int = 0


class AssetsStanding(StrEnum):
    """What is known of a job's assets at Sauce Labs."""

    PRESENT = "present"
    DELETED = "deleted"  # by sauce-janitor, according to the journal
    PURGED = "purged"  # by Sauce Labs, 30 days after the end


# Not frozen, see `Job`.
@dataclass(slots=True, unsafe_hash=True)
class Record:
    """A job as the inventory gives it to the decision: the vendor's facts and ours.

    `build_id` and `build_status` are those of the job's build, None when it has none, UNKNOWN when
    that is not known; `build_counters` too, and None where they were not requested. `changed_at` is
    when a listing last saw the job new or changed (our clock). `archived` names the selections that
    a verified receipt covers, None without a receipt. `announced` has, per delete, since when it is
    announced. `held` says that a local hold (in the state) protects the job. `accepted_for` is the
    delete or stop that the last accepted plan had for it, if the policy digest is still the same.
    `missing` are the files that are missing according to its newest receipt.
    """

    job: Job
    changed_at: int = 0
    build_id: Text = None
    build_status: Text = None
    assets: AssetsStanding = AssetsStanding.PRESENT
    archived: frozenset[str] | None = None
    announced: Mapping[Action, int] | None = None
    held: bool = False
    build_counters: BuildCounters | None = None
    accepted_for: Action | None = None
    missing: tuple[MissingFile, ...] = ()


class Verdict(StrEnum):
    """KEEP: nothing happens now. DUE: the action may go ahead."""

    KEEP = "keep"
    DUE = "due"


class Why(StrEnum):
    """The closed set of reasons; `Reason.text` gives each in words."""

    HELD = "held"
    UNFINISHED = "unfinished"
    NO_AGE = "no_age"
    NO_POLICY = "no_policy"
    NOT_YET = "not_yet"
    NEVER = "never"
    KEPT = "kept"
    UNDECIDED = "undecided"
    NOT_ARCHIVED = "not_archived"
    MISSING = "missing_files"
    GIVEN_UP = "given_up"
    ASSETS_PROTECTED = "assets_protected"
    GRACE = "grace"
    BUILD = "build"
    FORBID = "forbid"
    DONE = "done"
    NOTHING_WANTED = "nothing_wanted"
    WITH_THE_JOB = "with_the_job"
    DUE = "due"


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule that counted for one action: what it says, its policy, the rule, and a detail for
    people.
    """

    why: Why
    policy: str | None = None
    rule: str | None = None
    detail: str | None = None

    @property
    def text(self) -> str:
        """The reason as part of a sentence that an operator understands, stable for scripts:
        `nightly: kept by last-green`.
        """
        return _text_of(self)


@lru_cache(maxsize=4096)
def _text_of(reason: Reason) -> str:
    words = {
        Why.HELD: f"held by {reason.rule}",
        Why.UNFINISHED: "not finished",
        Why.NO_AGE: "has no age",
        Why.NO_POLICY: "no policy covers it",
        Why.NOT_YET: "not yet due",
        Why.NEVER: "never",
        Why.KEPT: f"kept by {reason.rule}",
        Why.UNDECIDED: "undecided",
        Why.NOT_ARCHIVED: "waits for its archive",
        Why.MISSING: "waits for files that cannot be fetched",
        Why.GIVEN_UP: "no longer waits for files that cannot be fetched",
        Why.ASSETS_PROTECTED: "its assets are protected",
        Why.GRACE: "announced, in its grace period",
        Why.BUILD: "its build stays whole",
        Why.FORBID: "archiving is forbidden or undecided",
        Why.DONE: "already done",
        Why.NOTHING_WANTED: "nothing to archive",
        Why.WITH_THE_JOB: "goes with the job",
        Why.DUE: "due",
    }[reason.why]
    head = f"{reason.policy}: {words}" if reason.policy else words
    return f"{head} ({reason.detail})" if reason.detail else head


# Not frozen, see `Job`.
@dataclass(slots=True, unsafe_hash=True)
class Decision:
    """The decision about one job and one action, with at least one reason. `policy` and `due_since`
    are set when it is due.
    """

    action: Action
    verdict: Verdict
    reasons: tuple[Reason, ...]
    policy: str | None = None
    due_since: int | None = None
