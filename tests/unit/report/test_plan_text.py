"""A plan on a terminal of 80 columns: dangers first and in red, each job once, nothing cut, no word
broken.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from rich.console import Console

from sauce_janitor import report
from sauce_janitor.model.job_age import newest_first
from sauce_janitor.model.jobs import Record
from sauce_janitor.retention.plan.effects import DiskSpace, Weights, effects_of
from sauce_janitor.retention.plan.planner import Plan, make_plan
from tests.support.jobs import DAY, NOW, record
from tests.support.policies import told

GB = 1e9
RULES = told("""
limits: {max_percent: 10}
policies:
  - {name: pull-requests, match: {build: "PR-*"}, then: {archive: none, delete_assets: 3d, delete_job: 14d}}
  - name: nightly
    match: {build: "nightly-*"}
    then: {archive: {after: 2h, assets: [logs, video], discard: rest}, delete_assets: 10d}
""")
WEIGHTS = Weights(
    {
        "command_log": 1e6,
        "server_log": 1e6,
        "video": 8e6,
        "screenshots": 2e6,
        "har": 0.0,
        "performance": 0.0,
        "console": 0.0,
    },
    receipts=500,
    whole=15e6,
    deletes=212,
)
ABOUT = report.About(
    "eu: alice at https://api.eu-central-1.saucelabs.com",
    "listed just now",
    (("Needs about 700 API requests, about 28 min at 1,500/h", False),),
    ways_out=("To approve it: sauce-janitor approve sha256:…",),
)


def jobs() -> Iterator[Record]:
    for number, age in itertools.product(range(10), (1, 5, 20)):
        yield record(f"pr-{number}-{age}", age * DAY, build="PR-7")
        yield record(f"nightly-{number}-{age}", age * DAY)
    yield record("unbuilt", 9 * DAY, build=None)


@pytest.fixture(scope="module")
def plan() -> Plan:
    ordered = newest_first(jobs(), RULES.age_from)
    return make_plan(RULES, lambda: ordered, as_of=NOW, accepted_at=None)


def screen(plan: Plan, about: report.About = ABOUT, *, color: bool = False) -> str:
    page = io.StringIO()
    terminal = Console(
        file=page,
        width=80,
        force_terminal=True,
        color_system="standard" if color else None,
        highlight=False,
        soft_wrap=True,
    )
    report.show_plan(terminal, plan, about)
    return page.getvalue()


def known(plan: Plan, weights: Weights = WEIGHTS, free: float = 120 * GB) -> report.About:
    return replace(ABOUT, effects=effects_of(plan, weights), room=DiskSpace(int(free), int(5 * GB)))


SCREEN = """\
eu: alice at https://api.eu-central-1.saucelabs.com, as of 2026-06-01 12:00 UTC
Limit broken: max_percent is 10 %: the plan (policy pull-requests: 20) would
delete or stop 30 unexpected jobs, 49.2 % of the 61 known jobs (unexpected: no
accepted run has seen them). Nothing was changed. If the plan is right, run
`plan --out FILE`, review it, and run `apply FILE`; if not, fix the policy
Destroyed without a copy: 30 jobs, about 350.0 MB
  20 jobs of pull-requests: nothing is archived
  10 jobs of nightly: archived: logs, video; destroyed: the rest
61 jobs known, listed just now; 0 held, 0 undecided

Effect             Jobs  Archived first  Frees about
Deleted              10               -     150.0 MB
Lose their assets    20              10     300.0 MB
Only archived        20               -            -
Kept as they are     11               -            -
Frees at Sauce Labs: about 450.0 MB (by the mean of 212 deletes)
Adds to the archive: about 300.0 MB (by the mean of 500 receipts); the disk has
120.0 GB free, 119.7 GB after it
Needs about 700 API requests, about 28 min at 1,500/h

By policy
Policy         Archive  Delete assets  Delete job  Stop
nightly             30             10           -     -
pull-requests        -             10          10     -
"""


def test_a_plan_begins_with_what_is_dangerous(plan: Plan) -> None:
    lines = [line.rstrip() for line in screen(plan, known(plan)).splitlines()]
    assert "\n".join(lines).startswith(SCREEN)
    assert len(SCREEN.split("By policy", maxsplit=1)[0].splitlines()) <= 24, "all of it at one look"
    assert max(map(len, lines)) <= 80
    assert lines.index("Why jobs stay") > lines.index("By policy")


def test_dangers_are_red(plan: Plan) -> None:
    said = screen(plan, known(plan), color=True)
    red = [line for line in said.splitlines() if "\x1b[1;31m" in line or "\x1b[31m" in line]
    assert "Limit broken" in red[0]
    assert any("Destroyed without a copy" in line for line in red)
    assert not any("Only archived" in line for line in red)


def test_where_every_job_is_deleted_there_is_no_table_of_why_jobs_stay() -> None:
    then = "{archive: none, delete_assets: 1d, delete_job: 1d}"
    rules = told(f"[{{name: p, match: all, then: {then}}}]")
    old = [record(f"old-{number}", 9 * DAY) for number in range(3)]
    plan = make_plan(rules, lambda: newest_first(old, rules.age_from), as_of=NOW, accepted_at=None)
    assert plan.kept
    assert "Why jobs stay" not in screen(plan, ABOUT)


def test_a_plan_that_destroys_nothing_unstored_does_not_say_so() -> None:
    rules = told("[{name: p, match: all, then: {archive: 1h, delete_job: 1d}}]")
    ordered = [record("j", 2 * DAY)]
    said = screen(make_plan(rules, lambda: ordered, as_of=NOW, accepted_at=None))
    assert "nstored" not in said
    assert "Limit" not in said


def test_a_plan_with_nothing_to_do_is_short() -> None:
    rules = told("[{name: p, match: all, then: {archive: 1h, delete_job: 1d}}]")
    said = screen(
        make_plan(rules, list, as_of=NOW, accepted_at=None), replace(ABOUT, budget=(), ways_out=())
    )
    assert [line.rstrip() for line in said.splitlines()] == [
        "eu: alice at https://api.eu-central-1.saucelabs.com, as of 2026-06-01 12:00 UTC",
        "0 jobs known, listed just now; 0 held, 0 undecided",
        "",
        "Effect            Jobs  Archived first  Frees about",
        "Kept as they are     0               -            -",
    ]


def test_what_is_not_known_is_said_to_be_unknown(plan: Plan) -> None:
    said = screen(plan, known(plan, Weights()))
    assert "Destroyed without a copy: 30 jobs, size unknown" in said
    assert "Frees at Sauce Labs: size unknown, nothing was deleted or archived yet" in said
    assert "Adds to the archive: size unknown, there is no receipt yet; the disk has" in " ".join(
        said.split()
    )


def test_a_plan_that_does_not_fit_on_the_disk_warns(plan: Plan) -> None:
    said = " ".join(screen(plan, known(plan, free=5.1 * GB)).split())
    assert (
        "the disk has only 5.1 GB free, and archive.min_free keeps 5.0 GB of it: make room" in said
    )


def test_markdown_begins_with_the_same(plan: Plan) -> None:
    said = "".join(report.markdown(plan, known(plan)))
    at = [
        said.index(word)
        for word in (
            "limit broken",
            "Destroyed without a copy: 30 jobs",
            "| Deleted | 10 |",
            "| policy",
        )
    ]
    assert at == sorted(at)
    assert said.count("limit broken") == 1
