"""Commands about the archive: each is in a file of its own."""

from __future__ import annotations

import click

from sauce_janitor.cli.adopting import adopt
from sauce_janitor.cli.browsing import list_jobs, show
from sauce_janitor.cli.exporting import export
from sauce_janitor.cli.opening import open_page
from sauce_janitor.cli.pruning import prune
from sauce_janitor.cli.reindexing import reindex
from sauce_janitor.cli.verifying import verify


@click.group()
def archive() -> None:
    """Look into the archive, verify it, export from it and prune it."""


for _command in (list_jobs, show, export, open_page, verify, prune, reindex, adopt):
    archive.add_command(_command)
