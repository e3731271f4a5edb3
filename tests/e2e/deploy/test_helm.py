"""The chart, rendered by Helm's own code, is what the overlays are, and refuses wrong values."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from sauce_janitor import __version__
from tests.support.containers import TOP
from tests.support.helm import CHART, Helm, Rendered
from tests.support.manifests import (
    OF_THE_OPERATOR,
    Object,
    one,
    pod_of,
    template_of,
    templates_of,
)
from tests.support.processes import ENVIRONMENT, PROGRAM

MODES = ("daemon", "cluster", "cronjob-per-account")
STORAGE = {
    "archive": {"url": "s3://sauce-archive/main", "endpoint": "http://seaweedfs.seaweedfs:8333"}
}
LABELS = {"app.kubernetes.io/name", "app.kubernetes.io/component"}
"""Those that the overlays have, too."""

every_mode = pytest.mark.parametrize("mode", MODES)


@pytest.fixture(scope="session")
def helm(component: Callable[[str], Path]) -> Helm:
    return Helm(component)


@pytest.fixture(scope="session")
def charts(helm: Helm) -> dict[str, Rendered]:
    """The chart in each mode, otherwise as it comes. Do not change it."""
    return {
        mode: helm.render(mode=mode, storage=STORAGE if mode != "daemon" else {}) for mode in MODES
    }


def without_instance(value: Any) -> Any:
    """The value without the labels that only the chart has, and with the overlays' names."""
    if isinstance(value, list):
        return [without_instance(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "app.kubernetes.io/name" in value:
        return {key: each for key, each in value.items() if key in LABELS}
    return {key: without_instance(each) for key, each in value.items()}


# --- the same as the overlays ---------------------------------------------------------------------


@every_mode
def test_helm_lint_finds_nothing(charts: dict[str, Rendered], mode: str) -> None:
    assert (charts[mode].findings, charts[mode].error) == ((), "")


@every_mode
def test_every_pod_is_that_of_the_overlay(
    charts: dict[str, Rendered], overlays: dict[str, list[Object]], mode: str
) -> None:
    ours, theirs = pod_of(charts[mode].objects), pod_of(overlays[mode])
    assert sorted_lists(without_instance(ours["spec"])) == sorted_lists(theirs["spec"])
    assert ours["metadata"]["labels"].items() >= theirs["metadata"]["labels"].items()


def sorted_lists(value: Any) -> Any:
    """The value with volumes, mounts and the like in one order; arguments stay in theirs."""
    if isinstance(value, dict):
        return {key: sorted_lists(each) for key, each in value.items()}
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return sorted(map(sorted_lists, value), key=lambda each: json.dumps(each, sort_keys=True))
    return value


@pytest.mark.parametrize("mode", ["daemon", "cluster"])
def test_the_deployment_is_that_of_the_overlay(
    charts: dict[str, Rendered], overlays: dict[str, list[Object]], mode: str
) -> None:
    ours, theirs = (
        one(objects, "Deployment")["spec"] for objects in (charts[mode].objects, overlays[mode])
    )
    for key in ("replicas", "strategy", "revisionHistoryLimit", "selector"):
        assert without_instance(ours[key]) == theirs[key], key
    assert ours["selector"]["matchLabels"].items() <= ours["template"]["metadata"]["labels"].items()


def test_the_cron_jobs_are_those_of_the_overlay(
    charts: dict[str, Rendered], overlays: dict[str, list[Object]]
) -> None:
    """Those of the state, too; only their names begin with the release."""
    ours, theirs = (
        {
            each["metadata"]["name"].removeprefix("sauce-janitor-"): each["spec"]
            for each in objects
            if each["kind"] == "CronJob"
        }
        for objects in (charts["cronjob-per-account"].objects, overlays["cronjob-per-account"])
    )
    assert sorted_lists(without_instance(ours)) == sorted_lists(theirs)


@every_mode
def test_the_network_policy_and_the_budget_are_those_of_the_overlay(
    charts: dict[str, Rendered], overlays: dict[str, list[Object]], mode: str
) -> None:
    kinds = ["NetworkPolicy", *(["PodDisruptionBudget"] if mode == "cluster" else [])]
    for kind in kinds:
        ours, theirs = (
            one(objects, kind)["spec"] for objects in (charts[mode].objects, overlays[mode])
        )
        assert without_instance(ours) == theirs


@every_mode
def test_the_configuration_is_that_of_the_overlay(
    charts: dict[str, Rendered], overlays: dict[str, list[Object]], mode: str
) -> None:
    ours, theirs = (
        {
            name: yaml.safe_load(text)
            for name, text in one(objects, "ConfigMap")["data"].items()
        }
        for objects in (charts[mode].objects, overlays[mode])
    )  # fmt: skip
    if mode == "cronjob-per-account":
        # Which the CronJobs have from there.
        assert ours["config.yaml"].pop("schedule")
    assert ours == theirs


@every_mode
@pytest.mark.parametrize("version", ["1.29", "1.32", "1.37"])
def test_every_object_is_strictly_valid_and_labeled(helm: Helm, mode: str, version: str) -> None:
    enabled = {"enabled": True}
    rendered = helm.render(
        mode=mode, storage=STORAGE, serviceMonitor=enabled, alerts=enabled, execute=True,
        nodeSelector={"disk": "fast"}, tolerations=[{"operator": "Exists"}],
        podAnnotations={"a": "b"}, imagePullSecrets=[{"name": "registry"}],
        serviceAccount={"annotations": {"role": "of-s3"}},
    )  # fmt: skip
    assert rendered.error == ""
    assert len(rendered.objects) >= 6
    for each in rendered.objects:
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == "sauce-janitor"
        if each["kind"] not in OF_THE_OPERATOR:
            kubernetes_validate.validate(each, version, strict=True)


# --- its own --------------------------------------------------------------------------------------


@every_mode
def test_it_ships_in_dry_run_and_one_value_ends_that(
    helm: Helm, charts: dict[str, Rendered], mode: str
) -> None:
    def commands(rendered: Rendered) -> list[list[str]]:
        return [each["spec"]["containers"][0]["args"] for each in templates_of(rendered.objects)]

    executing = helm.render(mode=mode, storage=STORAGE, execute=True)
    assert not [each for each in commands(charts[mode]) if "--execute" in each]
    changed = [each for each in commands(executing) if "--execute" in each]
    assert [each[:-1] for each in changed] == [
        each for each in commands(charts[mode]) if each[0] in {"serve", "run"}
    ]
    assert "only plans" in charts[mode].notes
    assert "only plans" not in executing.notes


def test_each_account_has_its_cron_job(helm: Helm) -> None:
    account = {"region": "us-west-1", "username": {"env": "U"}, "access_key": {"env": "K"}}
    rendered = helm.render(
        mode="cronjob-per-account",
        storage=STORAGE,
        config={"accounts": {"eu": account, "US_West": account, "main": None}},
        schedules={"eu": "5 * * * *"},
    )
    runs = {
        each["metadata"]["name"]: (
            each["spec"]["schedule"],
            template_of(each)["spec"]["containers"][0]["args"][1:],
        )
        for each in rendered.objects
        if each["kind"] == "CronJob" and "suspend" not in each["spec"]
    }
    assert runs == {
        "sauce-janitor-eu": ("5 * * * *", ["--account", "eu"]),
        "sauce-janitor-us-west": ("17 * * * *", ["--account", "US_West"]),
    }


def test_what_a_person_sets_in_the_configuration_wins(helm: Helm) -> None:
    rendered = helm.render(
        mode="cluster",
        storage=STORAGE | {"keys": False},
        config={"archive": {"compress": True}, "web": {"hosts": ["janitor.example"]}},
    )
    config = yaml.safe_load(one(rendered.objects, "ConfigMap")["data"]["config.yaml"])
    assert config["archive"] == STORAGE["archive"] | {"compress": True}
    assert config["web"]["hosts"] == ["janitor.example"]
    assert config["web"]["metrics"] == "open"


@every_mode
def test_the_configuration_is_valid(charts: dict[str, Rendered], mode: str, tmp_path: Path) -> None:
    for name, text in one(charts[mode].objects, "ConfigMap")["data"].items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [*PROGRAM, "--config", str(tmp_path / "config.yaml"), "check"],
        env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_the_alerts_are_the_alerts(helm: Helm) -> None:
    rendered = helm.render(alerts={"enabled": True})
    rules = yaml.safe_load((TOP / "deploy/prometheus/alerts.yaml").read_text())
    assert one(rendered.objects, "PrometheusRule")["spec"] == rules


def test_another_release_has_names_of_its_own(helm: Helm, charts: dict[str, Rendered]) -> None:
    names = [
        {f"{each['kind']}/{each['metadata']['name']}" for each in rendered.objects}
        for rendered in (
            charts["cluster"],
            helm.render(release="eu", mode="cluster", storage=STORAGE),
        )
    ]
    assert len(names[0]) == len(names[1])
    assert not names[0] & names[1]
    labels = pod_of(helm.render(release="eu").objects)["metadata"]["labels"]
    selector = one(charts["daemon"].objects, "Service")["spec"]["selector"]
    assert not selector.items() <= labels.items()


def test_the_volume_outlives_the_release(charts: dict[str, Rendered], helm: Helm) -> None:
    claim = one(charts["daemon"].objects, "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    own = helm.render(volume={"existingClaim": "mine"}).objects
    assert "PersistentVolumeClaim" not in {each["kind"] for each in own}
    volumes = {each["name"]: each for each in pod_of(own)["spec"]["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == "mine"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"mode": "deamon"}, "/mode"),
        ({"mode": "cluster"}, "missing property 'url'"),
        ({"mode": "cluster", "storage": {"archive": {"url": "my-bucket"}}}, "/storage/archive/url"),
        ({"exectue": True}, "'exectue' not allowed"),
        ({"execute": "yes"}, "/execute"),
        ({"replicas": 0}, "/replicas"),
        ({"config": {"accounts": {"main": None}}}, "/config/accounts"),
        ({"volume": {"size": "much"}}, "/volume/size"),
        ({"networkPolicy": {"storage": [{"to": []}]}}, "/networkPolicy/storage/0"),
    ],
    ids=str,
)
def test_wrong_values_are_refused_by_their_place(
    helm: Helm, values: dict[str, Any], said: str
) -> None:
    rendered = helm.render(**values)
    assert said in rendered.error
    assert rendered.objects == []


@every_mode
def test_the_notes_name_what_is_there(charts: dict[str, Rendered], mode: str) -> None:
    notes, objects = charts[mode].notes, charts[mode].objects
    names = {(each["kind"], each["metadata"]["name"]) for each in objects}
    kinds = {"cronjob": "CronJob", "deploy": "Deployment", "service": "Service"}
    told = re.findall(r"\b(cronjob|deploy|service)/(\S+)", notes)
    assert told
    assert {(kinds[kind], name) for kind, name in told} <= names
    for volume in pod_of(objects)["spec"]["volumes"]:
        if "secret" in volume:
            assert f"the secret {volume['secret']['secretName']}, with" in notes


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_the_values_of_the_guide_are_values(helm: Helm, tmp_path: Path) -> None:
    page = (TOP / "docs/how-to/helm.md").read_text()
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    rendered = helm.render(**yaml.safe_load(text))
    assert (rendered.error, rendered.findings) == ("", ())
    for name, written in one(rendered.objects, "ConfigMap")["data"].items():
        (tmp_path / name).write_text(written)
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert config["accounts"]["main"]["region"] == "us-west-1"
    known = yaml.safe_load((CHART / "values.yaml").read_text())
    cells = re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE)
    assert cells
    for cell in cells:
        for path in re.findall(r"`([\w.]+)", cell):
            found = known
            for key in path.split("."):
                found = found[key]
