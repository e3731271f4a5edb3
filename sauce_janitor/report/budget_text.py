"""The request budget as text: what a plan needs, what new jobs need, and what is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sauce_janitor.report.text import span
from sauce_janitor.times import when


def needed_lines(outlook: Mapping[str, Any], *, allowed: str, now: float) -> Iterator[str]:
    """Yield a line on what a plan needs and when it will be done.

    `allowed` is the rate that applies now, as text; `now` is epoch seconds.
    """
    requests = outlook["requests_needed"]
    seconds, left = outlook["done_in_s"], outlook["left_this_hour"]
    if not requests:
        return
    lasts = hour = ""
    if seconds is not None:
        lasts = f", about {span(seconds)} at {allowed}: done by {when(int(now + seconds))}"
    if left is not None:
        hour = f"; {left:,} left of this hour"
    yield f"Needs about {requests:,} API requests{lasts}{hour}"


def inflow_lines(outlook: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield a line on what new jobs need of the budget each day, and whether it is a warning."""
    found, gives = outlook["inflow"], outlook["requests_a_day"]
    # Too little is known: no new jobs were seen yet, or the budget has no limit for a day.
    if found is None or gives is None or not found["requests_a_day"]:
        return
    new = (
        f"about {found['jobs_a_day']:,.0f} a day need about {found['requests_a_day']:,.0f} requests"
        " a day"
    )
    if found["requests_a_day"] <= gives:
        yield f"New jobs, {new}; the budget gives {gives:,.0f}", False
        return
    lost = found["purged_a_day"]
    end = (
        f"Sauce Labs will purge the assets of about {lost:,.0f} jobs a day before they are archived"
        if lost >= 1
        else "deletes will fall further behind every day"
    )
    remedy = (
        "raise per_hour (Sauce Labs allows 3,500), give owners credentials of their own, or archive"
        " less"
    )
    yield (
        f"New jobs need more than the budget gives: {new}, it gives {gives:,.0f}. {end}: {remedy}",
        True,
    )


def budget_line(budget: Mapping[str, Any], *, now: float) -> str:
    """Return the current rate of a budget and what is left of it, for `status`."""
    left, wait = budget["left_this_hour"], budget["goes_on_in_s"]
    parts = [f"{budget['now']} now" if budget["windows"] else budget["now"]]
    if budget["slowed"]:
        parts.append("halved for an hour since a 429")
    if left is not None:
        parts.append(f"{left:,} left of this hour")
    # A shorter wait is over before anybody has read the line.
    if wait >= 60:
        parts.append(f"the next request may leave in {span(wait)}, at {when(int(now + wait))}")
    return ", ".join(parts)
