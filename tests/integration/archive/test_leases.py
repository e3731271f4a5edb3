"""An archive knows its owner: one state writes to it, from one machine at a time, and nobody sweeps
another's work.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sauce_janitor.archive import Archive, LeaseHolder
from sauce_janitor.archive.disk.staging_area import DiskStaging
from sauce_janitor.archive.ownership import lease as leasing
from sauce_janitor.archive.ownership.lease_records import LEASE_FILE
from sauce_janitor.errors import ArchiveError, LeaseError, RefusedError
from sauce_janitor.model.assets import EVERYTHING
from tests.fakes.asset_shelf import LOG, MP4, AssetShelf, ShelfBody, document
from tests.fakes.clocks import Clock
from tests.support.archive import ORIGIN, ROOMY, WordsInState, folder_of

RECORD = f"{LEASE_FILE}eu"


def a_state(memory: WordsInState | None = None, *, instance: str | None = None) -> LeaseHolder:
    return LeaseHolder(instance or str(uuid.uuid4()), memory or WordsInState(), "a run")


def opened(root: Path, claimant: LeaseHolder, account: str = "eu") -> Archive:
    known = None
    if (root / ".sauce-janitor-archive").exists():
        known = json.loads((root / ".sauce-janitor-archive").read_text())["uuid"]
    return Archive.open(root, account=account, known_uuid=known, settings=ROOMY, claimant=claimant)


def store(archive: Archive, number: int = 1) -> None:
    shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG})
    archive.store(document(number), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks, such as some NFS exports."""

    def flock(_file: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)


def silent_for(root: Path, seconds: float) -> None:
    """The holder showed no sign of life for so long."""
    then = (root / RECORD).stat().st_mtime - seconds
    os.utime(root / RECORD, (then, then))


def test_a_second_state_is_refused_with_what_to_do_and_touches_nothing(root: Path) -> None:
    with opened(root, a_state()) as archive:
        store(archive)
        before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
        with pytest.raises(RefusedError, match=r"belongs to another state.*archive adopt"):
            opened(root, a_state(), account="us")
        assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_an_archive_without_an_owner_is_claimed_by_its_first_state(root: Path) -> None:
    with Archive.open(
        root, account="eu", known_uuid=None, settings=ROOMY
    ) as archive:  # as older versions made it
        store(archive)
    first = a_state()
    with opened(root, first) as archive:
        store(archive, 2)
    with pytest.raises(RefusedError):
        opened(root, a_state())
    with opened(root, first) as archive:
        store(archive, 3)


def test_one_run_at_a_time_and_the_next_one_when_it_ended(root: Path) -> None:
    mine = a_state()
    with opened(root, mine):
        with pytest.raises(
            LeaseError, match=r"another run works on account eu in the archive .*: run a run on "
        ):
            opened(root, mine)
        with opened(root, mine, account="us"):
            pass
    with opened(root, mine) as archive:
        store(archive)


def test_a_copy_of_the_state_is_refused_once_the_other_has_worked(root: Path) -> None:
    mine = a_state()
    with opened(root, mine):
        pass
    memory = mine.memory
    assert isinstance(memory, WordsInState)
    clone = a_state(memory.copy(), instance=mine.instance)
    with opened(root, mine) as archive:
        store(archive)
    with pytest.raises(
        RefusedError, match=r"has no record of that: it is an older copy.*archive adopt"
    ):
        opened(root, clone)
    with opened(root, mine) as archive:
        store(archive, 2)


@pytest.mark.parametrize("at", ["state", "archive"])
def test_a_crash_while_the_lease_is_taken_locks_nobody_out(
    root: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    mine = a_state()
    with opened(root, mine):
        pass

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as crashing:
        if at == "archive":
            crashing.setattr(
                leasing, "write_lease", cut
            )  # the state has the new word, the archive has not
        else:
            write, words = WordsInState.write, list[tuple[str, ...]]()

            def write_once(
                self: WordsInState, archive: str, account: str, said: tuple[str, ...]
            ) -> None:
                if words:
                    raise KeyboardInterrupt  # the archive has the new word, the state has both
                words.append(said)
                write(self, archive, account, said)

            crashing.setattr(WordsInState, "write", write_once)
        with pytest.raises(KeyboardInterrupt):
            opened(root, mine)
    with opened(root, mine) as archive:
        store(archive)


def test_what_another_run_has_in_hand_is_not_swept_unless_it_is_surely_dead(
    root: Path, no_locks: None
) -> None:
    mine = a_state()
    frozen = opened(root, mine)
    left = (
        root
        / ".partial"
        / "eu"
        / f"{1:032x}-{frozen._lease.word if frozen._lease else ''}-{uuid.uuid4().hex}"
    )
    left.mkdir()
    with pytest.raises(LeaseError, match="is free after 90 s"):
        opened(root, mine)
    silent_for(root, 100)  # frozen, for all that anybody can tell
    with opened(root, mine) as archive:
        assert (archive.sweep(), left.exists()) == (0, True)
        with pytest.raises(LeaseError, match="lost the lease"):
            frozen.check()
        with pytest.raises(LeaseError, match="lost the lease"):
            store(frozen)
        store(archive)
        then = left.stat().st_mtime - 90_000
        os.utime(left, (then, then))
        assert (archive.sweep(), left.exists()) == (1, False)
    frozen.close()


def test_a_dead_run_of_a_state_that_lets_only_one_work_keeps_nobody_waiting(
    root: Path, no_locks: None
) -> None:
    mine, other = a_state(), a_state()
    dead = opened(root, mine)
    with pytest.raises(LeaseError, match="free after 90 s"):
        opened(root, mine)
    with opened(root, replace(mine, is_alone=True)) as archive:
        store(archive)
        with pytest.raises(LeaseError, match="lost the lease"):
            dead.check()
        # A run of a copy of the state: only its words are known there.
        with pytest.raises(LeaseError, match="free after 90 s"):
            opened(root, replace(other, instance=mine.instance, is_alone=True))
    dead.close()


def test_a_holder_whose_machine_was_suspended_shows_a_sign_of_life_before_it_works(
    root: Path, no_locks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()  # in place of the one clock that goes on during a suspension
    monkeypatch.setattr(leasing, "CLOCK", clock)
    with opened(root, a_state()) as archive:
        archive.check()
        assert json.loads((root / RECORD).read_text())["beat"] == 0
        clock.seconds += leasing.SILENT_S / 2 + 1
        archive.check()
        assert json.loads((root / RECORD).read_text())["beat"] == 1


def test_what_a_dead_run_left_on_this_machine_is_swept_at_once(root: Path) -> None:
    mine = a_state()
    with opened(root, mine):
        left = root / ".partial" / "eu" / f"{1:032x}-0123456789abcdef-{uuid.uuid4().hex}"
        left.mkdir()
    with opened(root, mine) as archive:
        assert (archive.sweep(), left.exists()) == (1, False)


def test_a_machine_that_was_cloned_while_it_ran_loses_the_lease(root: Path, no_locks: None) -> None:
    with opened(root, a_state()) as archive:
        said = json.loads((root / RECORD).read_text())
        (root / RECORD).write_text(
            json.dumps({**said, "beat": said["beat"] + 1})
        )  # the twin's sign of life
        with pytest.raises(LeaseError, match="another copy of the state"):
            archive.check()
        with pytest.raises(LeaseError):
            store(archive)
        assert not folder_of(root).exists()


def test_a_lease_that_is_lost_while_assets_are_fetched_shows_nothing(root: Path) -> None:
    shelf = AssetShelf({"video.mp4": MP4})

    @contextmanager
    def fetch(name: str) -> Iterator[ShelfBody]:
        with shelf.fetch(name) as body:
            yield body
        (root / RECORD).write_text(
            json.dumps({**json.loads((root / RECORD).read_text()), "word": "f" * 16})
        )

    with opened(root, a_state()) as archive:
        with pytest.raises(LeaseError, match="lost the lease"):
            archive.store(document(), shelf.listing, EVERYTHING, fetch, ORIGIN)
        assert not folder_of(root).exists()
        assert list((root / ".partial" / "eu").iterdir()) == []


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("harm", ["emptied", "replaced"])
def test_files_that_vanish_before_the_rename_are_noticed_after_it(
    root: Path, monkeypatch: pytest.MonkeyPatch, harm: str, *, again: bool
) -> None:
    mine, show = a_state(), DiskStaging.show

    def harmed(self: DiskStaging) -> None:
        (video,) = (root / ".partial" / "eu").glob("*/assets*/*.mp4")
        video.unlink()
        if harm == "replaced":
            video.write_bytes(b"\0" * len(MP4))
        show(self)

    with opened(root, mine) as archive:
        if again:
            store_log = AssetShelf({"log.json": LOG})
            archive.store(document(), store_log.listing, EVERYTHING, store_log.fetch, ORIGIN)
        with monkeypatch.context() as meddling:
            meddling.setattr(DiskStaging, "show", harmed)
            with pytest.raises(ArchiveError, match="not in the archive as it was written"):
                store(archive)
        assert [len(proof.findings) for proof in archive.catalogue.proofs()] == (
            [0] if again else []
        )
        store(archive)
        assert [
            (len(proof.receipts), len(proof.findings)) for proof in archive.catalogue.proofs()
        ] == [(1 + again, 0)]
