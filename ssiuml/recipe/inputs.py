"""Where the image's contents come from: packages or an older image, downloads, and the programs to use."""

from pathlib import PurePosixPath
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Discriminator, Field, Tag, model_validator

from ssiuml.recipe import values as v
from ssiuml.recipe.problems import wrong
from ssiuml.recipe.section import AS_TUPLE, Section, one_of, shaped_by
from ssiuml.units import GIB, format_size


class PackagesDistribution(Section):
    """A distribution that is installed from its packages."""

    name: Literal["debian"] = Field(description="the distribution")
    base: Literal["packages"] = Field("packages", description="how the base is made: packages or image")
    suite: v.Suite = Field(description="the code name of its release")
    mirror: v.Url = Field(description="where its packages are fetched")
    security_mirror: v.Url | None = Field(None, description="where its security updates are fetched, or null")
    components: Annotated[v.Components, AS_TUPLE] = Field(
        ("main",), min_length=1, description="parts of the archive"
    )
    snapshot: v.Timestamp | None = Field(None, description="the day of snapshot.debian.org to use, or null")


class ImageDistribution(Section):
    """A distribution that comes as an image of an installed system, as in the SSI/UML HOWTO, 5.1."""

    name: v.DistributionName = Field(description="the distribution; cluster tools have install_ssi_NAME")
    base: Literal["image"] = Field(description="how the base is made: packages or image")
    source: v.SourceName = Field(description="which of the sources is its ext2 image")


Distribution = Annotated[
    Annotated[PackagesDistribution, Tag("<packages>")] | Annotated[ImageDistribution, Tag("<image>")],
    shaped_by("base", "packages"),
    one_of("base", "packages", "packages", "image"),
]


class Download(Section):
    """A file that is fetched, verified and kept in the cache."""

    urls: Annotated[tuple[v.Url, ...], AS_TUPLE] = Field(
        min_length=1, description="where it is, several mirrors in the order in which they are tried"
    )
    file: v.FileName | None = Field(
        None, description="its name among the downloads, if not the last part of the first URL"
    )
    limit_bytes: Annotated[
        v.Size, v.within(1, 64 * GIB, "no more than this is ever fetched", format_size)
    ] = Field(GIB, alias="limit", description="the most that it may have")
    sha256: v.Sha256 | None = Field(None, description="its SHA-256; without it the first download decides")

    @property
    def file_name(self) -> str:
        """Its name among the downloads."""
        return self.file or _last_part(self.urls[0])

    @property
    def published_name(self) -> str:
        """The name under which it was published."""
        return _last_part(self.urls[0])

    @model_validator(mode="after")
    def _has_a_name(self) -> "Download":
        if not v.is_file_name(self.file_name):
            raise wrong(f"{self.urls[0]} does not end in the name of a file", "give it one: file: NAME")
        return self


def _last_part(url: str) -> str:
    return PurePosixPath(unquote(urlsplit(url).path)).name


class FromSource(Section):
    """Something that one of the sources has."""

    source: v.SourceName = Field(description="one of the sources")


class FromFolder(Section):
    """Something in a folder of the user's."""

    folder: v.HostPath = Field(description="a folder, seen from the recipe")


def _origin_tag(value: object) -> str:
    if isinstance(value, str):
        return "<builtin>"
    has_folder = "folder" in value if isinstance(value, dict) else isinstance(value, FromFolder)
    return "<folder>" if has_folder else "<source>"


FromSourceOrFolder = Annotated[
    Annotated[FromSource, Tag("<source>")] | Annotated[FromFolder, Tag("<folder>")],
    Discriminator(_origin_tag),
]
ClusterTools = Annotated[
    Annotated[Literal["builtin"], Tag("<builtin>")]
    | Annotated[FromSource, Tag("<source>")]
    | Annotated[FromFolder, Tag("<folder>")],
    Discriminator(_origin_tag),
]


class Demo(Section):
    """The demonstration program of the SSI/UML HOWTO, 3.1 and 5.6."""

    source: v.SourceName = Field(description="one of the sources: an archive with one folder in it")
    path: v.ImagePath = Field("/root/dbdemo", description="the folder in the image for what is in it")


class OpenGfs(Section):
    """OpenGFS, built for User-Mode Linux (HOWTO 4.7)."""

    source: v.SourceName = Field(description="one of the sources: OpenGFS's source")
    kernel_tree: v.HostPath | None = Field(
        None, description="the folder of the configured kernel source; null for that of the kernel built here"
    )


class HostProgram(Section):
    """A program of the host instead of this project's own code."""

    host: v.AbsolutePath = Field(description="the absolute path of the program")


Tool = Annotated[
    Annotated[Literal["builtin"], Tag("<builtin>")] | Annotated[HostProgram, Tag("<host>")],
    Discriminator(lambda value: "<builtin>" if isinstance(value, str) else "<host>"),
]


class Tools(Section):
    """Who makes pools, lock table and GFS1 file system: this project's own code, or OpenGFS on the host."""

    ptool: Tool = Field("builtin", description="writes pool labels")
    passemble: Tool = Field("builtin", description="finds out what /dev/pool/NAME is")
    gfsconf: Tool = Field("builtin", description="writes the lock table")
    mkfs_gfs: Tool = Field("builtin", description="makes the file system")

    def host_path(self, name: str) -> str | None:
        """The absolute path of the host's program to use for *name*; None for our own code."""
        chosen = getattr(self, name)
        return chosen.host if isinstance(chosen, HostProgram) else None
