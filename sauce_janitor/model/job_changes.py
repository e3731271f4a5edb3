"""What a person can change on a single job, and the permits for it. No policy or plan decides these
changes; the journal records them.

The API replaces what it receives: the whole list of tags, all custom data. So a change is merged
here into what the job has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final, Literal, TypeAlias

from sauce_janitor.model.globs import exactly
from sauce_janitor.model.jobs import UNKNOWN, Action, JobDocument, Owner, roles_of
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
"""The journal has this instead of a policy's name; no policy can be called that."""

Field: TypeAlias = Literal["name", "tags", "public", "passed", "build", "custom-data"]
FIELDS: Final[tuple[Field, ...]] = ("name", "tags", "public", "passed", "build", "custom-data")
"""The fields of a job that can be changed. Source: Jobs API, Update a Job."""
VISIBILITIES: Final = ("public", "public restricted", "share", "team", "private")
"""The values of `public`. Source: Jobs API, Update a Job."""
_REMOVED: Final = "[removed]"
"""What replaces a credential in a document that is stored or shown."""
_LONGEST_TAG: Final = 255
_DEEPEST: Final = 32
"""How deep custom data may be nested: a document that is nested deeper than 64 cannot be read."""


_AT_ONCE: Final = Duration("0s")


def rules_for_assets(rules: Rules, owner: Owner) -> Rules:
    """Return the account's rules with one policy: archive each job of the owner whole, then delete
    its assets at once.

    Holds and forbidden files still count. Grace and deadlines do not: they belong to policies.
    """
    policy = Policy(
        name=BY_HAND,
        match=Atom("owner", (Glob(exactly(owner)),)),
        archive=ArchiveRule(after=_AT_ONCE),
        deletes=((Action.DELETE_ASSETS, DeleteRule(_AT_ONCE)),),
    )
    return replace(rules, policies=(policy,), grace=_AT_ONCE, deadlines=())


@dataclass(frozen=True, slots=True)
class JobChange:
    """What a person wants to change of a job; None and () leave a field as it is.

    `tags` replaces all tags, then `add` and `remove` apply. `custom_data` are keys to set, to any
    JSON value, and `drop_custom_data` are keys to remove; the others stay. Raises ValueError for
    values that no job can have.
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
                    f"{tag!r:.80} is not a tag: write 1 to {_LONGEST_TAG} printable characters"
                )
        if both := set(self.add) & set(self.remove):
            raise ValueError(f"tag {min(both)!r} is both added and removed: use one of them")
        if self.public is not None and not _is_visibility(self.public):
            raise ValueError(
                f"public is one of {', '.join(VISIBILITIES)}, or several separated by commas, "
                f"not {self.public!r:.80}"
            )
        for field, value in (("name", self.name), ("build", self.build)):
            if value is not None and (not value.strip() or not value.isprintable()):
                raise ValueError(f"{field} cannot be {value!r:.80}: write printable characters")
        self._check_custom_data()

    def _check_custom_data(self) -> None:
        if not all(key.strip() for key in (*dict(self.custom_data), *self.drop_custom_data)):
            raise ValueError("custom data needs a name before the =")
        keys = [key for key, _ in self.custom_data]
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ValueError(f"custom data {twice!r:.80} is set twice: set it once")
        if both := dict(self.custom_data).keys() & set(self.drop_custom_data):
            raise ValueError(
                f"custom data {min(both)!r:.80} is both set and removed: use one of them"
            )
        for key, value in self.custom_data:
            if _depth(value) > _DEEPEST:
                raise ValueError(
                    f"custom data {key!r:.80} is nested deeper than {_DEEPEST}: "
                    "it could not be read back"
                )

    @property
    def is_nothing(self) -> bool:
        """Whether the change is empty."""
        return self == JobChange()

    def of(self, document: JobDocument) -> dict[Field, object]:
        """Return the fields to send so that the job becomes what is wanted; only those that differ,
        each whole.

        Raise ValueError when a value that the change must be merged into cannot be read: part of it
        would be lost.
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
        # With `tags` the whole list is replaced, so the old one need not be known.
        if self.tags is None and job.tags is UNKNOWN:
            raise ValueError(
                f"the tags of job {job.id} cannot be read, and the API takes only the whole list"
            )
        old = self.tags if self.tags is not None else job.tags
        assert old is not UNKNOWN
        # Each tag once, in the old order: a change must not look larger than it is.
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
        # A credential was removed when the document was read: sending the rest would delete it.
        if _REMOVED in json.dumps(kept):
            raise ValueError(
                f"the custom data of job {job.id} hold what looks like a credential, which is "
                "never read: the API takes only all of it, so it would be lost"
            )
        return {**kept, **dict(self.custom_data)}


def fields_of(document: JobDocument) -> dict[Field, object]:
    """Return the current values of `FIELDS`; a field that cannot be read is left out."""
    job, fields = document.job, document.document
    # From the document itself: a job's `status` is made of `passed` and other fields.
    found: dict[Field, object] = {"passed": fields["passed"]} if "passed" in fields else {}
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
    """Return whether a field has the wanted value: tags and roles in any order, a build without
    blanks at its ends.
    """
    if field == "tags" and isinstance(found, list) and isinstance(wanted, list):
        return sorted(found) == sorted(wanted)
    # Sauce Labs trims the name of a build.
    if field == "build" and isinstance(wanted, str):
        return found == wanted.strip()
    if field == "public" and isinstance(found, str) and isinstance(wanted, str):
        return set(roles_of(found)) == set(roles_of(wanted))
    return _is_same_json(found, wanted)


def _is_same_json(found: object, wanted: object, *, unseen: bool = False) -> bool:
    """Return whether two JSON values are the same: true is not 1, although Python says so.

    With `unseen`, text that replaces a credential equals any credential.
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
    """Return how deep lists and objects are nested."""
    inside: list[object] = [value]
    depth = 0
    while inside := [each for each in inside if isinstance(each, list | tuple | Mapping)]:
        depth += 1
        inside = list(chain.from_iterable(map(_members_of, inside)))
    return depth


def _members_of(value: object) -> list[object]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def has_come(field: Field, found: object, wanted: object) -> bool:
    """Return whether a field that was read back has the wanted value, see `is_same`.

    A credential is never shown: of one that was set, only its presence can be confirmed.
    """
    if field == "custom-data" and isinstance(found, Mapping) and isinstance(wanted, Mapping):
        return _is_same_json(found, wanted, unseen=True)
    return is_same(field, found, wanted)


def is_body(body: object) -> bool:
    """Return whether a request's body is one that an update may carry: a JSON object with one or
    more of `FIELDS`, each of its type.
    """
    # The gate asks this right before it sends: a body that an error has grown is not one of these
    # changes.
    if not isinstance(body, bytes | str) or len(body) > 64 * 1024:
        return False
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(fields, dict)
        and bool(fields)
        and all(_is_field(key, value) for key, value in fields.items())
    )


def _is_visibility(value: object) -> bool:
    """Return whether `public` can have this value: one role, or several separated by commas
    (Source: Jobs API, Update a Job).
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
