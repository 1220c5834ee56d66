"""The plan of a build: the recipe, the time in the image, and where everything that is built lies."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ssiuml.errors import UsageError
from ssiuml.host.cache import Cache
from ssiuml.host.epoch import source_date_epoch
from ssiuml.host.places import Places, find_cache
from ssiuml.kernel.source_tree import SourceTree
from ssiuml.manifest import NAME as MANIFEST
from ssiuml.recipe.kernel import ModernKernel
from ssiuml.recipe.load import LoadedRecipe, load_recipe
from ssiuml.recipe.model import Recipe
from ssiuml.sources.lock_file import LockFile

NS: Final = 1_000_000_000


@dataclass(frozen=True)
class Plan:
    """One recipe in one checkout. ``epoch`` is the latest time in the image, in seconds since 1970.

    Paths of outputs are here and nowhere else.
    """

    loaded: LoadedRecipe
    places: Places
    epoch: int
    offline: bool = False  # fetch nothing; use what the cache has
    frozen: bool = False  # refuse everything that differs from the lock file
    newest: bool = False  # take the kernel from the newest version of its package, whatever is pinned
    distcc: bool = False  # compile the kernel on other machines, too
    epoch_given: bool = False  # by SOURCE_DATE_EPOCH, not by the recipe
    signing_key: str | None = None  # what releases are signed with, see ssiuml.release.signing

    @property
    def recipe(self) -> Recipe:
        return self.loaded.recipe

    @property
    def mtime_ns(self) -> int:
        return self.epoch * NS

    @functools.cached_property
    def cache(self) -> Cache:
        return Cache(self.places.cache)

    @property
    def downloads(self) -> Path:
        return self.places.cache / "downloads"

    @property
    def debs(self) -> Path:
        """The folder with the files of packages."""
        return self.downloads / "packages"

    @property
    def lock(self) -> LockFile:
        """The lock file of the recipe, and those of the recipes that it extends."""
        own, *others = (path.with_suffix(".lock") for path in self.loaded.paths)
        return LockFile(own, tuple(LockFile(other) for other in others))

    @property
    def blank(self) -> Path:
        return self.places.out / "blank" / "root_fs"

    @property
    def blank_cidev(self) -> Path:
        return self.places.out / "blank" / "root_cidev"

    @property
    def labelled_root(self) -> Path:
        return self.places.out / "labelled" / "root_fs"

    @property
    def labelled_cidev(self) -> Path:
        return self.places.out / "labelled" / "root_cidev"

    @property
    def pools(self) -> Path:
        """The state file of passemble for the labelled images; see ssiuml.images.pools."""
        return self.places.out / "labelled" / "pools.json"

    @property
    def root_cidev(self) -> Path:
        return self.places.out / "root_cidev"

    @property
    def formatted(self) -> Path:
        return self.places.out / "formatted" / "root_fs"

    @property
    def root_fs(self) -> Path:
        return self.places.out / "root_fs"

    @property
    def kernel(self) -> Path:
        return self.places.out / "linux-ssi"

    @property
    def kernel_log(self) -> Path:
        """The whole output of make when the kernel was built."""
        return self.places.out / "kernel.log"

    @property
    def kernel_tree(self) -> SourceTree:
        """Source and objects of the kernel that is built here; the next build continues with them."""
        return SourceTree(self.places.cache / "kernel" / "trees" / self.loaded.name)

    @property
    def initrd(self) -> Path:
        return self.places.out / "initrd-ssi.img"

    @property
    def initrd_memexp(self) -> Path:
        """The RAM disk of the lock server, for GFS1."""
        return self.places.out / "initrd-memexp.img"

    @property
    def manifest(self) -> Path:
        return self.places.out / MANIFEST

    @property
    def config(self) -> Path:
        """The cluster's configuration files, each at its path in the image below this folder."""
        return self.places.out / "config"

    def layer(self, name: str) -> Path:
        return self.places.layers / f"{name}.tar"

    def segment(self, name: str) -> Path:
        """A segment of the initrd: one cpio archive of those that it is joined from."""
        return self.places.out / "initrd" / f"{name}.cpio.gz"


def make_plan(
    name: str,
    project: Path,
    environ: Mapping[str, str],
    *,
    offline: bool = False,
    frozen: bool = False,
    newest: bool = False,
) -> Plan:
    """Return the plan of the recipe *name* in the checkout *project*.

    The plan takes its settings from *environ*; other code of a build reads no settings from there.
    SOURCE_DATE_EPOCH overrides the recipe's source_date_epoch (reproducible-builds.org). Raise RecipeError if
    the recipe is wrong, UsageError if SOURCE_DATE_EPOCH is not a number of seconds since 1970, or if *newest*
    contradicts *frozen* or the recipe.
    """
    loaded = load_recipe(name, project / "recipes")
    if newest:
        _require_kernel_package(loaded, frozen=frozen)
    epoch = source_date_epoch(environ)
    places = Places(project, find_cache(environ), project / "images" / name)
    return Plan(
        loaded,
        places,
        loaded.recipe.source_date_epoch if epoch is None else epoch,
        offline,
        frozen,
        newest,
        distcc=bool(environ.get("DISTCC_HOSTS")),
        epoch_given=epoch is not None,
        signing_key=environ.get("SSIUML_SIGNING_KEY") or None,
    )


def _require_kernel_package(loaded: LoadedRecipe, *, frozen: bool) -> None:
    if frozen:
        raise UsageError(
            "--newest takes another kernel than the lock file names, which --frozen refuses",
            hint="give one of the two options",
        )
    if not isinstance(loaded.recipe.kernel, ModernKernel):
        source = loaded.recipe.kernel.source
        raise UsageError(
            f"--newest takes the newest package of the kernel, and {loaded.name} has kernel.source: {source}",
            hint="leave --newest out",
        )


def plan_beside(plan: Plan, name: str) -> Plan:
    """The plan of another recipe in the same checkout, with the same cache and moment."""
    places = Places(plan.places.project, plan.places.found_cache, plan.places.project / "images" / name)
    return replace(
        plan,
        loaded=load_recipe(name, plan.places.project / "recipes"),
        places=places,
        newest=False,
    )
