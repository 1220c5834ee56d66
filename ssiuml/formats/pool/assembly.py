"""Pools in user space: which files are their devices, and where in them /dev/pool/NAME lies."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.formats.pool.label import PoolLabel, TypeNumber, read_label
from ssiuml.formats.pool.mapping import LABEL_SECTORS, SECTOR_BYTES, PoolMap, SubpoolMap
from ssiuml.host.devices import open_device

POOL_FOLDER: Final = "/dev/pool/"


class AssemblyError(SsiumlError):
    """A pool cannot be assembled."""


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


def type_name(number: int) -> str:
    """Return the word for a subpool's type in configuration files."""
    try:
        return TypeNumber(number).name.lower()
    except ValueError:
        return f"type 0x{number:x}"
