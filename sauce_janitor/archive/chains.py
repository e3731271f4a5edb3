"""The receipts in a job's folder as a chain: none is missing, and each follows the one before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sauce_janitor.archive.receipt_format import read_receipt, sha256_of
from sauce_janitor.archive.receipts import LONGEST, ReceiptFile, receipt_name, receipt_number
from sauce_janitor.archive.storage.names import folder_name
from sauce_janitor.archive.storage.ports import JobFolder, Place
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveError


def chain(folder: JobFolder, place: Place, names: Iterable[str]) -> tuple[ReceiptFile, ...]:
    """Return the receipts in a job's folder, oldest first.

    Raises ArchiveError where one is missing, is about another job, or does not follow the one
    before.
    """
    names = list(names)
    numbers = sorted(number for name in names if (number := receipt_number(name)) is not None)
    # A gap means that a receipt was removed.
    if numbers != list(range(1, len(numbers) + 1)) or (names and not numbers):
        raise ArchiveError(f"{'/'.join(place)} lacks {receipt_name(_first_gap(numbers))}")
    receipts: list[ReceiptFile] = []
    for number in numbers:
        name = receipt_name(number)
        with storage_errors(f"read {'/'.join(place)}/{name}"):
            data = folder.read_small(name, at_most=LONGEST)
        try:
            receipt = ReceiptFile(name, sha256_of(data), read_receipt(data))
        except ArchiveError as error:
            raise ArchiveError(f"{'/'.join(place)}/{name}: {error}") from error
        document = receipt.document
        at = (folder_name(document.account), folder_name(document.owner), document.job_id)
        # A receipt was copied from another job, or from another number.
        if document.number != number or at != (place[0], place[1], place[-1]):
            raise ArchiveError(f"{'/'.join(place)}/{name} is the receipt of something else")
        if document.previous != (receipts[-1].sha256 if receipts else None):
            raise ArchiveError(
                f"{'/'.join(place)}/{name} does not follow the receipt before it: one of them was "
                "changed"
            )
        receipts.append(receipt)
    return tuple(receipts)


def _first_gap(numbers: Sequence[int]) -> int:
    return next(
        (place for place, number in enumerate(numbers, 1) if place != number), len(numbers) + 1
    )
