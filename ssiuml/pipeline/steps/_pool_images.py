"""The images of a GFS1 root in pools, for ptool, passemble, gfsconf, mkfs and copy-root (HOWTO 5.2).

Each step is done by our own code, or by a program of the host's OpenGFS on loop devices.
"""

import hashlib
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ssiuml.formats.pool.assembly import Pool, assemble, by_pool, find_label
from ssiuml.formats.pool.config import load_config
from ssiuml.formats.pool.label import RESERVED_BYTES
from ssiuml.historic.opengfs_commands import OpenGfsCommands, run_checked
from ssiuml.host.digests import Values, file_sha256
from ssiuml.host.files import copy_to_part, replacing, scratch_folder
from ssiuml.images import root_image
from ssiuml.images.lock_server_table import load_lock_server_table, write_lock_server_table
from ssiuml.images.pools import edit_state, label_devices, state_lock
from ssiuml.layers.cluster_config import CIDEV_CONFIG, LOCK_SERVER_TABLE, ROOT_CONFIG
from ssiuml.recipe.filesystem import Gfs1Filesystem, Tools
from ssiuml.tree.layer import write_tree
from ssiuml.tree.tree import Meta, Tree

if TYPE_CHECKING:
    from ssiuml.pipeline.graph import Graph


def host_tools(tools: Tools) -> OpenGfsCommands:
    """The host's programs that a recipe names."""
    paths = {name: tools.host_path(name) for name in type(tools).model_fields}
    return OpenGfsCommands(programs={name: path for name, path in paths.items() if path is not None})


class PoolImages:
    """The images of one plan; each step leaves them under names of its own."""

    def __init__(self, graph: "Graph", chosen: Gfs1Filesystem) -> None:
        self.plan = graph.plan
        self.recipe = graph.recipe
        self.chosen = chosen
        self.host = host_tools(graph.recipe.tools)

    def devices(self, root: Path, cidev: Path) -> dict[str, Path]:
        """The images by what the pools' configuration files call their devices, in the HOWTO's order."""
        return {self.chosen.pools.cidev.device: cidev, self.chosen.pools.root.device: root}

    def label(self) -> Values:
        """Write the pools' labels on copies of the blank images. Return a digest of each label."""
        plan = self.plan
        with replacing(plan.labelled_cidev) as cidev, replacing(plan.labelled_root) as root:
            copy_to_part(plan.blank_cidev, cidev)
            copy_to_part(plan.blank, root)
            files = self.devices(root, cidev)
            configs = [plan.config / name for name in (CIDEV_CONFIG, ROOT_CONFIG)]
            if "ptool" in self.host.programs:
                with self.host.attached(files):
                    for path in configs:
                        run_checked(self.host.ptool(path))
            else:
                for path in configs:
                    config = load_config(path)
                    label_devices(config, {one.name: files[one.name] for one in config.devices}, force=False)
        # What comes after is made from the labels.
        return {path.name: _label_sha256(path) for path in (plan.labelled_root, plan.labelled_cidev)}

    def assemble(self) -> Values:
        """Write where each pool lies into the state file of passemble. Return its offset in the image."""
        plan = self.plan
        files = self.devices(plan.labelled_root, plan.labelled_cidev)
        if "passemble" in self.host.programs:
            with self.host.assembled(files):
                pass
        plan.pools.unlink(missing_ok=True)
        found = by_pool((path, find_label(path)) for path in files.values())
        with edit_state(plan.pools) as state:
            state.devices.update({name: str(path) for name, path in files.items()})
            for name, members in found.items():
                state.pools[name] = assemble(name, members)
        # One build of a recipe runs at a time: nobody waits for this lock.
        state_lock(plan.pools).unlink(missing_ok=True)
        return {name: {"offset_bytes": RESERVED_BYTES} for name in found}

    def write_lock_server_table(self) -> Values:
        """Write root_cidev: the labelled cidev with the lock server's table in it. Return its digest."""
        plan = self.plan
        config = plan.config / LOCK_SERVER_TABLE
        table = load_lock_server_table(config)
        with replacing(plan.root_cidev) as part:
            copy_to_part(plan.labelled_cidev, part)
            if "gfsconf" not in self.host.programs:
                write_lock_server_table(self.pool(self.chosen.pools.cidev.name, part), table)
            elif "passemble" in self.host.programs:
                with self.host.assembled(self.devices(plan.labelled_root, part)):
                    run_checked(self.host.gfsconf(config))
            else:
                self._gfsconf_on_a_file(config, part)
        return {"by": self.host.programs.get("gfsconf", "builtin"), "sha256": file_sha256(plan.root_cidev)}

    def _gfsconf_on_a_file(self, config: Path, cidev: Path) -> None:
        """Have the host's gfsconf write into a file that has the pool's data space and nothing else."""
        with scratch_folder(self.plan.places.work, "gfsconf") as scratch:
            space, changed = scratch / "cidev", scratch / config.name
            space.touch()
            with space.open("r+b") as stream:
                stream.truncate(cidev.stat().st_size - RESERVED_BYTES)
            lines = config.read_text(encoding="utf-8").splitlines(keepends=True)
            text = "".join(f"cidev:\t\t{space}\n" if line.startswith("cidev:") else line for line in lines)
            changed.write_text(text, encoding="utf-8")
            run_checked(self.host.gfsconf(changed))
            with cidev.open("r+b") as target, space.open("rb") as source:
                target.seek(RESERVED_BYTES)
                shutil.copyfileobj(source, target)

    def make_empty_root(self) -> None:
        """Write the labelled pool with an empty file system in it."""
        empty = Tree(Meta(mode=0o755, mtime_ns=self.plan.mtime_ns))
        self.write_root(empty, self.plan.formatted, "mkfs")

    def write_root(self, contents: Tree, target: Path, step: str) -> None:
        """Write the root image *target*: the labelled pool, a file system on it and *contents* in that."""
        plan = self.plan
        with replacing(target) as part:
            copy_to_part(plan.labelled_root, part)
            if "mkfs_gfs" in self.host.programs:
                self._fill_by_opengfs(contents, part)
            else:
                root = self.pool(self.chosen.pools.root.name, part)
                root_image.write_into_pool(plan.loaded, self.chosen, contents, root, plan.mtime_ns, step)

    def _fill_by_opengfs(self, contents: Tree, root: Path) -> None:
        pools, plan = self.chosen.pools, self.plan
        node = str(self.recipe.cluster.address_of(1))
        with (
            scratch_folder(plan.places.work, "root") as scratch,
            self.host.assembled(self.devices(root, plan.root_cidev)),
        ):
            folder, archive = scratch / "mnt", scratch / "tree.tar"
            folder.mkdir()
            write_tree(archive, contents)
            run_checked(_mkfs_words(self.host, self.chosen))
            with self.host.mounted(pools.root.path, folder, node):
                run_checked(_unpack_words(archive, folder))

    def pool(self, name: str, image: Path) -> Pool:
        """The pool *name* on its only device."""
        return assemble(name, [(image, find_label(image))])


def _label_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.sha256(stream.read(RESERVED_BYTES)).hexdigest()


def command_lines(graph: "Graph") -> list[str]:
    """The command lines of the host's OpenGFS that the recipe asks for, in the order of the HOWTO."""
    chosen, plan = graph.recipe.filesystem, graph.plan
    host = host_tools(graph.recipe.tools)
    if not isinstance(chosen, Gfs1Filesystem) or not host.programs:
        return []
    devices = PoolImages(graph, chosen).devices(plan.root_fs, plan.root_cidev)
    assembled = "passemble" in host.programs
    lines = []
    if assembled or "ptool" in host.programs:
        lines += [host.losetup(device, path) for device, path in devices.items()]
    if "ptool" in host.programs:
        lines += [host.ptool(plan.config / name) for name in (CIDEV_CONFIG, ROOT_CONFIG)]
    if assembled:
        lines.append(host.passemble())
    if "gfsconf" in host.programs:
        lines.append(host.gfsconf(plan.config / LOCK_SERVER_TABLE))
    if "mkfs_gfs" in host.programs:
        address = str(graph.recipe.cluster.address_of(1))
        device = chosen.pools.root.path
        lines += [
            _mkfs_words(host, chosen),
            host.mount(device, "/mnt", address),
            _unpack_words("TREE.tar", "/mnt"),
            host.umount("/mnt"),
        ]
    if assembled:
        lines.append(host.passemble_remove())
    if assembled or "ptool" in host.programs:
        lines += [host.losetup_remove(device) for device in reversed(devices)]
    return [shlex.join(words) for words in lines]


def _mkfs_words(host: OpenGfsCommands, chosen: Gfs1Filesystem) -> list[str]:
    return host.mkfs_gfs(
        protocol=chosen.lock_protocol,
        table=chosen.lock_table,
        journals=chosen.journals,
        journal_mib=chosen.journal_mib,
        device=chosen.pools.root.path,
    )


def _unpack_words(archive: Path | str, folder: Path | str) -> list[str]:
    return ["tar", "-xpf", str(archive), "--numeric-owner", "--xattrs", "-C", str(folder)]
