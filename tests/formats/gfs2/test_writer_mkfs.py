"""Empty file systems with full journals have the bytes that mkfs.gfs2 writes, except its random ones."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from gfs_judges import assert_clean
from programs import tool

from ssiuml.formats.gfs.structures import SUPERBLOCK_BYTES, MetaHeader, MetaType, PayloadFormat, RindexEntry
from ssiuml.formats.gfs2.geometry import QUOTA_CHANGE_BYTES, Geometry
from ssiuml.formats.gfs2.journal import Journal
from ssiuml.formats.gfs2.structures import Dinode, LogHeader, Superblock
from ssiuml.formats.gfs2.system_files import Choices
from ssiuml.formats.gfs2.writer import Settings, write_image
from ssiuml.tree.tree import Meta, Tree
from ssiuml.units import GIB, MIB

NS = 1_000_000_000


class Image:
    """The blocks of an image that are not all zeros, in memory."""

    def __init__(self, path: Path, block_size: int) -> None:
        self.block_size = block_size
        self.blocks: dict[int, bytes] = {}
        with path.open("rb") as stream:
            for start, end in _data_ranges(stream.fileno()):
                stream.seek(start)
                for number in range(start // block_size, -(-end // block_size)):
                    block = stream.read(block_size)
                    if any(block):
                        self.blocks[number] = block

    def superblock(self) -> Superblock:
        return Superblock.unpack(self.blocks[SUPERBLOCK_BYTES // self.block_size])

    def metadata(self) -> Iterator[tuple[int, MetaType]]:
        for number, block in self.blocks.items():
            header = MetaHeader.unpack(block)
            if header.mh_magic == MetaHeader(mh_type=0, mh_format=0).mh_magic:
                yield number, MetaType(header.mh_type)


def _data_ranges(descriptor: int) -> Iterator[tuple[int, int]]:
    position, size = 0, os.fstat(descriptor).st_size
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError:
            return
        position = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, position


def remove_random_bytes(image: Image, journal_blocks: int) -> None:
    """Check every log header and let journals begin with sequence number 0. Clear the rindex's padding."""
    for number, kind in list(image.metadata()):
        block = image.blocks[number]
        if kind is MetaType.LH:
            found = LogHeader.unpack(block)
            first = (found.lh_sequence - found.lh_blkno) % journal_blocks
            headers = [
                Journal(journal_blocks, image.block_size, True, sequence).header(
                    found.lh_blkno, found.lh_addr, found.lh_jinode
                )
                for sequence in (first, 0)
            ]
            assert block == headers[0].ljust(image.block_size, b"\0"), f"log header in block {number}"
            image.blocks[number] = headers[1].ljust(image.block_size, b"\0")
        elif kind is MetaType.DI:
            dinode = Dinode.unpack(block)
            if dinode.di_payload_format == PayloadFormat.RESOURCE_INDEX:
                _clear_padding(image, number, dinode)


def _clear_padding(image: Image, number: int, dinode: Dinode) -> None:
    start = Dinode.size_bytes()
    if dinode.di_height == 0:
        entries = image.blocks[number][start : start + dinode.di_size]
        clean = b"".join(map(_without_padding, RindexEntry.unpack_all(entries)))
        image.blocks[number] = image.blocks[number][:start] + clean.ljust(image.block_size - start, b"\0")
        return
    assert dinode.di_height == 1
    pointers = image.blocks[number][start:]
    data = [int.from_bytes(pointers[at : at + 8], "big") for at in range(0, len(pointers), 8)]
    data = [address for address in data if address]
    entries = b"".join(image.blocks[address] for address in data)[: dinode.di_size]
    clean = b"".join(map(_without_padding, RindexEntry.unpack_all(entries)))
    for place, address in enumerate(data):
        piece = clean[place * image.block_size : (place + 1) * image.block_size]
        image.blocks[address] = piece.ljust(image.block_size, b"\0")


def _without_padding(entry: RindexEntry) -> bytes:
    return RindexEntry(
        ri_addr=entry.ri_addr,
        ri_length=entry.ri_length,
        ri_data0=entry.ri_data0,
        ri_data=entry.ri_data,
        ri_bitbytes=entry.ri_bitbytes,
    ).pack()


# With blocks of 512 bytes, mkfs.gfs2 makes the system directories hashed while it fills them: their blocks
# then lie elsewhere.
GEOMETRIES = [
    Geometry(192 * MIB, 4096, 3, 8 * MIB),
    Geometry(2 * GIB, 4096, 15, 32 * MIB),
    Geometry(64 * MIB, 4096, 1, 8 * MIB),
    Geometry(64 * MIB + 12_345, 4096, 1, 16 * MIB),
    Geometry(1000 * MIB, 4096, 2, 128 * MIB),
    Geometry(777 * MIB, 4096, 7, 9 * MIB, 32 * MIB),
    Geometry(5 * GIB, 4096, 1, 8 * MIB, 64 * MIB),
    Geometry(300 * MIB, 2048, 2, 8 * MIB),
    Geometry(300 * MIB, 1024, 2, 8 * MIB),
]


@pytest.mark.parametrize(
    "geometry",
    GEOMETRIES,
    ids=lambda g: (
        f"{g.size_bytes >> 20}M-{g.block_size}-{g.journals}x{g.journal_bytes >> 20}M-{g.rgrp_bytes >> 20}M"
    ),
)
def test_every_block_is_that_of_mkfs_except_random_bytes(tmp_path: Path, geometry: Geometry) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    with theirs.open("wb") as stream:
        stream.truncate(geometry.size_bytes)
    sizes = ["-b", str(geometry.block_size), "-j", str(geometry.journals)]
    sizes += ["-J", str(geometry.journal_bytes >> 20), "-r", str(geometry.rgrp_bytes >> 20)]
    tool("mkfs.gfs2", "-q", "-O", "-K", *sizes, "-p", "lock_dlm", "-t", "ssi:root", theirs)
    expected = Image(theirs, geometry.block_size)
    superblock = expected.superblock()
    root = Dinode.unpack(expected.blocks[superblock.sb_root_dir.no_addr])
    settings = Settings(
        geometry=geometry,
        lock_protocol="lock_dlm",
        lock_table="ssi:root",
        uuid=superblock.sb_uuid,
        choices=Choices(time_ns=root.di_mtime * NS, full_journals=True),
    )
    write_image(ours, Tree(Meta(mode=0o755, mtime_ns=root.di_mtime * NS)), settings)
    assert_clean(ours)
    seen = Image(ours, geometry.block_size)
    remove_random_bytes(expected, geometry.journal_blocks)
    remove_random_bytes(seen, geometry.journal_blocks)
    assert sorted(seen.blocks) == sorted(expected.blocks)
    different = [number for number in seen.blocks if seen.blocks[number] != expected.blocks[number]]
    if geometry.block_size < 4096:
        # Then quota_change files need indirect blocks, which mkfs.gfs2 scatters among their data blocks.
        different = [number for number in different if not _of_quota_change(expected.blocks[number])]
    assert different == []


def _of_quota_change(block: bytes) -> bool:
    kind = MetaHeader.unpack(block).mh_type
    if kind == MetaType.DI:
        return Dinode.unpack(block).di_size == QUOTA_CHANGE_BYTES
    return kind in (MetaType.IN, MetaType.QC)
