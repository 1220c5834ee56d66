"""Images in memory for the tests of the reader."""

from dataclasses import dataclass
from pathlib import Path

from gfs1_tools import fitted, made
from odd_trees import colliding, odd_tree, pattern

from ssiuml.errors import SsiumlError
from ssiuml.formats.gfs2.geometry import Geometry
from ssiuml.formats.gfs2.writer import Settings, write_image
from ssiuml.formats.gfs_reader.filesystem import Damaged, Filesystem, read_filesystem
from ssiuml.formats.gfs_reader.summary import summary
from ssiuml.formats.gfs_reader.verify import verify
from ssiuml.tree.tree import Kind, Literal, Meta, Tree, directory, file, symlink

MIB = 1 << 20


@dataclass
class Bytes:
    """An image in memory, as ssiuml.formats.gfs_reader.device.ImageDevice."""

    data: bytes | bytearray

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        return bytes(self.data[offset_bytes : offset_bytes + size_bytes])

    def extent(self, offset_bytes: int) -> tuple[bool, int]:
        return True, max(offset_bytes + 1, len(self.data))


def small_tree(block_size: int) -> Tree:
    """Return a tree with some of everything, small enough for the smallest images."""
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
    made(folder / "gfs1", fitted(small_tree(block_size)), block_size=block_size, size_mib=16, journal_mib=1)
    return (folder / "gfs1").read_bytes()


def gfs2_image(folder: Path, block_size: int) -> bytes:
    """Return a small GFS2 image with small_tree in it."""
    geometry = Geometry(32 * MIB, block_size, 1, 8 * MIB)
    write_image(folder / "gfs2", small_tree(block_size), Settings(geometry=geometry))
    return (folder / "gfs2").read_bytes()


def filesystem_of(data: bytes | bytearray) -> Filesystem:
    return read_filesystem(Bytes(data))


def findings(data: bytes | bytearray) -> list[str]:
    """Return what verify reports about an image."""
    found: list[Damaged] = []
    verify(filesystem_of(data), found.append)
    return [str(damage) for damage in found]


def read_everything(data: bytes | bytearray, most_bytes: int = 64 * MIB) -> list[str]:
    """Summarise and verify an image, and read *most_bytes* of each file. Return everything reported."""
    found: list[SsiumlError] = []
    try:
        summary(filesystem_of(data), found.append)
        found.clear()  # verify finds it too
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
