"""Passwords of those who sign in to the pages: what is accepted, and their argon2id hashes.

argon2-cffi is imported late: few commands need it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

SHORTEST_PASSWORD: Final = 12
"""NIST SP 800-63B asks for 8 characters; here a guess costs a delete that was approved."""
_LONGEST_PASSWORD: Final = 512

_HASH: Final = re.compile(
    r"\$argon2id\$v=19\$m=([1-9][0-9]{0,6}),t=([1-9][0-9]?),p=([1-9][0-9]?)"
    r"\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{43,86}"
)
_LEAST_KIB: Final = 7 * 1024
"""OWASP's least memory for argon2id."""
_MOST_KIB: Final = 128 * 1024
_MOST_PASSES: Final = 16
"""A hash says how much memory and time its check takes: without limits, a wrong one would let each
sign-in take all of it.
"""


def why_refused(password: str) -> str | None:
    """Return what is wrong with a new password, None for a good one."""
    if len(password) < SHORTEST_PASSWORD:
        return f"is too short: at least {SHORTEST_PASSWORD} characters"
    if len(password) > _LONGEST_PASSWORD:
        return f"is too long: at most {_LONGEST_PASSWORD} characters"
    # A line end or a tab cannot be typed into the form.
    if not password.isprintable():
        return "has characters that cannot be typed"
    if len(set(password)) < 5:
        return "repeats the same few characters: it can be guessed"
    return None


def hashed(password: str) -> str:
    """Return the argon2id hash of a password, with a salt of its own (RFC 9106, 64 MiB)."""
    from argon2 import PasswordHasher

    return PasswordHasher().hash(_normal(password))


def matches(password_hash: str, password: str) -> bool:
    """Return whether the hash is of this password. Takes about 0.1 s and 64 MiB."""
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    # The form sends at most 8 KiB, and nobody has such a password: no time is spent on it.
    if len(password) > _LONGEST_PASSWORD:
        password = ""
    try:
        return PasswordHasher().verify(password_hash, _normal(password))
    except (VerificationError, InvalidHashError):
        return False


def is_usable_hash(text: str) -> bool:
    """Return whether the text is an argon2id hash, of a cost that is neither too low nor too
    high.
    """
    found = _HASH.fullmatch(text)
    if found is None:
        return False
    memory_kib, passes, lanes = map(int, found.groups())
    is_bounded = _LEAST_KIB <= memory_kib <= _MOST_KIB and passes <= _MOST_PASSES
    # Argon2's own rule: 8 KiB for each lane at least.
    return is_bounded and memory_kib >= 8 * lanes


def _normal(password: str) -> bytes:
    """Return the password's bytes. Keyboards write the same letter in different ways."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace")
