"""Programs of the host: what is missing is told with the line to type; tests install nothing."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from ssiuml.host import tools
from ssiuml.host.run import CommandError, find_tool
from ssiuml.host.tools import HOST_TOOLS, LINT_TOOLS, TEST_TOOLS, HostError, HostTool, missing, require

TOOLS = (
    HostTool("cat", "coreutils", "show files"),
    HostTool("no-such-b", "pkg-b", "do b"),
    HostTool("no-such-a", "pkg-a", "do a"),
    HostTool("no-such-a2", "pkg-a", "do more"),
    HostTool("/nonexistent/keyring.gpg", "pkg-key", "verify"),
)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would have been installed; nothing is."""
    calls: list[list[str]] = []
    monkeypatch.setattr(tools, "install", lambda packages: calls.append(list(packages)))
    return calls


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_missing_programs_and_files_are_found_out() -> None:
    assert missing(TOOLS) == list(TOOLS[1:])


def test_a_file_that_is_there_is_not_missing(tmp_path: Path) -> None:
    assert missing([HostTool(str(tmp_path), "x", "x")]) == []


@pytest.mark.usefixtures("user")
def test_an_ordinary_user_reads_the_one_line_to_type(installed: list[list[str]]) -> None:
    with pytest.raises(HostError) as caught:
        require(TOOLS)
    message, hint = str(caught.value).splitlines()
    for tool in TOOLS[1:]:
        assert f"{tool.name} (to {tool.purpose})" in message
    assert "cat" not in message
    assert hint.strip() == "sudo apt-get install --no-install-recommends pkg-a pkg-b pkg-key"
    assert installed == []


@pytest.mark.usefixtures("root")
def test_root_installs_what_is_missing_each_package_once(
    installed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"apt-get", "cat"}
    monkeypatch.setattr(tools, "find_tool", lambda name: f"/bin/{name}" if name in names else None)

    def install(packages: Sequence[str]) -> None:
        installed.append(list(packages))
        names.update({"no-such-a", "no-such-a2", "no-such-b"})

    monkeypatch.setattr(tools, "install", install)
    require(TOOLS[:-1])
    assert installed == [["pkg-a", "pkg-b"]]


@pytest.mark.usefixtures("root")
def test_what_an_installation_did_not_bring_is_told(
    installed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "find_tool", lambda name: "/bin/apt-get" if name == "apt-get" else None)
    with pytest.raises(HostError, match="no-such-a"):
        require(TOOLS[2:3])
    assert installed == [["pkg-a"]]


@pytest.mark.usefixtures("root")
def test_root_without_apt_reads_what_is_missing(
    installed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "find_tool", lambda name: None)
    with pytest.raises(HostError, match="pkg-a"):
        require(TOOLS[2:3])
    assert installed == []


@pytest.mark.usefixtures("root")
def test_nothing_is_installed_when_nothing_is_missing(installed: list[list[str]]) -> None:
    require(TOOLS[:1])
    assert installed == []


def test_installing_names_the_packages_and_asks_no_questions(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    calls: list[tuple[list[str], dict[str, str]]] = []

    def record(argv: list[str], *, timeout_s: float, env: dict[str, str]) -> str:
        calls.append((argv, env))
        return ""

    monkeypatch.setattr(tools, "run", record)
    tools.install(iter(["pkg-a", "pkg-b"]))
    assert "installing on this machine: pkg-a pkg-b" in capfd.readouterr().err
    assert [argv[1] for argv, _ in calls] == ["update", "install"]
    assert {"-y", "--no-install-recommends", "pkg-a", "pkg-b"} <= set(calls[1][0])
    assert all(env["DEBIAN_FRONTEND"] == "noninteractive" for _, env in calls)


def test_a_failing_installation_is_an_error_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(argv: list[str], *, timeout_s: float, env: dict[str, str]) -> str:
        raise CommandError(f"{argv[0]} {argv[1]}: exit status 100")

    monkeypatch.setattr(tools, "run", fail)
    with pytest.raises(CommandError, match="apt-get update"):
        tools.install(["pkg-a"])


@pytest.mark.parametrize("tool", [*HOST_TOOLS, *LINT_TOOLS, *TEST_TOOLS], ids=lambda tool: tool.name)
def test_each_tool_that_is_here_is_in_the_package_named(tool: HostTool) -> None:
    """Judged by dpkg; a program put into /usr/local or a machine without dpkg proves nothing."""
    path = tool.name if tool.name.startswith("/") else (find_tool(tool.name) or "")
    if not path or not Path(path).exists():
        pytest.skip(f"{tool.name} is not on this machine")
    # Debian merges /usr: a file may be known under its name without it.
    real = str(Path(path).resolve().parent / Path(path).name)
    names = {path, real, real.removeprefix("/usr"), path.removeprefix("/usr"), str(Path(path).resolve())}
    owners = ""
    for name in sorted(names):
        try:
            found = subprocess.run(["dpkg", "-S", name], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("this machine has no dpkg")
        owners += found.stdout
    if not owners:
        pytest.skip(f"{path} is in no package")
    assert tool.package in {line.split(":")[0] for line in owners.splitlines()}
