"""The windows with consoles, with a stand-in for xterm that runs the command it is given."""

import os
import sys
from pathlib import Path

import pytest
from processes import wait_until

from ssiuml.cli.terminals import Terminals
from ssiuml.cluster.paths import cluster_folder
from ssiuml.host.installation import HOME

XTERM = """\
#!/bin/sh
# Called as xterm -T TITLE -e COMMAND…
shift 3
"$@" >"$WINDOW" 2>&1 </dev/null
echo "status $?" >>"$WINDOW"
"""


@pytest.mark.parametrize("name", ["lib", "a: \"b'%"])
@pytest.mark.parametrize("before", [None, "elsewhere"])
def test_a_window_finds_this_package_in_any_folder_and_keeps_the_users_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None, name: str
) -> None:
    """A release is not among Python's packages: its commands find the package by their own place."""
    (tmp_path / "xterm").write_text(XTERM)
    (tmp_path / "xterm").chmod(0o755)
    # The package is hidden where an installed Python would find it: -S drops the environment's packages.
    (tmp_path / "python").write_text(f'#!/bin/sh\necho "path $PYTHONPATH"\nexec {sys.executable} -S "$@"\n')
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("WINDOW", str(tmp_path / "window"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    (tmp_path / name / "ssiuml").symlink_to(HOME / "ssiuml")
    monkeypatch.setattr("ssiuml.host.installation.HOME", tmp_path / name)
    if before is None:
        monkeypatch.delenv("PYTHONPATH", raising=False)
    else:
        monkeypatch.setenv("PYTHONPATH", before)
    Terminals(cluster_folder("t", os.environ)).open(1)
    window = tmp_path / "window"
    wait_until(lambda: window.exists() and "status" in window.read_text(), "the end of the console")
    said = window.read_text()
    assert said.startswith(f"path {before or ''}\n")
    assert "No module named" not in said
    assert "cluster 't'" in said
