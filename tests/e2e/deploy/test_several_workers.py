"""Workers that share a state and an archive on servers: their manifests, and their pods on a real
PostgreSQL and a real S3 server.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sauce_janitor.sandbox import Sandbox
from tests.support.containers import Engine
from tests.support.manifests import (
    MANIFESTS,
    OF_THE_STATE,
    ON_SERVERS,
    Object,
    container_of,
    named,
    one,
    pod_of,
    template_of,
    templates_of,
    without_ports,
)
from tests.support.pods import TOKEN, Pods
from tests.support.ports import until_answers
from tests.support.postgresql import Postgresql
from tests.support.seaweedfs import BUCKET, KEY, SECRET, Seaweedfs

ANOTHER_RUN = 5
"""The exit code of a run that finds the lease taken."""


@pytest.mark.parametrize("overlay", ON_SERVERS)
def test_pods_on_servers_keep_nothing_but_files_on_their_way(
    overlays: dict[str, list[Object]], overlay: str
) -> None:
    objects = overlays[overlay]
    assert "PersistentVolumeClaim" not in {each["kind"] for each in objects}
    for template in templates_of(objects):
        spec = template["spec"]
        (container,) = spec["containers"]
        assert {each["name"] for each in spec["volumes"]} == {
            each["name"] for each in container["volumeMounts"]
        }
        assert not [each for each in spec["volumes"] if "persistentVolumeClaim" in each]
        (spool,) = [each["emptyDir"] for each in spec["volumes"] if "emptyDir" in each]
        # What is in the volume counts for the container, too: it needs more, or it is evicted first.
        limit = container["resources"]["limits"]["ephemeral-storage"]
        assert int(limit.removesuffix("Gi")) > int(spool["sizeLimit"].removesuffix("Gi"))


@pytest.mark.parametrize("overlay", ON_SERVERS)
def test_only_a_person_creates_or_migrates_the_state(
    overlays: dict[str, list[Object]], overlay: str
) -> None:
    for name, args in (
        ("state-init", ["state", "init"]),
        ("state-migrate", ["state", "migrate", "--backed-up"]),
    ):
        job = named(overlays[overlay], name)
        assert job["spec"]["suspend"] is True
        assert next(templates_of([job]))["spec"]["containers"][0]["args"] == args


def test_workers_are_equal_spread_and_replaced_one_by_one(
    overlays: dict[str, list[Object]],
) -> None:
    objects = overlays["cluster"]
    spec = one(objects, "Deployment")["spec"]
    assert spec["replicas"] == 3
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    labels = spec["template"]["metadata"]["labels"]
    budget = one(objects, "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == spec["selector"]
    for spread in spec["template"]["spec"]["topologySpreadConstraints"]:
        assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
        assert spread["labelSelector"]["matchLabels"].items() <= labels.items()
    # Pods of runs and of the state's jobs are no workers.
    others = [each for each in templates_of(objects) if each != spec["template"]]
    assert others
    for other in others:
        assert not spec["selector"]["matchLabels"].items() <= other["metadata"]["labels"].items()


def test_workers_are_the_daemon_but_for_where_they_keep_things(
    overlays: dict[str, list[Object]],
) -> None:
    """The CronJob of an account is the CronJob, too."""
    for ours, theirs in (("cluster", "daemon"), ("cronjob-per-account", "cronjob")):
        for key in (
            "securityContext",
            "terminationGracePeriodSeconds",
            "serviceAccountName",
            "automountServiceAccountToken",
        ):
            assert pod_of(overlays[ours])["spec"][key] == pod_of(overlays[theirs])["spec"][key]
        one_of_ours, one_of_theirs = container_of(overlays[ours]), container_of(overlays[theirs])
        for key in one_of_theirs.keys() - {"image", "args", "resources", "volumeMounts"}:
            assert one_of_ours[key] == one_of_theirs[key]


def test_a_lease_that_another_run_has_is_no_failure(overlays: dict[str, list[Object]]) -> None:
    spec = one(overlays["cronjob-per-account"], "CronJob")["spec"]["jobTemplate"]["spec"]
    taken, removed = spec["podFailurePolicy"]["rules"]
    assert (taken["action"], removed["action"]) == ("Ignore", "Ignore")
    assert taken["onExitCodes"] == {
        "containerName": container_of(overlays["cronjob-per-account"])["name"],
        "operator": "In",
        "values": [ANOTHER_RUN],
    }


def test_another_account_is_another_document(
    render: Callable[[Path], list[Object]], tmp_path: Path
) -> None:
    copy = tmp_path / "kubernetes"
    shutil.copytree(MANIFESTS, copy)
    accounts = copy / "overlays/cronjob-per-account/accounts.yaml"
    first = accounts.read_text()
    accounts.write_text(first + "---\n" + first.replace("main", "us"))
    objects = render(accounts.parent)
    pods = {
        each["metadata"]["name"]: next(templates_of([each]))["spec"]
        for each in objects
        if each["kind"] == "CronJob"
    }
    assert pods.keys() == {"sauce-janitor-main", "sauce-janitor-us", *OF_THE_STATE}
    ours, other = pods["sauce-janitor-main"], pods["sauce-janitor-us"]
    assert other["containers"][0].pop("args") == ["run", "--account", "us"]
    assert ours["containers"][0].pop("args") == ["run", "--account", "main"]
    assert ours == other


# --- what they do ---------------------------------------------------------------------------------


@pytest.fixture
def pods(
    engine: Engine,
    cluster_image: str,
    tmp_path: Path,
    sandbox: Sandbox,
    postgresql: Postgresql,
    s3_server: Seaweedfs,
) -> Iterator[Pods]:
    assert cluster_image
    made = Pods(
        engine,
        tmp_path,
        sandbox,
        storage={"state-url": postgresql.empty(), "s3-key-id": KEY, "s3-secret": SECRET},
        endpoint=s3_server.endpoint,
    )
    yield made
    made.close()


def in_a_bucket(objects: list[Object], pods: Pods) -> list[Object]:
    """The objects, with an archive in the bucket of the tests."""
    text = json.dumps(objects).replace("s3://sauce-archive/main", f"s3://{BUCKET}/{pods.suffix}")
    found: list[Object] = json.loads(text)
    return found


def test_a_worker_s_pod_serves_plans_on_the_state_that_its_job_made(
    pods: Pods, overlays: dict[str, list[Object]], engine: Engine, sandbox: Sandbox
) -> None:
    objects = in_a_bucket(without_ports(overlays["cluster"]), pods)
    init = template_of(named(objects, "state-init"))
    assert "Made a state" in pods.run(objects, init)
    assert "has a state already" in pods.run(objects, init)
    # Here all pods share the ports of this machine.
    one(objects, "Deployment")["spec"]["replicas"] = 1
    name = pods.play(objects)
    assert until_answers(f"http://127.0.0.1:{pods.port}/readyz") == 200
    assert until_answers(f"http://127.0.0.1:{pods.port}/", token=TOKEN) == 200
    assert "Plan: " in engine("exec", name, "sauce-janitor", "plan")
    assert sandbox.log.writes() == []
    engine("stop", "--time", "45", name)
    assert json.loads(engine("inspect", name))[0]["State"]["ExitCode"] == 0


def test_the_pod_of_an_account_archives_and_proves_it(
    pods: Pods, overlays: dict[str, list[Object]]
) -> None:
    objects = in_a_bucket(overlays["cronjob-per-account"], pods)
    objects = json.loads(
        json.dumps(objects).replace(
            '\\nmetrics: {pushgateway: \\"http://pushgateway.monitoring:9091\\"}', ""
        )
    )
    pods.run(objects, template_of(named(objects, "state-init")))
    template = pod_of(objects)
    template["spec"]["containers"][0]["args"].append("--execute")
    assert "Done: " in pods.run(objects, template)
    template["spec"]["containers"][0]["args"] = ["prove"]
    pods.run(objects, template)
