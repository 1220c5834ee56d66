"""Copies files in and out of nodes: tar over ssh.

tar keeps modes, links and times, and every guest has it.
"""

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from ssiuml.cluster import ssh
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.errors import SsiumlError, UsageError
from ssiuml.host import files
from ssiuml.host.progress import transferred

_PIECE_BYTES: Final = 1 << 16
_REMOTE: Final = re.compile(r"([0-9]+):(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """A path on a node, or on this machine if ``node`` is 0."""

    node: int
    path: str


def parse_place(text: str) -> Place:
    """Read ``N:PATH``, a path on node N. Any other text is a path on this machine, such as ``./1:x``."""
    match = _REMOTE.fullmatch(text)
    if match is None:
        return Place(0, text)
    return Place(int(match[1]), match[2] or ".")


def copy_in(folder: ClusterFolder, sources: list[str], target: Place) -> None:
    """Copy files and folders of this machine to a node. If the target is a folder, copy them into it.

    Raise UsageError if a source does not exist, or if there are several and the target is not a folder. Raise
    SsiumlError if not everything was copied.
    """
    for source in sources:
        if not os.path.lexists(source):
            raise UsageError(f"{source}: there is no such file")
    is_folder = _is_folder(folder, target)
    if not is_folder and (len(sources) > 1 or target.path.endswith("/")):
        raise UsageError(f"{target.node}:{target.path}: is not a folder")
    for source in sources:
        real = Path(source).absolute()
        where, name = target.path, real.name
        if not is_folder:
            where, name = str(PurePosixPath(target.path).parent), PurePosixPath(target.path).name
        # tar renames by replacing the first component of each name.
        pack = [
            "tar",
            "-C",
            str(real.parent),
            *_renaming(real.name, name),
            "--owner=0",
            "--group=0",
            "--sparse",
            "-cf",
            "-",
            "--",
            real.name,
        ]
        unpack = ssh.session_command(folder, target.node, ["tar", "-C", where, "-xf", "-"], terminal=False)
        _pipe(folder, pack, unpack, source, _stored_bytes(real))


def copy_out(folder: ClusterFolder, sources: list[Place], target: str) -> None:
    """Copy files and folders of nodes to this machine. If the target is a folder, copy them into it.

    Raise UsageError if a source has no name, or if there are several and the target is not a folder. Raise
    SsiumlError if not everything was copied.
    """
    is_folder = Path(target).is_dir()
    if not is_folder and (len(sources) > 1 or target.endswith("/")):
        raise UsageError(f"{target}: is not a folder")
    for source in sources:
        path = PurePosixPath(source.path)
        if not path.name or path.name == "..":
            raise UsageError(
                f"{source.node}:{source.path}: has no name of its own", hint="name a file or a folder"
            )
        into = Path(target) if is_folder else Path(target).absolute().parent
        # Unpack beside the target first: if the copy breaks off, the old file is still whole.
        with tempfile.TemporaryDirectory(prefix=".ssi-cp.", dir=into) as scratch:
            pack = ssh.session_command(
                folder,
                source.node,
                ["tar", "-C", str(path.parent), "--sparse", "-cf", "-", "--", path.name],
                terminal=False,
            )
            unpack = ["tar", "-C", str(Path(scratch).absolute()), "--no-same-owner", "-xf", "-"]
            _pipe(folder, pack, unpack, f"{source.node}:{source.path}", None)
            final = into / (path.name if is_folder else Path(target).name)
            if final.is_dir() and not final.is_symlink():
                shutil.copytree(
                    Path(scratch) / path.name,
                    final,
                    symlinks=True,
                    dirs_exist_ok=True,
                    copy_function=_copy_with_holes,
                )
            else:
                (Path(scratch) / path.name).replace(final)


def _renaming(old: str, new: str) -> list[str]:
    """Return tar's options that rename *old* to *new*, both taken literally."""
    if old == new:
        return []
    pattern = re.sub(r"([\\.*\[\]^$,])", r"\\\1", old)
    replacement = re.sub(r"([\\&,])", r"\\\1", new)
    # Flags rSH: rename members, not the targets of symbolic and hard links.
    return ["--transform", f"flags=rSH;s,^{pattern},{replacement},"]


def _is_folder(folder: ClusterFolder, place: Place) -> bool:
    """Return whether a node has a folder at *place*. Raise SsiumlError if the node does not answer."""
    argv = ssh.session_command(folder, place.node, ["test", "-d", place.path], terminal=False)
    done = subprocess.run(  # noqa: S603 - an argument list of ours
        argv, stdin=subprocess.DEVNULL, check=False, cwd=folder.path
    )
    if done.returncode not in (0, 1):
        raise SsiumlError(
            f"{place.node}:{place.path}: the node cannot be asked what this is: "
            f"ssh ended with status {done.returncode}",
            hint=f"run ssi-exec {place.node} -- true to see whether it answers",
        )
    return done.returncode == 0


def _stored_bytes(path: Path) -> int:
    """Return about how many bytes the files below *path* have, without holes."""
    states = [path.lstat()]
    for parent, _, names in () if path.is_symlink() else os.walk(path):  # tar packs the link alone
        states += [os.lstat(os.path.join(parent, name)) for name in names]  # noqa: PTH118 - many strings
    return sum(min(state.st_size, state.st_blocks * files.SECTOR_BYTES) for state in states)


def _copy_with_holes(source: str, target: str) -> None:
    files.copy(Path(source), Path(target))
    shutil.copystat(source, target)


def _pipe(
    folder: ClusterFolder, source: list[str], target: list[str], title: str, total_bytes: int | None
) -> None:
    """Run two commands in the cluster's folder, the output of one being the input of the other.

    Show the progress, with *title*; *total_bytes* is None if it is not known.
    """
    with (
        subprocess.Popen(  # noqa: S603 - an argument list of ours
            source, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=folder.path
        ) as reading,
        subprocess.Popen(target, stdin=subprocess.PIPE, cwd=folder.path) as writing,  # noqa: S603 - ours
        transferred(title, total_bytes) as count,
    ):
        assert reading.stdout is not None and writing.stdin is not None  # noqa: S101, PT018 - for the type checker
        with reading.stdout as output, suppress(BrokenPipeError), writing.stdin as entry:
            while piece := os.read(output.fileno(), _PIECE_BYTES):
                entry.write(piece)
                entry.flush()
                count(len(piece))
    # GNU tar's status is 1 if it has packed everything and a file has changed meanwhile, and tar says so.
    if reading.returncode not in (0, 1) or writing.returncode != 0:
        raise SsiumlError("not everything was copied; the errors of tar and ssh stand above")
