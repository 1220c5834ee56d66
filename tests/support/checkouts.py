"""Copies of the project's sources, builds in them, and the kernel and base layer that a build has made."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from filelock import FileLock
from project import PROJECT

from ssiuml.host.cache import Entry, entry_of
from ssiuml.kernel.packed import modules_layer
from ssiuml.pipeline.graph import Graph
from ssiuml.pipeline.plan import make_plan
from ssiuml.pipeline.step import Step
from ssiuml.pipeline.steps.fetch import selection_of
from ssiuml.tree.layer import merge, read_layer
from ssiuml.tree.tree import Tree

SOURCES = (
    "dodo.py",
    "pyproject.toml",
    "LICENSE",
    "recipes",
    "templates",
    "cluster-tools",
    "kernel",
    "ssiuml",
)
# On a quiet machine a build takes a minute, with the kernel six; the machine of a test may be busy.
BUILD_LIMIT_S = 3600.0


@dataclass(frozen=True)
class Outcome:
    """Exit status and output of a run of doit."""

    status: int
    output: str

    @property
    def made(self) -> set[str]:
        """The tasks that were made, without those that were up to date."""
        return set(re.findall(r"^\.  (\S+)$", self.output, re.MULTILINE))


@dataclass(frozen=True)
class Checkout:
    """A copy of the project's sources with images and cache of its own."""

    folder: Path
    cache: Path
    recipe: str = "trixie-min"
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def images(self) -> Path:
        return self.folder / "images" / self.recipe

    def write_recipe(self, name: str, text: str) -> "Checkout":
        """Add a recipe. Return this checkout with that recipe chosen."""
        (self.folder / "recipes" / f"{name}.yaml").write_text(text)
        return Checkout(self.folder, self.cache, name, self.environ)

    def start(self, *words: str, prefix: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        """Start doit. Its output and progress come over the process's stdout."""
        return subprocess.Popen(
            [
                *prefix,
                sys.executable,
                "-P",
                "-m",
                "ssiuml.pipeline.doit_main",
                f"recipe={self.recipe}",
                *words,
            ],
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": str(self.folder),
                "SSIUML_CACHE": str(self.cache),
                **self.environ,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def doit(self, *words: str, prefix: tuple[str, ...] = ()) -> Outcome:
        """Run doit to its end. Return status and output. Tests of other workers wait with the same recipe."""
        with FileLock(self.folder.with_name(f"{self.folder.name}-{self.recipe}.lock"), timeout=BUILD_LIMIT_S):
            process = self.start(*words, prefix=prefix)
            output, _ = process.communicate(timeout=BUILD_LIMIT_S)
        return Outcome(process.returncode, output)

    def build(self, *words: str) -> Outcome:
        """Run doit, by default the task build-root. The test fails with the output unless doit succeeds."""
        outcome = self.doit(*(words or ("build-root",)))
        assert outcome.status == 0, outcome.output
        return outcome

    def interrupt(self, number: signal.Signals, when: str, *words: str) -> Outcome:
        """Start doit, send it a signal as soon as it prints *when*, and wait for its end."""
        process = self.start(*words)
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if when in line:
                process.send_signal(number)
                break
        rest, _ = process.communicate(timeout=BUILD_LIMIT_S)
        return Outcome(process.returncode, "".join([*lines, rest]))


def copy_sources(folder: Path) -> None:
    """Copy the files that a build needs into *folder*, byte code included: it is valid, since times stay."""
    for name in SOURCES:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, symlinks=True)
        else:
            shutil.copy2(source, folder / name)
    (folder / "images").mkdir()


def share_environment(folder: Path) -> None:
    """Have ``./run`` in *folder* find this checkout's Python environment made, and never change it.

    Skip the test if this checkout has none: the tests may run with another one.
    """
    if not (PROJECT / ".venv/bin/python").exists():
        pytest.skip(f"{PROJECT}/.venv is not there; ./run makes it")
    (folder / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (folder / ".venv" / name).symlink_to(PROJECT / ".venv" / name)
    with (folder / "pyproject.toml").open("rb") as packages:
        sums = subprocess.run(["cksum"], stdin=packages, capture_output=True, check=True).stdout
    place = f"{folder.resolve()}\n{(PROJECT / '.venv/bin/python').resolve()}\n"
    (folder / ".venv" / "installed").write_bytes(sums + place.encode())


@dataclass(frozen=True)
class KernelAndBase:
    """The kernel of a built image, the cache entry that it comes from, and the archive of the base layer."""

    kernel: Path
    package: Entry
    base: Path

    @property
    def version(self) -> str:
        return str(self.package.facts["version"])

    def tree(self) -> Tree:
        """Return the base with all modules of the kernel, of which a recipe chooses some."""
        return merge([read_layer(self.base), modules_layer(self.package, None)])


def steps_of(built: Checkout) -> dict[str, Step]:
    """Return the steps of a checkout's recipe by name."""
    return Graph(make_plan(built.recipe, built.folder, {"SSIUML_CACHE": str(built.cache)})).steps


def private_cache(built: Checkout, cache: Path) -> Path:
    """Make *cache* with packages, base and kernel of *built*. A test may damage base and kernel."""
    parts = kernel_and_base_of(built)
    for path in (parts.package.path, parts.base):
        (cache / path.parent.name).mkdir(parents=True)
        for source in (path, path.with_name(f"{path.name}.json")):
            shutil.copy2(source, cache / path.parent.name)
    packages = Path("downloads") / "packages"
    (cache / packages).mkdir(parents=True)
    fetched = steps_of(built)["fetch"].results()
    names = [deb.file_name for deb in selection_of(fetched).packages.values()]
    for name in (*names, Path(fetched["kernel_package"]).name):  # the tests' cache has those of other recipes
        link_or_copy(built.cache / packages / name, cache / packages / name)
    return cache


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Link a file, or copy it if *target* is on another file system."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copy2(source, target)


def kernel_and_base_of(built: Checkout) -> KernelAndBase:
    steps = steps_of(built)
    return KernelAndBase(
        kernel=built.images / "linux-ssi",
        package=entry_of(steps["kernel"].results()["entry"]),
        base=Path(steps["base"].results()["path"]),
    )
