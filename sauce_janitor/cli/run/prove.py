"""`prove`: check the journal against the archive: each deletion has a receipt, each byte its hash.

Sends nothing to Sauce Labs.
"""

from __future__ import annotations

from contextlib import ExitStack

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.options import ACCOUNTS, FORMAT
from sauce_janitor.errors import ConfigError

FOUND_SOMETHING = 6
"""The exit code if the archive lacks something that the journal has."""


@click.command()
@click.argument("job_id", metavar="[JOB]", required=False)
@ACCOUNTS
@FORMAT
@click.pass_obj
def prove(session: Session, /, job_id: str | None, accounts: tuple[str, ...], form: str) -> int:
    """Prove, for all jobs or for JOB, that every deletion has its receipt and every archived byte
    its hash.

    Exits with 6 if the archive lacks what the journal says it has. Names what cannot be proven.
    """
    from sauce_janitor import report
    from sauce_janitor.archive import Catalogue, has_archive
    from sauce_janitor.cli import known_jobs
    from sauce_janitor.cli.job_lookup import find_known_ids
    from sauce_janitor.cli.options import parse_job
    from sauce_janitor.operations.prove import lines_of
    from sauce_janitor.operations.prove import prove as prove_accounts

    config = session.load()
    names = [account.name for account in known_jobs.select_accounts(config, accounts)]
    job = None if job_id is None else find_known_ids(config, (parse_job(job_id),), names)[0]
    path = config.archive.location
    with ExitStack() as stack:
        state = stack.enter_context(known_jobs.open_to_read(config))
        uuid = state.identity.archive_uuid(str(path))
        catalogue = None
        # Otherwise there never was an archive: the journal is checked alone.
        if uuid is not None or has_archive(path):
            catalogue = stack.enter_context(Catalogue.open(path, known_uuid=uuid))
        found = prove_accounts(state, catalogue, names, job)
    # Without this, a wrong id would look like a proof.
    if job and not (
        found.archived or found.deletions or found.jobs or found.already_gone or found.in_doubt
    ):
        raise ConfigError(f"job {job} is neither in the journal nor in the archive")
    if form == "json":
        json_output.echo(found)
    else:
        for finding in found.findings:
            terminal.echo(f"Found: {report.clean(finding)}")
        for line in lines_of(found):
            terminal.echo(line)
    return FOUND_SOMETHING if found.findings else 0
