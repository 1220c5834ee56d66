"""Download packages, kernel and sources, verified, into the cache (HOWTO 2.1, 4.1, 5.1)."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from ssiuml.host.digests import Values, digest_of
from ssiuml.recipe.distribution import PackagesDistribution

if TYPE_CHECKING:
    from ssiuml.debian.deb import Deb, Debs, Selection
    from ssiuml.debian.fetch import GoneError
    from ssiuml.debian.locked_packages import KernelLock
    from ssiuml.pipeline.graph import Graph
    from ssiuml.pipeline.packages import Packages
    from ssiuml.pipeline.plan import Plan
    from ssiuml.sources.fetch import Source

# What is fetched is verified, whatever code does that: after a change in the code fetch need not ask the
# mirrors again, or fail with --offline. Raise this number when its results have other entries.
RESULTS_FORMAT: Final = 1


def add(graph: "Graph") -> None:
    """Add fetch."""
    if isinstance(graph.recipe.distribution, PackagesDistribution):
        _add_with_packages(graph)
        return
    graph.add(
        "fetch",
        lambda: {"sources": _fetch_sources(graph.plan)},
        inputs=lambda: _source_inputs(graph.plan),
        cached=_source_files,
        objections=lambda results: _unpinned(graph.plan, results),
        by_code=False,
    )


def not_locked(plan: "Plan") -> list[str]:
    """Return what the build would use without its being locked, a sentence each."""
    from ssiuml.pipeline.packages import Packages
    from ssiuml.sources.fetch import wanted_sha256

    packaged = isinstance(plan.recipe.distribution, PackagesDistribution)
    sources = [
        f"{plan.lock.shown} does not pin the source '{name}'"
        for name in plan.recipe.used_sources
        if wanted_sha256(_source(plan, name), plan.lock) is None
    ]
    return [*(Packages(plan).not_locked() if packaged else ()), *sources]


def selection_of(results: Values) -> "Selection":
    """Return the packages of the base, by the results of the step fetch."""
    from ssiuml.debian.deb import Selection

    return Selection.model_validate(results["base"]["selection"])


def stamp_of(plan: "Plan", packages: "Packages") -> Path:
    """Return the stamp of fetch. It lies in the cache: what one build has fetched serves every other.

    Where a lock file names what that is, each recipe has its own stamp, which a renewed lock makes stale.
    """
    locked = packages.base_lock is not None or packages.kernel_lock is not None
    key = {**_package_inputs(plan, packages), "locks": str(plan.lock.path) if locked else None}
    return plan.downloads / f"fetch-{digest_of(key)[:16]}.json"


def _add_with_packages(graph: "Graph") -> None:
    from ssiuml.pipeline.packages import Packages

    plan, packages = graph.plan, Packages(graph.plan)

    def objections(results: Values) -> list[str]:
        return [*_unpinned(plan, results), *_gone(plan, results), *_unfrozen(plan, results)]

    def forget() -> None:
        import shutil
        from contextlib import suppress

        from ssiuml.debian.fetch import remove_debs
        from ssiuml.pipeline.step import StepError

        with suppress(StepError):
            results = graph.results("fetch")
            remove_debs(selection_of(results).packages, plan.debs)
            for path in _kernel_files(results):
                path.unlink(missing_ok=True)
        step = graph.steps["fetch"]
        for path in (step.stamp, step.duration_file):
            path.unlink(missing_ok=True)
        for apt in packages.apts():
            shutil.rmtree(apt.folder, ignore_errors=True)

    graph.add(
        "fetch",
        lambda: _fetch(plan, packages),
        inputs=lambda: _package_inputs(plan, packages),
        # Without a place for the cache nothing can have been fetched.
        stamp=stamp_of(plan, packages) if plan.places.has_cache else None,
        cached=lambda results: [*_kernel_files(results), *_source_files(results)],
        objections=objections,
        by_code=False,
    )
    graph.on_distclean(forget)


def _package_inputs(plan: "Plan", packages: "Packages") -> Values:
    locks = {"base": packages.base_lock, "kernel": packages.kernel_lock}
    return {
        "distribution": plan.recipe.packaged.model_dump(mode="json"),
        "packages": sorted(plan.recipe.all_packages),
        "kernel": packages.kernel,
        "locks": {name: lock and digest_of(lock.model_dump()) for name, lock in locks.items()},
        **_source_inputs(plan),
    }


def _fetch(plan: "Plan", packages: "Packages") -> Values:
    """Fetch what the lock files name, else what the mirrors have. Raise SsiumlError instead of the latter."""
    from ssiuml.pipeline.packages import lock_command

    problems = packages.not_locked()
    if problems:
        _say_unlocked(plan, "; ".join(problems), f"{lock_command(plan)} locks what the mirrors have now")
    kernel = {} if packages.kernel is None else _fetch_kernel(plan, packages)
    return {**kernel, "base": _fetch_base(plan, packages), "sources": _fetch_sources(plan)}


def _fetch_base(plan: "Plan", packages: "Packages") -> Values:
    lock = packages.base_lock
    if lock is not None and (
        _has_base(plan, lock.selection) or _is_fetched(plan, packages, lock.packages, lock.date)
    ):
        return {"selection": lock.selection.model_dump(), "locked": True}
    selection = packages.newest_base()
    if not _has_base(plan, selection):
        packages.fetch(selection.packages)
    return {"selection": selection.model_dump(), "locked": False}


def _fetch_kernel(plan: "Plan", packages: "Packages") -> Values:
    from ssiuml.debian.fetch import path_of

    lock = packages.kernel_lock
    locked = lock is not None and _is_kernel_fetched(plan, packages, lock)
    debs = lock.packages if lock is not None and locked else packages.newest_kernel()
    if not locked:
        packages.fetch(debs)
    (deb,) = debs.values()
    return {
        "kernel_package": str(path_of(plan.debs, deb)),
        "kernel_sha256": deb.sha256,
        "kernel_locked": locked,
        **_instead_of(plan, packages, deb),
    }


def _instead_of(plan: "Plan", packages: "Packages", deb: "Deb") -> Values:
    """Say that the option --newest takes *deb* in place of another version. Return that version."""
    from ssiuml.debian.locked_packages import kernel_package
    from ssiuml.host.progress import say

    lock, wanted = packages.pinned_kernel, kernel_package(plan.recipe)
    locked = next(iter(lock.packages.values())).version if lock else None
    pinned = (wanted and wanted.version) or locked
    if not plan.newest or pinned in (None, deb.version):
        return {}
    say(f"the kernel is of {deb.file_name}, the newest, instead of {pinned}")
    return {"kernel_instead_of": pinned}


def _is_kernel_fetched(plan: "Plan", packages: "Packages", lock: "KernelLock") -> bool:
    """Fetch the locked package of the kernel, from snapshot.debian.org if the mirrors have dropped it.

    If that does not give it either: say so and return False if the recipe takes any version, raise
    RecipeError if it takes this one alone.
    """
    from ssiuml.debian.fetch import GoneError
    from ssiuml.errors import SsiumlError
    from ssiuml.host.progress import say

    try:
        packages.fetch(lock.packages)
    except GoneError as gone:
        try:
            packages.fetch_snapshot(lock.packages, lock.date)
        except SsiumlError as error:
            if packages.kernel is not None and packages.kernel.version is not None:
                what = f"{gone.message}, nor does the snapshot of {lock.date} give it: {error.message}"
                raise packages.gone(lock, what) from error
            _say_stale(plan, gone, lock.date)
            return False
        say(f"{gone.message}; it comes from the snapshot of {lock.date}")
    return True


def _is_fetched(plan: "Plan", packages: "Packages", debs: "Debs", date: str) -> bool:
    """Fetch locked packages; say so and return False if the mirrors have dropped some of them."""
    from ssiuml.debian.fetch import GoneError

    try:
        packages.fetch(debs)
    except GoneError as gone:
        _say_stale(plan, gone, date)
        return False
    return True


def _say_stale(plan: "Plan", gone: "GoneError", date: str) -> None:
    from ssiuml.pipeline.packages import lock_command

    hint = f'{lock_command(plan)} takes what they have now, distribution.snapshot: "{date}" what is locked'
    _say_unlocked(plan, f"{gone.message}: the lock is stale", hint)


def _say_unlocked(plan: "Plan", message: str, hint: str) -> None:
    from ssiuml.errors import SsiumlError
    from ssiuml.host.progress import say

    if plan.frozen:
        raise SsiumlError(message, hint=hint)
    say(f"{message}\n  {hint}")


def _has_base(plan: "Plan", selection: "Selection") -> bool:
    from ssiuml.debian import base

    return plan.cache.has(base.key(plan.recipe.packaged, plan.recipe.all_packages, selection, plan.epoch))


def _kernel_files(results: Values) -> list[Path]:
    return [Path(results["kernel_package"])] if "kernel_package" in results else []


def _gone(plan: "Plan", results: Values) -> list[str]:
    """Say which packages are gone from the cache, unless the base is made: then it needs none of them."""
    from ssiuml.debian.fetch import path_of

    selection = selection_of(results)
    if _has_base(plan, selection):
        return []
    absent = [name for name, deb in selection.packages.items() if not path_of(plan.debs, deb).is_file()]
    return [f"{len(absent)} packages are no longer in the cache, such as {absent[0]}"] if absent else []


def _unfrozen(plan: "Plan", results: Values) -> list[str]:
    locked = results["base"]["locked"] and results.get("kernel_locked", True)
    return ["it differs from the lock file"] if plan.frozen and not locked else []


# The recipe's own sources


def _source(plan: "Plan", name: str) -> "Source":
    from ssiuml.sources.fetch import Source

    download = plan.recipe.sources[name]
    return Source(
        name=name,
        urls=download.urls,
        file_name=download.file_name,
        limit_bytes=download.limit_bytes,
        sha256=download.sha256,
    )


def _source_inputs(plan: "Plan") -> Values:
    sources = {name: plan.recipe.sources[name].model_dump(mode="json") for name in plan.recipe.used_sources}
    return {"sources": sources, "results": RESULTS_FORMAT}


def _fetch_sources(plan: "Plan") -> Values:
    """Fetch the recipe's sources. Return path and SHA-256 by name."""
    from ssiuml.sources.fetch import fetch

    fetched = {
        name: fetch(_source(plan, name), downloads=plan.downloads, lock=plan.lock, offline=plan.offline)
        for name in plan.recipe.used_sources
    }
    return {name: {"path": str(one.path), "sha256": one.sha256} for name, one in fetched.items()}


def _source_files(results: Values) -> list[Path]:
    return [Path(each["path"]) for each in results["sources"].values()]


def _unpinned(plan: "Plan", results: Values) -> list[str]:
    """Say which sources differ from the recipe's lock file, which has changed since."""
    from ssiuml.sources.fetch import wanted_sha256

    return [
        f"source '{name}' differs from {plan.lock.path.name}"
        for name in plan.recipe.used_sources
        if name in results["sources"]
        and wanted_sha256(_source(plan, name), plan.lock) != results["sources"][name]["sha256"]
    ]
