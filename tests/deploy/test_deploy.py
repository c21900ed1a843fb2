"""The files in `deploy/`: linters take them, and what they start is what the program knows."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from tests.deploy.helm import render

from headend.settings import load_settings

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
CHART: Final = DEPLOY / "helm" / "headend"
COMPOSE: Final = sorted((DEPLOY / "compose").glob("*.yaml"))
EVERYTHING: Final[dict[str, Any]] = {
    "replicas": 3,
    "cluster": {"enabled": True, "existingSecret": "headend-cluster"},
    "environmentFrom": ["headend-database"],
    "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "tls"},
    "service": {"type": "ClusterIP", "annotations": {"a": "b"}},
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "media", "operator": "Exists"}],
    "persistence": {"storageClass": "fast"},
}


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    program = shutil.which(str(command[0])) or shutil.which(
        str(command[0]), path=str(Path(sys.executable).parent)
    )
    if program is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([program, *command[1:]], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def schema(name: str, *files: Path) -> None:
    run("check-jsonschema", "--builtin-schema", f"vendor.{name}", *files)


def test_image_has_nothing_that_a_linter_minds() -> None:
    run("hadolint", DEPLOY / "Dockerfile")


def test_image_has_every_package_that_headend_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.M))
    extras = project["optional-dependencies"].values()
    needed = [*project["dependencies"], *(each for extra in extras for each in extra)]
    for each in needed:
        name = re.match(r"[\w-]+", each)
        assert name is not None
        assert name[0] in locked | {"headend"}, f"{each}: make lock"


def test_image_is_built_of_files_that_are_there() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    needed = [line[1:] for line in ignored if line.startswith("!")]
    copied = re.findall(r"^COPY ((?:[\w./-]+ )+)", (DEPLOY / "Dockerfile").read_text(), re.M)
    for name in [*needed, *(each for line in copied for each in line.split())]:
        assert (ROOT / name).exists(), name
    for line in copied:
        for name in line.split():
            assert name == "." or name in needed, name


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_compose_file_is_one(path: Path) -> None:
    schema("compose-spec", path)


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_what_a_compose_file_sets_is_a_setting(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "headend.toml"
    file.write_text("")
    for name, service in yaml.safe_load(path.read_text())["services"].items():
        if not name.startswith("headend"):
            continue
        environ = {
            key: re.sub(r"\$\{\w+(?:[:?-][^}]*)?\}", "live.example.com", str(value))
            for key, value in service.get("environment", {}).items()
        }
        loaded = load_settings(file, environ=environ)
        taken = {key for key, source in loaded.sources.items() if source != "default"}
        assert len(taken) == len([key for key in environ if key.startswith("HEADEND_")])


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_what_a_compose_file_mounts_is_there(path: Path) -> None:
    for service in yaml.safe_load(path.read_text())["services"].values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            made = source == "./server.secret"  # by a command that the file names
            assert made or not source.startswith(".") or (path.parent / source).exists(), source


def test_image_serves_what_compose_passes_on() -> None:
    image = (DEPLOY / "Dockerfile").read_text()
    (exposed,) = re.findall(r"^EXPOSE (.*)$", image, re.M)
    service = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"][
        "headend"
    ]
    inside = {port.split(":")[1].removesuffix("/udp") for port in service["ports"]}
    assert inside == {port.partition("/")[0] for port in exposed.split()}


def test_workflows_and_templates_of_issues_are_ones() -> None:
    github = ROOT / ".github"
    schema("github-workflows", *sorted((github / "workflows").glob("*.yml")))
    schema("dependabot", github / "dependabot.yml")
    schema("github-issue-forms", *(github / "ISSUE_TEMPLATE" / f"{n}.yml" for n in ("bug", "wish")))


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_chart_makes_objects_that_kubernetes_knows(values: dict[str, Any]) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    made = render(CHART, values)
    kinds = [each["kind"] for each in made]
    assert kinds.count("StatefulSet") == 1
    assert kinds.count("Service") == 2
    assert ("Ingress" in kinds) is bool(values)
    for each in made:
        kubernetes_validate.validate(each, "1.30", strict=True)


def test_chart_starts_the_image_with_the_configuration_that_it_was_given(tmp_path: Path) -> None:
    made = render(CHART, {"config": 'auth.publish = "key"\nlive.wait_s = 7\n'})
    (config,) = (each for each in made if each["kind"] == "ConfigMap")
    file = tmp_path / "headend.toml"
    file.write_text(config["data"]["headend.toml"])
    assert load_settings(file, environ={}).settings.live.wait_s == 7
    (servers,) = (each for each in made if each["kind"] == "StatefulSet")
    (container,) = servers["spec"]["template"]["spec"]["containers"]
    (mount,) = (each for each in container["volumeMounts"] if each["name"] == "config")
    assert container["args"] == ["serve", "-c", f"{mount['mountPath']}/headend.toml"]
    assert container["image"] == "headend:0.2.0"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_chart_of_a_cluster_takes_its_secrets_from_a_secret() -> None:
    (servers,) = (each for each in render(CHART, EVERYTHING) if each["kind"] == "StatefulSet")
    (container,) = servers["spec"]["template"]["spec"]["containers"]
    variables = {each["name"]: each for each in container["env"]}
    for name in ("HEADEND_CLUSTER__REDIS", "HEADEND_CLUSTER__SECRET"):
        assert variables[name]["valueFrom"]["secretKeyRef"]["name"] == "headend-cluster"
    assert container["envFrom"] == [{"secretRef": {"name": "headend-database"}}]


def test_alerts_fire_when_something_is_wrong_and_rest_when_all_is_well() -> None:
    folder = DEPLOY / "prometheus"
    run("promtool", "check", "config", "prometheus.yml", cwd=folder)
    run("promtool", "test", "rules", "alerts.test.yml", cwd=folder)


def test_alerts_look_at_metrics_that_the_server_has() -> None:
    rules = (DEPLOY / "prometheus" / "alerts.yml").read_text()
    named = set(re.findall(r"\bheadend_\w+", rules))
    assert len(named) > 5
    source = "".join(path.read_text() for path in (ROOT / "src" / "headend").rglob("*.py"))
    for name in named:
        assert name in source or name.removesuffix("_total") in source, name
