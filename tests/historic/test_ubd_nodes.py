"""The nodes of User-Mode Linux's block devices."""

from ssiuml.historic.uml_changes import ubd_layer
from ssiuml.tree.tree import Kind, Meta, Node, Tree


def devices(tree: Tree) -> dict[str, tuple[int, int] | None]:
    return {path: node.device for path, node in tree.walk("dev") if node.kind is Kind.BLOCK}


def test_old_numbers_are_replaced_and_missing_nodes_made() -> None:
    tree = Tree()
    for name, minor in (("ubd/0", 0), ("ubd/1", 1), ("ubd1", 1), ("hda", 0)):
        major = 3 if name == "hda" else 98
        tree.add(f"dev/{name}", Node(Kind.BLOCK, Meta(mode=0o600, gid=9), device=(major, minor)))
    ubd_layer(tree, 3, 5).apply(tree)
    # HOWTO 5.6: 98,0 98,16 98,32.
    wanted = {"dev/ubd/0": (98, 0), "dev/ubd/1": (98, 16), "dev/ubd/2": (98, 32), "dev/ubd1": (98, 16)}
    assert devices(tree) == {**wanted, "dev/hda": (3, 0)}
    assert (tree.lookup("dev/ubd/1").meta.mode, tree.lookup("dev/ubd/1").meta.gid) == (0o600, 9)
    assert tree.lookup("dev/ubd/2").meta == Meta(mode=0o660, gid=6, mtime_ns=5)


def test_sixteen_is_the_most_that_one_major_number_has() -> None:
    tree = Tree()
    ubd_layer(tree, 16, 0).apply(tree)
    assert devices(tree)["dev/ubd/15"] == (98, 240)
