"""Hypothesis strategies for trees of all kinds of inodes, as far as both GFS formats hold them."""

import os

from hypothesis import strategies as st

from ssiuml.gfs.contents import Pieces
from ssiuml.tree import Content, Kind, Literal, Meta, Node, Tree, directory, file, symlink

NS = 1_000_000_000
_FORBIDDEN = (b".", b"..")

names = (
    st.one_of(
        st.binary(min_size=1, max_size=20),
        st.binary(min_size=250, max_size=255),
        st.text("ab", min_size=1, max_size=6).map(str.encode),
    )
    .map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"_"))
    .filter(lambda name: name not in _FORBIDDEN)
    .map(os.fsdecode)
)
xattrs = st.dictionaries(
    st.text("abc.", min_size=1, max_size=10).map("user.{}".format), st.binary(max_size=600), max_size=3
)
metas = st.builds(
    Meta,
    mode=st.integers(0, 0o7777),
    uid=st.one_of(st.just(0), st.integers(0, 2**32 - 2)),
    gid=st.one_of(st.just(0), st.integers(0, 2**32 - 2)),
    mtime_ns=st.integers(-(2**40), 2**40).map(lambda seconds: seconds * NS),
    xattrs=st.one_of(st.just({}), xattrs),
)


@st.composite
def contents(draw: st.DrawFn) -> Content:
    """Bytes or pieces with holes, around the sizes where layouts change."""
    edge = draw(st.sampled_from([0, 280, 512, 792, 3864, 4096, 18_000, 130_000]))
    size = max(0, edge + draw(st.integers(-3, 3)))
    if size < 1000 or draw(st.booleans()):
        return Literal(_filled(draw, size))
    offset = draw(st.integers(0, size - 8))
    return Pieces(size, [(offset, draw(st.binary(min_size=1, max_size=8)))])


def _filled(draw: st.DrawFn, size: int) -> bytes:
    unit = draw(st.binary(min_size=1, max_size=64))
    return (unit * (size // len(unit) + 1))[:size]


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    """An inode that is no directory."""
    kind = draw(st.sampled_from([Kind.FILE] * 4 + [Kind.SYMLINK, Kind.FIFO, Kind.BLOCK, Kind.CHARACTER]))
    meta = draw(metas)
    if kind is Kind.FILE:
        return file(draw(contents()), meta)
    if kind is Kind.SYMLINK:
        # '@' would be a context-dependent name to gfs2_convert.
        return symlink(
            draw(st.text("ab/.", min_size=1, max_size=279)), Meta(mode=0o777, mtime_ns=meta.mtime_ns)
        )
    plain = Meta(mode=meta.mode, uid=meta.uid, gid=meta.gid, mtime_ns=meta.mtime_ns)
    device = draw(st.tuples(st.integers(0, 4095), st.integers(0, 2**20 - 1)))
    return Node(kind, plain, device=None if kind is Kind.FIFO else device)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Directories in directories, some inodes with several names, one directory of many."""
    tree = Tree(draw(metas))
    folders = [tree.root]
    inodes: list[Node] = []
    for _ in range(draw(st.integers(0, 25))):
        parent = draw(st.sampled_from(folders))
        name = draw(names)
        if name in parent.children:
            continue
        what = draw(st.sampled_from(["inode", "inode", "folder", "link"]))
        if what == "folder":
            node = directory(draw(metas))
            folders.append(node)
        elif what == "link" and inodes:
            node = draw(st.sampled_from(inodes))
        else:
            node = draw(nodes())
            inodes.append(node)
        parent.children[name] = node
    shared = file(Literal(b"shared"), Meta(mode=0o644))
    crowded = draw(st.sampled_from(folders))
    crowded.children.update({f"crowd-{n}": shared for n in range(draw(st.sampled_from([0, 0, 30, 300])))})
    return tree
