"""What a person does to single jobs by hand, and the permits for it: no policy decides it, no plan
has it, the journal does.

The API replaces what it is given: a list of tags, the whole of custom-data. So a change is merged
here into what the job has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Final, Literal, TypeAlias

from sauce_janitor.model.globs import exactly
from sauce_janitor.model.jobs import UNKNOWN, Action, JobDocument, JobId, Owner, roles_of
from sauce_janitor.model.policies import (
    ArchiveRule,
    Atom,
    DeleteRule,
    Duration,
    Glob,
    Policy,
    Rules,
)

BY_HAND: Final = "(by hand)"
"""What stands for a policy's name in the journal; no policy can be called that."""

Field: TypeAlias = Literal["name", "tags", "public", "passed", "build", "custom-data"]
FIELDS: Final[tuple[Field, ...]] = ("name", "tags", "public", "passed", "build", "custom-data")
"""What can be changed of a job. Source: Jobs API, Update a Job."""
VISIBILITIES: Final = ("public", "public restricted", "share", "team", "private")
"""Source: Jobs API, Update a Job, `public`."""
_REMOVED: Final = "[removed]"
"""What is left of a credential in a document that is kept or shown."""
_LONGEST_TAG: Final = 255
_DEEPEST: Final = 32  # a document that is nested deeper than 64 cannot be read


class ManualAction(StrEnum):
    """What only people do: on record beside the actions of policies."""

    UPDATE = "update"


Deed: TypeAlias = Action | ManualAction
"""Whatever the journal has an intent for."""


@dataclass(frozen=True, slots=True)
class UpdatePermit:
    """For PUT …/jobs/{id} with `body`: a JSON object of `FIELDS`, merged into the job's document.

    `asked_at` is the monotonic clock, in seconds, when that document was asked for; the gate
    refuses one older than 10 s. Good for one request.
    """

    job_id: JobId
    owner: Owner
    body: str
    asked_at: float
    action: ClassVar[ManualAction] = ManualAction.UPDATE


@dataclass(frozen=True, slots=True)
class ManualStopPermit:
    """For PUT …/jobs/{id}/stop: a job that a person wants stopped.

    It was seen unfinished by an answer that was asked for at `asked_at`, as of an update.
    """

    job_id: JobId
    owner: Owner
    asked_at: float
    action: ClassVar[Action] = Action.STOP


@dataclass(frozen=True, slots=True)
class DeleteAllPermit:
    """For the one call that deletes all of a user's jobs. `typed` is the name as the operator typed
    it.

    `jobs` were listed, none of them held, running or unproven, in the listing that began at
    `asked_at`; `fence` is the lease's.
    """

    owner: Owner
    typed: str
    jobs: frozenset[JobId]
    asked_at: float
    fence: int


_AT_ONCE: Final = Duration("0s")


def rules_for_assets(rules: Rules, owner: Owner) -> Rules:
    """The account's rules with one policy: the assets of the owner's jobs go at once, each job
    archived whole before.

    What the account's rules hold and forbid to store stays; announcing and deadlines are for
    policies.
    """
    policy = Policy(
        name=BY_HAND,
        match=Atom("owner", (Glob(exactly(owner)),)),
        archive=ArchiveRule(after=_AT_ONCE),
        deletes=((Action.DELETE_ASSETS, DeleteRule(_AT_ONCE)),),
    )
    return replace(rules, policies=(policy,), grace=_AT_ONCE, deadlines=())


HandPermit: TypeAlias = UpdatePermit | ManualStopPermit


@dataclass(frozen=True, slots=True)
class JobChange:
    """What a person wants changed of a job; None and () leave a field as it is.

    `tags` replaces all tags, then `add` and `remove` have their way. `custom_data` are keys to set,
    to any JSON value, and `drop_custom_data` keys to remove; the others stay. Raises ValueError for
    what no job can have.
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    tags: tuple[str, ...] | None = None
    name: str | None = None
    build: str | None = None
    public: str | None = None
    passed: bool | None = None
    custom_data: tuple[tuple[str, object], ...] = ()
    drop_custom_data: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for tag in (*self.add, *self.remove, *(self.tags or ())):
            if (
                not tag.strip()
                or tag != tag.strip()
                or not tag.isprintable()
                or len(tag) > _LONGEST_TAG
            ):
                raise ValueError(
                    f"{tag!r:.80} is no tag: write 1 to {_LONGEST_TAG} printable characters"
                )
        if both := set(self.add) & set(self.remove):
            raise ValueError(f"tag {min(both)!r} is to be added and to be removed: say one of them")
        if self.public is not None and not _is_visibility(self.public):
            raise ValueError(
                f"public is one of {', '.join(VISIBILITIES)}, or several with commas between, not"
                f" {self.public!r:.80}"
            )
        for field, value in (("name", self.name), ("build", self.build)):
            if value is not None and (not value.strip() or not value.isprintable()):
                raise ValueError(f"{field} cannot be {value!r:.80}: write printable characters")
        self._check_custom_data()

    def _check_custom_data(self) -> None:
        if not all(key.strip() for key in (*dict(self.custom_data), *self.drop_custom_data)):
            raise ValueError("custom data needs a name before the =")
        if both := dict(self.custom_data).keys() & set(self.drop_custom_data):
            raise ValueError(
                f"custom data {min(both)!r:.80} is to be set and to be removed: say one of them"
            )
        for key, value in self.custom_data:
            if _depth(value) > _DEEPEST:
                raise ValueError(
                    f"custom data {key!r:.80} is nested deeper than {_DEEPEST}: it could not be"
                    " read back"
                )

    @property
    def is_nothing(self) -> bool:
        """Whether nothing is wanted."""
        return self == JobChange()

    def of(self, document: JobDocument) -> dict[Field, object]:
        """The fields to send so that the job becomes what is wanted; only those that differ, each
        whole.

        ValueError when what has to be merged into cannot be read: half of it would be lost.
        """
        found = fields_of(document)
        wanted: dict[Field, object] = {}
        if self.add or self.remove or self.tags is not None:
            wanted["tags"] = self._tags(document)
        plain: tuple[tuple[Field, object], ...] = (
            ("name", self.name),
            ("build", self.build),
            ("public", self.public),
            ("passed", self.passed),
        )
        wanted |= {field: value for field, value in plain if value is not None}
        if self.custom_data or self.drop_custom_data:
            wanted["custom-data"] = self._custom_data(document)
        return {
            field: value
            for field, value in wanted.items()
            if not is_same(field, found.get(field), value)
        }

    def _tags(self, document: JobDocument) -> list[str]:
        job = document.job
        if self.tags is None and job.tags is UNKNOWN:
            raise ValueError(
                f"the tags of job {job.id} cannot be read, and the API takes only the whole list"
            )
        old = self.tags if self.tags is not None else job.tags
        assert old is not UNKNOWN
        return [tag for tag in dict.fromkeys((*old, *self.add)) if tag not in self.remove]

    def _custom_data(self, document: JobDocument) -> dict[str, object]:
        job = document.job
        if job.custom_data is UNKNOWN:
            raise ValueError(
                f"the custom data of job {job.id} cannot be read, and the API takes only all of it"
            )
        old = dict(job.custom_data or {})
        changed = {*dict(self.custom_data), *self.drop_custom_data}
        kept = {key: value for key, value in old.items() if key not in changed}
        if _REMOVED in json.dumps(kept):
            raise ValueError(
                f"the custom data of job {job.id} hold what looks like a credential, which is never"
                " read: the API takes only all of it, so it would be lost"
            )
        return {**kept, **dict(self.custom_data)}


def fields_of(document: JobDocument) -> dict[Field, object]:
    """What the job has of `FIELDS` now; a field that cannot be read is left out."""
    job, said = document.job, document.document
    found: dict[Field, object] = {"passed": said.get("passed")} if "passed" in said else {}
    if job.tags is not UNKNOWN:
        found["tags"] = list(job.tags)
    if job.custom_data is not UNKNOWN:
        found["custom-data"] = dict(job.custom_data or {})
    values: tuple[tuple[Field, object], ...] = (
        ("name", job.name),
        ("build", job.build),
        ("public", job.public),
    )
    return found | {field: value for field, value in values if value is not UNKNOWN}


def is_same(field: Field, found: object, wanted: object) -> bool:
    """Whether a field is as wanted: tags and roles in any order, a build but for blanks."""
    if field == "tags" and isinstance(found, list) and isinstance(wanted, list):
        return sorted(found) == sorted(wanted)
    if field == "build" and isinstance(wanted, str):
        return found == wanted.strip()
    if field == "public" and isinstance(found, str) and isinstance(wanted, str):
        return set(roles_of(found)) == set(roles_of(wanted))
    return _is_same_json(found, wanted)


def _is_same_json(found: object, wanted: object, *, unseen: bool = False) -> bool:
    """Whether two JSON values are the same: true is no 1, though Python says so. `unseen`: a
    credential may be removed.
    """
    if unseen and isinstance(found, str) and _REMOVED in found:
        parts = map(re.escape, found.split(_REMOVED))
        return found == _REMOVED or (
            isinstance(wanted, str)
            and re.fullmatch(".+".join(parts), wanted, re.DOTALL) is not None
        )
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        return found.keys() == wanted.keys() and all(
            _is_same_json(found[key], wanted[key], unseen=unseen) for key in wanted
        )
    if isinstance(found, list | tuple) and isinstance(wanted, list | tuple):
        return len(found) == len(wanted) and all(
            _is_same_json(*pair, unseen=unseen) for pair in zip(found, wanted, strict=True)
        )
    return isinstance(found, bool) == isinstance(wanted, bool) and found == wanted


def _depth(value: object) -> int:
    """How many lists and objects stand in one another."""
    inside: list[object] = [value]
    depth = 0
    while inside := [each for each in inside if isinstance(each, list | tuple | Mapping)]:
        depth += 1
        inside = [below for each in inside for below in _members_of(each)]
    return depth


def _members_of(value: object) -> list[object]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def has_come(field: Field, found: object, wanted: object) -> bool:
    """`is_same` of what was read back: where a credential was set, all that can be seen is that
    there is one.
    """
    if field == "custom-data" and isinstance(found, Mapping) and isinstance(wanted, Mapping):
        return _is_same_json(found, wanted, unseen=True)
    return is_same(field, found, wanted)


def is_body(body: object) -> bool:
    """Whether a request's body is what an update may carry: a JSON object with one or more of
    `FIELDS`, each of its type.
    """
    if not isinstance(body, bytes | str) or len(body) > 64 * 1024:
        return False
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(said, dict)
        and bool(said)
        and all(_is_field(key, value) for key, value in said.items())
    )


def _is_visibility(value: object) -> bool:
    """Whether `public` may become this: one role, or several with commas between (Source: Jobs API,
    Update a Job).
    """
    return isinstance(value, str) and set(roles_of(value)) <= set(VISIBILITIES)


def _is_field(key: str, value: object) -> bool:
    match key:
        case "name" | "build":
            return isinstance(value, str)
        case "public":
            return _is_visibility(value)
        case "passed":
            return isinstance(value, bool)
        case "tags":
            return isinstance(value, list) and all(isinstance(tag, str) for tag in value)
        case "custom-data":
            return isinstance(value, dict)
        case _:
            return False
