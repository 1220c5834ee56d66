"""The kernel linux-ssi of 2002, configured and built from its source (HOWTO 4.4, 4.6)."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.historic.kernel_source import Checkout, Release
from ssiuml.host.cache import Cache, Entry, Key
from ssiuml.host.code import own_digest
from ssiuml.host.digests import Values, digest_of, merged
from ssiuml.host.files import scratch_folder
from ssiuml.kernel.compiling import compiling
from ssiuml.kernel.packed import KIND, SUFFIX, arrange, write_packed
from ssiuml.kernel.patches import apply_patch
from ssiuml.kernel.source_tree import SourceTree
from ssiuml.kernel.toolchain import Toolchain
from ssiuml.tree.archives import unpack
from ssiuml.tree.elf import HEADER_BYTES, is_i386
from ssiuml.units import MIB

CONFIG: Final = "config.uml"
SPACE_NEEDED_BYTES: Final = 512 * MIB  # the unpacked source takes 140 MiB, its objects as much
BUILD_TIMEOUT_S: Final = 4 * 3600.0
_INSTALL_TIMEOUT_S: Final = 1200.0
_NS: Final = 10**9
_PREPARING: Final = tuple(each.__module__ for each in (Release, apply_patch, unpack))
# oldconfig asks about options that the configuration does not know yet. An empty line takes the default.
_DEFAULTS: Final = b"\n" * 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoricBuild:
    """The build of one kernel of 2002: source, configuration, compiler, and the inputs of its digests."""

    source: Release | Checkout
    source_inputs: Values  # all that decides the source, and the compiler, whose change make does not notice
    inputs: Values  # all that decides the kernel
    config: Path | None  # instead of config.uml of the source
    toolchain: Callable[[], AbstractContextManager[Path | None]]  # yields its root, None for the host's
    epoch: int  # the time of all files, in seconds since 1970
    tree: SourceTree
    log: Path

    @property
    def key(self) -> Key:
        """The key of the kernel in the cache."""
        return Key(kind=KIND, inputs=self.inputs, suffix=SUFFIX, module=__name__)

    @property
    def program(self) -> Path:
        """The path where make leaves the kernel."""
        return self.tree.source / "linux"

    @contextmanager
    def prepared(self) -> Iterator[bool]:
        """Prepare the source and hold it for this build. Yield whether it has just been unpacked."""
        digest = digest_of(merged(self.source_inputs, {"code": own_digest(*_PREPARING)}))
        with self.tree.prepared(digest, self.source.prepare, SPACE_NEEDED_BYTES) as fresh:
            yield fresh


def get_or_build(cache: Cache, build: HistoricBuild) -> Entry:
    """Return the kernel of *build* from the cache. Build it if it is not there.

    The entry's facts hold the ``version``. The programs of ssiuml.host.tools.OLD_KERNEL_TOOLS have to be on
    the host. Raise SsiumlError if versions, patches or programs do not fit, and for errors of the compiler.
    """

    def make(path: Path) -> Values:
        with build.prepared() as fresh, build.toolchain() as root:
            _compile(build, root, fresh=fresh)
            return _pack(build, root, path)

    return cache.get_or_make(build.key, make)


@contextmanager
def built_tree(build: HistoricBuild) -> Iterator[tuple[Path, Path | None]]:
    """Yield the source, configured and built, to build modules against it, and the root of the toolchain.

    The kernel itself may come from the cache while the source is missing or was built with another
    configuration; then it is built here.
    """
    with build.prepared() as fresh, build.toolchain() as root:
        if not build.tree.is_built(build.key.digest()):
            _compile(build, root, fresh=fresh)
        yield build.tree.source, root


def _compile(build: HistoricBuild, root: Path | None, *, fresh: bool) -> None:
    source = build.tree.source
    Toolchain(root).check()
    config = build.config or source / CONFIG
    if not config.is_file():
        raise SsiumlError(
            f"{config}: there is no such file, and without it the kernel has no configuration",
            hint="set kernel.config to a configuration",
        )
    shutil.copyfile(config, source / ".config")
    tools = Toolchain(root, {"linux": source})
    with (
        build.tree.building(build.key.digest()),
        compiling("kernel", build.log, build.tree.steps if fresh else None) as take,
    ):
        for words in (["oldconfig", "ARCH=um"], ["dep", "linux", "modules", "ARCH=um"]):
            tools.run(
                ["make", *words], folder=source, timeout_s=BUILD_TIMEOUT_S, on_line=take, stdin=_DEFAULTS
            )
    if not build.program.is_file() or not _is_i386(build.program):
        raise SsiumlError(
            f"{build.program}: is no program for 32-bit PCs, which Linux 2.4 in user mode has to be",
            hint="set kernel.toolchain to a compiler for 32-bit PCs",
        )


def _is_i386(path: Path) -> bool:
    with path.open("rb") as stream:
        return is_i386(stream.read(HEADER_BYTES))


def _pack(build: HistoricBuild, root: Path | None, path: Path) -> Values:
    source = build.tree.source
    with scratch_folder(build.tree.folder, "installed") as scratch:
        made = scratch / "made"
        made.mkdir()
        tools = Toolchain(root, {"linux": source, "made": made})
        words = ["make", "modules_install", "ARCH=um", f"INSTALL_MOD_PATH={tools.path_inside(made)}"]
        tools.run(words, folder=source, timeout_s=_INSTALL_TIMEOUT_S)
        modules = list((made / "lib" / "modules").glob("*"))
        if len(modules) != 1:
            names = ", ".join(folder.name for folder in modules) or "none"
            raise SsiumlError(f"make modules_install should leave one folder in lib/modules, it left {names}")
        version, packed = modules[0].name, scratch / "packed"
        arrange(packed, program=build.program, config=source / ".config", modules=modules[0])
        write_packed(path, packed, build.epoch * _NS)
    return {"version": version}
