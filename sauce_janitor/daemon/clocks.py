"""How often the daemon looks at what it watches."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LookInterval:
    """How often the daemon looks, in seconds of real time, whatever the clock says.

    `round_s`: for due work (by its clock); `watch_s`: at its own status; `follow_s`: at the
    configuration files; `reopen_s`: at a state that could not be opened; `token_s`: at the token.
    """

    round_s: float = 1.0
    watch_s: float = 5.0
    follow_s: float = 5.0
    reopen_s: float = 10.0
    token_s: float = 10.0
