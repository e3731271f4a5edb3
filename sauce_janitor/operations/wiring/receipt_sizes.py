"""How large a job's assets are, by a fair sample of the receipts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sauce_janitor.archive import ArchiveLocation, Catalogue, ReceiptDocument, has_archive
from sauce_janitor.errors import ArchiveError
from sauce_janitor.retention.plan.costs import TYPICAL_BYTES, class_of

MOST_RECEIPTS: Final = 500
"""Enough for a mean, and few enough to be read within a second from a slow disk."""


@dataclass(frozen=True, slots=True)
class ReceiptSizes:
    """Mean bytes a job for each class of assets, from this many `receipts`; typical sizes for the
    `assumed` classes.

    `trouble` says why no receipt could be read although the archive is there.
    """

    a_job: dict[str, float] = field(default_factory=lambda: dict(TYPICAL_BYTES))
    receipts: int = 0
    assumed: tuple[str, ...] = tuple(TYPICAL_BYTES)
    trouble: str | None = None

    @property
    def text(self) -> str:
        """Where the numbers come from, in words."""
        if not self.receipts:
            return "estimated by typical sizes: there is no receipt yet"
        but = f", typical ones for {', '.join(self.assumed)}" if self.assumed else ""
        return f"estimated by the mean sizes of {self.receipts} archived jobs{but}"


def sizes_of(path: ArchiveLocation, account: str) -> ReceiptSizes:
    """Return the sizes in the archive at `path`; typical sizes where it has none.

    Raises nothing: what is wrong with the archive is in `ReceiptSizes.trouble`.
    """
    try:
        # A folder without an archive is worth a word; a prefix of a bucket exists only with one.
        is_there = path.exists() if isinstance(path, Path) else has_archive(path)
        if not is_there:
            return ReceiptSizes()
        with Catalogue.open(path) as catalogue:
            drawn = catalogue.sample(MOST_RECEIPTS, account=account)
            return measured(receipt.document for receipt in drawn)
    except ArchiveError as error:
        return ReceiptSizes(trouble=str(error))


def measured(receipts: Iterable[ReceiptDocument]) -> ReceiptSizes:
    """Return the means over the jobs of which a class was wanted, whether they had any of it or
    not.
    """
    stored: Counter[str] = Counter()
    jobs: Counter[str] = Counter()
    count = 0
    for receipt in receipts:
        # Its assets were purged before it was archived: nobody knows their sizes.
        if receipt.purged:
            continue
        count += 1
        for asset in receipt.assets:
            stored[class_of(asset.name)] += asset.bytes
        # A class that the policy left out says nothing about its size.
        unwanted = {class_of(each.name) for each in receipt.discarded}
        jobs.update(
            each
            for each in {*TYPICAL_BYTES, *map(class_of, receipt.listed)}
            if each not in unwanted
        )
    means = {each: stored[each] / number for each, number in jobs.items()}
    assumed = tuple(each for each in TYPICAL_BYTES if each not in means)
    return ReceiptSizes({each: TYPICAL_BYTES[each] for each in assumed} | means, count, assumed)
