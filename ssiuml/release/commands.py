"""The commands that the project installs: the console scripts in pyproject.toml.

The module of a command has ``make_parser()``, which returns its argument parser, and ``run()``, its entry
point.
"""

import argparse
import functools
import importlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

# Modules that commands start as programs, by name.
PROGRAMS: Final = ("ssiuml.cluster.__main__",)


@functools.cache
def commands() -> Mapping[str, str]:
    """Return the module of each command by the command's name. They are read in the checkout."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    scripts = tomllib.loads(text)["project"]["scripts"]
    return MappingProxyType({name: place.partition(":")[0] for name, place in sorted(scripts.items())})


def load_parser(name: str) -> argparse.ArgumentParser:
    """Return a new argument parser of the command *name*."""
    parser = importlib.import_module(commands()[name]).make_parser()
    assert isinstance(parser, argparse.ArgumentParser)  # noqa: S101 - for the type checker
    return parser
