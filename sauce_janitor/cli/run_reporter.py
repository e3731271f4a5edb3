"""What a command reports after its runs: counters in the state, exported metrics and messages.

A failure here is a warning: it does not change the result of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import structlog

from sauce_janitor.config import Config
from sauce_janitor.errors import JanitorError, StateError
from sauce_janitor.metrics import Metrics, MetricsExportError, push, write_textfile
from sauce_janitor.notify import Notification, WebhookSender
from sauce_janitor.operations.records import last_runs, notifications
from sauce_janitor.operations.wiring.run_settings import Result
from sauce_janitor.state import State

_MESSAGES_S: Final = 20.0
"""How long the end of a command waits for messages that are still being sent."""


class RunReporter:
    """Reports the results of one command.

    `is_run` is true for a run, and false for a command that only reads: it exports no metrics, and
    sends no messages.
    """

    def __init__(
        self,
        config: Config,
        state: State,
        metrics: Metrics,
        *,
        is_run: bool,
        clock: Callable[[], float],
    ) -> None:
        self._config, self._state, self._metrics = config, state, metrics
        self._is_run, self._clock = is_run, clock
        self._accounts: set[str] = set()
        self._sender = WebhookSender()
        self._log: Any = structlog.get_logger()
        metrics.settle(state.counters)
        # The exported file also has the accounts that this command does not run.
        if is_run:
            last_runs.recall(config, state, metrics)

    def result(self, result: Result) -> None:
        """Report the result of a run."""
        self._accounts.add(result.account.name)
        self._send(notifications.of_result(result, at=int(self._clock())))

    def error(self, account: str, error: BaseException) -> None:
        """Report that a run ended with an error."""
        self._accounts.add(account)
        self._send(notifications.of_error(account, error, at=int(self._clock())))

    def _send(self, messages: Iterable[Notification]) -> None:
        if not self._is_run or not self._config.webhooks:
            return
        try:
            self._sender.tell(list(messages), notifications.hooks(self._config), self._state.notes)
        except StateError as error:
            self._log.warning("notify.failed", why=str(error))

    def end(self) -> None:
        """Store the counters, export the metrics, and finish sending messages."""
        try:
            self._metrics.settle(self._state.counters)
        except JanitorError as error:
            self._log.warning("metrics.not_kept", why=str(error))
        if self._is_run:
            self._export()
        self._sender.close(_MESSAGES_S)

    def _export(self) -> None:
        export, own = self._config.export, self._metrics
        instance = export.instance or self._state.identity.instance_id
        if export.textfile is not None:
            page = own.page(instance=export.instance) if export.instance else own.page()
            try:
                write_textfile(export.textfile, page, instance=instance)
            except (OSError, MetricsExportError) as error:
                why = getattr(error, "strerror", None) or str(error)
                self._log.warning("metrics.not_written", file=str(export.textfile), why=why)
        if export.pushgateway is not None:
            # Only the accounts of this command are pushed. Runs elsewhere push the others, and what
            # this state knows of them may be older.
            try:
                push(export.pushgateway, own, self._accounts, instance=instance)
            except MetricsExportError as error:
                self._log.warning("metrics.not_pushed", why=str(error))
