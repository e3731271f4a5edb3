"""What reading a stored job back has found."""

from __future__ import annotations

from dataclasses import dataclass

from sauce_janitor.archive.content.read_back import Damage
from sauce_janitor.archive.prune_records import PruneFile
from sauce_janitor.archive.receipts import ReceiptFile
from sauce_janitor.archive.storage.ports import Place


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem: the folder of the job, the file in it, and what is wrong."""

    place: str
    file: str
    damage: Damage
    detail: str

    def __str__(self) -> str:
        return f"{self.place}/{self.file}: {self.damage} ({self.detail})"


@dataclass(frozen=True, slots=True)
class Proof:
    """One job as the archive holds it now: its receipts, oldest first, and all problems with them.

    `records` say what was pruned. Such a file may be missing; while it exists it must match its
    receipt.
    """

    place: str
    receipts: tuple[ReceiptFile, ...]
    findings: tuple[Finding, ...]
    files: int
    size_bytes: int
    records: tuple[PruneFile, ...] = ()

    def proves(self, sha256: str) -> bool:
        """Tell whether the receipt with this hash is unchanged and every stored byte matches."""
        return not self.findings and any(receipt.sha256 == sha256 for receipt in self.receipts)


def failed_proof(place: Place, file: str, damage: Damage, detail: str) -> Proof:
    """Return the proof of a job of which nothing can be read, with the finding that says why."""
    where = "/".join(place)
    return Proof(where, (), (Finding(where, file, damage, detail),), 0, 0)
