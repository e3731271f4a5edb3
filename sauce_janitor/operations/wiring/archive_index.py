"""Keeps the index of archived jobs up to date: by the journal since the last time, by every receipt
the first time.

The entries are made only from what is in the archive; the journal says where to look.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, starmap

from sauce_janitor.archive import Catalogue, entry_of, job_place
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError
from sauce_janitor.model.archive.entries import ArchiveEntry
from sauce_janitor.state import State

_AT_ONCE = 200


@dataclass(slots=True)
class Indexed:
    """The result: how many entries were written, and the jobs whose receipts cannot be trusted,
    with reasons.
    """

    jobs: int = 0
    unreadable: list[str] = field(default_factory=list)


def keep_up(
    state: State,
    catalogue: Catalogue,
    *,
    everything: bool = False,
    step: Callable[[int], None] | None = None,
) -> Indexed:
    """Bring the entries up to date with the archive; `everything` reads all of it again. Changes
    nothing but the entries.

    `step` is called for every batch. A job that cannot be read has no entry: `archive verify` says
    more about it.
    """
    uuid, ends = catalogue.root.uuid, state.journal.ends()
    through = None if everything else state.archived.through(uuid)
    indexed = Indexed()
    # Never indexed, or the mark is not about this journal: only the receipts themselves tell.
    if through is None or any(line > ends.get(whose, 0) for whose, line in through.items()):
        state.archived.forget()
        places: Iterable[tuple[str, ...]] = catalogue.places()
    else:
        # A chain that has no new line is not read.
        after = {
            whose: through.get(whose, 0)
            for whose, end in ends.items()
            if through.get(whose, 0) < end
        }
        places = _touched(state, catalogue, after)
    for batch in _batches(places):
        state.archived.put(_entries(catalogue, batch, indexed))
        if step is not None:
            step(len(batch))
    if through != ends:
        state.archived.mark(uuid, ends)
    return indexed


def _touched(
    state: State, catalogue: Catalogue, after: Mapping[str, int]
) -> Iterator[tuple[str, ...]]:
    mentioned = chain.from_iterable(starmap(state.archived.touched, after.items()))
    for each in {(each.account, each.job_id): each for each in mentioned}.values():
        ended_at = state.jobs.ended_at(state.accounts.named(each.account), each.job_id)
        # The day of its end is part of its folder's path, which saves a search through all days.
        if ended_at is not None:
            yield job_place(each.account, each.owner, each.job_id, ended_at)
            continue
        yield from catalogue.places_of(each.job_id, account=each.account, owner=each.owner)


def _entries(
    catalogue: Catalogue, places: Iterable[tuple[str, ...]], indexed: Indexed
) -> Iterator[ArchiveEntry]:
    for place in places:
        try:
            entry = entry_of(catalogue.root, place)
        # About every job: the index would lose all entries.
        except ArchiveUnusableError:
            raise
        except ArchiveError as error:
            indexed.unreadable.append(str(error))
            continue
        if entry is not None:
            indexed.jobs += 1
            yield entry


def _batches(places: Iterable[tuple[str, ...]]) -> Iterator[list[tuple[str, ...]]]:
    left = iter(places)
    while batch := list(itertools.islice(left, _AT_ONCE)):
        yield batch
