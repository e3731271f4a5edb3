"""What is in rendered Kubernetes objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.support.containers import TOP

Object = dict[str, Any]

MANIFESTS = TOP / "deploy/kubernetes"
OVERLAYS = ("daemon", "cronjob", "install", "cluster", "cronjob-per-account")
ON_SERVERS = ("cluster", "cronjob-per-account")
"""Those with the state on PostgreSQL and the archive in S3."""
OF_THE_OPERATOR = {"ServiceMonitor", "PrometheusRule"}
"""Kinds of the Prometheus Operator, of which Kubernetes' own schemas know nothing."""
OF_THE_STATE = {"state-init", "state-migrate"}
"""CronJobs that never run by themselves: they create and migrate the state."""


def one(objects: list[Object], kind: str) -> Object:
    """Return the only object of a kind. The CronJobs of the state do not count."""
    (found,) = [
        each for each in objects if each["kind"] == kind and not each.get("spec", {}).get("suspend")
    ]
    return found


def named(objects: list[Object], name: str) -> Object:
    """Return the CronJob with that name."""
    (found,) = [
        each for each in objects if each["kind"] == "CronJob" and each["metadata"]["name"] == name
    ]
    return found


def template_of(workload: Object) -> Object:
    """Return the pod template of a Deployment or CronJob."""
    spec = workload["spec"]
    found: Object = (spec["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else spec)[
        "template"
    ]
    return found


def templates_of(objects: list[Object]) -> Iterator[Object]:
    """Yield the pod template of each Deployment and CronJob."""
    for each in objects:
        if each["kind"] in {"Deployment", "CronJob"}:
            yield template_of(each)


def pod_of(objects: list[Object]) -> Object:
    """Return the pod template of the one workload: the daemon's, or that of the runs."""
    kinds = {each["kind"] for each in objects}
    return template_of(one(objects, "Deployment" if "Deployment" in kinds else "CronJob"))


def container_of(objects: list[Object]) -> Object:
    """Return the only container of the one workload."""
    (container,) = pod_of(objects)["spec"]["containers"]
    found: Object = container
    return found


def pod(name: str, template: Object) -> Object:
    """Return a pod of this template."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": template["spec"],
    }


def without_ports(objects: list[Object]) -> list[Object]:
    """Return the objects without ports of containers: podman maps none in the host's network."""
    copies: list[Object] = json.loads(json.dumps(objects))
    for template in templates_of(copies):
        for container in template["spec"]["containers"]:
            container.pop("ports", None)
    return copies
