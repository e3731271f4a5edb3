"""Explaining one job."""

from __future__ import annotations

from sauce_janitor.retention.ages import newest_first
from sauce_janitor.retention.durations import parse_duration
from sauce_janitor.retention.explaining import ClaimView, Explanation, PolicyView, Rank, explain
from sauce_janitor.retention.model import UNKNOWN, Action, BuildCounters, Record
from sauce_janitor.retention.rules import Hold, Rules
from tests.fakes.records import DAY, NOW, id_of, keep, policy, record, rules, where


def explained(made: Rules, jobs: list[Record], label: str) -> Explanation:
    ordered = newest_first(jobs, made.age_from)
    found = explain(made, lambda: ordered, id_of(label), as_of=NOW)
    assert found is not None
    return found


NIGHTLY = policy("nightly", job="10d", group_by=("name", "browser"), keep=(keep("recent", "last", count=2),))
JOBS = [record(f"j{n}", n * DAY + 1) for n in range(20)]


def test_it_says_the_rank_in_the_group() -> None:
    jobs = [*JOBS, record("other", 5, browser="firefox"), record("held", 5, held=True)]
    assert explained(rules(NIGHTLY), jobs, "j1").ranks == (Rank("nightly", ("checkout", "chrome"), 2, 20),)
    assert explained(rules(NIGHTLY), jobs, "held").ranks[0].rank is None


def test_it_says_when_a_job_would_go_and_what_would_save_it() -> None:
    made = rules(NIGHTLY, holds=(Hold("h", tag="keep"), Hold("d", tag_prefix="keep-until=")))
    found = explained(made, JOBS, "j5")
    assert found.goes_at == NOW + 5 * DAY - 1
    assert found.saves[:3] == ("the tag keep", "a tag keep-until=YYYY-MM-DD, through that day", "a local hold")
    assert explained(made, JOBS, "j12").goes_at == NOW - 2 * DAY - 1


def test_grace_puts_off_when_a_job_would_go() -> None:
    made = rules(policy("p", job="10d"), grace=parse_duration("3d"))
    jobs = [record("new", 9 * DAY), record("known", 12 * DAY, announced={Action.DELETE_JOB: NOW - DAY}), *JOBS[:2]]
    assert explained(made, jobs, "new").goes_at == NOW + 3 * DAY
    assert explained(made, jobs, "known").goes_at == NOW + 2 * DAY
    assert explained(made, jobs, "j0").goes_at == NOW + 10 * DAY - 1


def test_it_says_what_keeps_a_job_and_no_date() -> None:
    found = explained(rules(NIGHTLY), JOBS, "j0")
    assert found.claims == (ClaimView("nightly", Action.DELETE_JOB, "10d", NOW + 10 * DAY - 1, ("recent",)),)
    assert found.goes_at is None


def test_a_job_whose_assets_never_go_never_goes() -> None:
    found = explained(rules(policy("p", assets="never", job="1d")), JOBS, "j5")
    assert found.goes_at is None


def test_it_says_which_policies_match_and_what_could_not_be_told() -> None:
    made = rules(policy("a", where(name="x")), policy("b", where(os="Win*")), policy("c"))
    found = explained(made, [record("j", os=UNKNOWN)], "j")
    assert found.policies == (
        PolicyView("a", matches=False),
        PolicyView("b", None, ("os",)),
        PolicyView("c", matches=True),
    )


def test_it_says_who_overrides_whom() -> None:
    made = rules(policy("base", job="30d"), policy("short", job="1d", overrides=("base",)))
    found = explained(made, [record("j", 2 * DAY)], "j")
    assert ClaimView("base", Action.DELETE_JOB, None, None, overridden_by=("short",)) in found.claims


def test_the_rank_of_a_whole_build_is_among_builds() -> None:
    made = rules(policy("rcs", where(build="rc-*"), unit="build", job="1d", keep=(keep("l", "last", count=1),)))
    jobs = [
        record(
            f"{b}{n}",
            age * DAY + n,
            build=f"rc-{b}",
            build_id=b,
            build_status="success",
            build_counters=BuildCounters(3, 0),
        )
        for b, age in (("a", 5), ("b", 7))
        for n in range(3)
    ]
    assert explained(made, jobs, "b1").ranks == (Rank("rcs", (), 2, 2),)


def test_a_job_that_is_not_there_has_no_explanation() -> None:
    assert explain(rules(NIGHTLY), list, id_of("x"), as_of=NOW) is None
