"""Small ext2 images from a tree, by e2fsprogs: mke2fs formats, debugfs fills. Nothing is mounted.

The same tree gives the same bytes: order, times, identifiers and the seed of hashes are fixed.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host import files
from ssiuml.host.files import replacing, scratch_folder
from ssiuml.host.run import PLAIN_LANGUAGE, run
from ssiuml.tree.tree import Kind, Node, Tree, format_of_kind

BLOCK_BYTES: Final = 1024
TIMEOUT_S: Final = 300.0
_UUID: Final = "5331554d-4c72-4273-8000-000000000001"
# Characters that have no special meaning in a command line of debugfs.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.,+:@%=/~-]+")
_LEAST_FREE_BYTES: Final = 64 << 10


def write_ext2(target: Path, tree: Tree, time_s: int) -> None:
    """Write an ext2 image with *tree* in it, just large enough for *tree* and some temporary files.

    *time_s* is the time of the file system itself, in seconds since 1970. Raise SsiumlError for a socket, and
    for a name or link target with a character that debugfs could misread. Raise CommandError if a program
    fails.
    """
    environment = {**PLAIN_LANGUAGE, "E2FSPROGS_FAKE_TIME": str(time_s), "MKE2FS_SKIP_PROGRESS": "1"}
    with scratch_folder(target.parent, "ext2") as scratch, replacing(target) as part:
        nodes = list(tree.walk())
        files.create(part, _size_bytes(nodes))
        # The programs take names apart at a question mark (options of libext2fs), so they work in its folder.
        folder = part.parent
        run(
            [
                *("mke2fs", "-q", "-F", "-t", "ext2", "-b", str(BLOCK_BYTES), "-I", "128", "-m", "0"),
                *("-O", "none,filetype,sparse_super", "-N", str(len(nodes) + 32), "-U", _UUID),
                *("-E", f"hash_seed={_UUID}", "-L", "initrd", part.name),
            ],
            timeout_s=TIMEOUT_S,
            env=environment,
            cwd=folder,
        )
        commands = scratch / "commands"
        commands.write_text("".join(f"{line}\n" for line in _commands(nodes, scratch)), encoding="ascii")
        # The commands name files by their numbers in the scratch folder, whose path may hold any character.
        words: list[str | Path] = ["debugfs", "-w", "-f", commands.name, f"../{part.name}"]
        output = run(words, timeout_s=TIMEOUT_S, env=environment, cwd=scratch)
        # debugfs ends with status 0 even if a command fails.
        wrong = [
            line for line in output.splitlines() if line and not line.startswith(("debugfs", "Allocated"))
        ]
        if wrong:
            raise SsiumlError(f"{target}: debugfs says: {wrong[0]}")
        run(["e2fsck", "-fn", part.name], timeout_s=TIMEOUT_S, env=environment, cwd=folder)


def _size_bytes(nodes: list[tuple[str, Node]]) -> int:
    blocks = sum(-(-node.size_bytes // BLOCK_BYTES) + 2 for _, node in nodes)
    needed = blocks * BLOCK_BYTES * 5 // 4 + len(nodes) * 128 + _LEAST_FREE_BYTES
    return max(256 << 10, -(-needed // (64 << 10)) * (64 << 10))


def _commands(nodes: list[tuple[str, Node]], scratch: Path) -> Iterator[str]:
    first: dict[int, str] = {}
    yield "rmdir lost+found"
    for number, (path, node) in enumerate(nodes):
        folder, _, name = f"/{path}".rpartition("/")
        if not path:
            yield from _set_fields("/", node)
            continue
        if not _PLAIN.fullmatch(path) or (node.target is not None and not _PLAIN.fullmatch(node.target)):
            raise SsiumlError(
                f"/{path}: name and link target may hold only letters, digits and _.,+:@%=/~- in this image"
            )
        yield f"cd {folder or '/'}"
        if id(node) in first and node.kind is not Kind.DIRECTORY:
            yield f"ln {first[id(node)]} {name}"
            yield f"sif {name} links_count {sum(other is node for _, other in nodes)}"
            continue
        first[id(node)] = f"/{path}"
        yield _create(name, node, path, scratch / str(number))
        yield from _set_fields(name, node)


def _create(name: str, node: Node, path: str, copy: Path) -> str:
    match node.kind:
        case Kind.DIRECTORY:
            return f"mkdir {name}"
        case Kind.SYMLINK:
            return f"symlink {name} {node.target}"
        case Kind.FILE if node.content is not None:
            with copy.open("wb") as stream:
                for chunk in node.content.chunks():
                    stream.write(chunk)
            return f"write {copy.name} {name}"
        case Kind.CHARACTER | Kind.BLOCK if node.device is not None:
            return f"mknod {name} {node.kind.value} {node.device[0]} {node.device[1]}"
        case Kind.FIFO:
            return f"mknod {name} p"
        case _:
            raise SsiumlError(f"/{path}: this image cannot hold a {node.kind.name.lower()}")


def _set_fields(name: str, node: Node) -> Iterator[str]:
    seconds = node.meta.mtime_ns // 1_000_000_000
    yield f"sif {name} mode 0{format_of_kind(node.kind) | node.meta.mode:o}"
    yield f"sif {name} uid {node.meta.uid}"
    yield f"sif {name} gid {node.meta.gid}"
    for field in ("atime", "ctime", "mtime"):
        yield f"sif {name} {field} @{seconds}"
