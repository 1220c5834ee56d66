"""Files in and out of nodes: tar over the door, so that modes, links and times stay and the guest needs
nothing more.
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
    """A path on a node, or on this machine (node 0)."""

    node: int
    path: str


def parse_place(text: str) -> Place:
    """``N:PATH`` is on node N; what begins otherwise, or with ``./`` or ``/``, is on this machine."""
    match = _REMOTE.fullmatch(text)
    if match is None:
        return Place(0, text)
    return Place(int(match[1]), match[2] or ".")


def copy_in(folder: ClusterFolder, sources: list[str], target: Place) -> None:
    """Copy files and folders of this machine to a node. A target that is a folder takes them under their
    names.
    """
    for source in sources:
        if not os.path.lexists(source):
            raise UsageError(f"{source}: there is no such file")
    is_folder = _session(folder, target.node, ["test", "-d", target.path]) == 0
    if not is_folder and (len(sources) > 1 or target.path.endswith("/")):
        raise UsageError(f"{target.node}:{target.path}: is no folder")
    for source in sources:
        real = Path(source).absolute()
        where, name = target.path, real.name
        if not is_folder:
            where, name = str(PurePosixPath(target.path).parent), PurePosixPath(target.path).name
        # A name is given to tar as a replacement of the first component, taken literally.
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
    """Copy files and folders of nodes to this machine."""
    is_folder = Path(target).is_dir()
    if not is_folder and (len(sources) > 1 or target.endswith("/")):
        raise UsageError(f"{target}: is no folder")
    for source in sources:
        path = PurePosixPath(source.path)
        if not path.name or path.name == "..":
            raise UsageError(
                f"{source.node}:{source.path}: has no name of its own", hint="name a file or a folder"
            )
        into = Path(target) if is_folder else Path(target).absolute().parent
        # Unpacked beside its place first: a copy that breaks off leaves what was there.
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
    if old == new:
        return []
    pattern = re.sub(r"([\\.*\[\]^$,])", r"\\\1", old)
    replacement = re.sub(r"([\\&,])", r"\\\1", new)
    # Flags rSH: names only, not what links lead to.
    return ["--transform", f"flags=rSH;s,^{pattern},{replacement},"]


def _session(folder: ClusterFolder, node: int, command: list[str]) -> int:
    argv = ssh.session_command(folder, node, command, terminal=False)
    return subprocess.run(argv, stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603 - ours


def _pipe(source: list[str], target: list[str]) -> None:
    """Run two commands, the output of one being the input of the other."""
    with subprocess.Popen(source, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as reading:  # noqa: S603 - ours
        writing = subprocess.run(target, stdin=reading.stdout, check=False)  # noqa: S603 - ours
        assert reading.stdout is not None  # noqa: S101 - for the type checker
        reading.stdout.close()
        reading.wait()
    if reading.returncode != 0 or writing.returncode != 0:
        raise SsiumlError("not everything was copied; the programs' own words are above")
