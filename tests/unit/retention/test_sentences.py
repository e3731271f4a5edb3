"""Every sentence of docs/policies.md on what is decided has a test that quotes it, and no test quotes what is not there."""

from __future__ import annotations

import pytest

from tests.unit.retention import sentences, test_sentences_of_matching

QUOTING = (test_sentences_of_matching,)
SECTIONS = ("Matching", "Age")


@pytest.mark.parametrize("section", SECTIONS)
def test_every_sentence_is_quoted_by_a_test(section: str) -> None:
    missing, strangers = sentences.unquoted(section, QUOTING)
    assert missing == [], "docs/policies.md says this, and no test shows it"
    assert strangers == [], "a test quotes this, and docs/policies.md does not say it"
