"""What people write for a job or a build: an id, the beginning of one, an address of Sauce Labs'
web pages, or a name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from sauce_janitor.model.jobs import JobId, Owner, job_id

FEWEST_DIGITS: Final = 4
"""A shorter text is not taken for the beginning of an id."""
FEW: Final = 3
"""How many candidates a message names."""
_PREFIX: Final = re.compile(rf"[0-9a-f]{{{FEWEST_DIGITS},31}}")
_ADDRESS: Final = re.compile(r"https?://", re.IGNORECASE)
_HOST: Final = re.compile(r"(?:[a-z0-9-]+\.)*saucelabs\.com")
# Source: links in Sauce Labs' mails and client libraries: /tests/ID, /beta/tests/ID, /jobs/ID,
# /tests/ID#5 (a command).
_IN_JOB_PATH: Final = re.compile(r"/(?:tests|jobs)/([^/]+)(?:/|$)")
# Source: Builds API, `url` of a build: /builds/vdc/ID and /builds/rdc/ID.
_IN_BUILD_PATH: Final = re.compile(r"/builds/(?:(?:vdc|rdc)/)?([^/]+)(?:/|$)")
_BUILD_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")


@dataclass(frozen=True, slots=True)
class JobReference:
    """What somebody wrote for a job: a whole `id`, or the `prefix` of one if it can be that, or a
    `name` of the job or its build.

    `text` is what was written, for messages. The query of an address is left out: it may hold a key
    to the job.
    """

    text: str
    id: JobId | None = None
    prefix: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that a reference may mean. `created_at` is epoch seconds. None is unknown."""

    id: JobId
    owner: Owner
    name: str | None = None
    build: str | None = None
    created_at: int | None = None

    def __str__(self) -> str:
        called = f" {self.name}" if self.name else ""
        within = f" in build {self.build}" if self.build else ""
        return f"{self.id} (of {self.owner}:{called or ' without a name'}{within})"


def job_reference(text: str) -> JobReference:
    """Return what the text refers to. Raise ValueError for an address that is not a Sauce Labs job,
    and for an empty text.
    """
    written = text.strip()
    if not written:
        raise ValueError(
            "an empty text does not name a job: write an id, its first digits, an address or a name"
        )
    if _ADDRESS.match(written):
        # The query may hold a key to the job.
        shown = written.partition("?")[0]
        return JobReference(shown, id=_id_of_address(written))
    # A whole id is 32 hexadecimal digits; anything else may be its beginning or a name.
    low = written.lower()
    try:
        return JobReference(written, id=job_id(low))
    except ValueError:
        pass
    prefix = low if _PREFIX.fullmatch(low) else None
    return JobReference(written, prefix=prefix, name=written)


def build_reference(text: str) -> str:
    """Return the id in the address of a build, or the text itself. Raise ValueError for any other
    address.
    """
    written = text.strip()
    if not _ADDRESS.match(written):
        return written
    found = _IN_BUILD_PATH.search(_path_of(written))
    if found is None or not _BUILD_ID.fullmatch(found[1]):
        shown = written.partition("?")[0]
        raise ValueError(
            f"{shown!r:.120} is not the address of a build: write its id, or https://…/builds/vdc/ID"
        )
    return found[1]


def only(
    reference: JobReference, found: Collection[Candidate], near: Sequence[Candidate] = ()
) -> Candidate:
    """Return the one job among those found that the reference means. Raise ValueError, in one
    sentence, for none and for several.

    `near` are jobs that the message proposes when none is found.
    """
    different = {each.id: each for each in found}
    if len(different) == 1:
        return next(iter(different.values()))
    shown = f"{reference.text!r:.80}"
    if not different:
        is_short = reference.name is not None and len(reference.name) < FEWEST_DIGITS
        least = f" (an id needs at least {FEWEST_DIGITS} digits)" if is_short else ""
        hint = f"; did you mean: {_few(near, len(near))}" if near else ""
        raise ValueError(f"no known job has the id, name or build {shown}{least}{hint}")
    candidates = _few(tuple(different.values()), len(different))
    raise ValueError(
        f"{shown} matches {len(different):,} jobs, and must match one: {candidates}: "
        "give more of the id"
    )


def only_digest(text: str, digests: Collection[str]) -> str | None:
    """Return the only digest that the text equals or begins, with `sha256:` or without it; None for
    none and for several.
    """
    written = text.strip().lower().removeprefix("sha256:")
    found = {each for each in digests if each.removeprefix("sha256:").startswith(written)}
    return next(iter(found)) if len(found) == 1 and len(written) >= FEWEST_DIGITS else None


def _few(some: Sequence[Candidate], count: int) -> str:
    more = f" and {count - FEW:,} more" if count > FEW else ""
    return ", ".join(map(str, some[:FEW])) + more


def _id_of_address(address: str) -> JobId:
    shown = address.partition("?")[0]
    found = _IN_JOB_PATH.search(_path_of(address))
    try:
        return job_id(found[1].lower() if found else None)
    except ValueError:
        raise ValueError(
            f"{shown!r:.120} is not the address of a job: write its id, or "
            "https://app.saucelabs.com/tests/ID"
        ) from None


def _path_of(address: str) -> str:
    """Return the path of an address at Sauce Labs. Raise ValueError for any other host: its ids
    mean something else.
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not _HOST.fullmatch(host):
        raise ValueError(f"{address.partition('?')[0]!r:.120} is not an address at saucelabs.com")
    return parts.path
