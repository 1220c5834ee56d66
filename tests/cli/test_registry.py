"""The registry names the commands that the project installs and that ./run runs."""

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
def test_load_parser_returns_the_parser_of_each_command(name: str) -> None:
    parser = load_parser(name)
    assert parser.prog == name
    assert parser.description
    assert "examples:\n" in (parser.epilog or "")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_run_script_prints_the_help_of_each_command(name: str) -> None:
    module = subprocess.run(
        [sys.executable, "-m", COMMANDS[name], "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    script = subprocess.run(
        [PROJECT / "run", name, "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert script.stdout == module.stdout
    assert script.stdout.startswith(f"usage: {name} ")


def test_no_command_imports_packages_that_only_builds_and_releases_need() -> None:
    script = (
        "import sys; from ssiuml.cli.registry import COMMANDS, load_parser\n"
        "for name in COMMANDS: load_parser(name)\n"
        "print(*sorted({'doit', 'shtab'} & {name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []
