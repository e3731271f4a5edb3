"""The output of a simulation: tables and a small chart for people, JSON and CSV for programs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from sauce_janitor import report
from sauce_janitor.json_output import Key, Shape, key, time
from sauce_janitor.model.jobs import DELETES, HOLD, Action
from sauce_janitor.operations.wiring.receipt_sizes import ReceiptSizes
from sauce_janitor.retention.plan.limits import BrokenLimit
from sauce_janitor.retention.what_if.simulate import ASSUMPTIONS, Day, Simulation

COLUMNS: Final = (
    "account",
    "day",
    "as_of",
    "jobs",
    "archive",
    "delete_assets",
    "delete_job",
    "stop",
    "requests",
    "archive_bytes",
    "purged",
    "lost",
    "limits",
)
_MOST_ROWS: Final = 31
_WEEK: Final = 7
_BARS: Final = " ▁▂▃▄▅▆▇█"
_PLAIN_BARS: Final = " .:-=+*#@"
_WIDEST_CHART: Final = 100


@dataclass(frozen=True, slots=True)
class AccountForecast:
    """The simulation of one account, and the data it is based on."""

    identity: str
    account: str
    policy_digest: str
    as_of: int
    listed: str
    simulation: Simulation
    sizes: ReceiptSizes
    policies: frozenset[str]


# --- for people -----------------------------------------------------------------------------------


def show(out: Console, forecast: AccountForecast) -> None:
    """Print what happens by day and policy, the cost, the first broken limit, assumptions."""
    simulation, days = forecast.simulation, forecast.simulation.days
    out.print(
        f"{forecast.identity}, from {report.when(forecast.as_of)}, {len(days)} days", style="bold"
    )
    only = f"; only what {', '.join(sorted(forecast.policies))} permit" if forecast.policies else ""
    out.print(
        f"{report.counted(days[0].jobs, 'job')} known, {forecast.listed}; "
        f"{simulation.jobs_left:,} left after the last day{only}"
    )
    if any(_acts(day) or day.purged for day in days):
        out.print()
        _show_by_time(out, days)
        out.print()
        for line in _chart(days, out):
            out.print(line)
        out.print("\nBy policy", style="bold")
        _show_by_policy(out, simulation)
    else:
        out.print("\nNothing happens in that time.")
    out.print()
    _show_limit(out, simulation)
    if any(day.archive_bytes for day in days):
        out.print(f"Archive sizes are {forecast.sizes.text}")
    out.print("Assumed:", style="dim")
    for text in ASSUMPTIONS:
        report.say(out, text, indent=2, style="dim")


def _show_limit(out: Console, simulation: Simulation) -> None:
    first = simulation.first_broken
    if first is None:
        out.print("No limit is broken.")
        return
    when = "today" if first.number == 0 else f"on day {first.number}, {report.day(first.as_of)}"
    out.print(f"A limit is broken {when}:", style="red")
    for limit in first.broken:
        report.say(out, _short(limit), indent=2, style="red")
    more = sum(bool(day.broken) for day in simulation.days) - 1
    # The simulation lifts a limit once it has reported it.
    if more:
        report.say(
            out,
            f"and on {report.counted(more, 'later day')}, if it is lifted then",
            indent=2,
            style="red",
        )


def _short(limit: BrokenLimit) -> str:
    return report.clean(limit.text.partition(". Nothing was changed")[0])


@dataclass(frozen=True, slots=True)
class _Column:
    header: str
    value: Callable[[Sequence[Day]], float]
    always: bool = False
    kind: report.CellKind = "number"


def _sum_of(action: Action) -> Callable[[Sequence[Day]], float]:
    return lambda days: sum(day.totals[action] for day in days)


_TABLE: Final = (
    _Column("Jobs", lambda days: days[0].jobs, always=True),
    _Column("Archive", _sum_of(Action.ARCHIVE), always=True),
    _Column("Delete assets", _sum_of(Action.DELETE_ASSETS), always=True),
    _Column("Delete job", _sum_of(Action.DELETE_JOB), always=True),
    _Column("Stop", _sum_of(Action.STOP)),
    _Column("Requests", lambda days: sum(day.requests for day in days), always=True),
    _Column("Archive size", lambda days: sum(day.archive_bytes for day in days), kind="size"),
    _Column("Purged", lambda days: sum(day.purged for day in days)),
    _Column("Lost", lambda days: sum(day.lost for day in days)),
)


def _show_by_time(out: Console, days: Sequence[Day]) -> None:
    """Print a row for each day, or for each week if there are too many; quiet ones are left out."""
    busy = [[day] for day in days if _acts(day) or day.purged or day.broken]
    is_weekly = len(busy) > _MOST_ROWS
    rows = busy
    if is_weekly:
        weeks = [days[at : at + _WEEK] for at in range(0, len(days), _WEEK)]
        rows = [
            list(week)
            for week in weeks
            if any(_acts(day) or day.purged or day.broken for day in week)
        ]
    columns = [
        column for column in _TABLE if column.always or any(column.value([day]) for day in days)
    ]
    shown = [
        report.Column("Week of" if is_weekly else "Day", "word"),
        *(report.Column(column.header, column.kind) for column in columns),
    ]
    cells = []
    for row in rows:
        mark = " !" if any(day.broken for day in row) else ""
        cells.append((report.day(row[0].as_of) + mark, *(_cell(column, row) for column in columns)))
    footer = (
        "Total",
        # The number of jobs is a state, not an amount a day: it has no sum.
        *("" if column.header == "Jobs" else _cell(column, days) for column in columns),
    )
    report.show_table(out, shown, cells, footer=footer)


def _cell(column: _Column, days: Sequence[Day]) -> float | None:
    value = column.value(days)
    return value if value or column.header == "Jobs" else None


def _show_by_policy(out: Console, simulation: Simulation) -> None:
    counts = simulation.counts
    columns = [
        report.Column("Policy"),
        *(report.Column(w.capitalize(), "number") for w in report.ACTIONS.values()),
    ]
    rows = (
        (
            policy or HOLD,
            *(counts.get((policy, action), 0) or None for action in report.ACTIONS),
        )
        for policy in sorted(
            {policy for policy, _ in counts}, key=lambda name: (name is None, name or "")
        )
    )
    report.show_table(out, columns, rows)


def _chart(days: Sequence[Day], out: Console) -> Iterator[str]:
    """Yield a line of bars for deletes, archives and requests.

    A bar is a day, or several days if the terminal is too narrow.
    """
    lines: tuple[tuple[str, Callable[[Day], float]], ...] = (
        ("deletes", lambda day: sum(day.totals[action] for action in DELETES)),
        ("archives", lambda day: day.totals[Action.ARCHIVE]),
        ("requests", lambda day: day.requests),
    )
    # The name before the bars, and the maximum and its day after them, take 46 cells.
    width = max(10, min(_WIDEST_CHART, out.width - 46))
    a_bar = -(-len(days) // width)
    for name, value in lines:
        sums = [sum(map(value, days[at : at + a_bar])) for at in range(0, len(days), a_bar)]
        if most := max(sums):
            at = sums.index(most) * a_bar
            span = f" in the {a_bar} days from" if a_bar > 1 else " on"
            start = report.day(days[at].as_of)
            yield f"{name:9} {_bars(sums, out)}  peak {most:,}{span} {start}"


def _bars(values: Sequence[float], out: Console) -> str:
    """Return bars on a logarithmic scale: the first clean-up must not hide the days after it.

    A value above zero always shows.
    """
    bars = _BARS if out.encoding.lower().startswith("utf") else _PLAIN_BARS
    top, scale = len(bars) - 1, math.log1p(max(values))
    return "".join(bars[math.ceil(top * math.log1p(value) / scale)] for value in values)


def _acts(day: Day) -> bool:
    return any(day.totals.values())


# --- for machines ---------------------------------------------------------------------------------


_SUMMED: Final = COLUMNS[4:-1]
"""The counts of a day that are added up: from `archive` to `lost`."""


def _action(action: Action) -> Key:
    return key(action.value, lambda day: day.totals[action])


_LIMIT = Shape("limit", "policy", "measured", "allowed", key("text", _short))
_DAY = Shape(
    key("day", "number"),
    time("as_of"),
    "jobs",
    *map(_action, Action),
    "requests",
    key("archive_bytes", lambda day: round(day.archive_bytes)),
    "purged",
    "lost",
    key("limits", "broken", _LIMIT),
)
_ACCOUNT = Shape(
    "account",
    "policy_digest",
    time("as_of"),
    key("days", lambda each: len(each.simulation.days)),
    "policies",
    key("jobs", lambda each: each.simulation.days[0].jobs),
    key("jobs_left", "simulation.jobs_left"),
    key("totals", lambda each: _totals(each.simulation)),
    key("by_policy", lambda each: list(_by_policy(each.simulation))),
    key("first_limit", "simulation.first_broken", _DAY),
    key("archive_sizes", "sizes", Shape("receipts", "assumed")),
    key("assumptions", lambda _: ASSUMPTIONS),
    key("series", "simulation.days", _DAY),
)
SIMULATED: Final = Shape(key("version", lambda _: 1), key("accounts", shape=_ACCOUNT))
"""The keys of `Forecasts`. Sizes are in bytes."""


@dataclass(frozen=True, slots=True)
class Forecasts:
    """What `simulate` prints: a forecast for each account."""

    accounts: Sequence[AccountForecast]


def _totals(simulation: Simulation) -> dict[str, int]:
    rows = list(_DAY.rows(simulation.days))
    return {name: sum(row[name] for row in rows) for name in _SUMMED}


def _by_policy(simulation: Simulation) -> Iterator[dict[str, object]]:
    policies = {policy for policy, _ in simulation.counts}
    # What a hold archives has no policy and comes last.
    for policy in sorted(policies, key=lambda name: (name is None, name or "")):
        counts = {each.value: simulation.counts.get((policy, each), 0) for each in Action}
        yield {"policy": policy, **counts}


def csv_lines(found: Sequence[AccountForecast]) -> Iterator[str]:
    """Yield a header, and a line for each day and account; broken limits are named."""
    return report.csv_lines(_csv_rows(found), COLUMNS)


def _csv_rows(found: Sequence[AccountForecast]) -> Iterator[dict[str, object]]:
    for forecast in found:
        for day in forecast.simulation.days:
            row = _DAY.row(day)
            limits = " ".join(sorted({limit["limit"] for limit in row["limits"]}))
            yield {"account": forecast.account, **row, "limits": limits}
