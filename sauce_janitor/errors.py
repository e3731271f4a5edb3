"""Every error that is not a bug, in one tree. Each class has the exit code of the command line."""

from __future__ import annotations

from dataclasses import dataclass


class JanitorError(Exception):
    """Something failed that a user can understand and fix; the text is one clear sentence."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a configuration: its file, line and path, what is wrong and how to fix it."""

    message: str
    file: str = ""
    line: int | None = None
    path: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line is not None else self.file
        return ": ".join(part for part in (place, self.path, self.message) if part)


class ConfigError(JanitorError):
    """The configuration, or the usage of a command, is invalid. `problems` has all that is wrong.

    Nothing was requested from Sauce Labs and nothing was changed.
    """

    exit_code = 2

    def __init__(self, problems: list[Problem] | tuple[Problem, ...] | str) -> None:
        self.problems = (Problem(problems),) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class RefusedError(JanitorError):
    """The program refuses to continue, before it has changed anything.

    The cause is a broken limit, a pause, a plan that is outdated or not its own, or the clock.
    `advice` says what to do now. `cause` is the text without it, for the record of the run: later
    the advice may be wrong.
    """

    exit_code = 3

    def __init__(self, cause: str, advice: str = "") -> None:
        self.cause = cause
        super().__init__(f"{cause}; {advice}" if advice else cause)


class LeaseError(RefusedError):
    """Another run holds the lease on this state, or this run has lost its lease.

    `free_in_s` are the seconds after which it is free unless its holder renews it, where that is
    known.
    """

    exit_code = 5

    def __init__(self, cause: str, advice: str = "", *, free_in_s: float | None = None) -> None:
        self.free_in_s = free_in_s
        super().__init__(cause, advice)


class SourceError(JanitorError):
    """Sauce Labs gave an answer that ends the run of this account."""


class CredentialsError(SourceError):
    """Sauce Labs does not accept these credentials (401)."""

    exit_code = 2


class SourceUnavailableError(SourceError):
    """Sauce Labs did not answer, or asks to wait (429, Retry-After): a later try may succeed."""


class StrainedError(SourceUnavailableError):
    """Sauce Labs is reachable, but no whole answer came (502, 503, 504, a body that was cut short).

    A request for less may succeed.
    """


class NotReadyError(SourceError):
    """Sauce Labs says that the job is not finished (400). The job waits for a later run."""


class ForbiddenError(SourceError):
    """These credentials may not do this for this owner (403).

    The run leaves out the owner and continues with the others.
    """


class BudgetSpentError(SourceError):
    """The request budget has no room left in its window. A later run does the rest."""


class AnswerError(SourceError):
    """One answer cannot be trusted: it was cut short, is not JSON, or is about another job.

    What it was requested for fails; the rest of the run may continue.
    """


class OversizedAnswerError(AnswerError):
    """One answer has more bytes than are allowed. A request for less may succeed."""


class NotOfferedError(AnswerError):
    """Sauce Labs does not offer this here (404): not every account and region has every API."""


class PermitError(JanitorError):
    """The gate refused to send a write.

    Its permit is too old, was used before, or does not match the request.
    """


class OutputError(JanitorError):
    """A listing was not printed completely, for example because the disk is full.

    Nothing else failed.
    """


class StoppedError(JanitorError):
    """The run was asked to stop while it waited for Sauce Labs or for the request budget."""


class ArchiveError(JanitorError):
    """The archive cannot be written, read or trusted. Nothing that depends on it is deleted."""


class IncompleteError(ArchiveError):
    """A job is stored, but files are missing because Sauce Labs did not give them.

    Deletes that would destroy those files wait.
    """


class ArchiveUnusableError(ArchiveError):
    """No job can be archived now: no space, read-only, an empty mount, or a failing disk.

    The run ends and deletes nothing.
    """


class StateError(JanitorError):
    """The state database cannot be opened, read or written.

    Without its journal nothing is deleted.
    """
