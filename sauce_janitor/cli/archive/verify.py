"""`archive verify`: every stored byte against its receipt, every receipt against the journal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.errors import ConfigError

if TYPE_CHECKING:
    from sauce_janitor.archive import Finding, Proof
    from sauce_janitor.operations.verify import Verified

FOUND_SOMETHING = 6
"""The exit code of a verification that found damage."""

_SHARE = re.compile(r"(\d+(?:\.\d+)?)%")


class _Share(click.ParamType[float]):
    name = "PERCENT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """A share as a number above 0 and not above 1."""
        if isinstance(value, float):
            return value
        found = _SHARE.fullmatch(str(value).strip())
        share = float(found[1]) / 100 if found else 0.0
        if not 0 < share <= 1:
            self.fail(
                f"{value!r} is no share of the archive: write a percentage, such as 5%", param, ctx
            )
        return share


@click.command()
@click.argument("job_id", metavar="[JOB]", required=False)
@click.option("--account", metavar="NAME", help="Only this account.")
@click.option("--owner", metavar="USER", help="Only jobs of this user.")
@click.option(
    "--sample", type=_Share(), help="Only this share of the jobs, such as 5%; another one each day."
)
@click.option("--resume", is_flag=True, help="Continue an interrupted verification.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Files to read at the same time. Default: by the number of processors.",
)
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
@click.pass_context
def verify(ctx: click.Context, /, job_id: str | None, form: str, **given: Any) -> None:
    """Read every archived file again and compare it with its receipt, and the receipts with the
    journal.

    Exits with 6 if a file is missing, changed, extra or a link, or a receipt differs from the
    journal; each is named. Repairs and removes nothing. --resume continues an interrupted
    verification.
    """
    from sauce_janitor import report

    session: Session = ctx.obj
    if given["resume"] and (job_id or given["sample"]):
        raise click.UsageError(
            "--resume goes on with a verification of everything: leave out JOB and --sample"
        )
    done = _verified(session, job_id, given, show=form == "table")
    if job_id and not done.jobs:
        raise ConfigError(f"the archive holds nothing of job {job_id}")
    if (given["account"] or given["owner"]) and not (
        done.jobs or done.findings or given["sample"] or given["resume"]
    ):
        whose = [f"{what} {given[what]!r:.80}" for what in ("account", "owner") if given[what]]
        raise ConfigError(
            f"the archive holds nothing of {' and '.join(whose)}: nothing was verified"
        )
    if form == "json":
        terminal.echo(report.json_text(_as_json(done)))
    else:
        lacking = (
            f"; {done.incomplete:,} jobs are incomplete, see archive list"
            if done.incomplete
            else ""
        )
        before = f", {done.resumed:,} of the jobs before" if done.resumed else ""
        terminal.echo(
            f"Verified: {done.jobs:,} jobs, {done.files:,} files, {done.size_bytes:,} bytes, "
            f"{len(done.findings):,} findings{before}{lacking}"
        )
        if not done.against_journal:
            terminal.echo(
                "There is no state here, so receipts were not compared with its journal.", err=True
            )
    if done.findings:
        ctx.exit(FOUND_SOMETHING)


def _verified(
    session: Session, job_id: str | None, given: dict[str, Any], *, show: bool
) -> Verified:
    import time
    from contextlib import ExitStack

    from sauce_janitor.archive import Catalogue
    from sauce_janitor.archive.verify import JobSampleShare
    from sauce_janitor.cli.job_lookup import stored_id
    from sauce_janitor.cli.known_jobs import look
    from sauce_janitor.cli.progress import ProgressDisplay
    from sauce_janitor.operations.verify import VerifyContext, VerifyScope, verify

    config = session.load()
    share, now = given["sample"], time.time()
    wanted = VerifyScope(
        account=given["account"],
        owner=_owner(given["owner"]),
        job=stored_id(session, job_id, given["account"]) if job_id else None,
        sample=JobSampleShare.of(share, int(now) // 86_400) if share else None,
        resume=given["resume"],
    )
    with ExitStack() as stack:
        # Of a state that cannot be written here nothing is remembered: the copy vanishes.
        state = stack.enter_context(look(config, scratch=True)) if config.state.exists() else None
        known = state.identity.archive_uuid(str(config.archive.path)) if state else None
        catalogue = stack.enter_context(Catalogue.open(config.archive.path, known_uuid=known))
        moving = terminal.is_terminal(err=True) and session.log_format != "json"
        shown = stack.enter_context(ProgressDisplay(color=session.color, moving=moving))

        jobs, findings = 0, 0

        def told(proof: Proof) -> None:
            nonlocal jobs, findings
            jobs, findings = jobs + 1, findings + len(proof.findings)
            shown.step()
            if show and proof.findings:
                with shown.hidden():
                    for finding in proof.findings:
                        terminal.echo(_line(finding))

        shown.phase(given["account"] or "archive", "verify")
        trusted = config.archive.trust_read_back_s is not None
        means = VerifyContext(
            catalogue, state, on_proof=told, workers=given["workers"], remembers=trusted
        )
        try:
            return verify(wanted, means)
        except KeyboardInterrupt:
            shown.end()
            is_kept = (
                state is not None
                and not state.is_read_only
                and wanted.job is None
                and wanted.sample is None
            )
            again = ". Go on with --resume" if is_kept else ""
            terminal.echo(
                f"Verified until then: {jobs:,} jobs, {findings:,} findings{again}", err=True
            )
            raise


def _line(finding: Finding) -> str:
    return terminal.printable(finding)


def _as_json(done: Verified) -> dict[str, Any]:
    return {
        "jobs": done.jobs,
        "files": done.files,
        "size_bytes": done.size_bytes,
        "resumed": done.resumed,
        "incomplete": done.incomplete,
        "complete": done.complete,
        "against_journal": done.against_journal,
        "findings": [
            {"place": one.place, "file": one.file, "damage": one.damage.value, "detail": one.detail}
            for one in done.findings
        ],
    }


def _owner(text: str | None) -> Any:
    from sauce_janitor.model.jobs import owner_name

    try:
        return None if text is None else owner_name(text)
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from wrong
