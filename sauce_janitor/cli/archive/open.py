"""`archive open`: show the archive as a page on this machine, until Ctrl-C."""

from __future__ import annotations

import signal
import threading
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.archive.view import ArchiveView, open_archive_view
from sauce_janitor.errors import ConfigError

if TYPE_CHECKING:
    from sauce_janitor.archive import JobContents
    from sauce_janitor.model.archive.entries import ArchiveBuild, ArchiveEntry, ArchiveQuery
    from sauce_janitor.model.jobs import JobId
    from sauce_janitor.web.archive_query import ShownFile, ShownJob

_REMEMBERED = 32
"""How many jobs' contents are kept in memory."""
_LONGEST_FACT = 300
"""The longest value of a job's document that is shown, in characters."""
# The page shows these fields elsewhere.
_NOT_FACTS = frozenset({"id", "name", "error", "owner", "build"})


@click.command(name="open")
@click.option("--listen", default="127.0.0.1:0", show_default=True, metavar="HOST:PORT",
              help="An address of this machine only; port 0 picks a free port.")  # fmt: skip
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@click.pass_obj
def open_page(session: Session, /, listen: str, *, no_browser: bool) -> int:
    """Show the archive in a browser: builds and jobs, each job's video beside its screenshots, logs
    and requests.

    Needs no internet, changes nothing, and can be reached from this machine only. Ctrl-C ends it.
    """
    from sauce_janitor.web.archive_page import make_archive_view
    from sauce_janitor.web.guard import AccessRules, Guard, is_local
    from sauce_janitor.web.server import RunningServer, ServerLimits

    host, colon, port = listen.rpartition(":")
    # The page asks for no token, so only this machine may reach it.
    if not colon or not port.isdecimal() or int(port) > 65_535 or not is_local(host.strip("[]")):
        raise ConfigError(
            f"--listen {listen!r:.80} is not a loopback address: write 127.0.0.1:PORT; from "
            "another machine, use `ssh -L`"
        )
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with open_archive_view(session) as view:
            page = make_archive_view(ArchivePageSource(view), view.catalogue.root.at())
            with RunningServer(
                Guard(page, AccessRules(listen)), listen, ServerLimits(threads=8)
            ) as serving:
                terminal.echo(f"The archive is open at {serving.url}/ until Ctrl-C.")
                if not no_browser:
                    webbrowser.open(f"{serving.url}/")
                stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


class ArchivePageSource:
    """The archive as the page reads it (see `web.archive_query`). Any thread may use it."""

    def __init__(self, view: ArchiveView) -> None:
        self._view = view
        self._lock = threading.Lock()
        self._contents: dict[str, tuple[object, JobContents, ShownJob]] = {}

    def search(self, query: ArchiveQuery, /) -> Iterator[ArchiveEntry]:
        return self._view.entries.search(query)

    def count(self, query: ArchiveQuery, /) -> tuple[int, int]:
        self._view.keep_up()
        return self._view.entries.count(query)

    def builds(self, query: ArchiveQuery, /) -> Sequence[ArchiveBuild]:
        return self._view.entries.builds(query)

    def owners(self) -> Sequence[str]:
        return self._view.entries.owners()

    def job(self, account: str, job_id: JobId, /) -> ShownJob | None:
        from sauce_janitor.model.archive.entries import ArchiveQuery

        entry = next(self._view.entries.search(ArchiveQuery(account=account, job_id=job_id)), None)
        found = self._look(entry.place) if entry else None
        return found[1] if found else None

    def open(self, job: ShownJob, file: ShownFile, /) -> BinaryIO:
        found = self._look(job.entry.place)
        # Its folder may have changed since the page was made.
        if found is None or not file.number < len(found[0].assets):
            raise ConfigError("the archive no longer has this job")
        return self._view.catalogue.open_asset(found[0].place, found[0].assets[file.number])

    def _look(self, place: str) -> tuple[JobContents, ShownJob] | None:
        """Return the contents of a job's folder; from memory while the folder is unchanged.

        A page with 2,000 screenshots asks for each of them.
        """
        from sauce_janitor.archive import contents_of, document_of

        root = self._view.catalogue.root
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
    from sauce_janitor.archive import entry_from
    from sauce_janitor.web.archive_query import (
        ShownFile,
        ShownJob,
        ShownReceipt,
        UnstoredAsset,
        kind_of,
    )

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
