"""A new lock: what the mirrors have now, fetched, and written beside the recipe."""

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
from ssiuml.pipeline.plan import Plan
from ssiuml.pipeline.steps.fetch import fetch_packages
from ssiuml.pipeline.steps.newest import Newest
from ssiuml.recipe.distribution import PackagesDistribution


def renew(plan: Plan) -> list[str]:
    """Lock the packages that the mirrors have now; return what changed, as lines for people.

    In the recipe's own lock file is only what the lock files of the recipes that it extends do not have.
    Raises UsageError if there is nothing to lock or that is not wanted, RecipeError for packages that do not
    exist, SsiumlError if they cannot be had.
    """
    _require_lockable(plan)
    newest, date = Newest(plan), now()
    kernel, selection = newest.kernel(), newest.base()
    packages = {**kernel, **selection.packages}
    fetch_packages(plan, packages)
    base_lock = BaseLock(date=date, **dict(request_of(plan.recipe)), **dict(selection))
    kernel_lock = KernelLock(date=date, packages=dict(kernel)) if kernel else None
    lines = changes(_before(plan), packages)
    parent = plan.lock.parent
    sections = {
        "base": _own(base_lock, plan.base_lock, base_lock_for(parent, base_lock)),
        "kernel": _own(kernel_lock, plan.kernel_lock, kernel_lock_for(parent, kernel_package(plan.recipe))),
    }
    if all(plan.lock.section(name) == values for name, values in sections.items()):
        return lines or ["nothing changed"]
    plan.lock.write(**sections)
    return [*lines, f"{plan.lock.shown} is {'written' if plan.lock.path.exists() else 'no longer needed'}"]


def _require_lockable(plan: Plan) -> None:
    if not isinstance(plan.recipe.distribution, PackagesDistribution):
        raise UsageError(
            f"{plan.loaded.name} has no packages to lock; its sources are pinned when they are first fetched",
            hint=f"./run recipe={plan.loaded.name} fetch",
        )
    if plan.offline or plan.frozen:
        word = "--frozen keeps the lock as it is" if plan.frozen else "--offline leaves the mirrors alone"
        raise UsageError(f"{word}, lock renews it from the mirrors", hint="call it without")


def _before(plan: Plan) -> Debs:
    """What was locked: what counts for the recipe, or else what is stale."""
    base = plan.base_lock or next(iter(base_locks(plan.lock)), None)
    kernel = plan.kernel_lock or next(iter(kernel_locks(plan.lock)), None)
    return {**(kernel.packages if kernel else {}), **(base.packages if base else {})}


def _own(
    wanted: BaseLock | KernelLock | None,
    counts: BaseLock | KernelLock | None,
    inherited: BaseLock | KernelLock | None,
) -> dict[str, Any] | None:
    """What the recipe's own lock file should have in a section, None if the inherited one is as *wanted*.

    With its old date if the one that *counts* so far is as wanted.
    """
    if wanted is None or _same(inherited, wanted):
        return None
    return (counts if counts is not None and _same(counts, wanted) else wanted).model_dump()


def _same(one: BaseLock | KernelLock | None, other: BaseLock | KernelLock) -> bool:
    return one is not None and one.model_copy(update={"date": other.date}) == other
