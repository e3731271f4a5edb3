"""What people read: a plan, an end of a run, an explanation. How to print is said in `terminal`."""

from sauce_janitor.report.budgets import inflow, needed, stands
from sauce_janitor.report.ends import Ended, Failure, closing_lines, show_end
from sauce_janitor.report.jobs import JOB_COLUMNS, Column, job_row, one_liners, show_document, show_jobs, status_of
from sauce_janitor.report.plans import About, markdown, show_plan
from sauce_janitor.report.retries import retry_lines, retry_row, retry_rows, retry_sentence, waiting_line
from sauce_janitor.report.rows import COLUMNS, action_row, csv_lines, kept_row
from sauce_janitor.report.words import (
    ACTIONS,
    console,
    iso,
    last_line,
    plain_table,
    say,
    size,
    span,
    when,
)
from sauce_janitor.terminal import json_text
from sauce_janitor.terminal import printable as clean

__all__ = [
    "ACTIONS",
    "COLUMNS",
    "JOB_COLUMNS",
    "About",
    "Column",
    "Ended",
    "Failure",
    "action_row",
    "clean",
    "closing_lines",
    "console",
    "csv_lines",
    "inflow",
    "iso",
    "job_row",
    "json_text",
    "kept_row",
    "last_line",
    "markdown",
    "needed",
    "one_liners",
    "plain_table",
    "retry_lines",
    "retry_row",
    "retry_rows",
    "retry_sentence",
    "say",
    "show_document",
    "show_end",
    "show_jobs",
    "show_plan",
    "size",
    "span",
    "stands",
    "status_of",
    "waiting_line",
    "when",
]  # fmt: skip
