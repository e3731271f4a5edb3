"""Who may read and change whose jobs."""

from __future__ import annotations

from sauce_janitor.sandbox.core.messages import (
    SandboxAnswer,
    SandboxRequest,
    forbidden,
    not_found,
)
from sauce_janitor.sandbox.core.people import Person
from sauce_janitor.sandbox.world.world import World


def may_read(world: World, request: SandboxRequest, person: Person) -> SandboxAnswer | None:
    """Return None, or the refusal to show another person's jobs."""
    # Documented: by default, everybody in an organisation sees the jobs of all teams.
    if request.user is person or world.behaviours.others_jobs in {"all", "read"}:
        return None
    return forbidden() if world.behaviours.others_jobs == "forbidden" else not_found()


def may_write(world: World, request: SandboxRequest, person: Person) -> SandboxAnswer | None:
    """Return None, or the refusal to change another person's jobs. At most an admin may do that."""
    if request.user is person:
        return None
    if world.behaviours.others_jobs == "all":
        # Not documented. Only an admin has rights over other people's data elsewhere in Sauce Labs.
        return None if request.user is not None and request.user.is_admin else forbidden()
    return may_read(world, request, person) or forbidden()
