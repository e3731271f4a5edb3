"""Names that strangers chose never lead outside, never collide, and never are lost."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.archive.storage.names import (
    file_names,
    folder_name,
    job_place,
    name_of_folder,
    place_of,
)
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.jobs import Job, JobState, job_id, owner_name

HARMLESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._ @+()=-]{0,119}")
NFC, NFD = unicodedata.normalize("NFC", "vidéo.mp4"), unicodedata.normalize("NFD", "vidéo.mp4")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("video.mp4", "video.mp4"),
        ("checkout.spec.js.mp4", "checkout.spec.js.mp4"),
        ("_tracelog_1.json.gz", "_tracelog_1.json.gz"),
        ("my report (2).xml", "my report (2).xml"),
        ("../../x", "0000.bin"),
        ("../../x.png", "0000.png"),
        ("/etc/passwd", "0000.bin"),
        ("a\0b.mp4", "0000.mp4"),
        ("a/b.mp4", "0000.mp4"),
        ("a\\b.mp4", "0000.mp4"),
        ("", "0000.bin"),
        (".", "0000.bin"),
        ("..", "0000.bin"),
        (".bashrc", "0000.bashrc"),
        ("-rf.log", "0000.log"),
        ("x" * 5000 + ".mp4", "0000.mp4"),
        ("x" * 5000, "0000.bin"),
        ("CON", "0000.bin"),
        ("con.txt", "0000.txt"),
        ("Lpt1 .log", "0000.log"),
        ("nul.tar.gz", "0000.gz"),
        ("trailing.", "0000.bin"),
        ("trailing ", "0000.bin"),
        ("receipt.json", "0000.json"),
        ("Receipt-2.JSON", "0000.json"),
        ("job.json", "0000.json"),
        ("evil\u202egnp.mp4", "0000.mp4"),
        ("zero\u200bwidth.png", "0000.png"),
        (NFC, "0000.mp4"),
        ("line\nbreak.log", "0000.log"),
        ("star*.log", "0000.log"),
        ("\udcff.log", "0000.log"),
        ("x.LongEnding9", "x.LongEnding9"),
        ("a:b.LongEnding9", "0000.bin"),
    ],
)
def test_a_name_becomes_a_file_name_only_where_it_is_harmless(name: str, file: str) -> None:
    assert file_names([name]) == {name: file}


def test_names_that_some_file_system_takes_for_one_are_kept_apart() -> None:
    names = ["video.mp4", "VIDEO.MP4", NFC, NFD, "Video.mp4", "0001.mp4"]
    assert list(file_names(names).values()) == [
        "video.mp4",
        "0001-2.mp4",
        "0002.mp4",
        "0003.mp4",
        "0004.mp4",
        "0001.mp4",
    ]


@given(
    st.lists(
        st.text(max_size=12)
        | st.sampled_from(["a.png", "A.PNG", "0000.bin", "0001.bin", "..", "con"])
    )
)
def test_every_name_has_a_harmless_file_of_its_own(names: list[str]) -> None:
    files = file_names(names)
    assert set(files) == set(names)
    assert all(
        HARMLESS.fullmatch(file) and not file.endswith((".", " ")) for file in files.values()
    )
    assert len({unicodedata.normalize("NFC", file).casefold() for file in files.values()}) == len(
        files
    )


@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60))
def test_folders_of_owners_are_reversible_apart_and_harmless(name: str, other: str) -> None:
    folder = folder_name(name)
    assert re.fullmatch(r"[a-z0-9%_@+][a-z0-9%._@+~-]*", folder)
    assert not folder.endswith(".")
    assert "~" in folder or name_of_folder(folder) == name
    assert (folder == folder_name(other)) == (name == other)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("nancy.sweeney", "nancy.sweeney"),
        ("Alice", "%41lice"),
        ("sso-acme-Bob", "sso-acme-%42ob"),
        ("..", "%2e%2e"),
        (".hidden", "%2ehidden"),
        ("con", "%63on"),
        ("a@b.example", "a@b.example"),
        ("100%", "100%25"),
    ],
)
def test_owners_read_well_in_folders(name: str, folder: str) -> None:
    assert folder_name(name) == folder


def test_an_owner_too_long_for_a_folder_is_cut_and_told_apart() -> None:
    long, longer = "Ä" * 254, "Ä" * 255
    assert folder_name(long) != folder_name(longer)
    assert len(folder_name(longer)) < 200
    assert name_of_folder(folder_name(long)) is None


def test_the_place_of_a_job_is_the_day_of_its_end_in_utc() -> None:
    number = job_id("0123456789abcdef" * 2)
    place = job_place("eu", owner_name("alice"), number, 1_767_225_599)
    assert place == ("eu", "alice", "2025", "12", "31", number)
    assert place_of(
        "eu", Job(number, owner_name("alice"), JobState.FINISHED, ended_at=1_767_225_600)
    )[2:5] == (
        "2026",
        "01",
        "01",
    )
    with pytest.raises(ArchiveError, match="has no end time"):
        place_of("eu", Job(number, owner_name("alice"), JobState.RUNNING))
