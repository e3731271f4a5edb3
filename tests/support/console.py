"""The console over a state, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask.testing import FlaskClient

from sauce_janitor.config import load
from sauce_janitor.console.access import ConsoleAccess
from sauce_janitor.console.sections import console_sections
from sauce_janitor.state import State
from sauce_janitor.web.console import make_console
from sauce_janitor.web.overview import Overview, Readiness
from tests.fakes.job_list import OWNER

CONFIG = """
version: 1
accounts:
  eu: {base_url: "http://127.0.0.1:1", username: demo, access_key: {env: KEY}}
  us: {base_url: "http://127.0.0.1:2", username: demo, access_key: {env: KEY}}
archive: {path: ./archive, min_free: 1kB}
state: {path: ./state.db}
"""
POLICIES = "policies: [{name: old, match: all, then: {archive: 1h, delete_assets: 20d}}]\n"


class Idle:
    """A daemon that does nothing."""

    def alive(self) -> bool:
        return True

    def readiness(self) -> Readiness:
        return Readiness(())

    def metrics(self) -> bytes:
        return b""

    def overview(self) -> Overview:
        return Overview(
            0, "1", executes=False, paused=None, troubles=(), faults=(), warnings=(), accounts=()
        )


@dataclass
class Desk:
    """What a user of the console has in hand: its pages, and the state behind them."""

    folder: Path
    state: State
    client: FlaskClient

    def page(self, path: str, status: int = 200) -> str:
        """Return the page at this path, which answers with this status."""
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        return answer.text


@contextmanager
def desk_in(folder: Path, policies: str = POLICIES) -> Iterator[Desk]:
    """Yield a desk with a new state in this folder, and these policies."""
    (folder / "config.yaml").write_text(CONFIG + policies)
    config = load(folder / "config.yaml", environ={"KEY": "x"})
    with State.open(folder / "state.db") as state:
        for name in ("eu", "us"):
            state.accounts.admit(name, base_url=f"https://{name}.example", username=OWNER)
        access = ConsoleAccess(lambda: config, lambda: state, lambda: "closed")
        with closing(access):
            client = make_console(console_sections(access, Idle())).test_client()
            yield Desk(folder, state, client)
