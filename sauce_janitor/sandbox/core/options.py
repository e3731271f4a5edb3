"""The options of a sandbox: size, seed, and behaviours that are not documented."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, get_args, get_type_hints

Gone = Literal["404", "empty", "nulls"]


@dataclass(frozen=True, slots=True)
class Behaviours:
    """A switch for each behaviour that is undocumented or documented in two ways.

    The first value is the likely one. docs/reference/sandbox.md says what is known about each.
    """

    limit_above_max: Literal["clamp", "reject", "obey"] = "clamp"
    window_time: Literal["creation_time", "start_time", "end_time"] = "creation_time"
    window_ends: Literal["inclusive", "exclusive"] = "inclusive"
    default_row: Literal["seed", "id"] = "seed"
    access_key_in_config: Literal["masked", "plain"] = "masked"
    purged_assets: Gone = "404"
    deleted_assets: Gone = "404"
    second_asset_delete: Literal["400", "404", "200"] = "400"
    unfinished_delete: Literal["400", "409", "obey"] = "400"
    others_jobs: Literal["all", "read", "forbidden", "hidden"] = "all"
    delete_v1_body: Literal["document", "empty"] = "document"
    delete_path: Literal["both", "v1", "v1.1", "none"] = "both"
    delete_all: Literal["on", "v1.1", "off"] = "on"
    batch_lookup: Literal["on", "off"] = "on"
    builds_v1: Literal["on", "off"] = "on"
    builds_v2: Literal["on", "off"] = "on"
    empty_builds: Literal["keep", "hide"] = "keep"
    team_management: Literal["on", "forbidden", "off"] = "on"
    service_accounts: Literal["on", "forbidden", "off"] = "on"
    insights: Literal["on", "forbidden", "off"] = "on"
    insights_parameters: Literal["newer", "older"] = "newer"
    insights_items: Literal["outlive", "follow"] = "outlive"
    insights_depth: Literal["any", "10000"] = "any"
    screenshots_zip: Literal["on", "off"] = "on"
    asset_redirect: Literal["off", "on"] = "off"
    asset_range: Literal["off", "on"] = "off"
    compression: Literal["accepted", "always", "never"] = "accepted"
    rate_bucket: Literal["user", "endpoint"] = "user"
    rate_headers: Literal["on", "off"] = "on"
    rate_reset: Literal["seconds", "epoch", "milliseconds", "epoch_milliseconds"] = "seconds"
    rate_body: Literal["json", "html", "empty"] = "json"
    retry_after: Literal["seconds", "date", "absent"] = "seconds"

    def changed(self, settings: dict[str, str]) -> Behaviours:
        """Return the behaviours with these settings. Raises ValueError for an unknown one."""
        known = choices()
        for key, value in settings.items():
            if key not in known:
                raise ValueError(f"no behavior {key!r}; there are: {', '.join(known)}")
            if value not in known[key]:
                raise ValueError(f"behavior {key} is one of {', '.join(known[key])}, not {value!r}")
        return replace(self, **settings)  # type: ignore[arg-type]  # each value was checked against its Literal above


def choices() -> dict[str, tuple[str, ...]]:
    """Return every behaviour with its possible values, the default first."""
    hints = get_type_hints(Behaviours)
    return {
        each.name: (
            str(each.default),
            *(word for word in get_args(hints[each.name]) if word != each.default),
        )
        for each in fields(Behaviours)
    }


@dataclass(frozen=True, slots=True)
class Rate:
    """How many requests a user may send; None means no limit."""

    per_second: float | None = None
    per_hour: int | None = None

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read `10` or `10/s`, `3500/h`, or both with a comma. Raises ValueError otherwise."""
        found: dict[str, float] = {}
        for part in text.split(","):
            amount, _, window = part.strip().partition("/")
            try:
                found[window or "s"] = float(amount) if window != "h" else int(amount)
            except ValueError:
                # Neither a number nor a window that is known; 0 leads to the message below.
                found[part] = 0
        if not found.keys() <= {"s", "h"} or not all(0 < amount < 1e9 for amount in found.values()):
            raise ValueError(f"a rate is like 10/s, 3500/h or 10/s,3500/h, not {text!r}")
        return cls(found.get("s"), int(found["h"]) if "h" in found else None)


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """All that a sandbox depends on: the same options make the same data, byte for byte.

    The jobs are of the `days` before `now` (epoch seconds, default: the start). Assets of jobs that
    ended `purge_after_days` or more before `now` are purged. `colleagues` is the number of further
    users (colleague-001, …), who have five jobs each. With `certificate` and `private_key` (PEM
    files) the server uses HTTPS.
    """

    jobs: int = 2000
    seed: int = 1
    user: str = "demo"
    access_key: str = "demo-key"
    port: int = 0
    now: int | None = None
    days: int = 45
    purge_after_days: int = 30
    colleagues: int = 0
    rate: Rate = field(default_factory=Rate)
    behaviours: Behaviours = field(default_factory=Behaviours)
    faults: Path | None = None
    request_log: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None
