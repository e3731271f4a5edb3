"""`demo`: plan, apply and verify on a sandbox, in a folder that is left for a look around."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.errors import ConfigError

if TYPE_CHECKING:
    from sauce_janitor.sandbox import Sandbox

FOLDER = Path("sauce-janitor-demo")
_MARK = ".made-by-sauce-janitor-demo"
_JOBS = 400
_DAYS = 29
"""Sauce Labs purges assets after 30 days: with one day less, the first run finds all of them."""
_BAR = 36
_BLOCKS = ("\u2588", "\u2591")
_PLAIN_BLOCKS = ("#", ".")
"""A full and an empty piece of a bar; the second pair is for a terminal without UTF-8."""
_CONFIG = """\
# The configuration of `sauce-janitor demo`. The sandbox at this address has ended.
# Start another one with: sauce-janitor sandbox
version: 1
accounts:
  demo:
    base_url: {base_url}
    username: {user}
    access_key: {{file: access-key}}
archive: {{path: ./archive}}
state: {{path: ./state.db}}
holds:
  - {{tag: keep}}
  - {{tag_prefix: "keep-until="}}
policies:
  # Nothing here is worth storing.
  - name: pull-requests
    match: {{build: "PR-*"}}
    then: {{archive: none, delete_assets: 3d, delete_job: 14d}}
  # The newest of each test and browser, the last green one, and the logs of the rest.
  - name: nightly
    match: {{build: "nightly-*"}}
    group_by: [name, browser]
    keep:
      - {{id: recent, last: 1}}
      - {{id: last-green, last: 1, where: {{status: passed}}}}
      - {{id: week, within: 7d}}
    then:
      archive: {{after: 2h, assets: [logs, har], discard: rest}}
      delete_assets: 10d
      delete_job: 20d
  # Never deletes a job's record.
  - name: everything-else
    default: true
    then:
      archive: {{after: 20d, assets: [logs, screenshots], discard: rest}}
      delete_assets: 25d
"""


@click.command()
@click.option(
    "--jobs",
    type=click.IntRange(1, 100_000),
    metavar="N",
    default=_JOBS,
    show_default=True,
    help="Number of jobs in the sandbox.",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="The same seed makes the same jobs."
)
@click.pass_obj
def demo(session: Session, *, jobs: int, seed: int) -> int:
    """Try it without an account: plan, apply and verify a month of jobs on the sandbox.

    The files are left in ./sauce-janitor-demo/ and replace those of an earlier demo.
    """
    from sauce_janitor.sandbox import Sandbox, SandboxOptions

    began = time.monotonic()
    _make_folder()
    options = SandboxOptions(
        jobs=jobs, seed=seed, days=_DAYS, request_log=FOLDER / "requests.jsonl"
    )
    with Sandbox(options) as sandbox:
        _configure(sandbox)
        # The steps print their results themselves: info lines would be between them.
        session = replace(
            session, config_path=FOLDER / "config.yaml", log_level=session.log_level or "warning"
        )
        _say(
            1,
            f"A Sauce Labs look-alike with {jobs} jobs of user {sandbox.user} runs at "
            f"{sandbox.base_url}.",
        )
        # Counted in the sandbox itself, so the chart does not rely on what this program reports.
        before = _at_sauce_labs(sandbox)
        code = _plan_and_apply(session) or _verify(session)
        after = _at_sauce_labs(sandbox)
        writes = [entry for entry in sandbox.log if entry.method not in {"GET", "HEAD"}]
        asked = len(sandbox.log)
    # After a failure, a chart of success would hide the error above it.
    if code == 0:
        _say(
            5,
            f"Done in {time.monotonic() - began:.0f} s: {asked} requests, {len(writes)} of them "
            "changed something.",
        )
        _print_next_steps()
        for line in _picture(before, after, _in_archive()):
            terminal.echo(line)
    return code


def _make_folder() -> None:
    if FOLDER.exists():
        # The folder is removed as a whole: it must not be one of the user's own.
        if not (FOLDER / _MARK).exists():
            raise ConfigError(
                f"./{FOLDER} exists already, and no demo made it: move it away, or run the demo in "
                "another folder"
            )
        shutil.rmtree(FOLDER)
    FOLDER.mkdir()
    (FOLDER / _MARK).touch()


def _configure(sandbox: Sandbox) -> None:
    (FOLDER / "config.yaml").write_text(
        _CONFIG.format(base_url=sandbox.base_url, user=sandbox.user)
    )
    key = FOLDER / "access-key"
    # First the mode, then the key: no other user can read it in between.
    key.touch(mode=0o600)
    key.write_text(sandbox.access_key + "\n")


def _plan_and_apply(session: Session) -> int:
    from sauce_janitor.cli.run.execution import carry_out
    from sauce_janitor.cli.run.plan_view import show_plans

    plan = FOLDER / "plan.json"
    options: dict[str, object] = {"accounts": (), "policies": (), "form": "table"}
    _say(2, f"sauce-janitor plan --out {plan}: only GETs, nothing changes.")
    code = show_plans(session, {**options, "out": plan, "everything": False})
    if code:
        return code
    _say(
        3,
        f"sauce-janitor apply {plan}: fetch, hash, flush, receipt, ask again, journal, delete, "
        "confirm.",
    )
    return carry_out(session, {**options, "reviewed": plan, "end_only": True})


def _verify(session: Session) -> int:
    from sauce_janitor.cli.archive.archive import archive

    _say(4, "sauce-janitor archive verify: read every archived byte again.")
    context = click.Context(archive, info_name="archive", obj=session)
    code = context.invoke(archive.commands["verify"])
    return code if isinstance(code, int) else 0


@dataclass(frozen=True, slots=True)
class StockCount:
    """How many jobs, assets and bytes of assets a place has."""

    jobs: int
    assets: int
    size_bytes: int


def _at_sauce_labs(sandbox: Sandbox) -> StockCount:
    """Return what the sandbox really has, not what the state believes."""
    found = [truth for job in sandbox.job_ids() if (truth := sandbox.truth(job)) is not None]
    sizes = list(chain.from_iterable(truth.assets.values() for truth in found))
    return StockCount(len(found), len(sizes), sum(sizes))


def _in_archive() -> StockCount:
    """Count on the disk: folders with a receipt, and the files under `assets/`."""
    jobs = [receipt.parent for receipt in (FOLDER / "archive").rglob("receipt.json")]
    files = [file for file in (FOLDER / "archive").rglob("assets/*") if file.is_file()]
    return StockCount(len(jobs), len(files), sum(file.stat().st_size for file in files))


def _picture(before: StockCount, after: StockCount, archived: StockCount) -> Iterator[str]:
    """Yield the lines of a chart of before and after, at most 80 columns wide."""
    from sauce_janitor import report

    full, empty = _PLAIN_BLOCKS if _is_plain() else _BLOCKS
    rows = (
        ("jobs", before.jobs, after.jobs, "{:,}".format),
        ("assets", before.assets, after.assets, "{:,}".format),
        ("bytes", before.size_bytes, after.size_bytes, report.size),
    )
    yield "\nAt Sauce Labs"
    for name, was, left, written in rows:
        filled = round(_BAR * left / was) if was else 0
        yield f"  {name:<8}before  {full * _BAR}  {written(was):>10}"
        yield f"  {'':<8}after   {full * filled}{empty * (_BAR - filled)}  {written(left):>10}"
    stored = (
        f"{archived.jobs:,} jobs, {archived.assets:,} assets, {report.size(archived.size_bytes)}"
    )
    yield f"In the archive: {stored}, every byte verified"
    yield "Deleted without a copy: only what the policies do not archive"


def _is_plain() -> bool:
    """Return whether the chart is drawn in ASCII: without a terminal, or with one without UTF-8."""
    return not (terminal.is_terminal() and terminal.stream().encoding.lower().startswith("utf"))


def _say(step: int, text: str) -> None:
    from sauce_janitor import report

    out = report.console(color=None)
    out.print()
    report.say(out, f"[{step}] {text}", style="bold")
    out.print()


def _print_next_steps() -> None:
    terminal.echo(f"""\
Look around in ./{FOLDER}/
  config.yaml      the policies that decided
  plan.json        the reviewed plan: every action with its reasons
  archive/         one folder per job: job.json, assets, receipt with hashes
  requests.jsonl   the requests to the sandbox, one per line
  state.db         the inventory and the journal

Why a job stays or is deleted:
  sauce-janitor --config {FOLDER}/config.yaml explain JOB_ID
On your own account:           sauce-janitor init, check, plan""")
