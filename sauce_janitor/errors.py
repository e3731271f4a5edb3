"""Every error that is not a bug, in one tree; each carries the exit code that the command line ends
with.
"""

from __future__ import annotations

from dataclasses import dataclass


class JanitorError(Exception):
    """Something went wrong that a user can understand and mend; its text is one clear sentence."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a configuration: where it stands, what is wrong and how to mend it."""

    message: str
    file: str = ""
    line: int | None = None
    path: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line is not None else self.file
        return ": ".join(part for part in (place, self.path, self.message) if part)


class ConfigError(JanitorError):
    """The configuration (or the command's usage) has faults, all of them in `problems`. Nothing was
    asked or changed.
    """

    exit_code = 2

    def __init__(self, problems: list[Problem] | tuple[Problem, ...] | str) -> None:
        self.problems = (Problem(problems),) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class RefusedError(JanitorError):
    """The program refuses to go on before it changed anything: a limit, a pause, a foreign or
    outdated plan, the clock.
    """

    exit_code = 3


class LeaseError(RefusedError):
    """Another run holds the lease on this state, or this run has lost it."""

    exit_code = 5


class SourceError(JanitorError):
    """Sauce Labs answered something that ends the account's run."""


class CredentialsError(SourceError):
    """Sauce Labs does not know these credentials (401)."""

    exit_code = 2


class SourceUnavailableError(SourceError):
    """Sauce Labs did not answer, or asks for patience: worth another try later."""


class StrainedError(SourceUnavailableError):
    """No whole answer came, though something answers (502, 503, 504, a body cut short): asking for
    less may help.
    """


class NotReadyError(SourceError):
    """Sauce Labs says the job has not finished running (400): this job waits for a later run."""


class ForbiddenError(SourceError):
    """These credentials may not do this for this owner (403): the owner is left out, the others go
    on.
    """


class BudgetSpentError(SourceError):
    """The request budget has no room left in its window: what is left to do goes on in a later
    run.
    """


class AnswerError(SourceError):
    """One answer cannot be trusted (cut short, not JSON, of a foreign job): what it was asked for
    fails, the rest may go on.
    """


class OversizedAnswerError(AnswerError):
    """One answer has more bytes than are allowed: asking for less may help."""


class NotOfferedError(AnswerError):
    """Sauce Labs does not offer this here (404): an API that not every account or region has."""


class PermitError(JanitorError):
    """The gate refused a write before it left: its permit is old, used before, or not what the
    request says.
    """


class OutputError(JanitorError):
    """What a listing printed did not all reach its file: the disk is full, for example. Nothing
    else failed.
    """


class StoppedError(JanitorError):
    """The run was asked to stop while it waited for Sauce Labs or for the request budget."""


class ArchiveError(JanitorError):
    """The archive cannot be written, read or trusted; nothing is deleted that depends on it."""


class IncompleteError(ArchiveError):
    """What could be had of a job is stored, but files are missing: what would destroy them
    waits.
    """


class ArchiveUnusableError(ArchiveError):
    """No job can be archived now (no space, read-only, an empty mount, a failing disk): the run
    ends and deletes nothing.
    """


class StateError(JanitorError):
    """The state database cannot be opened, read or written; without a journal nothing is
    deleted.
    """
