"""Rebuilds what the state knows of an account's archive from the receipts alone, after a state was
lost or restored.

The journal and the inventory learn every receipt that they lack, and the index for lists and
searches is read again. No stored byte is read. A job whose receipts or file lengths are wrong stays
unknown, and is archived again while Sauce Labs has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sauce_janitor.archive import Catalogue, ReceiptFile
from sauce_janitor.archive.storage.ports import Place
from sauce_janitor.config import Account
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError
from sauce_janitor.operations.wiring.account_owner import admit
from sauce_janitor.operations.wiring.archive_index import keep_up
from sauce_janitor.operations.wiring.pauses import pause_if_new
from sauce_janitor.operations.wiring.run_settings import RunContext
from sauce_janitor.state import RunJournal, SeenReceipt

RUN_ID: Final = "reindex"


@dataclass(slots=True)
class Reindexed:
    """The result: jobs in the archive, receipts added to the journal, and jobs that the inventory
    knows, too.

    `unreadable` says for each job that stays unknown what is wrong with it.
    """

    jobs: int = 0
    receipts_added: int = 0
    in_inventory: int = 0
    unreadable: list[str] = field(default_factory=list)


def reindex(
    account: Account, context: RunContext, *, step: Callable[[int], None] = lambda _: None
) -> Reindexed:
    """Rebuild the index of one account. `step` is called for every job.

    Raise LeaseError while a run holds the account, ArchiveUnusableError where the archive is
    missing, and StateError.
    """
    state, settings = context.state, context.config.archive
    known = state.identity.archive_uuid(str(settings.location))
    with Catalogue.open(settings.location, known_uuid=known) as catalogue:
        # A new state knows no account: its archive is found by the account's name.
        if account.name not in state.accounts.all():
            admit(account, state, account.credentials()[0])
        with state.lease(account.name, RUN_ID, now=int(context.clock())) as lease:
            # Only after the lease: the new state must not act before a person has looked.
            pause_if_new(state, settings.location)
            state.identity.remember_archive(str(settings.location), catalogue.root.uuid)
            journal = state.journal.during(
                account.name, RUN_ID, lambda: int(context.clock()), fence=lease.fence
            )
            found = _Reindexing(catalogue, journal).all_of(state.accounts.key(account.name), step)
            keep_up(state, catalogue, everything=True)
    return found


class _Reindexing:
    def __init__(self, catalogue: Catalogue, journal: RunJournal) -> None:
        self._catalogue, self._journal, self._found = catalogue, journal, Reindexed()

    def all_of(self, key: str, step: Callable[[int], None]) -> Reindexed:
        for place, is_link in self._catalogue.walk(account=key):
            try:
                if is_link:
                    raise ArchiveError(
                        f"{'/'.join(place)} in the archive is a link: nothing behind it is trusted"
                    )
                self._learn(place)
            except ArchiveUnusableError:
                raise
            except ArchiveError as error:
                self._found.unreadable.append(str(error))
            step(1)
        return self._found

    def _learn(self, place: Place) -> None:
        receipts = self._catalogue.receipts(place)
        if not receipts:
            raise ArchiveError(f"{'/'.join(place)} has no receipt")
        newest = receipts[-1]
        # Copied by hand from another archive: that one's journal is about it.
        if newest.document.archive != self._catalogue.root.uuid:
            raise ArchiveError(
                f"{'/'.join(place)}/{newest.file} was made in another archive"
                f" ({newest.document.archive})"
            )
        # A journal that named this copy would let a delete rely on it.
        if not self._catalogue.is_whole(place, newest):
            raise ArchiveError(
                f"{'/'.join(place)}: files are missing or of another length: see archive verify"
            )
        document = newest.document
        added, is_known = self._journal.reindexed(
            document.job_id, document.owner, [_seen(each) for each in receipts]
        )
        self._found.jobs += 1
        self._found.receipts_added += added
        self._found.in_inventory += is_known


def _seen(receipt: ReceiptFile) -> SeenReceipt:
    document = receipt.document
    return SeenReceipt(receipt.sha256, document.selection, document.policy, document.missing)
