"""The vendor's limits: an allowance as windows that requests are counted in, and what headers say
of what is left.

Source: the vendor's "Rate Limit Breakdown": 10 requests a second, 3,500 an hour a user, shared with
the user's own tests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sauce_janitor.model.request_allowance import HOUR_MS, RequestAllowance
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.sauce.http.answers import epoch_of_date

_VENDORS_PER_SECOND: Final = 10
_UNASKED: Final = RequestAllowance(per_second=_VENDORS_PER_SECOND, burst=1)
"""What is halved for an account without a limit that met a 429."""
_JITTER_MS: Final = 20
"""A window is counted so much longer than it is: requests do not arrive as evenly as they leave."""
_HOURS_JITTER_MS: Final = 1000

_HOURLY_LIMIT: Final = 100
"""A limit of at least this is an hour's, a smaller one is a second's."""
_LEFT_TO_OTHERS: Final = 0.05
"""The last part of the vendor's hour is left to the user's own tests."""
_UNSAID_S: Final = 60.0
"""How long to wait when an hour is spent and its end is not given, or cannot be read."""
_LONGEST_S: Final = 3600.0
_EPOCH_NOT_DELTA: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class RateWindow:
    """At most so many requests within any interval of this length."""

    limit: int
    interval_ms: int


def rate_windows(allowed: RequestAllowance, *, slowed: bool = False) -> list[RateWindow]:
    """Return both windows as pyrate-limiter needs them: shorter first, useless ones left out.

    Each wider window must be larger and tighter. However large the burst, no more requests leave in
    a second than the vendor's own limit allows. `slowed` halves every rate.
    """
    # An account without a limit has no rate to halve, so take the vendor's.
    if slowed and allowed.unlimited:
        allowed = _UNASKED
    windows = [_seconds(allowed, slowed=slowed)] if allowed.per_second is not None else []
    if allowed.per_hour:
        limit = max(1, allowed.per_hour // 2) if slowed else allowed.per_hour
        hour = RateWindow(limit, HOUR_MS + _HOURS_JITTER_MS)
        if (
            not windows
            or hour.limit <= windows[0].limit
            or hour.interval_ms <= windows[0].interval_ms
        ):
            return [hour]
        if hour.limit / hour.interval_ms <= windows[0].limit / windows[0].interval_ms:
            windows.append(hour)
    return windows


def _seconds(allowed: RequestAllowance, *, slowed: bool) -> RateWindow:
    assert allowed.per_second is not None
    most = max(_VENDORS_PER_SECOND, int(allowed.per_second))
    burst = max(
        1, allowed.burst if allowed.per_hour is None else min(allowed.burst, allowed.per_hour - 1)
    )
    # Shrink the burst until no second can hold more than the vendor allows.
    while burst > 1 and burst * math.ceil(1000 / _interval_ms(burst, allowed.per_second)) > most:
        burst -= 1
    return RateWindow(burst, _interval_ms(burst, allowed.per_second) * (2 if slowed else 1))


def _interval_ms(burst: int, per_second: float) -> int:
    interval = burst / per_second * 1000
    return math.ceil(interval + min(1.0, interval / 1000) * _JITTER_MS)


@dataclass(frozen=True, slots=True)
class VendorRemaining:
    """What an answer says of the vendor's hour: requests left for us, and in how many seconds it
    ends.
    """

    left: int
    ends_in_s: float


def vendor_remaining(headers: Mapping[str, str], *, now: float) -> VendorRemaining | None:
    """Return what X-Ratelimit-Remaining, -Limit and -Reset say, in any unit; None without an hour.

    `now` is epoch seconds UTC, best by the same server's Date. The end may be seconds or
    milliseconds from now or of the epoch, or a date; one that cannot be read is in a minute. The
    last part of an hour is left to others: `left` is 0 then.
    """
    remaining = _number(headers.get("X-Ratelimit-Remaining"))
    limit = _number(headers.get("X-Ratelimit-Limit"))
    # We keep the window of a second ourselves: waiting for its end each time would halve the rate.
    if remaining is None or limit is None or limit < _HOURLY_LIMIT:
        return None
    end = _seconds_until(headers.get("X-Ratelimit-Reset"), now)
    end = _UNSAID_S if end is None else min(max(end, 0.0), _LONGEST_S)
    return VendorRemaining(max(0, math.floor(remaining - limit * _LEFT_TO_OTHERS)), end)


def _seconds_until(text: str | None, now: float) -> float | None:
    value = _number(text)
    if value is None:
        moment = epoch_of_date(text) or _epoch_of_iso(text)
        return None if moment is None else moment - now
    # So large a number is a time of the epoch, in seconds or milliseconds.
    if value >= _EPOCH_NOT_DELTA:
        return (value / 1000 if value >= _EPOCH_NOT_DELTA * 1000 else value) - now
    # More than a day from now: the number is in milliseconds.
    return value / 1000 if value > DAY_S else value


def _epoch_of_iso(text: str | None) -> float | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
