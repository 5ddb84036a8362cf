"""The files for other engines parse and name things that exist; Prefect reads every variable."""

from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path

import yaml
from prefect.settings import Settings
from prefect.settings.models.root import canonical_environment_prefix
from pydantic_settings import BaseSettings

from countersign.deployments.orchestration.deploy import POOL_TYPE
from countersign.deployments.orchestration.environment import ROOT, prefect_environment, server_environment


def names_of(settings: BaseSettings) -> set[str]:
    prefix = canonical_environment_prefix(settings)
    names = set()
    for field in type(settings).model_fields:
        value = getattr(settings, field)
        names |= names_of(value) if isinstance(value, BaseSettings) else {f"{prefix}{field}".upper()}
    return names


def test_every_variable_is_one_that_prefect_reads(tmp_path: Path) -> None:
    known = names_of(Settings())
    compose = yaml.safe_load((ROOT / "deployments" / "compose.yaml").read_text())
    told = {name for service in compose["services"].values() for name in service.get("environment", {})}
    for temporary in (False, True):
        told |= server_environment(tmp_path, 1, temporary=temporary).keys()
    told |= prefect_environment(tmp_path, "http://127.0.0.1:1/api").keys()
    assert {name for name in told if name.startswith("PREFECT_")} <= known


def test_compose_runs_modules_that_exist() -> None:
    compose = yaml.safe_load((ROOT / "deployments" / "compose.yaml").read_text())
    services = compose["services"]
    assert set(services) == {"postgres", "prefect", "worker", "api", "sealer", "poller"}
    assert find_spec("countersign.deployments.orchestration.deploy")
    assert "python -m countersign.deployments.orchestration.deploy countersign" in services["worker"]["command"]
    assert POOL_TYPE == "process"
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
    assert set(compose["volumes"]) == {"home", "postgres"}


def test_the_unit_starts_up_and_lets_it_stop_its_parts() -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.read_string((ROOT / "deployments" / "countersign.service").read_text())
    assert unit["Service"]["ExecStart"].endswith("/countersign up")
    assert unit["Service"]["KillMode"] == "mixed"
