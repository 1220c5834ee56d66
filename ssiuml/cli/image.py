"""ssi-image: look into GFS1 and GFS2 images, take files out, check them."""

import argparse
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ssiuml.cli.arguments import command_parser
from ssiuml.cli.exit_status import DONE, FAILED, run_command
from ssiuml.cli.pool_options import add_state_option, named_device
from ssiuml.errors import SsiumlError, UsageError
from ssiuml.formats.gfs_reader.contents import ImageContent
from ssiuml.formats.gfs_reader.device import open_image
from ssiuml.formats.gfs_reader.extract import extract
from ssiuml.formats.gfs_reader.filesystem import Damaged, Filesystem, NoFilesystemError, read_filesystem
from ssiuml.formats.gfs_reader.summary import summary
from ssiuml.formats.gfs_reader.tree_reader import read_tree
from ssiuml.formats.gfs_reader.verify import verify
from ssiuml.formats.pool.assembly import Pool
from ssiuml.images.tree_archive import STANDARD_INPUT, archive_source, tree_of_archive
from ssiuml.inspect.drawing import SUFFIXES, draw_filesystem, write_picture
from ssiuml.inspect.occupancy import survey_occupancy
from ssiuml.tree.compare import differences, take_census
from ssiuml.tree.folders import read_folder_tree
from ssiuml.tree.layer import LayerError, write_tree
from ssiuml.tree.tree import Kind, Node, Tree, TreeError
from ssiuml.units import format_size

NS: Final = 1_000_000_000
MAX_LINES: Final = 100  # of damage, and of files left out
MAX_CHARACTERS: Final = 500
ARCHIVE_DEVICE_MAX: Final = 0o7777777  # POSIX.1-2017, ustar: devmajor and devminor have seven digits


def make_parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "ssi-image",
        "Look into a GFS1 or GFS2 image without a kernel. The image is a file, a block device or a pool "
        "(/dev/pool/NAME, or the file of its only device); it is never written to. Exit status: 0, 1 if "
        "anything is damaged or different, 2 for a usage error.",
        """
ssi-image info root_fs
ssi-image ls root_fs /etc
ssi-image cat root_fs /etc/fstab
ssi-image extract root_fs folder             into a new folder
ssi-image extract root_fs tree.tar           with owners, devices and attributes, also without root
ssi-image map root_fs -o root_fs.png         a picture of what each part of the image holds
ssi-image verify root_fs --compare tree.tar  check the image and compare its files with the archive's
""",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False
        )
        sub.add_argument("image", metavar="IMAGE", help="a file, a block device, or /dev/pool/NAME")
        add_state_option(sub)
        return sub

    command("info", "show format, size, lock protocol, journals and free space")
    listing = command("ls", "list a folder: mode, owner, group, size in bytes, time (UTC seconds), name")
    listing.add_argument("path", metavar="PATH", nargs="?", default="/", help="what to list; default: /")
    listing.add_argument("-R", dest="recursive", action="store_true", help="list everything below it too")
    command("cat", "print a file").add_argument(
        "path", metavar="PATH", help="the file; symbolic links are followed inside the image"
    )
    command("extract", "copy everything out").add_argument(
        "target", metavar="DIR|FILE.tar", type=Path, help="a new or empty folder, or a new archive"
    )
    picture = command(
        "map", "draw where resource groups, journals, metadata, data and holes lie in the image"
    )
    picture.add_argument(
        "-o",
        dest="target",
        metavar="FILE.svg|FILE.png",
        type=Path,
        help="write the picture here and replace an old one; default: IMAGE's name with .svg after it, in "
        "the current folder",
    )
    command("verify", "check all structures of the file system against each other").add_argument(
        "--compare",
        metavar="DIR|TAR",
        type=archive_source,
        help="compare the files with this folder or tar archive too",
    )
    return parser


class _Findings:
    """Prints damage to standard error as it is found. After MAX_LINES lines it only counts."""

    def __init__(self) -> None:
        self.count = 0

    def report(self, damage: SsiumlError) -> None:
        self.count += 1
        if self.count <= MAX_LINES:
            text = str(damage)
            short = text if len(text) < MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]} …"
            print(f"ssi-image: {short}", file=sys.stderr)

    def status(self) -> int:
        if self.count > MAX_LINES:
            print(f"ssi-image: and {self.count - MAX_LINES} more", file=sys.stderr)
        return FAILED if self.count else DONE


def main(words: Sequence[str]) -> int:
    arguments = make_parser().parse_args(words)
    work: dict[str, Callable[[argparse.Namespace, Filesystem, _Findings], None]] = {
        "info": _info,
        "ls": _ls,
        "cat": _cat,
        "extract": _extract,
        "map": _map,
        "verify": _verify,
    }
    findings = _Findings()
    with _filesystem(arguments) as filesystem:
        work[arguments.command](arguments, filesystem, findings)
    return findings.status()


@contextmanager
def _filesystem(arguments: argparse.Namespace) -> Iterator[Filesystem]:
    with open_image(named_device(arguments, arguments.image)) as source:
        try:
            filesystem = read_filesystem(source)
        except NoFilesystemError as error:
            raise SsiumlError(f"{arguments.image}: {error.message}", hint=error.hint) from error
        yield filesystem


def _info(arguments: argparse.Namespace, filesystem: Filesystem, findings: _Findings) -> None:
    del arguments
    for title, text in summary(filesystem, findings.report).items():
        print(f"{title}: {text}")


def _find(tree: Tree, path: str, *, follow: bool) -> Node:
    try:
        return tree.lookup(path, follow=follow)
    except TreeError as error:
        raise UsageError(error.message, hint="run ssi-image ls -R IMAGE to list all paths") from error


def _ls(arguments: argparse.Namespace, filesystem: Filesystem, findings: _Findings) -> None:
    tree = read_tree(filesystem, findings.report)
    top = _find(tree, arguments.path, follow=True)
    path = tree.real_path(arguments.path)
    if arguments.recursive:
        for name, node in tree.walk(path):
            _print_line(f"/{name}", node)
    elif top.kind is Kind.DIRECTORY:
        for name, node in tree.children(path).items():
            _print_line(name, node)
    else:
        _print_line(f"/{path}", top)


def _print_line(name: str, node: Node) -> None:
    meta = node.meta
    mode = ("-" if node.kind is Kind.FILE else node.kind.value) + stat.filemode(meta.mode)[1:]
    size = ",".join(map(str, node.device)) if node.device else str(node.size_bytes)
    target = f" -> {_printable(node.target)}" if node.target is not None else ""
    print(f"{mode} {meta.uid:>5} {meta.gid:>5} {size:>10} {meta.mtime_ns // NS} {_printable(name)}{target}")


def _printable(text: str) -> str:
    """Return *text* with control characters and bytes that are not UTF-8 escaped.

    A file name then cannot print a line of its own.
    """
    data = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in data)


def _cat(arguments: argparse.Namespace, filesystem: Filesystem, findings: _Findings) -> None:
    node = _find(read_tree(filesystem, findings.report), arguments.path, follow=True)
    if not isinstance(node.content, ImageContent):
        raise UsageError(f"{arguments.path}: is no regular file", hint="run ssi-image ls to list a folder")
    sys.stdout.flush()
    try:
        for chunk in node.content.chunks():
            sys.stdout.buffer.write(chunk)
    except Damaged as damage:
        findings.report(damage)
    sys.stdout.buffer.flush()


def _extract(arguments: argparse.Namespace, filesystem: Filesystem, findings: _Findings) -> None:
    tree = read_tree(filesystem, findings.report)
    target: Path = arguments.target
    if target.suffix == ".tar":
        if target.exists():
            raise UsageError(f"{target}: exists already", hint="remove it, or choose another name")
        left_out = [path for path, node in tree.walk() if not _fits_archive(node)]
        for path in left_out:
            tree.remove(path)
        try:
            write_tree(target, tree, sparse=True)
        except (Damaged, LayerError) as error:
            findings.report(error)
            print(f"ssi-image: {target}: not written", file=sys.stderr)
        reason = f"an archive cannot hold sockets, or device numbers above {ARCHIVE_DEVICE_MAX}"
    else:
        left_out = extract(tree, target, findings.report)
        reason = "only root or another file system could hold them; an archive (FILE.tar) can"
    for path in left_out[:MAX_LINES]:
        print(f"ssi-image: left out: {_printable(path)}", file=sys.stderr)
    if left_out:
        print(f"ssi-image: {len(left_out)} left out: {reason}", file=sys.stderr)


def _fits_archive(node: Node) -> bool:
    return node.kind is not Kind.SOCKET and max(node.device or (0, 0)) <= ARCHIVE_DEVICE_MAX


def _map(arguments: argparse.Namespace, filesystem: Filesystem, findings: _Findings) -> None:
    target: Path = arguments.target or Path(f"{Path(arguments.image).name}.svg")
    if target.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"{target}: ends with neither {' nor '.join(SUFFIXES)}",
            hint="choose the format by the ending of the name",
        )
    if target.exists() and not target.is_file():
        raise UsageError(f"{target}: exists and is no file", hint="choose another name")
    image = named_device(arguments, arguments.image)
    for device in image.paths if isinstance(image, Pool) else [image]:
        if target.exists() and target.samefile(device):
            raise UsageError(
                f"{target}: is the image itself, or a part of it", hint="choose another name: -o FILE.svg"
            )
    occupancy = survey_occupancy(filesystem, findings.report)
    name, damages = _printable(arguments.image), findings.count
    write_picture(target, draw_filesystem(filesystem, occupancy, name=name, damages=damages))
    squares = "square" if len(occupancy.cells) == 1 else "squares"
    size = format_size(occupancy.cell_blocks * filesystem.block_size)
    print(f"{_printable(str(target))}: {len(occupancy.cells)} {squares} of {size} each")


def _verify(arguments: argparse.Namespace, filesystem: Filesystem, findings: _Findings) -> None:
    verified, tree = verify(filesystem, findings.report)
    lines = []
    if arguments.compare is not None:
        lines = _compare(arguments.compare, tree, filesystem, findings)
    # A file system that holds other files, or other times of files, is not damaged.
    state = "damaged" if findings.count else "clean"
    if lines:
        state += f", differs from {_printable(str(arguments.compare))}"
    for line in lines:
        findings.report(SsiumlError(line))
    print(
        f"{arguments.image}: {state}, {verified.inodes} {'inode' if verified.inodes == 1 else 'inodes'}, "
        f"{verified.journals} {'journal' if verified.journals == 1 else 'journals'}, "
        f"{format_size(verified.free_blocks * filesystem.block_size)} free"
    )


def _compare(source: Path, tree: Tree, filesystem: Filesystem, findings: _Findings) -> list[str]:
    """Return a line for each difference between *source* and *tree*. Report damage found in *tree*."""
    if source != STANDARD_INPUT and source.is_dir():
        census = take_census(read_folder_tree(source))
    else:
        with tree_of_archive(source) as expected:
            census = take_census(expected)
    try:
        seen = take_census(tree)
    except Damaged as damage:
        findings.report(damage)
        return []
    return differences(census.in_whole_seconds() if filesystem.is_gfs1 else census, seen)


def run() -> int:
    return run_command(main)


if __name__ == "__main__":
    sys.exit(run())
