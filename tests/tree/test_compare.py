"""Comparing trees: which facts count as a difference, and how its line reads."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssiuml.tree.compare import MAX_DIFFERENCES_SHOWN, Census, differences, digest_of, take_census
from ssiuml.tree.extents import Extents
from ssiuml.tree.layer import merge, read_layer
from ssiuml.tree.tree import (
    Content,
    Extent,
    Kind,
    Literal,
    Meta,
    Node,
    Tree,
    TreeError,
    directory,
    file,
    symlink,
)


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


def _holes(path: Path, size_bytes: int, pieces: dict[int, bytes]) -> Extent:
    with path.open("wb") as stream:
        stream.truncate(size_bytes)
        for offset, data in pieces.items():
            stream.seek(offset)
            stream.write(data)
    return Extent(path, 0, size_bytes)


def test_digest_of_contents_without_zeros_is_their_sha256(tmp_path: Path) -> None:
    data = b"any text" * 50_000
    (tmp_path / "f").write_bytes(data)
    output = subprocess.run(["sha256sum", tmp_path / "f"], capture_output=True, text=True, check=True).stdout
    for content in (Literal(data), Extent(tmp_path / "f", 0, len(data))):
        assert digest_of(content) == output.split()[0]


@given(
    st.dictionaries(st.integers(0, 300_000), st.binary(min_size=1, max_size=9), max_size=4),
    st.integers(0, 300_009),
    st.integers(4096, 100_000),
)
def test_holes_and_zeros_have_the_same_digest(pieces: dict[int, bytes], size_bytes: int, step: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sparse = _holes(Path(folder, "sparse"), 300_009, pieces)
        data = Path(folder, "sparse").read_bytes()[:size_bytes]
        places = range(0, size_bytes, step)
        extents = Extents(
            Path(folder, "sparse"),
            size_bytes,
            [(at, at, len(data[at : at + step])) for at in places if any(data[at : at + step])],
        )
        contents: list[Content] = [Literal(data), Extent(sparse.path, 0, size_bytes), extents]
        assert len({digest_of(content) for content in contents}) == 1


def test_data_at_another_place_has_another_digest(tmp_path: Path) -> None:
    digests = {
        digest_of(_holes(tmp_path / "f", 64 << 20, {offset: b"x"}))
        for offset in (0, 1, 4096, 65_535, 65_536, 1 << 20, (64 << 20) - 1)
    }
    assert len(digests) == 7


def test_file_that_became_shorter_does_not_end_in_a_hole(tmp_path: Path) -> None:
    content = _holes(tmp_path / "f", 1 << 20, {0: b"x"})
    os.truncate(tmp_path / "f", 1 << 19)
    with pytest.raises(TreeError, match="f: ends 524288 bytes before it should"):
        digest_of(content)


def test_tebibyte_of_holes_takes_no_time(tmp_path: Path) -> None:
    sparse = _holes(tmp_path / "f", 1 << 40, {5 << 30: b"x"})
    started = time.process_time()
    census = take_census(_tree(("f", file(sparse, Meta(mode=0o644)))))
    assert census.content_bytes == 1 << 40
    assert time.process_time() - started < 5
