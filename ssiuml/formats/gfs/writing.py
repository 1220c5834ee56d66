"""Writes inodes to their places: dinode, attributes, indirect blocks, then contents or leaves.

The blocks of an inode lie in this order in the runs that it was given, and inodes follow one another, so
that the image is written from its beginning to its end.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ssiuml.formats.gfs.attributes import attribute_blocks
from ssiuml.formats.gfs.contents import Pieces, changed
from ssiuml.formats.gfs.dirents import Entry, hash_table, put_leaf, put_linear
from ssiuml.formats.gfs.generation import DinodeFacts, Generation
from ssiuml.formats.gfs.inodes import Inode, addresses_of
from ssiuml.formats.gfs.output import Output, blocks_of
from ssiuml.formats.gfs.shape import Piece, PointerTree, Run, placed, pointers_to, split_runs
from ssiuml.formats.gfs.structures import DINODE_BYTES, META_HEADER_BYTES, MetaType, meta_header
from ssiuml.tree.extents import Extents
from ssiuml.tree.tree import Content, Extent, Kind, Literal

_JOURNALED: Final = meta_header(MetaType.JD).pack()


@dataclass(frozen=True, slots=True)
class Written:
    """What a file system holds: inodes of the tree, blocks in use and free, the system's among those."""

    inodes: int
    used_blocks: int
    free_blocks: int


class Placed(ABC):
    """Contents whose blocks say where they lie: journals."""

    __slots__ = ()

    @abstractmethod
    def blocks_at(self, inode_address: int, pieces: Sequence[Piece]) -> Iterator[tuple[int, bytes]]:
        """Yield (address, bytes) of every block that is not to be a hole in the image."""


class InodeWriter:
    """Writes inodes that are planned and have their places."""

    def __init__(self, generation: Generation, output: Output) -> None:
        self._generation = generation
        self._shape = generation.shape
        self._output = output
        self._size = generation.shape.block_size
        self._indirect = meta_header(MetaType.IN).pack().ljust(generation.shape.indirect_header_bytes, b"\0")
        self._dirent_types = generation.dirent_types

    def write(self, inode: Inode) -> None:
        """Write all blocks of one inode.

        Raises TreeError if contents are not as long as they were said to be, and OSError.
        """
        kind = inode.node.kind
        first, count = inode.runs[0]
        if inode.metadata_blocks == 1 and len(inode.runs) == 1 and inode.hashed is None:
            # Most inodes: nothing between the dinode and the data, and all in one piece.
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
        indirect = inode.tree.indirect_blocks if inode.tree is not None else 0
        rest = inode.blocks - 1 - attributes - indirect
        return split_runs(inode.runs, [1, attributes, indirect, rest])[1:]

    def _facts(self, inode: Inode, size_bytes: int, eattr: list[Run]) -> DinodeFacts:
        node = inode.node
        return DinodeFacts(
            node.kind,
            node.meta,
            node.device or (0, 0),
            inode.formal,
            inode.runs[0][0],
            inode.links,
            size_bytes,
            inode.blocks,
            inode.flags,
            inode.payload,
            eattr=eattr[0][0] if eattr else 0,
            goal_meta=inode.goal_meta,
            goal_data=inode.goal_data,
        )

    def _put_dinode(self, facts: DinodeFacts, body: bytes = b"") -> None:
        stage, offset = self._output.room(facts.address)
        self._generation.put_dinode(stage, offset, facts)
        stage[offset + DINODE_BYTES : offset + self._size] = body.ljust(self._size - DINODE_BYTES, b"\0")

    def _put_attributes(self, inode: Inode, runs: list[Run]) -> None:
        if inode.attributes is not None:
            addresses = list(addresses_of(runs))
            blocks = attribute_blocks(self._shape, inode.attributes, addresses)
            for address, block in zip(addresses, blocks, strict=True):
                self._output.put(address, block)

    # Files

    def _write_file(self, inode: Inode, attributes: list[Run], indirect: list[Run], data: list[Run]) -> None:
        content = inode.node.content or Literal(b"")
        size = content.size_bytes
        facts = self._facts(inode, size, attributes)
        if inode.tree is None:
            stage, offset = self._output.room(facts.address)
            self._generation.put_dinode(stage, offset, facts)
            start, end = offset + DINODE_BYTES + size, offset + self._size
            stage[start:end] = bytes(end - start)
            if size:
                self._output.read_in(content, stage, offset + DINODE_BYTES, size)
            self._put_attributes(inode, attributes)
            return
        facts.height = inode.tree.height
        pieces = placed(inode.tree.data, data)
        self._put_pointers(facts, inode, inode.tree, attributes, indirect, pieces)
        self._put_contents(inode, content, pieces)

    def _put_pointers(
        self,
        facts: DinodeFacts,
        inode: Inode,
        tree: PointerTree,
        attributes: list[Run],
        indirect: list[Run],
        data: list[Piece],
    ) -> None:
        """Write the dinode with its pointers, the attributes, and the indirect blocks level by level."""
        runs_of_levels = split_runs(indirect, [sum(count for _, count in level) for level in tree.levels])
        levels = [placed(level, runs) for level, runs in zip(tree.levels, runs_of_levels, strict=True)]
        levels.append(data)
        top = next(pointers_to(levels[0], self._shape.inode_pointers), b"")
        self._put_dinode(facts, top)
        self._put_attributes(inode, attributes)
        for runs, below in zip(runs_of_levels, levels[1:], strict=True):
            blocks = pointers_to(below, self._shape.block_pointers)
            for address, pointers in zip(addresses_of(runs), blocks, strict=True):
                self._output.put(address, self._indirect + pointers)

    def _put_contents(self, inode: Inode, content: Content, pieces: list[Piece]) -> None:
        size, block = content.size_bytes, self._size
        if isinstance(content, Extent | Extents):
            for index, address, count in pieces:
                skip = index * block
                self._output.copy(content, skip, min(size - skip, count * block), address)
        elif isinstance(content, Placed):
            for address, data in content.blocks_at(inode.address, pieces):
                self._output.put(address, data)
        elif isinstance(content, Pieces):
            self._put_pieces(content, pieces)
        else:
            self._put_stream(inode, content, pieces)

    def _put_pieces(self, content: Pieces, pieces: list[Piece]) -> None:
        blocks = {
            index + number: address + number for index, address, count in pieces for number in range(count)
        }
        held: dict[int, bytearray] = {index: bytearray(self._size) for index in blocks}
        for offset, data in content.pieces:
            while data:
                index, start = divmod(offset, self._size)
                taken = data[: self._size - start]
                held[index][start : start + len(taken)] = taken
                offset, data = offset + len(taken), data[len(taken) :]
        for index, address in blocks.items():
            self._output.put(address, held[index])

    def _put_stream(self, inode: Inode, content: Content, pieces: list[Piece]) -> None:
        left = content.size_bytes
        places = iter(pieces)
        address = count = 0
        for data in blocks_of(content.chunks(), self._size):
            left -= len(data)
            if left < 0:
                break
            while data:
                if not count:
                    _, address, count = next(places)
                taken = data[: count * self._size]
                self._output.put(address, taken)
                used = -(-len(taken) // self._size)
                address, count, data = address + used, count - used, data[len(taken) :]
        if left:
            raise changed(inode.path(), content.size_bytes)

    def _put_journaled(self, data: bytes, pieces: list[Piece]) -> None:
        payload = self._size - META_HEADER_BYTES
        for index, address, count in pieces:
            for number in range(count):
                start = (index + number) * payload
                self._output.put(address + number, _JOURNALED + data[start : start + payload])

    # Directories

    def _write_directory(
        self, inode: Inode, attributes: list[Run], indirect: list[Run], rest: list[Run]
    ) -> None:
        facts = self._facts(inode, self._shape.stuffed_bytes, attributes)
        facts.entries = len(inode.names)
        if inode.hashed is None:
            stage, offset = self._output.room(facts.address)
            self._generation.put_dinode(stage, offset, facts)
            put_linear(stage, offset, self._size, self._entries(inode))
            self._put_attributes(inode, attributes)
            return
        hashed = inode.hashed
        facts.size_bytes, facts.depth = hashed.table_bytes, hashed.depth
        table_blocks = inode.tree.data_blocks if inode.tree is not None else 0
        table_runs, leaf_runs = split_runs(rest, [table_blocks, hashed.leaf_blocks])
        blocks = list(addresses_of(leaf_runs))
        firsts, done = [], 0
        for leaf in hashed.leaves:
            firsts.append(blocks[done])
            done += len(leaf.blocks)
        table = hash_table(hashed, firsts)
        if inode.tree is None:
            self._put_dinode(facts, table)
            self._put_attributes(inode, attributes)
        else:
            facts.height = inode.tree.height
            pieces = placed(inode.tree.data, table_runs)
            self._put_pointers(facts, inode, inode.tree, attributes, indirect, pieces)
            self._put_journaled(table, pieces)
        self._put_leaves(inode, facts.address, blocks)

    def _put_leaves(self, inode: Inode, directory: int, blocks: list[int]) -> None:
        assert inode.hashed is not None  # noqa: S101 - for mypy; the caller has looked
        entries = list(self._entries(inode))
        owned = self._generation.leaves_name_their_owner
        order = inode.hashed.order
        places = iter(blocks)
        for leaf in inode.hashed.leaves:
            chain = [next(places) for _ in leaf.blocks]
            for number, (low, high) in enumerate(leaf.blocks):
                stage, offset = self._output.room(chain[number])
                put_leaf(
                    stage,
                    offset,
                    self._size,
                    leaf,
                    [entries[index] for index in order[low:high]],
                    next_address=chain[number + 1] if number + 1 < len(chain) else 0,
                    owner=directory if owned else 0,
                    distance=number + 1 if owned else 0,
                )

    def _entries(self, inode: Inode) -> Iterator[Entry]:
        types = self._dirent_types
        return (
            (name, types[target.node.kind], target.formal, target.runs[0][0])
            for name, target in zip(inode.names, inode.targets, strict=True)
        )

    # All others

    def _write_other(self, inode: Inode, attributes: list[Run]) -> None:
        target = (inode.node.target or "").encode("utf-8", "surrogateescape")
        self._put_dinode(self._facts(inode, len(target), attributes), target)
        self._put_attributes(inode, attributes)
