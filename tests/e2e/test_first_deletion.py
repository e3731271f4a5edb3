"""docs/tutorials/first-deletion.md works as it is typed there, and prints what it quotes."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.backends import Storage
from tests.support.processes import Processes

PAGE = (Path(__file__).parents[2] / "docs/tutorials/first-deletion.md").read_text(encoding="utf-8")
TYPED = PAGE.partition("## 4. Read the plan")[2].partition("## On your account")[0]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLE = "8e3502c0"
"""The job that the page asks about; the test takes the first one that its own plan deletes."""


def words(text: str) -> list[str]:
    """Return the lines of an output without what differs from run to run: ids, times, numbers and
    spaces.
    """
    text = re.sub(r"\b[0-9a-f]{8,64}\b", "ID", text)
    text = re.sub(r"\d[\d,.]*", "N", text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_every_step_prints_what_the_page_says(
    tmp_path: Path, storage: Storage, start_sandbox: Callable[..., Any]
) -> None:
    (options,) = re.findall(
        r"^sauce-janitor sandbox --jobs (\d+) --days (\d+) --port 8600$", PAGE, re.MULTILINE
    )
    sandbox = start_sandbox(int(options[0]), days=int(options[1]))
    (config,) = [text for language, text in BLOCK.findall(PAGE) if language == "yaml"]
    desk = Processes(tmp_path / "desk", sandbox, storage)
    desk.configure(config.replace("http://127.0.0.1:8600", sandbox.base_url))

    def run(line: str) -> str:
        """Run one line of the page and return what it prints."""
        program, *arguments = shlex.split(line, comments=True)
        assert program == "sauce-janitor"
        return desk.run(*arguments).stdout

    assert "config.yaml: valid" in run("sauce-janitor check")
    job, printed = EXAMPLE, ""
    for language, text in BLOCK.findall(TYPED):
        if language == "sh":
            lines = [
                line.replace(EXAMPLE, job)
                for line in text.splitlines()
                if " archive open" not in line
            ]
            printed = "".join(map(run, lines))
            if "plan --out plan.json" in text:
                actions = json.loads((desk.folder / "plan.json").read_text())["actions"]
                job = next(
                    action["job_id"] for action in actions if action["action"] == "delete_job"
                )
        else:
            missing = [line for line in words(text) if line not in words(printed)]
            assert not missing, f"{missing}\nis not in\n{printed}"
            for count in re.findall(r"(\d+) jobs deleted|Deleted +(\d+)", text):
                assert any(number and number in printed for number in count)
