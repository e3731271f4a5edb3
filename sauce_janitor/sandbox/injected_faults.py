"""The faults that a sandbox injects: which requests they affect, and how often.

What a fault does is in `faults`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from sauce_janitor.sandbox.core.chance import SeededBytes, key_of
from sauce_janitor.sandbox.core.messages import SandboxAnswer, SandboxRequest
from sauce_janitor.sandbox.faults import content_faults, effect_faults, field_faults, wire_faults
from sauce_janitor.sandbox.faults.decorators import AFTER, ALTER, BEFORE, SETTINGS, FaultContext
from sauce_janitor.sandbox.world.world import World

FAMILIES = (content_faults, effect_faults, field_faults, wire_faults)
"""Imported because each module registers its faults."""

_SELECTORS = ("endpoint", "method", "path", "job", "user")
_COUNTS = ("after", "every", "times")


@dataclass(slots=True)
class Fault:
    """One armed fault.

    The selectors `endpoint`, `method`, `path`, `job` and `user` are globs. Of the selected requests
    (`seen`), the first `after` are unaffected, then every `every`-th is affected (`fired`), at most
    `times` in all (0: no limit), each with the probability `chance`.
    """

    name: str
    endpoint: str = "*"
    method: str = "*"
    path: str = "*"
    job: str = "*"
    user: str = "*"
    after: int = 0
    every: int = 1
    times: int = 0
    chance: float = 1.0
    settings: Mapping[str, object] = field(default_factory=dict)
    seen: int = 0
    fired: int = 0

    @classmethod
    def parse(cls, entry: object) -> Fault:
        """Read one mapping: `fault` is the name, the rest are selectors, counts and settings.

        Raises ValueError.
        """
        if not isinstance(entry, Mapping) or not isinstance(entry.get("fault"), str):
            raise ValueError(f"a fault is a mapping with a `fault: NAME`, not {entry!r:.80}")  # noqa: TRY004 - a file's fault
        name = entry["fault"]
        # A misspelt fault that is ignored would make a test pass that tests nothing. So every key
        # and value is checked here, before the first request.
        if name not in SETTINGS:
            raise ValueError(f"no fault {name!r}; there are: {', '.join(sorted(SETTINGS))}")
        known = {"fault", "chance", *_SELECTORS, *_COUNTS}
        settings = {str(key): value for key, value in entry.items() if key not in known}
        for key, value in settings.items():
            if key not in SETTINGS[name]:
                raise ValueError(
                    f"fault {name!r} has no setting {key!r}; it has: "
                    f"{', '.join(SETTINGS[name]) or 'none'}"
                )
            # `True` is an int in Python, but no number of bytes or rows.
            if not isinstance(value, SETTINGS[name][key]) or isinstance(value, bool):
                raise ValueError(f"fault {name!r}: {key} cannot be {value!r}")  # noqa: TRY004 - a file's fault
        counts = {key: entry[key] for key in _COUNTS if key in entry}
        for key, value in counts.items():
            # `every: 0` would divide by zero; `after` and `times` may be 0.
            if not isinstance(value, int) or value < (key == "every"):
                raise ValueError(f"fault {name!r}: {key} is a whole number, not {value!r}")
        chance = entry.get("chance", 1.0)
        if not isinstance(chance, int | float) or not 0 <= chance <= 1:
            raise ValueError(f"fault {name!r}: chance is between 0 and 1, not {chance!r}")
        selectors = {key: str(entry[key]) for key in _SELECTORS if key in entry}
        return cls(name, **selectors, **counts, chance=float(chance), settings=settings)  # type: ignore[arg-type]  # checked

    def selects(self, request: SandboxRequest, endpoint: str, job_id: str) -> bool:
        """Return whether the selectors match the request."""
        user = request.user.name if request.user is not None else ""
        return (
            fnmatchcase(endpoint, self.endpoint)
            and fnmatchcase(request.method, self.method)
            and fnmatchcase(request.target, self.path)
            and fnmatchcase(job_id, self.job)
            and fnmatchcase(user, self.user)
        )


def read_faults(path: Path) -> tuple[Fault, ...]:
    """Read the faults of a YAML or JSON file: a list, or a mapping with a list `faults`.

    Raises ValueError or OSError.
    """
    # Imported here, because most sandboxes have no faults file.
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from error
    entries = document.get("faults") if isinstance(document, dict) else document
    if not isinstance(entries, list):
        raise ValueError(f"{path}: expected a list of faults")  # noqa: TRY004 - a file's fault
    try:
        return tuple(Fault.parse(entry) for entry in entries)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


class ArmedFaults:
    """The armed faults. What `chance` selects depends only on the seed and the order."""

    def __init__(self, seed: int, armed: tuple[Fault, ...] = ()) -> None:
        self._armed = list(armed)
        self._key = key_of(seed, "faults")
        self._lock = threading.Lock()

    def arm(self, fault: Fault) -> None:
        """Add a fault."""
        with self._lock:
            self._armed.append(fault)

    def disarm(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._armed.clear()

    def __iter__(self) -> Iterator[Fault]:
        return iter(tuple(self._armed))

    def striking(self, request: SandboxRequest, endpoint: str, job_id: str) -> tuple[Fault, ...]:
        """Return the faults that affect this request, and count the request."""
        # Nearly all requests of nearly all sandboxes: they do not wait for the lock.
        if not self._armed:
            return ()
        with self._lock:
            return tuple(
                fault for fault in self._armed if self._strikes(fault, request, endpoint, job_id)
            )

    def _strikes(self, fault: Fault, request: SandboxRequest, endpoint: str, job_id: str) -> bool:
        if not fault.selects(request, endpoint, job_id):
            return False
        # Counted before the chance is rolled: `after` and `every` count requests, not effects.
        fault.seen += 1
        turn = fault.seen - fault.after
        if turn < 1 or (turn - 1) % fault.every or (fault.times and fault.fired >= fault.times):
            return False
        if (
            fault.chance < 1
            and SeededBytes(self._key, b"chance", fault.seen).fraction(0) >= fault.chance
        ):
            return False
        fault.fired += 1
        return True


def answer_with(
    faults: tuple[Fault, ...],
    world: World,
    request: SandboxRequest,
    truthful: Callable[[SandboxRequest], SandboxAnswer],
) -> SandboxAnswer:
    """Return the answer with the faults applied.

    The first fault that answers instead of the API prevents any effect of the request.
    """
    for fault in faults:
        # First, so that the API itself sees the changed request, and its answer is consistent.
        if fault.name in ALTER:
            request = ALTER[fault.name](FaultContext(world, request, fault.settings))
    instead = next((fault for fault in faults if fault.name in BEFORE), None)
    answer = (
        truthful(request)
        if instead is None
        else BEFORE[instead.name](FaultContext(world, request, instead.settings))
    )
    for fault in faults:
        # Also for an answer that came from a BEFORE fault: a 503 can be late or cut.
        if fault.name in AFTER:
            answer = AFTER[fault.name](FaultContext(world, request, fault.settings), answer)
    return answer
