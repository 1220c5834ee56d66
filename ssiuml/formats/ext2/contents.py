"""Where the contents of files and links lie."""

from pathlib import Path

from ssiuml.formats.ext2.blocks import most_bytes, runs_of
from ssiuml.formats.ext2.filesystem import Filesystem
from ssiuml.formats.ext2.inodes import Inode, is_fast_symlink
from ssiuml.tree.extents import Extents
from ssiuml.tree.tree import Content, Extent, Literal


def content_of(filesystem: Filesystem, inode: Inode, inline: bytes, path: Path) -> Content:
    """The contents of a regular file as places in the image, *path*; *inline* is the rest of inline contents.

    Ext2Error if its blocks are wrong or its size is absurd.
    """
    size = inode.size_bytes
    most = most_bytes(filesystem, inode)
    if size > most:
        raise filesystem.damaged(inode.where, "i_size", f"{size} is more than the {most} it can have")
    if inode.is_inline:
        data = inode.body + inline
        if size > len(data) and not any(data):
            return Extents(path, size, ())  # what mke2fs 1.47 makes of a file that is one hole
        return Literal(_inline(filesystem, inode, inline))
    unit = filesystem.block_size
    pieces = [
        (index * unit, address * unit, min(count * unit, size - index * unit))
        for index, address, count in runs_of(filesystem, inode)
        if index * unit < size
    ]
    if not size:
        return Literal(b"")
    if len(pieces) == 1 and pieces[0][2] == size:
        return Extent(path, pieces[0][1], size)
    return Extents(path, size, tuple(pieces))


def target_of(filesystem: Filesystem, inode: Inode, inline: bytes) -> str:
    """The target of a symbolic link; Ext2Error if it cannot be one."""
    size = inode.size_bytes
    if inode.is_inline:
        target = _inline(filesystem, inode, inline)
    elif is_fast_symlink(filesystem, inode):
        if size >= len(inode.body):
            raise filesystem.damaged(inode.where, "i_size", f"{size} of a symbolic link without blocks")
        target = inode.body[:size]
    else:
        runs = runs_of(filesystem, inode)
        # A NUL has to follow in the block.
        if size >= filesystem.block_size or [(index, count) for index, _, count in runs] != [(0, 1)]:
            raise filesystem.damaged(
                inode.where,
                "i_size",
                f"{size} of a symbolic link, whose target has to fit into its one block",
            )
        target = filesystem.block(runs[0][1], inode.where, "i_block")[:size]
    if not target or b"\0" in target:
        raise filesystem.damaged(inode.where, "symbolic link", f"{target[:64]!r} cannot be a target")
    return target.decode("utf-8", "surrogateescape")


def _inline(filesystem: Filesystem, inode: Inode, rest: bytes) -> bytes:
    data = inode.body + rest
    if inode.size_bytes > len(data):
        raise filesystem.damaged(
            inode.where, "i_size", f"{inode.size_bytes} of inline contents that have {len(data)} bytes"
        )
    return data[: inode.size_bytes]
