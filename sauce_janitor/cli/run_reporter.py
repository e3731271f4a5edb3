"""What a one-shot run leaves behind for others: counters in the state, metrics in a file or a
Pushgateway, messages.

None of it decides how the run ended: what fails here is a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import structlog

from sauce_janitor import metrics as numbers
from sauce_janitor.config import Config
from sauce_janitor.errors import JanitorError, StateError
from sauce_janitor.metrics import Metrics
from sauce_janitor.notify import Notification, WebhookSender
from sauce_janitor.operations.records import last_runs, notifications
from sauce_janitor.operations.wiring.run_settings import Result
from sauce_janitor.state import State

_MESSAGES_S: Final = 20.0


class RunReporter:
    """One command's. `tells`: whether it is a run that others are to hear of, not a look."""

    def __init__(
        self,
        config: Config,
        state: State,
        metrics: Metrics,
        *,
        tells: bool,
        clock: Callable[[], float],
    ) -> None:
        self._config, self._state, self._metrics, self._tells, self._clock = (
            config,
            state,
            metrics,
            tells,
            clock,
        )
        self._accounts: set[str] = set()
        self._poster = WebhookSender()
        self._log: Any = structlog.get_logger()
        metrics.settle(state.counters)
        if tells:
            last_runs.recall(config, state, metrics)

    def result(self, result: Result) -> None:
        """A run came to its end."""
        self._accounts.add(result.account.name)
        self._tell(notifications.of_result(result, at=int(self._clock())))

    def error(self, account: str, error: BaseException) -> None:
        """A run ended with an error."""
        self._accounts.add(account)
        self._tell(notifications.of_error(account, error, at=int(self._clock())))

    def _tell(self, tidings: Iterable[Notification]) -> None:
        if not self._tells or not self._config.webhooks:
            return
        try:
            self._poster.tell(list(tidings), notifications.hooks(self._config), self._state.notes)
        except StateError as wrong:
            self._log.warning("notify.failed", why=str(wrong))

    def end(self) -> None:
        """Leave everything behind."""
        try:
            self._metrics.settle(self._state.counters)
        except JanitorError as wrong:
            self._log.warning("metrics.not_kept", why=str(wrong))
        if self._tells:
            self._export()
        self._poster.close(_MESSAGES_S)

    def _export(self) -> None:
        export, own = self._config.export, self._metrics
        instance = export.instance or self._state.identity.instance_id
        if export.textfile is not None:
            page = own.page(instance=export.instance) if export.instance else own.page()
            try:
                numbers.write_textfile(export.textfile, page, instance=instance)
            except (OSError, numbers.NotTakenError) as wrong:
                why = getattr(wrong, "strerror", None) or str(wrong)
                self._log.warning("metrics.not_written", file=str(export.textfile), why=why)
        if export.pushgateway is not None:
            # of other accounts of the configuration other runs tell: what this state knows of them
            # may be older
            try:
                numbers.push(export.pushgateway, own, self._accounts, instance=instance)
            except numbers.NotTakenError as wrong:
                self._log.warning("metrics.not_pushed", why=str(wrong))
