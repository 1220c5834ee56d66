"""The source of linux-ssi of 2002: Linux 2.4 with the SSI code of a release or of CVS (HOWTO 4.1 to 4.3)."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.host.files import scratch_folder
from ssiuml.host.progress import say
from ssiuml.host.run import run
from ssiuml.kernel.patches import apply_patch
from ssiuml.tree.archives import unpack
from ssiuml.units import GIB

MAX_SOURCE_BYTES: Final = GIB
_COPY_TIMEOUT_S: Final = 1200.0
_RELEASE: Final = re.compile(r"ssi-linux-(\d+\.\d+\.\d+)-v[\w.]+")
_MAKEFILE: Final = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)\s*=\s*(.*?)\s*$", re.M)
_MAY_FAIL: Final = frozenset({"Makefile"})  # HOWTO 4.3: the SSI code brings its own Makefile


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """An SSI release: the archive of Linux, the archive of the release, and further patches."""

    base: Path
    ssi: Path
    ssi_name: str  # the published file name, which tells the version of Linux
    patches: tuple[Path, ...]

    def prepare(self, folder: Path) -> None:
        """Unpack Linux to the new *folder* and patch it (HOWTO 4.2, 4.3).

        Raise SsiumlError if versions or patches do not fit.
        """
        match = _RELEASE.match(self.ssi_name)
        if match is None:
            raise SsiumlError(
                f"kernel.ssi: the name '{self.ssi_name}' does not tell its version of Linux",
                hint="give a release; it is called ssi-linux-2.4.16-v0.6.5.tar.bz2 or the like",
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
    """A CVS checkout: the archive of Linux, the folders of the CVS modules, names of patches in 3rd-party."""

    base: Path
    opened: Callable[[], AbstractContextManager[tuple[Path, Path]]]  # yields ssic-linux, ci-linux
    uml_patch: str
    opengfs_patch: str
    patches: tuple[str, ...]

    def prepare(self, folder: Path) -> None:
        """Unpack Linux to the new *folder*, patch it and copy the SSI code over it (HOWTO 4.1 to 4.3).

        Raise SsiumlError if versions or patches do not fit.
        """
        with scratch_folder(folder.parent, "unpack") as scratch, self.opened() as (ssi, ci):
            kernels = ssi / "ssi-kernel", ci / "ci-kernel"
            versions = [full_version(path) for path in kernels]
            if versions[0] != versions[1]:
                raise SsiumlError(
                    f"{kernels[0]}/Makefile is of {versions[0]}, {kernels[1]}/Makefile of {versions[1]}",
                    hint="update both checkouts: cvs update -d in ssic-linux and in ci-linux",
                )
            linux = unpack_linux(self.base, scratch)
            require_version(linux, linux_version(kernels[0]), f"{kernels[0] / 'Makefile'} says so")
            third_party = ssi / "3rd-party"
            for name in (self.uml_patch, self.opengfs_patch, *self.patches):
                if not (third_party / name).is_file():
                    there = ", ".join(sorted(path.name for path in third_party.glob("*"))) or "nothing"
                    raise SsiumlError(
                        f"{third_party}: has no patch '{name}'; it has {there}",
                        hint="set kernel.uml_patch, kernel.opengfs_patch and kernel.patches to names in it",
                    )
            if apply_patch(third_party / self.uml_patch, linux, _MAY_FAIL):
                say(f"{self.uml_patch}: its hunk for Makefile failed, as expected: the SSI code has its own")
            for kernel in kernels:
                # Not the HOWTO's cp -alf: through its hard links make would write into the checkout.
                run(["cp", "-af", f"{kernel}/.", linux], timeout_s=_COPY_TIMEOUT_S)
            for name in (self.opengfs_patch, *self.patches):
                apply_patch(third_party / name, linux)
            linux.rename(folder)


def unpack_linux(archive: Path, scratch: Path) -> Path:
    """Unpack the archive of Linux below *scratch*. Return its folder, ``linux`` or ``linux-VERSION``.

    Raise SsiumlError if the archive does not hold exactly one folder with a Makefile.
    """
    unpack(archive, scratch / "base", MAX_SOURCE_BYTES)
    inner = [path for path in (scratch / "base").iterdir() if path.is_dir()]
    if len(inner) != 1 or not (inner[0] / "Makefile").is_file():
        raise SsiumlError(
            f"{archive}: has no folder with a Makefile in it", hint="give an archive of Linux's source"
        )
    return inner[0]


def _makefile(folder: Path) -> dict[str, str]:
    makefile = folder / "Makefile"
    if not makefile.is_file():
        raise SsiumlError(
            f"{makefile}: there is no such file; it tells the version of Linux",
            hint="give a folder with the source of a kernel",
        )
    head = makefile.read_text(errors="replace").splitlines()[:4]
    values = dict(_MAKEFILE.findall("\n".join(head)))
    if not {"VERSION", "PATCHLEVEL", "SUBLEVEL"} <= values.keys():
        raise SsiumlError(
            f"{makefile}: its first four lines are not VERSION, PATCHLEVEL, SUBLEVEL and EXTRAVERSION"
        )
    return values


def linux_version(folder: Path) -> str:
    """Return the version of Linux that the source in *folder* is, or is for: "2.4.16".

    Raise SsiumlError if its Makefile does not tell it.
    """
    values = _makefile(folder)
    return f"{values['VERSION']}.{values['PATCHLEVEL']}.{values['SUBLEVEL']}"


def full_version(folder: Path) -> str:
    """Return the version of Linux with its EXTRAVERSION: "2.4.16-21um". Raise as linux_version does."""
    return linux_version(folder) + _makefile(folder).get("EXTRAVERSION", "")


def require_version(linux: Path, wanted: str, reason: str) -> None:
    """Raise SsiumlError unless the source in *linux* has the version *wanted*. The message gives *reason*."""
    found = linux_version(linux)
    if found != wanted:
        raise SsiumlError(
            f"kernel.base is Linux {found}, Linux {wanted} is needed: {reason}",
            hint=f"set kernel.base to a source with linux-{wanted}.tar.bz2",
        )
