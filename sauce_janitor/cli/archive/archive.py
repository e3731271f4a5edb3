"""The group `archive`. Each of its commands has a module of its own."""

from __future__ import annotations

import click

from sauce_janitor.cli.archive.adopt import adopt
from sauce_janitor.cli.archive.browse import list_jobs, show
from sauce_janitor.cli.archive.copy import copy
from sauce_janitor.cli.archive.export import export
from sauce_janitor.cli.archive.open import open_page
from sauce_janitor.cli.archive.prune import prune
from sauce_janitor.cli.archive.reindex import reindex
from sauce_janitor.cli.archive.verify import verify


@click.group()
def archive() -> None:
    """List, show, verify, export and prune what is archived."""


for _command in (list_jobs, show, export, open_page, verify, prune, reindex, adopt, copy):
    archive.add_command(_command)
