"""The steps of a release: hygiene, cluster-test, release-root, release-kernel, release-utils, release."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ssiuml.cli.registry import COMMANDS, PROGRAMS
from ssiuml.host import tools
from ssiuml.host.cache import locked
from ssiuml.host.digests import Values, file_sha256
from ssiuml.host.progress import say
from ssiuml.host.scratch import scratch_folder
from ssiuml.pipeline.graph import StepGraph
from ssiuml.pipeline.steps.build_root import images
from ssiuml.pipeline.steps.tarballs import Tarballs
from ssiuml.pipeline.steps.trials import add_trial
from ssiuml.release import checksums, signing
from ssiuml.release.hygiene import check_hygiene, set_id_programs
from ssiuml.release.staging import Staging
from ssiuml.release.tarball import compressor, write_tarball
from ssiuml.release.version import is_repository, other_snapshots
from ssiuml.units import format_size

TARBALLS: Final = ("release-root", "release-kernel", "release-utils")


def add_steps(graph: StepGraph) -> None:
    """Add the steps of a release; a recipe without a kernel has no tarball of one."""
    tarballs = Tarballs(graph)
    made = [name for name, _ in images(graph).values()]
    _add_hygiene(graph)
    kernel = ["kernel"] if "kernel" in graph.steps else []
    if graph.recipe.can_boot:
        add_trial(graph, [*made, *kernel])
        made.append("cluster-test")
    _add_tarball(
        graph,
        tarballs,
        "release-root",
        ["base", *made, *kernel, "build-root", "hygiene"],
        tarballs.stage_root,
    )
    if kernel:
        tested = ["cluster-test"] if graph.recipe.can_boot else []
        _add_tarball(graph, tarballs, "release-kernel", [*kernel, *tested], tarballs.stage_kernel)
    commands = (*COMMANDS.values(), *PROGRAMS)
    pandoc = [tools.PANDOC]
    _add_tarball(graph, tarballs, "release-utils", [], tarballs.stage_utils, commands, pandoc)
    _add_sums(graph, tarballs, [name for name in TARBALLS if name in graph.steps])


def _add_hygiene(graph: StepGraph) -> None:
    """Refuse a root that holds what does not belong into a release; its set-id programs are the result."""
    plan, allowed = graph.plan, graph.recipe.release.set_id
    builder = [str(plan.places.project), str(plan.places.cache)]

    def check() -> Values:
        contents = graph.tree()
        check_hygiene(contents, allowed, builder)
        return {"set_id": set_id_programs(contents)}

    def inputs() -> Values:
        return {"set_id": allowed, "builder": builder}

    graph.add("hygiene", graph.layers, inputs, check)


def _add_tarball(
    graph: StepGraph,
    tarballs: Tarballs,
    name: str,
    after: Sequence[str],
    stage: Callable[[Path], Staging],
    modules: tuple[str, ...] = (),
    programs: Sequence[tools.HostTool] = (),
) -> None:
    plan = graph.plan
    chosen = compressor(graph.recipe.release.compression)

    def pack() -> Values:
        with scratch_folder(plan.places.work, name) as scratch:
            staging = stage(scratch)
            target = plan.places.releases / f"{staging.name}.tar.{chosen.suffix}"
            with _locked(plan.places.releases / name):
                write_tarball(target, staging.folder, staging.epoch, chosen)
        return {"file": str(target), "sha256": file_sha256(target), "size_bytes": target.stat().st_size}

    graph.add(
        name,
        after,
        lambda: tarballs.inputs,
        pack,
        cached=lambda results: [Path(results["file"])],
        modules=modules,
        prepare=lambda: tools.require(
            [chosen.tool, *programs, *([tools.GIT] if is_repository(plan.places.project) else [])]
        ),
    )


def _add_sums(graph: StepGraph, tarballs: Tarballs, after: Sequence[str]) -> None:
    plan = graph.plan
    folder = plan.places.releases
    path = folder / checksums.NAME

    def made() -> dict[str, str]:
        results = [graph.results(name) for name in after]
        return {Path(one["file"]).name: one["sha256"] for one in results}

    def listed() -> dict[str, str]:
        return checksums.read_checksums(folder) if path.exists() else {}

    def sum_up() -> Values:
        with _locked(path):
            # Of the root alone: other recipes' roots may need the kernel or the commands of another commit.
            for other in other_snapshots(Path(graph.results("release-root")["file"]), tarballs.release):
                other.unlink()
            before = listed()
            # Of other recipes, as far as they are still there.
            digests = {name: digest for name, digest in before.items() if (folder / name).is_file()}
            digests |= made()
            if digests != before:  # else a signature over it still holds
                signing.remove_signatures(path)
                checksums.write_checksums(folder, digests)
            if plan.signing_key is not None:
                signing.sign(path, plan.signing_key)
        for name in made():
            say(f"release: {folder / name}, {format_size((folder / name).stat().st_size)}")
        return {}

    def objections(results: Values) -> list[str]:
        there = listed()
        lines = [
            f"{path} does not have {name} as it is"
            for name, digest in made().items()
            if there.get(name) != digest
        ]
        if plan.signing_key is not None and signing.signature_of(path) is None:
            lines.append(f"{path} is not signed")
        return lines

    graph.add(
        "release",
        after,
        lambda: {"signed": plan.signing_key},
        sum_up,
        objections=objections,
        prepare=lambda: tools.require(signing.tools(plan.signing_key)),
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Something in the folder of releases, which recipes share that may be built at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        yield
