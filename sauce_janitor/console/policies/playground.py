"""The playground of the console: tries an edit of the policies on the known jobs.

Nothing is saved, and nothing is sent to Sauce Labs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from sauce_janitor.config import Config
from sauce_janitor.config.output.json_schema import json_schema
from sauce_janitor.console.access import ConsoleAccess
from sauce_janitor.console.policies.account_diff import (
    AccountDiff,
    change_rows,
    compare_account,
    forecast_text,
    job_text,
    summary_text,
)
from sauce_janitor.console.policies.policies import shown_tests
from sauce_janitor.console.policies.policy_edit import (
    FileInUse,
    InvalidEditError,
    PolicyEdit,
    edit_lines,
)
from sauce_janitor.console.policies.test_results import are_long
from sauce_janitor.errors import JanitorError, Problem, RefusedError
from sauce_janitor.web.policies.playground_page import (
    KeyHelp,
    Trial,
    TrialChange,
    TrialFault,
    TrialJob,
)

MOST_JOBS: Final = 50_000
"""More known jobs than that take too long for a page."""
_WAIT_S: Final = 5.0
_WITHIN_S: Final = 30.0
_MOST_FAULTS: Final = 50
_HELPED: Final = (
    ("a policy", "PolicyTerm"), ("`then`", "Then"), ("`archive`", "ArchiveTerm"),
    ("a keep rule", "KeepRuleTerm"), ("a hold", "HoldTerm"),
)  # fmt: skip


class PolicyPlayground:
    """Tries edits of the policies (see `web.policies.playground_page`). Any thread may use it."""

    def __init__(self, access: ConsoleAccess) -> None:
        self._access = access
        # Comparing reads every job of an account: one at a time leaves room for other pages.
        self._trying = threading.Lock()

    def accounts(self) -> Sequence[str]:
        return [account.name for account in self._access.config.accounts]

    def text(self) -> str:
        return FileInUse(self._access.config).editable()

    def keys(self) -> Sequence[KeyHelp]:
        return _keys()

    def patch(self, text: str, /) -> str:
        with self._alone():
            return FileInUse(self._access.config).edited(text).patch

    def try_out(self, text: str, account: str, /) -> Trial:
        with self._alone():
            config = self._access.config
            try:
                edit = FileInUse(config).edited(text)
            except InvalidEditError as error:
                faults = tuple(_fault(each) for each in error.problems[:_MOST_FAULTS])
                return Trial(account, faults=faults, more_faults=len(error.problems) - len(faults))
            return self._trial(config, edit, account)

    def _trial(self, config: Config, edit: PolicyEdit, account: str) -> Trial:
        diff, note = None, None
        try:
            diff = self._diff(config, edit.config, account)
        # The patch, the warnings and the tests are worth showing nevertheless.
        except JanitorError as error:
            note = str(error)
        return Trial(
            account,
            note=note,
            summary=None if diff is None else summary_text(diff),
            as_of=None if diff is None else diff.as_of,
            changes=() if diff is None else tuple(_changes(diff)),
            limits=() if diff is None else diff.limits,
            warnings=tuple(edit_lines(config, edit.config.warnings)),
            tests=None if are_long(edit.config) else shown_tests(edit.config),
            patch=tuple(edit.patch.splitlines()),
        )

    def _diff(self, old: Config, new: Config, account: str) -> AccountDiff:
        state = self._access.state
        if account not in state.accounts.all():
            raise RefusedError(f"No job of account {account} is known yet, so there is no diff.")
        known = state.jobs.count(account)
        if known > MOST_JOBS:
            raise RefusedError(
                f"The account has {known:,} known jobs, and a page compares {MOST_JOBS:,} at most:"
                " apply the patch to a copy of the file, and run `sauce-janitor diff OLD NEW`."
            )
        return compare_account(account, old, new, state, as_of=int(time.time()), within_s=_WITHIN_S)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other edit is tried. Raise RefusedError if that takes long."""
        if not self._trying.acquire(timeout=_WAIT_S):
            raise RefusedError("another edit is being tried: try again in a moment")
        try:
            yield
        finally:
            self._trying.release()


def _fault(problem: Problem) -> TrialFault:
    message = ": ".join(part for part in (problem.path, problem.message) if part)
    if problem.file:
        place = f"{problem.file}:{problem.line}" if problem.line else problem.file
        return TrialFault(None, f"{place}: {message}")
    return TrialFault(problem.line, message)


def _changes(diff: AccountDiff) -> Iterator[TrialChange]:
    for words, policy, change in change_rows(diff):
        jobs = tuple(
            TrialJob(
                each.job.id, job_text(each.job), forecast_text(each.before),
                forecast_text(each.after),
            )
            for each in change.examples
        )  # fmt: skip
        yield TrialChange(words, policy, change.jobs, change.due_now, jobs)


@cache
def _keys() -> tuple[KeyHelp, ...]:
    """Return the keys that an edit can have, with what the JSON Schema says of each."""
    schema: dict[str, Any] = json_schema()
    definitions: dict[str, Any] = schema["$defs"]
    return tuple(
        KeyHelp(where, tuple(
            (name, str(key.get("description", "")))
            for name, key in definitions[definition]["properties"].items()
        ))
        for where, definition in _HELPED
        if definition in definitions
    )  # fmt: skip
