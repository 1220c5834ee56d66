"""The steps of a release: cluster-test, release-root, release-kernel, release-utils, release."""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import ssiuml
from ssiuml import host
from ssiuml.build.finish import images
from ssiuml.build.stepgraph import StepGraph
from ssiuml.build.tarballs import Tarballs
from ssiuml.cache import locked
from ssiuml.progress import say, stages
from ssiuml.release import ReleaseError, checksums, hygiene, signing
from ssiuml.release.hygiene import check_hygiene, set_id_programs
from ssiuml.release.staging import Staging
from ssiuml.release.superseded import other_snapshots
from ssiuml.release.tarball import compressor, write_tarball
from ssiuml.release.version import is_repository
from ssiuml.run import CommandError, run
from ssiuml.scratch import scratch_folder
from ssiuml.steps import Values, code_digest, file_sha256, folder_digest
from ssiuml.units import format_size

TRIAL_NODES: Final = 2
TRIAL_LIMIT_S: Final = 1800.0
TARBALLS: Final = ("release-root", "release-kernel", "release-utils")


def add_steps(graph: StepGraph) -> None:
    """Add the steps of a release; a recipe without a kernel has no tarball of one."""
    tarballs = Tarballs(graph)
    made = [name for name, _ in images(graph).values()]
    _add_hygiene(graph)
    kernel = ["kernel"] if "kernel" in graph.steps else []
    if graph.recipe.can_boot:
        _add_trial(graph, [*made, *kernel])
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
    _add_tarball(graph, tarballs, "release-utils", [], tarballs.stage_utils)
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
        return {"set_id": allowed, "builder": builder, "code": code_digest(hygiene)}

    graph.add("hygiene", graph.layers, inputs, check)


def _add_trial(graph: StepGraph, made: Sequence[str]) -> None:
    """Boot a cluster from the images and use it; the digests of what was tested are among the results."""
    plan = graph.plan

    logs = plan.places.out / "cluster-test"

    def test() -> Values:
        shutil.rmtree(logs, ignore_errors=True)
        paths = [*(path for _, path in images(graph).values()), plan.kernel]
        digests = {path.name: file_sha256(path) for path in paths}
        count = min(TRIAL_NODES, graph.recipe.cluster.node_limit)
        words = [sys.executable, "-m", "ssiuml.trial", str(plan.places.out), str(count)]
        # Not below the images: the names of sockets may not be long.
        with scratch_folder(Path(tempfile.gettempdir()), "ssi") as state, stages("cluster-test") as show:
            try:
                said = run(
                    words,
                    timeout_s=TRIAL_LIMIT_S,
                    env={"XDG_STATE_HOME": str(state)},
                    on_line=show,
                    merge_stderr=False,
                )
            except CommandError as error:
                _keep_logs(state, logs)
                raise ReleaseError(
                    f"the cluster test failed: {error}", hint=f"what the nodes said is in {logs}"
                ) from error
        return {**json.loads(said.splitlines()[-1]), "sha256": digests}

    def inputs() -> Values:
        package = Path(ssiuml.__file__).parent
        code = [folder_digest(package / name) for name in ("cli", "cluster")]
        return {"nodes": TRIAL_NODES, "code": [*code, file_sha256(package / "trial.py")]}

    graph.add("cluster-test", [*made, "build-root"], inputs, test, measured=("ready_s",))


def _keep_logs(state: Path, target: Path) -> None:
    """Copy the logs of the cluster below *state*: its consoles and its supervisor's."""
    target.mkdir(parents=True)
    for path in state.rglob("*.log"):
        shutil.copyfile(path, target / path.name)


def _add_tarball(
    graph: StepGraph,
    tarballs: Tarballs,
    name: str,
    after: Sequence[str],
    stage: Callable[[Path], Staging],
) -> None:
    plan = graph.plan
    chosen = compressor(graph.recipe.release.compression)

    def pack() -> Values:
        with scratch_folder(plan.places.work, name) as scratch:
            staging = stage(scratch)
            target = plan.places.releases / f"{staging.name}.tar.{chosen.suffix}"
            with _locked(plan.places.releases):
                write_tarball(target, staging.folder, staging.epoch, chosen)
        return {"file": str(target), "sha256": file_sha256(target), "size_bytes": target.stat().st_size}

    graph.add(
        name,
        after,
        lambda: tarballs.inputs,
        pack,
        cached=lambda results: [Path(results["file"])],
        prepare=lambda: host.require(
            [chosen.tool, *([host.GIT] if is_repository(plan.places.project) else [])]
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
        with _locked(folder):
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
        prepare=lambda: host.require(signing.tools(plan.signing_key)),
    )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The folder of releases is shared by the recipes, which may be built at the same time."""
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / checksums.NAME):
        yield
