"""Sandboxes and sessions that close themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sauce_janitor.sandbox import Behaviours, Sandbox, SandboxOptions
from tests.support.sandbox import NOW, Call, Caller, Start


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def start(closing: ExitStack) -> Start:
    """Starts a sandbox with these options; `behaviours` by name."""

    def starting(*, behaviours: dict[str, str] | None = None, **options: object) -> Sandbox:
        settings: dict[str, object] = {"jobs": 300, "now": NOW, **options}
        made = SandboxOptions(**settings, behaviours=Behaviours().changed(behaviours or {}))  # type: ignore[arg-type]  # by name
        return closing.enter_context(Sandbox(made))

    return starting


@pytest.fixture
def call(closing: ExitStack) -> Call:
    """A session with a sandbox, as its main user unless told otherwise."""

    def calling(sandbox: Sandbox, user: str | None = None) -> Caller:
        name = sandbox.user if user is None else user
        caller = Caller(sandbox, name, sandbox.owners[name])
        closing.callback(caller.session.close)
        return caller

    return calling
