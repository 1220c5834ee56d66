"""Which commands there are. A command's module has ``parser_of()``, its arguments, and ``run()``, itself."""

import argparse
import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# pyproject.toml's console scripts are these; a test holds one against the other.
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

# Modules that run as programs of their own: commands start them by their names.
PROGRAMS: Final = ("ssiuml.cluster.__main__",)


def load_parser(name: str) -> argparse.ArgumentParser:
    """The argument parser of the command *name*, a new one each time."""
    parser = importlib.import_module(COMMANDS[name]).parser_of()
    assert isinstance(parser, argparse.ArgumentParser)  # noqa: S101 - for the type checker
    return parser
