"""Make the release: tarballs of root, kernel and commands, their digests, a signature over the digests."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ssiuml.host import tools
from ssiuml.host.digests import Values, file_sha256, merged
from ssiuml.pipeline.inputs import images
from ssiuml.release import checksums

if TYPE_CHECKING:
    from ssiuml.pipeline.graph import Graph
    from ssiuml.pipeline.tarballs import Tarballs

TARBALLS: Final = ("release-root", "release-kernel", "release-utils")


def add(graph: "Graph") -> None:
    """Add the steps of a release. A recipe without a kernel gets no tarball of a kernel."""
    from ssiuml.release.commands import PROGRAMS, commands

    @functools.cache
    def tarballs() -> "Tarballs":
        from ssiuml.pipeline.tarballs import Tarballs

        return Tarballs(graph)

    kernel, tested = graph.present("kernel"), graph.present("cluster-test")
    made = [name for name, _ in images(graph).values()]
    after = ["base", *made, *tested, *kernel, "build-root", "hygiene"]
    _add_tarball(graph, "root", tarballs, after)
    if kernel:
        _add_tarball(graph, "kernel", tarballs, [*kernel, *tested])
    modules = (*commands().values(), *PROGRAMS)
    _add_tarball(graph, "utils", tarballs, [], modules, [tools.PANDOC], {"commands": dict(commands())})
    _add_sums(graph, tarballs)


def _add_tarball(
    graph: "Graph",
    part: str,
    tarballs: "Callable[[], Tarballs]",
    after: Sequence[str],
    modules: Sequence[str] = (),
    programs: Sequence[tools.HostTool] = (),
    inputs: Values = MappingProxyType({}),
) -> None:
    plan, name = graph.plan, f"release-{part}"
    compression = graph.recipe.release.compression

    def pack() -> Values:
        from ssiuml.host.files import scratch_folder
        from ssiuml.release.tarball import compressor, write_tarball
        from ssiuml.release.version import left_parts

        chosen = compressor(compression)
        with scratch_folder(plan.places.work, name) as scratch:
            staging = tarballs().stage(part, scratch)
            target = plan.places.releases / f"{staging.name}.tar.{chosen.suffix}"
            with _locked(plan.places.releases / name):
                for left in left_parts(target, tarballs().release):
                    left.unlink()
                write_tarball(target, staging.folder, staging.epoch, chosen)
        return {"file": str(target), "sha256": file_sha256(target), "size_bytes": target.stat().st_size}

    def prepare() -> None:
        from ssiuml.release.tarball import compressor
        from ssiuml.release.version import is_repository

        git = [tools.GIT] if is_repository(plan.places.project) else []
        tools.require([compressor(compression).tool, *programs, *git])

    graph.add(
        name,
        pack,
        task=f"release:{part}",
        after=after,
        inputs=lambda: merged(tarballs().inputs, inputs),
        cached=lambda results: [Path(results["file"])],
        modules=modules,
        prepare=prepare,
    )


def _add_sums(graph: "Graph", tarballs: "Callable[[], Tarballs]") -> None:
    plan, folder = graph.plan, graph.plan.places.releases
    path = folder / checksums.NAME
    after = graph.present(*TARBALLS)

    def made() -> dict[str, str]:
        results = [graph.results(name) for name in after]
        return {Path(one["file"]).name: one["sha256"] for one in results}

    def listed() -> dict[str, str]:
        return checksums.read_checksums(folder) if path.exists() else {}

    def sum_up() -> Values:
        from ssiuml.host.progress import say
        from ssiuml.release import signing
        from ssiuml.release.version import other_snapshots
        from ssiuml.units import format_size

        with _locked(path):
            # Only root tarballs: the roots of other recipes may need kernels and commands of other commits.
            for other in other_snapshots(Path(graph.results("release-root")["file"]), tarballs().release):
                other.unlink()
            before = listed()
            # Tarballs of other recipes stay listed as long as they exist.
            digests = {name: digest for name, digest in before.items() if (folder / name).is_file()}
            digests |= made()
            if digests != before:  # otherwise an existing signature is still valid
                signing.remove_signatures(path)
                checksums.write_checksums(folder, digests)
            if plan.signing_key is not None:
                signing.sign(path, plan.signing_key)
        for name in made():
            say(f"release: {folder / name}, {format_size((folder / name).stat().st_size)}")
        return {}

    def objections(results: Values) -> list[str]:
        from ssiuml.release import signing

        there = listed()
        lines = [
            f"{path} has no digest of {name}, or another one"
            for name, digest in made().items()
            if there.get(name) != digest
        ]
        if plan.signing_key is not None and signing.signature_of(path) is None:
            lines.append(f"{path} is not signed")
        return lines

    def prepare() -> None:
        from ssiuml.release import signing

        tools.require(signing.tools(plan.signing_key))

    graph.add(
        "release",
        sum_up,
        task="release:sums",
        after=after,
        inputs=lambda: {"signed": plan.signing_key},
        objections=objections,
        prepare=prepare,
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock *path* in the folder of releases: builds of several recipes may write there at the same time."""
    from ssiuml.host.cache import locked

    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        yield
