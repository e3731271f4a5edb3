"""One job of the sandbox as it was created."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from sauce_janitor.sandbox.core.chance import SeededBytes
from sauce_janitor.sandbox.world.web_shop import Platform, ShopTest

Kind: TypeAlias = Literal["webdriver", "cypress", "appium", "manual"]


@dataclass(frozen=True, slots=True)
class JobFacts:
    """One job as it was created; later changes are in `OwnerLedger`. Times are epoch seconds.

    `status` is the raw status, `passed` and `error` are the result. `build` is the number of its
    build among the owner's builds.
    """

    index: int
    kind: Kind
    test: ShopTest
    name: str | None
    platform: Platform
    version: str
    build: int | None
    build_text: str | None
    status: str
    passed: bool | None
    error: str | None
    created_at: int
    started_at: int | None
    ended_at: int | None
    modified_at: int
    tags: tuple[str, ...]
    custom_data: dict[str, object] | None
    public: str | None
    has_video: bool
    is_extended: bool
    screenshots: int
    dice: SeededBytes

    @property
    def is_finished(self) -> bool:
        """Return whether the job has ended."""
        return self.ended_at is not None
