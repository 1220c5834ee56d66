"""Images in memory in which a test changes single fields, for the tests of the reader."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gfs_images import filesystem_of, findings

from ssiuml.formats.gfs.structures import Dirent, EaHeader, Flag, Inum, Leaf, RindexEntry
from ssiuml.formats.gfs1 import structures as gfs1
from ssiuml.formats.gfs2 import structures as gfs2
from ssiuml.formats.gfs_reader.contents import BlockRole, ImageContent, walk_blocks
from ssiuml.formats.gfs_reader.inodes import read_inode
from ssiuml.formats.gfs_reader.tree_reader import ReadOnceVisitor, TreeReader
from ssiuml.formats.ondisk import OnDisk
from ssiuml.tree.tree import Node

BLOCK: Final = 1024  # bytes in a block
INODES: Final = ("root", "file", "stuffed", "linear", "hashed", "link", "with-xattrs", "ragged")


@dataclass
class EditableImage:
    """An image in memory, the byte offsets of structures in it by name, and their classes."""

    data: bytearray
    is_gfs1: bool
    places: dict[str, int]  # byte offsets

    @property
    def structures(self) -> dict[str, type[OnDisk]]:
        """The class of the structure at each place."""
        own = gfs1 if self.is_gfs1 else gfs2
        return {
            "superblock": own.Superblock,
            "rgrp": own.Rgrp,
            "log": own.LogHeader,
            "rindex": RindexEntry,
            "leaf": Leaf,
            **dict.fromkeys(("dot", "dirent", "second-dirent"), Dirent),
            **dict.fromkeys(("ea", "large-ea"), EaHeader),
            **dict.fromkeys((*INODES, "jindex", "rindex-inode", "quota", "statfs", "journal"), own.Dinode),
        }

    def offset(self, place: str, field: str) -> int:
        """Return the byte offset of a field; a field of an Inum in it is written as di_num.no_addr."""
        outer, _, inner = field.partition(".")
        within = Inum.offset_of(inner) if inner else 0
        return self.places[place] + self.structures[place].offset_of(outer) + within

    def change(self, place: str, field: str, value: int, size: str) -> None:
        """Set a field; *size* is its character of the struct module."""
        struct.pack_into(f">{size}", self.data, self.offset(place, field), value)


def editable_image(data: bytes, is_gfs1: bool) -> EditableImage:
    """Copy an image whose tree is gfs_images.small_tree, and find the structures in it."""
    filesystem = filesystem_of(data)
    addresses = _addresses(data)
    places = {name: address * BLOCK for name, address in addresses.items()}
    places["superblock"] = 65536
    root = read_inode(filesystem, filesystem.root, 0, "")
    assert root.depth == 0
    places["dot"] = filesystem.root * BLOCK + 232
    hashed = read_inode(filesystem, addresses["hashed"], 0, "")
    table = struct.unpack(">Q", hashed.body[:8])[0] if hashed.height == 0 else None
    if table is None:
        _, block, _ = next(iter(walk_blocks(filesystem, hashed)))
        table = struct.unpack_from(">Q", data, block * BLOCK + 24)[0]
    places["leaf"] = table * BLOCK
    places["dirent"] = table * BLOCK + 104
    places["second-dirent"] = places["dirent"] + Dirent.unpack(data, places["dirent"]).de_rec_len
    places["ea"] = read_inode(filesystem, addresses["with-xattrs"], 0, "").eattr * BLOCK + 24
    large = read_inode(filesystem, addresses["with-large-xattrs"], 0, "")
    assert not large.flags & Flag.EA_INDIRECT
    places["large-ea"] = large.eattr * BLOCK + 24
    places["ragged-data"] = (
        list(walk_blocks(filesystem, read_inode(filesystem, addresses["ragged"], 0, "")))[-1][1] * BLOCK
    )
    blocks = read_inode(filesystem, addresses["file"], 0, "")
    part = [address for _, address, _ in walk_blocks(filesystem, blocks)]
    places["indirect"] = part[0] * BLOCK
    places["last-data"] = part[-1] * BLOCK
    return EditableImage(bytearray(data), is_gfs1, places)


def _addresses(data: bytes) -> dict[str, int]:
    """Return block numbers by name in the undamaged image."""
    filesystem = filesystem_of(data)
    names = {
        "file": "blocks",
        "stuffed": "sizes/1",
        "linear": "linear",
        "hashed": "hashed",
        "link": "link",
        "with-xattrs": "attributes/small",
        "with-large-xattrs": "attributes/large",
        "ragged": "attributes/small",  # 9000 bytes: ends within a block
    }
    reader = TreeReader(filesystem, lambda damage: None, ReadOnceVisitor(filesystem))
    tree = reader.read_tree(filesystem.root, "root")
    by_node = {id(found.node): address for address, found in reader._found.items()}
    found = {name: by_node[id(tree.lookup(path, follow=False))] for name, path in names.items()}
    found["root"] = filesystem.root
    superblock = filesystem.superblock
    if isinstance(superblock, gfs1.Superblock):
        found["rgrp"] = filesystem.superblock_block + 1
        found["jindex"] = superblock.sb_jindex_di.no_addr
        found["rindex-inode"] = superblock.sb_rindex_di.no_addr
        found["quota"] = superblock.sb_quota_di.no_addr
        jindex = read_inode(filesystem, found["jindex"], 0, "")
        found["log"] = gfs1.JournalIndexEntry.unpack(jindex.body).ji_addr
    else:
        master = TreeReader(filesystem, lambda damage: None, ReadOnceVisitor(filesystem)).read_tree(
            superblock.sb_master_dir.no_addr, "m"
        )
        for name, path in (("rindex-inode", "rindex"), ("statfs", "statfs"), ("quota", "quota")):
            found[name] = _content(master.lookup(path)).address
        found["journal"] = _content(master.lookup("jindex/journal0")).address
        journal = read_inode(filesystem, found["journal"], 0, "")
        pieces = [
            (address, index)
            for part, address, index in walk_blocks(filesystem, journal)
            if part is BlockRole.DATA
        ]
        found["log"] = next(address for address, index in pieces if index == 0)
        index = read_inode(filesystem, found["rindex-inode"], 0, "")
        found["rgrp"] = RindexEntry.unpack(index.body).ri_addr
    return found


def _content(node: Node) -> ImageContent:
    assert isinstance(node.content, ImageContent)
    return node.content


def findings_after(
    images: dict[bool, bytes], is_gfs1: bool, change: Callable[[EditableImage], None]
) -> list[str]:
    """Return what verify reports about one of the *images*, by is_gfs1, after *change*."""
    image = editable_image(images[is_gfs1], is_gfs1)
    change(image)
    return findings(image.data)
