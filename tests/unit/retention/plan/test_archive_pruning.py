"""The section "Pruning the archive" of docs/reference/policies.md, a test a sentence, and its laws
over random worlds.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given

from sauce_janitor.model.durations import parse_duration
from sauce_janitor.model.jobs import UNKNOWN, AssetsStanding, Reason, Record, Why
from sauce_janitor.model.policies import ArchiveRule, Hold, Policy, Rules
from sauce_janitor.retention.plan.archive_pruning import (
    ArchivedFile,
    ArchivedJob,
    ArchivePruning,
    JobPruning,
)
from tests.support.jobs import BERLIN, DAY, HOUR, NOW, id_of, record, rules, where
from tests.support.policies import faults, told
from tests.support.worlds import World, one_record, worlds
from tests.support.worlds import rules as random_rules

SIMPLE = "[{name: p, match: all, then: {archive: {after: 1h, keep_for: 90d}}}]"
GONE = AssetsStanding.DELETED


def a_file(name: str | None, stored_at: int, size: int = 10) -> ArchivedFile:
    return ArchivedFile(name, "job.json" if name is None else f"assets/{name}", stored_at, size)


def archived(
    view: Record,
    *names: str,
    age: int = 100 * DAY,
    known: Record | None = None,
    protected: tuple[Reason, ...] = (),
) -> ArchivedJob:
    """A job of which these assets and its document were stored `age` seconds ago, when it ended."""
    stored_at = NOW - age
    files = (a_file(None, stored_at), *(a_file(name, stored_at) for name in names))
    return ArchivedJob(
        view.job.id,
        view.job.owner,
        stored_at,
        files,
        (view, known) if known else (view,),
        protected,
    )


def going(rules: Rules, job: ArchivedJob, as_of: int = NOW) -> set[str]:
    return {term.file.file for term in ArchivePruning(rules, as_of=as_of).prune(job).due(as_of)}


def shelved(rules: Rules, job: ArchivedJob) -> JobPruning:
    return ArchivePruning(rules, as_of=NOW).prune(job)


VIDEO, LOG, DOCUMENT = "assets/video.mp4", "assets/log.json", "job.json"
OLD = archived(record("j"), "video.mp4", "log.json")


# --- the sentences --------------------------------------------------------------------------------


def test_counted_from() -> None:
    """Pruning the archive: `keep_for` counts from when the file was archived, or from the job's end
    if that is later."""
    told_rules = told(SIMPLE)
    late = replace(
        OLD, files=(a_file("video.mp4", NOW - 90 * DAY), a_file("log.json", NOW - 90 * DAY + 1))
    )
    assert going(told_rules, late) == {VIDEO}
    assert going(told_rules, replace(late, ended_at=NOW - 90 * DAY + 1)) == set()


def test_by_class() -> None:
    """Pruning the archive: With times by class or glob (`{video: 90d, all: 2y}`), the longest of
    the keys that match a file counts."""
    by_class = told(
        "[{name: p, match: all, then: {archive: {after: 1h, keep_for: {video: 90d, all: 2y}}}}]"
    )
    assert going(by_class, OLD) == {VIDEO}
    several = told(
        "[{name: p, match: all, then: {archive: {after: 1h, keep_for: {logs: 1d, '*.json': 95d,"
        " log.*: 2d}}}}]"
    )
    assert going(several, OLD, NOW - 5 * DAY - 1) == set()
    assert going(several, OLD, NOW - 5 * DAY) == {LOG}


def test_the_rest_and_for_ever() -> None:
    """Pruning the archive: `all` is for files that no other key matches. `forever` is the longest
    time."""
    text = (
        "[{name: p, match: all, then: {archive: {after: 1h, keep_for: {all: 90d, logs: forever}}}}]"
    )
    assert going(told(text), OLD) == {VIDEO}
    assert (
        going(told("[{name: p, match: all, then: {archive: {keep_for: forever}}}]"), OLD) == set()
    )
    assert "too short" in faults("[{name: p, match: all, then: {archive: {keep_for: 10min}}}]")


TWO = """
- {name: short, match: all, then: {archive: {assets: [video], discard: rest, keep_for: 30d}}}
- {name: long, match: {name: checkout}, then: {archive: {assets: [logs], discard: rest, keep_for: LONG}}}
- {name: wants-none, match: all, then: {archive: none}}
"""


def test_the_longest() -> None:
    """Pruning the archive: For each file, the longest time of all policies that match the job and
    archive anything counts."""
    assert going(told(TWO.replace("LONG", "90d")), OLD) == {VIDEO, LOG, DOCUMENT}
    assert going(told(TWO.replace("LONG", "101d")), OLD) == set()
    other = archived(record("j", name="login"), "video.mp4")
    assert going(told(TWO.replace("LONG", "101d")), other) == {VIDEO, DOCUMENT}
    term, *_ = shelved(told(TWO.replace("LONG", "90d")), OLD).terms
    assert (term.policy, term.keep_for, term.at) == ("long", "90d", NOW - 10 * DAY)


def test_overrides_and_the_default() -> None:
    """Pruning the archive: `overrides` and `default: true` apply as in archiving."""
    overridden = (
        TWO.replace("LONG", "2y")
        + "- {name: o, match: all, overrides: all, then: {archive: {keep_for: 40d}}}"
    )
    assert going(told(overridden), OLD) == {VIDEO, LOG, DOCUMENT}
    default = (
        "[{name: p, match: all, then: {archive: {keep_for: 40d}}}, {name: d, default: true, then:"
        " {archive: 1h}}]"
    )
    assert going(told(default), OLD) == {VIDEO, LOG, DOCUMENT}
    assert going(told(default.replace("match: all", "match: {name: x}")), OLD) == set()


def test_no_policy() -> None:
    """Pruning the archive: Jobs for which no policy states `archive` stay in the archive
    forever."""
    assert (
        going(told("[{name: p, match: {name: x}, then: {archive: {keep_for: 1d}}}]"), OLD) == set()
    )
    assert going(told("[{name: p, match: all, then: {archive: none}}]"), OLD) == set()


def test_a_hold() -> None:
    """Pruning the archive: A job's files stay while any of this is true: a hold covers the job as
    archived or as last seen;"""
    held = told(
        f"{{policies: {SIMPLE}, holds: [{{tag: keep}}, {{match: {{os: Linux}}, until:"
        " 2027-01-01}]}"
    )
    plain, tagged = record("j", assets=GONE), record("j", tags=("keep",), assets=GONE)
    assert going(held, archived(plain, "video.mp4")) == {VIDEO, DOCUMENT}
    assert going(held, archived(plain, "video.mp4", known=tagged)) == set()
    assert going(held, archived(tagged, "video.mp4", known=plain)) == set()
    assert going(held, archived(record("j", os=UNKNOWN), "video.mp4")) == set()
    assert going(held, replace(OLD, protected=(Reason(Why.HELD, rule="a local hold"),))) == set()


def test_a_keep_rule_keeps() -> None:
    """Pruning the archive: a keep rule keeps it;"""
    assert going(told(SIMPLE), replace(OLD, protected=(Reason(Why.KEPT, "p", "last 20"),))) == set()


def test_may_match() -> None:
    """Pruning the archive: the match of a policy which states `archive` is unknown;"""
    text = SIMPLE[:-1] + ", {name: q, match: {os: Linux}, then: {archive: ARCHIVE}}]"
    unclear = archived(record("j", os=UNKNOWN), "video.mp4")
    for says in ("none", "1h", "{keep_for: 1h}"):
        assert going(told(text.replace("ARCHIVE", says)), unclear) == set()
    assert (
        "os is unknown" in shelved(told(text.replace("ARCHIVE", "none")), unclear).protected[0].text
    )
    silent = SIMPLE[:-1] + ", {name: q, match: {os: Linux}, then: {stop: 6h}}]"
    assert going(told(silent), unclear) == {VIDEO, DOCUMENT}


def test_still_at_sauce_labs() -> None:
    """Pruning the archive: it may still have assets at Sauce Labs (it ended under 30 days ago, and
    they are not known to be gone)."""
    quick = told("[{name: p, match: all, then: {archive: {keep_for: 1d}}}]")
    young = archived(record("j"), "video.mp4", age=29 * DAY)
    assert going(quick, young) == set()
    assert going(quick, replace(young, views=(record("j"), record("j")))) == set()
    for standing in (AssetsStanding.DELETED, AssetsStanding.PURGED):
        assert going(quick, replace(young, views=(record("j"), record("j", assets=standing)))) == {
            VIDEO,
            DOCUMENT,
        }
    assert going(quick, archived(record("j"), "video.mp4", age=30 * DAY)) == {VIDEO, DOCUMENT}


def test_the_document_goes_last() -> None:
    """Pruning the archive: `job.json` is removed last, by the time of `all`."""
    text = "[{name: p, match: all, then: {archive: {keep_for: {all: 1d, logs: LOGS, '*': 2d}}}}]"
    assert going(told(text.replace("LOGS", "2y")), OLD) == {VIDEO}
    assert going(told(text.replace("LOGS", "90d")), OLD) == {VIDEO, LOG, DOCUMENT}
    assert going(
        told("[{name: p, match: all, then: {archive: {keep_for: {video: 1d, logs: 1d}}}}]"), OLD
    ) == {
        VIDEO,
        LOG,
    }
    alone = replace(OLD, files=(a_file(None, NOW - 100 * DAY),))
    assert going(told(SIMPLE), alone) == {DOCUMENT}


# --- what the sentences leave open ----------------------------------------------------------------


def test_a_job_that_cannot_be_read_stays() -> None:
    unread = replace(OLD, views=())
    assert going(told(SIMPLE), unread) == set()
    assert "cannot be read" in shelved(told(SIMPLE), unread).protected[0].text


def test_months_are_counted_on_the_calendar_of_the_configuration() -> None:
    wish = ArchiveRule(keep_for=(("all", parse_duration("1mo")),))
    in_berlin = rules(Policy("p", where(name="*"), archive=wish), timezone=BERLIN)
    (term,) = shelved(in_berlin, replace(OLD, files=(a_file("video.mp4", 1_774_000_000),))).terms
    assert (
        term.at == 1_774_000_000 + 31 * DAY - HOUR
    )  # March has 31 days, and loses an hour in Berlin


def test_the_order_of_keys_makes_no_other_policy_digest() -> None:
    one = told("[{name: p, match: all, then: {archive: {keep_for: {video: 90d, all: 2y}}}}]")
    assert one == told(
        "[{name: p, match: all, then: {archive: {keep_for: {all: 2y, video: 90d}}}}]"
    )


# --- laws -----------------------------------------------------------------------------------------

KEEP_FORS = (None, "1h", "1d", "20d", "60d", "2mo", "1y")
NAMES = ("video.mp4", "log.json", "0001screenshot.png", "odd.bin")
KEYS = ("all", "video", "logs", "screenshots", "*.png", "log.*")


def with_times(rng: Random, told_rules: Rules) -> Rules:
    """The rules with a random `keep_for` on every policy that archives."""
    policies = []
    for policy in told_rules.policies:
        keys = rng.sample(KEYS, rng.randint(0, 3))
        texts = {key: rng.choice(KEEP_FORS) for key in keys}
        times = tuple(
            (key, parse_duration(text) if text else None) for key, text in sorted(texts.items())
        )
        archive = policy.archive or ArchiveRule()
        policies.append(replace(policy, archive=replace(archive, keep_for=times)))
    return replace(told_rules, policies=tuple(policies))


def an_archived(rng: Random) -> ArchivedJob:
    """A job that ended any time ago, with files stored some time after that."""
    view = one_record(rng, "j")
    age = rng.choice((DAY, 25 * DAY, 31 * DAY, 70 * DAY, 400 * DAY))
    names = (None, *rng.sample(NAMES, rng.randint(0, 4)))
    files = tuple(a_file(name, NOW - age + rng.choice((0, HOUR, DAY))) for name in names)
    standing = rng.choice(tuple(AssetsStanding))
    known = (replace(one_record(rng, "j"), assets=standing),) if rng.random() < 0.5 else ()
    return ArchivedJob(id_of("j"), view.job.owner, NOW - age, files, (view, *known))


def scene(world: World) -> tuple[Rules, ArchivedJob, Random]:
    _, _, rng = world
    return with_times(rng, random_rules(rng)), an_archived(rng), rng


@given(worlds)
def test_the_order_of_policies_and_files_changes_nothing(world: World) -> None:
    told_rules, job, rng = scene(world)
    shuffled = replace(
        told_rules,
        policies=tuple(rng.sample(told_rules.policies, len(told_rules.policies))),
        holds=tuple(rng.sample(told_rules.holds, len(told_rules.holds))),
    )
    turned = replace(job, files=tuple(reversed(job.files)))
    assert going(shuffled, turned) == going(told_rules, job)


@given(worlds)
def test_adding_a_hold_prunes_nothing_more(world: World) -> None:
    told_rules, job, rng = scene(world)
    holds = (*told_rules.holds, Hold("new", tag=rng.choice(("keep", "pii"))))
    assert going(replace(told_rules, holds=holds), job) <= going(told_rules, job)


@given(worlds)
def test_another_look_of_the_job_prunes_nothing_more_but_for_what_is_known_to_be_gone_at_sauce_labs(
    world: World,
) -> None:
    told_rules, job, rng = scene(world)
    another = replace(job, views=(*job.views, one_record(rng, "j")))
    settled = replace(job, ended_at=min(job.ended_at, NOW - 31 * DAY))
    assert going(told_rules, replace(another, ended_at=settled.ended_at)) <= going(
        told_rules, settled
    )


@given(worlds)
def test_adding_a_policy_prunes_nothing_earlier_where_another_says_what_to_archive(
    world: World,
) -> None:
    told_rules, job, rng = scene(world)
    stating = [policy for policy in told_rules.policies if not policy.default]
    if not stating or any(policy.overrides for policy in told_rules.policies):
        return
    plain = replace(told_rules, policies=tuple(stating))
    new = replace(rng.choice(random_rules(rng).policies), name="new", default=False, overrides=())
    more = with_times(rng, replace(plain, policies=(new,))).policies
    assert going(replace(plain, policies=(*stating, *more)), job) <= going(plain, job) | _of_nobody(
        plain, job
    )


def _of_nobody(told_rules: Rules, job: ArchivedJob) -> set[str]:
    """All files of a job of which no policy speaks: the first one that does may let it go."""
    speaks = any(term.policy for term in shelved(told_rules, job).terms)
    return set() if speaks else {file.file for file in job.files}


@given(worlds)
def test_a_field_that_cannot_be_had_prunes_nothing_more(world: World) -> None:
    told_rules, job, rng = scene(world)
    field = rng.choice(("name", "os", "status", "tags", "build"))
    hidden: dict[str, Any] = {field: UNKNOWN}
    view = replace(job.views[0], job=replace(job.views[0].job, **hidden))
    assert going(told_rules, replace(job, views=(view, *job.views[1:]))) <= going(told_rules, job)


@given(worlds)
def test_what_may_go_may_go_later_too(world: World) -> None:
    told_rules, job, rng = scene(world)
    later = NOW + rng.choice((1, HOUR, 40 * DAY, 500 * DAY))
    open_ended = replace(told_rules, holds=tuple(hold for hold in told_rules.holds if hold.tag))
    assert going(open_ended, job) <= going(open_ended, job, later)


@given(worlds)
def test_the_document_never_goes_while_anything_else_is_stored(world: World) -> None:
    told_rules, job, _ = scene(world)
    gone = going(told_rules, job)
    assert DOCUMENT not in gone or gone == {file.file for file in job.files}


@given(worlds)
def test_what_cannot_go_by_the_archive_alone_does_not_go_by_more(world: World) -> None:
    told_rules, job, _ = scene(world)
    shelves = ArchivePruning(told_rules, as_of=NOW)
    if not shelves.may_go(replace(job, views=job.views[:1])):
        assert shelves.prune(job).due(NOW) == ()


def test_the_status_of_a_build_is_known_to_the_inventory_alone() -> None:
    by_build = SIMPLE.replace("match: all", "match: {build_status: success}")
    assert ArchivePruning(told(by_build), as_of=NOW).reads_builds
    assert not ArchivePruning(told(SIMPLE), as_of=NOW).reads_builds


@pytest.mark.parametrize("name", NAMES)
def test_every_file_has_a_term_and_says_whose_word_it_is(name: str) -> None:
    term, document = (shelved(told(SIMPLE), archived(record("j"), name)).terms[n] for n in (1, 0))
    assert (term.policy, document.policy) == ("p", "p")
    assert term.file.name == name
