"""The archive as the console shows it: its index, and each job's contents read from its folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import BinaryIO, Final

from sauce_janitor import json_output
from sauce_janitor.archive import Catalogue, JobContents, contents_of, document_of, entry_from
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.archive.entries import ArchiveBuild, ArchiveEntry, ArchiveQuery
from sauce_janitor.model.jobs import JobId
from sauce_janitor.state import ArchivedJobs
from sauce_janitor.web.archive_query import (
    ShownFile,
    ShownJob,
    ShownReceipt,
    UnstoredAsset,
    kind_of,
)

_REMEMBERED: Final = 32
"""How many jobs' contents are kept in memory."""
_LONGEST_FACT: Final = 300
"""The longest value of a job's document that is shown, in characters."""
# The page shows these fields elsewhere.
_NOT_FACTS: Final = frozenset({"id", "name", "error", "owner", "build"})


class ArchivePages:
    """The archive as the pages read it (see `web.archive_query`). Any thread may use it.

    `entries` and `catalogue` return the open index and archive; each may raise a JanitorError.
    `keep_up` brings the index up to date, and returns whether that goes on in the background.
    """

    def __init__(
        self,
        entries: Callable[[], ArchivedJobs],
        catalogue: Callable[[], Catalogue],
        keep_up: Callable[[], bool],
    ) -> None:
        self._entries, self._catalogue, self._keep_up = entries, catalogue, keep_up
        self._lock = threading.Lock()
        self._contents: dict[str, tuple[object, JobContents, ShownJob]] = {}

    def search(self, query: ArchiveQuery, /) -> Iterator[ArchiveEntry]:
        return self._entries().search(query)

    def keep_up(self) -> bool:
        return self._keep_up()

    def count(self, query: ArchiveQuery, /) -> tuple[int, int]:
        return self._entries().count(query)

    def builds(self, query: ArchiveQuery, /) -> Sequence[ArchiveBuild]:
        return self._entries().builds(query)

    def owners(self) -> Sequence[str]:
        return self._entries().owners()

    def job(self, account: str, job_id: JobId, /) -> ShownJob | None:
        entry = next(self._entries().search(ArchiveQuery(account=account, job_id=job_id)), None)
        found = self._look(entry.place) if entry else None
        return found[1] if found else None

    def open(self, job: ShownJob, file: ShownFile, /) -> BinaryIO:
        found = self._look(job.entry.place)
        # Its folder may have changed since the page was made.
        if found is None or not file.number < len(found[0].assets):
            raise ArchiveError("the archive no longer has this job")
        return self._catalogue().open_asset(found[0].place, found[0].assets[file.number])

    def _look(self, place: str) -> tuple[JobContents, ShownJob] | None:
        """Return the contents of a job's folder; from memory while the folder is unchanged.

        A page with 2,000 screenshots asks for each of them.
        """
        root = self._catalogue().root
        try:
            # Receipts and pruning records are files of the folder: both change its time.
            changed = root.changed(tuple(place.split("/")))
        except OSError:
            return None
        with self._lock:
            known = self._contents.get(place)
        if known is not None and known[0] == changed:
            return known[1:]
        contents = contents_of(root, tuple(place.split("/")))
        if contents is None:
            return None
        shown = _shown(contents, document_of(root, contents))
        with self._lock:
            # The oldest first: a reader goes on from job to job.
            if len(self._contents) >= _REMEMBERED:
                self._contents.pop(next(iter(self._contents)))
            self._contents[place] = changed, contents, shown
        return contents, shown


def _shown(contents: JobContents, document: Mapping[str, object] | None) -> ShownJob:
    # Earlier receipts are about the same job: the newest one says what counts now.
    newest = contents.newest
    started = (document or {}).get("start_time")
    pruned: list[UnstoredAsset] = []
    for each in contents.records:
        why = f"pruned from the archive ({each.record.why})"
        pruned += [UnstoredAsset(file.name, why) for file in each.record.files]
    unstored = [
        UnstoredAsset(each.name, f"not archived: {each.why}")
        for each in (*newest.discarded, *newest.absent)
    ]
    unstored += [UnstoredAsset(each.name, f"missing: {each.why}") for each in newest.missing]
    odd = [UnstoredAsset(file.name, file.odd) for file in contents.assets if file.odd is not None]
    return ShownJob(
        entry=entry_from(contents, document),
        files=tuple(
            ShownFile(number, file.name, file.bytes, file.sha256, kind_of(file.name))
            for number, file in enumerate(contents.assets)
        ),
        remarks=(*pruned, *unstored, *odd),
        receipts=tuple(
            ShownReceipt(each.file, each.document.made_at, each.document.policy, each.sha256)
            for each in contents.receipts
        ),
        facts=tuple(_facts(document or {})),
        # The document is what Sauce Labs sent: this field may be missing, or be of any type.
        started_at=started if isinstance(started, int) and not isinstance(started, bool) else None,
    )


def _facts(document: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the values of the job's document that are short enough to show, by their names."""
    for name, value in document.items():
        if value is None or value in ("", [], {}) or name in _NOT_FACTS:
            continue
        text = value if isinstance(value, str) else json_output.text(value)
        if len(text) <= _LONGEST_FACT:
            yield name, text
