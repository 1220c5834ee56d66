"""The Debian packages of a plan: which ones its lock files name, or else the mirrors have now."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ssiuml.debian.apt import Apt, NoPackageError, NoVersionError, archives, snapshots
from ssiuml.debian.deb import Debs, Selection
from ssiuml.debian.fetch import fetch_debs, path_of
from ssiuml.debian.locked_packages import (
    BaseLock,
    KernelLock,
    KernelPackage,
    base_differences,
    base_lock_for,
    kernel_differences,
    kernel_lock_for,
    kernel_package,
    request_of,
)
from ssiuml.errors import RecipeError
from ssiuml.host.digests import digest_of
from ssiuml.host.progress import stages
from ssiuml.pipeline.step import StepError

if TYPE_CHECKING:
    from ssiuml.pipeline.plan import Plan


class Packages:
    """The packages of the base, and the package that the kernel comes in, if it comes in one."""

    def __init__(self, plan: "Plan") -> None:
        self._plan = plan
        self._updated_apts: list[Apt] = []

    @functools.cached_property
    def base_lock(self) -> BaseLock | None:
        """The lock for the packages of the base, None without one. Raise SsiumlError for a damaged file."""
        return base_lock_for(self._plan.lock, request_of(self._plan.recipe))

    @functools.cached_property
    def kernel(self) -> KernelPackage | None:
        """The kernel's package that the build takes; None if the kernel comes in none.

        It is the recipe's, with the option --newest in no particular version.
        """
        wanted = kernel_package(self._plan.recipe)
        return wanted._replace(version=None) if wanted and self._plan.newest else wanted

    @functools.cached_property
    def kernel_lock(self) -> KernelLock | None:
        """The lock for the kernel's package, None if there is none, or with the option --newest."""
        return None if self._plan.newest else self.pinned_kernel

    @functools.cached_property
    def pinned_kernel(self) -> KernelLock | None:
        """The lock for the recipe's own package of the kernel, None if there is none."""
        return kernel_lock_for(self._plan.lock, kernel_package(self._plan.recipe))

    def not_locked(self) -> list[str]:
        """Return which packages no lock names, a sentence each."""
        plan, problems = self._plan, []
        if self.base_lock is None:
            problems.append(base_differences(plan.lock, request_of(plan.recipe)))
        if self.kernel is not None and self.kernel_lock is None and not plan.newest:
            problems.append(kernel_differences(plan.lock, self.kernel))
        return problems

    def newest_base(self) -> Selection:
        """Return what apt chooses for the base. Raise RecipeError, with the line, for an unknown package."""
        with self._choosing("packages"):
            return self._updated(self.apt).resolve(self._plan.recipe.all_packages)

    def newest_kernel(self) -> Debs:
        """Return the kernel's package as the mirrors have it. Raise RecipeError as above."""
        wanted = self.kernel
        if wanted is None:
            return {}
        with self._choosing(wanted.name, wanted.suite):
            apt = self._updated(self._apt_of(wanted.suite))
            return {wanted.name: apt.find(wanted.name, wanted.version)}

    def gone(self, lock: KernelLock, answers: str) -> RecipeError:
        """Return the error that nobody gives the kernel's package any more, with what there is now.

        *lock* has the package in the version that the recipe wants. *answers* says who does not give it.
        """
        ((name, deb),) = lock.packages.items()
        place = f"put {deb.file_name} into {path_of(self._plan.debs, deb).parent}"
        apt = self._updated(self._apt_of(lock.suite))
        try:
            now = apt.find(name).version
            hint = f"run `{newest_command(self._plan)}` to build {now}, if the patches fit; or {place}"
        except NoPackageError:
            others = apt.names(name.rstrip("0123456789.")) or ["no such package"]
            hint = f"{place}; the mirrors have {', '.join(others)} now"
        return self._plan.loaded.error(("kernel", "version"), answers, hint)

    def fetch_snapshot(self, debs: Debs, time: str) -> None:
        """Fetch the files of *debs* from the archives as they were at *time*. Raise as ``fetch``."""
        plan = self._plan
        fetch_debs(debs, folder=plan.debs, archives=snapshots(plan.recipe.packaged, time))

    def fetch(self, debs: Debs) -> None:
        """Fetch the files of *debs* into the cache. Raise GoneError or SsiumlError if that fails."""
        plan = self._plan
        roots = archives(plan.recipe.packaged)
        fetch_debs(debs, folder=plan.debs, archives=roots, offline=plan.offline)

    @functools.cached_property
    def apt(self) -> Apt:
        """An apt with the suites of the distribution."""
        return self._apt_of(None)

    def _apt_of(self, suite: str | None) -> Apt:
        distribution = self._plan.recipe.packaged
        values = distribution.model_dump(mode="json")
        key = digest_of(values if suite is None else {**values, "only": suite})[:16]
        return Apt(self._plan.downloads / f"apt-{key}", distribution, only_suite=suite)

    def apts(self) -> list[Apt]:
        """Return every apt whose package lists the recipe needs."""
        return [self.apt, *([self._apt_of(self.kernel.suite)] if self.kernel and self.kernel.suite else [])]

    def _updated(self, apt: Apt) -> Apt:
        if self._plan.offline:
            raise StepError(
                "packages are missing in the cache, and --offline fetches none",
                hint="run `./run fetch` once without --offline",
            )
        if apt not in self._updated_apts:
            apt.update()
            self._updated_apts.append(apt)
        return apt

    @contextmanager
    def _choosing(self, what: str, suite: str | None = None) -> Iterator[None]:
        loaded = self._plan.loaded
        suite = suite or self._plan.recipe.packaged.suite
        try:
            with stages("fetch") as show:
                show(f"choosing {what} of {suite}")
                yield
        except NoPackageError as error:
            raise self._no_package(error.names, suite) from error
        except NoVersionError as error:
            hint = (
                f"run `{newest_command(self._plan)}` to build the newest, if the patches fit; or set "
                f"distribution.snapshot to a time when it existed, or take one of {error.there}"
            )
            raise loaded.error(("kernel", "version"), str(error), hint) from error

    def _no_package(self, names: list[str], suite: str) -> RecipeError:
        loaded, recipe = self._plan.loaded, self._plan.recipe
        places: dict[str, tuple[str | int, ...]] = {}
        wanted = kernel_package(recipe)
        if wanted is not None:
            places[wanted.name] = ("kernel", "package")
        places |= {name: ("packages", number) for number, name in enumerate(recipe.packages)}
        places |= {name: ("extra_packages", number) for number, name in enumerate(recipe.extra_packages)}
        hint = "compare the name with `apt-cache search`, and its component with distribution.components"
        problems = [loaded.error(places.get(name, ()), f"'{name}' is not in {suite}", hint) for name in names]
        return RecipeError("\n".join(str(problem) for problem in problems))


def newest_command(plan: "Plan") -> str:
    """Return the command that builds the newest version of the kernel's package."""
    return f"./run --newest recipe={plan.loaded.name} build-root"


def lock_command(plan: "Plan") -> str:
    """Return the command that locks the packages the mirrors have now."""
    return f"./run recipe={plan.loaded.name} lock"
