"""What is particular to an archive in a bucket, on a real S3 server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.archive import (
    Archive,
    HoldMirror,
    MirrorChangedError,
    MirroredHold,
    MirroredPause,
    PauseMirror,
)
from sauce_janitor.archive.s3 import bucket as buckets
from sauce_janitor.archive.s3 import staging_area
from sauce_janitor.archive.s3.bucket import Bucket
from sauce_janitor.archive.s3.small_files import S3Files
from sauce_janitor.archive.storage.ports import StoreDownError
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError
from sauce_janitor.model.archive.locations import S3Location
from sauce_janitor.model.assets import EVERYTHING
from sauce_janitor.model.jobs import job_id
from tests.fakes.asset_shelf import LOG, MP4, AssetShelf, ShelfBody, document
from tests.support.archive import ORIGIN, ROOMY, VIDEO_ONLY
from tests.support.archive_places import InBucket
from tests.support.nanio import nanio
from tests.support.ports import free_port
from tests.support.seaweedfs import KEY, SECRET, Seaweedfs

HOLD = MirroredHold(job_id(f"{1:032x}"), "jane", "audit", 1, None)


@pytest.fixture
def place(s3_server: Seaweedfs) -> InBucket:
    return InBucket(s3_server.location())


@pytest.fixture
def archive(place: InBucket) -> Iterator[Archive]:
    with opened(place.location) as found:
        yield found


def opened(location: Any, known: str | None = None) -> Archive:
    return Archive.open(location, account="eu", known_uuid=known, settings=ROOMY)


def store(archive: Archive, number: int = 1, selection: Any = EVERYTHING) -> Any:
    shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG})
    return archive.store(document(number), shelf.listing, selection, shelf.fetch, ORIGIN)


# --- keys and commits -----------------------------------------------------------------------------


def test_a_key_has_the_beginning_of_its_hash(archive: Archive, place: InBucket) -> None:
    store(archive)
    job = f"eu/alice/2025/12/31/{1:032x}"
    names = [path.removeprefix(f"{job}/") for path in place.jobs()]
    assert [re.sub("[0-9a-f]{16}", "HASH", name) for name in names] == [
        "assets/HASH-log.json",
        "assets/HASH-video.mp4",
        "job-HASH.json",
        "receipt.json",
    ]
    for file in archive.catalogue.receipts(tuple(job.split("/")))[-1].document.files:
        assert file.sha256[:8] in file.file


def test_the_receipt_is_written_once_of_two_writers_and_the_other_is_adopted(
    place: InBucket,
) -> None:
    """Two archives open at once, as after a lost lease: no lock stands between them."""
    with opened(place.location) as one, opened(place.location, one.uuid) as two:
        with ThreadPoolExecutor(8) as pool:
            jobs = [(each, number) for number in range(1, 9) for each in (one, two)]
            stored = list(pool.map(lambda job: store(*job), jobs))
        proofs = list(one.catalogue.proofs())
        assert [proof.findings for proof in proofs] == [()] * 8
        there = {receipt.sha256 for proof in proofs for receipt in proof.receipts}
        assert {each.sha256 for each in stored} <= there


def test_a_writer_that_comes_second_adds_what_is_missing(
    place: InBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(place.location) as one, opened(place.location, one.uuid) as two:
        commit, raced = staging_area.S3Staging.show, list[bool]()

        def after_another(self: staging_area.S3Staging) -> None:
            if not raced:
                raced.append(True)
                store(two, selection=VIDEO_ONLY)
            commit(self)

        monkeypatch.setattr(staging_area.S3Staging, "show", after_another)
        stored = store(one)
        assert stored.fetched_assets == 1
        (proof,) = one.catalogue.proofs()
        assert ([receipt.file for receipt in proof.receipts], proof.findings) == (
            ["receipt.json", "receipt-2.json"],
            (),
        )


@pytest.mark.parametrize("is_written", [True, False])
def test_an_answer_that_is_lost_changes_nothing(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, *, is_written: bool
) -> None:
    add, lost = Bucket.add, list[str]()

    def lose_once(self: Bucket, key: str, data: bytes) -> str | None:
        if key.endswith("receipt.json") and not lost:
            lost.append(key)
            if is_written:
                add(self, key, data)
            raise StoreDownError("the server answered 503 SlowDown")
        return add(self, key, data)

    monkeypatch.setattr(staging_area, "_PAUSE_S", 0.0)
    monkeypatch.setattr(Bucket, "add", lose_once)
    stored = store(archive)
    (proof,) = archive.catalogue.proofs()
    assert ([receipt.sha256 for receipt in proof.receipts], proof.findings) == ([stored.sha256], ())


def test_what_reads_back_differently_is_not_committed(
    archive: Archive, place: InBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_file = Bucket.put_file

    def turn_a_byte(self: Bucket, key: str, file: Path, size_bytes: int) -> None:
        put_file(self, key, file, size_bytes)
        if key.endswith(".mp4"):
            self.put(key, MP4[:-1] + b"!")

    monkeypatch.setattr(Bucket, "put_file", turn_a_byte)
    with pytest.raises(ArchiveError, match=r"video\.mp4 reads back differently"):
        store(archive)
    assert not [path for path in place.jobs() if "receipt" in path]
    assert archive.archived(document().job) is None


# --- leftovers ------------------------------------------------------------------------------------


def test_what_was_never_committed_is_swept_after_a_week(
    archive: Archive, place: InBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(archive, selection=VIDEO_ONLY)
    before = place.jobs()

    def cut(self: staging_area.S3Staging) -> None:
        raise ArchiveUnusableError("the process ends here")

    with monkeypatch.context() as crashing:
        crashing.setattr(staging_area.S3Staging, "show", cut)
        for number in (1, 2):
            with pytest.raises(ArchiveUnusableError):
                store(archive, number)
    assert len(place.jobs()) > len(before)
    (proof,) = archive.catalogue.proofs()  # what no receipt names is not in the archive
    assert proof.findings == ()
    assert archive.sweep() == 0
    server_time = staging_area._server_time
    monkeypatch.setattr(
        staging_area, "_server_time", lambda *where: server_time(*where) + 7 * 86_400 + 60
    )
    assert archive.sweep() == 2
    assert place.jobs() == before
    assert not [path for path in place.paths() if path.startswith(".partial")]


def test_a_removal_that_comes_late_removes_nothing_of_a_later_run(
    archive: Archive, place: InBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep's request is carried out after its run has ended, or its process was frozen."""
    remove, late = Bucket.remove, list[str]()

    def cut(self: staging_area.S3Staging) -> None:
        raise ArchiveUnusableError("the process ends here")

    def time_out(self: Bucket, keys: Sequence[str]) -> None:
        late.extend(key for key in keys if not key.startswith(staging_area.PARTIAL))
        if late:
            raise StoreDownError("the server does not answer")

    with monkeypatch.context() as crashing:
        crashing.setattr(staging_area.S3Staging, "show", cut)
        with pytest.raises(ArchiveUnusableError):
            store(archive)
        server_time = staging_area._server_time
        crashing.setattr(Bucket, "remove", time_out)
        crashing.setattr(
            staging_area, "_server_time", lambda *where: server_time(*where) + 7 * 86_400 + 60
        )
        with pytest.raises(ArchiveError):
            archive.sweep()
    assert late
    store(archive)
    remove(place.bucket, late)
    (proof,) = archive.catalogue.proofs()
    assert proof.findings == ()


def test_a_list_without_the_newest_receipt_removes_nothing_of_it(
    archive: Archive, place: InBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    below, remove, server_time = Bucket.below, Bucket.remove, staging_area._server_time

    def fail(self: Bucket, keys: Sequence[str]) -> None:
        raise StoreDownError("the server does not answer")

    def stale(self: Bucket, prefix: str) -> Iterator[Any]:
        return (each for each in below(self, prefix) if "receipt" not in each.key)

    with monkeypatch.context() as odd:
        odd.setattr(Bucket, "remove", fail)
        store(archive)  # its note stays
        odd.setattr(Bucket, "remove", remove)
        odd.setattr(Bucket, "below", stale)
        odd.setattr(
            staging_area, "_server_time", lambda *where: server_time(*where) + 7 * 86_400 + 60
        )
        assert archive.sweep() == 0
    (proof,) = archive.catalogue.proofs()
    assert proof.findings == ()


def test_a_sweep_touches_no_files_of_another_pass(
    archive: Archive, place: InBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_time = staging_area._server_time
    store(archive)
    (proof,) = archive.catalogue.proofs()
    note = {"place": proof.place.split("/"), "number": 2}
    place.write(f".partial/eu/{1:032x}--{'0' * 32}", json.dumps(note).encode())
    place.remove(place.find("receipt.json"))  # a stranger's work: it can be restored
    before = place.jobs()
    monkeypatch.setattr(
        staging_area, "_server_time", lambda *where: server_time(*where) + 7 * 86_400 + 60
    )
    assert archive.sweep() == 1
    assert place.jobs() == before


def test_the_spool_holds_no_more_than_what_is_under_way(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Twenty files of 2 MB; while they come, at most the four being sent and some more are there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    most = [0]

    shelf = AssetShelf({f"{number}.bin": ShelfBody([b"x" * 1_000_000] * 2) for number in range(20)})
    fetch = shelf.fetch

    @contextmanager
    def watched(name: str) -> Iterator[ShelfBody]:
        sizes = (path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
        most[0] = max(most[0], sum(sizes))
        with fetch(name) as body:
            yield body

    archive.store(document(), shelf.listing, EVERYTHING, watched, ORIGIN)
    assert most[0] <= 10 * 2_000_000
    assert list(tmp_path.iterdir()) == []


def test_the_spool_of_a_killed_process_is_removed(
    place: InBucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = tmp_path / "sauce-janitor-spool-dead"
    dead.mkdir()
    (dead / "video.mp4").write_bytes(MP4)
    with opened(place.location):
        assert list(tmp_path.iterdir()) == []


# --- several writers of small files ---------------------------------------------------------------


def test_a_mirror_that_changed_since_it_was_read_is_not_overwritten(
    archive: Archive, place: InBucket
) -> None:
    other = HoldMirror(S3Files(Bucket(place.location)), "eu")  # type: ignore[arg-type]
    assert (archive.holds.holds(), other.holds()) == ((), ())
    other.replace([HOLD])
    mirror = archive.holds
    with pytest.raises(MirrorChangedError, match="try again"):
        mirror.replace([])
    assert mirror.holds() == (HOLD,)
    mirror.replace([])
    assert other.holds() == ()


# --- servers and buckets that are refused -----------------------------------------------------------


def test_a_server_that_ignores_conditions_is_refused(
    component: Callable[[str], Path], tmp_path: Path
) -> None:
    with nanio(component, tmp_path) as location:
        with pytest.raises(ArchiveUnusableError, match=r"ignores `If-None-Match: \*`"):
            opened(location)
        with pytest.raises(ArchiveUnusableError, match=r"ignores `If-None-Match: \*`"):
            PauseMirror(location).pause(MirroredPause("jane", "x", 1), is_known=False)
        paths = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
        assert not [path for path in paths if "sauce-janitor-archive" in path.name]


@pytest.mark.parametrize("condition", ["If-None-Match", "If-Match"])
def test_each_condition_is_tried_at_every_open(
    place: InBucket, monkeypatch: pytest.MonkeyPatch, condition: str
) -> None:
    with opened(place.location) as archive:
        known = archive.uuid
    ignored = "add" if condition == "If-None-Match" else "replace"
    monkeypatch.setattr(Bucket, ignored, lambda self, key, data, *_: self.put(key, data))
    with pytest.raises(ArchiveUnusableError, match=f"ignores `{condition}"):
        opened(place.location, known)


def test_a_bucket_that_does_not_exist(s3_server: Seaweedfs) -> None:
    with pytest.raises(ArchiveUnusableError, match="the bucket does not exist") as error:
        opened(s3_server.location(bucket="nowhere"))
    assert str(error.value).count("\n") == 0
    with pytest.raises(ArchiveUnusableError, match="the bucket does not exist"):
        PauseMirror(s3_server.location(bucket="nowhere")).paused()


def test_a_folder_that_a_console_made_is_an_empty_prefix(s3_server: Seaweedfs) -> None:
    place = InBucket(s3_server.location())
    s3_server.request("PUT", f"/archives/{place.location.prefix}/")  # type: ignore[union-attr]
    PauseMirror(place.location).pause(MirroredPause("jane", "x", 1), is_known=False)
    assert place.paths() == [".sauce-janitor-pause"]
    PauseMirror(place.location).resume(is_known=False)
    with opened(place.location) as archive:
        store(archive)


def test_a_wrong_key(s3_server: Seaweedfs) -> None:
    with pytest.raises(ArchiveUnusableError, match="the secret access key is wrong"):
        opened(s3_server.location(secret="another-secret"))
    base = s3_server.location()
    stranger = S3Location(base.bucket, base.prefix, base.endpoint, credentials=lambda: ("no", "no"))
    with pytest.raises(ArchiveUnusableError, match="does not know the access key id"):
        opened(stranger)


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "_RETRIES", 1)
    away = S3Location(
        "archives", "x", f"http://127.0.0.1:{free_port()}", credentials=lambda: (KEY, SECRET)
    )
    with pytest.raises(ArchiveUnusableError, match=r"http://127\.0\.0\.1:\d+ does not answer"):
        opened(away)


def test_without_the_client_library_the_package_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['obstore'] = None\n"
        "from sauce_janitor.archive import Catalogue\n"
        "from sauce_janitor.model.archive.locations import S3Location\n"
        "Catalogue.open(S3Location('bucket'))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install sauce-janitor[cluster]" in said.stderr.splitlines()[-1]


def test_a_local_archive_loads_no_client_library(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from sauce_janitor.archive import Archive\n"
        f"Archive.open(Path({str(tmp_path / 'archive')!r}), account='eu', known_uuid=None).close()\n"
        "assert 'obstore' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- object lock ------------------------------------------------------------------------------------


def test_a_bucket_that_retains_versions_works_and_keeps_them(s3_server: Seaweedfs) -> None:
    """The default retention of a bucket protects receipts and assets from whoever has the key."""
    s3_server.make_bucket("locked", x_amz_bucket_object_lock_enabled="true")
    rule = (
        b'<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE"
        b"</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>"
    )
    s3_server.request("PUT", "/locked", rule, query="object-lock=")
    place = InBucket(s3_server.location(bucket="locked"))
    with opened(place.location) as archive:
        store(archive)
        receipt = place.find("receipt.json")
        place.remove(receipt)
        assert archive.archived(document().job) is None
        versions = s3_server.request("GET", "/locked", query="versions=").decode()
        assert f"{place.location.prefix}/{receipt}" in versions  # type: ignore[union-attr]
        store(archive)
        assert [proof.findings for proof in archive.catalogue.proofs()] == [()]
