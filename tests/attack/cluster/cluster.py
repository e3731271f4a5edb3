"""A cluster under attack: PostgreSQL, accounts with a sandbox each, workers that share them, and an
archive on a disk or in a bucket.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from xml.etree import ElementTree as ET

from tests.attack import truth
from tests.attack.cluster.accounts import AttackedAccount, attacked_account
from tests.attack.cluster.lease_watch import LeaseWatch
from tests.attack.cluster.oracle import receipts_of
from tests.attack.cluster.worker import REPOSITORY, Senders, Worker, program
from tests.support.postgresql import Postgresql
from tests.support.s3_faults import Fault, faulty
from tests.support.seaweedfs import BUCKET, KEY, SECRET, Seaweedfs

_REFILL_S: Final = 2.0
_FOREVER: Final = 10**9
_ROLE: Final = "janitor"
_CONFIG: Final = """
version: 1
workers: 1
state: {url: {env: STATE_URL}}
archive: ARCHIVE
schedule: {cron: "* * * * *", jitter: 0s}
web: {listen: "127.0.0.1:0"}
accounts:
"""
_ACCOUNT: Final = """
  NAME: {base_url: "BASE_URL", username: demo, access_key: {env: KEY_NUMBER}, timeout: 10s,
    timeout_total: 20s, retries: {attempts: 2, max_wait: 5s}, listing: {full_every: 1min}}
"""


@dataclass(frozen=True)
class ClusterOptions:
    """How large it is.

    `kind` of program: see worker.py. `latency_s`: how late half of the vendor's answers are.
    `refills`: new jobs arrive all the time. `older`: a tree whose program is the first worker, as
    in the midst of an upgrade. `addresses`: each worker reaches PostgreSQL at another one. `gap_s`:
    between two disturbances of workers.
    """

    seed: int = 1
    accounts: int = 8
    workers: int = 3
    jobs: int = 12
    latency_s: float = 0.4
    kind: str = "as it is"
    archive: str = "disk"
    refills: bool = True
    older: Path | None = None
    addresses: bool = False
    stopped_s: tuple[float, float] = (20.0, 120.0)
    gap_s: tuple[float, float] = (3.0, 10.0)


@dataclass
class Cluster:
    """Everything that runs. Close it."""

    options: ClusterOptions
    folder: Path
    component: Callable[[str], Path]
    senders: Senders = field(default_factory=Senders)
    began: float = field(default_factory=time.time)
    cut_off: dict[int, float] = field(default_factory=dict)
    never: dict[int, str] = field(default_factory=dict)
    store_fault: str | None = None
    watchers: list[threading.Thread] = field(default_factory=list)
    server: Postgresql = field(init=False)
    url: str = field(init=False)
    leases: LeaseWatch = field(init=False)
    accounts: list[AttackedAccount] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)
    ended: list[str] = field(default_factory=list)
    _unsupervised: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        options = self.options
        self.server = Postgresql(self.component)
        self._stack.callback(self.server.close)
        if options.addresses:
            self._listen_everywhere()
        self.url = self.server.empty()
        self._make_role()
        archive, read_receipts = self._archive()
        for number in range(1, options.accounts + 1):
            account = attacked_account(
                number, options.seed, jobs=options.jobs, latency_s=options.latency_s,
                senders=self.senders, url=self.url,
            )  # fmt: skip
            self._stack.callback(account.sandbox.stop)
            self._stack.callback(account.oracle.close)
            account.oracle.archives = [self.folder / "archive"]
            account.oracle.read_receipts = read_receipts and partial(read_receipts, account.name)
            account.oracle.forbidden = self._forbidden
            self.accounts.append(account)
        self._configure(archive)
        made = self.run("state", "init")
        assert made.returncode == 0, made.stderr
        # Everything is due at once, not only at the next full minute.
        due = ", ".join(f"('note:run:{account.name}', '0')" for account in self.accounts)
        self.server.execute(self.url, f"INSERT INTO meta (key, value) VALUES {due}")
        self.leases = LeaseWatch(self.url)
        self._stack.callback(self.leases.close)
        for number in range(1, options.workers + 1):
            address = f"127.0.0.{number + 1}" if options.addresses else "127.0.0.1"
            environment = self.environment(address)
            if self.spool is not None:
                environment["TMPDIR"] = str(self.spool)
            if options.older is not None and number == 1:
                environment["PYTHONPATH"] = str(options.older)
            worker = Worker(f"worker-{number}", self.folder, environment, options.kind, address)
            self.workers.append(worker)
            self._stack.callback(worker.kill)
        self.senders.workers = self.workers
        if options.refills:
            thread = threading.Thread(target=self._refill, name="refill", daemon=True)
            thread.start()
            self._stack.callback(thread.join, 10)
            self._stack.callback(self._ended.set)
        for worker in self.workers:
            worker.start()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self._supervisor.start()
        self._stack.callback(self.end_supervision)

    # --- its pieces -------------------------------------------------------------------------------

    def _listen_everywhere(self) -> None:
        """Let the server answer at an address for each worker, so that one's packets can be
        dropped.
        """
        self.server.stop()
        access = self.server._data / "pg_hba.conf"
        access.write_text(access.read_text() + "\nhost all all 127.0.0.0/8 trust\n")
        self.server.start("listen_addresses=*")

    def _make_role(self) -> None:
        database = self.url.rpartition("/")[2]
        self.server.execute(
            self.url,
            f"CREATE ROLE {_ROLE} LOGIN",
            f"ALTER DATABASE {database} OWNER TO {_ROLE}",
            f"ALTER SCHEMA public OWNER TO {_ROLE}",
        )

    def _archive(self) -> tuple[str, Callable[[str, str], list] | None]:  # type: ignore[type-arg]
        self.spool: Path | None = None
        if self.options.archive == "disk":
            return "{path: ./archive}", None
        store = Seaweedfs(self.component)
        self._stack.callback(store.close)
        faults = StoreFaults(self)
        location = self._stack.enter_context(faulty(store, "cluster", *faults.proxied()))
        if os.geteuid() == 0:
            self.spool = self.folder / "spool"
            self.spool.mkdir()
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=24m", "spool", self.spool], check=True
            )
            unmount = ["umount", "-l", str(self.spool)]
            self._stack.callback(lambda: subprocess.run(unmount, check=False))

        def read(key: str) -> bytes | None:
            try:
                return store.request("GET", f"/{BUCKET}/{quote(key)}")
            except HTTPError as error:
                error.close()
                return None

        def keys(prefix: str) -> list[str]:
            found: list[str] = []
            while True:
                after = quote(found[-1], safe="") if found else ""
                query = f"list-type=2&prefix={quote(prefix, safe='')}&start-after={after}"
                page = ET.fromstring(store.request("GET", f"/{BUCKET}", query=query))
                more = [str(each.text) for each in page.iter() if each.tag.endswith("}Key")]
                if not more:
                    return found
                found += more

        def receipts(account: str, job_id: str) -> list:  # type: ignore[type-arg]
            return receipts_of(keys, read, f"cluster/{account}/demo/", job_id)

        where = (
            f"{{url: s3://{BUCKET}/cluster, endpoint: {location.endpoint}, region: us-east-1,"
            " access_key_id: {env: S3_KEY}, secret_access_key: {env: S3_SECRET}}"
        )
        return where, receipts

    def _configure(self, archive: str) -> None:
        text = _CONFIG.replace("ARCHIVE", archive)
        for number, account in enumerate(self.accounts, 1):
            each = _ACCOUNT.replace("NAME", account.name).replace("NUMBER", str(number))
            text += each.replace("BASE_URL", account.sandbox.base_url)
        text += truth.POLICIES.replace("LIMIT", "null")
        (self.folder / "config.yaml").write_text(text)

    def environment(self, address: str = "127.0.0.1") -> dict[str, str]:
        """Return the variables of a process that reaches PostgreSQL at that address."""
        database = self.url.rpartition("/")[2]
        keys = {f"KEY_{number}": f"key-of-box-{number}" for number in range(1, 100)}
        return keys | {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONPATH": str(REPOSITORY),
            "STATE_URL": f"postgresql://{_ROLE}@{address}:{self.server.port}/{database}",
            "S3_KEY": KEY,
            "S3_SECRET": SECRET,
        }

    # --- what rounds use --------------------------------------------------------------------------

    def run(self, *arguments: str, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [*program(self.options.kind), *arguments],
            cwd=self.folder, env=self.environment(), timeout=timeout_s, check=False,
            capture_output=True, text=True,
        )  # fmt: skip

    def start_server(self) -> None:
        """Start PostgreSQL again."""
        everywhere = ["listen_addresses=*"] if self.options.addresses else []
        self.server.start(*everywhere)

    @property
    def is_closing(self) -> bool:
        return self._ended.is_set()

    def busy(self) -> list[Worker]:
        """Return the workers that work on an account and are left alone at the moment."""
        return [each for each in self.workers if not each.is_disturbed and self.leases.of(each.pid)]

    def last_write_at(self) -> float:
        """Return when the vendor saw a write last."""
        return max(account.oracle.last_write_at for account in self.accounts)

    def say(self, text: str) -> None:
        """Print what happens, and when."""
        print(f"{time.time() - self.began:7.1f} s  {text}", flush=True)

    def _forbidden(self, pid: int) -> str | None:
        if pid in self.never:
            return self.never[pid]
        since = self.cut_off.get(pid)
        if since is not None and time.time() - since > 15:
            return f"its database has been out of its reach for {time.time() - since:.1f} s"
        return None

    def _refill(self) -> None:
        while not self._ended.wait(_REFILL_S):
            for account in self.accounts:
                account.refill()

    def _supervise(self) -> None:
        """Start workers again that ended by themselves. That is a violation, and is no end."""
        while not self._unsupervised.wait(1.0):
            for worker in self.workers:
                if not worker.pid and not worker.is_disturbed:
                    self.ended.append(f"{worker.name} ended by itself: {worker.code}")
                    self.say(self.ended[-1])
                    worker.start()

    def end_supervision(self) -> None:
        """Start nothing again from now on."""
        self._unsupervised.set()
        self._supervisor.join()

    def close(self) -> None:
        """End everything."""
        self._ended.set()
        with suppress(URLError):
            self._stack.close()


class StoreFaults:
    """The faults of the bucket: that which `cluster.store_fault` names strikes every request."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def proxied(self) -> list[Fault]:
        from tests.support.s3_faults import DENIED, EXPIRED, SLOW_DOWN

        answers = {"503": SLOW_DOWN, "403": DENIED, "expired": EXPIRED}
        found = [
            Fault(partial(self._is_now, kind), answer=answer, times=_FOREVER)
            for kind, answer in answers.items()
        ]
        return [*found, Fault(partial(self._is_now, "slow"), delay_s=3.0, times=_FOREVER)]

    def _is_now(self, kind: str, _method: str, _path: str) -> bool:
        return self._cluster.store_fault == kind
