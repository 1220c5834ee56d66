"""The shared libraries that a program of a tree needs, read from its ELF file without running it."""

import io
import posixpath
from collections.abc import Iterable, Iterator
from typing import Final

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

from ssiuml.errors import SsiumlError
from ssiuml.tree.tree import Kind, Node, Tree

ELF_MAGIC: Final = b"\x7fELF"
# ld.so(8): the trusted directories, and Debian's multiarch directories from its ld.so.conf.d.
LIBRARY_DIRS: Final = (
    "lib/x86_64-linux-gnu",
    "usr/lib/x86_64-linux-gnu",
    "usr/local/lib/x86_64-linux-gnu",
    "usr/local/lib",
    "lib/i386-linux-gnu",
    "usr/lib/i386-linux-gnu",
    "lib64",
    "usr/lib64",
    "lib",
    "usr/lib",
)
_ELF_CLASS_32: Final = 1
_EM_386: Final = 3
HEADER_BYTES: Final = 20  # is_i386 needs these


def is_i386(start: bytes) -> bool:
    """Return whether a file is a program or library for 32-bit PCs, by its first HEADER_BYTES bytes."""
    whole = start.startswith(ELF_MAGIC) and len(start) >= HEADER_BYTES
    return whole and start[4] == _ELF_CLASS_32 and start[18] == _EM_386


def with_libraries(tree: Tree, programs: Iterable[str]) -> list[str]:
    """Return the paths of *programs* and of all that they need to start: interpreters and libraries.

    The libraries of libraries are among them. Paths are as ld.so looks them up, with links unresolved.
    Raise SsiumlError, with the program and the missing file, if the tree lacks one.
    """
    found: dict[str, None] = {}
    todo = list(programs)[::-1]
    while todo:
        path = todo.pop()
        if path in found:
            continue
        node = tree.find(path)
        if node is None or node.kind is not Kind.FILE:
            raise SsiumlError(f"/{path}: no such program or library in the tree")
        found[path] = None
        todo.extend(_needed(tree, path, node))
    return list(found)


def _needed(tree: Tree, path: str, node: Node) -> Iterator[str]:
    data = node.read()
    if not data.startswith(ELF_MAGIC):
        return
    try:
        yield from _needed_by(tree, path, ELFFile(io.BytesIO(data)), _kind_of(data))
    except (ELFError, ValueError, OverflowError, AssertionError) as error:
        # pyelftools raises the last three where an offset, a text or a tag is damaged.
        raise SsiumlError(f"/{path}: is a damaged ELF file: {error}") from error


def _needed_by(tree: Tree, path: str, elf: ELFFile, kind: bytes) -> Iterator[str]:
    for segment in elf.iter_segments():
        if isinstance(segment, InterpSegment):
            yield segment.get_interp_name().lstrip("/")
        elif isinstance(segment, DynamicSegment):
            # ld.so uses the program headers too: section headers can be stripped.
            yield from _libraries(tree, path, segment, kind)


def _kind_of(data: bytes) -> bytes:
    """Return class, byte order and machine of an ELF file, in which a program and its libraries agree."""
    return data[4:6] + data[18:20]


def _fits(tree: Tree, place: str, kind: bytes) -> bool:
    """Return whether ld.so would load the file at *place*: it skips libraries for another machine."""
    node = tree.find(place)
    if node is None or node.kind is not Kind.FILE:
        return False
    data = node.read()
    return not data.startswith(ELF_MAGIC) or _kind_of(data) == kind


def _libraries(tree: Tree, path: str, dynamic: DynamicSegment, kind: bytes) -> Iterator[str]:
    folders = [*_run_paths(tree, path, dynamic), *LIBRARY_DIRS]
    for tag in dynamic.iter_tags("DT_NEEDED"):
        library = str(tag.needed)  # type: ignore[attr-defined]
        places = [library.lstrip("/")] if "/" in library else [f"{folder}/{library}" for folder in folders]
        place = next((place for place in places if _fits(tree, place, kind)), None)
        if place is None:
            raise SsiumlError(
                f"/{path}: needs the library {library}, which is not in the tree",
                hint="add the package that has it to the recipe's packages",
            )
        yield place


def _run_paths(tree: Tree, path: str, dynamic: DynamicSegment) -> Iterator[str]:
    # $ORIGIN is the real folder of a program, but the folder in which ld.so found a library.
    origins = dict.fromkeys(f"/{posixpath.dirname(place)}" for place in (path, tree.real_path(path)))
    for name, attribute in (("DT_RUNPATH", "runpath"), ("DT_RPATH", "rpath")):
        for tag in dynamic.iter_tags(name):
            for folder in getattr(tag, attribute).split(":"):
                for origin in origins:
                    expanded = folder.replace("$ORIGIN", origin).replace("${ORIGIN}", origin)
                    yield expanded.lstrip("/")
