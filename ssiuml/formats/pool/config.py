"""Pool configuration files, which say what devices make up a pool and how.

Each line has one statement, with words separated by white space. ``#`` begins a comment:

    poolname NAME
    minor NUMBER                             (optional; 0, the default: assigned dynamically)
    subpools COUNT
    subpool ID STRIPE DEVICES [TYPE]         (stripe in sectors of 512 bytes, 0: devices are concatenated)
    pooldevice SUBPOOL ID DEVICE [WEIGHT]

Source: Red Hat GFS 6.0 Administrator's Guide, section 5.4; WEIGHT as in the SSI/UML HOWTO, section 5.2.
"""

import enum
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from ssiuml.errors import UsageError

MAX_DEVICES: Final = 128  # POOL_MAX_DEVICES of lvm2's disk_rep.h
MAX_MINOR: Final = 64
MAX_STRIPE_SECTORS: Final = 1 << 21  # 1 GiB; the sources have no limit, but larger ones are typing errors
MAX_NAME_BYTES: Final = 255  # the label has 256 with a NUL
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_MAX_FILE_BYTES: Final = 1 << 20


class SubpoolType(enum.Enum):
    """The use of a subpool; the values are the words of the configuration file."""

    DATA = "gfs_data"
    JOURNAL = "gfs_journal"


@dataclass(frozen=True, slots=True)
class PoolDevice:
    """A member of a subpool. *name* is the one in the file, such as /dev/loop1; *line* is its line there."""

    name: str
    weight: int
    line: int


@dataclass(frozen=True, slots=True)
class Subpool:
    """A subpool with its devices in the order of their ids. *stripe_sectors* 0 means concatenated."""

    stripe_sectors: int
    type: SubpoolType
    devices: tuple[PoolDevice, ...]


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """The pool that a configuration file describes, with its subpools in the order of their ids."""

    path: Path
    name: str
    minor: int
    subpools: tuple[Subpool, ...]

    @property
    def devices(self) -> tuple[PoolDevice, ...]:
        return tuple(device for subpool in self.subpools for device in subpool.devices)


@dataclass(slots=True)
class _OpenSubpool:
    line: int
    stripe_sectors: int
    count: int
    type: SubpoolType
    devices: dict[int, PoolDevice]


def load_config(path: Path) -> PoolConfig:
    """Read a pool configuration file.

    Raise UsageError, with file, line, value and the expected value, if it cannot be read or has a mistake.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_FILE_BYTES + 1)
        text = data.decode("utf-8-sig")  # without the byte order mark that editors of Windows write
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is no UTF-8 text", hint=_SHAPE) from error
    if len(data) > _MAX_FILE_BYTES:
        raise UsageError(f"{path}: is larger than {_MAX_FILE_BYTES} bytes", hint=_SHAPE)
    return parse_config(text, path)


_SHAPE: Final = "give a pool configuration file, which has lines such as: poolname pool0"


def parse_config(text: str, path: Path) -> PoolConfig:
    """Return the pool that *text* describes. *path* is for messages. Raise UsageError as load_config does."""
    parser = _Parser(path)
    for number, line in enumerate(text.split("\n"), 1):
        words = line.partition("#")[0].split()
        if words:
            parser.take(number, words)
    return parser.finish()


class _Parser:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._name: str | None = None
        self._minor: int | None = None
        self._count: tuple[int, int] | None = None  # of subpools, and its line
        self._subpools: dict[int, _OpenSubpool] = {}
        self._device_lines: dict[str, int] = {}

    def take(self, line: int, words: Sequence[str]) -> None:
        statements: dict[str, tuple[str, int, int, Callable[[int, Sequence[str]], None]]] = {
            "poolname": ("poolname NAME", 1, 1, self._take_name),
            "minor": ("minor NUMBER", 1, 1, self._take_minor),
            "subpools": ("subpools COUNT", 1, 1, self._take_count),
            "subpool": ("subpool ID STRIPE DEVICES [gfs_data|gfs_journal]", 3, 4, self._take_subpool),
            "pooldevice": ("pooldevice SUBPOOL ID DEVICE [WEIGHT]", 3, 4, self._take_device),
        }
        statement = statements.get(words[0])
        if statement is None:
            self._fail(line, f"'{words[0]}' is no statement", f"write one of: {', '.join(statements)}")
        shape, least, most, handler = statement
        if not least <= len(words) - 1 <= most:
            expected = str(least) if least == most else f"{least} or {most}"
            self._fail(
                line, f"{words[0]}: {len(words) - 1} values, expected {expected}", f"write it as: {shape}"
            )
        handler(line, words[1:])

    def finish(self) -> PoolConfig:
        """Check the file as a whole, and return the pool."""
        if self._name is None:
            self._fail(None, "poolname is missing", "add a line: poolname NAME")
        if self._count is None:
            self._fail(None, "subpools is missing", f"add a line: subpools {len(self._subpools) or 1}")
        count, line = self._count
        if sorted(self._subpools) != list(range(count)):
            there = ", ".join(map(str, sorted(self._subpools))) or "none"
            self._fail(
                line,
                f"subpools {count}: the subpools described are: {there}",
                f"describe the subpools 0 to {count - 1}, each in a subpool line",
            )
        for number, subpool in self._subpools.items():
            if sorted(subpool.devices) != list(range(subpool.count)):
                there = ", ".join(map(str, sorted(subpool.devices))) or "none"
                self._fail(
                    subpool.line,
                    f"subpool {number}: {_devices(subpool.count)} announced, the ids listed are: {there}",
                    f"list the ids 0 to {subpool.count - 1}, each in a pooldevice line, or change the number",
                )
        if len(self._device_lines) > MAX_DEVICES:
            self._fail(None, f"{len(self._device_lines)} devices", f"give a pool at most {MAX_DEVICES}")
        if self._subpools[0].type is not SubpoolType.DATA:
            self._fail(
                self._subpools[0].line,
                "subpool 0: gfs_journal, but the superblock must lie in the first subpool",
                "give subpool 0 the type gfs_data",
            )
        return PoolConfig(
            self._path, self._name, self._minor or 0, tuple(self._closed(number) for number in range(count))
        )

    def _closed(self, number: int) -> Subpool:
        subpool = self._subpools[number]
        devices = tuple(subpool.devices[index] for index in range(subpool.count))
        return Subpool(subpool.stripe_sectors, subpool.type, devices)

    def _take_name(self, line: int, words: Sequence[str]) -> None:
        if self._name is not None:
            self._fail(
                line,
                f"poolname {words[0]}: the pool has a name already, {self._name}",
                "keep one of the lines",
            )
        if not _NAME.fullmatch(words[0]) or len(words[0]) > MAX_NAME_BYTES:
            self._fail(
                line,
                f"poolname '{words[0]}'",
                f"write at most {MAX_NAME_BYTES} letters, digits and _ . + -, without /dev/pool/ before them",
            )
        self._name = words[0]

    def _take_minor(self, line: int, words: Sequence[str]) -> None:
        if self._minor is not None:
            self._fail(
                line,
                f"minor {words[0]}: the pool has a minor already, {self._minor}",
                "keep one of the lines",
            )
        self._minor = self._number(line, "minor", words[0], 0, MAX_MINOR)

    def _take_count(self, line: int, words: Sequence[str]) -> None:
        if self._count is not None:
            self._fail(
                line, f"subpools {words[0]}: line {self._count[1]} has it already", "keep one of the lines"
            )
        self._count = (self._number(line, "subpools", words[0], 1, MAX_DEVICES), line)

    def _take_subpool(self, line: int, words: Sequence[str]) -> None:
        number = self._number(line, "subpool ID", words[0], 0, MAX_DEVICES - 1)
        if number in self._subpools:
            there = self._subpools[number].line
            self._fail(line, f"subpool {number}: line {there} describes it already", "give each its own id")
        stripe = self._number(line, f"subpool {number}: STRIPE", words[1], 0, MAX_STRIPE_SECTORS)
        if stripe & (stripe - 1):
            self._fail(
                line,
                f"subpool {number}: a stripe of {stripe} sectors",
                "give a power of two (128 is 64 KiB), or 0 to concatenate the devices",
            )
        count = self._number(line, f"subpool {number}: DEVICES", words[2], 1, MAX_DEVICES)
        try:
            kind = SubpoolType(words[3] if len(words) > 3 else SubpoolType.DATA.value)
        except ValueError:
            types = " or ".join(each.value for each in SubpoolType)
            self._fail(line, f"subpool {number}: type '{words[3]}'", f"write {types}")
        self._subpools[number] = _OpenSubpool(line, stripe, count, kind, {})

    def _take_device(self, line: int, words: Sequence[str]) -> None:
        number = self._number(line, "pooldevice SUBPOOL", words[0], 0, MAX_DEVICES - 1)
        subpool = self._subpools.get(number)
        if subpool is None:
            self._fail(
                line,
                f"pooldevice: there is no subpool {number} above this line",
                f"put the line 'subpool {number} STRIPE DEVICES TYPE' before its devices",
            )
        index = self._number(line, "pooldevice ID", words[1], 0, MAX_DEVICES - 1)
        if index in subpool.devices:
            there = subpool.devices[index].line
            self._fail(
                line, f"pooldevice {number} {index}: line {there} has it already", "give each its own id"
            )
        name = words[2]
        if not name.startswith("/"):
            self._fail(line, f"pooldevice {number} {index}: '{name}'", "write an absolute path: /dev/loop1")
        if first := self._device_lines.get(name):
            self._fail(
                line,
                f"pooldevice {number} {index}: {name} is listed twice, first in line {first}",
                "use a device in one place of one pool",
            )
        self._device_lines[name] = line
        weight = self._number(line, "WEIGHT", words[3] if len(words) > 3 else "0", 0, 2**32 - 1)
        subpool.devices[index] = PoolDevice(name, weight, line)

    def _number(self, line: int, what: str, text: str, least: int, most: int) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
            self._fail(line, f"{what}: '{text}'", f"write a whole number from {least} to {most}")
        return int(text)

    def _fail(self, line: int | None, problem: str, hint: str) -> NoReturn:
        raise UsageError(f"{self._path}:{line}: {problem}" if line else f"{self._path}: {problem}", hint=hint)


def _devices(count: int) -> str:
    return "1 device is" if count == 1 else f"{count} devices are"
