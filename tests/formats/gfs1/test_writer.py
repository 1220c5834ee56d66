"""An empty GFS1 file system has the bytes of the one that gfs_mkfs made (tests/golden)."""

import json
import lzma
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from project import GOLDEN

from ssiuml.errors import UsageError
from ssiuml.formats.gfs1.geometry import GeometryOptions, plan_geometry
from ssiuml.formats.gfs1.writer import Settings, write_filesystem
from ssiuml.host import files
from ssiuml.tree.tree import Meta, Tree

NS = 1_000_000_000
BLOCK = 4096


def records(image: Path, block_size: int = BLOCK) -> Iterator[bytes]:
    """Yield every block that is not all zeros, behind its number, as in the golden data."""
    zeros = bytes(block_size)
    with image.open("rb") as stream:
        for number in range(image.stat().st_size // block_size):
            block = stream.read(block_size)
            if block != zeros:
                yield number.to_bytes(8, "big") + block


def write_like_golden(folder: Path, name: str, journal_mib: int) -> tuple[Path, dict[str, Any]]:
    golden: dict[str, Any] = json.loads((GOLDEN / f"gfs1-4096-{name}.json").read_text())
    image = folder / "image"
    files.create(image, golden["image_bytes"])
    geometry = plan_geometry(
        GeometryOptions(
            device_bytes=golden["image_bytes"],
            journals=len(golden["journals"]),
            journal_mib=journal_mib,
            expert=True,
        )
    )
    settings = Settings(
        lock_protocol="memexp",
        lock_table="/dev/pool/pool0cidev",
        time_s=golden["mkfs_time_s"],
        first_sequences=[sequence for _, _, sequence in golden["journals"]],
    )
    write_filesystem(image, geometry, settings, Tree(Meta(mode=0o755, mtime_ns=golden["mkfs_time_s"] * NS)))
    return image, golden


def test_every_block_of_a_small_image_is_that_of_gfs_mkfs(tmp_path: Path) -> None:
    image, _ = write_like_golden(tmp_path, "256MiB-2x8MB", 8)
    golden = lzma.decompress((GOLDEN / "gfs1-4096-256MiB-2x8MB.blocks.xz").read_bytes())
    size = 8 + BLOCK
    expected = [golden[start : start + size] for start in range(0, len(golden), size)]
    for seen, record in zip(records(image), expected, strict=True):
        assert int.from_bytes(seen[:8], "big") == int.from_bytes(record[:8], "big")
        assert seen[8:].hex(" ", 4) == record[8:].hex(" ", 4), f"block {int.from_bytes(record[:8], 'big')}"


def test_every_block_of_the_howtos_root_file_system_is_that_of_gfs_mkfs(tmp_path: Path) -> None:
    image, golden = write_like_golden(tmp_path, "2GiB-15x32MB", 32)
    digest, count = sha256(), 0
    for record in records(image):
        digest.update(record)
        count += 1
    assert count == golden["blocks"]
    assert digest.hexdigest() == golden["sha256_of_records"]


def test_blocks_that_are_not_written_stay_holes(tmp_path: Path) -> None:
    image, golden = write_like_golden(tmp_path, "2GiB-15x32MB", 32)
    assert image.stat().st_size == golden["image_bytes"]
    # A log header in each of 15 * 512 segments, and little else.
    assert files.allocated_bytes(image) < (golden["blocks"] + 64) * BLOCK


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lock_table": "t" * 64}, r"lock table 't{64}' has 64 bytes\n  give at most 63"),
        ({"lock_protocol": "p" * 64}, r"lock protocol 'p{64}' has 64 bytes"),
        ({"lock_table": "a\0b"}, r"lock table .* has 3 bytes\n  give at most 63 bytes, and no NUL"),
        (
            {"fs_format": 1304},
            r"format 1304: GFS1 has no such format\n  give one of 1305, 1306, 1307, 1308, 1309",
        ),
        ({"multihost_format": 1900}, r"multihost format 1900: .*\n  give one of 1400, 1401"),
    ],
)
def test_settings_that_do_not_fit_into_a_superblock_are_errors(changes: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"lock_protocol": "lock_nolock", "lock_table": "a:b", "time_s": 0}
    with pytest.raises(UsageError, match=message):
        Settings(**good | changes)
