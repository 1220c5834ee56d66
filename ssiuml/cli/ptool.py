"""ptool: write the labels of a pool's devices (HOWTO 5.2)."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from ssiuml.assembly import changing_state
from ssiuml.blockdev import Device, DeviceError, open_device
from ssiuml.cli.entry import DONE, call, plain_parser
from ssiuml.cli.pools import add_device_option, add_state_option, device_files, state_file
from ssiuml.errors import SsiumlError, UsageError
from ssiuml.pool.config import PoolConfig, load_config
from ssiuml.pool.label import RESERVED_BYTES, PoolLabel, make_labels, read_label
from ssiuml.pool.mapping import SECTOR_BYTES
from ssiuml.units import format_size


def main(words: Sequence[str]) -> int:
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
        "--force", action="store_true", help="also over the label of another pool or something unknown"
    )
    arguments = made.parse_args(words)
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
    with changing_state(state_file(arguments)) as state:
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


def label_devices(config: PoolConfig, files: Mapping[str, Path], *, force: bool) -> int:
    """Write the labels of all devices, or none; return the sum of their usable sectors."""
    with ExitStack() as stack:
        devices: dict[str, Device] = {}
        for member in config.devices:
            where = f"{config.path}:{member.line}"
            try:
                device = stack.enter_context(open_device(files[member.name], write=True))
            except UsageError as error:
                hint = f"--device {member.name}=FILE says which file it is"
                raise UsageError(f"{where}: {error.message}", hint=hint) from error
            except DeviceError as error:
                raise DeviceError(f"{where}: {error.message}", hint=error.hint) from error
            for other, opened in devices.items():
                if opened.identity == device.identity:
                    raise UsageError(
                        f"{where}: {member.name} and {other} are the same file, {device.path}",
                        hint="a device belongs to one place of one pool",
                    )
            devices[member.name] = device
        labels = make_labels(config, {name: device.size_bytes for name, device in devices.items()})
        if not force:
            for name, device in devices.items():
                _require_room(name, device, labels[name])
        _write_all(devices, labels)
        return sum(label.pl_blocks for label in labels.values())


def _write_all(devices: Mapping[str, Device], labels: Mapping[str, PoolLabel]) -> None:
    before: list[tuple[Device, bytes]] = []
    try:
        for name, device in devices.items():
            before.append((device, device.read(0, RESERVED_BYTES)))
            device.write(0, labels[name].pack().ljust(RESERVED_BYTES, b"\0"))
    except DeviceError:
        for device, start in before:
            with suppress(DeviceError):
                device.write(0, start)
        raise


def _require_room(name: str, device: Device, label: PoolLabel) -> None:
    start = device.read(0, RESERVED_BYTES)
    old = read_label(start[:SECTOR_BYTES])
    if old is not None:
        if old.pl_pool_name != label.pl_pool_name:
            raise SsiumlError(
                f"{device.path} ({name}): has the label of the pool {old.name} already",
                hint="--force makes it a device of this pool, and that one loses it",
            )
    elif any(start):
        raise SsiumlError(
            f"{device.path} ({name}): is not empty, there is something unknown in its first "
            f"{RESERVED_BYTES} bytes",
            hint="--force overwrites them",
        )


def run() -> int:
    return call(main)


if __name__ == "__main__":
    sys.exit(run())
