"""Tarballs: the same bytes everywhere; GNU tar, bsdtar and Python's tarfile read them."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from files_on_disk import du_bytes, listing, same_files, sha256sum, write_files, write_sparse
from programs import LIMIT_S, NOBODY, output_of

from ssiuml.host.files import part_of
from ssiuml.release.tarball import compressor, write_tarball
from ssiuml.units import MIB

EPOCH = 1_700_000_000
NAMES = ("bz2", "xz", "zst")
UNPACK = {"bz2": "bzip2", "xz": "xz", "zst": "zstd"}
NOISE = random.Random(7)  # noqa: S311 - any bytes that do not compress
TEXT = b"".join(b"%d and %d\n" % (number, number * number) for number in range(40_000))
NOISE_BLOCK = NOISE.randbytes(4096)
FILES = {
    "README": b"read me\n",
    "bin/tool": b"#!/bin/sh\n",
    "lib/deep/er/file": TEXT,
    "lib/empty": b"",
    "share/" + "long" * 40: b"a name that does not fit into the header\n",
    "share/\u00fcml\u00e4ut": b"text\n",
}
# For a process of its own: target, folder and compressor are in argv.
PACK = """
import sys
from pathlib import Path
from ssiuml.release.tarball import compressor, write_tarball
write_tarball(Path(sys.argv[1]), Path(sys.argv[2]), 1_700_000_000, compressor(sys.argv[3]))
"""


def _pack(target: Path, folder: Path, name: str = "zst") -> Path:
    write_tarball(target, folder, EPOCH, compressor(name))
    return target


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_files(tmp_path / "one" / "thing-1", FILES)


@pytest.mark.parametrize("name", NAMES)
def test_another_place_umask_order_and_time_give_the_same_bytes(
    tmp_path: Path, folder: Path, name: str
) -> None:
    private = tmp_path / "another folder" / "below"
    private.mkdir(parents=True)
    private.chmod(0o2700)  # new files in it inherit the set-group-id bit
    old = os.umask(0o077)
    try:
        other = write_files(private / "thing-1", dict(reversed(FILES.items())), 0o600)
        other.chmod(0o3700)
        _pack(tmp_path / "other.tar", other, name)
    finally:
        os.umask(old)
    for path in other.rglob("*"):
        os.utime(path, (1, 2))
    assert sha256sum(tmp_path / "other.tar") == sha256sum(_pack(tmp_path / "one.tar", folder, name))
    assert (tmp_path / "other.tar").stat().st_mode & 0o777 == 0o644
    assert sha256sum(_pack(tmp_path / "again.tar", other, name)) == sha256sum(tmp_path / "one.tar")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owners_do_not_change_the_bytes(tmp_path: Path, folder: Path) -> None:
    before = sha256sum(_pack(tmp_path / "one.tar", folder))
    output_of("chown", "-R", f"{NOBODY}:{NOBODY}", folder)
    assert sha256sum(_pack(tmp_path / "two.tar", folder)) == before


@pytest.mark.parametrize("name", NAMES)
def test_the_environment_does_not_change_the_bytes(
    tmp_path: Path, folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sha256sum(_pack(tmp_path / "one.tar", folder, name))
    environ = {
        "TZ": "Asia/Kathmandu",
        "LC_ALL": "C.UTF-8",
        "TAR_OPTIONS": "--format=posix --exclude=README",
        "TAPE": str(tmp_path / "tape"),
        "POSIXLY_CORRECT": "1",
        "LBZIP2": "-1",
        "BZIP2": "-1",
        "BZIP": "-1",
        "XZ_OPT": "-0",
        "XZ_DEFAULTS": "--check=crc32",
        "ZSTD_CLEVEL": "1",
        "ZSTD_NBTHREADS": "1",
        "TMPDIR": str(tmp_path / "nowhere"),
    }
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    assert sha256sum(_pack(tmp_path / "two.tar", folder, name)) == before


@pytest.mark.parametrize("name", NAMES)
def test_one_processor_gives_the_same_bytes_as_all(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "thing-1"
    folder.mkdir()
    # Several blocks of lbzip2 (900 kB), of xz (24 MiB) and jobs of zstd: two processors work at once.
    (folder / "large").write_bytes(hashlib.sha256(b"x").digest() * (40 * MIB // 32))
    pinned = [sys.executable, "-c", PACK]
    output_of("taskset", "--cpu-list", "0", *pinned, tmp_path / "one.tar", folder, name)
    output_of(*pinned, tmp_path / "all.tar", folder, name)
    assert sha256sum(tmp_path / "one.tar") == sha256sum(tmp_path / "all.tar")


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_program_of_each_compression_accepts_the_tarball(
    tmp_path: Path, folder: Path, name: str
) -> None:
    output_of(UNPACK[name], "--test", "--keep", _pack(tmp_path / f"thing-1.tar.{name}", folder, name))


def test_members_belong_to_root_have_one_time_and_only_their_owner_may_write(
    tmp_path: Path, folder: Path
) -> None:
    (folder / "lib/empty").chmod(0o666)
    (folder / "share").chmod(0o777)
    lines = output_of(
        "tar", "--list", "--verbose", "--numeric-owner", "--utc", "--full-time",
        f"--file={_pack(tmp_path / 'thing.tar.xz', folder, 'xz')}",
    ).splitlines()  # fmt: skip
    members = [line.split(maxsplit=5) for line in lines]
    assert {(owner, day, hour) for _, owner, _, day, hour, _ in members} == {
        ("0/0", "2023-11-14", "22:13:20")
    }
    modes = {name: mode for mode, *_, name in members}
    assert modes["thing-1/bin/tool"] == "-rwxr-xr-x"
    assert set(modes.values()) == {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x"}
    assert [name.rstrip("/") for name in modes] == sorted(name.rstrip("/") for name in modes)


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    """A folder with a file of 256 MiB: a hole with 3 MiB of data at odd offsets."""
    folder = tmp_path / "image-1"
    folder.mkdir()
    pieces = [(0, b"start"), *((at * MIB + 12_345, NOISE.randbytes(MIB)) for at in (3, 77, 200))]
    write_sparse(folder / "root_fs", 256 * MIB, *pieces)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_sparse_file_is_unpacked_with_the_same_bytes_and_holes(
    tmp_path: Path, sparse: Path, name: str
) -> None:
    tarball = _pack(tmp_path / f"image-1.tar.{name}", sparse, name)
    assert tarball.stat().st_size < 3.2 * MIB
    (tmp_path / "back").mkdir()
    output_of("tar", "--extract", f"--file={tarball}", f"--directory={tmp_path / 'back'}")
    assert same_files(tmp_path / "back" / "image-1", sparse)
    before, after = du_bytes(sparse / "root_fs"), du_bytes(tmp_path / "back" / "image-1" / "root_fs")
    assert abs(after - before) <= 0.05 * before


def test_bsdtar_and_python_unpack_the_same_files(tmp_path: Path, sparse: Path) -> None:
    write_files(sparse, FILES)
    tarball = _pack(tmp_path / "image-1.tar.bz2", sparse, "bz2")
    (tmp_path / "bsdtar").mkdir()
    output_of("bsdtar", "-x", "-f", tarball, "-C", tmp_path / "bsdtar")
    with tarfile.open(tarball) as archive:
        archive.extractall(tmp_path / "python", filter="data")
    assert same_files(tmp_path / "bsdtar" / "image-1", sparse)
    assert same_files(tmp_path / "python" / "image-1", sparse)
    assert listing(tmp_path / "bsdtar") == listing(tmp_path / "python")


def test_allocated_zeros_and_holes_give_the_same_bytes(tmp_path: Path) -> None:
    # Which blocks of zeros are allocated depends on the file system.
    sparse = tmp_path / "sparse" / "image-1"
    sparse.mkdir(parents=True)
    write_sparse(sparse / "root_fs", 24 * MIB, (12_345, NOISE.randbytes(MIB)), (9 * MIB, b"x"))
    full = tmp_path / "full" / "image-1"
    full.mkdir(parents=True)
    kept = tmp_path / "kept"
    output_of("cp", "--sparse=never", sparse / "root_fs", kept)
    os.link(kept, full / "root_fs")
    assert du_bytes(full) >= 24 * MIB
    assert sha256sum(_pack(tmp_path / "1.tar", full)) == sha256sum(_pack(tmp_path / "2.tar", sparse))
    # The image, a hard link to the file, keeps its blocks.
    assert du_bytes(kept) >= 24 * MIB
    assert same_files(kept, sparse / "root_fs")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_occupies_less_than_its_size_without_a_block_of_zeros_is_packed_like_any_other(
    tmp_path: Path, name: str
) -> None:
    # Like a file on a file system that compresses; here a hole in the last block does it.
    folders = [tmp_path / which / "thing-1" for which in ("short", "full")]
    for folder in folders:
        folder.mkdir(parents=True)
        write_sparse(folder / "file", 4096 + 100, (0, NOISE_BLOCK))
        write_sparse(folder / "a sparse one", 12 * MIB, (5 * MIB, NOISE_BLOCK * 700))
    (folders[1] / "file").write_bytes(NOISE_BLOCK + bytes(100))
    less = [(folder / "file").stat().st_blocks * 512 < 4096 + 100 for folder in folders]
    assert less == [True, False]
    tarballs = [_pack(tmp_path / f"{number}.tar", folder, name) for number, folder in enumerate(folders)]
    assert sha256sum(tarballs[0]) == sha256sum(tarballs[1])
    output_of("tar", "--extract", f"--file={tarballs[0]}", f"--directory={tmp_path}")
    assert same_files(tmp_path / "thing-1", folders[1])
    assert not list(tmp_path.glob(".*"))


def test_a_small_file_with_a_block_of_zeros_keeps_mode_and_contents(tmp_path: Path, folder: Path) -> None:
    (folder / "bin/tool").write_bytes(b"x" * 4096 + bytes(4096) + b"end" + bytes(100))
    (folder / "bin/tool").chmod(0o700)
    kept = shutil.copytree(folder, tmp_path / "kept")
    (tmp_path / "back").mkdir()
    output_of(
        "tar", "--extract", f"--file={_pack(tmp_path / '1.tar', folder)}", f"--directory={tmp_path / 'back'}"
    )
    assert same_files(tmp_path / "back" / "thing-1", kept)
    assert (tmp_path / "back/thing-1/bin/tool").stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in (folder / "bin").iterdir()) == ["tool"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_tarball_and_the_next_one_is_whole(
    tmp_path: Path, how: signal.Signals
) -> None:
    folder = tmp_path / "thing-1"
    folder.mkdir()
    (folder / "large").write_bytes(NOISE.randbytes(3 * MIB))
    target = tmp_path / "out" / "thing-1.tar.xz"
    packing = subprocess.Popen([sys.executable, "-c", PACK, target, folder, "xz"], stderr=subprocess.DEVNULL)
    end = time.monotonic() + LIMIT_S
    part = part_of(target)
    while not part.exists():
        assert time.monotonic() < end, "packing did not begin"
        assert packing.poll() is None, "packing ended before it was interrupted"
        time.sleep(0.01)
    packing.send_signal(how)
    packing.wait(LIMIT_S)
    assert not target.exists()
    _pack(target, folder, "xz")
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    with tarfile.open(target) as archive, (folder / "large").open("rb") as large:
        packed = archive.extractfile("thing-1/large")
        assert packed is not None
        assert packed.read() == large.read()


def test_a_missing_folder_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(FileNotFoundError, match="nothing-1"):
        _pack(tmp_path / "out" / "1.tar", tmp_path / "nothing-1")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can own what it may not read")
def test_an_unreadable_file_is_an_error_and_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    (folder / "README").chmod(0)
    os.chown(folder / "README", NOBODY, NOBODY)
    process = subprocess.run(
        ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", PACK,
         tmp_path / "out" / "1.tar", folder, "zst"],
        capture_output=True, text=True, check=False, timeout=LIMIT_S,
    )  # fmt: skip
    assert process.returncode == 1
    assert "PermissionError" in process.stderr
    assert str(folder / "README") in process.stderr
    assert list((tmp_path / "out").iterdir()) == []
