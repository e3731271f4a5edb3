"""The plan file: one JSON object that a reviewer can read and `apply` can trust.

Its seal is an HMAC over everything else in the object. The key is a secret that never leaves the
state. So `apply` refuses a plan that was edited, or made on another state, before it sends any
request to Sauce Labs.
"""

from __future__ import annotations

import hmac
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from sauce_janitor.errors import ConfigError, RefusedError
from sauce_janitor.terminal import json_text
from sauce_janitor.times import iso

VERSION = 1
Row: TypeAlias = Mapping[str, Any]
OLDEST_S = 24 * 3600
"""`apply` refuses a plan older than this: too much may have changed at Sauce Labs."""

AHEAD_S = 300
"""`apply` refuses a plan that is further in the future than this: one of the two clocks is wrong.
"""


@dataclass(frozen=True, slots=True)
class PlanHead:
    """The facts that identify a plan, and what it needs and does.

    With `as_of_given` the user chose the time: such a plan is for reading only. `policies` limits
    the plan to the actions of these policies; empty means all. `owners` are all users whose jobs
    the plan should cover, `gaps` says why there may be more of them, and `left_out` has those
    whose jobs could not be listed. `effects` is `PlanEffects` as JSON, which counts each job once.
    `interactions` are the times that one policy makes longer for another. Times are epoch seconds.
    """

    account: str
    base_url: str
    username: str
    created_at: int
    as_of: int
    as_of_given: bool
    policy_digest: str
    inventory_digest: str
    requests_needed: int
    counts: Mapping[str, int]
    limits_broken: tuple[str, ...] = ()
    announced: Mapping[str, Row] = field(default_factory=dict)
    overdue: Mapping[str, Row] = field(default_factory=dict)
    policies: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    left_out: tuple[Row, ...] = ()
    effects: Row = field(default_factory=dict)
    interactions: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class SealedPlan:
    """One account's plan, ready to be written. `kept` is None unless all jobs were requested."""

    head: PlanHead
    actions: Iterable[Row]
    kept: Iterable[Row] | None = None


def text(plans: Sequence[SealedPlan], *, secret: bytes) -> Iterator[str]:
    """Yield the text of the plan file row by row: one plan as it is, several under `accounts`."""
    if len(plans) == 1:
        yield from _one(plans[0], secret)
    else:
        yield f'{{"version": {VERSION}, "accounts": [\n'
        for number, plan in enumerate(plans):
            yield ",\n" if number else ""
            yield from _one(plan, secret)
        yield "]}"
    yield "\n"


def _one(plan: SealedPlan, secret: bytes) -> Iterator[str]:
    head = plan.head
    facts: dict[str, object] = {
        "version": VERSION,
        "created_at": iso(head.created_at),
        "as_of": iso(head.as_of),
        "as_of_given": head.as_of_given,
        "account": head.account,
        "base_url": head.base_url,
        "username": head.username,
        "policy_digest": head.policy_digest,
        "inventory_digest": head.inventory_digest,
        "limits_broken": list(head.limits_broken),
        "effects": dict(head.effects),
        "interactions": [dict(row) for row in head.interactions],
        "requests_needed": head.requests_needed,
        "policies": list(head.policies),
        "counts": dict(head.counts),
        "announced": dict(head.announced),
        "overdue": dict(head.overdue),
        "owners": list(head.owners),
        "owners_missing": list(head.gaps),
        "left_out": [dict(row) for row in head.left_out],
    }
    seal = _Seal(secret, facts)
    yield "{" + "".join(
        f"{json.dumps(key)}: {json_text(value, indent=None)},\n" for key, value in facts.items()
    )
    yield '"actions": ['
    yield from _rows("actions", plan.actions, seal)
    if plan.kept is not None:
        yield '],\n"kept": ['
        yield from _rows("kept", plan.kept, seal)
    yield f'],\n"seal": "{seal.text()}"}}'


def _rows(key: str, rows: Iterable[Row], seal: _Seal) -> Iterator[str]:
    for number, row in enumerate(rows):
        seal.add(key, row)
        yield (",\n " if number else "\n ") + json_text(row, indent=None)


class _Seal:
    """An HMAC over the facts of a plan, then over its rows one by one.

    So a million actions never stand in memory as one string.
    """

    def __init__(self, secret: bytes, facts: Row) -> None:
        self._mac = hmac.new(secret, digestmod=sha256)
        for key in sorted(facts):
            self.add(key, facts[key])

    def add(self, key: str, value: object) -> None:
        self._mac.update(json.dumps([key, value], sort_keys=True, separators=(",", ":")).encode())
        self._mac.update(b"\n")

    def text(self) -> str:
        return f"hmac-sha256:{self._mac.hexdigest()}"


def _seal_of(plan: Row, secret: bytes) -> str:
    lists = ("actions", "kept")
    seal = _Seal(secret, {key: value for key, value in plan.items() if key not in (*lists, "seal")})
    for key in lists:
        for row in _list(plan.get(key, [])):
            seal.add(key, row)
    return seal.text()


def _list(value: object) -> list[Any]:
    # An edited plan may have anything here; whatever it is must change the seal, not raise.
    return value if isinstance(value, list) else [value]


def check_target(path: Path) -> None:
    """Raise ConfigError unless a plan can be written to `path`.

    Called before the listing, which takes long. The check creates a file beside `path` and removes
    it, because permissions alone do not reveal a read-only mount. Only a regular file is ever
    replaced: `--out /dev/null` must not remove that device from the machine.
    """
    folder = path.parent
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(
                f"--out {path}: not a regular file; give a new file, or a plan to replace"
            )
        if not folder.exists():
            raise ConfigError(
                f"--out {path}: the folder {folder} does not exist; create it: mkdir -p {folder}"
            )
        handle, probe = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.")
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ConfigError(
            f"--out {path}: cannot create a file in {folder}: {why}; choose another folder"
        ) from error
    os.close(handle)
    Path(probe).unlink()


def write(plans: Sequence[SealedPlan], path: Path, *, secret: bytes) -> None:
    """Write the plan file, whole or not at all, readable by its owner only.

    Raise RefusedError when it cannot be written.
    """
    try:
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise RefusedError(f"{path}: the plan cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(text(plans, secret=secret))
            file.flush()
            # Before the rename: otherwise a crash could leave an empty plan under the final name.
            os.fsync(file.fileno())
        Path(partial).replace(path)
    except OSError as error:
        Path(partial).unlink(missing_ok=True)
        raise RefusedError(f"{path}: the plan cannot be written: {error.strerror}") from error
    except BaseException:
        # Also Ctrl-C, or an error of the state while rows are read: leave no temporary file.
        Path(partial).unlink(missing_ok=True)
        raise


def read(path: Path) -> list[dict[str, Any]]:
    """Return the plans of a file, one for each account. Their seals are not yet checked.

    Raise RefusedError for a file that is not a plan of this version.
    """
    try:
        whole = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise RefusedError(
            f"{path}: there is no such plan; make one with: sauce-janitor plan --out {path}"
        ) from error
    except json.JSONDecodeError as error:
        raise RefusedError(
            f"{path}: not a plan (not JSON); make one with: sauce-janitor plan --out plan.json"
        ) from error
    # RecursionError: brackets nested too deeply for the JSON parser.
    except (OSError, ValueError, RecursionError) as error:
        raise RefusedError(
            f"{path}: not a plan ({error}); make one with: sauce-janitor plan --out plan.json"
        ) from error
    plans = whole.get("accounts", [whole]) if isinstance(whole, dict) else None
    if (
        not isinstance(plans, list)
        or not plans
        or not all(isinstance(plan, dict) for plan in plans)
    ):
        raise RefusedError(
            f"{path}: not a plan file; make one with: sauce-janitor plan --out plan.json"
        )
    for plan in plans:
        if plan.get("version") != VERSION:
            raise RefusedError(
                f"{path}: a plan of version {plan.get('version')!r}, but this program reads"
                f" version {VERSION}: plan again"
            )
    return plans


def checked(
    plan: Mapping[str, Any], *, head: PlanHead, secret: bytes, now: int
) -> dict[tuple[str, str], str]:
    """Return the plan's actions: (job id, action) to the job's fingerprint.

    `head` is what the configuration and the state say now, `now` is epoch seconds. Raise
    RefusedError for a plan that was edited or made on another state, for another account or
    identity, under another policy digest, with --as-of, more than 24 h ago, or in the future.
    """
    # First: no fact of the file can be trusted before its seal is verified.
    if not hmac.compare_digest(str(plan.get("seal")).encode(), _seal_of(plan, secret).encode()):
        raise RefusedError(
            "the plan was changed after it was made, or made on another state: plan again"
        )
    for key, now_is in (
        ("account", head.account),
        ("base_url", head.base_url),
        ("username", head.username),
    ):
        if plan.get(key) != now_is:
            raise RefusedError(
                f"the plan is for {key} {plan.get(key)!r}, the configuration says {now_is!r}: plan"
                " again"
            )
    if plan.get("policy_digest") != head.policy_digest:
        raise RefusedError(
            "the policies have changed since the plan was made: plan again, and review that one"
        )
    # What is due at another time may not be due now.
    if plan.get("as_of_given"):
        raise RefusedError(
            "the plan was made with --as-of: it is for reading only; plan again without --as-of"
        )
    created_at = int(datetime.fromisoformat(plan["created_at"]).timestamp())
    if created_at - now > AHEAD_S:
        raise RefusedError(
            f"the plan is from {plan['created_at']}, which is in the future: a clock was wrong;"
            " check the clocks and plan again"
        )
    if now - created_at > OLDEST_S:
        raise RefusedError(f"the plan is from {plan['created_at']}, older than 24 h: plan again")
    return {
        (action["job_id"], action["action"]): action["fingerprint"] for action in plan["actions"]
    }
