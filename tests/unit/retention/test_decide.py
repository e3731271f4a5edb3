"""When something is deleted, archived or stopped, sentence by sentence of
docs/reference/policies.md.
"""

from __future__ import annotations

import pytest

from sauce_janitor.model.durations import parse_duration
from sauce_janitor.model.jobs import UNKNOWN, Action, AssetsStanding, Record, Verdict, Why
from sauce_janitor.model.policies import ArchiveRule, DeleteRule, Forbid, Rules
from sauce_janitor.retention.decide import decide
from tests.support.decisions import decisions, going, ids, reasons, whys
from tests.support.jobs import DAY, HOUR, NOW, id_of, keep, policy, record, rules, running, where

ASSETS, JOB, ARCHIVE, STOP = Action.DELETE_ASSETS, Action.DELETE_JOB, Action.ARCHIVE, Action.STOP
ALL = frozenset({"all"})


# --- several policies on one job ------------------------------------------------------------------


def test_a_job_that_no_policy_covers_is_kept() -> None:
    lonely = rules(policy("p", where(build="PR-*"), job="1d"))
    assert whys(lonely, [record("j", 9 * DAY)], "j") == {Why.NO_POLICY}


def test_the_longest_after_of_all_matching_policies_wins() -> None:
    both = rules(policy("long", job="9d"), policy("short", job="1d"))
    assert going(both, [record("j8", 8 * DAY), record("j9", 9 * DAY)]) == ids("j9")
    decided = decisions(both, [record("j9", 10 * DAY)])[id_of("j9")][JOB]
    assert (decided.policy, decided.due_since) == ("long", NOW - DAY)


def test_the_longest_is_worked_out_on_the_calendar() -> None:
    both = rules(policy("month", job="1mo"), policy("days", job="30d"))
    # A month from April 22 has 30 days (equal: the first by name), one from February 21 only 28,
    # one from March 13 has 31.
    for age, longest in ((40, "days"), (100, "days"), (80, "month")):
        assert decisions(both, [record("j", age * DAY)])[id_of("j")][JOB].policy == longest


def test_keep_beats_delete() -> None:
    both = rules(
        policy("short", job="1h"), policy("keeper", job="1h", keep=(keep("l", "last", count=1),))
    )
    assert going(both, [record("j1", DAY), record("j2", 2 * DAY)]) == ids("j2")


def test_never_is_infinite() -> None:
    both = rules(policy("short", job="1h"), policy("safe", where(tags="pii"), job="never"))
    jobs = [record("j1", DAY, tags=("pii",)), record("j2", DAY)]
    assert going(both, jobs) == ids("j2")
    assert whys(both, jobs, "j1") == {Why.NEVER}


def test_an_action_that_a_policy_does_not_mention_is_no_opinion() -> None:
    both = rules(policy("records", job="1h"), policy("assets", assets="never"))
    gone = record("j", DAY, assets=AssetsStanding.DELETED)
    assert going(both, [gone]) == ids("j")


def test_where_a_match_is_unknown_the_policy_vetoes_the_actions_it_states() -> None:
    both = rules(
        policy("sure", assets="1h", job="1h"), policy("unsure", where(os="Windows*"), assets="1h")
    )
    jobs = [record("j", DAY, os=UNKNOWN)]
    assert whys(both, jobs, "j", ASSETS) == {Why.UNDECIDED}
    assert [r.text for r in reasons(both, jobs, "j", ASSETS)] == [
        "unsure: undecided (os is unknown)"
    ]
    assert whys(both, jobs, "j", JOB) == {Why.ASSETS_PROTECTED}


# --- overrides ------------------------------------------------------------------------------------


def overriding(**fields: str) -> Rules:
    return rules(
        policy("base", assets="30d", job="30d", keep=(keep("l", "last", count=1),)),
        policy("short", where(**fields), job="1d", assets="1d", overrides=("base",)),
    )


def test_overrides_is_the_one_way_to_be_shorter() -> None:
    jobs = [record("pii", 2 * DAY, tags=("pii",)), record("other", 2 * DAY)]
    assert going(overriding(tags="pii"), jobs) == ids("pii")


def test_overrides_take_keeps_too_and_the_job_takes_no_slot() -> None:
    jobs = [record("pii", 2 * DAY, tags=("pii",)), record("j1", 40 * DAY), record("j2", 41 * DAY)]
    assert going(overriding(tags="pii"), jobs) == ids("pii", "j2")


def test_an_override_that_may_apply_takes_nothing_and_the_job_takes_no_slot() -> None:
    jobs = [record("maybe", 2 * DAY, tags=UNKNOWN), record("j1", 40 * DAY), record("j2", 41 * DAY)]
    assert going(overriding(tags="pii"), jobs) == ids("j2")
    assert whys(overriding(tags="pii"), jobs, "maybe") >= {Why.UNDECIDED, Why.NOT_YET}


def test_overrides_count_for_the_actions_the_policy_states_itself() -> None:
    partly = rules(
        policy("base", assets="30d", job="30d"), policy("p", assets="1d", overrides=("base",))
    )
    jobs = [record("j", 2 * DAY)]
    assert going(partly, jobs, ASSETS) == ids("j")
    assert going(partly, jobs, JOB) == set()


def test_overrides_all_takes_every_policys_claim() -> None:
    every = rules(
        policy("a", job="30d"), policy("b", job="never"), policy("p", job="1d", overrides="all")
    )
    assert going(every, [record("j", 2 * DAY)]) == ids("j")


def test_an_overridden_policy_overrides_nothing() -> None:
    chain = rules(
        policy("base", job="never"), policy("middle", job="1d", overrides=("base",)),
        policy("top", where(tags="pii"), job="1d", overrides=("middle",)),
    )  # fmt: skip
    jobs = [
        record("top", 2 * DAY, tags=("pii",)),
        record("middle", 2 * DAY),
        record("maybe", 2 * DAY, tags=UNKNOWN),
    ]
    assert going(chain, jobs) == ids("middle")


# --- default --------------------------------------------------------------------------------------


def test_the_default_is_per_action_for_jobs_on_which_no_other_policy_says_anything_of_it() -> None:
    with_default = rules(
        policy("pii", where(tags="pii"), assets="3d"),
        policy("rest", assets="1d", job="1d", default=True),
    )
    jobs = [
        record("pii", 2 * DAY, tags=("pii",)),
        record("other", 2 * DAY),
        record("maybe", 2 * DAY, tags=UNKNOWN),
    ]
    assert going(with_default, jobs, ASSETS) == ids("other")
    assert whys(with_default, jobs, "pii", JOB) == {Why.ASSETS_PROTECTED}
    gone = [record("pii", 2 * DAY, tags=("pii",), assets=AssetsStanding.DELETED)]
    assert going(with_default, gone, JOB) == ids("pii")


def test_slots_of_a_default_are_counted_per_action() -> None:
    with_default = rules(
        policy("pii", where(tags="pii"), assets="1h"),
        policy("rest", assets="1h", job="1h", default=True, keep=(keep("l", "last", count=1),)),
    )
    jobs = [record("pii", DAY, tags=("pii",)), record("j1", 2 * DAY), record("j2", 3 * DAY)]
    assert going(with_default, jobs, ASSETS) == ids("pii", "j2")
    assert whys(with_default, jobs, "pii", JOB) == {Why.KEPT}
    assert whys(with_default, jobs, "j1", JOB) == {Why.ASSETS_PROTECTED}


# --- deleting a job deletes its assets ------------------------------------------------------------


@pytest.mark.parametrize("said", ["30d", "never"])
def test_whatever_forbids_delete_assets_forbids_delete_job_while_there_are_any(said: str) -> None:
    odd = rules(policy("p", assets=said, job="1d"))
    assert whys(odd, [record("j", 2 * DAY)], "j") == {Why.ASSETS_PROTECTED}
    for standing in (AssetsStanding.DELETED, AssetsStanding.PURGED):
        assert going(odd, [record("j", 2 * DAY, assets=standing)]) == ids("j")


def test_both_deletes_due_are_one_delete_of_the_job() -> None:
    both = rules(policy("p", assets="1d", job="2d"))
    assert whys(both, [record("j", 3 * DAY)], "j", ASSETS) == {Why.DUE, Why.WITH_THE_JOB}
    assert whys(both, [record("j", DAY)], "j", ASSETS) == {Why.DUE}


def test_assets_that_are_gone_are_done() -> None:
    gone = [record("j", 3 * DAY, assets=AssetsStanding.PURGED)]
    assert whys(rules(policy("p", assets="1d")), gone, "j", ASSETS) == {Why.DONE}


# --- archiving ------------------------------------------------------------------------------------


def wishing(*wishes: ArchiveRule | str, job: str = "10d", forbid: tuple[Forbid, ...] = ()) -> Rules:
    return rules(
        *(policy(f"p{n}", job=job, archive=wish) for n, wish in enumerate(wishes)), forbid=forbid
    )


def test_a_delete_waits_for_the_archive_that_is_not_yet_due() -> None:
    slow = wishing("20d")
    jobs = [record("j", 11 * DAY)]
    assert whys(slow, jobs, "j", ARCHIVE) == {Why.NOT_YET}
    assert whys(slow, jobs, "j", JOB) == {Why.NOT_ARCHIVED}


def test_an_archive_that_is_due_comes_before_the_delete_in_the_same_pass() -> None:
    jobs = [record("j", 11 * DAY)]
    assert going(wishing("2h"), jobs, ARCHIVE) == going(wishing("2h"), jobs, JOB) == ids("j")


def test_what_is_archived_is_done_and_may_be_deleted() -> None:
    jobs = [record("j", 11 * DAY, archived=ALL)]
    assert whys(wishing("20d"), jobs, "j", ARCHIVE) == {Why.DONE}
    assert going(wishing("20d"), jobs, JOB) == ids("j")


def test_a_receipt_for_less_than_is_wanted_is_not_enough() -> None:
    jobs = [record("j", 11 * DAY, archived=frozenset({"video"}))]
    assert whys(wishing("20d"), jobs, "j", JOB) == {Why.NOT_ARCHIVED}


def test_archive_none_said_aloud_is_proof_enough_and_silence_is_not() -> None:
    jobs = [record("j", 11 * DAY)]
    assert going(wishing("none"), jobs, JOB) == ids("j")
    silent = rules(policy("p", job="10d", archive=None))
    assert whys(silent, jobs, "j", JOB) == {Why.NOT_ARCHIVED}


def test_none_only_means_i_want_none() -> None:
    jobs = [record("j", 11 * DAY)]
    assert whys(wishing("none", "20d"), jobs, "j", JOB) == {Why.NOT_ARCHIVED}


def test_the_earliest_after_counts() -> None:
    jobs = [record("j", 2 * DAY)]
    decided = decisions(wishing("5d", "1d"), jobs)[id_of("j")][ARCHIVE]
    assert (decided.verdict, decided.policy, decided.due_since) == (Verdict.DUE, "p1", NOW - DAY)


def test_a_policy_that_may_match_and_wants_any_leaves_the_delete_undecided() -> None:
    jobs = [record("j", 11 * DAY, os=UNKNOWN, archived=ALL)]
    unsure = rules(policy("p", job="10d"), policy("q", where(os="Win*"), archive="2h"))
    assert whys(unsure, jobs, "j", JOB) == {Why.UNDECIDED}
    wants_none = rules(policy("p", job="10d"), policy("q", where(os="Win*"), archive="none"))
    assert going(wants_none, jobs, JOB) == ids("j")


def test_only_kept_archives_just_the_jobs_that_its_keep_rules_keep() -> None:
    wish = ArchiveRule(after=parse_duration("2h"), only_kept=True)
    kept = rules(policy("p", job="10d", archive=wish, keep=(keep("l", "last", count=1),)))
    jobs = [record("j1", 11 * DAY), record("j2", 12 * DAY)]
    assert going(kept, jobs, ARCHIVE) == ids("j1")
    assert whys(kept, jobs, "j2", ARCHIVE) == {Why.NOTHING_WANTED}
    assert going(kept, jobs, JOB) == ids("j2")


def test_keeping_does_not_stop_archiving() -> None:
    kept = rules(policy("p", job="never", archive="2h", keep=(keep("l", "last", count=5),)))
    assert going(kept, [record("j", 3 * HOUR)], ARCHIVE) == ids("j")


def test_where_forbid_is_unknown_the_job_is_neither_stored_nor_deleted() -> None:
    unsure = wishing("2h", forbid=(Forbid(where(tags="pii"), ("video",)),))
    jobs = [record("j", 11 * DAY, tags=UNKNOWN)]
    assert whys(unsure, jobs, "j", ARCHIVE) == {Why.FORBID}
    assert Why.FORBID in whys(unsure, jobs, "j", JOB)


def test_purged_assets_with_if_purged_keep_stay_without_a_receipt() -> None:
    wish = ArchiveRule(after=parse_duration("2h"), if_purged="keep")
    purged = [record("j", 40 * DAY, assets=AssetsStanding.PURGED)]
    assert whys(wishing(wish), purged, "j", JOB) == {Why.NOT_ARCHIVED}
    assert going(wishing("2h"), purged, JOB) == ids("j")
    assert going(wishing("2h"), purged, ARCHIVE) == ids("j")


def test_an_unfinished_job_is_not_archived() -> None:
    assert whys(wishing("2h"), [running("j", DAY)], "j", ARCHIVE) == {Why.UNFINISHED}


# --- grace ----------------------------------------------------------------------------------------


def test_a_delete_is_announced_from_after_less_grace_on_and_waits_for_all_of_it() -> None:
    graceful = rules(policy("p", job="10d"), grace=parse_duration("3d"))

    def said(age: int, announced: int | None = None) -> set[Why]:
        since = {JOB: NOW - announced} if announced is not None else None
        return whys(graceful, [record("j", age, announced=since)], "j")

    assert said(7 * DAY - 1) == {Why.NOT_YET}
    assert said(7 * DAY) == {Why.NOT_YET, Why.GRACE}
    assert said(10 * DAY) == {Why.GRACE}
    assert said(10 * DAY, 3 * DAY - 1) == {Why.GRACE}
    assert said(10 * DAY, 3 * DAY) == {Why.DUE}
    assert said(8 * DAY, 5 * DAY) == {Why.NOT_YET}


def test_what_is_kept_is_not_announced() -> None:
    kept = rules(
        policy("p", job="10d", keep=(keep("l", "last", count=1),)), grace=parse_duration("3d")
    )
    assert whys(kept, [record("j", 11 * DAY)], "j") == {Why.KEPT}


def test_grace_of_the_assets_holds_the_job_back() -> None:
    both = rules(policy("p", assets="10d", job="10d"), grace=parse_duration("3d"))
    jobs = [record("j", 11 * DAY, announced={JOB: NOW - 4 * DAY})]
    assert whys(both, jobs, "j") == {Why.ASSETS_PROTECTED}


# --- runaway jobs ---------------------------------------------------------------------------------


def test_stop_stops_a_job_that_runs_longer_than_that() -> None:
    stopping = rules(policy("p", stop="6h"))
    jobs = [
        running("long", 6 * HOUR),
        running("short", HOUR),
        running("u", 9 * HOUR, started_at=UNKNOWN),
        record("over", DAY),
    ]
    assert going(stopping, jobs, STOP) == ids("long")
    assert whys(stopping, jobs, "over", STOP) == {Why.DONE}
    assert going(stopping, jobs, JOB) == set()


def test_a_hold_prevents_a_stop() -> None:
    assert whys(rules(policy("p", stop="6h")), [running("j", DAY, held=True)], "j", STOP) == {
        Why.HELD
    }


def test_a_policy_that_may_match_vetoes_a_stop() -> None:
    both = rules(policy("p", stop="6h"), policy("q", where(os="Win*"), stop="1h"))
    assert whys(both, [running("j", DAY, os=UNKNOWN)], "j", STOP) == {Why.UNDECIDED}


# --- the stream -----------------------------------------------------------------------------------


def test_a_million_ranks_need_one_pass_and_a_pick_two_and_builds_three() -> None:
    passes = []

    def counted() -> list[Record]:
        passes.append(1)
        return [record("j", DAY)]

    for made, wanted in (
        (policy("p", job="1d", keep=(keep("l", "last", count=1),)), 1),
        (policy("p", job="1d", keep=(keep("d", "daily", count=1, pick=("oldest",)),)), 2),
        (policy("p", where(build="*"), unit="build", job="1d"), 3),
    ):
        passes.clear()
        list(decide(rules(made), counted, as_of=NOW))
        assert len(passes) == wanted


def test_claims_may_differ_by_action() -> None:
    split = rules(policy("p", assets=DeleteRule(parse_duration("1d")), job=DeleteRule(None)))
    jobs = [record("j", 2 * DAY)]
    assert going(split, jobs, ASSETS) == ids("j")
    assert whys(split, jobs, "j", JOB) == {Why.NEVER}
