"""What one pass over a job fetches, and what its receipt says of everything else. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sauce_janitor.archive.receipts import ReceiptDocument, StoredFile, Unstored
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.assets import Selection
from sauce_janitor.model.jobs import AssetListing, MissingFile


@dataclass(frozen=True, slots=True)
class AssetChoice:
    """`wanted` is to be fetched, `kept` is stored and whole already; `listed` is all Sauce ever
    listed of the job.

    `unlisted` are files that earlier passes could not have, where nothing is listed any more: they
    stay missing.
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
        """Whether a receipt of this choice, with nothing fetched, would say what the newest one
        says.
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
    """The paths of a receipt's files that are not to be had: those that do not match it, and those
    that were pruned.
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
    """Decide it from what Sauce lists, what is wanted, what the newest receipt has, and which of
    its files are missing.

    A damaged file is fetched again while Sauce lists it; ArchiveError when it does not: then the
    receipt would lie. One of the pruned ones that `missing` names is fetched again while Sauce
    lists it, unless nobody wants it any more. A file that an earlier pass could not have stays
    missing when the list is empty, unless a purge or a delete of ours (`emptied`) explains that.
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
    for file in earlier:
        if file.file in missing.damaged and file.name not in there:
            raise ArchiveError(
                f"{file.file} in the archive is damaged, and Sauce Labs does not list "
                f"{file.name!r:.120} any more: nothing is deleted of the job until that file is "
                "restored from a backup of the archive"
            )
    listed = tuple(dict.fromkeys((*(newest.listed if newest else ()), *listing.names)))
    lost = {file.name for file in earlier} - stored
    wanted = tuple(
        name
        for name in listing.names
        if name not in stored and (name in lost or selection.wants(name))
    )
    fetch = set(wanted)
    # A list may be empty while Sauce Labs has the files: a delete would destroy what was never
    # stored. One that names
    # other files works, and the name was an error of an earlier one: it must not hold the job until
    # its purge.
    lacking = newest.missing if newest and not (listing.names or purged or emptied) else ()
    unlisted = tuple(
        each for each in lacking if each.name not in there | stored and selection.wants(each.name)
    )
    fetch_later = {each.name for each in unlisted}
    discarded, absent = [], []
    for name in listed:
        if name in stored or name in fetch or name in fetch_later:
            continue
        if selection.wants(name):
            absent.append(
                Unstored(
                    name, "purged by Sauce Labs" if purged else "not listed by Sauce Labs any more"
                )
            )
        elif selection.may_lose(name):
            discarded.append(Unstored(name, _why(name, selection)))
    return AssetChoice(
        selection=selection.key,
        listed=listed,
        wanted=wanted,
        kept=kept,
        kept_job=(
            newest.job
            if newest
            and newest.job.file not in missing.damaged | (missing.pruned if again else set())
            else None
        ),
        discarded=tuple(discarded),
        absent=tuple(absent),
        purged=purged or (newest is not None and newest.purged),
        unlisted=unlisted,
    )


def _why(name: str, selection: Selection) -> str:
    unforbidden = Selection(selection.assets, discard_rest=selection.discard_rest)
    return "discard: rest" if unforbidden.may_lose(name) else "archive.forbid"
