"""The steps of a build: what each depends on, what it does, what it leaves.

This is the other half of the task graph: dodo.py names the tasks and what comes before what, this module
says what they do. The data's way: base, modules, cluster-tools, config and prune give layers; merged they
are the tree; the tree goes into the root image, and parts of it into the RAM disk.
"""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ssiuml import (
    apt,
    base,
    cluster_config,
    cluster_tools,
    compare,
    configure,
    cpio,
    elf,
    folder,
    gfs,
    gfs2,
    gfs2_tools,
    image,
    initrd,
    kernel,
    layer,
    manifest,
    ondisk,
    prune,
    sparse,
    tree,
)
from ssiuml.appliance import Appliance, Filled, appliance_digest
from ssiuml.cache import Entry, entry_of
from ssiuml.errors import RecipeError
from ssiuml.layer import Layer
from ssiuml.plan import Plan
from ssiuml.steps import (
    Step,
    StepError,
    Values,
    code_digest,
    digest_of,
    file_sha256,
    folder_digest,
    package_digest,
)
from ssiuml.tree import Tree

# The layers in the order in which they lie over each other.
LAYERS = ("base", "modules", "cluster-tools", "config", "prune")
SEGMENTS = ("tools", "modules", "config")


class Build:
    """The steps of one plan. Making it reads and writes nothing."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.recipe = plan.recipe
        self.steps: dict[str, Step] = {}  # by name, in an order in which they can be made
        self._layers: dict[str, Layer] = {}
        self._add_steps()

    def _add_steps(self) -> None:
        plan, add = self.plan, self._add
        add(
            "fetch",
            [],
            lambda: plan.fetch_inputs,
            self._fetch,
            stamp=plan.fetch_stamp,
            cached=lambda results: Path(results["kernel_package"]),
        )
        add(
            "base",
            ["fetch"],
            lambda: plan.base_inputs,
            self._base,
            cached=lambda results: Path(results["path"]),
        )
        add("sparse", [], self._sparse_inputs, self._sparse, plan.blank)
        files = [plan.config / path for path in cluster_config.FILES]
        add("cluster-config", [], self._cluster_config_inputs, self._cluster_config, *files)
        add("mkfs", ["sparse"], self._mkfs_inputs, self._mkfs, plan.formatted)
        self._add_layer("cluster-tools", ["base"], self._cluster_tools_inputs, self._cluster_tools)
        add(
            "kernel-image",
            ["fetch"],
            lambda: {"code": code_digest(kernel)},
            self._kernel_image,
            plan.kernel,
            cached=lambda results: Path(results["entry"]["path"]),
        )
        self._add_layer("modules", ["kernel-image"], self._modules_inputs, self._modules)
        self._add_layer("config", ["base", "cluster-config"], self._config_inputs, self._config)
        self._add_layer(
            "prune",
            ["base", "cluster-tools", "config"],
            lambda: {"prune": self.recipe.prune, "code": code_digest(prune)},
            self._prune,
        )
        direct = self.recipe.filesystem.writer == "direct"
        add(
            "copy-root",
            [*LAYERS] if direct else [*LAYERS, "mkfs", "kernel-image"],
            self._direct_inputs if direct else self._filling_inputs,
            self._copy_root,
            plan.root_fs,
        )
        tools, modules = self.recipe.initrd.tools, self.recipe.initrd.modules
        self._add_segment("tools", ["base", "cluster-tools"], lambda: {"tools": tools}, self._initrd_tools)
        self._add_segment("modules", ["base", "modules"], lambda: {"modules": modules}, self._initrd_modules)
        self._add_segment("config", ["cluster-config"], lambda: {}, self._initrd_config)
        add(
            "initrd",
            [f"initrd-{name}" for name in SEGMENTS],
            lambda: {"limit_bytes": self.recipe.initrd.limit_bytes},
            self._initrd,
            plan.initrd,
        )
        add(
            "build-root",
            ["base", "kernel-image", "copy-root", "initrd"],
            lambda: {"recipe": digest_of(self.recipe.model_dump(mode="json"))},
            self._manifest,
            plan.manifest,
        )

    def _add(
        self,
        name: str,
        after: Sequence[str],
        inputs: Callable[[], Values],
        make: Callable[[], Values],
        *files: Path,
        stamp: Path | None = None,
        cached: Callable[[Values], Path] | None = None,
    ) -> None:
        self.steps[name] = Step(
            name=name,
            stamp=stamp or self.plan.places.stamp(name),
            after=tuple(self.steps[before] for before in after),
            inputs=inputs,
            make=make,
            files=files,
            cached=cached,
        )

    def _add_layer(
        self, name: str, after: Sequence[str], inputs: Callable[[], Values], make: Callable[[], Layer]
    ) -> None:
        path = self.plan.layer(name)

        def write() -> Values:
            layer.write_layer(path, make())
            self._layers.pop(name, None)
            return {"sha256": file_sha256(path)}

        self._add(name, after, lambda: {"code": code_digest(layer, tree), **inputs()}, write, path)

    def _add_segment(
        self, name: str, after: Sequence[str], inputs: Callable[[], Values], make: Callable[[], Tree]
    ) -> None:
        path = self.plan.segment(name)

        def write() -> Values:
            initrd.write_segment(path, make())
            return {"sha256": file_sha256(path)}

        def all_inputs() -> Values:
            return {
                "code": code_digest(initrd, cpio, elf, kernel, tree),
                "mtime_ns": self.plan.mtime_ns,
                **inputs(),
            }

        self._add(f"initrd-{name}", after, all_inputs, write, path)

    def needed_by(self, name: str) -> list[Step]:
        """The steps that *name* is made from, itself the last, in an order in which they can be made."""
        needed: set[str] = set()
        todo = [self.steps[name]]
        while todo:
            one = todo.pop()
            needed.add(one.name)
            todo.extend(one.after)
        return [one for one in self.steps.values() if one.name in needed]

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
        gfs2_tools.make_image(self.plan.blank, self.plan.formatted, self.recipe.filesystem)
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
        return {"modules": chosen, "code": code_digest(kernel)}

    def _modules(self) -> Layer:
        chosen = self.recipe.kernel.modules
        entry = self._kernel_entry()
        entry.verify()
        return kernel.modules_layer(entry, None if chosen == "all" else list(chosen))

    def _cluster_tools_inputs(self) -> Values:
        return {
            "sources": folder_digest(self.plan.places.cluster_tools),
            "mtime_ns": self.plan.mtime_ns,
            "code": code_digest(cluster_tools, folder),
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
        }

    def _config(self) -> Layer:
        rendered = cluster_config.read_files(self.plan.config)
        return configure.config_layer(self.plan.loaded, rendered, self._tree("base"), self.plan.mtime_ns)

    def _prune(self) -> Layer:
        return prune.prune_layer(self.plan.loaded, self._tree("base", "cluster-tools", "config"))

    def _direct_inputs(self) -> Values:
        code = [code_digest(gfs2_tools, image, layer, tree, ondisk), package_digest(gfs, gfs2)]
        return {"code": code, "time_ns": self.plan.mtime_ns, **self._mkfs_inputs()}

    def _filling_inputs(self) -> Values:
        return {"code": [code_digest(gfs2_tools, image, layer, tree), appliance_digest()]}

    def _copy_root(self) -> Values:
        plan = self.plan
        contents = self._tree(*LAYERS)
        filled = self._write_root(self.recipe.filesystem.writer, contents, plan.root_fs)
        return {
            "names": filled.names,
            "inodes": filled.inodes,
            "content_bytes": filled.content_bytes,
            "tree_sha256": filled.digest,
            "size_bytes": plan.root_fs.stat().st_size,
            "allocated_bytes": sparse.allocated_bytes(plan.root_fs),
        }

    def _write_root(self, writer: str, contents: Tree, target: Path) -> Filled:
        plan = self.plan
        if writer == "direct":
            return image.write_directly(plan.loaded, contents, target, plan.mtime_ns)
        appliance = self._appliance(contents)
        return image.write_by_filling(plan.loaded, plan.formatted, contents, target, appliance.fill)

    def check_writers(self) -> None:
        """Write the root the other way too, and demand that a kernel sees the same tree in both images.

        The root image and the formatted one are made. Raises ApplianceError if an image does not hold what
        the tree does, StepError if a kernel sees different trees.
        """
        plan = self.plan
        contents = self._tree(*LAYERS)
        appliance = replace(self._appliance(contents), task="check")
        expected = compare.take_census(contents)
        other = "appliance" if self.recipe.filesystem.writer == "direct" else "direct"
        with tempfile.TemporaryDirectory(prefix="writers.", dir=plan.places.work) as scratch:
            second = Path(scratch) / "root_fs"
            there = self._write_root(other, contents, second)
            if other == "direct":
                there = appliance.read_back(second, expected)
            here = appliance.read_back(plan.root_fs, expected)
        if here != there:
            raise StepError(f"{plan.root_fs}: holds {here}, written by way of '{other}' it holds {there}")

    def _appliance(self, programs: Tree) -> Appliance:
        return Appliance(
            kernel=self.plan.kernel,
            modules_version=self._kernel_version(),
            programs=programs,
            work=self.plan.places.work / "appliance",
        )

    def _initrd_tools(self) -> Tree:
        contents = self._tree("base", "cluster-tools")
        small = initrd.tools_tree(contents, self.recipe.initrd.tools, self.plan.mtime_ns)
        initrd.add_scripts(contents, small)
        return small

    def _initrd_modules(self) -> Tree:
        contents = self._tree("base", "modules")
        chosen = self.recipe.initrd.modules
        return initrd.modules_tree(contents, self._kernel_version(), chosen, self.plan.mtime_ns)

    def _initrd_config(self) -> Tree:
        files = cluster_config.read_files(self.plan.config)
        return initrd.config_tree(files.items(), self.plan.mtime_ns)

    def _initrd(self) -> Values:
        segments = [self.plan.segment(name) for name in SEGMENTS]
        initrd.join_segments(self.plan.initrd, segments, self.recipe.initrd.limit_bytes)
        return {"sha256": file_sha256(self.plan.initrd), "size_bytes": self.plan.initrd.stat().st_size}

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
                "parameters": list(self.recipe.kernel.parameters),
            },
            initrd={"file": plan.initrd.name, **steps["initrd"].results()},
            packages=entry_of(steps["base"].results()).facts["packages"],
            epoch=plan.epoch,
        )
        manifest.write(plan.places.out, values)
        return {}
