"""The policies of the attacked account, and what they say in the tests' own words: nothing of the
program decides here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

HOUR, DAY = 3_600, 86_400
POLICIES: Final = """
limits: {max_percent: null, max_jobs: LIMIT}
holds: [{tag: keep}, {tag_prefix: "keep-until="}]
policies:
  - {name: noise, match: {build: "PR-*"}, then: {archive: none, delete_assets: 3d, delete_job: 14d}}
  - name: nightly
    match: {build: "nightly-*"}
    then: {archive: {after: 2h, assets: [logs, har], discard: rest}, delete_assets: 10d, delete_job: 20d}
  - name: rest
    default: true
    then: {archive: {after: 1d, assets: [log.json, screenshots], discard: rest}, delete_assets: 25d, stop: 6h}
"""
NOTHING_DUE: Final = "\nallow: {delete_job: false, delete_assets: false, stop: false}\n"
BORDERS: Final = (2 * HOUR, 6 * HOUR, *(days * DAY for days in (1, 3, 10, 14, 20, 25, 30)))
"""Ages at which something falls due."""
ACTIONS: Final = {"job.delete": "delete_job", "assets.delete": "delete_assets", "job.stop": "stop"}
AGES: Final[Mapping[str, Mapping[str, int]]] = {
    "PR-*": {"delete_assets": 3 * DAY, "delete_job": 14 * DAY, "stop": 6 * HOUR},
    "nightly-*": {"delete_assets": 10 * DAY, "delete_job": 20 * DAY, "stop": 6 * HOUR},
    "*": {"delete_assets": 25 * DAY, "stop": 6 * HOUR},
}
_DEVICE_LOGS = ("selenium-server.log", "*server*.log", "*device*.log", "logcat.log")
WANTED: Final[Mapping[str, tuple[str, ...]]] = {
    "PR-*": (),
    "nightly-*": ("log.json", "*.har", *_DEVICE_LOGS),
    "*": ("log.json", "*.png"),
}
"""What is surely wanted of a job; more may be, where a file's kind is a matter of opinion."""
_FINAL_STATUS: Final = {"complete", "error", "errored", "passed", "failed", "finished"}
_ENDLESS: Final = (".log", ".xml")
"""Files in whose format nothing says that they are whole."""


def kind(job: Mapping[str, Any]) -> str:
    """Which policy's jobs it belongs to."""
    return next(kind for kind in AGES if fnmatchcase(str(job["build"] or ""), kind))


def is_held(job: Mapping[str, Any], at: float) -> bool:
    """Whether a tag of it holds it at that time."""
    return any(tag == "keep" or _is_kept_until(tag, at) for tag in job["tags"] or ())


def _is_kept_until(tag: str, at: float) -> bool:
    """Whether the tag names that day or a later one, in UTC; one without a date holds forever."""
    prefix, _, day = tag.partition("=")
    return prefix == "keep-until" and day >= time.strftime("%Y-%m-%d", time.gmtime(at))


def forbids(job: Mapping[str, Any], action: str, at: float) -> str | None:
    """Why the action must not be sent for the job at that time; None where a policy permits it."""
    if job["owner"] != "demo":
        return f"it is {job['owner']}'s"
    after = AGES[kind(job)].get(action)
    if after is None:
        return f"no policy permits it for {job['build']!r}"
    if action == "stop":
        started = job["start_time"] if isinstance(job["start_time"], int) else job["creation_time"]
        return (
            None
            if at - started >= after - 1
            else f"it started {(at - started) / HOUR:.2f} hours ago"
        )
    ended = job["end_time"]
    if job["status"] not in _FINAL_STATUS or not isinstance(ended, int):
        return f"it is {job['status']}"
    if at - ended < after - 1:
        return f"it ended {(at - ended) / DAY:.2f} days ago"
    return None


def is_wanted(job: Mapping[str, Any], name: str) -> bool:
    """Whether a policy surely wants the file archived."""
    return any(fnmatchcase(name, pattern) for pattern in WANTED[kind(job)])


def has_no_end(name: str) -> bool:
    """Whether nothing in the file's format says where it ends."""
    return name.endswith(_ENDLESS)
