"""Writes the blocks of inodes: dinode, attributes, indirect blocks, then contents or leaves.

The blocks of an inode lie in this order in its runs, and inodes follow one another. So the image is written
from its beginning to its end.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ssiuml.formats.gfs.attributes import attribute_blocks
from ssiuml.formats.gfs.block_writer import BlockWriter, blocks_of
from ssiuml.formats.gfs.contents import SparseBytes, changed_error
from ssiuml.formats.gfs.directories import Entry, hash_table, put_leaf, put_linear
from ssiuml.formats.gfs.inode_format import DinodeFields, InodeFormat
from ssiuml.formats.gfs.inodes import Inode
from ssiuml.formats.gfs.pointer_tree import (
    MappedRun,
    PointerTree,
    Run,
    addresses_of,
    map_runs,
    pointers_to,
    split_runs,
)
from ssiuml.formats.gfs.structures import DINODE_BYTES, META_HEADER_BYTES, MetaType, meta_header
from ssiuml.tree.extents import Extents
from ssiuml.tree.tree import Content, Extent, Kind, Literal

_JOURNALED: Final = meta_header(MetaType.JD).pack()


@dataclass(frozen=True, slots=True)
class Written:
    """Counts of a new file system: the tree's inodes, and used and free blocks of the whole."""

    inodes: int
    used_blocks: int
    free_blocks: int


class PlacedContent(ABC):
    """Contents that depend on the addresses of their blocks: journals."""

    __slots__ = ()

    @abstractmethod
    def blocks_at(self, inode_address: int, mapped: Sequence[MappedRun]) -> Iterator[tuple[int, bytes]]:
        """Yield (address, bytes) of every block that the image holds; the others stay holes of it."""


class InodeWriter:
    """Writes inodes that have a layout and addresses."""

    def __init__(self, inode_format: InodeFormat, block_writer: BlockWriter) -> None:
        self._format = inode_format
        self._layout = inode_format.block_layout
        self._writer = block_writer
        self._size = self._layout.block_size
        self._indirect = meta_header(MetaType.IN).pack().ljust(self._layout.indirect_header_bytes, b"\0")
        self._dirent_types = inode_format.dirent_types

    def write(self, inode: Inode) -> None:
        """Write all blocks of one inode.

        Raise TreeError if contents no longer have their size. Raise OSError if the image cannot be written.
        """
        kind = inode.node.kind
        first, count = inode.runs[0]
        if inode.metadata_blocks == 1 and len(inode.runs) == 1 and inode.hashed is None:
            # Most inodes: nothing between the dinode and the data, and all blocks in one run.
            data = [(first + 1, count - 1)] if count > 1 else []
            parts: list[list[Run]] = [[], [], data]
        else:
            parts = self._parts(inode)
        attributes, indirect, data = parts
        if kind is Kind.DIRECTORY:
            self._write_directory(inode, attributes, indirect, data)
        elif kind is Kind.FILE:
            self._write_file(inode, attributes, indirect, data)
        else:
            self._write_other(inode, attributes)

    @staticmethod
    def _parts(inode: Inode) -> list[list[Run]]:
        attributes = inode.attributes.blocks if inode.attributes is not None else 0
        indirect = inode.pointer_tree.indirect_blocks if inode.pointer_tree is not None else 0
        rest = inode.blocks - 1 - attributes - indirect
        return split_runs(inode.runs, [1, attributes, indirect, rest])[1:]

    def _fields(self, inode: Inode, size_bytes: int, eattr: list[Run]) -> DinodeFields:
        node = inode.node
        return DinodeFields(
            node.kind,
            node.meta,
            node.device or (0, 0),
            inode.formal_ino,
            inode.runs[0][0],
            inode.links,
            size_bytes,
            inode.blocks,
            inode.flags,
            inode.payload_format,
            eattr=eattr[0][0] if eattr else 0,
            goal_meta=inode.goal_meta,
            goal_data=inode.goal_data,
        )

    def _put_dinode(self, fields: DinodeFields, body: bytes = b"") -> None:
        stage, offset = self._writer.reserve(fields.address)
        self._format.put_dinode(stage, offset, fields)
        stage[offset + DINODE_BYTES : offset + self._size] = body.ljust(self._size - DINODE_BYTES, b"\0")

    def _put_attributes(self, inode: Inode, runs: list[Run]) -> None:
        if inode.attributes is not None:
            addresses = list(addresses_of(runs))
            blocks = attribute_blocks(self._layout, inode.attributes, addresses)
            for address, block in zip(addresses, blocks, strict=True):
                self._writer.write(address, block)

    # Files

    def _write_file(self, inode: Inode, attributes: list[Run], indirect: list[Run], data: list[Run]) -> None:
        content = inode.node.content or Literal(b"")
        size = content.size_bytes
        fields = self._fields(inode, size, attributes)
        if inode.pointer_tree is None:
            stage, offset = self._writer.reserve(fields.address)
            self._format.put_dinode(stage, offset, fields)
            start, end = offset + DINODE_BYTES + size, offset + self._size
            stage[start:end] = bytes(end - start)
            if size:
                self._writer.read_content(content, stage, offset + DINODE_BYTES, size)
            self._put_attributes(inode, attributes)
            return
        fields.height = inode.pointer_tree.height
        mapped = map_runs(inode.pointer_tree.data, data)
        self._put_pointers(fields, inode, inode.pointer_tree, attributes, indirect, mapped)
        self._put_contents(inode, content, mapped)

    def _put_pointers(
        self,
        fields: DinodeFields,
        inode: Inode,
        tree: PointerTree,
        attributes: list[Run],
        indirect: list[Run],
        data: list[MappedRun],
    ) -> None:
        """Write the dinode with its pointers, the attributes, and the indirect blocks of each level."""
        runs_of_levels = split_runs(indirect, [sum(count for _, count in level) for level in tree.levels])
        levels = [map_runs(level, runs) for level, runs in zip(tree.levels, runs_of_levels, strict=True)]
        levels.append(data)
        top = next(pointers_to(levels[0], self._layout.inode_pointers), b"")
        self._put_dinode(fields, top)
        self._put_attributes(inode, attributes)
        for runs, below in zip(runs_of_levels, levels[1:], strict=True):
            blocks = pointers_to(below, self._layout.block_pointers)
            for address, pointers in zip(addresses_of(runs), blocks, strict=True):
                self._writer.write(address, self._indirect + pointers)

    def _put_contents(self, inode: Inode, content: Content, mapped: list[MappedRun]) -> None:
        size, block = content.size_bytes, self._size
        if isinstance(content, Extent | Extents):
            for index, address, count in mapped:
                skip = index * block
                self._writer.copy_content(content, skip, min(size - skip, count * block), address)
        elif isinstance(content, PlacedContent):
            for address, data in content.blocks_at(inode.address, mapped):
                self._writer.write(address, data)
        elif isinstance(content, SparseBytes):
            self._put_sparse(content, mapped)
        else:
            self._put_stream(inode, content, mapped)

    def _put_sparse(self, content: SparseBytes, mapped: list[MappedRun]) -> None:
        blocks = {
            index + number: address + number for index, address, count in mapped for number in range(count)
        }
        held: dict[int, bytearray] = {index: bytearray(self._size) for index in blocks}
        for offset, data in content.pieces:
            while data:
                index, start = divmod(offset, self._size)
                taken = data[: self._size - start]
                held[index][start : start + len(taken)] = taken
                offset, data = offset + len(taken), data[len(taken) :]
        for index, address in blocks.items():
            self._writer.write(address, held[index])

    def _put_stream(self, inode: Inode, content: Content, mapped: list[MappedRun]) -> None:
        left = content.size_bytes
        runs = iter(mapped)
        address = count = 0
        for data in blocks_of(content.chunks(), self._size):
            left -= len(data)
            if left < 0:
                break
            while data:
                if not count:
                    _, address, count = next(runs)
                taken = data[: count * self._size]
                self._writer.write(address, taken)
                used = -(-len(taken) // self._size)
                address, count, data = address + used, count - used, data[len(taken) :]
        if left:
            raise changed_error(inode.path(), content.size_bytes)

    def _put_journaled(self, data: bytes, mapped: list[MappedRun]) -> None:
        payload = self._size - META_HEADER_BYTES
        for index, address, count in mapped:
            for number in range(count):
                start = (index + number) * payload
                self._writer.write(address + number, _JOURNALED + data[start : start + payload])

    # Directories

    def _write_directory(
        self, inode: Inode, attributes: list[Run], indirect: list[Run], rest: list[Run]
    ) -> None:
        fields = self._fields(inode, self._layout.stuffed_bytes, attributes)
        fields.entries = len(inode.names)
        if inode.hashed is None:
            stage, offset = self._writer.reserve(fields.address)
            self._format.put_dinode(stage, offset, fields)
            put_linear(stage, offset, self._size, self._entries(inode))
            self._put_attributes(inode, attributes)
            return
        hashed = inode.hashed
        fields.size_bytes, fields.depth = hashed.table_bytes, hashed.depth
        table_blocks = inode.pointer_tree.data_blocks if inode.pointer_tree is not None else 0
        table_runs, leaf_runs = split_runs(rest, [table_blocks, hashed.leaf_blocks])
        blocks = list(addresses_of(leaf_runs))
        firsts, done = [], 0
        for leaf in hashed.leaves:
            firsts.append(blocks[done])
            done += len(leaf.blocks)
        table = hash_table(hashed, firsts)
        if inode.pointer_tree is None:
            self._put_dinode(fields, table)
            self._put_attributes(inode, attributes)
        else:
            fields.height = inode.pointer_tree.height
            mapped = map_runs(inode.pointer_tree.data, table_runs)
            self._put_pointers(fields, inode, inode.pointer_tree, attributes, indirect, mapped)
            self._put_journaled(table, mapped)
        self._put_leaves(inode, fields.address, blocks)

    def _put_leaves(self, inode: Inode, directory: int, blocks: list[int]) -> None:
        assert inode.hashed is not None  # noqa: S101 - for mypy; the caller has checked
        entries = list(self._entries(inode))
        names_directory = self._format.leaves_name_directory
        order = inode.hashed.order
        places = iter(blocks)
        for leaf in inode.hashed.leaves:
            chain = [next(places) for _ in leaf.blocks]
            for number, (low, high) in enumerate(leaf.blocks):
                stage, offset = self._writer.reserve(chain[number])
                put_leaf(
                    stage,
                    offset,
                    self._size,
                    leaf,
                    [entries[index] for index in order[low:high]],
                    next_address=chain[number + 1] if number + 1 < len(chain) else 0,
                    directory=directory if names_directory else 0,
                    distance=number + 1 if names_directory else 0,
                )

    def _entries(self, inode: Inode) -> Iterator[Entry]:
        types = self._dirent_types
        return (
            (name, types[target.node.kind], target.formal_ino, target.runs[0][0])
            for name, target in zip(inode.names, inode.targets, strict=True)
        )

    # Symbolic links, devices, FIFOs and sockets

    def _write_other(self, inode: Inode, attributes: list[Run]) -> None:
        target = (inode.node.target or "").encode("utf-8", "surrogateescape")
        self._put_dinode(self._fields(inode, len(target), attributes), target)
        self._put_attributes(inode, attributes)
