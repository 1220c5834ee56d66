"""Digests of values, files and folders. A build compares them to find inputs that have changed."""

import errno
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ssiuml.host.files import CHUNK_BYTES, SECTOR_BYTES, data_ranges

_ZEROS: Final = memoryview(bytes(CHUNK_BYTES))
# JSON objects: inputs and results of steps.
Values = Mapping[str, Any]


def digest_of(values: object) -> str:
    """Return the hexadecimal SHA-256 of a JSON value. The order of its keys does not matter."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes. Holes are not read: it takes half the time then."""
    with path.open("rb", buffering=0) as stream:
        state = os.fstat(stream.fileno())
        if state.st_blocks * SECTOR_BYTES >= state.st_size:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        digest, done = hashlib.sha256(), 0
        buffer = memoryview(bytearray(CHUNK_BYTES))
        for start, end in data_ranges(stream.fileno(), 0, state.st_size):
            _add_zeros(digest, start - done)
            stream.seek(start)
            done = start
            while done < end:
                got = stream.readinto(buffer[: end - done])
                if not got:
                    raise OSError(
                        errno.EIO, f"the file became shorter while it was read, at byte {done}", path
                    )
                digest.update(buffer[:got])
                done += got
        _add_zeros(digest, state.st_size - done)
        return digest.hexdigest()


def _add_zeros(digest: "hashlib._Hash", count: int) -> None:
    while count > 0:
        digest.update(_ZEROS[:count])
        count -= len(_ZEROS)


def folder_digest(folder: Path) -> str:
    """Return a digest of names, execute bits and bytes of all files below *folder*, which are small."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.parent.name != "__pycache__")
    return digest_of(
        [(str(path.relative_to(folder)), path.stat().st_mode & 0o111, file_sha256(path)) for path in files]
    )


def merged(*parts: Values) -> dict[str, Any]:
    """Return all entries of *parts*. Raise ValueError if two have the same key: one value would be lost."""
    whole: dict[str, Any] = {}
    for part in parts:
        twice = sorted(whole.keys() & part.keys())
        if twice:
            raise ValueError(f"two values for {', '.join(twice)}: a digest would see only one of them")
        whole.update(part)
    return whole
