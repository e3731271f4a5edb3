"""The nouns everything else talks in: jobs, builds, assets, decisions. Pure values.

Times are whole epoch seconds in UTC, as the Jobs API gives them; only what people read turns them
into dates. A field is its value, None (the API says null) or UNKNOWN (absent, unreadable or not
offered): nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import lru_cache
from typing import Final, Literal, NewType, TypeAlias

JobId = NewType("JobId", str)
"""32 lower-case hexadecimal digits. Make one with `job_id`: no URL or path is ever built from
anything else.
"""

Owner = NewType("Owner", str)
"""A Sauce Labs user name. Make one with `owner_name`; percent-encode it in URLs, never use it as a
path as it is.
"""

_JOB_ID = re.compile(r"[0-9a-f]{32}")
_NOT_IN_AN_OWNER = re.compile(r"[\x00-\x1f\x7f-\x9f/\\]|^\s|\s\Z")
_LONGEST_OWNER = 255


class Unknown(Enum):
    """The third truth: what could not be had or read. It is neither a value nor null."""

    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN
Text: TypeAlias = str | Literal[Unknown.UNKNOWN] | None
Flag: TypeAlias = bool | Literal[Unknown.UNKNOWN] | None
Time: TypeAlias = int | Literal[Unknown.UNKNOWN] | None


def job_id(text: object) -> JobId:
    """The id, or ValueError for anything that is not 32 lower-case hexadecimal digits."""
    if not isinstance(text, str) or _JOB_ID.fullmatch(text) is None:
        raise ValueError(f"not a job id (32 hexadecimal digits): {text!r:.80}")
    return JobId(text)


def owner_name(text: object) -> Owner:
    """The user name, or ValueError for one that cannot be a user's: empty, too long, a dot path, a
    separator, blank ends.
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
    """Whether two spellings name one user: Sauce Labs answers to a name in any letters' case."""
    return one == other or one.casefold() == other.casefold()


def roles_of(public: str) -> tuple[str, ...]:
    """Return the roles in a job's `public`, without blanks around them, each once, in their order.

    Source: Jobs API, Update a Job: several roles are comma-separated.
    """
    return tuple(dict.fromkeys(role.strip() for role in public.split(",")))


class JobState(StrEnum):
    """Where a job stands. FINISHED only when the raw status is final *and* the end is known."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    UNKNOWN = "unknown"


class Action(StrEnum):
    """What can be done about a job, in the order in which one run would do it."""

    ARCHIVE = "archive"
    DELETE_ASSETS = "delete_assets"
    DELETE_JOB = "delete_job"
    STOP = "stop"


DELETES: Final = (Action.DELETE_ASSETS, Action.DELETE_JOB)


@dataclass(frozen=True, slots=True)
class Job:
    """What Sauce Labs says of one job.

    `status` is the verdict users see: passed, failed, error, complete; None until finished. `build`
    is trimmed; a blank `build`, `error` or `team_id` is None. `tags` is never None: no tags are ().
    `custom_data` keeps values as the API gave them.
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
    """Why a row of a job list is no job of the owner that was asked about."""

    UNREADABLE = "unreadable"
    FOREIGN = "foreign"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class OddRow:
    """A row of a list answer that gave no job: its place in the answer from 0, the id it names (""
    for none), and why.
    """

    place: int
    id: str
    kind: Oddness
    why: str

    def __str__(self) -> str:
        return f"row {self.place}: {self.why}"


@dataclass(frozen=True, slots=True)
class JobDocument:
    """One job as asked for by itself: parsed, and the whole document with every secret in it
    removed (for job.json).
    """

    job: Job
    document: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Build:
    """One build record. `status` is the builds API's word: running, error, failed, complete,
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
    """The names List Job Assets gave, flattened, nulls dropped, each once, in the order given;
    hostile until proven safe.
    """

    names: tuple[str, ...]


NOT_ASKED: Final = "not asked for yet: too many files before it could not be had"
"""Why a file is missing that no pass came to; the next one asks for it first."""


@dataclass(frozen=True, slots=True)
class MissingFile:
    """A listed file that is wanted and could not be had, and why, in a sentence fragment. Times are
    epoch seconds.

    `since` is when it was first asked for in vain. `sha256` is of what came in its place, first at
    `came_at`; None where nothing came, or what came can never be the file.
    """

    name: str
    why: str
    since: int
    sha256: str | None = None
    came_at: int | None = None

    @property
    def was_asked_for(self) -> bool:
        """Whether a pass asked for it in vain: nobody gives up what was never asked for."""
        return self.why != NOT_ASKED


@dataclass(frozen=True, slots=True)
class BuildCounters:
    """What must add up before a build goes whole: `Build.jobs`, `Build.open_jobs`, and how many of
    its jobs we `deleted`.
    """

    jobs: int | Literal[Unknown.UNKNOWN]
    open_jobs: int | Literal[Unknown.UNKNOWN]
    deleted: int = 0


class AssetsStanding(StrEnum):
    """What we know of a job's assets at Sauce Labs."""

    PRESENT = "present"
    DELETED = "deleted"  # by us, says the journal
    PURGED = "purged"  # by Sauce, 30 days after the end


@dataclass(frozen=True, slots=True)
class Record:
    """A job as the inventory hands it to the deciding: the vendor's facts, and ours.

    `build_id` and `build_status` are the job's build's, None when it has none, UNKNOWN when it
    cannot be told; `build_counters` too, and None where they were not asked for. `changed_at` is
    when our listing last saw the job new or different (our clock). `archived` names the selections
    a verified receipt covers, None when there is no receipt. `announced` has, per delete, since
    when it is announced. `held` says that a local hold (in the state) protects the job.
    `accepted_for` is the delete or stop that the last accepted plan had for it, if that was under
    the same policy digest. `missing` are the files that its newest receipt says could not be had.
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
    """The closed set of reasons; `Reason.text` says each in words."""

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
    """One rule that spoke on one action: what it says, whose it is, which rule, and the detail
    people read.
    """

    why: Why
    policy: str | None = None
    rule: str | None = None
    detail: str | None = None

    @property
    def text(self) -> str:
        """The reason as a sentence fragment an operator understands, stable for scripts: `nightly:
        kept by last-green`.
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
        Why.MISSING: "waits for files that could not be had",
        Why.GIVEN_UP: "waits no longer for files that could not be had",
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


@dataclass(frozen=True, slots=True)
class Decision:
    """The fate of one job for one action, with at least one reason. `policy` and `due_since` are
    set when it is due.
    """

    action: Action
    verdict: Verdict
    reasons: tuple[Reason, ...]
    policy: str | None = None
    due_since: int | None = None
