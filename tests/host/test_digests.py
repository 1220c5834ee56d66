"""Digests of files: sha256sum finds the same, holes or not."""

from pathlib import Path

import pytest
from files_on_disk import du_bytes, sha256sum, write_sparse

from ssiuml.host.digests import file_sha256
from ssiuml.units import MIB


@pytest.mark.parametrize(
    ("size_bytes", "offsets"),
    [
        (0, []),
        (1, [0]),
        (3 * MIB + 17, []),
        (5 * MIB + 1, [0, 4096, 3 * MIB - 5]),
        (9 * MIB, [2 * MIB + 100, 9 * MIB - 3]),
    ],
)
def test_the_digest_of_a_sparse_file_is_that_of_sha256sum(
    tmp_path: Path, size_bytes: int, offsets: list[int]
) -> None:
    path = write_sparse(
        tmp_path / "file", size_bytes, *((offset, b"data"[:size_bytes]) for offset in offsets)
    )
    assert size_bytes < MIB or du_bytes(path) < size_bytes
    assert file_sha256(path) == sha256sum(path)


def test_a_file_without_holes_has_the_digest_of_sha256sum(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"data" * 700_001)
    assert file_sha256(path) == sha256sum(path)
