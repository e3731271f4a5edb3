"""What happens to a cluster: each disturbance does its harm, undoes it, and says what it measured."""

from __future__ import annotations

import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import psycopg

from tests.attack.cluster.cluster import Cluster
from tests.attack.cluster.lease_watch import holdings
from tests.attack.cluster.worker import Worker

GIVE_UP_S: Final = 300.0
_LIBRARY: Final = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


_SLEEP: Final = "import threading, time; time.sleep = lambda s: threading.Event().wait(s)\n"
"""libfaketime lets the system's own call fail."""


@dataclass
class Tally:
    """What was done and measured. Times are in seconds. `take_overs`: from a kill until another
    process held the lease, one for each account. `working_again`: from that kill until the account's
    next write at the vendor, where its new holder was left alone. `back_at_work`: from the end of a disturbance that
    stopped all until the next write at the vendor, by what was disturbed.
    """

    done: dict[str, int] = field(default_factory=dict)
    held: int = 0
    take_overs: list[float] = field(default_factory=list)
    working_again: list[float] = field(default_factory=list)
    back_at_work: dict[str, list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> None:
        with self.lock:
            self.done[what] = self.done.get(what, 0) + 1


Disturbance = Callable[[Cluster, Worker, random.Random, Tally], None]


# --- a worker -------------------------------------------------------------------------------------


def kill(cluster: Cluster, worker: Worker, chance: random.Random, tally: Tally) -> None:
    """kill -9 of a busy worker; its supervisor starts it again."""
    pause_s, restart_s = chance.uniform(0, 2), chance.uniform(0.5, 5)
    time.sleep(pause_s)
    # Stopped first, so that what it holds is what it dies with.
    worker.freeze()
    pid = worker.pid
    held = [each for each in holdings(cluster.url).values() if each.pid == pid and each.is_busy]
    worker.kill()
    at = time.time()
    names = ", ".join(each.account for each in held)
    cluster.say(f"kill -9 of {worker.name} ({pid}) with {names or 'nothing'}")
    tally.count("kills" if held else "kills of an idle worker")
    tally.held += len(held)
    time.sleep(restart_s)
    worker.start()
    for each in held:
        watcher = threading.Thread(
            target=_watch_take_over,
            args=(cluster, each.account, each.fence, at, tally),
            daemon=True,
        )
        watcher.start()
        cluster.watchers.append(watcher)


def _watch_take_over(cluster: Cluster, account: str, fence: int, at: float, tally: Tally) -> None:
    while (taken := cluster.leases.taken_over_at(account, fence)) is None:
        if time.time() - at > GIVE_UP_S or cluster.is_closing:
            tally.wrong.append(
                f"{account} was not taken over {time.time() - at:.0f} s after a kill"
            )
            return
        time.sleep(0.2)
    with tally.lock:
        tally.take_overs.append(taken - at)
    cluster.say(f"{account} taken over {taken - at:.1f} s after the kill")
    attacked = next(each for each in cluster.accounts if each.name == account)
    oracle = attacked.oracle
    newest = max(newer for name, newer in list(cluster.leases.taken) if name == account)
    while oracle.last_write_at < taken and not cluster.is_closing:
        # Its new holder died, too, or nothing is due any more.
        is_over = time.time() - at > GIVE_UP_S or attacked.due_at_once == 0
        if is_over or cluster.leases.taken_over_at(account, newest) is not None:
            return
        time.sleep(0.2)
    with tally.lock:
        tally.working_again.append(oracle.last_write_at - at)


def stop(cluster: Cluster, worker: Worker, chance: random.Random, tally: Tally) -> None:
    """SIGSTOP of a busy worker for 20 to 120 s, then SIGCONT."""
    for_s = chance.uniform(*cluster.options.stopped_s)
    worker.freeze()
    names = ", ".join(each.account for each in cluster.leases.of(worker.pid))
    cluster.say(f"{worker.name} ({worker.pid}) with {names} is stopped for {for_s:.0f} s")
    time.sleep(for_s)
    worker.thaw()
    tally.count("stops")
    # What it does when it wakes is what matters: nobody disturbs that.
    time.sleep(3)


def cut(cluster: Cluster, worker: Worker, chance: random.Random, tally: Tally) -> None:
    """No packet goes between a busy worker and PostgreSQL for 20 to 90 s."""
    for_s, pid = chance.uniform(20, 90), worker.pid
    names = ", ".join(each.account for each in cluster.leases.of(pid))
    with _no_packets(worker.address, cluster.server.port):
        cluster.cut_off[pid] = time.time()
        cluster.say(f"{worker.name} ({pid}) with {names} is cut off for {for_s:.0f} s")
        time.sleep(for_s)
    cluster.cut_off.pop(pid)
    tally.count("cuts")


@contextmanager
def _no_packets(address: str, port: int) -> Iterator[None]:
    rules = [
        ["INPUT", "-p", "tcp", "-d", address, "--dport", str(port), "-j", "DROP"],
        ["INPUT", "-p", "tcp", "-s", address, "--sport", str(port), "-j", "DROP"],
    ]
    for rule in rules:
        subprocess.run(["iptables", "-w", "-I", *rule], check=True)
    try:
        yield
    finally:
        for rule in rules:
            subprocess.run(["iptables", "-w", "-D", *rule], check=True)


def wrong_clock(cluster: Cluster, worker: Worker, chance: random.Random, tally: Tally) -> None:
    """A worker starts with a clock that is ten minutes off, and ends two minutes later."""
    shift = chance.choice(("+10m", "-10m"))
    worker.end()
    before = cluster.last_write_at()
    worker.start(
        before=_SLEEP, LD_PRELOAD=_LIBRARY, FAKETIME=shift, FAKETIME_DONT_FAKE_MONOTONIC="1"
    )
    pid = worker.pid
    cluster.say(f"{worker.name} ({pid}) has a clock that is {shift} off")
    cluster.never[pid] = f"its clock is {shift} off"
    end = time.time() + chance.uniform(90, 150)
    while time.time() < end and worker.pid:
        time.sleep(1)
    tally.count(f"clocks {shift}")
    if not worker.pid:
        tally.wrong.append(f"{worker.name} ended by itself, with a clock that is {shift} off")
    worker.end()
    if cluster.last_write_at() == before:
        tally.wrong.append(f"nobody worked while the clock of {worker.name} was {shift} off")
    worker.start()


WORKER: Final[dict[str, Disturbance]] = {
    "kills": kill, "stops": stop, "cuts": cut, "clocks": wrong_clock,
}  # fmt: skip


def disturb_workers(cluster: Cluster, todo: list[str], chance: random.Random, tally: Tally) -> None:
    """Do it all in any order, several at a time: one worker at least is always well."""
    chance.shuffle(todo)
    running: list[threading.Thread] = []
    while todo:
        well = [each for each in cluster.workers if not each.is_disturbed]
        busy = cluster.busy()
        if len(well) < 2 or not busy:
            time.sleep(0.2)
            continue
        worker = chance.choice(busy)
        worker.is_disturbed = True
        own = random.Random(chance.random())
        arguments = (cluster, worker, todo.pop(), own, tally)
        running.append(threading.Thread(target=_disturb, args=arguments, daemon=True))
        running[-1].start()
        time.sleep(chance.uniform(*cluster.options.gap_s))
    for thread in [*running, *cluster.watchers]:
        thread.join()


def _disturb(
    cluster: Cluster, worker: Worker, what: str, chance: random.Random, tally: Tally
) -> None:
    try:
        WORKER[what](cluster, worker, chance, tally)
    except Exception as bug:  # noqa: BLE001 - of the rounds themselves: shown, and the next one goes on
        tally.wrong.append(f"{what} of {worker.name}: {bug!r}")
    finally:
        worker.is_disturbed = False


# --- the database ---------------------------------------------------------------------------------


def server_killed(cluster: Cluster, chance: random.Random) -> None:
    """Crashes, as if somebody had pulled the plug, and starts again."""
    cluster.server.stop(signal.SIGQUIT)
    time.sleep(chance.uniform(5, 20))
    cluster.start_server()


def server_restarted(cluster: Cluster, chance: random.Random) -> None:
    """Is restarted in order."""
    cluster.server.stop(signal.SIGINT)
    time.sleep(chance.uniform(0, 5))
    cluster.start_server()


def read_only(cluster: Cluster, chance: random.Random) -> None:
    """Accepts no change, as a standby does."""
    with _altered(cluster, "SET default_transaction_read_only = on", "RESET ALL"):
        time.sleep(chance.uniform(15, 40))


def no_connections(cluster: Cluster, chance: random.Random) -> None:
    """Has no connection left for the workers."""
    few = chance.choice((0, 1, 3))
    with _altered(cluster, f"CONNECTION LIMIT {few}", "CONNECTION LIMIT -1"):
        time.sleep(chance.uniform(15, 40))


@contextmanager
def _altered(cluster: Cluster, how: str, undo: str) -> Iterator[None]:
    try:
        cluster.server.execute(cluster.url, f"ALTER ROLE janitor {how}", _END_ALL)
        yield
    finally:
        cluster.server.execute(cluster.url, f"ALTER ROLE janitor {undo}", _END_ALL)


_END_ALL: Final = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'janitor'"


def connections_ended(cluster: Cluster, chance: random.Random) -> None:
    """Ends connections at random for a while."""
    end = time.time() + chance.uniform(10, 25)
    while time.time() < end:
        cluster.server.execute(cluster.url, f"{_END_ALL} AND random() < 0.2")
        time.sleep(chance.uniform(0.05, 1))


def deadlocks(cluster: Cluster, chance: random.Random) -> None:
    """Somebody else takes the locks of the workers, in an order that deadlocks with theirs, and
    ends transactions that wait for them.
    """
    end = time.time() + chance.uniform(10, 25)
    locks = [
        "SELECT FROM leases WHERE account = %s FOR UPDATE",
        "SELECT FROM journal_chains WHERE account = %s FOR UPDATE",
        "SELECT FROM jobs WHERE account = %s ORDER BY row DESC LIMIT 30 FOR UPDATE",
    ]
    with psycopg.connect(cluster.url) as connection:
        connection.execute("SET deadlock_timeout = '3s'")
        while time.time() < end:
            name = chance.choice(cluster.accounts).name
            with suppress(psycopg.Error):
                for lock in chance.sample(locks, len(locks)):
                    connection.execute(lock, (name,))
                    time.sleep(chance.uniform(0, 0.5))
            connection.rollback()


SERVER: Final[dict[str, Callable[[Cluster, random.Random], None]]] = {
    "killed": server_killed, "restarted": server_restarted, "read-only": read_only,
    "out of connections": no_connections, "ends connections": connections_ended,
    "deadlocks": deadlocks,
}  # fmt: skip


# --- the bucket -----------------------------------------------------------------------------------


def store_is(fault: str) -> Callable[[Cluster, random.Random], None]:
    """Return the disturbance in which every request to the bucket ends like that."""

    def disturbed(cluster: Cluster, chance: random.Random) -> None:
        cluster.store_fault = fault
        time.sleep(chance.uniform(20, 45))
        cluster.store_fault = None

    return disturbed


def spool_full(cluster: Cluster, chance: random.Random) -> None:
    """The disk on which files wait for their upload is full."""
    if cluster.spool is None:
        raise RuntimeError("a full spool needs root, for a small file system")
    full = cluster.spool / "full"
    with suppress(OSError), full.open("wb") as file:
        while True:
            file.write(bytes(1 << 16))
            file.flush()
    time.sleep(chance.uniform(20, 45))
    full.unlink()


STORE: Final[dict[str, Callable[[Cluster, random.Random], None]]] = {
    **{each: store_is(each) for each in ("503", "403", "expired", "slow")},
    "spool full": spool_full,
}  # fmt: skip


# --- both -----------------------------------------------------------------------------------------


def disturb_all(
    cluster: Cluster,
    what: str,
    disturbance: Callable[[Cluster, random.Random], None],
    chance: random.Random,
    tally: Tally,
) -> None:
    """Disturb something that every worker needs, and measure how long they take to go on."""
    end = time.time() + GIVE_UP_S
    while len(cluster.busy()) < 2 and time.time() < end:
        time.sleep(0.2)
    time.sleep(chance.uniform(0, 3))
    cluster.say(f"{what}: begins, {len(cluster.busy())} workers are busy")
    disturbance(cluster, chance)
    well_at = time.time()
    while cluster.last_write_at() < well_at and time.time() - well_at < GIVE_UP_S:
        time.sleep(0.1)
    took_s = cluster.last_write_at() - well_at
    if took_s < 0:
        tally.wrong.append(f"{what}: nobody went on in {GIVE_UP_S:.0f} s")
    else:
        tally.back_at_work.setdefault(what, []).append(took_s)
    tally.count(what)
    cluster.say(f"{what}: the next write came {took_s:.1f} s after it was over")
