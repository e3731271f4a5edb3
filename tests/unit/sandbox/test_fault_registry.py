"""Every fault of the sandbox goes through all uses: registered, parsed, documented, judged.

A new fault is a decorated function in sandbox/faults. Its oddity in tests/support/oddities.py says
how a run ends with it, and tests/integration/faults/test_never_fooled.py lets it happen.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.sandbox.faults.decorators import AFTER, ALTER, BEFORE, SETTINGS, SettingType
from sauce_janitor.sandbox.injected_faults import Fault
from tests.support.oddities import ODDITIES, ODDITIES_OF_PEOPLE

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "sandbox.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## Faults\n")[2].partition("\n## ")[0]
SHARED = ("row", "only")
"""Settings of all faults of "Fields", which stand once, above their table."""
ENDINGS = {"goes": "done", "stays": "kept", "refused": "refused"}

every_fault = pytest.mark.parametrize("name", sorted(SETTINGS))


def row(name: str) -> tuple[str, str]:
    """Return what the page says that the fault does, and how a run ends with it."""
    found: list[tuple[str, str]] = re.findall(
        rf"^\| `{name}` \| ([^|]+) \| ([^|]+) \|$", SECTION, re.MULTILINE
    )
    assert len(found) == 1, f"`{name}` has {len(found)} rows in docs/reference/sandbox.md, Faults"
    return found[0]


def value(kind: SettingType) -> Any:
    """Return a value of the setting's type."""
    first = kind[0] if isinstance(kind, tuple) else kind
    return {"only": "x"} if first is dict else first(1) if first in {int, float} else first()


def test_the_page_has_no_fault_that_does_not_exist() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", SECTION, re.MULTILINE)) == SETTINGS.keys()


@every_fault
def test_it_is_registered_once_and_says_what_it_does(name: str) -> None:
    registers: tuple[Mapping[str, object], ...] = (ALTER, BEFORE, AFTER)
    (act,) = [each[name] for each in registers if name in each]
    text = inspect.cleandoc(inspect.getdoc(act) or "")
    assert re.match(r"[A-Z].*\.", text, re.DOTALL), "a docstring is a sentence"


@every_fault
def test_a_file_of_faults_can_name_it_with_its_settings_and_no_others(name: str) -> None:
    settings = {key: value(kind) for key, kind in SETTINGS[name].items()}
    assert dict(Fault.parse({"fault": name, **settings}).settings) == settings
    wrongs: list[dict[str, Any]] = [{"no_such_setting": 1}, *({key: None} for key in settings)]
    for wrong in wrongs:
        with pytest.raises(ValueError, match=name):
            Fault.parse({"fault": name, **wrong})


@every_fault
def test_the_page_has_its_row_with_its_settings(name: str) -> None:
    fields = SECTION.partition("\n### Fields\n")[2].partition("\n### ")[0]
    shared = SHARED if f"\n| `{name}` |" in fields else ()
    assert {*re.findall(r"`([^`]+)`", row(name)[0]), *shared} == SETTINGS[name].keys()


@every_fault
def test_an_oddity_has_it_and_the_page_says_how_a_run_ends_with_it(name: str) -> None:
    assert any(_has(one, name) for one in ODDITIES), "add it to tests/support/oddities.py"
    judged = {ENDINGS[one.ending] for one in (*ODDITIES, *ODDITIES_OF_PEOPLE) if _has(one, name)}
    assert row(name)[1] == ", ".join(sorted(judged))


def _has(oddity: Any, name: str) -> bool:
    return any(fault["fault"] == name for fault in oddity.faults)
