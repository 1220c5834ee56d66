"""Tarballs that are the same bytes whoever makes them.

GNU tar's own format with sparse files told by their contents, not by what the host's file system has
allocated (tar(1), --hole-detection=raw); bsdtar and Python's tarfile read it as well.
"""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ssiuml.atomic import replacing
from ssiuml.host import HostTool
from ssiuml.progress import stages
from ssiuml.run import PLAIN_LANGUAGE, run
from ssiuml.units import format_size

TIMEOUT_S: Final = 4 * 3600.0


@dataclass(frozen=True, slots=True)
class Compressor:
    """A standard program that compresses on all processors, and to the same bytes on any number of them."""

    suffix: str
    tool: HostTool
    options: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """For tar's --use-compress-program."""
        return shlex.join([self.tool.name, *self.options])


def _compressor(suffix: str, name: str, package: str, *options: str) -> Compressor:
    return Compressor(suffix, HostTool(name, package, "compress releases"), options)


def compressor(name: str) -> Compressor:
    """What a recipe's ``release.compression`` (bz2, xz or zst) is made with."""
    # xz with one thread writes one block, with several always blocks of the same size: never one.
    threads = max(2, os.cpu_count() or 1)
    return {
        "bz2": _compressor("bz2", "lbzip2", "lbzip2"),
        "xz": _compressor("xz", "xz", "xz-utils", "-6", f"--threads={threads}"),
        "zst": _compressor("zst", "zstd", "zstd", "-q", "-12", "-T0"),
    }[name]


def write_tarball(target: Path, folder: Path, epoch: int, chosen: Compressor) -> None:
    """Pack *folder*, under its name, into *target*; no time in it is later than *epoch* (seconds since 1970).

    Owners and the builder's umask do not show. CommandError; the name appears when the file is whole.
    """
    with stages(f"release {target.name}") as show, replacing(target) as part:
        show("packing")
        run(
            [
                *("tar", "--create", "--format=gnu", "--sparse", "--hole-detection=raw", "--sort=name"),
                *(f"--mtime=@{epoch}", "--owner=0", "--group=0", "--numeric-owner"),
                *("--mode=a+rX,u+w,go-w", f"--use-compress-program={chosen.command}"),
                *(f"--file={part}", f"--directory={folder.parent}", "--", folder.name),
            ],
            timeout_s=TIMEOUT_S,
            env=PLAIN_LANGUAGE,
        )
        part.chmod(0o644)
        # Made once more from the same, it is left as it was: steps go by size and time.
        os.utime(part, (epoch, epoch))
        show(format_size(part.stat().st_size))
