"""Charts as a browser draws them: fit for everybody, on a phone too, and with a table behind each."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Blueprint, Flask, render_template_string
from playwright.sync_api import sync_playwright

from sauce_janitor.web.charts.axes import size
from sauce_janitor.web.charts.geometry import day_bars, day_line, gauge, rows
from sauce_janitor.web.charts.values import Caption, Series
from sauce_janitor.web.console import Section, make_console
from sauce_janitor.web.guard import AccessRules, Guard
from sauce_janitor.web.server import RunningServer

HOSTILE = "<script>alert(1)</script>\"'\u202e{{7*7}}"
DAYS = range(20_728, 20_788)
PASSED = Series("passed", "good", [n * n for n in range(60)])
FAILED = Series("failed", "bad", [None, *range(59)])
GROWN = Series("size", "link", [None] * 10 + [n * 10.0**8 for n in range(50)])
PAGE = """
{% extends 'base.html' %}
{% import 'charts.html' as charts %}
{% block title %}Charts{% endblock %}
{% block scripts %}<link rel="stylesheet" href="{{ url_for('static', filename='charts.css') }}">{% endblock %}
{% block main %}<h1>Charts</h1><h2>All</h2>{{ charts.gauge(gauge, 'gauge') }}
<div class="charts">{{ charts.day_bars(bars, 'bars') }}{{ charts.day_line(line, 'line') }}
{{ charts.rows(rows, 'rows') }}{{ charts.day_bars(nothing, 'nothing') }}</div>
{% endblock %}
"""


@pytest.fixture
def app() -> Flask:
    pages = Blueprint("drawn", __name__)

    @pages.get("/")
    def drawn() -> str:
        return render_template_string(
            PAGE,
            bars=day_bars(Caption("Jobs by day", "By result."), DAYS, [PASSED, FAILED]),
            line=day_line(Caption("Archive", "Its size.", size, size), DAYS, GROWN),
            rows=rows(
                Caption("By policy", "What is due."),
                [HOSTILE, "nightly"],
                [Series("archive", "link", [1300, 4]), Series("delete job", "bad", [1, 0])],
            ),
            nothing=day_bars(Caption("None", "No job."), DAYS, [Series("s", "good", [0] * 60)]),
            gauge=gauge(Caption("Request budget", "700 of 3,600 are left."), 700, 3600),
        )

    return make_console([Section(pages, "drawn.drawn", "Charts")])


def test_every_picture_and_every_bar_says_what_it_is(app: Flask) -> None:
    page = app.test_client().get("/").text
    pictures = [
        ET.fromstring(f"<svg{part.partition('</svg>')[0]}</svg>") for part in page.split("<svg")[1:]
    ]
    assert len(pictures) == 4
    for picture in pictures:
        assert picture.get("role") == "img"
        title, about = (picture.find(name) for name in ("title", "desc"))
        assert title is not None
        assert about is not None
        assert picture.get("aria-labelledby") == f"{title.get('id')} {about.get('id')}"
        for group in picture.iter("g"):
            words = group.find("title")
            assert words is not None
            assert words.text
    ids = [each for picture in pictures for node in picture.iter() if (each := node.get("id"))]
    assert len(ids) == len(set(ids)) == 8
    assert "2026-12-01" not in page
    assert "2026-11-30: passed 3,481, failed 58" in page
    assert page.count("<details>") == 3
    assert "Nothing on these days." in page
    assert "<script>alert" not in page
    assert "49" not in page.partition("By policy")[2].partition("</figure>")[0]


def test_they_are_fit_for_everybody_at_every_width(
    app: Flask, component: Callable[[str], Path]
) -> None:
    chromium = component("chromium")
    with (
        RunningServer(Guard(app, AccessRules("127.0.0.1:0")), "127.0.0.1:0") as serving,
        sync_playwright() as browsers,
    ):
        browser = browsers.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        for scheme, width in (("light", 1280), ("dark", 768), ("light", 380)):
            page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})  # type: ignore[arg-type]  # one of the words
            page.goto(serving.url)
            page.locator("summary").first.click()
            found = Axe().run(page)
            assert [violation["id"] for violation in found.response["violations"]] == []
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            # Text on an axis is about as large as it is meant to be.
            text = page.locator(".axis").first.bounding_box()
            assert text is not None
            assert text["height"] > 9
            page.close()
        browser.close()
