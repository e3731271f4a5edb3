"""Policies that `init` proposes from the jobs of an account: for its builds, tags and suites.

They are cautious. Jobs that look like releases are kept, and so are the newest and the last passed
ones of all others. The assets of the rest are deleted four days before Sauce Labs purges them,
after they are archived and verified. No proposal deletes a job.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sauce_janitor.model.jobs import Job

_FEWEST_JOBS: Final = 10
_MOST_OF_A_KIND: Final = 3
_NOISE: Final = frozenset(
    {"pr", "pull", "mr", "merge", "branch", "feature", "feat", "fix", "bugfix", "dependabot",
     "renovate", "wip", "dev", "tmp", "temp", "draft"}
)  # fmt: skip
"""First words of builds that hardly anybody looks at after the merge."""
_KEPT: Final = frozenset(
    {"release", "rel", "rc", "prod", "production", "hotfix", "stable", "audit", "baseline",
     "golden", "certified", "legal"}
)  # fmt: skip
"""First words of builds and tags that somebody may need years later."""
_PERSONAL: Final = frozenset({"pii", "gdpr", "dsgvo", "ccpa", "personal", "privacy"})
"""First words of tags for personal data, which no proposal should keep longer."""
_HELD: Final = ("keep", "keep-until=")
"""The tags of the holds in the file that `init` writes."""
_SAFE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._:/#+()@=&-]{0,78}[A-Za-z0-9.)+#-])?")
"""Names without quotes, wildcards or look-alike letters: plain text in YAML and in a glob."""
_SECRET: Final = re.compile(r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-|[A-Za-z0-9_+/]{25,}")
"""Text that may be an access key or a token: these are UUIDs, or long."""
_SEPARATORS: Final = " -_./#:"
_DIGITS: Final = re.compile(r"\d")
_WORD: Final = re.compile(r"[^a-z]+")


@dataclass(frozen=True, slots=True)
class JobSample:
    """The jobs of an account of so many days; only the newest ones unless `is_whole`.

    `whose` names the account for people.
    """

    whose: str
    days: int
    jobs: Sequence[Job]
    is_whole: bool = True

    def __str__(self) -> str:
        """Return `300 jobs in 90 days`, or `the newest 5,000 jobs (12 days)`."""
        count = f"{len(self.jobs):,} jobs"
        if self.is_whole:
            return f"{count} in {self.days} days"
        return f"the newest {count} ({self.days} days)"


@dataclass(frozen=True, slots=True)
class Proposal:
    """One policy as lines of YAML, with a comment that says how many jobs it matches."""

    name: str
    text: str


def proposals(sample: JobSample) -> Iterator[Proposal]:
    """Yield policies for builds, then tags, then suites, of each kind for those with most jobs.

    A name that has a special meaning in YAML or in a glob, or may be a secret, gets no policy.
    """
    taken: set[str] = set()
    for kind, found in (
        ("build", _builds(sample.jobs)),
        ("tag", _tags(sample.jobs)),
        ("suite", _suites(sample.jobs)),
    ):
        # A file of a few policies gets read; one of hundreds is committed unread.
        for group in found[:_MOST_OF_A_KIND]:
            name = _free_name(kind, group.label, taken)
            taken.add(name)
            yield Proposal(name, _policy(name, group, sample))


def held(sample: JobSample) -> int:
    """Return how many jobs have a tag of the holds in the file that `init` writes."""
    return sum(any(_is_held(tag) for tag in _tags_of(job)) for job in sample.jobs)


@dataclass(frozen=True, slots=True)
class _Group:
    """Jobs whose `field` matches `pattern`. `predicate` ends a sentence `412 of 900 jobs …`."""

    field: str
    pattern: str
    label: str
    predicate: str
    jobs: int


def _builds(jobs: Sequence[Job]) -> list[_Group]:
    builds = Counter(job.build for job in jobs if isinstance(job.build, str))
    names: dict[str, list[str]] = {}
    for build in filter(_is_safe, builds):
        names.setdefault(_head(build) or build, []).append(build)
    groups = []
    for text, own in names.items():
        # One build is no family, so its name is used as it is.
        if len(own) == 1:
            [build] = own
            groups.append(
                _Group("build", build, build, f"are of the build {_quoted(build)}", builds[build])
            )
            continue
        # All builds that the glob matches, not only those with a number after the text.
        matched = [build for build in builds if build.startswith(text)]
        predicate = f"are of {len(matched):,} builds that begin with {_quoted(text)}"
        groups.append(
            _Group("build", f"{text}*", text, predicate, sum(builds[build] for build in matched))
        )
    return _most(groups)


def _head(build: str) -> str:
    """Return the part of a build's name before its first number, "" if that is not a word.

    The letters before the first digit of a hash are not a word.
    """
    head = _DIGITS.split(build, maxsplit=1)[0]
    letters = head.rstrip(_SEPARATORS)
    is_word = len(letters) >= 2 and (
        head != letters or len(letters) >= 4 or _word(letters) in _NOISE | _KEPT
    )
    return head if is_word and head != build else ""


def _tags(jobs: Sequence[Job]) -> list[_Group]:
    tags: Counter[str] = Counter()
    for job in jobs:
        tags.update(set(_tags_of(job)))
    safe = [
        tag for tag in tags if _is_safe(tag) and not _is_held(tag) and _word(tag) not in _PERSONAL
    ]
    return _most(
        _Group("tags", tag, tag, f"carry the tag {_quoted(tag)}", tags[tag]) for tag in safe
    )


def _suites(jobs: Sequence[Job]) -> list[_Group]:
    names = Counter(job.name for job in jobs if isinstance(job.name, str))
    safe = [name for name in names if _is_safe(name)]
    return _most(
        _Group("name", name, name, f"have the name {_quoted(name)}", names[name]) for name in safe
    )


def _most(groups: Iterable[_Group]) -> list[_Group]:
    many = [group for group in groups if group.jobs >= _FEWEST_JOBS]
    return sorted(many, key=lambda group: (-group.jobs, group.pattern))


def _policy(name: str, group: _Group, sample: JobSample) -> str:
    word = _word(group.label)
    lines = [
        f"  # {group.jobs:,} of {sample} {group.predicate}.",
        f"  - name: {name}",
        f"    match: {{{group.field}: {_quoted(group.pattern)}}}",
    ]
    # Only builds and tags: a test named `release notes` is no release.
    if group.field != "name" and word in _KEPT:
        lines += ["    then: {archive: 2h, delete_assets: never, delete_job: never}"]
        return "\n".join(lines) + "\n"
    # Without keep rules: hardly anybody looks at a merged branch again.
    if group.field == "build" and word in _NOISE:
        lines += ["    then: {archive: 24d, delete_assets: 26d}   # the job itself stays"]
        return "\n".join(lines) + "\n"
    # All jobs have the same name here, so it would not separate any.
    by = "[os, browser]" if group.field == "name" else "[name, os, browser]"
    lines += [
        f"    group_by: {by}",
        "    keep:",
        "      - {id: recent, last: 20}",
        "      - {id: last-green, last: 1, where: {status: passed}}",
        "    then: {archive: 24d, delete_assets: 26d}   # the job itself stays",
    ]
    return "\n".join(lines) + "\n"


def _word(label: str) -> str:
    """Return the first word in lower case."""
    return next(filter(None, _WORD.split(label.lower())), "")


def _tags_of(job: Job) -> Sequence[str]:
    return job.tags if isinstance(job.tags, tuple) else ()


def _is_held(tag: str) -> bool:
    return tag == _HELD[0] or tag.startswith(_HELD[1])


def _is_safe(text: str) -> bool:
    return _SAFE.fullmatch(text) is not None and _SECRET.search(text) is None


def _free_name(kind: str, label: str, taken: set[str]) -> str:
    stem = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:40].strip("-")
    name = first = f"{kind}-{stem}"
    number = 2
    while name in taken:
        name, number = f"{first}-{number}", number + 1
    return name


def _quoted(text: str) -> str:
    """Return text in double quotes, which YAML and JSON read alike."""
    return json.dumps(text)
