"""The manifests are valid, as tight as a cluster can ask for, and what they make of the image
really runs.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from sauce_janitor import __version__
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from tests.support.containers import IMAGE, TOP, Engine
from tests.support.ports import free_port, until_answers
from tests.support.processes import ENVIRONMENT, PROGRAM

MANIFESTS = TOP / "deploy/kubernetes"
OVERLAYS = ("daemon", "cronjob", "install")
OF_THE_OPERATOR = {"ServiceMonitor", "PrometheusRule"}
"""Kinds of the Prometheus Operator, of which Kubernetes' own schemas know nothing."""
FINISHING_S = 20
"""What the program may take to finish the asset in hand."""
KEY, TOKEN = "demokey0", "webtokenwebtoken"

Object = dict[str, Any]


@pytest.fixture(scope="session")
def render(component: Callable[[str], Path]) -> Callable[[Path], list[Object]]:
    """What `kubectl kustomize` makes of a folder."""
    kubectl = component("kubectl")

    def rendered(folder: Path) -> list[Object]:
        done = subprocess.run(
            [kubectl, "kustomize", folder], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return list(yaml.safe_load_all(done.stdout))

    return rendered


@pytest.fixture(scope="session")
def overlays(render: Callable[[Path], list[Object]]) -> dict[str, list[Object]]:
    return {name: render(MANIFESTS / "overlays" / name) for name in OVERLAYS}


def one(objects: list[Object], kind: str) -> Object:
    (found,) = [each for each in objects if each["kind"] == kind]
    return found


def pod_of(objects: list[Object]) -> Object:
    """The pod template of the one workload."""
    (workload,) = [each for each in objects if each["kind"] in {"Deployment", "CronJob"}]
    spec = workload["spec"]
    template: Object = (spec["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else spec)[
        "template"
    ]
    return template


def container_of(objects: list[Object]) -> Object:
    (container,) = pod_of(objects)["spec"]["containers"]
    found: Object = container
    return found


# --- what they say --------------------------------------------------------------------------------


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize(
    "version", ["1.27", "1.32", "1.37"]
)  # 1.27 is the first that knows timeZone for good
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
    spec = pod_of(overlays[overlay])["spec"]
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
    labels = one(overlays[overlay], "Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


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
    for name, command in (("daemon", "serve"), ("cronjob", "run")):
        assert container_of(overlays[name])["args"] == [command]
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
        assert container_of(objects)["args"] == [command, "--execute"]
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


def test_one_pass_runs_at_a_time_and_none_is_tried_again(overlays: dict[str, list[Object]]) -> None:
    spec = one(overlays["cronjob"], "CronJob")["spec"]
    assert (spec["concurrencyPolicy"], spec["timeZone"]) == ("Forbid", "Etc/UTC")
    assert spec["startingDeadlineSeconds"] < 3600
    assert spec["jobTemplate"]["spec"]["backoffLimit"] == 0
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 3600
    assert pod_of(overlays["cronjob"])["spec"]["restartPolicy"] == "Never"


def test_service_and_monitor_find_the_pod(overlays: dict[str, list[Object]]) -> None:
    objects = overlays["daemon"]
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
    assert ports == ({53, 443, 9091} if overlay == "cronjob" else {53, 443})
    (block,) = [to["ipBlock"] for rule in policy["egress"] for to in rule["to"] if "ipBlock" in to]
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(
        block["except"]
    )
    assert len(policy["ingress"]) == (0 if overlay == "cronjob" else 1)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_image_is_of_this_version(overlays: dict[str, list[Object]], overlay: str) -> None:
    assert container_of(overlays[overlay])["image"] == f"sauce-janitor:{__version__}"


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
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(jobs=60, access_key=KEY)) as started:
        yield started


class Cluster:
    """As much of one as podman is: pods, with their config maps, secrets and claims."""

    def __init__(self, engine: Engine, folder: Path, sandbox: Sandbox) -> None:
        self._engine, self._folder, self._sandbox = engine, folder, sandbox
        self._suffix = secrets.token_hex(4)
        self.port = free_port()
        self._played: list[str] = []

    def play(self, objects: list[Object]) -> str:
        """Apply the objects, in names of this test's own and in the network of the sandbox; the
        container's name.
        """
        wanted = ("ConfigMap", "PersistentVolumeClaim", "Deployment", "Pod")
        text = yaml.safe_dump_all(
            [_secret(), *(each for each in objects if each["kind"] in wanted)]
        )
        text = text.replace("sauce-janitor-data", f"data-{self._suffix}").replace(
            "-config\n", f"-config-{self._suffix}\n"
        )
        text = text.replace("sauce-janitor-credentials", f"credentials-{self._suffix}")
        text = text.replace("region: eu-central-1", f"base_url: {self._sandbox.base_url}").replace(
            "9469", str(self.port)
        )
        text = text.replace(f"image: sauce-janitor:{__version__}", f"image: {IMAGE}")
        file = self._folder / "objects.yaml"
        file.write_text(text)
        self._played.append(str(file))
        self._engine("kube", "play", "--network", "host", str(file))
        found = self._engine(
            "ps",
            "--all",
            "--format",
            "{{.Names}} {{.Image}}",
            "--filter",
            f"volume=data-{self._suffix}",
        )
        (name,) = [line.split()[0] for line in found.splitlines() if IMAGE in line]
        return name

    def close(self) -> None:
        """Take it all down."""
        for file in self._played:
            self._engine("kube", "down", file)
        for kind in ("data", "credentials", "sauce-janitor-config"):
            self._engine("volume", "rm", "--force", f"{kind}-{self._suffix}")


def _secret() -> Object:
    # podman 4.3 mounts what stands here without decoding it, so these stand for themselves
    data = {"username": "demo", "access-key": KEY, "web-token": TOKEN}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "sauce-janitor-credentials"},
        "data": data,
    }


@pytest.fixture
def cluster(engine: Engine, tmp_path: Path, sandbox: Sandbox) -> Iterator[Cluster]:
    made = Cluster(engine, tmp_path, sandbox)
    yield made
    made.close()


def test_the_deployment_s_pod_serves_plans_with_its_secret_and_ends_when_told(
    cluster: Cluster, overlays: dict[str, list[Object]], engine: Engine, sandbox: Sandbox
) -> None:
    container = container_of(overlays["daemon"])
    ports = container.pop("ports")  # podman maps none in the host's network
    try:
        name = cluster.play(overlays["daemon"])
    finally:
        container["ports"] = ports
    assert until_answers(f"http://127.0.0.1:{cluster.port}/healthz") == 200
    assert until_answers(f"http://127.0.0.1:{cluster.port}/readyz") == 200
    assert until_answers(f"http://127.0.0.1:{cluster.port}/") == 401
    assert until_answers(f"http://127.0.0.1:{cluster.port}/", token=TOKEN) == 200
    facts = json.loads(engine("inspect", name))[0]
    assert facts["HostConfig"]["ReadonlyRootfs"] is True
    assert facts["Config"]["User"] == "10001:10001"
    assert facts["EffectiveCaps"] in (None, [])
    assert "Plan: " in engine("exec", name, "sauce-janitor", "plan")
    assert sandbox.log.writes() == []
    engine("stop", "--time", "45", name)
    assert json.loads(engine("inspect", name))[0]["State"]["ExitCode"] == 0


def test_the_cron_job_s_pod_makes_one_pass_and_leaves_its_metrics(
    cluster: Cluster,
    overlays: dict[str, list[Object]],
    engine: Engine,
    sandbox: Sandbox,
    pushgateway: str,
) -> None:
    objects = json.loads(
        json.dumps(overlays["cronjob"]).replace("http://pushgateway.monitoring:9091", pushgateway)
    )
    template = pod_of(objects)
    objects.append(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"pass-{cluster.port}"},
            "spec": template["spec"],
        }
    )
    name = cluster.play([each for each in objects if each["kind"] != "CronJob"])
    assert engine("wait", name).strip() == "0", engine("logs", name)
    assert "Plan: " in engine("logs", name)
    assert {entry.method for entry in sandbox.log} == {"GET"}
    assert until_answers(f"{pushgateway}/metrics", containing="sauce_janitor_runs_total{") == 200
