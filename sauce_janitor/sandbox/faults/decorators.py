"""The decorators that register faults. A fault is a function with its name, of one of three kinds.

ALTER changes the request. BEFORE answers instead of the API, which then does nothing. AFTER changes
the API's answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sauce_janitor.sandbox.core.messages import SandboxAnswer, SandboxRequest
from sauce_janitor.sandbox.world.world import World

SettingType: TypeAlias = type | tuple[type, ...]
NUMBER: SettingType = (int, float)


@dataclass(frozen=True, slots=True)
class FaultContext:
    """What a fault gets: the data, the request, and its settings, whose types are checked."""

    world: World
    request: SandboxRequest
    settings: Mapping[str, object]

    def number(self, key: str, default: float) -> float:
        """Return a number from the settings."""
        value = self.settings.get(key, default)
        assert isinstance(value, int | float)
        return value

    def text(self, key: str, default: str) -> str:
        """Return a text from the settings."""
        return str(self.settings.get(key, default))


Alter = Callable[[FaultContext], SandboxRequest]
Before = Callable[[FaultContext], SandboxAnswer]
After = Callable[[FaultContext, SandboxAnswer], SandboxAnswer]
ALTER: dict[str, Alter] = {}
BEFORE: dict[str, Before] = {}
AFTER: dict[str, After] = {}
SETTINGS: dict[str, dict[str, SettingType]] = {}
"""Each fault's name, and its settings with their types."""


def alter(**settings: SettingType) -> Callable[[Alter], Alter]:
    """Register a fault that changes the request."""

    def register(act: Alter) -> Alter:
        ALTER[act.__name__], SETTINGS[act.__name__] = act, settings
        return act

    return register


def before(**settings: SettingType) -> Callable[[Before], Before]:
    """Register a fault that answers instead of the API."""

    def register(act: Before) -> Before:
        BEFORE[act.__name__], SETTINGS[act.__name__] = act, settings
        return act

    return register


def after(**settings: SettingType) -> Callable[[After], After]:
    """Register a fault that changes the API's answer."""

    def register(act: After) -> After:
        AFTER[act.__name__], SETTINGS[act.__name__] = act, settings
        return act

    return register
