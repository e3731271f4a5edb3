"""Jobs and builds as JSON documents, in the shapes of the API.

Source of the shapes: Jobs API Methods (samples), saucerest-java's and node-saucelabs' recorded
answers.
"""

from __future__ import annotations

from collections.abc import Sequence

from sauce_janitor.sandbox.core.people import Organisation, Person
from sauce_janitor.sandbox.world.job_facts import JobFacts
from sauce_janitor.sandbox.world.ledger import OwnerLedger

_BACKENDS = {"webdriver": "webdriver", "cypress": "cypress", "appium": "appium", "manual": None}


def job_document(
    person: Person, job_id: str, facts: JobFacts, patch: dict[str, object] | None, base_url: str
) -> dict[str, object]:
    """Return the full job document, for details and for the rows of a list with `full=true`."""
    commands = 20 + facts.index % 60
    document: dict[str, object] = {
        "browser_short_version": facts.version.split(".")[0],
        "video_url": f"{base_url}/jobs/{job_id}/video.mp4",
        "creation_time": facts.created_at,
        "custom-data": facts.custom_data,
        "browser_version": facts.version,
        "owner": person.name,
        "automation_backend": _BACKENDS[facts.kind],
        "id": job_id,
        "collects_automator_log": facts.is_extended,
        "record_screenshots": facts.screenshots > 0,
        "record_video": True,
        "build": facts.build_text,
        "passed": facts.passed,
        "public": facts.public,
        "assigned_tunnel_id": None,
        "status": facts.status,
        "log_url": f"{base_url}/jobs/{job_id}/selenium-server.log",
        "start_time": facts.started_at,
        "proxied": False,
        "modification_time": facts.modified_at,
        "tags": list(facts.tags),
        "name": facts.name,
        "commands_not_successful": 0 if facts.passed else 1 + facts.index % 5,
        # A secret that an archive must remove; it is in saucerest-java's recorded documents.
        "video_secret": facts.dice.hex(56, 16),
        # Computed last, because a change of status or result changes it too.
        "consolidated_status": "",
        "selenium_version": None,
        "manual": facts.kind == "manual",
        "end_time": facts.ended_at,
        "error": facts.error,
        "os": facts.platform.os,
        "breakpointed": None,
        "browser": facts.platform.browser,
        "command_counts": {"All": commands, "Error": 0 if facts.passed else 1 + facts.index % 5},
        "deletion_time": None,
    }
    if patch:
        document.update(patch)
    if not patch or "consolidated_status" not in patch:
        document["consolidated_status"] = _consolidated(document)
    return document


def seed_row(
    document: dict[str, object], organisation: Organisation, person: Person, access_key: str
) -> dict[str, object]:
    """Return a row of a list without `full`: it has no owner, name, build, tags, result or end."""
    return {
        "status": document["status"],
        "base_config": {
            "username": person.name,
            "name": document["name"],
            "accesskey": access_key,
            "platform": document["os"],
            "browserName": document["browser"],
            "version": document["browser_short_version"],
            "extendedDebugging": document["collects_automator_log"],
            "capturePerformance": document["collects_automator_log"],
            "sauce:options": {
                "username": person.name,
                "accessKey": access_key,
                "tags": document["tags"],
            },
        },
        "command_counts": document["command_counts"],
        "deletion_time": None,
        "url": None,
        "org_id": organisation.uuid,
        "creation_time": document["creation_time"],
        "id": document["id"],
        "team_id": person.team_uuid,
        "performance_enabled": document["collects_automator_log"],
        "assigned_tunnel_id": None,
        "container": False,
        "group_id": organisation.uuid,
        "public": document["public"],
        "breakpointed": None,
    }


def _consolidated(document: dict[str, object]) -> object:
    """Return the status that the web interface shows. A running job can already have its result."""
    # The result wins over the status, so a job in progress can say `passed` (saucerest-java's issue
    # 56).
    if document["passed"] is not None:
        return "passed" if document["passed"] else "failed"
    if document["status"] == "error" or document["error"]:
        return "error"
    return document["status"]


def is_public(value: object) -> bool:
    """Return whether `public` has the role `public`, alone or among others (`team,public`)."""
    return isinstance(value, str) and "public" in [role.strip() for role in value.split(",")]


class BuildStatusCounts:
    """Counts the jobs of a build by the status that the Builds API has."""

    def __init__(self, ledger: OwnerLedger, members: Sequence[int]) -> None:
        self.running = self.queued = self.errored = self.failed = self.passed = self.completed = (
            self.public
        ) = 0
        self.created, self.started, self.ended, self.modified = [], [], [], []  # type: list[int], list[int], list[int], list[int]
        for index in members:
            self._count(ledger.facts(index), ledger.patches.get(index, {}))

    def _count(self, facts: JobFacts, patch: dict[str, object]) -> None:
        ended = patch.get("end_time", facts.ended_at)
        status, passed = patch.get("status", facts.status), patch.get("passed", facts.passed)
        self.public += is_public(patch.get("public", facts.public))
        self.created.append(facts.created_at)
        self.modified.append(facts.modified_at)
        self.started.append(facts.started_at or facts.created_at)
        # A job has ended once it has an end, whatever else it says: a job in progress can have a
        # result.
        if not isinstance(ended, int):
            if status in {"queued", "new"}:
                self.queued += 1
            else:
                self.running += 1
            return
        self.ended.append(ended)
        # In a build an error wins over a result; in Insights the result wins.
        if status == "error" or patch.get("error", facts.error):
            self.errored += 1
        elif passed is None:
            self.completed += 1
        elif passed:
            self.passed += 1
        else:
            self.failed += 1

    @property
    def finished(self) -> int:
        """Return how many jobs have ended."""
        return self.errored + self.failed + self.passed + self.completed

    @property
    def status(self) -> str:
        """Return running, error, failed, success or complete, in this order of precedence.

        Source: "Builds API Methods".
        """
        if self.running or self.queued:
            return "running"
        if self.errored:
            return "error"
        if self.failed:
            return "failed"
        return "success" if self.finished == self.passed else "complete"

    def document(self) -> dict[str, int]:
        """Return the `jobs` member of a build."""
        return {
            "completed": self.completed,
            "errored": self.errored,
            "failed": self.failed,
            "finished": self.finished,
            "passed": self.passed,
            "public": self.public,
            "queued": self.queued,
            "running": self.running,
        }


def build_document(
    organisation: Organisation,
    person: Person,
    build_id: str,
    name: str,
    counters: BuildStatusCounts,
) -> dict[str, object]:
    """Return a build in the shape of v2.

    `end_time` is set even while jobs run, as in saucerest-java's recorded answer.
    """
    created_at = min(counters.created, default=0)
    return {
        "creation_time": created_at,
        "deletion_time": None,
        "end_time": max(counters.ended, default=None),
        "group_id": organisation.uuid,
        "id": build_id,
        "jobs": counters.document(),
        "modification_time": max(counters.modified, default=created_at),
        "name": name,
        "org_id": organisation.uuid,
        "owner_id": person.uuid,
        "passed": None,
        "public": False,
        "run": 0,
        "source": "vdc",
        "start_time": min(counters.started, default=created_at),
        "status": counters.status,
        "team_id": person.team_uuid,
    }


def build_document_v1(document: dict[str, object], person: Person) -> dict[str, object]:
    """Return the build in the shape of v1: with the owner's name, number, prefix and result."""
    verdicts = {"success": True, "failed": False, "error": False}
    # v1 names the owner and does not know where a build ran.
    old = {key: value for key, value in document.items() if key not in {"owner_id", "source"}}
    return {
        **old,
        "number": None,
        "prefix": None,
        "owner": person.name,
        "passed": verdicts.get(str(document["status"])),
    }


def build_member(job_id: str, document: dict[str, object]) -> dict[str, object]:
    """Return a job in the shape of v2's list of a build's jobs."""
    status, passed, is_over = (
        document["status"],
        document["passed"],
        document["end_time"] is not None,
    )
    is_error = is_over and (status == "error" or bool(document["error"]))
    return {
        "creation_time": document["creation_time"],
        "deletion_time": None,
        "id": job_id,
        "modification_time": document["modification_time"],
        "state": {
            "completed": is_over and passed is None and not is_error,
            "errored": is_error,
            "failed": is_over and passed is False,
            "finished": is_over,
            "new": status == "new",
            "passed": is_over and passed is True,
            "public": is_public(document["public"]),
            "queued": status == "queued",
            "running": not is_over and status not in {"new", "queued"},
        },
    }
