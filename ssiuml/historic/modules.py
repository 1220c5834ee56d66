"""Modules of a kernel that is not built here: from an older root image, an archive, a folder (HOWTO 5.5)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.formats.ext2.reader import read_ext2
from ssiuml.formats.gfs_reader.device import open_image
from ssiuml.formats.gfs_reader.filesystem import Damaged, NoFilesystemError, read_filesystem
from ssiuml.formats.gfs_reader.tree_reader import read_tree
from ssiuml.host.files import scratch_folder
from ssiuml.tree.archives import unpack
from ssiuml.tree.compressed import decompress, is_compressed, open_compressed
from ssiuml.tree.folders import read_folder_layer
from ssiuml.tree.layer import Layer
from ssiuml.tree.tree import Kind, Tree
from ssiuml.units import GIB

MODULES: Final = "lib/modules"
IMAGE_NAME: Final = "root_fs"  # in the archives of old root images
MAX_ARCHIVE_BYTES: Final = 16 * GIB
_TAR_MAGIC: Final = b"ustar"
_TAR_MAGIC_AT: Final = 257
_HINT: Final = "set kernel.version to the version of the modules"


@contextmanager
def modules_of_image(image: Path, version: str, work: Path, paths: Sequence[str] = ()) -> Iterator[Layer]:
    """Yield the layer /lib/modules/*version* from an older root image: GFS, in a pool or not, or ext2.

    *image* may also be an archive, compressed or not, with one file root_fs in it; it is unpacked below
    *work*. The layer has the files *paths* of the image, too. Its contents can be read until the block ends.
    Raise SsiumlError if the image has no such modules or files, Ext2Error if it has no file system, and
    Damaged if the file system is damaged.
    """
    with scratch_folder(work, "modules") as scratch:
        root_fs = _root_fs(image, scratch)
        with open_image(root_fs) as source:
            try:
                tree = read_tree(read_filesystem(source), _refuse)
            except NoFilesystemError:
                tree = read_ext2(root_fs)
            layer = _modules_of_tree(tree, version, str(image))
            for path in paths:
                node = tree.find(path)
                if node is None or node.kind is not Kind.FILE:
                    raise SsiumlError(
                        f"{image}: has no file {path}", hint="take it out of kernel.modules.paths"
                    )
                layer.add(path, node)
            yield layer


def _root_fs(image: Path, scratch: Path) -> Path:
    with open_compressed(image) as stream:
        is_archive = stream.read(512)[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == _TAR_MAGIC
    if not is_archive and not is_compressed(image):
        return image
    if not is_archive:
        decompress(image, scratch / IMAGE_NAME, MAX_ARCHIVE_BYTES, "modules")
        return scratch / IMAGE_NAME
    unpack(image, scratch / "archive", MAX_ARCHIVE_BYTES)
    found = sorted(path for path in (scratch / "archive").rglob(IMAGE_NAME) if path.is_file())
    if len(found) != 1:
        raise SsiumlError(
            f"{image}: has {len(found)} files called {IMAGE_NAME}, expected is one",
            hint="give the archive of one older root image",
        )
    return found[0]


def _refuse(damage: Damaged) -> None:
    raise damage


@contextmanager
def modules_of_archive(archive: Path, version: str, work: Path, mtime_ns: int) -> Iterator[Layer]:
    """Yield the layer /lib/modules/*version* from an archive, in which that folder may lie at any depth.

    The archive is unpacked below *work*. The contents of the layer can be read until the block ends. Owners
    and times are those of modules_of_folder. Raise SsiumlError if there is no such folder, or several.
    """
    with scratch_folder(work, "modules") as scratch:
        unpack(archive, scratch / "archive", MAX_ARCHIVE_BYTES)
        yield modules_of_folder(scratch / "archive", version, mtime_ns, str(archive))


def modules_of_folder(folder: Path, version: str, mtime_ns: int, name: str | None = None) -> Layer:
    """Return the layer /lib/modules/*version* from *folder*, in which that folder may lie at any depth.

    All files belong to root, and no time is later than *mtime_ns*. *name* stands for *folder* in messages.
    Raise SsiumlError if there is no such folder, or several.
    """
    if not folder.is_dir():
        raise SsiumlError(
            f"{name or folder}: is not a folder", hint=f"give a folder that has {MODULES}/{version} in it"
        )
    found = sorted(path for path in folder.rglob(f"{MODULES}/{version}") if path.is_dir())
    if len(found) != 1:
        there = ", ".join(sorted(path.name for path in folder.rglob(f"{MODULES}/*"))) or "no kernel"
        raise SsiumlError(
            f"{name or folder}: has {len(found)} folders {MODULES}/{version}, expected is one; "
            f"it has modules of {there}",
            hint=_HINT,
        )
    made = read_folder_layer(found[0], mtime_ns, Tree())
    made.entries = [(f"{MODULES}/{version}/{path}", node) for path, node in made.entries]
    return made


def _modules_of_tree(tree: Tree, version: str, name: str) -> Layer:
    folder = f"{MODULES}/{version}"
    if tree.find(folder) is None:
        there = ", ".join(tree.children(MODULES)) if tree.find(MODULES) is not None else ""
        raise SsiumlError(f"{name}: has no /{folder}; it has modules of {there or 'no kernel'}", hint=_HINT)
    layer = Layer()
    for path, node in tree.walk(tree.real_path(folder)):
        layer.add(f"{folder}{path.removeprefix(tree.real_path(folder))}", node)
    return layer
