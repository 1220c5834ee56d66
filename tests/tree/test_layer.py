"""Layers as archives: we read those of GNU tar, and GNU tar reads ours."""

import errno
import gzip
import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from damaged_archives import damage
from hypothesis import given, settings
from hypothesis import strategies as st

from ssiuml.tree.compare import take_census
from ssiuml.tree.layer import Layer, LayerError, merge, read_layer, write_layer, write_tree
from ssiuml.tree.tree import (
    Content,
    Kind,
    Literal,
    Meta,
    Node,
    Tree,
    TreeError,
    directory,
    file,
    symlink,
    whole_file,
)

# Bytes that a text format may not survive: NUL, newline, '=', no UTF-8, the text of a pax record.
ODD_VALUE = b"\0a=b\n\xff\xfe12 x=y\n\0"
LONG = "n" * 120
YEAR_2024_NS = 1_704_067_200 * 10**9


def _tar(*words: str | Path) -> str:
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    result = subprocess.run(["tar", *words], capture_output=True, env=environment)
    assert result.returncode == 0, result.stderr
    return result.stdout.decode(errors="surrogateescape")


def _listing(archive: Path) -> list[str]:
    lines = _tar("--numeric-owner", "--full-time", "--quoting-style=escape", "-tvf", archive).splitlines()
    return [" ".join(line.split()) for line in lines]


def _file(data: bytes = b"", mode: int = 0o644, uid: int = 0, gid: int = 0, mtime_ns: int = 0) -> Node:
    return file(Literal(data), Meta(mode=mode, uid=uid, gid=gid, mtime_ns=mtime_ns))


def _layer(*entries: tuple[str, Node], removed: tuple[str, ...] = ()) -> Layer:
    layer = Layer(removed=list(removed))
    for path, node in entries:
        layer.add(path, node)
    return layer


def _names(tree: Tree) -> list[str]:
    return [path for path, _ in tree.walk()]


def _archive(path: Path, *members: tarfile.TarInfo, data: bytes = b"") -> Path:
    """Make an archive of these headers with tarfile, for members that need root or that GNU tar refuses."""
    with tarfile.TarFile(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            member.size = len(data) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(data))
    return path


def _info(
    name: str, kind: bytes = tarfile.REGTYPE, linkname: str = "", device: tuple[int, int] = (0, 0)
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, linkname
    info.devmajor, info.devminor = device
    return info


@pytest.fixture
def xattr_folder(tmp_path: Path) -> Path:
    """A folder on a file system that has user.* attributes."""
    try:
        os.setxattr(tmp_path, "user.ssiuml", b"")
        os.removexattr(tmp_path, "user.ssiuml")
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        pytest.skip(f"{tmp_path}: the file system has no user.* attributes")
    return tmp_path


# We read archives of GNU tar.


@pytest.mark.parametrize("form", ["pax", "gnu", "ustar", "v7"])
def test_every_kind_in_an_archive_of_gnu_tar_is_read(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "dir").mkdir()
    (folder / "dir" / "file").write_bytes(b"hello")
    (folder / "dir" / "hard").hardlink_to(folder / "dir" / "file")
    (folder / "link").symlink_to("/dir/file")
    if form != "v7":
        os.mkfifo(folder / "fifo")
    archive = tmp_path / "a.tar"
    _tar(
        f"--format={form}", "--sort=name", "--owner=:7", "--group=:8", "--mode=u=rwx,g=rx,o=,u+s",
        "--mtime=@1704067200", "-C", folder, "-cf", archive, ".",
    )  # fmt: skip
    tree = merge([read_layer(archive)])
    assert [(path, node.kind.value) for path, node in tree.walk() if path != "fifo"] == [
        ("", "d"),
        ("dir", "d"),
        ("dir/file", "f"),
        ("dir/hard", "f"),
        ("link", "l"),
    ]
    assert (tree.find("fifo") is None) == (form == "v7")
    for path in ("", "dir", "dir/file"):
        assert tree.lookup(path).meta == Meta(mode=0o4750, uid=7, gid=8, mtime_ns=YEAR_2024_NS)
    assert tree.lookup("dir/file").read() == b"hello"
    assert tree.lookup("dir/file") is tree.lookup("dir/hard")
    assert tree.lookup("link", follow=False).target == "/dir/file"


@pytest.mark.parametrize("form", ["pax", "gnu"])
def test_long_and_odd_names_of_gnu_tar_are_read(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "in"
    deep = folder / LONG / LONG / LONG
    deep.mkdir(parents=True)
    names = [b"new\nline", b"\xff\xfe", "ä".encode(), b" blank ", b"back\\slash", b"-dash", b"e=mc2"]
    for name in names:
        (deep / os.fsdecode(name)).write_bytes(name)
    (folder / "link").symlink_to(f"{LONG}/{LONG}/{os.fsdecode(names[1])}")
    archive = tmp_path / "a.tar"
    _tar(f"--format={form}", "-C", folder, "-cf", archive, ".")
    tree = merge([read_layer(archive)])
    held = {os.fsencode(name): node.read() for name, node in tree.children(f"{LONG}/{LONG}/{LONG}").items()}
    assert held == {name: name for name in names}
    assert tree.lookup("link", follow=False).target == f"{LONG}/{LONG}/\udcff\udcfe"


def test_nanoseconds_of_gnu_tar_are_read_exactly_even_before_1970(tmp_path: Path) -> None:
    times_ns = [
        0,
        1,
        999_999_999,
        1_704_067_200_123_456_789,
        4_102_444_800_000_000_001,
        -1,
        -1_500_000_000,
        -7 * 10**9,
    ]
    folder = tmp_path / "in"
    folder.mkdir()
    for number, time_ns in enumerate(times_ns):
        (folder / str(number)).touch()
        os.utime(folder / str(number), ns=(time_ns, time_ns))
    on_disk = [(folder / str(number)).stat().st_mtime_ns for number in range(len(times_ns))]
    _tar("--format=pax", "-C", folder, "-cf", tmp_path / "a.tar", ".")
    tree = merge([read_layer(tmp_path / "a.tar")])
    assert [tree.lookup(str(number)).meta.mtime_ns for number in range(len(times_ns))] == on_disk


def test_xattrs_of_gnu_tar_are_read_byte_for_byte(xattr_folder: Path) -> None:
    folder = xattr_folder / "in"
    folder.mkdir()
    (folder / "f").write_bytes(b"hello")
    wanted = {"user.odd": ODD_VALUE, "user.empty": b"", "user.a=b%3D%25": b"=", "user.long": b"\xff" * 2000}
    for name, value in wanted.items():
        os.setxattr(folder / "f", name, value)
    archive = xattr_folder / "a.tar"
    _tar("--xattrs", "--xattrs-include=user.*", "--format=pax", "-C", folder, "-cf", archive, ".")
    assert merge([read_layer(archive)]).lookup("f").meta.xattrs == wanted


def test_devices_keep_their_numbers_and_owners(tmp_path: Path) -> None:
    console, disk = (
        _info("./dev/console", tarfile.CHRTYPE, "", (5, 1)),
        _info("dev/ubda", tarfile.BLKTYPE, "", (4095, 1_048_575)),
    )
    console.mode, console.uid, console.gid = 0o620, 3_000_000, 5  # more than the seven octal digits of ustar
    tree = merge([read_layer(_archive(tmp_path / "a.tar", console, disk))])
    node = tree.lookup("dev/console")
    assert (node.kind, node.device, node.meta.mode, node.meta.uid) == (
        Kind.CHARACTER,
        (5, 1),
        0o620,
        3_000_000,
    )
    assert (tree.lookup("dev/ubda").kind, tree.lookup("dev/ubda").device) == (Kind.BLOCK, (4095, 1_048_575))


def test_member_with_an_absolute_name_lies_below_the_root_of_the_tree(tmp_path: Path) -> None:
    tree = merge([read_layer(_archive(tmp_path / "a.tar", _info("//etc//passwd"), _info("./././x")))])
    assert _names(tree) == ["", "etc", "etc/passwd", "x"]


def test_contents_stay_in_the_archive_until_they_are_needed(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(os.urandom(3_000_000))
    _tar("-C", tmp_path, "-cf", tmp_path / "a.tar", "f")
    node = merge([read_layer(tmp_path / "a.tar")]).lookup("f")
    (tmp_path / "a.tar").rename(tmp_path / "moved")
    with pytest.raises(FileNotFoundError):
        node.read()
    (tmp_path / "moved").rename(tmp_path / "a.tar")
    assert node.read() == (tmp_path / "f").read_bytes()


# Bad archives.


def _refused(path: Path) -> str:
    with pytest.raises(LayerError) as error:
        read_layer(path)
    assert str(error.value).startswith(f"{path}: ")
    return str(error.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("name", ["../x", "a/../../x", "a/..", "/.."])
def test_member_that_leads_out_of_the_tree_is_refused(tmp_path: Path, name: str) -> None:
    assert _refused(_archive(tmp_path / "a.tar", _info(name))) == f"member '{name}' leads out of the tree"


def test_hard_link_to_nothing_is_refused(tmp_path: Path) -> None:
    late = _archive(tmp_path / "a.tar", _info("b", tarfile.LNKTYPE, "a"), _info("a"))
    assert _refused(late) == "member 'b' is a hard link to 'a', which is not before it"


def test_hard_link_to_a_directory_is_refused(tmp_path: Path) -> None:
    bad = _archive(tmp_path / "a.tar", _info("a", tarfile.DIRTYPE), _info("b", tarfile.LNKTYPE, "a"))
    assert _refused(bad) == "member 'b' is a hard link to 'a', a directory"


def test_member_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    bad = _archive(tmp_path / "a.tar", _info("x", b"A"))
    assert _refused(bad) == "member 'x' has type b'A', which a layer cannot hold"


@pytest.mark.parametrize(
    "name", [".wh.", "etc/.wh.", "etc/.wh..", "etc/.wh...", "etc/.wh..wh..opq", ".wh..wh.x"]
)
def test_whiteout_without_a_name_and_opaque_whiteouts_are_refused(tmp_path: Path, name: str) -> None:
    message = _refused(_archive(tmp_path / "a.tar", _info(name)))
    assert message == f"member '{name}' is a whiteout without a name; opaque ones are not supported"


def test_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    for data in (b"", b"hello", b"hello" * 1000):
        path.write_bytes(data)
        assert _refused(path).startswith("cannot be read as a tar archive: ")
    path.unlink()
    assert "No such file" in _refused(path)
    assert "Is a directory" in _refused(tmp_path)


def test_compressed_archive_is_refused(tmp_path: Path) -> None:
    path = _archive(tmp_path / "a.tar", _info("x"), data=b"hello" * 1000)
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert _refused(path).startswith("cannot be read as a tar archive: ")


@pytest.mark.parametrize("form", ["pax", "gnu"])
def test_archive_cut_off_anywhere_is_refused(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / LONG).write_bytes(b"x" * 700)
    (folder / "last").write_bytes(b"y" * 1500)
    path = tmp_path / "a.tar"
    _tar(f"--format={form}", "--sort=name", "-C", folder, "-cf", path, LONG, "last")
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0"))
    end += -end % 512  # the archive ends here; only blocks of zeros follow
    for size in (*range(0, end + 512, 256), 1, 511, 513, end - 1, end + 1, end + 511):
        path.write_bytes(whole[:size])
        _refused(path)
    path.write_bytes(whole[: end + 512])  # GNU tar reads it too ("A lone zero block")
    assert _names(merge([read_layer(path)])) == ["", "last", LONG]


def test_damaged_header_in_the_middle_is_not_taken_for_the_end(tmp_path: Path) -> None:
    path = _archive(tmp_path / "a.tar", _info("a"), _info("b"), _info("c"))
    data = bytearray(path.read_bytes())
    data[512] ^= 1
    path.write_bytes(data)
    _refused(path)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_archive_is_read_or_refused_but_never_crashes(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.tar")
        node = file(Literal(b"x" * 700), Meta(mode=0o644, mtime_ns=5, xattrs={"user.x": ODD_VALUE}))
        write_layer(
            path, _layer((LONG, node), ("hard", node), ("link", symlink("y" * 120)), removed=("gone",))
        )
        damage(data, path, len(path.read_bytes().rstrip(b"\0")), b"\0\n-09=\x80\xff")
        try:
            read_layer(path)
        except LayerError:
            return


@pytest.mark.parametrize("time", ["abc", "", "1.x", "nan", "1e5"])
def test_time_that_is_no_number_is_refused(tmp_path: Path, time: str) -> None:
    info = _info("x")
    info.pax_headers = {"mtime": time}
    message = _refused(_archive(tmp_path / "a.tar", info))
    assert message == f"member 'x' has the time '{time}', which is no number of seconds"


def test_member_of_negative_size_is_refused_and_not_read_forever(tmp_path: Path) -> None:
    block = bytearray(_info("x").tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = b"\xff" * 10 + b"\xfe\0"  # -512 in base 256: the next header would be this one again
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    (tmp_path / "a.tar").write_bytes(block + bytes(1024))
    _refused(tmp_path / "a.tar")


# GNU tar reads our archives.


def test_gnu_tar_lists_the_metadata_of_every_kind_of_inode(tmp_path: Path) -> None:
    shared = _file(b"hello", 0o4755, uid=7, gid=8, mtime_ns=YEAR_2024_NS + 123_456_789)
    meta = Meta(mode=0o1777, uid=3_000_000, gid=100, mtime_ns=YEAR_2024_NS)
    layer = _layer(
        ("/var/", directory(meta)),
        ("var/a", shared),
        ("var/b", shared),
        ("link", symlink("../x y", Meta(mode=0o777, mtime_ns=1))),
        ("dev/console", Node(Kind.CHARACTER, Meta(mode=0o600), device=(5, 1))),
        ("dev/ubda", Node(Kind.BLOCK, Meta(mode=0o660, gid=6), device=(98, 1_048_575))),
        ("fifo", Node(Kind.FIFO, Meta(mode=0o622))),
        (LONG, _file()),
        (f"new\nline\udcff{LONG}", symlink(f"\udcfe{LONG}")),
        removed=("etc/rc3.d/S20gpm", "opt"),
    )
    write_layer(tmp_path / "a.tar", layer)
    assert _listing(tmp_path / "a.tar") == [
        "-rw-r--r-- 0/0 0 1970-01-01 00:00:00 ./etc/rc3.d/.wh.S20gpm",
        "-rw-r--r-- 0/0 0 1970-01-01 00:00:00 ./.wh.opt",
        "drwxrwxrwt 3000000/100 0 2024-01-01 00:00:00 ./var/",
        "-rwsr-xr-x 7/8 5 2024-01-01 00:00:00.123456789 ./var/a",
        "hrwsr-xr-x 7/8 0 2024-01-01 00:00:00.123456789 ./var/b link to ./var/a",
        "lrwxrwxrwx 0/0 0 1970-01-01 00:00:00.000000001 ./link -> ../x y",
        "crw------- 0/0 5,1 1970-01-01 00:00:00 ./dev/console",
        "brw-rw---- 0/6 98,1048575 1970-01-01 00:00:00 ./dev/ubda",
        "prw--w--w- 0/0 0 1970-01-01 00:00:00 ./fifo",
        f"-rw-r--r-- 0/0 0 1970-01-01 00:00:00 ./{LONG}",
        f"lrwxrwxrwx 0/0 0 1970-01-01 00:00:00 ./new\\nline\\377{LONG} -> \\376{LONG}",
    ]


def test_gnu_tar_unpacks_contents_links_times_and_xattrs(xattr_folder: Path) -> None:
    xattrs = {"user.odd": ODD_VALUE, "user.empty": b"", "user.a=b%3D%25": b"="}
    big = xattr_folder / "big"
    big.write_bytes(os.urandom(2_500_001))
    time_ns = -1_500_000_001
    node = file(whole_file(big), Meta(mode=0o640, mtime_ns=time_ns, xattrs=xattrs))
    tree = merge([_layer(("d/big", node), ("d/hard", node), ("odd\n\udcff", symlink("d/\udcfe")))])
    write_tree(xattr_folder / "a.tar", tree)
    out = xattr_folder / "out"
    out.mkdir()
    _tar("--xattrs", "--xattrs-include=user.*", "-C", out, "-xpf", xattr_folder / "a.tar")
    state = (out / "d" / "big").stat()
    assert (out / "d" / "big").read_bytes() == big.read_bytes()
    assert (state.st_mode & 0o7777, state.st_mtime_ns, state.st_nlink) == (0o640, time_ns, 2)
    assert {
        name: os.getxattr(out / "d" / "hard", name) for name in os.listxattr(out / "d" / "hard")
    } == xattrs
    assert sorted(path.name for path in out.iterdir()) == ["d", "odd\n\udcff"]
    assert str((out / "odd\n\udcff").readlink()) == "d/\udcfe"


def test_directory_with_two_names_is_written_twice_and_not_as_a_hard_link(tmp_path: Path) -> None:
    shared = directory(Meta(mode=0o750))
    write_layer(tmp_path / "a.tar", _layer(("a", shared), ("b", shared), ("a/x", _file())))
    assert [line[:10] for line in _listing(tmp_path / "a.tar")] == ["drwxr-x---", "drwxr-x---", "-rw-r--r--"]
    assert _names(merge([read_layer(tmp_path / "a.tar")])) == ["", "a", "a/x", "b"]


def test_hard_link_keeps_its_inode_if_a_later_entry_replaces_the_first_name(tmp_path: Path) -> None:
    first, second = _file(b"first"), _file(b"second")
    layer = _layer(("a", first), ("a", second), ("b", first), ("c", first))
    write_layer(tmp_path / "l.tar", layer)
    (tmp_path / "out").mkdir()
    _tar("-C", tmp_path / "out", "-xf", tmp_path / "l.tar")
    assert [(tmp_path / "out" / name).read_bytes() for name in "abc"] == [b"second", b"first", b"first"]
    assert take_census(merge([read_layer(tmp_path / "l.tar")])) == take_census(merge([layer]))


def test_the_same_layer_gives_the_same_bytes(tmp_path: Path) -> None:
    def make(path: Path, order: int) -> bytes:
        xattrs = dict([("user.a", b"1"), ("user.b", b"2")][::order])
        node = file(Literal(b"x"), Meta(mode=0o644, mtime_ns=17, xattrs=xattrs))
        write_layer(path, _layer(("a", node), ("b", node), removed=("y", "x")[::order]))
        return path.read_bytes()

    assert make(tmp_path / "one.tar", 1) == make(tmp_path / "elsewhere.tar", -1)


def test_attribute_whose_name_is_no_utf8_cannot_be_written(tmp_path: Path) -> None:
    node = file(Literal(b""), Meta(mode=0o644, xattrs={"user.\udcff": b""}))
    with pytest.raises(LayerError) as error:
        write_layer(tmp_path / "a.tar", _layer(("x", node)))
    assert str(error.value) == r"/x: the name of its attribute 'user.\udcff' is no UTF-8"


@pytest.mark.parametrize("name", [".wh.x", "etc/.wh.x", "etc/.wh."])
def test_name_that_would_be_read_as_a_whiteout_cannot_be_written(tmp_path: Path, name: str) -> None:
    message = f"/{name}: a name that begins with '.wh.' would be read as a whiteout"
    for layer in (_layer((name, _file())), _layer(removed=(name,))):
        with pytest.raises(LayerError) as error:
            write_layer(tmp_path / "a.tar", layer)
        assert str(error.value) == message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "/", "etc/.."])
def test_removal_without_a_name_cannot_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(LayerError, match="cannot be removed by a layer"):
        write_layer(tmp_path / "a.tar", _layer(removed=(name,)))


def test_whole_tree_may_hold_names_that_look_like_whiteouts(tmp_path: Path) -> None:
    write_tree(tmp_path / "a.tar", merge([_layer((".wh.x", _file()))]))
    assert [line.split()[-1] for line in _listing(tmp_path / "a.tar")] == ["./", "./.wh.x"]


def test_archive_does_not_appear_when_contents_end_early(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 5000)
    layer = _layer(("f", file(whole_file(tmp_path / "f"), Meta(mode=0o644))))
    os.truncate(tmp_path / "f", 4000)
    with pytest.raises(TreeError, match="f: ends 1000 bytes before it should"):
        write_layer(tmp_path / "a.tar", layer)
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


class _Pieces:
    """Contents in chunks of odd sizes, as a pipe would give them."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self.data, self.sizes = data, sizes

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        at = 0
        for size in [*self.sizes, len(self.data)]:
            if piece := self.data[at : at + size]:
                yield piece
            at += size


@given(st.lists(st.integers(1, 1500), max_size=6))
def test_contents_in_pieces_of_any_size_are_written_whole(sizes: list[int]) -> None:
    data = bytes(range(256)) * 12
    content: Content = _Pieces(data, sizes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.tar")
        write_layer(path, _layer(("f", file(content, Meta(mode=0o644)))))
        assert merge([read_layer(path)]).lookup("f").read() == data


# Merging.


def test_later_layers_replace_files_of_earlier_ones() -> None:
    base = _layer(("etc", directory(Meta(mode=0o755))), ("etc/a", _file(b"base")), ("etc/b", _file(b"base")))
    upper = _layer(("etc/a", _file(b"upper")), ("etc/c", _file()))
    assert merge([base, upper]).lookup("etc/a").read() == b"upper"
    assert merge([upper, base]).lookup("etc/a").read() == b"base"
    assert _names(merge([base, upper])) == ["", "etc", "etc/a", "etc/b", "etc/c"]


def test_whiteouts_of_a_layer_apply_before_its_entries_in_any_order(tmp_path: Path) -> None:
    base = _layer(("etc/rc3.d/S20gpm", _file()), ("etc/rc3.d/S10network", _file()))
    path = _archive(tmp_path / "a.tar", _info("etc/rc3.d/S99new"), _info("etc/.wh.rc3.d"))
    upper = read_layer(path)
    assert upper.removed == ["etc/rc3.d"]
    assert _names(merge([base, upper])) == ["", "etc", "etc/rc3.d", "etc/rc3.d/S99new"]


def test_whiteout_follows_links_in_its_path_but_removes_a_link_itself() -> None:
    base = _layer(
        ("etc/rc.d/rc3.d/S20gpm", symlink("../init.d/gpm")),
        ("etc/rc.d/init.d/gpm", _file()),
        ("etc/rc3.d", symlink("rc.d/rc3.d")),
    )
    tree = merge([base, _layer(removed=("etc/rc3.d/S20gpm",))])
    assert "etc/rc.d/rc3.d/S20gpm" not in _names(tree)
    assert {"etc/rc3.d", "etc/rc.d/init.d/gpm"} <= set(_names(tree))


def test_whiteout_of_a_path_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(LayerError, match=r"^/etc/x: a layer removes it, but it is not in the tree$"):
        merge([_layer(("etc/y", _file())), _layer(removed=("etc/x",))])


def test_merging_does_not_change_the_layers() -> None:
    base = _layer(("etc", directory(Meta(mode=0o755))))
    merge([base, _layer(("etc/x", _file()), ("etc", directory(Meta(mode=0o700))))])
    assert [(path, node.meta.mode, node.children) for path, node in base.entries] == [("etc", 0o755, {})]


def test_directory_of_a_layer_over_a_link_is_merged_into_the_directory_of_the_link() -> None:
    base = _layer(("usr/lib/x", _file()), ("lib", symlink("usr/lib")))
    tree = merge([base, _layer(("lib", directory(Meta(mode=0o755))), ("lib/modules/m.ko", _file()))])
    assert "usr/lib/modules/m.ko" in _names(tree)
    assert tree.lookup("lib", follow=False).kind is Kind.SYMLINK


# Any tree at all.

_NAMES = (
    (
        st.binary(min_size=1, max_size=12)
        | st.sampled_from([b"a", b"b", b"n" * 130, b"\xff" * 110, b"\n", b"=", b" ", b"..."])
    )
    .map(lambda name: os.fsdecode(name.replace(b"\0", b"_").replace(b"/", b"_")))
    .filter(lambda name: name not in (".", "..") and not name.startswith(".wh."))
)
_METAS = st.builds(
    Meta,
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**32 - 1),
    gid=st.integers(0, 2**32 - 1),
    mtime_ns=st.integers(-(2**62), 2**62) | st.integers(-(2 * 10**9), 2 * 10**9),
    xattrs=st.dictionaries(
        st.sampled_from(["user.a", "user.b=c", "user.%3D", "security.capability"])
        | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5).map("user.".__add__),
        st.binary(max_size=40) | st.just(ODD_VALUE),
        max_size=2,
    ),
)
_NODES = (
    st.builds(file, st.binary(max_size=1100).map(Literal), _METAS)
    | st.builds(symlink, _NAMES, _METAS)
    | st.builds(
        lambda kind, meta, major, minor: Node(kind, meta, device=(major, minor)),
        st.sampled_from([Kind.CHARACTER, Kind.BLOCK]),
        _METAS,
        st.integers(0, 2**12 - 1),
        st.integers(0, 2**20 - 1),
    )
    | st.builds(Node, st.just(Kind.FIFO), _METAS)
)


@st.composite
def _trees(draw: st.DrawFn) -> Tree:
    tree = Tree(draw(_METAS))
    folders, others = [""], list[str]()
    for name in draw(st.lists(_NAMES, max_size=7, unique=True)):
        path = f"{draw(st.sampled_from(folders))}/{name}"
        match draw(st.sampled_from(["folder", "node", "node", "hard link"])):
            case "folder":
                tree.add(path, directory(draw(_METAS)))
                folders.append(path)
            case "hard link" if others:
                tree.link(path, draw(st.sampled_from(others)))
            case _:
                tree.add(path, draw(_NODES))
                others.append(path)
    return tree


@given(_trees())
@settings(max_examples=120, deadline=None)
def test_any_tree_is_read_back_unchanged_and_written_again_with_the_same_bytes(tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.tar")
        write_layer(path, Layer(entries=list(tree.walk())))
        written = path.read_bytes()
        again = merge([read_layer(path)])
        assert take_census(again) == take_census(tree)
        write_tree(path, again)
        assert path.read_bytes() == written


@given(_trees())
@settings(max_examples=25, deadline=None)
def test_gnu_tar_lists_the_names_kinds_and_link_targets_of_any_tree(tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.tar")
        write_tree(path, tree)
        listed = _tar("--quoting-style=literal", "--show-transformed-names", "-tf", path)
    names = [
        f"./{name}" + ("/" if node.kind is Kind.DIRECTORY and name else "") for name, node in tree.walk()
    ]
    assert listed == "".join(f"{name}\n" for name in names)


@given(st.lists(_trees(), min_size=1, max_size=3))
@settings(max_examples=30, deadline=None)
def test_layers_that_were_written_and_read_merge_to_the_same_tree(trees: list[Tree]) -> None:
    layers = [Layer(entries=list(tree.walk())) for tree in trees]
    read = []
    with tempfile.TemporaryDirectory() as folder:
        for number, layer in enumerate(layers):
            write_layer(Path(folder, str(number)), layer)
            read.append(read_layer(Path(folder, str(number))))
        try:
            expected = take_census(merge(layers))
        except TreeError:  # one tree has a file or a dangling link at the path of a folder of the next
            with pytest.raises(TreeError):
                merge(read)
            return
        assert take_census(merge(read)) == expected
