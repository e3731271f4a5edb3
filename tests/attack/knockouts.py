"""Knock out one safety line after the other in a copy of the tree: the named tests must fail, each
time.

`python -m tests.attack.knockouts` does all, `python -m tests.attack.knockouts fence pause` those. A
line that is not in the code any more, or tests that fail for another reason than a failed test, end
it with 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[2]
_PASS: Final = "pass  # knocked out"
_TESTS_FAILED: Final = 1
"""pytest's exit code for that; others mean that nothing could be tried."""


@dataclass(frozen=True)
class KnockOut:
    """One line of the program that protects something, what stands in its place, and the tests that
    must notice.
    """

    name: str
    module: str
    line: str
    instead: str
    tests: tuple[str, ...]


EXECUTE: Final = ("tests/unit/execute",)
READING: Final = ("tests/integration/sauce/test_reading.py",)
GATE: Final = ("tests/integration/sauce/test_gate.py", "tests/unit/sauce")
JOURNAL: Final = (
    "tests/integration/state/test_journal.py",
    "tests/integration/state/test_older_journals.py",
    "tests/integration/state/test_database.py",
)
ARCHIVE: Final = ("tests/integration/archive",)
SYNC: Final = ("tests/unit/inventory",)
DECIDE: Final = ("tests/unit/retention",)
RUNS: Final = (
    "tests/integration/operations/test_limits.py",
    "tests/integration/operations/test_reviewed_plans.py",
    "tests/integration/operations/test_invariants.py",
)
OPENING: Final = (
    "tests/unit/operations/wiring/test_write_access.py",
    "tests/integration/operations/test_pauses.py",
)
SERVER_LEASES: Final = ("tests/integration/state/test_server_leases.py",)
SERVER: Final = ("tests/integration/state/test_server.py",)
EXCHANGES: Final = ("tests/integration/state/test_exchanges.py",)
FAILOVER: Final = ("tests/integration/state/test_failover.py",)
QUEUE: Final = (
    "tests/integration/daemon/test_work_queue.py",
    "tests/integration/daemon/test_queue_faults.py",
)
FROZEN: Final = ("tests/integration/state/test_frozen_server.py",)
CONSOLE: Final = (
    "tests/unit/web/test_guard.py",
    "tests/integration/console/test_sign_in.py",
    "tests/integration/console/test_changes.py",
)
_DELETING: Final = "execute/steps/delete.py"
_OPENING: Final = "operations/wiring/write_access.py"
_WRITING: Final = "sauce/writes.py"
_JOURNAL: Final = "state/journal/run_journal.py"
_STATEMENTS: Final = "state/journal/statements.py"
_SERVER_LEASE: Final = "state/server/server_lease.py"
_QUEUE: Final = "daemon/work_queue.py"
_DUE_WORK: Final = "daemon/due_work.py"
_FAILOVER: Final = "state/server/failover.py"
_POSTGRESQL: Final = "state/database/postgresql.py"
_CHAINS: Final = "state/journal/chain_verification.py"
_GUARD: Final = "web/guard.py"
_SIGN_INS: Final = "console/sign_ins.py"

KNOCK_OUTS: Final = (
    # the gate
    KnockOut(
        "permit's type", "sauce/gate.py", "    if type(permit) is not kind:", "    if False:", GATE
    ),
    KnockOut("permit's proof", "sauce/gate.py", "    if not proven:", "    if False:", GATE),
    KnockOut(
        "request line armed",
        _WRITING,
        "armed is None or line != armed.line or",
        "armed is None or",
        GATE,
    ),
    KnockOut(
        "request line allowed",
        _WRITING,
        " or len(matching) != 1:",
        " or not matching and not self._allowed:",
        GATE,
    ),
    KnockOut(
        "body of a write",
        _WRITING,
        "if body != armed.body or not matching[0].body(body):",
        "if False:",
        GATE,
    ),
    KnockOut("permit's age", _WRITING, "if not 0 <= age <= PERMIT_LIFE_S:", "if False:", GATE),
    KnockOut(
        "last look at the socket",
        _WRITING,
        "if armed is not None:\n            self._refuse_stale(armed)",
        f"if armed is not None:\n            {_PASS}",
        GATE,
    ),
    KnockOut(
        "list's age",
        _WRITING,
        "if armed.listed_at is not None and not 0 <=",
        "if False and not 0 <=",
        GATE,
    ),
    KnockOut(
        "permit used once",
        _WRITING,
        "            if permit in self._spent:",
        "            if False:",
        GATE,
    ),
    KnockOut(
        "no redirect",
        "sauce/http/transport.py",
        "            refuse_redirect(response, request.what)",
        f"            {_PASS}",
        READING,
    ),
    # right before a delete
    KnockOut(
        "same as decided", _DELETING, "self._work.same(task, task.details, job)", _PASS, EXECUTE
    ),
    KnockOut("local hold", _DELETING, "if self._ports.holds.protects(job):", "if False:", EXECUTE),
    KnockOut(
        "look before a write", _DELETING, "self._work.brake.look_before_write()", _PASS, EXECUTE
    ),
    KnockOut(
        "missing list",
        _DELETING,
        "check_missing(self._work, task, job, task.listed)",
        _PASS,
        EXECUTE,
    ),
    KnockOut(
        "uncovered names",
        _DELETING,
        "if names := uncovered(task.archived, task.listed, selection):",
        "if names := ():",
        EXECUTE,
    ),
    KnockOut("doubtful empty list", _DELETING, "self._check_doubtful(task, job)", _PASS, EXECUTE),
    KnockOut(
        "empty list after names",
        "execute/asset_lists.py",
        "if archived.listed and",
        "if False and",
        EXECUTE,
    ),
    KnockOut(
        "names again, a new day",
        "execute/asset_lists.py",
        "if listed.names or (",
        "if False or (",
        EXECUTE,
    ),
    KnockOut(
        "copy read back", _DELETING, " or task.archived.sha256 != task.read_back:", ":", EXECUTE
    ),
    KnockOut(
        "still purged",
        _DELETING,
        "            self._check_still_purged(task)",
        f"            {_PASS}",
        EXECUTE,
    ),
    KnockOut(
        "nothing wanted, said",
        _DELETING,
        "if task.plan.nothing_wanted_by is None:",
        "if False:",
        EXECUTE,
    ),
    KnockOut(
        "empty list twice",
        _DELETING,
        "        self._list_twice(task)\n        check_missing",
        "        check_missing",
        EXECUTE,
    ),
    KnockOut(
        "answer about this job",
        "execute/lookups.py",
        "if document is not None and not is_that_one(",
        "if False and not is_that_one(",
        EXECUTE,
    ),
    KnockOut(
        "look-up about this job",
        "execute/lookups.py",
        "if job_id in found and is_that_one(found[job_id], owner, job_id)",
        "if job_id in found",
        EXECUTE,
    ),
    KnockOut(
        "404 twice", "execute/lookups.py", "for _ in range(2):", "for _ in range(1):", EXECUTE
    ),
    KnockOut(
        "finished",
        "execute/execution_context.py",
        "if job.state is not state:",
        "if False:",
        EXECUTE,
    ),
    KnockOut(
        "fingerprint",
        "execute/execution_context.py",
        "if self.ports.fingerprint(job, asked.at) != task.plan.fingerprint:",
        "if False:",
        EXECUTE,
    ),
    KnockOut(
        "settled",
        "execute/execution_context.py",
        "or self.ports.clock.now() - ended_at < self.options.settle_s",
        "or False",
        EXECUTE,
    ),
    KnockOut(
        "clocks",
        "execute/brake.py",
        "if skew is None or abs(skew) > MAX_CLOCK_SKEW_S:",
        "if False:",
        EXECUTE,
    ),
    KnockOut(
        "paused", "execute/brake.py", "elif self._ports.switch.is_paused():", "elif False:", EXECUTE
    ),
    KnockOut("lease", "execute/brake.py", "self._ports.lease.check()", _PASS, EXECUTE),
    KnockOut(
        "archive still there", "execute/brake.py", "self._ports.archive.check()", _PASS, EXECUTE
    ),
    KnockOut(
        "gone, said twice",
        "execute/confirmation.py",
        "source.job(owner, job_id) is None and source.job(owner, job_id) is None",
        "source.job(owner, job_id) is None",
        EXECUTE,
    ),
    KnockOut(
        "job still there, of a delete",
        "execute/write_answers.py",
        "for _ in range(2):",
        "for _ in range(1):",
        EXECUTE,
    ),
    KnockOut(
        "second address for a missing one alone",
        "execute/write_answers.py",
        "and answer.status in UNSERVED and",
        "and answer.status and",
        EXECUTE,
    ),
    KnockOut(
        "second address for this job",
        "execute/write_answers.py",
        " and _is_about(seen, sent):",
        ":",
        EXECUTE,
    ),
    KnockOut(
        "addresses in turn",
        "execute/delete_addresses.py",
        "        with self._turn:",
        "        if True:",
        EXECUTE,
    ),
    # the journal
    KnockOut("fence", _JOURNAL, "if standing.fence != permit.fence:", "if False:", JOURNAL),
    KnockOut(
        "pause at the intent", _JOURNAL, "if standing.pause is not None:", "if False:", JOURNAL
    ),
    KnockOut(
        "done is not repeated", _JOURNAL, "if standing.confirmed is not None:", "if False:", JOURNAL
    ),
    KnockOut(
        "begun is not repeated", _JOURNAL, "if standing.begun is not None:", "if False:", JOURNAL
    ),
    KnockOut("chain", _CHAINS, 'or link(before, dict(row)) != row["hash"]:', ":", JOURNAL),
    KnockOut(
        "end of a chain",
        _CHAINS,
        "if (number, before) != (end.number, end.hash):",
        "if False:",
        JOURNAL,
    ),
    KnockOut("numbers of all lines", _CHAINS, "if last != count + gaps:", "if False:", JOURNAL),
    KnockOut(
        "write under way",
        "execute/recovery.py",
        "return 0.0 if _accepted(one) else under_way_s(one.sent_at, now, idle_s)",
        "return 0.0",
        ("tests/integration/operations/test_in_flight.py",),
    ),
    KnockOut(
        "write lock first",
        "state/database/sqlite.py",
        '"BEGIN IMMEDIATE" if',
        '"BEGIN" if',
        JOURNAL,
    ),
    KnockOut(
        "open intent",
        _JOURNAL,
        '        exchange.tell(statements.OPEN_INTENT, {"intent": seq, **asked})\n',
        "",
        ("tests/attack/test_attack.py",),
    ),
    # a state on PostgreSQL
    KnockOut(
        "lease locked in a line",
        _STATEMENTS,
        "LEASED: Final = _LEASE.with_for_update(read=True)",
        "LEASED: Final = _LEASE",
        SERVER_LEASES,
    ),
    KnockOut(
        "fence of every line",
        _JOURNAL,
        "if [row.fence for row in holder] != [self._fence]:",
        "if False:",
        SERVER_LEASES,
    ),
    KnockOut(
        "quiet without a renewal",
        _SERVER_LEASE,
        "        if silent_s > LEASE_QUIET_S:\n            raise",
        "        if False:\n            raise",
        SERVER_LEASES,
    ),
    KnockOut(
        "lost for good",
        _SERVER_LEASE,
        "if self._is_lost or row is None or",
        "if row is None or",
        SERVER_LEASES,
    ),
    KnockOut(
        "from a renewal's start",
        _SERVER_LEASE,
        "        self._renewed_at = began\n",
        "        self._renewed_at = self._clock.monotonic()\n",
        SERVER_LEASES,
    ),
    KnockOut(
        "held until it is silent",
        _SERVER_LEASE,
        "if not row.released and self._idle_s < LEASE_TTL_S:",
        "if False:",
        SERVER_LEASES,
    ),
    KnockOut(
        "lease read with a lock",
        _SERVER_LEASE,
        """    .where(leases.c.account == bindparam("account"))
    .with_for_update()
""",
        """    .where(leases.c.account == bindparam("account"))
""",
        SERVER_LEASES,
    ),
    KnockOut(
        "one's own lease renewed",
        _SERVER_LEASE,
        '    leases.c.fence == bindparam("mine"),\n',
        '    bindparam("mine") > 0,\n',
        SERVER_LEASES,
    ),
    KnockOut(
        "one writer of an account",
        _POSTGRESQL,
        "keys = sorted({lock_key(name) for name in names})",
        "keys: list[int] = []",
        ("tests/integration/state/test_dialects.py",),
    ),
    KnockOut(
        "one exchange of an account",
        _POSTGRESQL,
        "[_BEGIN, SentStatement(statement.encode(), values)]",
        "[_BEGIN]",
        EXCHANGES,
    ),
    KnockOut(
        "exchange in a transaction",
        _POSTGRESQL,
        "[_BEGIN, SentStatement(statement.encode(), values)]",
        "[SentStatement(statement.encode(), values)]",
        EXCHANGES,
    ),
    KnockOut(
        "exchange that stands still",
        "state/database/limited_connection.py",
        "        if last:\n            self._leave_pipeline()",
        "        if True:\n            self._leave_pipeline()",
        EXCHANGES,
    ),
    KnockOut("durable server", _POSTGRESQL, 'if value == "off":', "if False:", SERVER),
    KnockOut("no replica", _POSTGRESQL, 'if is_replica or read_only == "on":', "if False:", SERVER),
    KnockOut(
        "frozen server given up",
        "state/database/limited_connection.py",
        "if not ready and limit_s is not None and",
        "if False and limit_s is not None and",
        FROZEN,
    ),
    KnockOut(
        "no migration under a run",
        "state/server/server_state.py",
        "            refuse_held(connection)\n",
        "",
        SERVER,
    ),
    KnockOut(
        "server watched", "state/server/server_state.py", "database.watch(look)", "pass", FAILOVER
    ),
    KnockOut(
        "fences of a new server",
        _FAILOVER,
        "fence = leases.fence + %(more)s",
        "fence = leases.fence",
        FAILOVER,
    ),
    KnockOut(
        "leases of a new server held",
        _FAILOVER,
        "pid = excluded.pid, since = excluded.since, released = false,",
        "pid = excluded.pid, since = excluded.since, released = true,",
        FAILOVER,
    ),
    KnockOut(
        "first lease on a new server",
        _SERVER_LEASE,
        "fence = changes * FENCES + 1",
        "fence = 1",
        FAILOVER,
    ),
    KnockOut(
        "listing on a new server",
        _SERVER_LEASE,
        "                list_again(connection, self._account)\n",
        "",
        FAILOVER,
    ),
    # the queue of workers
    KnockOut(
        "dead worker's work failed",
        "daemon/queue_client.py",
        "            await self._app.job_manager.finish_job_by_id_async(\n"
        "                job.id, Status.FAILED, delete_job=False\n"
        "            )\n",
        "            await asyncio.sleep(0)\n",
        QUEUE,
    ),
    KnockOut("other policies handed back", _QUEUE, "if own != digest:", "if False:", QUEUE),
    KnockOut(
        "no work with a wrong clock",
        _QUEUE,
        "if abs(ahead_s) > MAX_CLOCK_SKEW_S:",
        "if False:",
        QUEUE,
    ),
    KnockOut(
        "lost run is due again",
        _DUE_WORK,
        "return self._is_shared and is_cut_off",
        "return False",
        QUEUE,
    ),
    KnockOut(
        "done elsewhere",
        _DUE_WORK,
        "entry = self._agenda.recorded(name, state.notes, now)",
        _PASS,
        QUEUE,
    ),
    # the archive
    KnockOut(
        "lines of the last run",
        "archive/ownership/lease.py",
        "if not holder.adopts and not holder.memory.has_journal(self._account, found.journal):",
        "if False:",
        ("tests/integration/archive/test_contract.py",),
    ),
    KnockOut(
        "word of a run that is over",
        "archive/ownership/lease.py",
        "is_over = holder.is_alone and found.word in known",
        "is_over = holder.is_alone",
        ("tests/integration/archive/test_leases.py",),
    ),
    KnockOut(
        "read back",
        "archive/store.py",
        "                staging.read_back(fresh)",
        f"                {_PASS}",
        ARCHIVE,
    ),
    KnockOut(
        "flushed",
        "archive/store.py",
        "staging.flush(fresh)",
        _PASS,
        ARCHIVE,
    ),
    KnockOut(
        "shown as written",
        "archive/store.py",
        "staging.verify_shown(stamps, fresh)",
        _PASS,
        ARCHIVE,
    ),
    KnockOut(
        "sentinel",
        "archive/disk/root.py",
        "        if found != self.uuid:",
        "        if False:",
        ARCHIVE,
    ),
    KnockOut(
        "receipt once in a bucket",
        "archive/s3/staging_area.py",
        "self._bucket.add(key, self._receipt)",
        "self._bucket.put(key, self._receipt)",
        ARCHIVE,
    ),
    KnockOut(
        "conditions tried",
        "archive/s3/root.py",
        "            prove_conditions(self.bucket)\n",
        "",
        ARCHIVE,
    ),
    KnockOut(
        "read back from a bucket",
        "archive/s3/staging_area.py",
        "                if difference:",
        "                if False:",
        ARCHIVE,
    ),
    KnockOut(
        "another volume",
        "archive/disk/root.py",
        "if (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino):",
        "if False:",
        ARCHIVE,
    ),
    KnockOut("room", "archive/disk/room.py", "    if free < least:", "    if False:", ARCHIVE),
    KnockOut(
        "unframed twice",
        "archive/asset_fetch.py",
        "elif not received.framed or fetched.bytes",
        "elif fetched.bytes",
        ARCHIVE,
    ),
    # the inventory, and what is decided
    KnockOut(
        "shrunk list",
        "inventory/synchronizer.py",
        "        self._check_losses(start.mark, rows)",
        f"        {_PASS}",
        SYNC,
    ),
    KnockOut(
        "watermark",
        "inventory/synchronizer.py",
        "watermark=None if unreadable else start.until",
        "watermark=start.until",
        SYNC,
    ),
    KnockOut(
        "held",
        "retention/decide.py",
        "                flags |= HELD\n",
        f"                {_PASS}\n",
        DECIDE,
    ),
    KnockOut(
        "unfinished",
        "retention/decide.py",
        "                flags = UNFINISHED | self._running(case, record)",
        f"                {_PASS}",
        DECIDE,
    ),
    KnockOut(
        "limits", "operations/policy_run.py", "        if plan.broken:", "        if False:", RUNS
    ),
    # the daemon
    KnockOut(
        "heartbeat",
        "daemon/daemon.py",
        "min(due_in_s, self._pace.round_s)",
        "min(due_in_s, 1e6)",
        ("tests/integration/daemon/test_clocks.py",),
    ),
    KnockOut(
        "date set back",
        "daemon/agenda.py",
        "            entry.last, entry.kept_up_at = min(entry.last, now), min(entry.kept_up_at, now)",
        f"            {_PASS}",
        ("tests/integration/daemon/test_clocks.py",),
    ),
    KnockOut(
        "one at a time",
        "daemon/scheduler.py",
        "if name in self._busy:",
        "if False:",
        ("tests/integration/daemon/test_overlaps.py",),
    ),
    # the right to change an account
    KnockOut("dry run", _OPENING, " if order.execute else None", "", OPENING),
    KnockOut("paused at the start", _OPENING, "self.pauses.refuse(steps.refused)", _PASS, OPENING),
    KnockOut("damaged state", _OPENING, "self._state.check_integrity()", _PASS, OPENING),
    KnockOut(
        "sealed plan",
        "planfile.py",
        'if not hmac.compare_digest(str(plan.get("seal")).encode(), _seal_of(plan, secret).encode()):',
        "if False:",
        ("tests/unit/test_planfile.py", *RUNS[:2]),
    ),
    # the console: who may change something
    KnockOut("form's origin", _GUARD, "elif not is_same_origin(environ):", "elif False:", CONSOLE),
    KnockOut(
        "form's session",
        _GUARD,
        "if needs_session and environ[CSRF] is None:",
        "if False:",
        CONSOLE,
    ),
    KnockOut(
        "form's CSRF token",
        _GUARD,
        "elif needs_session and not hmac.compare_digest(sent.encode(), environ[CSRF].encode()):",
        "elif False:",
        CONSOLE,
    ),
    KnockOut(
        "paths that take a form",
        _GUARD,
        'is_post = method == "POST" and self._rules.accepts_post(path)',
        'is_post = method == "POST"',
        CONSOLE,
    ),
    KnockOut(
        "sessions need TLS",
        _GUARD,
        "elif rules.session is not None and environ[LOCAL] and not",
        "elif rules.session is not None and not",
        CONSOLE,
    ),
    KnockOut(
        "session's user",
        _SIGN_INS,
        "if user is None or not secrets.compare_digest(user.credential, found.credential):",
        "if user is None:",
        CONSOLE,
    ),
    KnockOut(
        "session's end",
        _SIGN_INS,
        "if found is None or not self._is_on(found, now):",
        "if found is None:",
        CONSOLE,
    ),
    KnockOut(
        "guesses",
        _SIGN_INS,
        "if not all(tries.take(of) for tries, of in counted):",
        "if False:",
        CONSOLE,
    ),
    KnockOut(
        "role of a change",
        "web/changes/change_pages.py",
        "if not request.environ.get(CSRF) or not who.may(_ROLES[kind]):",
        "if False:",
        CONSOLE,
    ),
    KnockOut("plan that was seen", "console/changes.py", "plan.number != number or", "", CONSOLE),
    KnockOut(
        "pause that was seen",
        "console/changes.py",
        "if ShownPause(found.by, found.reason, found.at).key != seen:",
        "if False:",
        CONSOLE,
    ),
    KnockOut(
        "release with a mirror",
        "console/changes.py",
        "            refuse_release(config, state, unmirrored)\n",
        "",
        CONSOLE,
    ),
    KnockOut(
        "approval of other policies",
        "operations/steps/approval.py",
        "if approval.policy_digest != config.policy_digest(account):",
        "if False:",
        CONSOLE,
    ),
)


def main(names: list[str]) -> int:
    """Knock them out; the exit code: 1 when one was not noticed or could not be tried."""
    chosen = [one for one in KNOCK_OUTS if not names or one.name in names]
    caught, left = 0, []
    with tempfile.TemporaryDirectory(prefix="knock-out-") as folder:
        copy = _copy(Path(folder))
        for one in chosen:
            began = time.monotonic()
            said = _try(copy, one)
            caught += said == "caught"
            left += [] if said == "caught" else [one.name]
            sys.stdout.write(
                f"{said:<10}{one.name:<28}{one.module} ({time.monotonic() - began:.0f} s)\n"
            )
            sys.stdout.flush()
    sys.stdout.write(
        f"{len(chosen)} knocked out, {caught} caught{': not ' if left else ''}{', '.join(left)}\n"
    )
    return 1 if left else 0


def _copy(folder: Path) -> Path:
    """The tree as it is here, without what git does not know, but for the programs of the tests:
    where they are missing, a test is skipped and catches nothing.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        source, target = REPOSITORY / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    (folder / ".components").symlink_to(REPOSITORY / ".components")
    return folder


def _try(copy: Path, one: KnockOut) -> str:
    path = copy / "sauce_janitor" / one.module
    whole = path.read_text()
    if whole.count(one.line) != 1:
        return f"MISSING: it is {whole.count(one.line)} times there:"
    path.write_text(whole.replace(one.line, one.instead))
    try:
        tests = [name for name in one.tests if (copy / name).exists()]
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-n0",
            "-p",
            "no:cacheprovider",
            "--timeout=150",
            *tests,
        ]
        environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        ended = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, check=False
        )
    finally:
        path.write_text(whole)
    if ended.returncode == _TESTS_FAILED:
        return "caught"
    if ended.returncode == 0:
        return "SURVIVED"
    return f"UNTRIED ({ended.returncode}): {ended.stdout[-300:]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
