"""The register of named faults: three kinds of change, each a function under its own name.

ALTER changes what the API is asked, BEFORE answers in its place (nothing happens), AFTER changes
what it answered.
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
    """What a fault may know: the truth, the request, and its own settings (their types were checked
    when it was armed).
    """

    world: World
    request: SandboxRequest
    settings: Mapping[str, object]

    def number(self, key: str, default: float) -> float:
        """A number from the settings."""
        value = self.settings.get(key, default)
        assert isinstance(value, int | float)
        return value

    def text(self, key: str, default: str) -> str:
        """A text from the settings."""
        return str(self.settings.get(key, default))


Alter = Callable[[FaultContext], SandboxRequest]
Before = Callable[[FaultContext], SandboxAnswer]
After = Callable[[FaultContext, SandboxAnswer], SandboxAnswer]
ALTER: dict[str, Alter] = {}
BEFORE: dict[str, Before] = {}
AFTER: dict[str, After] = {}
SETTINGS: dict[str, dict[str, SettingType]] = {}
"""Every fault's name and the settings it knows, with their types."""


def alter(**settings: SettingType) -> Callable[[Alter], Alter]:
    """Registers a fault that changes the request, under its function's name."""

    def register(act: Alter) -> Alter:
        ALTER[act.__name__], SETTINGS[act.__name__] = act, settings
        return act

    return register


def before(**settings: SettingType) -> Callable[[Before], Before]:
    """Registers a fault that answers instead of the API, under its function's name."""

    def register(act: Before) -> Before:
        BEFORE[act.__name__], SETTINGS[act.__name__] = act, settings
        return act

    return register


def after(**settings: SettingType) -> Callable[[After], After]:
    """Registers a fault that changes the API's answer, under its function's name."""

    def register(act: After) -> After:
        AFTER[act.__name__], SETTINGS[act.__name__] = act, settings
        return act

    return register
