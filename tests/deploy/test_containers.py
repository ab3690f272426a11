"""docker-compose.yml, Dockerfile and what lies in deploy/: no container engine runs here, so everything in them that can be run or read without one is.

``compose-spec/compose-spec.json`` is the schema of the compose specification (github.com/compose-spec/compose-spec, Apache-2.0, see the LICENSE beside it),
as check-jsonschema 0.39.0 ships it, unchanged.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement
from typer.core import TyperGroup as Group
from typer.main import get_command

from assistant.serve import STOP_SECONDS
from core.cli import build
from core.settings import Models, Settings, load_settings
from engines.adapter_export import NOTE, Export, serve_command
from tests.assistant.test_serve import PATIENCE, serving
from tests.assistant.test_serve import Running as Service

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf8")
OURS = {"service", "worker"}
#: of images that are not root without being told
IMAGES_OWN_USER = {"elasticsearch": "1000", "prometheus": "nobody"}
EMPTY = Export(Path("none"), "none", "", "", 64, "", ())


# -- docker-compose.yml ----------------------------------------------------------------------------


def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((Path(__file__).parent / "compose-spec" / "compose-spec.json").read_text("utf8")))


def test_the_compose_file_is_one_and_a_wrong_one_would_be_seen() -> None:
    assert [error.message for error in validator().iter_errors(COMPOSE)] == []
    wrong = {**COMPOSE, "services": {"x": {"image": "y", "stop_grace": "1s"}}}
    assert ["stop_grace" in error.message for error in validator().iter_errors(wrong)] == [True]


def test_the_set_is_whole() -> None:
    assert set(SERVICES) == OURS | {"postgres", "elasticsearch", "vllm", "prometheus"}
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["vllm"]
    assert SERVICES["vllm"]["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_held_small(name: str) -> None:
    service = SERVICES[name]
    limits = service["deploy"]["resources"]["limits"]
    assert {"memory", "pids"} <= set(limits)
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["stop_grace_period"]
    assert service["restart"] == "unless-stopped"
    assert not {"privileged", "network_mode", "pid", "cap_add"} & set(service)
    assert not any("docker.sock" in volume for volume in service.get("volumes", []))
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert service["cap_drop"] == ["ALL"]
    assert service.get("read_only", False) is (name != "elasticsearch")  # which writes a keystore beside its configuration
    assert not re.match(r"(0|root)\b", service.get("user", IMAGES_OWN_USER.get(name, "root")))
    assert name == "worker" or "healthcheck" in service or (name == "service" and "HEALTHCHECK --" in stage("service"))
    if name in OURS:
        assert service["user"] == "1000:1000"
        assert any(volume.endswith(":/data") for volume in service["volumes"])


def test_vllm_can_write_where_it_must_and_nowhere_else() -> None:
    """As vllm/vllm-openai v0.32.0 is made: user vllm (2000, group 0), home /home/vllm, which its group may write."""
    service = SERVICES["vllm"]
    assert service["image"] == "vllm/vllm-openai:v0.32.0"
    assert service["user"] == "2000:0"
    places = {volume.split(":")[1]: volume for volume in service["volumes"]}
    assert {place for place, volume in places.items() if not volume.endswith(":ro")} == {"/home/vllm"}
    environment = service["environment"]
    assert environment["HOME"] == "/home/vllm"
    assert environment["TORCHINDUCTOR_CACHE_DIR"].startswith("/home/vllm/")
    ((place, _, options),) = (mount.partition(":") for mount in service["tmpfs"])
    assert place == "/tmp"  # noqa: S108, in its container
    assert "exec" in options.split(",")  # Docker's default is noexec
    assert service["shm_size"]


def test_what_is_named_is_declared() -> None:
    secrets = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert secrets == set(COMPOSE["secrets"])
    volumes = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert {volume for volume in volumes if not volume.startswith("./")} == set(COMPOSE["volumes"])
    assert all((ROOT / volume).is_file() for volume in volumes if volume.startswith("./deploy/"))
    assert {network for service in SERVICES.values() for network in service["networks"]} == set(COMPOSE["networks"])
    assert {other for service in SERVICES.values() for other in service.get("depends_on", {})} <= set(SERVICES)
    # a secret that a container reads is one that it was given
    for name, service in SERVICES.items():
        assert set(re.findall(r"/run/secrets/(\w+)", json.dumps(service))) <= set(service.get("secrets", [])), name


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deploy") / "secrets"
    subprocess.run([ROOT / "deploy" / "make-secrets.sh", folder], check=True, capture_output=True)
    return folder


def test_secrets_are_made_once(secrets: Path) -> None:
    made = {file.name: file.read_text() for file in secrets.iterdir()}
    assert set(made) == set(COMPOSE["secrets"])
    assert made["catalogue_url"] == f"postgresql+psycopg://bankassist:{made['postgres_password']}@postgres:5432/bankassist"
    assert len(made["postgres_password"]) == 48
    assert len({made[name] for name in ("postgres_password", "elastic_password", "vllm_key")}) == 3
    assert made["metrics_key"] == ""
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in secrets.iterdir()}
    assert (stat.S_IMODE(secrets.stat().st_mode), modes["elastic_password"], modes["catalogue_url"]) == (0o700, 0o400, 0o444)
    again = subprocess.run([ROOT / "deploy" / "make-secrets.sh", secrets], check=True, capture_output=True, text=True)
    assert "made" not in again.stdout
    assert {file.name: file.read_text() for file in secrets.iterdir()} == made


def dotenv(file: Path) -> dict[str, str]:
    """The variables of a file as compose reads .env."""
    return dict(line.split("=", 1) for line in file.read_text("utf8").splitlines() if line and not line.startswith("#"))


def set_environment(name: str, secrets: Path, monkeypatch: pytest.MonkeyPatch, given: Mapping[str, str] = MappingProxyType({})) -> None:
    """The variables that a container of ours is started with: those of its image and of the compose file, secrets where they lie here; ``given`` is in .env."""
    image = dict(pair.split("=", 1) for line in re.findall(r"^ENV (.+)$", stage("base") + stage(name), re.MULTILINE) for pair in line.split())
    for key, value in {**image, **SERVICES[name]["environment"]}.items():
        plain = re.sub(r"\$\{(\w+):-(.*?)\}", lambda one: given.get(one[1]) or one[2], value)  # the default of what .env may set
        monkeypatch.setenv(key, plain.replace("/run/secrets", str(secrets)))


@pytest.mark.parametrize("name", sorted(OURS))
def test_its_settings_are_ours(name: str, secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(name, secrets, monkeypatch)
    settings = load_settings()
    assert settings.catalogue.url is not None
    assert settings.catalogue.url.get_secret_value() == (secrets / "catalogue_url").read_text()
    assert (settings.home, settings.bank.time_zone) == (Path("/data"), "UTC")
    if name == "service":
        assert (settings.service.host, settings.service.port, settings.service.worker) == ("0.0.0.0", 8080, False)  # noqa: S104, in its container


def seconds(text: str) -> int:
    (number, unit) = re.fullmatch(r"(\d+)(s|m)", text).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "m": 60}[unit]


def test_the_service_has_the_time_that_it_takes_to_stop(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for given in ({}, {"DRAIN_SECONDS": "10"}):
        set_environment("service", secrets, monkeypatch, given)
        drains = load_settings().service.drain_seconds
        assert drains == int(given.get("DRAIN_SECONDS", 0))
        assert seconds(SERVICES["service"]["stop_grace_period"]) >= drains + STOP_SECONDS + 5  # what docs/processes.md asks for


def test_without_more_the_service_writes_answers_itself_and_with_a_few_lines_vllm_does(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment("service", secrets, monkeypatch)
    assert (load_settings().generation.engine, load_settings().models.generation) == ("local", Models().generation)
    given = dotenv(ROOT / "deploy" / "gpu.env")
    assert given.pop("COMPOSE_PROFILES") == SERVICES["vllm"]["profiles"][0]
    assert set(given) <= set(re.findall(r"\$\{(\w+):-", (ROOT / "docker-compose.yml").read_text("utf8")))
    set_environment("service", secrets, monkeypatch, given)
    settings = load_settings()
    assert (settings.generation.engine, settings.models.generation, settings.remote.model) == ("remote", "/models/base", "base")
    assert (settings.remote.url, settings.remote.load_adapters, settings.remote.source_grammar) == ("http://vllm:8000/v1", False, True)
    assert settings.remote.api_key is not None
    assert settings.remote.api_key.get_secret_value() == (secrets / "vllm_key").read_text()
    # both see the same folders under the same names, and both or none load adapters later
    assert {"./models:/models:ro"} <= set(SERVICES["service"]["volumes"]) & set(SERVICES["vllm"]["volumes"])
    assert SERVICES["vllm"]["environment"]["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == SERVICES["service"]["environment"]["BANKASSIST_REMOTE__LOAD_ADAPTERS"]
    set_environment("service", secrets, monkeypatch, {**given, "LOAD_ADAPTERS": "1"})
    assert load_settings().remote.load_adapters


@pytest.mark.parametrize("names", [(), ("customer-service@3-0123456789ab",), ("customer-service@3-0123456789ab", "loan-risk@4-ba9876543210")], ids=len)
def test_vllm_is_started_as_adapters_export_says(names: tuple[str, ...], secrets: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    exports = [Export(models / "exports" / name, name, name.partition("-")[0], "", 64, "", ()) for name in names]
    for export in exports:
        export.folder.mkdir(parents=True)
        (export.folder / NOTE).write_text("{}")
        (export.folder.parent / f".{export.model}").mkdir()  # an export that was cut short
    program = tmp_path / "vllm"
    program.write_text('#!/bin/sh\necho "$VLLM_API_KEY"\nfor word; do echo "$word"; done\n')
    program.chmod(0o755)
    service = SERVICES["vllm"]
    script = next(volume.partition(":")[0] for volume in service["volumes"] if volume.endswith(f":{service['entrypoint'][1]}:ro"))
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "MODELS": str(models), "VLLM_KEY_FILE": str(secrets / "vllm_key")}
    command = [service["entrypoint"][0], ROOT / script, *service["command"]]
    key, *words = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
    assert key == (secrets / "vllm_key").read_text()
    expected = serve_command(str(models / "base"), "base", exports) if exports else serve_command(str(models / "base"), "base", [EMPTY])
    place = expected.index("--max-loras")
    if not exports:
        expected[place + 1 :] = ["1"]
    assert words == [*expected[1 : place + 2], *service["command"], *expected[place + 2 :]]
    assert re.search(r"/run/secrets/(\w+)", (ROOT / script).read_text())[1] in service["secrets"]  # type: ignore[index]


@pytest.mark.parametrize("name", sorted(OURS))
def test_its_command_is_ours(name: str) -> None:
    assert 'ENTRYPOINT ["bankassist"]' in stage("base")
    (words,) = (json.loads(words) for words in re.findall(r"^CMD (\[.+\])$", stage(name), re.MULTILINE))
    command = get_command(build())
    for word in words:
        assert isinstance(command, Group)
        command = command.commands[word]
    assert not isinstance(command, Group)


# -- Dockerfile ------------------------------------------------------------------------------------


def stage(name: str) -> str:
    (found,) = re.findall(rf"^FROM \S+ AS {name}$(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    return str(found)


def extras(name: str) -> set[str]:
    (found,) = re.findall(r"\.whl\)\[([\w,]+)\]", stage(name))
    return set(str(found).split(","))


def test_each_role_has_a_stage_and_is_nobody_special() -> None:
    for name in OURS:
        assert re.search(r"^USER bankassist$", stage(name), re.MULTILINE)
        assert stage(name).index("pip install") < stage(name).index("USER")  # what is installed is not its own to change
        assert SERVICES[name]["build"]["target"] == name


def test_the_wheel_is_made_of_all_packages() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["tool"]["setuptools"]["packages"]["find"]["include"]
    copied = re.findall(r"^COPY (\w+) \1$", stage("wheel"), re.MULTILINE)
    assert {package.rstrip("*") for package in packages} == set(copied)
    ignored = (ROOT / ".dockerignore").read_text("utf8").splitlines()
    assert ignored[0] == "*"
    wanted = {file for line in re.findall(r"^COPY ([^-].*) \S+$", DOCKERFILE, re.MULTILINE) for file in shlex.split(line)}
    assert wanted == {line.removeprefix("!") for line in ignored if line.startswith("!")}


PARSERS = {"pdfplumber", "pdfminer-six", "pypdfium2", "python-docx", "openpyxl", "lxml"}
WEB_SERVER = {"fastapi", "starlette", "uvicorn", "prometheus-client", "python-multipart"}
TRAINING_AND_TESTS = {"reportlab", "pytest", "playwright", "mypy", "hypothesis"}


def installed(wanted: set[str]) -> set[str]:
    """The names of all packages that come with these extras, on this machine's kind of system."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    own: dict[str, list[str]] = project["optional-dependencies"]
    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(text), "") for text in project["dependencies"]] + [(Requirement(f"bankassist[{','.join(wanted)}]"), "")]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        for chosen in {"", *requirement.extras} - {done for other, done in seen if other == name}:
            seen.add((name, chosen))
            if name == "bankassist":
                waiting += [(Requirement(text), "") for text in own.get(chosen, [])]
                continue
            try:
                waiting += [(Requirement(text), chosen) for text in requires(name) or []]
            except PackageNotFoundError:  # of another system: a marker of a package that is not installed here
                continue
    return {name for name, _ in seen} - {"bankassist"}


def test_an_image_has_what_its_role_needs_and_not_what_the_others_do() -> None:
    service, worker, everything = installed(extras("service")), installed(extras("worker")), installed({"dev"})
    assert everything >= PARSERS | WEB_SERVER | TRAINING_AND_TESTS  # so that a wrong name is seen
    assert service & (PARSERS | TRAINING_AND_TESTS) == set()
    assert worker & (WEB_SERVER | TRAINING_AND_TESTS) == set()
    assert WEB_SERVER | {"torch", "elasticsearch", "psycopg"} <= service
    assert PARSERS | {"torch", "elasticsearch", "psycopg"} <= worker


WITHOUT = """
import sys
from importlib.abc import MetaPathFinder
class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
from core import cli
cli.main()
"""
MODULES = {
    "service": ["pdfplumber", "pdfminer", "pypdfium2", "docx", "openpyxl", "lxml", "reportlab"],
    "worker": ["fastapi", "starlette", "uvicorn", "prometheus_client", "multipart", "python_multipart"],
}


def test_the_worker_does_its_work_without_a_web_server(tmp_path: Path) -> None:
    code = WITHOUT.format(absent=set(MODULES["worker"]))
    environment = {**os.environ, "BANKASSIST_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", code, "ingest", "worker", "--until-idle"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "home" / "catalogue.db").is_file()


# -- health and metrics, against a service that runs ------------------------------------------------


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings: Settings = load_settings(home=tmp_path_factory.mktemp("deployed") / "home")
    absent = ",".join(MODULES["service"])
    with serving(settings, BANKASSIST_SERVICE__WORKER="false", BANKASSIST_TEST_ABSENT=absent) as running:
        running.key = running.catalogue.keys.create("prometheus", [], ["admin"])
        yield running


def test_the_health_check_tells_a_ready_service_from_none(service: Service) -> None:
    (words,) = (json.loads(words) for words in re.findall(r"^HEALTHCHECK .* CMD (\[.+\])$", stage("service"), re.MULTILINE))
    assert (words[:2], words[2].count("8080")) == (["python", "-c"], 1)
    port = service.url.rpartition(":")[2]
    for number, code in ((port, 0), ("1", 1)):
        done = subprocess.run([sys.executable, "-c", words[2].replace("8080", number)], capture_output=True, timeout=PATIENCE, check=False)
        assert done.returncode == code


def test_every_metric_of_the_alerts_is_one_of_ours(service: Service) -> None:
    prometheus = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text("utf8"))
    (job,) = prometheus["scrape_configs"]
    assert job["authorization"]["credentials_file"] == "/run/secrets/metrics_key"
    httpx.get(f"{service.url}/v1/me", headers={"Authorization": f"Bearer {service.key}"}, timeout=PATIENCE)
    text = httpx.get(f"{service.url}/metrics", headers={"Authorization": f"Bearer {service.key}"}, timeout=PATIENCE).text
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    rules = [rule for group in yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text("utf8"))["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 4
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
        names = re.findall(r"\bbankassist_\w+", rule["expr"])
        assert names or "up{" in rule["expr"]
        for name in names:
            kind = kinds.get(name) or kinds.get(name.removesuffix("_bucket"))
            assert kind is not None, name
            # rates are of what only grows
            growing = re.search(rf"(rate|increase)\({name}", rule["expr"]) is not None
            assert growing == (kind in ("counter", "histogram")), rule["expr"]
