"""How the jobs of a plan are packed. A part has hundreds of them: a row for each job takes fifteen
times as long to write, and a plan may have a million.

Four lists have all that a page needs, each in parts that are found by a key and a number:

- `jobs`: the jobs by position, 256 in a part.
- `kind` and `owner`: the positions of each kind and of each owner, for filters; a part is about
  16,384 positions of the plan.
- `ids`: the ids in order, with what happens to the job and its position; a part has those with the
  same first byte. It finds a job, and the difference to another plan.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from sauce_janitor.model.console.stored_plans import PlanKind
from sauce_janitor.model.jobs import Action

FORMAT: Final = 1
"""The version of this module's way of packing. A plan of another one is not read."""
JOBS, KINDS, OWNERS, IDS = "jobs", "kind", "owner", "ids"
JOBS_A_PART: Final = 256
POSITIONS_A_PART: Final = 16_384

_JOB: Final = struct.Struct("<16sIIqq")
_ENTRY: Final = struct.Struct(">16sBI")
_MARK: Final = 17
_MASKS: Final = {action: 1 << number for number, action in enumerate(Action)}

Columns: TypeAlias = tuple[bytes, int, int, int, int]
"""One job: its id, its kind, its owner, and since when its first and its last action are due."""


class PlanPart(NamedTuple):
    """A part of a list. `key` is the number of a kind or an owner, 0 in the other lists."""

    list: str
    key: int
    part: int
    content: bytes


def packed(kinds: Sequence[PlanKind], jobs: Callable[[], Iterable[Columns]]) -> Iterator[PlanPart]:
    """Yield the parts of a plan, the ids last. Jobs that lose something without a copy come first,
    else the order stays.
    """
    masks = [sum({_MASKS[each.action] for each in kind.actions}) for kind in kinds]
    by_kind, by_owner = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
    ids = [bytearray() for _ in range(256)]
    page, position = bytearray(), 0
    for job in _destroyed_first(kinds, jobs):
        job_id, kind, owner, _, _ = job
        page += _JOB.pack(*job)
        ids[job_id[0]] += _ENTRY.pack(job_id, masks[kind], position)
        by_kind[kind].append(position % POSITIONS_A_PART)
        by_owner[owner].append(position % POSITIONS_A_PART)
        position += 1
        if position % JOBS_A_PART == 0:
            yield PlanPart(JOBS, 0, position // JOBS_A_PART - 1, bytes(page))
            page.clear()
        if position % POSITIONS_A_PART == 0:
            number = position // POSITIONS_A_PART - 1
            yield from _lists((KINDS, by_kind), (OWNERS, by_owner), number=number)
    if page:
        yield PlanPart(JOBS, 0, position // JOBS_A_PART, bytes(page))
    yield from _lists((KINDS, by_kind), (OWNERS, by_owner), number=position // POSITIONS_A_PART)
    for number, entries in enumerate(ids):
        if entries:
            yield PlanPart(IDS, 0, number, b"".join(sorted(_pieces(entries, _ENTRY.size))))


def _destroyed_first(
    kinds: Sequence[PlanKind], jobs: Callable[[], Iterable[Columns]]
) -> Iterator[Columns]:
    losing = [kind.loss is not None for kind in kinds]
    # Read twice rather than kept: a million jobs would fill the memory.
    for turn in (True, False):
        if turn in losing:
            yield from (job for job in jobs() if losing[job[1]] is turn)


def _lists(*lists: tuple[str, defaultdict[int, list[int]]], number: int) -> Iterator[PlanPart]:
    for name, positions in lists:
        for key, found in sorted(positions.items()):
            yield PlanPart(name, key, number, struct.pack(f"<{len(found)}H", *found))
        positions.clear()


def _pieces(content: bytes | bytearray, size: int) -> list[bytes]:
    return [bytes(content[at : at + size]) for at in range(0, len(content), size)]


def jobs_of(content: bytes) -> list[Columns]:
    """Return the jobs of a part of `jobs`."""
    return list(_JOB.iter_unpack(content))


def positions_of(content: bytes) -> tuple[int, ...]:
    """Return the positions of a part of `kind` or `owner`, counted from the part's first one."""
    return struct.unpack(f"<{len(content) // 2}H", content)


def positions_between(content: bytes, first: bytes, last: bytes) -> Iterator[int]:
    """Yield the positions of the ids between these two, from a part of `ids`."""
    for job_id, _, position in _ENTRY.iter_unpack(content):
        if first <= job_id <= last:
            yield position


def marks_of(content: bytes) -> set[bytes]:
    """Return each job of a part of `ids` as bytes: its id, and what happens to it."""
    size, mark = _ENTRY.size, _MARK
    return {content[at : at + mark] for at in range(0, len(content), size)}


def placed(content: bytes, marks: set[bytes]) -> dict[bytes, int]:
    """Return where in the plan the jobs of a part of `ids` with these marks are, by their ids."""
    size, mark = _ENTRY.size, _MARK
    found = (
        content[at : at + size]
        for at in range(0, len(content), size)
        if content[at : at + mark] in marks
    )
    return {job_id: position for job_id, _, position in map(_ENTRY.unpack, found)}
