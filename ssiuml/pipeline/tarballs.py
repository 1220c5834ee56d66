"""The folders that become the tarballs of a release: root, kernel, utils."""

import functools
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ssiuml.errors import SsiumlError
from ssiuml.host.digests import Values, digest_of, file_sha256, folder_digest
from ssiuml.host.installation import PACKAGES
from ssiuml.pipeline.components import (
    kernel_components,
    kernel_patches,
    own_component,
    root_components,
    wheel_component,
    whole_component,
)
from ssiuml.pipeline.inputs import images, kernel_version
from ssiuml.recipe.unverified import unverified
from ssiuml.release import contents
from ssiuml.release.commands import PROGRAMS, commands
from ssiuml.release.component import Component
from ssiuml.release.staging import TEMPLATES, Staging
from ssiuml.release.vendored import fetch_wheels
from ssiuml.release.version import NO_COMMIT_EPOCH, commit_time, release_of

if TYPE_CHECKING:
    from ssiuml.pipeline.graph import Graph

KERNEL_DIGITS: Final = 8
INSTALLED: Final = "lib/ssiuml"  # below PREFIX
NOT_BOOTED: Final = (
    "Not tested: no cluster has booted from this image, since a kernel of 2002 does not run here."
)


class Tarballs:
    """Fills the folders of one plan's tarballs."""

    def __init__(self, graph: "Graph") -> None:
        self._graph = graph
        self._plan = graph.plan
        self._recipe = graph.recipe
        self._templates = graph.plan.places.templates / TEMPLATES
        self._licence = graph.plan.places.project / "LICENSE"

    @functools.cached_property
    def release(self) -> str:
        """The release of this checkout: VERSION-REL."""
        return release_of(self._plan.places.project)

    @functools.cached_property
    def common_epoch(self) -> int:
        """The time of files in the tarballs that several recipes share: those of the kernel and the commands.

        With the time of each recipe, two tarballs of the same name could differ.
        """
        plan = self._plan
        if plan.epoch_given:
            return plan.epoch
        commit = commit_time(plan.places.project)
        return NO_COMMIT_EPOCH if commit is None else commit

    @functools.cached_property
    def inputs(self) -> Values:
        """The inputs of every tarball, besides the results of the steps before it."""
        return {
            "release": self.release,
            "recipe": digest_of(self._recipe.model_dump(mode="json")),
            "epoch": [self._plan.epoch, self.common_epoch],
            "templates": folder_digest(self._templates),
            "licence": file_sha256(self._licence),
        }

    @property
    def _kernel_name(self) -> str:
        # Two kernels of the same version may have different options or patches.
        digest = self._graph.results("kernel")["entry"]["sha256"][:KERNEL_DIGITS]
        return f"linux-ssi-{kernel_version(self._graph)}-{digest}-{self.release}"

    def stage(self, part: str, scratch: Path) -> Staging:
        """Fill a new folder below *scratch* for the tarball of *part*: root, kernel or utils."""
        stages = {"root": self._stage_root, "kernel": self._stage_kernel, "utils": self._stage_utils}
        return stages[part](scratch)

    def _stage_root(self, scratch: Path) -> Staging:
        """Stage the images and their manifest. Raise SsiumlError if the cluster test ran on other files."""
        graph, recipe = self._graph, self._recipe
        kernel = self._kernel_name if "kernel" in graph else None
        where = f"{INSTALLED}/{self._plan.loaded.name}"
        staging = self._begin(scratch, f"{recipe.release.root}-{self.release}", where, self._plan.epoch)
        paths = [path for _, path in images(graph).values()]
        digests = {path.name: file_sha256(path) for path in paths}
        self._require_tested(digests)
        contents.link_images(staging.folder, paths)
        values = self._manifest(digests)
        contents.write_manifest(staging.folder, values, kernel)
        parts = [own_component(self.release), *root_components(graph, graph.tree())]
        self._describe(
            staging,
            parts,
            "operating-system",
            {
                "Images": contents.images_section(staging.folder, digests),
                "File system and cluster": contents.root_section(values),
                "Test": [f"  {self._tested}"],
                "Not verified": [f"  {line}" for line in unverified(recipe)],
                "Set-id programs": [f"  {path}" for path in graph.results("hygiene")["set_id"]],
            },
        )
        variables = {
            "recipe": self._plan.loaded.name,
            "description": recipe.description,
            "filesystem": recipe.filesystem.type,
            "node_limit": recipe.cluster.node_limit,
            "kernel": kernel,
            "tested": self._tested,
        }
        staging.finish("README-root", variables, digests)
        return staging

    def _stage_kernel(self, scratch: Path) -> Staging:
        """Stage the kernel, its options, modules and patches."""
        graph, name = self._graph, self._kernel_name
        staging = self._begin(scratch, name, f"{INSTALLED}/{name}", self.common_epoch)
        facts = graph.results("kernel")
        entry, program = Path(facts["entry"]["path"]), self._plan.kernel
        self._require_tested({program.name: file_sha256(program)})
        contents.write_kernel(staging.folder, program, entry, facts["version"])
        contents.copy_patches(staging.folder, kernel_patches(graph))
        parts = kernel_components(graph)
        self._describe(staging, parts, "operating-system", {})
        origin = (
            f"from {facts['package']}" if facts["package"] else f"built from {self._recipe.kernel.source}"
        )
        staging.finish("README-kernel", {"version": facts["version"], "origin": origin})
        return staging

    def _stage_utils(self, scratch: Path) -> Staging:
        """Stage the commands, and the packages that they need besides Python's standard library."""
        name = f"{self._recipe.release.utils}-{self.release}"
        staging = self._begin(scratch, name, ".", self.common_epoch)
        wheels = fetch_wheels(self._plan.downloads / "python", offline=self._plan.offline)
        contents.write_commands(staging.folder, commands(), PROGRAMS, wheels)
        self._write_documents(staging)
        documents = staging.folder / contents.DOCUMENTS
        shutil.copyfile(self._licence, documents / "copyright")
        parts = [own_component(self.release), *map(wheel_component, wheels)]
        self._describe(staging, parts, "application", {}, contents.DOCUMENTS)
        staging.finish("README-utils", {"packages": " ".join(PACKAGES)})
        return staging

    def _write_documents(self, staging: Staging) -> None:
        """Write the manual pages and the completions of the commands."""
        from ssiuml.release.completion import write_completions  # late, like bill below
        from ssiuml.release.manual import write_man_pages

        share = staging.folder / "share"
        write_man_pages(share / "man", self._templates / "manual", version=self.release, epoch=staging.epoch)
        write_completions(share)

    def _begin(self, scratch: Path, name: str, where: str, epoch: int) -> Staging:
        folder = scratch / name
        folder.mkdir()
        return Staging(folder, where, self._templates, epoch)

    def _describe(
        self,
        staging: Staging,
        parts: Sequence[Component],
        kind: str,
        sections: Mapping[str, Sequence[str]],
        where: str = ".",
    ) -> None:
        """Write the bill of materials and manifest.txt into the folder *where* of the tarball."""
        from ssiuml.release import bill  # late: importing it takes longer than most tasks

        target = staging.folder / where
        whole = whole_component(staging.name, self.release, kind)
        bill.write_bill(target / bill.NAME, whole, parts, staging.epoch)
        head = [staging.name, f"made by ssiuml {self.release}, SOURCE_DATE_EPOCH {staging.epoch}"]
        listed = {f"Parts ({len(parts)})": contents.components_section(parts)}
        contents.write_manifest_text(target / contents.MANIFEST_TEXT, head, {**sections, **listed})

    def _manifest(self, digests: Mapping[str, str]) -> Values:
        """Return the images' manifest with the digests, the release and the cluster test added."""
        values: dict[str, Any] = json.loads(self._plan.manifest.read_text(encoding="utf-8"))
        for key, (_, path) in images(self._graph).items():
            values[key] = {**values[key], "sha256": digests[path.name]}
        return {**values, "release": self.release, "cluster_test": self._test_facts}

    @property
    def _test_facts(self) -> Values:
        if not self._recipe.can_boot:
            return {"passed": False, "why": NOT_BOOTED}
        results = self._graph.results("cluster-test")
        return {"passed": True, "nodes": results["nodes"], "sha256": results["sha256"]}

    @property
    def _tested(self) -> str:
        facts = self._test_facts
        if not facts["passed"]:
            return str(facts["why"])
        return (
            f"Tested: {_counted(facts['nodes'])} booted from exactly these files, shared the root, shut down "
            "in order and left the root clean."
        )

    def _require_tested(self, digests: Mapping[str, str]) -> None:
        """Raise SsiumlError unless the cluster test ran on files with these names and SHA-256 *digests*."""
        if not self._recipe.can_boot:
            return
        tested = self._graph.results("cluster-test")["sha256"]
        other = [name for name, digest in digests.items() if tested.get(name) != digest]
        if other:
            raise SsiumlError(
                f"{', '.join(other)}: differs from the file that the cluster test ran on",
                hint="run ./run build-root cluster-test",
            )


def _counted(nodes: int) -> str:
    return "one node has" if nodes == 1 else f"{nodes} nodes have"
