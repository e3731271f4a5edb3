"""Whatever Sauce Labs says, no command in any format shows a byte that could drive a terminal, and
JSON stays JSON.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from sauce_janitor.model.jobs import JobId
from tests.support.command_tree import SERVES, calls, commands, formats
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


def test_no_command_shows_a_raw_byte_in_any_format(
    desk: Commands, job: JobId, heard: Callable[..., Heard]
) -> None:
    tree, walk = dict(commands()), calls(job, desk.folder, EVIL)
    assert walk.keys() - {"validate"} == tree.keys() - SERVES, "each command of the tree is walked"
    shown: list[str] = []
    for name, said_words in walk.items():
        command = tree.get(name, tree["check"])
        forms = [()] if not formats(command) else [("--format", form) for form in formats(command)]
        for number, words in enumerate(said_words):
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
