"""Who uses the pages, and what each role may do there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """A role. Each one may do what those before it may."""

    VIEWER = "viewer"
    """Reads."""
    OPERATOR = "operator"
    """Pauses, resumes and holds jobs, too."""
    APPROVER = "approver"
    """Releases holds and approves plans, too."""

    def includes(self, other: Role) -> bool:
        """Return whether this role may do all that the other one may."""
        ranks = tuple(Role)
        return ranks.index(self) >= ranks.index(other)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends a request: a name for people, and the role."""

    name: str
    role: Role = Role.VIEWER

    def may(self, role: Role) -> bool:
        """Return whether this client may do what needs that role."""
        return self.role.includes(role)
