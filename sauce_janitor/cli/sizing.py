"""What a job's assets weigh, by the receipts so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from sauce_janitor import terminal
from sauce_janitor.archive import Catalogue, ReceiptDocument
from sauce_janitor.errors import ArchiveError
from sauce_janitor.retention.costs import TYPICAL_BYTES, class_of

_MOST_RECEIPTS = 500


@dataclass(frozen=True, slots=True)
class Sizes:
    """Mean bytes a job by class of assets, typical ones for those `assumed`: none of the `receipts` many jobs told them."""

    a_job: dict[str, float] = field(default_factory=lambda: dict(TYPICAL_BYTES))
    receipts: int = 0
    assumed: tuple[str, ...] = tuple(TYPICAL_BYTES)

    @property
    def text(self) -> str:
        """Where the numbers are from, in words."""
        if not self.receipts:
            return "estimated by typical sizes: there is no receipt yet"
        but = f", typical ones for {', '.join(self.assumed)}" if self.assumed else ""
        return f"estimated by the mean sizes of {self.receipts} archived jobs{but}"


def sizes_of(path: Path, account: str) -> Sizes:
    """The sizes that the archive tells. What cannot be read there is said on stderr, and then typical ones count."""
    if not path.exists():
        return Sizes()
    try:
        with Catalogue.open(path) as catalogue:
            return measured(_newest(catalogue, account))
    except ArchiveError as wrong:
        terminal.echo(f"sauce-janitor: archive sizes are guessed: {wrong}", err=True)
        return Sizes()


def _newest(catalogue: Catalogue, account: str) -> Iterator[ReceiptDocument]:
    """The newest receipt of each of some jobs."""
    for place in islice(catalogue.places(account=account), _MOST_RECEIPTS):
        receipts = catalogue.receipts(place)
        if receipts:
            yield receipts[-1].document


def measured(receipts: Iterable[ReceiptDocument]) -> Sizes:
    """The means over jobs of which a class was wanted, whether they had any of it or not."""
    stored: Counter[str] = Counter()
    jobs: Counter[str] = Counter()
    count = 0
    for receipt in receipts:
        if receipt.purged:
            continue
        count += 1
        for asset in receipt.assets:
            stored[class_of(asset.name)] += asset.bytes
        unwanted = {class_of(each.name) for each in receipt.discarded}
        jobs.update(each for each in {*TYPICAL_BYTES, *map(class_of, receipt.listed)} if each not in unwanted)
    told = {each: stored[each] / number for each, number in jobs.items()}
    assumed = tuple(each for each in TYPICAL_BYTES if each not in told)
    return Sizes({each: TYPICAL_BYTES[each] for each in assumed} | told, count, assumed)
