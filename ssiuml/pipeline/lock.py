"""A new lock file of packages: the packages that the mirrors have now, fetched, written beside the recipe."""

from typing import Any

from ssiuml.debian.deb import Debs
from ssiuml.debian.locked_packages import (
    BaseLock,
    KernelLock,
    base_lock_for,
    base_locks,
    changes,
    kernel_lock_for,
    kernel_locks,
    kernel_package,
    now,
    request_of,
)
from ssiuml.errors import UsageError
from ssiuml.pipeline.packages import Packages
from ssiuml.pipeline.plan import Plan
from ssiuml.recipe.distribution import PackagesDistribution


def renew(plan: Plan) -> list[str]:
    """Lock the packages that the mirrors have now. Return what changed, as lines for people.

    The recipe's own lock file lists only what the lock files of the recipes that it extends lack. Raise
    UsageError if the recipe has no packages, or the plan is offline or frozen; RecipeError if a package does
    not exist; SsiumlError if a package cannot be fetched.
    """
    _require_lockable(plan)
    packages, date = Packages(plan), now()
    kernel, selection = packages.newest_kernel(), packages.newest_base()
    debs = {**kernel, **selection.packages}
    packages.fetch(debs)
    base_lock = BaseLock(date=date, **dict(request_of(plan.recipe)), **dict(selection))
    kernel_lock = _kernel_lock(plan, date, kernel)
    lines = changes(_before(packages, plan), debs)
    parent = plan.lock.parent
    sections = {
        "base": _own(base_lock, packages.base_lock, base_lock_for(parent, base_lock)),
        "kernel": _own(
            kernel_lock, packages.kernel_lock, kernel_lock_for(parent, kernel_package(plan.recipe))
        ),
    }
    if all(plan.lock.section(name) == values for name, values in sections.items()):
        return lines or ["nothing changed"]
    plan.lock.write(**sections)
    return [*lines, f"{plan.lock.shown} is {'written' if plan.lock.path.exists() else 'no longer needed'}"]


def _require_lockable(plan: Plan) -> None:
    if not isinstance(plan.recipe.distribution, PackagesDistribution):
        raise UsageError(
            f"{plan.loaded.name} has no packages to lock; its sources are pinned when they are first fetched",
            hint=f"run `./run recipe={plan.loaded.name} fetch`",
        )
    if plan.newest:
        raise UsageError(
            "--newest takes another kernel than the recipe names, but lock locks what the recipe names",
            hint="set kernel.version to the version that you want, then run lock without --newest",
        )
    if plan.offline or plan.frozen:
        word = "--frozen keeps the lock file" if plan.frozen else "--offline fetches nothing"
        raise UsageError(f"{word}, but lock renews it from the mirrors", hint="run lock without that option")


def _kernel_lock(plan: Plan, date: str, debs: Debs) -> KernelLock | None:
    wanted = kernel_package(plan.recipe)
    return KernelLock(date=date, suite=wanted.suite, packages=dict(debs)) if wanted and debs else None


def _before(packages: Packages, plan: Plan) -> Debs:
    """Return what was locked for the recipe, or else what a stale lock has."""
    base = packages.base_lock or next(iter(base_locks(plan.lock)), None)
    kernel = packages.kernel_lock or next(iter(kernel_locks(plan.lock)), None)
    return {**(kernel.packages if kernel else {}), **(base.packages if base else {})}


def _own(
    wanted: BaseLock | KernelLock | None,
    counts: BaseLock | KernelLock | None,
    inherited: BaseLock | KernelLock | None,
) -> dict[str, Any] | None:
    """Return a section of the recipe's own lock file; None if the *inherited* one has the *wanted* packages.

    The section keeps its old date if the one that *counts* so far has the wanted packages.
    """
    if wanted is None or _same(inherited, wanted):
        return None
    own = counts if counts is not None and _same(counts, wanted) else wanted
    return own.model_dump(exclude_none=True)


def _same(one: BaseLock | KernelLock | None, other: BaseLock | KernelLock) -> bool:
    return one is not None and one.model_copy(update={"date": other.date}) == other
