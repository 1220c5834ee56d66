"""GFS1 images for tests, and programs of others that check them."""

from dataclasses import replace
from pathlib import Path

from gfs2_reading import ImageReader
from gfs_tools import assert_clean, tool, without_percentages
from odd_trees import odd_tree

from ssiuml.formats.gfs.inode_writer import Written
from ssiuml.formats.gfs1.geometry import GeometryOptions, plan_geometry
from ssiuml.formats.gfs1.writer import Settings, write_filesystem
from ssiuml.host import files
from ssiuml.tree.compare import differences, take_census
from ssiuml.tree.tree import Literal, Meta, Node, Tree, directory, file

NS = 1_000_000_000
# gfs2_convert never counts inodes right, not even in images of gfs_mkfs and GFS kernels. fsck.gfs2 then
# prints exactly these lines; any other line would be about our images.
STATFS_ONLY = {"The statfs file is wrong:", "The statfs file was fixed.", "Writing changes to disk"}
_STATFS_WORDS = ("Current statfs values:", "Calculated statfs values:", "blocks:", "free:", "dinodes:")


def blkid(image: Path, offset_bytes: int = 0) -> dict[str, str]:
    """Return what libblkid finds at byte *offset_bytes* of *image*."""
    lines = tool("blkid", "-p", "-O", str(offset_bytes), "-o", "export", image).splitlines()
    pairs = dict(line.split("=", 1) for line in lines if "=" in line)
    pairs.pop("DEVNAME", None)
    return {key: value.replace("\\", "") for key, value in pairs.items()}


def converted(image: Path) -> Path:
    """Return a copy of *image* that gfs2_convert converted, with the inode count that fsck.gfs2 corrected."""
    copy = image.with_name(f"{image.name}.gfs2")
    files.copy(image, copy)
    tool("gfs2_convert", "-y", copy)
    output = without_percentages(tool("fsck.gfs2", "-y", copy, ok=(0, 1)))
    progress = ("Initializing", "Validating", "Level 1", "(level 1", "Starting", "fsck.gfs2 complete")
    remarks = {
        line
        for line in output.splitlines()
        if line and not line.startswith((*progress, *_STATFS_WORDS)) and "completed in" not in line
    }
    assert {line for line in remarks if "Reconciling" not in line} <= STATFS_ONLY, output
    return copy


def assert_clean_after_conversion(image: Path) -> None:
    """Assert that gfs2_convert accepts *image*, and that the result is clean for fsck.gfs2."""
    copy = converted(image)
    assert_clean(copy)
    copy.unlink()


def made(
    image: Path,
    tree: Tree,
    *,
    size_mib: int = 256,
    block_size: int = 4096,
    journals: int = 1,
    journal_mib: int = 8,
) -> Written:
    """Write a new GFS1 image with *tree* in it."""
    files.create(image, size_mib << 20)
    options = GeometryOptions(
        device_bytes=size_mib << 20,
        journals=journals,
        journal_mib=journal_mib,
        block_size=block_size,
        expert=True,
    )
    settings = Settings(lock_protocol="lock_nolock", lock_table="a:b", time_s=1_700_000_000)
    return write_filesystem(image, plan_geometry(options), settings, tree)


def fitted(tree: Tree) -> Tree:
    """Return *tree* as GFS1 can hold it: with times in whole seconds and without trusted.* attributes."""
    seen: dict[int, Node] = {}

    def copied(node: Node) -> Node:
        if id(node) not in seen:
            meta = node.meta
            xattrs = {name: value for name, value in meta.xattrs.items() if not name.startswith("trusted.")}
            whole = replace(meta, mtime_ns=meta.mtime_ns // NS * NS, xattrs=xattrs)
            made = seen[id(node)] = Node(node.kind, whole, node.content, node.target, node.device)
            made.children = {name: copied(child) for name, child in node.children.items()}
        return seen[id(node)]

    result = Tree()
    result.root = copied(tree.root)
    return result


def odd_gfs1_tree(block_size: int) -> Tree:
    """Return one of everything that GFS1 holds, and as many names with the same hash as fit into a leaf."""
    tree = fitted(odd_tree(block_size))
    names = sorted(tree.children("colliding"))
    for name in names[(block_size - 104) // (40 + len(names[0])) :]:
        tree.remove(f"colliding/{name}")
    return tree


def large_directory(names: int) -> Tree:
    """Return a tree of one directory with *names* names, and of one inode for each hundred of them."""
    tree, folder = Tree(), directory(Meta(mode=0o755))
    for number in range(names):
        if number % 100 == 0:
            node = file(Literal(b"%d" % number), Meta(mode=0o644))
        folder.children[f"entry-{number:06}"] = node
    tree.add("large", folder)
    return tree


def assert_holds(image: Path, tree: Tree) -> None:
    """Assert that *image* is clean after conversion and then holds *tree*."""
    copy = converted(image)
    assert_clean(copy)
    assert differences(take_census(tree), take_census(ImageReader(copy, owned_leaves=False).tree())) == []
    copy.unlink()
