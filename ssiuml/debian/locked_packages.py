"""The sections ``base`` and ``kernel`` of recipes/NAME.lock: exact versions and digests of Debian's packages.

A recipe's own lock file comes before those of the recipes that it extends. The first one that was made for
the same packages counts. Any mirror may give the packages, because their digests are locked.
"""

from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from pydantic import Field, ValidationError

from ssiuml.debian.deb import Deb, Debs, Exact, PackageName, Selection
from ssiuml.recipe.kernel import PackageKernel, SourceKernel
from ssiuml.recipe.model import Recipe
from ssiuml.sources.lock_file import LockFile


class Dated(Exact):
    """A section of a lock file. *date* is when it was made, in the form of distribution.snapshot."""

    date: str = Field(pattern=r"^[0-9]{8}T[0-9]{6}Z$")


class Request(Exact):
    """The packages that the recipe asks for, and where they come from."""

    suite: str
    components: list[str]
    requested: list[PackageName]


class BaseLock(Selection, Request, Dated):
    """The packages of the base."""

    def fits(self, request: Request) -> bool:
        """Return whether it was made for *request*."""
        return all(getattr(self, key) == getattr(request, key) for key in Request.model_fields)

    @property
    def selection(self) -> Selection:
        """The packages, without the request."""
        return Selection(required=self.required, packages=self.packages)


class KernelPackage(NamedTuple):
    """The package that a recipe takes its kernel or the kernel's source from.

    *version* None stands for the newest, *suite* None for the suites of the distribution.
    """

    name: str
    version: str | None = None
    suite: str | None = None


class KernelLock(Dated):
    """The package with the kernel or its source. *suite* is that of the recipe's key ``kernel.suite``."""

    suite: str | None = None
    packages: dict[PackageName, Deb] = Field(min_length=1, max_length=1)

    def fits(self, wanted: KernelPackage) -> bool:
        """Return whether it locks *wanted*."""
        deb = self.packages.get(wanted.name)
        return deb is not None and wanted.version in (None, deb.version) and wanted.suite == self.suite


def request_of(recipe: Recipe) -> Request:
    """Return what *recipe* asks for. Its distribution must be one of packages."""
    distribution = recipe.packaged
    return Request(
        suite=distribution.suite,
        components=list(distribution.components),
        requested=sorted(recipe.all_packages),
    )


def kernel_package(recipe: Recipe) -> KernelPackage | None:
    """Return the package with the kernel or its source. Return None if no package has it."""
    kernel = recipe.kernel
    if isinstance(kernel, PackageKernel):
        return KernelPackage(kernel.package, None, kernel.suite)
    if isinstance(kernel, SourceKernel):
        return KernelPackage(kernel.package, kernel.version, kernel.suite)
    return None


def base_lock_for(lock: LockFile | None, request: Request) -> BaseLock | None:
    """Return the section that counts for *request*. Raise SsiumlError if a lock file is damaged."""
    return next((each for each in base_locks(lock) if each.fits(request)), None)


def kernel_lock_for(lock: LockFile | None, wanted: KernelPackage | None) -> KernelLock | None:
    """Return the section that counts for the package *wanted* (see kernel_package). Raise as above."""
    return next((each for each in kernel_locks(lock) if wanted and each.fits(wanted)), None)


def base_locks(lock: LockFile | None) -> list[BaseLock]:
    """Return those of the recipe and of what it extends, its own first. Raise as above."""
    return _read(lock, "base", BaseLock)


def kernel_locks(lock: LockFile | None) -> list[KernelLock]:
    """Return those of the recipe and of what it extends, its own first. Raise as above."""
    return _read(lock, "kernel", KernelLock)


_Section = TypeVar("_Section", bound=Dated)


def _read(lock: LockFile | None, name: str, kind: type[_Section]) -> list[_Section]:
    locks = lock.chain if lock else ()
    return [_section(each, name, kind) for each in locks if each.section(name) is not None]


def _section(lock: LockFile, name: str, kind: type[_Section]) -> _Section:
    try:
        return kind.model_validate(lock.section(name))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, (name, *first["loc"])))
        raise lock.damaged(f"{place}: {first['msg']}") from error


def now() -> str:
    """Return the date for a lock."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def base_differences(lock: LockFile, request: Request) -> str:
    """Return a sentence that says why no lock counts for *request*."""
    own = base_locks(lock.own)
    if not own:
        return f"{lock.shown} does not lock the packages"
    more = sorted(set(request.requested) - set(own[0].requested))
    less = sorted(set(own[0].requested) - set(request.requested))
    differences = [*(f"with {name}" for name in more), *(f"without {name}" for name in less)]
    if not differences:  # another suite, or other components
        differences = [f"of {request.suite} {' '.join(request.components)}"]
    return f"{lock.shown} is stale, the recipe asks for other packages: {', '.join(differences)}"


def kernel_differences(lock: LockFile, package: KernelPackage) -> str:
    """Return a sentence that says why no lock counts for the kernel's package."""
    wanted = _shown(package)
    own = kernel_locks(lock.own)
    if not own:
        return f"{lock.shown} does not lock {wanted}"
    locked = ", ".join(
        _shown(KernelPackage(name, deb.version, own[0].suite)) for name, deb in own[0].packages.items()
    )
    return f"{lock.shown} is stale, the recipe takes the kernel from {wanted}, but {locked} is locked"


def _shown(package: KernelPackage) -> str:
    name, version, suite = package
    return " ".join(filter(None, (name, version, suite and f"of {suite}")))


def changes(before: Debs, after: Debs) -> list[str]:
    """Return a table, line by line, of the packages whose versions or files differ."""
    rows = [
        (name, _version(name, before), _version(name, after))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    if not rows:
        return []
    rows = [row if row[1] != row[2] else (*row[:2], f"{row[2]}, another file") for row in rows]
    table = [("package", "before", "now"), *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]


def _version(name: str, debs: Debs) -> str:
    return debs[name].version if name in debs else "-"
