"""One door to the terminal: nothing raw goes through it, no failing stream stops work, and nothing
is printed beside it.
"""

from __future__ import annotations

import ast
import errno
import io
import json
import sys
import tomllib
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor import json_output, report, terminal
from sauce_janitor.errors import OutputError

TOP = Path(__file__).parents[2]
PACKAGE = TOP / "sauce_janitor"
HOSTILE = "a\x1b]0;x\x07\x9b2J\u202eb\u200b\u2028\x7f\r\x00\ud800\U000e0001\ufeff\xad"
RAW = {"Cc", "Cf", "Cs", "Zl", "Zp"}


class Broken(io.StringIO):
    """A stream whose every write fails in this way."""

    encoding = "utf-8"

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
        self.attempts = 0

    def write(self, text: str) -> int:
        self.attempts += 1
        raise self.error


def full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


@given(st.text())
def test_printable_text_is_one_line_without_a_raw_character(text: str) -> None:
    shown = terminal.printable(text)
    assert shown.isprintable()
    assert terminal.printable(shown) == shown


@given(st.dictionaries(st.text(), st.text() | st.lists(st.text())))
def test_json_stays_the_same_document_in_printable_characters(document: object) -> None:
    shown = terminal.json_text(document)
    assert json.loads(shown) == json.loads(json.dumps(document))
    assert shown.replace("\n", "").isprintable()


def test_characters_are_shown_as_their_json_escape() -> None:
    assert (
        terminal.printable("a\x1b[2J\u202eb\n\x85\U000e0001")
        == r"a\u001b[2J\u202eb\n\u0085\udb40\udc01"
    )
    assert terminal.printable("日本語 é 🙂") == "日本語 é 🙂"


def test_two_names_that_differ_in_what_does_not_show_do_not_look_the_same() -> None:
    hidden = "\u200b\u200d\u2060\u00ad\u034f\u115f\u3164\u2800\ufe00\U000e0100"
    assert all(terminal.printable(f"a{each}b") != "ab" for each in hidden)
    assert terminal.printable(hidden).isascii()


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "utf-8"])
def test_what_an_encoding_lacks_is_escaped_and_json_stays_valid(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    under = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", under)
    json_output.write({"name": HOSTILE + "é…🙂\x9d"})
    under.seek(0)
    shown = under.read()
    assert json.loads(shown)["name"] == HOSTILE + "é…🙂\x9d"
    assert {unicodedata.category(each) for each in shown.replace("\n", "")}.isdisjoint(RAW)


def test_tables_with_lines_and_arrows_print_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    under = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", under)
    out = report.console(color=None)
    report.show_table(out, [report.Column("Name → …")], [(f"─┃{HOSTILE}",)])
    under.seek(0)
    shown = under.read()
    assert r"Name \u2192 \u2026" in shown
    assert r"\u202eb" in shown


def test_a_console_styles_text_and_no_sequence_in_it_gets_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    under = io.StringIO()
    monkeypatch.setattr(sys, "stdout", under)
    report.console(color=None).print(HOSTILE, style="bold")
    shown = under.getvalue()
    assert shown.startswith("\x1b[1ma\\u001b]0;x")
    assert shown.count("\x1b") == 2  # bold, and its end


ERRORS: dict[str, Callable[[], Exception]] = {
    "full": full,
    "failing": lambda: OSError(errno.EIO, "Input/output error"),
    "no reader": lambda: BrokenPipeError(errno.EPIPE, "Broken pipe"),
    "closed": lambda: ValueError("I/O operation on closed file"),
    "not ready": lambda: BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_no_failing_stream_raises_from_text_tables_or_progress(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sauce_janitor.cli.progress import ProgressDisplay

    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, Broken(ERRORS[kind]()))
    terminal.echo("text")
    terminal.echo("text", err=True)
    report.console(color=None).print("table")
    with ProgressDisplay(color=None, moving=True) as shown:
        shown.phase("eu", "list", 3)
        shown.step()
    terminal.flush()


def test_a_sentence_on_a_terminal_wraps_at_words_and_leaves_a_command_and_a_time_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    sentence = (
        "  Refused since 2026-11-29 14:03 CET: look, then run `sauce-janitor plan --out FILE` again"
    )
    wrapped = """  Refused since
      2026-11-29 14:03 CET:
      look, then run
      `sauce-janitor plan --out FILE`
      again"""
    for is_tty, shown in ((True, wrapped.splitlines()), (False, [sentence])):
        under = io.StringIO()
        monkeypatch.setattr(under, "isatty", lambda is_tty=is_tty: is_tty)
        monkeypatch.setattr(sys, "stdout", under)
        terminal.echo(sentence)
        assert under.getvalue().splitlines() == shown


def test_a_command_at_the_end_of_a_sentence_is_not_broken_where_it_fits() -> None:
    said = "Written; carry it out with: sauce-janitor apply plan.json"
    assert terminal.wrapped(said, 32) == [
        "Written; carry it out with:",
        "sauce-janitor apply plan.json",
    ]
    assert terminal.wrapped(said, 20) == [
        "Written; carry it",
        "out with:",
        "sauce-janitor apply",
        "plan.json",
    ]
    assert terminal.wrapped("sauce-janitor: it failed", 20) == ["sauce-janitor: it", "failed"]


def test_a_document_of_several_lines_is_never_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    under = io.StringIO()
    monkeypatch.setattr(under, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", under)
    terminal.echo(terminal.json_text({"a long key": "and a long value"}))
    assert json.loads(under.getvalue()) == {"a long key": "and a long value"}


def test_nothing_is_printed_where_there_is_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    terminal.echo("text")
    terminal.write(["row\n"])
    report.console(color=None, error=True).print("table")
    assert not terminal.is_terminal()
    assert not terminal.can_ask()
    with pytest.raises(click.Abort):
        terminal.ask("Go on?")


def test_a_listing_that_does_not_fit_says_that_it_is_incomplete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", Broken(full()))
    with pytest.raises(OutputError, match="standard output is incomplete: No space left on device"):
        terminal.write(["row\n"])


def test_a_listing_that_nobody_reads_any_more_asks_for_no_further_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def rows() -> Iterator[str]:
        for number in range(1000):
            asked.append(number)
            yield "row\n"

    monkeypatch.setattr(sys, "stdout", Broken(ERRORS["no reader"]()))
    terminal.write(rows())
    assert asked == [0]


def test_a_stream_that_has_room_again_is_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    under = Broken(full())
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", under)
        with terminal.guarded():
            terminal.echo("lost", err=True)
            terminal.echo("tried", err=True)
    assert under.attempts == 2


def test_a_binary_file_is_refused_on_a_terminal_and_text_is_shown_harmlessly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    under = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(under, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", under)
    with pytest.raises(OutputError, match="add -o FILE"):
        terminal.write_file(io.BytesIO(b"\x89PNG\0\0"))
    terminal.write_file(io.BytesIO("log: \x1b[2J\u202e é\n".encode() + b"\xff"))
    under.seek(0)
    assert under.read() == "log: \\u001b[2J\\u202e é\n\\xff"


def test_a_file_goes_through_a_pipe_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    below = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(below, encoding="ascii"))
    terminal.write_file(io.BytesIO(b"\x00\x1b\xff"))
    assert below.getvalue() == b"\x00\x1b\xff"


def test_cells_of_a_csv_are_printable_and_no_formula() -> None:
    rows = [{"a": text + HOSTILE, "b": -1} for text in ("=1", "+1", "-1", "@x", "\tx", "\rx", "x")]
    _, *lines = "".join(report.csv_lines(rows, ("a", "b"))).splitlines()
    assert [line[:2] for line in lines] == ["'=", "'+", "'-", "'@", "'\\", "'\\", "xa"]
    assert all(line.isprintable() and line.endswith(",-1") for line in lines)


DOORS = {
    "print": None,
    "Console": "report/rich_console.py",
    "DictWriter": "report/csv_rows.py",
    "StreamHandler": None,
    "basicConfig": "logs.py",
    "print_exc": "__main__.py",
    "print_exception": None,
    "print_stack": None,
    "showwarning": None,
}
"""Calls that print or make CSV, and the one module where each may stand; None: nowhere. Ruff
forbids the rest by its import.
"""
SINK, SANDBOX = "terminal.py", "sandbox"


def _names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """What is called, and every `name.attribute`, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}", node.lineno
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id, node.lineno
            elif (
                isinstance(node.func, ast.Attribute) and node.func.attr != "print"
            ):  # a console's own is fine
                yield node.func.attr, node.lineno


def test_nothing_is_printed_beside_the_one_sink() -> None:
    lint = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    banned = set(lint["flake8-tidy-imports"]["banned-api"])
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        if place != SINK and not place.startswith(f"{SANDBOX}/"):
            found += [
                f"{place}:{line}: {name}"
                for name, line in _names(ast.parse(path.read_text()))
                if name in banned or (name in DOORS and DOORS[name] != place)
            ]
    assert not found


def test_the_streams_stand_behind_the_sink_while_a_command_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with terminal.guarded():
        print("from a library \x1b[2J", file=sys.stderr)
        click.echo("from click \x07")
        assert isinstance(cast("object", sys.stdout), terminal.Stream)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("from click \\u0007\n", "from a library \\u001b[2J\n")
