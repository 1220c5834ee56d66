"""The configuration layer: cluster files, root's first password, the user's own files (HOWTO 5.6)."""

from collections.abc import Mapping
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.recipe.distribution import PackagesDistribution
from ssiuml.recipe.load import LoadedRecipe
from ssiuml.tree.layer import Layer
from ssiuml.tree.tree import Content, Literal, Meta, Tree, file, whole_file

SHADOW: Final = "etc/shadow"
# Of a base of packages. The root is mounted by the initrd, everything else by the cluster tools' scripts.
_OWN_FILES: Final[Mapping[str, str]] = {
    "etc/fstab": "# The initrd mounts the shared root; there is nothing to mount besides.\n",
    "etc/hostname": "localhost\n",
    "etc/resolv.conf": "# The interconnect has no name server; see /etc/hosts.\n",
}


class ConfigureError(SsiumlError):
    """The tree lacks something that is to be configured."""


def config_layer(loaded: LoadedRecipe, rendered: Mapping[str, str], tree: Tree, mtime_ns: int) -> Layer:
    """Return the layer with *rendered* (text by path), /etc/shadow and the recipe's own files.

    *tree* is what the layer will lie on. Raises RecipeError if a source file of the recipe does not exist,
    ConfigureError if /etc/shadow has no line for root, TreeError if it does not exist.
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
    """The contents of the recipe's file *number*; RecipeError if its source is not there."""
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
        raise ConfigureError(f"/{SHADOW}: has no line for root")
    # shadow(5): day 0 as the last change means that the password must be changed at the next login.
    changed = ":".join([fields[0], password_hash, "0", *fields[3:]])
    text = "".join(f"{changed if line.startswith('root:') else line}\n" for line in lines)
    meta = Meta(mode=node.meta.mode, uid=node.meta.uid, gid=node.meta.gid, mtime_ns=mtime_ns)
    layer.add(SHADOW, file(Literal(text.encode()), meta))
