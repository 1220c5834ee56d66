"""What fsck.mend corrects and what it leaves alone, on images that mkfs.gfs2 made and gfs2_edit reads."""

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from ssiuml.errors import SsiumlError
from ssiuml.images import fsck

BLOCK_BYTES = 4096
DINODE_BYTES = 232


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "root_fs"
    with path.open("wb") as stream:
        stream.truncate(64 << 20)
    subprocess.run(["mkfs.gfs2", "-O", "-q", "-p", "lock_nolock", "-j", "1", "-J", "8", path], check=True)
    return path


def is_clean(image: Path) -> bool:
    return subprocess.run(["fsck.gfs2", "-n", image], capture_output=True, check=False).returncode == 0


def block_of(image: Path, name: str) -> int:
    """The address of a system inode, as gfs2_edit has it."""
    printed = subprocess.run(["gfs2_edit", "-p", name, image], capture_output=True, text=True, check=True)
    match = re.search(r"Block #(\d+)", printed.stdout)
    assert match, printed.stdout
    return int(match[1])


def overwrite(image: Path, offset_bytes: int, data: bytes) -> None:
    with image.open("r+b") as stream:
        stream.seek(offset_bytes)
        stream.write(data)


def test_a_clean_image_is_left_as_it_is(image: Path) -> None:
    before = hashlib.sha256(image.read_bytes()).digest()
    assert fsck.mend(image) == []
    assert hashlib.sha256(image.read_bytes()).digest() == before


def test_wrong_counts_are_corrected_and_named(image: Path) -> None:
    # struct gfs2_statfs_change behind the inode: total, free, dinodes, 64 bits each.
    statfs = block_of(image, "statfs") * BLOCK_BYTES + DINODE_BYTES
    overwrite(image, statfs + 8, (77).to_bytes(8, "big"))
    assert not is_clean(image)
    assert fsck.mend(image) == ["counts of free blocks and inodes"]
    assert is_clean(image)


def test_other_damage_is_told_and_nothing_is_written(image: Path) -> None:
    # The link count of the root directory, di_nlink in struct gfs2_dinode.
    overwrite(image, block_of(image, "root") * BLOCK_BYTES + 24 + 16 + 4 + 4 + 4, (9).to_bytes(4, "big"))
    before = hashlib.sha256(image.read_bytes()).digest()
    with pytest.raises(fsck.DamagedError, match=r"(?s)is damaged, fsck.gfs2 -n says:.*[Ll]ink count"):
        fsck.mend(image)
    assert hashlib.sha256(image.read_bytes()).digest() == before


def test_what_is_no_file_system_is_told(tmp_path: Path) -> None:
    path = tmp_path / "root_fs"
    path.write_bytes(bytes(1 << 20))
    with pytest.raises(SsiumlError, match=r"fsck\.gfs2"):
        fsck.mend(path)


def test_progress_of_a_slow_check_is_no_damage() -> None:
    said = "Starting pass1\n\r81 percent complete.\rReconciling bitmaps.\nFound unlinked inode at 22 (0x16)\n"
    assert fsck._leftovers(said) == (["removed files that were not freed"], [])
