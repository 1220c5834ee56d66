"""Build OpenGFS from source for User-Mode Linux: its modules and programs as a layer (HOWTO 4.7)."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.kernel.toolchain import Toolchain
from ssiuml.tree.archives import unpack
from ssiuml.tree.folders import read_folder_layer
from ssiuml.tree.layer import Layer
from ssiuml.tree.tree import Tree
from ssiuml.units import GIB

TIMEOUT_S: Final = 3600.0
MAX_SOURCE_BYTES: Final = GIB
MODULES_MK: Final = "make/modules.mk.in"
INCLUDE: Final = "-I$(KSRC)/arch/um/include"


@contextmanager
def opengfs_layer(
    archive: Path, kernel_tree: Path, work: Path, below: Tree, mtime_ns: int, tools_root: Path | None = None
) -> Iterator[Layer]:
    """Build the source in *archive* against the configured kernel source *kernel_tree*. Yield the layer.

    As in the HOWTO, the compiler's flags get the folder of User-Mode Linux's headers; then configure, make
    and make install run. The programs are those of the unpacked root *tools_root*, or of the host if that is
    None. *below* is the tree that the layer will lie on, *mtime_ns* the latest time in it. The contents of
    the layer can be read until the block ends. *work* is emptied first and removed in the end. Raise
    SsiumlError if the source or the kernel source is not there. Raise CommandError, with the last lines of
    the output, if a program fails.
    """
    if not kernel_tree.is_dir():
        raise SsiumlError(
            f"opengfs.kernel_tree: {kernel_tree} is not a folder",
            hint="set it to the folder of a configured kernel source",
        )
    folder, root = work / "source", work / "root"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        unpack(archive, folder, MAX_SOURCE_BYTES)
        source = _only_folder(folder, archive)
        add_include(source / MODULES_MK)
        script = "configure" if (source / "configure").is_file() else "autogen.sh"
        root.mkdir()
        linux = kernel_tree.resolve()
        tools = Toolchain(tools_root, {"opengfs": source, "linux": linux, "root": root})
        configure = [f"./{script}", f"--with-linux_srcdir={tools.path_inside(linux)}"]
        for words in (configure, ["make"], ["make", "install", f"DESTDIR={tools.path_inside(root)}"]):
            tools.run(words, folder=source, timeout_s=TIMEOUT_S)
        yield read_folder_layer(root, mtime_ns, below)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _only_folder(folder: Path, archive: Path) -> Path:
    inner = [path for path in folder.iterdir() if path.is_dir()]
    if len(inner) != 1 or not (inner[0] / MODULES_MK).is_file():
        raise SsiumlError(
            f"{archive}: has no folder with {MODULES_MK} in it", hint="give the source of OpenGFS"
        )
    return inner[0]


def add_include(makefile: Path) -> None:
    """Add the folder of User-Mode Linux's headers to INCL_FLAGS (HOWTO 4.7).

    Raise SsiumlError if *makefile* has no line INCL_FLAGS.
    """
    text = makefile.read_text(errors="surrogateescape")
    if INCLUDE in text:
        return
    changed, count = re.subn(
        r"^(INCL_FLAGS\s*[:+]?=.*?)(\\?)$", rf"\1 {INCLUDE} \2", text, count=1, flags=re.M
    )
    if not count:
        raise SsiumlError(f"{makefile}: has no line INCL_FLAGS = …, to which {INCLUDE} is added")
    makefile.write_text(re.sub(r" +$", "", changed, flags=re.M), errors="surrogateescape")
