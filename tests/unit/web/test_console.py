"""The console as one application: its navigation, its home page, its errors."""

from __future__ import annotations

import pytest
from flask import Blueprint, abort
from flask.testing import FlaskClient

from sauce_janitor.errors import StateError
from sauce_janitor.web.console import POLICY, Section, make_console

HOSTILE = "<b>gone</b>\u202e"


def section(name: str, path: str, *, label: str | None) -> Section:
    pages = Blueprint(name, __name__)

    @pages.get(path)
    def first() -> str:
        return "first"

    @pages.get(f"{path.rstrip('/')}/closed")
    def closed() -> str:
        raise StateError(f"the state is closed: {HOSTILE}")

    @pages.get(f"{path.rstrip('/')}/refused")
    def refused() -> str:
        abort(404, f"There is no such job: {HOSTILE}")

    return Section(pages, f"{name}.first", label)


@pytest.fixture
def client() -> FlaskClient:
    sections = [
        section("one", "/one", label="One"),
        section("hidden", "/hidden", label=None),
        section("two", "/two", label="Two"),
    ]
    return make_console(sections).test_client()


def test_the_navigation_names_the_sections_and_marks_the_current_one(client: FlaskClient) -> None:
    page = client.get("/two/refused").text
    assert '<a href="/one">One</a>' in page
    assert '<a href="/two" aria-current="page">Two</a>' in page
    assert "/hidden" not in page


def test_the_root_leads_to_the_first_section(client: FlaskClient) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/one")
    at_root = make_console([section("one", "/", label="One")]).test_client()
    assert at_root.get("/").text == "first"


@pytest.mark.parametrize(
    ("path", "code", "sentence"),
    [
        (
            "/two/closed",
            500,
            "the state is closed: &lt;b&gt;gone&lt;/b&gt;\N{REPLACEMENT CHARACTER}",
        ),
        ("/two/refused", 404, "There is no such job: &lt;b&gt;"),
        ("/nothing", 404, "There is no such page."),
    ],
)
def test_an_error_is_a_page_with_one_sentence(
    client: FlaskClient, path: str, code: int, sentence: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == code
    assert sentence in answer.text
    assert "<nav" in answer.text


def test_no_page_may_run_a_script_that_is_not_a_file_of_its_own(client: FlaskClient) -> None:
    for path in ("/one", "/nothing", "/two/closed", "/static/console.css"):
        with client.get(path) as answer:
            assert answer.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
