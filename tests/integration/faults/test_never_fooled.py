"""Whatever is answered, nothing but what is due is deleted, what is in doubt stays, and the exit
code says so.

Judged at the sandbox: by what is still there, and by what was sent.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sauce_janitor.errors import JanitorError
from tests.support.faulted_account import Account
from tests.support.oddities import ODDITIES, ODDITIES_OF_PEOPLE, Oddity

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "sandbox.md"
ENDINGS = {"goes": "done", "stays": "kept", "refused": "refused"}


def attempt(account: Account, *, later_s: int = 0, accept_loss: bool = False) -> int:
    """The exit code of a run that carries its plan out. Anything but a JanitorError is a bug and
    shows.
    """
    account.desk.later_s += later_s
    try:
        return 0 if account.desk.run(execute=True, accept_loss=accept_loss).complete else 4
    except JanitorError as error:
        return error.exit_code


@pytest.mark.parametrize("oddity", ODDITIES, ids=lambda oddity: oddity.name)
def test_an_odd_answer_fools_nobody(account: Account, oddity: Oddity) -> None:
    judge(account, oddity)


@pytest.mark.parametrize("oddity", ODDITIES_OF_PEOPLE, ids=lambda oddity: oddity.name)
def test_an_odd_answer_about_people_fools_nobody(organization: Account, oddity: Oddity) -> None:
    judge(organization, oddity)


def judge(account: Account, oddity: Oddity) -> None:
    """Run with the oddity, and look at the sandbox; then, where something stays, without it."""
    if oddity.later:
        account.desk.run()
    account.configure(patient=not oddity.is_slow)
    account.arm(oddity.faults)
    code = attempt(account, later_s=65 if oddity.later else 0)

    assert all(fault.fired for fault in account.desk.sandbox.faults), "it did happen"
    assert account.untouched()
    if oddity.ending == "refused":
        assert account.desk.sandbox.log.writes() == []
    else:
        assert account.left() == (account.struck(oddity) if oddity.ending == "stays" else set())
    assert code == oddity.code
    account.desk.sandbox.faults.disarm()
    account.configure(patient=True)
    if oddity.ending == "stays":
        attempt(account, later_s=130, accept_loss=True)
        assert account.left() == set(), "honest answers mend it"


@pytest.mark.parametrize("kind", ["account", "organization"])
def test_an_honest_account_is_cleaned_up(request: pytest.FixtureRequest, kind: str) -> None:
    """What the other tests judge does happen."""
    account = request.getfixturevalue(kind)
    assert attempt(account) == 0
    assert account.left() == set()
    assert account.untouched()


@pytest.mark.parametrize("code", [0, 4])
def test_a_file_of_faults_is_injected_by_the_command_line_too(account: Account, code: int) -> None:
    """The exit code of the command is the one that these tests speak of."""
    oddity = next(
        one for one in ODDITIES if one.code == code and one.ending == "stays" and not one.later
    )
    account.arm(oddity.faults)
    account.desk.say("run", "--execute", code=code)


def test_the_page_says_which_exit_codes_an_ending_has() -> None:
    section = (
        PAGE.read_text(encoding="utf-8")
        .partition("\n| ending | meaning | exit code |\n")[2]
        .partition("\n\n")[0]
    )
    told = dict(re.findall(r"^\| (\w+) \| [^|]+ \| ([^|]+) \|", section, re.MULTILINE))
    found: dict[str, set[str]] = {ending: set() for ending in ENDINGS.values()}
    for one in (*ODDITIES, *ODDITIES_OF_PEOPLE):
        found[ENDINGS[one.ending]].add(str(one.code))
    assert {ending: set(re.findall(r"\d", codes)) for ending, codes in told.items()} == found
