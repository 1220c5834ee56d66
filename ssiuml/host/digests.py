"""Digests of values, files and folders. A build compares them to find inputs that have changed."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# JSON objects: inputs and results of steps.
Values = Mapping[str, Any]


def digest_of(values: object) -> str:
    """Return the hexadecimal SHA-256 of a JSON value. The order of its keys does not matter."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb", buffering=0) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
