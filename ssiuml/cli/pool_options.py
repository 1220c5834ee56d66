"""Options of the commands that know pools: --state and --device, and devices called /dev/pool/NAME."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from ssiuml.errors import UsageError
from ssiuml.formats.pool.assembly import POOL_FOLDER, Pool
from ssiuml.host.places import state_root
from ssiuml.images.pools import find_pool, read_state


def add_state_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state",
        metavar="FILE",
        type=Path,
        help="the file that records pools and devices; default: $XDG_STATE_HOME/ssiuml/pools.json, "
        "else ~/.local/state/ssiuml/pools.json",
    )


def add_device_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        metavar="NAME=FILE",
        action="append",
        default=[],
        help="use FILE as the device that the pool's configuration calls NAME; repeat it for more devices",
    )


def state_file(arguments: argparse.Namespace) -> Path:
    """Return the absolute path that --state names, else the default one.

    Raise UsageError if that needs a home and there is none.
    """
    chosen: Path | None = arguments.state
    if chosen is not None:
        return chosen.absolute()
    try:
        return (state_root(os.environ) / "pools.json").absolute()
    except UsageError as error:
        raise UsageError(error.message, hint=f"give --state FILE, or {error.hint}") from error


def device_files(words: Sequence[str]) -> dict[str, Path]:
    """Return the files of --device options by the device's name.

    Raise UsageError if an option is not NAME=FILE, or if a name occurs twice.
    """
    files: dict[str, Path] = {}
    for word in words:
        name, equals, file = word.partition("=")
        if not (equals and name.startswith("/") and file):
            raise UsageError(
                f"--device {word}: is not NAME=FILE", hint="give it like --device /dev/loop1=root_cidev"
            )
        if name in files:
            raise UsageError(
                f"--device {word}: {name} is {files[name]} already", hint="name each device once"
            )
        files[name] = Path(file).absolute()
    return files


def named_device(arguments: argparse.Namespace, name: str) -> Path | Pool:
    """Return the assembled pool of a *name* such as /dev/pool/pool0, else *name* as a path.

    Raise UsageError if no pool of this name is assembled.
    """
    if not name.startswith(POOL_FOLDER):
        return Path(name)
    return find_pool(read_state(state_file(arguments)), name) or Path(name)
