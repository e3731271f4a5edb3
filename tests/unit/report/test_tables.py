"""The one table: never wider than the terminal, nothing broken within a word, and whole where no
terminal is.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import pytest
from rich.cells import cell_len
from rich.console import Console

from sauce_janitor import report
from sauce_janitor.model.jobs import UNKNOWN
from sauce_janitor.report import Column
from sauce_janitor.times import show_times_in

JOBS = (
    Column("Job", "id"),
    Column("Status", "word"),
    Column("Ended", "time"),
    Column("Size", "size", 2),
    Column("Build"),
    Column("Name"),
    Column("Tags", rank=3),
)
MAY, NOON = 1_780_000_000, 1_764_417_600


def ident(number: int) -> str:
    return f"{number:04x}" + "0123456789abcdef" * 2


def rows(
    count: int = 3, name: str = "checkout pays with a card that is declined twice"
) -> list[tuple[object, ...]]:
    return [
        (
            ident(number)[:32],
            "complete",
            NOON,
            12_345_678,
            f"release-2026.11.{number}-nightly",
            name,
            "smoke, flaky",
        )
        for number in range(count)
    ]


def printed(
    columns: Sequence[Column], cells: Sequence[Sequence[object]], width: int | None
) -> list[str]:
    """The lines of that table on a terminal of that width; None for a pipe."""
    out = Console(
        width=width or 180, force_terminal=width is not None, file=io.StringIO(), no_color=True
    )
    return [line.plain for line in report.table_lines(out, columns, cells)]


@pytest.mark.parametrize(
    "name", ["short", "a name of words " * 9, "x" * 200, "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 90]
)
@pytest.mark.parametrize("width", [30, 60, 80, 130])
def test_no_line_is_longer_than_the_terminal_and_each_row_has_one(width: int, name: str) -> None:
    lines = printed(JOBS, rows(name=name), width)
    assert max(map(cell_len, lines)) <= width
    assert len(lines) in {4, 5}, "a header, of two lines at most, and a line a row"
    assert all(lines)


def test_at_80_columns_what_is_cut_is_cut_after_a_word_and_the_rest_is_whole() -> None:
    header, first, *_ = printed(JOBS, rows(), 80)
    assert header.split() == ["Job", "Status", "Ended", "(UTC)", "Build", "Name"]
    assert (
        first == "00000123  complete  2025-11-29 12:00  release-2026.11.0-n…  checkout pays with…"
    )


def test_a_pipe_gets_everything_whole() -> None:
    header, first, *_ = printed(JOBS, rows(), None)
    assert header.split() == ["Job", "Status", "Ended", "Size", "Build", "Name", "Tags"]
    for whole in (
        ident(0)[:32],
        "2025-11-29 12:00 UTC",
        "12.3 MB",
        "release-2026.11.0-nightly",
        "declined twice",
        "flaky",
    ):
        assert whole in first


def test_wide_shows_everything_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Console(width=80, force_terminal=True, file=io.StringIO())
    out.is_wide = True  # type: ignore[attr-defined]  # as report.console sets it
    _, first, *_ = (line.plain for line in report.table_lines(out, JOBS, rows()))
    assert first.startswith(ident(0)[:32])
    assert first.endswith("smoke, flaky")


def test_ids_are_cut_to_what_tells_them_apart() -> None:
    alike = [("0123456789abcdef",), ("0123456789abcdff",), ("f" * 16,)]
    assert printed([Column("Job", "id")], alike, 80)[1:] == [
        "0123456789abcde",
        "0123456789abcdf",
        "f" * 15,
    ]
    assert printed([Column("Job", "id")], alike[1:], 80)[1:] == ["01234567", "f" * 8]


def test_columns_give_way_by_rank() -> None:
    wide, narrow = (printed(JOBS, rows(), width)[0] for width in (105, 70))
    assert "Size" in wide
    assert "Tags" not in wide
    assert narrow.split() == ["Job", "Status", "Ended", "(UTC)", "Build", "Name"]


def test_sentences_wrap_at_words_and_are_whole() -> None:
    why = (
        "due since yesterday; nightly keeps the last 3 that passed;"
        " com.example.checkout.PaymentTest"
    )
    lines = printed(
        [Column("Job", "id"), Column("Why", "prose")], [("a" * 32, why), ("b" * 32, "due")], 50
    )
    assert " ".join(" ".join(line[10:] for line in lines[1:-1]).split()) == why
    assert all(lines), "no blank line after a row"
    assert any(word in lines[1] for word in why.split())
    for line in lines[1:]:
        assert all(word in why for word in line[10:].split())


def test_a_word_wider_than_its_column_is_broken_after_a_sign() -> None:
    lines = printed(
        [Column("Why", "prose")], [("by nightly-builds-of-the-release-branches: due",)], 30
    )
    assert lines[1:] == ["by", "nightly-builds-of-the-release-", "branches: due"]


def test_a_name_gives_way_before_a_sentence_and_a_status() -> None:
    columns = [Column("Status", "word"), Column("Name"), Column("Why", "prose")]
    row = ("complete", "checkout with a card", "nightly-builds-of-the-release-branches: due")
    assert (
        printed(columns, [row], 60)[1]
        == "complete  checkout with a…  nightly-builds-of-the-release-"
    )
    assert printed(columns, [row], 40)[1] == "complete  checkout with…  nightly-"


def test_numbers_are_aligned_to_the_right_with_separated_thousands() -> None:
    lines = printed(
        [Column("Policy"), Column("Delete job", "number")],
        [("a", 1_234_567), ("b", 5), ("c", None)],
        80,
    )
    assert lines == [
        "Policy  Delete job",
        "a        1,234,567",
        "b                5",
        "c                -",
    ]


def test_a_header_wider_than_its_numbers_wraps_at_words_where_it_must() -> None:
    numbers = [Column(f"Delete assets {at}", "number") for at in range(7)]
    lines = printed([Column("Policy"), *numbers], [("nightly", *range(7))], 80)
    assert max(map(len, lines)) <= 80
    assert not {"Delet", "asset", "asse"} & {word for line in lines for word in line.split()}


def test_values_that_are_not_there_or_cannot_be_read_have_a_sign() -> None:
    assert (
        printed(
            [Column("A"), Column("B", "time"), Column("C", "number")], [(None, UNKNOWN, None)], 80
        )[1]
        == "-  ?  -"
    )
    assert printed([Column("A")], [(True,), (["b", "a"],), ("a\x1b[2J",)], 80)[1:] == [
        "yes",
        "b, a",
        r"a\u001b[2J",
    ]


def test_a_zone_is_named_in_the_header_where_it_is_one_and_else_in_each_cell() -> None:
    show_times_in(ZoneInfo("Europe/Berlin"))
    columns, summer = [Column("At", "time"), Column("Name")], NOON - 60 * 86_400
    assert printed(columns, [(NOON, "a" * 90), ("released", "b"), (None, "c")], 40)[0].split() == [
        "At",
        "(CET)",
        "Name",
    ]
    lines = printed(columns, [(NOON, "a" * 90), (summer, "b")], 40)
    assert [line[:21].strip() for line in lines] == [
        "At",
        "2025-11-29 13:00 CET",
        "2025-09-30 14:00 CEST",
    ]


def test_a_long_table_is_laid_out_a_part_at_a_time_with_its_header_again_where_it_changes() -> None:
    plain = [(f"{number:032x}", "complete", "n") for number in range(2500)]
    columns = [Column("Job", "id"), Column("Status", "word"), Column("Name")]
    assert len(printed(columns, plain, 80)) == 2501
    plain[1500] = (ident(1), "a status that is longer", "n")
    lines = printed(columns, plain, 80)
    assert [line.split()[0] for line in lines].count("Job") == 2
    assert len(lines) == 2502


def test_a_footer_is_in_bold_and_aligned() -> None:
    out = Console(width=80, force_terminal=True, file=io.StringIO())
    *_, last = report.table_lines(
        out, [Column("Day"), Column("Jobs", "number")], [("a", 10)], footer=("Sum", 1000)
    )
    assert (last.plain, last.style) == ("Sum  1,000", "bold")


def test_an_encoding_without_the_ellipsis_has_dots() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    out = Console(width=20, force_terminal=True, file=file)
    lines = [
        line.plain
        for line in report.table_lines(out, [Column("Name")], [("one two three four five six",)])
    ]
    assert lines[1] == "one two three..."


def test_cutting_keeps_whole_words_where_one_ends_nearby() -> None:
    assert report.cut("pays with a card", 14) == "pays with a…"
    assert report.cut("com.example.checkout.PaymentTest", 14) == "com.example.c…"
    assert report.cut("a com.example.checkout", 14) == "a com.example…"
    assert report.cut("short", 14) == "short"
