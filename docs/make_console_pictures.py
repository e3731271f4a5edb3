"""Takes the pictures of the console for docs/: part of `make pictures`.

docs/images/console-overview.png   the overview of a month of jobs on a sandbox
docs/images/console-job.png        one job: what happens to it and why, and its video

A sandbox is cleaned up once, then its policies get shorter, so that the next plan has something due.
Chromium takes the pictures, in its light colors.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from sauce_janitor.sandbox import Sandbox, SandboxOptions

IMAGES = Path(__file__).parent / "images"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CONFIG = """\
version: 1
accounts:
  shop: {{base_url: "{url}", username: demo, access_key: {{env: SAUCE_ACCESS_KEY}},
         budget: {{per_hour: 6000}}}}
archive: {{path: ./archive}}
state: {{path: ./state.db}}
holds: [{{tag: keep}}]
limits: {{max_percent: null}}
web: {{listen: "127.0.0.1:0"}}
policies:
  - name: pull-requests
    match: {{build: "PR-*"}}
    then: {{archive: none, delete_assets: {short}, delete_job: 14d}}
  - name: nightly
    match: {{build: "nightly-*"}}
    group_by: [name, browser]
    keep: [{{id: recent, last: 2}}, {{id: last-green, last: 1, where: {{status: passed}}}}]
    then: {{archive: 2h, delete_assets: {long}, delete_job: 25d}}
  - name: everything-else
    default: true
    then: {{archive: 10d, delete_assets: 20d}}
"""


def janitor(folder: Path, *arguments: str) -> None:
    """Run a command in the folder. Raise SystemExit when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "sauce_janitor", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"sauce-janitor {' '.join(arguments)} failed:\n{done.stderr}")


@contextmanager
def console(folder: Path) -> Iterator[str]:
    """Run `serve` in the folder, and yield its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sauce_janitor", "--log-format", "json", "serve"],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    found = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
    assert found is not None
    try:
        yield found[0]
    finally:
        process.terminate()
        process.communicate()


def take(page: Page, address: str, name: str, height: int) -> None:
    """Take the picture of a page."""
    page.set_viewport_size({"width": 1200, "height": height})
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=IMAGES / f"console-{name}.png")


def main() -> None:
    """Take both pictures."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("chromium is not installed: .ci/components installs it")
    os.environ["SAUCE_ACCESS_KEY"] = "demo-key"
    options = SandboxOptions(jobs=2500, seed=7, days=28)
    with tempfile.TemporaryDirectory() as made, Sandbox(options) as sandbox:
        folder = Path(made)
        os.environ["SAUCE_ACCESS_KEY"] = sandbox.access_key
        for short, long, command in (("6d", "18d", "run --execute"), ("3d", "12d", "plan")):
            text = CONFIG.format(url=sandbox.base_url, short=short, long=long)
            (folder / "config.yaml").write_text(text)
            janitor(folder, *command.split())
            janitor(folder, "archive", "list", "--limit", "1")
        with console(folder) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
            page = browser.new_page()
            # The daemon looks at its state every few seconds.
            time.sleep(8)
            take(page, f"{address}/?refresh=off", "overview", 1240)
            page.goto(f"{address}/archive?q=checkout")
            page.get_by_role("row").filter(has_text="video").first.get_by_role("link").first.click()
            take(page, page.url, "job", 1500)
            browser.close()


if __name__ == "__main__":
    main()
