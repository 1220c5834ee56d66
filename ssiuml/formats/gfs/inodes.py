"""Which inodes a tree has, and how many blocks each of them needs: everything but where they lie."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ssiuml.errors import SsiumlError
from ssiuml.formats.gfs.attributes import AttributePlan, AttributesError, plan_attributes
from ssiuml.formats.gfs.contents import Sources
from ssiuml.formats.gfs.dirents import DirectoryError, HashedPlan, linear_bytes, plan_hashed
from ssiuml.formats.gfs.generation import Generation
from ssiuml.formats.gfs.shape import PointerTree, Run, TooLargeError, full_tree, pointer_tree
from ssiuml.formats.gfs.structures import NAME_BYTES_MAX, Flag, Payload
from ssiuml.tree.tree import Kind, Node

_NS: Final = 1_000_000_000
_ID_MAX: Final = (1 << 32) - 1  # (uid_t) -1 means "leave it" to chown, but is a number on the disk
_SECONDS: Final = 1 << 63


class UnstorableError(SsiumlError):
    """Something in a tree has no place in the file system."""


@dataclass(slots=True, eq=False)
class Inode:
    """One inode: what is to be stored, and then where.

    *names* and *targets* are a directory's names and their inodes: '.' and '..', then the others in the order
    of their bytes. *flags* and *payload* are what it has besides what follows from its layout.
    """

    node: Node
    parent: "Inode | None"
    name: bytes  # the first of its names
    flags: int = 0
    payload: int = Payload.NONE
    links: int = 1
    names: Sequence[bytes] = ()
    targets: Sequence["Inode"] = ()
    tree: PointerTree | None = None  # None: stuffed, or nothing at all
    hashed: HashedPlan | None = None
    attributes: AttributePlan | None = None
    metadata_blocks: int = 1  # the dinode among them
    data_blocks: int = 0
    formal: int = 0
    goal_meta: int = 0  # 0: the dinode itself
    goal_data: int = 0
    runs: list[Run] = field(default_factory=list)

    @property
    def address(self) -> int:
        """The dinode's block; the inode has been given its place."""
        return self.runs[0][0]

    @property
    def blocks(self) -> int:
        return self.metadata_blocks + self.data_blocks

    def path(self) -> str:
        """One of the inode's names, from the root; bytes that are no UTF-8 as in tree paths."""
        names = []
        here: Inode | None = self
        while here is not None and here.parent is not None:
            names.append(here.name.decode("utf-8", "surrogateescape"))
            here = here.parent
        return "/" + "/".join(reversed(names))


def inventory(root: Node) -> list[Inode]:
    """All inodes at and below *root*, each once, directories before what is in them, names in byte order.

    Raises UnstorableError, with the path, for a name that cannot be one.
    """
    top = Inode(root, None, b"")
    found = [top]
    by_node: dict[int, Inode] = {}
    todo = [top] if root.kind is Kind.DIRECTORY else []
    while todo:
        here = todo.pop()
        names = sorted(
            [(name.encode("utf-8", "surrogateescape"), child) for name, child in here.node.children.items()],
            key=_first,
        )
        inodes: list[Inode] = []
        below: list[Inode] = []
        for name, child in names:
            _check_name(here, name)
            inode = by_node.get(id(child))
            if inode is None:
                inode = by_node[id(child)] = Inode(child, here, name)
                found.append(inode)
                if child.kind is Kind.DIRECTORY:
                    below.append(inode)
            elif child.kind is Kind.DIRECTORY:
                raise UnstorableError(f"{inode.path()}: a directory cannot have a second name ({name!r})")
            else:
                inode.links += 1
            inodes.append(inode)
        here.names = [b".", b"..", *[name for name, _ in names]]
        here.targets = [here, here.parent or here, *inodes]
        here.links = 2 + len(below)
        todo.extend(reversed(below))
    return found


def _first(pair: tuple[bytes, Node]) -> bytes:
    return pair[0]


def _check_name(parent: Inode, name: bytes) -> None:
    if (
        0 < len(name) <= NAME_BYTES_MAX
        and b"/" not in name
        and b"\0" not in name
        and name not in (b".", b"..")
    ):
        return
    place = parent.path()
    if len(name) > NAME_BYTES_MAX:
        raise UnstorableError(
            f"{place}: the name {name[:32]!r}... in it has {len(name)} bytes, at most {NAME_BYTES_MAX} can be"
        )
    raise UnstorableError(f"{place}: {name!r} in it cannot be the name of a file")


def plan(inode: Inode, generation: Generation, sources: Sources) -> None:
    """Decide how *inode* is stored: set its layout, flags, payload and numbers of blocks.

    Raises UnstorableError, with the path, for what the file system has no place for, and OSError if the
    holes of a file of the host cannot be looked for.
    """
    node = inode.node
    try:
        _check_meta(node)
        if node.meta.xattrs:
            inode.attributes = plan_attributes(generation.shape, node.meta.xattrs, generation.attribute_kinds)
            inode.metadata_blocks += inode.attributes.blocks
            if inode.attributes.indirect:
                inode.flags |= Flag.EA_INDIRECT
        if node.kind is Kind.FILE:
            _plan_file(inode, generation, sources)
        elif node.kind is Kind.DIRECTORY:
            _plan_directory(inode, generation)
        elif node.kind is Kind.SYMLINK:
            _check_target(node, generation)
    except (_RefusedError, AttributesError, DirectoryError, TooLargeError) as error:
        raise UnstorableError(f"{inode.path()}: {error.message}", hint=error.hint) from error


class _RefusedError(SsiumlError):
    """As UnstorableError, without the path."""


def _check_meta(node: Node) -> None:
    meta = node.meta
    if not (0 <= meta.uid <= _ID_MAX and 0 <= meta.gid <= _ID_MAX):
        raise _RefusedError(f"owner {meta.uid}:{meta.gid} is not within 0 to {_ID_MAX}")
    if not -_SECONDS <= meta.mtime_ns // _NS < _SECONDS:
        raise _RefusedError(f"time {meta.mtime_ns} ns does not fit into 64 bits of seconds")
    if not 0 <= meta.mode <= 0o7777:
        raise _RefusedError(f"mode {meta.mode:#o} is not within 0 to 0o7777")
    if node.kind in (Kind.CHARACTER, Kind.BLOCK):
        if node.device is None:
            raise _RefusedError("a device has to have numbers")
        if not all(0 <= number <= _ID_MAX for number in node.device):
            raise _RefusedError(f"device {node.device[0]}:{node.device[1]} is not within 0 to {_ID_MAX}")


def _check_target(node: Node, generation: Generation) -> None:
    length = len((node.target or "").encode("utf-8", "surrogateescape"))
    # A NUL has to follow in the dinode's block.
    most = generation.shape.stuffed_bytes - 1
    if not 1 <= length <= most:
        raise _RefusedError(
            f"the symbolic link's target has {length} bytes, 1 to {most} are possible with blocks of "
            f"{generation.shape.block_size} bytes on {generation.name}"
        )


def _plan_file(inode: Inode, generation: Generation, sources: Sources) -> None:
    content = inode.node.content
    size = content.size_bytes if content is not None else 0
    shape = generation.shape
    if content is None or size <= shape.stuffed_bytes:
        return
    runs = sources.data_runs(content, shape.block_size)
    if runs is None:
        inode.tree = full_tree(shape, size)
    else:
        inode.tree = pointer_tree(shape, shape.height(size), runs)
    inode.metadata_blocks += inode.tree.indirect_blocks
    inode.data_blocks = inode.tree.data_blocks


def _plan_directory(inode: Inode, generation: Generation) -> None:
    shape = generation.shape
    inode.flags |= Flag.JDATA
    if linear_bytes(inode.names) <= shape.stuffed_bytes:
        inode.payload = Payload.DIRENTS
        return
    inode.flags |= Flag.EXHASH
    inode.hashed = plan_hashed(inode.names, shape.block_size, chains=generation.chains_leaves)
    inode.metadata_blocks += inode.hashed.leaf_blocks
    if inode.hashed.table_bytes > shape.stuffed_bytes:
        inode.tree = full_tree(shape, inode.hashed.table_bytes, True)
        inode.metadata_blocks += inode.tree.indirect_blocks + inode.tree.data_blocks


def addresses_of(runs: Sequence[Run]) -> Iterator[int]:
    """Every block of *runs*, one by one."""
    for first, count in runs:
        yield from range(first, first + count)
