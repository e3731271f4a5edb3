"""An account of which archived files are old enough to be pruned."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from sauce_janitor.archive import (
    Archive,
    Catalogue,
    DiskReserve,
    StoreOrigin,
    WriteSettings,
)
from sauce_janitor.config import Config
from sauce_janitor.metrics import Metrics
from sauce_janitor.model.assets import EVERYTHING
from sauce_janitor.model.jobs import JobDocument, job_id, owner_name
from sauce_janitor.operations.prove import prove
from sauce_janitor.operations.prune import PruneOrder
from sauce_janitor.operations.prune import prune as prune_account
from sauce_janitor.operations.prune_remover import Pruned
from sauce_janitor.operations.wiring.run_settings import RunContext
from tests.fakes.asset_shelf import LOG, MP4, AssetShelf
from tests.support.commands import Commands, Quiet
from tests.support.jobs import DAY

OWNER = owner_name("demo")
NINETY = (
    "policies: [{name: p, match: all, then: {archive: {after: 1h, keep_for: {video: 90d, all:"
    " 2y}}}}]"
)
STORED_AGO = 100 * DAY


@dataclass
class Box:
    """A desk whose archive was filled 100 days ago, with jobs that nobody asked Sauce Labs about
    since.
    """

    desk: Commands
    stored: list[str] = field(default_factory=list)

    def fill(self, jobs: int, **fields: Any) -> None:
        at = int(time.time()) - STORED_AGO
        state, path = self.desk.state, self.desk.folder / "archive"
        state.accounts.admit("box", base_url=self.desk.sandbox.base_url, username="demo")
        state.clock.remember(int(time.time()))
        shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG})
        with Archive.open(
            path, account="box", known_uuid=state.identity.archive_uuid(str(path)),
            settings=WriteSettings(min_free=DiskReserve(percent=0)), now=lambda: at,
        ) as archive:  # fmt: skip
            state.identity.remember_archive(str(path), archive.uuid)
            journal = state.journal.during("box", "run-1", lambda: at)
            for number in range(len(self.stored), len(self.stored) + jobs):
                document = a_document(number, at, **fields)
                stored = archive.store(
                    document,
                    shelf.listing,
                    EVERYTHING,
                    shelf.fetch,
                    StoreOrigin("p", "run-1", "https://x"),
                )
                journal.archived(
                    document.job.id, OWNER, receipt=stored.sha256, selection=stored.key, policy="p"
                )
                self.stored.append(document.job.id)

    def tools(self, later_s: int = 0) -> RunContext:
        clock = lambda: time.time() + later_s  # noqa: E731
        return RunContext(self.desk.config, self.desk.state, Metrics(), Quiet(), clock=clock)

    def prune(self, *, execute: bool = True, later_s: int = 0, **order: Any) -> Pruned:
        tools = self.tools(later_s)
        order.setdefault("vouched", later_s != 0)
        return prune_account(
            tools.config.account("box"), tools, PruneOrder(execute=execute, **order)
        )

    def files(self) -> list[str]:
        found = (path for path in (self.desk.folder / "archive").rglob("*") if path.is_file())
        return sorted(path.name for path in found if not path.name.startswith("."))

    def proof(self) -> list[str]:
        path = self.desk.folder / "archive"
        with Catalogue.open(path) as catalogue:
            return prove(self.desk.state, catalogue, ["box"]).findings

    def config(self) -> Config:
        return self.desk.config


def a_document(number: int, at: int, **fields: Any) -> JobDocument:
    from sauce_janitor.sauce.parse import parse_details

    ended = at - 3600
    row = {
        "id": f"{number + 1:032x}",
        "owner": "demo",
        "status": "complete",
        "passed": True,
        "name": f"test {number}",
        "build": None,
        "tags": [],
        "creation_time": ended - 60,
        "start_time": ended - 50,
        "end_time": ended,
        "modification_time": ended,
        "error": None,
        "os": "Linux",
        "browser": "chrome",
    }
    made = parse_details(row | fields, OWNER, job_id(row["id"]))
    assert made is not None
    return made
