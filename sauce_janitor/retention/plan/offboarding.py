"""Decides about the jobs of a user who has left: all are deleted, whatever the policies say; holds
still protect.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sauce_janitor.model.globs import exactly
from sauce_janitor.model.jobs import Action, Owner
from sauce_janitor.model.policies import (
    ArchiveRule,
    Atom,
    DeleteRule,
    Duration,
    Glob,
    Policy,
    Rules,
)

OFFBOARD: Final = "(offboard)"
"""The name in place of a policy's; no policy can be called that."""

_AT_ONCE: Final = Duration("0s")


def rules_for(rules: Rules, user: Owner, *, keep: bool) -> Rules:
    """Return the account's rules with one policy: delete each job of `user` at once, and archive it
    whole first if `keep`.

    The account's holds, forbidden assets and limits still count. Announcements and deadlines belong
    to policies.
    """
    policy = Policy(
        name=OFFBOARD,
        # A user name may have characters that mean something in a glob.
        match=Atom("owner", (Glob(exactly(user)),)),
        archive=ArchiveRule(after=_AT_ONCE) if keep else ArchiveRule(none=True),
        deletes=(
            (Action.DELETE_ASSETS, DeleteRule(_AT_ONCE)),
            (Action.DELETE_JOB, DeleteRule(_AT_ONCE)),
        ),
    )
    return replace(rules, policies=(policy,), grace=_AT_ONCE, deadlines=())
