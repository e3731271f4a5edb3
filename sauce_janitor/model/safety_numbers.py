"""Numbers that protect something: each is written once, with its reason."""

from __future__ import annotations

from typing import Final

DAY_S: Final = 86_400
"""A day without a change of clocks, in seconds."""

PURGED_AFTER_S: Final = 30 * DAY_S
"""How long after a job's end Sauce Labs keeps its assets, in seconds.

Source: Sauce Labs documentation, archived test results. A younger job without assets is never taken
for a purged one.
"""

MAX_CLOCK_SKEW_S: Final = 300
"""How far this machine's clock may differ from that of Sauce Labs in a run that deletes, in
seconds.

Policies count in days, so minutes do no harm. A clock that differs by more is broken, and may
differ by days an hour later.
"""

PERMIT_LIFE_S: Final = 10.0
"""How old the answer that a write rests on may be when the write leaves, in seconds."""

WRITE_TIMEOUT_S: Final = 35.0
"""How long a write may take at most, from connecting to the end of its answer, in seconds.

Recovery waits as long, so it is short. Answers to writes take a second or two.
"""

IN_FLIGHT_S: Final = PERMIT_LIFE_S + WRITE_TIMEOUT_S + 1
"""For how long after its intent a write may be under way at Sauce Labs, in seconds.

Recovery asks about no younger one: the write could still take effect after the answer. The last
second is for the journal's times, which are whole seconds.
"""

LEASE_QUIET_S: Final = 15.0
"""After so many seconds without a renewal, the holder of a lease that several machines share
changes nothing more.
"""

LEASE_TTL_S: Final = LEASE_QUIET_S + PERMIT_LIFE_S + WRITE_TIMEOUT_S
"""After so many seconds without a renewal, such a lease is free: what its holder sent has been
answered by then, or never will be.
"""

KEPT_FOR_DELETES: Final = 0.2
"""The share of a request budget that archives leave for deletes.

Archives take many more requests; without a share, deletes would never get their turn.
"""
