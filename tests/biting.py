"""Trees that bite: everything at the limits of the GFS formats, for both generations' writers."""

import os
import zlib
from collections.abc import Iterator

from ssiuml.gfs.contents import Pieces
from ssiuml.tree import Content, Kind, Literal, Meta, Node, Tree, directory, file, symlink

NS = 1_000_000_000
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
# Version 2, little-endian: rwx for the owner, r-x for user 1000, r-x for the group, mask r-x, others none.
ACL = bytes.fromhex(
    "0200000001000700ffffffff02000500e803000004000500ffffffff10000500ffffffff20000000ffffffff"
)


def meta(
    mode: int = 0o644, *, uid: int = 0, gid: int = 0, time_s: int = 1_600_000_000, **xattrs: bytes
) -> Meta:
    """Metadata; *xattrs* with '__' for the dot."""
    attributes = {name.replace("__", "."): value for name, value in xattrs.items()}
    return Meta(mode=mode, uid=uid, gid=gid, mtime_ns=time_s * NS, xattrs=attributes)


def patterned(size_bytes: int) -> Content:
    """Bytes that are others in every block and at every offset."""
    unit = b"".join(number.to_bytes(4, "big") for number in range(1 << 14))
    return Literal((unit * (size_bytes // len(unit) + 1))[:size_bytes])


def biting_tree(block_size: int, *, sparse_bytes: int = 8 << 30) -> Tree:
    """Every kind of inode and layout at its limit for blocks of *block_size*, whole seconds only."""
    tree = Tree(meta(0o755, time_s=1_500_000_000))
    for name, content in _sizes(block_size, sparse_bytes):
        tree.add(f"sizes/{name}", file(content, meta()))
    for name, node in _inodes():
        tree.add(f"inodes/{name}", node)
    for name, node in _attributes(block_size):
        tree.add(f"attributes/{name}", node)
    for name in (
        "n" * 255,
        os.fsdecode(b"latin-\xe9\xff"),
        "new\nline",
        "-rf",
        " ",
        "...",
        "\N{SNOWMAN}" * 85,
    ):
        tree.add(f"names/{name}", file(Literal(name.encode("utf-8", "surrogateescape")), meta()))
    longest = block_size - 233
    for length in (1, 60, min(longest, 4095)):
        tree.add(f"links/{length}", symlink("t" * length, meta(0o777)))
    linked = file(Literal(b"linked"), meta(0o640, gid=5))
    for number in range(1000):
        tree.add(f"hard/{number // 100}/{number}", linked)
    _directories(tree, block_size)
    return tree


def _sizes(block: int, sparse_bytes: int) -> Iterator[tuple[str, Content]]:
    stuffed, pointers = block - 232, (block - 232) // 8
    edges = [0, 1, stuffed, block, pointers * block]
    for size in sorted({size + more for size in edges for more in (-1, 0, 1) if size + more >= 0}):
        yield str(size), patterned(size)
    yield "large", patterned(pointers * block * 4 + 12345)
    yield "sparse", Pieces(sparse_bytes, [(0, b"begin"), (sparse_bytes - 3, b"end")])
    yield "hole-only", Pieces(sparse_bytes, [])
    yield "hole-within", Pieces(5 * block, [(block, b"x" * block), (3 * block + 7, b"y")])
    yield "hole-behind", Pieces(5 * block, [(0, b"z" * block)])


def _inodes() -> Iterator[tuple[str, Node]]:
    yield "set-id", file(Literal(b"#!/bin/sh\n"), meta(0o6755))
    yield "no-mode", file(Literal(b""), meta(0))
    yield "owner", file(Literal(b"x"), meta(uid=0xFFFF_FFFE, gid=0x8000_0001))
    yield "sticky", directory(meta(0o1777))
    yield "before-1970", file(Literal(b"x"), meta(time_s=-1))
    yield "long-ago", file(Literal(b"x"), meta(time_s=-5_000_000_000))
    yield "year-2500", file(Literal(b"x"), meta(time_s=16_725_225_600))
    yield "fifo", Node(Kind.FIFO, meta(0o620))
    yield "disk", Node(Kind.BLOCK, meta(0o660, gid=6), device=(98, 0xFFFFF))
    yield "tty", Node(Kind.CHARACTER, meta(0o620, gid=5), device=(4095, 255))


def _attributes(block: int) -> Iterator[tuple[str, Node]]:
    yield "capability", file(Literal(b"x"), meta(0o755, security__capability=CAPABILITY))
    yield "user", file(Literal(b"x" * 9000), meta(user__odd=b"a\0b\n=\xff", user__empty=b""))
    yield "on-a-folder", directory(meta(0o755, user__folder=b"yes"))
    yield "acl", file(Literal(b"x"), meta(0o750, system__posix_acl_access=ACL))
    many = {f"user.number-{number:03}": b"v" * (number % 200) for number in range(100)}
    yield "many", file(Literal(b"x"), Meta(mode=0o644, mtime_ns=NS, xattrs=many))
    # Values are reached from one block.
    largest = min(65_536, (block - 24 - 32) // 8 * (block - 24))
    yield "large", file(Literal(b"x"), meta(user__large=b"\xa5" * largest))


def _directories(tree: Tree, block: int) -> None:
    tree.add("directories/empty", directory(meta(0o700)))
    tree.add("directories/" + "/".join(["deep"] * 60), directory(meta(0o700)))
    # '.' and '..' take 48 bytes each; a name of 8 bytes 48 too.
    fitting = (block - 232 - 96) // 48
    shared = file(Literal(b"shared"), meta())
    for more in (-1, 0, 1):
        for number in range(fitting + more):
            tree.add(f"directories/filled{more:+}/{number:08}", shared)
    for number in range(4 * block // 48):
        tree.add(f"directories/some-leaves/{number:08}", shared)
    # All in one leaf of the greatest depth: as many as a leaf holds, with another leaf empty at each depth.
    for name in colliding_names((block - 104) // record_bytes(12)):
        tree.add(f"directories/colliding/{name}", shared)


def record_bytes(name_bytes: int) -> int:
    """What a directory entry takes up: 40 bytes and the name, in units of 8."""
    return (40 + name_bytes + 7) // 8 * 8


def add_large_directory(tree: Tree, names: int) -> None:
    """A directory of so many names, of an inode for each hundred."""
    here = directory(meta(0o755))
    for number in range(names):
        if number % 100 == 0:
            node = file(Literal(b"%d" % number), meta())
        here.children[f"entry-{number:06}"] = node
    tree.add("large-directory", here)


def colliding_names(count: int) -> list[str]:
    """Names of 12 bytes with the same CRC-32: a number, and four bytes that make up for it."""
    names: list[str] = []
    wanted, number = 0x5A5A_5A5A, 0
    while len(names) < count:
        start = f"{number:08}".encode()
        name = start + _bytes_for(zlib.crc32(start) ^ 0xFFFF_FFFF, wanted ^ 0xFFFF_FFFF)
        number += 1
        if b"/" not in name and b"\0" not in name:
            assert zlib.crc32(name) == wanted
            names.append(os.fsdecode(name))
    return names


def _bytes_for(state: int, wanted: int) -> bytes:
    """The four bytes that take a CRC register from *state* to *wanted*."""
    table = [_entry(number) for number in range(256)]
    by_top = {entry >> 24: index for index, entry in enumerate(table)}
    indexes = []
    for _ in range(4):
        index = by_top[wanted >> 24]
        indexes.append(index)
        wanted = ((wanted ^ table[index]) << 8) & 0xFFFF_FFFF
    made = bytearray()
    for index in reversed(indexes):
        made.append((state ^ index) & 0xFF)
        state = (state >> 8) ^ table[index]
    return bytes(made)


def _entry(number: int) -> int:
    for _ in range(8):
        number = (number >> 1) ^ (0xEDB8_8320 if number & 1 else 0)
    return number
