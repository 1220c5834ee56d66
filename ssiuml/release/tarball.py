"""Tarballs with the same bytes on every machine and for every user.

They have GNU tar's own format, which bsdtar and Python's tarfile read as well. The contents of a sparse file
decide where its holes are, not the host's file system.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml.host.files import replacing
from ssiuml.host.progress import stages
from ssiuml.host.run import PLAIN_LANGUAGE, run
from ssiuml.host.tools import HostTool
from ssiuml.tree.gnu_tar import write_folder
from ssiuml.units import format_size

TIMEOUT_S: Final = 4 * 3600.0
# Compressors get no other variable: XZ_OPT, LBZIP2, ZSTD_CLEVEL would change the bytes.
_PASSED_ON: Final = ("PATH",)


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
    umask, nor on which blocks the host's file system has allocated: blocks of zeros become holes. Files with
    holes come last. Raise CommandError if the compressor fails, OSError if a file cannot be read, and the
    errors of write_folder.
    """
    with stages(f"release {target.name}") as show, replacing(target) as part:
        show("packing")
        run(
            chosen.command,
            timeout_s=TIMEOUT_S,
            env=PLAIN_LANGUAGE,
            pass_on=_PASSED_ON,
            stdin=lambda stream: write_folder(stream, folder, epoch),
            stdout=part,
            merge_stderr=False,
        )
        part.chmod(0o644)
        # A tarball that is made again from the same files counts as unchanged: steps compare size and time.
        os.utime(part, (epoch, epoch))
        show(format_size(part.stat().st_size))
