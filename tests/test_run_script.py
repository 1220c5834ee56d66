"""./run: whose folder names are relative to, and when it makes the Python environment again.

A stand-in for Python says how it was called, and makes environments that hold nothing but itself.
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from checkouts import copy_sources, share_environment
from programs import AS_NOBODY, tool
from project import PROJECT

LIMIT_S = 60.0
PYTHON = """\
#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
"-m venv --clear "*) rm -rf "$4" && mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
"-m pip install "*) echo 'word of pip' && exit "$PIP" ;;
"-P -m ssiuml.pipeline.doit_main"*) echo "tasks from $PWD by $0" ;;
esac
"""


@dataclass
class Script:
    """A checkout that is only ./run, and the calls of its Python."""

    folder: Path
    python: Path
    calls_file: Path

    def run(
        self, *words: str, pip: int = 0, prefix: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        self.calls_file.write_text("")
        return subprocess.run(
            [*prefix, self.folder / "run", *words],
            cwd=self.folder.parent,
            env={**os.environ, "PYTHON": str(self.python), "CALLS": str(self.calls_file), "PIP": str(pip)},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )

    @property
    def makes_environment(self) -> bool:
        """Whether the last call made the environment from nothing."""
        return f"-m venv --clear {self.folder}/.venv" in self.calls_file.read_text().splitlines()

    @property
    def installs(self) -> bool:
        """Whether the last call installed packages."""
        return "-m pip install" in self.calls_file.read_text()


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return make_script(tmp_path)


def make_script(place: Path) -> Script:
    folder = place / "a 'check out'"
    folder.mkdir()
    for name in ("run", "pyproject.toml"):
        shutil.copy2(PROJECT / name, folder / name)
    (place / "python3").write_text(PYTHON)
    (place / "python3").chmod(0o755)
    return Script(folder, place / "python3", place / "calls")


def test_the_environment_is_made_once_and_without_a_word_of_pip(script: Script) -> None:
    first = script.run("recipes")
    making = f"run: making the Python environment {script.folder}/.venv; this takes a minute or two\n"
    assert (first.returncode, first.stderr) == (0, making)
    assert first.stdout == f"tasks from {script.folder.parent} by {script.folder}/.venv/bin/python\n"
    assert script.makes_environment
    second = script.run("recipes")
    assert (second.returncode, second.stderr, second.stdout) == (0, "", first.stdout)
    assert script.calls_file.read_text() == "-P -m ssiuml.pipeline.doit_main recipes\n"


def test_what_pip_says_is_shown_if_it_fails(script: Script) -> None:
    failed = script.run("recipes", pip=1)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[1:] == [
        "word of pip",
        "run: pip, whose words are above, could not install the packages that pyproject.toml names",
    ]
    assert failed.stdout == ""
    assert script.run("recipes").returncode == 0


def test_a_moved_checkout_gets_a_new_environment(script: Script) -> None:
    script.run("recipes")
    script.folder = script.folder.rename(script.folder.with_name("moved"))
    assert f"by {script.folder}/.venv/bin/python" in script.run("recipes").stdout
    assert script.makes_environment
    script.run("recipes")
    assert not script.installs


def test_a_copied_checkout_gets_its_own_environment_and_the_first_keeps_its_own(script: Script) -> None:
    script.run("recipes")
    copy = Script(script.folder.with_name("copy"), script.python, script.calls_file)
    tool("cp", "-a", script.folder, copy.folder)
    assert f"by {copy.folder}/.venv/bin/python" in copy.run("recipes").stdout
    assert copy.makes_environment
    script.run("recipes")
    assert not script.installs


def test_other_packages_are_installed_into_the_same_environment(script: Script) -> None:
    script.run("recipes")
    with (script.folder / "pyproject.toml").open("a") as stream:
        stream.write("# more\n")
    script.run("recipes")
    assert script.installs
    assert not script.makes_environment


def test_an_environment_whose_python_was_replaced_is_made_again(script: Script) -> None:
    script.run("recipes")
    python = script.folder / ".venv/bin/python"
    shutil.move(python, script.folder.with_name("python3.12"))
    python.symlink_to(script.folder.with_name("python3.12"))
    script.run("recipes")
    assert script.makes_environment


def test_an_environment_that_cannot_be_made_is_refused_with_a_way_out() -> None:
    """As for the user of a checkout that belongs to another user, or is on a file system without writing."""
    # A folder of its own: root becomes a user who may not enter pytest's.
    with tempfile.TemporaryDirectory(prefix="ssi.") as place:
        Path(place).chmod(0o755)
        script = make_script(Path(place))
        script.calls_file.touch()
        script.calls_file.chmod(0o666)
        script.folder.chmod(0o555)
        refused = script.run("recipes", prefix=AS_NOBODY if os.geteuid() == 0 else ())
        script.folder.chmod(0o755)
    assert refused.returncode == 1
    assert refused.stderr == (
        f"run: the Python environment {script.folder}/.venv has to be made, but you may not write to "
        f"{script.folder}; call ./run as the owner of this checkout, or make a checkout of your own\n"
    )


def test_a_command_that_does_not_exist_is_named(script: Script) -> None:
    script.run("recipes")
    refused = script.run("ssi-begin")
    assert refused.returncode == 1
    assert refused.stderr == "run: there is no command ssi-begin; README.md has a table of the commands\n"


def test_a_link_to_the_script_finds_the_checkout(tmp_path: Path, script: Script) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "run").symlink_to(script.folder / "run")
    other = Script(tmp_path / "bin", script.python, script.calls_file)
    assert f"by {script.folder}/.venv/bin/python" in other.run("recipes").stdout


def run_in(folder: Path, checkout: Path, *words: str | Path) -> str:
    """Type a command of ./run of *checkout* in *folder*. Return what it prints."""
    done = subprocess.run(
        [checkout / "run", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(checkout)},  # the environment's programs take its package
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_names_are_relative_to_the_users_folder(tmp_path: Path) -> None:
    """The shell and tar say what those names mean."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    copy_sources(checkout)
    shutil.copy2(PROJECT / "run", checkout / "run")
    share_environment(checkout)
    folder = tmp_path / "where I am"
    (folder / "tree").mkdir(parents=True)
    # A module of the same name as one that the commands import, which lies where the user is.
    (folder / "ssiuml.py").write_text("raise SystemExit('not this one')\n")
    (folder / "yaml.py").write_text("raise SystemExit('not this one')\n")
    (folder / "tree" / "file").write_text("contents\n")
    tool("tar", "-C", folder / "tree", "-cf", folder / "tree.tar", ".")
    with (folder / "image").open("wb") as stream:
        stream.truncate(256 << 20)
    words = ("-p", "lock_nolock", "-t", "a:b", "-j", "1", "-J", "32", "-O")
    run_in(folder, checkout, "mkfs_gfs", *words, "-d", "tree.tar", "image")
    assert run_in(folder, checkout, "ssi-image", "cat", "image", "/file") == "contents\n"
    run_in(folder, checkout, "ssi-image", "extract", "image", "out")
    assert tool("diff", "-r", folder / "tree", folder / "out") == ""
    run_in(folder, checkout, "ssi-image", "map", "image", "-o", "map.svg")
    assert "<svg" in (folder / "map.svg").read_text()
    run_in(folder, checkout, "-o", "recipes.txt", "recipes")
    assert ".  recipes\n" in (folder / "recipes.txt").read_text()
