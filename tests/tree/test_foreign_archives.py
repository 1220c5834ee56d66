"""Archives of GNU tar and bsdtar: we read what these programs unpack, or refuse a member by name."""

import errno
import os
import struct
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
from damaged_archives import damage
from hypothesis import given, settings
from hypothesis import strategies as st

from ssiuml.tree.acl import AclError, read_acl
from ssiuml.tree.compare import differences, take_census
from ssiuml.tree.extents import Extents
from ssiuml.tree.folders import read_folder_tree
from ssiuml.tree.layer import LayerError, read_tree_archive, write_tree
from ssiuml.tree.tree import Node, Tree

MIB, GIB = 1 << 20, 1 << 30
NONE = 0xFFFFFFFF
NAMES = ["holes", "n" * 120, "ü", "\udcff"]
SPARSE_WRITERS = {
    "gnu": ["tar", "--sparse", "--format=gnu"],
    "oldgnu": ["tar", "--sparse", "--format=oldgnu"],
    "pax 0.0": ["tar", "--sparse", "--format=pax", "--sparse-version=0.0"],
    "pax 0.1": ["tar", "--sparse", "--format=pax", "--sparse-version=0.1"],
    "pax 1.0": ["tar", "--sparse", "--format=pax", "--sparse-version=1.0"],
    "bsdtar": ["bsdtar"],
    "bsdtar pax": ["bsdtar", "--format=pax"],
}
SELINUX = b"system_u:object_r:etc_t:s0\0"


def run(*words: str | Path, cwd: Path | None = None) -> str:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    ended = subprocess.run(words, capture_output=True, env=environment, cwd=cwd, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.decode(errors="surrogateescape")


def packed(folder: Path, *words: str, name: str = "a.tar") -> Path:
    """Pack *folder* by the program and options *words*. Return the archive, which lies beside it."""
    archive = folder.parent / name
    run(*words, "-cf", archive, "-C", folder, ".")
    return archive


def refusal(archive: Path) -> str:
    with pytest.raises(LayerError) as error:
        read_tree_archive(archive)
    return str(error.value).removeprefix(f"{archive}: ")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def write_pieces(path: Path, size_bytes: int, *offsets: int) -> None:
    """Make a file with holes and 5,000 bytes of data at each of *offsets*."""
    with path.open("wb") as stream:
        stream.truncate(size_bytes)
        for offset in offsets:
            stream.seek(offset)
            stream.write(b"data!" * 1000)


def bytes_of(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(offset)
        return stream.read(length)


def same(archive: Path, folder: Path) -> list[str]:
    """Return the differences. Not all formats have fractions of seconds; test_layer.py is about those."""
    one, other = (take_census(tree) for tree in (read_folder_tree(folder), read_tree_archive(archive)))
    return differences(one.in_whole_seconds(), other.in_whole_seconds())


# Sparse files.


@pytest.mark.parametrize("writer", SPARSE_WRITERS)
@pytest.mark.parametrize("name", NAMES)
def test_sparse_file_is_read_with_its_holes_and_so_is_the_file_behind_it(
    folder: Path, writer: str, name: str
) -> None:
    path = folder / name
    # More pieces than the header of GNU's format holds, and data up to the very end.
    write_pieces(path, 10 * MIB + 5000, *(number * MIB // 4 for number in range(1, 41)))
    (folder / "zz").write_bytes(b"next")
    archive = packed(folder, *SPARSE_WRITERS[writer])
    assert archive.stat().st_size < MIB
    tree = read_tree_archive(archive)
    content = tree.lookup(name).content
    assert isinstance(content, Extents)
    assert len(content.pieces) == 40
    assert b"".join(content.chunks()) == path.read_bytes()
    assert tree.lookup("zz").read() == b"next"
    assert same(archive, folder) == []


@pytest.mark.parametrize("writer", SPARSE_WRITERS)
def test_file_that_is_one_hole_is_read(folder: Path, writer: str) -> None:
    write_pieces(folder / "a", 1000 * MIB)
    archive = packed(folder, *SPARSE_WRITERS[writer])
    assert read_tree_archive(archive).lookup("a").content == Extents(archive, 1000 * MIB, ())
    assert same(archive, folder) == []


def record(key: str, value: str) -> bytes:
    length = len(key) + len(value) + 3
    digits = len(str(length + len(str(length + 1))))
    return f"{length + digits} {key}={value}\n".encode()


def header(name: str, size_bytes: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size_bytes
    return info.tobuf(tarfile.USTAR_FORMAT)


def test_sparse_file_of_more_than_8_gib_of_data_does_not_hide_the_next_member(tmp_path: Path) -> None:
    stored, size = 9 * GIB, 20 * GIB
    sparse_map = f"1\n{8 * GIB}\n{stored}\n".encode().ljust(512, b"\0")
    records = record("size", str(stored + 512)) + record("GNU.sparse.major", "1")
    records += record("GNU.sparse.minor", "0") + record("GNU.sparse.name", "big")
    records += record("GNU.sparse.realsize", str(size))
    archive = tmp_path / "a.tar"
    with archive.open("wb") as stream:
        stream.write(header("PaxHeader", len(records), tarfile.XHDTYPE) + records.ljust(512, b"\0"))
        stream.write(header("GNUSparseFile.0/big", 0) + sparse_map)
        stream.seek(stored, os.SEEK_CUR)  # the archive's own hole: nine GiB of zeros
        stream.write(header("next", 4) + b"next".ljust(512, b"\0") + bytes(1024))
    for program in ("tar", "bsdtar"):
        sizes = [
            [word for word in line.split() if word.isdigit()]
            for line in run(program, "-tvf", archive).splitlines()
        ]
        assert [str(size) in sizes[0], "4" in sizes[1]] == [True, True]
    tree = read_tree_archive(archive)
    assert tree.lookup("big").content == Extents(archive, size, ((8 * GIB, 2048, stored),))
    assert tree.lookup("next").read() == b"next"


@pytest.mark.parametrize(
    ("records", "data", "message"),
    [
        ({"GNU.sparse.size": "100", "GNU.sparse.map": "0,50,40,50"}, 100, "with a piece, not the last,"),
        ({"GNU.sparse.size": "9000", "GNU.sparse.map": "0,512,100,50"}, 562, "of 9000 bytes with a wrong"),
        ({"GNU.sparse.size": "100", "GNU.sparse.map": "90,50"}, 50, "of 100 bytes with a wrong piece"),
        ({"GNU.sparse.size": "9000", "GNU.sparse.map": "0,50"}, 600, "with a map of 50 bytes, but has 1024"),
    ],
)  # fmt: skip
def test_sparse_file_whose_map_is_wrong_is_refused(
    tmp_path: Path, records: dict[str, str], data: int, message: str
) -> None:
    text = b"".join(record(*each) for each in records.items())
    archive = tmp_path / "a.tar"
    archive.write_bytes(
        header("PaxHeader", len(text), tarfile.XHDTYPE)
        + text.ljust(512, b"\0")
        + header("x", data)
        + bytes(-(-data // 512) * 512 + 1024)
    )
    assert refusal(archive).startswith(f"member 'x' is a sparse file {message}")


def test_unknown_sparse_format_is_refused_by_name(tmp_path: Path) -> None:
    text = record("GNU.sparse.major", "2")
    data = header("PaxHeader", len(text), tarfile.XHDTYPE) + text.ljust(512, b"\0") + header("x", 0)
    (tmp_path / "a.tar").write_bytes(data + bytes(1024))
    message = refusal(tmp_path / "a.tar")
    assert message.startswith("member 'x' has the pax record 'GNU.sparse.major', which a tree cannot hold\n")


@pytest.mark.parametrize("program", ["tar", "bsdtar"])
@pytest.mark.parametrize("name", NAMES)
def test_programs_unpack_the_sparse_files_of_our_archives(tmp_path: Path, program: str, name: str) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / name
    write_pieces(path, 300 * MIB + 7, 0, 100 * MIB + 3, 300 * MIB - 4993)
    write_pieces(tmp_path / "in" / "trailing", 200 * MIB, 5 * MIB)
    write_pieces(tmp_path / "in" / "hole", 200 * MIB)
    (tmp_path / "in" / "zz").write_bytes(b"x" * 2 * MIB)
    archive = tmp_path / "a.tar"
    write_tree(archive, read_folder_tree(tmp_path / "in"), sparse=True)
    assert archive.stat().st_size < 4 * MIB
    out = tmp_path / "out"
    out.mkdir()
    run(program, "-xf", archive, "-C", out)
    trees = read_folder_tree(tmp_path / "in"), read_folder_tree(out), read_tree_archive(archive)
    trees[1].root.meta = trees[0].root.meta  # bsdtar leaves the folder alone into which it unpacks
    first, second, third = (take_census(tree).in_whole_seconds() for tree in trees)
    assert differences(first, second) == []
    assert differences(first, third) == []
    assert sum(each.stat().st_blocks * 512 for each in out.iterdir()) < 4 * MIB


# Extended attributes and access control lists.


def acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


# Linux's own form: user, users, group, groups, mask, other. 1 is daemon and bin in Debian.
LIST = acl(
    (1, 6, NONE),
    (2, 6, 1),
    (2, 4, 12345),
    (4, 5, NONE),
    (8, 1, 2),
    (8, 7, 777777),
    (16, 4, NONE),
    (32, 0, NONE),
)
DEFAULT_LIST = acl((1, 7, NONE), (2, 0, 1), (4, 5, NONE), (16, 5, NONE), (32, 5, NONE))
SHORT_LIST = acl((1, 7, NONE), (4, 5, NONE), (32, 1, NONE))


@pytest.fixture
def listed(folder: Path) -> Path:
    """A folder with access control lists; skip where the file system has none."""
    (folder / "sub").mkdir()
    (folder / "file").write_bytes(b"x")
    (folder / "plain").write_bytes(b"y")
    (folder / "plain").chmod(0o641)
    try:
        os.setxattr(folder / "sub", "system.posix_acl_default", DEFAULT_LIST)
        os.setxattr(folder, "system.posix_acl_default", SHORT_LIST)
        os.setxattr(folder / "file", "system.posix_acl_access", LIST)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        pytest.skip(f"{folder}: the file system has no access control lists")
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ["tar", "--acls"],
        ["tar", "--acls", "--numeric-owner"],
        ["tar", "--acls", "--xattrs", "--xattrs-include=*"],
        ["tar", "--xattrs", "--xattrs-include=*"],
        ["bsdtar", "--acls"],
        ["bsdtar", "--acls", "--numeric-owner"],
    ],
    ids=" ".join,
)
def test_tree_of_an_archive_has_the_access_control_lists_of_the_folder(
    listed: Path, words: list[str]
) -> None:
    archive = packed(listed, *words, "--format=pax")
    assert read_tree_archive(archive).lookup("file").meta.xattrs == {"system.posix_acl_access": LIST}
    assert same(archive, listed) == []


@pytest.mark.parametrize(
    ("text", "value", "bits"),
    [
        ("user::rw-,group::r--,other::---", acl((1, 6, NONE), (4, 4, NONE), (32, 0, NONE)), 0o640),
        ("u::rwx\ng::r-x\n# a comment\no:--x\n", acl((1, 7, NONE), (4, 5, NONE), (32, 1, NONE)), 0o751),
        (
            "other::---,mask::r--,group::r-x,user:nobody_at_all:rw-:7,user:5:r--,user::rwx",
            acl((1, 7, NONE), (2, 4, 5), (2, 6, 7), (4, 5, NONE), (16, 4, NONE), (32, 0, NONE)),
            0o740,
        ),
    ],
)
def test_text_of_a_list_becomes_the_form_of_the_kernel(text: str, value: bytes, bits: int) -> None:
    assert read_acl(text) == (value, bits)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks one of the entries user, group, other and, with names, mask"),
        (
            "user::rw-,group::r--,other::---,user:1:r--",
            "lacks one of the entries user, group, other and, with",
        ),
        ("user::rw-,user::rw-", "has the entry 'user::rw-' twice"),
        ("owner@:rwx", "has the entry 'owner@:rwx', which is none of user, group, mask and other"),
        ("user::rwz", "has the entry 'user::rwz', which is none of user, group, mask and other"),
        ("mask:me:rwx", "has the entry 'mask:me:rwx': mask has no name"),
        ("user:4294967295:r--", "has the id 4294967295, the largest is 4294967294"),
        (
            "group:no such group:r--",
            "names the group 'no such group', which this machine does not know\n"
            "  pack it with tar --acls --xattrs or with bsdtar, which write numbers too",
        ),
    ],
)
def test_text_that_is_no_list_is_refused(text: str, message: str) -> None:
    with pytest.raises(AclError) as error:
        read_acl(text)
    assert str(error.value).startswith(message)


def test_refused_list_is_named_with_its_member(folder: Path) -> None:
    (folder / "x").touch()
    archive = packed(folder, "tar", "--format=pax", "--pax-option=SCHILY.acl.access:=user:no_such_user:r--")
    assert refusal(archive) == (
        "member '.' has an access control list (SCHILY.acl.access) that names the user 'no_such_user', which "
        "this machine does not know\n"
        "  pack it with tar --acls --xattrs or with bsdtar, which write numbers too"
    )


def test_default_list_of_a_file_is_refused(folder: Path) -> None:
    (folder / "x").touch()
    option = "--pax-option=SCHILY.acl.default:=user::rwx%group::r-x%other::---".replace("%", "\n")
    run("tar", "--format=pax", option, "-cf", folder.parent / "a.tar", "-C", folder, "x")
    message = "member 'x' has a default access control list (SCHILY.acl.default), but is no folder"
    assert refusal(folder.parent / "a.tar") == message


@pytest.mark.parametrize(
    "words",
    [
        ["bsdtar", "--xattrs"],
        ["bsdtar", "--xattrs", "--options", "xattrheader=LIBARCHIVE"],
        ["tar", "--xattrs", "--format=pax"],
    ],
    ids=" ".join,
)
def test_attributes_are_read_from_the_records_of_either_program(folder: Path, words: list[str]) -> None:
    (folder / "file").touch()
    wanted = {"user.a=b%41%3D": b"\0\n=\xff", "user.ü": b"x" * 1000, "user.empty": b"", "user.plain": b"1"}
    try:
        for name, value in wanted.items():
            os.setxattr(folder / "file", name, value)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        pytest.skip(f"{folder}: the file system has no user.* attributes")
    archive = packed(folder, *words)
    assert read_tree_archive(archive).lookup("file").meta.xattrs == wanted
    assert same(archive, folder) == []


@pytest.mark.parametrize(
    "words",
    [
        ["tar", "--selinux", "--format=pax"],
        ["tar", "--selinux", "--xattrs", "--xattrs-include=*", "--format=pax"],
        ["bsdtar", "--xattrs"],
    ],
    ids=" ".join,
)
def test_selinux_labels_are_read(folder: Path, words: list[str]) -> None:
    (folder / "file").touch()
    try:
        for path in (folder, folder / "file"):
            os.setxattr(path, "security.selinux", SELINUX)
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EPERM):
            raise
        pytest.skip(f"{folder}: no labels can be set here: {error.strerror}")
    archive = packed(folder, *words)
    assert read_tree_archive(archive).lookup("file").meta.xattrs == {"security.selinux": SELINUX}
    assert same(archive, folder) == []


def test_attribute_with_two_values_is_refused(folder: Path) -> None:
    (folder / "x").touch()
    options = "SCHILY.xattr.user.a:=one,LIBARCHIVE.xattr.user.a:=dHdv"
    archive = packed(folder, "tar", "--format=pax", f"--pax-option={options}")
    assert refusal(archive) == "member '.' has two different values of the attribute 'user.a'"


# What would be lost.


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "SCHILY.fflags:=nodump",
            "has the pax record 'SCHILY.fflags', which a tree cannot hold\n"
            "  pack it with bsdtar --no-fflags, if the files may lose their flags",
        ),
        (
            "SCHILY.acl.ace:=owner@:rwx",
            "has the pax record 'SCHILY.acl.ace', which a tree cannot hold\n"
            "  pack it from a file system without NFSv4 lists, or with --no-acls",
        ),
        (
            "VENDOR.thing:=x",
            "has the pax record 'VENDOR.thing', which a tree cannot hold\n"
            "  pack it without VENDOR.thing, if that may get lost",
        ),
        ("LIBARCHIVE.xattr.user.a:=!!!", "has the pax record 'LIBARCHIVE.xattr.user.a', which is no base64"),
        ("uid:=me", "has the uid 'me', which is no whole number"),
    ],
)
def test_record_whose_meaning_would_be_lost_is_refused_by_name(
    folder: Path, option: str, message: str
) -> None:
    (folder / "x").touch()
    archive = packed(folder, "tar", "--format=pax", f"--pax-option={option}")
    assert refusal(archive) == f"member '.' {message}"


def test_comment_of_an_archive_is_nothing_to_lose(folder: Path) -> None:
    (folder / "x").write_bytes(b"x")
    archive = packed(folder, "tar", "--format=pax", "--pax-option=comment=from a commit")
    assert same(archive, folder) == []


def test_incremental_dump_is_refused(folder: Path) -> None:
    (folder / "x").touch()
    words = ["tar", f"--listed-incremental={folder.parent / 'list'}"]
    hint = "pack it without --listed-incremental"
    message = refusal(packed(folder, *words, "--format=gnu"))
    assert message == f"member './' has type b'D', which a layer cannot hold\n  {hint}"
    (folder.parent / "list").unlink()
    message = refusal(packed(folder, *words, "--format=pax"))
    assert message == f"member '.' has the pax record 'GNU.dumpdir', which a tree cannot hold\n  {hint}"


def test_name_of_a_file_in_an_incremental_archive_is_not_its_time(folder: Path) -> None:
    (folder / "x").write_bytes(b"x")
    archive = folder.parent / "a.tar"
    words = ("tar", "--format=gnu", f"--listed-incremental={folder.parent / 'list'}", "-cf", archive)
    run(*words, "-C", folder, "x")
    assert run("tar", "-tf", archive) == "x\n"
    assert [name for name, _ in read_tree_archive(archive).walk()] == ["", "x"]


def test_second_volume_is_refused(folder: Path) -> None:
    (folder / "x").write_bytes(bytes(range(256)) * 400)
    volumes = [folder.parent / name for name in ("one.tar", "two.tar")]
    words = ["tar", "--format=gnu", "--multi-volume", "--tape-length=60", "-c"]
    run(*words, *(word for volume in volumes for word in ("-f", volume)), "-C", folder, "x")
    hint = "join the volumes, or pack it without --multi-volume"
    assert refusal(volumes[1]) == f"member 'x' has type b'M', which a layer cannot hold\n  {hint}"


# Names, links and times.


@pytest.mark.parametrize("form", ["gnu", "oldgnu", "pax"])
def test_volume_label_is_no_member(folder: Path, form: str) -> None:
    (folder / "x").write_bytes(b"x")
    archive = packed(folder, "tar", f"--format={form}", "--label=backup of today")
    assert [name for name, _ in read_tree_archive(archive).walk()] == ["", "x"]
    assert same(archive, folder) == []


def links_archive(path: Path) -> Path:
    """Make an archive with hard links through the symbolic link lib -> usr/lib."""
    with tarfile.TarFile(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, target in (
            ("usr/lib", tarfile.DIRTYPE, ""),
            ("usr/lib/x", tarfile.REGTYPE, ""),
            ("lib", tarfile.SYMTYPE, "usr/lib"),
            ("hard", tarfile.LNKTYPE, "lib/x"),
            ("usr/lib/abs", tarfile.LNKTYPE, "lib/./x"),
            ("lib/made", tarfile.REGTYPE, ""),
            ("other", tarfile.LNKTYPE, "usr/lib/made"),
            ("symlink", tarfile.LNKTYPE, "lib"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = kind, target, 0o755
            archive.addfile(info)
    return path


@pytest.mark.parametrize("program", ["tar", "bsdtar"])
def test_hard_links_through_a_symbolic_link_are_those_that_a_program_unpacks(
    tmp_path: Path, program: str
) -> None:
    archive = links_archive(tmp_path / "a.tar")
    out = tmp_path / "out"
    out.mkdir()
    # -P: otherwise bsdtar follows no links.
    run(program, "-P", "--no-same-owner", "-xf", archive, "-C", out)
    unpacked, tree = read_folder_tree(out), read_tree_archive(archive)
    assert groups(tree) == groups(unpacked) == [
        ["hard", "usr/lib/abs", "usr/lib/x"], ["lib", "symlink"], ["other", "usr/lib/made"],
    ]  # fmt: skip


def groups(tree: Tree) -> list[list[str]]:
    """Return the names of each inode that has several."""
    names: dict[int, list[str]] = {}
    nodes: list[Node] = []
    for name, node in tree.walk():
        nodes.append(node)
        names.setdefault(id(node), []).append(name)
    return sorted(each for each in names.values() if len(each) > 1)


def test_hard_link_follows_the_file_that_is_there_when_it_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "old").write_bytes(b"old")
    archive = tmp_path / "a.tar"
    with tarfile.TarFile(archive, "w", format=tarfile.PAX_FORMAT) as opened:
        opened.add(tmp_path / "old", "usr/lib/x")
        for name, kind, target in (
            ("lib", tarfile.SYMTYPE, "usr/lib"),
            ("hard", tarfile.LNKTYPE, "usr/lib/x"),
        ):
            if kind == tarfile.LNKTYPE:
                opened.add(tmp_path / "new", "lib/x")
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            opened.addfile(info)
    (tmp_path / "out").mkdir()
    run("tar", "--no-same-owner", "-xf", archive, "-C", tmp_path / "out")
    assert (tmp_path / "out" / "hard").read_bytes() == b"new"
    assert read_tree_archive(archive).lookup("hard").read() == b"new"


def test_members_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    with tarfile.TarFile(tmp_path / "a.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
        archive.addfile(tarfile.TarInfo("a/b"))
    assert refusal(tmp_path / "a.tar") == (
        "member 'a/b' cannot be added: a: is not a directory, so it cannot hold 'b'"
    )


@pytest.mark.parametrize("time", [".5", "7.", "1700000000.123456789", "0.000000001"])
def test_time_is_the_one_that_bsdtar_unpacks(folder: Path, time: str) -> None:
    (folder / "x").touch()
    archive = packed(folder, "tar", "--format=pax", f"--pax-option=mtime:={time}")
    (folder.parent / "out").mkdir()
    run("bsdtar", "-xf", archive, "-C", folder.parent / "out")
    wanted = (folder.parent / "out" / "x").stat().st_mtime_ns
    assert read_tree_archive(archive).lookup("x").meta.mtime_ns == wanted


@pytest.mark.parametrize(("time", "time_ns"), [("-.25", -250_000_000), ("-1.5", -1_500_000_000), ("-0", 0)])
def test_time_before_1970_has_its_sign_and_fraction(folder: Path, time: str, time_ns: int) -> None:
    (folder / "x").touch()
    archive = packed(folder, "tar", "--format=pax", f"--pax-option=mtime:={time}")
    assert read_tree_archive(archive).lookup("x").meta.mtime_ns == time_ns


def test_numbers_of_devices_come_from_records_if_there_are_some(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.devmajor, info.devminor = tarfile.CHRTYPE, 1, 2
    info.pax_headers = {"SCHILY.devmajor": "4095", "SCHILY.devminor": "9999999"}
    with tarfile.TarFile(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)
    assert read_tree_archive(tmp_path / "a.tar").lookup("x").device == (4095, 9999999)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_archive_of_a_program_is_read_or_refused(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as made:
        top, archive = Path(made, "in"), Path(made, "a.tar")
        top.mkdir()
        write_pieces(top / "holes", MIB, 100_000, 200_000)
        records = "SCHILY.acl.access:=user::rw-,RHT.security.selinux:=a,LIBARCHIVE.xattr.user.b:=dHdv"
        words = SPARSE_WRITERS[data.draw(st.sampled_from(sorted(SPARSE_WRITERS)))]
        option = [f"--pax-option={records}"] if words[0] == "tar" and "--format=pax" in words else []
        run(*words, *option, "-cf", archive, "-C", top, "holes")
        damage(data, archive, 3000, b"\0\n-09=,:S\x80\xff")
        try:
            read_tree_archive(archive)
        except LayerError:
            return
