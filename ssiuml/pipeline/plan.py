"""The plan of a build: the recipe, the moment, and where everything that is built lies."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ssiuml.debian.apt import Apt
from ssiuml.debian.locked_packages import (
    BaseLock,
    KernelLock,
    base_lock_for,
    kernel_lock_for,
    kernel_package,
    request_of,
)
from ssiuml.errors import UsageError
from ssiuml.host.cache import Cache
from ssiuml.host.digests import digest_of
from ssiuml.host.places import Places, cache_root
from ssiuml.kernel.source_tree import SourceTree
from ssiuml.manifest import NAME as MANIFEST
from ssiuml.recipe.load import LoadedRecipe, load_recipe
from ssiuml.recipe.model import Recipe
from ssiuml.sources.fetch import Source
from ssiuml.sources.lock_file import LockFile

NS = 1_000_000_000
MAX_EPOCH = 2**32 - 1  # as for a recipe's source_date_epoch


@dataclass(frozen=True)
class Plan:
    """One recipe in one checkout. ``epoch`` is the latest time in the image, in seconds since 1970."""

    loaded: LoadedRecipe
    places: Places
    epoch: int
    offline: bool = False  # take what is there, fetch nothing
    frozen: bool = False  # refuse whatever is not as the lock file has it
    distcc: bool = False  # compile the kernel on other machines, too
    epoch_given: bool = False  # by SOURCE_DATE_EPOCH, and not by the recipe
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

    @functools.cached_property
    def apt(self) -> Apt:
        distribution = self.recipe.packaged
        key = digest_of(distribution.model_dump(mode="json"))[:16]
        return Apt(self.places.cache / "downloads" / f"apt-{key}", distribution)

    @property
    def fetch_inputs(self) -> dict[str, object]:
        locks = {"base": self.base_lock, "kernel": self.kernel_lock}
        return {
            "distribution": self.recipe.packaged.model_dump(mode="json"),
            "packages": sorted(self.recipe.all_packages),
            "kernel": kernel_package(self.recipe),
            "locks": {name: lock and digest_of(lock.model_dump()) for name, lock in locks.items()},
            **self.source_inputs,
        }

    @property
    def source_inputs(self) -> dict[str, object]:
        """What decides the sources that are fetched."""
        return {
            "sources": {
                name: self.recipe.sources[name].model_dump(mode="json") for name in self.recipe.used_sources
            }
        }

    @property
    def downloads(self) -> Path:
        return self.places.cache / "downloads"

    @property
    def debs(self) -> Path:
        """Where the files of packages lie."""
        return self.downloads / "packages"

    @property
    def lock(self) -> LockFile:
        """What went in when it was first fetched, or last locked."""
        own, *others = (path.with_suffix(".lock") for path in self.loaded.paths)
        return LockFile(own, tuple(LockFile(other) for other in others))

    @functools.cached_property
    def base_lock(self) -> BaseLock | None:
        """The lock that counts for the packages of the base; SsiumlError if a lock file is damaged."""
        return base_lock_for(self.lock, request_of(self.recipe))

    @functools.cached_property
    def kernel_lock(self) -> KernelLock | None:
        """The lock that counts for the kernel's package, where it comes in one."""
        return kernel_lock_for(self.lock, kernel_package(self.recipe))

    def source(self, name: str) -> Source:
        download = self.recipe.sources[name]
        return Source(
            name=name,
            urls=download.urls,
            file_name=download.file_name,
            limit_bytes=download.limit_bytes,
            sha256=download.sha256,
        )

    @property
    def fetch_stamp(self) -> Path:
        """In the cache, not with the images: what one build has fetched serves every other.

        Where a lock says what that is, each recipe has a stamp of its own, which a renewed lock makes stale.
        """
        locked = self.base_lock is not None or self.kernel_lock is not None
        key = {**self.fetch_inputs, "locks": str(self.lock.path) if locked else None}
        return self.downloads / f"fetch-{digest_of(key)[:16]}.json"

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
        """Where the pools of the labelled images lie; see ssiuml.formats.pool.assembly."""
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
        """All that make said when the kernel was built."""
        return self.places.out / "kernel.log"

    @property
    def kernel_tree(self) -> SourceTree:
        """Source and objects of the kernel that is built here; the next build goes on from them."""
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
        """A part of the initrd."""
        return self.places.out / "initrd" / f"{name}.cpio.gz"


def make_plan(
    name: str, project: Path, environ: Mapping[str, str], *, offline: bool = False, frozen: bool = False
) -> Plan:
    """Load the recipe *name* of the checkout *project*; the only place that reads the environment.

    SOURCE_DATE_EPOCH goes before the recipe's source_date_epoch (reproducible-builds.org). Raises
    RecipeError, and UsageError if SOURCE_DATE_EPOCH is no such number.
    """
    loaded = load_recipe(name, project / "recipes")
    text = environ.get("SOURCE_DATE_EPOCH", str(loaded.recipe.source_date_epoch))
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > MAX_EPOCH:
        raise UsageError(
            f"SOURCE_DATE_EPOCH: '{text}' is not a number of seconds since 1970, 0 to {MAX_EPOCH}"
        )
    places = Places(project, cache_root(environ), project / "images" / name)
    return Plan(
        loaded,
        places,
        int(text),
        offline,
        frozen,
        distcc=bool(environ.get("DISTCC_HOSTS")),
        epoch_given="SOURCE_DATE_EPOCH" in environ,
        signing_key=environ.get("SSIUML_SIGNING_KEY") or None,
    )


def plan_beside(plan: Plan, name: str) -> Plan:
    """The plan of another recipe in the same checkout, with the same cache and moment."""
    places = Places(plan.places.project, plan.places.cache, plan.places.project / "images" / name)
    return replace(plan, loaded=load_recipe(name, plan.places.project / "recipes"), places=places)
