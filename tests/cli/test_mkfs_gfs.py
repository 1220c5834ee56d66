"""mkfs_gfs: the HOWTO's command, files, block devices, pools of several files, and usage errors."""

import io
import os
import socket
import struct
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_calls import Outcome, call_command
from gfs_judges import assert_clean, assert_clean_after_conversion, blkid
from project import GOLDEN

from ssiuml.cli import image as image_command
from ssiuml.cli import mkfs_gfs, passemble, ptool
from ssiuml.formats.gfs1 import structures as gfs1
from ssiuml.formats.gfs_reader.contents import BlockRole, ImageContent, walk_blocks
from ssiuml.formats.gfs_reader.device import open_image
from ssiuml.formats.gfs_reader.filesystem import read_filesystem
from ssiuml.formats.gfs_reader.inodes import read_inode
from ssiuml.formats.gfs_reader.tree_reader import ReadOnceVisitor, TreeReader, read_tree
from ssiuml.formats.pool.mapping import PoolMap, SubpoolMap
from ssiuml.host import files
from ssiuml.host.run import find_tool
from ssiuml.images.pools import read_state
from ssiuml.tree.folders import read_folder_tree
from ssiuml.tree.layer import write_tree
from ssiuml.tree.tree import Literal, Meta, Tree, file

MIB, GIB = 1 << 20, 1 << 30
ONE_JOURNAL = ("-p", "lock_nolock", "-t", "a:b", "-j", "1", "-J", "32")


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


def mkfs(*words: str | Path) -> Outcome:
    return call_command(mkfs_gfs.main, *words)


def blank(path: Path, size_bytes: int = 256 * MIB) -> Path:
    files.create(path, size_bytes)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a file of every kind that an ordinary user can make."""
    top = tmp_path / "source"
    (top / "sub").mkdir(parents=True)
    (top / "sub" / "file").write_bytes(b"contents" * 10_000)
    (top / "small").write_text("small")
    os.link(top / "small", top / "sub" / "linked")
    (top / "link").symlink_to("sub/file")
    os.mkfifo(top / "fifo")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(top / "socket"))
    (top / os.fsdecode(b"\xff\xfe")).write_text("no UTF-8")
    with (top / "sparse").open("wb") as stream:
        stream.truncate(GIB)
        stream.seek(GIB // 2)
        stream.write(b"x")
    return top


def pool(folder: Path, text: str, sizes: dict[str, int]) -> None:
    """Label and assemble the pool that *text* describes, on new files with these names and sizes."""
    config = folder / "pool.cf"
    config.write_text(text)
    words = [f"--device=/dev/{name}={blank(folder / name, size)}" for name, size in sizes.items()]
    assert call_command(ptool.main, config, *words).status == 0
    assert call_command(passemble.main).status == 0


def test_the_howtos_commands_make_its_root_file_system(tmp_path: Path) -> None:
    root_fs, cidev = blank(tmp_path / "root_fs", 2 * GIB), blank(tmp_path / "root_cidev", 4 * MIB)
    assert call_command(ptool.main, GOLDEN / "pool0cidev.cf", f"--device=/dev/loop1={cidev}").status == 0
    assert call_command(ptool.main, GOLDEN / "pool0.cf", f"--device=/dev/loop2={root_fs}").status == 0
    assert call_command(passemble.main).status == 0
    label = _first(root_fs, 8192)
    words = "-p memexp -t /dev/pool/pool0cidev -j 15 -J 32 -i /dev/pool/pool0"
    ended = mkfs(*words.split())
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines()[0] == (
        "/dev/pool/pool0: gfs1, blocks of 4096 bytes, 15 x 32 MiB of journals, memexp, /dev/pool/pool0cidev"
    )
    assert root_fs.stat().st_size == 2 * GIB
    assert _first(root_fs, 8192) == label
    assert blkid(root_fs, 8192) == {"TYPE": "gfs", "LABEL": "/dev/pool/pool0cidev", "USAGE": "filesystem"}
    assert call_command(passemble.main, "-r", "all").status == 0


def _first(path: Path, size_bytes: int) -> bytes:
    with path.open("rb") as stream:
        return stream.read(size_bytes)


@pytest.mark.parametrize("block_size", [512, 1024, 2048, 4096])
def test_a_folder_becomes_a_file_system_that_converts_cleanly(
    tmp_path: Path, folder: Path, block_size: int
) -> None:
    image = blank(tmp_path / "image")
    ended = mkfs(*ONE_JOURNAL, "-b", str(block_size), "-d", folder, image)
    assert ended.status == 0, ended.err
    assert "9 inodes, " in ended.out
    assert blkid(image)["TYPE"] == "gfs"
    assert_clean_after_conversion(image)


def test_the_same_folder_gives_the_same_bytes_wherever_it_goes(tmp_path: Path, folder: Path) -> None:
    names = ("a", "b")
    for name in names:
        assert mkfs(*ONE_JOURNAL, "-q", "-d", folder, blank(tmp_path / name)) == Outcome(0, "", "")
    assert subprocess.run(["cmp", *(tmp_path / name for name in names)], check=False).returncode == 0
    text = "poolname p\nsubpools 1\nsubpool 0 0 1\npooldevice 0 0 /dev/c\n"
    pool(tmp_path, text, {"c": 256 * MIB + 8192})
    assert mkfs(*ONE_JOURNAL, "-q", "-d", folder, "/dev/pool/p").status == 0
    words = ["cmp", "--ignore-initial=0:8192", str(tmp_path / "a"), str(tmp_path / "c")]
    assert subprocess.run(words, check=False).returncode == 0


def test_an_archive_fills_a_file_system(tmp_path: Path) -> None:
    tree = Tree()
    tree.add("etc/motd", file(Literal(b"hello"), Meta(mode=0o644, uid=1000)))
    write_tree(tmp_path / "tree.tar", tree)
    image = blank(tmp_path / "image")
    assert "3 inodes" in mkfs(*ONE_JOURNAL, "-d", tmp_path / "tree.tar", image).out
    assert_clean_after_conversion(image)


@pytest.mark.parametrize("compress", ["", "--gzip", "--zstd"])
def test_an_archive_comes_through_a_pipe(tmp_path: Path, folder: Path, compress: str) -> None:
    folder.joinpath("socket").unlink()  # no archive holds one
    image = blank(tmp_path / "image")
    words: list[str | Path] = [
        sys.executable,
        "-m",
        "ssiuml.cli.mkfs_gfs",
        *ONE_JOURNAL,
        "--format",
        "gfs2",
        "-d",
        "-",
        image,
    ]
    pack: list[str | Path] = [
        "tar",
        "--sparse",
        "--format=pax",
        "-c",
        *filter(None, [compress]),
        "-C",
        folder,
        ".",
    ]
    with subprocess.Popen(pack, stdout=subprocess.PIPE) as packer:
        subprocess.run(words, stdin=packer.stdout, check=True)
    ended = call_command(image_command.main, "verify", image, "--compare", folder)
    assert (ended.status, ended.err) == (0, "")
    assert_clean(image)


@pytest.mark.parametrize("format_", ["gfs1", "gfs2"])
@pytest.mark.parametrize("words", [["tar", "--sparse"], ["bsdtar"]], ids=["tar", "bsdtar"])
def test_a_tebibyte_of_holes_takes_seconds_to_write_and_to_compare(
    tmp_path: Path, words: list[str], format_: str
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name, size in (("tera", 1 << 40), ("three", 3 * GIB)):
        with (source / name).open("wb") as stream:
            stream.truncate(size)
            stream.seek(size // 3)
            stream.write(b"x" * 5000)
    for path in (source / "tera", source / "three", source):  # neither program writes fractions by default
        os.utime(path, (1_700_000_000, 1_700_000_000))
    subprocess.run([*words, "-cf", tmp_path / "tree.tar", "-C", source, "."], check=True)
    image = blank(tmp_path / "image")
    started = time.process_time()
    assert mkfs(*ONE_JOURNAL, "--format", format_, "-q", "-d", tmp_path / "tree.tar", image) == Outcome(
        0, "", ""
    )
    for expected in (tmp_path / "tree.tar", source):
        ended = call_command(image_command.main, "verify", image, "--compare", expected)
        assert (ended.status, ended.err) == (0, "")
    assert call_command(image_command.main, "extract", image, tmp_path / "out.tar") == Outcome(0, "", "")
    assert time.process_time() - started < 30
    assert (tmp_path / "out.tar").stat().st_size < MIB
    listed = subprocess.run(["tar", "-tvf", tmp_path / "out.tar"], capture_output=True, text=True, check=True)
    sizes = {line.split()[-1]: int(line.split()[2]) for line in listed.stdout.splitlines()}
    assert sizes == {"./": 0, "./tera": 1 << 40, "./three": 3 * GIB}
    assert image.stat().st_blocks * 512 < 8 * MIB
    if format_ == "gfs2":
        assert_clean(image)
    else:
        assert_clean_after_conversion(image)


@pytest.mark.parametrize("block_size", [1024, 4096])
def test_format_option_makes_gfs2(tmp_path: Path, folder: Path, block_size: int) -> None:
    image = blank(tmp_path / "image")
    ended = mkfs(*ONE_JOURNAL, "--format", "gfs2", "-b", str(block_size), "-d", folder, image)
    assert ended.status == 0, ended.err
    assert blkid(image)["TYPE"] == "gfs2"
    assert_clean(image)


@pytest.mark.parametrize("format_", ["gfs1", "gfs2"])
@pytest.mark.parametrize(
    ("text", "sizes", "subpools"),
    [
        (
            "subpools 1\nsubpool 0 0 2\npooldevice 0 0 /dev/a\npooldevice 0 1 /dev/b\n",
            {"a": 100 * MIB, "b": 156 * MIB},
            [SubpoolMap(0, (204784, 319472))],
        ),
        (
            "subpools 1\nsubpool 0 64 3\n"
            "pooldevice 0 0 /dev/a\npooldevice 0 1 /dev/b\npooldevice 0 2 /dev/c\n",
            {"a": 80 * MIB, "b": 80 * MIB, "c": 81 * MIB},
            [SubpoolMap(64, (163776, 163776, 165824))],
        ),
        (
            "subpools 2\nsubpool 0 16 2\nsubpool 1 0 1 gfs_journal\n"
            "pooldevice 0 0 /dev/a\npooldevice 0 1 /dev/b\npooldevice 1 0 /dev/c\n",
            {"a": 80 * MIB, "b": 80 * MIB, "c": 81 * MIB},
            [SubpoolMap(16, (163824, 163824)), SubpoolMap(0, (165872,))],
        ),
    ],
    ids=["concatenated", "striped", "two-subpools"],
)
def test_a_pool_of_several_files_holds_the_same_bytes_as_one_file(
    tmp_path: Path,
    folder: Path,
    text: str,
    sizes: dict[str, int],
    subpools: list[SubpoolMap],
    format_: str,
) -> None:
    pool(tmp_path, "poolname p\n" + text, sizes)
    ended = mkfs(*ONE_JOURNAL, "--format", format_, "-d", folder, "/dev/pool/p")
    assert ended.status == 0, ended.err
    layout = PoolMap(subpools)  # sizes computed by hand: (device - 8 KiB) in whole extents or stripes
    assert read_state(tmp_path / "state" / "ssiuml" / "pools.json").pools["p"].map.sectors == layout.sectors
    single = blank(tmp_path / "single", layout.sectors * 512)
    assert mkfs(*ONE_JOURNAL, "--format", format_, "-d", folder, single).status == 0
    assert read_through(layout, [tmp_path / name for name in sizes]) == single.read_bytes()
    for name, size in sizes.items():
        assert (tmp_path / name).stat().st_size == size
    assert call_command(passemble.main).status == 0


def read_through(layout: PoolMap, paths: list[Path]) -> bytes:
    """Return the pool's bytes, read sector range by sector range."""
    data = [path.read_bytes() for path in paths]
    return b"".join(
        data[piece.device][piece.sector * 512 : (piece.sector + piece.count) * 512]
        for piece in layout.pieces(0, layout.sectors)
    )


def test_a_block_device_with_old_contents_holds_the_same_bytes_as_a_new_file(
    tmp_path: Path, folder: Path
) -> None:
    losetup = find_tool("losetup")
    if os.geteuid() != 0 or losetup is None:
        pytest.skip("loop devices are for root")
    backing = tmp_path / "backing"
    backing.write_bytes(b"\xa5" * (256 * MIB))
    made = subprocess.run([losetup, "-f", "--show", backing], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no loop device: {made.stderr.strip()}")
    try:
        assert mkfs(*ONE_JOURNAL, "-d", folder, made.stdout.strip()).status == 0
        ended = mkfs(*ONE_JOURNAL, backing)
        assert ended.status == 1
        assert "is in use, attached to /dev/loop" in ended.err
    finally:
        subprocess.run([losetup, "-d", made.stdout.strip()], check=True)
    single = blank(tmp_path / "single")
    assert mkfs(*ONE_JOURNAL, "-d", folder, single).status == 0
    assert subprocess.run(["cmp", backing, single], check=False).returncode == 0


@pytest.mark.parametrize(("fs_format", "multihost"), [(1305, 1400), (1308, 1401), (1309, 1400)])
def test_the_formats_of_older_programs_differ_in_two_numbers_only(
    tmp_path: Path, folder: Path, fs_format: int, multihost: int
) -> None:
    now, then = blank(tmp_path / "now"), blank(tmp_path / "then")
    assert mkfs(*ONE_JOURNAL, "-d", folder, now).status == 0
    formats = ("--fs-format", str(fs_format), "--multihost-format", str(multihost))
    assert mkfs(*ONE_JOURNAL, *formats, "-d", folder, then).status == 0
    with then.open("r+b") as stream:
        stream.seek(65536 + 24)
        assert struct.unpack(">2I", stream.read(8)) == (fs_format, multihost)
        stream.seek(65536 + 24)
        stream.write(struct.pack(">2I", 1309, 1401))
    assert subprocess.run(["cmp", now, then], check=False).returncode == 0


def members(path: Path, *names: str) -> Path:
    """Make an archive of members with these *names*; each holds its number. Return *path*."""
    with tarfile.open(path, "w") as archive:
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size = 1
            archive.addfile(info, io.BytesIO(b"%d" % number))
    return path


def test_the_last_member_of_a_name_wins_and_absolute_names_lie_below_the_root(
    tmp_path: Path,
) -> None:
    image = blank(tmp_path / "image")
    assert mkfs(*ONE_JOURNAL, "-d", members(tmp_path / "tar", "a", "/abs/b", "a", "./a"), image).status == 0
    with open_image(image) as source:
        tree = read_tree(read_filesystem(source), print)
        assert [path for path, _ in tree.walk()] == ["", "a", "abs", "abs/b"]
        content = tree.lookup("a").content
        assert content is not None
        assert b"".join(content.chunks()) == b"3"


def test_a_file_removed_during_the_call_is_named_and_the_target_stays_unchanged(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scan_and_remove(top: Path) -> Tree:
        tree = read_folder_tree(top)
        (top / "sub" / "file").unlink()
        return tree

    monkeypatch.setattr(mkfs_gfs, "read_folder_tree", scan_and_remove)
    image = blank(tmp_path / "image")
    ended = mkfs(*ONE_JOURNAL, "-d", folder, image)
    assert ended.status == 1
    assert "source/sub/file: cannot be read: No such file or directory" in ended.err
    assert image.stat().st_blocks == 0


def test_the_file_keeps_its_mode_and_a_link_to_it_stays_a_link(tmp_path: Path) -> None:
    image = blank(tmp_path / "image")
    image.chmod(0o640)
    (tmp_path / "link").symlink_to("image")
    assert mkfs(*ONE_JOURNAL, tmp_path / "link").status == 0
    assert image.stat().st_mode & 0o7777 == 0o640
    assert (tmp_path / "link").is_symlink()
    assert blkid(image)["TYPE"] == "gfs"


@pytest.mark.parametrize("format_", ["gfs1", "gfs2"])
def test_full_journals_have_no_holes_on_the_hosts_disk(tmp_path: Path, format_: str) -> None:
    words = ("-p", "lock_nolock", "-t", "a:b", "-j", "2", "-J", "32", "--format", format_)
    few, full = blank(tmp_path / "few"), blank(tmp_path / "full")
    assert mkfs(*words, few).status == 0
    assert mkfs(*words, "--full-journals", full).status == 0
    places = list(journal_blocks(full))
    assert len(places) == 2 * 32 * MIB // 4096
    assert holes(full, places) == 0
    assert holes(few, places) > len(places) * 0.9
    if format_ == "gfs1":
        assert subprocess.run(["cmp", few, full], check=False).returncode == 0
        assert_clean_after_conversion(full)
    else:
        assert_clean(full)


def journal_blocks(image: Path) -> Iterator[int]:
    """Yield the addresses of all blocks of the journals, from the image's own index."""
    with open_image(image) as source:
        filesystem = read_filesystem(source)
        superblock = filesystem.superblock
        if isinstance(superblock, gfs1.Superblock):
            index = read_inode(filesystem, superblock.sb_jindex_di.no_addr, 0, "")
            for entry in gfs1.JournalIndexEntry.unpack_all(index.body[: index.size_bytes]):
                yield from range(entry.ji_addr, entry.ji_addr + entry.ji_nsegment * superblock.sb_seg_size)
            return
        master = TreeReader(filesystem, print, ReadOnceVisitor(filesystem)).read_tree(
            superblock.sb_master_dir.no_addr, ""
        )
        for node in master.children("jindex").values():
            assert isinstance(node.content, ImageContent)
            journal = read_inode(filesystem, node.content.address, 0, "")
            for part, address, _ in walk_blocks(filesystem, journal):
                if part is BlockRole.DATA:
                    yield address


def holes(image: Path, blocks: list[int]) -> int:
    """Return how many of these blocks of 4096 bytes are holes in the file."""
    with image.open("rb") as stream:
        return sum(os.lseek(stream.fileno(), at * 4096, os.SEEK_HOLE) == at * 4096 for at in blocks)


# What mkfs.gfs2 takes or refuses as -t of lock_dlm, and what is said then.
LOCK_TABLES = {
    "ssi:root": None,
    "a-_9:Z": None,
    "c" * 32 + ":" + "f" * 30: None,
    "": "is empty",
    "x": "has no colon",
    ":": "has no cluster before the colon",
    ":b": "has no cluster before the colon",
    "a:": "has no file system behind the colon",
    "a:b:c": "has more than one colon",
    "a::b": "has more than one colon",
    "a b:c": "has the character ' '",
    "a:b ": "has the character ' '",
    "a\tb:c": "has the character '\\t'",
    "a.b:c": "has the character '.'",
    "/dev/pool/p": "has the character '/'",
    "\N{LATIN SMALL LETTER E WITH ACUTE}:b": "has the character '\N{LATIN SMALL LETTER E WITH ACUTE}'",
    "c" * 33 + ":f": "has a cluster of 33 characters",
    "c:" + "f" * 31: "has a file system of 31 characters",
}


@pytest.mark.parametrize("format_", ["gfs1", "gfs2"])
@pytest.mark.parametrize("table", LOCK_TABLES)
def test_a_lock_table_of_dlm_is_what_mkfs_gfs2_takes(tmp_path: Path, table: str, format_: str) -> None:
    image, theirs = blank(tmp_path / "image", 64 * MIB), blank(tmp_path / "theirs", 64 * MIB)
    words = ("-p", "lock_dlm", "-t", table, "-j", "1", "-J", "32")
    judge = find_tool("mkfs.gfs2")
    assert judge is not None
    judged = subprocess.run([judge, "-q", "-O", "-K", *words, theirs], capture_output=True, check=False)
    problem = LOCK_TABLES[table]
    assert (judged.returncode == 0) == (problem is None)
    ended = mkfs(*words, "--format", format_, image)
    if problem is None:
        assert ended.status == 0, ended.err
        if format_ == "gfs2":
            assert blkid(image)["LABEL"] == blkid(theirs)["LABEL"] == table
        return
    assert ended.status == 2
    assert ended.err == (
        f"error: the lock table '{table}' {problem}\n  give lock_dlm CLUSTER:FILESYSTEM, such as ssi:root, "
        "of at most 32 and 30 letters, digits, '_' and '-'\n"
    )
    assert image.stat().st_blocks == 0


def test_an_empty_source_date_epoch_is_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    assert mkfs(*ONE_JOURNAL, blank(tmp_path / "image")).status == 0


WRONG: list[tuple[Callable[[Path], list[str | Path]], int, str]] = [
    (lambda image: ["-b", "1000", image], 2, "error: block size 1000"),
    (lambda image: ["-j", "0", image], 2, "error: 0 journals"),
    (lambda image: ["-j", "x", image], 2, "error: -j x: is not a whole number"),
    (lambda image: ["-J", "16", image], 2, "error: journals of 16 MiB are too small\n  give at least 32 MiB"),
    (lambda image: ["-j", "9", image], 2, "error: the device has 256 MiB, 9 journals of 32 MiB"),
    (lambda image: ["-p", "dlm", image], 2, "error: -p dlm: is no known lock protocol\n  give one of "),
    (lambda image: ["-t", "t" * 64, image], 2, "error: the lock table 'tttt"),
    (lambda image: ["--fs-format", "1300", image], 2, "error: format 1300: GFS1 has no such format"),
    (lambda image: ["--format", "gfs2", "-b", "8192", image], 2, "error: block size 8192"),
    (lambda image: ["--format", "gfs2", "-s", "16", image], 2, "error: -s: GFS2's journals have no segm"),
    (lambda image: [image.parent / "absent"], 2, "absent: is not there\n  make it first: truncate"),
    (lambda image: ["/dev/pool/none"], 2, "error: /dev/pool/none: is not assembled; assembled are: none"),
    (lambda image: [image.parent], 2, "is neither a file nor a block device"),
    (lambda image: ["-d", image.parent / "absent", image], 2, "absent: is not there"),
    (lambda image: ["-d", image.parent, image], 2, "image would be filled with itself"),
    (
        lambda image: ["-d", members(image.parent / "large" / "tar", "a", "../b"), image],
        1,
        "member '../b' leads out of",
    ),
    (lambda image: ["-t", "t\0", image], 2, "error: the lock table 't"),
    (lambda image: ["--format", "gfs2", "-t", "t" * 64, image], 2, "error: the lock table 'tttt"),
    (lambda image: ["--format", "gfs2", "-J", "4", image], 2, "error: journal size 4 MiB: must be"),
    (lambda image: ["--format", "gfs2", "-j", "99", image], 2, "256 MiB is too small for 99 journals of 32"),
    (lambda image: ["-d", image, image], 2, "/image would be filled with itself"),
    (lambda image: ["-d", image.parent / "large/data", image], 1, "cannot be read as a tar archive"),
    (
        lambda image: ["-j", "7", "-d", image.parent / "large", image],
        1,
        "error: the files need 40.1 MiB, the file system of 256 MiB has room for ",
    ),
]


@pytest.mark.parametrize(("words", "status", "message"), WRONG, ids=[message for _, _, message in WRONG])
def test_an_impossible_call_is_reported_and_leaves_the_target_unchanged(
    tmp_path: Path, words: Callable[[Path], list[str | Path]], status: int, message: str
) -> None:
    image = blank(tmp_path / "image")
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "data").write_bytes(b"x" * (40 * MIB))
    before = image.stat()
    ended = mkfs(*ONE_JOURNAL, *words(image))
    assert (ended.status, message in ended.err) == (status, True), ended.err
    assert ended.out == ""
    assert (image.stat().st_ino, image.stat().st_blocks) == (before.st_ino, before.st_blocks)
    assert sorted(path.name for path in tmp_path.iterdir()) in (
        ["image", "large"],
        ["image", "large", "state"],
    )


def test_a_read_only_file_is_left_unchanged_even_by_root(tmp_path: Path) -> None:
    image = blank(tmp_path / "image")
    image.chmod(0o444)
    ended = mkfs(*ONE_JOURNAL, image)
    assert ended.status == 1
    assert "is read-only, its mode is 0444" in ended.err


def test_a_pool_whose_label_is_gone_is_refused(tmp_path: Path) -> None:
    pool(tmp_path, "poolname p\nsubpools 1\nsubpool 0 0 1\npooldevice 0 0 /dev/a\n", {"a": 256 * MIB})
    blank(tmp_path / "a")
    ended = mkfs(*ONE_JOURNAL, "/dev/pool/p")
    assert ended.status == 2
    assert "is no longer a device of the pool p\n  run passemble again" in ended.err


def test_a_full_disk_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small file system can only be mounted by root")
    small = tmp_path / "small"
    small.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "none", small], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip(f"no file system can be mounted here: {mount.stderr.decode().strip()}")
    try:
        source = tmp_path / "source"
        source.mkdir()
        (source / "data").write_bytes(b"x" * (16 * MIB))
        image = blank(small / "image")
        ended = mkfs(*ONE_JOURNAL, "-d", source, image)
        assert ended.status == 1
        assert "image: cannot be written: No space left on device\n  make room" in ended.err
        assert [path.name for path in small.iterdir()] == ["image"]
        assert image.stat().st_blocks == 0
    finally:
        subprocess.run(["umount", small], check=True)


def test_help_names_units_defaults_and_the_howtos_line() -> None:
    ended = mkfs("--help")
    assert ended.status == 0
    assert "mkfs_gfs -p memexp -t /dev/pool/pool0cidev -j 15 -J 32 -i /dev/pool/pool0" in ended.out
    assert "Sizes are in MiB" in ended.out
    assert "default:\n                        4096" in ended.out or "default: 4096" in ended.out
