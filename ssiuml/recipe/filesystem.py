"""The keys `sizes`, `filesystem` and `tools`: the shared root, its images and the programs that make them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ssiuml.recipe import values as v
from ssiuml.recipe.choice import ByForm, ByKey
from ssiuml.recipe.problems import Problem, all_wrong, wrong
from ssiuml.recipe.section import Section
from ssiuml.units import GIB, MIB, format_size

POOL_FOLDER = "/dev/pool/"
# /dev/pool/NAME is a lock table, which has at most 63 bytes.
PoolName = Annotated[
    str,
    v.matching(
        r"[A-Za-z0-9_.-]{1,53}",
        "the name of a pool",
        "write at most 53 letters, digits, '.', '_' and '-', such as pool0",
    ),
]
LockTable = Annotated[
    str,
    v.matching(
        r"[A-Za-z0-9_-]{1,32}:[A-Za-z0-9_-]{1,30}",
        "a lock table",
        "write \"CLUSTER:FILESYSTEM\", at most 32 and 30 letters, digits, '_' and '-', such as \"ssi:root\"",
    ),
]
DeviceName = Annotated[
    str, v.matching(r"/dev/[A-Za-z0-9_/-]+", "the name of a device", "write it like /dev/loop2")
]


class Sizes(Section):
    """The sizes of the images."""

    root_fs_bytes: v.Size = Field(alias="root_fs", description="the size of the root file system's image")
    root_cidev_bytes: (
        Annotated[
            v.Size,
            v.within(MIB, GIB, "write a small size: it holds a table of a few kilobytes", format_size),
        ]
        | None
    ) = Field(None, alias="root_cidev", description="the size of the lock server table's image, for GFS1")


def _block_size(value: int) -> int:
    if value not in (512, 1024, 2048, 4096):
        raise wrong(f"{value} is not a block size of GFS", "write 4096 (or 512, 1024, 2048)")
    return value


def _whole_mib(value: int) -> int:
    if value % MIB:
        raise wrong(f"{format_size(value, exact=True)} is not a whole number of MiB", "write it in MiB")
    return value


class _AnyFilesystem(Section):
    """The keys that both generations of GFS have."""

    block_size: Annotated[int, AfterValidator(_block_size)] = Field(description="bytes in a block")
    journals: Annotated[
        int, v.within(1, 64, "write as many as nodes mount the root: each needs its own journal")
    ] = Field(description="number of journals, one for each node that mounts the root at the same time")
    journal_size_bytes: Annotated[
        v.Size,
        AfterValidator(_whole_mib),
        v.within(8 * MIB, GIB, "write a size within the limits of mkfs.gfs2 and of good sense", format_size),
    ] = Field(alias="journal_size", description="the size of each journal")

    @property
    def journal_mib(self) -> int:
        """The size of each journal in MiB."""
        return self.journal_size_bytes // MIB


class Gfs2Filesystem(_AnyFilesystem):
    """GFS2, as mkfs.gfs2 takes it."""

    type: Literal["gfs2"] = Field(description="the kind of file system")
    writer: Literal["direct", "appliance"] = Field(
        "direct", description="what writes the image: this program, or a kernel that mounts it"
    )
    lock_protocol: Literal["lock_dlm", "lock_nolock"] = Field(
        description="lock_dlm, or lock_nolock for one node"
    )
    lock_table: LockTable = Field(description="CLUSTER:FILESYSTEM, the name under which nodes share locks")


class Pool(Section):
    """A pool of one device (HOWTO 5.2)."""

    name: PoolName = Field(description="the pool is /dev/pool/NAME")
    device: DeviceName = Field(
        description="the name of the device in the pool's configuration file, such as /dev/loop2"
    )

    @property
    def path(self) -> str:
        """The name of the pool's device."""
        return POOL_FOLDER + self.name


class Pools(Section):
    """The pools of a GFS1 root: one for the file system, one for the lock server table."""

    root: Pool = Field(description="the file system's pool, in root_fs")
    cidev: Pool = Field(description="the lock server table's pool, in root_cidev")

    @model_validator(mode="after")
    def _differ(self) -> "Pools":
        same = [
            Problem(
                ("cidev", key), f"{getattr(self.cidev, key)} is also the {key} of pools.root", "take another"
            )
            for key in ("name", "device")
            if getattr(self.cidev, key) == getattr(self.root, key)
        ]
        if same:
            raise all_wrong(same)
        return self


class Gfs1Filesystem(_AnyFilesystem):
    """GFS1 in a pool, as the historic mkfs_gfs takes it."""

    type: Literal["gfs1"] = Field(description="the kind of file system")
    lock_protocol: Literal["memexp"] = Field("memexp", description="OpenGFS's lock server of 2002")
    fs_format: Annotated[int, v.within(1305, 1309, "write one of the formats of GFS1")] = Field(
        1309, description="the format in the superblock"
    )
    multihost_format: Annotated[int, v.within(1400, 1401, "write one of the multihost formats of GFS1")] = (
        Field(1401, description="the multihost format in the superblock")
    )
    pools: Pools = Field(description="the pools that it lies in")

    @property
    def lock_table(self) -> str:
        """Where memexp finds the lock server and the nodes: the pool of the cidev."""
        return self.pools.cidev.path


Filesystem = Annotated[Gfs2Filesystem | Gfs1Filesystem, ByKey("type")]


class HostProgram(Section):
    """A program of the host instead of this project's own code."""

    host: v.ProgramPath = Field(description="the absolute path of the program")


Tool = Annotated[Literal["builtin"] | HostProgram, ByForm()]


class Tools(Section):
    """What makes pools, lock server table and GFS1: this project's own code, or OpenGFS on the host."""

    ptool: Tool = Field("builtin", description="writes pool labels")
    passemble: Tool = Field("builtin", description="finds the devices of /dev/pool/NAME")
    gfsconf: Tool = Field("builtin", description="writes the lock server table")
    mkfs_gfs: Tool = Field("builtin", description="makes the file system")

    def host_path(self, name: str) -> str | None:
        """Return the absolute path of the host's program for *name*. Return None for our own code."""
        chosen = getattr(self, name)
        return chosen.host if isinstance(chosen, HostProgram) else None
