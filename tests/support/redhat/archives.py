"""Compressed stand-ins: images as .bz2, folders of files as .tar.bz2."""

import bz2
import os
import subprocess
import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Final

from redhat.dates import RELEASE_S

# The user who packed a release in 2002. As in most tarballs of the time, the files have that number.
OWNER: Final = 500
LIMIT_S: Final = 120.0


def compress(source: Path, target: Path) -> Path:
    """Write *source*, compressed by bzip2, to *target* and remove *source*. Return *target*."""
    with source.open("rb") as reader, bz2.open(target, "wb") as writer:
        while chunk := reader.read(1 << 20):
            writer.write(chunk)
    source.unlink()
    return target


def pack(target: Path, files: Mapping[str, str | bytes], *, owner: int = OWNER) -> Path:
    """Make a .tar.bz2 of *files*, folders first, then files by name. Return *target*.

    Programs and scripts are executable. All entries belong to the user *owner*.
    """
    with tarfile.open(target, "w:bz2", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted({str(parent) for name in files for parent in Path(name).parents} - {"."}):
            archive.addfile(_entry(path, b"", tarfile.DIRTYPE, 0o755, owner))
        for path in sorted(files):
            data = as_bytes(files[path])
            archive.addfile(_entry(path, data, tarfile.REGTYPE, mode_of(data), owner), BytesIO(data))
    return target


def unfold(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write *files* below *folder*, with the modes that they have in an archive. Return *folder*."""
    for path, text in sorted(files.items()):
        data = as_bytes(text)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
        (folder / path).chmod(mode_of(data))
        os.utime(folder / path, (RELEASE_S, RELEASE_S))
    return folder


def pack_sparse(target: Path, folder: Path) -> Path:
    """Make a .tar.bz2 of *folder* with GNU tar, which keeps the holes of its files. Return *target*."""
    # raw finds holes by reading. The holes of the host's file system would differ between machines.
    words = [
        "tar",
        "--create",
        "--sparse",
        "--hole-detection=raw",
        "--format=gnu",
        "--sort=name",
        "--numeric-owner",
    ]
    words += [f"--owner={OWNER}", f"--group={OWNER}", f"--mtime=@{RELEASE_S}", f"--file={target}.tar"]
    subprocess.run([*words, f"--directory={folder.parent}", folder.name], check=True, timeout=LIMIT_S)
    return compress(Path(f"{target}.tar"), target)


def as_bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def mode_of(data: bytes) -> int:
    """Return 0755 for programs and scripts, 0644 for other files."""
    is_program = data.startswith(b"#!") or (data.startswith(b"\x7fELF") and data[16] == 2)
    return 0o755 if is_program else 0o644


def _entry(path: str, data: bytes, kind: bytes, mode: int, owner: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.size, entry.mode, entry.mtime = kind, len(data), mode, RELEASE_S
    entry.uid = entry.gid = owner
    return entry
