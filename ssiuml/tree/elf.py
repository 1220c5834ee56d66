"""Which shared libraries a program of a tree needs, read from its ELF file; nothing is run."""

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
# ld.so(8): the trusted directories and Debian's multiarch ones, which its ld.so.conf.d adds.
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
HEADER_BYTES: Final = 20  # as much as is_i386 needs


class LibraryError(SsiumlError):
    """A program, or a library that one needs, is not in the tree."""


def is_i386(start: bytes) -> bool:
    """Whether a file that begins with *start* is a program (or library) for 32-bit PCs."""
    whole = start.startswith(ELF_MAGIC) and len(start) >= HEADER_BYTES
    return whole and start[4] == _ELF_CLASS_32 and start[18] == _EM_386


def with_libraries(tree: Tree, programs: Iterable[str]) -> list[str]:
    """Paths of *programs* and of everything they need to start: interpreter and libraries, all the way.

    Paths are as looked up (not resolved). LibraryError names the program and what it lacks.
    """
    found: dict[str, None] = {}
    todo = list(programs)[::-1]
    while todo:
        path = todo.pop()
        if path in found:
            continue
        node = tree.find(path)
        if node is None or node.kind is not Kind.FILE:
            raise LibraryError(f"/{path}: no such program or library in the tree")
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
        # The others: pyelftools lets them out where an offset, a text or a tag is damaged.
        raise LibraryError(f"/{path}: is a damaged ELF file: {error}") from error


def _needed_by(tree: Tree, path: str, elf: ELFFile, kind: bytes) -> Iterator[str]:
    for segment in elf.iter_segments():
        if isinstance(segment, InterpSegment):
            yield segment.get_interp_name().lstrip("/")
        elif isinstance(segment, DynamicSegment):
            # Of the program headers, as ld.so goes by them: section headers can be stripped.
            yield from _libraries(tree, path, segment, kind)


def _kind_of(data: bytes) -> bytes:
    """Class, byte order and machine of an ELF file: what a program's libraries have to have too."""
    return data[4:6] + data[18:20]


def _fits(tree: Tree, place: str, kind: bytes) -> bool:
    """Whether ld.so would take the file at *place*; it passes over libraries for another machine."""
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
            raise LibraryError(
                f"/{path}: needs the library {library}, which is not in the tree",
                hint="add the package that has it to the recipe's packages",
            )
        yield place


def _run_paths(tree: Tree, path: str, dynamic: DynamicSegment) -> Iterator[str]:
    # ld.so takes a program's real place, but a library's place as it was found.
    origins = dict.fromkeys(f"/{posixpath.dirname(place)}" for place in (path, tree.real_path(path)))
    for name, attribute in (("DT_RUNPATH", "runpath"), ("DT_RPATH", "rpath")):
        for tag in dynamic.iter_tags(name):
            for folder in getattr(tag, attribute).split(":"):
                for origin in origins:
                    expanded = folder.replace("$ORIGIN", origin).replace("${ORIGIN}", origin)
                    yield expanded.lstrip("/")
