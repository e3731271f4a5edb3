"""The jobs of one owner, computed from their index: a million jobs need no memory."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from sauce_janitor.sandbox.core.chance import SeededBytes, key_of
from sauce_janitor.sandbox.world.job_facts import JobFacts, Kind
from sauce_janitor.sandbox.world.oddities import oddities
from sauce_janitor.sandbox.world.web_shop import (
    DESKTOPS,
    EMULATORS,
    ERRORS,
    RUNNER,
    TESTS,
    VISIBILITIES,
    Platform,
    ShopTest,
)

Mood: TypeAlias = Literal["green", "mixed", "broken", "silent"]

BUILDS_A_WAVE = 3
_LARGEST_WAVE = 40
_FEWEST_WAVES = 60
_WAVE_SECONDS = 45 * 60
_RC_EVERY = 8
_FIRST_NIGHTLY, _FIRST_PULL_REQUEST, _FIRST_RC = 100, 1000, 15


class Population:
    """The jobs with index 0 (oldest) to `count - 1`, created in the `days` before `now`.

    They come in waves, as CI starts them. `created_at` never decreases with the index, so a time
    window is found by binary search.
    """

    def __init__(self, seed: int, owner: str, count: int, *, now: int, days: int) -> None:
        self.count, self.now = count, now
        self._job_key, self._build_key = key_of(seed, owner, "job"), key_of(seed, owner, "build")
        self.wave_size = max(1, min(_LARGEST_WAVE, count // _FEWEST_WAVES))
        self.waves = -(-count // self.wave_size)
        # The waves share the days evenly, and the last one ends at `now`.
        self._interval = days * 86_400 / max(1, self.waves)
        # A wave ends before the next one begins, or times would not follow the indexes.
        self._wave_seconds = min(self._interval, _WAVE_SECONDS)
        self._oddity_of = oddities(count)

    def created_at(self, index: int) -> int:
        """Return when the job was created. It never decreases with the index."""
        wave, place = divmod(index, self.wave_size)
        size = max(1, min(self.wave_size, self.count - wave * self.wave_size))
        end = self.now - (self.waves - 1 - wave) * self._interval
        # A multiplicative hash: binary search calls this often, and a real hash would be too slow.
        # The jitter stays below one place, so the order holds.
        jitter = (index * 2_654_435_761 & 0xFFFF) / 65_536
        return int(end - self._wave_seconds + (place + jitter) * self._wave_seconds / size)

    def first_from(self, time: float) -> int:
        """Return the smallest index created at or after `time`."""
        return bisect_left(range(self.count), time, key=self.created_at)

    def facts(self, index: int) -> JobFacts:
        """Return the job as it was created."""
        dice = SeededBytes(self._job_key, b"job", index)
        wave = index // self.wave_size
        oddity = self._oddity_of(index)
        kind = _kind(dice)
        test = dice.pick(0, TESTS)
        platform = _platform(dice, kind)
        # People who test by hand name no build, and a job that runs for days belongs to no wave.
        build = None if kind == "manual" or oddity == "runaway" else self._build_of(dice, wave)
        created_at = self.created_at(index)
        status, started_at, ended_at = self._course(dice, created_at, oddity)
        passed, error = (
            self._verdict(dice, test, wave, build) if ended_at is not None else (None, None)
        )
        if error is not None:
            status = "error"
        # Still in progress, and passed all the same: see `oddities`.
        if oddity == "contradiction":
            passed = True
        return JobFacts(
            index=index,
            kind=kind,
            test=test,
            name=_name(dice, kind, test),
            platform=platform,
            version=self._version(platform, wave),
            build=build,
            build_text=self._build_text(dice, build),
            status=status,
            passed=passed,
            error=error,
            created_at=created_at,
            started_at=started_at,
            ended_at=ended_at,
            modified_at=ended_at + dice.between(8, 0, 6)
            if ended_at is not None
            else started_at or created_at,
            tags=self._tags(dice, test, build, kind),
            custom_data=_custom_data(dice, test, kind),
            public=dice.pick(10, VISIBILITIES),
            has_video=not dice.one_in(12, 40),
            is_extended=platform.api_name == "chrome"
            and kind == "webdriver"
            and dice.one_in(14, 5),
            screenshots=0 if kind in {"cypress", "manual"} else dice.between(16, 2, 5),
            dice=dice,
        )

    def _version(self, platform: Platform, wave: int) -> str:
        """Return the version of a wave: browsers get newer over the days, so that a policy can tell
        old versions from new ones.
        """
        place = wave * len(platform.versions) // max(1, self.waves)
        return platform.versions[min(len(platform.versions) - 1, place)]

    # --- builds -----------------------------------------------------------------------------------

    def build_name(self, build: int) -> str:
        """Return a build's name: nightly-N, PR-N or rc-M.N. It is unique for the owner."""
        wave, slot = divmod(build, BUILDS_A_WAVE)
        if slot == 0:
            return f"nightly-{_FIRST_NIGHTLY + wave}"
        if slot == 1 and wave % _RC_EVERY == _RC_EVERY - 2:
            major, minor = divmod(_FIRST_RC + wave // _RC_EVERY, 10)
            return f"rc-{major}.{minor}"
        return f"PR-{_FIRST_PULL_REQUEST + build}"

    def build_named(self, name: str) -> int | None:
        """Return the number of the build with this name, or None."""
        head, _, tail = name.partition("-")
        try:
            if head == "nightly":
                build = (int(tail) - _FIRST_NIGHTLY) * BUILDS_A_WAVE
            elif head == "PR":
                build = int(tail) - _FIRST_PULL_REQUEST
            elif head == "rc":
                major, _, minor = tail.partition(".")
                wave = (int(major) * 10 + int(minor) - _FIRST_RC) * _RC_EVERY + _RC_EVERY - 2
                build = wave * BUILDS_A_WAVE + 1
            else:
                return None
        except ValueError:
            return None
        # The check of the name refuses other spellings of a number, such as `PR-01001`.
        return build if 0 <= build < self.builds and self.build_name(build) == name else None

    @property
    def builds(self) -> int:
        """Return how many builds there may be. A build without a job does not exist."""
        return self.waves * BUILDS_A_WAVE

    def members(self, build: int) -> list[int]:
        """Return the indexes of the jobs created in a build, oldest first."""
        start = build // BUILDS_A_WAVE * self.wave_size
        indexes = range(start, min(start + self.wave_size, self.count))
        return [index for index in indexes if self.build_of(index) == build]

    def build_of(self, index: int) -> int | None:
        """Return the build that a job was created in, or None."""
        dice = SeededBytes(self._job_key, b"job", index)
        if _kind(dice) == "manual" or self._oddity_of(index) == "runaway":
            return None
        return self._build_of(dice, index // self.wave_size)

    def _build_of(self, dice: SeededBytes, wave: int) -> int | None:
        # One job in thirteen has no build; the others are spread over the wave's builds.
        slot = int(dice.fraction(18) * 13)
        return None if slot == 12 else wave * BUILDS_A_WAVE + slot * BUILDS_A_WAVE // 12

    def _build_text(self, dice: SeededBytes, build: int | None) -> str | None:
        if build is None:
            return None
        # A space at the end, as in the vendor's sample (`Release `): a policy must match it all the
        # same.
        return self.build_name(build) + (" " if dice.one_in(20, 50) else "")

    def _mood(self, build: int) -> Mood:
        roll = SeededBytes(self._build_key, b"build", build).fraction(0)
        if roll < 0.55:
            return "green"
        if roll < 0.85:
            return "mixed"
        return "broken" if roll < 0.95 else "silent"

    # --- one job ----------------------------------------------------------------------------------

    def _course(
        self, dice: SeededBytes, created_at: int, oddity: str | None
    ) -> tuple[str, int | None, int | None]:
        """Return raw status, start and end. A job that has not ended by `now` has no end."""
        if oddity in {"queued", "new"}:
            return oddity, None, None
        started_at = created_at + dice.between(22, 0, 5)
        ended_at = started_at + dice.between(24, 15, 90) + dice.between(26, 0, 18) ** 2
        if oddity is not None or ended_at > self.now:
            return "in progress", min(started_at, self.now), None
        return "complete", started_at, ended_at

    def _verdict(
        self, dice: SeededBytes, test: ShopTest, wave: int, build: int | None
    ) -> tuple[bool | None, str | None]:
        roll = dice.fraction(28)
        mood = "mixed" if build is None else self._mood(build)
        # A team that never reports results: neither passed nor failed, whatever happened.
        if mood == "silent":
            return None, None
        if mood == "green":
            return True, None
        # An outage in the middle of a build: a quarter of its jobs have an error and no result.
        if mood == "broken" and roll < 0.25:
            return None, dice.pick(30, ERRORS)
        if self._is_red(test, wave) or roll > (0.7 if test.is_flaky else 0.96):
            return False, None
        return (None, None) if build is None and roll < 0.1 else (True, None)

    def _is_red(self, test: ShopTest, wave: int) -> bool:
        """Return whether the test fails in this wave. A broken test fails for six waves."""
        return SeededBytes(self._build_key, b"streak", wave // 6 << 8 | TESTS.index(test)).one_in(
            0, 12
        )

    def _tags(
        self, dice: SeededBytes, test: ShopTest, build: int | None, kind: Kind
    ) -> tuple[str, ...]:
        if kind == "manual":
            return ()
        tags = list(test.tags)
        if build is not None and self.build_name(build).startswith("rc-"):
            tags.append("release")
        if test.is_flaky and dice.one_in(32, 4):
            tags.append("flaky-hunt")
        if dice.one_in(34, 100):
            tags.append("keep")
        if dice.one_in(36, 120):
            day = datetime.fromtimestamp(self.now, UTC).date() + timedelta(
                days=dice.between(38, -20, 60)
            )
            # From twenty days ago to sixty days ahead: some of these holds have ended.
            tags.append(f"keep-until={day.isoformat()}")
        elif dice.one_in(36, 901):
            # Not a date: users write such tags, and a hold by prefix must keep the job then.
            tags.append("keep-until=audit")
        return tuple(tags)


def _kind(dice: SeededBytes) -> Kind:
    roll = dice.fraction(4)
    if roll < 0.7:
        return "webdriver"
    if roll < 0.83:
        return "cypress"
    return "appium" if roll < 0.95 else "manual"


def _platform(dice: SeededBytes, kind: Kind) -> Platform:
    # Cypress always runs on the same machine, and Appium on an emulator or a simulator.
    if kind == "cypress":
        return RUNNER
    return dice.pick(2, EMULATORS if kind == "appium" else DESKTOPS)


def _name(dice: SeededBytes, kind: Kind, test: ShopTest) -> str | None:
    if dice.one_in(40, 45):
        return None
    return f"Manual session: {test.suite}" if kind == "manual" else test.name


def _custom_data(dice: SeededBytes, test: ShopTest, kind: Kind) -> dict[str, object] | None:
    if kind == "manual" or not dice.one_in(42, 6):
        return None
    return {
        "commit": dice.hex(44, 7),
        "suite": test.suite,
        "attempt": dice.between(48, 1, 3),
        "retry": dice.one_in(50, 3),
    }
