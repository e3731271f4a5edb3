"""When the daemon begins what: once a due time, through restarts, long runs, black-outs and clocks
that jump.
"""

from __future__ import annotations

import pytest
import structlog

from sauce_janitor.errors import RefusedError, SourceUnavailableError
from tests.support.daemon import START, Scene, until

HOUR = 3600
FIRST = 17 * 60


def test_a_run_begins_once_each_time_it_is_due(scene: Scene) -> None:
    scene.go(scene.rounds(), 3 * HOUR)
    assert scene.worked.runs == [FIRST, FIRST + HOUR, FIRST + 2 * HOUR]


def test_what_was_due_while_it_was_down_runs_once_at_the_start(scene: Scene) -> None:
    first = scene.rounds()
    scene.go(first, HOUR)
    first.close()
    scene.clock.at += 10 * HOUR
    scene.go(scene.rounds(), 0)
    assert scene.worked.runs == [FIRST, 11 * HOUR + 0.0]


def test_a_restart_between_two_times_begins_nothing(scene: Scene) -> None:
    for _ in range(5):
        rounds = scene.rounds()
        scene.go(rounds, 5 * 60)
        rounds.close()
    assert scene.worked.runs == [FIRST]


def test_a_run_that_takes_longer_than_its_period_is_not_begun_twice_and_its_misses_are_one(
    scene: Scene,
) -> None:
    rounds = scene.rounds()
    scene.worked.wait = True
    scene.go(rounds, 4 * HOUR)
    assert scene.worked.runs == [FIRST]
    scene.worked.wait = False
    scene.settle(rounds)
    scene.go(rounds, HOUR)
    assert scene.worked.runs == [FIRST, 4 * HOUR + FIRST]


def test_what_falls_due_between_a_runs_end_and_the_next_round_is_not_taken_for_dealt_with(
    scene: Scene,
) -> None:
    rounds = scene.rounds()
    scene.go(rounds)
    scene.clock.at += FIRST
    rounds.go()
    until(
        lambda: [work.ended_at for work in rounds.under_way().values()] == [scene.clock.at],
        "its end",
    )
    scene.clock.at += HOUR
    scene.go(rounds)
    assert scene.worked.runs == [FIRST, FIRST + HOUR]


def test_a_run_that_was_stopped_is_due_again_when_the_daemon_is_back(scene: Scene) -> None:
    rounds = scene.rounds()
    scene.worked.wait = True
    scene.go(rounds, HOUR)
    rounds.halt()
    scene.settle(rounds)
    rounds.close()
    scene.worked.wait = False
    scene.go(scene.rounds(), 0)
    assert scene.worked.stopped == ["eu"]
    assert scene.worked.runs == [FIRST, HOUR]


def test_a_black_out_stops_what_is_under_way_and_what_was_due_runs_once_when_it_ends(
    scene: Scene,
) -> None:
    scene.configure(
        'schedule: {cron: "17 * * * *", jitter: 0s, blackouts: [{from: "17:30", to: "20:00",'
        " reason: releases}]}\n"
    )
    begins = START + 17 * HOUR - START % (24 * HOUR)
    scene.clock.at = begins
    rounds = scene.rounds()
    scene.worked.wait = True
    scene.go(rounds, HOUR)
    scene.settle(rounds)
    assert scene.worked.stopped == ["eu"]
    scene.worked.wait = False
    scene.go(rounds, 4 * HOUR)
    assert [at + START - begins for at in scene.worked.runs] == [
        FIRST,
        3 * HOUR,
        3 * HOUR + FIRST,
        4 * HOUR + FIRST,
    ]


def test_each_account_goes_by_its_own_schedule(scene: Scene) -> None:
    account = 'base_url: "http://127.0.0.1:1", access_key: {env: KEY}, username: '
    scene.configure(
        'schedule: {cron: "17 * * * *", jitter: 0s}\n',
        head=(
            f'accounts: {{eu: {{{account}demo}}, us: {{{account}alice, schedule: {{cron: "*/30 * *'
            ' * *"}}}\nstate: {path: ./state.db}\narchive: {path: ./archive}\n'
        ),
    )
    scene.go(scene.rounds(), HOUR)
    began = [(name, at) for kind, name, at in scene.worked.began if kind == "run"]
    assert began == [("eu", FIRST), ("us", 1800), ("us", 3600)]


def test_a_run_that_fails_waits_for_its_next_time_and_stops_no_other(scene: Scene) -> None:
    scene.worked.error = SourceUnavailableError("Sauce Labs does not answer")
    with structlog.testing.capture_logs() as logs:
        scene.go(scene.rounds(), 2 * HOUR)
    assert scene.worked.runs == [FIRST, FIRST + HOUR]
    assert [line["why"] for line in logs if line["event"] == "run.ended"] == [
        "Sauce Labs does not answer"
    ] * 2


def test_a_bug_in_a_run_ends_that_run_and_not_the_daemon(scene: Scene) -> None:
    scene.worked.error = ZeroDivisionError("a bug")
    with structlog.testing.capture_logs() as logs:
        scene.go(scene.rounds(), 2 * HOUR)
    assert [line["exc_info"] for line in logs if line["event"] == "run.crashed"] == [
        scene.worked.error
    ] * 2


def test_a_clock_that_is_set_back_a_year_leaves_nothing_due_in_a_year(scene: Scene) -> None:
    rounds = scene.rounds()
    scene.go(rounds, HOUR)
    scene.clock.at -= 365 * 24 * HOUR
    scene.worked.began.clear()
    back = scene.clock.at - START
    scene.go(rounds, HOUR)
    assert len(scene.worked.runs) == 1
    assert 0 <= scene.worked.runs[0] - back <= HOUR


def test_a_clock_that_is_set_on_a_year_makes_one_run_due(scene: Scene) -> None:
    rounds = scene.rounds()
    scene.go(rounds, HOUR)
    scene.worked.began.clear()
    scene.clock.at += 365 * 24 * HOUR
    scene.go(rounds, 10 * 60)
    assert len(scene.worked.runs) == 1


def test_jitter_puts_a_run_off_by_no_more_than_it_says(scene: Scene) -> None:
    scene.configure('schedule: {cron: "17 * * * *", jitter: 10min}\n')
    scene.go(scene.rounds(), 6 * HOUR, step=10)
    late = [at % HOUR - FIRST for at in scene.worked.runs]
    assert len(late) == 6
    assert all(0 <= each <= 610 for each in late)
    assert len(set(late)) > 1


def test_the_archive_is_kept_up_once_a_day_beside_the_runs(scene: Scene) -> None:
    scene.go(scene.rounds(), 50 * HOUR, step=300)
    assert [at for kind, _, at in scene.worked.began if kind == "upkeep"] == [
        HOUR,
        25 * HOUR,
        49 * HOUR,
    ]
    assert len(scene.worked.runs) == 50


def test_an_account_that_is_added_is_due_at_its_next_time_and_one_that_is_gone_never(
    scene: Scene,
) -> None:
    rounds = scene.rounds()
    scene.go(rounds, HOUR)
    account = 'base_url: "http://127.0.0.1:1", access_key: {env: KEY}, username: '
    scene.configure(
        'schedule: {cron: "17 * * * *", jitter: 0s}\n',
        head=(
            f"accounts: {{us: {{{account}demo}}}}\nstate: {{path: ./state.db}}\narchive: {{path:"
            " ./archive}\n"
        ),
    )
    rounds.reload()
    scene.go(rounds, 2 * HOUR)
    assert [(name, at) for kind, name, at in scene.worked.began if kind == "run"] == [
        ("eu", FIRST), ("us", HOUR + FIRST), ("us", 2 * HOUR + FIRST),
    ]  # fmt: skip


def test_another_state_in_the_configuration_waits_for_a_restart_whole(scene: Scene) -> None:
    rounds = scene.rounds()
    scene.go(rounds, HOUR)
    file = scene.folder / "config.yaml"
    file.write_text(file.read_text().replace("./state.db", "./other.db"))
    rounds.reload()
    scene.go(rounds, 2 * HOUR)
    assert str(rounds.config.state).endswith("/other.db")
    assert len(scene.worked.runs) == 3
    assert scene.worked.states == {"state.db"}, (
        "what is counted and locked beside the state stays beside it"
    )


@pytest.mark.parametrize(
    "wrong", [RefusedError("a limit is broken"), SourceUnavailableError("down")]
)
def test_a_webhook_hears_of_a_run_that_went_wrong(
    scene: Scene, wrong: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.webhooks import hooked

    with hooked() as hook:
        monkeypatch.setenv("HOOK", hook.url)
        scene.configure('schedule: {cron: "17 * * * *", jitter: 0s}\nnotify: {url: {env: HOOK}}\n')
        scene.worked.error = wrong
        rounds = scene.rounds()
        scene.go(rounds, 3 * HOUR)
        rounds.close()
    assert [taken["event"] for taken in hook.taken] == [
        "refused" if isinstance(wrong, RefusedError) else "failed"
    ]
