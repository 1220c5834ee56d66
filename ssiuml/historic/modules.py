"""Modules of a kernel that was not built here: from an older root image, an archive, a folder (HOWTO 5.5)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.formats.ext2.reader import read_ext2
from ssiuml.formats.gfs_reader.device import open_image
from ssiuml.formats.gfs_reader.filesystem import Damaged, NoFilesystemError, read_filesystem
from ssiuml.formats.gfs_reader.tree_reader import read_tree
from ssiuml.host.scratch import scratch_folder
from ssiuml.tree.archives import unpack
from ssiuml.tree.compressed import decompress, is_compressed, reading
from ssiuml.tree.folder import read_folder
from ssiuml.tree.layer import Layer
from ssiuml.tree.tree import Kind, Tree
from ssiuml.units import GIB

MODULES: Final = "lib/modules"
IMAGE_NAME: Final = "root_fs"  # as the archives of old root images have it
MAX_ARCHIVE_BYTES: Final = 16 * GIB
_TAR_MAGIC: Final = b"ustar"
_TAR_MAGIC_AT: Final = 257


class ModulesError(SsiumlError):
    """There are no modules of the version in what was given."""


@contextmanager
def modules_of_image(image: Path, version: str, work: Path, paths: Sequence[str] = ()) -> Iterator[Layer]:
    """Yield the layer /lib/modules/*version* out of an older root image: GFS, in a pool or not, or ext2.

    *image* may also be an archive that has a file root_fs in it, compressed or not, which is unpacked below
    *work*. *paths* are other files to take from there. Contents are there as long as the context. Raises
    ModulesError if the image has no such modules or files, Ext2Error if it has no file system, Damaged if
    that is damaged.
    """
    with scratch_folder(work, "modules") as scratch:
        root_fs = _root_fs(image, scratch)
        with open_image(root_fs) as source:
            try:
                tree = read_tree(read_filesystem(source), _refuse)
            except NoFilesystemError:
                tree = read_ext2(root_fs)
            layer = _chosen(tree, version, str(image))
            for path in paths:
                node = tree.find(path)
                if node is None or node.kind is not Kind.FILE:
                    raise ModulesError(f"{image}: has no file {path}", hint="see kernel.modules.paths")
                layer.add(path, node)
            yield layer


def _root_fs(image: Path, scratch: Path) -> Path:
    with reading(image) as stream:
        is_archive = stream.read(512)[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == _TAR_MAGIC
    if not is_archive and not is_compressed(image):
        return image
    if not is_archive:
        decompress(image, scratch / IMAGE_NAME, MAX_ARCHIVE_BYTES, "modules")
        return scratch / IMAGE_NAME
    unpack(image, scratch / "archive", MAX_ARCHIVE_BYTES)
    found = sorted(path for path in (scratch / "archive").rglob(IMAGE_NAME) if path.is_file())
    if len(found) != 1:
        raise ModulesError(f"{image}: has {len(found)} files called {IMAGE_NAME}, expected is one")
    return found[0]


def _refuse(damage: Damaged) -> None:
    raise damage


@contextmanager
def modules_of_archive(archive: Path, version: str, work: Path, mtime_ns: int) -> Iterator[Layer]:
    """Yield the same layer out of an archive that has lib/modules/*version* in it, at any depth."""
    with scratch_folder(work, "modules") as scratch:
        unpack(archive, scratch / "archive", MAX_ARCHIVE_BYTES)
        yield modules_of_folder(scratch / "archive", version, mtime_ns, str(archive))


def modules_of_folder(folder: Path, version: str, mtime_ns: int, name: str | None = None) -> Layer:
    """The same layer out of a folder; owners are root, no time is later than *mtime_ns*."""
    if not folder.is_dir():
        raise ModulesError(f"{name or folder}: is no folder")
    found = sorted(path for path in folder.rglob(f"{MODULES}/{version}") if path.is_dir())
    if len(found) != 1:
        there = ", ".join(sorted(path.name for path in folder.rglob(f"{MODULES}/*"))) or "none"
        raise ModulesError(
            f"{name or folder}: has {len(found)} folders {MODULES}/{version}, expected is one",
            hint=f"there are modules of: {there}",
        )
    made = read_folder(found[0], mtime_ns, Tree())
    made.entries = [(f"{MODULES}/{version}/{path}", node) for path, node in made.entries]
    return made


def _chosen(tree: Tree, version: str, name: str) -> Layer:
    folder = f"{MODULES}/{version}"
    if tree.find(folder) is None:
        there = ", ".join(tree.children(MODULES)) if tree.find(MODULES) is not None else "none"
        raise ModulesError(f"{name}: has no /{folder}", hint=f"there are modules of: {there}")
    layer = Layer()
    for path, node in tree.walk(tree.real_path(folder)):
        layer.add(f"{folder}{path.removeprefix(tree.real_path(folder))}", node)
    return layer
