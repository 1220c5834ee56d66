"""ext2 images that mke2fs makes and debugfs changes, both foreign programs."""

import os
import stat
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from odd_trees import pattern
from programs import tool

from ssiuml.host import files
from ssiuml.host.run import find_tool
from ssiuml.tree.extents import Extents
from ssiuml.tree.layer import write_tree
from ssiuml.tree.tree import Extent, Kind, Literal, Meta, Node, Tree, directory, file, symlink
from ssiuml.units import MIB

NS = 1_000_000_000
# tar and mke2fs run in one fakeroot, so that owners and devices reach the image without root.
FILL = """
set -eu
tar -xpf "$1" -C "$2"
folder=$2 mke2fs=$3
shift 3
"$mke2fs" -q -F -d "$folder" "$@"
"""


@dataclass(frozen=True)
class HoledFile:
    """A file with 1 KiB of data at each of *places*, in bytes, and holes elsewhere."""

    name: str
    size_bytes: int
    places: tuple[int, ...]

    def make(self, folder: Path) -> None:
        with (folder / self.name).open("wb") as stream:
            for place in self.places:
                stream.seek(place)
                stream.write(pattern(1024)[: self.size_bytes - place])
            stream.truncate(self.size_bytes)
        os.utime(folder / self.name, (0, 1_000_000_000))
        (folder / self.name).chmod(0o644)

    def node(self, folder: Path) -> Node:
        size = (folder / self.name).stat().st_size
        return file(Extent(folder / self.name, 0, size), Meta(mode=0o644, mtime_ns=1_000_000_000 * NS))


def make_image(
    image: Path, tree: Tree, *options: str, size_mib: int = 16, holed: tuple[HoledFile, ...] = ()
) -> Path:
    """Make *image* with *tree* in it, and the files *holed* in its root. Add these files to *tree*.

    debugfs sets the time of the root, which mke2fs does not set, and the modes that would keep an ordinary
    user from reading a file. Return *image*.
    """
    folder, archive = image.with_name(f"{image.name}.d"), image.with_name(f"{image.name}.tar")
    folder.mkdir()
    sockets = [path for path, node in tree.walk() if node.kind is Kind.SOCKET]
    plain = Tree(tree.root.meta)
    unreadable: list[tuple[str, int]] = []
    for path, node in tree.walk():
        if not path or node.kind is Kind.SOCKET:
            continue
        if node.kind is Kind.DIRECTORY:
            node = directory(node.meta)
        elif node.kind is Kind.FILE and not node.meta.mode & 0o400:
            unreadable.append((path, node.meta.mode))
            node = Node(node.kind, replace(node.meta, mode=0o600), node.content)
        plain.add(path, node)
    write_tree(archive, plain)
    for path in sockets:  # an archive holds none; tar sets the times of the folders afterwards
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        os.mknod(folder / path, stat.S_IFSOCK)
        (folder / path).chmod(tree.lookup(path).meta.mode)
        os.utime(folder / path, ns=(0, tree.lookup(path).meta.mtime_ns))
    for one in holed:
        one.make(folder)
        tree.add(one.name, one.node(folder))
    files.create(image, size_mib * MIB)
    program = find_tool("mke2fs")
    assert program is not None
    done = subprocess.run(
        ["fakeroot", "sh", "-c", FILL, "fill", archive, folder, program, *options, image],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="backslashreplace")
    seconds, fraction = divmod(tree.root.meta.mtime_ns, NS)
    assert not fraction
    modes = [f"set_inode_field /{path} mode 0{0o100000 | mode:o}" for path, mode in unreadable]
    change(image, f"set_inode_field <2> mtime @{seconds}", *modes)
    return image


def change(image: Path, *requests: str) -> str:
    """Have debugfs change *image*. Return its output. The test fails if debugfs reports an error."""
    commands = image.with_name(f"{image.name}.debugfs")
    commands.write_text("".join(f"{request}\n" for request in requests))
    output = tool("debugfs", "-w", "-f", commands, image)
    errors = [
        line
        for line in output.splitlines()
        if not line.startswith(("debugfs 1", "debugfs: ", "Allocated inode", "Filesystem features"))
    ]
    assert [line for line in errors if line.strip()] == [], output
    return output


def ask(image: Path, request: str) -> str:
    """Return the answer of debugfs to *request*."""
    return tool("debugfs", "-R", request, image)


def is_damaged(image: Path) -> bool:
    """Return whether e2fsck finds *image* damaged."""
    program = find_tool("e2fsck")
    assert program is not None
    done = subprocess.run([program, "-f", "-n", image], capture_output=True, check=False)
    return done.returncode != 0


def some_tree(block_size: int) -> Tree:
    """Return one of everything that Red Hat 7.2's file system could hold. Times are seconds of 32 bits."""
    tree = Tree(Meta(mode=0o755, mtime_ns=1_003_000_000 * NS))

    def put(name: str, node: Node) -> None:
        tree.add(name, node)

    for size in (0, 1, 59, 60, 61, block_size - 1, block_size, block_size + 1, 12 * block_size):
        put(f"sizes/{size}", file(Literal(pattern(size)), Meta(mode=0o644, mtime_ns=size * NS)))
    per_block = block_size // 4
    for blocks in (13, 12 + per_block, 13 + per_block):
        put(f"blocks/{blocks}", file(Literal(pattern(blocks * block_size - 5)), Meta(mode=0o600)))
    put("modes/set-id", file(Literal(b"x"), Meta(mode=0o6755, uid=1, gid=2)))
    put("modes/none", file(Literal(b"x"), Meta(mode=0)))
    put("modes/sticky", directory(Meta(mode=0o1777)))
    put("modes/high", file(Literal(b"x"), Meta(mode=0o640, uid=0x12345678, gid=0x87654321)))
    put("modes/highest", file(Literal(b"x"), Meta(mode=0o640, uid=65534, gid=65536)))
    for seconds in (-1, -(2**31) + 1, 0, 1_003_000_000, 2**31 - 1):
        put(f"times/{seconds}", file(Literal(b""), Meta(mode=0o644, mtime_ns=seconds * NS)))
    for length in (1, 59, 60, 61, block_size - 1):
        put(f"links/{length}", symlink("t" * min(length, 4000)))
    put("links/odd", symlink("../\udcff\n"))
    linked = file(Literal(b"linked"), Meta(mode=0o640, uid=7))
    for number in range(300):
        put(f"linked/{number}", linked)
    put("special/fifo", Node(Kind.FIFO, Meta(mode=0o620)))
    put("special/socket", Node(Kind.SOCKET, Meta(mode=0o600, mtime_ns=5 * NS)))
    for major, minor in ((98, 16), (3, 255), (1, 0), (255, 255), (259, 1), (8, 256), (4095, 1_048_575)):
        for kind in (Kind.BLOCK, Kind.CHARACTER):
            node = Node(kind, Meta(mode=0o660, gid=6), device=(major, minor))
            put(f"special/{kind.value}-{major}-{minor}", node)
    put("names/" + "n" * 255, file(Literal(b"long"), Meta(mode=0o644)))
    put("names/" + "\udcff" * 255, directory(Meta(mode=0o700)))
    put("/".join(["deep"] * 40), directory(Meta(mode=0o700)))
    put("empty", directory(Meta(mode=0o555, mtime_ns=NS)))
    for number in range(600):
        put(f"many/{number:05}", symlink("x"))
    return tree


def pieces_of(node: Node) -> int:
    """Return in how many pieces the contents of a file lie in its image."""
    return len(node.content.pieces) if isinstance(node.content, Extents) else 1
