"""The commands by name.

The module of a command has ``make_parser()``, which returns its argument parser, and ``run()``, its entry
point.
"""

import argparse
import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# The console scripts in pyproject.toml; a test compares the two.
COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "gfsconf": "ssiuml.cli.gfsconf",
        "mkfs_gfs": "ssiuml.cli.mkfs_gfs",
        "passemble": "ssiuml.cli.passemble",
        "ptool": "ssiuml.cli.ptool",
        "ssi-add": "ssiuml.cli.add",
        "ssi-console": "ssiuml.cli.console",
        "ssi-cp": "ssiuml.cli.cp",
        "ssi-exec": "ssiuml.cli.exec",
        "ssi-image": "ssiuml.cli.image",
        "ssi-rm": "ssiuml.cli.rm",
        "ssi-start": "ssiuml.cli.start",
        "ssi-status": "ssiuml.cli.status",
        "ssi-stop": "ssiuml.cli.stop",
    }
)

# Modules that commands start as programs, by name.
PROGRAMS: Final = ("ssiuml.cluster.__main__",)


def load_parser(name: str) -> argparse.ArgumentParser:
    """Return a new argument parser of the command *name*."""
    parser = importlib.import_module(COMMANDS[name]).make_parser()
    assert isinstance(parser, argparse.ArgumentParser)  # noqa: S101 - for the type checker
    return parser
