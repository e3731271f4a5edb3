"""All tests of all rules, each run once per distinct value of a field: a million jobs stay fast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sauce_janitor.model.jobs import Record
from sauce_janitor.model.policies import (
    Atom,
    Match,
)
from sauce_janitor.retention.matching import (
    Test,
    Truth,
    atoms,
    compile_tree,
    field_getter,
    value_test,
)

_MOST_REMEMBERED: Final = 16_384
"""How many values of a field are remembered."""


class FieldTests:
    """All tests of all rules by field, each run once per distinct value. The results for a job are
    one number.

    Of test n, bit 2n of that number is true, and bit 2n+1 unknown. Jobs with equal numbers are
    equal to every match, so the rules are applied to them once, except for time and rank.
    `on_value` receives each value of each field, some twice.
    """

    def __init__(self) -> None:
        self._bits: dict[Atom, int] = {}
        self._tests: dict[str, list[tuple[int, Test]]] = {}
        self._count = 0
        self._readers: list[
            tuple[str, Callable[[Record], object], dict[object, int], list[tuple[int, Test]]]
        ] = []
        self.on_value: Callable[[str, object], None] = _unheard

    def add(self, field: str, test: Test) -> Callable[[int], Truth]:
        """Register a test of a field; the returned function reads its result from a number."""
        return _truth_at(self._register(field, test))

    def compile(self, match: Match) -> Callable[[int], Truth]:
        """Return the match as a function of a number."""
        return compile_tree(match, lambda atom: _truth_at(self._bit(atom)))

    def unknown_fields(self, match: Match, number: int) -> tuple[str, ...]:
        """Return the fields of the match whose test is unknown, sorted."""
        return tuple(sorted({atom.field for atom in atoms(match) if number & self._bit(atom) << 1}))

    def of(self, record: Record) -> int:
        """Return the number of a record."""
        number = 0
        for field, get, known, tests in self._readers:
            value = get(record)
            bits = known.get(value)
            if bits is None:
                self.on_value(field, value)
                bits = _test_all(value, tests)
                # Build names are endless: forget them before they fill the memory.
                if len(known) >= _MOST_REMEMBERED:
                    known.clear()
                known[value] = bits
            number |= bits
        return number

    def _bit(self, atom: Atom) -> int:
        if atom not in self._bits:
            self._bits[atom] = self._register(atom.field, value_test(atom))
        return self._bits[atom]

    def _register(self, field: str, test: Test) -> int:
        bit = 1 << 2 * self._count
        self._count += 1
        tests = self._tests.setdefault(field, [])
        # The field is read once for a job, however many tests there are of it.
        if not tests:
            self._readers.append((field, field_getter(field), {}, tests))
        tests.append((bit, test))
        return bit


def _unheard(_field: str, _value: object) -> None:
    """Ignore the value."""


def _truth_at(bit: int) -> Callable[[int], Truth]:
    both = bit | bit << 1

    def truth(number: int) -> Truth:
        found = number & both
        # Of the two bits at most one is set, so the larger number is the unknown one.
        return found == bit if found <= bit else None

    return truth


def _test_all(value: object, tests: list[tuple[int, Test]]) -> int:
    bits = 0
    for bit, test in tests:
        truth = test(value)
        if truth is None:
            bits |= bit << 1
        elif truth:
            bits |= bit
    return bits
