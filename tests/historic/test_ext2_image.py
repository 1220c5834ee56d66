"""Small ext2 images, judged by the reader of ext2 and by e2fsck, which write_ext2 itself runs."""

from pathlib import Path

import pytest
from odd_names import PRINTABLE

from ssiuml.errors import SsiumlError
from ssiuml.formats.ext2.reader import read_ext2
from ssiuml.historic.ext2_image import write_ext2
from ssiuml.tree.tree import Kind, Literal, Meta, Node, Tree, directory, file, symlink


@pytest.mark.parametrize("name", ["\u00fc", *PRINTABLE])
def test_the_folder_of_the_image_may_have_any_name(tmp_path: Path, name: str) -> None:
    tree = Tree()
    tree.add("linuxrc", file(Literal(b"#!/bin/sh\n"), Meta(mode=0o755)))
    folder = tmp_path / f"a{name}b"
    folder.mkdir()
    write_ext2(folder / "image", tree, 0)
    assert read_ext2(folder / "image").find("linuxrc") is not None


def test_hard_and_symbolic_links_owners_modes_and_fifos_are_in_the_image(tmp_path: Path) -> None:
    tree = Tree(Meta(mode=0o711, uid=5, mtime_ns=10**9))
    node = file(Literal(b"x" * 30_000), Meta(mode=0o4711, uid=43, gid=70_000, mtime_ns=10**9))
    tree.add("a", node)
    tree.add("d/b", node)
    tree.add("short", symlink("d/b", Meta(mode=0o777, mtime_ns=10**9)))
    tree.add("long", symlink("x" * 100, Meta(mode=0o777, mtime_ns=10**9)))
    tree.add("fifo", Node(Kind.FIFO, Meta(mode=0o600, mtime_ns=10**9)))
    tree.add("empty", directory(Meta(mode=0o1777, mtime_ns=10**9)))
    write_ext2(tmp_path / "image", tree, 0)
    seen = read_ext2(tmp_path / "image")
    assert seen.lookup("a") is seen.lookup("d/b")
    for path, one in tree.walk():
        if path != "d":
            assert seen.lookup(path, follow=False).meta == one.meta, path
    assert seen.lookup("long", follow=False).target == "x" * 100


@pytest.mark.parametrize("name", ["a b", 'a"b', "a\nquit", "é"])
def test_a_name_that_debugfs_could_misread_is_refused(tmp_path: Path, name: str) -> None:
    tree = Tree()
    tree.add(name, file(Literal(b""), Meta(mode=0o755)))
    with pytest.raises(SsiumlError, match="name and link target may hold only letters, digits and _"):
        write_ext2(tmp_path / "image", tree, 0)
