"""Globs: classes that negate in both spellings, braces, and what is sure about two of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sauce_janitor.model.globs import (
    alternatives,
    compile_glob,
    exactly,
    for_sqlite,
    has_wildcards,
    is_plain,
)
from sauce_janitor.model.policies import Atom, Glob, Not
from sauce_janitor.retention.overlaps import may_overlap

ALPHABET = "ab-^!{},]"
TEXTS = ["".join(letters) for size in range(4) for letters in product(ALPHABET, repeat=size)]
PATTERNS = st.text("ab-^!{},[]*?", max_size=9)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("[^m]*", "dev", "main"),
        ("[!m]*", "dev", "main"),
        ("[^m]*", "^", "m"),
        ("[^]]", "a", "]"),
        ("[m^]*", "^x", "dev"),
        ("{main,release/*}", "release/2", "main2"),
        ("PR-{1,2}{a,b}", "PR-2a", "PR-12"),
        ("{a{b,c},d}-x", "ac-x", "a-x"),
        ("{,un}stable", "stable", "nstable"),
        ("{a}", "{a}", "a"),
        ("{a,b", "{a,b", "a"),
        ("[{]a,b}", "{a,b}", "a"),
        ("x{a,[,}]}", "x}", "x,}"),
    ],
)
def test_a_glob_means_what_it_says(pattern: str, matching: str, other: str) -> None:
    assert compile_glob(pattern)(matching)
    assert not compile_glob(pattern)(other)


def test_too_many_alternatives_are_a_text() -> None:
    assert len(alternatives("{a,b}" * 6)) == 64
    for much in ("{a,b}" * 7, "{a,{b,{c,{d,{e,{f,g}}}}}}"):
        assert compile_glob(much)(much)
        assert is_plain(much)


@given(PATTERNS)
@example("{a,b}*{-,^}")
@example("[{,}]{a,b}")
def test_a_glob_matches_what_any_of_its_alternatives_matches(pattern: str) -> None:
    test, parts = (
        compile_glob(pattern),
        [compile_glob(exactly_braced(part)) for part in alternatives(pattern)],
    )
    assert [test(text) for text in TEXTS] == [any(part(text) for part in parts) for text in TEXTS]


def exactly_braced(part: str) -> str:
    """One alternative, whose braces are characters."""
    return part if "[" in part else part.replace("{", "[{]")


@given(st.text("ab*?[{,}]^!", max_size=8))
def test_the_glob_of_a_text_matches_that_text_alone(text: str) -> None:
    test = compile_glob(exactly(text))
    assert test(text)
    assert not any(test(other) for other in TEXTS if other != text)


@given(PATTERNS, PATTERNS)
@example("{a,b}", "{b,-}")
@example("[^a]*", "a*")
@example("{a*,-}", "*{b,!}")
def test_globs_that_are_surely_apart_have_no_text_in_common(one: str, other: str) -> None:
    a, b = Atom("name", (Glob(one),)), Atom("name", (Glob(other),))
    first, second = compile_glob(one), compile_glob(other)
    if not may_overlap(a, b):
        assert not [text for text in TEXTS if first(text) and second(text)]
    if not may_overlap(a, Not(b)):
        assert not [text for text in TEXTS if first(text) and not second(text)]


def test_braces_are_looked_into_where_two_policies_are_compared() -> None:
    assert not may_overlap(Atom("name", (Glob("{a,b}-*"),)), Atom("name", (Glob("{c,d}-*"),)))
    assert may_overlap(Atom("name", (Glob("{a,b}-*"),)), Atom("name", (Glob("{c,b}-*"),)))
    assert not may_overlap(Atom("name", (Glob("{a,b}"),)), Not(Atom("name", (Glob("{b,a}"),))))


@given(
    st.text("ab^!{},[]*?", max_size=9)
)  # SQLite reads a range that ends before it begins another way
@example("[a-b]*-")
@example("[!a]*")
@example("[^a]*")
@example("[")
@example("[^]")
@example("[!]")
def test_the_archives_index_reads_a_glob_as_policies_do(pattern: str) -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE texts (text)")
        database.executemany("INSERT INTO texts VALUES (?)", [(text,) for text in TEXTS])
        found = set()
        for part in alternatives(pattern):
            asked = ("GLOB", for_sqlite(part)) if has_wildcards(part) else ("=", part)
            found |= {
                row[0]
                for row in database.execute(
                    f"SELECT text FROM texts WHERE text {asked[0]} ?", asked[1:]
                )
            }
    assert found == {text for text in TEXTS if compile_glob(pattern)(text)}
