"""Pools on this machine: write their labels (ptool), remember which are assembled (passemble); HOWTO 5.2.

A state file takes the place of a kernel module. It holds what ptool and passemble were given: *devices*, the
file behind each device name (as losetup would attach it), and *pools*, those that are assembled.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from ssiuml.errors import SsiumlError, UsageError
from ssiuml.formats.pool.assembly import POOL_FOLDER, Member, Part, Pool
from ssiuml.formats.pool.config import PoolConfig
from ssiuml.formats.pool.label import RESERVED_BYTES, PoolLabel, make_labels, read_label
from ssiuml.formats.pool.mapping import SECTOR_BYTES
from ssiuml.host.devices import Device, DeviceError, open_device
from ssiuml.host.files import write_text

STATE_VERSION: Final = 1
LOCK_LIMIT_S = 60.0


def label_devices(config: PoolConfig, files: Mapping[str, Path], *, force: bool) -> int:
    """Write the labels of all devices, or of none. Return how many sectors are usable in all.

    *files* has the file of each device of *config*. Raise UsageError if one is missing, is too small or is
    there twice, DeviceError if it cannot be written. Without *force*, raise SsiumlError if a device has the
    label of another pool or holds unknown data.
    """
    with ExitStack() as stack:
        devices: dict[str, Device] = {}
        for member in config.devices:
            where = f"{config.path}:{member.line}"
            try:
                device = stack.enter_context(open_device(files[member.name], write=True))
            except UsageError as error:
                hint = f"give its file: --device {member.name}=FILE"
                raise UsageError(f"{where}: {error.message}", hint=hint) from error
            except DeviceError as error:
                raise DeviceError(f"{where}: {error.message}", hint=error.hint) from error
            for other, opened in devices.items():
                if opened.identity == device.identity:
                    raise UsageError(
                        f"{where}: {member.name} and {other} are the same file, {device.path}",
                        hint="use each device in one place of one pool",
                    )
            devices[member.name] = device
        labels = make_labels(config, {name: device.size_bytes for name, device in devices.items()})
        if not force:
            for name, device in devices.items():
                _require_no_other_data(name, device, labels[name])
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


def _require_no_other_data(name: str, device: Device, label: PoolLabel) -> None:
    start = device.read(0, RESERVED_BYTES)
    old = read_label(start[:SECTOR_BYTES])
    if old is not None:
        if old.pl_pool_name != label.pl_pool_name:
            raise SsiumlError(
                f"{device.path} ({name}): already has the label of the pool {old.name}",
                hint="give --force to take the device away from that pool",
            )
    elif any(start):
        raise SsiumlError(
            f"{device.path} ({name}): is not empty, its first {RESERVED_BYTES} bytes hold unknown data",
            hint="give --force to overwrite it",
        )


@dataclass(slots=True)
class PoolState:
    """The contents of the state file."""

    devices: dict[str, str] = field(default_factory=dict)
    pools: dict[str, Pool] = field(default_factory=dict)


@contextmanager
def edit_state(path: Path) -> Iterator[PoolState]:
    """Read the state file, yield its contents, and write them back unless the block raises.

    Raise SsiumlError if it is damaged, cannot be written, or is locked by another process for LOCK_LIMIT_S.
    """
    with _locked(path):
        state = read_state(path)
        yield state
        pools = {name: asdict(pool) for name, pool in sorted(state.pools.items())}
        values = {"version": STATE_VERSION, "devices": state.devices, "pools": pools}
        try:
            write_text(path, json.dumps(values, indent=1) + "\n")
        except OSError as error:
            raise _unwritable(path, error) from error


def state_lock(path: Path) -> Path:
    """Return the file that is locked while the state file *path* is edited."""
    return path.with_name(f"{path.name}.lock")


def _locked(path: Path) -> AbstractContextManager[object]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(state_lock(path)).acquire(timeout=LOCK_LIMIT_S)
    except Timeout as error:
        raise SsiumlError(
            f"{path}: another process has kept the pools' state for {LOCK_LIMIT_S:.0f} s",
            hint="see whether a ptool or passemble hangs",
        ) from error
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> SsiumlError:
    return SsiumlError(
        f"{path}: the pools' state cannot be written: {error.strerror}",
        hint="give another place with --state FILE",
    )


def read_state(path: Path) -> PoolState:
    """Return the state in the file *path*, an empty one if there is no file. Raise SsiumlError if damaged."""
    try:
        values = json.loads(path.read_bytes())
        if values["version"] != STATE_VERSION:
            raise ValueError(f"its version is {values['version']!r}, not {STATE_VERSION}")
        devices = {str(name): str(file) for name, file in values["devices"].items()}
        return PoolState(devices, {name: _parse_pool(each) for name, each in values["pools"].items()})
    except FileNotFoundError:
        return PoolState()
    except OSError as error:
        raise SsiumlError(f"{path}: the pools' state cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SsiumlError(
            f"{path}: the pools' state is damaged: {error}", hint="remove the file and call passemble again"
        ) from error


def _parse_pool(values: Mapping[str, Any]) -> Pool:
    parts = tuple(
        Part(
            int(part["stripe_sectors"]),
            int(part["type"]),
            tuple(Member(str(each["path"]), int(each["sectors"])) for each in part["members"]),
        )
        for part in values["parts"]
    )
    return Pool(str(values["name"]), int(values["pool_id"]), parts)


def find_pool(state: PoolState, path: str) -> Pool | None:
    """Return the assembled pool that *path*, such as /dev/pool/pool0, names. None if that is no pool's name.

    Raise UsageError if the pool is not assembled.
    """
    if not path.startswith(POOL_FOLDER):
        return None
    pool = state.pools.get(path.removeprefix(POOL_FOLDER))
    if pool is None and not os.path.exists(path):  # noqa: PTH110  # a real kernel's pool
        there = ", ".join(POOL_FOLDER + name for name in sorted(state.pools)) or "none"
        raise UsageError(f"{path}: is not assembled; assembled are: {there}", hint="run passemble")
    return pool
