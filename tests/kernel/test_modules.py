"""Modules and their dependencies, from a modules.dep as depmod writes it."""

import pytest

from ssiuml.errors import SsiumlError
from ssiuml.kernel.modules import module_closure, module_name, read_modules_dep
from ssiuml.tree.tree import Literal, Meta, Tree, TreeError, file

MODULES = "usr/lib/uml/modules/6.1.0"
DEP = """\
kernel/fs/configfs/configfs.ko:
kernel/fs/dlm/dlm.ko: kernel/fs/configfs/configfs.ko
kernel/fs/gfs2/gfs2.ko: kernel/fs/dlm/dlm.ko kernel/fs/configfs/configfs.ko
kernel/net/dummy-x.ko.xz:
"""
FILES = {
    f"{MODULES}/modules.dep": DEP,
    f"{MODULES}/modules.builtin": "kernel/fs/ext4/ext4.ko\nkernel/drivers/uml-net.ko\n",
    **{f"{MODULES}/{line.partition(':')[0]}": "" for line in DEP.splitlines()},
}


def _tree(files: dict[str, str] = FILES) -> Tree:
    tree = Tree()
    for name, text in files.items():
        tree.add(name, file(Literal(text.encode()), Meta(mode=0o644)))
    return tree


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ([], []),
        (["configfs"], ["configfs"]),
        (["gfs2"], ["configfs", "dlm", "gfs2"]),
        (["gfs2", "dlm", "configfs"], ["configfs", "dlm", "gfs2"]),
        (["dummy-x", "dlm"], ["dummy_x", "configfs", "dlm"]),
        (["dummy_x"], ["dummy_x"]),
        (["ext4", "uml_net", "uml-net"], []),
    ],
)
def test_the_closure_is_in_load_order_without_what_is_built_in(wanted: list[str], names: list[str]) -> None:
    assert [module_name(path) for path in module_closure(_tree(), MODULES, wanted)] == names


def test_each_module_comes_after_its_dependencies() -> None:
    needs = read_modules_dep(_tree(), MODULES)
    order = module_closure(_tree(), MODULES, ["gfs2", "dummy-x"])
    for path in order:
        assert all(order.index(needed) < order.index(path) for needed in needs[path])


@pytest.mark.parametrize("name", ["ocfs2", "", "gfs", "xt4"])
def test_a_missing_module_is_an_error(name: str) -> None:
    with pytest.raises(SsiumlError) as error:
        module_closure(_tree(), MODULES, ["gfs2", name])
    assert str(error.value) == f"/{MODULES}: there is no kernel module '{name}'"


def test_a_module_that_modules_dep_lists_but_does_not_exist_is_an_error() -> None:
    tree = _tree()
    tree.remove(f"{MODULES}/kernel/fs/configfs/configfs.ko")
    with pytest.raises(SsiumlError) as error:
        module_closure(tree, MODULES, ["gfs2"])
    assert str(error.value) == (
        f"/{MODULES}: modules.dep names 'kernel/fs/configfs/configfs.ko', which is not there"
    )


def test_a_missing_modules_dep_is_an_error() -> None:
    with pytest.raises(TreeError, match=r"modules\.dep: no such file in the tree"):
        module_closure(Tree(), MODULES, ["gfs2"])


def test_a_damaged_modules_dep_is_an_error_that_names_the_module() -> None:
    tree = _tree()
    tree.add(f"{MODULES}/modules.dep", file(Literal(b"\xff\xfe\n\0: \0\n"), Meta(mode=0o644)))
    with pytest.raises(SsiumlError, match="there is no kernel module 'gfs2'"):
        module_closure(tree, MODULES, ["gfs2"])


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("kernel/fs/gfs2/gfs2.ko", "gfs2"),
        ("kernel/a-b_c.ko", "a_b_c"),
        ("kernel/x.ko.xz", "x"),
        ("kernel/x.ko.zst", "x"),
    ],
)
def test_a_module_has_the_name_that_lsmod_prints(path: str, name: str) -> None:
    assert module_name(path) == name
