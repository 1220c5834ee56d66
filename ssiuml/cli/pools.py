"""What the commands for pools share: the options for the state file and for devices."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from ssiuml.errors import UsageError
from ssiuml.formats.pool.assembly import Pool, type_name
from ssiuml.formats.pool.label import RESERVED_BYTES
from ssiuml.formats.pool.mapping import SECTOR_BYTES
from ssiuml.host.places import state_root
from ssiuml.units import format_size


def add_state_option(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--state",
        metavar="FILE",
        type=Path,
        help="where pools and devices are remembered; default: $XDG_STATE_HOME/ssiuml/pools.json, "
        "else ~/.local/state/ssiuml/pools.json",
    )


def add_device_option(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--device",
        metavar="NAME=FILE",
        action="append",
        default=[],
        help="the device NAME of the pool's configuration is this file; several times for several devices",
    )


def state_file(arguments: argparse.Namespace) -> Path:
    chosen: Path | None = arguments.state
    return (chosen if chosen is not None else state_root(os.environ) / "pools.json").absolute()


def device_files(words: Sequence[str]) -> dict[str, Path]:
    """The files of --device options by the device's name; UsageError if one is no NAME=FILE or repeated."""
    files: dict[str, Path] = {}
    for word in words:
        name, equals, file = word.partition("=")
        if not (equals and name.startswith("/") and file):
            raise UsageError(f"--device {word}: is not NAME=FILE", hint="for instance /dev/loop1=root_cidev")
        if name in files:
            raise UsageError(
                f"--device {word}: {name} is {files[name]} already", hint="name each device once"
            )
        files[name] = Path(file).absolute()
    return files


def describe(pool: Pool) -> list[str]:
    """Lines that tell where an assembled pool lies."""
    lines = [f"/dev/pool/{pool.name}: {format_size(pool.size_bytes, exact=True)}"]
    for number, part in enumerate(pool.parts):
        how = f"stripes of {part.stripe_sectors} sectors" if part.stripe_sectors else "one after the other"
        lines.append(
            f"  subpool {number} ({type_name(part.type)}), {how if len(part.members) > 1 else 'one device'}"
        )
        lines += [
            f"    {member.path} from byte {RESERVED_BYTES}: "
            f"{format_size(member.sectors * SECTOR_BYTES, exact=True)}"
            for member in part.members
        ]
    return lines
