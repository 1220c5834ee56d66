"""mkfs_gfs: make a GFS1 or GFS2 file system, empty or with a whole tree in it.

Source: HOWTO 5.2.
"""

import argparse
import gc
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Final

from ssiuml.cli.arguments import command_parser
from ssiuml.cli.exit_status import DONE, run_command
from ssiuml.cli.pool_options import add_state_option, named_device
from ssiuml.errors import UsageError
from ssiuml.formats.gfs1 import geometry
from ssiuml.formats.gfs1.structures import FORMAT, MULTIHOST_FORMAT, OLD_FORMATS, OLD_MULTIHOST_FORMAT
from ssiuml.formats.pool.assembly import Pool
from ssiuml.host.epoch import source_date_epoch
from ssiuml.host.progress import say, stages
from ssiuml.images.mkfs import CommonOptions, Gfs1Options, Gfs2Options, make_filesystem
from ssiuml.images.tree_archive import STANDARD_INPUT, archive_source, tree_of_archive
from ssiuml.tree.folders import read_folder_tree
from ssiuml.tree.tree import Meta, Tree
from ssiuml.units import format_size

NS: Final = 1_000_000_000
# The protocols of GFS, GFS2 and OpenGFS; memexp is OpenGFS's lock server.
PROTOCOLS: Final = ("lock_nolock", "lock_dlm", "lock_gulm", "memexp", "nolock")


def make_parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "mkfs_gfs",
        "Make a GFS file system on a file, a block device or an assembled pool, without a kernel module, and "
        "fill it from a folder or a tar archive. Old contents are lost without a question; a file or pool "
        "that is in use is refused. Sizes are in MiB, 1048576 bytes.",
        """
mkfs_gfs -p memexp -t /dev/pool/pool0cidev -j 15 -J 32 -i /dev/pool/pool0
mkfs_gfs -p lock_nolock -t none -j 1 -J 32 -d /srv/root root_fs
mkfs_gfs -p lock_dlm -t ssi:root -j 3 -J 32 --format gfs2 -d tree.tar.zst root_fs
tar -c --acls --xattrs -C /srv/root . | mkfs_gfs -p lock_nolock -t none -d - root_fs
""",
    )
    parser.add_argument(
        "device", metavar="DEVICE", help="a file or block device of the size you want, or /dev/pool/NAME"
    )
    parser.add_argument(
        "-p", dest="protocol", metavar="PROTO", required=True, help=f"lock protocol: {', '.join(PROTOCOLS)}"
    )
    parser.add_argument(
        "-t",
        dest="table",
        metavar="TABLE",
        required=True,
        help="name of the lock table; for lock_dlm CLUSTER:NAME, for memexp the pool of the cidev",
    )
    _add_number(parser, "-j", "journals", "N", 1, "number of journals; each node that mounts needs one")
    size = "size of each journal, 32 or more (GFS2: 8 to 1024)"
    _add_number(parser, "-J", "journal_mib", "MB", geometry.DEFAULT_JOURNAL_MIB, size)
    sizes = "bytes in a block, 512 to 65536 (GFS2: 512 to 4096)"
    _add_number(parser, "-b", "block_size", "SIZE", geometry.DEFAULT_BLOCK_SIZE, sizes)
    _add_number(
        parser,
        "-r",
        "rgrp_mib",
        "MB",
        None,
        f"size of resource groups, 32 to {geometry.MAX_RGRP_MIB}; default: {geometry.DEFAULT_RGRP_MIB}, "
        "more on very large devices",
    )
    _add_number(
        parser,
        "-s",
        "segment_blocks",
        "BLOCKS",
        None,
        f"blocks in a segment of a GFS1 journal; default: {geometry.DEFAULT_SEGMENT_BLOCKS}",
    )
    parser.add_argument(
        "-i",
        action="store_true",
        help="put the journals into the data space, whatever the pool's subpools are for; this program "
        "always does that",
    )
    parser.add_argument(
        "-X",
        dest="expert",
        action="store_true",
        help="widen the limits: journals and resource groups from 1 MiB, any lock protocol",
    )
    parser.add_argument(
        "--full-journals",
        action="store_true",
        help="write every block of the journals, so that they have their space on this machine's disk and no "
        "node can run out of it; otherwise a journal takes few blocks of the file until it is used",
    )
    parser.add_argument("-q", dest="quiet", action="store_true", help="print nothing unless something fails")
    parser.add_argument("-O", action="store_true", help="ask no questions; this program never asks any")
    parser.add_argument(
        "-d",
        dest="source",
        metavar="DIR|TAR",
        type=archive_source,
        help="fill it from this folder or tar archive, which may be compressed; - is an archive from "
        "standard input",
    )
    parser.add_argument(
        "--format",
        choices=("gfs1", "gfs2"),
        default="gfs1",
        help="generation of the file system; default: gfs1",
    )
    formats = f"format number in the GFS1 superblock, {OLD_FORMATS[0]} to {FORMAT}"
    _add_number(parser, "--fs-format", "fs_format", "NUMBER", FORMAT, formats)
    multihost = (
        f"multihost format number in the GFS1 superblock, {OLD_MULTIHOST_FORMAT} or {MULTIHOST_FORMAT}"
    )
    _add_number(parser, "--multihost-format", "multihost_format", "NUMBER", MULTIHOST_FORMAT, multihost)
    add_state_option(parser)
    return parser


def _add_number(
    parser: argparse.ArgumentParser, option: str, dest: str, metavar: str, default: int | None, text: str
) -> None:
    parser.add_argument(
        option,
        dest=dest,
        metavar=metavar,
        type=partial(_number, option),
        default=default,
        help=text if default is None else f"{text}; default: {default}",
    )


def main(words: Sequence[str]) -> int:
    arguments = make_parser().parse_args(words)
    choice = _choice(arguments)
    target = named_device(arguments, arguments.device)
    _require_apart(target, arguments.source)
    silent = arguments.quiet or arguments.source is None
    with nullcontext(_say_nothing) if silent else stages("mkfs_gfs") as show:
        show("reading the tree")
        with _tree(arguments.source, choice.common.time_s) as tree:
            show("writing the file system")
            written = make_filesystem(target, choice, tree, _say_nothing if arguments.quiet else say)
    if not arguments.quiet:
        print(
            f"{arguments.device}: {arguments.format}, blocks of {arguments.block_size} bytes, "
            f"{arguments.journals} x {arguments.journal_mib} MiB of journals, {arguments.protocol}, "
            f"{arguments.table}\n"
            f"{written.inodes} {'inode' if written.inodes == 1 else 'inodes'}, "
            f"{format_size(written.free_blocks * arguments.block_size)} free"
        )
    return DONE


def _say_nothing(text: str) -> None:
    del text


def _choice(arguments: argparse.Namespace) -> Gfs1Options | Gfs2Options:
    if arguments.protocol not in PROTOCOLS and not arguments.expert:
        raise UsageError(
            f"-p {arguments.protocol}: is no known lock protocol",
            hint=f"give one of {', '.join(PROTOCOLS)}; -X allows any",
        )
    common = CommonOptions(
        lock_protocol=arguments.protocol,
        lock_table=arguments.table,
        time_s=_now_s(),
        journals=arguments.journals,
        journal_mib=arguments.journal_mib,
        block_size=arguments.block_size,
        rgrp_mib=arguments.rgrp_mib,
        full_journals=arguments.full_journals,
    )
    segment_blocks: int | None = arguments.segment_blocks
    if arguments.format == "gfs2":
        if segment_blocks is not None:
            raise UsageError(
                "-s: GFS2's journals have no segments", hint="leave it out, or give --format gfs1"
            )
        return Gfs2Options(common)
    return Gfs1Options(
        common,
        segment_blocks=geometry.DEFAULT_SEGMENT_BLOCKS if segment_blocks is None else segment_blocks,
        expert=arguments.expert,
        fs_format=arguments.fs_format,
        multihost_format=arguments.multihost_format,
    )


def _number(option: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise UsageError(f"{option} {text}: is not a whole number")
    return int(text)


def _now_s() -> int:
    epoch = source_date_epoch(os.environ)
    return int(time.time()) if epoch is None else epoch


def _require_apart(target: Path | Pool, source: Path | None) -> None:
    if source is None or source == STANDARD_INPUT:
        return
    real = source.resolve()
    for path in target.paths if isinstance(target, Pool) else [target]:
        if path.resolve() == real or path.resolve().is_relative_to(real):
            raise UsageError(f"-d {source}: {path} would be filled with itself", hint="move one of them")


@contextmanager
def _tree(source: Path | None, time_s: int) -> Iterator[Tree]:
    if source is None:
        yield Tree(Meta(mode=0o755, mtime_ns=time_s * NS))
    elif source != STANDARD_INPUT and source.is_dir():
        yield read_folder_tree(source)
    else:
        with tree_of_archive(source) as tree:
            yield tree


def run() -> int:
    # Nothing is garbage before the end; the collector would only scan the growing tree again and again.
    gc.disable()
    return run_command(main)


if __name__ == "__main__":
    sys.exit(run())
