"""What must never happen, judged at the server while it happens, with every fault of the sandbox
on.

Nothing here trusts what the program says of itself: a write is judged when its effect is known and
before it is answered, by the truth of the sandbox, the files in the archive and the rows in the
state.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import pytest

from sauce_janitor.errors import JanitorError, RefusedError
from sauce_janitor.execute.events import Skip
from sauce_janitor.model.jobs import JobId
from sauce_janitor.sandbox.core.request_log import LoggedRequest
from sauce_janitor.sandbox.faults.decorators import SETTINGS
from tests.support.commands import DAY, Commands

POLICIES = """
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
IMPATIENT = (
    ", timeout: 1s, timeout_total: 3s, retries: {attempts: 2, max_wait: 1s}, listing: {full_every:"
    " 1min}"
)

ALLOWED = re.compile(
    r"DELETE /rest/v1/demo/jobs/[0-9a-f]{32}(/assets)?|DELETE /rest/v1\.1/jobs/[0-9a-f]{32}"
    r"|PUT /rest/v1/demo/jobs/[0-9a-f]{32}/stop"
)
ACTIONS = {"job.delete": "delete_job", "assets.delete": "delete_assets", "job.stop": "stop"}
FINAL_STATUS = {"complete", "error", "errored", "passed", "failed", "finished"}
AGES: Mapping[str, Mapping[str, int]] = {
    "PR-*": {"delete_assets": 3 * DAY, "delete_job": 14 * DAY, "stop": 6 * 3600},
    "nightly-*": {"delete_assets": 10 * DAY, "delete_job": 20 * DAY, "stop": 6 * 3600},
    "*": {"delete_assets": 25 * DAY, "stop": 6 * 3600},
}
WANTED: Mapping[str, tuple[str, ...]] = {
    "PR-*": (),
    "nightly-*": (
        "log.json",
        "*.har",
        "selenium-server.log",
        "*server*.log",
        "*device*.log",
        "logcat.log",
    ),
    "*": ("log.json", "*.png"),
}


@dataclass
class Judge:
    """Looks at every request when its effect is known; what it finds wrong is in `wrong`."""

    desk: Commands
    wrong: list[str] = field(default_factory=list)
    held_locally: set[str] = field(default_factory=set)
    listings: Counter[str] = field(default_factory=Counter)
    moving: set[str] = field(default_factory=set)

    def saw(self, entry: LoggedRequest) -> None:
        """One request."""
        if entry.endpoint == "assets.list":
            self.listings[str(entry.job_id)] += 1
        if entry.method in {"GET", "HEAD"}:
            return
        if ALLOWED.fullmatch(f"{entry.method} {entry.path}") is None:
            self.wrong.append(f"S1: {entry.method} {entry.path}")
            return
        action = ACTIONS[str(entry.endpoint)]
        self._may_be_touched(entry, action)
        self._is_announced(entry, action)
        kept = self._receipts(str(entry.job_id))
        for asset in entry.destroyed:
            if asset.is_listed:
                self._may_be_destroyed(
                    entry, asset.name, hashlib.sha256(asset.read()).hexdigest(), kept
                )

    def _truth(self, job_id: str) -> dict[str, Any]:
        truth = self.desk.sandbox.truth(job_id)
        assert truth is not None
        return truth.document

    def _may_be_touched(self, entry: LoggedRequest, action: str) -> None:
        job = self._truth(str(entry.job_id))
        said = f"{action} of {entry.job_id} {entry.faults}"
        if job["owner"] != "demo":
            self.wrong.append(f"S5: {said}: it is {job['owner']}'s")
        tags = job["tags"] or ()
        if "tags" not in self.moving and any(
            tag == "keep" or tag.startswith("keep-until=") for tag in tags
        ):
            self.wrong.append(f"S5: {said}: held by {tags}")
        if entry.job_id in self.held_locally:
            self.wrong.append(f"S5: {said}: held here")
        after = AGES[_kind(job)].get(action)
        if after is None:
            self.wrong.append(f"S5: {said}: no policy says so of {job['build']!r}")
        elif action != "stop":
            ended = job["end_time"]
            if job["status"] not in FINAL_STATUS or not isinstance(ended, int):
                self.wrong.append(f"S5: {said}: it is {job['status']}")
            elif (age := entry.at + self.desk.later_s - ended) < after - 1:
                self.wrong.append(f"S5: {said}: it ended {age / DAY:.2f} days ago")

    def _is_announced(self, entry: LoggedRequest, action: str) -> None:
        with closing(
            sqlite3.connect(f"file:{self.desk.folder / 'state.db'}?mode=ro", uri=True)
        ) as state:
            query = "SELECT count(*) FROM open_intents WHERE job_id = ? AND action = ?"
            if not state.execute(query, (bytes.fromhex(str(entry.job_id)), action)).fetchone()[0]:
                self.wrong.append(f"S10: {action} of {entry.job_id} without an intent")

    def _receipts(self, job_id: str) -> list[dict[str, Any]]:
        ended = self._truth(job_id)["end_time"]
        if not isinstance(ended, int):
            return []
        day = datetime.fromtimestamp(ended, UTC).strftime("%Y/%m/%d")
        folder = self.desk.folder / "archive" / "box" / "demo" / day / job_id
        return [
            json.loads(path.read_text()) | {"folder": folder}
            for path in sorted(folder.glob("receipt*.json"))
        ]

    def _may_be_destroyed(
        self, entry: LoggedRequest, name: str, sha256: str, receipts: list[dict[str, Any]]
    ) -> None:
        wanted = WANTED[_kind(self._truth(str(entry.job_id)))]
        if not wanted or (name == "late.log" and self.listings[str(entry.job_id)] < 2):
            return  # nothing wanted; or it came after the one list that was younger than 60 s
        stored = {asset["name"]: asset for receipt in receipts for asset in receipt["assets"]}
        discarded = {each["name"] for receipt in receipts for each in receipt["discarded"]}
        if name in stored:
            file = receipts[-1]["folder"] / stored[name]["file"]
            held = hashlib.sha256(file.read_bytes()).hexdigest()
            if held != stored[name]["sha256"]:
                self.wrong.append(f"S15: {file} is not what its receipt says")
            endless = "ends" in self.moving and name.endswith((".log", ".xml"))
            if held != sha256 and "bytes" not in self.moving and not endless:
                self.wrong.append(
                    f"S4: {name} of {entry.job_id} was archived as something else {entry.faults}"
                )
        elif name not in discarded or any(fnmatchcase(name, pattern) for pattern in wanted):
            self.wrong.append(
                f"S3: {name} of {entry.job_id} is destroyed, neither stored nor given up"
                f" {entry.faults}"
            )

    # --- afterwards -------------------------------------------------------------------------------

    def check_journal(self, *, truthful: bool) -> None:
        """S10: journal and log explain each other; `truthful`: what Sauce answers of jobs can be
        believed.
        """
        journal = self.desk.state.journal
        journal.verify()
        sent = Counter(
            (str(entry.job_id), ACTIONS[str(entry.endpoint)])
            for entry in self.desk.sandbox.log.writes()
            if entry.endpoint in ACTIONS
        )
        intents: Counter[tuple[str, str]] = Counter()
        outcomes: dict[tuple[str, str], list[str]] = {}
        for line in journal.lines():
            key = (str(line.job_id), str(line.action))
            intents[key] += line.kind == "intent"
            if line.kind == "outcome" and line.outcome is not None:
                outcomes.setdefault(key, []).append(line.outcome)
        assert not sent - intents, "a write without an intent"
        for key, ended in outcomes.items():
            assert ended.count("confirmed") <= 1, f"{key}: {ended}"
            if "confirmed" in ended:
                assert sent[key], f"{key} is on record as done and was never sent"
            if truthful and "confirmed" in ended and key[1] == "delete_job":
                assert self._is_gone(key[0]), f"{key} is on record as done and is still there"
        waiting = Counter((str(one.job_id), str(one.action)) for one in journal.unresolved("box"))
        for key, number in intents.items():
            final = [outcome for outcome in outcomes.get(key, ()) if outcome != "unknown"]
            assert len(final) + waiting[key] == number, (
                f"{key}: {number} intents, {final}, {waiting[key]} open"
            )

    def is_unsettled(self, job_id: str) -> bool:
        """Whether the job ended so recently that nothing of it is touched yet: it was stopped just
        now.
        """
        ended = self._truth(job_id)["end_time"]
        return isinstance(ended, int) and time.time() - ended < 600

    def _is_gone(self, job_id: str) -> bool:
        truth = self.desk.sandbox.truth(job_id)
        return truth is not None and not truth.exists


def _kind(job: Mapping[str, Any]) -> str:
    return next(kind for kind in AGES if fnmatchcase(str(job["build"] or ""), kind))


@pytest.fixture
def judged(open_desk: Callable[..., Commands], monkeypatch: pytest.MonkeyPatch) -> Iterator[Judge]:
    """A desk whose sandbox is watched by a judge."""
    desk = open_desk(24, seed=7)
    for hours in (1, 9, 90):
        started = int(time.time()) - hours * 3600
        running: dict[str, Any] = {
            "status": "in progress",
            "start_time": started,
            "end_time": None,
            "modification_time": started,
        }
        desk.sandbox.arrive(created_at=started, build="PR-7", tags=[], **running)
    for job_id in itertools.islice(desk.sandbox.job_ids(), 12, None, 5):
        desk.sandbox.edit(job_id, tags=["keep"])
    judge = Judge(desk)
    add = desk.sandbox.log.add

    def watched(entry: LoggedRequest) -> None:
        add(entry)
        judge.saw(entry)

    monkeypatch.setattr(desk.sandbox.log, "add", watched)
    desk.configure(POLICIES.replace("LIMIT", "null"), budget=IMPATIENT)
    yield judge
    assert judge.wrong == []


def attempt(desk: Commands, **order: Any) -> bool:
    """One run, whatever it meets; whether it came to its end. Anything but a JanitorError is a bug
    and shows.
    """
    desk.later_s += 5  # what was listed in this very second is not listed again
    try:
        return desk.run(**order).complete
    except JanitorError:
        return False


def live_through(judge: Judge, *, truthful: bool) -> None:
    """A dry run, a run over its limit, a real one, with faults; then faults stop, and two runs must
    bring all to its end.
    """
    desk = judge.desk
    attempt(desk)
    assert desk.writes() == [], "S2"
    desk.configure(POLICIES.replace("LIMIT", "2"), budget=IMPATIENT)
    attempt(desk, execute=True)
    assert len({job for _, job in desk.writes()}) <= 2, "S7"
    desk.configure(POLICIES.replace("LIMIT", "null"), budget=IMPATIENT)
    attempt(desk, execute=True)
    judge.check_journal(truthful=truthful)
    desk.sandbox.faults.disarm()
    for count in desk.folder.glob("state.db.budget*"):
        count.unlink()  # a Retry-After holds everything back for up to an hour, which is over now
    for _ in range(2):
        desk.later_s += (
            65  # past full_every: what a lying list left behind is put right by a full one
        )
        attempt(desk, execute=True, accept_loss=True)
    desk.later_s += 5
    last = desk.run(execute=True)
    judge.check_journal(truthful=truthful)
    assert last.complete, last.execution
    left = [job for job in last.plan.jobs() if not judge.is_unsettled(job.job_id)]
    assert left == [], "L1"
    with closing(sqlite3.connect(desk.folder / "state.db")) as state:
        assert state.execute("SELECT count(*) FROM open_intents").fetchone() == (0,)


FAST: Mapping[str, Mapping[str, Any]] = {
    "delay": {"seconds": 0.2},
    "stall": {"seconds": 2, "times": 1},
    "drip": {"bytes_per_second": 50, "times": 1},
    "endless": {"megabytes": 40, "times": 2},
    "gzip_bomb": {"megabytes": 80, "times": 2},
    "big_header": {"kilobytes": 200},
    "lie": {"set": {"end_time": 1_500_000_000}, "endpoint": "jobs.list"},
    "status": {"status": 404},
}
LIES: tuple[dict[str, Any], ...] = (
    {"fault": "lie", "endpoint": "jobs.list", "set": {"owner": "mallory"}, "row": 3},
    {"fault": "lie", "endpoint": "jobs.list", "set": {"tags": []}},
    {"fault": "lie", "endpoint": "jobs.list", "set": {"build": "PR-1"}},
    {
        "fault": "lie",
        "endpoint": "jobs.list",
        "set": {"status": "passed", "end_time": 1_600_000_000},
    },
    {"fault": "lie", "endpoint": "job.get", "set": {"tags": [], "status": "complete"}},
    {"fault": "lie", "endpoint": "jobs.lookup", "set": {"tags": []}},
    {"fault": "lie", "endpoint": "jobs.lookup", "drop": ["end_time"]},
    {"fault": "status", "endpoint": "job.get", "status": 404},
    {"fault": "status", "endpoint": "assets.list", "status": 404},
    {"fault": "status", "endpoint": "jobs.lookup", "status": 404},
    {"fault": "status", "endpoint": "*.delete", "status": 204},
    {"fault": "status", "endpoint": "*.delete", "status": 401, "times": 1},
    {"fault": "status", "endpoint": "*.delete", "status": 403},
    {"fault": "status", "endpoint": "*.delete", "status": 429, "retry_after": 99999999},
    {"fault": "done_but_status", "endpoint": "*.delete", "status": 500},
    {"fault": "done_but_status", "endpoint": "*.delete", "status": 404},
    {"fault": "done_but_status", "endpoint": "*.delete", "status": 400},
    {"fault": "done_but_status", "endpoint": "*.delete", "status": 401, "times": 1},
    {"fault": "done_but_status", "endpoint": "*.delete", "status": 403},
    {"fault": "done_but_disconnected", "method": "DELETE"},
    {"fault": "without_effect", "method": "DELETE"},
    {"fault": "without_effect", "endpoint": "job.stop"},
    {"fault": "html", "method": "DELETE"},
    {"fault": "redirect", "method": "DELETE"},
    {"fault": "redirect", "method": "DELETE", "status": 307, "to": "/rest/v1/demo/jobs"},
    {"fault": "late_asset", "endpoint": "asset.get"},
    {"fault": "late_asset", "endpoint": "assets.list"},
    {"fault": "late_edit", "endpoint": "jobs.list"},
    {"fault": "late_edit", "endpoint": "assets.list"},
    {"fault": "late_edit", "endpoint": "job.get"},
    {"fault": "short_page", "endpoint": "jobs.list"},
    {"fault": "clock_skew", "seconds": 4000},
    {"fault": "clock_skew", "seconds": -4000, "method": "DELETE"},
)


SAID_WELL = frozenset(
    {
        "bad_row",
        "cut_at_source",
        "flipped_byte",
        "ghost_file",
        "heavy_rows",
        "other_kind",
        "trailing_garbage",
        "deep_json",
        "not_a_list",
        "empty_list",
        "short_page",
        "duplicate_rows",
        "lie",
        "foreign_owner",
        "wrong_id",
        "empty_id",
        "nan",
        "nulls",
        "milliseconds",
        "times_as_text",
        "hostile_assets",
    }
)
"""Faults that change what is said and not how it is framed: the vendor gives no hash, so that an
asset that is well-formed is believed.
"""


def _moving(fault: Mapping[str, Any]) -> set[str]:
    """What the fault makes differ in a way that nobody could see before the write left."""
    endpoint, found = fault.get("endpoint", "*"), set()
    if fault["fault"] == "late_edit" and endpoint in {"*", "job.get"}:
        found.add("tags")  # changed right after the last answer before the write
    if fault["fault"] in SAID_WELL and endpoint == "*":
        found.add("bytes")
    if fault["fault"] == "short_unframed":
        found.add(
            "ends"
        )  # cut twice at the same place, with neither framing nor a format that has an end
    return found


def _is_truthful(fault: Mapping[str, Any]) -> bool:
    """Whether what is asked after a write is answered by the truth."""
    return fault.get("method") == "DELETE" or str(fault.get("endpoint", "*")).endswith(
        (".delete", "job.stop")
    )


# A mix costs as much as three single faults: `make test` tries a sample.
SEEDS = [
    *range(4),
    *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(4, 20)),
]


def _named(fault: Mapping[str, Any]) -> str:
    return " ".join(str(value) for value in fault.values())


# A world takes a second of CPU. Every fault has its odd answers in tests/integration/faults as well:
# `make test` tries every other fault here.
SINGLE_FAULTS = [
    pytest.param(name, marks=pytest.mark.thorough) if number % 2 else name
    for number, name in enumerate(sorted(SETTINGS))
]


@pytest.mark.parametrize("name", SINGLE_FAULTS)
def test_with_a_fault_everywhere_now_and_then_nothing_forbidden_happens(
    judged: Judge, name: str
) -> None:
    fault = {"fault": name, "chance": 0.3, **FAST.get(name, {})}
    judged.moving = _moving(fault)
    judged.desk.sandbox.inject(fault.pop("fault"), **fault)
    live_through(judged, truthful=False)


@pytest.mark.parametrize("fault", LIES, ids=_named)
def test_with_a_lie_told_always_nothing_forbidden_happens(
    judged: Judge, fault: dict[str, Any]
) -> None:
    judged.moving = _moving(fault)
    judged.desk.sandbox.inject(
        fault["fault"], **{key: value for key, value in fault.items() if key != "fault"}
    )
    live_through(judged, truthful=_is_truthful(fault))


@pytest.mark.parametrize("seed", SEEDS)
def test_with_a_mix_of_faults_nothing_forbidden_happens(judged: Judge, seed: int) -> None:
    chance = random.Random(seed)
    quick = sorted(SETTINGS.keys() - {"drip", "stall", "endless", "gzip_bomb", "delay", "lie"})
    faults = [
        {"fault": name, "chance": 0.15, **FAST.get(name, {})} for name in chance.sample(quick, 4)
    ]
    faults.append({**chance.choice([lie for lie in LIES if lie["fault"] == "lie"]), "chance": 0.2})
    for fault in faults:
        judged.moving |= _moving(fault)
        judged.desk.sandbox.inject(
            fault["fault"], **{key: value for key, value in fault.items() if key != "fault"}
        )
    held = chance.sample(sorted(judged.desk.sandbox.job_ids()), 6)
    attempt(judged.desk)  # makes the account known
    judged.desk.state.holds.add(
        "box", [JobId(one) for one in held], by="t", reason="t", at=0, until=None
    )
    judged.held_locally = set(held)
    live_through(judged, truthful=False)


@pytest.mark.parametrize("name", ["empty_list", "short_page", "nulls"])
def test_with_asset_lists_that_are_often_empty_nothing_is_destroyed_within_a_day(
    judged: Judge, name: str
) -> None:
    """An empty list proves nothing, nor do several in a row: the judge sees no job go whose assets
    are not stored.

    Executing goes by the machine's clock, so that no day passes. After it, a list that is empty
    twice would be believed.
    """
    desk = judged.desk
    desk.sandbox.inject(name, endpoint="assets.list", chance=0.7)
    desk.later_s += 5
    first = desk.run(execute=True).execution
    assert first is not None
    assert set(first.skips) <= {Skip.NOTHING_LISTED}
    assert first.failures == (), "waiting is no failure"
    for _ in range(11):
        desk.later_s += 7200
        attempt(desk, execute=True, accept_loss=True)
    judged.check_journal(truthful=True)
    desk.sandbox.faults.disarm()
    desk.later_s += 2 * 7200
    last = desk.run(execute=True, accept_loss=True)
    assert last.complete, last.execution
    assert last.execution is not None
    assert last.execution.skips == {}


def test_a_world_without_faults_deletes_stops_and_archives(judged: Judge) -> None:
    """What the other tests judge does happen."""
    live_through(judged, truthful=True)
    kinds = Counter(entry.endpoint for entry in judged.desk.sandbox.log.writes())
    assert min(kinds[endpoint] for endpoint in ACTIONS) > 0
    assert (
        sum(asset.is_listed for entry in judged.desk.sandbox.log for asset in entry.destroyed) > 20
    )


def test_a_file_that_came_after_the_archive_is_stored_before_it_is_destroyed(judged: Judge) -> None:
    desk = judged.desk
    patient = POLICIES.replace("LIMIT", "null").replace(
        "delete_assets: 10d, delete_job: 20d", "delete_job: 300d"
    )
    desk.configure(patient, budget=IMPATIENT)
    assert attempt(desk, execute=True)
    archived = {path.parent.name for path in (desk.folder / "archive").rglob("receipt.json")}
    late = sorted(job_id for job_id in archived if _kind(judged._truth(job_id)) == "nightly-*")
    for job_id in late:
        desk.sandbox.upload(job_id, "network-2.har", b'{"log": {"version": "1.2", "entries": []}}')
    desk.configure(POLICIES.replace("LIMIT", "null"), budget=IMPATIENT)
    assert attempt(desk, execute=True)
    destroyed = {
        asset.job_id
        for entry in desk.sandbox.log
        for asset in entry.destroyed
        if asset.name == "network-2.har"
    }
    assert destroyed
    assert destroyed <= set(late)


def test_a_plan_over_its_limit_sends_nothing(judged: Judge) -> None:
    judged.desk.configure(POLICIES.replace("LIMIT", "2"))
    with pytest.raises(RefusedError, match="max_jobs"):
        judged.desk.run(execute=True)
    assert judged.desk.writes() == []
