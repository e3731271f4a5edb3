"""The alerts fire when they should and not else; the dashboard shows what a real Prometheus scraped
of a real daemon.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from sauce_janitor.metrics import ALL
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from tests.support.containers import TOP
from tests.support.ports import free_port, until_answers
from tests.support.processes import ENVIRONMENT, POLICIES, PROGRAM

ALERTS = TOP / "deploy/prometheus/alerts.yaml"
TESTS = TOP / "deploy/prometheus/alerts.test.yaml"
DASHBOARD = TOP / "deploy/grafana/dashboard.json"
RULES: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
PANELS: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
EXPRESSIONS = [
    (panel["title"], target["expr"]) for panel in PANELS for target in panel.get("targets", [])
]  # fmt: skip
OTHERS = {"up", "ALERTS"}
"""What Prometheus itself says. The kubelet's and the node exporter's start with a word of
theirs.
"""


def named(expression: str) -> set[str]:
    """The metrics of an expression."""
    words = re.findall(r"\b(sauce_janitor_\w+)", expression)
    return {
        re.sub(r"_(bucket|sum|count)$", "", word)
        for word in words
        if not word.endswith("build_info_count")
    }


def spelled(expression: str) -> str:
    """The expression with the dashboard's variables filled in."""
    return expression.replace("$account", ".*").replace("$__rate_interval", "30s")


@pytest.fixture(scope="module")
def known() -> set[str]:
    """Every metric that the program has."""
    return {family.exported for family in ALL}


# --- alerts ---------------------------------------------------------------------------------------


def test_each_alert_fires_and_is_silent_as_its_test_says(component: Callable[[str], Path]) -> None:
    done = subprocess.run(
        [component("promtool"), "test", "rules", TESTS.name],
        cwd=TESTS.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_test_in_which_it_fires_and_is_silent_when_all_is_well() -> None:
    names = {rule["alert"] for rule in RULES}
    healthy, *others = yaml.safe_load(TESTS.read_text())["tests"]
    assert {
        each["alertname"] for each in healthy["alert_rule_test"] if not each.get("exp_alerts")
    } == names
    fired = {
        each["alertname"]
        for test in others
        for each in test["alert_rule_test"]
        if each.get("exp_alerts")
    }
    assert fired == names


def test_each_alert_has_its_section_in_the_runbook_and_each_section_its_alert() -> None:
    page = (TOP / "docs/how-to/alerts.md").read_text()
    sections = re.findall(r"^## (\w+)$", page, re.MULTILINE)
    assert sorted(sections) == sorted(rule["alert"] for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_reads_metrics_that_exist_and_says_what_to_do(
    rule: dict[str, Any], known: set[str]
) -> None:
    promql_parser.parse(rule["expr"])
    assert named(rule["expr"]) <= known
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    assert rule["annotations"]["runbook_url"].endswith(
        f"/docs/how-to/alerts.md#{rule['alert'].lower()}"
    )


# --- the dashboard --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "expression"), EXPRESSIONS, ids=[title for title, _ in EXPRESSIONS]
)
def test_an_expression_of_the_dashboard_parses_and_reads_metrics_that_exist(
    title: str, expression: str, known: set[str]
) -> None:
    promql_parser.parse(spelled(expression))
    assert named(expression)
    assert named(expression) <= known


@pytest.mark.parametrize(
    ("title", "expression"), EXPRESSIONS, ids=[title for title, _ in EXPRESSIONS]
)
def test_daemons_on_one_state_are_not_added_up(title: str, expression: str) -> None:
    """Each shows the totals of all."""
    assert not re.search(r"sum by \([^)]*\) \((?!max )", expression), title


def test_the_dashboard_is_one_that_grafana_can_show() -> None:
    whole = json.loads(DASHBOARD.read_text())
    assert (whole["uid"], whole["schemaVersion"]) == ("sauce-janitor", 39)
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        targets = panel.get("targets", [])
        assert len({target["refId"] for target in targets}) == len(targets)
        assert all(target["datasource"]["uid"] == "${datasource}" for target in targets)
    assert {variable["name"] for variable in whole["templating"]["list"]} == {
        "datasource",
        "account",
    }


def test_grafana_s_own_types_take_the_dashboard(
    component: Callable[[str], Path], tmp_path: Path
) -> None:
    compiler = component("tsc")
    text = DASHBOARD.read_text()
    for word, name in (
        ("absolute", "ThresholdsMode.Absolute"),
        ("value", "MappingType.ValueToText"),
    ):
        text = text.replace(
            f': "{word}"', f": {name}"
        )  # TypeScript takes no string for a member of an enum
    source = tmp_path / "dashboard.ts"
    source.write_text(
        "import { Dashboard, MappingType, ThresholdsMode } from '@grafana/schema';\n"
        f"export const dashboard: Partial<Dashboard> = {text};\n"
    )
    (tmp_path / "node_modules").symlink_to(compiler.parents[1])
    options = (
        "--noEmit --strict --skipLibCheck --moduleResolution bundler --module esnext --target"
        " es2022"
    )
    done = subprocess.run(
        [compiler, *options.split(), source],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


class Prometheus:
    """A real one; what it knows."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The series of an instant query, those without a number left out."""
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self.address}/api/v1/query?{query}", timeout=30) as answer:
            said = json.load(answer)
        assert said["status"] == "success", said
        found = [(each["metric"], float(each["value"][1])) for each in said["data"]["result"]]
        return [(labels, value) for labels, value in found if not math.isnan(value)]

    def until(self, expression: str, timeout_s: float = 300) -> list[tuple[dict[str, str], float]]:
        """The series, once there are any."""
        give_up = time.monotonic() + timeout_s
        while time.monotonic() < give_up:
            if found := self.ask(expression):
                return found
            time.sleep(0.5)
        raise AssertionError(f"Prometheus has nothing for {expression}")


BUDGET = "{per_second: 100, per_hour: 100000, burst: 100}"
MORE = """
schedule: {cron: "* * * * *", jitter: 0s}
web: {listen: "127.0.0.1:PORT"}
deadlines: [{name: soon, match: {build: "nightly-*"}, assets_gone_by: 1d}]
"""


@pytest.fixture(scope="module")
def prometheus(
    component: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Prometheus, as compose.yaml configures it but scraping each second, and a daemon that works
    on a sandbox.
    """
    folder = tmp_path_factory.mktemp("watching")
    port, own = free_port(), free_port()
    (folder / "alerts.yaml").write_text(ALERTS.read_text())
    config = yaml.safe_load((TOP / "deploy/compose/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{port}"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with Sandbox(SandboxOptions(jobs=80)) as sandbox:
        text = POLICIES.replace("BASE_URL}", f"{sandbox.base_url}, budget: {BUDGET}}}")
        (folder / "config.yaml").write_text(text + MORE.replace("PORT", str(port)))
        commands = (
            (
                [
                    str(component("prometheus")),
                    "--config.file=prometheus.yml",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{own}",
                ],
                None,
            ),
            ([*PROGRAM, "serve", "--execute"], ENVIRONMENT),
        )
        processes = [
            subprocess.Popen(
                command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            for command, env in commands
        ]
        try:
            until_answers(f"http://127.0.0.1:{own}/-/ready")
            until_answers(f"http://127.0.0.1:{port}/readyz")
            yield Prometheus(f"http://127.0.0.1:{own}")
        finally:
            for process in processes:
                process.terminate()
            assert [process.wait(timeout=60) for process in processes] == [0, 0]


@pytest.mark.thorough
@pytest.mark.timeout(400)  # a run a minute is as often as it runs, and two are waited for
def test_everything_on_the_dashboard_has_data_after_a_real_run(prometheus: Prometheus) -> None:
    # the second run is what makes an increase: one a minute
    prometheus.until("sauce_janitor_runs_total > 1")
    for title, expression in EXPRESSIONS:
        assert prometheus.until(spelled(expression), timeout_s=30), title
    assert prometheus.ask("sum(sauce_janitor_actions_total)")[0][1] > 0


@pytest.mark.thorough
@pytest.mark.timeout(400)
def test_prometheus_evaluates_the_alerts_and_all_is_well_but_the_promise_that_a_hold_breaks(
    prometheus: Prometheus,
) -> None:
    prometheus.until("sauce_janitor_overdue_jobs > 0")
    prometheus.until('ALERTS{alertname="SauceJanitorDeadlineBroken", alertstate="pending"}')
    assert {labels["alertname"] for labels, _ in prometheus.ask("ALERTS")} <= {
        "SauceJanitorDeadlineBroken",
        # the sandbox's world has some at the first plan; the second has none
        "SauceJanitorAssetsExpiringUnarchived",
        "SauceJanitorAssetsExpiringSoon",
    }
