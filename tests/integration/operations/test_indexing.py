"""What lists know of the archive: made from the receipts, kept up by the journal, and made anew
when that is the way.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest

from sauce_janitor.archive import Catalogue
from sauce_janitor.model.archive.entries import ArchiveQuery
from sauce_janitor.operations.wiring.archive_index import Indexed, keep_up
from tests.support.commands import Commands
from tests.support.pruning import NINETY, Box
from tests.support.state import execute

ALL = ArchiveQuery()


@pytest.fixture
def box(open_desk: Callable[..., Commands]) -> Box:
    desk = open_desk(1)
    desk.configure("limits: {max_percent: null}\n" + NINETY)
    return Box(desk)


def kept_up(box: Box, *, anew: bool = False) -> Indexed:
    with Catalogue.open(box.desk.folder / "archive") as catalogue:
        return keep_up(box.desk.state, catalogue, everything=anew)


def names(box: Box) -> list[str | None]:
    return [entry.name for entry in box.desk.state.archived.search(ALL)]


def test_the_first_look_reads_every_receipt_and_later_ones_what_the_journal_says(box: Box) -> None:
    box.fill(3)
    assert kept_up(box).jobs == 3
    assert kept_up(box).jobs == 0
    box.fill(2)
    assert kept_up(box).jobs == 2
    assert sorted(map(str, names(box))) == [f"test {number}" for number in range(5)]


def test_what_was_pruned_shows_in_its_entry(box: Box) -> None:
    box.fill(1)
    kept_up(box)
    box.prune()
    assert kept_up(box).jobs == 1
    (entry,) = box.desk.state.archived.search(ALL)
    assert (entry.assets, entry.pruned, entry.has_video) == (1, 1, False)


def test_a_lost_state_has_its_list_from_the_receipts_alone(box: Box) -> None:
    box.fill(3)
    rows = json.loads(box.desk.say("archive", "list", "--format", "json").stdout)
    box.desk.state.close()
    for path in box.desk.folder.glob("state.db*"):
        path.unlink()
    box.desk._state.clear()
    assert json.loads(box.desk.say("archive", "list", "--format", "json").stdout) == rows
    assert not (box.desk.folder / "state.db").exists()


def test_made_anew_it_says_the_same(box: Box) -> None:
    box.fill(3)
    kept_up(box)
    before = list(box.desk.state.archived.search(ALL))
    assert kept_up(box, anew=True).jobs == 3
    assert list(box.desk.state.archived.search(ALL)) == before


def test_another_archive_in_its_place_is_listed_whole(box: Box) -> None:
    box.fill(2)
    kept_up(box)
    with Catalogue.open(box.desk.folder / "archive") as catalogue:
        assert box.desk.state.archived.through(catalogue.root.uuid) == {"": 0, "box": 2}
    assert box.desk.state.archived.through("another") is None


def test_a_mark_from_when_all_accounts_had_one_chain_is_understood(box: Box) -> None:
    box.fill(2)
    kept_up(box)
    with Catalogue.open(box.desk.folder / "archive") as catalogue:
        name = f"archive listed {catalogue.root.uuid}"
    execute(box.desk.folder / "state.db", f"UPDATE meta SET value = '0' WHERE key = '{name}'")
    assert kept_up(box).jobs == 2
    assert kept_up(box).jobs == 0
    execute(box.desk.folder / "state.db", f"UPDATE meta SET value = '9' WHERE key = '{name}'")
    assert kept_up(box).jobs == 2, "the mark is of another journal"


def test_a_job_that_cannot_be_trusted_is_named_and_has_no_entry(box: Box) -> None:
    box.fill(2)
    (first, _) = sorted((box.desk.folder / "archive").rglob("receipt.json"))
    first.write_bytes(first.read_bytes()[:-5])
    indexed = kept_up(box)
    assert (indexed.jobs, len(indexed.unreadable)) == (1, 1)
    assert first.parent.name in indexed.unreadable[0]


def test_a_job_whose_document_is_damaged_is_listed_without_its_texts(box: Box) -> None:
    box.fill(1)
    (document,) = (box.desk.folder / "archive").rglob("job.json")
    document.write_bytes(document.read_bytes().replace(b"test 0", b"test 9"))
    kept_up(box)
    (entry,) = box.desk.state.archived.search(ALL)
    assert (entry.name, entry.assets) == (None, 2)


def test_a_folder_that_is_not_there_any_more_is_no_failure(box: Box) -> None:
    box.fill(1)
    (receipt,) = (box.desk.folder / "archive").rglob("receipt.json")
    shutil.rmtree(receipt.parent)
    assert kept_up(box).jobs == 0


def test_builds_are_counted_by_status(box: Box) -> None:
    box.fill(2, build="nightly-1")
    box.fill(1, build="nightly-1", passed=False)
    box.fill(1, build=None)
    kept_up(box)
    builds = {build.build: build for build in box.desk.state.archived.builds(ALL)}
    assert (builds["nightly-1"].jobs, builds["nightly-1"].statuses) == (
        3,
        {"passed": 2, "failed": 1},
    )
    assert builds[None].jobs == 1
    assert box.desk.state.archived.count(ArchiveQuery(build="nightly-*"))[0] == 3
