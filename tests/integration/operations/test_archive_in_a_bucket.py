"""Whole runs and every command on an archive in a bucket, on a real S3 server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sauce_janitor.archive.s3 import bucket
from sauce_janitor.errors import ArchiveUnusableError, RefusedError
from tests.support.archive_places import InBucket
from tests.support.commands import Commands
from tests.support.ownership import switch_state
from tests.support.pruning import Box
from tests.support.seaweedfs import KEY, SECRET, Seaweedfs

POLICIES = """
limits: {max_jobs: 1000, max_percent: 100}
policies:
  - name: p
    match: all
    then: {archive: {after: 1h, keep_for: {video: 1h, all: 2y}}, delete_assets: 2d, delete_job: 30d}
"""


@pytest.fixture
def place(s3_server: Seaweedfs) -> InBucket:
    return InBucket(s3_server.location())


@pytest.fixture
def desk(
    open_desk: Callable[..., Commands],
    place: InBucket,
    s3_server: Seaweedfs,
    monkeypatch: pytest.MonkeyPatch,
) -> Commands:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    made = open_desk(jobs=30)
    made.configure(POLICIES)
    set_archive(made, f'url: "{place.location}", endpoint: "{s3_server.endpoint}"')
    return made


def set_archive(desk: Commands, keys: str) -> None:
    path = desk.folder / "config.yaml"
    path.write_text(re.sub(r"(?m)^archive: .*$", f"archive: {{{keys}}}", path.read_text()))


def jobs_of(desk: Commands) -> list[str]:
    rows = json.loads(desk.say("archive", "list", "--format", "json").stdout)
    return [row["job_id"] for row in rows]


def test_a_run_deletes_what_it_archived_and_every_command_reads_it(
    desk: Commands, place: InBucket, tmp_path: Path
) -> None:
    desk.run(execute=True)
    assert desk.deleted()
    assert not (desk.folder / "archive").exists()
    desk.say("prove")
    desk.say("archive", "verify")
    [first, *_] = jobs = jobs_of(desk)
    assert set(jobs) >= desk.deleted()
    assert "assets/" in desk.say("archive", "show", first).stdout
    desk.say("archive", "export", first, "-o", str(tmp_path / "out.zip"))
    desk.say("archive", "reindex")
    desk.say("status")
    desk.say("explain", first)
    desk.say("simulate", "--for", "3d")

    place.write(place.find("video.mp4"), b"not a video")
    assert "changed" in desk.say("archive", "verify", code=6).stdout
    desk.say("prove", code=6)


def test_pruning_removes_files_and_leaves_a_proof(desk: Commands, place: InBucket) -> None:
    desk.run(execute=True)
    videos = [path for path in place.jobs() if path.endswith("video.mp4")]
    assert videos
    done = Box(desk).prune(later_s=7200)
    assert (done.jobs > 0, done.complete) == (True, True)
    left = [path for path in place.jobs() if path.endswith("video.mp4")]
    assert len(videos) - len(left) == done.jobs
    desk.say("archive", "verify")
    desk.say("prove")


def test_holds_and_pauses_are_in_the_bucket_too(desk: Commands, place: InBucket) -> None:
    desk.run()
    [job, *_] = [row["id"] for row in json.loads(desk.say("jobs", "--format", "json").stdout)]
    desk.run(execute=True)
    before = desk.writes()
    desk.say("hold", "add", job, "--reason", "audit", "--yes")
    desk.say("pause", "--reason", "stop")
    assert {".sauce-janitor-holds.box.json", ".sauce-janitor-pause"} <= set(place.paths())
    with pytest.raises(RefusedError, match="paused by"):
        desk.run(execute=True)
    assert desk.writes() == before
    desk.say("resume", "--yes")
    desk.say("hold", "release", job, "--yes")
    assert ".sauce-janitor-pause" not in place.paths()


def test_a_lost_state_learns_the_archive_again(desk: Commands, place: InBucket) -> None:
    desk.run(execute=True)
    archived, before = set(jobs_of(desk)), desk.writes()
    switch_state(desk, None)
    desk.run()
    with pytest.raises(RefusedError, match="this state is new and the archive s3://"):
        desk.run(execute=True)
    assert desk.writes() == before
    desk.say("archive", "adopt", "--yes")
    desk.say("resume", "--yes")
    desk.say("archive", "reindex")
    desk.run(execute=True)
    assert set(jobs_of(desk)) >= archived
    desk.say("archive", "verify")


def test_a_server_that_is_away_stops_a_run_before_it_deletes(
    desk: Commands, place: InBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.run()
    set_archive(desk, 'url: "s3://nowhere/x", endpoint: "http://127.0.0.1:9"')
    monkeypatch.setattr(bucket, "_RETRIES", 0)
    with pytest.raises((ArchiveUnusableError, RefusedError), match="does not answer"):
        desk.run(execute=True)
    assert desk.deleted() == set()


def test_a_state_goes_on_with_its_archive_in_a_bucket(
    desk: Commands, place: InBucket, s3_server: Seaweedfs
) -> None:
    bucket = f'url: "{place.location}", endpoint: "{s3_server.endpoint}"'
    set_archive(desk, "path: ./archive")
    desk.run(execute=True)
    archived = set(jobs_of(desk))
    copy = ("archive", "copy", str(desk.folder / "archive"), str(place.location))
    desk.say(*copy, "--endpoint", s3_server.endpoint, code=3)
    desk.say("pause", "--reason", "a move")
    said = desk.say(*copy, "--endpoint", s3_server.endpoint)
    assert f"Copied: {len(archived)} jobs" in said.stdout
    set_archive(desk, bucket)
    with pytest.raises(RefusedError, match="paused by"):
        desk.run(execute=True)
    desk.say("resume", "--yes")
    desk.run(execute=True)
    desk.say("prove")
    assert set(jobs_of(desk)) >= archived
    # The original stays paused: a configuration that still names it changes nothing.
    set_archive(desk, "path: ./archive")
    with pytest.raises(RefusedError):
        desk.run(execute=True)
