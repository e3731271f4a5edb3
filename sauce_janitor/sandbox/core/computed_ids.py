"""Ids that are computed from a number and back, so that a million ids need no table."""

from __future__ import annotations

import uuid
from hashlib import blake2b

_ROUNDS = 4
_HALF = 32
_MASK = (1 << _HALF) - 1
_OWNER_BITS = 16
_INDEX_BITS = 2 * _HALF - _OWNER_BITS
_HEX_DIGITS = frozenset("0123456789abcdef")


class ComputedIds:
    """Turns (owner number, index) into 32 hexadecimal digits and back.

    The first half is a Feistel network over 64 bits, which is a permutation: no two pairs have the
    same id. The second half is a keyed hash of the first, by which an invented id is recognised.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def id_of(self, owner: int, index: int) -> str:
        """Return the id of the thing with this number."""
        value = owner << _INDEX_BITS | index
        left, right = value >> _HALF, value & _MASK
        for turn in range(_ROUNDS):
            left, right = right, left ^ self._round(turn, right)
        head = (left << _HALF | right).to_bytes(8, "big")
        return (head + self._tail(head)).hex()

    def number_of(self, text: str) -> tuple[int, int] | None:
        """Return (owner number, index), or None for an id that `id_of` never returns."""
        if len(text) != 32 or not _HEX_DIGITS.issuperset(text):
            return None
        raw = bytes.fromhex(text)
        head = raw[:8]
        # An invented id must be a 404 and not some other job.
        if raw[8:] != self._tail(head):
            return None
        value = int.from_bytes(head, "big")
        left, right = value >> _HALF, value & _MASK
        # A Feistel network is undone by its rounds in reverse order.
        for turn in reversed(range(_ROUNDS)):
            left, right = right ^ self._round(turn, left), left
        value = left << _HALF | right
        return value >> _INDEX_BITS, value & ((1 << _INDEX_BITS) - 1)

    def _round(self, turn: int, half: int) -> int:
        # The round's number is part of the input; with equal rounds, the network would be weak.
        data = (half << 3 | turn).to_bytes(5, "big")
        return int.from_bytes(blake2b(data, digest_size=4, key=self._key).digest(), "big")

    def _tail(self, head: bytes) -> bytes:
        return blake2b(head, digest_size=8, key=self._key, person=b"tail").digest()


def uuid_of(key: bytes, name: str) -> str:
    """Return a fixed identifier of 32 digits for an organisation, team or user."""
    return uuid.UUID(bytes=blake2b(name.encode(), digest_size=16, key=key).digest(), version=4).hex
