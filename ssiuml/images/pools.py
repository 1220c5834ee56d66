"""Writes the labels that make files or devices a pool (HOWTO 5.2: ptool)."""

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from ssiuml.errors import SsiumlError, UsageError
from ssiuml.formats.pool.config import PoolConfig
from ssiuml.formats.pool.label import RESERVED_BYTES, PoolLabel, make_labels, read_label
from ssiuml.formats.pool.mapping import SECTOR_BYTES
from ssiuml.host.devices import Device, DeviceError, open_device


def label_devices(config: PoolConfig, files: Mapping[str, Path], *, force: bool) -> int:
    """Write the labels of all devices, or none; return the sum of their usable sectors.

    *files* has the file of each device of *config*. Raises UsageError if one is not there, is too small or
    is named twice, DeviceError if it cannot be written, and without *force* SsiumlError if the label of
    another pool or something unknown is in the way.
    """
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
