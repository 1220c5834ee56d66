"""linux-ssi of today: Debian's linux-source with our patches and options, built for User-Mode Linux."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from ssiuml.errors import SsiumlError
from ssiuml.host.cache import Cache, Entry, Key
from ssiuml.host.code import own_digest
from ssiuml.host.digests import Values, digest_of, file_sha256
from ssiuml.host.files import scratch_folder
from ssiuml.host.neutral_names import is_neutral, temporary_folder
from ssiuml.host.progress import say
from ssiuml.host.run import find_tool, run
from ssiuml.kernel.compiling import compiling
from ssiuml.kernel.config import read_fragments, require_config, require_options
from ssiuml.kernel.packed import KIND, SUFFIX, arrange, write_packed
from ssiuml.kernel.patches import patch_inputs, read_series
from ssiuml.kernel.source_tree import SourceTree
from ssiuml.kernel.toolchain import compiler_versions
from ssiuml.kernel.unpacking import unpack_source
from ssiuml.units import GIB

RELEASE_SUFFIX: Final = "-ssi"
# Two cores need six minutes. A busy machine may be many times slower.
BUILD_TIMEOUT_S: Final = 4 * 3600.0
SPACE_NEEDED_BYTES: Final = 3 * GIB  # the unpacked source has 1.4 GiB, the objects half of that
_TIMEOUT_S: Final = 1200.0
# Other variables of the caller's shell may be meant for other kernels, and would change this one.
_PASSED_ON: Final = ("PATH", "HOME", "TMPDIR", "XDG_*", "CCACHE_*", "DISTCC_*")
_NS: Final = 10**9
_MAKE: Final = ("make", "--no-print-directory", "ARCH=um", "SUBARCH=x86_64")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBuild:
    """The sources and options of a kernel, and the place where it is built."""

    package: Path  # Debian's package with the source
    package_sha256: str
    patches: Path | None  # a folder with a series
    config: tuple[Path, ...]  # fragments
    epoch: int  # the build time that the kernel reports, in seconds since 1970
    tree: SourceTree
    log: Path
    distcc: bool  # use the hosts of distcc, if that is installed

    @property
    def series(self) -> list[Path]:
        """The patches, in the order of the series."""
        return read_series(self.patches) if self.patches is not None else []

    @property
    def key(self) -> Key:
        """The key of the finished kernel in the cache."""
        return Key(kind=KIND, inputs=self.inputs(), suffix=SUFFIX, module=__name__)

    def inputs(self) -> Values:
        """Return all that decides the kernel's bytes, without the code of this package."""
        return {
            "package_sha256": self.package_sha256,
            **patch_inputs(self.series),
            "config": [file_sha256(require_config(path)) for path in self.config],
            "epoch": self.epoch,
            "compiler": compiler_versions(),
        }


def get_or_build(cache: Cache, build: SourceBuild) -> Entry:
    """Return the kernel of *build* from the cache, built if it is not there. Its facts hold the ``version``.

    The programs of ssiuml.host.tools.KERNEL_TOOLS are installed. Raise SsiumlError if a patch does not fit,
    an option has another value in the end, or the compiler fails.
    """

    def make(path: Path) -> Values:
        source = {
            "package_sha256": build.package_sha256,
            **patch_inputs(build.series),
            "code": own_digest(unpack_source.__module__, read_series.__module__),
        }
        unpack = partial(unpack_source, build.package, build.series)
        with (
            _with_neutral_tree(build) as here,
            here.tree.prepared(digest_of(source), unpack, SPACE_NEEDED_BYTES) as fresh,
        ):
            distcc = build.distcc and find_tool("distcc") is not None
            words = [*_MAKE, *_identity(build.epoch), *_compiler(distcc)]
            _configure(here, words)
            _compile(here, words, fresh=fresh, distcc=distcc)
            return _pack(here, words, path)

    return cache.get_or_make(build.key, make)


@contextmanager
def _with_neutral_tree(build: SourceBuild) -> Iterator[SourceBuild]:
    """Yield *build* with a tree whose name the kernel's Makefiles do not take apart, at blanks or colons.

    They find out the real name of a link. So a cache with another name keeps no tree for the next build.
    """
    if is_neutral(build.tree.folder):
        yield build
        return
    with scratch_folder(temporary_folder(), "ssiuml-kernel") as folder:
        say(
            f"{build.tree.folder}: the kernel's Makefiles would take this name apart; it is built in "
            f"{folder}, from the beginning each time\n"
            "  set SSIUML_CACHE to a folder with a plain name to avoid that"
        )
        yield replace(build, tree=SourceTree(folder / "tree"))


def _identity(epoch: int) -> list[str]:
    """Return variables of make that fix what differs between builds.

    Source: Documentation/kbuild/reproducible-builds.rst.
    """
    when = datetime.fromtimestamp(epoch, UTC).strftime("%a %b %e %H:%M:%S UTC %Y")
    names = ["KBUILD_BUILD_USER=ssiuml", "KBUILD_BUILD_HOST=ssiuml", "KBUILD_BUILD_VERSION=1"]
    return [f"LOCALVERSION={RELEASE_SUFFIX}", f"KBUILD_BUILD_TIMESTAMP={when}", *names]


def _compiler(distcc: bool) -> list[str]:
    """Return make's variable for the compiler, if it runs through ccache (where installed) or distcc."""
    if find_tool("ccache") is not None:
        return ["CC=ccache gcc"]
    return ["CC=distcc gcc"] if distcc else []


def _run(words: Sequence[str | Path], **more: Any) -> str:
    """Run a program of the build with fixed language and time zone. Return its output."""
    plain = {"LC_ALL": "C", "TZ": "UTC", "KCONFIG_CONFIG": ".config", **more.pop("env", {})}
    return run(words, env=plain, pass_on=_PASSED_ON, **{"timeout_s": _TIMEOUT_S, **more})


def _jobs(distcc: bool) -> int:
    """Return how many compilers to run at once: one for each core, or the number that distcc reports."""
    if distcc:
        printed = run(["distcc", "-j"], timeout_s=_TIMEOUT_S, merge_stderr=False).strip()
        if not printed.isdigit() or int(printed) < 1:
            raise SsiumlError(
                f"distcc -j: prints '{printed}', not the number of jobs that its hosts take",
                hint="set DISTCC_HOSTS",
            )
        return int(printed)
    return len(os.sched_getaffinity(0))


def _configure(build: SourceBuild, words: Sequence[str]) -> None:
    tree, wanted = build.tree, read_fragments(build.config)
    make = [*words, f"O={tree.build}", "-s", f"--directory={tree.source}"]
    tree.build.mkdir(exist_ok=True)
    config = tree.build / ".config"
    _run([*make, "defconfig"])
    merge = tree.source / "scripts" / "kconfig" / "merge_config.sh"
    # Copies with plain names: the script takes names apart at blanks.
    fragments = [tree.build / f".fragment-{index}" for index in range(len(build.config))]
    for path, copy in zip(build.config, fragments, strict=True):
        shutil.copyfile(path, copy)
    _run([merge, "-m", "-O", tree.build, config, *fragments], cwd=tree.build, env={"ARCH": "um"})
    _run([*make, "olddefconfig"])
    require_options(wanted, config)


def _compile(build: SourceBuild, words: Sequence[str], *, fresh: bool, distcc: bool) -> None:
    tree = build.tree
    make = [*words, f"-j{_jobs(distcc)}", f"O={tree.build}", f"--directory={tree.source}", "linux", "modules"]
    with compiling("kernel", build.log, tree.steps if fresh else None) as take:
        prefix = {"CCACHE_PREFIX": "distcc"} if distcc else {}
        _run(make, timeout_s=BUILD_TIMEOUT_S, env=prefix, on_line=take)


def _pack(build: SourceBuild, words: Sequence[str], path: Path) -> Values:
    tree = build.tree
    make = [*words, f"O={tree.build}", "-s", f"--directory={tree.source}"]
    release = _run([*make, "kernelrelease"]).strip().splitlines()[-1]
    with scratch_folder(tree.folder, "installed") as scratch:
        install = [*make, f"INSTALL_MOD_PATH={scratch / 'made'}", "modules_install"]
        _run(install, env={"DEPMOD": find_tool("depmod") or "depmod"})
        modules = scratch / "made" / "lib" / "modules" / release
        folder = scratch / "packed"
        arrange(folder, program=tree.build / "linux", config=tree.build / ".config", modules=modules)
        write_packed(path, folder, build.epoch * _NS)
    return {"version": release}
