"""mkfs_gfs: make a GFS1 or GFS2 file system, also with a whole tree in it (HOWTO 5.2)."""

import argparse
import gc
import os
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final, TypedDict

from ssiuml.assembly import Pool, pool_of, read_state
from ssiuml.cli.entry import DONE, call, plain_parser
from ssiuml.cli.pools import add_state_option, state_file
from ssiuml.errors import UsageError
from ssiuml.formatting import Gfs1Choice, Gfs2Choice, make_filesystem
from ssiuml.gfs1 import geometry, structures
from ssiuml.gfs1.structures import OLD_FORMATS
from ssiuml.layer import merge, read_layer
from ssiuml.progress import stages
from ssiuml.scan import scan_folder
from ssiuml.tree import Meta, Tree
from ssiuml.units import format_size

NS: Final = 1_000_000_000
# What the tools of their time knew; memexp is the lock server of OpenGFS.
PROTOCOLS: Final = ("lock_nolock", "lock_dlm", "lock_gulm", "memexp", "nolock")


def arguments_of(words: Sequence[str]) -> argparse.Namespace:
    made = plain_parser(
        "mkfs_gfs",
        "Make a GFS file system on a file, a block device or an assembled pool, without a kernel module, and "
        "fill it from a folder or a tar archive. What was there is lost, without a question; a file or pool "
        "that is in use is refused. Sizes are in MiB, 1048576 bytes.",
        """
mkfs_gfs -p memexp -t /dev/pool/pool0cidev -j 15 -J 32 -i /dev/pool/pool0
mkfs_gfs -p lock_nolock -t none -j 1 -J 32 -d /srv/root root_fs
mkfs_gfs -p lock_dlm -t ssi:root -j 3 -J 32 --format gfs2 -d tree.tar root_fs
""",
    )
    made.add_argument(
        "device", metavar="DEVICE", help="a file or block device of the size wanted, or /dev/pool/NAME"
    )
    made.add_argument("-p", dest="protocol", metavar="PROTO", required=True, help="the lock protocol")
    made.add_argument("-t", dest="table", metavar="TABLE", required=True, help="the lock table")
    made.add_argument(
        "-j", dest="journals", metavar="N", default="1", help="journals, one for each node; default: 1"
    )
    made.add_argument(
        "-J",
        dest="journal_mib",
        metavar="MB",
        default=str(geometry.DEFAULT_JOURNAL_MIB),
        help=f"the size of each journal, 32 or more; default: {geometry.DEFAULT_JOURNAL_MIB}",
    )
    made.add_argument(
        "-b",
        dest="block_size",
        metavar="SIZE",
        default=str(geometry.DEFAULT_BLOCK_SIZE),
        help=f"bytes in a block, 512 to 65536 (GFS2: 4096); default: {geometry.DEFAULT_BLOCK_SIZE}",
    )
    made.add_argument(
        "-r",
        dest="rgrp_mib",
        metavar="MB",
        help=f"the size of resource groups, 32 to {geometry.MAX_RGRP_MIB}; default: "
        f"{geometry.DEFAULT_RGRP_MIB}, more on very large devices",
    )
    made.add_argument(
        "-s",
        dest="segment",
        metavar="BLOCKS",
        help=f"blocks in a segment of a GFS1 journal; default: {geometry.DEFAULT_SEGMENT_BLOCKS}",
    )
    made.add_argument(
        "-i",
        action="store_true",
        help="journals in the data space, whatever the pool's subpools say; here this is always so",
    )
    made.add_argument(
        "-X", dest="expert", action="store_true", help="wider limits: journals and resource groups from 1 MiB"
    )
    made.add_argument(
        "--full-journals",
        action="store_true",
        help="give journals all their room on the disk; by default most of a journal is a hole of the "
        "image file, and a full disk of the host can keep a node from filling it",
    )
    made.add_argument("-q", dest="quiet", action="store_true", help="say nothing if all goes well")
    made.add_argument("-O", action="store_true", help="ask nothing; here nothing ever is asked")
    made.add_argument(
        "-d", dest="source", metavar="DIR|TAR", type=Path, help="what is to be in it: a folder, a tar archive"
    )
    made.add_argument("--format", choices=("gfs1", "gfs2"), default="gfs1", help="default: gfs1")
    made.add_argument(
        "--fs-format",
        metavar="NUMBER",
        default=str(structures.FORMAT),
        help=f"the format that a GFS1 superblock tells: {OLD_FORMATS[0]} to {structures.FORMAT}; "
        f"default: {structures.FORMAT}",
    )
    made.add_argument(
        "--multihost-format",
        metavar="NUMBER",
        default=str(structures.MULTIHOST_FORMAT),
        help=f"the same: {structures.OLD_MULTIHOST_FORMAT} or {structures.MULTIHOST_FORMAT}; "
        f"default: {structures.MULTIHOST_FORMAT}",
    )
    add_state_option(made)
    return made.parse_args(words)


def main(words: Sequence[str]) -> int:
    arguments = arguments_of(words)
    choice = _choice(arguments)
    target = _target(arguments)
    _require_apart(target, arguments.source)
    silent = arguments.quiet or arguments.source is None
    with nullcontext(_say_nothing) if silent else stages("mkfs_gfs") as show:
        show("reading the tree")
        tree = _tree(arguments.source, choice.time_s)
        show("writing the file system")
        written = make_filesystem(target, choice, tree)
    if not arguments.quiet:
        print(
            f"{arguments.device}: {arguments.format}, blocks of {choice.block_size} bytes, "
            f"{choice.journals} x {choice.journal_mib} MiB of journals, {choice.lock_protocol}, "
            f"{choice.lock_table}\n"
            f"{written.inodes} {'inode' if written.inodes == 1 else 'inodes'}, "
            f"{format_size(written.free_blocks * choice.block_size)} free"
        )
    return DONE


def _say_nothing(text: str) -> None:
    del text


class _Common(TypedDict):
    """What both generations are told."""

    lock_protocol: str
    lock_table: str
    time_s: int
    journals: int
    journal_mib: int
    block_size: int
    rgrp_mib: int | None
    full_journals: bool


def _choice(arguments: argparse.Namespace) -> Gfs1Choice | Gfs2Choice:
    if arguments.protocol not in PROTOCOLS and not arguments.expert:
        raise UsageError(
            f"-p {arguments.protocol}: is no lock protocol that is known",
            hint=f"one of {', '.join(PROTOCOLS)}; the expert's option -X allows any",
        )
    both: _Common = {
        "lock_protocol": arguments.protocol,
        "lock_table": arguments.table,
        "time_s": _now_s(),
        "journals": _number("-j", arguments.journals),
        "journal_mib": _number("-J", arguments.journal_mib),
        "block_size": _number("-b", arguments.block_size),
        "rgrp_mib": None if arguments.rgrp_mib is None else _number("-r", arguments.rgrp_mib),
        "full_journals": arguments.full_journals,
    }
    if arguments.format == "gfs2":
        if arguments.segment is not None:
            raise UsageError("-s: GFS2's journals have no segments", hint="leave it out, or --format gfs1")
        return Gfs2Choice(**both)
    segment = geometry.DEFAULT_SEGMENT_BLOCKS if arguments.segment is None else arguments.segment
    return Gfs1Choice(
        **both,
        segment_blocks=_number("-s", str(segment)),
        expert=arguments.expert,
        fs_format=_number("--fs-format", arguments.fs_format),
        multihost_format=_number("--multihost-format", arguments.multihost_format),
    )


def _number(option: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise UsageError(f"{option} {text}: is not a whole number")
    return int(text)


def _now_s() -> int:
    text = os.environ.get("SOURCE_DATE_EPOCH")
    return int(time.time()) if text is None else _number("SOURCE_DATE_EPOCH", text)


def _target(arguments: argparse.Namespace) -> Path | Pool:
    pool = pool_of(read_state(state_file(arguments)), arguments.device)
    return pool if pool is not None else Path(arguments.device)


def _require_apart(target: Path | Pool, source: Path | None) -> None:
    if source is None:
        return
    real = source.resolve()
    for path in target.paths if isinstance(target, Pool) else [target]:
        if path.resolve() == real or path.resolve().is_relative_to(real):
            raise UsageError(f"-d {source}: {path} would be filled with itself", hint="move one of them")


def _tree(source: Path | None, time_s: int) -> Tree:
    if source is None:
        return Tree(Meta(mode=0o755, mtime_ns=time_s * NS))
    if source.is_dir():
        return scan_folder(source)
    if not source.exists():
        raise UsageError(f"-d {source}: is not there", hint="name a folder or a tar archive")
    return merge([read_layer(source)])


def run() -> int:
    # All that is made lives until the end; the collector would go over the growing tree again and again.
    gc.disable()
    return call(main)


if __name__ == "__main__":
    sys.exit(run())
