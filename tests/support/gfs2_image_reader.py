"""A reader of GFS2 images for tests, written from the offsets in linux/gfs2_ondisk.h.

It shares no code with the writer. It checks little: run fsck.gfs2 on the image first.
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ssiuml.tree.tree import Kind, Meta, Node, Tree

KINDS = {
    1: Kind.FIFO,
    2: Kind.CHARACTER,
    4: Kind.DIRECTORY,
    6: Kind.BLOCK,
    8: Kind.FILE,
    10: Kind.SYMLINK,
    12: Kind.SOCKET,
}
SPACES = {1: "user", 2: "system", 3: "security", 4: "trusted"}
EXHASH, EA_INDIRECT = 2, 8


@dataclass(frozen=True)
class Blocks:
    """Contents in blocks. *addresses* has the address of each block, by its number, that is no hole."""

    image: "ImageReader"
    size_bytes: int
    addresses: dict[int, int]

    def chunks(self) -> Iterator[bytes]:
        left, number = self.size_bytes, 0
        while left:
            address = self.addresses.get(number)
            block = self.image.block(address) if address else bytes(self.image.block_size)
            yield block[:left]
            left -= len(block[:left])
            number += 1


@dataclass(frozen=True)
class Stuffed:
    data: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        if self.data:
            yield self.data


class ImageReader:
    """A GFS2 image, whose tree below the root directory is read."""

    def __init__(self, path: Path, *, owned_leaves: bool = True) -> None:
        self.owned_leaves = owned_leaves  # gfs2_convert does not write into a leaf to which dinode it belongs
        with path.open("rb") as stream:
            self.data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        superblock = self.data[65536 : 65536 + 512]
        (self.block_size,) = struct.unpack_from(">I", superblock, 36)
        (self.root,) = struct.unpack_from(">Q", superblock, 88)
        self.nodes: dict[int, Node] = {}
        self.links: dict[int, int] = {}
        self.depths: dict[int, int] = {}

    def block(self, address: int) -> bytes:
        return self.data[address * self.block_size : (address + 1) * self.block_size]

    def tree(self) -> Tree:
        tree = Tree()
        tree.root = self.node(self.root)
        return tree

    def node(self, address: int) -> Node:
        if address in self.nodes:
            return self.nodes[address]
        block = self.block(address)
        magic, kind = struct.unpack_from(">II", block)
        assert (magic, kind) == (0x01161970, 4), f"block {address} is not a dinode"
        mode, uid, gid, self.links[address], size = struct.unpack_from(">IIIIQ", block, 40)
        _, mtime, _, major, minor = struct.unpack_from(">qqqII", block, 72)
        flags, _, _, height, _, _, depth, entries = struct.unpack_from(">IIHHIHHI", block, 128)
        eattr, _, nanoseconds = struct.unpack_from(">QII", block, 168)
        xattrs = dict(self.attributes(eattr, bool(flags & EA_INDIRECT))) if eattr else {}
        meta = Meta(mode=mode & 0o7777, uid=uid, gid=gid, mtime_ns=mtime * 10**9 + nanoseconds, xattrs=xattrs)
        node = self.nodes[address] = Node(KINDS[mode >> 12], meta)
        if node.kind is Kind.FILE:
            node.content = self.content(block, size, height)
        elif node.kind is Kind.SYMLINK:
            assert block[232 + size] == 0
            node.target = block[232 : 232 + size].decode("utf-8", "surrogateescape")
        elif node.kind in (Kind.CHARACTER, Kind.BLOCK):
            node.device = (major, minor)
        elif node.kind is Kind.DIRECTORY:
            self.depths[address] = depth
            found = list(self.entries(address, block, size, height, depth, bool(flags & EXHASH)))
            assert len(found) == entries, f"directory in block {address}"
            for name, formal, target, type_ in found:
                assert struct.unpack_from(">Q", self.block(target), 24)[0] == formal
                if name not in (b".", b".."):
                    child = self.node(target)
                    assert KINDS[type_] is child.kind
                    node.children[name.decode("utf-8", "surrogateescape")] = child
        return node

    def pointers(self, block: bytes, start: int) -> list[int]:
        count = (self.block_size - start) // 8
        return list(struct.unpack_from(f">{count}Q", block, start))

    def addresses(self, block: bytes, height: int, header: int = 232) -> dict[int, int]:
        slots = {number: address for number, address in enumerate(self.pointers(block, header)) if address}
        if height == 1:
            return slots
        per_slot = ((self.block_size - 24) // 8) ** (height - 1)
        return {
            number * per_slot + below: data
            for number, address in slots.items()
            for below, data in self.addresses(self.block(address), height - 1, 24).items()
        }

    def content(self, block: bytes, size: int, height: int) -> Blocks | Stuffed:
        if height == 0:
            assert not any(block[232 + size :])
            return Stuffed(block[232 : 232 + size])
        return Blocks(self, size, self.addresses(block, height))

    def entries(
        self, address: int, block: bytes, size: int, height: int, depth: int, hashed: bool
    ) -> Iterator[tuple[bytes, int, int, int]]:
        if not hashed:
            yield from self.records(block, 232)
            return
        if height == 0:
            table = block[232 : 232 + size]
        else:
            places = self.addresses(block, height)
            table = b"".join(self.block(places[number])[24:] for number in range(len(places)))[:size]
        assert size == 8 << depth
        seen = set()
        for leaf in struct.unpack(f">{size // 8}Q", table):
            while leaf and leaf not in seen:
                seen.add(leaf)
                data = self.block(leaf)
                (following,) = struct.unpack_from(">Q", data, 32)
                assert struct.unpack_from(">Q", data, 40)[0] == (address if self.owned_leaves else 0)
                yield from self.records(data, 104)
                leaf = following

    def records(self, block: bytes, start: int) -> Iterator[tuple[bytes, int, int, int]]:
        while start < self.block_size:
            formal, address, _, length, name_length, kind = struct.unpack_from(">QQIHHH", block, start)
            if formal:
                yield block[start + 40 : start + 40 + name_length], formal, address, kind
            start += length
        assert start == self.block_size

    def attributes(self, address: int, indirect: bool) -> Iterator[tuple[str, bytes]]:
        first = self.block(address)
        blocks = [self.block(place) for place in self.pointers(first, 24) if place] if indirect else [first]
        for block in blocks:
            start = 24
            while start < self.block_size:
                length, size, name_length, kind, last, pointers = struct.unpack_from(">IIBBBB", block, start)
                name = block[start + 16 : start + 16 + name_length].decode("utf-8", "surrogateescape")
                if pointers:
                    at = start + 16 + ((name_length + 7) & ~7)
                    places = struct.unpack_from(f">{pointers}Q", block, at)
                    value = b"".join(self.block(place)[24:] for place in places)[:size]
                else:
                    value = block[start + 16 + name_length :][:size]
                yield f"{SPACES[kind]}.{name}", value
                start += length
                assert bool(last) == (start == self.block_size)
