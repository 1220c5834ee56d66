"""The steps fetch and base: downloads, and the distribution that everything else lies on."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ssiuml import apt, base, base_image, compressed, ext2
from ssiuml.build.stepgraph import StepGraph
from ssiuml.cache import entry_of
from ssiuml.errors import RecipeError
from ssiuml.layer import Layer
from ssiuml.recipe import PackageKernel, PackagesDistribution, SourceKernel
from ssiuml.sources import Fetched, fetch, wanted_sha256
from ssiuml.steps import StepError, Values, code_digest, file_sha256, package_digest


def add_steps(graph: StepGraph) -> None:
    """Add fetch and base."""
    if isinstance(graph.recipe.distribution, PackagesDistribution):
        _add_packages(graph)
    else:
        _add_image(graph, graph.recipe.distribution.source)


def source(graph: StepGraph, name: str) -> Path:
    """The downloaded file of the source *name*; the step fetch is made."""
    return Path(graph.results("fetch")["sources"][name]["path"])


def _fetch_sources(graph: StepGraph) -> dict[str, dict[str, object]]:
    plan = graph.plan
    fetched: dict[str, Fetched] = {}
    for name in graph.recipe.used_sources:
        fetched[name] = fetch(
            plan.source(name), downloads=plan.downloads, lock=plan.lock, offline=plan.offline
        )
    return {name: {"path": str(one.path), "sha256": one.sha256} for name, one in fetched.items()}


def _unpinned(graph: StepGraph, results: Values) -> list[str]:
    """Sources that are not what the recipe's lock file has: somebody has changed it."""
    plan = graph.plan
    fetched = {name: each["sha256"] for name, each in results["sources"].items()}
    return [
        f"source '{name}' is not what {plan.lock.path.name} has"
        for name in graph.recipe.used_sources
        if name in fetched and wanted_sha256(plan.source(name), plan.lock) != fetched[name]
    ]


def _files(results: Values) -> list[Path]:
    return [Path(each["path"]) for each in results["sources"].values()]


def _add_packages(graph: StepGraph) -> None:
    plan, recipe = graph.plan, graph.recipe

    def download() -> Values:
        if plan.offline:
            raise StepError(
                "the packages are not all there, and offline is set", hint="once without: ./run fetch"
            )
        plan.apt.update()
        facts: dict[str, object] = {}
        try:
            if isinstance(recipe.kernel, PackageKernel | SourceKernel):
                package = plan.apt.download(recipe.kernel.package, _version(recipe.kernel))
                facts = {"kernel_package": str(package), "kernel_sha256": file_sha256(package)}
            if not plan.cache.has("base", plan.base_inputs, ".tar"):
                plan.apt.download_with_dependencies(recipe.all_packages)
        except apt.NoPackageError as error:
            raise _no_package(graph, error.names) from error
        except apt.NoVersionError as error:
            hint = f"set distribution.snapshot to a time when it was, or another one: {error.there}"
            raise plan.loaded.error(("kernel", "version"), str(error), hint) from error
        return {**facts, "sources": _fetch_sources(graph)}

    def install() -> Values:
        graph.forget_layer("base")
        return base.get_or_make(plan.cache, recipe, plan.epoch, plan.apt).as_values()

    def forget() -> None:
        plan.cache.remove("base", plan.base_inputs, ".tar")
        plan.fetch_stamp.unlink(missing_ok=True)
        shutil.rmtree(plan.apt.folder, ignore_errors=True)

    def unpinned(results: Values) -> list[str]:
        return _unpinned(graph, results)

    def fetched(results: Values) -> Sequence[Path]:
        package = results.get("kernel_package")
        return [*([Path(package)] if package else []), *_files(results)]

    graph.add(
        "fetch",
        [],
        lambda: plan.fetch_inputs,
        download,
        stamp=plan.fetch_stamp,
        cached=fetched,
        objections=unpinned,
    )
    graph.add("base", ["fetch"], lambda: plan.base_inputs, install, cached=_entry_file)
    graph.register_layer("base", lambda: base.layer_of(entry_of(graph.results("base"))))
    graph.forgetting.append(forget)


def _version(kernel: PackageKernel | SourceKernel) -> str | None:
    return kernel.version if isinstance(kernel, SourceKernel) else None


def _entry_file(results: Values) -> list[Path]:
    return [Path(results["path"])]


def _no_package(graph: StepGraph, names: list[str]) -> RecipeError:
    loaded, recipe = graph.plan.loaded, graph.recipe
    places: dict[str, tuple[str | int, ...]] = {}
    if isinstance(recipe.kernel, PackageKernel | SourceKernel):
        places[recipe.kernel.package] = ("kernel", "package")
    places |= {name: ("packages", number) for number, name in enumerate(recipe.packages)}
    places |= {name: ("extra_packages", number) for number, name in enumerate(recipe.extra_packages)}
    hint = "is it spelled as `apt-cache search` has it, is its part in distribution.components?"
    suite = recipe.packaged.suite
    problems = [loaded.error(places.get(name, ()), f"'{name}' is not in {suite}", hint) for name in names]
    return RecipeError("\n".join(str(problem) for problem in problems))


def _add_image(graph: StepGraph, name: str) -> None:
    plan = graph.plan

    def unpack() -> Values:
        graph.forget_layer("base")
        return base_image.get_or_make(plan.cache, source(graph, name), _sha256(graph, name)).as_values()

    def read() -> Layer:
        return base.layer_of(entry_of(graph.results("base")))

    def forget() -> None:
        with suppress(StepError, KeyError):  # the stamp may be of other sources
            plan.cache.remove("base", base_image.inputs(_sha256(graph, name)), base_image.SUFFIX)

    graph.add(
        "fetch",
        [],
        lambda: plan.source_inputs,
        lambda: {"sources": _fetch_sources(graph)},
        cached=_files,
        objections=lambda results: _unpinned(graph, results),
    )

    def base_inputs() -> Values:
        return {"source": name, "code": [code_digest(base_image, compressed), package_digest(ext2)]}

    graph.add("base", ["fetch"], base_inputs, unpack, cached=_entry_file)
    graph.register_layer("base", read)
    graph.forgetting.append(forget)


def _sha256(graph: StepGraph, name: str) -> str:
    return str(graph.results("fetch")["sources"][name]["sha256"])
