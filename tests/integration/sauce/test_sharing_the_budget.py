"""One budget for every process on a state: real files, real processes, and what can happen to
either.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from sauce_janitor.errors import BudgetSpentError, StateError
from sauce_janitor.model.request_allowance import AllowanceTimetable, RequestAllowance
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from sauce_janitor.sandbox.core.options import Rate
from sauce_janitor.sauce.budget import credential_rows
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.sauce.budget.count_file import SharedCount
from sauce_janitor.sauce.budget.meter import Meter
from sauce_janitor.sauce.budget.rates import rate_windows
from tests.fakes.clocks import Clock, Waiting

ROOT = Path(__file__).parents[3]
ASKING = """
import json, sys
from pathlib import Path
from pydantic import SecretStr
from sauce_janitor.errors import BudgetSpentError, SourceUnavailableError
from sauce_janitor.model.jobs import Owner
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.sauce.http.connection import Connection
from sauce_janitor.sauce.budget.count_file import SharedCount
from sauce_janitor.sauce.client import SauceReader

address, user, key, state, requests, settings = sys.argv[1:]
connection = Connection(address, user, SecretStr(key), **json.loads(settings))
budget = RequestBudget.of(connection, store=SharedCount(Path(state)))
made = 0
print("ready", flush=True)
sys.stdin.readline()
with SauceReader(connection, budget=budget) as reader:
    try:
        for _ in range(int(requests)):
            reader.list_jobs(Owner(user), limit=1)
            made += 1
    except (BudgetSpentError, SourceUnavailableError) as error:
        print(json.dumps([made, str(error)]))
    else:
        print(json.dumps([made, ""]))
"""


def start(
    sandbox: Sandbox, state: Path, requests: int, **settings: object
) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-c",
        ASKING,
        sandbox.base_url,
        sandbox.user,
        sandbox.access_key,
        str(state),
    ]
    return subprocess.Popen(
        [*command, str(requests), json.dumps(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def together(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Let them begin at the same time; how many requests each made, and what ended it."""
    told = []
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        out, _ = process.communicate(timeout=60)
        told.append(tuple(json.loads(out)))
    return told


def sent_at(state: Path) -> list[int]:
    """When each request left, in milliseconds: as the file has it."""
    with closing(sqlite3.connect(f"{state}.budget")) as count:
        [name] = count.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'sent%'"
        ).fetchone()
        return [row[0] for row in count.execute(f"SELECT item_timestamp FROM {name} ORDER BY 1")]


def test_three_processes_send_no_more_than_one_may_in_an_hour(tmp_path: Path) -> None:
    """L6: never more than the configured request rate at the server, all processes together."""
    state = tmp_path / "state.db"
    with Sandbox(SandboxOptions(jobs=5, rate=Rate(per_hour=60))) as sandbox:
        told = together([start(sandbox, state, 40, per_hour=60) for _ in range(3)])
        assert sum(made for made, _ in told) == len(sandbox.log) == 60
        assert {entry.status for entry in sandbox.log} == {200}, "not one 429"
        assert all("the request budget is spent" in error for made, error in told if made < 40)
        [(made, error)] = together([start(sandbox, state, 1, per_hour=60)])
        assert (made, error[:28]) == (
            0,
            "the request budget is spent:",
        ), "a process that starts later counts on"


def test_three_processes_keep_one_pace(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    with Sandbox(SandboxOptions(jobs=5)) as sandbox:
        told = together([start(sandbox, state, 30, per_second=40, burst=8) for _ in range(3)])
    assert told == [(30, "")] * 3
    [window] = rate_windows(RequestAllowance(40, None, 8))
    moments = sent_at(state)
    assert len(moments) == 90
    gaps = [
        later - earlier for earlier, later in zip(moments, moments[window.limit :], strict=False)
    ]
    assert min(gaps) > window.interval_ms, (
        f"never more than {window.limit} in {window.interval_ms} ms"
    )


def test_a_429_met_by_one_process_slows_the_others(
    tmp_path: Path, open_budget: Callable[..., RequestBudget]
) -> None:
    first, second = open_budget(per_hour=100), open_budget(per_hour=100)
    first.learn(429, {}, now=0)
    assert second.left() == 50
    first.hold_back(1000)
    with pytest.raises(BudgetSpentError, match="Sauce Labs asks to wait"):
        second.take()


def test_a_killed_holder_holds_up_nobody_and_stays_counted(
    tmp_path: Path, open_budget: Callable[..., RequestBudget]
) -> None:
    script = "\n".join(
        [
            "import sys; from pathlib import Path",
            "from sauce_janitor.model.request_allowance import AllowanceTimetable, RequestAllowance",
            "from sauce_janitor.sauce.budget.budget import RequestBudget",
            "from sauce_janitor.sauce.budget.count_file import SharedCount",
            "from sauce_janitor.sauce.budget.meter import Meter",
            "meter = Meter('https://api', 'jane', SharedCount(Path(sys.argv[1])))",
            "budget = RequestBudget(meter, AllowanceTimetable(RequestAllowance(None, 1_000_000)))",
            "for number in range(10**6):",
            "    budget.take()",
            "    print(number + 1, flush=True)",
        ]
    )
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "state.db")],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 50:
                break
        os.kill(process.pid, signal.SIGKILL)
        said = [line, *process.communicate()[0].splitlines()]
        left = open_budget(per_hour=1_000_000).left()
        assert left is not None
        counted = 1_000_000 - left
        last = int(said[-1]) if said[-1].strip() else int(said[-2])
        assert counted >= last, "what was taken is counted"
        (tmp_path / "state.db.budget").unlink()
        for leftover in tmp_path.glob("state.db.budget-*"):
            leftover.unlink()


def take(one: RequestBudget, count: int) -> None:
    for _ in range(count):
        one.take()


# --- what can happen to the file ------------------------------------------------------------------


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_budget(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., RequestBudget]]:
    """Makes budgets as processes on one state would; `lost` collects what is told."""
    with ExitStack() as stack:

        def make(
            per_hour: int | None = 10,
            *,
            lost: list[str] | None = None,
            before: bool = False,
            user: str = "jane",
        ) -> RequestBudget:
            told: list[str] = [] if lost is None else lost
            shared = SharedCount(tmp_path / "state.db", lambda: before, told.append)
            meter = Meter("https://api", user, shared, clock=clock)
            one = RequestBudget(
                meter,
                AllowanceTimetable(RequestAllowance(None, per_hour)),
                stop=Waiting(clock),
                clock=clock,
            )
            stack.callback(one.close)
            return one

        yield make


def test_what_was_sent_counts_in_the_next_process(
    open_budget: Callable[..., RequestBudget],
) -> None:
    first = open_budget()
    take(first, 4)
    first.close()
    assert open_budget().left() == 6


def test_each_credential_has_its_own_budget_however_its_name_is_written(
    open_budget: Callable[..., RequestBudget],
) -> None:
    open_budget(user="jane").take()
    assert open_budget(user="Jane").left() == 9
    assert open_budget(user="john").left() == 10


def test_only_its_owner_can_read_the_file(
    tmp_path: Path, open_budget: Callable[..., RequestBudget]
) -> None:
    old = os.umask(0)
    try:
        open_budget().take()
    finally:
        os.umask(old)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(
        ["state.db.budget", "state.db.budget-wal", "state.db.budget-shm"], 0o600
    )


def test_without_a_limit_there_is_no_file_until_sauce_labs_sets_one(
    tmp_path: Path, open_budget: Callable[..., RequestBudget]
) -> None:
    one = open_budget(per_hour=None)
    one.take()
    assert one.left() is None
    assert list(tmp_path.iterdir()) == []
    one.learn(429, {}, now=0)
    other = open_budget(per_hour=None)
    other.take()
    assert other.take().waited_s > 0.1


def spoil(how: str, file: Path) -> None:
    for leftover in file.parent.glob(f"{file.name}-*"):
        leftover.unlink()
    match how:
        case "garbage":
            file.write_bytes(b"not a database" * 1000)
        case "zeros":
            file.write_bytes(file.read_bytes()[:100] + bytes(file.stat().st_size - 100))
        case "cut":
            file.write_bytes(file.read_bytes()[:5000])
        case "empty":
            file.write_bytes(b"")
        case "gone":
            file.unlink()
        case "another":
            file.unlink()
            with closing(sqlite3.connect(file)) as other, other:
                other.execute("CREATE TABLE elsewhere (x)")


@pytest.mark.parametrize("how", ["garbage", "zeros", "cut", "empty", "gone", "another"])
def test_a_lost_count_is_told_and_taken_for_spent_for_an_hour(
    tmp_path: Path, clock: Clock, open_budget: Callable[..., RequestBudget], how: str
) -> None:
    first = open_budget()
    take(first, 4)
    first.close()
    spoil(how, tmp_path / "state.db.budget")
    told: list[str] = []
    second = open_budget(lost=told, before=True)
    assert second.left() == 0
    with pytest.raises(BudgetSpentError, match="in 60 min"):
        second.take()
    assert len(told) == 1
    assert "was lost: for an hour, its requests count as spent" in told[0]
    clock.seconds += 1800
    other = open_budget(user="john")
    with pytest.raises(BudgetSpentError, match="in 30 min"):
        other.take()
    clock.seconds += 1801
    second.take()
    assert second.left() == 9


def test_a_first_count_is_no_lost_one(open_budget: Callable[..., RequestBudget]) -> None:
    told: list[str] = []
    open_budget(lost=told).take()
    assert told == []


@pytest.mark.parametrize("how", ["gone", "another"])
def test_what_happens_to_the_file_while_it_is_open_is_noticed_before_the_next_request(
    tmp_path: Path, open_budget: Callable[..., RequestBudget], how: str
) -> None:
    told: list[str] = []
    one, other = open_budget(lost=told), open_budget(lost=told)
    one.take()
    other.take()
    spoil(how, tmp_path / "state.db.budget")
    for each in (one, other):
        with pytest.raises(BudgetSpentError):
            each.take()
    assert len(told) == 1, "only one of them makes it anew"


@pytest.mark.parametrize("how", ["a folder", "a link"])
def test_what_is_no_file_is_left_alone_and_nothing_is_sent(
    tmp_path: Path, open_budget: Callable[..., RequestBudget], how: str
) -> None:
    path = tmp_path / "state.db.budget"
    if how == "a folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match="is not a file: move it away"):
        open_budget().take()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("opened_before", [False, True])
def test_nothing_is_sent_that_cannot_be_counted(
    tmp_path: Path, open_budget: Callable[..., RequestBudget], opened_before: bool
) -> None:
    one = open_budget(per_hour=10_000)
    if opened_before:
        one.take()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (4096, hard)
    )  # a disk with no room for more, as far as this process sees
    try:
        with pytest.raises(StateError, match="no request is sent that is not counted: make room"):
            take(one, 200)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    one.take()


def test_a_lock_that_is_never_given_back_ends_in_a_sentence(
    tmp_path: Path, open_budget: Callable[..., RequestBudget], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sauce_janitor.sauce.budget.count_file._LONGEST_LOCK_S", 0.05)
    one = open_budget()
    one.take()
    with closing(sqlite3.connect(tmp_path / "state.db.budget", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="another process has locked it"):
            one.take()
        holder.execute("ROLLBACK")
    one.take()


# --- clocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead_s", [-86_400, -10, 0, 10, 86_400])
def test_a_wall_clock_that_is_set_changes_nothing(
    clock: Clock, open_budget: Callable[..., RequestBudget], ahead_s: int
) -> None:
    first = open_budget()
    take(first, 4)
    clock.ahead_s = ahead_s
    assert first.left() == open_budget().left() == 6
    clock.seconds += 3602
    assert open_budget().left() == 10


@pytest.mark.parametrize(
    ("uptime", "passed", "left"),
    [
        (5, 60, 6),
        (5, 3602, 10),
        (900_000, 60, 6),
        (900_000, 3602, 10),
        (5, -86_400, 6),
        (900_000, -86_400, 6),
    ],
)
def test_after_a_reboot_or_on_another_host_the_wall_clock_says_what_has_passed(
    clock: Clock,
    open_budget: Callable[..., RequestBudget],
    monkeypatch: pytest.MonkeyPatch,
    uptime: int,
    passed: int,
    left: int,
) -> None:
    """And a clock that went backwards says that nothing has."""
    first = open_budget()
    take(first, 4)
    first.close()
    wall = clock.time()
    monkeypatch.setattr(credential_rows, "_boot", lambda: "another")
    clock.seconds = float(uptime)
    clock.ahead_s = wall + passed - uptime
    assert open_budget().left() == left
    clock.seconds += 3602
    assert open_budget().left() == 10


def test_the_same_boot_with_less_on_its_clock_is_another_one(
    clock: Clock, open_budget: Callable[..., RequestBudget]
) -> None:
    """A machine that was put back to an earlier moment."""
    first = open_budget()
    take(first, 4)
    clock.seconds -= 500
    clock.ahead_s += 600
    assert open_budget().left() == 6
    clock.seconds += 3502
    assert open_budget().left() == 10


def test_a_hold_and_a_slow_hour_outlive_a_reboot(
    clock: Clock, open_budget: Callable[..., RequestBudget], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_budget()
    first.learn(429, {}, now=0)
    first.hold_back(600)
    first.close()
    wall = clock.time()
    monkeypatch.setattr(credential_rows, "_boot", lambda: "another")
    clock.seconds = 10.0
    clock.ahead_s = wall + 100 - 10
    again = open_budget()
    assert again.goes_on_in() == pytest.approx(500, abs=0.01)
    clock.seconds += 501
    assert again.left() == 5
    clock.seconds += 3000
    assert again.left() == 10


def test_requests_that_nobody_counts_any_more_are_forgotten(
    tmp_path: Path, clock: Clock, open_budget: Callable[..., RequestBudget]
) -> None:
    one = open_budget()
    for _ in range(5):
        take(one, 10)
        clock.seconds += 3602
    assert len(sent_at(tmp_path / "state.db")) <= 30
