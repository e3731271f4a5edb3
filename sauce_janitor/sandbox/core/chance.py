"""Deterministic chance: the sandbox's data depends only on the seed and on numbers."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


class SeededBytes:
    """Sixty-four random but fixed bytes for one thing, such as a job.

    Each property reads its own place in them.
    """

    __slots__ = ("_bytes",)

    def __init__(self, key: bytes, kind: bytes, number: int) -> None:
        self._bytes = blake2b(number.to_bytes(8, "big"), key=key, person=kind).digest()

    def fraction(self, place: int) -> float:
        """Return a number in [0, 1) from the two bytes at `place`."""
        raw = self._bytes
        return (raw[place] << 8 | raw[place + 1]) / 65536

    def one_in(self, place: int, chances: int) -> bool:
        """Return True for about one thing in `chances` (at most 65,536)."""
        raw = self._bytes
        return (raw[place] << 8 | raw[place + 1]) % chances == 0

    def pick(self, place: int, choices: Sequence[T]) -> T:
        """Return one of the choices, with equal probability."""
        return choices[int(self.fraction(place) * len(choices))]

    def between(self, place: int, least: int, most: int) -> int:
        """Return a whole number from `least` to `most`, both included."""
        return least + int(self.fraction(place) * (most - least + 1))

    def hex(self, place: int, digits: int) -> str:
        """Return hexadecimal digits from the bytes at `place`."""
        return self._bytes[place : place + (digits + 1) // 2].hex()[:digits]


def key_of(seed: int, *words: str) -> bytes:
    """Return a key for `SeededBytes` and `ComputedIds`: a different one for each seed and use."""
    return blake2b("\0".join((str(seed), *words)).encode(), digest_size=32).digest()
