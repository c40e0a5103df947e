# SPDX-License-Identifier: Apache-2.0
"""The manifests for Kubernetes: valid by its schemas, and the same deployments as with compose."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped, unused-ignore]
import pytest
import yaml

from tests.deploy_files.kustomized import Manifest, build

# It has no types.
kubernetes_validate: Any = importlib.import_module("kubernetes_validate")
DEPLOY = Path(__file__).parents[2] / "examples" / "deploy"
DEPLOYMENTS = ("one_jaeger", "collector", "kafka_cassandra")
SCHEMA = Path(__file__).with_name("instrumentation.schema.json")
# The oldest that is still looked after, and the newest that the package knows.
VERSIONS = ("1.34", kubernetes_validate.latest_version())
_BUILT = {name: build(DEPLOY / name) for name in DEPLOYMENTS}
_VARIABLE = re.compile(r"\$\{env:(\w+)\}")


def of_kind(deployment: str, *kinds: str) -> list[Manifest]:
    """The manifests of some kinds."""
    return [manifest for manifest in _BUILT[deployment] if manifest["kind"] in kinds]


def workloads() -> list[Any]:
    """Each workload with its deployment, named after both."""
    return [
        pytest.param(name, manifest, id=f"{name}-{manifest['metadata']['name']}")
        for name in DEPLOYMENTS
        for manifest in of_kind(name, "Deployment", "StatefulSet")
    ]


def pod_of(workload: Manifest) -> Manifest:
    """The specification of its pods."""
    specification: Manifest = workload["spec"]["template"]["spec"]
    return specification


def container_of(workload: Manifest) -> Manifest:
    """Its only container."""
    containers: list[Manifest] = pod_of(workload)["containers"]
    [container] = containers
    return container


def environment_of(workload: Manifest) -> dict[str, str]:
    """The variables that are set."""
    return {each["name"]: each["value"] for each in container_of(workload).get("env", ())}


def compose_of(deployment: str) -> dict[str, Any]:
    """The services of its compose file."""
    document: dict[str, Any] = yaml.safe_load((DEPLOY / deployment / "compose.yaml").read_text())
    services: dict[str, Any] = document["services"]
    return services


def configurations_of(deployment: str, workload: Manifest) -> dict[str, str]:
    """The text of each configuration file, by its path inside."""
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(deployment, "ConfigMap")}
    mounts = {each["name"]: each["mountPath"] for each in container_of(workload)["volumeMounts"]}
    found: dict[str, str] = {}
    for volume in pod_of(workload).get("volumes", ()):
        sources = volume.get("projected", {}).get("sources", [volume])
        for source in sources:
            if "configMap" in source:
                # A name that is not generated here is a pod that never starts.
                for file, text in maps[source["configMap"]["name"]].items():
                    found[f"{mounts[volume['name']]}/{file}"] = text
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_kubernetes_schemas_take_every_manifest(deployment: str, version: str) -> None:
    for manifest in _BUILT[deployment]:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_schemas_find_what_is_wrong() -> None:
    [workload] = of_kind("one_jaeger", "StatefulSet")
    broken = json.loads(json.dumps(workload))
    container_of(broken)["readynessProbe"] = container_of(broken).pop("readinessProbe")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[0], strict=True)


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_no_two_manifests_are_the_same_thing(deployment: str) -> None:
    things = [(each["kind"], each["metadata"]["name"]) for each in _BUILT[deployment]]
    assert len(things) == len(set(things))
    [namespace] = of_kind(deployment, "Namespace")
    named = {each["metadata"].get("namespace") for each in _BUILT[deployment]} - {None}
    assert named == {namespace["metadata"]["name"]}
    # Who is not what `restricted` asks for is not let in.
    assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_it_is_what_compose_runs(deployment: str) -> None:
    services = {
        # Kubernetes gives volumes to who needs them, and asks Loki itself.
        name: service
        for name, service in compose_of(deployment).items()
        if name not in {"owner", "loki-health"}
    }
    found = {
        each["metadata"]["name"]: each for each in of_kind(deployment, "Deployment", "StatefulSet")
    }
    assert {name: container_of(each)["image"] for name, each in found.items()} == {
        name: service["image"] for name, service in services.items()
    }
    for name, service in services.items():
        expected = dict(service.get("environment", {}))
        if name == "kafka":
            expected["KAFKA_LOG_DIRS"] = "/kafka/data"
        assert environment_of(found[name]) == expected
        assert found[name]["spec"]["replicas"] >= service.get("deploy", {}).get("replicas", 1)
        if name != "prometheus":
            assert container_of(found[name]).get("args") == service.get("command")


@pytest.mark.parametrize(("deployment", "workload"), workloads())
def test_a_part_has_its_configuration_and_what_that_reads(
    deployment: str, workload: Manifest
) -> None:
    configurations = configurations_of(deployment, workload)
    named = [arg.split("=")[-1] for arg in container_of(workload).get("args", ()) if "/etc/" in arg]
    assert set(named) <= set(configurations)
    for text in configurations.values():
        assert set(_VARIABLE.findall(text)) <= set(environment_of(workload))
        for rules in yaml.safe_load(text).get("rule_files", ()):
            assert f"/etc/prometheus/{rules}" in configurations


@pytest.mark.parametrize(("deployment", "workload"), workloads())
def test_a_part_is_not_root_has_limits_and_is_asked_for_its_health(
    deployment: str, workload: Manifest
) -> None:
    del deployment
    pod, container = pod_of(workload), container_of(workload)
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not pod["automountServiceAccountToken"]
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    ports = {port["containerPort"] for port in container["ports"]}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        how = container[probe]
        assert "exec" in how or how.get("httpGet", how.get("tcpSocket"))["port"] in ports


@pytest.mark.parametrize(("deployment", "workload"), workloads())
def test_what_is_kept_is_on_a_volume_of_its_own(deployment: str, workload: Manifest) -> None:
    del deployment
    keeps = workload["metadata"]["name"] in {"jaeger", "loki", "prometheus", "kafka", "cassandra"}
    assert (workload["kind"] == "StatefulSet") == keeps
    claims = workload["spec"].get("volumeClaimTemplates", [])
    assert len(claims) == keeps
    volumes = {volume["name"] for volume in pod_of(workload).get("volumes", ())}
    volumes |= {claim["metadata"]["name"] for claim in claims}
    assert volumes == {mount["name"] for mount in container_of(workload).get("volumeMounts", ())}


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_services_lead_to_pods_and_names_to_services(deployment: str) -> None:
    pods = {
        each["metadata"]["name"]: {port["containerPort"] for port in container_of(each)["ports"]}
        for each in of_kind(deployment, "Deployment", "StatefulSet")
    }
    reached: dict[str, set[int]] = {}
    for service in of_kind(deployment, "Service"):
        [selected] = service["spec"]["selector"].values()
        reached[service["metadata"]["name"]] = ports = {
            port["port"] for port in service["spec"]["ports"]
        }
        assert ports <= pods[selected]
    texts = [
        text
        for each in of_kind(deployment, "Deployment", "StatefulSet")
        for text in (*environment_of(each).values(), *configurations_of(deployment, each).values())
    ]
    asked = re.findall(rf"\b({'|'.join(pods)}):(\d+)", "\n".join(texts))
    assert {(name, int(port)) for name, port in asked if int(port) not in reached[name]} == set()
    for config in DEPLOY.glob(f"{deployment}/prometheus.yml"):
        for job in yaml.safe_load(config.read_text())["scrape_configs"]:
            for group in job.get("dns_sd_configs", ()):
                assert all(group["port"] in reached[name] for name in group["names"])
    # Where programs are told to send.
    head = (DEPLOY / deployment / "kubernetes.yaml").read_text()
    [(name, port)] = re.findall(r"ENDPOINT=http://(\w+)\.mistralai-traces:(\d+)", head)
    assert int(port) in reached[name]


def test_the_operators_schema_takes_the_instrumentation() -> None:
    schema = json.loads(SCHEMA.read_text())
    validator: Any = jsonschema.Draft202012Validator(schema)
    manifest = yaml.safe_load((DEPLOY / "operator" / "instrumentation.yaml").read_text())
    assert [error.message for error in validator.iter_errors(manifest)] == []
    assert (manifest["apiVersion"], manifest["kind"]) == (
        "opentelemetry.io/v1alpha1",
        "Instrumentation",
    )
    manifest["spec"]["python"]["envs"] = manifest["spec"]["python"].pop("env")
    assert len(list(validator.iter_errors(manifest))) == 1


def test_the_image_is_the_dockerfiles_and_its_receiver_is_there() -> None:
    manifest = yaml.safe_load((DEPLOY / "operator" / "instrumentation.yaml").read_text())
    dockerfile = (DEPLOY / "operator" / "Dockerfile").read_text()
    assert f"docker build -t {manifest['spec']['python']['image']} " in dockerfile
    head = (DEPLOY / "one_jaeger" / "kubernetes.yaml").read_text()
    assert f"ENDPOINT={manifest['spec']['exporter']['endpoint']}\n" in head
