"""Text that looks like another language's pattern is a fault wherever a glob stands, with the right
spelling beside it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sauce_janitor.config import Config
from sauce_janitor.config.grammar.lookalikes import oddity
from sauce_janitor.config.loader import from_bytes
from sauce_janitor.errors import ConfigError
from sauce_janitor.model.globs import compile_glob
from sauce_janitor.model.policies import Atom, Glob
from sauce_janitor.retention.matching import value_test

HEAD = "accounts: {eu: {region: eu}}\n"
LOOKALIKES = {
    "!main": "`!main` begins with `!`, which does not negate: write `not: {FIELD: main}`",
    "^x.*": (
        "`^x.*` looks like a regular expression: write `{regex: 'x.*'}`, or a glob such as `x*`"
    ),
    "^x": "`^x` looks like a regular expression: write `{regex: 'x.*'}`, or a glob such as `x*`",
    "x$": "`x$` looks like a regular expression: write `{regex: '.*x'}`, or a glob such as `x*`",
    ".*smoke.*": "write `{regex: '.*smoke.*'}`",
    "smoke.*": "write `{regex: 'smoke.*'}`",
    "rc.*-final": "write `{regex: 'rc.*-final'}`",
    r"rc-\d+": r"write `{regex: 'rc-\d+'}`",
    "/smoke/": "write `{regex: '.*smoke.*'}`",
    r"\*x": r"`\*x` has a backslash, which is not an escape: write `[*]` for the character itself",
    "a|b*": "`a|b*` has a `|`, which does not separate alternatives: write `[a, b*]`",
    "(a|b)-1": "write `{regex: '(a|b)-1'}`",
    "a, b": "`a, b` has a comma, which does not make a list: write `[a, b]`",
    "main,release": "write `[main, release]`",
    "{a,b},c": "write `[{a,b}, c]`",
    "release%": "`release%` has a `%`, which is not a wildcard: write `release*`",
    "[release] *": (
        "`[release] *` has `[release]`, which matches any one of these characters: write `[[]release] *`"
    ),
    "[QA] login": "write `[[]QA] login` for the text itself",
    "[JIRA-1] *": "write `[[]JIRA-1] *` for the text itself",
    "[nightly]*": "write `[[]nightly]*` for the text itself",
    "{1..3}": "write a class such as `[1-3]`, or `{1,2,3}`",
    "{a,b": "`{a,b` has a brace without its counterpart: write `{a,b}` for alternatives",
}
PLACES = {
    "match": "policies: [{name: a, match: {build: 'GLOB'}, then: {archive: 1d}}]",
    "not": "policies: [{name: a, match: {not: {build: 'GLOB'}}, then: {archive: 1d}}]",
    "list": "policies: [{name: a, match: {tags: [x, 'GLOB']}, then: {archive: 1d}}]",
    "hold": "holds: [{match: {name: 'GLOB'}}]",
    "tag": "holds: [{tag: 'GLOB'}]",
    "keep": (
        "policies: [{name: a, match: all, then: {archive: none, delete_job: 9d}, keep: [{last: 3,"
        " where: {build: 'GLOB'}}]}]"
    ),
    "lists": "lists: {l: ['GLOB']}\nholds: [{match: {build: {in: l}}}]",
    "deadline": "deadlines: [{name: d, match: {custom_data.team: 'GLOB'}, job_gone_by: 9d}]",
}


def loaded(text: str) -> Config:
    return from_bytes((HEAD + text).encode(), Path("config.yaml"), environ={})


def said(text: str) -> str:
    with pytest.raises(ConfigError) as wrong:
        loaded(text)
    return str(wrong.value)


@pytest.mark.parametrize("glob", LOOKALIKES)
def test_what_looks_like_another_language_is_told_with_the_right_spelling(glob: str) -> None:
    message = said(PLACES["match"].replace("GLOB", glob))
    assert LOOKALIKES[glob] in message
    assert message.endswith(", or `{glob: …, literal: true}` to mean exactly this text")


@pytest.mark.parametrize("place", PLACES)
def test_it_is_told_wherever_a_glob_stands(place: str) -> None:
    for glob in ("!main", "^x.*", "a|b", "a, b", "release%"):
        assert LOOKALIKES.get(glob, "`a|b` has a `|`") in said(PLACES[place].replace("GLOB", glob))


def test_a_hold_by_tag_says_how_the_tag_itself_is_meant() -> None:
    assert "or `match: {tags: {glob: …, literal: true}}` to mean exactly" in said(
        "holds: [{tag: 'a|b'}]"
    )


@pytest.mark.parametrize("glob", LOOKALIKES)
def test_what_is_meant_as_it_stands_says_so(glob: str) -> None:
    config = loaded(f"holds: [{{match: {{build: {{glob: '{glob}', literal: true}}}}}}]")
    match = config.rules("eu").holds[0].match
    assert isinstance(match, Atom)
    if "[" not in glob:  # a class stays one
        assert value_test(match)(glob.replace("*", "anything")) is True
    assert "literal" in said(f"holds: [{{match: {{build: {{glob: '{glob}'}}}}}}]")


@pytest.mark.parametrize(
    "glob",
    [
        "v1.*",
        "120.*",
        "com.shop.LoginTest.*",
        "LoginTest.*",
        "[Ff]ailed*",
        "[0-9a-f]*",
        "[a-zA-Z_]x",
        "[!m]*",
        "[^m]*",
        "[[]release] *",
        "release/2.1 (eu)",
        "C++ build",
        "x$y",
        "{main,release/*}",
        "{branch}-*",
        "jörg.weiß+qa@example.com",
    ],
)
def test_what_is_a_glob_is_taken(glob: str) -> None:
    loaded(PLACES["match"].replace("GLOB", glob))


def test_an_error_is_prose_and_assets_are_files() -> None:
    loaded(
        "policies: [{name: a, match: {error: '*timed out, 100% | retried*'}, then: {archive:"
        " {after: 1d, assets: [all]}}}]"
    )
    loaded(
        "policies: [{name: a, match: all, then: {archive: {after: 1d, assets: ['log.*.json',"
        " '*.{png,jpg}']}}}]"
    )
    assert "looks like a regular expression" in said(
        "policies: [{name: a, match: all, then: {archive: {after: 1d, assets: ['^log.*']}}}]"
    )
    assert "write `[failed, error]`" in said(
        PLACES["match"].replace("build: 'GLOB'", "status: '{failed,error}'")
    )
    assert "braces for more than 64 texts, or nested too deeply" in said(
        PLACES["match"].replace("GLOB", "{a,b}" * 7)
    )


@pytest.mark.parametrize(
    ("tag", "held", "free"),
    [
        ("keep*", "keeper", "k"),
        ("[keep]", "[keep]", "keep"),
        ("{keep,hold}", "hold", "x"),
        ("keep", "keep", "keeper"),
    ],
)
def test_a_hold_by_tag_holds_what_the_glob_matches_and_the_text_itself(
    tag: str, held: str, free: str
) -> None:
    (hold,) = loaded(f"holds: [{{tag: '{tag}'}}]").rules("eu").holds
    assert hold.id == f"tag {tag}"
    match = hold.match or Atom("tags", (Glob(hold.tag or ""),))
    assert isinstance(match, Atom)
    test = value_test(match)
    assert (test((tag,)), test((held,)), test((free,))) == (True, True, False)


@pytest.mark.parametrize("prefix", ["keep-until=*", "keep?", "^keep"])
def test_a_tag_prefix_that_no_tag_begins_with_is_refused(prefix: str) -> None:
    assert "tag_prefix: " in said(f"holds: [{{tag_prefix: '{prefix}'}}]")


def test_the_suggested_spelling_is_no_lookalike() -> None:
    for right in ("[[]release] *", "[[]JIRA-1] *", "release*", "{1,2,3}", "[1-3]", "[*]x"):
        assert oddity(right) is None
    assert compile_glob("[[]release] *")("[release] 5")
