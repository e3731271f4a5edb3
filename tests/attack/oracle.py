"""The judge of every write, at the moment it arrives at the vendor, before it has any effect.

It trusts nothing that the program says of itself: a write is judged by the truth of the sandbox, by
the bytes in the archive and by the rows in the state as another process sees them.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sauce_janitor.sandbox import Sandbox
from sauce_janitor.sandbox.core.messages import SandboxRequest
from tests.attack import truth

ALLOWED: Final = re.compile(
    r"DELETE /rest/v1/demo/jobs/[0-9a-f]{32}(/assets)?|DELETE /rest/v1\.1/jobs/[0-9a-f]{32}"
    r"|PUT /rest/v1/demo/jobs/[0-9a-f]{32}/stop"
)
OLDEST_ANSWER_S: Final = 10.0
_ON_THE_WAY_S: Final = 1.5
"""What a request takes from one process to the other on a busy machine; it is not the program's."""
_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Answered:
    """The truth about a job when its details were asked for last."""

    at: float
    document: dict[str, Any]
    is_held_here: bool


@dataclass
class Oracle:
    """What is known of the requests so far. `wrong` has every violation in words.

    `clock`: the time as the program sees it, epoch seconds. `states` and `archives`: where it keeps
    what it knows and stores. `limit`: how many jobs a run may change (None: any number).
    `is_paused`: no write may leave but `after_pause` that were on their way. `events`: what happens
    when the request of that number of a run arrives, before it is answered. `loose`: what faults
    have made differ where nobody could notice (`bytes`: of well-formed files; `ends`: of files in a
    format without one; `journal`: it was damaged). `is_shared`: several states act for one account.
    `account`: its name in the configuration.
    """

    sandbox: Sandbox
    clock: Callable[[], float]
    states: list[Path]
    archives: list[Path]
    wrong: list[str] = field(default_factory=list)
    limit: int | None = None
    is_paused: bool = False
    after_pause: int = 0
    is_shared: bool = False
    account: str = "box"
    events: dict[int, Callable[[], None]] = field(default_factory=dict)
    requests: int = 0
    loose: set[str] = field(default_factory=set)
    held_here: set[str] = field(default_factory=set)
    writes: int = 0
    sent: Counter[tuple[str, str]] = field(default_factory=Counter)
    _answered: dict[str, Answered] = field(default_factory=dict)
    _listed: dict[str, frozenset[str]] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def watch(self) -> None:
        """Look at every request from now on."""
        striking = self.sandbox.faults.striking

        def watched(request: SandboxRequest, endpoint: str, job_id: str) -> Any:
            try:
                with self._lock:
                    self._arrived(request, endpoint, job_id)
            except Exception as bug:  # noqa: BLE001 - the server would only drop the connection
                self.wrong.append(f"the oracle failed: {bug!r} at {request.method} {request.path}")
            return striking(request, endpoint, job_id)

        self.sandbox.faults.striking = watched  # type: ignore[method-assign]  # it sees what arrives

    def begin_run(self, *, limit: int | None = None) -> None:
        """A new run begins: its limit counts anew."""
        self.limit, self.requests = limit, 0
        self._changed.clear()

    def _arrived(self, request: SandboxRequest, endpoint: str, job_id: str) -> None:
        self.requests += 1
        if (event := self.events.pop(self.requests, None)) is not None:
            event()
        if request.method in {"GET", "HEAD"}:
            if endpoint in {"job.get", "jobs.lookup"}:
                for asked in _ID.findall(request.target):
                    self._note(asked)
            elif endpoint == "assets.list":
                self._listed[job_id] = frozenset(self._assets(job_id))
            return
        self.writes += 1
        if ALLOWED.fullmatch(f"{request.method} {request.path}") is None:
            self.wrong.append(f"S1: {request.method} {request.path}")
            return
        action = truth.ACTIONS[endpoint]
        self._judge(job_id, action)
        self.sent[job_id, action] += 1

    def _note(self, job_id: str) -> None:
        found = self.sandbox.truth(job_id)
        if found is not None:
            self._answered[job_id] = Answered(
                self.clock(), dict(found.document), job_id in self.held_here
            )

    def _judge(self, job_id: str, action: str) -> None:
        found = self.sandbox.truth(job_id)
        if found is None:
            self.wrong.append(f"S5: {action} of {job_id}, which never was")
            return
        now, last = self.clock(), self._answered.get(job_id)
        said = f"{action} of {job_id}"
        if self.is_paused:
            self.after_pause -= 1
            if self.after_pause < 0:
                self.wrong.append(f"S14: {said} while paused")
        self._changed.add(job_id)
        if self.limit is not None and len(self._changed) > self.limit:
            self.wrong.append(f"S7: {said} is job {len(self._changed)}, the limit is {self.limit}")
        if last is None:
            self.wrong.append(f"S6: {said}: its details were never asked for")
            return
        if now - last.at > OLDEST_ANSWER_S + _ON_THE_WAY_S:
            self.wrong.append(f"S6: {said}: the last answer about it is {now - last.at:.1f} s old")
        if truth.is_held(last.document, now) or last.is_held_here:
            self.wrong.append(f"S6: {said}: it was held when the last answer was given")
        why = truth.forbids(last.document, action, now)
        if why is not None:
            self.wrong.append(f"S5: {said}: {why}")
        self._is_announced(job_id, action)
        if action != "stop":
            self._is_covered(job_id, action, last.document)

    def _is_announced(self, job_id: str, action: str) -> None:
        """S10 and S12: an open intent, and no earlier one that is on record as done."""
        key = (bytes.fromhex(job_id), action)
        opened, done = 0, 0
        for path in self.states:
            if not path.exists():
                continue
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as state:
                query = "SELECT count(*) FROM open_intents WHERE job_id = ? AND action = ?"
                opened += state.execute(query, key).fetchone()[0]
                # not `already_gone`: where the vendor denied a job three times that it shows again,
                # it is deleted then
                query = (
                    "SELECT count(*) FROM journal WHERE job_id = ? AND action = ? AND outcome ="
                    " 'confirmed'"
                )
                done += state.execute(query, key).fetchone()[0]
        if not opened:
            self.wrong.append(f"S10: {action} of {job_id} without an intent")
        if self.is_shared:
            return  # what another state has done is no fault of this one's
        if opened > 1:
            self.wrong.append(f"S12: {action} of {job_id} with {opened} open intents")
        if done:
            self.wrong.append(f"S12: {action} of {job_id}, which is on record as done")

    def _assets(self, job_id: str) -> dict[str, Callable[[], bytes]]:
        """Every listed file that the job has now."""
        job = self.sandbox.world.job(job_id)
        if job is None:
            return {}
        return {
            asset.name: asset.read
            for asset in self.sandbox.world.assets(job)
            if not asset.is_hidden
        }

    def _is_covered(self, job_id: str, action: str, document: dict[str, Any]) -> None:
        """S3 and S4: every listed file is stored with its bytes, or given up by the policy."""
        if not truth.WANTED[truth.kind(document)]:
            return
        assets = self._assets(job_id)
        if assets and job_id not in self._listed:
            self.wrong.append(f"S3: {action} of {job_id}: its files were never listed")
        receipts = self.receipts(job_id)
        discarded = {each["name"] for receipt, _ in receipts for each in receipt["discarded"]}
        for name, read in assets.items():
            if name not in self._listed.get(job_id, ()):
                continue  # it came after the list, which is younger than 60 s
            copies = [
                folder / asset["file"]
                for receipt, folder in receipts
                for asset in receipt["assets"]
                if asset["name"] == name
            ]
            if copies:
                self._is_true(job_id, name, read(), copies)
            elif name not in discarded or truth.is_wanted(document, name):
                self.wrong.append(
                    f"S3: {name} of {job_id} is destroyed, neither stored nor given up"
                )

    def _is_true(self, job_id: str, name: str, held: bytes, copies: list[Path]) -> None:
        stored = [copy.read_bytes() for copy in copies if copy.is_file()]
        if not stored:
            self.wrong.append(
                f"S3: {name} of {job_id} is destroyed, its receipt names it and it is not there"
            )
        elif held not in stored and not self._may_differ(name):
            self.wrong.append(f"S4: {name} of {job_id} is destroyed, and stored as something else")

    def _may_differ(self, name: str) -> bool:
        """Whether a fault changed bytes in a way that nobody could notice."""
        return "bytes" in self.loose or ("ends" in self.loose and truth.has_no_end(name))

    def receipts(self, job_id: str) -> list[tuple[dict[str, Any], Path]]:
        """Every receipt of the job that is in an archive, with its folder."""
        pattern = f"{self.account}/demo/*/*/*/{job_id}/receipt*.json"
        paths = [path for root in self.archives for path in sorted(root.glob(pattern))]
        return [(json.loads(path.read_text()), path.parent) for path in paths]
