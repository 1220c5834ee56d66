"""Comparing trees: which facts count as a difference, and how its line reads."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from ssiuml.tree.compare import MAX_DIFFERENCES_SHOWN, Census, differences, take_census
from ssiuml.tree.layer import merge, read_layer
from ssiuml.tree.tree import Extent, Kind, Literal, Meta, Node, Tree, directory, file, symlink


def _tree(*entries: tuple[str, Node]) -> Tree:
    tree = Tree()
    for path, node in entries:
        tree.add(path, node)
    return tree


def _file(data: bytes = b"", meta: Meta | None = None) -> Node:
    return file(Literal(data), meta or Meta(mode=0o644))


def _device(major: int, minor: int) -> Node:
    return Node(Kind.CHARACTER, Meta(mode=0o600), device=(major, minor))


def _censuses(want: Node, have: Node) -> tuple[Census, Census]:
    return take_census(_tree(("x", want))), take_census(_tree(("x", have)))


@pytest.mark.parametrize(
    ("want", "have", "lines"),
    [
        (Meta(mode=0o4755), Meta(mode=0o755), ["/x: mode is 493, should be 2541"]),
        (Meta(mode=0o644, uid=1), Meta(mode=0o644), ["/x: uid is 0, should be 1"]),
        (Meta(mode=0o644, gid=1), Meta(mode=0o644), ["/x: gid is 0, should be 1"]),
        (Meta(mode=0o644, mtime_ns=1), Meta(mode=0o644), ["/x: mtime_ns is 0, should be 1"]),
        (
            Meta(mode=0o644, xattrs={"user.a": b"\xff"}),
            Meta(mode=0o644, xattrs={"user.a": b""}),
            ["/x: xattrs is (('user.a', ''),), should be (('user.a', 'ff'),)"],
        ),
    ],
)
def test_each_difference_of_an_inode_is_a_line_with_both_values(
    want: Meta, have: Meta, lines: list[str]
) -> None:
    assert differences(*_censuses(_file(meta=want), _file(meta=have))) == lines


@pytest.mark.parametrize(
    ("want", "have", "facts"),
    [
        (_file(b"a"), _file(b"b"), ["sha256"]),
        (_file(b"a"), _file(b"ab"), ["size_bytes", "sha256"]),
        (symlink("a"), symlink("b"), ["target"]),
        (_device(5, 1), _device(1, 5), ["device"]),
        (_file(), directory(Meta(mode=0o644)), ["kind", "sha256"]),
        (Node(Kind.FIFO, Meta(mode=0)), Node(Kind.BLOCK, Meta(mode=0), device=(1, 1)), ["kind", "device"]),
    ],
)
def test_inodes_of_every_kind_differ_in_the_facts_that_differ(
    want: Node, have: Node, facts: list[str]
) -> None:
    expected, seen = _censuses(want, have)
    assert [line.split()[1] for line in differences(expected, seen)] == facts
    assert expected.digest() != seen.digest()


def test_equal_trees_have_no_differences_and_one_digest() -> None:
    meta = Meta(mode=0o644, xattrs={"user.a": b"1", "user.b": b"2"})
    turned = Meta(mode=0o644, xattrs={"user.b": b"2", "user.a": b"1"})
    one = take_census(_tree(("b", _file(b"x", meta)), ("a\udcff", symlink("\udcfe"))))
    other = take_census(_tree(("a\udcff", symlink("\udcfe")), ("b", _file(b"x", turned))))
    assert differences(one, other) == []
    assert one.digest() == other.digest()


def test_mode_of_a_link_does_not_count() -> None:
    assert differences(*_censuses(symlink("a"), symlink("a", Meta(mode=0o755)))) == []


def test_missing_and_surplus_paths_are_named() -> None:
    expected = take_census(_tree(("etc/a", _file())))
    seen = take_census(_tree(("etc/b", _file())))
    assert differences(expected, seen) == ["/etc/a: is missing", "/etc/b: is there but should not be"]


def test_hard_link_that_became_a_copy_is_a_difference() -> None:
    shared = _file(b"x")
    linked = take_census(_tree(("a", shared), ("b", shared)))
    copied = take_census(_tree(("a", _file(b"x")), ("b", _file(b"x"))))
    assert differences(linked, copied) == ["/b: first_name is 'b', should be 'a'"]
    assert (linked.inodes, copied.inodes) == (2, 3)  # the root counts
    assert (linked.content_bytes, copied.content_bytes) == (1, 2)


@pytest.mark.parametrize("more", [0, 7])
def test_only_the_first_differences_are_shown_and_the_rest_counted(more: int) -> None:
    count = MAX_DIFFERENCES_SHOWN + more
    expected = take_census(_tree(*((f"{number:03}", _file()) for number in range(count))))
    lines = differences(expected, take_census(Tree()))
    assert lines[:2] == ["/000: is missing", "/001: is missing"]
    assert lines[MAX_DIFFERENCES_SHOWN:] == ([f"and {more} more"] if more else [])


def test_census_agrees_with_find_and_sha256sum(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "dir").mkdir(parents=True)
    (top / "dir" / "file").write_bytes(os.urandom(2_000_000))
    (top / "dir" / "hard").hardlink_to(top / "dir" / "file")
    (top / "link").symlink_to("dir/nowhere")
    os.mkfifo(top / "fifo", 0o600)
    archive = tmp_path / "a.tar"
    subprocess.run(["tar", "--format=pax", "-C", top, "-cf", archive, "."], check=True)
    census = take_census(merge([read_layer(archive)]))
    form = r"%P\t%y\t%m\t%U\t%G\t%T@\t%l\n"
    found = subprocess.run(["find", top, "-printf", form], capture_output=True, text=True, check=True).stdout
    lines = [
        f"{path}\t{facts.kind}\t{facts.mode:o}\t{facts.uid}\t{facts.gid}"
        f"\t{facts.mtime_ns // 10**9}.{facts.mtime_ns % 10**9:09d}0\t{facts.target}"
        for path, facts in census.facts.items()
    ]
    assert sorted(lines) == sorted(found.splitlines())
    summed = subprocess.run(["sha256sum", top / "dir" / "file"], capture_output=True, text=True, check=True)
    assert census.facts["dir/hard"].sha256 == summed.stdout.split()[0]
    assert census.facts["dir/hard"].first_name == "dir/file"
    assert census.content_bytes == 2_000_000


def test_contents_are_compared_by_their_bytes_and_not_by_their_places() -> None:
    with tempfile.NamedTemporaryFile() as stream:
        stream.write(b"--hello--")
        stream.flush()
        elsewhere = file(Extent(Path(stream.name), 2, 5), Meta(mode=0o644))
        assert differences(*_censuses(_file(b"hello"), elsewhere)) == []
