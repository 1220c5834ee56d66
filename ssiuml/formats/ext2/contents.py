"""The contents of files and the targets of symbolic links."""

from pathlib import Path

from ssiuml.formats.ext2.blocks import most_bytes, runs_of
from ssiuml.formats.ext2.filesystem import Filesystem
from ssiuml.formats.ext2.inodes import Inode, is_fast_symlink
from ssiuml.tree.extents import Extents
from ssiuml.tree.tree import Content, Extent, Literal


def content_of(filesystem: Filesystem, inode: Inode, inline: bytes, path: Path) -> Content:
    """Return the contents of a regular file as places in the image *path*.

    *inline* is the part of inline contents that does not fit into i_block. Raise Ext2Error if a block is
    wrong or the size is impossible.
    """
    size = inode.size_bytes
    most = most_bytes(filesystem, inode)
    if size > most:
        raise filesystem.damaged(inode.where, "i_size", f"{size} is more than the {most} it can have")
    if inode.is_inline:
        data = inode.body + inline
        if size > len(data) and not any(data):
            return Extents(path, size, ())  # mke2fs 1.47 stores a file that is one hole like this
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
    """Return the target of a symbolic link. Raise Ext2Error if it is empty, too long or has a NUL."""
    size = inode.size_bytes
    if inode.is_inline:
        target = _inline(filesystem, inode, inline)
    elif is_fast_symlink(filesystem, inode):
        if size >= len(inode.body):
            raise filesystem.damaged(inode.where, "i_size", f"{size} of a symbolic link without blocks")
        target = inode.body[:size]
    else:
        runs = runs_of(filesystem, inode)
        # The block needs room for a NUL behind the target.
        if size >= filesystem.block_size or [(index, count) for index, _, count in runs] != [(0, 1)]:
            raise filesystem.damaged(
                inode.where,
                "i_size",
                f"{size} of a symbolic link, whose target must fit into its one block",
            )
        target = filesystem.block(runs[0][1], inode.where, "i_block")[:size]
    if not target or b"\0" in target:
        raise filesystem.damaged(inode.where, "symbolic link", f"{target[:64]!r} cannot be a target")
    return target.decode("utf-8", "surrogateescape")


def _inline(filesystem: Filesystem, inode: Inode, rest: bytes) -> bytes:
    data = inode.body + rest
    if inode.size_bytes > len(data):
        raise filesystem.damaged(
            inode.where, "i_size", f"{inode.size_bytes} of inline contents with {len(data)} bytes"
        )
    return data[: inode.size_bytes]
