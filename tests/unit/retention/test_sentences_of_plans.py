"""The sections of docs/reference/policies.md on terms, limits and configuration: each test quotes
its sentence.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sauce_janitor.config.loader import from_bytes
from sauce_janitor.errors import ConfigError
from sauce_janitor.model.job_age import newest_first
from sauce_janitor.model.jobs import UNKNOWN, Action, Owner, Record, Verdict, Why
from sauce_janitor.model.policies import Rules
from sauce_janitor.retention.plan.limits import Leeway
from sauce_janitor.retention.plan.planner import Plan, make_plan
from sauce_janitor.sauce.build_rows import parse_builds
from sauce_janitor.sauce.parse import parse_assets, parse_rows
from tests.support.decisions import decisions
from tests.support.jobs import DAY, HOUR, NOW, id_of, record, running
from tests.support.policies import configured, told

ARCHIVE, ASSETS, JOB, STOP = Action.ARCHIVE, Action.DELETE_ASSETS, Action.DELETE_JOB, Action.STOP
EVERYTHING = frozenset({"all"})
SIMPLE = "[{name: p, match: all, then: {archive: none, delete_job: 1d}}]"


def planned(rules: Rules, *jobs: Record, **given: Any) -> Plan:
    ordered = newest_first(jobs, rules.age_from)
    return make_plan(rules, lambda: ordered, as_of=NOW, **({"accepted_at": None} | given))


def old(count: int, label: str = "j", **fields: Any) -> list[Record]:
    return [record(f"{label}{n}", 2 * DAY + n, **fields) for n in range(count)]


# --- Terms ----------------------------------------------------------------------------------------


def test_words_of_sauce_labs() -> None:
    """Sauce Labs' own words `job`, `build` and `asset` are read from its answers."""
    (job,) = parse_rows(
        [{"id": id_of("j"), "owner": "jane", "status": "complete", "tags": []}], Owner("jane")
    ).jobs
    assert job.id == id_of("j")
    (build,) = parse_builds({"builds": [{"id": "b" * 32, "name": "nightly-1", "status": "failed"}]})
    assert (build.id, build.name, build.status) == ("b" * 32, "nightly-1", "failed")
    assert parse_assets({"video": "video.mp4", "screenshots": ["0.png"]}, job.id).names == (
        "video.mp4",
        "0.png",
    )


MIXED = (
    record("due", 2 * DAY),
    record("young", HOUR),
    record("held", 2 * DAY, held=True),
    running("running", DAY),
    record("foreign", 2 * DAY, name="other"),
)
NARROW = (
    "[{name: p, match: {name: checkout}, then: {archive: 1h, delete_assets: 1d, delete_job: 1d,"
    " stop: 1h}}]"
)


def test_decisions() -> None:
    """Terms: A **decision** with reasons is made for every job and every action: `archive`,
    `delete_assets`, `delete_job`, `stop`."""
    found = decisions(told(NARROW), MIXED)
    assert set(found) == {item.job.id for item in MIXED}
    for decided in found.values():
        assert set(decided) == set(Action)
        assert all(decision.reasons for decision in decided.values())


def test_plans() -> None:
    """Terms: A **plan** is all decisions of a run."""
    plan, found = planned(told(NARROW), *MIXED), decisions(told(NARROW), MIXED)
    each = [(job, decision) for job, decided in found.items() for decision in decided.values()]
    assert plan.inventory == len(MIXED)
    assert plan.kept == Counter(
        (decision.action, reason)
        for _, decision in each
        if decision.verdict is Verdict.KEEP
        for reason in decision.reasons
    )
    assert {(job.job_id, decision) for job in plan.jobs() for decision in job.actions} == {
        (job, decision)
        for job, decision in each
        if decision.verdict is Verdict.DUE
        and Why.WITH_THE_JOB not in {reason.why for reason in decision.reasons}
    }


# --- Limits and approvals -------------------------------------------------------------------------


def limited(limits: str, policies: str = SIMPLE) -> Rules:
    return told(f"limits: {limits}\npolicies: {policies}")


def broken(plan: Plan) -> list[tuple[str, str | None, float]]:
    return [(limit.limit, limit.policy, limit.measured) for limit in plan.broken]


def test_limits_count() -> None:
    """Limits and approvals: Limits count jobs with a delete or stop, each job once."""
    rules = limited(
        "{max_jobs: 1}",
        "[{name: p, match: all, then: {archive: 1h, delete_assets: 1d, delete_job: 9d, stop: 6h}},"
        " {name: q, match: all, then: {archive: none, delete_job: 9d}}]",
    )
    assert (
        broken(
            planned(
                limited("{max_jobs: 1}", "[{name: p, match: all, then: {archive: 1h}}]"), *old(30)
            )
        )
        == []
    )
    gone = [record(f"j{n}", 10 * DAY, archived=EVERYTHING) for n in range(2)]
    assert broken(planned(rules, gone[0])) == [], "two deletes of one job are one job"
    assert broken(planned(rules, *gone)) == [("max_jobs", None, 2)]
    assert broken(planned(rules, gone[0], running("r", DAY))) == [("max_jobs", None, 2)]


def test_expected_jobs() -> None:
    """Limits and approvals: `max_percent` (default 25) counts only *unexpected* jobs. It is a
    percentage of the account's inventory or, in a policy's own `limits`, of the jobs that certainly
    match the policy. Plans under 20 jobs are exempt."""
    default = configured("policies: []\nlimits: {}").rules("eu").limits
    assert (default.max_percent, default.max_jobs, default.max_growth) == (25, None, None)
    rules = limited("{}")
    quarter = [*old(25), *(record(f"y{n}", n) for n in range(75))]
    assert broken(planned(rules, *quarter)) == []
    assert broken(planned(rules, *old(26), *quarter[26:])) == [("max_percent", None, 26)]
    assert broken(planned(rules, *old(19))) == []
    assert broken(planned(rules, *old(20))) == [("max_percent", None, 100)]
    assert (
        broken(planned(rules, *old(60, changed_at=5), *old(20, "new", changed_at=6), accepted_at=5))
        == []
    )
    assert (
        broken(planned(rules, *old(60, changed_at=5), *old(21, "new", changed_at=6), accepted_at=5))
        != []
    )
    own = (
        "[{name: p, match: {os: Linux}, limits: {max_percent: 50}, then: {archive: none,"
        " delete_job: 1d}}]"
    )
    sure = [*old(20, os="Linux"), *(record(f"y{n}", n, os="Linux") for n in range(20))]
    maybe = [record(f"m{n}", 2 * DAY, os=UNKNOWN) for n in range(99)]
    assert broken(planned(limited("{max_percent: null}", own), *sure, *maybe)) == []
    assert broken(planned(limited("{max_percent: null}", own), *sure[:-1], *maybe))[0][:2] == (
        "max_percent",
        "p",
    )


@pytest.mark.parametrize(
    "limits",
    [
        "{max_percent: null}",
        "{max_percent: null, max_jobs: 29}",
        "{max_percent: null, max_growth: 2}",
    ],
)
def test_limits_that_are_off(limits: str) -> None:
    """Limits and approvals: `max_jobs` and `max_growth` are off unless set."""
    found = broken(planned(limited(limits), *old(30), leeway=Leeway(medians={None: 14, "p": 14})))
    assert [limit for limit, _, _ in found] == [
        name for name in ("max_jobs", "max_growth") if name in limits
    ]


def test_what_was_left_is_decided_anew() -> None:
    """Limits and approvals: Both count only *new* jobs, which no accepted plan had. What an
    accepted plan leaves for lack of budget is decided again, but is not new while the job, the
    action and the policy digest are unchanged."""
    rules = limited("{max_jobs: 1, max_percent: 25}")
    left = old(30, accepted_for=JOB, changed_at=5)
    assert broken(planned(rules, *left, *old(1, "new"), accepted_at=5)) == []
    assert planned(rules, replace(left[0], held=True), accepted_at=5).job_count == 1, (
        "held now, so only archived"
    )
    assert list(planned(rules, replace(left[0], held=True), accepted_at=5).totals.items())[1:] == [
        (ASSETS, 0),
        (JOB, 0),
        (STOP, 0),
    ]
    for counted, accepted_at in (
        (old(30, accepted_for=JOB, changed_at=6), 5),
        (old(30, accepted_for=ASSETS, changed_at=5), 5),
        (old(30, accepted_for=None, changed_at=5), 5),
        (left, None),
    ):
        assert ("max_jobs", None, 30) in broken(planned(rules, *counted, accepted_at=accepted_at))


def test_lift() -> None:
    """Limits and approvals: `lift` names the limits to skip, the account's and the policies'."""
    own = (
        "[{name: p, match: all, limits: {max_percent: 5, max_jobs: 6}, then: {archive: none,"
        " delete_job: 1d}}]"
    )
    rules = limited("{max_percent: 5, max_jobs: 7}", own)
    assert broken(planned(rules, *old(30), leeway=approved("lift: [max_percent]"))) == [
        ("max_jobs", None, 30),
        ("max_jobs", "p", 30),
    ]
    assert len(broken(planned(rules, *old(30)))) == 4
    assert broken(planned(rules, *old(30), leeway=approved("lift: [max_percent, max_jobs]"))) == []


@pytest.mark.parametrize("most", [29, 30])
def test_max_jobs_of_an_approval(most: int) -> None:
    """Limits and approvals: `max_jobs: N` lifts `max_jobs`, too, but then the approval is only for
    plans with at most N new jobs."""
    rules = limited("{max_percent: 5, max_jobs: 7}")
    given = approved(f"lift: [max_percent], max_jobs: {most}")
    jobs = [*old(30, changed_at=6), *old(9, "left", accepted_for=JOB, changed_at=5)]
    assert len(broken(planned(rules, *jobs, leeway=given, accepted_at=5))) == (
        0 if most == 30 else 2
    )


def approved(words: str) -> Leeway:
    """The leeway of an approval in the configuration."""
    text = f"""
policies: {SIMPLE}
approvals: [{{account: eu, policy_digest: "sha256:{"0" * 64}", {words}, until: 2030-01-01, by: jane, reason: first}}]
"""
    return Leeway(approvals=configured(text).approvals("eu"))


def test_what_the_digest_covers() -> None:
    """Limits and approvals: The policy digest covers timezone, accounts' identity, defaults, holds,
    limits, policies and archive selection; nothing else,"""
    covered = {
        "timezone: Europe/Berlin",
        "defaults: {grace: 1d}",
        "holds: [{tag: keep}]",
        "limits: {max_jobs: 7}",
        "policies: [{name: p, match: all, then: {archive: 1h}}]",
        "archive: {path: ./archive, forbid: [{match: all, assets: video}]}",
        "accounts: {eu: {region: eu, username: other, access_key: {env: KEY}}}",
    }
    others = {
        "workers: 2",
        "state: {path: ./other.db}",
        "archive: {path: ./other}",
        "lists: {unused: [a]}",
        "deadlines: [{name: d, match: all, assets_gone_by: 3d}]",
        "tests: [{name: t, jobs: [{id: x}], expect: {}}]",
        "accounts: {eu: {region: eu, username: demo, access_key: {env: OTHER}, timeout: 5s}}",
        "approvals: [{account: eu, policy_digest: 'sha256:"
        + "0" * 64
        + "', lift: [max_jobs], until: 2030-01-01, by: a,"
        " reason: b}]",
    }
    plain = digest("{}")
    assert {text for text in covered | others if digest(text) != plain} == covered


def digest(text: str) -> str:
    base = {
        "accounts": {"eu": {"region": "eu", "username": "demo", "access_key": {"env": "KEY"}}},
        "archive": {"path": "./archive"},
        "policies": yaml.safe_load(SIMPLE),
    }
    said = base | yaml.safe_load(text)
    return from_bytes(yaml.safe_dump(said).encode(), Path("config.yaml"), environ={}).policy_digest(
        "eu"
    )


def test_the_order() -> None:
    """Limits and approvals: Held jobs are archived first, then policies follow by `priority:
    high|normal|low`, then by the nearest purge (archiving) or the longest overdue (deletes)."""
    rules = told("""
holds: [{tag: keep}]
policies:
- {name: low, match: {build: "low*"}, priority: low, then: {archive: none, delete_job: 1d}}
- {name: normal, match: {build: "normal*"}, then: {archive: none, delete_job: 1d}}
- {name: high, match: {build: "high*"}, priority: high, then: {archive: none, delete_job: 1d}}
- {name: slow, match: {build: "slow"}, then: {archive: none, delete_job: 5d}}
- {name: stored, match: {build: "stored"}, priority: high, then: {archive: 1d}}
""")
    ages = {"low": 90, "normal": 3, "normal2": 4, "high": 2, "slow": 6}
    deletes = [record(build, days * DAY, build=build) for build, days in ages.items()]
    stored = [record(f"s{days}", days * DAY, build="stored") for days in (29, 2, 15)]
    held = record("held", HOUR, tags=("keep",))
    found = [job.job_id for job in planned(rules, *deletes, *stored, held).jobs()]
    due = [id_of(label) for label in ("high", "normal2", "normal", "slow", "low")]
    assert [job for job in found if job in due] == due
    assert [job for job in found if job not in due] == [
        id_of(label) for label in ("held", "s29", "s15", "s2")
    ]


# --- Configuration checks -------------------------------------------------------------------------


def test_strict() -> None:
    """Every fault of a file is reported at once, with its file, line and path."""
    text = """accounts: {eu: {region: eu}}
colour: red
timezone: UTC
timezone: UTC
holds: &all [{tag: keep}]
workers: many
policies:
  - {name: p, match: all, then: {archive: none, delete_job: 30}}
"""
    with pytest.raises(ConfigError) as caught:
        from_bytes(text.encode(), Path("config.yaml"), environ={})
    starts = (
        "2: colour: unknown key",
        "4: timezone: is given twice",
        "5: holds: `&all` is an anchor",
        "6: workers: ",
        "8: policies[0].then.delete_job: 30 has no unit",
    )
    lines = str(caught.value).splitlines()
    assert len(lines) == len(starts)
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(f"config.yaml:{start}")


@pytest.mark.parametrize(
    "node", ["{env: X}", "{file: secret}", "{command: [echo, found]}", "'${X}'", "'{env: X}'"]
)
def test_secrets(node: str, tmp_path: Path) -> None:
    """A secret is read from where its node says, and its text is never interpolated."""
    (tmp_path / "secret").write_text("found")
    text = f"accounts: {{eu: {{region: eu, username: jane, access_key: {node}}}}}\n"
    if node[0] != "{":
        with pytest.raises(ConfigError, match="access_key"):
            from_bytes(text.encode(), tmp_path / "config.yaml", environ={"X": "found"})
        return
    environ = {"X": "found", "PATH": "/usr/bin:/bin"}
    _, key = (
        from_bytes(text.encode(), tmp_path / "config.yaml", environ=environ)
        .accounts[0]
        .credentials()
    )
    assert key.get_secret_value() == "found"
    raw = text.replace(node, "{env: X}")
    _, key = (
        from_bytes(raw.encode(), tmp_path / "config.yaml", environ={"X": "${Y}", "Y": "z"})
        .accounts[0]
        .credentials()
    )
    assert key.get_secret_value() == "${Y}"


@pytest.mark.parametrize(
    ("said", "harmless", "warning"),
    [
        (
            "then: {archive: 5d, delete_assets: 30d}",
            "then: {archive: 5d, delete_assets: 29d}",
            "so this deletes nothing",
        ),
        ("then: {archive: 26d}", "then: {archive: 25d}", "archive at 25d or earlier"),
        (
            "then: {archive: 1d, delete_assets: 10d, delete_job: 5d}",
            "then: {archive: 1d, delete_assets: 5d, delete_job: 10d}",
            "a job with assets stays until delete_assets (10d)",
        ),
        (
            "then: {archive: 31d}",
            "then: {archive: {keep_for: 31d}}",
            "write {after: 5d, keep_for: 31d}",
        ),
        (
            "match: {browser: edge}, then: {archive: 1d}",
            "match: {browser: microsoftedge}, then: {archive: 1d}",
            "did you mean `microsoftedge`?",
        ),
        (
            "keep: [{last: 3}, {last: 9}], then: {archive: none, delete_job: 9d}",
            "keep: [{last: 3, where: {status: passed}}, {daily: 9}], then: {archive: none, delete_job: 9d}",
            "keeps nothing that",
        ),
        (
            "keep: [{within: 31d}], then: {archive: none, delete_job: 9d}",
            "keep: [{within: 30d}], then: {archive: none, delete_job: 9d}",
            "only the record is left",
        ),
    ],
)
def test_lints(said: str, harmless: str, warning: str) -> None:
    """Configuration checks: `check` warns of likely mistakes: an archive that comes after the
    purge, a `delete_job` before `delete_assets`, a browser or status that Sauce Labs does not
    write, a keep rule that another one includes,"""

    def found(text: str) -> list[str]:
        match = "" if text.startswith("match:") else "match: all, "
        return [str(each) for each in configured(f"[{{name: p, {match}{text}}}]").warnings]

    assert [warning in each for each in found(said)] == [True]
    assert found(harmless) == []
