"""Chooses what one pass over a job fetches, and what its receipt says of everything else. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sauce_janitor.archive.receipts import ReceiptDocument, StoredFile, Unstored
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.assets import Selection
from sauce_janitor.model.jobs import AssetListing, MissingFile


@dataclass(frozen=True, slots=True)
class AssetChoice:
    """What to do about each asset of a job.

    `wanted` has to be fetched; `kept` is stored already and undamaged. `listed` is all that Sauce
    Labs ever listed of the job. `unlisted` are files that earlier passes could not fetch, where
    nothing is listed any more: they stay missing.
    """

    selection: str
    listed: tuple[str, ...]
    wanted: tuple[str, ...]
    kept: tuple[StoredFile, ...]
    kept_job: StoredFile | None
    discarded: tuple[Unstored, ...]
    absent: tuple[Unstored, ...]
    purged: bool
    unlisted: tuple[MissingFile, ...] = ()

    def changes_nothing(self, newest: ReceiptDocument) -> bool:
        """Tell whether a receipt of this choice, with nothing fetched, would equal the newest
        one.
        """
        return (
            self.kept_job == newest.job
            and self.selection == newest.selection
            and self.listed == newest.listed
            and self.kept == newest.assets
            and self.discarded == newest.discarded
            and self.absent == newest.absent
            and self.purged == newest.purged
        )


@dataclass(frozen=True, slots=True)
class UnavailableFiles:
    """Paths of a receipt's files that cannot be used: damaged ones, and pruned ones to be
    restored.
    """

    damaged: frozenset[str] = frozenset()
    pruned: frozenset[str] = frozenset()


def choose(
    listing: AssetListing,
    selection: Selection,
    newest: ReceiptDocument | None,
    missing: UnavailableFiles,
    *,
    purged: bool,
    emptied: bool = False,
) -> AssetChoice:
    """Choose from what Sauce Labs lists, what the policy wants and what the newest receipt has.

    A damaged file is fetched again while Sauce Labs lists it. Raises ArchiveError when it does not:
    the receipt would then claim a file that is gone. A pruned file that `missing` names is fetched
    again while Sauce Labs lists it, unless no policy wants it any more. A file that an earlier pass
    could not fetch stays missing when the list is empty, unless a purge or a delete of ours
    (`emptied`) explains the empty list.
    """
    earlier = newest.assets if newest else ()
    there = set(listing.names)
    again = {
        file.file
        for file in earlier
        if file.file in missing.pruned
        and file.name in there
        and (selection.wants(file.name) or not selection.may_lose(file.name))
    }
    kept = tuple(file for file in earlier if file.file not in missing.damaged | again)
    stored = {file.name for file in kept}
    _refuse_last_copies(earlier, missing.damaged, there)
    listed = tuple(dict.fromkeys((*(newest.listed if newest else ()), *listing.names)))
    lost = {file.name for file in earlier} - stored
    wanted = tuple(
        name
        for name in listing.names
        if name not in stored and (name in lost or selection.wants(name))
    )
    # A list may be empty although Sauce Labs has the files: a delete would then destroy what was
    # never stored. A list that names other files is complete, and an earlier list named the missing
    # file by mistake: that must not hold the job until Sauce Labs purges it.
    lacking = newest.missing if newest and not (listing.names or purged or emptied) else ()
    unlisted = tuple(
        each for each in lacking if each.name not in there | stored and selection.wants(each.name)
    )
    settled = stored | set(wanted) | {each.name for each in unlisted}
    rest = [name for name in listed if name not in settled]
    why = "purged by Sauce Labs" if purged else "not listed by Sauce Labs any more"
    # When a pruned file is restored, the document is too, so that the newest receipt has both.
    lost_documents = missing.damaged | (missing.pruned if again else set())
    keeps_document = newest is not None and newest.job.file not in lost_documents
    return AssetChoice(
        selection=selection.key,
        listed=listed,
        wanted=wanted,
        kept=kept,
        kept_job=newest.job if newest is not None and keeps_document else None,
        discarded=_discarded(rest, selection),
        absent=tuple(Unstored(name, why) for name in rest if selection.wants(name)),
        purged=purged or (newest is not None and newest.purged),
        unlisted=unlisted,
    )


def _refuse_last_copies(
    earlier: Iterable[StoredFile], damaged: frozenset[str], there: set[str]
) -> None:
    """Raise ArchiveError if the stored copy of a file is the only one left, and it is damaged."""
    for file in earlier:
        if file.file in damaged and file.name not in there:
            raise ArchiveError(
                f"{file.file} in the archive is damaged, and Sauce Labs does not list "
                f"{file.name!r:.120} any more: nothing is deleted of the job until that file is "
                "restored from a backup of the archive"
            )


def _discarded(names: Iterable[str], selection: Selection) -> tuple[Unstored, ...]:
    """Return the files that a delete may destroy without a copy, and which rule says so."""
    return tuple(
        Unstored(name, _why(name, selection))
        for name in names
        if not selection.wants(name) and selection.may_lose(name)
    )


def _why(name: str, selection: Selection) -> str:
    unforbidden = Selection(selection.assets, discard_rest=selection.discard_rest)
    return "discard: rest" if unforbidden.may_lose(name) else "archive.forbid"
