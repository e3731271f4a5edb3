"""Text from strangers as pages show it."""

from __future__ import annotations

import unicodedata
from itertools import chain

from sauce_janitor.web.page_text import clean

HARMFUL = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_every_character_that_could_harm_a_reader_is_replaced_and_no_other() -> None:
    # All planes with characters that people write, and that of invisible tags.
    for number in chain(range(0x20000), range(0xE0000, 0xE0200)):
        character = chr(number)
        wanted = "\N{REPLACEMENT CHARACTER}"
        if unicodedata.category(character) not in HARMFUL:
            wanted = character
        assert clean(f"a{character}b") == f"a{wanted}b", hex(number)
