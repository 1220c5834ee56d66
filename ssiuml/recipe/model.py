"""The recipe: all that decides what is in an image, checked and frozen.

The names of the fields are the keys of the YAML file. Sizes are the exception: `root_fs: 2 GiB` becomes
`root_fs_bytes`, a number of bytes.

To add a key, write a field with its description, here or in the module of its section; the code that uses
it; and a comment in recipes/trixie.yaml (in recipes/rh72.yaml if the key is for images of 2002 only).
"""

from typing import Annotated, Literal, TypeVar

from pydantic import Field, model_validator

from ssiuml.host.epoch import MAX_EPOCH
from ssiuml.recipe import values as v
from ssiuml.recipe.checks import check_all, source_uses
from ssiuml.recipe.cluster import Cluster
from ssiuml.recipe.distribution import Distribution, PackagesDistribution
from ssiuml.recipe.filesystem import Filesystem, Gfs1Filesystem, Gfs2Filesystem, Sizes, Tools
from ssiuml.recipe.initrd import Initrd
from ssiuml.recipe.inputs import ClusterTools, Demo, Download, OpenGfs, UserFile
from ssiuml.recipe.kernel import Kernel, ModernKernel
from ssiuml.recipe.problems import all_wrong, wrong
from ssiuml.recipe.section import Section


class Uml(Section):
    """Changes that make an image of a machine one for User-Mode Linux (HOWTO 5.6)."""

    ubd_devices: Annotated[
        int, v.within(1, 16, "write 1 to 16: User-Mode Linux has no more block devices")
    ] = Field(8, description="the number of block devices /dev/ubd")
    inittab: v.ImagePath = Field(
        "/etc/inittab.ssi", description="the file with lines marked 'For UML' that are to be changed"
    )


class Release(Section):
    """The names of a release's files, how they are compressed, and what the root may contain."""

    root: v.ReleaseName = Field(description="the beginning of the name of the root image's archive")
    utils: v.ReleaseName = Field(description="the beginning of the name of the tools' archive")
    compression: Literal["bz2", "xz", "zst"] = Field("bz2", description="how its archives are compressed")
    set_id: v.DistinctListOf[v.ImagePath] | None = Field(
        (), description="the programs that may be set-user-id or set-group-id; null: any"
    )

    @model_validator(mode="after")
    def _names_differ(self) -> "Release":
        if self.root == self.utils:
            raise wrong(f"root and utils have the same name '{self.root}'", "give each its own")
        return self


class Recipe(Section):
    """A whole recipe, merged with the recipes that it extends."""

    description: v.Description = Field(description="what the image is for, in one line")
    distribution: Distribution = Field(description="where the base of the image comes from")
    sources: dict[v.SourceName, Download] = Field({}, description="files to download, by name")
    packages: v.DistinctListOf[v.PackageName] = Field((), description="the packages to install")
    extra_packages: v.DistinctListOf[v.PackageName] = Field((), description="packages to install as well")
    files: v.ListOf[UserFile] = Field((), description="the user's own files")
    source_date_epoch: Annotated[
        int, v.within(0, MAX_EPOCH, "write seconds since 1970, as `date +%s` prints them")
    ] = Field(description="the latest time that a file in the image has, in seconds since 1970")
    sizes: Sizes = Field(description="sizes of the images")
    filesystem: Filesystem = Field(description="the shared root file system")
    cluster: Cluster = Field(description="nodes and network")
    tools: Tools = Field(
        Tools(),
        description="what makes pools, lock server table and GFS1: our own code or the host's OpenGFS",
    )
    cluster_tools: ClusterTools = Field(
        "builtin", description="builtin, or {source: SOURCE}, {folder: DIR} with a Makefile of its own"
    )
    kernel: Kernel = Field(description="the kernel")
    opengfs: OpenGfs | None = Field(
        None, description="OpenGFS's source, to be built and installed in the root"
    )
    initrd: Initrd = Field(description="the initrd")
    root_password_hash: v.PasswordHash = Field(description="root's first password, hashed: openssl passwd -6")
    uml: Uml | None = Field(
        None, description="changes that an image of a machine needs to run in User-Mode Linux"
    )
    demo: Demo | None = Field(None, description="the demonstration program")
    prune: v.DistinctListOf[v.ServiceName] = Field((), description="services that do not start in runlevel 3")
    release: Release = Field(description="names of the release's files")

    @property
    def cluster_name(self) -> str:
        """The name of the cluster: the lock table up to its colon; for GFS1 the name of the root's pool."""
        if isinstance(self.filesystem, Gfs1Filesystem):
            return self.filesystem.pools.root.name
        return self.filesystem.lock_table.partition(":")[0]

    @property
    def all_packages(self) -> tuple[str, ...]:
        """The packages and the extra packages in this order, each once."""
        return tuple(dict.fromkeys(self.packages + self.extra_packages))

    @property
    def can_boot(self) -> bool:
        """Whether nodes can be started from these images: their kernel is of today, and one of the images."""
        return isinstance(self.kernel, ModernKernel)

    @property
    def gfs2(self) -> Gfs2Filesystem:
        """The root's file system, for callers that know that it is GFS2."""
        return _known(self.filesystem, Gfs2Filesystem)

    @property
    def packaged(self) -> PackagesDistribution:
        """The distribution, for callers that know that its base is made of packages."""
        return _known(self.distribution, PackagesDistribution)

    @property
    def used_sources(self) -> tuple[str, ...]:
        """The names of the sources that the recipe uses, in the order of the recipe."""
        used = {name for _, name in source_uses(self)}
        return tuple(name for name in self.sources if name in used)

    @model_validator(mode="after")
    def _parts_fit_together(self) -> "Recipe":
        if problems := list(check_all(dict(self))):
            raise all_wrong(problems)
        return self


_Kind = TypeVar("_Kind")


def _known(part: object, kind: type[_Kind]) -> _Kind:
    if not isinstance(part, kind):
        raise TypeError(f"the recipe's {type(part).__name__} is no {kind.__name__}")
    return part
