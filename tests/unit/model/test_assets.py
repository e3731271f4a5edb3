"""Which files are what, and which receipts cover which wishes."""

from __future__ import annotations

import pytest

from sauce_janitor.model.assets import Selection, asset_classes, covers


def wanting(*assets: str, forbid: tuple[str, ...] = ()) -> Selection:
    return Selection(frozenset(assets), frozenset(forbid), discard_rest="all" not in assets)


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("log.json", {"all", "logs", "command_log"}),
        ("selenium-server.log", {"all", "logs", "server_log"}),
        ("logcat.log", {"all", "logs", "device_log"}),
        ("video.mp4", {"all", "video"}),
        ("VIDEO.MP4", {"all", "video"}),
        ("examples__actions.spec.js.mp4", {"all", "video"}),
        ("0001screenshot.png", {"all", "screenshots"}),
        ("network.har", {"all", "har"}),
        ("performance.json", {"all", "performance"}),
        ("_tracelog_80.json.gz", {"all", "performance"}),
        ("console.log", {"all", "console"}),
        ("junit.xml", {"all", "report"}),
        ("sauce-test-report.json", {"all", "report"}),
        ("my-own.log", {"all", "logs", "server_log", "report"}),
        ("", {"all", "report"}),
    ],
)
def test_classes_are_the_ones_people_mean(name: str, classes: set[str]) -> None:
    assert asset_classes(name) == classes


def test_forbid_beats_all() -> None:
    selection = wanting("all", forbid=("video", "*.har"))
    assert selection.wants("log.json")
    assert not selection.wants("video.mp4")
    assert not selection.wants("network.har")
    assert selection.may_lose("video.mp4")
    assert not selection.may_lose("log.json")


def test_what_is_not_wanted_may_be_lost_only_where_the_rest_is_discarded() -> None:
    assert wanting("logs").may_lose("video.mp4")
    assert not Selection(frozenset({"logs"}), discard_rest=False).may_lose("video.mp4")


def test_the_key_is_canonical_and_readable() -> None:
    assert wanting("video", "har", "logs").key == "har,logs,video"
    assert wanting("command_log", "device_log", "server_log").key == "logs"
    assert wanting("logs", "command_log", "a,b!*").key == "a%2Cb%21*,logs"
    assert wanting("all", "video", forbid=("video",)).key == "all!video"


@pytest.mark.parametrize(
    ("archived", "wanted", "covered"),
    [
        (None, wanting("video"), False),
        (frozenset(), wanting("video"), False),
        ({"all"}, wanting("video", "x*"), True),
        ({"all"}, wanting("all", forbid=("video",)), True),
        ({"har,logs"}, wanting("command_log"), True),
        ({"har", "video"}, wanting("video", "har"), True),
        ({"video"}, wanting("video", "har"), False),
        ({"all!video"}, wanting("all"), False),
        ({"all!video"}, wanting("all", forbid=("video",)), True),
        ({"all!video"}, wanting("logs", forbid=("video", "har")), True),
        ({"all!video"}, wanting("logs"), False),
        ({"a%2Cb"}, wanting("a,b"), True),
    ],
)
def test_a_receipt_covers_what_its_selection_wanted(
    archived: set[str] | None, wanted: Selection, covered: bool
) -> None:
    assert covers(None if archived is None else frozenset(archived), wanted) is covered
