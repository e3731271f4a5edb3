"""What a sync is asked for, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sauce_janitor.errors import SourceError
from sauce_janitor.inventory.listing_memory import SetAside
from sauce_janitor.model.jobs import Owner

CONFIRMED_AFTER_S: Final = 15 * 60
"""The shortest time after which a first listing that is empty or incomplete can be confirmed.

Answers that are seconds apart share one outage, one stale cache or one half-finished deployment of
the vendor.
"""


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What a run needs from the inventory.

    `now` is epoch seconds UTC by our clock. A complete full listing older than `full_every_s` is
    repeated; `deep` repeats it at any age. `accept_loss` says that an operator knows where the
    missing jobs went: then a list is accepted whatever it lost. `needed_fields` are the fields that
    the rules read (names of `Job` or of the policy language): where a row leaves one out, the
    details are asked for.
    """

    now: int
    full_every_s: int
    deep: bool = False
    accept_loss: bool = False
    needed_fields: frozenset[str] = frozenset()
    with_builds: bool = False


@dataclass(frozen=True, slots=True)
class SyncReport:
    """The result of a sync.

    `rows` were listed, `gone` jobs disappeared, `detailed` jobs were asked for by themselves, and
    `builds` are known (None: not offered or not asked for). `asides` are rows that could not be
    read, the first of `aside_count`; with any, the watermark stays where it was. `known` is how
    many jobs there are. `confirmed` is False after a first full listing that was empty or had
    unreadable rows: one that begins `CONFIRMED_AFTER_S` later has to agree with it.
    """

    owner: Owner
    full: bool
    rows: int = 0
    gone: int = 0
    detailed: int = 0
    builds: int | None = None
    known: int = 0
    asides: tuple[SetAside, ...] = ()
    aside_count: int = 0
    confirmed: bool = True

    @property
    def is_half_read(self) -> bool:
        """Tell whether the listing is unconfirmed because of unreadable rows, not because it was
        empty.
        """
        return not self.confirmed and self.rows > 0


class SpellingError(SourceError):
    """Sauce Labs writes the owner's name in another case, as `spelling`; nothing was listed."""

    def __init__(self, owner: Owner, spelling: Owner) -> None:
        super().__init__(f"Sauce Labs writes the user {owner} as {spelling}")
        self.spelling = spelling
