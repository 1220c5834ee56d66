"""The kernel of a recipe of 2002, for the steps kernel and opengfs: its inputs, its build, its compiler."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ssiuml.historic import kernel as historic
from ssiuml.historic.editable_copy import editable_copy
from ssiuml.historic.kernel import HistoricBuild
from ssiuml.historic.kernel_source import Checkout, Release
from ssiuml.host.cache import Entry
from ssiuml.host.digests import Values, file_sha256, folder_digest
from ssiuml.host.tools import OLD_KERNEL_TOOLS, SANDBOX_TOOLS, HostTool
from ssiuml.kernel.config import require_config
from ssiuml.kernel.patches import patch_inputs
from ssiuml.kernel.toolchain import compiler_versions
from ssiuml.pipeline.inputs import folder_of, opened, source_file, source_sha256
from ssiuml.pipeline.step import StepError
from ssiuml.recipe.inputs import FromFolder, FromSource
from ssiuml.recipe.kernel import CvsKernel, ReleaseKernel

if TYPE_CHECKING:
    from ssiuml.pipeline.graph import Graph


@dataclass(frozen=True, slots=True)
class HistoricKernel:
    """The kernel that the section ``kernel`` of a recipe describes.

    Its methods read the results of the step fetch, so that has to be made first.
    """

    graph: "Graph"
    chosen: ReleaseKernel | CvsKernel

    @property
    def after(self) -> list[str]:
        """The steps whose results the kernel is made from."""
        return ["fetch", "base"] if self.chosen.toolchain == "base-image" else ["fetch"]

    @property
    def tools(self) -> tuple[HostTool, ...]:
        """The programs of the host that the build needs."""
        return OLD_KERNEL_TOOLS if self.chosen.toolchain == "host" else (*OLD_KERNEL_TOOLS, *SANDBOX_TOOLS)

    def inputs(self) -> Values:
        """Return the inputs of the build: source, patches, options, compiler, time."""
        config = self._config
        return {
            **self._source_inputs(),
            "config": None if config is None else file_sha256(require_config(config)),
            "epoch": self.graph.plan.epoch,
        }

    def _compiler(self) -> object:
        """Return what stands for the compiler among the inputs.

        That is versions for the host's compiler, digests of gcc, as, ld and cc1 for a compiler in a folder of
        the user's, and the digest of the base for the compiler in the image.
        """
        chosen = self.chosen.toolchain
        if chosen == "host":
            return compiler_versions()
        if isinstance(chosen, FromFolder):
            folder = folder_of(self.graph, chosen)
            programs = [folder / "usr/bin" / name for name in ("gcc", "as", "ld")]
            paths = [*programs, *sorted(folder.glob("usr/lib/gcc*/*/*/cc1"))]
            return [file_sha256(path) for path in paths if path.is_file() and not path.is_symlink()]
        return self.graph.results("base")["sha256"]

    def get_or_build(self) -> Entry:
        """Return the kernel's entry in the cache. Build the kernel if the cache does not have it."""
        return historic.get_or_build(self.graph.plan.cache, self._build())

    def built_tree(self) -> AbstractContextManager[tuple[Path, Path | None]]:
        """Yield the source with its objects, and the root that holds the compiler; None for the host's."""
        return historic.built_tree(self._build())

    def _build(self) -> HistoricBuild:
        plan = self.graph.plan
        return HistoricBuild(
            source=self._origin(),
            source_inputs=self._source_inputs(),
            inputs=self.inputs(),
            config=self._config,
            toolchain=self.toolchain_root,
            epoch=plan.epoch,
            tree=plan.kernel_tree,
            log=plan.kernel_log,
        )

    @property
    def _config(self) -> Path | None:
        return None if self.chosen.config is None else self.graph.plan.loaded.host_path(self.chosen.config)

    def _source_inputs(self) -> Values:
        chosen = self.chosen
        # Not the options: make notices when they change. Not the parameters: only nodes that start use them.
        kernel = chosen.model_dump(mode="json", exclude={"config", "parameters"})
        inputs = {"kernel": kernel, "linux": self._sha256(chosen.base), "compiler": self._compiler()}
        if isinstance(chosen, ReleaseKernel):
            return {**inputs, "ssi": self._sha256(chosen.ssi), **patch_inputs(self._patches(chosen))}
        return {**inputs, "checkouts": [self._checkout_inputs(each) for each in (chosen.ssi, chosen.ci)]}

    def _checkout_inputs(self, origin: FromSource | FromFolder) -> str:
        if isinstance(origin, FromSource):
            return self._sha256(origin.source)
        return folder_digest(folder_of(self.graph, origin))

    def _sha256(self, name: str) -> str:
        try:
            return source_sha256(self.graph, name)
        except KeyError as error:  # fetch was made before the recipe named this source
            raise StepError(f"source '{name}' has not been fetched", hint="run ./run fetch") from error

    def _patches(self, chosen: ReleaseKernel) -> list[Path]:
        return [self.graph.plan.loaded.host_path(name) for name in chosen.patches]

    def _origin(self) -> Release | Checkout:
        chosen = self.chosen
        base = source_file(self.graph, chosen.base)
        if isinstance(chosen, ReleaseKernel):
            return Release(
                base=base,
                ssi=source_file(self.graph, chosen.ssi),
                ssi_name=self.graph.recipe.sources[chosen.ssi].published_name,
                patches=tuple(self._patches(chosen)),
            )
        return Checkout(
            base=base,
            opened=lambda: self._checkouts(chosen),
            uml_patch=chosen.uml_patch,
            opengfs_patch=chosen.opengfs_patch,
            patches=chosen.patches,
        )

    @contextmanager
    def _checkouts(self, chosen: CvsKernel) -> Iterator[tuple[Path, Path]]:
        work = self.graph.plan.places.work
        with opened(self.graph, chosen.ssi, work) as ssi, opened(self.graph, chosen.ci, work) as ci:
            yield ssi, ci

    @contextmanager
    def toolchain_root(self) -> Iterator[Path | None]:
        """Yield the folder of the root that holds the compiler; None for the host's compiler."""
        chosen = self.chosen.toolchain
        if chosen == "host":
            yield None
        elif isinstance(chosen, FromFolder):
            yield folder_of(self.graph, chosen)
        else:
            with editable_copy(self.graph.tree("base"), self.graph.plan.places.work / "toolchain") as copy:
                yield copy.root
