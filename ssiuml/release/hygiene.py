"""The gate before a release: a root with anything secret, unique, left over or dangerous is refused."""

import re
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.tree.tree import Kind, Node, Tree

MOST_SHOWN: Final = 20
# A private key of OpenSSH, OpenSSL, GnuTLS (RFC 7468), of OpenPGP (RFC 4880) or of PuTTY's own form.
_KEY_FILE: Final = re.compile(rb"\A\s*(-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----|PuTTY-User-Key-File)")
# Further on in a file, only text is searched: programs that read keys contain such a line, and libraries
# contain whole keys for their own tests.
_KEY_MARK: Final = b" PRIVATE KEY"
_KEY_TEXT: Final = re.compile(
    rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----[ \t]*\r?\n"
    rb"([A-Za-z-]+: [^\n]*\n|[ \t]*\r?\n)*[ \t]*[A-Za-z0-9+/]{32}"
)
_KEY_BYTES: Final = 4096  # of the BEGIN line, its headers and the start of the key
_LEAST_PATH_BYTES: Final = 8  # many files contain shorter paths by chance
_UNIQUE: Final = {
    re.compile(r"etc/ssh/ssh_host_.*key(\.pub)?|etc/ssi/ssh/.*|etc/dropbear/.*key"): "a host key",
    re.compile(r"etc/machine-id|var/lib/dbus/machine-id"): "the id of one machine",
    re.compile(r"var/lib/(systemd|urandom)/random-seed|etc/corosync/authkey"): "a secret of one machine",
    re.compile(
        r"(root|home/[^/]+)/\.(\w+_history|lesshst|viminfo|ssh/.*|gnupg/.*|cache/.*)"
    ): "a person's trace",
    re.compile(r"var/cache/apt/(archives/.*\.deb|.*\.bin)|var/lib/apt/lists/.*_.*"): "a package cache",
    re.compile(r"var/log/(apt/.*|dpkg\.log|bootstrap\.log|alternatives\.log)"): "a log of the build",
    re.compile(r"tmp/.*|var/tmp/.*"): "a temporary file",
}
# Everybody may write to these in any root, and to folders with the sticky bit, such as /tmp.
_WRITABLE_KINDS: Final = (Kind.CHARACTER, Kind.FIFO, Kind.SOCKET, Kind.BLOCK)
_SET_ID: Final = stat.S_ISUID | stat.S_ISGID


def set_id_programs(tree: Tree) -> list[str]:
    """Return the paths of the files with a set-user-id or set-group-id bit, sorted."""
    return sorted(f"/{path}" for path, node in _files(tree) if node.meta.mode & _SET_ID)


def check_hygiene(tree: Tree, allowed_set_id: Sequence[str] | None, builder: Sequence[str]) -> None:
    """Raise SsiumlError, with a line for each problem, if *tree* is a root that may not be released.

    *allowed_set_id* are the paths of programs that may have a set-id bit; None allows all. *builder* are
    paths of the machine that built the root; no file may contain one.
    """
    problems = [
        *_unique(tree),
        *_writable(tree),
        *([] if allowed_set_id is None else _set_id(tree, allowed_set_id)),
        *_passwords(tree),
        *_contents(tree, _searched_for(tree, builder)),
    ]
    if problems:
        shown = "\n".join(f"    {line}" for line in problems[:MOST_SHOWN])
        more = f"\n    and {len(problems) - MOST_SHOWN} more" if len(problems) > MOST_SHOWN else ""
        raise SsiumlError(
            f"the root may not be released:\n{shown}{more}",
            hint="have a step of the recipe remove it; name set-id programs in the recipe's release.set_id",
        )


def _files(tree: Tree) -> Iterator[tuple[str, Node]]:
    return ((path, node) for path, node in tree.walk() if node.kind is Kind.FILE)


def _unique(tree: Tree) -> Iterator[str]:
    for path, node in _files(tree):
        for pattern, what in _UNIQUE.items():
            if pattern.fullmatch(path) and not _is_blank(node):
                yield f"/{path}: {what}"


def _is_blank(node: Node) -> bool:
    """Return whether a file is empty or holds 'uninitialized', machine-id(5)'s value for images."""
    size = node.content.size_bytes if node.content else 0
    return size == 0 or (size < 32 and node.read().strip() == b"uninitialized")


def _writable(tree: Tree) -> Iterator[str]:
    for path, node in tree.walk():
        if not node.meta.mode & stat.S_IWOTH or node.kind is Kind.SYMLINK or node.kind in _WRITABLE_KINDS:
            continue
        if node.kind is Kind.DIRECTORY and node.meta.mode & stat.S_ISVTX:
            continue
        yield f"/{path}: everybody may write to it (mode {node.meta.mode:04o})"


def _set_id(tree: Tree, allowed: Sequence[str]) -> Iterator[str]:
    for path in set_id_programs(tree):
        if path not in allowed:
            mode = tree.lookup(path).meta.mode
            yield f"{path}: is set-id (mode {mode:04o}), which release.set_id does not allow"


def _passwords(tree: Tree) -> Iterator[str]:
    for name in ("etc/passwd", "etc/shadow"):
        node = tree.find(name)
        if node is None or node.kind is not Kind.FILE:
            continue
        for line in node.read().decode("utf-8", "replace").splitlines():
            user, *fields = line.split(":")
            if fields and not fields[0]:
                yield f"/{name}: {user} has no password"


def _searched_for(tree: Tree, builder: Sequence[str]) -> list[bytes]:
    """Return the paths of the *builder* without those that a file may contain by chance.

    These are short paths, and paths that the image has too.
    """
    return [
        path.encode("utf-8", "surrogateescape")
        for path in builder
        if len(path) >= _LEAST_PATH_BYTES and path.count("/") > 1 and tree.find(path) is None
    ]


def _contents(tree: Tree, builder: Sequence[bytes]) -> Iterator[str]:
    found = _finder(builder)
    overlap = max([_KEY_BYTES, *map(len, builder)])
    for path, node in _files(tree):
        if node.content is None:
            continue
        tail, is_text = b"", None
        for chunk in node.content.chunks():
            if is_text is None:
                is_text = b"\0" not in chunk
                if _KEY_FILE.match(chunk):
                    yield f"/{path}: a private key"
                    break
            text = tail + chunk
            if is_text and _KEY_MARK in text and _KEY_TEXT.search(text):
                yield f"/{path}: a private key"
                break
            if (which := found(text)) is not None:
                yield f"/{path}: contains '{which}', a path of the machine that built it"
                break
            tail = text[-overlap:]


def _finder(patterns: Sequence[bytes]) -> Callable[[bytes], str | None]:
    def find(text: bytes) -> str | None:
        # `in` is many times faster than a regular expression with alternatives.
        return next((pattern.decode("utf-8", "replace") for pattern in patterns if pattern in text), None)

    return find
