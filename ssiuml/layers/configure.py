"""The layers of HOWTO 5.6: configuration, the demonstration program, and services that are removed."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ssiuml.errors import RecipeError, SsiumlError
from ssiuml.host.files import scratch_folder
from ssiuml.recipe.distribution import PackagesDistribution
from ssiuml.recipe.load import LoadedRecipe
from ssiuml.tree.archives import unpack
from ssiuml.tree.folders import read_folder_layer
from ssiuml.tree.layer import Layer
from ssiuml.tree.tree import Content, Literal, Meta, Tree, file, parts_of, whole_file
from ssiuml.units import GIB

SHADOW: Final = "etc/shadow"
# For a base of packages. The initrd mounts the root, the scripts of the cluster tools mount everything else.
_OWN_FILES: Final[Mapping[str, str]] = {
    "etc/fstab": "# The initrd mounts the shared root; there is nothing to mount besides.\n",
    "etc/hostname": "localhost\n",
}
DEMO_MAX_BYTES: Final = GIB
RUNLEVELS: Final = ("etc/rc3.d", "etc/rc.d/rc3.d")  # Caldera has only the latter
_START_ENTRY: Final = re.compile(r"S\d\d(.+)")


def config_layer(loaded: LoadedRecipe, rendered: Mapping[str, str], tree: Tree, mtime_ns: int) -> Layer:
    """Return the layer with *rendered* (text by path), /etc/shadow and the recipe's own files.

    *tree* is the tree below the layer. Raise RecipeError if a source file of the recipe does not exist,
    TreeError if /etc/shadow does not exist, SsiumlError if it has no line for root.
    """
    layer = Layer()
    is_packaged = isinstance(loaded.recipe.distribution, PackagesDistribution)
    own_files = _OWN_FILES if is_packaged else {}
    for path, text in sorted({**own_files, **rendered}.items()):
        layer.add(path, file(Literal(text.encode()), Meta(mode=0o644, mtime_ns=mtime_ns)))
    _add_shadow(layer, tree, loaded.recipe.root_password_hash, mtime_ns)
    for number, entry in enumerate(loaded.recipe.files):
        meta = Meta(mode=entry.mode_bits, uid=entry.uid, gid=entry.gid, mtime_ns=mtime_ns)
        layer.add(entry.path, file(user_content(loaded, number), meta))
    return layer


def user_content(loaded: LoadedRecipe, number: int) -> Content:
    """Return the contents of the recipe's file *number*. Raise RecipeError if its source does not exist."""
    entry = loaded.recipe.files[number]
    path = loaded.source_path(entry)
    if path is None:
        return Literal((entry.content or "").encode())
    try:
        return whole_file(path)
    except OSError as error:
        raise loaded.error(("files", number, "source"), f"{path}: {error.strerror}") from error


def _add_shadow(layer: Layer, tree: Tree, password_hash: str, mtime_ns: int) -> None:
    node = tree.lookup(SHADOW)
    lines = node.read().decode().splitlines()
    fields = next((line.split(":") for line in lines if line.startswith("root:")), None)
    if fields is None:
        raise SsiumlError(f"/{SHADOW}: has no line for root")
    # shadow(5): day 0 as the last change means that the password must be changed at the next login.
    changed = ":".join([fields[0], password_hash, "0", *fields[3:]])
    text = "".join(f"{changed if line.startswith('root:') else line}\n" for line in lines)
    meta = Meta(mode=node.meta.mode, uid=node.meta.uid, gid=node.meta.gid, mtime_ns=mtime_ns)
    layer.add(SHADOW, file(Literal(text.encode()), meta))


@contextmanager
def demo_layer(archive: Path, target: str, work: Path, below: Tree, mtime_ns: int) -> Iterator[Layer]:
    """Yield the layer with the demonstration program dbdemo and its file of records (HOWTO 3.1).

    They come from the only folder in *archive* and lie at the path *target* of the image. *below* is the tree
    below the layer. The owner is root, no time is later than *mtime_ns*. Contents can be read within the
    block. Raise SsiumlError if *archive* has not exactly one folder.
    """
    with scratch_folder(work, "demo") as scratch:
        folder = scratch / "archive"
        unpack(archive, folder, DEMO_MAX_BYTES)
        inner = sorted(folder.iterdir())
        if len(inner) != 1 or not inner[0].is_dir():
            names = ", ".join(path.name for path in inner) or "nothing"
            raise SsiumlError(f"{archive}: should have one folder in it, it has {names}")
        root = scratch / "root"
        place = root.joinpath(*parts_of(target))
        place.parent.mkdir(parents=True)
        inner[0].rename(place)
        for parent in (place, *place.parents):  # so that the user's umask has no effect
            if parent.is_relative_to(root):
                parent.chmod(0o755)
        yield read_folder_layer(root, mtime_ns, below)


def prune_layer(loaded: LoadedRecipe, tree: Tree) -> Layer:
    """Return the layer that removes /etc/rc3.d/S??NAME for each name in the recipe's prune list.

    These services then do not start in runlevel 3. Raise RecipeError, with the entries that exist, if a name
    matches none.
    """
    if not loaded.recipe.prune:
        return Layer()
    runlevel = next((path for path in RUNLEVELS if tree.find(path) is not None), RUNLEVELS[0])
    # /etc/rc3.d itself may be a link (to rc.d/rc3.d on Red Hat 7.2): whiteouts lie in its target.
    folder = tree.real_path(runlevel)
    entries: dict[str, list[str]] = {}
    for entry in tree.children(runlevel):
        match = _START_ENTRY.fullmatch(entry)
        if match is not None:
            entries.setdefault(match[1], []).append(entry)
    layer = Layer()
    problems = []
    for number, name in enumerate(loaded.recipe.prune):
        if name not in entries:
            there = ", ".join(sorted(entries)) or "nothing"
            problems.append(
                loaded.error(("prune", number), f"/{runlevel}/S??{name} is not there", f"there is: {there}")
            )
        layer.removed.extend(f"{folder}/{entry}" for entry in entries.get(name, []))
    if problems:
        raise RecipeError("\n".join(str(problem) for problem in problems))
    return layer
