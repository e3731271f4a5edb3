"""Every sentence of docs/reference/policies.md about decisions has a test that quotes it, and no
test quotes another.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sauce_janitor.config.loader import from_bytes
from tests.support import policies as sentences

SECTIONS = (
    "Terms",
    "Matching",
    "When something is deleted",
    "Archiving",
    "Pruning the archive",
    "Several policies on one job",
    "Holds",
    "Keep rules",
    "Age",
    "Builds",
    "Stopping jobs",
    "Limits and approvals",
    "Configuration checks",
    "Deadlines",
)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_sentence_is_quoted_by_a_test(section: str) -> None:
    missing, strangers = sentences.unquoted(section)
    assert missing == [], "docs/reference/policies.md says this, and no test shows it"
    assert strangers == [], "a test quotes this, and docs/reference/policies.md does not say it"


def test_the_example_is_valid_and_draws_no_warning() -> None:
    (example,) = re.findall(r"(?s)```yaml\n(.*?)```", sentences.PAGE.read_text())
    assert from_bytes(example.encode(), Path("config.yaml"), environ={}).warnings == ()
