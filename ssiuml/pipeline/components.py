"""The components that the bills of materials of a release list."""

from pathlib import Path
from typing import TYPE_CHECKING

from packageurl import PackageURL

from ssiuml.host.digests import file_sha256
from ssiuml.kernel.patches import read_series
from ssiuml.pipeline.inputs import kernel_version
from ssiuml.recipe.distribution import PackagesDistribution
from ssiuml.recipe.kernel import PackageKernel, ReleaseKernel, SourceKernel
from ssiuml.release.component import Component
from ssiuml.release.vendored import Wheel
from ssiuml.tree.tree import Tree

if TYPE_CHECKING:
    from ssiuml.pipeline.graph import Graph


def own_component(version: str) -> Component:
    """Return the component of this project."""
    return Component(
        name="ssiuml",
        version=version,
        purl=PackageURL("generic", None, "ssiuml", version).to_string(),
        kind="application",
        licences=["GPL-2.0-or-later"],
    )


def whole_component(name: str, version: str, kind: str) -> Component:
    """Return the component of a whole tarball; *kind* is one of CycloneDX's component types."""
    return Component(
        name=name, version=version, purl=PackageURL("generic", None, name).to_string(), kind=kind
    )


def root_components(graph: "Graph", tree: Tree) -> list[Component]:
    """Return the packages of the root, or else the sources that it was made from, and the kernel."""
    # Late: importing it takes longer than most tasks.
    from ssiuml.release.packages import debian_components

    distribution = graph.recipe.distribution
    if isinstance(distribution, PackagesDistribution):
        debs = graph.results("fetch")["base"]["selection"]["packages"]
        digests = {name: deb["sha256"] for name, deb in debs.items()}
        parts = debian_components(tree, distribution.name, distribution.suite, digests)
    else:
        parts = source_components(graph)
    return [*parts, *(kernel_components(graph) if "kernel" in graph else [])]


def source_components(graph: "Graph") -> list[Component]:
    """Return a component for each source that was fetched, with its first URL and its SHA-256."""
    fetched = graph.results("fetch")["sources"]
    return [
        Component(
            name=name,
            version="",
            purl=PackageURL("generic", None, name).to_string(),
            kind="file",
            source=graph.recipe.sources[name].urls[0],
            sha256=each["sha256"],
        )
        for name, each in sorted(fetched.items())
    ]


def kernel_components(graph: "Graph") -> list[Component]:
    """Return the kernel with its patches, and the Debian package with the kernel or its source."""
    from ssiuml.release.packages import debian_component  # late, as above

    chosen, version = graph.recipe.kernel, kernel_version(graph)
    facts = graph.results("kernel")
    linux = Component(
        name="linux-ssi",
        version=version,
        purl=PackageURL("generic", None, "linux-ssi", version).to_string(),
        kind="operating-system",
        licences=["GPL-2.0-only"],
        sha256=facts["sha256"],
        patches=[(patch.name, file_sha256(patch)) for patch in kernel_patches(graph)],
    )
    if not isinstance(chosen, PackageKernel | SourceKernel):
        return [linux]
    distribution = graph.recipe.packaged
    package, _, rest = facts["package"].partition("_")
    package_version, _, architecture = rest.removesuffix(".deb").replace("%3a", ":").rpartition("_")
    return [
        linux,
        debian_component(
            distribution.name,
            chosen.suite or distribution.suite,
            package,
            package_version,
            architecture,
            licences=["GPL-2.0-only"],
            sha256=graph.results("fetch")["kernel_sha256"],
        ),
    ]


def kernel_patches(graph: "Graph") -> list[Path]:
    """Return the files of the patches that the recipe adds to the kernel, in the order of their use."""
    chosen, host_path = graph.recipe.kernel, graph.plan.loaded.host_path
    if isinstance(chosen, SourceKernel) and chosen.patches is not None:
        return read_series(host_path(chosen.patches))
    return [host_path(name) for name in chosen.patches] if isinstance(chosen, ReleaseKernel) else []


def wheel_component(wheel: Wheel) -> Component:
    """Return the component of a Python package that the release brings along."""
    return Component(
        name=wheel.name,
        version=wheel.version,
        purl=PackageURL("pypi", None, wheel.name, wheel.version).to_string(),
        licences=[each.strip() for each in wheel.licence.split(" AND ")],
        source=f"https://pypi.org/project/{wheel.name}/{wheel.version}/",
        sha256=wheel.sha256,
    )
