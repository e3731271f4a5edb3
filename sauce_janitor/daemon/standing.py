"""How the daemon stands: what keeps it from being ready, and what the page says of every account."""

from __future__ import annotations

from sauce_janitor import __version__
from sauce_janitor.daemon.clocks import Clock
from sauce_janitor.daemon.rounds import Rounds
from sauce_janitor.daemon.shown import Kept
from sauce_janitor.metrics import Metrics
from sauce_janitor.web.overview import Overview, Readiness


class Standing:
    """Looks, and keeps what it saw for the pages."""

    def __init__(self, rounds: Rounds, clock: Clock, metrics: Metrics) -> None:
        self._rounds, self._clock, self._metrics = rounds, clock, metrics

    def look(self, kept: Kept) -> None:
        """See how everything stands now."""
        kept.keep(self.overview(), Readiness(self._troubles()))

    def overview(self) -> Overview:
        """The page's values."""
        return Overview(
            at=int(self._clock.now()),
            version=__version__,
            executes=self._rounds.execute,
            paused=None,
            troubles=self._troubles(),
            faults=self._rounds.followed.faults,
            warnings=tuple(str(warning) for warning in self._rounds.config.warnings),
            accounts=(),
        )

    def _troubles(self) -> tuple[str, ...]:
        return (self._rounds.closed_because,) if self._rounds.state is None else ()
