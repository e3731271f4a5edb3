"""Reads back the copies that deletes depend on, and remembers when, where the configuration trusts
that for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sauce_janitor.archive import Archive, Damage
from sauce_janitor.archive.receipts import ReceiptFile
from sauce_janitor.archive.storage.names import place_of
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError
from sauce_janitor.model.jobs import Job, JobId, Owner
from sauce_janitor.model.stored_jobs import ReadBack
from sauce_janitor.state import State


class CheckedCopies:
    """One account's copies. `trust_s`: how long a read-back is trusted, in seconds; None: only the
    run's own are.
    """

    def __init__(
        self,
        held: Archive,
        kept: State,
        account: str,
        *,
        trust_s: int | None,
        clock: Callable[[], float],
    ) -> None:
        self._held, self._kept, self._account = held, kept, account
        self._trust_s, self._clock = trust_s, clock
        self._key = kept.accounts.key(account)
        if trust_s is not None:
            kept.read_backs.forget_before(account, self._now() - trust_s)

    def read_back(self, owner: Owner, job_id: JobId, /, *, force: bool = False) -> ReadBack:
        """Read every stored byte of the job from the disk; with `force` also where an earlier
        read-back is trusted.

        Raise ArchiveError when a receipt cannot be trusted: then it is unknown what was stored.
        """
        ended_at = self._kept.jobs.ended_at(self._account, job_id)
        try:
            if not force and (receipt := self._trusted(owner, job_id, ended_at)) is not None:
                return ReadBack(receipt)
            proof = self._held.read_back(owner, job_id, ended_at=ended_at)
        # About the whole archive, not about this copy: the run must end.
        except ArchiveUnusableError:
            raise
        except ArchiveError as error:
            raise _untrusted(job_id, str(error)) from error
        known = self._receipt_on_record(job_id)
        # Never archived, or lost: the journal's receipt tells the two apart.
        if proof is None:
            return ReadBack(None, () if known is None else ("its folder is gone",))
        # A file that no receipt names takes nothing away from the copy.
        findings = [each for each in proof.findings if each.damage is not Damage.EXTRA]
        # With a broken receipt nobody knows which files there should be, so no repair is tried.
        if broken := next((each for each in findings if each.damage is Damage.RECEIPT), None):
            raise _untrusted(job_id, broken.detail)
        _check(job_id, proof.receipts, known)
        receipt = proof.receipts[-1].sha256
        # However recently it was read back, it is damaged now.
        if findings:
            self._kept.read_backs.forget(self._account, job_id)
        else:
            self.remember(job_id, receipt)
        return ReadBack(
            receipt, tuple(f"{each.file}: {each.damage} ({each.detail})" for each in findings)
        )

    def check(self, job: Job) -> None:
        """Raise ArchiveError where the journal names a receipt that the job's folder lacks: nothing
        is added to such a copy.
        """
        with self._held.reading() as catalogue:
            receipts = catalogue.receipts(place_of(self._key, job))
        if receipts:
            _check(job.id, receipts, self._receipt_on_record(job.id))

    def remember(self, job_id: JobId, receipt: str) -> None:
        """Record a read-back that found nothing wrong, where read-backs are ever trusted."""
        if self._trust_s is not None:
            self._kept.read_backs.remember(self._account, job_id, receipt, at=self._now())

    def _trusted(self, owner: Owner, job_id: JobId, ended_at: int | None) -> str | None:
        """Return the receipt of a copy that was read back recently, is still the newest, and has
        files of the right lengths.
        """
        last = (
            self._kept.read_backs.last(self._account, job_id) if self._trust_s is not None else None
        )
        # A read-back in the future comes from a clock that was wrong: it is not trusted.
        if last is None or self._trust_s is None or not 0 <= self._now() - last[1] <= self._trust_s:
            return None
        with self._held.reading() as catalogue:
            place, receipts = catalogue.receipts_of(self._key, owner, job_id, ended_at=ended_at)
            # Stored again since: other bytes than those that were read.
            if place is None or not receipts or receipts[-1].sha256 != last[0]:
                return None
            return last[0] if catalogue.is_whole(place, receipts[-1]) else None

    def _now(self) -> int:
        return int(self._clock())

    def _receipt_on_record(self, job_id: JobId) -> str | None:
        """Return the SHA-256 of the receipt that the journal names last; None when it names
        none.
        """
        lines = self._kept.journal.of(job_id, self._account)
        return next((line.receipt for line in reversed(lines) if line.kind == "archived"), None)


def _check(job_id: JobId, receipts: Sequence[ReceiptFile], known: str | None) -> None:
    """Raise ArchiveError unless the receipt that the journal names is there: a receipt with a
    flipped bit can still read well.
    """
    if known is not None and known not in {each.sha256 for each in receipts}:
        raise _untrusted(
            job_id, "the receipt that the journal names is not in it: it was changed or removed"
        )


def _untrusted(job_id: JobId, why: str) -> ArchiveError:
    return ArchiveError(
        f"job {job_id}: its copy in the archive cannot be trusted ({why}), so nothing is deleted of"
        " the job: restore its folder from a backup, or move it out of the archive, and the next"
        " run archives the job again"
    )
