"""Sparse files as tests want them."""

from pathlib import Path


def write_sparse(path: Path, size_bytes: int, *pieces: tuple[int, bytes]) -> Path:
    """Make a file that is a hole but for *pieces*, data by offset."""
    with path.open("wb") as stream:
        for offset, data in pieces:
            stream.seek(offset)
            stream.write(data)
        stream.truncate(size_bytes)
    return path
