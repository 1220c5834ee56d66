"""The inodes of a tree, and the blocks that each of them needs. Their addresses are set later."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ssiuml.formats.gfs.attributes import AttributeLayout, plan_attributes
from ssiuml.formats.gfs.contents import HostFiles
from ssiuml.formats.gfs.directories import HashedLayout, linear_bytes, plan_hashed
from ssiuml.formats.gfs.inode_format import InodeFormat
from ssiuml.formats.gfs.pointer_tree import PointerTree, Run, full_tree, sparse_tree
from ssiuml.formats.gfs.structures import NAME_BYTES_MAX, Flag, PayloadFormat, UnstorableError
from ssiuml.tree.tree import Kind, Node

_NS: Final = 1_000_000_000
_ID_MAX: Final = (1 << 32) - 1  # chown takes (uid_t) -1 for "no change", but it is a valid number on the disk
_SECONDS: Final = 1 << 63


@dataclass(slots=True, eq=False)
class Inode:
    """One inode: its node, the layout of its blocks, and their addresses.

    *names* and *targets* are a directory's names and their inodes: '.' and '..', then the others in byte
    order. *flags* and *payload_format* begin with the values that do not follow from the layout.
    """

    node: Node
    parent: "Inode | None"
    name: bytes  # the first of its names
    flags: int = 0
    payload_format: int = PayloadFormat.NONE
    links: int = 1
    names: Sequence[bytes] = ()
    targets: Sequence["Inode"] = ()
    pointer_tree: PointerTree | None = None  # None: stuffed or empty
    hashed: HashedLayout | None = None  # None: no directory, or a linear one
    attributes: AttributeLayout | None = None
    metadata_blocks: int = 1  # including the dinode
    data_blocks: int = 0
    formal_ino: int = 0
    goal_meta: int = 0  # 0: the dinode itself
    goal_data: int = 0
    runs: list[Run] = field(default_factory=list)

    @property
    def address(self) -> int:
        """The dinode's block; *runs* must be set."""
        return self.runs[0][0]

    @property
    def blocks(self) -> int:
        return self.metadata_blocks + self.data_blocks

    def path(self) -> str:
        """Return one of the inode's paths, from the root; bytes that are no UTF-8 are as in tree paths."""
        names = []
        here: Inode | None = self
        while here is not None and here.parent is not None:
            names.append(here.name.decode("utf-8", "surrogateescape"))
            here = here.parent
        return "/" + "/".join(reversed(names))


def collect_inodes(root: Node) -> list[Inode]:
    """Return all inodes from *root* down, each once: directories before their contents, names in byte order.

    Raise UnstorableError, with the path, for a name that no file can have.
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
            f"{place}: the name {name[:32]!r}... in it has {len(name)} bytes, "
            f"at most {NAME_BYTES_MAX} are possible"
        )
    raise UnstorableError(f"{place}: {name!r} in it cannot be the name of a file")


def plan_inode(inode: Inode, inode_format: InodeFormat, host_files: HostFiles) -> None:
    """Set the layout, flags, payload format and block counts of *inode*.

    Raise UnstorableError, with the path, if the file system has no place for something. Raise TreeError if
    the holes of a host file cannot be found.
    """
    node = inode.node
    try:
        _check_meta(node)
        if node.meta.xattrs:
            inode.attributes = plan_attributes(
                inode_format.block_layout, node.meta.xattrs, inode_format.attribute_types
            )
            inode.metadata_blocks += inode.attributes.blocks
            if inode.attributes.indirect:
                inode.flags |= Flag.EA_INDIRECT
        if node.kind is Kind.FILE:
            _plan_file(inode, inode_format, host_files)
        elif node.kind is Kind.DIRECTORY:
            _plan_directory(inode, inode_format)
        elif node.kind is Kind.SYMLINK:
            _check_target(node, inode_format)
    except UnstorableError as error:
        raise UnstorableError(f"{inode.path()}: {error.message}", hint=error.hint) from error


def _check_meta(node: Node) -> None:
    meta = node.meta
    if not (0 <= meta.uid <= _ID_MAX and 0 <= meta.gid <= _ID_MAX):
        raise UnstorableError(f"owner {meta.uid}:{meta.gid} is not within 0 to {_ID_MAX}")
    if not -_SECONDS <= meta.mtime_ns // _NS < _SECONDS:
        raise UnstorableError(f"time {meta.mtime_ns} ns does not fit into 64 bits of seconds")
    if not 0 <= meta.mode <= 0o7777:
        raise UnstorableError(f"mode {meta.mode:#o} is not within 0 to 0o7777")
    if node.kind in (Kind.CHARACTER, Kind.BLOCK):
        if node.device is None:
            raise UnstorableError("the device has no numbers")
        if not all(0 <= number <= _ID_MAX for number in node.device):
            raise UnstorableError(f"device {node.device[0]}:{node.device[1]} is not within 0 to {_ID_MAX}")


def _check_target(node: Node, inode_format: InodeFormat) -> None:
    length = len((node.target or "").encode("utf-8", "surrogateescape"))
    # A NUL must follow in the dinode's block.
    most = inode_format.block_layout.stuffed_bytes - 1
    if not 1 <= length <= most:
        raise UnstorableError(
            f"the symbolic link's target has {length} bytes, 1 to {most} are possible with blocks of "
            f"{inode_format.block_layout.block_size} bytes on {inode_format.name}"
        )


def _plan_file(inode: Inode, inode_format: InodeFormat, host_files: HostFiles) -> None:
    content = inode.node.content
    size = content.size_bytes if content is not None else 0
    layout = inode_format.block_layout
    if content is None or size <= layout.stuffed_bytes:
        return
    runs = host_files.data_runs(content, layout.block_size)
    if runs is None:
        inode.pointer_tree = full_tree(layout, size)
    else:
        inode.pointer_tree = sparse_tree(layout, layout.height(size), runs)
    inode.metadata_blocks += inode.pointer_tree.indirect_blocks
    inode.data_blocks = inode.pointer_tree.data_blocks


def _plan_directory(inode: Inode, inode_format: InodeFormat) -> None:
    layout = inode_format.block_layout
    inode.flags |= Flag.JDATA
    if linear_bytes(inode.names) <= layout.stuffed_bytes:
        inode.payload_format = PayloadFormat.DIRENTS
        return
    inode.flags |= Flag.EXHASH
    inode.hashed = plan_hashed(inode.names, layout.block_size, chains=inode_format.chains_leaves)
    inode.metadata_blocks += inode.hashed.leaf_blocks
    if inode.hashed.table_bytes > layout.stuffed_bytes:
        inode.pointer_tree = full_tree(layout, inode.hashed.table_bytes, True)
        inode.metadata_blocks += inode.pointer_tree.indirect_blocks + inode.pointer_tree.data_blocks
