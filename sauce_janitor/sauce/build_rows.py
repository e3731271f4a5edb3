"""Parses JSON of the Builds APIs into the values of the model. Pure.

A field is its value, None where the API says null, UNKNOWN where its key is absent or its value
cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping

from sauce_janitor.errors import AnswerError
from sauce_janitor.model.jobs import (
    Build,
    Owner,
    is_same_user,
    owner_name,
)
from sauce_janitor.sauce.json_fields import (
    counter,
    list_in,
    text_field,
    total,
    trimmed,
)

# The words of the older builds API for the same.
_BUILD_STATUS = {"passed": "success", "errored": "error"}


class ForeignBuildError(AnswerError):
    """A list of one user's builds has a build of another user.

    Its result would decide on the wrong user's jobs.
    """


def parse_builds(
    answer: object, *, user_id: str | None = None, owner: Owner | None = None
) -> tuple[Build, ...]:
    """Parse a page of builds: v1's array for an `owner`, or v2's object with `builds` for a
    `user_id`.

    Raises AnswerError for anything else, ForeignBuildError for a build of somebody else.
    """
    rows = list_in(answer, "builds")
    found = tuple(parse_build(row) for row in rows)
    # A filter that Sauce Labs ignores would otherwise go unnoticed: every user's builds would count
    # for this one.
    if user_id is not None and not all(_is_of(row, user_id) for row in rows):
        raise ForeignBuildError(
            f"asked for the builds of user {user_id}, Sauce Labs answered with another user's, too"
        )
    if owner is not None and not all(
        build.owner is None or is_same_user(build.owner, owner) for build in found
    ):
        raise ForeignBuildError(
            f"asked for the builds of {owner}, Sauce Labs answered with another user's, too"
        )
    return found


def _is_of(row: object, user_id: str) -> bool:
    """Tell whether the build belongs to that user. Ids are written with dashes or without."""
    owner_id = row.get("owner_id") if isinstance(row, Mapping) else None
    return (
        isinstance(owner_id, str)
        and owner_id.replace("-", "").lower() == user_id.replace("-", "").lower()
    )


def parse_build(row: object) -> Build:
    """Parse one build record. Raises AnswerError without a usable id.

    A counter that is absent from `jobs` makes the sums UNKNOWN. `new` is the exception: recorded
    answers never have it.
    """
    if not isinstance(row, Mapping):
        raise AnswerError("a build is not an object")
    identity = row.get("id")
    if (
        not isinstance(identity, str)
        or not identity.strip()
        or len(identity) > 255
        or not identity.isprintable()
    ):
        raise AnswerError(f"a build has no usable id: {identity!a:.80}")
    finished, running, queued = (counter(row, name) for name in ("finished", "running", "queued"))
    new = counter(row, "new", absent=0)
    open_jobs = total(running, queued, new)
    status = text_field(row, "status")
    # v1 has the words of jobs, v2 those of builds.
    if isinstance(status, str):
        status = _BUILD_STATUS.get(status, status)
    return Build(
        id=identity,
        name=trimmed(text_field(row, "name")),
        owner=_build_owner(row),
        status=status,
        jobs=total(finished, open_jobs),
        open_jobs=open_jobs,
    )


def _build_owner(row: Mapping[str, object]) -> Owner | None:
    try:
        return owner_name(row.get("owner"))
    # v2 names its owner by uuid only.
    except ValueError:
        return None
