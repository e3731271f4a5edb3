"""The manifests are valid, as tight as a cluster can ask for, and what they make of the image
really runs.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from sauce_janitor import __version__
from sauce_janitor.sandbox import Sandbox
from tests.support.containers import TOP, Engine
from tests.support.manifests import (
    MANIFESTS,
    OF_THE_OPERATOR,
    ON_SERVERS,
    OVERLAYS,
    Object,
    container_of,
    one,
    pod_of,
    templates_of,
    without_ports,
)
from tests.support.pods import TOKEN, Pods
from tests.support.ports import until_answers
from tests.support.processes import ENVIRONMENT, PROGRAM

FINISHING_S = 20
"""What the program may take to finish the asset in hand."""
OLDEST = {"cronjob-per-account": "1.29"}
"""The first version that takes it, where 1.27 does not: that was the first with `timeZone` for good."""


# --- what they say --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overlay", "version"),
    [
        (overlay, version)
        for overlay in OVERLAYS
        for version in (OLDEST.get(overlay, "1.27"), "1.32", "1.37")
    ],
)
def test_every_object_is_strictly_valid(
    overlays: dict[str, list[Object]], overlay: str, version: str
) -> None:
    seen = 0
    for each in overlays[overlay]:
        if each["kind"] not in OF_THE_OPERATOR:
            kubernetes_validate.validate(each, version, strict=True)
            seen += 1
    assert seen >= 6


def test_a_misspelt_field_would_be_noticed(overlays: dict[str, list[Object]]) -> None:
    broken = json.loads(json.dumps(one(overlays["daemon"], "Deployment")))
    broken["spec"]["template"]["spec"]["terminationGraceSeconds"] = 45
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.32", strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_pod_is_as_the_restricted_standard_wants_it(
    overlays: dict[str, list[Object]], overlay: str
) -> None:
    """Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and
    a read-only root.
    """
    for template in templates_of(overlays[overlay]):
        assert_restricted(template["spec"])
    labels = one(overlays[overlay], "Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def assert_restricted(spec: Object) -> None:
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & spec.keys()
    for container in spec["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["readOnlyRootFilesystem"] is True
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
        assert not [port for port in container.get("ports", []) if "hostPort" in port]
    allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
    assert all((each.keys() - {"name"}) <= allowed for each in spec["volumes"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_it_is_given_the_time_to_finish_what_it_has_in_hand(
    overlays: dict[str, list[Object]], overlay: str
) -> None:
    assert pod_of(overlays[overlay])["spec"]["terminationGracePeriodSeconds"] > 2 * FINISHING_S


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_secret_is_shipped_and_all_that_are_needed_are_references(
    overlays: dict[str, list[Object]], overlay: str
) -> None:
    assert "Secret" not in {each["kind"] for each in overlays[overlay]}
    volumes = {each["name"]: each for each in pod_of(overlays[overlay])["spec"]["volumes"]}
    assert volumes["secrets"]["secret"]["secretName"] == "sauce-janitor-credentials"
    mounts = {
        each["name"]: each["mountPath"] for each in container_of(overlays[overlay])["volumeMounts"]
    }
    config = one(overlays[overlay], "ConfigMap")["data"]["config.yaml"]
    assert f"{mounts['secrets']}/access-key" in config
    if overlay in ON_SERVERS:
        for name in ("state-url", "s3-key-id", "s3-secret"):
            assert f"{mounts['storage']}/{name}" in config


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_configuration_in_the_config_map_is_valid_as_it_is_mounted(
    overlays: dict[str, list[Object]], overlay: str, tmp_path: Path
) -> None:
    config = one(overlays[overlay], "ConfigMap")["data"]
    versions = (
        tmp_path / "..2026_01_01"
    )  # the kubelet swaps a link to a folder, and every file is a link through it
    versions.mkdir()
    (tmp_path / "..data").symlink_to(versions.name)
    for name, text in config.items():
        (versions / name).write_text(text)
        (tmp_path / name).symlink_to(f"..data/{name}")
    done = subprocess.run(
        [*PROGRAM, "--config", str(tmp_path / "config.yaml"), "check"],
        env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_daemon_and_cron_job_go_by_the_same_policies(overlays: dict[str, list[Object]]) -> None:
    assert (
        len({one(overlays[name], "ConfigMap")["data"]["policies.yaml"] for name in OVERLAYS}) == 1
    )


def test_it_ships_in_dry_run_and_one_component_ends_that(
    overlays: dict[str, list[Object]], render: Callable[[Path], list[Object]], tmp_path: Path
) -> None:
    for name, command in (
        ("daemon", ["serve"]),
        ("cronjob", ["run"]),
        ("cluster", ["serve"]),
        ("cronjob-per-account", ["run", "--account", "main"]),
    ):
        assert container_of(overlays[name])["args"] == command
        own = tmp_path / name
        own.mkdir()
        relative = os.path.relpath(MANIFESTS, own)
        components = [f"{relative}/components/execute", f"{relative}/components/alerts"]
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": "elsewhere",
            "resources": [f"{relative}/overlays/{name}"],
            "components": components,
        }
        (own / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        objects = render(own)
        assert container_of(objects)["args"] == [*command, "--execute"]
        rule = one(objects, "PrometheusRule")
        assert rule["spec"] == yaml.safe_load((TOP / "deploy/prometheus/alerts.yaml").read_text())


def test_one_daemon_runs_at_a_time(overlays: dict[str, list[Object]]) -> None:
    spec = one(overlays["daemon"], "Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    container = container_of(overlays["daemon"])
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert (
        container["livenessProbe"]["httpGet"]["path"]
        == container["startupProbe"]["httpGet"]["path"]
        == "/healthz"
    )


@pytest.mark.parametrize("overlay", ["cronjob", "cronjob-per-account"])
def test_one_pass_runs_at_a_time_and_none_is_tried_again(
    overlays: dict[str, list[Object]], overlay: str
) -> None:
    spec = one(overlays[overlay], "CronJob")["spec"]
    assert (spec["concurrencyPolicy"], spec["timeZone"]) == ("Forbid", "Etc/UTC")
    assert spec["startingDeadlineSeconds"] < 3600
    assert spec["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 3600
    assert pod_of(overlays[overlay])["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize("overlay", ["daemon", "cluster"])
def test_service_and_monitor_find_the_pod(overlays: dict[str, list[Object]], overlay: str) -> None:
    objects = overlays[overlay]
    labels = pod_of(objects)["metadata"]["labels"]
    service, monitor = one(objects, "Service"), one(objects, "ServiceMonitor")
    assert service["spec"]["selector"].items() <= labels.items()
    assert (
        monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    )
    assert {each["port"] for each in monitor["spec"]["endpoints"]} == {
        each["name"] for each in service["spec"]["ports"]
    }
    (port,) = container_of(objects)["ports"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    config = yaml.safe_load(one(objects, "ConfigMap")["data"]["config.yaml"])
    assert config["web"]["listen"] == f"0.0.0.0:{port['containerPort']}"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_names_and_https_to_the_world_leave_the_pod(
    overlays: dict[str, list[Object]], overlay: str
) -> None:
    policy = one(overlays[overlay], "NetworkPolicy")["spec"]
    assert (
        policy["podSelector"]["matchLabels"].items()
        <= pod_of(overlays[overlay])["metadata"]["labels"].items()
    )
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    ports = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    pushes = overlay.startswith("cronjob")
    servers = {5432, 8333} if overlay in ON_SERVERS else set()
    assert ports == {53, 443} | servers | ({9091} if pushes else set())
    (block,) = [to["ipBlock"] for rule in policy["egress"] for to in rule["to"] if "ipBlock" in to]
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(
        block["except"]
    )
    assert len(policy["ingress"]) == (0 if pushes else 1)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_image_is_of_this_version(overlays: dict[str, list[Object]], overlay: str) -> None:
    tag = f"{__version__}-cluster" if overlay in ON_SERVERS else __version__
    for template in templates_of(overlays[overlay]):
        (container,) = template["spec"]["containers"]
        assert container["image"] == f"sauce-janitor:{tag}"


def test_what_is_made_of_something_else_is_up_to_date(component: Callable[[str], Path]) -> None:
    component("kubectl")
    done = subprocess.run(
        [TOP / ".ci/manifests", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_one_file_needs_nothing_that_a_bare_cluster_has_not(
    overlays: dict[str, list[Object]],
) -> None:
    objects = list(yaml.safe_load_all((MANIFESTS / "install.yaml").read_text()))
    assert objects == overlays["install"]
    assert not OF_THE_OPERATOR & {each["kind"] for each in objects}
    assert pod_of(objects)["metadata"]["annotations"]["prometheus.io/scrape"] == "true"


# --- what they do ---------------------------------------------------------------------------------


@pytest.fixture
def pods(engine: Engine, tmp_path: Path, sandbox: Sandbox) -> Iterator[Pods]:
    made = Pods(engine, tmp_path, sandbox)
    yield made
    made.close()


def test_the_deployment_s_pod_serves_plans_with_its_secret_and_ends_when_told(
    pods: Pods, overlays: dict[str, list[Object]], engine: Engine, sandbox: Sandbox
) -> None:
    name = pods.play(without_ports(overlays["daemon"]))
    assert until_answers(f"http://127.0.0.1:{pods.port}/healthz") == 200
    assert until_answers(f"http://127.0.0.1:{pods.port}/readyz") == 200
    assert until_answers(f"http://127.0.0.1:{pods.port}/") == 401
    assert until_answers(f"http://127.0.0.1:{pods.port}/", token=TOKEN) == 200
    facts = json.loads(engine("inspect", name))[0]
    assert facts["HostConfig"]["ReadonlyRootfs"] is True
    assert facts["Config"]["User"] == "10001:10001"
    assert facts["EffectiveCaps"] in (None, [])
    assert "Plan: " in engine("exec", name, "sauce-janitor", "plan")
    assert sandbox.log.writes() == []
    engine("stop", "--time", "45", name)
    assert json.loads(engine("inspect", name))[0]["State"]["ExitCode"] == 0


def test_the_cron_job_s_pod_makes_one_pass_and_leaves_its_metrics(
    pods: Pods, overlays: dict[str, list[Object]], sandbox: Sandbox, pushgateway: str
) -> None:
    objects = json.loads(
        json.dumps(overlays["cronjob"]).replace("http://pushgateway.monitoring:9091", pushgateway)
    )
    objects = [each for each in objects if each["kind"] != "CronJob"]
    said = pods.run(objects, pod_of(overlays["cronjob"]))
    assert "Plan: " in said
    assert {entry.method for entry in sandbox.log} == {"GET"}
    assert until_answers(f"{pushgateway}/metrics", containing="sauce_janitor_runs_total{") == 200
