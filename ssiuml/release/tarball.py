"""Tarballs with the same bytes on every machine and for every user.

They have GNU tar's own format, which bsdtar and Python's tarfile read as well. The contents of a sparse file
decide where its holes are (tar(1), --hole-detection=raw).
"""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml.host.files import CHUNK_BYTES, allocated_bytes, replacing, scratch_folder
from ssiuml.host.progress import stages
from ssiuml.host.run import PLAIN_LANGUAGE, run
from ssiuml.host.tools import HostTool
from ssiuml.tree.compressed import write_sparsely
from ssiuml.units import format_size

TIMEOUT_S: Final = 4 * 3600.0
# tar and compressors get no other variable: TAR_OPTIONS, XZ_OPT, LBZIP2, ZSTD_CLEVEL would change the bytes.
_PASSED_ON: Final = ("PATH",)
_SPARSE: Final = ("--sparse", "--hole-detection=raw")
_HOLE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Compressor:
    """A standard program that compresses on all processors, to the same bytes on any number of them."""

    suffix: str
    tool: HostTool
    options: tuple[str, ...] = ()

    @property
    def command(self) -> list[str]:
        """The command line that compresses standard input to standard output."""
        return [self.tool.name, *self.options]


def _compressor(suffix: str, name: str, package: str, *options: str) -> Compressor:
    return Compressor(suffix, HostTool(name, package, "compress releases"), options)


def compressor(name: str) -> Compressor:
    """Return the compressor of a recipe's ``release.compression``: bz2, xz or zst."""
    # xz writes one block with one thread, but blocks of a fixed size with any other number: never use one.
    threads = max(2, os.cpu_count() or 1)
    return {
        "bz2": _compressor("bz2", "lbzip2", "lbzip2"),
        "xz": _compressor("xz", "xz", "xz-utils", "-6", f"--threads={threads}"),
        "zst": _compressor("zst", "zstd", "zstd", "-q", "-12", "-T0"),
    }[name]


def write_tarball(target: Path, folder: Path, epoch: int, chosen: Compressor) -> None:
    """Pack *folder*, under its name, into *target*, which appears when it is whole.

    *epoch* is the time of every member, in seconds since 1970. The tarball depends neither on owners and
    umask, nor on which blocks the host's file system has allocated: blocks of zeros become holes, in *folder*
    too. Sparse files come last. Raise CommandError if tar or the compressor fails, OSError if a file cannot
    be read.
    """
    with stages(f"release {target.name}") as show, replacing(target) as part:
        show("packing")
        plain, sparse = _plain_and_sparse(folder)
        # tar takes a file that occupies less than its size for sparse, as each may on a file system that
        # compresses. It then writes the file differently even if it finds no hole.
        if any(_is_file(path) and _takes_less(path) for path in plain):
            _pack_in_turn(part, folder, plain, sparse, epoch, chosen)
        else:
            options = ("--create", *_SPARSE, f"--use-compress-program={shlex.join(chosen.command)}")
            _tar(part, folder, [*plain, *sparse], epoch, *options)
        part.chmod(0o644)
        # A tarball that is made again from the same files counts as unchanged: steps compare size and time.
        os.utime(part, (epoch, epoch))
        show(format_size(part.stat().st_size))


def _plain_and_sparse(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return *folder* and everything below it; files with blocks of zeros come second and become sparse."""
    paths = sorted([folder, *folder.rglob("*")], key=str)
    zeros = {path for path in paths if _is_file(path) and _has_zeros(path)}
    for path in zeros:
        if not _takes_less(path):
            _make_sparse(path)
    return [path for path in paths if path not in zeros], [path for path in paths if path in zeros]


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _takes_less(path: Path) -> bool:
    return allocated_bytes(path) < path.stat().st_size


def _pack_in_turn(
    part: Path, folder: Path, plain: Sequence[Path], sparse: Sequence[Path], epoch: int, chosen: Compressor
) -> None:
    """Have tar look for holes in the *sparse* files only: the same bytes, in more time and room."""
    with scratch_folder(part.parent, ".tar") as scratch:
        archive = scratch / "archive"
        _tar(archive, folder, plain, epoch, "--create")
        if sparse:
            _tar(archive, folder, sparse, epoch, "--append", *_SPARSE)
        run(
            ["sh", "-c", 'exec <"$0" && exec "$@"', archive, *chosen.command],
            timeout_s=TIMEOUT_S,
            env=PLAIN_LANGUAGE,
            pass_on=_PASSED_ON,
            stdout=part,
            merge_stderr=False,
        )


def _tar(archive: Path, folder: Path, paths: Sequence[Path], epoch: int, *options: str) -> None:
    names = [os.fsencode(path.relative_to(folder.parent)) for path in paths]
    run(
        [
            *("tar", *options, "--format=gnu", "--no-recursion", "--force-local"),
            *(f"--mtime=@{epoch}", "--owner=0", "--group=0", "--numeric-owner", "--mode=a+rX,u+w,go-w,a-st"),
            *(f"--file={archive}", f"--directory={folder.parent}"),
            *("--null", "--verbatim-files-from", "--files-from=-"),
        ],
        timeout_s=TIMEOUT_S,
        stdin=b"".join(name + b"\0" for name in names),
        env=PLAIN_LANGUAGE,
        pass_on=_PASSED_ON,
    )


def _has_zeros(path: Path) -> bool:
    zeros = bytes(_HOLE_BYTES)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            blocks = range(0, len(chunk), _HOLE_BYTES)
            if zeros in chunk and any(chunk[at : at + _HOLE_BYTES] == zeros for at in blocks):
                return True
    return False


def _make_sparse(path: Path) -> None:
    """Replace the file by a sparse copy; an image that is a hard link to it keeps its blocks."""
    with replacing(path) as part, path.open("rb") as reader, part.open("wb") as writer:
        while chunk := reader.read(CHUNK_BYTES):
            write_sparsely(writer, chunk)
        writer.truncate(path.stat().st_size)
        part.chmod(path.stat().st_mode)
