"""Every fault has one sentence that says where, what and how to mend it; all faults of a file come
at once.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sauce_janitor.config.loader import parse
from sauce_janitor.config.source.yaml import read
from sauce_janitor.errors import ConfigError

GOLDEN = Path(__file__).parents[2] / "data" / "config" / "faults.txt"
GOOD = "accounts: {eu: {region: eu}}\n"


def cases() -> list[tuple[str, str, str]]:
    """(name, file, messages) of each case."""
    text = GOLDEN.read_text(encoding="utf-8")
    return re.findall(r"^=== (.*)\n((?s:.*?))--->\n((?s:.*?))(?=^=== |\Z)", text, re.MULTILINE)


def faults_of(data: bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(read(data, "config.yaml"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "messages"), [pytest.param(text, said, id=name) for name, text, said in cases()]
)
def test_a_faulty_file_is_told_exactly_what_is_wrong(text: str, messages: str) -> None:
    assert faults_of(text.encode()) == messages.rstrip("\n")


def test_the_golden_file_has_every_case() -> None:
    assert len(cases()) > 120


def test_a_byte_order_mark_is_refused() -> None:
    expected = "config.yaml:1: starts with a byte order mark: save it as UTF-8 without one"
    assert faults_of(GOOD.encode("utf-8-sig")) == expected
    assert faults_of(GOOD.encode("utf-16")) == expected


def test_bytes_that_are_not_utf8_are_refused_with_their_line() -> None:
    assert (
        faults_of(GOOD.encode() + b"timezone: \xe9\n")
        == "config.yaml:2: is not UTF-8 (byte 0xe9): save it as UTF-8"
    )


def test_a_file_over_256_kib_is_refused() -> None:
    assert (
        faults_of(b"#" * (256 * 1024 + 1))
        == "config.yaml:1: is larger than 256 KiB: no configuration needs that; is it the right"
        " file?"
    )


def test_an_alias_bomb_is_a_fault_and_not_a_bomb() -> None:
    levels = "\n".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'x'}]" for n in range(9)
    )
    assert faults_of(levels.encode()).count("is an alias") == 72


def test_a_thousand_levels_end_the_reading_in_a_sentence() -> None:
    assert "is nested deeper than 40 levels" in faults_of(b"holds: " + b"[" * 100_000)


def test_no_message_shows_a_secret() -> None:
    """Whatever stands where a secret is meant, in whatever wrong form."""
    for wrong in (
        "hunter2",
        "[hunter2]",
        "{command: hunter2}",
        "{env: hunter2!}",
        "0123456",
        "12:30",
        "{file: [hunter2]}",
        "!hunter2 x",
        "https://hunter2",
    ):
        said = faults_of(f"accounts: {{eu: {{region: eu, access_key: {wrong}}}}}".encode())
        assert "0123456" not in said
        assert "12:30" not in said
        assert "hunter2" not in said.replace("`!hunter2` is a YAML tag", "")


def test_five_hundred_policies_with_a_fault_each_are_all_named() -> None:
    policies = "".join(
        f"  - {{name: p{n}, match: {{build: 'b{n}-*'}}, keep: [{{last: 3}}], then: {{archive: none,"
        f" delete_job: {n + 1}}}}}\n"
        for n in range(500)
    )
    said = faults_of((GOOD + "policies:\n" + policies).encode()).splitlines()
    assert len(said) == 500
    assert (
        said[499]
        == "config.yaml:502: policies[499].then.delete_job: 500 has no unit: write 500d for days,"
        " or another of s min h d w mo y"
    )
