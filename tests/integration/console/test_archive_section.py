"""The archive in the console of `serve`: found without a command, and said where it cannot be."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sauce_janitor.archive import Archive, DiskReserve, WriteSettings
from sauce_janitor.config import load
from sauce_janitor.daemon.daemon import Daemon
from sauce_janitor.model.assets import EVERYTHING
from sauce_janitor.state import State
from tests.fakes.asset_shelf import LOG, AssetShelf, document
from tests.support.archive import ORIGIN
from tests.support.daemon import Driven, Scene, until

JOB = f"{1:032x}"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        made = Scene(tmp_path, Driven(), stack)
        made.configure('web: {listen: "127.0.0.1:0"}\n')
        yield made


def store(folder: Path, number: int) -> None:
    """Archive a job, in the archive of a state that is there."""
    State.open(folder / "state.db").close()
    settings = WriteSettings(min_free=DiskReserve(percent=0))
    with Archive.open(
        folder / "archive", account="eu", known_uuid=None, settings=settings
    ) as archive:
        shelf = AssetShelf({"log.json": LOG})
        archive.store(
            document(number, name=f"checkout {number}"),
            shelf.listing,
            EVERYTHING,
            shelf.fetch,
            ORIGIN,
        )


@contextmanager
def serving(scene: Scene) -> Iterator[Daemon]:
    config = load(scene.folder / "config.yaml", environ={"KEY": "x"})
    daemon = Daemon(config, execute=False, clock=scene.clock)
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()
        until(daemon.has_ended, "its end")
        daemon.close()


def get(daemon: Daemon, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{daemon.url}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_serve_shows_what_the_archive_has_and_each_job_with_its_files(scene: Scene) -> None:
    store(scene.folder, 1)
    with serving(scene) as daemon:
        until(lambda: "checkout 1" in get(daemon, "/archive")[1], "the job in the list")
        status, page = get(daemon, f"/jobs/eu/{JOB}")
        assert (status, "log.json" in page) == (200, True)
        assert get(daemon, f"/jobs/eu/{JOB}/files/0")[1].encode() == LOG
        assert get(daemon, f"/jobs/eu/{2:032x}")[0] == 404
        assert get(daemon, "/archive/builds")[0] == 200


def test_without_an_archive_the_list_is_empty_and_nothing_is_made(scene: Scene) -> None:
    with serving(scene) as daemon:
        until(lambda: get(daemon, "/archive")[0] == 200, "the open state")
        assert "The archive has no jobs yet." in get(daemon, "/archive")[1]
        assert not (scene.folder / "archive").exists()


def test_while_the_state_is_closed_the_archive_says_why_and_the_overview_is_there(
    scene: Scene,
) -> None:
    store(scene.folder, 1)
    (scene.folder / "state.db").write_bytes(b"not a database, but something else" * 100)
    with serving(scene) as daemon:
        until(lambda: "it is not an SQLite database" in get(daemon, "/archive")[1], "the reason")
        assert get(daemon, "/archive")[0] == 500
        assert get(daemon, "/")[0] == 200


def test_an_archive_that_is_another_one_now_is_not_shown(scene: Scene) -> None:
    store(scene.folder, 1)
    with serving(scene) as daemon:
        until(lambda: "checkout 1" in get(daemon, "/archive")[1], "the job in the list")
        assert daemon._rounds.state is not None
        identity = daemon._rounds.state.identity
        identity.remember_archive(str(scene.folder / "archive"), "0" * 32)
        status, page = get(daemon, f"/jobs/eu/{JOB}")
        assert (status, "is another archive" in page) == (500, True)
