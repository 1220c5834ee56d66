"""ptool: write the labels of a pool's devices (HOWTO 5.2)."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ssiuml.cli.entry import DONE, call, plain_parser
from ssiuml.cli.pools import add_device_option, add_state_option, device_files, state_file
from ssiuml.errors import UsageError
from ssiuml.formats.pool.config import load_config
from ssiuml.formats.pool.label import RESERVED_BYTES
from ssiuml.formats.pool.mapping import SECTOR_BYTES
from ssiuml.images.pools import edit_state, label_devices
from ssiuml.units import format_size


def parser_of() -> argparse.ArgumentParser:
    made = plain_parser(
        "ptool",
        "Write the labels that make files or devices a GFS pool, as its configuration file says. A label "
        f"takes the first {RESERVED_BYTES} bytes of each device; what lies behind them stays. passemble then "
        "finds the pool.",
        """
ptool pool0.cf --device /dev/loop2=root_fs
ptool pool0cidev.cf --device /dev/loop1=root_cidev
ptool --force pool0.cf               the devices as they are called in the file, whatever is on them
""",
    )
    made.add_argument("config", metavar="FILE.cf", type=Path, help="the pool's configuration file")
    add_device_option(made)
    add_state_option(made)
    made.add_argument(
        "--force", action="store_true", help="write also over the label of another pool or something unknown"
    )
    return made


def main(words: Sequence[str]) -> int:
    arguments = parser_of().parse_args(words)
    config = load_config(arguments.config)
    chosen = device_files(arguments.device)
    for name in chosen:
        if name not in {device.name for device in config.devices}:
            raise UsageError(
                f"--device {name}: {config.path} has no such device",
                hint=f"it has: {' '.join(device.name for device in config.devices)}",
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
        print(f"{config.name} was assembled; passemble assembles it anew")
    return DONE


def run() -> int:
    return call(main)


if __name__ == "__main__":
    sys.exit(run())
