"""Verifies the archive: every byte against its receipt, every receipt against the journal. It only
reads and repairs nothing.

The state remembers the progress, so a verification that takes days can be interrupted and resumed.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from sauce_janitor.archive import Catalogue, Damage, Finding, Proof
from sauce_janitor.archive.receipts import receipt_name
from sauce_janitor.archive.storage.ports import Place
from sauce_janitor.archive.verify import ArchiveScope, JobSampleShare, prove_all
from sauce_janitor.errors import ArchiveError, ConfigError
from sauce_janitor.model.jobs import JobId, Owner
from sauce_janitor.state import State

_KEEP_EVERY_S: Final = 5.0
_MOST_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class VerifyScope:
    """What to verify: one job, all of an account and owner (None: of all), or a sample of them.

    `resume` continues an interrupted verification of the same account and owner.
    """

    account: str | None = None
    owner: Owner | None = None
    job: JobId | None = None
    sample: JobSampleShare | None = None
    resume: bool = False

    @property
    def scope(self) -> str:
        """The key under which its progress is remembered."""
        return json.dumps([self.account, self.owner])


@dataclass(slots=True)
class Verified:
    """What was verified: jobs, files and bytes read, and the findings. `resumed` of the jobs were
    verified before the interruption.

    `incomplete` jobs lack files that could not be fetched. `complete`: the end was reached.
    `against_journal`: receipts were compared with the journal, too.
    """

    jobs: int = 0
    files: int = 0
    size_bytes: int = 0
    findings: list[Finding] = field(default_factory=list)
    resumed: int = 0
    incomplete: int = 0
    complete: bool = False
    against_journal: bool = False


@dataclass(frozen=True, slots=True)
class VerifyContext:
    """What a verification works with: `state` is None where there is none, `stop` ends it early,
    `on_proof` is called for each job.

    `remembers`: a copy found whole counts as read back, for configurations that trust that for a
    while before a delete.
    """

    catalogue: Catalogue
    state: State | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    on_proof: Callable[[Proof], None] = lambda _: None
    clock: Callable[[], float] = time.time
    workers: int | None = None
    remembers: bool = False


def verify(target: VerifyScope, context: VerifyContext) -> Verified:
    """Verify the scope. Raise ConfigError when there is nothing to resume, ArchiveError when the
    archive cannot be listed.
    """
    return _Verifier(target, context).verify()


class _Verifier:
    def __init__(self, target: VerifyScope, context: VerifyContext) -> None:
        self._target, self._context, self._state = target, context, context.state
        self._done = Verified(against_journal=context.state is not None)
        self._after: Place = ()
        self._kept_at = time.monotonic()
        self._is_long = target.job is None and target.sample is None
        self._began_at = int(context.clock())

    def verify(self) -> Verified:
        done = self._done
        if self._target.resume:
            self._go_on()
        try:
            for place, proof in self._proofs():
                self._count(proof)
                self._after = place
                if self._context.stop.is_set():
                    return done
                if time.monotonic() - self._kept_at >= _KEEP_EVERY_S:
                    self._keep()
            # Only a whole verification can tell that a folder is missing; a sample did not look.
            if self._is_long and self._state is not None:
                for proof in self._vanished(self._state):
                    self._count(proof, is_job=False)
            done.complete = True
            return done
        # Also after a stop or an error: `--resume` continues from here.
        finally:
            self._keep()

    @property
    def _key(self) -> str | None:
        """The account's name in the archive. Without a state, an account is called what its folder
        is called.
        """
        name = self._target.account
        return name if name is None or self._state is None else self._state.accounts.key(name)

    def _proofs(self) -> Iterator[tuple[Place, Proof]]:
        target, catalogue = self._target, self._context.catalogue
        if target.job is not None:
            places = catalogue.places_of(target.job, account=self._key, owner=target.owner)
            return ((place, catalogue.prove(place)) for place in places)
        scope = ArchiveScope(self._key, target.owner, self._after, target.sample)
        return prove_all(catalogue, scope, workers=self._context.workers)

    def _count(self, proof: Proof, *, is_job: bool = True) -> None:
        done = self._done
        findings = (*proof.findings, *self._against_journal(proof))
        done.jobs += is_job
        done.incomplete += bool(proof.receipts) and bool(proof.receipts[-1].document.missing)
        done.files += proof.files
        done.size_bytes += proof.size_bytes
        done.findings += findings
        self._note_read_back(proof, whole=not findings)
        self._context.on_proof(
            Proof(proof.place, proof.receipts, findings, proof.files, proof.size_bytes)
        )

    def _note_read_back(self, proof: Proof, *, whole: bool) -> None:
        """Record a read-back. A damaged copy is no longer trusted, however recently it was read
        back.
        """
        if self._state is None or not proof.receipts:
            return
        newest, kept = proof.receipts[-1], self._state.read_backs
        account, job_id = (
            self._state.accounts.named(newest.document.account),
            newest.document.job_id,
        )
        # Also where the configuration trusts read-backs: the next delete must read it again.
        if not whole:
            kept.forget(account, job_id)
        elif self._context.remembers:
            kept.remember(account, job_id, newest.sha256, at=int(self._context.clock()))

    def _against_journal(self, proof: Proof) -> Iterable[Finding]:
        """Yield the receipts of this job that the journal has and the archive does not: removed, or
        edited with all their files.
        """
        if self._state is None or not proof.receipts:
            return
        document = proof.receipts[-1].document
        there = {receipt.sha256 for receipt in proof.receipts}
        for line in self._state.journal.of(
            document.job_id, self._state.accounts.named(document.account)
        ):
            if line.kind == "archived" and line.receipt not in there:
                detail = (
                    f"the journal has it with SHA-256 {line.receipt} (line {line.seq}), and no"
                    " receipt here is that one"
                )
                yield Finding(
                    proof.place, receipt_name(len(proof.receipts)), Damage.RECEIPT, detail
                )

    def _vanished(self, state: State) -> Iterator[Proof]:
        """Yield jobs that the journal has as archived and that have no folder any more."""
        accounts = [self._target.account] if self._target.account else list(state.accounts.all())
        for account in accounts:
            seen: set[JobId] = set()
            for line in state.journal.lines(account):
                if line.kind != "archived" or line.job_id in seen:
                    continue
                seen.add(line.job_id)
                if self._target.owner in {None, line.owner} and not self._stands(
                    state, account, line.owner, line.job_id
                ):
                    where = f"{account}/{line.owner}/…/{line.job_id}"
                    detail = (
                        f"the journal has it as archived (line {line.seq}), and its folder is gone"
                    )
                    yield Proof(
                        where, (), (Finding(where, receipt_name(1), Damage.MISSING, detail),), 0, 0
                    )

    def _stands(self, state: State, account: str, owner: Owner, job: JobId) -> bool:
        try:
            ended_at = state.jobs.ended_at(account, job)
            return self._context.catalogue.has_folder(
                state.accounts.key(account), owner, job, ended_at=ended_at
            )
        except ArchiveError:
            # Something is there; reading it has already reported what is wrong.
            return True

    # --- progress ---------------------------------------------------------------------------------

    def _go_on(self) -> None:
        kept = (
            self._state.verifications.kept(self._target.scope) if self._state is not None else None
        )
        if kept is None or kept["complete"] or kept["archive"] != self._context.catalogue.root.uuid:
            raise ConfigError(
                "there is no interrupted verification to go on with: leave out --resume to"
                " begin one"
            )
        done = self._done
        self._after, self._began_at = tuple(kept["after"]), kept["began_at"]
        done.jobs, done.files, done.size_bytes = kept["jobs"], kept["files"], kept["size_bytes"]
        done.findings = [
            Finding(each["place"], each["file"], Damage(each["damage"]), each["detail"])
            for each in kept["findings"]
        ]
        done.resumed = done.jobs

    def _keep(self) -> None:
        self._kept_at = time.monotonic()
        # One job or a sample is done in one go, and must not replace the progress of a long one.
        if self._state is None or not self._is_long:
            return
        done = self._done
        kept: dict[str, Any] = {
            "archive": self._context.catalogue.root.uuid,
            "began_at": self._began_at,
            "kept_at": int(self._context.clock()),
            "after": list(self._after),
            "complete": done.complete,
            "jobs": done.jobs,
            "files": done.files,
            "size_bytes": done.size_bytes,
            "findings": [asdict(finding) for finding in done.findings[:_MOST_KEPT]],
        }
        self._state.verifications.keep(self._target.scope, kept)
