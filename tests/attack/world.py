"""An attacked account: a sandbox, a folder with a configuration, an oracle; and the end of an
undisturbed run in it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import shutil
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from sauce_janitor.sandbox import Sandbox, SandboxOptions
from sauce_janitor.state import State
from tests.attack import truth
from tests.attack.oracle import Oracle
from tests.attack.processes import Nursery, Process
from tests.attack.strikes import Call, Strike

JOBS: Final = 20
SHAPES: Final = 6
"""How many different accounts there are; the last ones have running jobs too."""
_VALID_S: Final = 20 * 60
"""In an account no job falls due in the next minutes: the runs' own clock goes on."""
_SLACK_S: Final = 45 * 60
_CONFIG: Final = """
version: 1
workers: WORKERS
accounts:
  box:
    base_url: BASE_URL
    username: demo
    access_key: {env: SAUCE_ACCESS_KEY}
    timeout: 1s
    timeout_total: 3s
    retries: {attempts: ATTEMPTS, max_wait: 1s}
    listing: {full_every: 1min}
archive: {path: ARCHIVE}
state: {path: STATE}
"""
_DATED: Final = re.compile(rb"http://127\.0\.0\.1:\d+")
CODES: Final = frozenset(range(9)) - {1}
"""The documented exit codes; 1 is a bug."""


class ViolationError(Exception):
    """Something happened that must never happen."""


@dataclass(frozen=True)
class End:
    """What is left when all is done: the vendor's jobs, the archive's files, the outcomes on
    record.
    """

    vendor: dict[str, tuple[Any, ...]]
    archive: dict[str, dict[str, Any]]
    outcomes: dict[tuple[str, str], list[str]]

    def without_documents(self) -> End:
        """The same, whatever the vendor said of its jobs when they were archived."""
        archive = {name: {**stored, "job": ""} for name, stored in self.archive.items()}
        return replace(self, archive=archive)

    def differs(self, other: End) -> str | None:
        """In what it differs from the end that it should be, in words; None where it is the
        same.
        """
        for name in ("vendor", "archive", "outcomes"):
            mine, wanted = getattr(self, name), getattr(other, name)
            for key in sorted({*mine, *wanted}, key=str):
                if mine.get(key) != wanted.get(key):
                    return (
                        f"{name} of {key}: {str(mine.get(key))[:300]}, not"
                        f" {str(wanted.get(key))[:300]}"
                    )
        return None


@dataclass
class World:
    """One account, from its beginning to its end."""

    nursery: Nursery
    sandbox: Sandbox
    folder: Path
    oracle: Oracle = field(init=False)
    later_s: float = 0
    _running: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.oracle = Oracle(
            self.sandbox,
            lambda: time.time() + self.later_s,
            [self.state],
            [self.folder / "archive"],
        )
        self.oracle.watch()
        self.configure()

    @property
    def state(self) -> Path:
        """The state's file."""
        return self.folder / "state.db"

    @property
    def archive(self) -> Path:
        """The archive's root."""
        return self.folder / "archive"

    def configure(
        self,
        *,
        limit: int | None = None,
        workers: int = 1,
        attempts: int = 1,
        deletes: bool = True,
        name: str = "config.yaml",
        state: str = "./state.db",
        archive: str = "./archive",
    ) -> None:
        """Write a configuration file. Without `deletes` nothing is old enough to be deleted or
        stopped.
        """
        text = truth.POLICIES.replace("LIMIT", "null" if limit is None else str(limit))
        if not deletes:
            text = re.sub(r"(delete_assets|delete_job|stop): \d+[dh]", r"\1: 3600d", text)
        text = _CONFIG + text
        for word, value in (
            ("BASE_URL", self.sandbox.base_url),
            ("WORKERS", str(workers)),
            ("STATE", state),
            ("ARCHIVE", archive),
            ("ATTEMPTS", str(attempts)),
        ):
            text = text.replace(word, value)
        (self.folder / name).write_text(text)

    def start(self, *arguments: str, strike: Strike | None = None) -> Process:
        """Start a command."""
        process = self.nursery.start(self.folder, *arguments, strike=strike, later_s=self.later_s)
        self._running.append(process)
        return process

    def run(self, *arguments: str, strike: Strike | None = None) -> Process:
        """Run a command to its end: `run --execute` unless others are given."""
        process = self.start(*(arguments or ("run", "--execute")), strike=strike)
        self.ended(process)
        return process

    def ended(self, process: Process) -> int:
        """Wait for its end and judge it: an exit code that is documented, and no traceback."""
        code = process.wait()
        said = process.said
        if (code >= 0 and code not in CODES) or "Traceback" in said:
            self.oracle.wrong.append(f"{' '.join(process.arguments)} ended {code}: {_last(said)}")
        return code

    def pass_time(self, seconds: float) -> None:
        """For the program it is so much later; what a process that is gone has sent was before
        that.
        """
        if all(process.has_ended(within_s=0) for process in self._running):
            self.sandbox.drain()
        self.later_s += seconds

    def close(self) -> None:
        """End all processes and remove the folder."""
        for process in self._running:
            process.close()
        self.sandbox.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- the end ----------------------------------------------------------------------------------

    def end(self) -> End:
        """What there is now."""
        vendor = {}
        for job_id in self.sandbox.job_ids():
            found = self.sandbox.truth(job_id)
            assert found is not None
            document = json.loads(_DATED.sub(b"", json.dumps(found.document).encode()))
            vendor[job_id] = (document, found.assets)
        folders = {path.parent for path in self.archive.glob("box/demo/*/*/*/*/receipt*.json")}
        stored = {
            str(folder.relative_to(self.archive)): _stored(folder) for folder in sorted(folders)
        }
        return End(vendor, stored, self._outcomes())

    def _outcomes(self) -> dict[tuple[str, str], list[str]]:
        """The outcomes on record of every job and action that succeeded, `archived` too; failed
        tries left out.
        """
        with closing(sqlite3.connect(f"file:{self.state}?mode=ro", uri=True, timeout=30)) as state:
            rows = state.execute("SELECT job_id, action, kind, outcome FROM journal").fetchall()
        found: dict[tuple[str, str], set[str]] = {}
        for job_id, action, line, outcome in rows:
            if said := "archived" if line == "archived" else outcome:
                found.setdefault((job_id.hex(), action), set()).add(said)
        lasting = {key: sorted(said - {"failed", "unknown"}) for key, said in found.items()}
        # what the vendor purged is found out by a delete, or by the daily look before there was
        # one; what a delete
        # of ours destroyed and then answered 400 or 404 is on record as already gone, too
        destroyed = {each.job_id for entry in self.sandbox.log for each in entry.destroyed}
        purged = ("delete_assets", ["already_gone"])
        kept = {
            key: said
            for key, said in lasting.items()
            if said and ((key[1], said) != purged or key[0] in destroyed)
        }
        # a delete that was done and answered 404 is on record as already gone
        return {
            key: ["confirmed"] if said == ["already_gone"] else said for key, said in kept.items()
        }

    def judge(self) -> None:
        """S10 and S15: journal, archive and the vendor's log explain each other. Raises
        ViolationError for all there is.
        """
        for arguments in (("prove",), ("archive", "verify")):
            process = self.run(*arguments)
            if process.code:
                self.oracle.wrong.append(
                    f"S15: {' '.join(arguments)} ended {process.code}: {_last(process.said)}"
                )
        if "journal" not in self.oracle.loose:
            self._is_explained()
        if self.oracle.wrong:
            raise ViolationError("\n".join(self.oracle.wrong))

    def _is_explained(self) -> None:
        wrong, sent = self.oracle.wrong, self.oracle.sent
        intents: Counter[tuple[str, str]] = Counter()
        outcomes: dict[tuple[str, str], list[str]] = {}
        with State.open(self.state) as state:
            state.journal.verify()
            for line in state.journal.lines():
                key = (str(line.job_id), str(line.action))
                intents[key] += line.kind == "intent"
                if line.kind == "outcome" and line.outcome is not None:
                    outcomes.setdefault(key, []).append(line.outcome)
            waiting = Counter(
                (str(one.job_id), str(one.action)) for one in state.journal.unresolved("box")
            )
        for key in sorted(sent - intents):
            wrong.append(
                f"S10: {key[1]} of {key[0]} was sent {sent[key]} times, intended {intents[key]}"
                " times"
            )
        for (job_id, action), ended in outcomes.items():
            key, confirmed = (job_id, action), ended.count("confirmed")
            if confirmed > 1:
                wrong.append(f"S10: {action} of {job_id} has {confirmed} confirmed outcomes")
            if confirmed and not sent[key]:
                wrong.append(f"S10: {action} of {job_id} is on record as done and was never sent")
        for key, number in intents.items():
            final = [outcome for outcome in outcomes.get(key, ()) if outcome != "unknown"]
            if len(final) + waiting[key] != number:
                wrong.append(
                    f"S10: {key[1]} of {key[0]}: {number} intents, {final}, {waiting[key]} open"
                )


def _stored(folder: Path) -> dict[str, Any]:
    """What is stored of a job, in however many passes: its newest document, and its files by their
    names at the vendor.
    """
    receipts = sorted(folder.glob("receipt*.json"), key=lambda path: (len(path.name), path.name))
    newest = json.loads(receipts[-1].read_text())
    files = {asset["name"]: _hash(folder / asset["file"]) for asset in newest["assets"]}
    given_up = sorted(each["name"] for each in newest["discarded"])
    return {"job": _hash(folder / newest["job"]["file"]), "files": files, "given up": given_up}


def _hash(path: Path) -> str:
    return hashlib.sha256(_DATED.sub(b"", path.read_bytes())).hexdigest()


def _last(said: str) -> str:
    lines = [line for line in said.strip().splitlines() if not line.startswith("{")]
    return " / ".join(lines[-4:])[-600:]


@dataclass
class Worlds:
    """Makes worlds of a few shapes, and knows how each ends when nobody disturbs it."""

    nursery: Nursery
    folder: Path
    _port: int = 0
    _made: int = 0
    _nows: dict[int, int] = field(default_factory=dict)
    _ends: dict[int, End] = field(default_factory=dict)
    _calls: dict[Call, int] = field(default_factory=dict)

    @contextmanager
    def world(self, shape: int = 0) -> Iterator[World]:
        """A world of the shape, untouched."""
        now = self._nows.get(shape)
        if now is None or time.time() - now > _VALID_S:
            now = self._nows[shape] = int(time.time())
            self._ends.pop(shape, None)
        if not self._port:
            self._port = _free_port()
        options = SandboxOptions(jobs=JOBS, seed=_seeds()[shape], now=now, port=self._port)
        self._made += 1
        folder = self.folder / f"world-{self._made}"
        folder.mkdir(parents=True)
        with Sandbox(options) as sandbox:
            _begin(sandbox, shape, now)
            world = World(self.nursery, sandbox, folder)
            try:
                yield world
            finally:
                world.close()

    def end(self, shape: int = 0) -> End:
        """How a world of the shape ends after one run that nobody disturbs. Raises
        ViolationError.
        """
        if shape not in self._ends or time.time() - self._nows[shape] > _VALID_S:
            with self.world(shape) as world:
                process = world.run()
                if process.code:
                    raise ViolationError(
                        f"an undisturbed run ended {process.code}: {_last(process.said)}"
                    )
                self._ends[shape] = world.end()
                world.judge()
        return self._ends[shape]

    def calls(self, kinds: Call) -> int:
        """How many calls of these kinds an undisturbed run makes."""
        if kinds not in self._calls:
            with self.world() as world:
                self._calls[kinds] = world.run(strike=Strike("nothing", 0, kinds)).page.calls
        return self._calls[kinds]


def _begin(sandbox: Sandbox, shape: int, now: int) -> None:
    """Half of the shapes have jobs that run, one of them far too long, and a job that somebody
    holds.
    """
    if shape % 2 == 0:
        return
    for hours in (1, 9):
        started = now - hours * truth.HOUR
        running: dict[str, Any] = {"status": "in progress", "end_time": None}
        running |= {"start_time": started, "modification_time": started}
        sandbox.arrive(created_at=started, build="PR-7", tags=[], **running)
    for job_id in list(sandbox.job_ids())[4::7]:
        sandbox.edit(job_id, tags=["keep"])


@functools.cache
def _seeds() -> tuple[int, ...]:
    """Seeds of sandboxes in which no job falls due while they are used; ages do not depend on the
    date.
    """
    found: list[int] = []
    now = int(time.time())
    for seed in range(1, 1000):
        sandbox = Sandbox(SandboxOptions(jobs=JOBS, seed=seed, now=now))
        try:
            documents = [sandbox.truth(job_id).document for job_id in sandbox.job_ids()]  # type: ignore[union-attr]
        finally:
            sandbox.stop()
        times = [
            document[name]
            for document in documents
            for name in ("end_time", "start_time", "creation_time")
        ]
        ages = [now - stamp for stamp in times if isinstance(stamp, int)]
        if not any(-60 <= border - age < _SLACK_S for border in truth.BORDERS for age in ages):
            found.append(seed)
        if len(found) == SHAPES:
            return tuple(found)
    raise AssertionError("in every world some job falls due")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
