"""The policy digest: a hash of everything that decides, so that a plan, an approval and a run can
refer to the same policies.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sauce_janitor.model.policies import ArchiveRule, DeleteRule, Duration, Rules

_VERSION = 1
_LATER = frozenset({"if_unavailable"})
"""Fields that were added later.

Without a value they are left out: so the digest of a file without them, and its approvals, stay
valid.
"""

_TAGS: Mapping[type, str] = {DeleteRule: "DeleteClaim", ArchiveRule: "ArchiveWish"}
"""The names that classes had in the first digest: a renamed class must not void approvals."""


def policy_digest(rules: Rules, identity: Mapping[str, object]) -> str:
    """Return `sha256:…` of the time zone, the account's identity, defaults, holds, limits, policies
    and the selection of assets.

    Neither the order of policies and holds nor the spelling of a duration (2w or 14d) matters.
    Deadlines decide nothing, and reasons are for people: both are left out.
    """
    plain = _plain(rules)
    plain.pop("deadlines")
    # An id may be made from the reason, so it is left out with it: a reworded reason must not void
    # an approval.
    for hold in plain["holds"]:
        del hold["reason"], hold["by"], hold["id"]
    # No decision depends on the order of these, so their digest must not either.
    for name in ("policies", "holds", "forbid"):
        plain[name] = sorted(plain[name], key=_canonical)
    text = _canonical({"version": _VERSION, "account": dict(identity), "rules": plain})
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _canonical(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def _plain(value: Any) -> Any:
    """Return a value of the rules as plain JSON values.

    Each dataclass has its name in it, so that two kinds with the same fields differ.
    """
    # Without its text: `2w` and `14d` decide the same.
    if isinstance(value, Duration):
        return {"seconds": value.seconds, "months": value.months}
    if isinstance(value, ZoneInfo):
        return value.key
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = (
            name
            for name in _names(type(value))
            if name not in _LATER or getattr(value, name) is not None
        )
        fields = {name: _plain(getattr(value, name)) for name in names}
        return {"is": _TAGS.get(type(value), type(value).__name__), **fields}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value
