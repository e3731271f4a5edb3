"""As much of a Kubernetes cluster as podman is: pods, with their config maps, secrets and claims."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

import yaml

from sauce_janitor import __version__
from sauce_janitor.sandbox import Sandbox
from tests.support.containers import CLUSTER_IMAGE, IMAGE, Engine
from tests.support.manifests import Object, pod, template_of
from tests.support.ports import free_port

KEY, TOKEN = "demokey0", "webtokenwebtoken"
"""The access key of the sandbox, and the token of the status page."""


class Pods:
    """Pods of one test, in the network of this machine, with a sandbox as Sauce Labs. Close it."""

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        sandbox: Sandbox,
        *,
        storage: Mapping[str, str] | None = None,
        endpoint: str = "",
    ) -> None:
        """`storage` is the secret of the servers that keep state and archive; `endpoint` is that of
        S3.
        """
        self._engine, self._folder = engine, folder
        self.suffix = secrets.token_hex(4)
        self.port = free_port()
        self._played: list[Path] = []
        self._secret = _secret(
            "sauce-janitor-credentials",
            {"username": "demo", "access-key": KEY, "web-token": TOKEN},
        )
        self._storage = folder / "storage"
        self._storage.mkdir(mode=0o755)
        for name, text in (storage or {}).items():
            (self._storage / name).write_text(text)
        self._names = {
            "sauce-janitor-data": f"data-{self.suffix}",
            "-config\n": f"-config-{self.suffix}\n",
            "sauce-janitor-credentials": f"credentials-{self.suffix}",
            "region: eu-central-1": f"base_url: {sandbox.base_url}",
            "http://seaweedfs.seaweedfs:8333": endpoint,
            "9469": str(self.port),
            f"image: sauce-janitor:{__version__}-cluster": f"image: {CLUSTER_IMAGE}",
            f"image: sauce-janitor:{__version__}": f"image: {IMAGE}",
        }

    def play(self, objects: list[Object]) -> str:
        """Apply the objects, of which one is a pod or a Deployment, and return its container's
        name.
        """
        wanted = ("ConfigMap", "PersistentVolumeClaim", "Deployment", "Pod")
        text = yaml.safe_dump_all(
            [
                self._secret,
                *(self._with_storage(each) for each in objects if each["kind"] in wanted),
            ]
        )
        for name, own in self._names.items():
            text = text.replace(name, own)
        file = self._folder / f"objects-{len(self._played)}.yaml"
        file.write_text(text)
        before = self._running()
        self._played.append(file)
        self._engine("kube", "play", "--network", "host", str(file))
        (name,) = self._running() - before
        return name

    def run(self, objects: list[Object], template: Object, *, code: int = 0) -> str:
        """Run a pod of this template, as a Job does, to its end, and return what it printed."""
        rest = [each for each in objects if each["kind"] == "ConfigMap"]
        name = self.play([*rest, pod(f"once-{self.suffix}-{len(self._played)}", template)])
        ended = self._engine("wait", name).strip()
        said = self._engine("logs", name)
        assert ended == str(code), said
        return said

    def _with_storage(self, each: Object) -> Object:
        """Return a pod or Deployment with a folder in place of its secret for the servers.

        podman 4.3 refuses a secret whose values are not base64, and mounts them undecoded.
        """
        copy: Object = json.loads(json.dumps(each))
        spec = copy.get("spec", {})
        if copy["kind"] == "Deployment":
            spec = template_of(copy)["spec"]
        for volume in spec.get("volumes", []):
            if volume["name"] == "storage":
                del volume["secret"]
                volume["hostPath"] = {"path": str(self._storage), "type": "Directory"}
        return copy

    def _running(self) -> set[str]:
        found = self._engine(
            "ps", "--all", "--format", "{{.Names}}",
            "--filter", f"volume=sauce-janitor-config-{self.suffix}",
        )  # fmt: skip
        return set(found.split())

    def close(self) -> None:
        """Take it all down."""
        for file in self._played:
            self._engine("kube", "down", str(file))
        for kind in ("data", "credentials", "sauce-janitor-config"):
            self._engine("volume", "rm", "--force", f"{kind}-{self.suffix}")


def _secret(name: str, data: Mapping[str, str]) -> Object:
    # Not decoded when they are mounted (see above), so these stand for themselves.
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": dict(data)}
