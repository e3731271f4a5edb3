"""The policy digest: one hash over all that decides, so that a plan, an approval and a run can name
the same policy.
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
"""Fields that came later: without a value they are left out, so that approvals of older files stay
good.
"""

_TAGS: Mapping[type, str] = {DeleteRule: "DeleteClaim", ArchiveRule: "ArchiveWish"}
"""What a class was called when the digest was first made: approvals must outlive a rename."""


def policy_digest(rules: Rules, identity: Mapping[str, object]) -> str:
    """`sha256:…` over time zone, the account's identity, defaults, holds, limits, policies and
    archive selection.

    The order of policies and holds, and how a duration is written (2w or 14d), do not matter.
    Deadlines only watch, and reasons are for people: both are left out.
    """
    plain = _plain(rules)
    plain.pop("deadlines")
    for hold in plain["holds"]:
        del hold["reason"], hold["by"], hold["id"]
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
    """JSON for a value of the rules; each dataclass says its kind, so that no two kinds look
    alike.
    """
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
