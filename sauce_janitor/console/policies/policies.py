"""The policies as the console shows them: from the configuration in use, and the newest plan."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sauce_janitor import report
from sauce_janitor.config import Config
from sauce_janitor.config.output.effective import effective_yaml
from sauce_janitor.console.access import ConsoleAccess
from sauce_janitor.console.policies.policy_words import (
    action_words,
    hold_words,
    keep_words,
    match_words,
    setting_words,
)
from sauce_janitor.console.policies.test_results import are_long, tested
from sauce_janitor.counts import counted
from sauce_janitor.errors import ConfigError
from sauce_janitor.model.console.stored_plans import StoredPlan
from sauce_janitor.model.jobs import Action
from sauce_janitor.model.policies import Policy
from sauce_janitor.web.policies.playground_page import ShownTest
from sauce_janitor.web.policies.policy_page import (
    AccountPolicies,
    CardAction,
    CardKeepRule,
    PolicyCard,
)


class ShownPolicies:
    """The policies of the configuration in use (see `web.policies.policy_page`)."""

    def __init__(self, access: ConsoleAccess) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._made: dict[str, tuple[Config, Any]] = {}

    def accounts(self) -> Sequence[str]:
        return [account.name for account in self._access.config.accounts]

    def policies(self, account: str, /) -> AccountPolicies:
        config, state = self._access.config, self._access.state
        rules, plan = config.rules(account), state.plans.newest(account)
        recorded: Mapping[str, Any] = {}
        if plan is not None:
            run = state.runs.one(plan.facts.run_id)
            recorded = {} if run is None else run.summary.get("policies") or {}
        return AccountPolicies(
            account=account,
            cards=tuple(_card(policy, plan, recorded) for policy in rules.policies),
            holds=tuple((hold.id, hold_words(hold)) for hold in rules.holds),
            as_of=None if plan is None else plan.facts.as_of,
            is_outdated=plan is not None
            and plan.facts.policy_digest != config.policy_digest(account),
            warnings=tuple(recorded.get("warnings") or ()),
        )

    def warnings(self) -> Sequence[str]:
        config = self._access.config
        return [_in_folder(config, str(warning)) for warning in config.warnings]

    def tests(self) -> Sequence[ShownTest] | None:
        config = self._access.config
        if are_long(config):
            return None
        made: tuple[ShownTest, ...] = self._once("tests", config, lambda: shown_tests(config))
        return made

    def configuration(self) -> Sequence[str]:
        config = self._access.config
        lines: list[str] = self._once("configuration", config, lambda: _effective(config))
        return lines

    def _once(self, what: str, config: Config, make: Callable[[], Any]) -> Any:
        """Return what is made of this configuration, from memory after the first time."""
        with self._lock:
            known = self._made.get(what)
            if known is None or known[0] is not config:
                known = self._made[what] = config, make()
            return known[1]


def shown_tests(config: Config) -> tuple[ShownTest, ...]:
    """Return the results of all tests of a configuration."""
    several = len(config.accounts) > 1

    def text(account: str, failure: str) -> str:
        return f"account {account}: {failure}" if several else failure

    return tuple(
        ShownTest(
            test.name,
            _in_folder(config, test.place),
            tuple(text(*failure) for failure in test.failures),
        )
        for test in tested(config)
    )


def _in_folder(config: Config, text: str) -> str:
    """Return a text that begins with a file, without the folder of the configuration."""
    return text.removeprefix(f"{config.file.parent}/")


def _effective(config: Config) -> list[str]:
    # The text of the file is not kept in memory: it is read again, if it is still the one in use.
    if not config.sources.are_current():
        raise ConfigError(
            "the configuration on the disk is not the one in use: reload it, or correct it"
        )
    data = config.sources.file_bytes(config.file)
    return effective_yaml(data, config.file).splitlines()


def _card(policy: Policy, plan: StoredPlan | None, recorded: Mapping[str, Any]) -> PolicyCard:
    matched = (recorded.get("matched") or {}).get(policy.name)
    return PolicyCard(
        name=policy.name,
        match=match_words(policy),
        actions=tuple(
            CardAction(action.value, report.ACTIONS[action], words, _due(policy, action, plan))
            for action, words in action_words(policy)
        ),
        keeps=tuple(CardKeepRule(*keep) for keep in keep_words(policy)),
        settings=tuple(setting_words(policy)),
        matched=matched,
        remarks=tuple(_remarks(policy, matched, recorded.get("postponed") or ())),
    )


def _due(policy: Policy, action: Action, plan: StoredPlan | None) -> int | None:
    if plan is None:
        return None
    return sum(
        total.jobs
        for total in plan.facts.totals
        if (total.policy, total.action) == (policy.name, action)
    )


def _remarks(
    policy: Policy, matched: int | None, postponed: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    if matched == 0:
        yield "Matches no known job."
    mine = [each for each in postponed if each["policy"] == policy.name]
    for action, _ in policy.deletes:
        jobs = sum(each["jobs"] for each in mine if each["action"] == action.value)
        if matched and jobs == matched:
            name = report.ACTIONS[action]
            yield f"Never wins: its {name} time applies to none of its {counted(matched, 'job')}."
    for each in mine:
        yield f"{each['text']}."
