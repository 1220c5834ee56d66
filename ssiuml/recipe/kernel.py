"""The key `kernel`: the kernel of the nodes, and its modules."""

from typing import Annotated, Final, Literal

from pydantic import Discriminator, Field, Tag

from ssiuml.recipe import values as v
from ssiuml.recipe.inputs import FromFolder, FromSource, FromSourceOrFolder
from ssiuml.recipe.section import AS_TUPLE, Section, one_of, shaped_by

_SOURCE: Final = "where the kernel comes from: package, linux-source, release, cvs or none"


class _AnyKernel(Section):
    """What every kernel has, wherever it comes from."""

    parameters: Annotated[v.KernelParameters, AS_TUPLE] = Field(
        (), description="kernel parameters that every node is started with"
    )


class PackageKernel(_AnyKernel):
    """A kernel with its modules, ready in a Debian package."""

    source: Literal["package"] = Field(description=_SOURCE)
    package: v.PackageName = Field(description="the Debian package with the kernel and its modules")
    modules: Annotated[v.ModuleChoice, AS_TUPLE] = Field(description="all, or a list of modules")


class SourceKernel(_AnyKernel):
    """A kernel of today, built here from the source that Debian packages."""

    source: Literal["linux-source"] = Field(description=_SOURCE)
    package: v.PackageName = Field(description="the Debian package with the source, such as linux-source-6.1")
    version: v.PackageVersion | None = Field(
        None, description="that package's version, or null for the newest"
    )
    config: Annotated[tuple[v.HostPath, ...], AS_TUPLE] = Field(
        (), description="files with options, merged in this order over those of ARCH=um"
    )
    patches: v.HostPath | None = Field(
        None, description="a folder with patches and their order in a file named series"
    )
    modules: Annotated[v.ModuleChoice, AS_TUPLE] = Field(description="all, or a list of modules")


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


class _HistoricKernel(_AnyKernel):
    """Linux 2.4, built here as in 2002."""

    base: v.SourceName = Field(
        description="one of the sources: Linux itself, linux-2.4.16.tar.bz2 or .tar.gz"
    )
    config: v.HostPath | None = Field(None, description="a .config to use instead of the tree's config.uml")
    toolchain: Annotated[
        Annotated[Literal["host", "base-image"], Tag("<name>")] | Annotated[FromFolder, Tag("<folder>")],
        Discriminator(lambda value: "<name>" if isinstance(value, str) else "<folder>"),
    ] = Field(
        "base-image",
        description="whose compiler: base-image, host, or {folder: DIR} with an unpacked root of the time",
    )


class ReleaseKernel(_HistoricKernel):
    """Linux 2.4 with the patch of an SSI release (HOWTO 4.1 to 4.4)."""

    source: Literal["release"] = Field(description=_SOURCE)
    ssi: v.SourceName = Field(
        description="one of the sources: the release, ssi-linux-VERSION-vRELEASE.tar.bz2"
    )
    patches: Annotated[tuple[v.HostPath, ...], AS_TUPLE] = Field(
        (), description="further patches, applied in this order"
    )


class CvsKernel(_HistoricKernel):
    """Linux 2.4 with the SSI and CI code of a CVS checkout (HOWTO 4.1 to 4.4)."""

    source: Literal["cvs"] = Field(description=_SOURCE)
    ssi: FromSourceOrFolder = Field(description="{folder: DIR} or {source: SOURCE}: the module ssic-linux")
    ci: FromSourceOrFolder = Field(description="{folder: DIR} or {source: SOURCE}: the module ci-linux")
    uml_patch: v.FileName = Field(
        "uml-patch-2.4.18-22", description="the patch for User-Mode Linux in ssic-linux's folder 3rd-party"
    )
    opengfs_patch: v.FileName = Field(
        "opengfs-ssi.patch", description="the patch for OpenGFS in ssic-linux's folder 3rd-party"
    )
    patches: Annotated[tuple[v.FileName, ...], AS_TUPLE] = Field(
        (), description="further patches of ssic-linux's folder 3rd-party, by name, applied in this order"
    )


class NoKernel(_AnyKernel):
    """A kernel that somebody else made: ssi-start takes the one that ~/.ssiuml/ssiuml.conf names."""

    source: Literal["none"] = Field(description=_SOURCE)
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


Kernel = Annotated[
    Annotated[PackageKernel, Tag("<package>")]
    | Annotated[SourceKernel, Tag("<linux-source>")]
    | Annotated[ReleaseKernel, Tag("<release>")]
    | Annotated[CvsKernel, Tag("<cvs>")]
    | Annotated[NoKernel, Tag("<none>")],
    shaped_by("source", "package"),
    one_of("source", "package", "package", "linux-source", "release", "cvs", "none"),
]
# What a kernel of today has that a kernel of 2002 has not: GFS2, a cpio initrd, a Debian package.
TODAY: Final = ("package", "linux-source")
