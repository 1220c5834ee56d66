"""What goes into an image besides packages and kernel: downloads, folders and files of the user."""

from pathlib import PurePosixPath
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Discriminator, Field, Tag, model_validator

from ssiuml.recipe import values as v
from ssiuml.recipe.problems import wrong
from ssiuml.recipe.section import AS_TUPLE, Section
from ssiuml.units import GIB, format_size


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


class UserFile(Section):
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
