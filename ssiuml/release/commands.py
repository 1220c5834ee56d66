"""The commands that the project installs: the console scripts in pyproject.toml.

The module of a command has ``make_parser()``, which returns its argument parser, and ``run()``, its entry
point. Its docstring begins with a line ``NAME: SUMMARY.``, which the manual pages show.
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


def summary_of(name: str) -> str:
    """Return the purpose of the command *name* in one line, without a full stop.

    Raise ValueError if its module's docstring does not begin with ``NAME: SUMMARY.``.
    """
    module = importlib.import_module(commands()[name])
    first = (module.__doc__ or "").partition("\n")[0]
    if not (first.startswith(f"{name}: ") and first.endswith(".")):
        raise ValueError(f"{module.__file__}: its docstring must begin with '{name}: SUMMARY.'")
    return first.removeprefix(f"{name}: ").removesuffix(".")
