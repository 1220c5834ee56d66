"""GFS images that our writers make for tests: GFS1 files, and small images in memory, to be changed."""

from dataclasses import dataclass, replace
from pathlib import Path

from odd_trees import colliding, odd_tree, pattern

from ssiuml.errors import SsiumlError
from ssiuml.formats.gfs.inode_writer import Written
from ssiuml.formats.gfs1.geometry import GeometryOptions, plan_geometry
from ssiuml.formats.gfs1.writer import Settings as Gfs1Settings
from ssiuml.formats.gfs1.writer import write_filesystem
from ssiuml.formats.gfs2.geometry import Geometry
from ssiuml.formats.gfs2.writer import Settings, write_image
from ssiuml.formats.gfs_reader.filesystem import Damaged, Filesystem, read_filesystem
from ssiuml.formats.gfs_reader.summary import summary
from ssiuml.formats.gfs_reader.verify import verify
from ssiuml.host import files
from ssiuml.tree.tree import Kind, Literal, Meta, Node, Tree, directory, file, symlink
from ssiuml.units import MIB

NS = 1_000_000_000


def write_gfs1_image(
    image: Path,
    tree: Tree,
    *,
    size_mib: int = 256,
    block_size: int = 4096,
    journals: int = 1,
    journal_mib: int = 8,
) -> Written:
    """Make a new GFS1 image at *image* with *tree* in it."""
    files.create(image, size_mib << 20)
    options = GeometryOptions(
        device_bytes=size_mib << 20,
        journals=journals,
        journal_mib=journal_mib,
        block_size=block_size,
        expert=True,
    )
    settings = Gfs1Settings(lock_protocol="lock_nolock", lock_table="a:b", time_s=1_700_000_000)
    return write_filesystem(image, plan_geometry(options), settings, tree)


def fit_for_gfs1(tree: Tree) -> Tree:
    """Return *tree* as GFS1 can hold it: times in whole seconds, no trusted attributes."""
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
    """Return one of everything that GFS1 holds, with as many names of the same hash as fit into a leaf."""
    tree = fit_for_gfs1(odd_tree(block_size))
    names = sorted(tree.children("colliding"))
    for name in names[(block_size - 104) // (40 + len(names[0])) :]:
        tree.remove(f"colliding/{name}")
    return tree


def large_directory(names: int) -> Tree:
    """Return a tree with one directory of so many *names*, and an inode for each hundred of them."""
    tree, folder = Tree(), directory(Meta(mode=0o755))
    for number in range(names):
        if number % 100 == 0:
            node = file(Literal(b"%d" % number), Meta(mode=0o644))
        folder.children[f"entry-{number:06}"] = node
    tree.add("large", folder)
    return tree


@dataclass
class Bytes:
    """An image in memory, with the interface of ssiuml.formats.gfs_reader.device.ImageDevice."""

    data: bytes | bytearray

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        return bytes(self.data[offset_bytes : offset_bytes + size_bytes])

    def extent(self, offset_bytes: int) -> tuple[bool, int]:
        return True, max(offset_bytes + 1, len(self.data))


def small_tree(block_size: int) -> Tree:
    """Return some of everything, few enough for the smallest images."""
    tree = Tree(Meta(mode=0o755))
    wanted = ("sizes", "modes", "special", "attributes")
    for path, node in odd_tree(block_size).walk():
        if path.partition("/")[0] in wanted and node.kind is not Kind.DIRECTORY:
            tree.add(path, node)
    tree.add("blocks", file(Literal(pattern(((block_size - 232) // 8 + 3) * block_size)), Meta(mode=0o644)))
    tree.add("linear/inner/innermost", directory(Meta(mode=0o700)))
    tree.add("link", symlink("sizes/0"))
    linked = file(Literal(b"linked"), Meta(mode=0o644))
    tree.add("hashed", directory(Meta(mode=0o755)))
    names = [f"{number:08}" for number in range(block_size // 20)] + colliding(3)
    tree.lookup("hashed").children.update(dict.fromkeys(names, linked))
    return tree


def gfs1_image(folder: Path, block_size: int) -> bytes:
    """Return a small GFS1 image with small_tree in it."""
    tree = fit_for_gfs1(small_tree(block_size))
    write_gfs1_image(folder / "gfs1", tree, block_size=block_size, size_mib=16, journal_mib=1)
    return (folder / "gfs1").read_bytes()


def gfs2_image(folder: Path, block_size: int) -> bytes:
    """Return a small GFS2 image with small_tree in it."""
    geometry = Geometry(32 * MIB, block_size, 1, 8 * MIB)
    write_image(folder / "gfs2", small_tree(block_size), Settings(geometry=geometry))
    return (folder / "gfs2").read_bytes()


def filesystem_of(data: bytes | bytearray) -> Filesystem:
    return read_filesystem(Bytes(data))


def findings(data: bytes | bytearray) -> list[str]:
    """Return the damage that verify finds in an image."""
    found: list[Damaged] = []
    verify(filesystem_of(data), found.append)
    return [str(damage) for damage in found]


def read_everything(data: bytes | bytearray, most_bytes: int = 64 * MIB) -> list[str]:
    """Summarise and verify an image, and read *most_bytes* of each file at most. Return the damage found."""
    found: list[SsiumlError] = []
    try:
        summary(filesystem_of(data), found.append)
        found.clear()  # verify finds the same damage
        _, tree = verify(filesystem_of(data), found.append)
    except SsiumlError as error:
        return [str(error)]
    for _, node in tree.walk():
        if node.content is None:
            continue
        try:
            done = 0
            for chunk in node.content.chunks():
                done += len(chunk)
                if done > most_bytes:
                    break
        except SsiumlError as error:
            found.append(error)
    return [str(each) for each in found]
