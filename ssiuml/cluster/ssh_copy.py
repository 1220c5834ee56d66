"""Copies files in and out of nodes: tar over ssh.

tar keeps modes, links and times, and every guest has it.
"""

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from ssiuml.cluster import ssh
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.errors import SsiumlError, UsageError

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
            "-cf",
            "-",
            "--",
            real.name,
        ]
        _pipe(
            pack, ssh.session_command(folder, target.node, ["tar", "-C", where, "-xf", "-"], terminal=False)
        )


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
                ["tar", "-C", str(path.parent), "-cf", "-", "--", path.name],
                terminal=False,
            )
            _pipe(pack, ["tar", "-C", scratch, "--no-same-owner", "-xf", "-"])
            final = into / (path.name if is_folder else Path(target).name)
            if final.is_dir() and not final.is_symlink():
                shutil.copytree(Path(scratch) / path.name, final, symlinks=True, dirs_exist_ok=True)
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
    status = subprocess.run(argv, stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603 - ours
    if status not in (0, 1):
        raise SsiumlError(
            f"{place.node}:{place.path}: the node cannot be asked what this is: "
            f"ssh ended with status {status}",
            hint=f"run ssi-exec {place.node} -- true to see whether it answers",
        )
    return status == 0


def _pipe(source: list[str], target: list[str]) -> None:
    """Run two commands, tar packing and tar unpacking: the output of one is the input of the other."""
    with subprocess.Popen(source, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as reading:  # noqa: S603 - ours
        writing = subprocess.run(target, stdin=reading.stdout, check=False)  # noqa: S603 - ours
        assert reading.stdout is not None  # noqa: S101 - for the type checker
        reading.stdout.close()
        reading.wait()
    # GNU tar's status is 1 if it has packed everything and a file has changed meanwhile, and tar says so.
    if reading.returncode not in (0, 1) or writing.returncode != 0:
        raise SsiumlError("not everything was copied; the errors of tar and ssh stand above")
