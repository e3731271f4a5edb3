"""How an explanation reads: nothing a stranger chose reaches the terminal as it is, and every key
is there for machines.
"""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console
from rich.text import Text

from sauce_janitor.cli.what_if.explanation import EXPLAINED
from sauce_janitor.cli.what_if.explanation_text import show
from sauce_janitor.console.job_explanation import Explained
from sauce_janitor.json_output import to_json
from sauce_janitor.model.job_age import newest_first
from sauce_janitor.model.jobs import UNKNOWN, Action, AssetsStanding, Owner, Record
from sauce_janitor.model.policies import Rules
from sauce_janitor.retention.what_if.explain import explain
from sauce_janitor.state import JournalLine
from tests.support.jobs import DAY, NOW, id_of, keep, policy, record, rules, where

HOSTILE = "login\x1b[2J\x07\u202egnp.exe\r\nPlan: 0 to archive [bold red]x[/]"
RULES = rules(
    policy(
        "nightly",
        where(build="nightly-*"),
        job="10d",
        assets="5d",
        archive="2h",
        group_by=("name",),
        keep=(
            keep("recent", "last", count=1),
            keep("green", "last", count=1, where=where(status="passed")),
        ),
    ),
    policy("rest", default=True, job="1d", assets="1d"),
    policy("others", where(name="nobody"), job="1d"),
)


def told(made: Rules, jobs: list[Record], label: str, *lines: JournalLine) -> Explained:
    ordered = newest_first(jobs, made.age_from)
    found = explain(made, lambda: ordered, id_of(label), as_of=NOW)
    return Explained("box", id_of(label), NOW, found, lines, (), frozenset())


def text_of(each: Explained, width: int = 180, *, terminal: bool = False) -> str:
    stream = io.StringIO()
    show(
        Console(
            file=stream,
            width=width,
            force_terminal=terminal,
            no_color=True,
            markup=False,
            soft_wrap=True,
        ),
        each,
    )
    return stream.getvalue()


def line(
    seq: int, kind: str, outcome: str | None, action: Action = Action.DELETE_JOB
) -> JournalLine:
    return JournalLine(
        seq,
        NOW + seq,
        "box",
        kind,
        id_of("a"),
        Owner("jane"),
        action,
        "nightly",
        "run1",
        None,
        outcome,
        "ab" * 32 if kind == "archived" else None,
        1,
        {"text": "x\x1b[31m"},
        "00",
    )


def test_names_and_tags_of_strangers_are_cleaned() -> None:
    jobs = [record("a", 3 * DAY, name=HOSTILE, build="nightly-1", tags=("pii\x1b[8m", "\u2028x"))]
    text = text_of(told(RULES, jobs, "a"))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "\u2028" not in text
    assert "\nPlan:" not in text
    assert "[bold red]x[/]" in text


@pytest.mark.parametrize("width", [80, 140])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    jobs = [record(f"j{n}", n * DAY, name="checkout with a long name " * 9) for n in range(5)]
    text = text_of(
        told(RULES, [*jobs, record("a", 3 * DAY + 5, name="checkout with a long name " * 9)], "a"),
        width,
        terminal=True,
    )
    assert max(len(Text.from_ansi(row)) for row in text.splitlines()) <= width


def test_every_rule_that_spoke_is_told_with_its_rank_and_a_silent_default_as_such() -> None:
    jobs = [record(f"j{n}", n * DAY, status="failed" if n < 2 else "passed") for n in range(9)]
    text = text_of(told(RULES, jobs, "j2"))
    assert "rank 3 of 9 in its group (checkout), newest first" in text
    assert "recent: last 1; rank 3 of 9 that count; does not keep it" in text
    assert (
        "green: last 1 where status: passed; rank 1 of 7 that count; keeps it until about" in text
    )
    assert (
        "rest: does not apply: it is the default, and all of its actions are decided by nightly"
        in text
    )
    assert "no match: others" in text
    assert "Stays for now; the first delete is due about" in text


def test_what_happens_is_told_with_dates() -> None:
    text = text_of(told(RULES, [record("a", 3 * DAY), record("b", DAY)], "a"))
    assert "archive        due since 2026-05-29 14:00 UTC" in text
    assert "hold add" in text


def test_a_deleted_job_is_told_from_the_journal() -> None:
    each = Explained(
        "box",
        id_of("a"),
        NOW,
        None,
        (
            line(1, "archived", None, Action.ARCHIVE),
            line(2, "intent", None),
            line(3, "outcome", "confirmed"),
        ),
        (),
        frozenset(),
    )
    text = text_of(each)
    assert f"{id_of('a')} of account box: deleted, 2026-06-01 12:00 UTC, by policy nightly" in text
    assert "began to delete job" in text
    assert "delete job: done" in text
    assert "\x1b" not in text
    found = to_json(each, EXPLAINED)
    assert (found["known"], found["deleted_at"], found["job"]) == (
        False,
        "2026-06-01T12:00:03Z",
        None,
    )
    assert len(found["journal"]) == 3


def test_the_json_has_the_same_keys_for_every_job_and_says_unknown_apart_from_null() -> None:
    known = to_json(told(RULES, [record("a", 3 * DAY, name=None, os=UNKNOWN)], "a"), EXPLAINED)
    lost = Explained("box", id_of("a"), NOW, None, (line(1, "intent", None),), (), frozenset())
    gone = to_json(lost, EXPLAINED)
    assert known.keys() == gone.keys()
    assert known["job"]["name"] is None
    assert known["job"]["os"] == {"unknown": True}
    assert [each["action"] for each in known["decisions"]] == [
        "archive",
        "delete_assets",
        "delete_job",
        "stop",
    ]
    assert json.loads(json.dumps(known)) == known


@pytest.mark.parametrize("assets", [AssetsStanding.PRESENT, AssetsStanding.DELETED])
def test_assets_that_only_go_with_the_job_are_not_said_to_be_kept(assets: AssetsStanding) -> None:
    job = replace(record("a", 20 * DAY), assets=assets)
    lines = text_of(told(rules(policy("old", job="14d")), [job], "a")).splitlines()
    line = next(row for row in lines if "delete assets" in row)
    goes = assets is AssetsStanding.PRESENT
    assert ("with the job" in line and "no policy deletes the assets alone" in line) is goes
