"""The recipe: all that decides what is in an image, checked and frozen.

The names of the fields are the keys of the YAML file, but for sizes: `root_fs: 2 GiB` is held in bytes
as `root_fs_bytes`.
"""

from ipaddress import IPv4Address
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ssiuml.errors import UsageError
from ssiuml.recipe import values as v
from ssiuml.recipe.checks import MAX_NODES, check_all
from ssiuml.recipe.problems import all_wrong, wrong
from ssiuml.units import GIB, MIB, format_size

_AsTuple = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)


class _Section(BaseModel):
    """What all parts of a recipe have in common: no change, no unknown key, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Distribution(_Section):
    """Where the packages of the image come from."""

    name: Literal["debian"] = Field(description="the distribution")
    suite: v.Suite = Field(description="the code name of its release")
    mirror: v.Url = Field(description="where its packages are fetched")
    security_mirror: v.Url | None = Field(None, description="where its security updates are fetched, or null")
    components: Annotated[v.Components, _AsTuple] = Field(
        ("main",), min_length=1, description="parts of the archive"
    )
    snapshot: v.Timestamp | None = Field(None, description="the day of snapshot.debian.org to use, or null")


class UserFile(_Section):
    """A file of the user's own that is put into the image."""

    path: v.ImagePath = Field(description="where it goes in the image")
    content: str | None = Field(None, description="its text, if it has no source")
    source: v.SourcePath | None = Field(None, description="the file to copy, seen from the recipe")
    mode: v.OctalMode = Field("0644", description="its permissions, in octal")
    uid: Annotated[int, v.within(0, 2**32 - 2, "that is what a user's number can be")] = Field(
        0, description="the number of its owner"
    )
    gid: Annotated[int, v.within(0, 2**32 - 2, "that is what a group's number can be")] = Field(
        0, description="the number of its group"
    )

    @property
    def mode_bits(self) -> int:
        """The permissions as a number."""
        return int(self.mode, 8)

    @model_validator(mode="after")
    def _has_one_origin(self) -> "UserFile":
        if (self.content is None) == (self.source is None):
            how = "neither content nor source" if self.content is None else "both content and source"
            raise wrong(f"{self.path} has {how}", "give it content: TEXT or source: FILE, one of them")
        return self


class Sizes(_Section):
    """How large the images are."""

    root_fs_bytes: v.Size = Field(alias="root_fs", description="the size of the root file system's image")


def _block_size(value: int) -> int:
    if value not in (512, 1024, 2048, 4096):
        raise wrong(f"{value} is not a block size of GFS2", "write 4096 (or 512, 1024, 2048)")
    return value


def _whole_mib(value: int) -> int:
    if value % MIB:
        raise wrong(f"{format_size(value, exact=True)} is not a whole number of MiB", "write it in MiB")
    return value


class Filesystem(_Section):
    """The shared root file system, as mkfs.gfs2 takes it."""

    type: Literal["gfs2"] = Field(description="the kind of file system")
    block_size: Annotated[int, AfterValidator(_block_size)] = Field(description="bytes in a block")
    journals: Annotated[int, v.within(1, 64, "every node that mounts the root needs its own journal")] = (
        Field(description="number of journals, one for each node that mounts the root at the same time")
    )
    journal_size_bytes: Annotated[
        v.Size,
        AfterValidator(_whole_mib),
        v.within(8 * MIB, GIB, "these are the limits of mkfs.gfs2 and of good sense", format_size),
    ] = Field(alias="journal_size", description="the size of each journal")
    writer: Literal["direct", "appliance"] = Field(
        "direct", description="who writes the image: this program, or a kernel that mounts it"
    )
    lock_protocol: Literal["lock_dlm", "lock_nolock"] = Field(
        description="lock_dlm, or lock_nolock for one node"
    )
    lock_table: v.LockTable = Field(description="CLUSTER:FILESYSTEM, the name under which nodes share locks")


_Milliseconds = Annotated[int, v.within(30, 600_000, "corosync takes no less than 30 ms")]


class Timings(_Section):
    """When corosync holds a silent node for lost, in milliseconds."""

    token_ms: _Milliseconds = Field(description="silence after which a node is suspected")
    join_ms: _Milliseconds = Field(description="how long to wait for join messages")
    consensus_ms: _Milliseconds = Field(description="how long to wait for agreement, at least 1.2 x token_ms")


class Cluster(_Section):
    """The nodes and their network."""

    node_limit: Annotated[
        int, v.within(1, MAX_NODES, f"nodes are numbered 1-{MAX_NODES}, as in the SSI/UML HOWTO")
    ] = Field(description="the highest node number")
    network: v.Network = Field(description="the interconnect; node N has its Nth address")
    timings: Timings = Field(description="corosync's timeouts")

    def address_of(self, node: int) -> IPv4Address:
        """Return the address of *node* on the interconnect; UsageError if there is no such node."""
        if not 1 <= node <= self.node_limit:
            raise UsageError(f"node {node} does not exist: this cluster has nodes 1 to {self.node_limit}")
        return self.network.network_address + node


class Kernel(_Section):
    """The kernel that the nodes run."""

    source: Literal["debian"] = Field(description="where the kernel comes from")
    package: v.PackageName = Field(description="the Debian package with the kernel and its modules")
    modules: Annotated[v.ModuleChoice, _AsTuple] = Field(description="all, or a list of modules")
    parameters: Annotated[v.KernelParameters, _AsTuple] = Field(
        (), description="kernel parameters that every node is started with"
    )


class Initrd(_Section):
    """What starts the cluster before the root is mounted."""

    tools: Annotated[v.ImagePaths, _AsTuple] = Field(description="programs, by their path in the image")
    modules: Annotated[v.Modules, _AsTuple] = Field(description="kernel modules, loaded in this order")
    limit_bytes: Annotated[
        v.Size, v.within(MIB, GIB, "an initrd lies in every node's memory", format_size)
    ] = Field(alias="limit", description="the most that the initrd may take, compressed")


class Release(_Section):
    """The names that the files of a release begin with."""

    root: v.ReleaseName = Field(description="begins the name of the root image's archive")
    utils: v.ReleaseName = Field(description="begins the name of the tools' archive")

    @model_validator(mode="after")
    def _names_differ(self) -> "Release":
        if self.root == self.utils:
            raise wrong(f"root and utils have the same name '{self.root}'", "give each its own")
        return self


class Recipe(_Section):
    """A whole recipe, with what it extends already merged in."""

    description: v.Description = Field(description="what the image is for, in one line")
    distribution: Distribution = Field(description="where packages come from")
    packages: Annotated[v.Packages, _AsTuple] = Field(description="the packages to install")
    extra_packages: Annotated[v.Packages, _AsTuple] = Field((), description="packages to install as well")
    files: Annotated[tuple[UserFile, ...], _AsTuple] = Field((), description="the user's own files")
    source_date_epoch: Annotated[
        int, v.within(0, 2**32 - 1, "seconds since 1970, as `date +%s` prints them")
    ] = Field(description="the latest time that a file in the image has, in seconds since 1970")
    sizes: Sizes = Field(description="sizes of the images")
    filesystem: Filesystem = Field(description="the shared root file system")
    cluster: Cluster = Field(description="nodes and network")
    kernel: Kernel = Field(description="the kernel")
    initrd: Initrd = Field(description="the initrd")
    root_password_hash: v.PasswordHash = Field(description="root's first password, hashed: openssl passwd -6")
    prune: Annotated[v.Services, _AsTuple] = Field((), description="services that do not start in runlevel 3")
    release: Release = Field(description="names of the release's files")

    @property
    def cluster_name(self) -> str:
        """The cluster's name: what stands before the colon in the lock table."""
        return self.filesystem.lock_table.partition(":")[0]

    @property
    def all_packages(self) -> tuple[str, ...]:
        """The packages and the extra packages in this order, each once."""
        return tuple(dict.fromkeys(self.packages + self.extra_packages))

    @model_validator(mode="after")
    def _parts_fit_together(self) -> "Recipe":
        if problems := list(check_all(self.sizes, self.filesystem, self.cluster, self.files)):
            raise all_wrong(problems)
        return self
