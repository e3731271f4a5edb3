"""A bucket that answers late, wrongly or not at all, and processes that are killed at any request."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from sauce_janitor.archive import Archive, Catalogue
from sauce_janitor.archive.s3 import bucket as buckets
from sauce_janitor.archive.s3 import staging_area
from sauce_janitor.archive.s3.bucket import Bucket
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError
from sauce_janitor.model.archive.locations import S3Location
from sauce_janitor.model.assets import EVERYTHING
from tests.fakes.asset_shelf import LOG, MP4, AssetShelf, document
from tests.support.archive import ORIGIN, ROOMY
from tests.support.archive_places import InBucket
from tests.support.s3_faults import DENIED, ENCRYPT, EXPIRED, SLOW_DOWN, Fault, faulty
from tests.support.seaweedfs import KEY, SECRET, Seaweedfs


@pytest.fixture
def place(s3_server: Seaweedfs) -> InBucket:
    return InBucket(s3_server.location())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer tries, without waiting."""
    monkeypatch.setattr(buckets, "_RETRIES", 2)
    monkeypatch.setattr(staging_area, "_PAUSE_S", 0.0)


def opened(location: Any, known: str | None = None) -> Archive:
    return Archive.open(location, account="eu", known_uuid=known, settings=ROOMY)


def store(archive: Archive, number: int = 1) -> Any:
    shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG})
    return archive.store(document(number), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)


def is_put(ending: str) -> Callable[[str, str], bool]:
    return lambda method, path: method == "PUT" and path.endswith(ending)


def is_get(ending: str) -> Callable[[str, str], bool]:
    return lambda method, path: method == "GET" and path.endswith(ending)


def everything(_method: str, _path: str) -> bool:
    return True


def whole(place: InBucket, jobs: int) -> None:
    """The archive has so many jobs, each whole and with one receipt."""
    with Catalogue.open(place.location) as catalogue:
        proofs = list(catalogue.proofs())
    assert [(len(proof.receipts), proof.findings) for proof in proofs] == [(1, ())] * jobs


@pytest.mark.parametrize(
    "fault",
    [
        Fault(everything, SLOW_DOWN, times=2),
        Fault(everything, delay_s=0.05),
        Fault(is_put("receipt.json"), loses=True, times=1),
        Fault(is_put(".mp4"), loses=True, times=1),
        Fault(is_put(".sauce-janitor-archive"), loses=True, times=1),
    ],
    ids=["503 twice", "late", "receipt's answer lost", "upload's answer lost", "sentinel's lost"],
)
def test_what_passes_by_itself_is_not_noticed(
    place: InBucket, s3_server: Seaweedfs, fault: Fault
) -> None:
    prefix = place.location.prefix  # type: ignore[union-attr]
    with faulty(s3_server, prefix, fault) as location, opened(location) as archive:
        store(archive)
    assert fault.struck
    whole(place, 1)


@pytest.mark.parametrize(
    ("strikes", "answer", "sentence"),
    [
        (is_put(".mp4"), SLOW_DOWN, "asks for fewer requests; the server answered 503 SlowDown"),
        (is_put("receipt.json"), DENIED, "the credentials do not allow it"),
        (is_put(".mp4"), EXPIRED, "the credentials have expired"),
        (is_put(".mp4"), ENCRYPT, "This bucket requires aws:kms encryption"),
        (is_get(".mp4"), DENIED, "the credentials do not allow it"),
    ],
    ids=["503", "403 at the commit", "expired", "encryption", "403 at the reading back"],
)
def test_what_does_not_pass_ends_all_jobs_with_a_sentence_and_stores_nothing(
    place: InBucket,
    s3_server: Seaweedfs,
    strikes: Callable[[str, str], bool],
    answer: tuple[int, str, str],
    sentence: str,
) -> None:
    prefix = place.location.prefix  # type: ignore[union-attr]
    with (
        faulty(s3_server, prefix, Fault(strikes, answer)) as location,
        opened(location) as archive,
        pytest.raises(ArchiveUnusableError) as error,
    ):
        store(archive)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    whole(place, 0)
    with opened(place.location) as archive:
        store(archive)
    whole(place, 1)


def test_a_server_that_is_away_is_no_damage(place: InBucket, s3_server: Seaweedfs) -> None:
    prefix = place.location.prefix  # type: ignore[union-attr]
    with opened(place.location) as archive:
        store(archive)
    of_one = Fault(is_get(".mp4"), SLOW_DOWN)
    of_all = Fault(is_get(".sauce-janitor-archive"), SLOW_DOWN, times=0)
    with faulty(s3_server, prefix, of_one, of_all) as location, opened(location) as archive:
        (proof,) = archive.catalogue.proofs()
        assert [(each.file[-9:], each.damage.value) for each in proof.findings] == [
            ("video.mp4", "changed")
        ]
        of_all.times = 1_000_000
        with pytest.raises(ArchiveUnusableError, match="asks for fewer requests"):
            list(archive.catalogue.proofs())


@pytest.mark.parametrize("ending", [".mp4", "receipt.json"])
def test_a_file_that_is_cut_on_the_way_back_is_not_committed_or_not_believed(
    place: InBucket, s3_server: Seaweedfs, ending: str
) -> None:
    prefix = place.location.prefix  # type: ignore[union-attr]
    fault = Fault(is_get(ending), cuts=True)
    with (
        faulty(s3_server, prefix, fault) as location,
        opened(location) as archive,
        pytest.raises(ArchiveError),
    ):
        store(archive)
    assert fault.struck
    whole(place, 0 if ending == ".mp4" else 1)


class _Killed(BaseException):
    """The process ends here."""


REQUESTS = (
    "read",
    "facts",
    "pieces",
    "add",
    "replace",
    "put",
    "put_file",
    "below",
    "level",
    "remove",
)


def test_a_kill_at_any_request_leaves_no_half_job(
    place: InBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the n-th request on none is sent any more, as after kill -9, for every n."""
    location, sent, last = place.location, [0], [0]
    assert isinstance(location, S3Location)
    with opened(location) as archive:
        known = archive.uuid

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def request(*arguments: Any, **more: Any) -> Any:
            sent[0] += 1
            if sent[0] > last[0]:
                raise _Killed
            return real(*arguments, **more)

        return request

    def is_killed(number: int) -> bool:
        """Store a job in a run that may send `number` requests."""
        sent[0], last[0] = 0, number
        with monkeypatch.context() as killing:
            for name in REQUESTS:
                killing.setattr(Bucket, name, counted(getattr(Bucket, name)))
            try:
                with opened(location, known) as archive:
                    store(archive, number)
            except _Killed:
                return True
        return False

    number = 1
    while is_killed(number):
        with opened(location, known) as archive:
            job = document(number).job
            found, proof = (
                archive.archived(job),
                archive.read_back(job.owner, job.id, ended_at=None),
            )
            assert (found is None) == (proof is None)
            assert proof is None or proof.findings == ()
            store(archive, number)
        number += 1
    assert number > 20
    whole(place, number)


STORING = """
import sys
from sauce_janitor.archive import Archive
from sauce_janitor.model.archive.locations import S3Location
from sauce_janitor.model.assets import EVERYTHING
from tests.fakes.asset_shelf import LOG, MP4, AssetShelf, document
from tests.support.archive import ORIGIN, ROOMY
bucket, prefix, endpoint, key, secret, known = sys.argv[1:]
where = S3Location(bucket, prefix, endpoint, credentials=lambda: (key, secret))
with Archive.open(where, account="eu", known_uuid=known, settings=ROOMY) as archive:
    for number in range(1, 500):
        shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG})
        archive.store(document(number), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
        print(number, flush=True)
"""


@pytest.mark.parametrize("jobs", [2, 5, 9])
def test_a_killed_process_leaves_whole_jobs(place: InBucket, jobs: int) -> None:
    location = place.location
    assert isinstance(location, S3Location)
    with opened(location) as archive:
        known = archive.uuid
    words = (location.bucket, location.prefix, location.endpoint or "", KEY, SECRET, known)
    process = subprocess.Popen(
        [sys.executable, "-c", STORING, *words], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        while int(process.stdout.readline()) < jobs:
            pass
        time.sleep(0.005 * jobs)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with Catalogue.open(location) as catalogue:
        proofs = list(catalogue.proofs())
    assert len(proofs) >= jobs
    assert all((len(proof.receipts), proof.findings) == (1, ()) for proof in proofs)
