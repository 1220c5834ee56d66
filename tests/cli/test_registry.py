"""The registry of commands against what the project installs and ./run passes on."""

import subprocess
import sys
import tomllib

import pytest
from project import PROJECT

from ssiuml.cli.registry import COMMANDS, load_parser


def test_the_console_scripts_are_the_commands_of_the_registry() -> None:
    scripts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {name: f"{module}:run" for name, module in COMMANDS.items()}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_parser_is_had_without_running_it(name: str) -> None:
    parser = load_parser(name)
    assert parser.prog == name
    assert parser.description
    assert "examples:\n" in (parser.epilog or "")


@pytest.mark.parametrize("name", COMMANDS)
def test_run_passes_a_command_on_with_its_help(name: str) -> None:
    said = subprocess.run(
        [sys.executable, "-m", COMMANDS[name], "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    passed_on = subprocess.run(
        [PROJECT / "run", name, "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert passed_on.stdout == said.stdout
    assert passed_on.stdout.startswith(f"usage: {name} ")


def test_no_command_needs_what_only_releases_are_made_with() -> None:
    script = (
        "import sys; from ssiuml.cli.registry import COMMANDS, load_parser\n"
        "for name in COMMANDS: load_parser(name)\n"
        "print(*sorted({'doit', 'shtab'} & {name.partition('.')[0] for name in sys.modules}))"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.split() == []
