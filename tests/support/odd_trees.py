"""Trees that reach the limits of file systems, for tests of writers and of the kernel that reads them."""

import hashlib
import zlib
from functools import cache
from itertools import count

from hypothesis import strategies as st

from ssiuml.tree.tree import Kind, Literal, Meta, Node, Tree, directory, file, symlink

NS = 1_000_000_000
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
# Version 2; owner rw-, user 1000 r--, group r--, mask r--, others ---.
ACL = bytes.fromhex(
    "02000000 01000600ffffffff 02000400e8030000 04000400ffffffff 10000400ffffffff 20000000ffffffff"
)


def odd_tree(block_size: int = 4096) -> Tree:
    """Return a tree with one of everything, for a file system with blocks of *block_size* bytes."""
    tree = Tree(Meta(mode=0o755, mtime_ns=1_700_000_000 * NS + 5))
    stuffed = block_size - 232

    def put(name: str, node: Node) -> None:
        tree.add(name, node)

    for size in (0, 1, stuffed - 1, stuffed, stuffed + 1, block_size - 1, block_size, block_size + 1):
        put(f"sizes/{size}", file(Literal(pattern(size)), Meta(mode=0o644, mtime_ns=size)))
    pointers = stuffed // 8
    for blocks in (pointers - 1, pointers, pointers + 1, pointers + 600):
        put(f"blocks/{blocks}", file(Literal(pattern(blocks * block_size - 7)), Meta(mode=0o600)))
    put("modes/set-id", file(Literal(b"x"), Meta(mode=0o6755, uid=1, gid=2)))
    put("modes/none", file(Literal(b"x"), Meta(mode=0)))
    put("modes/sticky", directory(Meta(mode=0o1777)))
    put("modes/owner", file(Literal(b"x"), Meta(mode=0o640, uid=4294967294, gid=4294967293)))
    for seconds in (-1, -(2**31), 2**31, 2**32, 2**33, -5_000_000_000, 253_402_300_799):
        put(f"times/{seconds}", file(Literal(b""), Meta(mode=0o644, mtime_ns=seconds * NS + 123_456_789)))
    put("links/short", symlink("a"))
    put("links/longest", symlink("t" * (stuffed - 1)))
    put("links/odd", symlink("../\udcff\n"))
    linked = file(Literal(b"linked"), Meta(mode=0o640))
    for number in range(1000):
        put(f"linked/{number}", linked)
    put("links/elsewhere", linked)
    put("special/fifo", Node(Kind.FIFO, Meta(mode=0o620)))
    put("special/disk", Node(Kind.BLOCK, Meta(mode=0o660, gid=6), device=(259, 1_048_575)))
    put("special/tty", Node(Kind.CHARACTER, Meta(mode=0o620, gid=5), device=(4, 0)))
    put("names/" + "n" * 255, file(Literal(b"long"), Meta(mode=0o644)))
    put("names/" + "\udcff" * 255, directory(Meta(mode=0o700)))
    for number in range(1, 256):
        if number != ord("/"):
            put(f"names/{bytes([number]).decode('utf-8', 'surrogateescape')}x", symlink("x"))
    put("/".join(["deep"] * 60), directory(Meta(mode=0o700)))
    put("empty", directory(Meta(mode=0o555, mtime_ns=1)))
    for number in range(1500):
        put(f"many/{number:05}", symlink("x"))
    for number, name in enumerate(colliding(60)):
        put(f"colliding/{name}", file(Literal(b"%d" % number), Meta(mode=0o644)))
    put_attributes(tree, block_size)
    return tree


def put_attributes(tree: Tree, block_size: int) -> None:
    """Add files and folders with extended attributes of every kind and size that *block_size* allows."""
    largest = min(65536, (block_size - 24 - 16 - 8) // 8 * (block_size - 24))
    sets: dict[str, dict[str, bytes]] = {
        "small": {"user.a": b"", "user.b": b"x", "security.capability": CAPABILITY},
        "acl": {"system.posix_acl_access": ACL},
        "large": {"user.l": pattern(largest), "user.m": pattern(3 * block_size)},
        "many": {f"user.{number}": pattern(number * 7 % 300) for number in range(min(200, block_size // 8))},
        "long-name": {"user." + "n" * 250: b"v"},
        "trusted": {"trusted.overlay.opaque": b"y"},
    }
    for name, xattrs in sets.items():
        tree.add(f"attributes/{name}", file(Literal(pattern(9000)), Meta(mode=0o640, xattrs=xattrs)))
        tree.add(f"attributes/{name}.d/x", symlink("x"))
        tree.lookup(f"attributes/{name}.d").meta = Meta(mode=0o750, xattrs=xattrs)


def pattern(size: int) -> bytes:
    """Return *size* bytes that differ in every block, so that no block can take the place of another."""
    words = b"".join(
        zlib.crc32(b"%d" % number).to_bytes(4, "big") for number in range(min(size // 4 + 1, 2048))
    )
    repeat = size // max(len(words), 1) + 1
    return b"".join(b"%08d" % number + words[8:] for number in range(repeat))[:size]


@cache
def colliding(wanted: int) -> list[str]:
    """Return *wanted* names whose CRC-32 is the same in all 32 bits."""
    pairs: list[tuple[str, str]] = []
    seen: dict[int, str] = {}
    places = max(1, (wanted - 1).bit_length())
    for number in count():
        name = hashlib.sha256(b"%d" % number).hexdigest()[:16]
        other = seen.setdefault(zlib.crc32(name.encode()), name)
        if other != name:
            pairs.append((other, name))
        if len(pairs) == places:
            break
    # Equal text after names of equal length and hash keeps the hashes equal: each place takes either name.
    names = ["".join(pairs[at][choice >> at & 1] for at in range(places)) for choice in range(wanted)]
    assert len({zlib.crc32(name.encode()) for name in names}) == 1
    return names


def _meta(draw: st.DrawFn) -> Meta:
    xattrs = draw(
        st.dictionaries(
            st.sampled_from(["user.a", "user.b", "security.c"]), st.binary(max_size=200), max_size=2
        )
    )
    return Meta(
        mode=draw(st.integers(0, 0o7777)),
        uid=draw(st.sampled_from([0, 1, 1000, 65534, 4294967294])),
        gid=draw(st.integers(0, 4294967294)),
        mtime_ns=draw(st.integers(-(2**62), 2**62)),
        xattrs=xattrs,
    )


_NAMES = (
    st.binary(min_size=1, max_size=255)
    .filter(lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b".."))
    .map(lambda name: name.decode("utf-8", "surrogateescape"))
)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Draw a small tree with inodes of all kinds."""
    tree = Tree(_meta(draw))
    folders = [tree.root]
    files: list[Node] = []
    for name in draw(st.lists(_NAMES, unique=True, max_size=40)):
        parent = draw(st.sampled_from(folders))
        kind = draw(st.sampled_from([*Kind, Kind.FILE, Kind.DIRECTORY, "link"]))
        if kind == "link" and files:
            parent.children[name] = draw(st.sampled_from(files))
            continue
        node = Node(kind if isinstance(kind, Kind) else Kind.FILE, _meta(draw))
        if node.kind is Kind.FILE:
            size = draw(st.one_of(st.integers(0, 9000), st.integers(250, 300), st.integers(3860, 3870)))
            node.content = Literal(pattern(size))
        elif node.kind is Kind.SYMLINK:
            node.target = "t" * draw(st.integers(1, 279))
        elif node.kind in (Kind.BLOCK, Kind.CHARACTER):
            node.device = (draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 2**32 - 1)))
        parent.children[name] = node
        if node.kind is Kind.DIRECTORY:
            folders.append(node)
        else:
            files.append(node)
    return tree
