"""Promises of the documents: every setting and every command that they name is there."""

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from countersign.cli import app
from countersign.settings import PREFIX, Settings

ROOT = Path(__file__).parent.parent


def test_every_setting_is_documented_and_no_other() -> None:
    documented = set(re.findall(rf"^\| `{PREFIX}(\w+)`", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))
    assert documented == {name.upper() for name in Settings.model_fields}


def names(group: typer.Typer) -> set[str]:
    inner = {inner.name for inner in group.registered_groups if isinstance(inner.name, str)}
    return inner | {command.name or command.callback.__name__ for command in group.registered_commands}


@pytest.mark.parametrize(
    "document", ["README.md", "docs/importing.md", "docs/operations.md", "docs/settings.md", "CONTRIBUTING.md"]
)
def test_documented_commands_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    groups: dict[str, set[str]] = {}
    commands = names(app)
    for group in app.registered_groups:
        if isinstance(group.name, str):
            groups[group.name] = names(group.typer_instance)
        else:  # its commands are the program's own
            commands |= names(group.typer_instance)
    for first, second in re.findall(r"countersign ([a-z][a-z-]*)(?: ([a-z-]+))?", text):
        assert first in commands | set(groups), f"countersign {first}"
        if first in groups:
            assert second in groups[first], f"countersign {first} {second}"


@pytest.mark.parametrize(
    "document", [*sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md")), "README.md"]
)
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), f"{document}: {target}"


def test_every_command_has_help() -> None:
    runner = CliRunner()
    for command in ("", "init", "up", "run", "replay", "market import", "clock set", "factors revalidate"):
        result = runner.invoke(app, [*command.split(), "--help"])
        assert result.exit_code == 0
        assert len(result.output) > 100
