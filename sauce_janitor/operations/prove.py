"""Proves from the journal and the archive that nothing was deleted without its copy, and says what
cannot be proven.

It only reads. It cannot prove anything about what neither the journal nor the archive ever had, or
about what Sauce Labs held at the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sauce_janitor.archive import Catalogue, Proof
from sauce_janitor.archive.verify import ArchiveScope, prove_all
from sauce_janitor.errors import ArchiveError, StateError
from sauce_janitor.model.jobs import DELETES, JobId, Owner
from sauce_janitor.report import counted
from sauce_janitor.state import JournalLine, State


@dataclass(slots=True)
class Proven:
    """What was proven, in numbers, and the findings.

    `deletions` are confirmed ones: `by_receipt` of them have their receipt and every byte of it;
    `nothing_wanted` were of jobs for which a policy said `archive: none`. `already_gone` were gone
    before the delete and `in_doubt` have no final outcome: neither can be proven. `pruned_files` of
    `pruned_jobs` left the archive by pruning; their receipts stay. `given_up` deletions destroyed
    files that could not be fetched: their receipts name them, and a policy said to continue without
    them. `findings` are where the archive contradicts the journal.
    """

    lines: int = 0
    head: str = ""
    chain_is_whole: bool = True
    deletions: int = 0
    by_receipt: int = 0
    nothing_wanted: int = 0
    given_up: int = 0
    already_gone: int = 0
    in_doubt: int = 0
    archived: int = 0
    pruned_jobs: int = 0
    pruned_files: int = 0
    jobs: int = 0
    files: int = 0
    size_bytes: int = 0
    findings: list[str] = field(default_factory=list)


def prove(
    state: State, catalogue: Catalogue | None, accounts: Iterable[str], job_id: JobId | None = None
) -> Proven:
    """Prove everything about these accounts, or one job. `catalogue` is None where there never was
    an archive.

    Reads every stored byte. Raise StateError and ArchiveError only when the journal or the archive
    cannot be read at all.
    """
    prover = _Prover(state, catalogue)
    prover.chain()
    for account in accounts:
        prover.bytes_of(account, job_id)
        prover.journal(
            account, state.journal.of(job_id, account) if job_id else state.journal.lines(account)
        )
    return prover.found


class _Prover:
    def __init__(self, state: State, catalogue: Catalogue | None) -> None:
        self._state, self._catalogue = state, catalogue
        self._damaged: set[str] = set()
        self.found = Proven()

    def _key(self, account: str) -> str:
        return self._state.accounts.key(account)

    def chain(self) -> None:
        found = self.found
        _, found.head = self._state.journal.head()
        try:
            found.lines = self._state.journal.verify()
        except StateError as error:
            found.chain_is_whole = False
            found.findings.append(str(error))

    def bytes_of(self, account: str, job_id: JobId | None) -> None:
        """Hash what the archive holds, and remember the jobs whose files have changed."""
        if self._catalogue is None:
            return
        places = self._catalogue.places_of(job_id, account=self._key(account)) if job_id else None
        # Several jobs are hashed at once; one job is hashed here.
        if places is None:
            proofs: Iterable[Proof] = (
                proof for _, proof in prove_all(self._catalogue, ArchiveScope(self._key(account)))
            )
        else:
            proofs = map(self._catalogue.prove, places)
        for proof in proofs:
            self.found.jobs += 1
            self.found.files += proof.files
            self.found.size_bytes += proof.size_bytes
            self.found.pruned_jobs += bool(proof.records)
            self.found.pruned_files += sum(len(each.record.files) for each in proof.records)
            # Files are missing by intent, if the journal has the line of it.
            if proof.records:
                self._on_record(account, proof)
            if proof.findings:
                self._damaged.add(proof.place)
                self.found.findings += [str(finding) for finding in proof.findings]

    def _on_record(self, account: str, proof: Proof) -> None:
        """Add a finding for each prune record that the journal does not name: pruning must be this
        program's own.
        """
        journaled = {
            line.receipt
            for line in self._state.journal.of(proof.receipts[-1].document.job_id, account)
        }
        self.found.findings += [
            f"{proof.place}/{each.file}: files were removed, and the journal has no line about it"
            for each in proof.records
            if each.sha256 not in journaled
        ]

    def journal(self, account: str, lines: Iterable[JournalLine]) -> None:
        """Compare every line of the journal with the archive."""
        found, begun = self.found, dict[int, JournalLine]()
        for line in lines:
            if line.kind == "archived":
                found.archived += 1
                if (
                    why := self._missing(account, line.owner, line.job_id, line.receipt)
                ) is not None:
                    found.findings.append(
                        f"job {line.job_id} was archived (line {line.seq}), but {why}"
                    )
            elif line.kind == "found_gone":
                found.already_gone += 1
            elif (line.kind == "intent" and line.action in DELETES) or line.kind == "pruning":
                begun[line.seq] = line
            # An end whose begin is not among these lines belongs to another job or account.
            elif line.kind == "pruned" and line.intent in begun:
                self._pruning(account, begun.pop(line.intent), line)
            elif line.kind == "outcome" and line.intent in begun and line.outcome != "unknown":
                intent = begun.pop(line.intent)
                if line.outcome == "confirmed":
                    self._deletion(account, intent, line)
                elif line.outcome == "already_gone":
                    found.already_gone += 1
        found.in_doubt += sum(line.kind == "intent" for line in begun.values())

    def _pruning(self, account: str, begun: JournalLine, line: JournalLine) -> None:
        """Check that pruned files have their record in the archive."""
        if line.outcome != "pruned" or self._catalogue is None:
            return
        try:
            places = self._catalogue.places_of(
                line.job_id, account=self._key(account), owner=line.owner
            )
            known: set[str] = set()
            for place in places:
                known.update(each.sha256 for each in self._catalogue.records(place))
        except ArchiveError as error:
            self.found.findings.append(str(error))
            return
        if begun.receipt not in known:
            self.found.findings.append(
                f"job {line.job_id} was pruned (line {line.seq}), but the archive does not have the"
                f" record {begun.receipt}"
            )

    def _deletion(self, account: str, intent: JournalLine, line: JournalLine) -> None:
        found = self.found
        found.deletions += 1
        # The policy's `archive: none` is on record, so no copy is expected.
        if intent.receipt is None and intent.detail.get("archive_none"):
            found.nothing_wanted += 1
            return
        why = self._missing(account, line.owner, line.job_id, intent.receipt)
        if why is None:
            found.by_receipt += 1
            found.given_up += self._lacked(account, line, intent.receipt)
        else:
            found.findings.append(f"{line.action} of job {line.job_id} (line {line.seq}): {why}")

    def _lacked(self, account: str, line: JournalLine, sha256: str | None) -> bool:
        """Return whether the receipt behind a delete names files that could not be fetched."""
        assert self._catalogue is not None
        ended_at = self._state.jobs.ended_at(account, line.job_id)
        _, receipts = self._catalogue.receipts_of(
            self._key(account), line.owner, line.job_id, ended_at=ended_at
        )
        return any(receipt.sha256 == sha256 and receipt.document.missing for receipt in receipts)

    def _missing(self, account: str, owner: Owner, job_id: JobId, sha256: str | None) -> str | None:
        """Return what is wrong with a receipt that the journal names; None for nothing."""
        if sha256 is None:
            return "the journal names neither a receipt nor a policy that archives nothing"
        if self._catalogue is None:
            return "there is no archive"
        try:
            ended_at = self._state.jobs.ended_at(account, job_id)
            place, receipts = self._catalogue.receipts_of(
                self._key(account), owner, job_id, ended_at=ended_at
            )
        except ArchiveError as error:
            return str(error)
        if place is None:
            return "the archive has nothing of it"
        if all(receipt.sha256 != sha256 for receipt in receipts):
            return f"the archive does not have its receipt {sha256}"
        return "its copy is damaged" if "/".join(place) in self._damaged else None


def lines_of(found: Proven) -> Iterator[str]:
    """Yield the result as sentences for people."""
    if found.chain_is_whole:
        lines = counted(found.lines, "line")
        yield f"Journal: {lines}, none altered or missing; hash of all: {found.head}"
    yield (
        f"Deletions: {found.deletions:,} confirmed; {found.by_receipt:,} have a receipt whose files"
        f" were read and match, {found.nothing_wanted:,} needed no copy (archive: none)"
    )
    yield (
        f"Archive: {counted(found.jobs, 'job')}, {counted(found.files, 'file')},"
        f" {found.size_bytes:,} bytes read and hashed again"
    )
    if found.pruned_files:
        yield (
            f"Pruned: {counted(found.pruned_files, 'file')} of {counted(found.pruned_jobs, 'job')}"
            " removed from the archive, each with a record"
        )
    if found.given_up:
        yield (
            f"Given up: {found.given_up:,} of the deletions destroyed files that could not be"
            " fetched, as a policy allows (if_unavailable); receipts name them"
        )
    if found.already_gone:
        deletions = counted(found.already_gone, "deletion")
        yield f"Cannot be proven: {deletions} found the job or its assets already gone"
    if found.in_doubt:
        yield (
            f"Cannot be proven: {counted(found.in_doubt, 'delete')} whose outcome is not known yet;"
            " the next executing run asks"
        )
    yield "Cannot be proven: files that Sauce Labs had but never listed"
