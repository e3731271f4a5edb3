"""What needs attention on the overview, the worst first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from sauce_janitor.counts import counted
from sauce_janitor.web.overview import AccountView, Overview, PurgeClock

MOST_SHOWN: Final = 10
"""How many matters of accounts are shown; with hundreds of accounts, the table shows the rest."""
_BAD_RESULTS: Final = ("failed", "refused", "incomplete")
_ORDER: Final = ("bad", "warn", "calm")


@dataclass(frozen=True, slots=True)
class Matter:
    """One thing to look at. `tone` is bad, warn or calm; `lines` say more; `account` is whose."""

    tone: str
    title: str
    lines: tuple[str, ...] = ()
    account: str | None = None


def matters_of_all(view: Overview) -> tuple[Matter, ...]:
    """Return what is about the daemon as a whole."""
    found = []
    if view.troubles:
        found.append(Matter("bad", "Not ready", view.troubles))
    if view.faults:
        found.append(
            Matter(
                "bad",
                "The changed configuration is not valid. The last valid one stays in use",
                view.faults,
            )
        )
    if view.paused:
        found.append(Matter("bad", "Paused", (view.paused,)))
    if not view.executes:
        dry = "Nothing is archived or deleted. To carry plans out, use `serve --execute`."
        found.append(Matter("warn", "DRY RUN", (dry,)))
    if view.warnings:
        found.append(Matter("calm", "Configuration warnings", view.warnings))
    return tuple(found)


def matters_of_accounts(view: Overview) -> tuple[Matter, ...]:
    """Return what is about one account each, the worst first."""
    found = chain.from_iterable(map(matters_of, view.accounts))
    return tuple(sorted(found, key=lambda matter: _ORDER.index(matter.tone)))


def notes_last(matters: Iterable[Matter]) -> tuple[Matter, ...]:
    """Return the same with those last that are only worth knowing."""
    return tuple(sorted(matters, key=lambda matter: matter.tone == "calm"))


def matters_of(account: AccountView) -> Iterator[Matter]:
    """Yield what needs attention of one account."""
    name = account.name
    for late in account.late:
        blocked = ", ".join(f"{jobs:,} {blocker}" for blocker, jobs in late.blockers)
        are = "is" if late.jobs == 1 else "are"
        title = f"{counted(late.jobs, 'job')} {are} past the deadline {late.deadline}"
        yield Matter("bad", title, (blocked,), name)
    if account.purge is not None:
        yield from _of_purge(account.purge, name)
    last = next((run for run in account.runs if run.took_s is not None), None)
    if last is not None and last.result in _BAD_RESULTS:
        words = (last.words,) if last.words else ()
        yield Matter("bad", f"The last run ({last.mode}) ended as {last.result}", words, name)
    for fact in account.facts:
        if fact.bad:
            yield Matter("warn", f"{fact.name}: {fact.text}", (), name)
    if account.dark:
        yield Matter("calm", f"Black-out {account.dark}", (), name)


def _of_purge(purge: PurgeClock, account: str) -> Iterator[Matter]:
    lines = ("Policies want them, and they are not archived.",)
    for tone, jobs, time in (("bad", purge.within_24h, "24 h"), ("warn", purge.within_72h, "72 h")):
        if jobs:
            counts = counted(jobs, "job")
            title = f"Sauce Labs purges assets of {counts} within {time}"
            yield Matter(tone, title, lines, account)
            # The longer time includes the shorter one.
            return


def worst_tone(account: AccountView) -> str | None:
    """Return the tone of the worst matter of an account; None for nothing."""
    tones = {matter.tone for matter in matters_of(account)}
    return next((tone for tone in _ORDER if tone in tones), None)
