"""Files and folders of the host: written for a test, listed and compared by the host's programs."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from programs import output_of


def write_files(folder: Path, files: Mapping[str, bytes], mode: int = 0o644) -> Path:
    """Make *folder* with these files, those in bin/ executable. Return *folder*."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode | (0o111 & mode >> 2) if name.startswith("bin/") else mode)
    return folder


def write_sparse(path: Path, size_bytes: int, *pieces: tuple[int, bytes]) -> Path:
    """Make a file of *size_bytes* with *pieces*, data by offset, and holes elsewhere. Return *path*."""
    with path.open("wb") as stream:
        for offset, data in pieces:
            stream.seek(offset)
            stream.write(data)
        stream.truncate(size_bytes)
    return path


def listing(folder: Path) -> list[str]:
    """Return kind, permissions and path of everything below *folder*, sorted."""
    return sorted(output_of("find", folder, "-mindepth", "1", "-printf", "%y %m %P\\n").splitlines())


def same_files(one: Path, other: Path) -> bool:
    return subprocess.run(["diff", "-r", one, other], capture_output=True, check=False).returncode == 0


def sha256sum(path: Path) -> str:
    return output_of("sha256sum", "--", path).split()[0].removeprefix("\\")


def du_bytes(path: Path) -> int:
    """Return how many bytes *path* takes up on the disk."""
    return int(output_of("du", "--block-size=1", "--summarize", path).split()[0])
