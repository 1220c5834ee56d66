"""passemble: make GFS pools available in user space.

Source: HOWTO 5.2, 5.7.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ssiuml.cli.arguments import command_parser
from ssiuml.cli.exit_status import DONE, FAILED, run_command
from ssiuml.cli.pool_options import add_device_option, add_state_option, device_files, state_file
from ssiuml.errors import SsiumlError, UsageError
from ssiuml.formats.pool.assembly import (
    AssemblyError,
    Labelled,
    Pool,
    assemble,
    by_pool,
    find_label,
    type_name,
)
from ssiuml.formats.pool.label import RESERVED_BYTES, PoolLabel
from ssiuml.formats.pool.mapping import SECTOR_BYTES
from ssiuml.images.pools import PoolState, edit_state
from ssiuml.units import format_size

ALL: Final = "all"


def make_parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "passemble",
        "Find the pools on labelled devices and record which files each pool /dev/pool/NAME consists of. "
        "mkfs_gfs, gfsconf and ssi-image read that record; no kernel module and no device node is needed. "
        "Without FILE, passemble looks at all devices that ptool has labelled or --device has named.",
        """
passemble                            all pools that ptool has labelled
passemble root_fs root_cidev         the pools on these files
passemble --device /dev/loop2=root_fs
passemble -r pool0                   forget one pool
passemble -r all                     forget all pools
""",
    )
    parser.add_argument("files", nargs="*", metavar="FILE", type=Path, help="a labelled file or device")
    add_device_option(parser)
    add_state_option(parser)
    parser.add_argument(
        "-r", dest="remove", metavar="NAME", help="forget the pool NAME; with -r all, forget every pool"
    )
    return parser


def main(words: Sequence[str]) -> int:
    arguments = make_parser().parse_args(words)
    if arguments.remove is not None and (arguments.files or arguments.device):
        raise UsageError("-r takes a pool and no devices", hint="run passemble -r NAME, or passemble -r all")
    named = device_files(arguments.device)
    with edit_state(state_file(arguments)) as state:
        if arguments.remove is not None:
            _remove(state, arguments.remove)
            return DONE
        state.devices.update({name: str(file) for name, file in named.items()})
        files = [*named.values(), *(file.absolute() for file in arguments.files)]
        found = [(file, find_label(file)) for file in dict.fromkeys(files)] or _recorded(state)
        return DONE if _assemble_all(state, found) else FAILED


def _recorded(state: PoolState) -> list[Labelled]:
    """Return the labels of the recorded devices. Forget devices that have gone or have lost their label."""
    found: dict[Path, PoolLabel] = {}
    for name, file in list(state.devices.items()):
        try:
            found[Path(file)] = find_label(Path(file))
        except SsiumlError as error:
            print(f"passemble: {name}: {error.message}; forgotten", file=sys.stderr)
            del state.devices[name]
    return list(found.items())


def _remove(state: PoolState, name: str) -> None:
    name = name.removeprefix("/dev/pool/")
    if name == ALL:
        names = sorted(state.pools)
    elif name in state.pools:
        names = [name]
    else:
        assembled = ", ".join(sorted(state.pools)) or "none"
        raise UsageError(
            f"-r {name}: this pool is not assembled; assembled are: {assembled}",
            hint="name one of them, or run passemble -r all",
        )
    for each in names:
        del state.pools[each]
        print(f"/dev/pool/{each}: removed")


def _assemble_all(state: PoolState, labelled: Sequence[Labelled]) -> bool:
    """Assemble the pools of these devices and print each. Return False if one fails or there is no pool."""
    good = bool(labelled)
    if not labelled:
        print("error: no pool found\n  run ptool FILE.cf to make one", file=sys.stderr)
    for name, members in by_pool(labelled).items():
        try:
            pool = assemble(name, members)
        except AssemblyError as error:
            print(f"error: {error}", file=sys.stderr)
            state.pools.pop(name, None)
            good = False
            continue
        state.pools[name] = pool
        print("\n".join(_description(pool)))
    return good


def _description(pool: Pool) -> list[str]:
    """Return lines about a pool: its size, its subpools, and the files that hold them."""
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


def run() -> int:
    return run_command(main)


if __name__ == "__main__":
    sys.exit(run())
