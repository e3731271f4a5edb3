"""Whatever Sauce Labs says, no command in any format shows a byte that could drive a terminal, and
JSON stays JSON.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import click
import pytest

from sauce_janitor.cli.app import cli
from sauce_janitor.model.jobs import JobId
from tests.support.commands import DAY, Commands, Heard

EVIL = "=x\x1b]0;owned\x07\x9b2J\u202egnp\u200b\u2028\x7f\r\n2026 forged \U000e0001é🙂"
"""A title, a screen that is cleared, a name that reads backwards, a second line, and two honest
letters.
"""
POLICIES = """
limits: {max_percent: null}
policies:
  - name: old
    match: {tags: ["go*"]}
    then: {archive: {assets: [logs], discard: rest}, delete_assets: 10d, delete_job: 11d}
"""
SERVES = {"archive open", "demo", "sandbox", "serve"}
"""They run until a signal; what they print is the log, through the same sink."""


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    made = open_desk(12)
    made.configure(POLICIES)
    return made


@pytest.fixture
def job(desk: Commands) -> JobId:
    """A job whose every field is hostile, old enough to go."""
    then = int(time.time()) - 20 * DAY
    found = desk.sandbox.arrive(created_at=then)
    desk.sandbox.edit(
        found,
        name=EVIL,
        build=EVIL,
        tags=[f"go{EVIL}", EVIL],
        error=EVIL,
        os=EVIL,
        browser=EVIL,
        browser_version=EVIL,
        status="error",
        passed=False,
        automation_backend=EVIL,
        public=EVIL,
        **{"custom-data": {EVIL: EVIL}},
        start_time=then,
        end_time=then + 60,
    )
    desk.sandbox.upload(found, f"{EVIL}.log", EVIL.encode())
    return JobId(found)


def words_of(job: JobId, desk: Commands) -> dict[str, list[tuple[str, ...]]]:
    """How each command of the tree is called, in an order in which each finds something to show."""
    plan = str(desk.folder / "plan.json")
    return {
        "check": [("--mutants",)],
        "validate": [()],
        "schema": [()],
        "config show": [()],
        "completion": [("bash",)],
        "version": [()],
        "init": [("--region", "us-west-1", "--offline", "--output", "made.yaml")],
        "jobs": [("--limit", "0")],
        "job": [(job,)],
        "builds": [("--limit", "0")],
        "build": [("--job", job)],
        "assets": [
            (job,),
            (job, "--get", EVIL),
            (job, "--get", f"{EVIL}.log"),
            (job, "--download", "files"),
            (job, "--delete", "--dry-run"),
        ],
        "insights tests": [("--time-range", "28d")],
        "insights metrics": [(EVIL, "--time-range", "28d")],
        "insights trends": [("--time-range", "28d", "--interval", "1d")],
        "insights builds": [("--time-range", "28d")],
        "insights errors": [("--time-range", "28d")],
        "plan": [("--all",), ("--out", plan)],
        "simulate": [("--for", "3d")],
        "diff": [(str(desk.folder / "config.yaml"), str(desk.folder / "config.yaml"))],
        "explain": [(job,)],
        "hold add": [(job, "--reason", EVIL, "--by", EVIL)],
        "hold list": [()],
        "hold release": [(job, "--yes")],
        "approve": [("policy-0000", "--reason", EVIL)],
        "pause": [("--reason", EVIL)],
        "status": [()],
        "resume": [("--yes",)],
        "tag": [(job, "--add", "fresh", "--yes")],
        "stop": [(job, "--yes")],
        "run": [(), ("--execute",)],
        "apply": [(plan,)],
        "archive list": [()],
        "archive show": [(job,)],
        "archive export": [(job, "--output", "taken")],
        "archive verify": [()],
        "archive reindex": [()],
        "archive prune": [()],
        "archive adopt": [("--yes",)],
        "prove": [(), (job,)],
        "account list": [()],
        "account rename": [("box", "renamed")],
        "offboard": [("demo", "--archive", "keep", "--yes")],
    }


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in sorted(group.commands) or group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from commands(found, f"{before}{name} ")
        else:
            yield f"{before}{name}", found


def formats(command: click.Command) -> list[str]:
    for option in command.params:
        if "--format" in option.opts and isinstance(option.type, click.Choice):
            return list(option.type.choices)
    return []


def test_no_command_shows_a_raw_byte_in_any_format(
    desk: Commands, job: JobId, heard: Callable[..., Heard]
) -> None:
    tree, walk = dict(commands(cli)), words_of(job, desk)
    assert walk.keys() - {"validate"} == tree.keys() - SERVES, "each command of the tree is walked"
    shown: list[str] = []
    for name, calls in walk.items():
        command = tree.get(name, tree["check"])
        forms = [()] if not formats(command) else [("--format", form) for form in formats(command)]
        for number, words in enumerate(calls):
            for form in forms if number == 0 else forms[:1]:
                said = heard(desk, *name.split(), *words, *form)
                if "owned" in said.stdout + said.stderr:
                    shown.append(name)
    assert len(shown) > 30, "the hostile text is there, harmlessly"
    # How many outputs name the job depends on the hour: plans show other examples. These always do.
    about_it = {
        "assets",
        "builds",
        "explain",
        "hold list",
        "insights errors",
        "insights tests",
        "job",
        "jobs",
    }
    assert about_it - set(shown) == set()


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])
def test_in_an_encoding_without_the_characters_a_run_goes_on_and_json_is_the_same(
    desk: Commands, job: JobId, heard: Callable[..., Heard], encoding: str
) -> None:
    told = json.loads(heard(desk, "job", job, "--format", "json", encoding=encoding).stdout)
    assert (told["name"], told["tags"]) == (EVIL, [f"go{EVIL}", EVIL])
    assert heard(desk, "run", "--execute", encoding=encoding).code == 0
    assert job in desk.deleted()


@pytest.mark.parametrize(
    "body", [EVIL, json.dumps({"errors": EVIL, "detail": EVIL, "message": EVIL})]
)
def test_what_sauce_labs_says_of_an_error_is_harmless(
    desk: Commands, job: JobId, heard: Callable[..., Heard], body: str
) -> None:
    desk.sandbox.inject("status", endpoint="*", user="*", times=1000, status=418, body=body)
    for words in (
        ("jobs",),
        ("job", job),
        ("builds",),
        ("assets", job),
        ("insights", "tests"),
        ("plan",),
        ("run", "--execute", "--format", "json"),
        ("tag", job, "--add", "x", "--yes"),
        ("stop", job, "--yes"),
        ("status",),
    ):
        assert heard(desk, *words).code in {0, 4}
