"""`archive verify`: check stored bytes against receipts, and receipts against the journal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.options import FORMAT, ONE_ACCOUNT, ONE_OWNER
from sauce_janitor.errors import ConfigError
from sauce_janitor.json_output import Shape, key
from sauce_janitor.model.safety_numbers import DAY_S

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
        """Return the share as a number above 0 and at most 1."""
        # click also passes values that it has converted before.
        if isinstance(value, float):
            return value
        found = _SHARE.fullmatch(str(value).strip())
        share = float(found[1]) / 100 if found else 0.0
        if not 0 < share <= 1:
            self.fail(
                f"{value!r} is not a share of the archive: write a percentage such as 5%",
                param,
                ctx,
            )
        return share


_VERIFIED = Shape(
    "jobs",
    "files",
    "size_bytes",
    "resumed",
    "incomplete",
    "complete",
    "against_journal",
    key("findings", shape=Shape("place", "file", "damage", "detail")),
)


@click.command()
@click.argument("job_id", metavar="[JOB]", required=False)
@ONE_ACCOUNT
@ONE_OWNER
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
@FORMAT
@click.pass_context
def verify(ctx: click.Context, /, job_id: str | None, form: str, **options: Any) -> None:
    """Read every archived file again and compare it with its receipt, and the receipts with the
    journal.

    Exits with 6 if a file is missing, changed, extra or a link, or a receipt differs from the
    journal; each is named. Repairs and removes nothing. --resume continues an interrupted
    verification.
    """

    from sauce_janitor import report

    session: Session = ctx.obj
    # For one job or a sample nothing is noted from which to continue.
    if options["resume"] and (job_id or options["sample"]):
        raise click.UsageError(
            "--resume continues a verification of everything: leave out JOB and --sample"
        )
    # The sample may leave the job out, which would look as if the archive had nothing of it.
    if job_id and options["sample"]:
        raise click.UsageError("--sample is a share of all jobs: leave out JOB or --sample")
    done = _verify(session, job_id, options, show=form == "table")
    if job_id and not done.jobs:
        raise ConfigError(f"the archive has nothing of job {job_id}")
    # A mistyped name selects nothing, which must not look like "no damage".
    if (options["account"] or options["owner"]) and not (
        done.jobs or done.findings or options["sample"] or options["resume"]
    ):
        filters = [
            f"{what} {options[what]!r:.80}" for what in ("account", "owner") if options[what]
        ]
        raise ConfigError(
            f"the archive has nothing of {' and '.join(filters)}: nothing was verified"
        )
    if form == "json":
        json_output.echo(done, _VERIFIED)
    else:
        lacking = (
            f"; {report.counted(done.incomplete, 'job')} incomplete, see archive list"
            if done.incomplete
            else ""
        )
        before = f", {done.resumed:,} of the jobs before" if done.resumed else ""
        terminal.echo(
            f"Verified: {report.counted(done.jobs, 'job')}, "
            f"{report.counted(done.files, 'file')}, {done.size_bytes:,} bytes, "
            f"{report.counted(len(done.findings), 'finding')}{before}{lacking}"
        )
        # Receipts that were replaced together with their files would not be noticed.
        if not done.against_journal:
            terminal.echo(
                "There is no state, so receipts were not compared with its journal.", err=True
            )
    if done.findings:
        ctx.exit(FOUND_SOMETHING)


def _verify(
    session: Session, job_id: str | None, options: dict[str, Any], *, show: bool
) -> Verified:
    import time
    from contextlib import ExitStack

    from sauce_janitor import report
    from sauce_janitor.archive import Catalogue
    from sauce_janitor.archive.verify import JobSampleShare
    from sauce_janitor.cli.archive.view import read_owner
    from sauce_janitor.cli.job_lookup import find_stored_id
    from sauce_janitor.cli.known_jobs import open_to_read
    from sauce_janitor.cli.progress import ProgressDisplay
    from sauce_janitor.operations.verify import VerifyContext, VerifyScope, verify

    config = session.load()
    share, now = options["sample"], time.time()
    scope = VerifyScope(
        account=options["account"],
        owner=read_owner(options["owner"]),
        job=find_stored_id(session, job_id, options["account"]) if job_id else None,
        # The day is part of the sample: another one each day.
        sample=JobSampleShare.of(share, int(now) // DAY_S) if share else None,
        resume=options["resume"],
    )
    with ExitStack() as stack:
        # A read-only state keeps no progress: it is read from a copy, which is deleted.
        state = (
            stack.enter_context(open_to_read(config, scratch=True))
            if config.state.exists()
            else None
        )
        known = state.identity.archive_uuid(str(config.archive.location)) if state else None
        catalogue = stack.enter_context(Catalogue.open(config.archive.location, known_uuid=known))
        moving = terminal.is_terminal(err=True) and session.log_format != "json"
        progress = stack.enter_context(ProgressDisplay(color=session.color, moving=moving))

        jobs, findings = 0, 0

        def count(proof: Proof) -> None:
            nonlocal jobs, findings
            jobs, findings = jobs + 1, findings + len(proof.findings)
            progress.step()
            if show and proof.findings:
                # At once: a verification may take hours, and damage should not wait for its end.
                with progress.hidden():
                    for finding in proof.findings:
                        terminal.echo(_line(finding))

        progress.phase(options["account"] or "archive", "verify")
        trusted = config.archive.trust_read_back_s is not None
        context = VerifyContext(
            catalogue, state, on_proof=count, workers=options["workers"], remembers=trusted
        )
        try:
            return verify(scope, context)
        except KeyboardInterrupt:
            progress.end()
            # A sample, one job and a read-only state leave no note from which to continue.
            is_kept = (
                state is not None
                and not state.is_read_only
                and scope.job is None
                and scope.sample is None
            )
            again = ". Continue with --resume" if is_kept else ""
            found = report.counted(findings, "finding")
            terminal.echo(
                f"Verified so far: {report.counted(jobs, 'job')}, {found}{again}", err=True
            )
            raise


def _line(finding: Finding) -> str:
    return terminal.printable(finding)
