"""The key `initrd`: what a node runs before its root is mounted."""

from typing import Annotated, Literal

from pydantic import Field, Tag

from ssiuml.recipe import values as v
from ssiuml.recipe.section import AS_TUPLE, Section, one_of, shaped_by
from ssiuml.units import GIB, MIB, format_size


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
