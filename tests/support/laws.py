"""How many random examples a law is tried with: few on a change, many in `make test-thorough`."""

from __future__ import annotations

from hypothesis import settings

ON_A_CHANGE = 60
THOROUGH = 1000


def examples(share: float) -> int:
    """Return so many times the number that the profile asks for: for a law that few examples
    break.
    """
    return int(settings().max_examples * share)


def examples_on_a_change(share: float) -> int:
    """Return so many times the number of a change, and the whole number in the thorough tests: for
    a law of which each example takes long.
    """
    most = settings().max_examples
    return most if most >= THOROUGH else int(most * share)
