"""The one call that deletes all jobs of a user. No other code can build its address or allow it.

Source: Jobs API, Delete All of a User's Jobs; later versions of the page leave it out.
"""

from __future__ import annotations

import threading
from typing import Final
from urllib.parse import quote

from sauce_janitor.clock import CLOCK, Clock
from sauce_janitor.errors import PermitError
from sauce_janitor.model.jobs import owner_name
from sauce_janitor.model.permits import DeleteAllPermit
from sauce_janitor.model.write_answers import WriteAnswer
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.sauce.http.connection import Connection
from sauce_janitor.sauce.http.request_events import OnRequest
from sauce_janitor.sauce.http.transport import HttpRequest
from sauce_janitor.sauce.writes import OWNER, Allowed, Writer

ALLOWED: Final = (Allowed.of(rf"DELETE /rest/v1\.1/{OWNER}/jobs"),)


class BulkGate(Writer):
    """Carries out one kind of permit, once: no retry, no redirect. Made for one `offboard --bulk`.

    `close()` it. Raises as `Gate` does.
    """

    def __init__(
        self,
        connection: Connection,
        budget: RequestBudget,
        on_request: OnRequest | None = None,
        *,
        stop: threading.Event | None = None,
        clock: Clock = CLOCK,
    ) -> None:
        super().__init__(connection, budget, on_request, allowed=ALLOWED, stop=stop, clock=clock)

    def delete_all(self, permit: DeleteAllPermit) -> WriteAnswer:
        """Delete every job of the permit's owner. Raises PermitError unless that very name was
        typed.
        """
        if type(permit) is not DeleteAllPermit:
            raise PermitError(
                "deleting all of a user's jobs takes a DeleteAllPermit, not a "
                f"{type(permit).__name__}"
            )
        owner = owner_name(permit.owner)
        # The operator must have typed this very name: the call cannot be undone.
        if permit.typed != owner:
            raise PermitError(
                f"the name that was typed, {permit.typed!r:.80}, is not {owner}: nothing was sent"
            )
        if not permit.jobs:
            raise PermitError(f"no job of {owner} was listed: there is nothing to delete")
        what = f"the deletion of all {len(permit.jobs):,} jobs of {owner}"
        return self._write(
            permit,
            permit.asked_at,
            HttpRequest("DELETE", f"/rest/v1.1/{quote(owner, safe='')}/jobs", "delete_all", what),
        )
