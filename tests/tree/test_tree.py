"""The tree in memory; its lookups are compared with those of the kernel (openat2, RESOLVE_IN_ROOT)."""

import ctypes
import errno
import hashlib
import os
import struct
import subprocess
import tempfile
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssiuml.tree.tree import (
    MAX_SYMLINKS,
    Extent,
    Kind,
    Literal,
    Meta,
    Node,
    Tree,
    TreeError,
    directory,
    file,
    parts_of,
    sha256_of,
    symlink,
    whole_file,
)

# openat2(2): number in every architecture's table, struct open_how and its flag.
SYS_OPENAT2: Final = 437
RESOLVE_IN_ROOT: Final = 0x10

# A folder is a dict, a symbolic link its target, a file None.
Entry: TypeAlias = "dict[str, Entry] | str | None"
Shape: TypeAlias = "dict[str, Entry]"


def _open_in_root(root: Path, path: str, flags: int) -> str:
    """Open *path* as a process chrooted into *root* would. Return its real path, relative to root."""
    libc = ctypes.CDLL(None, use_errno=True)
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0o644 if flags & os.O_CREAT else 0, RESOLVE_IN_ROOT)
    folder = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        code = errno.EAGAIN
        while code == errno.EAGAIN:  # openat2(2): a rename anywhere on the machine may have raced with '..'
            number = libc.syscall(SYS_OPENAT2, folder, os.fsencode(path) or b".", how, len(how))
            if number >= 0:
                place = Path(f"/proc/self/fd/{number}").readlink()
                os.close(number)
                return str(place.relative_to(root)).removeprefix(".")
            code = ctypes.get_errno()
    finally:
        os.close(folder)
    raise OSError(code, os.strerror(code), path)


def _kernel_finds(root: Path, path: str, *, follow: bool) -> str | None:
    try:
        return _open_in_root(root, path, os.O_PATH | (0 if follow else os.O_NOFOLLOW))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            pytest.skip(f"the kernel cannot be asked: {error}")
        return None


def _make(root: Path, shape: Shape) -> None:
    for name, what in shape.items():
        path = root / name
        if isinstance(what, dict):
            path.mkdir()
            _make(path, what)
        elif what is None:
            path.touch()
        else:
            path.symlink_to(what)


def _tree_of(shape: Shape) -> Tree:
    tree = Tree()

    def add(folder: str, inner: Shape) -> None:
        for name, what in inner.items():
            path = f"{folder}/{name}"
            if isinstance(what, dict):
                tree.add(path, directory(Meta(mode=0o755)))
                add(path, what)
            else:
                tree.add(path, _file() if what is None else symlink(what))

    add("", shape)
    return tree


def _file(data: bytes = b"") -> Node:
    return file(Literal(data), Meta(mode=0o644))


def _names(tree: Tree) -> list[str]:
    return [path for path, _ in tree.walk()]


def _routes() -> st.SearchStrategy[str]:
    steps = st.lists(st.sampled_from(["a", "b", "c", ".."]), min_size=1, max_size=5)
    return st.builds(lambda start, names: start + "/".join(names), st.sampled_from(["", "", "/"]), steps)


def _shapes() -> st.SearchStrategy[Shape]:
    def folder(inner: st.SearchStrategy[Entry]) -> st.SearchStrategy[Shape]:
        return st.dictionaries(st.sampled_from("abc"), inner, max_size=3)

    leaf: st.SearchStrategy[Entry] = st.none() | _routes()
    return folder(leaf | folder(leaf | folder(leaf)))


@given(_shapes(), st.lists(_routes(), min_size=1, max_size=8))
@settings(max_examples=120, deadline=None)
def test_lookup_finds_what_the_kernel_finds_and_never_leaves_the_tree(shape: Shape, paths: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        _make(root, shape)
        tree = _tree_of(shape)
        for path in paths:
            for follow in (True, False):
                found = tree.find(path, follow=follow)
                expected = _kernel_finds(root, path, follow=follow)
                assert (found is None) == (expected is None), (path, follow, expected)
                if expected is not None:
                    assert tree.real_path(path, follow=follow) == expected
                    assert dict(tree.walk())[expected] is found


@given(_shapes(), _routes())
@settings(max_examples=120, deadline=None)
def test_new_file_gets_the_place_where_the_kernel_makes_it(shape: Shape, parent: str) -> None:
    path = f"{parent}/new"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        _make(root, shape)
        place, refused = "", 0
        try:
            place = _open_in_root(root, path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except OSError as error:
            refused = error.errno or 0
    tree, node = _tree_of(shape), _file()
    before = set(_names(tree))
    try:
        tree.add(path, node)
    except TreeError:
        assert refused in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
        return
    assert refused in (0, errno.ENOENT), "add() may only make missing folders"
    assert tree.lookup(path) is node
    if place:
        assert set(_names(tree)) == before | {place}


@pytest.mark.parametrize("links", [MAX_SYMLINKS, MAX_SYMLINKS + 1])
def test_lookup_follows_as_many_links_as_the_kernel(tmp_path: Path, links: int) -> None:
    shape: Shape = {"0": None}
    shape.update({str(number): str(number - 1) for number in range(1, links + 1)})
    _make(tmp_path, shape)
    expected = _kernel_finds(tmp_path, str(links), follow=True)
    tree = _tree_of(shape)
    assert (tree.find(str(links)) is None) == (expected is None)
    assert (expected is None) == (links > MAX_SYMLINKS)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing", "missing: no such file in the tree (no 'missing')"),
        ("/etc/missing/x", "/etc/missing/x: no such file in the tree (no 'missing')"),
        ("etc/passwd/x", "etc/passwd/x: 'passwd' in it is not a directory"),
        ("etc/passwd/..", "etc/passwd/..: 'passwd' in it is not a directory"),
        ("etc/dangling", "etc/dangling: no such file in the tree (no 'nowhere')"),
        ("etc/circle", "etc/circle: more than 40 symbolic links, probably a circle"),
        ("etc/circle/x", "etc/circle/x: more than 40 symbolic links, probably a circle"),
        ("etc/self", "etc/self: more than 40 symbolic links, probably a circle"),
    ],
)
def test_lookup_that_finds_nothing_is_an_error_with_the_reason(path: str, message: str) -> None:
    links: Shape = {"dangling": "nowhere", "circle": "elcric", "elcric": "circle", "self": "/etc/self"}
    tree = _tree_of({"etc": {"passwd": None, **links}})
    with pytest.raises(TreeError) as error:
        tree.lookup(path)
    assert str(error.value) == message
    assert tree.find(path) is None


def test_slashes_and_dots_in_a_path_make_no_difference() -> None:
    tree = _tree_of({"etc": {"passwd": None}})
    node = tree.lookup("etc/passwd")
    for path in ("/etc/passwd", "//etc//passwd", "./etc/./passwd"):
        assert tree.lookup(path) is node
    assert parts_of(PurePosixPath("/etc/passwd")) == ["etc", "passwd"]
    for path in ("", "/", ".", "..", "/../.."):
        assert tree.lookup(path) is tree.root


def test_missing_parents_are_made_for_root_with_mode_0755() -> None:
    tree = Tree()
    tree.add("usr/lib/x", _file())
    assert _names(tree) == ["", "usr", "usr/lib", "usr/lib/x"]
    assert tree.lookup("usr/lib").meta == Meta(mode=0o755, uid=0, gid=0)


def test_directory_over_a_directory_keeps_the_children_and_takes_the_metadata() -> None:
    tree = _tree_of({"etc": {"passwd": None}})
    tree.add("etc", directory(Meta(mode=0o700, uid=7)))
    assert tree.lookup("etc").meta == Meta(mode=0o700, uid=7)
    assert _names(tree) == ["", "etc", "etc/passwd"]


def test_directory_over_a_link_to_one_keeps_the_link() -> None:
    tree = _tree_of({"usr": {"lib": {"x": None}}, "lib": "usr/lib"})
    tree.add("lib", directory(Meta(mode=0o711)))
    assert tree.lookup("lib", follow=False).kind is Kind.SYMLINK
    assert tree.lookup("usr/lib").meta.mode == 0o711
    tree.add("lib/y", _file())
    assert _names(tree) == ["", "lib", "usr", "usr/lib", "usr/lib/x", "usr/lib/y"]


@pytest.mark.parametrize("target", ["nowhere", "file", "link"])
def test_directory_takes_the_place_of_a_link_that_leads_to_no_directory(target: str) -> None:
    tree = _tree_of({"file": None, "link": target})
    tree.add("link", directory(Meta(mode=0o755)))
    assert tree.lookup("link", follow=False).kind is Kind.DIRECTORY


def test_file_replaces_a_link_itself_and_no_directory_that_has_files() -> None:
    tree = _tree_of({"etc": {"a": None}, "link": "etc/a"})
    tree.add("link", _file(b"new"))
    assert (tree.lookup("link").read(), tree.lookup("etc/a").read()) == (b"new", b"")
    with pytest.raises(TreeError, match="etc: would replace a directory that is not empty"):
        tree.add("etc", _file(b"no folder any more"))
    tree.remove("etc/a")
    tree.add("etc", _file(b"no folder any more"))
    assert _names(tree) == ["", "etc", "link"]


def test_root_takes_metadata_but_stays_a_directory() -> None:
    tree = _tree_of({"etc": {}})
    tree.add("/", directory(Meta(mode=0o700)))
    assert (tree.root.meta.mode, _names(tree)) == (0o700, ["", "etc"])
    with pytest.raises(TreeError, match=r"^/: the root of a tree can only be a directory$"):
        tree.add("/", _file())
    with pytest.raises(TreeError, match=r"^the root of a tree cannot be removed$"):
        tree.remove("/")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("file/x", "file: is not a directory, so it cannot hold 'x'"),
        ("file/x/y", "file: is not a directory, so it cannot hold 'x'"),
        ("to-file/x", "to-file: is not a directory, so it cannot hold 'x'"),
        ("dangling/x", "dangling: is a symbolic link that leads nowhere"),
        ("circle/x", "circle: is a symbolic link that leads nowhere"),
        ("etc/..", "etc/..: cannot be the name of a new file"),
    ],
)
def test_path_below_anything_but_a_directory_cannot_be_added(path: str, message: str) -> None:
    tree = _tree_of(
        {"etc": {}, "file": None, "to-file": "file", "dangling": "etc/nowhere", "circle": "circle"}
    )
    before = _names(tree)
    with pytest.raises(TreeError) as error:
        tree.add(path, _file())
    assert str(error.value) == message
    assert _names(tree) == before


def test_hard_link_is_a_second_name_of_the_same_inode() -> None:
    tree = _tree_of({"bin": {"gzip": None}, "to-gzip": "bin/gzip"})
    tree.link("bin/gunzip", "bin/gzip")
    assert tree.lookup("bin/gunzip") is tree.lookup("bin/gzip")
    tree.link("second", "to-gzip")
    assert tree.lookup("second", follow=False).kind is Kind.SYMLINK
    with pytest.raises(TreeError, match=r"^bin: a directory cannot have a second name$"):
        tree.link("sbin", "bin")
    with pytest.raises(TreeError, match=r"no such file"):
        tree.link("x", "missing")


def test_remove_takes_a_link_itself_and_a_directory_with_all_in_it() -> None:
    tree = _tree_of({"usr": {"lib": {"x": None}}, "lib": "usr/lib"})
    tree.remove("lib/x")
    assert _names(tree) == ["", "lib", "usr", "usr/lib"]
    tree.remove("lib")
    assert _names(tree) == ["", "usr", "usr/lib"]
    tree.remove("/usr")
    assert _names(tree) == [""]


@pytest.mark.parametrize("path", ["missing", "etc/missing", "etc/missing/x", "etc/..", "file/x"])
def test_remove_of_a_path_that_does_not_exist_is_an_error(path: str) -> None:
    tree = _tree_of({"etc": {}, "file": None})
    with pytest.raises(TreeError):
        tree.remove(path)
    assert _names(tree) == ["", "etc", "file"]


def test_walk_yields_parents_first_and_names_in_byte_order() -> None:
    # As code points the surrogate of byte 0xFF would come before U+E000 (bytes EE 80 80).
    odd = [
        os.fsdecode(name)
        for name in (b"a", b"a.b", b"\xc3\xa4", b"\xee\x80\x80", b"\xf0\x9f\x98\x80", b"\xff")
    ]
    tree = Tree()
    for name in reversed(odd):
        tree.add(name, _file())
    tree.remove("a")
    tree.add("a/z", _file())
    assert _names(tree) == ["", "a", "a/z", *odd[1:]]


def test_walk_below_a_path_yields_paths_from_the_root_and_follows_no_link() -> None:
    tree = _tree_of({"usr": {"lib": {"x": None}, "link": "lib"}, "etc": {}})
    assert [path for path, _ in tree.walk("/usr/")] == ["usr", "usr/lib", "usr/lib/x", "usr/link"]
    with pytest.raises(TreeError):
        list(tree.walk("missing"))


def test_children_are_sorted_and_only_of_directories() -> None:
    tree = _tree_of({"etc": {"b": None, "a": None}, "link": "etc"})
    assert list(tree.children("link")) == ["a", "b"]
    tree.children("etc").clear()
    assert list(tree.children("etc")) == ["a", "b"]
    with pytest.raises(TreeError, match=r"^etc/a: is not a directory$"):
        tree.children("etc/a")


def test_only_a_file_has_contents() -> None:
    assert _file(b"abc").read() == b"abc"
    assert (_file(b"abc").size_bytes, directory(Meta(mode=0o755)).size_bytes) == (3, 0)
    with pytest.raises(TreeError, match=r"^only a regular file has contents, this is of kind 'l'$"):
        symlink("x").read()


def test_digest_of_contents_is_that_of_sha256sum(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom((1 << 20) + 17))
    expected = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout
    assert sha256_of(whole_file(path)) == expected.split()[0]
    assert sha256_of(Literal(b"")) == hashlib.sha256().hexdigest()


def test_extent_gives_exactly_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    assert b"".join(Extent(path, 3, 4).chunks()) == b"3456"
    assert b"".join(Extent(path, 3, 0).chunks()) == b""


def test_extent_beyond_the_end_of_its_file_is_an_error_with_the_missing_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with pytest.raises(TreeError) as error:
        list(Extent(path, 8, 5).chunks())
    assert str(error.value) == f"{path}: ends 3 bytes before it should"
