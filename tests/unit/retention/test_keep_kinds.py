"""Every kind of keep rule goes through all uses: parse, decide, explain, forecast, simulate and
document.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, assert_never

import pytest

import sauce_janitor
from sauce_janitor.config.output.json_schema import json_schema
from sauce_janitor.model.calendar_periods import CalendarPeriod
from sauce_janitor.model.job_age import newest_first
from sauce_janitor.model.jobs import Record
from sauce_janitor.model.match_text import keep_phrase
from sauce_janitor.model.policies import KEEP_KINDS, KeepKind, Rules
from sauce_janitor.retention.what_if.explain import PolicyView, explain
from tests.support.decisions import going
from tests.support.jobs import DAY, HOUR, NOW, id_of, record
from tests.support.policies import told
from tests.support.simulations import on_days, simulated

CODE = Path(sauce_janitor.__file__).parent
REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
JOBS = [
    record("newest", HOUR + 60, status="failed"),
    *(record(f"j{n}", n * DAY, status="passed") for n in (1, 2, 3, 9, 40, 70)),
    record("oldest", 2000 * DAY, status="passed"),
]

every_kind = pytest.mark.parametrize("kind", KEEP_KINDS, ids=str)


def written(kind: KeepKind) -> str:
    """A rule of this kind as YAML; it keeps the newest job and lets the oldest go."""
    match kind:
        case "last" | CalendarPeriod():
            return f"{kind}: 3"
        case "since_last":
            return "since_last: {status: passed}"
        case "within" | "within_of_newest":
            return f"{kind}: 5d"
        case _:
            assert_never(kind)


def keeping(kind: KeepKind) -> Rules:
    """Rules that delete every job after an hour, unless a rule of this kind keeps it."""
    return told(
        f"[{{name: p, match: {{not: {{tags: other}}}}, keep: [{{{written(kind)}}}],"
        " then: {archive: none, delete_job: 1h}}]"
    )


def view(kind: KeepKind, label: str, jobs: list[Record]) -> PolicyView:
    """What `explain` shows of the policy for one job."""
    found = explain(
        keeping(kind), lambda: newest_first(jobs, keeping(kind).age_from), id_of(label), as_of=NOW
    )
    assert found is not None
    return found.policies[0]


@every_kind
def test_it_is_parsed(kind: KeepKind) -> None:
    [rule] = keeping(kind).policies[0].keep
    assert rule.kind is kind
    assert rule.id.startswith(kind)
    assert keep_phrase(rule).startswith(f"{kind} ")


@every_kind
def test_it_decides(kind: KeepKind) -> None:
    gone = going(keeping(kind), JOBS)
    assert id_of("newest") not in gone
    assert id_of("oldest") in gone


@every_kind
def test_it_is_explained(kind: KeepKind) -> None:
    [newest], [oldest] = view(kind, "newest", JOBS).keeps, view(kind, "oldest", JOBS).keeps
    assert (newest.keeps, newest.rank, newest.of) == (True, 1, len(JOBS))
    assert (oldest.keeps, oldest.rank) == (False, len(JOBS))


@every_kind
def test_it_is_forecast(kind: KeepKind) -> None:
    [newest] = view(kind, "newest", JOBS).keeps
    assert newest.lets_go_at is not None
    assert newest.lets_go_at > NOW


@every_kind
def test_an_exact_forecast_is_what_is_decided_at_that_time(kind: KeepKind) -> None:
    for label in ("newest", "j1", "j2", "j3"):
        [found] = view(kind, label, JOBS).keeps
        if found.exact:
            assert found.lets_go_at is not None
            assert id_of(label) not in going(keeping(kind), JOBS, as_of=found.lets_go_at - 1)
            assert id_of(label) in going(keeping(kind), JOBS, as_of=found.lets_go_at)


@every_kind
def test_it_is_simulated(kind: KeepKind) -> None:
    found = simulated(keeping(kind), JOBS, days=20)
    assert on_days(found)[0] == len(going(keeping(kind), JOBS))
    assert found == simulated(keeping(kind), JOBS, days=20, day_by_day=True)


@every_kind
def test_it_is_documented(kind: KeepKind) -> None:
    rules = (REFERENCE / "policies.md").read_text(encoding="utf-8")
    assert f"`{kind}`" in rules or f"`{kind}: " in rules
    assert f"\n| `{kind}` |" in (REFERENCE / "configuration.md").read_text(encoding="utf-8")
    keys: dict[str, Any] = json_schema()["$defs"]["KeepRuleTerm"]["properties"]
    assert keys[kind]["description"]


@pytest.mark.parametrize("period", CalendarPeriod)
def test_the_next_period_has_the_next_number(period: CalendarPeriod) -> None:
    rules = keeping(period)
    number = period.numbering(rules.timezone)
    length = period.facts.longest_s
    numbers = [number(NOW + step * length // 4) for step in range(40)]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(numbers[0], numbers[-1] + 1))
    assert period.facts.shortest_s <= length
    assert number(period.surely_before(3, NOW)) < number(NOW) - 2


def test_every_match_ends_with_a_case_for_what_no_other_case_knows() -> None:
    """So mypy names each `match` that does not know a new kind, and none skips it silently."""
    found, unsafe = 0, []
    for path in sorted([*(CODE / "model").rglob("*.py"), *(CODE / "retention").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Match):
                found += 1
                last = node.cases[-1]
                if ast.unparse(last.pattern) != "_" or last.guard is not None:
                    unsafe.append(f"{path.name}:{node.lineno}")
    assert found > 8
    assert unsafe == []
