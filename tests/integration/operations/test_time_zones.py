"""What the commands show is in the configuration's time zone, with its name; what machines read
stays in UTC.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from sauce_janitor import cli
from tests.support.commands import Commands

POLICIES = """
timezone: Asia/Colombo
limits: {max_percent: null}
policies:
  - name: old
    match: {name: "*"}
    then: {delete_assets: 1d, archive: {assets: [all]}}
"""
TIME = re.compile(r"20\d\d-\d\d-\d\d \d\d:\d\d (\S+)")


def test_each_command_shows_the_configured_zone_and_with_utc_utc(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(5)
    desk.configure(POLICIES)
    job = json.loads(desk.say("jobs", "--format", "json").stdout)[0]
    asked = (("plan",), ("explain", job["id"]), ("jobs",), ("status",), ("simulate", "--for", "3d"))
    for words in asked:
        zones, utc = (
            set(TIME.findall(desk.say(*words, *more).stdout)) for more in ((), ("--utc",))
        )
        assert {zone.rstrip(":,;)") for zone in zones} == {"+0530"}, words
        assert {zone.rstrip(":,;)") for zone in utc} == {"UTC"}, words


def test_each_command_loads_its_configuration_so_that_times_follow_it() -> None:
    folder = Path(cli.__file__).parent
    apart = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.py")
        if "load(session.config_path" in path.read_text()
    }
    assert apart == {"setup/serve.py"}, "say session.load(); the daemon keeps UTC"


def test_what_machines_read_is_in_utc_in_every_zone(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk(5)
    desk.configure(POLICIES)
    for words in (
        ("jobs", "--format", "json"),
        ("jobs", "--format", "csv"),
        ("plan", "--format", "json"),
    ):
        said = desk.say(*words).stdout
        assert "+0530" not in said
        assert re.search(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", said)
