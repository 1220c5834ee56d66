"""The steps of a build: what each depends on, what it does, what it leaves.

This is the other half of the task graph: dodo.py names the tasks and what comes before what, this module
says what they do. The data's way: base, modules, cluster-tools, config and prune give layers; merged they
are the tree; the tree goes into the root image, and parts of it into the RAM disk.
"""

import functools
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ssiuml import (
    apt,
    base,
    cluster_config,
    cluster_tools,
    configure,
    gfs2,
    image,
    initrd,
    kernel,
    layer,
    manifest,
    prune,
    sparse,
    tree,
)
from ssiuml.appliance import Filled, appliance_digest, fill
from ssiuml.cache import Entry, entry_of
from ssiuml.errors import RecipeError
from ssiuml.layer import Layer
from ssiuml.plan import Plan
from ssiuml.steps import Step, StepError, Values, code_digest, digest_of, file_sha256, folder_digest
from ssiuml.tree import Tree

# The layers in the order in which they lie over each other.
LAYERS = ("base", "modules", "cluster-tools", "config", "prune")
SEGMENTS = ("tools", "modules", "config")

Inputs = Callable[[], Values]


class Build:
    """The steps of one plan. Making it reads and writes nothing."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.recipe = plan.recipe
        self._layers: dict[str, Layer] = {}

    @functools.cached_property
    def steps(self) -> dict[str, Step]:
        """Every step by its name, in an order in which they can be made."""
        plan = self.plan
        steps = [
            Step(
                name="fetch",
                stamp=plan.fetch_stamp,
                inputs=lambda: plan.fetch_inputs,
                make=self._fetch,
                cached=lambda results: Path(results["kernel_package"]),
            ),
            Step(
                name="base",
                stamp=plan.places.stamp("base"),
                inputs=lambda: plan.base_inputs,
                make=self._base,
                cached=lambda results: Path(results["path"]),
            ),
            self._step("sparse", self._sparse_inputs, self._sparse, plan.blank),
            self._step(
                "cluster-config",
                self._cluster_config_inputs,
                self._cluster_config,
                *(plan.config / path for path in cluster_config.FILES),
            ),
            self._step("mkfs", self._mkfs_inputs, self._mkfs, plan.formatted),
            self._step("kernel-image", lambda: self._after("fetch"), self._kernel_image, plan.kernel),
            self._layer_step("modules", self._modules_inputs, self._modules),
            self._layer_step("cluster-tools", self._cluster_tools_inputs, self._cluster_tools),
            self._layer_step("config", self._config_inputs, self._config),
            self._layer_step("prune", self._prune_inputs, self._prune),
            self._step("copy-root", self._copy_root_inputs, self._copy_root, plan.root_fs),
            self._segment_step("tools", self._initrd_tools_inputs, self._initrd_tools),
            self._segment_step("modules", self._initrd_modules_inputs, self._initrd_modules),
            self._segment_step("config", self._initrd_config_inputs, self._initrd_config),
            self._step("initrd", self._initrd_inputs, self._initrd, plan.initrd),
            self._step("build-root", self._manifest_inputs, self._manifest, plan.manifest),
        ]
        return {step.name: step for step in steps}

    def _step(self, name: str, inputs: Inputs, make: Callable[[], Values], *files: Path) -> Step:
        stamp = self.plan.places.stamp(name)
        return Step(name=name, stamp=stamp, inputs=inputs, make=make, files=files)

    def _layer_step(self, name: str, inputs: Inputs, make: Callable[[], Layer]) -> Step:
        path = self.plan.layer(name)

        def write() -> Values:
            layer.write_layer(path, make())
            self._layers.pop(name, None)
            return {"sha256": file_sha256(path)}

        return self._step(name, lambda: {"code": code_digest(layer, tree), **inputs()}, write, path)

    def _segment_step(self, name: str, inputs: Inputs, make: Callable[[], Tree]) -> Step:
        path = self.plan.segment(name)

        def write() -> Values:
            initrd.write_segment(path, make())
            return {"sha256": file_sha256(path)}

        return self._step(f"initrd-{name}", lambda: {"code": code_digest(initrd), **inputs()}, write, path)

    def _after(self, *names: str) -> dict[str, Any]:
        """The results of other steps, as inputs."""
        return {f"step {name}": self.steps[name].digest() for name in names}

    def _layer(self, name: str) -> Layer:
        """A finished layer; read once, since several steps need the base."""
        if name not in self._layers:
            self._layers[name] = (
                base.layer_of(entry_of(self.steps["base"].results()))
                if name == "base"
                else layer.read_layer(self.plan.layer(name))
            )
        return self._layers[name]

    def _tree(self, *names: str) -> Tree:
        return layer.merge(self._layer(name) for name in names)

    def remove_cached(self) -> None:
        """Remove what the cache holds for this plan; other recipes may have to make it again."""
        plan = self.plan
        with suppress(StepError):
            sha256 = self.steps["fetch"].results()["kernel_sha256"]
            plan.cache.remove("kernel", kernel.inputs(sha256), ".tar")
        plan.cache.remove("base", plan.base_inputs, ".tar")
        plan.fetch_stamp.unlink(missing_ok=True)
        shutil.rmtree(plan.apt.folder, ignore_errors=True)

    # What each step depends on and does, in the order of the graph

    def _fetch(self) -> Values:
        plan = self.plan
        plan.apt.update()
        try:
            package = plan.apt.download(self.recipe.kernel.package)
            if not plan.cache.has("base", plan.base_inputs, ".tar"):
                plan.apt.download_with_dependencies(self.recipe.all_packages)
        except apt.NoPackageError as error:
            raise self._no_package(error.names) from error
        return {"kernel_package": str(package), "kernel_sha256": file_sha256(package)}

    def _no_package(self, names: list[str]) -> RecipeError:
        loaded, suite = self.plan.loaded, self.recipe.distribution.suite
        places: dict[str, tuple[str | int, ...]] = {self.recipe.kernel.package: ("kernel", "package")}
        places |= {name: ("packages", number) for number, name in enumerate(self.recipe.packages)}
        places |= {name: ("extra_packages", number) for number, name in enumerate(self.recipe.extra_packages)}
        hint = "is it spelled as `apt-cache search` has it, is its part in distribution.components?"
        problems = [loaded.error(places.get(name, ()), f"'{name}' is not in {suite}", hint) for name in names]
        return RecipeError("\n".join(str(problem) for problem in problems))

    def _base(self) -> Values:
        self._layers.pop("base", None)
        plan = self.plan
        return base.get_or_make(plan.cache, self.recipe, plan.epoch, plan.apt).as_values()

    def _sparse_inputs(self) -> Values:
        return {"size_bytes": self.recipe.sizes.root_fs_bytes}

    def _sparse(self) -> Values:
        sparse.create(self.plan.blank, self.recipe.sizes.root_fs_bytes)
        return {}

    def _cluster_config_inputs(self) -> Values:
        variables = cluster_config.variables(self.recipe)
        return {"variables": variables, "templates": folder_digest(self.plan.places.templates)}

    def _cluster_config(self) -> Values:
        cluster_config.write_files(self.plan.places.templates, self.recipe, self.plan.config)
        return {"files": digest_of(cluster_config.read_files(self.plan.config))}

    def _mkfs_inputs(self) -> Values:
        return {"filesystem": self.recipe.filesystem.model_dump(mode="json"), **self._sparse_inputs()}

    def _mkfs(self) -> Values:
        gfs2.make_image(self.plan.blank, self.plan.formatted, self.recipe.filesystem)
        return self._mkfs_inputs()

    def _kernel_image(self) -> Values:
        package = Path(self.steps["fetch"].results()["kernel_package"])
        entry = kernel.unpack(self.plan.cache, package)
        kernel.write_program(entry, self.plan.kernel)
        return {"entry": entry.as_values(), "package": package.name, "sha256": file_sha256(self.plan.kernel)}

    def _kernel_entry(self) -> Entry:
        return entry_of(self.steps["kernel-image"].results()["entry"])

    def _kernel_version(self) -> str:
        return str(self._kernel_entry().facts["version"])

    def _modules_inputs(self) -> Values:
        chosen = self.recipe.kernel.modules
        return {"modules": chosen, "code": code_digest(kernel), **self._after("kernel-image")}

    def _modules(self) -> Layer:
        chosen = self.recipe.kernel.modules
        return kernel.modules_layer(self._kernel_entry(), None if chosen == "all" else list(chosen))

    def _cluster_tools_inputs(self) -> Values:
        return {
            "sources": folder_digest(self.plan.places.cluster_tools),
            "mtime_ns": self.plan.mtime_ns,
            **self._after("base"),
        }

    def _cluster_tools(self) -> Layer:
        return cluster_tools.install(
            self.plan.places.cluster_tools,
            self.recipe.distribution.name,
            self.plan.places.work / "cluster-tools",
            below=self._tree("base"),
            mtime_ns=self.plan.mtime_ns,
        )

    def _config_inputs(self) -> Values:
        loaded = self.plan.loaded
        files = [
            {
                **entry.model_dump(mode="json"),
                "sha256": tree.sha256_of(configure.user_content(loaded, number)),
            }
            for number, entry in enumerate(self.recipe.files)
        ]
        return {
            "files": files,
            "root_password_hash": self.recipe.root_password_hash,
            "mtime_ns": self.plan.mtime_ns,
            "code": code_digest(configure),
            **self._after("base", "cluster-config"),
        }

    def _config(self) -> Layer:
        rendered = cluster_config.read_files(self.plan.config)
        return configure.config_layer(self.plan.loaded, rendered, self._tree("base"), self.plan.mtime_ns)

    def _prune_inputs(self) -> Values:
        return {
            "prune": self.recipe.prune,
            "code": code_digest(prune),
            **self._after("base", "cluster-tools", "config"),
        }

    def _prune(self) -> Layer:
        return prune.prune_layer(self.plan.loaded, self._tree(*LAYERS[: LAYERS.index("prune")]))

    def _copy_root_inputs(self) -> Values:
        code = [code_digest(gfs2, image, layer, tree), appliance_digest()]
        return {"code": code, **self._after(*LAYERS, "mkfs", "kernel-image")}

    def _copy_root(self) -> Values:
        plan = self.plan

        def filler(target: Path, contents: Tree) -> Filled:
            version = self._kernel_version()
            work = plan.places.work / "appliance"
            return fill(target, contents, kernel=plan.kernel, modules_version=version, work=work)

        contents = self._tree(*LAYERS)
        filled = image.write_root_fs(plan.loaded, plan.formatted, contents, plan.root_fs, filler)
        return {
            "names": filled.names,
            "inodes": filled.inodes,
            "content_bytes": filled.content_bytes,
            "tree_sha256": filled.digest,
            "size_bytes": plan.root_fs.stat().st_size,
            "allocated_bytes": sparse.allocated_bytes(plan.root_fs),
        }

    def _initrd_tools_inputs(self) -> Values:
        return {
            "tools": self.recipe.initrd.tools,
            "mtime_ns": self.plan.mtime_ns,
            **self._after("base", "cluster-tools"),
        }

    def _initrd_tools(self) -> Tree:
        contents = self._tree("base", "cluster-tools")
        small = initrd.tools_tree(contents, self.recipe.initrd.tools, self.plan.mtime_ns)
        initrd.add_scripts(contents, small)
        return small

    def _initrd_modules_inputs(self) -> Values:
        return {
            "modules": self.recipe.initrd.modules,
            "mtime_ns": self.plan.mtime_ns,
            **self._after("base", "modules"),
        }

    def _initrd_modules(self) -> Tree:
        contents = self._tree("base", "modules")
        chosen = self.recipe.initrd.modules
        return initrd.modules_tree(contents, self._kernel_version(), chosen, self.plan.mtime_ns)

    def _initrd_config_inputs(self) -> Values:
        return {"mtime_ns": self.plan.mtime_ns, **self._after("cluster-config")}

    def _initrd_config(self) -> Tree:
        files = cluster_config.read_files(self.plan.config)
        return initrd.config_tree(files.items(), self.plan.mtime_ns)

    def _initrd_inputs(self) -> Values:
        names = [f"initrd-{name}" for name in SEGMENTS]
        return {"limit_bytes": self.recipe.initrd.limit_bytes, **self._after(*names)}

    def _initrd(self) -> Values:
        segments = [self.plan.segment(name) for name in SEGMENTS]
        initrd.join_segments(self.plan.initrd, segments, self.recipe.initrd.limit_bytes)
        return {"sha256": file_sha256(self.plan.initrd), "size_bytes": self.plan.initrd.stat().st_size}

    def _manifest_inputs(self) -> Values:
        recipe = digest_of(self.recipe.model_dump(mode="json"))
        return {"recipe": recipe, **self._after("base", "kernel-image", "copy-root", "initrd")}

    def _manifest(self) -> Values:
        plan, steps = self.plan, self.steps
        kernel_facts = steps["kernel-image"].results()
        values = manifest.describe(
            plan.loaded,
            root_fs={"file": plan.root_fs.name, **steps["copy-root"].results()},
            kernel={
                "file": plan.kernel.name,
                "version": self._kernel_version(),
                "package": kernel_facts["package"],
                "sha256": kernel_facts["sha256"],
            },
            initrd={"file": plan.initrd.name, **steps["initrd"].results()},
            packages=entry_of(steps["base"].results()).facts["packages"],
            epoch=plan.epoch,
        )
        manifest.write(plan.places.out, values)
        return {}
