"""A clock that stands where a test sets it, for all of the program."""

from __future__ import annotations

import importlib
import pkgutil
import time
from collections.abc import Iterator
from types import FunctionType

import pytest

import sauce_janitor
from sauce_janitor.clock import CLOCK

_REAL = time.time


class StandingTime:
    """Epoch seconds for `time.time`, wherever the package asks for it, also as the default of an
    argument.

    The clock that tells the age of answers goes on from there: where it stood, each answer would be
    as old as the last.
    """

    def __init__(self, patch: pytest.MonkeyPatch, at: int) -> None:
        self.set(at)
        every = list(
            _functions()
        )  # what is imported while the time stands would keep this clock for good
        patch.setattr(time, "time", self)
        patch.setattr(CLOCK, "_wall", lambda: self._at + time.monotonic() - self._began)
        for function in every:
            defaults = tuple(
                self if each is _REAL else each for each in function.__defaults__ or ()
            )
            if any(each is self for each in defaults):
                patch.setattr(function, "__defaults__", defaults)
            known = function.__kwdefaults__ or {}
            if any(each is _REAL for each in known.values()):
                words = {key: self if each is _REAL else each for key, each in known.items()}
                patch.setattr(function, "__kwdefaults__", words)

    def set(self, at: int) -> None:
        """Let it be that time now."""
        self._at, self._began = at, time.monotonic()

    def __call__(self) -> float:
        return self._at


def _functions() -> Iterator[FunctionType]:
    for found in pkgutil.walk_packages(sauce_janitor.__path__, "sauce_janitor."):
        if found.name.endswith(".__main__") or ".migrations" in found.name:
            continue
        for value in list(vars(importlib.import_module(found.name)).values()):
            inner: list[object] = [
                value,
                *(vars(value).values() if isinstance(value, type) else ()),
            ]
            for each in inner:
                yield from _unwrapped(each)


def _unwrapped(found: object) -> Iterator[FunctionType]:
    """Yield a function, and those that decorators hide in it."""
    found = found.__func__ if isinstance(found, classmethod | staticmethod) else found
    while isinstance(found, FunctionType):
        yield found
        found = getattr(found, "__wrapped__", None)
