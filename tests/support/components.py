"""What a test needs of the machine: a program, a kind of system, a right."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacking(what: str) -> NoReturn:
    """Skip the test, which names what this machine lacks. In CI it fails: a test that is skipped
    there is never run.
    """
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
