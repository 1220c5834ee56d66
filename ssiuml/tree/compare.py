"""Compares two trees by their inodes' metadata and contents, and makes a digest of a tree.

The build compares the tree that a foreign program reads from a finished image with the tree it was made from.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ssiuml.tree.sparse import data_units
from ssiuml.tree.tree import Content, Kind, Node, Tree

# Further differences are only counted: one cause often shows in every file.
MAX_DIFFERENCES_SHOWN = 20
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Facts:
    """All that an image has to keep of one path, without the place where its bytes lie."""

    kind: str
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size_bytes: int
    sha256: str  # of the contents, see digest_of
    target: str
    device: tuple[int, int] | None
    first_name: str  # first path of the same inode; makes groups of hard links comparable
    xattrs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Census:
    """The facts of a tree by path, the number of its inodes, and the bytes of files, once for each inode."""

    facts: Mapping[str, Facts]
    inodes: int
    content_bytes: int

    @property
    def xattr_bytes(self) -> int:
        """The bytes of all values of extended attributes, once for each path."""
        return sum(len(value) // 2 for facts in self.facts.values() for _, value in facts.xattrs)

    def in_whole_seconds(self) -> "Census":
        """Return a copy with times in whole seconds, as in a file system without fractions of seconds."""
        facts = {
            path: replace(fact, mtime_ns=fact.mtime_ns // _NS * _NS) for path, fact in self.facts.items()
        }
        return Census(facts, self.inodes, self.content_bytes)

    def digest(self) -> str:
        """Return the hexadecimal SHA-256 over every path and its facts, in the order of Tree.walk."""
        digest = hashlib.sha256()
        for path, facts in self.facts.items():
            line = json.dumps([path, *(getattr(facts, name) for name in Facts.__slots__)])
            digest.update(line.encode() + b"\n")
        return digest.hexdigest()


def take_census(tree: Tree) -> Census:
    """Return the facts of every path of *tree*. Read every file once, in pieces and without its holes."""
    facts: dict[str, Facts] = {}
    seen: dict[int, tuple[str, str]] = {}
    content_bytes = 0
    for path, node in tree.walk():
        first = seen.get(id(node))
        if first is None:
            sha256 = digest_of(node.content) if node.content is not None else ""
            first = seen[id(node)] = (path, sha256)
            content_bytes += node.size_bytes
        facts[path] = _facts(node, *first)
    return Census(facts, len(seen), content_bytes)


def digest_of(content: Content) -> str:
    """Return a digest of contents, in hexadecimal. Holes and zeros give the same one, and holes take no time.

    It is the SHA-256 if no unit of 64 KiB is all zeros. Otherwise it is the SHA-256 of two others: of the
    other units, and of the numbers of those of them that follow zeros. Zeros at the end do not count.
    """
    held, places = hashlib.sha256(), hashlib.sha256()
    wanted, gaps = 0, False
    for number, unit in data_units(content):
        if number != wanted:
            gaps = True
            places.update(number.to_bytes(8, "big"))
        held.update(unit)
        wanted = number + 1
    return hashlib.sha256(held.digest() + places.digest()).hexdigest() if gaps else held.hexdigest()


def _facts(node: Node, first_name: str, sha256: str) -> Facts:
    meta = node.meta
    return Facts(
        kind=node.kind.value,
        # Linux ignores the mode of a symbolic link, and file systems show different ones.
        mode=0o777 if node.kind is Kind.SYMLINK else meta.mode,
        uid=meta.uid,
        gid=meta.gid,
        mtime_ns=meta.mtime_ns,
        size_bytes=node.size_bytes,
        sha256=sha256,
        target=node.target or "",
        device=node.device,
        first_name=first_name,
        xattrs=tuple(sorted((name, value.hex()) for name, value in meta.xattrs.items())),
    )


def differences(expected: Census, seen: Census) -> list[str]:
    """Return a line for each difference, at most MAX_DIFFERENCES_SHOWN and a count of the rest."""
    lines = []
    for path in sorted(expected.facts.keys() | seen.facts.keys()):
        want, have = expected.facts.get(path), seen.facts.get(path)
        if want is None:
            lines.append(f"/{path}: is there but should not be")
        elif have is None:
            lines.append(f"/{path}: is missing")
        elif want != have:
            names = [name for name in Facts.__slots__ if getattr(want, name) != getattr(have, name)]
            lines.extend(
                f"/{path}: {name} is {getattr(have, name)!r}, should be {getattr(want, name)!r}"
                for name in names
            )
    if len(lines) > MAX_DIFFERENCES_SHOWN:
        rest = len(lines) - MAX_DIFFERENCES_SHOWN
        lines = [*lines[:MAX_DIFFERENCES_SHOWN], f"and {rest} more"]
    return lines
