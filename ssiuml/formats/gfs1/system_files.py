"""The special inodes of GFS1, to which the superblock points: jindex, rindex, quota, license and root.

Source: gfs_mkfs (ClusterLabs resource-agents, 2009): order and values are those of its images.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ssiuml.formats.gfs.pointer_tree import (
    BlockLayout,
    PointerTree,
    Run,
    full_tree,
    map_runs,
    pointers_to,
)
from ssiuml.formats.gfs.resource_groups import NoSpaceError, ResourceGroup, pack_rindex
from ssiuml.formats.gfs.structures import Flag, Inum, MetaType, PayloadFormat, Quota, meta_header
from ssiuml.formats.gfs1.geometry import Geometry
from ssiuml.formats.gfs1.structures import Dinode, FileType, IndirectHeader, JournalIndexEntry

Block = tuple[int, bytes]  # block number, and the first bytes of the block; zeros follow

_MODE: Final = 0o600


@dataclass(frozen=True, slots=True)
class SystemFiles:
    """Addresses of the special inodes, and the blocks of all of them except the root directory."""

    jindex: int
    rindex: int
    quota: int
    license: int
    root: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class _SystemFile:
    """A special inode and the addresses of its contents; *tree* is None if they are stuffed."""

    addr: int
    contents: bytes
    tree: PointerTree | None
    data: tuple[Run, ...]
    indirect: tuple[Run, ...]

    @property
    def blocks(self) -> int:
        return 1 + (self.tree.data_blocks + self.tree.indirect_blocks if self.tree else 0)


def make_system_files(geometry: Geometry, time_s: int, group: ResourceGroup) -> SystemFiles:
    """Allocate the special inodes at the beginning of *group*, the first one, and return their blocks.

    Raise NoSpaceError if they do not fit into it.
    """
    layout = BlockLayout(geometry.block_size, IndirectHeader.size_bytes())
    jindex, rindex, quota, licence, root = (_take_dinode(group) for _ in range(5))
    jindex_file = _allocate(layout, group, jindex, _pack_jindex(geometry))
    rindex_file = _allocate(layout, group, rindex, pack_rindex(geometry.groups()))
    # gfs_mkfs charges user 0 and group 0 with the blocks that it has allocated.
    charge = Quota(qu_value=group.used).pack()
    blocks = [
        *_blocks_of(layout, time_s, jindex_file, PayloadFormat.JOURNAL_INDEX),
        *_blocks_of(layout, time_s, rindex_file, PayloadFormat.RESOURCE_INDEX),
        *_blocks_of(layout, time_s, _SystemFile(quota, 2 * charge, None, (), ()), PayloadFormat.QUOTAS),
        # gfs_mkfs, too, gives the license inode the payload format of quotas.
        *_blocks_of(layout, time_s, _SystemFile(licence, b"", None, (), ()), PayloadFormat.QUOTAS),
    ]
    return SystemFiles(jindex, rindex, quota, licence, root, tuple(blocks))


def _take_dinode(group: ResourceGroup) -> int:
    addr = _take(group, 1)
    group.dinodes += 1
    return addr


def _take(group: ResourceGroup, count: int) -> int:
    if group.free < count:
        raise NoSpaceError(
            f"the first resource group, of {group.blocks} blocks, is too small for the special inodes",
            hint="use larger blocks, a larger device or larger resource groups",
        )
    addr = group.take(count)
    group.mark(addr, count)
    return addr


def _allocate(layout: BlockLayout, group: ResourceGroup, addr: int, contents: bytes) -> _SystemFile:
    """Allocate data blocks first, then the indirect blocks of each level upward, as gfs_mkfs does."""
    if layout.height(len(contents), with_headers=True) == 0:
        return _SystemFile(addr, contents, None, (), ())
    tree = full_tree(layout, len(contents), with_headers=True)
    data = (_take(group, tree.data_blocks), tree.data_blocks)
    indirect = []
    for level in reversed(tree.levels):
        count = sum(run[1] for run in level)
        indirect.append((_take(group, count), count))
    return _SystemFile(addr, contents, tree, (data,), tuple(reversed(indirect)))


def _pack_jindex(geometry: Geometry) -> bytes:
    return b"".join(
        JournalIndexEntry(ji_addr=journal.addr, ji_nsegment=journal.segments).pack()
        for journal in geometry.journals
    )


def _blocks_of(
    layout: BlockLayout, time_s: int, system_file: _SystemFile, payload_format: PayloadFormat
) -> Iterator[Block]:
    tree, contents = system_file.tree, system_file.contents
    dinode = Dinode(
        di_num=Inum(no_formal_ino=system_file.addr, no_addr=system_file.addr),
        di_mode=_MODE,
        di_nlink=1,
        di_size=len(contents),
        di_blocks=system_file.blocks,
        di_atime=time_s,
        di_mtime=time_s,
        di_ctime=time_s,
        di_flags=Flag.JDATA,
        di_payload_format=payload_format,
        di_type=FileType.REGULAR,
        di_height=tree.height if tree else 0,
    ).pack()
    if tree is None:
        yield system_file.addr, dinode + contents
        return
    header = meta_header(MetaType.JD).pack()
    payload_bytes = layout.data_block_bytes(with_headers=True)
    first = system_file.data[0][0]
    for index, start in enumerate(range(0, len(contents), payload_bytes)):
        yield first + index, header + contents[start : start + payload_bytes]
    levels = list(zip(tree.levels, system_file.indirect, strict=True))
    below = map_runs(tree.data, system_file.data)
    for indexes, run in reversed(levels):
        pointers = pointers_to(below, layout.block_pointers)
        for number, words in enumerate(pointers):
            yield run[0] + number, IndirectHeader().pack() + words
        below = map_runs(indexes, [run])
    (words,) = pointers_to(below, layout.inode_pointers)
    yield system_file.addr, dinode + words
