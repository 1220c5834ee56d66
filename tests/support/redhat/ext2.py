"""Writes trees into ext2 images of the year 2001, by mke2fs and debugfs, without root.

`mke2fs -d` would not give the same bytes twice: it takes the order of names and the change times from the
host. So debugfs gets commands for each name.
"""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from redhat.dates import NS, RED_HAT_S
from ssiuml.host.run import find_tool
from ssiuml.tree.tree import Content, Kind, Node, Tree
from ssiuml.units import MIB

LIMIT_S: Final = 300.0
_UUID: Final = "72000000-2001-1022-0000-000000000001"
_FORMATS: Final = {
    Kind.FILE: stat.S_IFREG,
    Kind.DIRECTORY: stat.S_IFDIR,
    Kind.CHARACTER: stat.S_IFCHR,
    Kind.BLOCK: stat.S_IFBLK,
    Kind.FIFO: stat.S_IFIFO,
    Kind.SOCKET: stat.S_IFSOCK,
}


def write_ext2(target: Path, tree: Tree, *, block_size: int, size_mib: int) -> Path:
    """Make *target* an ext2 file system of *size_mib* MiB with *tree* in it. Return *target*.

    It has revision 1, inodes of 128 bytes, and the features that mke2fs 1.23 of 2001 chose. *tree* must not
    have /lost+found, which mke2fs makes. Raise AssertionError, with the output, if a program fails.
    """
    inodes = len({id(node) for _, node in tree.walk()})
    target.unlink(missing_ok=True)
    with target.open("wb") as stream:
        stream.truncate(size_mib * MIB)
    _run(
        *("mke2fs", "-q", "-F", "-r", "1", "-I", "128", "-O", "none,filetype,sparse_super"),
        *("-b", str(block_size), "-N", str(inodes + inodes // 4 + 64), "-U", _UUID),
        *("-E", f"hash_seed={_UUID},root_owner=0:0", target),
    )
    with TemporaryDirectory(dir=target.parent) as folder:
        script = Path(folder, "commands")
        script.write_bytes(b"\n".join(map(os.fsencode, _commands(tree, Path(folder)))) + b"\n")
        errors = _run("debugfs", "-w", "-f", script, target).splitlines()[1:]  # without its name and version
        assert errors == [], "\n".join(errors)
    return target


def _run(name: str, *words: str | Path) -> str:
    """Run a program for which the year is 2001. Return its standard error."""
    program = find_tool(name)
    assert program is not None, f"{name} is missing; it is in the package e2fsprogs"
    result = subprocess.run(
        [program, *words],
        env={**os.environ, "E2FSPROGS_FAKE_TIME": str(RED_HAT_S), "LC_ALL": "C"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
        timeout=LIMIT_S,
    )
    errors = result.stderr.decode(errors="backslashreplace")
    assert result.returncode == 0, f"{name}: status {result.returncode}\n{errors}"
    return errors


def _commands(tree: Tree, folder: Path) -> Iterator[str]:
    names = {id(node): 0 for _, node in tree.walk()}
    for _, node in tree.walk():
        names[id(node)] += 1
    first: dict[int, str] = {}
    here = ""
    for path, node in tree.walk():
        if not path:
            continue
        assert '"' not in path, f"{path}: debugfs has no way to write this name"
        parent, _, name = path.rpartition("/")
        if parent != here:
            yield f'cd "/{parent}"'
            here = parent
        if id(node) in first:
            # ln does not enlarge a full directory, but mknod does: add a FIFO and remove it.
            yield f'mknod "{name}" p'
            yield f'rm "{name}"'
            yield f'ln "/{first[id(node)]}" "{name}"'
            continue
        first[id(node)] = path
        yield from _make(name, node, folder, len(first))
        yield from _describe(name, node)
        if names[id(node)] > 1:
            yield f'sif "{name}" links_count {names[id(node)]}'
    yield "cd /"
    for path, node in tree.walk():
        if node.kind is Kind.DIRECTORY:  # last, because every new name changes the time of its directory
            yield f'sif "/{path}" mtime @{node.meta.mtime_ns // NS}'
    yield from _describe("/", tree.root)


def _make(name: str, node: Node, folder: Path, number: int) -> Iterator[str]:
    match node.kind:
        case Kind.FILE:
            assert node.content is not None
            source = folder / str(number)
            _write_sparse(source, node.content)
            yield f'write "{source}" "{name}"'
        case Kind.DIRECTORY:
            yield f'mkdir "{name}"'
        case Kind.SYMLINK:
            yield f'symlink "{name}" "{node.target}"'
        case Kind.CHARACTER | Kind.BLOCK:
            assert node.device is not None
            yield f'mknod "{name}" {node.kind.value} {node.device[0]} {node.device[1]}'
        case Kind.FIFO:
            yield f'mknod "{name}" p'
        case Kind.SOCKET:
            # debugfs cannot make a socket. Give a FIFO the mode of one, and link it again: the kind in the
            # directory entry then follows the mode.
            yield f'mknod "{name}" p'
            yield f'sif "{name}" mode 0{stat.S_IFSOCK:o}'
            yield f'ln "{name}" "{name}.new"'
            yield f'unlink "{name}"'
            yield f'ln "{name}.new" "{name}"'
            yield f'unlink "{name}.new"'


def _describe(name: str, node: Node) -> Iterator[str]:
    meta = node.meta
    if node.kind is not Kind.SYMLINK:
        yield f'sif "{name}" mode 0{_FORMATS[node.kind] | meta.mode:o}'
    if meta.uid:
        yield f'sif "{name}" uid {meta.uid}'
    if meta.gid:
        yield f'sif "{name}" gid {meta.gid}'
    yield f'sif "{name}" mtime @{meta.mtime_ns // NS}'


def _write_sparse(path: Path, content: Content) -> None:
    """Write a file whose blocks of zeros are holes. debugfs copies the holes, like cp --sparse."""
    zeros = bytes(4096)
    with path.open("wb") as stream:
        for chunk in content.chunks():
            for start in range(0, len(chunk), len(zeros)):
                block = chunk[start : start + len(zeros)]
                if block == zeros[: len(block)]:
                    stream.seek(len(block), os.SEEK_CUR)
                else:
                    stream.write(block)
        stream.truncate(content.size_bytes)
