"""The output that people read: plans, results of runs, jobs, budgets, and the one table.

`terminal` describes how to print.
"""

from typing import TYPE_CHECKING

from sauce_janitor.facade import late_names
from sauce_janitor.terminal import printable as clean
from sauce_janitor.times import day, iso, when

if TYPE_CHECKING:
    from sauce_janitor.report.budget_text import budget_line, inflow_lines, needed_lines
    from sauce_janitor.report.csv_rows import COLUMNS, action_row, csv_lines, kept_row
    from sauce_janitor.report.dangers import unstored_words
    from sauce_janitor.report.explanation_words import (
        follower,
        group_text,
        is_idle,
        keep_text,
        outlook_reasons,
        outlook_time,
        precedence_text,
        rule_text,
        rule_time,
    )
    from sauce_janitor.report.failed_jobs import (
        failure_advice,
        failure_words,
        retry_lines,
        retry_sentence,
        waiting_line,
    )
    from sauce_janitor.report.jobs import JOB_COLUMNS, job_row, show_document, show_jobs, status_of
    from sauce_janitor.report.plan_text import About, markdown, show_plan
    from sauce_janitor.report.results import Ended, closing_lines, done_line, show_end
    from sauce_janitor.report.rich_console import console, say
    from sauce_janitor.report.tables import CellKind, Column, cut, show_table, table_lines
    from sauce_janitor.report.text import (
        ACTIONS,
        counted,
        due,
        last_line,
        outcomes_text,
        size,
        span,
    )
else:
    __getattr__ = late_names(
        __name__,
        {
            "budget_text": "budget_line inflow_lines needed_lines",
            "csv_rows": "COLUMNS action_row csv_lines kept_row",
            "dangers": "unstored_words",
            "explanation_words": (
                "follower group_text is_idle keep_text outlook_reasons outlook_time"
                " precedence_text rule_text rule_time"
            ),
            "failed_jobs": "failure_advice failure_words retry_lines retry_sentence waiting_line",
            "jobs": "JOB_COLUMNS job_row show_document show_jobs status_of",
            "plan_text": "About markdown show_plan",
            "results": "Ended closing_lines done_line show_end",
            "rich_console": "console say",
            "tables": "CellKind Column cut show_table table_lines",
            "text": "ACTIONS counted due last_line outcomes_text size span",
        },
    )

__all__ = [
    "ACTIONS",
    "COLUMNS",
    "JOB_COLUMNS",
    "About",
    "CellKind",
    "Column",
    "Ended",
    "action_row",
    "budget_line",
    "clean",
    "closing_lines",
    "console",
    "counted",
    "csv_lines",
    "cut",
    "day",
    "done_line",
    "due",
    "failure_advice",
    "failure_words",
    "follower",
    "group_text",
    "inflow_lines",
    "is_idle",
    "iso",
    "job_row",
    "keep_text",
    "kept_row",
    "last_line",
    "markdown",
    "needed_lines",
    "outcomes_text",
    "outlook_reasons",
    "outlook_time",
    "precedence_text",
    "retry_lines",
    "retry_sentence",
    "rule_text",
    "rule_time",
    "say",
    "show_document",
    "show_end",
    "show_jobs",
    "show_plan",
    "show_table",
    "size",
    "span",
    "status_of",
    "table_lines",
    "unstored_words",
    "waiting_line",
    "when",
]  # fmt: skip
