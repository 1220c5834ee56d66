"""Pools in user space: which files are their devices, and where in them /dev/pool/NAME lies.

A state file remembers what ptool and passemble were told, in place of a kernel module: *devices*, the file
behind each device name (as losetup would do it), and *pools*, those that are assembled.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from ssiuml.errors import SsiumlError, UsageError
from ssiuml.formats.pool.label import PoolLabel, TypeNumber, read_label
from ssiuml.formats.pool.mapping import LABEL_SECTORS, SECTOR_BYTES, PoolMap, SubpoolMap
from ssiuml.host.atomic import write_text
from ssiuml.host.devices import open_device

POOL_FOLDER: Final = "/dev/pool/"
STATE_VERSION: Final = 1
LOCK_LIMIT_S: Final = 60.0


class AssemblyError(SsiumlError):
    """A pool cannot be assembled, or the state file is damaged."""


Labelled = tuple[Path, PoolLabel]


@dataclass(frozen=True, slots=True)
class Member:
    """A device of an assembled pool. *sectors* is how many are usable, behind its label."""

    path: str
    sectors: int


@dataclass(frozen=True, slots=True)
class Part:
    """A subpool of an assembled pool."""

    stripe_sectors: int
    type: int
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """An assembled pool."""

    name: str
    pool_id: int
    parts: tuple[Part, ...]

    @property
    def map(self) -> PoolMap:
        return PoolMap(
            [
                SubpoolMap(part.stripe_sectors, tuple(member.sectors for member in part.members))
                for part in self.parts
            ]
        )

    @property
    def paths(self) -> list[Path]:
        """The files of the devices, in the order of the map's device numbers."""
        return [Path(member.path) for part in self.parts for member in part.members]

    @property
    def size_bytes(self) -> int:
        return self.map.sectors * SECTOR_BYTES


@dataclass(slots=True)
class State:
    """What the state file holds."""

    devices: dict[str, str] = field(default_factory=dict)
    pools: dict[str, Pool] = field(default_factory=dict)


@contextmanager
def changing_state(path: Path) -> Iterator[State]:
    """Read the state file, yield what it holds, and write it back if nothing went wrong.

    AssemblyError if it is damaged or cannot be written, or if another process keeps it for a minute.
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


def lock_file(path: Path) -> Path:
    """What is locked while the state file *path* is changed."""
    return path.with_name(f"{path.name}.lock")


def _locked(path: Path) -> AbstractContextManager[object]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(lock_file(path)).acquire(timeout=LOCK_LIMIT_S)
    except Timeout as error:
        raise AssemblyError(
            f"{path}: another process has kept the pools' state for {LOCK_LIMIT_S:.0f} s",
            hint="does a ptool or passemble hang?",
        ) from error
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> AssemblyError:
    return AssemblyError(
        f"{path}: the pools' state cannot be written: {error.strerror}",
        hint="--state FILE names another place",
    )


def read_state(path: Path) -> State:
    """The state in the file *path*, an empty one if there is none; AssemblyError if it is damaged."""
    try:
        values = json.loads(path.read_bytes())
        if values["version"] != STATE_VERSION:
            raise ValueError(f"its version is {values['version']!r}, not {STATE_VERSION}")
        devices = {str(name): str(file) for name, file in values["devices"].items()}
        return State(devices, {name: _pool_of(each) for name, each in values["pools"].items()})
    except FileNotFoundError:
        return State()
    except OSError as error:
        raise AssemblyError(f"{path}: the pools' state cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AssemblyError(
            f"{path}: the pools' state is damaged: {error}", hint="remove the file and call passemble again"
        ) from error


def _pool_of(values: Mapping[str, Any]) -> Pool:
    parts = tuple(
        Part(
            int(part["stripe_sectors"]),
            int(part["type"]),
            tuple(Member(str(each["path"]), int(each["sectors"])) for each in part["members"]),
        )
        for part in values["parts"]
    )
    return Pool(str(values["name"]), int(values["pool_id"]), parts)


def find_label(path: Path) -> PoolLabel:
    """Read the label of a file or device.

    Raise AssemblyError if it has no label. Raise UsageError or DeviceError if it cannot be read.
    """
    with open_device(path) as device:
        label = read_label(device.read(0, SECTOR_BYTES))
    if label is None:
        raise AssemblyError(f"{path}: has no pool label", hint="write it with ptool FILE.cf")
    return label


def by_pool(labelled: Iterable[Labelled]) -> dict[str, list[Labelled]]:
    """Return *labelled*, grouped by the name of their pool."""
    pools: dict[str, list[Labelled]] = {}
    for path, label in labelled:
        pools.setdefault(label.name, []).append((path, label))
    return pools


def assemble(name: str, members: Sequence[Labelled]) -> Pool:
    """Assemble the pool *name* from the labels of its members.

    Raise AssemblyError, with pool and file, if a member is missing or found twice, if labels
    contradict each other, or if a file is shorter than its label requires.
    """
    first_path, first = members[0]
    places: dict[tuple[int, int], Labelled] = {}
    for path, label in members:
        if label.pl_pool_id != first.pl_pool_id:
            raise AssemblyError(
                f"{first_path} and {path} belong to different pools with the same name, {name}",
                hint="leave one of them out, or label it again with another poolname",
            )
        place = (label.pl_sp_id, label.pl_sp_devid)
        if place in places:
            raise AssemblyError(
                f"pool {name}: {places[place][0]} and {path} are both "
                f"device {place[1]} of subpool {place[0]}",
                hint="leave one of them out: it is a copy of the other",
            )
        if label.pl_subpools != first.pl_subpools:
            raise _contradiction(name, f"the labels of {first_path} and {path} have different pl_subpools")
        places[place] = (path, label)
    parts = tuple(_part(name, subpool, places) for subpool in range(first.pl_subpools))
    if len(places) != sum(len(part.members) for part in parts):
        raise _contradiction(name, "it has more devices than its labels count")
    return Pool(name, first.pl_pool_id, parts)


def _contradiction(name: str, problem: str) -> AssemblyError:
    return AssemblyError(f"pool {name}: {problem}", hint="label all devices of the pool again: ptool FILE.cf")


def _part(name: str, subpool: int, places: Mapping[tuple[int, int], Labelled]) -> Part:
    there = [label for (number, _), (_, label) in places.items() if number == subpool]
    if not there:
        raise AssemblyError(f"pool {name}: all devices of subpool {subpool} are missing", hint=_MISSING)
    first = there[0]
    members = []
    for index in range(first.pl_sp_devs):
        place = places.get((subpool, index))
        if place is None:
            raise AssemblyError(
                f"pool {name}: device {index} of subpool {subpool} is missing, it has {first.pl_sp_devs}",
                hint=_MISSING,
            )
        path, label = place
        described = (label.pl_sp_devs, label.pl_striping, label.pl_sp_type)
        if described != (first.pl_sp_devs, first.pl_striping, first.pl_sp_type):
            raise _contradiction(
                name, f"the label of {path} differs from that of another device of subpool {subpool}"
            )
        _check_size(name, path, label)
        members.append(Member(str(path.resolve()), label.pl_blocks))
    stripe, least = first.pl_striping, min(each.sectors for each in members)
    fits = not stripe & (stripe - 1) and (not stripe or least == members[0].sectors >= stripe)
    if least < 1 or not fits or (stripe and least % stripe):
        raise _contradiction(name, f"stripes of {stripe} sectors do not fit the devices of subpool {subpool}")
    return Part(stripe, first.pl_sp_type, tuple(members))


_MISSING: Final = "give its file: passemble FILE…, or --device /dev/loop1=FILE"


def _check_size(name: str, path: Path, label: PoolLabel) -> None:
    with open_device(path) as device:
        have = device.size_bytes
    needed = (LABEL_SECTORS + label.pl_blocks) * SECTOR_BYTES
    if have < needed:
        raise AssemblyError(
            f"pool {name}: {path} has {have} bytes, its label requires {needed}",
            hint="get the file again if it was cut off",
        )


def pool_of(state: State, path: str) -> Pool | None:
    """The assembled pool that *path*, such as /dev/pool/pool0, names; None if it is no pool's name.

    Raises UsageError if it is a pool's name, but the pool is not assembled.
    """
    if not path.startswith(POOL_FOLDER):
        return None
    pool = state.pools.get(path.removeprefix(POOL_FOLDER))
    if pool is None and not os.path.exists(path):  # noqa: PTH110  # a real kernel's pool
        there = ", ".join(POOL_FOLDER + name for name in sorted(state.pools)) or "none"
        raise UsageError(f"{path}: is not assembled; assembled are: {there}", hint="passemble")
    return pool


def type_name(number: int) -> str:
    """Return the word for a subpool's type in configuration files."""
    try:
        return TypeNumber(number).name.lower()
    except ValueError:
        return f"type 0x{number:x}"
