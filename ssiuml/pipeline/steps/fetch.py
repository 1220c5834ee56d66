"""The steps fetch and base of a distribution that is made of packages.

Which ones exactly the lock decides, or else what the mirrors have now; from there on both go the same way.
"""

import shutil
from contextlib import suppress
from pathlib import Path

from ssiuml.debian import apt, base
from ssiuml.debian.deb import Debs, Selection
from ssiuml.debian.fetch import GoneError, fetch_debs, path_of, remove_debs
from ssiuml.debian.locked_packages import base_differences, kernel_differences, kernel_package, request_of
from ssiuml.errors import SsiumlError
from ssiuml.host.cache import Key
from ssiuml.host.digests import Values
from ssiuml.host.progress import say
from ssiuml.pipeline.graph import StepGraph
from ssiuml.pipeline.plan import Plan
from ssiuml.pipeline.step import StepError
from ssiuml.pipeline.steps.downloads import fetch_sources, source_files, unpinned
from ssiuml.pipeline.steps.newest import Newest
from ssiuml.pipeline.timings import timing_file


def add_steps(graph: StepGraph) -> None:
    """Add fetch and base."""
    plan = graph.plan

    def install() -> Values:
        graph.forget_layer("base")
        chosen = _selection(graph.results("fetch"))
        return base.get_or_make(plan.cache, _base_key(plan, chosen), chosen.packages, plan.debs).as_values()

    def forget() -> None:
        with suppress(StepError):
            results = graph.results("fetch")
            chosen = _selection(results)
            plan.cache.remove(_base_key(plan, chosen))
            remove_debs(chosen.packages, plan.debs)
            for path in _kernel_files(results):
                path.unlink(missing_ok=True)
        for path in (plan.fetch_stamp, timing_file(plan.fetch_stamp)):
            path.unlink(missing_ok=True)
        shutil.rmtree(plan.apt.folder, ignore_errors=True)

    def objections(results: Values) -> list[str]:
        return [*unpinned(graph, results), *_gone(plan, results), *_unfrozen(plan, results)]

    graph.add(
        "fetch",
        [],
        lambda: plan.fetch_inputs,
        lambda: _fetch(graph),
        stamp=plan.fetch_stamp,
        cached=lambda results: [*_kernel_files(results), *source_files(results)],
        objections=objections,
    )
    graph.add(
        "base",
        ["fetch"],
        lambda: _base_key(plan, _selection(graph.results("fetch"))).inputs,
        install,
        cached=lambda results: [Path(results["path"])],
    )
    graph.register_entry("base")
    graph.forgetting.append(forget)


def not_locked(plan: Plan) -> list[str]:
    """Which packages no lock counts for, a sentence each."""
    problems = []
    if plan.base_lock is None:
        problems.append(base_differences(plan.lock, request_of(plan.recipe)))
    wanted = kernel_package(plan.recipe)
    if wanted is not None and plan.kernel_lock is None:
        problems.append(kernel_differences(plan.lock, *wanted))
    return problems


def lock_command(plan: Plan) -> str:
    """What to type for a new lock."""
    return f"./run recipe={plan.loaded.name} lock"


def fetch_packages(plan: Plan, debs: Debs) -> None:
    """Have the files of *debs* in the cache; GoneError or another SsiumlError if they cannot be had."""
    fetch_debs(debs, folder=plan.debs, archives=apt.archives(plan.recipe.packaged), offline=plan.offline)


def _fetch(graph: StepGraph) -> Values:
    """Fetch what the lock has, or else what the mirrors have; SsiumlError instead of the latter."""
    plan = graph.plan
    newest = Newest(plan)
    problems = not_locked(plan)
    if problems:
        _say_unlocked(plan, "; ".join(problems), f"{lock_command(plan)} locks what the mirrors have now")
    results: dict[str, object] = {}
    if kernel_package(plan.recipe) is not None:
        results = _fetch_kernel(plan, newest)
    return {**results, "base": _fetch_base(plan, newest), "sources": fetch_sources(graph)}


def _fetch_base(plan: Plan, newest: Newest) -> Values:
    lock = plan.base_lock
    if lock is not None and (_has_base(plan, lock.selection) or _is_had(plan, lock.packages, lock.date)):
        return {"selection": lock.selection.model_dump(), "locked": True}
    selection = newest.base()
    if not _has_base(plan, selection):
        fetch_packages(plan, selection.packages)
    return {"selection": selection.model_dump(), "locked": False}


def _fetch_kernel(plan: Plan, newest: Newest) -> dict[str, object]:
    lock = plan.kernel_lock
    locked = lock is not None and _is_had(plan, lock.packages, lock.date)
    debs = lock.packages if lock is not None and locked else newest.kernel()
    if not locked:
        fetch_packages(plan, debs)
    (deb,) = debs.values()
    return {
        "kernel_package": str(path_of(plan.debs, deb)),
        "kernel_sha256": deb.sha256,
        "kernel_locked": locked,
    }


def _is_had(plan: Plan, debs: Debs, date: str) -> bool:
    """Fetch locked packages; False, and it is said, if the mirrors have dropped some of them."""
    try:
        fetch_packages(plan, debs)
    except GoneError as error:
        hint = (
            f'{lock_command(plan)} takes what they have now, distribution.snapshot: "{date}" what is locked'
        )
        _say_unlocked(plan, f"{error.message}: the lock is stale", hint)
        return False
    return True


def _say_unlocked(plan: Plan, message: str, hint: str) -> None:
    if plan.frozen:
        raise SsiumlError(message, hint=hint)
    say(f"{message}\n  {hint}")


def _has_base(plan: Plan, selection: Selection) -> bool:
    return plan.cache.has(_base_key(plan, selection))


def _base_key(plan: Plan, selection: Selection) -> Key:
    return base.key(plan.recipe.packaged, plan.recipe.all_packages, selection, plan.epoch)


def _selection(results: Values) -> Selection:
    return Selection.model_validate(results["base"]["selection"])


def _kernel_files(results: Values) -> list[Path]:
    return [Path(results["kernel_package"])] if "kernel_package" in results else []


def _gone(plan: Plan, results: Values) -> list[str]:
    """What the base could not be made of any more; once it is made it needs none of it."""
    selection = _selection(results)
    if _has_base(plan, selection):
        return []
    absent = [name for name, deb in selection.packages.items() if not path_of(plan.debs, deb).is_file()]
    return [f"{len(absent)} packages are no longer in the cache, such as {absent[0]}"] if absent else []


def _unfrozen(plan: Plan, results: Values) -> list[str]:
    locked = results["base"]["locked"] and results.get("kernel_locked", True)
    return ["it is not what is locked"] if plan.frozen and not locked else []
