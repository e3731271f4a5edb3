"""The verdict on a cluster when all is over: is all done, and do the journal, the archive and the
vendor's log explain each other?
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import psycopg

from tests.attack import truth
from tests.attack.cluster.cluster import Cluster
from tests.attack.cluster.lease_watch import holdings

_RUNS_S: Final = 400.0
_LINES: Final = """
SELECT number, kind, encode(job_id, 'hex'), action, outcome, fence, run_id, at
FROM journal WHERE account = %s ORDER BY number
"""
_STUCK: Final = "SELECT lock FROM procrastinate_jobs WHERE status = 'doing'"
DONE: Final = {"confirmed", "already_gone"}


@dataclass(frozen=True)
class Line:
    """A line of an account's journal, in its order."""

    number: int
    kind: str
    job_id: str
    action: str
    outcome: str | None
    fence: int | None
    run_id: str | None
    at: int


@dataclass(frozen=True)
class Sent:
    """A write that the vendor saw, and whether it had an effect."""

    job_id: str
    action: str
    at: float
    has_effect: bool


def contradictions(lines: Iterable[Line], sent: Iterable[Sent]) -> list[str]:
    """Return what the journal of an account and the vendor's log say differently, in words."""
    lines, sent = list(lines), sorted(sent, key=lambda each: each.at)
    return [*_superseded(lines), *_unannounced(lines, sent), *_repeated(lines, sent)]


def _superseded(lines: list[Line]) -> list[str]:
    """Lines of a fence, or of a run, after the first line of a newer one."""
    found, newest = [], 0
    runs: dict[str, int] = {}
    for line in lines:
        fence, run = line.fence or newest, line.run_id
        if fence < newest:
            found.append(f"line {line.number} has fence {fence} after fence {newest}")
        newest = max(newest, fence)
        # Only intents have a fence. Every line has its run, and runs come one after the other.
        if run is not None and runs.setdefault(run, len(runs)) < len(runs) - 1:
            found.append(f"line {line.number} is of run {run}, after a line of a newer one")
    return found


def _unannounced(lines: list[Line], sent: list[Sent]) -> list[str]:
    """Writes without an intent before them, and lines of writes that were never sent."""
    intents: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for line in lines:
        if line.kind == "intent":
            intents[line.job_id, line.action].append(line.at)
    found, counts = [], Counter((each.job_id, each.action) for each in sent)
    for key, number in counts.items():
        # The journal has whole seconds.
        first = min(each.at for each in sent if (each.job_id, each.action) == key)
        if number > len(intents[key]) or min(intents[key], default=first + 9) > first + 1:
            found.append(f"{key[1]} of {key[0]}: {number} writes, intents at {intents[key]}")
    done = [line for line in lines if line.outcome == "confirmed"]
    never = (line for line in done if not counts[line.job_id, line.action])
    found += [f"{line.action} of {line.job_id} is recorded as done, never sent" for line in never]
    return found


def _repeated(lines: list[Line], sent: list[Sent]) -> list[str]:
    """Jobs with two writes of which the first was not recorded as unknown or failed; effects
    without a line; several lines of one effect.
    """
    outcomes: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for line in lines:
        if line.kind == "outcome" and line.outcome is not None:
            outcomes[line.job_id, line.action].append(line.outcome)
    found, counts = [], Counter((each.job_id, each.action) for each in sent)
    for key, number in counts.items():
        excused = sum(outcome not in DONE for outcome in outcomes[key])
        if number > 1 + excused:
            found.append(f"{key[1]} of {key[0]} was sent {number} times: {outcomes[key]}")
    effects = {(each.job_id, each.action) for each in sent if each.has_effect}
    found += [
        f"{key[1]} of {key[0]} is done, and on record as {outcomes[key]}"
        for key in sorted(effects)
        if not DONE & set(outcomes[key])
    ]
    for key, said in outcomes.items():
        if sum(each == "confirmed" for each in said) > 1:
            found.append(f"{key[1]} of {key[0]} has {said}")
    return found


def judge(cluster: Cluster, *, is_patient: bool = True) -> list[str]:
    """Let the workers finish where there is time for that, end them, and return all that is
    wrong.
    """
    for account in cluster.accounts:
        account.exhaust()
    wrong = _finish(cluster) if is_patient else []
    wrong += _end_workers(cluster)
    wrong += _stuck(cluster) if is_patient else []
    wrong += _run_to_the_end(cluster)
    for command in (("prove",), ("archive", "verify"), ("state", "verify")):
        ended = cluster.run(*command)
        if ended.returncode:
            wrong.append(
                f"{' '.join(command)} ended {ended.returncode}: {_tail(ended.stdout + ended.stderr)}"
            )
    for account in cluster.accounts:
        said = [
            *account.oracle.wrong,
            *contradictions(read_lines(cluster, account.name), _sent(account)),
            *account.left_to_do(),
        ]
        wrong += [f"{account.name}: {each}" for each in said]
    return wrong + [each for worker in cluster.workers for each in worker.tracebacks()]


def _finish(cluster: Cluster) -> list[str]:
    """Two more runs of each account, without any disturbance."""
    for watcher in cluster.watchers:
        watcher.join()
    since, until = time.time(), time.time() + _RUNS_S
    while time.time() < until:
        runs = _runs_since(cluster, since)
        if all(runs.get(account.name, 0) >= 2 for account in cluster.accounts):
            break
        time.sleep(1)
    else:
        return [f"two more runs of each account took more than {_RUNS_S:.0f} s: {dict(runs)}"]
    left = [each for account in cluster.accounts for each in account.left_to_do()]
    cluster.say(
        f"two more runs of each account took {time.time() - since:.0f} s, {len(left)} left to do"
    )
    return []


def _runs_since(cluster: Cluster, since: float) -> Mapping[str, int]:
    query = "SELECT account, count(*) FROM runs WHERE started_at > %s AND ended_at IS NOT NULL GROUP BY 1"
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        return {row[0]: int(row[1]) for row in connection.execute(query, (since,)).fetchall()}


def _end_workers(cluster: Cluster) -> list[str]:
    cluster.end_supervision()
    wrong = list(cluster.ended)
    for worker in cluster.workers:
        code = worker.end()
        if code != 0:
            wrong.append(f"{worker.name} ended {code} after SIGTERM")
    ttl_s = 13.0 if cluster.options.kind == "faster" else 61.0
    for _ in range(600):
        if all(each.is_released or each.age_s > ttl_s for each in holdings(cluster.url).values()):
            break
        time.sleep(0.2)
    return wrong


def _stuck(cluster: Cluster) -> list[str]:
    """Return what nobody works on and nobody would ever work on again."""
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        rows = connection.execute(_STUCK).fetchall()
    return [f"{row[0]} is still in work in the queue when nobody works" for row in rows]


def _run_to_the_end(cluster: Cluster) -> list[str]:
    """Two runs by hand try again what failed on the way; a third has nothing to do."""
    for _ in range(2):
        cluster.run("run", "--execute", "--retry-now", "--accept-loss")
    before = cluster.last_write_at()
    last = cluster.run("run", "--execute")
    wrong = []
    if last.returncode:
        wrong.append(f"the last run ended {last.returncode}: {_tail(last.stdout + last.stderr)}")
    if cluster.last_write_at() != before:
        wrong.append("the last run had something left to do")
    return wrong


def read_lines(cluster: Cluster, account: str) -> list[Line]:
    with psycopg.connect(cluster.url, autocommit=True) as connection:
        return [Line(*row) for row in connection.execute(_LINES, (account,)).fetchall()]


def _sent(account: object) -> list[Sent]:
    found = []
    for entry in account.sandbox.log:  # type: ignore[attr-defined]
        action = truth.ACTIONS.get(entry.endpoint or "")
        if entry.method in {"DELETE", "PUT"} and action is not None:
            done = bool(entry.jobs_deleted or entry.stopped or entry.destroyed)
            found.append(Sent(entry.job_id or "", action, entry.at, done))
    return found


def _tail(text: str) -> str:
    return " / ".join(text.strip().splitlines()[-6:])[-900:]
