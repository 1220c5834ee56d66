"""The key `initrd`: what a node runs before its root is mounted."""

from typing import Annotated, Literal

from pydantic import Field

from ssiuml.recipe import values as v
from ssiuml.recipe.choice import ByKey
from ssiuml.recipe.section import Section
from ssiuml.units import GIB, MIB, format_size


class _AnyInitrd(Section):
    """The keys that every form of the initrd has."""

    limit_bytes: Annotated[
        v.Size,
        v.within(
            MIB, GIB, "write a size in this range: the initrd takes up every node's memory", format_size
        ),
    ] = Field(alias="limit", description="the most that the initrd may take, compressed")


class CpioInitrd(_AnyInitrd):
    """A cpio archive that a kernel of today unpacks; it starts the cluster and then mounts the root."""

    form: Literal["cpio"] = Field("cpio", description="cpio; linuxrc or cluster_mkinitrd for Linux 2.4")
    tools: v.DistinctListOf[v.ImagePath] = Field(description="programs, by their path in the image")
    modules: v.DistinctListOf[v.ModuleName] = Field(description="kernel modules, loaded in this order")


class LinuxrcInitrd(_AnyInitrd):
    """The initrd of Linux 2.4: an ext2 image with linuxrc, put together from the root's files."""

    form: Literal["linuxrc"] = Field(description="cpio; linuxrc or cluster_mkinitrd for Linux 2.4")
    tools: v.DistinctListOf[v.ImagePath] = Field(description="programs, by their path in the image")
    modules: v.DistinctListOf[v.ModuleName] = Field(description="kernel modules, loaded in this order")


class HistoricInitrd(_AnyInitrd):
    """The initrd of Linux 2.4, made by the root's own cluster_mkinitrd (HOWTO 4.8)."""

    form: Literal["cluster_mkinitrd"] = Field(description="cpio; linuxrc or cluster_mkinitrd for Linux 2.4")
    appliance: v.RecipeName = Field(
        "trixie", description="the recipe whose kernel and base the program runs on, in the build appliance"
    )


Initrd = Annotated[CpioInitrd | LinuxrcInitrd | HistoricInitrd, ByKey("form")]
