"""passemble: make pools available as /dev/pool/NAME, in user space (HOWTO 5.2, 5.7)."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ssiuml.cli.entry import DONE, FAILED, call, plain_parser
from ssiuml.cli.pools import add_device_option, add_state_option, describe, device_files, state_file
from ssiuml.errors import SsiumlError, UsageError
from ssiuml.formats.pool.assembly import AssemblyError, Labelled, assemble, by_pool, find_label
from ssiuml.formats.pool.label import PoolLabel
from ssiuml.images.pools import PoolState, edit_state

ALL = "all"


def parser_of() -> argparse.ArgumentParser:
    made = plain_parser(
        "passemble",
        "Find the pools on labelled devices and remember which files /dev/pool/NAME is, for mkfs_gfs and the "
        "other commands; no kernel module, no device node. Without FILE: on the devices that ptool has "
        "labelled and those named before.",
        """
passemble                            all pools that ptool has labelled
passemble root_fs root_cidev         the pools on these files
passemble --device /dev/loop2=root_fs
passemble -r pool0                   forget one pool
passemble -r all                     forget all
""",
    )
    made.add_argument("files", nargs="*", metavar="FILE", type=Path, help="a labelled file or device")
    add_device_option(made)
    add_state_option(made)
    made.add_argument("-r", dest="remove", metavar="NAME", help="forget this pool; all: forget every pool")
    return made


def main(words: Sequence[str]) -> int:
    arguments = parser_of().parse_args(words)
    if arguments.remove is not None and (arguments.files or arguments.device):
        raise UsageError("-r takes no devices", hint="passemble -r NAME, or passemble -r all")
    named = device_files(arguments.device)
    with edit_state(state_file(arguments)) as state:
        if arguments.remove is not None:
            _remove(state, arguments.remove)
            return DONE
        state.devices.update({name: str(file) for name, file in named.items()})
        files = [*named.values(), *(file.absolute() for file in arguments.files)]
        found = [(file, find_label(file)) for file in dict.fromkeys(files)] or _remembered(state)
        return DONE if _assemble_all(state, found) else FAILED


def _remembered(state: PoolState) -> list[Labelled]:
    """The labelled ones of the devices that the state file knows; those that are gone are forgotten."""
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
        there = ", ".join(sorted(state.pools)) or "none"
        raise UsageError(f"-r {name}: this pool is not assembled; assembled are: {there}", hint="-r all")
    for each in names:
        del state.pools[each]
        print(f"/dev/pool/{each}: removed")


def _assemble_all(state: PoolState, labelled: Sequence[Labelled]) -> bool:
    """Assemble the pools of these devices and say so; False if there is none, or not all of a pool."""
    good = bool(labelled)
    if not labelled:
        print("error: no pool found\n  ptool FILE.cf makes one", file=sys.stderr)
    for name, members in by_pool(labelled).items():
        try:
            pool = assemble(name, members)
        except AssemblyError as error:
            print(f"error: {error}", file=sys.stderr)
            state.pools.pop(name, None)
            good = False
            continue
        state.pools[name] = pool
        print("\n".join(describe(pool)))
    return good


def run() -> int:
    return call(main)


if __name__ == "__main__":
    sys.exit(run())
