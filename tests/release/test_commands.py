"""The commands that the project installs: they have parsers, and ./run runs them."""

import subprocess
import sys

import pytest
from project import PROJECT

from ssiuml.release import commands as commands_module
from ssiuml.release.commands import commands, load_parser, summary_of


@pytest.mark.parametrize("name", commands())
def test_load_parser_returns_the_parser_of_each_command(name: str) -> None:
    parser = load_parser(name)
    assert parser.prog == name
    assert parser.description
    assert "examples:\n" in (parser.epilog or "")


@pytest.mark.parametrize("name", commands())
def test_summary_of_returns_a_line_for_a_list(name: str) -> None:
    summary = summary_of(name)
    assert summary[0].islower()
    assert len(f"{name} - {summary}") <= 76  # as apropos prints it on a terminal


def test_summary_of_names_the_file_whose_docstring_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands_module, "commands", lambda: {"ssi-nothing": "ssiuml.cli.arguments"})
    with pytest.raises(ValueError, match=r"arguments\.py: its docstring must begin with 'ssi-nothing: "):
        summary_of("ssi-nothing")


@pytest.mark.parametrize("name", commands())
def test_the_run_script_prints_the_help_of_each_command(name: str) -> None:
    module = subprocess.run(
        [sys.executable, "-m", commands()[name], "--help"],
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
        "import sys; from ssiuml.release.commands import commands, load_parser\n"
        "for name in commands(): load_parser(name)\n"
        "print(*sorted({'doit', 'shtab'} & {name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []
