"""linux-ssi of 2002: Linux 2.4 with the SSI code, from a release or from CVS (HOWTO 4.1 to 4.4)."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.cache import Cache, Entry, Key
from ssiuml.host.code import code_digest
from ssiuml.host.digests import Values, digest_of, merged
from ssiuml.host.files import scratch_folder
from ssiuml.host.progress import say
from ssiuml.host.run import run
from ssiuml.kernel.compiling import compiling
from ssiuml.kernel.packed import KIND, SUFFIX, arrange, write_packed
from ssiuml.kernel.patches import apply_patch
from ssiuml.kernel.source_tree import SourceTree
from ssiuml.kernel.toolchain import Toolchain
from ssiuml.tree.archives import unpack
from ssiuml.tree.elf import HEADER_BYTES, is_i386
from ssiuml.units import GIB, MIB

CONFIG: Final = "config.uml"
MAX_SOURCE_BYTES: Final = GIB
SPACE_NEEDED_BYTES: Final = 512 * MIB  # unpacked it has 140 MiB, its objects as much
BUILD_TIMEOUT_S: Final = 4 * 3600.0
_TIMEOUT_S: Final = 1200.0
_NS: Final = 10**9
_RELEASE: Final = re.compile(r"ssi-linux-(\d+\.\d+\.\d+)-v[\w.]+")
_MAKEFILE: Final = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)\s*=\s*(.*?)\s*$", re.M)
# oldconfig asks about options that the configuration does not know yet: their defaults.
_DEFAULTS: Final = b"\n" * 4096
_MAY_FAIL: Final = frozenset({"Makefile"})  # HOWTO 4.3: the SSI code brings its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release: its archive, Linux's archive, further patches."""

    base: Path
    ssi: Path
    ssi_name: str  # under which it was published; it says for which Linux it is
    patches: tuple[Path, ...]

    def prepare(self, folder: Path) -> None:
        """Unpack and patch Linux to the new *folder* (HOWTO 4.2, 4.3)."""
        match = _RELEASE.match(self.ssi_name)
        if match is None:
            raise SsiumlError(
                f"kernel.ssi: '{self.ssi_name}' does not say for which Linux it is",
                hint="releases are called ssi-linux-2.4.16-v0.6.5.tar.bz2 or the like",
            )
        with scratch_folder(folder.parent, "unpack") as scratch:
            linux = unpack_linux(self.base, scratch)
            require_version(linux, match[1], f"kernel.ssi is {self.ssi_name}")
            unpack(self.ssi, scratch / "ssi", MAX_SOURCE_BYTES)
            found = sorted((scratch / "ssi").glob("*/*.patch"))
            if len(found) != 1:
                names = ", ".join(path.name for path in found) or "none"
                raise SsiumlError(f"{self.ssi}: should hold one patch, it holds {names}")
            for patch in (found[0], *self.patches):
                apply_patch(patch, linux)
            linux.rename(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A CVS checkout: the modules' folders, Linux's archive, and the names of patches in 3rd-party."""

    base: Path
    opened: Callable[[], AbstractContextManager[tuple[Path, Path]]]  # ssic-linux, ci-linux
    uml_patch: str
    opengfs_patch: str
    patches: tuple[str, ...]

    def prepare(self, folder: Path) -> None:
        """Unpack Linux to the new *folder*, patch it and copy the code over it (HOWTO 4.1 to 4.3)."""
        with scratch_folder(folder.parent, "unpack") as scratch, self.opened() as (ssi, ci):
            kernels = ssi / "ssi-kernel", ci / "ci-kernel"
            versions = [full_version(path) for path in kernels]
            if versions[0] != versions[1]:
                raise SsiumlError(
                    f"{kernels[0]}/Makefile is of {versions[0]}, {kernels[1]}/Makefile of {versions[1]}",
                    hint="update both checkouts: cvs update -d in ssic-linux and in ci-linux",
                )
            linux = unpack_linux(self.base, scratch)
            require_version(linux, linux_version(kernels[0]), f"{kernels[0] / 'Makefile'} is of it")
            third_party = ssi / "3rd-party"
            for name in (self.uml_patch, self.opengfs_patch, *self.patches):
                if not (third_party / name).is_file():
                    there = ", ".join(sorted(path.name for path in third_party.glob("*"))) or "nothing"
                    raise SsiumlError(
                        f"{third_party}: there is no patch '{name}' in it", hint=f"it has {there}"
                    )
            if apply_patch(third_party / self.uml_patch, linux, _MAY_FAIL):
                say(f"{self.uml_patch}: its hunk for Makefile failed, as expected: the SSI code has its own")
            for kernel in kernels:
                # The HOWTO's cp -alf makes hard links; what make then writes would be in the checkout, too.
                run(["cp", "-af", f"{kernel}/.", linux], timeout_s=_TIMEOUT_S)
            for name in (self.opengfs_patch, *self.patches):
                apply_patch(third_party / name, linux)
            linux.rename(folder)


def unpack_linux(archive: Path, scratch: Path) -> Path:
    """Unpack Linux's archive, which has one folder ``linux`` or ``linux-VERSION`` in it; return that."""
    unpack(archive, scratch / "base", MAX_SOURCE_BYTES)
    inner = [path for path in (scratch / "base").iterdir() if path.is_dir()]
    if len(inner) != 1 or not (inner[0] / "Makefile").is_file():
        raise SsiumlError(f"{archive}: has no folder with a Makefile in it", hint="is this Linux's source?")
    return inner[0]


def _makefile(folder: Path) -> dict[str, str]:
    makefile = folder / "Makefile"
    if not makefile.is_file():
        raise SsiumlError(f"{makefile}: there is no such file, it says which Linux this is")
    head = makefile.read_text(errors="replace").splitlines()[:4]
    values = dict(_MAKEFILE.findall("\n".join(head)))
    if not {"VERSION", "PATCHLEVEL", "SUBLEVEL"} <= values.keys():
        raise SsiumlError(
            f"{makefile}: its first four lines are not VERSION, PATCHLEVEL, SUBLEVEL and EXTRAVERSION"
        )
    return values


def linux_version(folder: Path) -> str:
    """Which Linux the source in *folder* is, or is for: 2.4.16; SsiumlError if its Makefile does not say."""
    values = _makefile(folder)
    return f"{values['VERSION']}.{values['PATCHLEVEL']}.{values['SUBLEVEL']}"


def full_version(folder: Path) -> str:
    """As linux_version, with what was added to it: 2.4.16-21um."""
    return linux_version(folder) + _makefile(folder).get("EXTRAVERSION", "")


def require_version(linux: Path, wanted: str, why: str) -> None:
    """SsiumlError unless the source in *linux* is of the version *wanted*."""
    found = linux_version(linux)
    if found != wanted:
        raise SsiumlError(
            f"kernel.base is Linux {found}, Linux {wanted} is needed: {why}",
            hint=f"make it a source with linux-{wanted}.tar.bz2",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoricBuild:
    """A kernel of 2002 to be built: its source, what stands for what goes in, whose compiler."""

    source: Release | Checkout
    source_inputs: Values  # what decides the source, and what make does not notice: the compiler
    inputs: Values  # all that decides what the kernel becomes
    config: Path | None  # instead of config.uml
    toolchain: Callable[[], AbstractContextManager[Path | None]]  # yields its root, None for the host's
    epoch: int  # time of the files, in seconds since 1970
    tree: SourceTree
    log: Path

    @property
    def key(self) -> Key:
        """What the kernel is kept under in the cache."""
        return Key(kind=KIND, inputs=self.inputs, suffix=SUFFIX, module=__name__)

    @property
    def program(self) -> Path:
        """Where make leaves the kernel."""
        return self.tree.source / "linux"

    @contextmanager
    def prepared(self) -> Iterator[bool]:
        """Have the source, yield whether it is new; the tree is this build's meanwhile."""
        digest = digest_of(merged(self.source_inputs, {"code": code_digest(__name__)}))
        with self.tree.prepared(digest, self.source.prepare, SPACE_NEEDED_BYTES) as fresh:
            yield fresh


def get_or_build(cache: Cache, build: HistoricBuild) -> Entry:
    """Return the kernel of *build* from the cache, built if it is not there; facts hold the ``version``.

    The programs of ssiuml.host.tools.OLD_KERNEL_TOOLS are there. Raises SsiumlError for versions, patches and
    programs that do not fit, and for errors of the compiler.
    """

    def make(path: Path) -> Values:
        with build.prepared() as fresh, build.toolchain() as root:
            _compile(build, root, fresh=fresh)
            return _pack(build, root, path)

    return cache.get_or_make(build.key, make)


@contextmanager
def built_tree(build: HistoricBuild) -> Iterator[tuple[Path, Path | None]]:
    """Yield the source, configured and built, for somebody who builds against it, and the toolchain's root.

    The kernel itself may be in the cache, and the source not there or built with another configuration.
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
            f"{config}: there is no such file, and without it there is no configuration of the kernel",
            hint="set kernel.config to one",
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
            hint="kernel.toolchain says whose compiler is used",
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
        tools.run(words, folder=source, timeout_s=_TIMEOUT_S)
        modules = list((made / "lib" / "modules").glob("*"))
        if len(modules) != 1:
            names = ", ".join(folder.name for folder in modules) or "none"
            raise SsiumlError(f"make modules_install should leave one folder in lib/modules, it left {names}")
        version, packed = modules[0].name, scratch / "packed"
        arrange(packed, program=build.program, config=source / ".config", modules=modules[0])
        write_packed(path, packed, build.epoch * _NS)
    return {"version": version}
