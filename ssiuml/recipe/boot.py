"""What a node boots: kernel, modules and initrd."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from ssiuml.recipe import values as v
from ssiuml.recipe.origin import FromFolder, FromSource
from ssiuml.recipe.section import AS_TUPLE, Section, one_of, shaped_by
from ssiuml.units import GIB, MIB, format_size


class DebianKernel(Section):
    """A kernel with its modules from a Debian package."""

    source: Literal["debian"] = Field(description="where the kernel comes from: debian or none")
    package: v.PackageName = Field(description="the Debian package with the kernel and its modules")
    modules: Annotated[v.ModuleChoice, AS_TUPLE] = Field(description="all, or a list of modules")
    parameters: Annotated[v.KernelParameters, AS_TUPLE] = Field(
        (), description="kernel parameters that every node is started with"
    )


class ModulesOfImage(Section):
    """/lib/modules of an older root image (HOWTO 5.5)."""

    from_image: v.SourceName = Field(
        description="one of the sources: a root image, or an archive with root_fs"
    )
    paths: Annotated[v.ImagePaths, AS_TUPLE] = Field(
        (), description="files to take from there besides, such as OpenGFS's programs"
    )


def _modules_tag(value: object) -> str:
    if isinstance(value, str):
        return "<none>"
    keys = (
        value if isinstance(value, dict) else type(value).model_fields if isinstance(value, Section) else {}
    )
    return next((f"<{key}>" for key in ("from_image", "folder") if key in keys), "<source>")


class NoKernel(Section):
    """A kernel that somebody else made: ssi-start takes the one that ~/.ssiuml/ssiuml.conf names."""

    source: Literal["none"] = Field(description="where the kernel comes from: debian or none")
    version: v.KernelVersion = Field(description="its version, the name of its folder in /lib/modules")
    modules: Annotated[
        Annotated[Literal["none"], Tag("<none>")]
        | Annotated[ModulesOfImage, Tag("<from_image>")]
        | Annotated[FromSource, Tag("<source>")]
        | Annotated[FromFolder, Tag("<folder>")],
        Discriminator(_modules_tag),
    ] = Field(
        description="where its modules come from: {from_image: SOURCE}, {source: SOURCE}, {folder: DIR}, none"
    )
    parameters: Annotated[v.KernelParameters, AS_TUPLE] = Field(
        (), description="kernel parameters that every node is started with"
    )


Kernel = Annotated[
    Annotated[DebianKernel, Tag("<debian>")] | Annotated[NoKernel, Tag("<none>")],
    shaped_by("source", "debian"),
    one_of("source", "debian", "debian", "none"),
]


class _AnyInitrd(Section):
    """What every form of the initrd has."""

    limit_bytes: Annotated[
        v.Size, v.within(MIB, GIB, "an initrd lies in every node's memory", format_size)
    ] = Field(alias="limit", description="the most that the initrd may take, compressed")


class CpioInitrd(_AnyInitrd):
    """What starts the cluster before the root is mounted, as the kernel of today unpacks it."""

    form: Literal["cpio"] = Field("cpio", description="cpio; linuxrc or cluster_mkinitrd for Linux 2.4")
    tools: Annotated[v.ImagePaths, AS_TUPLE] = Field(description="programs, by their path in the image")
    modules: Annotated[v.Modules, AS_TUPLE] = Field(description="kernel modules, loaded in this order")


class LinuxrcInitrd(_AnyInitrd):
    """The initrd of Linux 2.4: an ext2 image with linuxrc, put together from the root's files."""

    form: Literal["linuxrc"] = Field(description="cpio; linuxrc or cluster_mkinitrd for Linux 2.4")
    tools: Annotated[v.ImagePaths, AS_TUPLE] = Field(description="programs, by their path in the image")
    modules: Annotated[v.Modules, AS_TUPLE] = Field(description="kernel modules, loaded in this order")


class HistoricInitrd(_AnyInitrd):
    """The initrd of Linux 2.4, by the root's own cluster_mkinitrd (HOWTO 4.8)."""

    form: Literal["cluster_mkinitrd"] = Field(description="cpio; linuxrc or cluster_mkinitrd for Linux 2.4")
    appliance: v.RecipeName = Field(
        "bookworm", description="the recipe whose kernel and base the program runs on, in the build appliance"
    )


Initrd = Annotated[
    Annotated[CpioInitrd, Tag("<cpio>")]
    | Annotated[LinuxrcInitrd, Tag("<linuxrc>")]
    | Annotated[HistoricInitrd, Tag("<cluster_mkinitrd>")],
    shaped_by("form", "cpio"),
    one_of("form", "cpio", "cpio", "linuxrc", "cluster_mkinitrd"),
]
