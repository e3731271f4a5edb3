"""An explanation as text: what happens to a job and when, by which policy, and its journal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Console

from sauce_janitor import report
from sauce_janitor.console.job_explanation import Explained
from sauce_janitor.console.journal_text import journal_detail, journal_text
from sauce_janitor.model.jobs import UNKNOWN, AssetsStanding, Record
from sauce_janitor.retention.what_if.explain import Explanation, Outlook

_MOST_MISSING: Final = 10
_ASSETS: Final = {
    AssetsStanding.PRESENT: "its assets are at Sauce Labs",
    AssetsStanding.DELETED: "its assets were deleted by sauce-janitor",
    AssetsStanding.PURGED: "its assets were purged by Sauce Labs",
}


def show(out: Console, each: Explained) -> None:
    """Print the job, what happens and by which policies, what would keep it, and its journal."""
    # The policies no longer apply to a job that is gone: its journal says what happened.
    if each.explanation is None:
        out.print(f"{each.job} of account {each.account}: {_deleted_text(each)}", style="bold")
    else:
        _show_job(out, each, each.explanation)
        _show_outlooks(out, each.explanation)
        _show_policies(out, each)
        _show_missing(out, each.explanation.record)
    if each.waits_until is not None:
        at = report.when(each.waits_until)
        report.say(
            out,
            "Sauce Labs lists no assets of it, as it does when its lists fail: it may be deleted "
            f"if that is still so after {at}",
        )
    if each.retry is not None:
        report.say(out, report.retry_sentence(each.retry, now=each.as_of))
    for hold in each.holds:
        end = f"until {report.when(hold.until)}" if hold.until else "until it is released"
        report.say(out, f"Held by {hold.by} since {report.when(hold.at)}, {end}: {hold.reason}")
    if each.explanation is not None and each.explanation.saves:
        out.print("\nWhat would keep it", style="bold")
        for text in each.explanation.saves:
            report.say(out, text, indent=2)
    if each.lines:
        out.print("\nJournal", style="bold")
        columns = (
            report.Column("", "time"),
            report.Column("", "prose"),
            report.Column("", "prose"),
        )
        report.show_table(
            out,
            columns,
            [(line.at, journal_text(line), journal_detail(line)) for line in each.lines],
            indent=2,
        )


_GOES_WITH_THE_JOB: Final = ("with the job", "no policy deletes the assets alone")
_COLUMNS: Final = (
    report.Column("", "word"),
    report.Column("", "prose"),
    report.Column("", "prose"),
)
"""The columns of a table: an action, its time, and the reason."""


def _show_job(out: Console, each: Explained, explanation: Explanation) -> None:
    record, job = explanation.record, explanation.record.job
    name = job.name if isinstance(job.name, str) else "(no name)"
    report.say(out, f"{job.id}  {name}", style="bold")
    words = [f"of {job.owner} in account {each.account}", *_facts(record)]
    report.say(out, ", ".join(words), indent=2)
    age = (
        "has no age"
        if explanation.age_time is None
        else f"age {report.span(max(0, each.as_of - explanation.age_time))}"
    )
    # A job that still runs has no end, and an end that cannot be read has no time.
    ended = f"ended {report.when(job.ended_at)}, " if isinstance(job.ended_at, int) else ""
    archived = (
        f"archived: {' and '.join(sorted(record.archived))}"
        if record.archived
        else "nothing archived yet"
    )
    if record.missing:
        files = report.counted(len(record.missing), "file")
        archived = f"archived except {files} that could not be downloaded"
    report.say(
        out, f"{job.state.value}, {ended}{age}, {_ASSETS[record.assets]}, {archived}", indent=2
    )
    tags = "unknown" if job.tags is UNKNOWN else ", ".join(job.tags) or "none"
    report.say(out, f"tags: {tags}", indent=2)


def _show_missing(out: Console, record: Record) -> None:
    """Print the files that could not be downloaded, at most ten, and why."""
    if not record.missing:
        return
    out.print("\nFiles that could not be downloaded", style="bold")
    for file in record.missing[:_MOST_MISSING]:
        report.say(
            out, f"{file.name}: {file.why}; missing since {report.when(file.since)}", indent=2
        )
    if len(record.missing) > _MOST_MISSING:
        report.say(out, f"and {len(record.missing) - _MOST_MISSING:,} more", indent=2)


def _facts(record: Record) -> Iterator[str]:
    job = record.job
    if isinstance(job.build, str):
        status = f" ({record.build_status})" if isinstance(record.build_status, str) else ""
        yield f"build {job.build}{status}"
    for value in (job.status, job.os, job.browser):
        if isinstance(value, str):
            yield value


def _show_outlooks(out: Console, explanation: Explanation) -> None:
    out.print("\nWhat happens", style="bold")
    follower = report.follower(explanation)
    rows = [
        (
            report.ACTIONS[outlook.decision.action],
            *(_GOES_WITH_THE_JOB if outlook is follower else _fate(outlook)),
        )
        for outlook in explanation.outlooks
        if not report.is_idle(outlook)
    ]
    report.show_table(out, _COLUMNS, rows, indent=2)
    # A keep rule may stop keeping the job only because newer jobs arrive.
    if explanation.goes_at is None and explanation.expected_at is not None:
        report.say(
            out,
            f"Stays for now; the first delete is due about {report.when(explanation.expected_at)}, "
            "at the present rate of new jobs",
            indent=2,
        )


def _fate(outlook: Outlook) -> tuple[str, str]:
    return report.outlook_time(outlook), "; ".join(report.outlook_reasons(outlook))


def _show_policies(out: Console, each: Explained) -> None:
    assert each.explanation is not None
    views = [
        view
        for view in each.explanation.policies
        if not each.policies or view.policy in each.policies
    ]
    spoken = [view for view in views if view.matches is not False]
    out.print("\nWhich policies apply", style="bold")
    # First the policies that decide.
    for view in sorted(spoken, key=lambda view: not view.speaks):
        report.say(out, f"{view.policy}: {report.precedence_text(view)}", indent=2)
        # For a default that steps back everywhere, its first line says so already.
        words = [word for word in view.rule_views if word.standing != "steps_back" or view.speaks]
        if words:
            rows = [
                (report.ACTIONS[word.action], report.rule_time(word), report.rule_text(word))
                for word in words
            ]
            report.show_table(out, _COLUMNS, rows, indent=6)
        if view.group is not None:
            report.say(out, report.group_text(view), indent=6)
        for keep in view.keeps:
            report.say(out, f"{keep.rule}: {report.keep_text(keep)}", indent=6)
    silent = [view.policy for view in views if view.matches is False]
    if silent:
        report.say(out, f"no match: {', '.join(silent)}", indent=2)
    if not views:
        report.say(out, "no policy", indent=2)


def _deleted_text(each: Explained) -> str:
    gone = each.deletion
    if gone is None:
        return "no longer in the inventory; not deleted by sauce-janitor"
    how = "deleted" if gone.outcome == "confirmed" else "already gone before the delete"
    return f"{how}, {report.when(gone.at)}, by policy {report.clean(gone.policy)}"
