"""Placeholder."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Source:
    name: str
    urls: tuple[str, ...]
    file_name: str
    limit_bytes: int
    sha256: str | None


@dataclass(frozen=True)
class LockFile:
    path: Path


@dataclass(frozen=True)
class Fetched:
    path: Path
    sha256: str


def fetch(source: Source, *, downloads: Path, lock: LockFile, offline: bool) -> Fetched:
    raise NotImplementedError
