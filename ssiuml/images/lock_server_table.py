"""The lock server table of memexp: the nodes and the lock server, in a device of its own, the cidev.

gfsconf writes it (HOWTO 5.2). What OpenGFS's gfsconf writes into the cidev is published nowhere that we know
of. This is a layout of our own, from byte 0 of the pool's data space:

    LockServerTableHeader, in the first 512 bytes
    the text of the configuration file, ht_text_bytes long

A memexp of 2002 cannot read it. The real gfsconf, run on the same device, overwrites it with its own.
"""

import codecs
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Final, NoReturn

from ssiuml.errors import SsiumlError, UsageError
from ssiuml.formats.gfs.structures import SUPERBLOCK_BYTES
from ssiuml.formats.gfs_reader.device import open_image
from ssiuml.formats.ondisk import Be32, Bytes, OnDisk, Raw16
from ssiuml.formats.pool.assembly import assemble
from ssiuml.formats.pool.label import read_label
from ssiuml.formats.pool.mapping import SECTOR_BYTES
from ssiuml.host.devices import open_device
from ssiuml.images.target import Target, name_of, replacing_contents

MAGIC: Final = b"SSIUML LOCKTABLE"
VERSION: Final = 1
HEADER_BYTES: Final = 512
MAX_TEXT_BYTES: Final = 256 << 10
_SINGLE: Final = ("datadev", "cidev", "lockdev", "cbport", "timeout", "STOMITH", "name")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockServerTableHeader(OnDisk):
    """512 bytes, big-endian. Source: this project's own layout, version 1."""

    ht_magic: Raw16 = MAGIC
    ht_version: Be32 = VERSION
    ht_text_bytes: Be32
    ht_sha256: Annotated[bytes, Bytes(32)]  # of the text
    ht_reserved: Annotated[bytes, Bytes(456)] = bytes(456)


@dataclass(frozen=True, slots=True)
class LockNode:
    """A node: its address, its number, and how it is reset (the field "SM")."""

    address: IPv4Address
    number: int
    reset: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockServerTable:
    """The contents of a configuration file, parsed; *text* is the file itself."""

    text: bytes
    data_device: str
    cidev: str
    lock_server: tuple[IPv4Address, int]
    callback_port: int
    timeout_s: int
    nodes: tuple[LockNode, ...]


def load_lock_server_table(path: Path) -> LockServerTable:
    """Read the configuration file *path*. Raise UsageError, with the line, if it is wrong."""
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if len(text) > MAX_TEXT_BYTES:
        raise UsageError(f"{path}: has more than {MAX_TEXT_BYTES} bytes, the limit for a lock server table")
    # Editors of Windows begin files with a byte order mark. It does not belong into the cidev.
    return parse_lock_server_table(text.removeprefix(codecs.BOM_UTF8), str(path))


def parse_lock_server_table(text: bytes, name: str) -> LockServerTable:
    """Read the text of a configuration file. Messages call it *name*."""
    return _Parser(name).parse(text)


class _Parser:
    def __init__(self, name: str) -> None:
        self._name = name
        self._line = 1

    def _fail(self, problem: str, hint: str | None = None) -> NoReturn:
        raise UsageError(f"{self._name}:{self._line}: {problem}", hint=hint)

    def parse(self, text: bytes) -> LockServerTable:
        values: dict[str, str] = {}
        nodes: dict[int, LockNode] = {}
        for key, value in self._statements(text):
            if key == "node":
                node = self._node(value)
                if node.number in nodes or node.address in (one.address for one in nodes.values()):
                    self._fail(f"node {node.number}, {node.address}: is there twice", "name each node once")
                nodes[node.number] = node
            elif key not in _SINGLE:
                self._fail(f"{key!r} is no key of a lock server table", f"use {', '.join(_SINGLE)} and node")
            elif key in values:
                self._fail(f"{key} is set twice", "remove one of the lines")
            else:
                values[key] = value
        missing = [key for key in _SINGLE if key not in values]
        if missing or not nodes:
            self._fail(
                f"there is no line for {', '.join(missing) or 'node'}",
                "add what is missing; templates/gfscf.cf.j2 has all keys",
            )
        address, _, port = values["lockdev"].partition(":")
        return LockServerTable(
            text=text,
            data_device=values["datadev"],
            cidev=values["cidev"],
            lock_server=(self._address(address), self._number("lockdev: the port", port, 65_535)),
            callback_port=self._number("cbport", values["cbport"], 65_535),
            timeout_s=self._number("timeout", values["timeout"], 86_400),
            nodes=tuple(nodes.values()),
        )

    def _statements(self, text: bytes) -> Iterator[tuple[str, str]]:
        for number, line in enumerate(text.splitlines(), 1):
            self._line = number
            try:
                words = line.decode("ascii").partition("#")[0].strip()
            except UnicodeDecodeError:
                self._fail("the line has characters that are not ASCII")
            if words:
                key, colon, value = words.partition(":")
                if not colon or not value.strip():
                    self._fail(f"{words!r} is not KEY: VALUE")
                yield key.strip(), value.strip()

    def _node(self, value: str) -> LockNode:
        match = re.fullmatch(r"(\S+)\s+(\S+)\s+SM:\s*(\S.*)", value)
        if match is None:
            self._fail(f"{value!r} is not ADDRESS NUMBER SM: HOW")
        return LockNode(self._address(match[1]), self._number("node", match[2], 255), match[3])

    def _address(self, text: str) -> IPv4Address:
        try:
            return IPv4Address(text)
        except ValueError:
            self._fail(f"{text!r} is not an IPv4 address")

    def _number(self, what: str, text: str, most: int) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
            self._fail(f"{what}: {text!r} is not a number from 1 to {most}")
        return int(text)


def pool_or_file(path: Path) -> Target:
    """Return the pool that consists of the file *path*, so that its label stays; else the file itself.

    Raise UsageError or DeviceError if it cannot be read, AssemblyError if it is one of several devices.
    """
    with open_device(path) as device:
        label = read_label(device.read(0, SECTOR_BYTES))
    return path if label is None else assemble(label.name, [(path, label)])


def require_no_other_data(target: Target) -> None:
    """Raise SsiumlError if *target* begins with other data than zeros or a table of this project.

    All bytes up to a superblock are read, with its first sector.
    """
    with open_image(target) as source:
        start = source.read(0, SUPERBLOCK_BYTES + SECTOR_BYTES)
    if any(start) and start[: len(MAGIC)] != MAGIC:
        raise SsiumlError(
            f"{name_of(target)}: is not empty, and holds no lock server table of this project",
            hint="check that it is the cidev; give --force to overwrite it",
        )


def write_lock_server_table(target: Target, table: LockServerTable) -> None:
    """Write *table* on *target*, which stays unchanged on an error.

    Raise UsageError if *target* is too small, and what ssiuml.images.target.replacing_contents raises.
    """
    header = LockServerTableHeader(
        ht_text_bytes=len(table.text), ht_sha256=hashlib.sha256(table.text).digest()
    )
    data = header.pack() + table.text
    with replacing_contents(target) as staging:
        if staging.size_bytes < len(data):
            raise UsageError(
                f"the lock server table has {len(data)} bytes, the device only {staging.size_bytes}"
            )
        with staging.path.open("r+b") as stream:
            os.pwrite(stream.fileno(), data, staging.start_bytes)


def read_lock_server_table(target: Target) -> LockServerTable:
    """Read the lock server table on *target*. Raise SsiumlError if there is none or it is damaged."""
    with open_image(target) as source:
        header = LockServerTableHeader.unpack(source.read(0, HEADER_BYTES))
        if header.ht_magic != MAGIC:
            raise SsiumlError(
                f"{name_of(target)}: has no lock server table of this project",
                hint="run gfsconf -c FILE.cf to write it",
            )
        if header.ht_version != VERSION:
            raise SsiumlError(
                f"{name_of(target)}: its lock server table has version {header.ht_version}, "
                f"known is {VERSION}"
            )
        size = header.ht_text_bytes
        text = source.read(HEADER_BYTES, size) if size <= MAX_TEXT_BYTES else b""
    if hashlib.sha256(text).digest() != header.ht_sha256:
        raise SsiumlError(
            f"{name_of(target)}: its lock server table is damaged",
            hint="run gfsconf -c FILE.cf to write it again",
        )
    return parse_lock_server_table(text, name_of(target))
