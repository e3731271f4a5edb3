"""Workers that share a state on PostgreSQL, in threads of their own.

Time stands still at START unless a test moves it; the queue itself goes by the clock of the server.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from sauce_janitor.config import load
from sauce_janitor.daemon.ports import QueueInterval
from sauce_janitor.daemon.rounds import Rounds
from tests.support.daemon import FAST, Driven, Scene, until
from tests.support.postgresql import Postgresql

QUICK = replace(FAST, queue=QueueInterval(tick_s=0.05, heartbeat_s=0.5, stalled_s=30.0))
HEAD = """
accounts:
  eu: {base_url: "http://127.0.0.1:1", access_key: {env: KEY}, username: demo}
  us: {base_url: "http://127.0.0.1:1", access_key: {env: KEY}, username: alice}
archive: {path: ./archive, min_free: 1kB}
state: {url: {env: STATE_URL}}
"""
SCHEDULE = 'schedule: {cron: "17 * * * *", jitter: 0s}\n'
FIRST = 17 * 60


@dataclass
class Workers:
    """Workers on one state, each with its folder, in threads of their own."""

    server: Postgresql
    url: str
    folder: Path
    stack: ExitStack
    clock: Driven

    def scene(self, name: str, text: str = SCHEDULE, head: str = HEAD) -> Scene:
        folder = self.folder / name
        folder.mkdir()
        made = Scene(folder, self.clock, self.stack)
        made.environ = {"KEY": "x", "STATE_URL": self.url}
        made.configure(text, head=head)
        return made

    def start(self, scene: Scene, *, execute: bool = True) -> Rounds:
        """One worker more; it goes round until the test ends."""
        rounds = scene.rounds(execute=execute, pace=QUICK)
        self.stack.enter_context(going_round(rounds))
        until(lambda: rounds.trouble is None, "a worker in the queue")
        return rounds

    def query(self, statement: str) -> list[Any]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return [row[0] for row in cursor.fetchall()] if cursor.description else []

    def is_queue_empty(self) -> bool:
        return self.query(
            "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
        ) == [0]


@contextmanager
def going_round(rounds: Rounds) -> Iterator[None]:
    ended = threading.Event()

    def go() -> None:
        while not ended.is_set():
            rounds.wake.wait(0.02)
            rounds.wake.clear()
            if rounds.stopping.is_set():
                rounds.collect()
            else:
                rounds.go()

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield
    finally:
        rounds.halt()
        until(rounds.is_idle, "the end of the work")
        ended.set()
        thread.join()


def begun(*scenes: Scene) -> list[tuple[str, str]]:
    return sorted((kind, account) for scene in scenes for kind, account, _ in scene.worked.began)


def digest_of(scene: Scene) -> str:
    config = load(scene.folder / "config.yaml", environ=scene.environ)
    return config.policy_digest("eu")
