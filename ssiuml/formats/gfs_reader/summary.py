"""Summary of a file system for people: `ssi-image info`."""

from ssiuml.formats.gfs.structures import MetaType
from ssiuml.formats.gfs1 import structures as gfs1
from ssiuml.formats.gfs2 import structures as gfs2
from ssiuml.formats.gfs_reader.contents import ImageContent, read_index
from ssiuml.formats.gfs_reader.filesystem import Damaged, Filesystem, Report
from ssiuml.formats.gfs_reader.resource_groups import read_rindex
from ssiuml.formats.gfs_reader.tree_reader import ReadOnceVisitor, TreeReader
from ssiuml.units import format_size


def summary(filesystem: Filesystem, report: Report) -> dict[str, str]:
    """Return titles and values for `ssi-image info`. Damage goes to *report*; later values are missing."""
    superblock, block = filesystem.superblock, filesystem.block_size
    facts = {
        "format": format_text(filesystem),
        "size": f"{format_size(filesystem.blocks * block)}, {filesystem.blocks} blocks of {block} bytes",
        "lock protocol": _text(superblock.sb_lockproto),
        "lock table": _text(superblock.sb_locktable),
    }
    try:
        if isinstance(superblock, gfs1.Superblock):
            jindex = read_index(filesystem, superblock.sb_jindex_di.no_addr, "sb_jindex_di")
            entries = list(gfs1.JournalIndexEntry.unpack_all(jindex))
            sizes = [entry.ji_nsegment * superblock.sb_seg_size * block for entry in entries]
            rindex = superblock.sb_rindex_di.no_addr
        else:
            facts["UUID"] = _uuid(superblock)
            sizes, rindex = _master(filesystem, superblock)
        facts["journals"] = f"{len(sizes)} of {format_size(min(sizes, default=0))}"
        contents = read_index(filesystem, rindex, "rindex")
        free = total = 0
        groups = read_rindex(filesystem, contents, rindex, report)
        for group in groups:
            header = filesystem.metadata(group.ri_addr, MetaType.RG, rindex, "rindex entry")
            free += (gfs1.Rgrp if filesystem.is_gfs1 else gfs2.Rgrp).unpack(header).rg_free
            total += group.ri_data
        facts["resource groups"] = f"{len(groups)}, of {format_size(total * block)}"
        facts["free"] = f"{format_size(free * block)}, {free} blocks"
    except Damaged as damage:
        report(damage)
    return facts


def format_text(filesystem: Filesystem) -> str:
    """Return GFS1 or GFS2 and the format numbers, for people."""
    superblock = filesystem.superblock
    name = "GFS1" if filesystem.is_gfs1 else "GFS2"
    return f"{name} ({superblock.sb_fs_format}, multihost {superblock.sb_multihost_format})"


def _master(filesystem: Filesystem, superblock: gfs2.Superblock) -> tuple[list[int], int]:
    """Return the sizes of GFS2's journals and the rindex's address. Raise Damaged if one is missing."""
    address = superblock.sb_master_dir.no_addr
    found: list[Damaged] = []
    master = TreeReader(filesystem, found.append, ReadOnceVisitor(filesystem)).read_tree(
        address, "sb_master_dir"
    )
    jindex, rindex = master.find("jindex"), master.find("rindex")
    if jindex is None or rindex is None or not isinstance(rindex.content, ImageContent):
        raise found[0] if found else Damaged(address, "master directory", "has no jindex or no rindex")
    return [node.size_bytes for node in jindex.children.values()], rindex.content.address


def _uuid(superblock: gfs2.Superblock) -> str:
    text = superblock.sb_uuid.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
