"""The key `kernel`: the kernel of the nodes, and its modules."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from ssiuml.host.uml import Userspace, parameter_problem
from ssiuml.recipe import values as v
from ssiuml.recipe.choice import ByForm, ByKey
from ssiuml.recipe.inputs import FromFolder, FromSource, FromSourceOrFolder
from ssiuml.recipe.problems import wrong
from ssiuml.recipe.section import Section


def _parameter(text: str) -> str:
    problem = parameter_problem(text)
    if problem is not None:
        raise wrong(*problem)
    return text


def _modules(value: Any) -> Any:
    # The choice takes all text for a word and would offer `all` alone.
    if value == "all" or isinstance(value, tuple | list):
        return value
    raise wrong(
        f"{value!r} is neither all nor a list of modules", "write modules: all, or modules: [gfs2, dlm]"
    )


KernelVersion = Annotated[
    str,
    v.matching(r"[0-9]+(\.[0-9]+)+[A-Za-z0-9.+_-]*", "the version of a kernel", "write it like 2.4.16-21um"),
]
KernelParameter = Annotated[str, AfterValidator(_parameter)]
ModuleChoice = Annotated[Literal["all"] | v.DistinctListOf[v.ModuleName], ByForm(), BeforeValidator(_modules)]
_SUITE: Final = (
    "the suite of distribution.mirror that has the package, such as trixie-backports; "
    "null: the suites of the distribution"
)
_SOURCE: Final = "where the kernel comes from: package, linux-source, release, cvs or none"


class _AnyKernel(Section):
    """The keys that every kernel has."""

    parameters: v.DistinctListOf[KernelParameter] = Field(
        (), description="parameters that the kernel of every node gets"
    )


class _KernelOfToday(_AnyKernel):
    userspace: Userspace = Field(
        "ptrace", description="how guest processes run: ptrace, or seccomp, which is faster and trusts them"
    )


class PackageKernel(_KernelOfToday):
    """A kernel with its modules, ready in a Debian package."""

    source: Literal["package"] = Field(description=_SOURCE)
    package: v.PackageName = Field(description="the Debian package with the kernel and its modules")
    suite: v.Suite | None = Field(None, description=_SUITE)
    modules: ModuleChoice = Field(description="all, or a list of modules")


class SourceKernel(_KernelOfToday):
    """A kernel of today, built here from the source that Debian packages."""

    source: Literal["linux-source"] = Field(description=_SOURCE)
    package: v.PackageName = Field(description="the Debian package with the source, such as linux-source-6.1")
    suite: v.Suite | None = Field(None, description=_SUITE)
    version: v.PackageVersion | None = Field(
        None, description="that package's version, or null for the newest"
    )
    config: v.ListOf[v.HostPath] = Field(
        (), description="files with options, merged in this order over those of ARCH=um"
    )
    patches: v.HostPath | None = Field(
        None, description="a folder with patches and their order in a file named series"
    )
    modules: ModuleChoice = Field(description="all, or a list of modules")


class ModulesOfImage(Section):
    """/lib/modules of an older root image (HOWTO 5.5)."""

    from_image: v.SourceName = Field(
        description="one of the sources: a root image, or an archive with root_fs"
    )
    paths: v.DistinctListOf[v.ImagePath] = Field(
        (), description="further files to take from there, such as OpenGFS's programs"
    )


class HistoricKernel(_AnyKernel):
    """Linux 2.4, built here as in 2002."""

    base: v.SourceName = Field(
        description="one of the sources: Linux itself, linux-2.4.16.tar.bz2 or .tar.gz"
    )
    config: v.HostPath | None = Field(None, description="a .config to use instead of the tree's config.uml")
    toolchain: Annotated[Literal["host", "base-image"] | FromFolder, ByForm()] = Field(
        "base-image",
        description="whose compiler: base-image, host, or {folder: DIR} with an unpacked root of the time",
    )


class ReleaseKernel(HistoricKernel):
    """Linux 2.4 with the patch of an SSI release (HOWTO 4.1 to 4.4)."""

    source: Literal["release"] = Field(description=_SOURCE)
    ssi: v.SourceName = Field(
        description="one of the sources: the release, ssi-linux-VERSION-vRELEASE.tar.bz2"
    )
    patches: v.ListOf[v.HostPath] = Field((), description="further patches, applied in this order")


class CvsKernel(HistoricKernel):
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
    patches: v.ListOf[v.FileName] = Field(
        (), description="further patches of ssic-linux's folder 3rd-party, by name, applied in this order"
    )


class NoKernel(_AnyKernel):
    """No kernel is built: ssi-start takes the one that ~/.ssiuml/ssiuml.conf names."""

    source: Literal["none"] = Field(description=_SOURCE)
    version: KernelVersion = Field(description="its version, the name of its folder in /lib/modules")
    modules: Annotated[Literal["none"] | ModulesOfImage | FromFolder | FromSource, ByForm()] = Field(
        description="where its modules come from: {from_image: SOURCE}, {source: SOURCE}, {folder: DIR}, none"
    )


Kernel = Annotated[PackageKernel | SourceKernel | ReleaseKernel | CvsKernel | NoKernel, ByKey("source")]
# These mount GFS2, unpack a cpio initrd and come in a Debian package. Linux 2.4 does none of that.
ModernKernel = PackageKernel | SourceKernel
