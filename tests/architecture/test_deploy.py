"""What lies in deploy/ fits together and keeps its promises: image, Compose file, Kubernetes manifests.

No container engine and no cluster: schemas, and what we want to hold of them. That the configuration files work is
shown by tests/integration/test_compose.py, which runs them.
"""

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema

from tocsin.settings import load

CHECKOUT = Path(__file__).parents[2]
DOCKERFILE = CHECKOUT / "deploy/Dockerfile"
KUBERNETES = CHECKOUT / "deploy/kubernetes"
COMPOSE: dict[str, Any] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN_USER = "10001"
OLDEST_KUBERNETES = "1.30"

# ---- the image ----------------------------------------------------------------------------------------------------


def steps(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile: (word, the rest on one line)."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    return [
        (word, rest.strip()) for line in joined.splitlines() if line.strip() for word, _, rest in [line.partition(" ")]
    ]


STEPS = steps(DOCKERFILE.read_text(encoding="utf-8"))
LAST_STAGE = STEPS[max(index for index, (word, _) in enumerate(STEPS) if word == "FROM") :]


def of(word: str, stage: list[tuple[str, str]]) -> list[str]:
    return [rest for found, rest in stage if found == word]


def test_the_image_installs_only_what_is_locked() -> None:
    installs = [rest for rest in of("RUN", STEPS) if "pip install" in rest]
    assert len(installs) == 2
    for install in installs:
        assert "--require-hashes" in install or ("--no-deps" in install and "--no-build-isolation" in install)
    assert not [rest for rest in of("RUN", LAST_STAGE) if re.search(r"\b(?:pip|apt-get|curl|wget)\b", rest)]


def test_the_image_is_not_root_and_ends_as_tocsin_wants_it() -> None:
    assert of("USER", LAST_STAGE) == [f"{OWN_USER}:{OWN_USER}"]
    assert of("STOPSIGNAL", LAST_STAGE) == ["SIGTERM"]
    assert of("VOLUME", LAST_STAGE) == ['["/var/lib/tocsin"]']
    (check,) = of("HEALTHCHECK", LAST_STAGE)
    assert check.endswith('CMD ["tocsin", "health"]')
    assert of("ENTRYPOINT", LAST_STAGE) == ['["tocsin"]']


def test_both_stages_stand_on_the_same_pinned_python() -> None:
    (default,) = of("ARG", STEPS)
    assert re.fullmatch(r"PYTHON=3\.\d+-slim-\w+", default)
    assert {rest.split(" ")[0] for rest in of("FROM", STEPS)} == {"python:${PYTHON}"}


def test_what_the_image_copies_exists_and_is_sent_to_the_builder() -> None:
    ignored = (CHECKOUT / "deploy/Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    sent = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {source for rest in of("COPY", STEPS) if "--from" not in rest for source in rest.split()[:-1]}
    copied = {next(entry for entry in sent if entry.endswith(name)) if name not in sent else name for name in copied}
    assert copied == sent
    assert [name for name in sent if not (CHECKOUT / name).exists()] == []


# ---- Compose ------------------------------------------------------------------------------------------------------


def mounts(service: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """(source, target, whether read-only) of each mount."""
    for text in service.get("volumes", ()):
        source, target, *options = text.split(":")
        yield source, target, options == ["ro"]


def test_the_compose_file_is_one() -> None:
    jsonschema.validate(COMPOSE, get_builtin_schema("vendor.compose-spec"))


def test_a_compose_file_with_a_mistake_is_found() -> None:
    broken = {**COMPOSE, "services": {"a": {"image": "a", "port": ["1:1"]}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, get_builtin_schema("vendor.compose-spec"))


@pytest.mark.parametrize("name", SERVICES)
def test_a_port_is_open_to_this_machine_only(name: str) -> None:
    for port in SERVICES[name].get("ports", ()):
        address, outside, inside = port.split(":")
        assert ipaddress.ip_address(address).is_loopback
        assert outside == inside  # what a program says of itself is true on both sides


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_mounts_what_exists_and_changes_nothing_of_it(name: str) -> None:
    for source, _, read_only in mounts(SERVICES[name]):
        if source.startswith("."):
            assert (CHECKOUT / source).exists()
            assert read_only
        else:
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_rights_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("read_only") is True or name == "kafka"  # its start script writes its settings
    assert "privileged" not in service


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_stays_is_watched_and_pinned(name: str) -> None:
    service = SERVICES[name]
    image, _, tag = service["image"].rpartition(":")
    assert image
    assert tag == "local" or re.fullmatch(r"v?\d+\.\d+\.\d+", tag)
    stays = "restart" in service
    assert stays == (name not in ("token", "topics"))
    # tocsin's own check stands in its image.
    assert ("test" in service.get("healthcheck", {})) == (stays and name != "tocsin")


def test_the_profiles_are_the_ones_that_the_file_explains() -> None:
    assert {name: service.get("profiles", []) for name, service in SERVICES.items()} == {
        "token": [],
        "tocsin": [],
        "kafka": ["kafka"],
        "topics": ["kafka"],
        "prometheus": ["monitoring"],
        "alertmanager": ["monitoring"],
    }
    assert SERVICES["tocsin"]["depends_on"]["topics"]["required"] is False


@pytest.mark.parametrize("log", ["embedded", "kafka"])
def test_the_settings_in_containers_load(log: str, tmp_path: Path) -> None:
    file = f"tocsin.{log}.yaml"
    assert f"/etc/tocsin/{file}" in {target for _, target, _ in mounts(SERVICES["tocsin"])}
    (tmp_path / "hash").write_text("sha256:" + "0" * 64)
    text = (CHECKOUT / "deploy/container" / file).read_text(encoding="utf-8")
    (tmp_path / file).write_text(text.replace("/etc/tocsin/secrets", str(tmp_path)))
    settings = load(tmp_path / file, {"TOCSIN_TOKEN": "file:/etc/tocsin/secrets/token"})
    assert settings.http.listen == "0.0.0.0:9393"
    on_kafka = log == "kafka"
    assert settings.broker == ("kafka://kafka:9092" if on_kafka else "embedded://")
    # That it is not encrypted is said in the file, too.
    assert ["no encryption" in warning for warning in settings.warnings()] == [True] * on_kafka


# ---- Kubernetes ---------------------------------------------------------------------------------------------------

RESOURCES: list[dict[str, Any]] = [
    resource
    for file in yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    for resource in yaml.safe_load_all((KUBERNETES / file).read_text(encoding="utf-8"))
]
CUSTOM = {"ServiceMonitor"}


def name_of(resource: dict[str, Any]) -> str:
    return f"{resource['kind']}-{resource['metadata']['name']}"


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [resource for resource in RESOURCES if resource["kind"] in kinds]


@pytest.mark.parametrize("version", [OLDEST_KUBERNETES, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("resource", RESOURCES, ids=name_of)
def test_a_manifest_is_what_kubernetes_takes(resource: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(resource, version, strict=True)


def test_a_manifest_with_a_mistake_is_found() -> None:
    (worker,) = [
        one for one in RESOURCES if one["metadata"]["name"] == "tocsin-worker" and one["kind"] == "StatefulSet"
    ]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(
            {**worker, "spec": {**worker["spec"], "replica": 3}}, OLDEST_KUBERNETES, strict=True
        )


def test_every_file_is_named_by_the_kustomization_or_left_to_choose() -> None:
    text = (KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8")
    named = set(re.findall(r"^  (?:# )?- (\S+\.yaml)", text, re.MULTILINE))
    assert named == {file.name for file in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}


@pytest.mark.parametrize("resource", of_kind("StatefulSet", "Job"), ids=name_of)
def test_a_pod_has_no_rights_and_cannot_change_itself(resource: dict[str, Any]) -> None:
    pod = resource["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False  # they would become variables that begin with TOCSIN_
    context = pod["securityContext"]
    assert (context["runAsNonRoot"], str(context["runAsUser"])) == (True, OWN_USER)
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"].keys() == {"memory"}


@pytest.mark.parametrize("resource", of_kind("StatefulSet", "Job"), ids=name_of)
def test_a_pod_mounts_what_it_has(resource: dict[str, Any]) -> None:
    pod = resource["spec"]["template"]["spec"]
    claims = resource["spec"].get("volumeClaimTemplates", [])
    volumes = {volume["name"] for volume in pod["volumes"]} | {claim["metadata"]["name"] for claim in claims}
    for container in pod["containers"]:
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes


@pytest.mark.parametrize("resource", of_kind("StatefulSet"), ids=name_of)
def test_a_process_keeps_its_name_and_has_time_to_end(resource: dict[str, Any]) -> None:
    pod = resource["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > 10  # the promise of `tocsin run`
    (container,) = pod["containers"]
    member = next(one for one in container["env"] if one["name"] == "TOCSIN_KAFKA__MEMBER")
    assert member["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    probes = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert probes == {"startup": "/-/healthy", "liveness": "/-/healthy", "readiness": "/-/ready"}


def test_the_groups_are_shared_out_once() -> None:
    groups = {}
    for resource in of_kind("StatefulSet"):
        (container,) = resource["spec"]["template"]["spec"]["containers"]
        value = next(one["value"] for one in container["env"] if one["name"] == "TOCSIN_RUN__GROUPS")
        groups[resource["metadata"]["name"]] = (resource["spec"]["replicas"], yaml.safe_load(value))
    assert groups == {"tocsin-worker": (3, ["ingest", "core"]), "tocsin-persist": (1, ["persist"])}


@pytest.mark.parametrize("resource", of_kind("Service", "PodDisruptionBudget"), ids=name_of)
def test_a_selector_finds_pods(resource: dict[str, Any]) -> None:
    selector = resource["spec"]["selector"].get("matchLabels", resource["spec"]["selector"])
    pods = [one["spec"]["template"]["metadata"]["labels"] for one in of_kind("StatefulSet")]
    assert [labels for labels in pods if selector.items() <= labels.items()]


def test_the_settings_in_the_config_map_load(tmp_path: Path) -> None:
    (settings,) = of_kind("ConfigMap")
    (tmp_path / "hash").write_text("sha256:" + "0" * 64)
    (tmp_path / "kafka-password").write_text("secret")
    path = tmp_path / "tocsin.yaml"
    path.write_text(settings["data"]["tocsin.yaml"].replace("/etc/tocsin/secrets", str(tmp_path)))
    for groups in ("[ingest, core]", "[persist]"):
        found = load(path, {"TOCSIN_RUN__GROUPS": groups, "TOCSIN_KAFKA__MEMBER": "tocsin-worker-0"})
        assert found.kafka.member == "tocsin-worker-0"
        assert found.warnings() == []
