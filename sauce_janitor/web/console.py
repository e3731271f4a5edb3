"""The console: one application made of sections, with one navigation, design and error page.

All that is shown may come from strangers: templates escape it, and no page runs a script that is
not its own file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Flask, Response, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException

from sauce_janitor.errors import JanitorError
from sauce_janitor.model.roles import Principal
from sauce_janitor.web.guard import CSRF, PRINCIPAL
from sauce_janitor.web.page_text import FILTERS

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of every page. An archived file has a stricter one of its own."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the console: its routes, and where the navigation leads.

    `name` is its word in the navigation, None for pages that others link to. `endpoint` is its
    first page.
    """

    blueprint: Blueprint
    endpoint: str
    name: str | None = None


def make_console(sections: Iterable[Section], probes: Blueprint | None = None) -> Flask:
    """Return the WSGI application, which needs a `guard.Guard` before it.

    The first section's first page is the home page. `probes` are routes for machines.
    """
    shown = tuple(sections)
    app = Flask("sauce_janitor.web")
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters |= FILTERS
    for section in shown:
        app.register_blueprint(section.blueprint)
    if probes is not None:
        app.register_blueprint(probes)
    home = shown[0].endpoint
    # A section may be at the root itself.
    if not any(rule.rule == "/" for rule in app.url_map.iter_rules()):
        app.add_url_rule("/", "root", lambda: redirect(url_for(home)))
    _add_errors(app)

    @app.context_processor
    def add_principal() -> dict[str, Any]:
        return {
            # None is somebody who is not signed in; without a guard, everybody may look.
            "principal": request.environ.get(PRINCIPAL, Principal("anonymous")),
            "csrf": request.environ.get(CSRF),
        }

    @app.context_processor
    def add_navigation() -> dict[str, Any]:
        return {
            "home": home,
            "sections": [
                {
                    "name": section.name,
                    "endpoint": section.endpoint,
                    "is_current": request.blueprint == section.blueprint.name,
                }
                for section in shown
                if section.name is not None
            ],
        }

    @app.after_request
    def add_policy(answer: Response) -> Response:
        answer.headers.setdefault("Content-Security-Policy", POLICY)
        return answer

    return app


def posts_of(app: Flask) -> Callable[[str], bool]:
    """Return what says whether a path takes a form, by the routes of the application."""
    routes = app.url_map.bind("")
    return lambda path: routes.test(path, "POST")


def _add_errors(app: Flask) -> None:
    @app.errorhandler(JanitorError)
    def show_error(error: JanitorError) -> tuple[str, int]:
        return render_template("error.html", title="Error", message=str(error)), 500

    @app.errorhandler(HTTPException)
    def show_refusal(error: HTTPException) -> tuple[str, int]:
        code = error.code or 500
        # werkzeug's own sentence about a page that is not there is long, and about typing.
        is_own = code == 404 and error.description == type(error).description
        message = "There is no such page." if is_own else error.description
        title = "Not found" if code == 404 else error.name
        return render_template("error.html", title=title, message=message or error.name), code
