"""Neutral names, and the programs that take other names apart: make and apt, with every printable letter."""

import subprocess
from pathlib import Path

import pytest
from odd_names import PRINTABLE
from project import PROJECT

from ssiuml.errors import SsiumlError
from ssiuml.host import neutral_names
from ssiuml.host.neutral_names import is_neutral, neutral_name, temporary_folder
from ssiuml.layers import cluster_tools
from ssiuml.tree.tree import Tree


@pytest.mark.parametrize("letter", PRINTABLE)
def test_make_and_apt_get_every_name_through(tmp_path: Path, letter: str) -> None:
    folder = tmp_path / f"a{letter}b"
    folder.mkdir()
    (folder / "here").touch()
    rule = "all:\n\t@test -f $(FOLDER)/here\n"
    with neutral_name(folder) as name:
        subprocess.run(["make", "-s", "-f", "-", f"FOLDER={name}"], input=rule, text=True, check=True)
        (folder / "apt.conf").write_text(f'Dir::State "{name}";\n')
        done = subprocess.run(
            ["apt-config", "shell", "folder", "Dir::State"],
            env={"PATH": "/usr/bin:/bin", "APT_CONFIG": str(name / "apt.conf")},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == f"folder='{name}'"
    assert (folder / "here").exists()
    assert not name.is_symlink()


def test_a_plain_name_stays_as_it_is(tmp_path: Path) -> None:
    with neutral_name(tmp_path) as name:
        assert name == tmp_path


def test_the_cluster_tools_are_installed_below_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "".join(PRINTABLE)
    folder.mkdir()
    layer = cluster_tools.install(PROJECT / "cluster-tools", "debian", folder / "root", Tree(), 0)
    assert (folder / "root/usr/lib/ssi/rc").is_file()
    assert layer is not None


def test_temporary_files_go_where_the_name_is_neutral(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "a b"
    odd.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(odd))
    assert is_neutral(temporary_folder())
    monkeypatch.setattr(neutral_names, "_OTHERS", (str(tmp_path / "x y"), "/nowhere"))
    with pytest.raises(SsiumlError) as caught:
        temporary_folder()
    assert str(caught.value) == (
        f"{odd}: make and apt would take this name apart, and {tmp_path}/x y and /nowhere cannot be written "
        "to\n"
        "  set TMPDIR to a folder whose name has only letters, digits and /._+-"
    )
