"""What a folder holds, as lstat(2) tells it. Also a program, so that it can be run in another world.

``python -I inventory.py FOLDER`` prints it; under fakeroot that is what root would see. What it is given on
standard input are the extended attributes that a fresh folder still lacks. Nothing of this project is
imported, for the program has to start quickly and on its own.
"""

import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_OWNER = stat.S_IRUSR | stat.S_IWUSR


class Record(NamedTuple):
    """One path. Everything but ``ctime_ns`` and ``inode`` belongs to what an image would hold."""

    mode: int  # with the bits of the kind
    uid: int
    gid: int
    rdev: int
    size_bytes: int
    mtime_ns: int
    target: str
    xattrs: dict[str, str]  # values in hexadecimal
    ctime_ns: int  # changes with every change of the inode, and no program can set it
    inode: int


def take_inventory(folder: str) -> dict[str, Record]:
    """Describe *folder* (path "") and everything below, by path relative to it; links are not followed."""
    records = {"": _record(folder)}
    todo = [""]
    while todo:
        above = todo.pop()
        with os.scandir(f"{folder}/{above}") as entries:
            names = [entry.name for entry in entries]
        for name in names:
            path = f"{above}/{name}" if above else name
            records[path] = _record(f"{folder}/{path}")
            if stat.S_ISDIR(records[path].mode):
                todo.append(path)
    return records


def _record(path: str) -> Record:
    # Not DirEntry.stat: fakeroot does not see the system call that it makes.
    state = os.lstat(path)
    link = stat.S_ISLNK(state.st_mode)
    names = os.listxattr(path, follow_symlinks=False)
    return Record(
        mode=state.st_mode,
        uid=state.st_uid,
        gid=state.st_gid,
        rdev=state.st_rdev,
        # A folder's own size is its file system's affair.
        size_bytes=0 if stat.S_ISDIR(state.st_mode) else state.st_size,
        mtime_ns=state.st_mtime_ns,
        target=str(Path(path).readlink()) if link else "",
        xattrs={name: os.getxattr(path, name, follow_symlinks=False).hex() for name in names},
        ctime_ns=state.st_ctime_ns,
        inode=state.st_ino,
    )


def finish_folder(folder: str, attributes: Mapping[str, Mapping[str, str]]) -> None:
    """Do what tar leaves undone under fakeroot: set attributes, and let root read and write every file.

    *attributes* by path relative to *folder* and name, values in hexadecimal. Raises OSError.
    """
    for path, values in attributes.items():
        for name, value in values.items():
            os.setxattr(f"{folder}/{path}", name, bytes.fromhex(value), follow_symlinks=False)
    for path, record in take_inventory(folder).items():
        if stat.S_ISREG(record.mode) and record.mode & _OWNER != _OWNER:
            # The mode it has already; fakeroot then sees to it that the owner may read and write the file.
            Path(folder, path).chmod(stat.S_IMODE(record.mode))


def parse_inventory(text: str) -> dict[str, Record]:
    """Read what the program prints."""
    return {path: Record(*values) for path, values in json.loads(text).items()}


if __name__ == "__main__":
    if given := sys.stdin.read():
        try:
            finish_folder(sys.argv[1], json.loads(given))
        except OSError as problem:
            sys.exit(f"{problem.filename}: its mode or attributes cannot be set: {problem.strerror}")
    json.dump(take_inventory(sys.argv[1]), sys.stdout)
