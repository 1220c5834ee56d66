"""Copies of the project's sources, builds in them, and the processes that those leave."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from project import PROJECT

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
# A build takes a minute on a quiet machine, one of the kernel six; this one may be shared and busy.
BUILD_LIMIT_S = 3600.0


@dataclass(frozen=True)
class Outcome:
    """How a run of doit ended."""

    status: int
    output: str

    @property
    def made(self) -> set[str]:
        """The tasks that were made, those that were up to date left out."""
        return set(re.findall(r"^\.  (\S+)$", self.output, re.MULTILINE))


@dataclass(frozen=True)
class Checkout:
    """A copy of the project's sources with images and cache of its own."""

    folder: Path
    cache: Path
    recipe: str = "bookworm-min"
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def images(self) -> Path:
        return self.folder / "images" / self.recipe

    def write_recipe(self, name: str, text: str) -> "Checkout":
        """Add a recipe; return this checkout with that recipe."""
        (self.folder / "recipes" / f"{name}.yaml").write_text(text)
        return Checkout(self.folder, self.cache, name, self.environ)

    def start(self, *words: str, prefix: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        """Start doit; its output and progress come over the process's stdout."""
        return subprocess.Popen(
            [*prefix, sys.executable, "-m", "doit", f"recipe={self.recipe}", *words],
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
        """Run doit to its end."""
        process = self.start(*words, prefix=prefix)
        output, _ = process.communicate(timeout=BUILD_LIMIT_S)
        return Outcome(process.returncode, output)

    def build(self, *words: str) -> Outcome:
        """Run doit; the test fails with its output unless it succeeds."""
        outcome = self.doit(*(words or ("build-root",)))
        assert outcome.status == 0, outcome.output
        return outcome

    def interrupt(self, number: signal.Signals, when: str, *words: str) -> Outcome:
        """Start doit, send it a signal as soon as it prints *when*, wait for its end."""
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
    """Copy what a build needs into *folder*."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, symlinks=True, ignore=ignore)
        else:
            shutil.copy2(source, folder / name)
    (folder / "images").mkdir()


def wait_until(condition: Callable[[], bool], what: str, limit_s: float = 60.0) -> None:
    """Wait for a condition; the test fails with *what* if it does not come true within the limit."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"not within {limit_s:.0f} s: {what}"
        time.sleep(0.05)


def processes_of(text: str) -> list[str]:
    """Command lines of the running processes that contain *text*, zombies and this process left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if text in words:
                found.append(words)
    return found
