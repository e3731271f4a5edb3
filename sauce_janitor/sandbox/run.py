"""Starts and stops a sandbox, and lets a test read and change its data without a request."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from sauce_janitor.sandbox.answers import ServerContext
from sauce_janitor.sandbox.core.options import SandboxOptions
from sauce_janitor.sandbox.core.people import Person
from sauce_janitor.sandbox.core.request_log import RequestLog
from sauce_janitor.sandbox.injected_faults import ArmedFaults, Fault, read_faults
from sauce_janitor.sandbox.server import Server
from sauce_janitor.sandbox.throttle import Throttle
from sauce_janitor.sandbox.world.world import JobRef, Truth, World


class Sandbox:
    """A running look-alike of the Sauce Labs API. `with Sandbox(SandboxOptions(jobs=500)) as
    sauce:` or start and stop.

    `log` has every request so far. Raises ValueError for a wrong faults file, OSError for a port
    that is in use or a file that cannot be opened.
    """

    def __init__(self, options: SandboxOptions | None = None) -> None:
        self.options = options or SandboxOptions()
        # Read before anything is opened: a wrong file leaves no log file and no port behind.
        armed = read_faults(self.options.faults) if self.options.faults is not None else ()
        now = self.options.now if self.options.now is not None else int(time.time())
        self.world = World(self.options, now=now)
        self.faults = ArmedFaults(self.options.seed, armed)
        self.log = RequestLog(self.options.request_log)
        throttle = Throttle(self.options.rate, self.options.behaviours)
        context = ServerContext(self.world, self.faults, throttle, self.log, threading.Event())
        self._thread: threading.Thread | None = None
        try:
            self._server = Server(context, self.options.port, _tls(self.options))
        # The port is in use, so nobody will call `stop`, which closes the log.
        except OSError:
            self.log.close()
            raise

    def start(self) -> Self:
        """Answer requests from now on."""
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="sandbox",
            daemon=True,
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening, end all connections and close the log's file. May be called twice."""
        if self._thread is not None:
            self._server.end()
            self._thread.join()
            self._thread = None
        else:
            # `shutdown` waits for `serve_forever`, which was never started, and would hang.
            self._server.server_close()
        self.log.close()

    def drain(self, within_s: float = 10.0) -> bool:
        """Wait for all connections to end. Return whether they ended in time."""
        return self._server.drain(within_s)

    def __enter__(self) -> Self:
        # `with Sandbox().start() as sauce` must not start it twice.
        return self if self._thread is not None else self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # --- how to reach it --------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:PORT`, without a slash at the end."""
        return self._server.base_url

    @property
    def user(self) -> str:
        """Return the main user's name."""
        return self.options.user

    @property
    def access_key(self) -> str:
        """Return the main user's access key."""
        return self.options.access_key

    @property
    def owners(self) -> dict[str, str]:
        """Return every owner of jobs with the access key, the main user first.

        Service accounts are among them.
        """
        return {person.name: person.access_key for person in self.world.organisation.people}

    # --- the truth --------------------------------------------------------------------------------

    def truth(self, job_id: str) -> Truth | None:
        """Return what is true of a job, also of a deleted one; None for an unknown id."""
        return self.world.truth(job_id, self.base_url)

    def job_ids(self, owner: str | None = None, *, even_deleted: bool = False) -> Iterator[str]:
        """Yield the ids of an owner's jobs (default: the main user's), newest first."""
        person = self._person(owner)
        ledger = self.world.ledger(person)
        for index in range(ledger.count - 1, -1, -1):
            if even_deleted or ledger.has(index):
                yield self.world.ref(person, index).id

    def asset(self, job_id: str, name: str) -> bytes | None:
        """Return the bytes of a file of the job, also of a hidden one, or None."""
        found = {asset.name: asset for asset in self.world.assets(self._job(job_id))}
        return found[name].read() if name in found else None

    # --- changing the world -----------------------------------------------------------------------

    def inject(self, fault: str, **settings: object) -> Fault:
        """Arm a fault of docs/reference/sandbox.md and return it. `fired` counts its effects."""
        armed = Fault.parse({"fault": fault, **settings})
        self.faults.arm(armed)
        return armed

    def arrive(
        self, *, owner: str | None = None, created_at: int | None = None, **fields: object
    ) -> str:
        """Add a job, the newest of its owner, and return its id.

        It is finished and passed, unless `fields` of the job document say otherwise.
        """
        person = self._person(owner)
        ledger = self.world.ledger(person)
        with self.world.lock:
            index = ledger.arrive(int(time.time()) if created_at is None else created_at)
            if fields:
                ledger.patch(index, fields)
        return self.world.ref(person, index).id

    def edit(self, job_id: str, **fields: object) -> None:
        """Change fields of a job's document, as another person in the organisation might."""
        job = self._job(job_id)
        with self.world.lock:
            job.ledger.patch(job.index, fields)

    def upload(self, job_id: str, name: str, data: bytes) -> None:
        """Add or replace an asset. The name may be hostile."""
        job = self._job(job_id)
        with self.world.lock:
            job.ledger.uploads.setdefault(job.index, {})[name] = data

    def remove(self, job_id: str, *, only_assets: bool = False) -> None:
        """Delete a job (or its assets) without a request, as another tool might."""
        job = self._job(job_id)
        with self.world.lock:
            if only_assets:
                job.ledger.stripped.add(job.index)
            else:
                job.ledger.gone.add(job.index)

    def _person(self, owner: str | None) -> Person:
        person = self.world.organisation.named(self.user if owner is None else owner)
        if person is None:
            raise KeyError(f"no user {owner!r} in the sandbox")
        return person

    def _job(self, job_id: str) -> JobRef:
        job = self.world.job(job_id)
        if job is None:
            raise KeyError(f"no job {job_id!r} in the sandbox")
        return job


def _tls(options: SandboxOptions) -> ssl.SSLContext | None:
    if options.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.certificate, options.private_key)
    return context
