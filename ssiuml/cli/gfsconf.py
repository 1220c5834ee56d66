"""gfsconf: write the lock table of memexp on the cidev (HOWTO 5.2)."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ssiuml.cli.entry import DONE, call, plain_parser
from ssiuml.cli.pools import add_state_option, state_file
from ssiuml.errors import UsageError
from ssiuml.formats.pool.assembly import Pool
from ssiuml.images.lock_server_table import (
    VERSION,
    load_lock_server_table,
    pool_or_file,
    read_lock_server_table,
    require_no_other_data,
    write_lock_server_table,
)
from ssiuml.images.pools import find_pool, read_state


def parser_of() -> argparse.ArgumentParser:
    made = plain_parser(
        "gfsconf",
        "Write the lock table, who the nodes and the lock server are, on the device that its configuration "
        "file calls cidev. The layout is this project's own: what OpenGFS's gfsconf writes is published "
        "nowhere, and a memexp of 2002 cannot read this one.",
        """
gfsconf -c gfscf.cf                      on the assembled pool /dev/pool/pool0cidev
gfsconf -c gfscf.cf --cidev root_cidev   on this file, whatever cidev is called
gfsconf -l root_cidev                    print the lock table that is there
""",
    )
    what = made.add_mutually_exclusive_group(required=True)
    what.add_argument("-c", dest="config", metavar="FILE.cf", type=Path, help="the configuration file")
    what.add_argument("-l", dest="listed", metavar="DEVICE", help="print the lock table on this device")
    made.add_argument(
        "--force", action="store_true", help="write also over something that is no lock table of ours"
    )
    made.add_argument("--cidev", metavar="DEVICE", help="the device to write on; default: as the file says")
    add_state_option(made)
    return made


def main(words: Sequence[str]) -> int:
    arguments = parser_of().parse_args(words)
    if arguments.listed is not None:
        if arguments.cidev is not None:
            raise UsageError("--cidev is for -c", hint="gfsconf -l DEVICE")
        table = read_lock_server_table(_device(arguments.listed, state_file(arguments)))
        sys.stdout.write(table.text.decode("ascii"))
        return DONE
    table = load_lock_server_table(arguments.config)
    device = arguments.cidev or table.cidev
    target = _device(device, state_file(arguments))
    if not arguments.force:
        require_no_other_data(target)
    write_lock_server_table(target, table)
    count = len(table.nodes)
    print(
        f"{device}: lock table of {count} {'node' if count == 1 else 'nodes'}, "
        f"lock server {table.lock_server[0]}:{table.lock_server[1]}\n"
        f"layout {VERSION} of this project, not that of OpenGFS's gfsconf"
    )
    return DONE


def _device(name: str, state: Path) -> Path | Pool:
    pool = find_pool(read_state(state), name)
    return pool if pool is not None else pool_or_file(Path(name))


def run() -> int:
    return call(main)


if __name__ == "__main__":
    sys.exit(run())
