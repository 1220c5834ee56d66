"""gfsconf: write the lock server table of memexp.

Source: HOWTO 5.2.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ssiuml.cli.arguments import command_parser
from ssiuml.cli.exit_status import DONE, run_command
from ssiuml.cli.pool_options import add_state_option, named_device
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


def make_parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "gfsconf",
        "Write the lock server table of memexp, the lock server of OpenGFS: the addresses of the nodes and "
        "of the lock server. It goes on the device that the configuration file calls cidev. The layout is "
        "this project's own, because that of OpenGFS's gfsconf is published nowhere; a memexp of 2002 cannot "
        "read it.",
        """
gfsconf -c gfscf.cf                      on the assembled pool /dev/pool/pool0cidev
gfsconf -c gfscf.cf --cidev root_cidev   on this file, whatever the configuration calls cidev
gfsconf -l root_cidev                    print the table on this device
""",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "-c", dest="config", metavar="FILE.cf", type=Path, help="write the table of this configuration file"
    )
    what.add_argument("-l", dest="listed", metavar="DEVICE", help="print the table on this device")
    parser.add_argument(
        "--force",
        action="store_true",
        help="overwrite a device that holds anything but a table of this program",
    )
    parser.add_argument(
        "--cidev", metavar="DEVICE", help="write on this device; default: the configuration file's cidev"
    )
    add_state_option(parser)
    return parser


def main(words: Sequence[str]) -> int:
    arguments = make_parser().parse_args(words)
    if arguments.listed is not None:
        if arguments.cidev is not None:
            raise UsageError(
                "--cidev goes with -c only", hint="give the device to -l alone: gfsconf -l DEVICE"
            )
        listed = read_lock_server_table(_device(arguments, arguments.listed))
        sys.stdout.write(listed.text.decode("ascii"))
        return DONE
    table = load_lock_server_table(arguments.config)
    device = arguments.cidev or table.cidev
    target = _device(arguments, device)
    if not arguments.force:
        require_no_other_data(target)
    write_lock_server_table(target, table)
    count = len(table.nodes)
    print(
        f"{device}: lock server table of {count} {'node' if count == 1 else 'nodes'}, "
        f"lock server {table.lock_server[0]}:{table.lock_server[1]}\n"
        f"layout {VERSION} of this project, not that of OpenGFS's gfsconf"
    )
    return DONE


def _device(arguments: argparse.Namespace, name: str) -> Path | Pool:
    device = named_device(arguments, name)
    return device if isinstance(device, Pool) else pool_or_file(device)


def run() -> int:
    return run_command(main)


if __name__ == "__main__":
    sys.exit(run())
