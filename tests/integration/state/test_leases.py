"""One executing run per account, whoever dies."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from pathlib import Path

import pytest

from sauce_janitor.errors import LeaseError, RefusedError
from sauce_janitor.model.permits import DeleteJobPermit, Receipt
from sauce_janitor.state import State
from tests.fakes.job_list import OWNER, an_id
from tests.support.state import Python

HOLD = """
    import sys
    with opened() as state:
        state.accounts.admit("eu", base_url="https://api.example", username="demo")
        with state.lease("eu", "run-other", now=1_780_000_000) as lease:
            print("held", lease.fence, flush=True)
            sys.stdin.readline()
            try:
                lease.check()
                print("mine")
            except Exception as error:
                print(type(error).__name__)
"""


def test_a_second_run_is_told_who_holds_the_lease(state: State, python: Python) -> None:
    other = python.start(HOLD)
    assert other.stdout is not None
    assert other.stdout.readline() == "held 1\n"
    with pytest.raises(LeaseError) as refused:
        state.lease("eu", "run-1", now=2).acquire()
    assert refused.value.exit_code == 5
    assert (
        f"run-other on {os.uname().nodename}, process {other.pid}, since 2026-05-28 20:26:40 UTC"
        in str(refused.value)
    )
    other.communicate("go on\n", timeout=60)
    with state.lease("eu", "run-1", now=2) as lease:
        assert lease.fence == 2


def test_a_state_by_another_name_has_the_same_lease(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with (
        State.open(tmp_path / "real" / "state.db") as one,
        State.open(tmp_path / "link" / "state.db") as other,
    ):
        one.accounts.admit("eu", base_url="https://api.example", username="demo")
        with one.lease("eu", "run-1", now=1) as held:
            with pytest.raises(LeaseError):
                other.lease("eu", "run-2", now=1).acquire()
            held.check()


def test_a_killed_holder_frees_the_lease_at_once(file_state: State, file_python: Python) -> None:
    other = file_python.start(HOLD)
    assert other.stdout is not None
    assert other.stdout.readline() == "held 1\n"
    other.send_signal(signal.SIGKILL)
    other.wait(timeout=60)
    with file_state.lease("eu", "run-1", now=2) as lease:
        assert lease.fence == 2
        lease.check()


def test_a_program_that_the_holder_started_does_not_keep_the_lease(
    file_state: State, file_python: Python
) -> None:
    quiet = "stdin=sub.DEVNULL, stdout=sub.DEVNULL, stderr=sub.DEVNULL"
    starting = (
        f'import subprocess as sub; print(sub.Popen(["sleep", "600"], {quiet}).pid, flush=True);'
        ' print("held"'
    )
    other = file_python.start(HOLD.replace('print("held"', starting))
    assert other.stdout is not None
    child = int(other.stdout.readline())
    try:
        assert other.stdout.readline() == "held 1\n"
        other.send_signal(signal.SIGKILL)
        other.wait(timeout=60)
        with file_state.lease("eu", "run-1", now=2) as lease:
            lease.check()
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_run_whose_lock_was_pulled_from_under_it_notices(
    file_state: State, path: Path, file_python: Python
) -> None:
    with file_state.lease("eu", "run-1", now=2) as lease:
        path.with_name("state.db.lease-eu").unlink()
        other = file_python.start(HOLD)
        assert other.stdout is not None
        assert other.stdout.readline() == "held 2\n"
        with pytest.raises(LeaseError, match="lost the lease on account eu: run-other"):
            lease.check()
        writer = file_state.journal.during("eu", "run-1", lambda: 1)
        with pytest.raises(LeaseError):
            writer.intent(
                DeleteJobPermit(an_id(1), OWNER, Receipt("ab"), "fp", 1.0, lease.fence), policy="p"
            )
    out, _ = other.communicate("go on\n", timeout=60)
    assert out == "mine\n"  # giving back a lost lease takes it from nobody


def test_accounts_have_leases_of_their_own(state: State) -> None:
    state.accounts.admit("us/../x", base_url="v", username="demo")
    with state.lease("eu", "run-1", now=1), state.lease("us/../x", "run-2", now=1) as other:
        other.check()


def test_an_account_that_the_state_does_not_know_has_no_lease(state: State) -> None:
    with pytest.raises(
        RefusedError, match="the state knows no account us: run `sauce-janitor run`"
    ):
        state.lease("us", "run-1", now=1).acquire()
    state.accounts.admit("us", base_url="https://api.example", username="other")
    with state.lease("us", "run-1", now=1) as mine:
        assert mine.fence == 1


def test_two_leases_of_one_process_exclude_each_other(state: State) -> None:
    with state.lease("eu", "run-1", now=1), pytest.raises(LeaseError, match="run-1"):
        state.lease("eu", "run-2", now=1).acquire()
    with state.lease("eu", "run-2", now=1) as lease:
        assert lease.fence == 2


def test_a_lease_given_back_is_held_no_more(state: State) -> None:
    lease = state.lease("eu", "run-1", now=1)
    with lease:
        lease.check()
    with pytest.raises(LeaseError):
        lease.check()
    lease.release()


def test_a_stopped_process_that_wakes_up_still_holds_what_nobody_could_take(
    state: State, python: Python
) -> None:
    other = python.start(HOLD)
    assert other.stdout is not None
    assert other.stdout.readline() == "held 1\n"
    other.send_signal(signal.SIGSTOP)
    with pytest.raises(LeaseError):
        state.lease("eu", "run-1", now=10**10).acquire()
    other.send_signal(signal.SIGCONT)
    out, _ = other.communicate("go on\n", timeout=60)
    assert out == "mine\n"


def test_the_lock_file_is_for_its_user_alone(file_state: State, path: Path) -> None:
    with file_state.lease("eu", "run-1", now=1):
        assert path.with_name("state.db.lease-eu").stat().st_mode & 0o777 == 0o600


def test_a_lock_that_cannot_be_given_back_undoes_nothing(
    file_state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlock(_file: int, what: int) -> None:
        if what == fcntl.LOCK_UN:
            raise OSError(errno.ENOLCK, "No locks available")

    with file_state.lease("eu", "run-1", now=1) as lease:
        monkeypatch.setattr(fcntl, "flock", unlock)
        lease.check()
    with pytest.raises(LeaseError, match="does not hold"):
        lease.check()
