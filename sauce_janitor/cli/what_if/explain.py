"""`explain`: why and when a job is kept or deleted, or why and when it was deleted."""

from __future__ import annotations

import click

from sauce_janitor import json_output
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.options import ACCOUNTS, FORMAT, JOB, parse_job, policies_option
from sauce_janitor.errors import ConfigError


@click.command()
@JOB
@ACCOUNTS
@policies_option("says")
@FORMAT
@click.pass_obj
def explain(
    session: Session, job_id: str, accounts: tuple[str, ...], policies: tuple[str, ...], form: str
) -> None:
    """Explain why JOB stays or is deleted, by which rule, and when; for a deleted job, show what
    the journal has. Sends nothing to Sauce Labs.
    """
    from sauce_janitor.cli import known_jobs
    from sauce_janitor.cli.job_lookup import find_known_ids
    from sauce_janitor.cli.what_if import explanation, explanation_text
    from sauce_janitor.console.job_explanation import explained

    config = session.load()
    only = known_jobs.select_policies(config, policies)
    chosen = known_jobs.select_accounts(config, accounts)
    (job,) = find_known_ids(config, (parse_job(job_id),), [account.name for account in chosen])
    with known_jobs.open_to_read(config, known_jobs.existing_state(config.state)) as state:
        found = [
            known
            for account in chosen
            if (known := explained(config, state, account, job, only)) is not None
        ]
    if not found:
        raise ConfigError(f"job {job} is unknown here: run `sauce-janitor plan` first")
    if form == "json":
        json_output.write(found, explanation.EXPLAINED)
        return
    out = session.console()
    for each in found:
        explanation_text.show(out, each)
