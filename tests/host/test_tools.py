"""Programs of the host: the error for missing ones has the command to run. The tests install nothing."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from ssiuml.errors import SsiumlError
from ssiuml.host import tools
from ssiuml.host.run import CommandError, find_tool
from ssiuml.host.tools import HOST_TOOLS, LINT_TOOLS, TEST_TOOLS, HostTool, missing, require

TOOLS = (
    HostTool("cat", "coreutils", "show files"),
    HostTool("no-such-b", "pkg-b", "do b"),
    HostTool("no-such-a", "pkg-a", "do a"),
    HostTool("no-such-a2", "pkg-a", "do more"),
    HostTool("/nonexistent/keyring.gpg", "pkg-key", "verify"),
)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The calls of install. They install nothing."""
    calls: list[list[str]] = []
    monkeypatch.setattr(tools, "install", lambda packages: calls.append(list(packages)))
    return calls


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_missing_programs_and_files_are_found() -> None:
    assert missing(TOOLS) == list(TOOLS[1:])


def test_an_existing_file_is_not_missing(tmp_path: Path) -> None:
    assert missing([HostTool(str(tmp_path), "x", "x")]) == []


@pytest.mark.usefixtures("user")
def test_the_error_for_an_ordinary_user_has_one_command_for_all_packages(installed: list[list[str]]) -> None:
    with pytest.raises(SsiumlError) as caught:
        require(TOOLS)
    message, hint = str(caught.value).splitlines()
    for tool in TOOLS[1:]:
        assert f"{tool.name} (to {tool.purpose})" in message
    assert "cat" not in message
    assert hint.strip() == "run sudo apt-get install --no-install-recommends pkg-a pkg-b pkg-key"
    assert installed == []


@pytest.mark.usefixtures("root")
def test_root_installs_each_missing_package_once(
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
def test_a_tool_that_is_missing_after_the_installation_is_an_error(
    installed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "find_tool", lambda name: "/bin/apt-get" if name == "apt-get" else None)
    with pytest.raises(SsiumlError, match="no-such-a"):
        require(TOOLS[2:3])
    assert installed == [["pkg-a"]]


@pytest.mark.usefixtures("root")
def test_root_without_apt_gets_the_error_too(
    installed: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "find_tool", lambda name: None)
    with pytest.raises(SsiumlError, match="pkg-a"):
        require(TOOLS[2:3])
    assert installed == []


@pytest.mark.usefixtures("root")
def test_nothing_is_installed_if_nothing_is_missing(installed: list[list[str]]) -> None:
    require(TOOLS[:1])
    assert installed == []


def test_an_installation_prints_the_packages_and_asks_nothing(
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


def test_the_error_of_a_failed_installation_has_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(argv: list[str], *, timeout_s: float, env: dict[str, str]) -> str:
        raise CommandError(f"{argv[0]} {argv[1]}: exit status 100")

    monkeypatch.setattr(tools, "run", fail)
    with pytest.raises(CommandError, match="apt-get update"):
        tools.install(["pkg-a"])


@pytest.mark.parametrize("tool", [*HOST_TOOLS, *LINT_TOOLS, *TEST_TOOLS], ids=lambda tool: tool.name)
def test_each_installed_tool_is_in_its_package(tool: HostTool) -> None:
    """Ask dpkg. A program in /usr/local is in no package, and some machines have no dpkg."""
    path = tool.name if tool.name.startswith("/") else (find_tool(tool.name) or "")
    if not path or not Path(path).exists():
        pytest.skip(f"{tool.name} is not on this machine")
    # Debian merges /usr: dpkg may know a file by its path without /usr.
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
