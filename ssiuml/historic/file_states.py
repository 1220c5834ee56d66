"""The state of every file in a folder, as lstat(2) reports it, to find out later what a program has changed.

This module is a program, too: ``python -I file_states.py FOLDER`` prints the states as JSON. Under fakeroot
these are the states that root would see. Its standard input is empty, or names extended attributes in JSON;
the program then completes the folder first (see complete_folder). It imports nothing of this project, because
it has to start quickly and outside the package.
"""

import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_OWNER = stat.S_IRUSR | stat.S_IWUSR


class FileState(NamedTuple):
    """The state of one file. An image holds all of it but ``ctime_ns`` and ``inode``."""

    mode: int  # with the bits of the kind
    uid: int
    gid: int
    rdev: int
    size_bytes: int
    mtime_ns: int
    target: str
    xattrs: dict[str, str]  # values in hexadecimal
    ctime_ns: int  # every change of the inode changes it, and no program can set it
    inode: int


def read_states(folder: str) -> dict[str, FileState]:
    """Return the states of *folder* (path "") and of everything below, by path relative to *folder*.

    Symbolic links are not followed.
    """
    states = {"": _state(folder)}
    todo = [""]
    while todo:
        above = todo.pop()
        with os.scandir(f"{folder}/{above}") as entries:
            names = [entry.name for entry in entries]
        for name in names:
            path = f"{above}/{name}" if above else name
            states[path] = _state(f"{folder}/{path}")
            if stat.S_ISDIR(states[path].mode):
                todo.append(path)
    return states


def _state(path: str) -> FileState:
    # Not DirEntry.stat: fakeroot does not intercept the system call that it makes.
    found = os.lstat(path)
    link = stat.S_ISLNK(found.st_mode)
    names = os.listxattr(path, follow_symlinks=False)
    return FileState(
        mode=found.st_mode,
        uid=found.st_uid,
        gid=found.st_gid,
        rdev=found.st_rdev,
        # The size of a folder depends on the host's file system.
        size_bytes=0 if stat.S_ISDIR(found.st_mode) else found.st_size,
        mtime_ns=found.st_mtime_ns,
        target=str(Path(path).readlink()) if link else "",
        xattrs={name: os.getxattr(path, name, follow_symlinks=False).hex() for name in names},
        ctime_ns=found.st_ctime_ns,
        inode=found.st_ino,
    )


def complete_folder(folder: str, attributes: Mapping[str, Mapping[str, str]]) -> None:
    """Do what tar leaves undone under fakeroot: set attributes, and let root read and write every file.

    *attributes* holds, by path relative to *folder*, values in hexadecimal by name. Raise OSError if the host
    refuses one.
    """
    for path, values in attributes.items():
        for name, value in values.items():
            os.setxattr(f"{folder}/{path}", name, bytes.fromhex(value), follow_symlinks=False)
    for path, state in read_states(folder).items():
        if stat.S_ISREG(state.mode) and state.mode & _OWNER != _OWNER:
            # The mode stays, but fakeroot's chmod also lets the real owner read and write the file.
            Path(folder, path).chmod(stat.S_IMODE(state.mode))


def parse_states(text: str) -> dict[str, FileState]:
    """Return the states that the program printed as *text*."""
    return {path: FileState(*values) for path, values in json.loads(text).items()}


if __name__ == "__main__":
    if given := sys.stdin.read():
        try:
            complete_folder(sys.argv[1], json.loads(given))
        except OSError as problem:
            sys.exit(f"{problem.filename}: its mode or attributes cannot be set: {problem.strerror}")
    json.dump(read_states(sys.argv[1]), sys.stdout)
