"""What is decided on the jobs of a user who has left: all go, whatever the policies say; holds
protect as ever. Pure.
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
"""What stands for a policy's name; no policy can be called that."""

_AT_ONCE: Final = Duration("0s")


def rules_for(rules: Rules, user: Owner, *, keep: bool) -> Rules:
    """The account's rules with one policy: each job of `user` goes at once, archived whole before
    if `keep`.

    What the account's rules hold, forbid to store and limit stays; announcing and deadlines are for
    policies.
    """
    policy = Policy(
        name=OFFBOARD,
        match=Atom("owner", (Glob(exactly(user)),)),
        archive=ArchiveRule(after=_AT_ONCE) if keep else ArchiveRule(none=True),
        deletes=(
            (Action.DELETE_ASSETS, DeleteRule(_AT_ONCE)),
            (Action.DELETE_JOB, DeleteRule(_AT_ONCE)),
        ),
    )
    return replace(rules, policies=(policy,), grace=_AT_ONCE, deadlines=())
