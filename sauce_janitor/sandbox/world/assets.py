"""The assets of a job: their names, the keys under which they are listed, and their bytes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

from sauce_janitor.sandbox.world import logs, pictures
from sauce_janitor.sandbox.world.job_facts import JobFacts

_KEYS = {"selenium-server.log": "selenium-log", "log.json": "sauce-log"}
_TYPES = {
    "mp4": "video/mp4",
    "png": "image/png",
    "json": "application/json",
    "har": "application/json",
    "log": "text/plain",
    "xml": "application/xml",
    "gz": "application/gzip",
    "zip": "application/zip",
    "html": "text/html",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of a job. `read` returns the same bytes each time. A hidden file is not listed."""

    name: str
    read: Callable[[], bytes]
    is_hidden: bool = False


def born_assets(facts: JobFacts) -> tuple[Asset, ...]:
    """Return the assets that a finished job has from its run, by name."""
    if facts.kind == "cypress":
        found = _of_cypress(facts)
    elif facts.kind == "manual":
        found = [Asset("log.json", lambda: logs.command_log(facts))]
    else:
        found = _of_a_session(facts)
    if facts.has_video:
        # Cypress jobs have this video besides those of their specs; one job in forty has none.
        found.append(Asset("video.mp4", lambda: pictures.video(facts.dice)))
    return tuple(sorted(found, key=lambda asset: asset.name))


def listing(facts: JobFacts, assets: tuple[Asset, ...]) -> dict[str, object]:
    """Return the answer to List Job Assets.

    `video` names the video a second time. Cypress jobs have null for the logs of Selenium.
    """
    names = [asset.name for asset in assets if not asset.is_hidden]
    shots = [name for name in names if name.endswith("screenshot.png")]
    found: dict[str, object] = {_KEYS.get(name, name): name for name in names if name not in shots}
    # saucectl and saucerest-java also meet the same file twice, and drop one of the two.
    if "video.mp4" in found:
        found["video"] = "video.mp4"
    if facts.kind == "cypress":
        # The keys stay null forever: a client that waits until they have a name never ends.
        found |= {"selenium-log": None, "sauce-log": None}
    return found | {"screenshots": shots}


def screenshots_zip(assets: tuple[Asset, ...]) -> bytes | None:
    """Return all screenshots in one file, which is not listed; None if there are none."""
    shots = [asset for asset in assets if asset.name.endswith("screenshot.png")]
    if not shots:
        return None
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as packed:
        for shot in shots:
            # A fixed date, or the archive would differ at each download.
            packed.writestr(zipfile.ZipInfo(shot.name, (2020, 1, 1, 0, 0, 0)), shot.read())
    return target.getvalue()


def content_type(name: str) -> str:
    """Return the media type for a file's name."""
    return _TYPES.get(name.rpartition(".")[2], "application/octet-stream")


def _of_a_session(facts: JobFacts) -> list[Asset]:
    found = [
        Asset("selenium-server.log", lambda: logs.server_log(facts)),
        Asset("log.json", lambda: logs.command_log(facts)),
        *(_screenshot(facts, number) for number in range(facts.screenshots)),
    ]
    if facts.kind == "appium":
        # Sauce Labs names the device's log after its system.
        name = "logcat.log" if facts.platform.platform == "Android" else "ios-syslog.log"
        found.append(Asset(name, lambda: logs.device_log(facts)))
    elif facts.platform.api_name == "chrome":
        # The vendor's sample of a delete names this file and the trace below, which its sample of
        # the list lacks.
        found.append(Asset("_crmuxdriver.log", lambda: logs.automator_log(facts), is_hidden=True))
    if facts.is_extended:
        loader = facts.dice.hex(0, 32).upper()
        found += [
            Asset("automator.log", lambda: logs.automator_log(facts)),
            Asset("network.har", lambda: logs.network_har(facts)),
            Asset("performance.json", lambda: logs.performance(facts)),
            Asset("console.json", lambda: logs.console(facts)),
            Asset(f"_tracelog_{loader}.json.gz", lambda: logs.trace(facts), is_hidden=True),
        ]
    if facts.dice.one_in(46, 25):
        found.append(Asset("junit.xml", lambda: logs.junit(facts)))
    return found


def _of_cypress(facts: JobFacts) -> list[Asset]:
    spec = f"{facts.test.suite}.spec.js"
    return [
        Asset("console.log", lambda: logs.console_log(facts)),
        Asset(f"{spec}.mp4", lambda: pictures.video(facts.dice)),
        Asset(f"{spec}.json", lambda: logs.spec_report(facts)),
        Asset(f"{spec}.xml", lambda: logs.junit(facts)),
    ]


def _screenshot(facts: JobFacts, number: int) -> Asset:
    return Asset(f"{number:04}screenshot.png", lambda: pictures.screenshot(facts.dice, number))
