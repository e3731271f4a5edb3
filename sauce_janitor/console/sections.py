"""The sections of the daemon's console, in the order of the navigation."""

from __future__ import annotations

from sauce_janitor.clock import CLOCK, Clock
from sauce_janitor.console.access import ConsoleAccess
from sauce_janitor.console.archive import ArchivePages
from sauce_janitor.console.jobs import JobRecords
from sauce_janitor.console.journal import JournalRecords
from sauce_janitor.console.plan import StoredPlans
from sauce_janitor.console.policies.playground import PolicyPlayground
from sauce_janitor.console.policies.policies import ShownPolicies
from sauce_janitor.console.runs import RunRecords
from sauce_janitor.web.archive_page import archive_section
from sauce_janitor.web.console import Section
from sauce_janitor.web.job_page import job_section
from sauce_janitor.web.journal_page import journal_section
from sauce_janitor.web.overview_page import OverviewSource, overview_section
from sauce_janitor.web.plan_page import plan_section
from sauce_janitor.web.policies.policy_page import policy_section
from sauce_janitor.web.run_pages import runs_section


def console_sections(
    access: ConsoleAccess, daemon: OverviewSource, clock: Clock = CLOCK
) -> tuple[Section, ...]:
    """Return all sections of the console of a daemon."""
    archive = ArchivePages(lambda: access.state.archived, access.catalogue, access.keep_up)
    return (
        overview_section(daemon),
        plan_section(StoredPlans(access, clock)),
        archive_section(archive, lambda: str(access.config.archive.location)),
        runs_section(RunRecords(access)),
        journal_section(JournalRecords(access)),
        policy_section(ShownPolicies(access), PolicyPlayground(access)),
        job_section(archive, JobRecords(access)),
    )
