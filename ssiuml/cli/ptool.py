"""ptool: write the labels of a GFS pool's devices.

Source: HOWTO 5.2.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ssiuml.cli.arguments import command_parser
from ssiuml.cli.exit_status import DONE, run_command
from ssiuml.cli.pool_options import add_device_option, add_state_option, device_files, state_file
from ssiuml.errors import UsageError
from ssiuml.formats.pool.config import load_config
from ssiuml.formats.pool.label import RESERVED_BYTES
from ssiuml.formats.pool.mapping import SECTOR_BYTES
from ssiuml.images.pools import edit_state, label_devices
from ssiuml.units import format_size


def make_parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "ptool",
        "Write the labels that make one or more files or devices a GFS pool, the volume that its "
        f"configuration file describes. A label takes the first {RESERVED_BYTES} bytes of each device; the "
        "bytes after them stay. Run passemble next to assemble the pool.",
        """
ptool pool0.cf --device /dev/loop2=root_fs
ptool pool0cidev.cf --device /dev/loop1=root_cidev
ptool --force pool0.cf               label the devices that the file names, whatever is on them
""",
    )
    parser.add_argument("config", metavar="FILE.cf", type=Path, help="the pool's configuration file")
    add_device_option(parser)
    add_state_option(parser)
    parser.add_argument(
        "--force", action="store_true", help="overwrite the label of another pool, or unknown data"
    )
    return parser


def main(words: Sequence[str]) -> int:
    arguments = make_parser().parse_args(words)
    config = load_config(arguments.config)
    chosen = device_files(arguments.device)
    for name in chosen:
        if name not in {device.name for device in config.devices}:
            raise UsageError(
                f"--device {name}: {config.path} has no such device",
                hint=f"give one of its devices: {' '.join(device.name for device in config.devices)}",
            )
    files = {device.name: chosen.get(device.name, Path(device.name)) for device in config.devices}
    sectors = label_devices(config, files, force=arguments.force)
    with edit_state(state_file(arguments)) as state:
        state.devices.update({name: str(file) for name, file in files.items()})
        was_assembled = state.pools.pop(config.name, None) is not None
    count = len(files)
    print(
        f"{config.name}: {count} {'device' if count == 1 else 'devices'} labelled, "
        f"{format_size(sectors * SECTOR_BYTES, exact=True)} usable"
    )
    if was_assembled:
        print(f"{config.name} is no longer assembled; run passemble to assemble it again")
    return DONE


def run() -> int:
    return run_command(main)


if __name__ == "__main__":
    sys.exit(run())
